// A dialogue is a step of the browser's history: Back closes it, and the page stays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTenant, openPage } from './harness.mjs';
import { together } from './together.mjs';

let server, browser;
together((...both) => ([server, browser] = both));

/** Two pages gone to, and the second one's dialogue opened. */
async function opened(page) {
  await page.goto(`${server.address}/#/demo/capacity`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('link', { name: 'Alerts', exact: true }).first().click();
  await page.getByRole('link', { name: 'Receivers', exact: true }).click();
  await page.getByRole('button', { name: 'New receiver' }).click();
  await page.getByRole('dialog').waitFor();
}
const at = (page, hash) => page.waitForFunction((hash) => location.hash === hash, hash);

test("the browser's Back closes a dialogue and leaves the page where it is; once more, and the page goes back", async () => {
  const { page, complaints } = await openPage(browser.context);
  await opened(page);
  await page.goBack();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await at(page, '#/demo/alerts?tab=receivers');
  await page.goBack();
  await at(page, '#/demo/alerts');
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a dialogue that was closed by itself leaves no step behind', async () => {
  const { page } = await openPage(browser.context);
  await opened(page);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.waitForFunction(() => history.state === null);
  await page.goBack();
  await at(page, '#/demo/alerts');
  await page.close();
});

test('another address closes a dialogue, and what is done in one leads on', async () => {
  await createTenant(server, 'goes-away');
  const { page } = await openPage(browser.context);
  await opened(page);
  await page.evaluate(() => (location.hash = '#/demo/costs-of-nothing'));
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await at(page, '#/demo/costs-of-nothing');

  await page.goto(`${server.address}/#/demo/tenants/goes-away?tab=edit`);
  await page.getByRole('button', { name: 'Delete…' }).click();
  await page.getByLabel('Type goes-away to confirm').fill('goes-away');
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByText('There is no such tenant, or it was deleted.').waitFor();
  await at(page, '#/demo/tenants/goes-away?tab=edit');
  await page.close();
});
