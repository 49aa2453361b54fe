// What is not as it should be: names that are chosen to do harm, data that is missing, clocks elsewhere, the way back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { call, createTenant, cutOff, openPage, startBrowser, startServer } from './harness.mjs';

const NAMES = {
  'name-markup': '<img src=x onerror="document.title=1"><script>alert(1)</script>{{x}}${y}',
  'name-rtl': '\u202Eמערכת שיחות\u202E drac',
  'name-emoji': '👩‍👩‍👧‍👦'.repeat(9),
  'name-long': 'W'.repeat(99),
  // As long as one may be.
  'name-longest': '가'.repeat(200),
  'name-quote': `" onmouseover="alert(1)" x='&lt;b&gt;`,
};
const LONG_ID = `l${'o'.repeat(38)}ng`;

let server, browser;
before(async () => {
  server = await startServer();
  for (const [id, name] of Object.entries(NAMES)) await createTenant(server, id, { name });
  await createTenant(server, LONG_ID, { name: '서비스'.repeat(30) });
  for (const id of ['name-markup', 'name-long', 'name-longest', LONG_ID]) {
    await call(server, 'POST', `/tenants/${id}/monitoring`, { metrics: { error_rate: 40 } });
  }
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('names that are chosen to do harm are text everywhere, and push nothing off the page', async () => {
  const { page, complaints, asked } = await openPage(browser.context);
  const pages = ['overview', 'tenants', 'alerts', 'capacity?tab=costs', 'changes'];
  const ids = [...Object.keys(NAMES), LONG_ID];
  for (const id of ids)
    pages.push(`tenants/${id}`, `tenants/${id}?tab=edit`, `compare?a=${id}&b=hanbit-card`);
  for (const address of pages) {
    await page.goto(`${server.address}/#/demo/${address}`);
    await page.locator('main h1').first().waitFor();
    await page.waitForFunction(
      () => !document.querySelector('main [role="status"]')?.textContent?.includes('…'),
    );
    assert.equal(
      await page.locator('main :is(img, script, b, [onerror], [onmouseover])').count(),
      0,
      address,
    );
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      assert.deepEqual(await page.evaluate(cutOff), [], `${address} at ${width} px`);
    }
  }
  for (const [id, name] of Object.entries(NAMES)) {
    await page.goto(`${server.address}/#/demo/tenants/${id}`);
    await page.getByRole('heading', { level: 1 }).filter({ hasText: name }).waitFor();
  }
  assert.ok(asked.every((url) => url.startsWith(server.address) || url.startsWith('blob:')));
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a name as long as may be pushes no figure out of sight, and what is beside it is still there', async () => {
  const { page } = await openPage(browser.context);
  await page.setViewportSize({ width: 1280, height: 900 });
  await call(server, 'POST', '/silences', { tenant_id: LONG_ID, comment: 'w'.repeat(60) });
  for (const address of ['overview', 'alerts', 'alerts?tab=silences', 'capacity?tab=costs', 'changes']) {
    await page.goto(`${server.address}/#/demo/${address}`);
    await page.locator('main table').first().waitFor();
    await page.waitForLoadState('networkidle');
    const hidden = await page.evaluate(() =>
      [...document.querySelectorAll('main .scroll')]
        .filter((element) => element.scrollWidth > element.clientWidth + 1)
        .map((element) => element.textContent.slice(0, 80)),
    );
    assert.deepEqual(hidden, [], address);
  }
  // On the overview it takes a line.
  await page.goto(`${server.address}/#/demo/overview`);
  const item = page.getByRole('listitem').filter({ has: page.locator('a[href$="/name-longest"]') });
  const name = item.locator('a[href$="/name-longest"]').first();
  await name.waitFor();
  assert.ok((await name.boundingBox()).height < 40);
  assert.equal(await name.getAttribute('title'), NAMES['name-longest']);
  for (const address of [
    'tenants/name-longest',
    'tenants/name-longest?tab=charts',
    'tenants/name-longest?tab=edit',
  ]) {
    await page.goto(`${server.address}/#/demo/${address}`);
    await page.locator('main h1 + .status').waitFor();
    assert.ok(await page.getByRole('link', { name: 'Charts' }).isVisible());
    for (const width of [390, 1280, 2560]) {
      await page.setViewportSize({ width, height: 900 });
      assert.deepEqual(await page.evaluate(cutOff), [], `${address} at ${width} px`);
    }
  }
  // Nor in dialogues, which scroll down alone.
  await page.setViewportSize({ width: 390, height: 844 });
  for (const [address, opener] of [
    [`tenants/${LONG_ID}?tab=edit`, 'Delete…'],
    ['tenants/name-longest?tab=edit', 'Delete…'],
    [`alerts?tenant=${LONG_ID}`, 'New silence…'],
    ['alerts?tab=receivers', 'New receiver…'],
  ]) {
    await page.goto(`${server.address}/#/demo/${address}`);
    await page.getByRole('button', { name: opener }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Close' }).waitFor();
    if (opener === 'Delete…') await dialog.getByText(/Objects that change: [1-9]/).waitFor();
    const [inner, outer] = await dialog.evaluate((element) => [element.scrollWidth, element.clientWidth]);
    assert.ok(inner <= outer, `${address}: ${inner} px in ${outer}`);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  }
  await page.close();
});

test('a name that is written from the right turns nothing around it', async () => {
  await createTenant(server, 'failed-rtl', { name: NAMES['name-rtl'], demo_fault: 'image-not-found' });
  const { page } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/overview`);
  const item = page
    .getByRole('region', { name: 'Needs attention' })
    .getByRole('listitem')
    .filter({ has: page.locator('a[href$="/failed-rtl"]') })
    .first();
  await item.waitFor();
  const [kind, name, since] = await Promise.all(
    ['.kind', 'a[href$="/failed-rtl"]', 'time'].map((what) => item.locator(what).first().boundingBox()),
  );
  assert.ok(
    kind.x + kind.width <= name.x && name.x + name.width <= since.x,
    'left to right: kind, name, age',
  );
  await page.close();
});

test('what was not measured is said to be missing, and is never zero', async () => {
  const { page, complaints } = await openPage(browser.context);
  const list = await call(server, 'GET', '/tenants/?limit=1&expand=metrics,alerts,cost,failure');
  await page.route('**/api/v1/tenants/?**', (route) =>
    route.fulfill({
      json: {
        ...list,
        tenants: [
          {
            ...list.tenants[0],
            tenant_id: 'unknown',
            name: 'unknown',
            metrics: null,
            alerts: null,
            cost: null,
          },
          {
            ...list.tenants[0],
            tenant_id: 'partly',
            name: 'partly',
            metrics: { ...list.tenants[0].metrics, response_time: null, cpu: null, gpu: 0 },
          },
        ],
        total_count: 2,
        pagination: { skip: 0, limit: 1000, has_more: false },
      },
    }),
  );
  await page.goto(`${server.address}/#/demo/tenants`);
  const cells = (name) => page.getByRole('row').filter({ hasText: name }).getByRole('cell').allTextContents();
  await page.getByRole('link', { name: 'partly' }).waitFor();
  const unknown = (await cells('unknown')).map((text) => text.trim());
  assert.equal(unknown[5], 'No samples');
  assert.deepEqual(unknown.slice(7), ['–', '–', '–', '–', '–']);
  const partly = (await cells('partly')).map((text) => text.trim());
  assert.deepEqual(
    [partly[5], partly[7], partly[8]],
    ['No samples', '–', '0 %'],
    'zero is shown where it is one',
  );
  assert.deepEqual(complaints, []);
  await page.close();
});

test('back and forward lead through pages and their filters, and what is shown is what is in the address', async () => {
  const { page, complaints } = await openPage(browser.context);
  const search = page.getByRole('searchbox');
  await page.goto(`${server.address}/#/demo/tenants`);
  await search.fill('hanbit');
  await page.getByText('Tenants: 1', { exact: true }).waitFor();
  await page.getByRole('link', { name: '한빛카드 고객센터' }).click();
  await page.getByRole('link', { name: 'Charts' }).click();
  await page.getByRole('link', { name: 'History' }).click();
  await page.waitForFunction(() => location.hash.endsWith('tab=history'));
  await page.goBack();
  await page.getByRole('img', { name: /^Response time/ }).waitFor();
  await page.goBack();
  await page.goBack();
  await page.getByText('Tenants: 1', { exact: true }).waitFor();
  assert.equal(await search.inputValue(), 'hanbit');
  await page.goForward();
  await page.getByRole('heading', { level: 1, name: '한빛카드 고객센터' }).waitFor();
  await page.goBack();
  await page.getByText('Tenants: 1', { exact: true }).waitFor();
  // The menu leads to all of them.
  await page.getByRole('navigation').getByRole('link', { name: 'Tenants' }).click();
  await page.getByText(/Tenants: \d\d/).waitFor();
  assert.equal(await search.inputValue(), '');
  await page.goBack();
  await page.getByText('Tenants: 1', { exact: true }).waitFor();
  assert.equal(await search.inputValue(), 'hanbit');

  await page.goto(`${server.address}/#/demo/alerts?tenant=name-long&severity=critical`);
  await page.getByRole('link', { name: 'name-long' }).first().waitFor();
  await page.getByRole('navigation').getByRole('link', { name: 'Alerts' }).click();
  await page.getByRole('link', { name: 'name-markup' }).first().waitFor();
  assert.equal(await search.inputValue(), '');
  await page.goBack();
  await page.getByRole('link', { name: 'name-markup' }).first().waitFor({ state: 'detached' });
  assert.equal(await search.inputValue(), 'name-long');
  assert.equal(await page.getByLabel('Severity').inputValue(), 'critical');
  assert.deepEqual(complaints, []);
  await page.close();
});

for (const timezoneId of ['Asia/Seoul', 'America/St_Johns', 'Pacific/Kiritimati']) {
  test(`times are those of the reader's clock, entered and shown: ${timezoneId}`, async () => {
    const elsewhere = await startBrowser({ timezoneId });
    try {
      const { page } = await openPage(elsewhere.context);
      await page.goto(`${server.address}/#/demo/alerts?tab=silences`);
      await page.getByRole('button', { name: 'New silence…' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Tenant').fill('name-quote');
      await dialog.getByLabel('How long').selectOption('until');
      const ends = new Date(Math.ceil(Date.now() / 60_000) * 60_000 + 26 * 3_600_000);
      const local = (options) =>
        new Intl.DateTimeFormat('sv-SE', { timeZone: timezoneId, ...options }).format(ends);
      const entered = local({ dateStyle: 'short', timeStyle: 'short' }).replace(' ', 'T');
      await dialog.locator('input[type="datetime-local"]').fill(entered);
      await dialog.getByLabel('Why').fill(timezoneId);
      await dialog.getByRole('button', { name: 'Silence', exact: true }).click();
      const row = page.getByRole('row').filter({ hasText: timezoneId });
      await row.waitFor();
      const { silences } = await call(server, 'GET', '/silences');
      const made = silences.find(({ comment }) => comment === timezoneId);
      assert.equal(new Date(made.ends_at).getTime(), ends.getTime());
      const shown = new Intl.DateTimeFormat('en', {
        timeZone: timezoneId,
        dateStyle: 'medium',
        timeStyle: 'medium',
      });
      await row.getByText(shown.format(ends)).waitFor();
    } finally {
      await elsewhere.close();
    }
  });
}
