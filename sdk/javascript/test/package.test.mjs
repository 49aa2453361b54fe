// The package as npm packs it, installed into an empty folder and used from there.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startServer } from './server.mjs';

const run = promisify(execFile);
const here = fileURLToPath(new URL('../', import.meta.url));

test('the packed package installs, runs and has types', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ecp-js-package-'));
  const server = await startServer();
  try {
    const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: here,
    });
    const [{ filename, files }] = JSON.parse(packed.stdout);
    const readme = readFileSync(join(here, 'README.md'), 'utf8');
    assert.ok(readme.includes(`npm install ./dist/${filename}`), 'the README installs what is packed');
    assert.ok(
      files.every(({ path }) => /^(dist\/|README\.md|package\.json)/.test(path)),
      JSON.stringify(files),
    );
    writeFileSync(join(folder, 'package.json'), '{"type": "module", "private": true}');
    await run('npm', ['install', '--no-audit', '--no-fund', `./${filename}`], { cwd: folder });
    const program = (file, extra = '') =>
      writeFileSync(
        join(folder, file),
        `import { ECPClient } from '@ecp-ai/orchestrator-client';
const client = new ECPClient({ baseUrl: '${server.baseUrl}', isDemo: true });
const list = await client.getTenants();
${extra}
console.log(list.tenants.length > 0 ? 'works' : 'empty');
`,
      );
    program('use.mjs');
    assert.equal((await run(process.execPath, ['use.mjs'], { cwd: folder })).stdout, 'works\n');

    program('use.ts', 'const id: string = list.tenants[0]!.tenant_id; void id;');
    const tsc = join(here, 'node_modules/typescript/bin/tsc');
    const flags = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--lib',
      'es2022,dom',
    ];
    await run(process.execPath, [tsc, ...flags, 'use.ts'], { cwd: folder }).catch((error) =>
      assert.fail(error.stdout),
    );
    program('wrong.ts', 'const id: number = list.tenants[0]!.tenant_id; void id;');
    await assert.rejects(run(process.execPath, [tsc, ...flags, 'wrong.ts'], { cwd: folder }), (error) =>
      /TS2322/.test(error.stdout),
    );
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
