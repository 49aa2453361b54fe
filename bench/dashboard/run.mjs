#!/usr/bin/env node
// Measures the dashboard in a browser: how soon `/` is seen, beside `/docs` of the same server on the same machine, and
// how two thousand tenants scroll and what they hold. `bench/dashboard/run.mjs [BINARY] [LOOKS]`, after `make dashboard`
// and a build of the binary. Figures are printed beside their targets; none fails anything.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [binary = fileURLToPath(new URL('../../target/release/ecp', import.meta.url)), looks = '10'] =
  process.argv.slice(2);
process.env.ECP_BINARY = resolve(binary);
const { call, startBrowser, startServer } = await import('../../dashboard/tests/harness.mjs');

const TENANTS = 2000;
const MIB = 1024 * 1024;
const quantile = (values, share) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const say = (name, value, target) =>
  console.log(`${name.padEnd(58)} ${value.padStart(18)}   ${target ?? ''}`);

/** What a browser that was never here sees of an address, in milliseconds from the navigation, and the bytes for it. */
async function look(address, whole) {
  const browser = await startBrowser();
  try {
    const page = await browser.context.newPage();
    const session = await browser.context.newCDPSession(page);
    let bytes = 0;
    await session.send('Network.enable');
    session.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
    // The browser's own start is none of the page's.
    await page.goto('about:blank');
    const paints = () =>
      page.evaluate(() => performance.getEntriesByName('first-contentful-paint').at(0)?.startTime);
    await page.goto(address, { waitUntil: 'commit' });
    await whole(page);
    const wholeMs = await page.evaluate(() => performance.now());
    await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
    return { firstMs: await paints(), wholeMs, bytes };
  } finally {
    await browser.close();
  }
}

async function firstViews(server) {
  const views = {
    '/': (page) => page.locator('#gpu').waitFor(),
    '/docs': (page) => page.locator('h2, h3, .opblock, summary').first().waitFor(),
  };
  const seen = Object.fromEntries(Object.keys(views).map((path) => [path, []]));
  // In turns, so that what else the machine does is shared.
  for (let turn = 0; turn < Number(looks); turn += 1) {
    for (const [path, whole] of Object.entries(views)) {
      seen[path].push(await look(`${server.address}${path}`, whole));
    }
  }
  for (const [path, measured] of Object.entries(seen)) {
    const median = (of) => Math.round(quantile(measured.map(of), 0.5));
    const target = path === '/' ? 'target: no later than /docs' : '';
    say(`${path}: first paint, median of ${looks}`, `${median(({ firstMs }) => firstMs)} ms`, target);
    say(`${path}: content in place`, `${median(({ wholeMs }) => wholeMs)} ms`, target);
    say(`${path}: bytes on the wire`, `${median(({ bytes }) => bytes / 1000)} kB`);
  }
}

async function scrolling(server) {
  const list = await call(server, 'GET', '/tenants/?limit=1&expand=metrics,alerts,cost,failure');
  const tenants = Array.from({ length: TENANTS }, (_, index) => ({
    ...list.tenants[0],
    tenant_id: `tenant-${index}`,
    name: `고객센터 number ${index}`,
  }));
  const browser = await startBrowser();
  try {
    const page = await browser.context.newPage();
    await page.route('**/api/v1/tenants/?**', (route) => {
      const skip = Number(new URL(route.request().url()).searchParams.get('skip'));
      const pagination = { skip, limit: 1000, has_more: skip + 1000 < TENANTS };
      return route.fulfill({
        json: {
          ...list,
          tenants: tenants.slice(skip, skip + 1000),
          total_count: TENANTS,
          pagination,
        },
      });
    });
    await page.goto(`${server.address}/#/demo/tenants`);
    const table = page.getByRole('table');
    await table.getByText('tenant-0', { exact: true }).waitFor();
    const frames = await table.evaluate(async (element) => {
      const every = [];
      let last = performance.now();
      // Some three screens a second, past every tenant and back.
      for (const direction of [1, -1]) {
        for (;;) {
          const from = element.scrollTop;
          element.scrollTop += direction * 40;
          await new Promise((resolve) => requestAnimationFrame(resolve));
          const now = performance.now();
          every.push(now - last);
          last = now;
          if (element.scrollTop === from) break;
        }
      }
      return every;
    });
    const late = frames.filter((ms) => ms > 34).length;
    say(`${TENANTS} tenants: frames while scrolling`, String(frames.length));
    say('  a frame, median', `${quantile(frames, 0.5).toFixed(1)} ms`, 'target: 16.7 ms (60 Hz)');
    say('  a frame, 99 of 100 within', `${quantile(frames, 0.99).toFixed(1)} ms`, 'target: 34 ms');
    say('  frames later than two periods', `${((late / frames.length) * 100).toFixed(2)} %`);
    const session = await browser.context.newCDPSession(page);
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    say('  JavaScript heap', `${(usedSize / MIB).toFixed(1)} MiB`, 'target: 200 MiB');
    const root = await browser.context
      .browser()
      ?.newBrowserCDPSession()
      .catch(() => undefined);
    const info = await root?.send('SystemInfo.getProcessInfo').catch(() => undefined);
    const renderers = (info?.processInfo ?? []).filter(({ type }) => type === 'renderer');
    const held = renderers.map(({ id }) =>
      Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1] ?? 0),
    );
    if (held.length > 0) {
      const most = Math.round(Math.max(...held) / 1024);
      say("  memory of the page's process, its own", `${most} MiB`, 'target: 200 MiB');
    }
  } finally {
    await browser.close();
  }
}

const server = await startServer();
try {
  await firstViews(server);
  await scrolling(server);
} finally {
  await server.stop();
}
