// What is not there is said to be missing, and is never shown as zero: a cluster, a device, a database, a role.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPage, startWith } from './harness.mjs';
import { together } from './together.mjs';

/** Of a cluster at an address where nobody listens. */
const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{ name: away, cluster: { server: "https://127.0.0.1:1", insecure-skip-tls-verify: true } }]
users: [{ name: nobody, user: { token: none } }]
contexts: [{ name: away, context: { cluster: away, user: nobody } }]
current-context: away
`;

let server, browser;
together((...both) => ([server, browser] = both));

/** Has the answer of an address be what `change` makes of it. */
function changed(page, address, change) {
  return page.route(address, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: change(await response.json()) });
  });
}

test('a cluster that can not be reached is said on every page of real mode, and nothing of it is zero', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecp-away-'));
  const path = join(folder, 'kubeconfig');
  writeFileSync(path, KUBECONFIG);
  const own = await startWith({ ECP_KUBECONFIG: path });
  try {
    const { page, complaints } = await openPage(browser.context);
    await page.goto(own.address);
    await page.getByText('What is shown of it is from before').waitFor();
    assert.match(page.url(), /#\/real/);
    const gpu = page.getByRole('region', { name: 'GPU headroom' });
    await gpu.getByText('Unknown: the cluster does not answer.').waitFor();
    assert.equal(await gpu.getByRole('table').count(), 0);
    for (const address of ['tenants', 'alerts', 'what-if', 'manifest', 'changes']) {
      await page.goto(`${own.address}/#/real/${address}`);
      await page.locator('main h1').waitFor();
      assert.ok(await page.getByText('What is shown of it is from before').isVisible(), address);
    }
    await page.goto(`${own.address}/#/real/capacity`);
    await page.locator('main').getByText('cluster can not be reached').waitFor();
    assert.equal(await page.locator('main table').count(), 0);
    // Demo mode needs no cluster.
    await page.goto(`${own.address}/#/demo/overview`);
    await gpu.getByRole('table').waitFor();
    await page.getByText('What is shown of it is from before').waitFor({ state: 'detached' });
    assert.deepEqual(complaints, []);
    await page.close();
  } finally {
    await own.stop();
    rmSync(folder, { recursive: true });
  }
});

test('a database that can not be written, a metric store that is away and damaged rows are said', async () => {
  const { page } = await openPage(browser.context);
  await page.route('**/readyz', (route) =>
    route.fulfill({
      status: 503,
      json: {
        status: 'degraded',
        kubernetes: 'not_configured',
        storage: 'demo: database or disk is full',
        metrics: 'unreachable: connection refused',
        damaged: [{ file: 'demo.db', table: 'alerts', rows: 2 }],
      },
    }),
  );
  await page.goto(`${server.address}/`);
  // The first address, although the server says that it is not ready.
  await page.waitForFunction(() => location.hash.startsWith('#/demo'));
  await page.getByText('Nothing can be saved').waitFor();
  await page.getByText('database or disk is full').waitFor();
  await page.getByText('The metric store does not answer').waitFor();
  await page.getByText('demo.db: alerts (2)').waitFor();
  await page.goto(`${server.address}/#/real/overview`);
  await page.getByText('Nothing can be saved').waitFor({ state: 'detached' });
  await page.getByText('Unknown: no cluster is configured on this server.').waitFor();
  await page.close();
});

test('devices: those that nobody measured, those that there are too few of, and none at all', async () => {
  const { page } = await openPage(browser.context);
  const device = (gpu_type, total, promised, requested, measured, used) => ({
    gpu_type,
    total,
    promised,
    requested,
    measured,
    used,
  });
  let gpu = [
    device('unmeasured', 8, 4, 4, 0, 0),
    device('partly', 8, 6, 4, 2, 0),
    device('gone', 0, 3, 0, 3, 1.5),
  ];
  await changed(page, '**/api/v1/overview', (overview) => ({ ...overview, gpu }));
  for (const address of ['overview', 'capacity']) {
    await page.goto(`${server.address}/#/demo/${address}`);
    const cells = async (name) => {
      const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });
      const texts = await row.getByRole('cell').allTextContents();
      return texts.map((text) => text.trim().replaceAll(/\s+/g, ' '));
    };
    await page.getByRole('rowheader', { name: 'unmeasured' }).waitFor();
    assert.deepEqual(await cells('unmeasured'), ['8', '4', '4', 'No samples', '4']);
    assert.deepEqual(await cells('partly'), ['8', '6', '4', '0 known of 2', '2']);
    assert.deepEqual(await cells('gone'), ['0', '3', '0', '1.5', '0 3 too many']);
    // Three of none is a full bar.
    const bar = page.getByRole('rowheader', { name: 'gone' }).locator('.meter.bad .fill');
    assert.equal(await bar.getAttribute('width'), '100');
  }
  gpu = [];
  await page.reload();
  await page.getByText('The cluster has no GPU').waitFor();
  await page.close();
});

