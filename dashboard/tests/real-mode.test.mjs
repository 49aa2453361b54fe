// Real mode, once, on a real control plane: a tenant fails by its image, says why, is mended and runs.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { openPage, startBrowser, startWith } from './harness.mjs';

const program = fileURLToPath(new URL('../../deploy/control-plane/control-plane', import.meta.url));
const name = `dashboard-${process.pid}`;
const own = process.env.ECP_TEST_KUBECONFIG;
// The cluster marks the pods of such ids as those whose image is missing, until their namespace says otherwise.
const TENANT = `fault-image-page-${process.pid}`;
const WAIT = { timeout: 120_000 };

let kubeconfig, server, browser;
before(async () => {
  kubeconfig =
    own ??
    execFileSync(program, ['up', name, '--watch-pid', String(process.pid)], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .at(-1);
  server = await startWith({ ECP_KUBECONFIG: kubeconfig });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  if (own === undefined && kubeconfig) execFileSync(program, ['down', name]);
});

test('in real mode a tenant fails by its image, says why, is mended and runs', async () => {
  const { page, complaints } = await openPage(browser.context);
  await page.goto(server.address);
  await page.getByText('Real mode: what you do here is done to the real cluster.').waitFor();
  assert.match(page.url(), /#\/real/);
  await page.goto(`${server.address}/#/real/what-if?chatbot=5&callbot=0&plan=micro`);
  await page.getByLabel('Tenant id').fill(TENANT);
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByText(/Objects that change: [1-9]/).waitFor();
  await page.getByRole('button', { name: `Create ${TENANT}` }).click();
  await page.getByRole('heading', { level: 1, name: TENANT }).waitFor();

  await page.locator('main .status', { hasText: 'Failed' }).first().waitFor(WAIT);
  await page.getByRole('alert').getByText('ImagePullBackOff').waitFor();
  await page.getByRole('alert').getByRole('link', { name: 'Logs of the crash' }).click();
  await page.getByLabel('Service').selectOption('redis');
  await page.getByLabel('What').selectOption('newest');
  await page
    .getByRole('region', { name: 'Logs' })
    .getByText(/reading the configuration|request/)
    .first()
    .waitFor();

  const kubectl = own === undefined ? [program, ['kubectl', name]] : ['kubectl', ['--kubeconfig', own]];
  const label = ['label', 'namespace', `ecp-ai-${TENANT}`, 'ecp-test/fault=none', '--overwrite'];
  execFileSync(kubectl[0], [...kubectl[1], ...label]);
  const pods = ['delete', 'pods', '-n', `ecp-ai-${TENANT}`, '-l', 'ecp-test/fault=image', '--wait=false'];
  execFileSync(kubectl[0], [...kubectl[1], ...pods]);
  await page.getByRole('link', { name: 'State' }).click();
  const again = page.getByRole('button', { name: 'Try again' });
  if (await again.isVisible()) await again.click();
  await page.locator('main .status', { hasText: 'Running' }).first().waitFor(WAIT);
  assert.deepEqual(complaints, []);
  await page.close();
});
