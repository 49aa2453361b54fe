// What operators do on the second day: silence, rules, logs, events, costs; live, and by what streams.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { call, createTenant, openPage, startServer, untilEnded } from './harness.mjs';
import { together } from './together.mjs';

let server, browser;
together((...both) => ([server, browser] = both));

/** A page whose sockets are counted: those that are open now, by what they follow. */
async function openCounted() {
  const opened = await openPage(browser.context);
  const sockets = new Map();
  opened.page.on('websocket', (socket) => {
    sockets.set(socket, new URL(socket.url()).pathname);
    socket.on('close', () => sockets.delete(socket));
  });
  const settled = async (expected) => {
    const same = () => JSON.stringify([...sockets.values()].sort()) === JSON.stringify(expected);
    for (let looks = 0; looks < 100 && !same(); looks += 1) await opened.page.waitForTimeout(100);
    assert.deepEqual([...sockets.values()].sort(), expected);
  };
  return { ...opened, settled };
}

test('an alert is silenced from the inbox after a look at what it hits, and the silence is ended', async () => {
  await createTenant(server, 'noisy');
  await call(server, 'POST', '/tenants/noisy/monitoring', { metrics: { error_rate: 40 } });
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/alerts?tenant=noisy`);
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'noisy' }) });
  await row.filter({ hasText: 'Error rate' }).getByRole('button', { name: 'Silence…' }).click();
  const dialog = page.getByRole('dialog');
  assert.equal(await dialog.getByLabel('Tenant').inputValue(), 'noisy');
  await dialog.getByText('Open alerts that it hits now: 1').waitFor();
  await dialog.getByLabel('Metric').selectOption('cpu');
  await dialog.getByText('Open alerts that it hits now: 0').waitFor();
  await dialog.getByLabel('Metric').selectOption('error_rate');
  await dialog.getByText('Open alerts that it hits now: 1').waitFor();
  await dialog.getByLabel('How long').selectOption('4');
  await dialog.getByLabel('Why').fill('maintenance');
  await dialog.getByRole('button', { name: 'Silence', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await row.filter({ hasText: 'Error rate' }).getByText('Silenced').waitFor();
  const { silences } = await call(server, 'GET', '/silences');
  assert.equal(silences.length, 1);
  assert.deepEqual(
    [silences[0].tenant_id, silences[0].metric, silences[0].comment],
    ['noisy', 'error_rate', 'maintenance'],
  );
  const hours = (Date.parse(silences[0].ends_at) - Date.parse(silences[0].starts_at)) / 3_600_000;
  assert.equal(Math.round(hours), 4);

  await page.getByRole('link', { name: 'Silences' }).click();
  await page.getByRole('row').filter({ hasText: 'maintenance' }).getByRole('button', { name: 'End' }).click();
  await page.getByText('There are no silences.').waitFor();
  await page.getByRole('link', { name: 'Inbox' }).click();
  await row.filter({ hasText: 'Error rate' }).getByRole('button', { name: 'Silence…' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});

test('alerts of all tenants come and go in the inbox by one stream, filters hold', async () => {
  await createTenant(server, 'flapping');
  await createTenant(server, 'apart');
  const { page, settled, asked } = await openCounted();
  await page.goto(`${server.address}/#/demo/alerts?severity=critical&type=performance`);
  await page.getByRole('heading', { name: 'Alerts' }).waitFor();
  await settled(['/ws/alerts']);
  await page.getByText('Live', { exact: true }).waitFor();
  await page.waitForTimeout(500);
  const before = asked.filter((url) => url.includes('/api/v1/alerts?')).length;
  await call(server, 'POST', '/tenants/apart/monitoring', { metrics: { cpu_usage: 99 } });
  await call(server, 'POST', '/tenants/flapping/monitoring', { metrics: { error_rate: 40 } });
  await page.getByRole('link', { name: 'flapping' }).first().waitFor();
  assert.equal(await page.getByRole('link', { name: 'apart' }).count(), 0);
  assert.equal(
    asked.filter((url) => url.includes('/api/v1/alerts?')).length,
    before,
    'what a stream brings is not read again',
  );
  await call(server, 'POST', '/tenants/flapping/monitoring', { metrics: { error_rate: 0 } });
  await page.getByRole('link', { name: 'flapping' }).waitFor({ state: 'detached' });
  await page.close();
});