test('of what the cluster has none of, no share is shown', async () => {
  const { page } = await openPage(browser.context);
  await changed(page, '**/api/v1/monitoring/system', (system) => ({
    ...system,
    total_resources: { ...system.total_resources, gpu: 0 },
    used_resources: { ...system.used_resources, gpu: 0 },
    utilization: { ...system.utilization, gpu: 0 },
  }));
  await page.goto(`${server.address}/#/demo/capacity`);
  const row = page.getByRole('region', { name: 'Cluster' }).getByRole('row').filter({ hasText: 'GPU' });
  await row.waitFor();
  assert.deepEqual(await row.getByRole('cell').allTextContents(), ['0', '0', '–']);
  await page.close();
});

test('an audit trail that can not be read is said on the overview', async () => {
  const { page } = await openPage(browser.context);
  await page.route('**/api/v1/audit?*since*', (route) =>
    route.fulfill({
      status: 503,
      json: { error: { code: 'DATABASE_ERROR', message: 'the database is away' } },
    }),
  );
  await page.goto(`${server.address}/#/demo/overview`);
  const recent = page.getByRole('region', { name: 'Changed in the last day' });
  await recent.getByText('the database is away').waitFor();
  await page.close();
});

test('a role is asked for until the server answers, and nothing but its answer gives rights', async () => {
  const { page } = await openPage(browser.context);
  let asked = 0;
  const refusals = [429, 503, 408];
  await page.route('**/api/v1/audit?limit=1', (route) => {
    const status = refusals[asked];
    asked += 1;
    if (status === undefined) return route.continue();
    return route.fulfill({ status, json: { error: { code: 'RATE_LIMITED', message: 'later' } } });
  });
  await page.goto(`${server.address}/#/demo/tenants/hanbit-card`);
  await page.getByRole('link', { name: 'History' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Edit' }).count(), 0);
  await page.getByText('Administrator', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Edit' }).waitFor();
  assert.ok(asked > refusals.length);
  await page.close();
});

test('a list that goes on behind what is shown says so', async () => {
  const { page } = await openPage(browser.context);
  const lists = [
    ['alerts', '**/api/v1/alerts?**', 1000],
    ['alerts?tab=silences', '**/api/v1/silences?**', 2000],
    ['tenants/hanbit-card?tab=history', '**/tenants/hanbit-card/deployments?**', 3000],
  ];
  for (const [address, call, all] of lists) {
    await changed(page, call, (answer) => ({ ...answer, total_count: all }));
    await page.goto(`${server.address}/#/demo/${address}`);
    await page.getByText(new RegExp(`The newest \\d+ of ${all / 1000},000 are shown`)).waitFor();
  }
  await page.close();
});

test('costs, capacity and tenants that were never read say why, not zero', async () => {
  const { page } = await openPage(browser.context);
  const broken = {
    status: 503,
    json: { error: { code: 'DATABASE_ERROR', message: 'the database is away' } },
  };
  await page.route('**/api/v1/**', (route) => route.fulfill(broken));
  for (const address of [
    'overview',
    'tenants',
    'alerts',
    'capacity',
    'capacity?tab=costs',
    'tenants/hanbit-card',
  ]) {
    await page.goto(`${server.address}/#/demo/${address}`);
    await page.locator('main').getByText('the database is away').first().waitFor();
    assert.equal(await page.locator('main :is(table, dl, [role="table"])').count(), 0, address);
  }
  await page.close();
});
