// What the compiler says of programs that use the package: the API reference's passes, each typo is an error.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('../', import.meta.url));
const contract = readFileSync(new URL('contract-program.mjs', import.meta.url), 'utf8');
const SETTINGS = [
  ['--module', 'nodenext', '--target', 'es2022'],
  [
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
    '--target',
    'es2022',
    '--exactOptionalPropertyTypes',
  ],
];

const PROGRAM = `
import { ECPClient } from '@ecp-ai/orchestrator-client';
const client = new ECPClient({ baseUrl: 'http://localhost:8001/api/v1', isDemo: true, onWarning: console.warn });
new ECPClient({ baseUrl: 'http://localhost:8001/api/v1', isDemo: true, timeout: 3 }); // wrong
new ECPClient({ baseUrl: 'http://localhost:8001/api/v1' }); // wrong
const services = { chatbot: 100 };
await client.createTenant({ tenant_id: 'a', name: 'A', preset: 'medium', service_requirements: services });
await client.createTenant({ tenant_id: 'a', nmae: 'A', service_requirements: services }); // wrong
await client.createTenant({ tenant_id: 'a', name: 'A', service_requirements: { chatbots: 1 } }); // wrong
await client.createTenant({ tenant_id: 'a', name: 'A', service_requirements: { chatbot: '1' } }); // wrong
await client.createTenant({ tenant_id: 'a', name: 'A' }); // wrong
await client.createTenant({ tenant_id: 'a', name: 'A', preset: 'huge', service_requirements: services }); // wrong
await client.createTenant({ tenant_id: 'a', name: 'A', service_requirements: services }, { key: '1' }); // wrong
await client.updateTenant('a', { sla_target: { availability: '99.9%' } }, { ifMatch: '"1"' });
await client.updateTenant('a', { sla_target: { availabilty: '99.9%' } }); // wrong
await client.updateTenant('a', { descripton: 'x' }); // wrong
await client.calculateResources({ service_requirements: { callbot: 50 } });
await client.calculateResources({ services: { callbot: 50 } }); // wrong
await client.rollBackTenant('a', { deployment: 'dep-1' }); // wrong
await client.sendMetrics('a', { cpu: 65.5, memory: 78.2 });
await client.sendMetrics('a', { timestamp: '2026-01-01T00:00:00Z', metrics: { cpu: 65.5 } });
await client.sendMetrics('a', { samples: [{ metrics: { gpu_usage: 1 } }] });
await client.sendMetrics('a', { cpus: 65.5 }); // wrong
await client.sendMetrics('a', { cpu: '65.5' }); // wrong
await client.sendMetrics('a', { samples: [{ metric: { gpu_usage: 1 } }] }); // wrong
client.createMetricsSender('a').add({ cpu: 1, gpu: 2 });
client.createMetricsSender('a').add({ cpuu: 1 }); // wrong
await client.listTenants({ status: 'running', sort: '-cost', expand: ['metrics', 'cost'] });
await client.listTenants({ status: 'runing' }); // wrong
await client.listTenants({ sort: 'price' }); // wrong
await client.listTenants({ states: 'running' }); // wrong
await client.listAlerts('a', { status: 'running' }); // wrong
await client.listAllAlerts({ severity: 'critical', type: 'deployment_failed' });
await client.listAllAlerts({ severity: 'fatal' }); // wrong
await client.getMonitoring('a', { metricType: ['cpu', 'network'], hours: 1, interval: '5m' });
await client.getMonitoring('a', { metricType: 'cpus' }); // wrong
await client.getMonitoring('a', { interval: '2m' }); // wrong
await client.getManifest('a', { format: 'yml' }); // wrong
await client.getTenant('a', { timeout: 3 }); // wrong
await client.waitUntilDeleted('a', { deletionId: 'del-1', timeoutMs: 1_000 });
await client.waitUntilDeleted('a', { deploymentId: 'del-1' }); // wrong
client.subscribeToAllAlerts((alert) => console.log(alert.tenant_id, alert.severity));
client.subscribeToAllAlerts((alert) => console.log(alert.tenant)); // wrong
client.subscribeToMonitoring('a', undefined, { metrics: ['cpu', 'network_in'] });
client.subscribeToMonitoring('a', undefined, { metrics: ['cpux'] }); // wrong
console.log((await client.getTenant('a')).stauts); // wrong
`;

/** Lines with errors, and what the compiler printed. */
function compile(folder, file, flags) {
  const tsc = join(here, 'node_modules/typescript/bin/tsc');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [tsc, '--noEmit', '--strict', ...flags, file],
      { cwd: folder },
      (_, printed) => {
        const found = [...printed.matchAll(/^(\S+)\((\d+),\d+\): error/gm)];
        const elsewhere = found.filter(([, name]) => name !== file).map(([line]) => line);
        resolve({ lines: new Set(found.map(([, , line]) => Number(line))), elsewhere, printed });
      },
    );
  });
}

test('the program of the API reference type-checks, and every typo of a request is an error', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecp-js-types-'));
  try {
    mkdirSync(join(folder, 'node_modules/@ecp-ai'), { recursive: true });
    symlinkSync(here, join(folder, 'node_modules/@ecp-ai/orchestrator-client'));
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
    writeFileSync(join(folder, 'contract.ts'), contract);
    writeFileSync(join(folder, 'program.ts'), PROGRAM);
    const lines = PROGRAM.split('\n');
    const wrong = new Set(lines.flatMap((line, i) => (line.endsWith('// wrong') ? [i + 1] : [])));
    assert.ok(wrong.size > 25);
    for (const flags of SETTINGS) {
      assert.equal((await compile(folder, 'contract.ts', flags)).printed, '');
      const found = await compile(folder, 'program.ts', flags);
      assert.deepEqual(found.elsewhere, []);
      assert.deepEqual([...found.lines], [...wrong], found.printed);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
