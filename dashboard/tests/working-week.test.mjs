// A working week of one who runs tenants, by mouse and keyboard alone. What was done is recorded, a file for each day
// in dashboard/recordings, that `npx playwright-core show-trace FILE` plays.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startMisbehaving } from '../../sdk/javascript/test/server.mjs';
import { call, createTenant, openPage, startBrowser, startWith } from './harness.mjs';

const recordings = fileURLToPath(new URL('../recordings/', import.meta.url));
const SLOW = 'slow-shop';

/** A time zone in which it is late in the evening, so that what is done now is done at night. */
function lateZone() {
  const ahead = 22 - new Date().getUTCHours();
  const hours = ahead > 12 ? ahead - 24 : ahead;
  return `Etc/GMT${hours > 0 ? '-' : '+'}${Math.abs(hours)}`;
}

let server, browser, told, page, complaints;
before(async () => {
  told = await startMisbehaving((_, response) => response.writeHead(204).end());
  server = await startWith({ ECP_NOTIFICATIONS__ALLOW_PRIVATE: '127.0.0.0/8' });
  browser = await startBrowser({ timezoneId: lateZone() });
  await browser.context.tracing.start({ screenshots: true, snapshots: true });
  // What the week begins with: a tenant that answers too slowly.
  await createTenant(server, SLOW, { name: '느린 쇼핑몰', sla_target: { response_time: '200ms' } });
  await call(server, 'POST', `/tenants/${SLOW}/monitoring`, { metrics: { response_time: 900 } });
  ({ page, complaints } = await openPage(browser.context));
  await page.goto(server.address);
});
after(async () => {
  await browser?.context.tracing.stop();
  await browser?.close();
  await server?.stop();
  await told?.stop();
});

const button = (name, within = page) => within.getByRole('button', { name, exact: true });
const link = (name, within = page) => within.getByRole('link', { name, exact: true });
const menu = (name) => link(name, page.getByRole('navigation', { name: 'Pages' })).click();
const row = (text, within = page) => within.getByRole('row').filter({ hasText: text });
/** Enters a text where the mouse clicked, in place of what was there. */
async function enter(locator, text) {
  await locator.click();
  await page.keyboard.press('Control+A');
  await page.keyboard.type(text);
}
/** Chooses from a list by its first letters, as the keyboard does. */
async function pick(locator, text) {
  await locator.click();
  await page.keyboard.type(text);
  await page.keyboard.press('Enter');
  await locator.locator('option:checked').filter({ hasText: text }).waitFor({ state: 'attached' });
}

/** A day of the week, recorded. */
function day(name, work) {
  test(name, async () => {
    await browser.context.tracing.startChunk({ title: name });
    try {
      await work();
      assert.deepEqual(complaints, []);
    } finally {
      const file = name.split(':')[0].toLowerCase();
      await browser.context.tracing.stopChunk({ path: `${recordings}${file}.zip` });
    }
  });
}

day('Monday: the overview says who is slow, and the tenant says why', async () => {
  const attention = page.getByRole('region', { name: 'Needs attention' });
  const item = attention.getByRole('listitem').filter({ has: link('느린 쇼핑몰') });
  await item.getByText('Critical alert').waitFor();
  await link('Charts', item.first()).click();
  await page.getByRole('heading', { level: 1, name: '느린 쇼핑몰' }).waitFor();
  await page.getByRole('img', { name: /^Response time: now 900 ms/ }).waitFor();
  await page.getByRole('heading', { name: 'Alerts and changes in this span' }).waitFor();
  await link('State').click();
  await row('Response time').getByText('900').waitFor();
  await link('Sizing').click();
  await page.getByRole('region', { name: 'Where each number comes from', exact: true }).waitFor();
});

day('Tuesday: a new customer is calculated first, looked at, then created', async () => {
  await menu('What if');
  await enter(page.getByRole('spinbutton', { name: 'Callbot' }), '20');
  // The slider of the next service.
  await page.keyboard.press('Tab');
  for (let steps = 0; steps < 5; steps += 1) await page.keyboard.press('ArrowRight');
  await page.waitForFunction(
    () => location.hash.includes('callbot=20') && location.hash.includes('chatbot='),
  );
  const answer = page.getByRole('region', { name: 'Answer' });
  await answer
    .getByText(/\/month/)
    .first()
    .waitFor();
  await answer
    .getByText(/Mean hour/)
    .first()
    .waitFor();
  await enter(page.getByLabel('Tenant id'), 'new-customer');
  await button('Preview').click();
  await page.getByText(/Objects that change: [1-9]/).waitFor();
  assert.equal(
    (await call(server, 'GET', '/tenants/?q=new-customer')).total_count,
    0,
    'a look creates nothing',
  );
  await button('Create new-customer').click();
  await page.getByRole('heading', { level: 1, name: 'new-customer' }).waitFor();
  await page.locator('main .status', { hasText: 'Running' }).first().waitFor();
});

