// Who may do what, and with what hands: roles, tokens that end, two tabs, and the keyboard on every page.

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
const ADDRESSES = ['overview', ...PAGES, 'tenants/hanbit-card'];

let open, closed;
before(async () => {
  open = await startServer();
  closed = await startWith({ ECP_AUTH__TOKENS: 'on' });
});
after(async () => {
  await open?.stop();
  await closed?.stop();
});

function tokens(...rest) {
  return execFileSync(binary, ['tokens', ...rest, '--data-dir', closed.dataDir], { encoding: 'utf8' });
}
const tokenOf = (role) => /ecp_[\w-]+/.exec(tokens('create', '--name', role, '--role', role))[0];

async function signIn(page, token) {
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}
async function settled(page) {
  await page.locator('main h1').first().waitFor();
  await page.waitForFunction(
    () => !document.querySelector('main [role="status"]')?.textContent?.includes('…'),
  );
}

test('under a sub-path, with a token, in Korean, in the dark, on a telephone: every page survives a reload', async () => {
  const own = await startWith({ ECP_AUTH__TOKENS: 'on', ECP_SERVER__BASE_PATH: '/ops/ecp' });
  const browser = await startBrowser({
    locale: 'ko-KR',
    colorScheme: 'dark',
    viewport: { width: 390, height: 844 },
  });
  try {
    const said = execFileSync(
      binary,
      [
        'tokens',
        'create',
        '--name',
        'scoped',
        '--role',
        'viewer',
        '--tenants',
        'hanbit-card',
        '--data-dir',
        own.dataDir,
      ],
      { encoding: 'utf8' },
    );
    const { page, complaints, asked } = await openPage(browser.context);
    const refused = [];
    await page.goto(`${own.address}/ops/ecp/`);
    await page.getByLabel('토큰').fill(/ecp_[\w-]+/.exec(said)[0]);
    await page.getByRole('button', { name: '로그인' }).click();
    await page.getByText('읽기 전용', { exact: true }).waitFor();
    page.on('response', (response) => {
      if (response.status() === 401) refused.push(response.url());
    });
    for (const address of ADDRESSES) {
      await page.goto(`${own.address}/ops/ecp/#/demo/${address}`);
      await settled(page);
      const [title, place] = [await page.locator('main h1').first().textContent(), page.url()];
      await page.reload();
      await settled(page);
      await page.locator('main h1').first().filter({ hasText: title }).waitFor();
      assert.equal(page.url(), place);
      assert.equal(await page.getByLabel('토큰').count(), 0, address);
      assert.deepEqual(await page.evaluate(cutOff), [], address);
    }
    assert.deepEqual(refused, []);
    const outside = asked.filter((url) => !new URL(url).pathname.startsWith('/ops/ecp/'));
    assert.deepEqual(outside, []);
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
    await own.stop();
  }
});

test('what a viewer is offered is never refused', async () => {
  const browser = await startBrowser();
  try {
    const { page } = await openPage(browser.context);
    await page.goto(`${closed.address}/#/demo/overview`);
    await signIn(page, tokenOf('viewer'));
    await page.getByText('Viewer', { exact: true }).waitFor();
    const refused = [];
    page.on('response', (response) => {
      if (response.status() === 403) refused.push(`${response.request().method()} ${response.url()}`);
    });
    let pressed = 0;
    for (const address of ADDRESSES) {
      await page.goto(`${closed.address}/#/demo/${address}`);
      await settled(page);
      const buttons = page.locator('main button:enabled:visible');
      for (let index = 0; index < (await buttons.count()); index += 1) {
        await buttons
          .nth(index)
          .click({ timeout: 5_000 })
          .catch(() => undefined);
        pressed += 1;
      }
      assert.deepEqual(refused, [], address);
      await page.getByRole('alert').waitFor({ state: 'detached' });
    }
    assert.ok(pressed > 20, `${pressed} buttons`);
    for (const [address, said] of [
      ['tenants/hanbit-card?tab=edit', 'for tokens of operators'],
      ['alerts?tab=receivers', 'for tokens of administrators'],
      ['changes', 'for tokens of administrators'],
    ]) {
      await page.goto(`${closed.address}/#/demo/${address}`);
      await page.getByText(said).waitFor();
    }
    assert.deepEqual(refused, []);
  } finally {
    await browser.close();
  }
});

test('a token that is revoked while a page is open ends the page: it is said, and nothing of before stays', async () => {
  const browser = await startBrowser();
  try {
    for (const address of [
      'overview',
      'alerts',
      'tenants/hanbit-card',
      'tenants/hanbit-card?tab=logs&follow=1',
    ]) {
      const { page, complaints } = await openPage(browser.context);
      const sockets = new Set();
      page.on('websocket', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
      });
      await page.goto(`${closed.address}/#/demo/${address}`);
      await signIn(page, tokenOf('operator'));
      await page.getByText('Operator', { exact: true }).waitFor();
      await page.getByText('Live', { exact: true }).first().waitFor();
      for (const [id] of tokens('list').matchAll(/tok[-_][\w-]+/g)) tokens('revoke', id);
      // What is open is closed, or refused the next time that it asks.
      await page.evaluate(() => window.dispatchEvent(new Event('online')));
      await page.getByText('did not accept this token').waitFor();
      assert.equal(
        await page
          .locator('main')
          .getByText(/한빛|hanbit/)
          .count(),
        0,
        address,
      );
      for (let looks = 0; looks < 100 && sockets.size > 0; looks += 1) await page.waitForTimeout(100);
      assert.equal(sockets.size, 0, `${address}: no stream stays open`);
      await signIn(page, tokenOf('viewer'));
      await page.getByText('Viewer', { exact: true }).waitFor();
      await page.getByText('Live', { exact: true }).first().waitFor();
      assert.equal(
        await page.getByRole('link', { name: 'Edit' }).count(),
        0,
        'the new token has its own rights',
      );
      assert.deepEqual(complaints, []);
      await page.close();
    }
  } finally {
    await browser.close();
  }
});

