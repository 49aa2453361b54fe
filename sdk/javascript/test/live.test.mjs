// Every operation and stream against a real server in demo mode.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ConflictError,
  DeploymentFailedError,
  ECPClient,
  ECPTimeoutError,
  NotFoundError,
  ValidationError,
} from '@ecp-ai/orchestrator-client';
import { deferred, startServer } from './server.mjs';

let server, client;
before(async () => {
  server = await startServer();
  client = new ECPClient({ baseUrl: server.baseUrl, isDemo: true, language: 'en' });
});
after(() => server.stop());

const tenant = (tenant_id, more = {}) => ({
  tenant_id,
  name: tenant_id,
  preset: 'micro',
  service_requirements: { chatbot: 10 },
  ...more,
});

test('a tenant is created, waited for, read, changed and deleted', async () => {
  const created = await client.createTenant(tenant('life'), { idempotencyKey: 'life-1' });
  assert.equal(created.tenant_id, 'life');
  const again = await client.createTenant(tenant('life'), { idempotencyKey: 'life-1' });
  assert.equal(again.deployment_id, created.deployment_id);
  const seen = [];
  const status = await client.waitUntilRunning('life', {
    timeoutMs: 60_000,
    pollMs: 50,
    onProgress: (s) => seen.push(s.progress),
  });
  assert.equal(status.status, 'running');
  assert.ok(seen.length >= 1);
  assert.equal(seen.at(-1), 100);

  let etag;
  const detail = await client.getTenant('life', {
    onResponse: ({ headers }) => (etag = headers.get('etag')),
  });
  assert.deepEqual(detail.service_requirements.chatbot, 10);
  assert.equal((await client.getDeploymentStatus('life')).tenant_id, 'life');
  const changed = await client.updateTenant('life', { name: 'changed' }, { ifMatch: etag });
  assert.equal(changed.name, 'changed');
  await assert.rejects(
    client.updateTenant('life', { name: 'stale' }, { ifMatch: '"0"' }),
    (error) => error instanceof ConflictError && error.status === 412,
  );

  const deletion = await client.deleteTenant('life', { force: true });
  assert.match(deletion.deletion_id, /^del-/);
  const frames = [];
  for await (const frame of client.subscribeToDeployment(deletion.deletion_id)) frames.push(frame);
  assert.equal(frames.at(-1).status, 'deleted');
  // The stream may say so a moment before the record is gone: ask until it is.
  await assert.rejects(async () => {
    while (await client.getTenant('life'));
  }, NotFoundError);
});

test('a roll-out is followed to its end', async () => {
  const created = await client.createTenant(tenant('rollout'));
  const frames = [];
  await client.subscribeToDeployment(created.deployment_id, (frame) => frames.push(frame)).done;
  assert.equal(frames.at(-1).status, 'running');
  assert.equal(frames.at(-1).progress, 100);
});

test('a failed roll-out rejects with its reason', async () => {
  await client.createTenant(tenant('broken', { demo_fault: 'image-not-found' }));
  await assert.rejects(client.waitUntilRunning('broken', { timeoutMs: 60_000, pollMs: 50 }), (error) => {
    assert.ok(error instanceof DeploymentFailedError);
    assert.equal(error.code, 'DEPLOYMENT_FAILED');
    assert.match(error.reason, /image/i);
    assert.equal(error.tenantId, 'broken');
    return true;
  });
});