test('each view has one stream, and none is left behind', async () => {
  await createTenant(server, 'followed');
  const { page, settled } = await openCounted();
  await page.goto(`${server.address}/#/demo/overview`);
  await settled(['/ws/alerts']);
  await page.goto(`${server.address}/#/demo/tenants`);
  await settled(['/ws/alerts']);
  await page.goto(`${server.address}/#/demo/tenants/followed`);
  await page.locator('main .status', { hasText: 'Running' }).first().waitFor();
  await settled(['/ws/alerts/followed']);
  await page.goto(`${server.address}/#/demo/tenants/followed?tab=logs&follow=1`);
  await settled([]);
  await page.goto(`${server.address}/#/demo/capacity`);
  await page.getByRole('heading', { name: /^Nodes \(\d+\)$/ }).waitFor();
  await settled([]);
  await page.close();
});

test('a hidden page holds no stream; seen again, it follows and has what it missed', async () => {
  await createTenant(server, 'unseen');
  const { page, settled } = await openCounted();
  await page.goto(`${server.address}/#/demo/alerts?tenant=unseen`);
  await page.getByText('No alert matches.').waitFor();
  await settled(['/ws/alerts/unseen']);
  const become = (state) =>
    page.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  await become('hidden');
  await settled([]);
  await call(server, 'POST', '/tenants/unseen/monitoring', { metrics: { error_rate: 40 } });
  await become('visible');
  await page.getByRole('link', { name: 'unseen' }).first().waitFor();
  await settled(['/ws/alerts/unseen']);
  await page.close();
});

test('what a stream tells is not asked for, and what none tells is asked for in short: minutes of calm are few reads', async () => {
  await createTenant(server, 'calm');
  for (const [address, read, most] of [
    // What others do is asked for every five seconds: of the overview, which is short, and of one tenant.
    ['overview', '/api/v1/overview', 25],
    ['tenants', '/api/v1/tenants/?', 2],
    ['alerts?tenant=calm', '/api/v1/alerts?', 0],
    ['tenants/calm', '/api/v1/tenants/calm', 40],
    ['tenants/calm?tab=logs&service=redis&follow=1', '/logs', 0],
    ['tenants/calm?tab=charts', '/monitoring', 1],
  ]) {
    const { page, asked } = await openPage(browser.context);
    // The page's time stands while the server answers, so that what is slow is not late.
    const asking = new Set();
    page.on('request', (request) => request.url().includes('follow=true') || asking.add(request));
    for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => asking.delete(request));
    const second = async () => {
      await page.clock.runFor(1_000);
      while (asking.size > 0) await page.waitForTimeout(20);
    };
    await page.clock.install();
    await page.goto(`${server.address}/#/demo/${address}`);
    await page.getByText('Live', { exact: true }).first().waitFor();
    const reads = () => asked.filter((url) => url.includes(read)).length;
    // Until what opening the page and its stream asked for is read, however long the server takes.
    for (let known = -1; known !== reads();) {
      known = reads();
      await second();
      await page.waitForTimeout(1_000);
    }
    const before = reads();
    // Two minutes, a second at a time, as a machine that is awake has them.
    for (let seconds = 0; seconds < 120; seconds += 1) await second();
    assert.ok(reads() - before <= most, `${address}: ${reads() - before} reads`);
    await page.getByText('Live', { exact: true }).first().waitFor();
    await page.close();
  }
});

