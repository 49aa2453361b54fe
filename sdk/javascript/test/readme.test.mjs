// The examples of the README, run as a reader would: against a server, in order, each by itself.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runProgram } from './program.mjs';
import { startServer } from './server.mjs';

test('every example of the README runs', async () => {
  const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map((found) => found[1]);
  assert.ok(examples.length >= 7);
  const server = await startServer();
  try {
    for (const [index, example] of examples.entries()) {
      await runProgram(example.replaceAll('http://localhost:8001', server.address)).catch((error) => {
        throw new Error(`example ${index + 1} failed:\n${example}\n${error.message}`);
      });
    }
  } finally {
    await server.stop();
  }
});
