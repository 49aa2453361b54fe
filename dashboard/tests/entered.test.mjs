// What was entered is never lost: over a restart of the server, another's change, another language.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { call, createTenant, openPage, startBrowser, startServer } from './harness.mjs';

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

/** Where something is entered half, and how: what is opened, fields by label, and what they hold then. */
const FORMS = [
  ['alerts', 'New silence…', { Tenant: 'half-entered', Why: 'because' }],
  ['alerts?tab=receivers', 'New receiver…', { Address: 'https://half.example', Why: 'the night shift' }],
  ['tenants/half-way?tab=edit', 'Delete…', { 'Type half-way to confirm': 'half-w' }],
  ['tenants/half-way?tab=edit', undefined, { Name: 'Half a na', 'Response SLA (ms)': '321' }],
  ['tenants/half-way?tab=rules', undefined, { 'CPU: Warning': '61', 'Memory: For seconds': '77' }],
  ['what-if?callbot=5', undefined, { 'Tenant id': 'half-made', Name: '반쯤', Callbot: '23' }],
  ['manifest', undefined, { 'Paste YAML': 'kind: Pod', 'Tenant (optional)': 'half-way' }],
];

async function enter(page, address, opener, fields) {
  await page.goto(address);
  await page.getByText('Administrator', { exact: true }).waitFor();
  if (opener) await page.getByRole('button', { name: opener }).click();
  const within = opener ? page.getByRole('dialog') : page.locator('main');
  const fieldOf = (label) =>
    within.getByLabel(label).and(within.locator('input:not([type="range"]), textarea'));
  for (const [label, text] of Object.entries(fields)) await fieldOf(label).fill(text);
  return async (what) => {
    for (const [label, text] of Object.entries(fields))
      assert.equal(await fieldOf(label).inputValue(), text, `${address} ${opener ?? ''}: ${label} ${what}`);
  };
}

test('a restart of the server takes nothing from a dialogue or a form that is half filled', async () => {
  let own = await startServer();
  try {
    await createTenant(own, 'half-way');
    const open = [];
    for (const [path, opener, fields] of FORMS) {
      const { page, complaints } = await openPage(browser.context);
      const holds = await enter(page, `${own.address}/#/demo/${path}`, opener, fields);
      open.push({ page, complaints, holds });
    }
    // Each page is looked at while the server goes and comes back: what is hidden asks nothing.
    await own.kill();
    for (const { page, holds } of open) {
      await page.bringToFront();
      await page.evaluate(() => window.dispatchEvent(new Event('online')));
      await page.getByText('The server can not be reached').first().waitFor();
      await holds('while the server is away');
    }
    own = await startServer({ port: own.port, dataDir: own.dataDir });
    for (const { page, holds, complaints } of open) {
      await page.bringToFront();
      await page.evaluate(() => window.dispatchEvent(new Event('online')));
      await page.getByText('The server can not be reached').first().waitFor({ state: 'detached' });
      await page.getByText('Administrator', { exact: true }).waitFor();
      await holds('after the restart');
      assert.deepEqual(complaints, []);
      await page.close();
    }
  } finally {
    await own.stop();
  }
});

test('another language takes nothing from a form, and what the server says is read again in it', async () => {
  const own = await startServer();
  try {
    await createTenant(own, 'half-way');
    for (const [path, opener, fields] of FORMS) {
      // A dialogue has the page for itself.
      if (opener) continue;
      const { page } = await openPage(browser.context);
      await page.goto(`${own.address}/#/demo/${path}`);
      await page.evaluate(() => localStorage.setItem('ecp.language', 'en'));
      await page.reload();
      await enter(page, `${own.address}/#/demo/${path}`, opener, fields);
      await page.getByLabel('Language').selectOption('ko');
      await page.waitForFunction(() => document.documentElement.lang === 'ko');
      await page.waitForLoadState('networkidle');
      const held = await page
        .locator('main :is(input:not([type="range"], [type="checkbox"], [type="file"]), textarea)')
        .evaluateAll((inputs) => inputs.map(({ value }) => value));
      for (const text of Object.values(fields)) assert.ok(held.includes(text), `${path}: ${text} of ${held}`);
      await page.evaluate(() => localStorage.setItem('ecp.language', 'en'));
      await page.close();
    }
    await createTenant(own, 'says-why', { demo_fault: 'image-not-found' });
    const { page } = await openPage(browser.context);
    await page.goto(`${own.address}/#/demo/overview`);
    await page.getByText('can not be pulled').waitFor();
    await page.getByLabel('Language').selectOption('ko');
    await page.getByText('가져올 수 없습니다').waitFor();
    await page.evaluate(() => localStorage.setItem('ecp.language', 'en'));
    await page.close();
  } finally {
    await own.stop();
  }
});