test('two tabs have sessions of their own, and neither writes over what the other changed', async () => {
  const browser = await startBrowser();
  try {
    const [one, two] = [await openPage(browser.context), await openPage(browser.context)];
    await one.page.goto(`${closed.address}/#/demo/overview`);
    await signIn(one.page, tokenOf('operator'));
    await one.page.getByText('Operator', { exact: true }).waitFor();
    await two.page.goto(`${closed.address}/#/demo/overview`);
    await two.page.getByLabel('Token').waitFor();

    await createTenant(open, 'shared');
    for (const { page } of [one, two]) {
      await page.goto(`${open.address}/#/demo/tenants/shared?tab=edit`);
      await page.getByRole('spinbutton', { name: 'Chatbot' }).waitFor();
    }
    const change = async (page, count) => {
      await page.getByRole('spinbutton', { name: 'Chatbot' }).fill(String(count));
      await page.getByRole('button', { name: 'Preview' }).click();
      await page.getByText(/What changes of the tenant: 1/).waitFor();
    };
    await change(one.page, 20);
    await change(two.page, 30);
    await one.page.getByRole('button', { name: 'Apply' }).click();
    const has = async () => (await call(open, 'GET', '/tenants/shared')).service_requirements.chatbot;
    while ((await has()) !== 20) await one.page.waitForTimeout(50);
    const apply = two.page.getByRole('button', { name: 'Apply' });
    if (await apply.isVisible()) {
      await apply.click();
      await two.page
        .getByRole('alert')
        .or(two.page.getByRole('spinbutton', { name: 'Chatbot' }).and(two.page.locator(':enabled')))
        .first()
        .waitFor();
    }
    assert.equal(await has(), 20, 'the later tab was told, and wrote nothing');
  } finally {
    await browser.close();
  }
});

for (const colorScheme of ['light', 'dark']) {
  test(`dialogs and sign-in are accessible: ${colorScheme}`, async () => {
    const browser = await startBrowser({ colorScheme });
    try {
      const { page } = await openPage(browser.context);
      await page.addInitScript(axe);
      const check = async (what) => {
        const { violations } = await page.evaluate(() =>
          window.axe.run(document, { resultTypes: ['violations'] }),
        );
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        assert.deepEqual(
          serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('\n')}`),
          [],
          what,
        );
      };
      for (const [address, name] of [
        ['alerts', 'New silence…'],
        ['alerts?tab=receivers', 'New receiver…'],
        ['tenants/hanbit-card?tab=edit', 'Delete…'],
      ]) {
        await page.goto(`${open.address}/#/demo/${address}`);
        const opener = page.getByRole('button', { name });
        await opener.focus();
        await page.keyboard.press('Enter');
        await page.getByRole('dialog').waitFor();
        await check(name);
        assert.ok(
          await page.evaluate(() =>
            document.querySelector('dialog, [role="dialog"]').contains(document.activeElement),
          ),
          'the focus is in the dialog',
        );
        await page.keyboard.press('Escape');
        await page.getByRole('dialog').waitFor({ state: 'detached' });
        assert.ok(await opener.evaluate((element) => element === document.activeElement), 'and comes back');
      }
      await page.goto(`${open.address}/#/demo/what-if?callbot=5`);
      await page.getByLabel('Tenant id').fill('looked-at');
      await page.getByRole('button', { name: 'Preview' }).click();
      await page.getByText(/Objects that change: [1-9]/).waitFor();
      await check('preview');
      await page.goto(`${closed.address}/#/demo/overview`);
      await page.getByLabel('Token').waitFor();
      await check('sign-in');
    } finally {
      await browser.close();
    }
  });
}

test('whatever the mouse reaches, the keyboard reaches, and where it is, is seen', async () => {
  const browser = await startBrowser();
  try {
    const { page } = await openPage(browser.context);
    for (const address of ADDRESSES) {
      await page.goto(`${open.address}/#/demo/${address}`);
      await settled(page);
      const marked = await page.evaluate(() => {
        const all = document.querySelectorAll(
          'a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary, [tabindex="0"]',
        );
        let count = 0;
        for (const element of all) {
          if (element.tabIndex < 0 || !element.checkVisibility()) continue;
          element.dataset.wanted = String((count += 1));
        }
        document.activeElement?.blur();
        return count;
      });
      const unseen = new Set();
      for (let presses = 0; presses < marked + 40; presses += 1) {
        await page.keyboard.press('Tab');
        const dark = await page.evaluate(() => {
          const at = document.activeElement;
          if (!at || at === document.body) return undefined;
          delete at.dataset.wanted;
          const shows = (element) => getComputedStyle(element).outlineStyle !== 'none';
          return shows(at) || shows(at.parentElement) ? undefined : at.outerHTML.slice(0, 120);
        });
        if (dark) unseen.add(dark);
        if (presses >= marked - 1 && (await page.locator('[data-wanted]').count()) === 0) break;
      }
      const left = await page
        .locator('[data-wanted]')
        .evaluateAll((elements) => elements.map((element) => element.outerHTML.slice(0, 120)));
      assert.deepEqual(left, [], `${address}: not reached`);
      assert.deepEqual([...unseen], [], `${address}: focus is not seen`);
    }
  } finally {
    await browser.close();
  }
});