day('Wednesday: a change is seen before it is sent, rolls out, is history, and is taken back', async () => {
  await link('Edit').click();
  const chats = page.getByRole('spinbutton', { name: 'Chatbot' });
  const before = Number(await chats.inputValue());
  await enter(chats, String(before + 30));
  await button('Preview').click();
  await page
    .getByText(/What changes of the tenant: [1-9]/)
    .first()
    .waitFor();
  await page.getByText(/Objects that change: [1-9]/).waitFor();
  await button('Apply').click();
  await page
    .getByText('The change was accepted.')
    .or(page.getByRole('spinbutton', { name: 'Chatbot' }))
    .first()
    .waitFor();
  await link('State').click();
  await page.locator('main .status', { hasText: 'Running' }).first().waitFor();
  await row('Chatbot')
    .getByText(String(before + 30))
    .waitFor();
  await link('History').click();
  await row('/service_requirements/chatbot')
    .getByText(String(before + 30), { exact: true })
    .waitFor();
  await button('Roll back to this').first().click();
  await row('Roll back').first().getByText('Running').waitFor();
  await link('State').click();
  await row('Chatbot').getByText(`${before} users`).waitFor();
});

day(
  'Thursday: an alert is silenced for an hour after a look, and its receiver has what was delivered',
  async () => {
    await menu('Alerts');
    await link('Receivers').click();
    await button('New receiver…').click();
    const dialog = page.getByRole('dialog');
    await enter(dialog.getByLabel('Address'), `${told.address}/night`);
    await enter(dialog.getByLabel('Why'), 'night shift');
    await button('Save', dialog).click();
    await button('Close', page.getByRole('status')).click();
    await button('Deliveries', row('night shift')).click();
    await call(server, 'POST', '/tenants/new-customer/monitoring', { metrics: { error_rate: 40 } });
    const deliveries = page.getByRole('region', { name: /Deliveries to/ });
    await row('Opened', deliveries)
      .filter({ hasText: 'new-customer' })
      .first()
      .getByText('Delivered')
      .waitFor();

    await link('Inbox').click();
    await button('Silence…', row('new-customer').filter({ hasText: 'Error rate' })).click();
    await dialog.getByText('Open alerts that it hits now: 1').waitFor();
    await pick(dialog.getByLabel('How long'), '1 hour');
    await enter(dialog.getByLabel('Why'), 'the customer knows');
    await button('Silence', dialog).click();
    await row('new-customer').filter({ hasText: 'Error rate' }).getByText('Silenced').waitFor();
    await link('Silences').click();
    await row('the customer knows')
      .getByText(/in \d+ min/)
      .waitFor();
  },
);

day('Friday: room, costs as CSV, what changed last night, a manifest, and a tenant that goes', async () => {
  await menu('Capacity and costs');
  await page.getByRole('heading', { name: 'How many more tenants fit' }).waitFor();
  await link('Costs').click();
  await row('new-customer').waitFor();
  const [file] = await Promise.all([page.waitForEvent('download'), button('Download CSV').click()]);
  assert.match(readFileSync(await file.path(), 'utf8'), /new-customer/);

  await menu('Changes');
  await pick(page.getByLabel('Since'), 'Last night');
  await page.waitForFunction(() => location.hash.includes('when=night'));
  await row('new-customer').filter({ hasText: 'Roll back tenant' }).first().waitFor();
  await row('new-customer')
    .filter({ hasText: 'Change tenant' })
    .first()
    .getByText(/Values that differ/)
    .click();
  await row('service_requirements').first().waitFor();

  await menu('Manifest check');
  await page.locator('textarea').click();
  await page.keyboard.insertText(
    'apiVersion: v1\nkind: Pod\nmetadata:\n  name: UPPER\nspec:\n  containers: []\n',
  );
  await button('Check').click();
  await page.locator('.finding.error', { hasText: 'UPPER' }).first().waitFor();

  await menu('Tenants');
  await page.keyboard.press('/');
  await page.keyboard.type('new-customer');
  await page.getByText('Tenants: 1').waitFor();
  await link('new-customer').click();
  await link('Edit').click();
  await button('Delete…').click();
  const confirm = button('Delete', page.getByRole('dialog'));
  await page.getByLabel('Type new-customer to confirm').click();
  await page.keyboard.type('new-custome');
  assert.ok(await confirm.isDisabled());
  await page.keyboard.type('r');
  await confirm.click();
  await page.getByText('There is no such tenant, or it was deleted.').waitFor();
});