test("what is being entered stays over another's change, which is said; what is not, follows it", async () => {
  const own = await startServer();
  try {
    await createTenant(own, 'of-two');
    const { page } = await openPage(browser.context);
    await page.goto(`${own.address}/#/demo/tenants/of-two?tab=edit`);
    const [chats, calls] = ['Chatbot', 'Callbot'].map((name) => page.getByRole('spinbutton', { name }));
    const change = async (chatbot) => {
      await call(own, 'PUT', '/tenants/of-two', { service_requirements: { chatbot } });
      await page.evaluate(() => window.dispatchEvent(new Event('online')));
    };
    await chats.waitFor();
    await change(14);
    await page.waitForFunction(() =>
      [...document.querySelectorAll('input[type="number"]')].some(({ value }) => value === '14'),
    );
    await calls.fill('3');
    await change(15);
    await page.getByText('Meanwhile somebody changed this tenant.').waitFor();
    assert.deepEqual([await chats.inputValue(), await calls.inputValue()], ['14', '3']);
    // What was entered from an older state is refused by the server, and stays.
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.locator('main').getByRole('alert').first().waitFor();
    assert.equal(await calls.inputValue(), '3');
    assert.equal((await call(own, 'GET', '/tenants/of-two')).service_requirements.callbot ?? 0, 0);
    await page.getByRole('button', { name: 'Begin again from how it is now' }).click();
    assert.deepEqual([await chats.inputValue(), await calls.inputValue()], ['15', '0']);
    await page.getByText('Meanwhile somebody changed this tenant.').waitFor({ state: 'detached' });
    // One's own change is no other's.
    await chats.fill('16');
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('The change was accepted.').waitFor();
    await chats.fill('17');
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.getByText(/What changes of the tenant: 1/).waitFor();
    await page.close();
  } finally {
    await own.stop();
  }
});

test('the plan is pinned, or left to the calculator, by the form; an emptied number asks for none', async () => {
  const own = await startServer();
  try {
    await createTenant(own, 'chosen', { preset: 'small', service_requirements: { chatbot: 10, callbot: 2 } });
    const { page, complaints } = await openPage(browser.context);
    await page.goto(`${own.address}/#/demo/tenants/chosen?tab=edit`);
    const preview = page.getByRole('button', { name: 'Preview' });
    const plan = page.getByRole('combobox', { name: 'Plan' });
    const apply = async () => {
      await preview.click();
      await page.getByRole('button', { name: 'Apply' }).click();
      await page.getByText('The change was accepted.').waitFor();
      return call(own, 'GET', '/tenants/chosen');
    };
    await preview.click();
    await page.getByText('Nothing differs from what the tenant has.').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Apply' }).count(), 0);

    await plan.selectOption('');
    const calculated = await apply();
    assert.equal(calculated.preset_chosen_by, 'calculator');
    await plan.selectOption(calculated.preset);
    const pinned = await apply();
    assert.deepEqual([pinned.preset, pinned.preset_chosen_by], [calculated.preset, 'request']);

    await page.getByRole('spinbutton', { name: 'Callbot' }).fill('');
    const fewer = await apply();
    assert.deepEqual(fewer.service_requirements, { chatbot: 10 });

    const response = page.getByRole('spinbutton', { name: 'Response SLA (ms)' });
    await response.fill('');
    await preview.click();
    assert.equal(await response.evaluate((input) => input.validity.valueMissing), true);
    assert.equal(await page.getByRole('button', { name: 'Apply' }).count(), 0);
    assert.deepEqual(complaints, []);
    await page.close();
  } finally {
    await own.stop();
  }
});
