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
