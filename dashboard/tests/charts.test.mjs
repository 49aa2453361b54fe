// Charts on one time axis, what a load would need, and who changed what.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, createTenant, openPage } from './harness.mjs';
import { together } from './together.mjs';

let server, browser;
together((...both) => ([server, browser] = both));

test('charts zoom together, by mouse and by button, and the address keeps it over a read', async () => {
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/hanbit-card?tab=charts&hours=24`);
  const plot = page.locator('.plot .u-over').first();
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 40, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => location.hash.includes('zoom='));
  const spanOf = () => {
    const [from, to] = /zoom=(\d+)-(\d+)/.exec(page.url()).slice(1).map(Number);
    return to - from;
  };
  const quarter = spanOf();
  assert.ok(Math.abs(quarter - 6 * 3600) < 600, `${quarter} s of a day of which a quarter was marked`);
  await page.getByRole('button', { name: 'Zoom out' }).click();
  assert.ok(Math.abs(spanOf() - 2 * quarter) < 5);
  await page.getByRole('button', { name: 'Later' }).click();
  await page.getByRole('button', { name: 'Zoom in' }).click();
  assert.ok(Math.abs(spanOf() - quarter) < 5);
  const zoomed = page.url();
  await page.reload();
  await page.getByRole('button', { name: 'Whole range' }).waitFor();
  assert.equal(page.url(), zoomed);
  assert.ok(await page.getByRole('button', { name: 'Whole range' }).isEnabled());
  await page.locator('.plot .u-over').nth(1).dblclick();
  await page.waitForFunction(() => !location.hash.includes('zoom='));
  assert.ok(await page.getByRole('button', { name: 'Whole range' }).isDisabled());
  assert.deepEqual(complaints, []);
  await page.close();
});

test('alerts and changes are marks; what was never measured is said to be missing, and is not zero', async () => {
  await createTenant(server, 'marked');
  await call(server, 'POST', '/tenants/marked/monitoring', { metrics: { error_rate: 40 } });
  const { page } = await openPage(browser.context);
  await page.route('**/api/v1/tenants/marked/monitoring?**', async (route) => {
    const answer = await (await route.fetch()).json();
    delete answer.metrics.gpu;
    await route.fulfill({ json: answer });
  });
  await page.routeWebSocket(/\/ws\/monitoring\//, () => undefined);
  await page.goto(`${server.address}/#/demo/tenants/marked?tab=charts&hours=1`);
  await page.getByRole('img', { name: 'GPU: no samples' }).waitFor();
  const marks = page.getByRole('region', { name: 'Alerts and changes in this span' });
  await marks.getByText('Create (by request)').waitFor();
  await marks.locator('li.bad').first().waitFor();
  await page.close();
});

test('a value that stands alone is seen', async () => {
  const { page } = await openPage(browser.context);
  let count = 1;
  await page.route('**/api/v1/tenants/hanbit-card/monitoring?**', async (route) => {
    const answer = await (await route.fetch()).json();
    const { response_time: values } = answer.metrics;
    // In the middle of the day, where no mark is.
    answer.metrics = { response_time: values.slice(values.length / 2, values.length / 2 + count) };
    await route.fulfill({ json: answer });
  });
  await page.routeWebSocket(/\/ws\/monitoring\//, () => undefined);
  const coloured = () =>
    page
      .locator('.plot canvas')
      .first()
      .evaluate((canvas) => {
        const probe = document.body.appendChild(document.createElement('span'));
        probe.style.color = 'var(--chart-1)';
        const wanted = getComputedStyle(probe).color.match(/\d+/g).map(Number);
        probe.remove();
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let found = 0;
        for (let at = 0; at < data.length; at += 4)
          found += Number(
            data[at + 3] > 200 && wanted.every((part, index) => Math.abs(data[at + index] - part) < 40),
          );
        return found;
      });
  const drawn = () =>
    page.evaluate(() => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then))));
  await page.goto(`${server.address}/#/demo/tenants/hanbit-card?tab=charts&hours=24`);
  await page.getByRole('img', { name: /^Response time: now/ }).waitFor();
  await drawn();
  assert.ok((await coloured()) > 4, 'a dot');
  count = 0;
  await page.reload();
  await page.getByRole('img', { name: /^Response time: no samples/ }).waitFor();
  await drawn();
  assert.equal(await coloured(), 0, 'nothing where nothing was measured');
  await page.close();
});

