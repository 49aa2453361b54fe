// The examples of the README, run as a reader would: against a server, in order, each by itself.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startServer } from './server.mjs';

const run = promisify(execFile);

test('every example of the README runs', async () => {
  const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map((found) => found[1]);
  assert.ok(examples.length >= 6);
  // Inside the package, so that the examples find it by its own name.
  const folder = fileURLToPath(new URL('../node_modules/.examples/', import.meta.url));
  const server = await startServer();
  mkdirSync(folder, { recursive: true });
  try {
    for (const [index, example] of examples.entries()) {
      const code = example.replaceAll("'@ecp-ai/orchestrator-client'", "'../../dist/index.js'");
      const file = `${folder}example-${index}.mjs`;
      writeFileSync(file, code.replaceAll('http://localhost:8001', server.address));
      await run(process.execPath, [file], { timeout: 60_000 }).catch((error) => {
        throw new Error(`example ${index + 1} failed:\n${example}\n${error.stderr || error.message}`);
      });
    }
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
