// What is copied reaches the clipboard, also of a page that came without TLS, to which the browser gives none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage } from './harness.mjs';
import { together } from './together.mjs';

let server, browser;
together((...both) => ([server, browser] = both));

test('a manifest is copied without the clipboard that pages have by TLS, and the focus stays', async () => {
  const { page, complaints } = await openPage(browser.context);
  await page.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined });
    document.addEventListener('copy', ({ target }) => (window.copied = target.value));
  });
  await page.goto(`${server.address}/#/demo/tenants/hanbit-card?tab=manifest`);
  const lines = page.getByText(/Lines: [1-9]/);
  await lines.waitFor();
  await page.getByRole('button', { name: 'Copy' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  const copied = await page.evaluate(() => window.copied);
  assert.ok(copied.startsWith('apiVersion: v1\nkind: Namespace'), copied.slice(0, 80));
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'BUTTON');
  assert.equal(await page.locator('main textarea').count(), 0);
  // The name comes back.
  await page.getByRole('button', { name: 'Copy', exact: true }).waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});
