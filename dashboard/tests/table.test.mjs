// The table of tenants by keyboard alone, its days, and two tenants beside each other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, openPage } from './harness.mjs';
import { together } from './together.mjs';

let server, browser;
together((...both) => ([server, browser] = both));

/** Answers lists of tenants with `count` of them. */
async function withTenants(page, count) {
  const list = await call(server, 'GET', '/tenants/?limit=1&expand=metrics,alerts,cost,failure');
  const tenants = Array.from({ length: count }, (_, index) => ({
    ...list.tenants[0],
    tenant_id: `t-${index}`,
    name: `테넌트 number ${index}`,
  }));
  await page.route('**/api/v1/tenants/?**', (route) => {
    const skip = Number(new URL(route.request().url()).searchParams.get('skip'));
    return route.fulfill({
      json: {
        ...list,
        tenants: tenants.slice(skip, skip + 1000),
        total_count: count,
        pagination: { skip, limit: 1000, has_more: skip + 1000 < count },
      },
    });
  });
}

test('a tenant among two thousand is found, reached and opened by keyboard alone', async () => {
  const { page } = await openPage(browser.context);
  await withTenants(page, 2000);
  await page.goto(`${server.address}/#/demo/tenants`);
  await page.getByText('Tenants: 2,000').waitFor();
  await page.keyboard.press('/');
  assert.ok(
    await page.getByRole('searchbox').evaluate((element) => element === document.activeElement),
    'a slash is for searching',
  );
  await page.getByRole('table').focus();
  const focused = (name) =>
    page.waitForFunction((name) => document.activeElement?.textContent === name, name);
  await page.keyboard.press('ArrowDown');
  await focused('테넌트 number 0');
  await page.keyboard.press('ArrowDown');
  await focused('테넌트 number 1');
  await page.keyboard.press('PageDown');
  await focused('테넌트 number 11');
  await page.keyboard.press('End');
  await focused('테넌트 number 1999');
  await page.keyboard.press('Space');
  await page.waitForFunction(() => location.hash.includes('pick=t-1999'));
  await page.keyboard.press('Home');
  await focused('테넌트 number 0');
  await page.keyboard.press('Space');
  await page.getByRole('link', { name: 'Compare t-1999 and t-0' }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash === '#/demo/tenants/t-0');
  await page.close();
});

test('scrolling through two thousand tenants asks for the days of those alone who stay on the screen', async () => {
  const { page } = await openPage(browser.context);
  await withTenants(page, 2000);
  const asked = new Set();
  await page.route('**/monitoring?**', (route) => {
    asked.add(/tenants\/([^/]+)\/monitoring/.exec(route.request().url())[1]);
    return route.fulfill({ status: 404, json: { error: { code: 'TENANT_NOT_FOUND', message: 'none' } } });
  });
  await page.goto(`${server.address}/#/demo/tenants`);
  await page.getByText('Tenants: 2,000').waitFor();
  const table = page.getByRole('table');
  // As fast as the page draws, past every tenant.
  await table.evaluate(async (element) => {
    while (element.scrollTop + element.clientHeight < element.scrollHeight - 1) {
      element.scrollTop += element.clientHeight;
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  });
  await page.getByText('t-1999', { exact: true }).waitFor();
  for (let looks = 0; looks < 100 && !asked.has('t-1999'); looks += 1) await page.waitForTimeout(100);
  assert.ok(asked.has('t-1999'));
  assert.ok(asked.size < 1000, `${asked.size} of 2,000 were asked for`);
  await page.close();
});

test('a day is shown for each tenant, and two tenants beside each other', async () => {
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants`);
  await page
    .getByRole('img', { name: /in a day, SLA 300 ms/ })
    .first()
    .waitFor();
  await page.getByLabel('Choose 한빛카드 고객센터').check();
  await page.getByText('hanbit-card, and one more to compare').waitFor();
  await page.getByLabel('Choose 남산쇼핑 채팅상담').check();
  await page.getByRole('link', { name: 'Compare hanbit-card and namsan-shopping' }).click();
  await page.getByRole('row').filter({ hasText: 'Plan' }).getByText('medium').waitFor();
  await page
    .getByRole('img', { name: /Response time: 한빛카드 고객센터: now .*남산쇼핑 채팅상담: now/ })
    .waitFor();
  assert.match(page.url(), /a=hanbit-card&b=namsan-shopping/);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('the costs of two thousand tenants are a table of which only what is on the screen exists', async () => {
  const { page, complaints } = await openPage(browser.context);
  const costs = await call(server, 'GET', '/costs');
  const row = costs.tenants[0];
  const count = 2000;
  const tenants = Array.from({ length: count }, (_, index) => ({
    ...row,
    tenant_id: `t-${index}`,
    // One is as long as a name may be, and is cut.
    name: index === 3 ? '긴 이름 '.repeat(40).trim() : `테넌트 number ${index}`,
    margin_usd: index,
  }));
  await page.route('**/api/v1/costs?**', (route) => route.fulfill({ json: { ...costs, tenants } }));
  await page.route('**/api/v1/costs', (route) => route.fulfill({ json: { ...costs, tenants } }));
  await page.goto(`${server.address}/#/demo/capacity?tab=costs`);
  const region = page.getByRole('region', { name: 'Costs' });
  await region.getByText('t-0', { exact: true }).waitFor();
  assert.ok((await page.locator('main tr').count()) < 80, 'what is not on the screen does not exist');
  const heights = await page
    .locator('main tbody tr[aria-rowindex]')
    .evaluateAll((rows) => rows.map((row) => Math.round(row.getBoundingClientRect().height)));
  assert.deepEqual([...new Set(heights)], [56], 'a row is as high as it is said to be');
  await region.focus();
  await page.keyboard.press('End');
  await region.getByText('t-1999', { exact: true }).waitFor();
  assert.ok((await page.locator('main tr').count()) < 80);
  const last = page.locator('tr', { has: page.getByText('t-1999', { exact: true }) });
  assert.equal(await last.getAttribute('aria-rowindex'), '2001');
  // The sums and the names of the columns stay in sight.
  assert.ok(await page.locator('tfoot').isVisible());
  const seen = (locator) =>
    locator.evaluate((element) => {
      const { top, bottom } = element.getBoundingClientRect();
      return top >= 0 && bottom <= innerHeight;
    });
  assert.ok(await seen(page.locator('main thead th').first()));
  assert.ok(await seen(page.locator('main tfoot th').first()));
  await page.getByRole('button', { name: 'Margin' }).click();
  await region.getByText('t-0', { exact: true }).waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});
