// Who is told of alerts: made, tried, changed and removed, with what became of each delivery.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { refuse, startMisbehaving } from '../../sdk/javascript/test/server.mjs';
import { call, createTenant, openPage, startBrowser, startWith } from './harness.mjs';

let server, browser, told, healthy;
/** How long the receiver takes to answer. */
let delayMs = 0;
before(async () => {
  healthy = true;
  told = await startMisbehaving((_, response) => {
    if (!healthy) return refuse(response, 500, 'INTERNAL_ERROR');
    setTimeout(() => response.writeHead(204).end(), delayMs);
  });
  server = await startWith({ ECP_NOTIFICATIONS__ALLOW_PRIVATE: '127.0.0.0/8' });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await told?.stop();
});

test('a receiver is made, its secret shown once; it is tried, told, and says why it was not', async () => {
  await createTenant(server, 'tell-of-me');
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/alerts?tab=receivers`);
  await page.getByText('Nobody is told of alerts.').waitFor();
  await page.getByRole('button', { name: 'New receiver…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Address').fill('ftp://nowhere');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByRole('alert').waitFor();
  await dialog.getByLabel('Address').fill(`${told.address}/hook`);
  await dialog.getByLabel('Tenant').fill('tell-of-me');
  await dialog.getByLabel('Why').fill('the night shift');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByText(/whsec_/).waitFor();
  await page.getByRole('status').getByRole('button', { name: 'Close' }).click();
  const row = page.getByRole('row').filter({ hasText: 'the night shift' });
  await row.getByText('tell-of-me').waitFor();
  assert.equal(await page.getByText(/whsec_/).count(), 0);

  await row.getByRole('button', { name: 'Test' }).click();
  await page.getByRole('status').getByText('Delivered').waitFor();
  assert.ok(told.requests.length > 0);
  await row.getByRole('button', { name: 'Deliveries' }).click();
  assert.match(page.url(), /receiver=/);
  const deliveries = page.getByRole('region', { name: /Deliveries to/ });
  await deliveries.getByRole('row').filter({ hasText: 'Test' }).getByText('Delivered').waitFor();

  await call(server, 'POST', '/tenants/tell-of-me/monitoring', { metrics: { error_rate: 40 } });
  const opened = deliveries.getByRole('row').filter({ hasText: 'Opened' });
  await opened.getByText('Delivered').waitFor();
  await opened.getByRole('link', { name: 'tell-of-me' }).waitFor();
  // One that takes longer than the alert's news: it is still told, and that is seen without waiting for the next look.
  delayMs = 5_000;
  await call(server, 'POST', '/tenants/tell-of-me/monitoring', { metrics: { cpu_usage: 99 } });
  const slow = deliveries.getByRole('row').filter({ hasText: 'CPU' }).first();
  await slow.getByText('Waiting').waitFor();
  await slow.getByText('Delivered').waitFor();
  delayMs = 0;
  healthy = false;
  await row.getByRole('button', { name: 'Test' }).click();
  await page.getByRole('status').getByText('500').first().waitFor();
  await deliveries.locator('.bad').first().waitFor();

  await row.getByRole('button', { name: 'Edit…' }).click();
  await dialog.getByLabel('Severity').selectOption('critical');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await row.getByText('tell-of-me, Critical').waitFor();
  await row.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Nobody is told of alerts.').waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});
