// Every page in both languages and both colour schemes, by mouse and by keyboard, for every role.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import {
  PAGES,
  axe,
  call,
  createTenant,
  cutOff,
  openPage,
  startBrowser,
  startServer,
  startWith,
} from './harness.mjs';

const binary = process.env.ECP_BINARY ?? fileURLToPath(new URL('../../target/debug/ecp', import.meta.url));

let server;
before(async () => {
  server = await startServer();
  await createTenant(server, 'failing', { demo_fault: 'image-not-found' });
});
after(() => server?.stop());

const ADDRESSES = ['', ...PAGES, 'tenants/failing'];

/** A telephone, a laptop, a wall. */
const WIDTHS = [390, 2560, 1280];

for (const [language, colorScheme] of [
  ['ko-KR', 'light'],
  ['ko-KR', 'dark'],
  ['en-US', 'light'],
  ['en-US', 'dark'],
]) {
  test(`every page is whole and accessible: ${language}, ${colorScheme}`, async () => {
    const browser = await startBrowser({ locale: language, colorScheme });
    try {
      const { page, complaints } = await openPage(browser.context);
      await page.addInitScript(axe);
      for (const address of ADDRESSES) {
        await page.goto(`${server.address}/#/demo/${address}`);
        await page.locator('main h1').first().waitFor();
        await page.waitForFunction(
          () => !document.querySelector('main [role="status"]:not(:empty)')?.textContent?.includes('…'),
        );
        assert.equal(await page.locator('html').getAttribute('lang'), language.slice(0, 2));
        const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        const serious = found.violations.filter(
          ({ impact }) => impact === 'serious' || impact === 'critical',
        );
        const text = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join('\n')}`);
        assert.deepEqual(text, [], address);
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: 900 });
          assert.deepEqual(await page.evaluate(cutOff), [], `${address} at ${width} px`);
        }
      }
      assert.deepEqual(complaints, []);
    } finally {
      await browser.close();
    }
  });
}

test('a tenant is made, changed, taken back and deleted by keyboard alone', async () => {
  const browser = await startBrowser();
  try {
    const { page, complaints } = await openPage(browser.context);
    const reach = async (locator) => {
      await locator.waitFor();
      for (let presses = 0; presses < 120; presses += 1) {
        if (await locator.evaluate((element) => element === document.activeElement)) return;
        await page.keyboard.press('Tab');
      }
      assert.fail(`${locator} is not reached by Tab`);
    };
    const press = async (locator, key = 'Enter') => {
      await reach(locator);
      await page.keyboard.press(key);
    };
    await page.goto(`${server.address}/#/demo/what-if?callbot=5`);
    await reach(page.getByLabel('Tenant id'));
    await page.keyboard.type('by-keyboard');
    await press(page.getByRole('button', { name: 'Preview' }));
    await press(page.getByRole('button', { name: 'Create by-keyboard' }));
    await page.getByRole('heading', { level: 1, name: 'by-keyboard' }).waitFor();
    // The roll-out is followed without a reload.
    await page.locator('main .status', { hasText: 'Running' }).first().waitFor();

    await press(page.getByRole('link', { name: 'Edit' }));
    await reach(page.getByRole('spinbutton', { name: 'Chatbot' }));
    await page.keyboard.press('Control+A');
    await page.keyboard.type('12');
    await press(page.getByRole('button', { name: 'Preview' }));
    await page.getByText(/Objects that change: [1-9]/).waitFor();
    await press(page.getByRole('button', { name: 'Apply' }));
    await page.waitForFunction(
      async () =>
        (await (await fetch('api/v1/tenants/by-keyboard', { headers: { 'x-demo-mode': 'true' } })).json())
          .service_requirements.chatbot === 12,
    );

    await press(page.getByRole('link', { name: 'History' }));
    await press(page.getByRole('button', { name: 'Roll back to this' }).first());
    await page.getByText('Roll back', { exact: false }).first().waitFor();

    await press(page.getByRole('link', { name: 'Edit' }));
    await press(page.getByRole('button', { name: 'Delete…' }));
    const confirm = page.getByRole('button', { name: 'Delete', exact: true });
    await confirm.waitFor();
    assert.ok(await confirm.isDisabled(), 'nothing is deleted before the id is typed');
    await reach(page.getByLabel('Type by-keyboard to confirm'));
    await page.keyboard.type('by-keyboard');
    await press(confirm);
    // Followed to the end, without a reload.
    await page.getByText('There is no such tenant, or it was deleted.').waitFor();
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
  }
});

test('a failed tenant says why, on its page and on the overview', async () => {
  const browser = await startBrowser();
  try {
    const { page } = await openPage(browser.context);
    await page.goto(`${server.address}/#/demo/overview`);
    await page.getByText('ImagePullBackOff').first().waitFor();
    await page.getByRole('link', { name: 'failing' }).first().click();
    await page.getByRole('alert').getByText('can not be pulled').waitFor();
  } finally {
    await browser.close();
  }
});

test('a tenant that others manage says so, also where it would be deleted', async () => {
  await createTenant(server, 'theirs', { management: 'external' });
  const browser = await startBrowser();
  try {
    const { page } = await openPage(browser.context);
    await page.goto(`${server.address}/#/demo/tenants/theirs`);
    await page.getByText('nothing is written to the cluster for it').waitFor();
    await page.goto(`${server.address}/#/demo/tenants/theirs?tab=edit`);
    await page.getByText('is left as it is').waitFor();
    await page.goto(`${server.address}/#/demo/tenants/failing?tab=edit`);
    await page.getByText('The namespace, samples and alerts are deleted').waitFor();
    assert.equal(await page.getByText('nothing is written to the cluster').count(), 0);
  } finally {
    await browser.close();
  }
});

test('a manifest is judged beside its lines', async () => {
  const browser = await startBrowser();
  try {
    const { page } = await openPage(browser.context);
    await page.goto(`${server.address}/#/demo/manifest`);
    await page
      .locator('textarea')
      .fill('apiVersion: v1\nkind: Pod\nmetadata:\n  name: UPPER\nspec:\n  containers: []\n');
    await page.getByRole('button', { name: 'Check' }).click();
    await page.getByText('Not valid.').waitFor();
    const finding = page.locator('.finding.error', { hasText: 'UPPER' }).first();
    await finding.waitFor();
    const [beside, line] = await Promise.all([
      finding.boundingBox(),
      page.locator('.text', { hasText: 'name: UPPER' }).boundingBox(),
    ]);
    assert.ok(beside.x >= line.x + line.width, 'it is beside its line');
    assert.ok(Math.abs(beside.y - line.y) < 4, 'at its height');
    assert.equal(await page.locator('.text', { hasText: 'apiVersion' }).count(), 0);
    await page.getByLabel('Show every line').check();
    await page.locator('.text', { hasText: 'apiVersion' }).waitFor();
  } finally {
    await browser.close();
  }
});

test('a token is asked for, kept in the session alone, and its role decides what is offered', async () => {
  const own = await startWith({ ECP_AUTH__TOKENS: 'on' });
  const browser = await startBrowser();
  try {
    const tokenOf = (role) => {
      const said = execFileSync(
        binary,
        ['tokens', 'create', '--name', role, '--role', role, '--data-dir', own.dataDir],
        { encoding: 'utf8' },
      );
      return /ecp_[\w-]+/.exec(said)[0];
    };
    for (const [role, text, writes, audits] of [
      ['viewer', 'Viewer', false, false],
      ['operator', 'Operator', true, false],
      ['admin', 'Administrator', true, true],
    ]) {
      const { page } = await openPage(browser.context);
      await page.goto(`${own.address}/#/demo/tenants/hanbit-card`);
      // What no header can carry is said, and not taken for a server that is away.
      for (const text of ['“ecp_abc”', '토큰', 'two words']) {
        await page.getByLabel('Token').fill(text);
        await page.getByRole('button', { name: 'Sign in' }).click();
        await page.getByText('This is no token').waitFor();
      }
      assert.equal(await page.getByText('The server can not be reached').count(), 0);
      await page.getByLabel('Token').fill('wrong');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText('did not accept this token').waitFor();
      const token = tokenOf(role);
      await page.getByLabel('Token').fill(token);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText(text, { exact: true }).waitFor();
      await page.getByRole('link', { name: 'History' }).waitFor();
      assert.equal(await page.getByRole('link', { name: 'Edit' }).count(), writes ? 1 : 0, role);
      assert.equal(await page.getByRole('link', { name: 'Changes' }).count(), audits ? 1 : 0, role);
      assert.ok(!page.url().includes(token));
      await page.getByRole('link', { name: 'Alert rules' }).click();
      await page.getByLabel('CPU: Warning').waitFor();
      assert.equal(await page.getByLabel('CPU: Warning').isEnabled(), writes, role);
      assert.equal(await page.getByRole('button', { name: 'New silence…' }).count(), writes ? 1 : 0, role);
      await page.getByRole('link', { name: 'Overview' }).click();
      await page.getByText('GPU headroom').waitFor();
      assert.equal(await page.getByText('Changed in the last day').count(), audits ? 1 : 0, role);
      assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes('ecp_')), false);
      await page.close();
    }
  } finally {
    await browser.close();
    await own.stop();
  }
});

