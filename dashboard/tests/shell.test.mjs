// The frame around the pages and the first two of them, as the binary serves them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTenant, openPage, startServer } from './harness.mjs';
import { together } from './together.mjs';

let server, browser;
together((...both) => ([server, browser] = both));

test('files are compressed, kept for ever under names with a hash, and the page is checked by its tag', async () => {
  const page = await fetch(`${server.address}/`, { headers: { 'accept-encoding': 'br' } });
  assert.equal(page.headers.get('content-encoding'), 'br');
  assert.equal(page.headers.get('cache-control'), 'no-cache');
  const policy = page.headers.get('content-security-policy');
  assert.match(policy, /script-src 'self'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  const tag = page.headers.get('etag');
  const again = await fetch(`${server.address}/`, {
    headers: { 'accept-encoding': 'br', 'if-none-match': tag },
  });
  assert.equal(again.status, 304);
  const html = await page.text();
  const [script] = /assets\/[\w-]+\.js/.exec(html);
  for (const [accepted, encoding] of [
    ['gzip', 'gzip'],
    ['identity', null],
  ]) {
    const file = await fetch(`${server.address}/${script}`, { headers: { 'accept-encoding': accepted } });
    assert.equal(file.headers.get('content-encoding'), encoding);
    assert.match(file.headers.get('cache-control'), /immutable/);
    assert.match(file.headers.get('content-type'), /javascript/);
  }
  const missing = await fetch(`${server.address}/assets/none.js`);
  assert.equal(missing.status, 404);
});

test('the first page stays under its budget of script and asks nobody else', async () => {
  const { page, complaints, asked } = await openPage(browser.context);
  await page.goto(`${server.address}/`);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.getByText('GPU headroom').waitFor();
  assert.match(page.url(), /#\/demo/);
  await page.getByText('Demo mode: a simulated cluster').waitFor();
  const foreign = asked.filter((url) => !url.startsWith(server.address));
  assert.deepEqual(foreign, []);
  let bytes = 0;
  for (const url of asked.filter((url) => url.endsWith('.js'))) {
    const file = await fetch(url, { headers: { 'accept-encoding': 'gzip' }, method: 'GET' });
    assert.equal(file.headers.get('content-encoding'), 'gzip');
    bytes += Number(file.headers.get('content-length'));
  }
  assert.ok(bytes > 0 && bytes <= 200_000, `${bytes} bytes of script`);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('tenants are found by search, and what is chosen is in the address', async () => {
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants`);
  await page.getByText('Tenants: 4').waitFor();
  await page.getByRole('searchbox').fill('hanbit');
  await page.getByText('Tenants: 1').waitFor();
  assert.match(page.url(), /q=hanbit/);
  await page.reload();
  await page.getByText('Tenants: 1').waitFor();
  assert.equal(await page.getByRole('searchbox').inputValue(), 'hanbit');
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a hostile name is text', async () => {
  const name = '<img src=x onerror="document.title=1"><script>alert(1)</script>{{x}}';
  await createTenant(server, 'hostile', { name });
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants?q=hostile`);
  await page.getByRole('link', { name }).waitFor();
  assert.equal(await page.locator('img').count(), 0);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a restart of the server is said and survived, with what was read last on the page', async () => {
  const own = await startServer();
  const { page } = await openPage(browser.context);
  await page.goto(`${own.address}/#/demo/overview`);
  await page.getByText('GPU headroom').waitFor();
  await own.kill();
  await page.getByText('The server can not be reached').first().waitFor();
  assert.ok(await page.getByText('GPU headroom').isVisible(), 'what was read last stays');
  const again = await startServer({ port: own.port, dataDir: own.dataDir });
  await page.getByText('The server can not be reached').first().waitFor({ state: 'detached' });
  await page
    .getByText(/Updated/)
    .first()
    .waitFor();
  await page.close();
  await again.stop();
});