test('a network that was lost is said, with the age of what is shown, and comes back by itself', async () => {
  const { page } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/overview`);
  await page.getByText('Live', { exact: true }).waitFor();
  await browser.context.setOffline(true);
  try {
    await page.evaluate(() => window.dispatchEvent(new Event('online')));
    await page.getByText('The server can not be reached').first().waitFor();
    await page.getByText(/What you see is from \d+ (sec|min)/).waitFor();
    assert.ok(await page.getByText('GPU headroom').isVisible());
  } finally {
    await browser.context.setOffline(false);
  }
  await page.getByText('The server can not be reached').first().waitFor({ state: 'detached' });
  await page.getByText('Live', { exact: true }).waitFor();
  await page.close();
});

test("a tenant's rules are set and brought back, and what is entered survives a read", async () => {
  await createTenant(server, 'ruled');
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/ruled?tab=rules`);
  await page.getByLabel('CPU: Warning').fill('60');
  await page.getByLabel('Storage: On').uncheck();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('The rules are in force.').waitFor();
  let { rules } = await call(server, 'GET', '/tenants/ruled/alert-rules');
  assert.deepEqual([rules.cpu.warning, rules.cpu.critical, rules.storage.enabled], [60, 95, false]);
  assert.equal(rules.memory.is_default, true);

  await page.getByLabel('Memory: Warning').fill('99');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByRole('button', { name: 'Discard' }).click();
  assert.equal(await page.getByLabel('Memory: Warning').inputValue(), '80');

  const storage = page.getByRole('row').filter({ hasText: 'Storage' });
  await storage.getByRole('button', { name: 'Back to default' }).click();
  await storage.getByText('Default', { exact: true }).waitFor();
  ({ rules } = await call(server, 'GET', '/tenants/ruled/alert-rules'));
  assert.deepEqual([rules.storage.is_default, rules.cpu.warning], [true, 60]);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('the log of the container that crashed is one click from the failure, and so are the events', async () => {
  await createTenant(server, 'crashing', { demo_fault: 'crash-loop' });
  await untilEnded(server, 'crashing', 'failed');
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/crashing`);
  await page.getByRole('alert').getByText('CrashLoopBackOff').waitFor();
  await page.getByRole('link', { name: 'Logs of the crash' }).click();
  const log = page.getByRole('region', { name: 'Logs' });
  await log.getByText('model file /models/chatbot.bin not found').waitFor();
  await page.getByLabel('Search').fill('loading');
  await page.getByText('Lines: 1').waitFor();
  await page.getByRole('alert').getByRole('link', { name: 'Events' }).click();
  await page.getByRole('row').filter({ hasText: 'BackOff' }).first().waitFor();
  assert.match(page.url(), /warnings=1/);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a log is followed, and goes on after the server was away', async () => {
  const own = await startServer();
  await createTenant(own, 'talking');
  const { page } = await openPage(browser.context);
  const log = page.getByRole('region', { name: 'Logs' });
  const lines = async () => (await log.textContent()).split('\n').filter((line) => line !== '').length;
  const grows = async () => {
    const from = await lines();
    for (let looks = 0; looks < 150; looks += 1) {
      if ((await lines()) > from) return;
      await page.waitForTimeout(100);
    }
    assert.fail(`the log stays at ${from} lines`);
  };
  await page.goto(`${own.address}/#/demo/tenants/talking?tab=logs&service=redis`);
  await log.getByText('request').first().waitFor();
  await page.getByLabel('What').selectOption('follow');
  assert.match(page.url(), /follow=1/);
  await page.locator('main p[role=status]').getByText('Live', { exact: true }).waitFor();
  await grows();
  await own.kill();
  await page.getByText('The server can not be reached').first().waitFor();
  const again = await startServer({ port: own.port, dataDir: own.dataDir });
  await page.locator('main p[role=status]').getByText('Live', { exact: true }).waitFor();
  await grows();
  await page.close();
  await again.stop();
});

test('costs of a month add up on the page and come as CSV', async () => {
  await createTenant(server, 'billed');
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/capacity?tab=costs`);
  const table = page.getByRole('table');
  await table.waitFor();
  const { month, tenants } = await call(server, 'GET', '/costs');
  assert.ok(tenants.length > 0);
  await page.getByText(`Total of ${tenants.length}`).waitFor();
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download CSV' }).click(),
  ]);
  assert.equal(file.suggestedFilename(), `costs-${month}.csv`);
  const csv = readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\n');
  assert.equal(csv.length, tenants.length + 2, 'a head, the rows and the total');
  await page.getByRole('button', { name: 'Margin' }).click();
  assert.match(page.url(), /sort=-margin/);
  const earlier = await call(server, 'GET', '/costs?month=2025-01');
  await page.getByRole('link', { name: 'billed' }).waitFor();
  await page.getByLabel('Month').selectOption('2025-01');
  await page.getByText(`Total of ${earlier.tenants.length}`).waitFor();
  assert.equal(await page.getByRole('link', { name: 'billed' }).count(), 0, 'it was not there yet');
  assert.match(page.url(), /month=2025-01/);
  assert.deepEqual(complaints, []);
  await page.close();
});
