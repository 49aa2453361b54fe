// What others change while a page is open is neither overwritten nor missed, and what is pressed is what is meant.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { call, createTenant, openPage, startBrowser, startServer, untilEnded } from './harness.mjs';

let browser;
let server;
before(async () => {
  [browser, server] = await Promise.all([startBrowser(), startServer()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const rulesOf = async (tenantId) => {
  const { rules } = await call(server, 'GET', `/tenants/${tenantId}/alert-rules`);
  return Object.fromEntries(Object.entries(rules).map(([metric, { warning }]) => [metric, warning]));
};
const saved = (page) => page.getByText('The rules are in force.');
const overtaken = (page) => page.getByText('somebody changed a rule that you are changing');

test('rules that others change meanwhile are kept, and one that both change is said before it is taken', async () => {
  await createTenant(server, 'ruled-by-two');
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/ruled-by-two?tab=rules`);
  const field = (label) => page.getByRole('spinbutton', { name: label });
  const save = page.getByRole('button', { name: 'Save' });
  const change = (rules) => call(server, 'PUT', '/tenants/ruled-by-two/alert-rules', { rules });

  await field('CPU: Warning').fill('61');
  await change({ gpu: { warning: 55 } });
  await save.click();
  await saved(page).waitFor();
  const both = await rulesOf('ruled-by-two');
  assert.deepEqual([both.cpu, both.gpu], [61, 55]);
  assert.equal(await field('GPU: Warning').inputValue(), '55');

  await field('CPU: Warning').fill('62');
  await change({ cpu: { warning: 63 }, gpu: { warning: 55 } });
  await save.click();
  await overtaken(page).waitFor();
  assert.equal((await rulesOf('ruled-by-two')).cpu, 63);
  assert.equal(await field('CPU: Warning').inputValue(), '62');
  await save.click();
  await saved(page).waitFor();
  assert.equal((await rulesOf('ruled-by-two')).cpu, 62);
  assert.equal(await overtaken(page).count(), 0);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('going back to the default of one rule takes nothing that is entered of another', async () => {
  await createTenant(server, 'half-ruled');
  await call(server, 'PUT', '/tenants/half-ruled/alert-rules', { rules: { cpu: { warning: 60 } } });
  const { page } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/half-ruled?tab=rules`);
  const gpu = page.getByRole('spinbutton', { name: 'GPU: Warning' });
  const byDefault = Number(await gpu.inputValue());
  await gpu.fill('66');
  await page.getByRole('button', { name: 'Back to default' }).click();
  await saved(page).waitFor();
  assert.equal(await gpu.inputValue(), '66');
  const rules = await rulesOf('half-ruled');
  assert.notEqual(rules.cpu, 60);
  assert.equal(rules.gpu, byDefault, 'what was not saved is not in force');
  await page.close();
});

test('"Silence…" beside an alert of the overview is about that alert', async () => {
  await createTenant(server, 'two-alerts');
  await untilEnded(server, 'two-alerts', 'running');
  await call(server, 'POST', '/tenants/two-alerts/monitoring', {
    metrics: { cpu_usage: 99, error_rate: 40 },
  });
  const { page } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/overview`);
  const item = page
    .getByRole('listitem')
    .filter({ hasText: 'two-alerts' })
    .filter({ hasText: /error rate/i });
  await item.getByRole('button', { name: 'Silence…' }).click();
  const dialog = page.getByRole('dialog');
  assert.equal(await dialog.getByLabel('Tenant').inputValue(), 'two-alerts');
  assert.equal(await dialog.getByLabel('Metric').inputValue(), 'error_rate');
  await dialog.getByText('Open alerts that it hits now: 1').waitFor();
  await page.close();
});

test('a tenant that is deleted elsewhere is said to be gone within seconds', async () => {
  await createTenant(server, 'gone-elsewhere');
  await untilEnded(server, 'gone-elsewhere', 'running');
  const { page } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/gone-elsewhere?tab=edit`);
  await page.getByRole('button', { name: 'Preview' }).waitFor();
  await call(server, 'DELETE', '/tenants/gone-elsewhere?force=true');
  await page.getByText('There is no such tenant, or it was deleted.').waitFor({ timeout: 12_000 });
  await page.close();
});

test('a receiver that was changed elsewhere keeps that change, and what was entered', async () => {
  const receiver = await call(server, 'POST', '/receivers', {
    kind: 'webhook',
    url: 'https://of-two.example/alerts',
    comment: 'before',
  });
  const { page } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/alerts?tab=receivers`);
  const row = page.getByRole('row').filter({ hasText: 'of-two' });
  await row.getByRole('button', { name: 'Edit…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Why').fill('mine');
  await call(server, 'PUT', `/receivers/${receiver.receiver_id}`, {
    kind: 'webhook',
    url: 'https://of-two.example/alerts',
    comment: 'before',
    severity: 'critical',
  });
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByText('somebody changed this receiver').waitFor();
  assert.equal(await dialog.getByLabel('Severity').inputValue(), 'critical');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
  const { severity, comment } = await call(server, 'GET', `/receivers/${receiver.receiver_id}`);
  assert.deepEqual([severity, comment], ['critical', 'mine']);
  await page.close();
});

test('deeds have names, a month is one, a unit is said once, and nothing is warned of in the console', async () => {
  await createTenant(server, 'named-deeds', { demo_fault: 'image-not-found' });
  await untilEnded(server, 'named-deeds', 'failed');
  await call(server, 'PUT', '/tenants/named-deeds/alert-rules', { rules: { cpu: { warning: 60 } } });
  const { page, complaints } = await openPage(browser.context);
  page.on('console', (message) => {
    if (message.type() === 'warning') complaints.push(message.text());
  });
  await page.goto(`${server.address}/#/demo/overview`);
  await page.getByRole('listitem').filter({ hasText: 'named-deeds' }).getByText('Try again').waitFor();
  await page.waitForLoadState('networkidle');
  await page.goto(`${server.address}/#/demo/changes`);
  await page.getByText('Set alert rules').first().waitFor();
  await page.goto(`${server.address}/#/demo/capacity?tab=costs&month=2026-13`);
  await page.getByRole('row').filter({ hasText: 'hanbit-card' }).first().waitFor();
  assert.equal(await page.getByText('Invalid Date').count(), 0);
  await page.goto(`${server.address}/#/demo/compare?a=hanbit-card&b=named-deeds`);
  const sla = page.getByRole('row').filter({ hasText: 'Response SLA (ms)' });
  await sla.getByText('300', { exact: true }).first().waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});
