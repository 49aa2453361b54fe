// Of a roll-out that failed: what can be done about it, and nothing that can not; in which phase it failed.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { call, createTenant, openPage, startBrowser, startServer, untilEnded } from './harness.mjs';

let server, browser;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
  await createTenant(server, 'never-ran', { demo_fault: 'image-not-found' });
  await createTenant(server, 'crashes', { demo_fault: 'crash-loop' });
  await createTenant(server, 'ran-before');
  await untilEnded(server, 'ran-before', 'running');
  await call(server, 'PUT', '/tenants/ran-before', {
    demo_fault: 'image-not-found',
    service_requirements: { chatbot: 20 },
  });
  for (const id of ['never-ran', 'crashes', 'ran-before']) await untilEnded(server, id, 'failed');
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const OFFERED = {
  'never-ran': ['Try again', 'Events'],
  crashes: ['Try again', 'Logs of the crash', 'Events'],
  'ran-before': ['Try again', 'Roll back', 'Events'],
};

/** Waits until just these are offered. */
async function offers(place, names) {
  await place.page().waitForFunction(
    ([element, wanted]) => {
      const texts = [...element.querySelectorAll('button, a.button')].map((one) => one.textContent.trim());
      return JSON.stringify(texts) === wanted;
    },
    [await place.elementHandle(), JSON.stringify(names)],
  );
}

/** What was asked before is answered: nothing more will be offered. */
async function settled(page) {
  await page.waitForLoadState('networkidle');
}

test('only what can succeed is offered, in the overview and on the page of each tenant', async () => {
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/overview`);
  await settled(page);
  for (const [id, names] of Object.entries(OFFERED)) {
    const item = page.locator('.attention li', { has: page.getByRole('link', { name: id, exact: true }) });
    await offers(item.locator('.actions'), names);
  }
  for (const [id, names] of Object.entries(OFFERED)) {
    await page.goto(`${server.address}/#/demo/tenants/${id}`);
    await page.getByRole('heading', { level: 1, name: id }).waitFor();
    await settled(page);
    await offers(page.getByRole('alert').locator('.actions'), names);
  }
  await page.goto(`${server.address}/#/demo/tenants/crashes`);
  await page.getByRole('link', { name: 'Logs of the crash' }).click();
  await page.waitForFunction(() => document.querySelector('main pre')?.textContent.trim() !== '');
  await page.goto(`${server.address}/#/demo/tenants/ran-before`);
  await page.getByRole('button', { name: 'Roll back', exact: true }).click();
  await page.locator('main .status', { hasText: 'Running' }).first().waitFor();
  await page.getByRole('alert').waitFor({ state: 'detached' });
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a roll-out that failed names the phase in which it did', async () => {
  const { page } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/never-ran`);
  const phase = page.locator('.phases [aria-current]');
  await phase.filter({ hasText: 'failed here' }).waitFor();
  const { failed_phase } = await call(server, 'GET', '/tenants/never-ran/deployment-status');
  const all = page.locator('.phases li');
  const names = ['queued', 'creating-namespace', 'creating-config', 'creating-services', 'scaling-services'];
  assert.equal(await page.locator('.phases .done').count(), names.indexOf(failed_phase));
  assert.equal(await all.nth(names.indexOf(failed_phase)).textContent(), await phase.textContent());
  await page.close();
});
