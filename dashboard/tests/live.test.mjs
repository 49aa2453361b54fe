// What is shown follows what happens: no answer takes back what a stream brought, and a role that could not be asked
// for is asked for again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, createTenant, openPage } from './harness.mjs';
import { together } from './together.mjs';

let server, browser;
together((...both) => ([server, browser] = both));

/** Two frames later, when what has arrived is drawn. */
const drawn = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

test('an answer that is older than what the stream brought takes nothing back', async () => {
  await createTenant(server, 'overtaken');
  const { page, complaints } = await openPage(browser.context);
  let hold = false;
  let answered, release;
  const isAnswered = new Promise((resolve) => (answered = resolve));
  const isReleased = new Promise((resolve) => (release = resolve));
  await page.route('**/api/v1/alerts?**', async (route) => {
    const response = await route.fetch();
    if (hold) {
      answered();
      await isReleased;
    }
    await route.fulfill({ response });
  });
  await page.goto(`${server.address}/#/demo/alerts?tenant=overtaken`);
  await page.getByText('No alert matches.').waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
  // The network came back: the page reads again, and the answer is long on its way.
  hold = true;
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await isAnswered;
  await page.getByText('Live', { exact: true }).waitFor();
  await call(server, 'POST', '/tenants/overtaken/monitoring', { metrics: { error_rate: 40 } });
  const row = page.getByRole('row').filter({ hasText: 'Error rate' });
  await row.waitFor();
  const late = page.waitForResponse('**/api/v1/alerts?**');
  hold = false;
  release();
  await (await late).finished();
  await drawn(page);
  assert.equal(await row.count(), 1, 'the alert stays');
  await page.getByText('Alerts: 1', { exact: true }).waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});

test('what others create, change and delete is seen without a reload', async () => {
  const [tenants, changes, overview, one] = await Promise.all(
    ['tenants', 'changes', 'overview', 'tenants/overtaken'].map(async (address) => {
      const { page } = await openPage(browser.context);
      await page.goto(`${server.address}/#/demo/${address}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      return page;
    }),
  );
  // Hidden pages read nothing: each is looked at in its turn.
  await tenants.bringToFront();
  await tenants.getByText('Live', { exact: true }).waitFor();
  const row = tenants.getByRole('row').filter({ hasText: 'by-another' });
  await createTenant(server, 'by-another');
  await row.waitFor();
  await row.getByText('Running', { exact: true }).waitFor();
  await changes.bringToFront();
  await changes.getByRole('row').filter({ hasText: 'by-another' }).first().waitFor();
  await call(server, 'PUT', '/tenants/by-another', { name: 'Another name' });
  await changes.getByRole('row').filter({ hasText: 'Change tenant' }).first().waitFor();
  await one.bringToFront();
  await one.getByText('Live', { exact: true }).waitFor();
  await call(server, 'PUT', '/tenants/overtaken', { name: 'Renamed meanwhile' });
  await one.getByRole('heading', { level: 1, name: 'Renamed meanwhile' }).waitFor();
  await overview.bringToFront();
  const count = overview.locator('.totals dd').first();
  const before = Number(await count.textContent());
  await call(server, 'DELETE', '/tenants/by-another?force=true');
  await overview.waitForFunction(
    (before) => Number(document.querySelector('.totals dd')?.textContent) === before - 1,
    before,
  );
  await Promise.all([tenants, changes, overview, one].map((page) => page.close()));
});