test('all of it works under a sub-path, streams too', async () => {
  const own = await startWith({ ECP_SERVER__BASE_PATH: '/ops/ecp' }, { demoSpeed: 100 });
  const browser = await startBrowser();
  try {
    const { page, complaints, asked } = await openPage(browser.context);
    const sockets = [];
    page.on('websocket', (socket) => sockets.push(new URL(socket.url()).pathname));
    await page.goto(`${own.address}/ops/ecp`);
    await page.getByText('GPU headroom').waitFor();
    assert.equal(new URL(page.url()).pathname, '/ops/ecp/');
    await createTenant(own, 'below', {});
    await page.goto(`${own.address}/ops/ecp/#/demo/tenants/below`);
    await page.locator('main .status', { hasText: 'Running' }).first().waitFor();
    const outside = asked.filter((url) => !new URL(url).pathname.startsWith('/ops/ecp'));
    assert.deepEqual(outside, []);
    assert.ok(
      sockets.length > 0 && sockets.every((path) => path.startsWith('/ops/ecp/ws/')),
      sockets.join(' '),
    );
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
    await own.stop();
  }
});

test('two thousand tenants are a table of a few rows on screen', async () => {
  const browser = await startBrowser();
  try {
    const { page } = await openPage(browser.context);
    const list = await call(server, 'GET', '/tenants/?limit=1&expand=metrics,alerts,cost,failure');
    const tenants = Array.from({ length: 2000 }, (_, index) => ({
      ...list.tenants[0],
      tenant_id: `t-${index}`,
      name: `아주 긴 이름의 테넌트 number ${index} `.repeat(3),
    }));
    await page.route('**/api/v1/tenants/?**', (route) => {
      const skip = Number(new URL(route.request().url()).searchParams.get('skip'));
      const body = {
        ...list,
        tenants: tenants.slice(skip, skip + 1000),
        total_count: 2000,
        pagination: { skip, limit: 1000, has_more: skip < 1000 },
      };
      return route.fulfill({ json: body });
    });
    await page.goto(`${server.address}/#/demo/tenants`);
    await page.getByText('Tenants: 2,000').waitFor();
    const table = page.getByRole('table');
    assert.ok((await table.getByRole('row').count()) < 80);
    await table.evaluate((element) => (element.scrollTop = element.scrollHeight));
    await page.getByText('t-1999', { exact: true }).waitFor();
    assert.ok((await table.getByRole('row').count()) < 80);
    const heap = await page.evaluate(() => performance.memory.usedJSHeapSize);
    assert.ok(heap < 200 * 1024 * 1024, `${heap} bytes`);
  } finally {
    await browser.close();
  }
});

test('an alert is listed where it opens, without a reload', async () => {
  const browser = await startBrowser();
  try {
    await createTenant(server, 'in-trouble', { name: '곤란한 테넌트' });
    const { page } = await openPage(browser.context);
    await page.goto(`${server.address}/#/demo/alerts`);
    await page.getByRole('heading', { name: 'Alerts' }).waitFor();
    await call(server, 'POST', '/tenants/in-trouble/monitoring', { metrics: { error_rate: 40 } });
    const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'in-trouble' }) });
    await row.getByText('Critical').first().waitFor();
    await row.getByText('Error rate').first().waitFor();
  } finally {
    await browser.close();
  }
});