test('what is measured arrives on the charts by a stream, without a read', async () => {
  await createTenant(server, 'measured');
  const { page, asked } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/measured?tab=charts&hours=1`);
  await page.getByText('Live', { exact: true }).first().waitFor();
  await page.waitForTimeout(1_000);
  const reads = () => asked.filter((url) => url.includes('/monitoring?')).length;
  const before = reads();
  await call(server, 'POST', '/tenants/measured/monitoring', { metrics: { response_time: 4321 } });
  await page.getByText(/max 4,321/).waitFor();
  assert.equal(reads(), before);
  await page.close();
});

test('a load gets a verdict of the simulator, an alternative is taken, and Create shows first what it does', async () => {
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/what-if?callbot=120&plan=micro&response=150`);
  await page.getByText('what is promised is').first().waitFor();
  await page.getByText('Figure by figure').click();
  await page.getByRole('row').filter({ hasText: 'Response time p95' }).first().waitFor();
  const use = page.getByRole('button', { name: /^Use / }).first();
  const plan = /^Use (\w+)$/.exec(await use.textContent())[1];
  await use.click();
  assert.equal(await page.getByLabel('Plan').inputValue(), plan);
  await page.waitForFunction((plan) => location.hash.includes(`plan=${plan}`), plan);
  await page.getByText('what is promised is').first().waitFor();
  await page.getByLabel('Tenant id').fill('from-what-if');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByText(/Objects that change: [1-9]/).waitFor();
  const { total_count } = await call(server, 'GET', '/tenants/?q=from-what-if');
  assert.equal(total_count, 0, 'a preview writes nothing');
  await page.getByRole('button', { name: 'Create from-what-if' }).click();
  await page.getByRole('heading', { level: 1, name: 'from-what-if' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});

test('changes are found by tenant and person, grouped, and shown before and after', async () => {
  await createTenant(server, 'audited', { service_requirements: { chatbot: 10 } });
  await call(server, 'PUT', '/tenants/audited', { service_requirements: { chatbot: 14 } });
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/changes`);
  await page.getByRole('textbox', { name: 'Tenant' }).fill('audited');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash.includes('tenant=audited'));
  const row = page
    .getByRole('row')
    .filter({ hasText: 'Change tenant' })
    .filter({ hasText: 'accepted' })
    .first();
  await row.locator('summary').click();
  const changed = row.locator('details > div').filter({ hasText: 'chatbot' });
  await changed
    .locator('del')
    .filter({ hasText: /Before 10$/ })
    .waitFor();
  await changed
    .locator('ins')
    .filter({ hasText: /After 14$/ })
    .waitFor();
  // What is long breaks where it has to, and is not one letter a line.
  await page.setViewportSize({ width: 1280, height: 800 });
  const creation = page.getByRole('row').filter({ hasText: 'Create tenant' }).last();
  await creation.locator('summary').click();
  const heights = await creation
    .locator('details > div')
    .evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().height));
  assert.ok(heights.length > 5 && Math.max(...heights) < 70, String(heights));
  await row.getByRole('link', { name: 'anonymous' }).click();
  await page.waitForFunction(() => location.hash.includes('actor=anonymous'));
  await page.getByLabel('Group by').selectOption('actor');
  await page.getByRole('heading', { level: 2, name: 'anonymous' }).waitFor();
  assert.equal(await page.getByRole('heading', { level: 2 }).count(), 1);
  await page.getByLabel('Since').selectOption('1');
  await page.getByRole('heading', { level: 2, name: 'anonymous' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});
