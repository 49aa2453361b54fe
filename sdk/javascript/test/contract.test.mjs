// The program of the API reference, to the letter but for the server's address: in demo mode, or in real
// mode against the server that ECP_TEST_REAL_URL names, where a tenant's whole life follows.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { ECPClient, NotFoundError } from '@ecp-ai/orchestrator-client';
import { runProgram } from './program.mjs';
import { startServer } from './server.mjs';

const realUrl = process.env.ECP_TEST_REAL_URL;
const isDemo = realUrl === undefined;

let server, client;
before(async () => {
  if (isDemo) server = await startServer();
  client = new ECPClient({ baseUrl: realUrl ?? server.baseUrl, isDemo, language: 'en' });
});
after(() => server?.stop());

test(`the program of the API reference runs in ${isDemo ? 'demo' : 'real'} mode`, async () => {
  await client
    .createTenant({
      tenant_id: 'my-service',
      name: '내 서비스',
      preset: 'medium',
      service_requirements: { chatbot: 100 },
    })
    .catch((error) => {
      if (error.code !== 'TENANT_ALREADY_EXISTS') throw error;
    });
  await client.sendMetrics('my-service', { cpu: 65.5, memory: 78.2 });

  let program = readFileSync(new URL('contract-program.mjs', import.meta.url), 'utf8');
  const put = (printed, instead) => {
    assert.ok(program.includes(printed), printed);
    program = program.replace(printed, instead);
  };
  put('http://localhost:8001/api/v1', realUrl ?? server.baseUrl);
  if (isDemo) put('isDemo: false', 'isDemo: true');
  const printed = await runProgram(program, (text) => text.includes('}\n'));
  assert.match(printed, /^메트릭 업데이트: \{[^]*tenant_id: 'my-service'[^]*cpu: \d/);
});

test(
  'a tenant lives on a real cluster',
  { skip: isDemo && 'ECP_TEST_REAL_URL names no server in real mode' },
  async () => {
    assert.equal((await client.getReadiness()).kubernetes, 'ok');
    const tenantId = `js-${Math.random().toString(36).slice(2, 10)}`;
    const tenant = {
      tenant_id: tenantId,
      name: 'JavaScript',
      preset: 'micro',
      service_requirements: { chatbot: 1 },
    };
    const preview = await client.previewCreateTenant(tenant);
    assert.deepEqual(preview.refusals, []);
    assert.ok(preview.objects.some(({ kind, action }) => kind === 'Deployment' && action === 'create'));
    await assert.rejects(client.getTenant(tenantId), NotFoundError);

    const created = await client.createTenant(tenant, { idempotencyKey: tenantId });
    const status = await client.waitUntilRunning(tenantId, { pollMs: 100 });
    assert.equal(status.deployment_id, created.deployment_id);
    assert.ok(status.created_resources.some(({ type, name }) => type === 'Deployment' && name === 'chatbot'));
    assert.equal((await client.getTenant(tenantId)).is_demo, false);
    const verdict = await client.validateManifest({
      tenant_id: tenantId,
      manifest_content: await client.getManifest(tenantId),
    });
    assert.deepEqual(verdict.errors, []);

    await client.updateTenant(tenantId, { service_requirements: { callbot: 1 } }, { rollback: true });
    await client.waitUntilRunning(tenantId, { pollMs: 100 });

    const alerts = client.subscribeToAlerts(tenantId);
    await client.sendMetrics(tenantId, { cpu: 97 });
    for await (const alert of alerts) {
      assert.equal(alert.severity, 'critical');
      break;
    }

    const { deletion_id } = await client.deleteTenant(tenantId, { force: true });
    const frames = [];
    for await (const frame of client.subscribeToDeployment(deletion_id)) frames.push(frame.status);
    assert.equal(frames.at(-1), 'deleted');
  },
);
