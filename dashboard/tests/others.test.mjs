// What others change while a page is open is neither overwritten nor missed, and what is pressed is what is meant.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { call, createTenant, openPage, startBrowser, startServer, untilEnded } from './harness.mjs';

let browser;
let server;
before(async () => {
  [browser, server] = await Promise.all([startBrowser(), startServer()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('"Silence…" beside an alert of the overview is about that alert', async () => {
  await createTenant(server, 'two-alerts');
  await untilEnded(server, 'two-alerts', 'running');
  await call(server, 'POST', '/tenants/two-alerts/monitoring', {
    metrics: { cpu_usage: 99, error_rate: 40 },
  });
  const { page } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/overview`);
  const item = page
    .getByRole('listitem')
    .filter({ hasText: 'two-alerts' })
    .filter({ hasText: /error rate/i });
  await item.getByRole('button', { name: 'Silence…' }).click();
  const dialog = page.getByRole('dialog');
  assert.equal(await dialog.getByLabel('Tenant').inputValue(), 'two-alerts');
  assert.equal(await dialog.getByLabel('Metric').inputValue(), 'error_rate');
  await dialog.getByText('Open alerts that it hits now: 1').waitFor();
  await page.close();
});

test('a tenant that is deleted elsewhere is said to be gone within seconds', async () => {
  await createTenant(server, 'gone-elsewhere');
  await untilEnded(server, 'gone-elsewhere', 'running');
  const { page } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/gone-elsewhere?tab=edit`);
  await page.getByRole('button', { name: 'Preview' }).waitFor();
  await call(server, 'DELETE', '/tenants/gone-elsewhere?force=true');
  await page.getByText('There is no such tenant, or it was deleted.').waitFor({ timeout: 12_000 });
  await page.close();
});