test('waiting ends with its time limit, and with the signal of the caller', async () => {
  await client.createTenant(tenant('forever', { demo_fault: 'unschedulable' }));
  await assert.rejects(
    client.waitUntilRunning('forever', { timeoutMs: 1, pollMs: 60_000 }),
    (error) => error instanceof ECPTimeoutError || error instanceof DeploymentFailedError,
  );
  const reason = new Error('enough');
  await assert.rejects(
    client.waitUntilRunning('forever', { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  );
});

test('errors carry code, status, request id, details and every wrong field', async () => {
  await assert.rejects(client.getTenant('nowhere', { requestId: 'find-me' }), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.equal(error.name, 'NotFoundError');
    assert.equal(error.code, 'TENANT_NOT_FOUND');
    assert.equal(error.status, 404);
    assert.equal(error.requestId, 'find-me');
    assert.equal(error.details.tenant_id, 'nowhere');
    return true;
  });
  await assert.rejects(
    client.createTenant({ tenant_id: 'Bad Id', name: '', service_requirements: { chatbot: -1 } }),
    (error) => {
      assert.ok(error instanceof ValidationError);
      assert.equal(error.code, 'VALIDATION_FAILED');
      assert.ok(error.fields.length >= 2, JSON.stringify(error.fields));
      assert.ok(error.fields.every((field) => field.pointer.startsWith('/') && field.reason !== ''));
      return true;
    },
  );
});

test('lists are iterated over all their pages', async () => {
  for (let i = 0; i < 5; i++) await client.createTenant(tenant(`page-${i}`));
  const all = await client.getTenants({ limit: 1000 });
  const ids = [];
  for await (const entry of client.iterateTenants({ limit: 2 })) ids.push(entry.tenant_id);
  assert.deepEqual(
    ids,
    all.tenants.map((entry) => entry.tenant_id),
  );
  assert.ok(ids.includes('page-4'));
  let entries = 0;
  for await (const entry of client.iterateAuditEntries({ tenantId: 'page-0', limit: 1 })) {
    assert.equal(entry.tenant_id, 'page-0');
    entries++;
  }
  assert.ok(entries >= 1);
});

test('sizing, manifests, validation, system metrics and health answer', async () => {
  const sized = await client.calculateResources({
    service_requirements: { callbot: 100, chatbot: 200, advisor: 50 },
    sla_target: { availability: '99.9%', response_time: '150ms' },
  });
  assert.equal(sized.recommended_preset, 'large');
  await client.createTenant(tenant('papers'));
  const manifest = await client.getManifest('papers');
  assert.match(manifest, /^apiVersion: v1/m);
  const json = JSON.parse(
    await client.getManifest('papers', { format: 'json', includeMonitoring: false, namespace: 'elsewhere' }),
  );
  assert.equal(json.kind, 'List');
  const verdict = await client.validateManifest({ tenant_id: 'papers', manifest_content: manifest });
  assert.equal(verdict.valid, true, JSON.stringify(verdict.errors));
  assert.equal(typeof (await client.getSystemMetrics()).total_tenants, 'number');
  assert.equal((await client.getHealth()).status, 'ok');
  assert.equal((await client.getReadiness()).status, 'ready');
  assert.match(await client.getMetrics(), /^# /m);
});

test('samples are stored, read, streamed and raise alerts that the stream brings', async () => {
  await client.createTenant(tenant('busy'));
  assert.equal((await client.sendMetrics('busy', { cpu: 50, memory: 40 })).accepted, 1);
  const frame = deferred();
  const values = client.subscribeToMonitoring('busy', frame.resolve, {
    metrics: ['cpu', 'memory'],
    intervalMs: 100,
  });
  assert.equal((await frame.promise).tenant_id, 'busy');
  values.close();
  await values.done;

  const alerts = client.subscribeToAlerts('busy');
  await client.sendMetrics('busy', { cpu: 99 });
  for await (const alert of alerts) {
    if (alert.metric !== 'cpu') continue;
    assert.equal(alert.tenant_id, 'busy');
    break;
  }
  await alerts.done;
  const open = [];
  for await (const alert of client.iterateAlerts('busy', { status: 'open' })) open.push(alert.metric);
  assert.ok(open.includes('cpu'));
  const series = await client.getMonitoring('busy', {
    metricType: ['cpu', 'memory'],
    hours: 1,
    interval: '1m',
  });
  assert.deepEqual(Object.keys(series.metrics).sort(), ['cpu', 'memory']);
});

test('the sender stores every sample in batches', async () => {
  await client.createTenant(tenant('batches'));
  const sender = client.createMetricsSender('batches', { batchSize: 40 });
  for (let i = 0; i < 100; i++) assert.equal(sender.add({ cpu: 10 }), true);
  await sender.flush();
  assert.deepEqual([sender.sent, sender.dropped, sender.pending], [100, 0, 0]);
  await sender.close();
});

test('a stream of an unknown tenant rejects instead of trying for ever', async () => {
  await assert.rejects(
    client.subscribeToAlerts('nowhere').done,
    (error) => error.code === 'TENANT_NOT_FOUND',
  );
  await assert.rejects(
    async () => {
      for await (const _ of client.subscribeToDeployment('dep-none')) assert.fail('no frame can come');
    },
    (error) => error.code === 'DEPLOYMENT_NOT_FOUND',
  );
});

test('the alert stream goes on after the server was killed and loses nothing', async () => {
  const first = await startServer();
  const here = new ECPClient({ baseUrl: first.baseUrl, isDemo: true, language: 'en' });
  await here.createTenant(tenant('resumed'));
  const metrics = new Map();
  const gaps = [];
  const waiting = [];
  const saw = (metric) =>
    metrics.has(metric) ? Promise.resolve() : new Promise((resolve) => waiting.push({ metric, resolve }));
  const alerts = here.subscribeToAlerts(
    'resumed',
    (alert) => {
      metrics.set(alert.metric, (metrics.get(alert.metric) ?? 0) + 1);
      for (const entry of waiting) if (entry.metric === alert.metric) entry.resolve();
    },
    { onGap: (gap) => gaps.push(gap), reconnect: { baseMs: 20, maxMs: 100 } },
  );
  await here.sendMetrics('resumed', { cpu: 99 });
  await saw('cpu');
  await first.kill();
  const second = await startServer({ port: first.port, dataDir: first.dataDir });
  await here.sendMetrics('resumed', { cpu: 99, memory: 99 });
  await saw('memory');
  alerts.close();
  await second.stop();
  assert.equal(metrics.get('cpu'), 1, 'a repeat was delivered');
  assert.deepEqual(gaps, []);
});
