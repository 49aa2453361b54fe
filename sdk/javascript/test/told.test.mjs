// What must not get lost on its way to the caller: warnings, failures of streams, and the end of patience.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConflictError, ECPClient, ECPTimeoutError, NotFoundError } from '@ecp-ai/orchestrator-client';
import { warningTexts, warningsOf } from '../dist/http.js';
import { refuse, startMisbehaving, startServer } from './server.mjs';

/** What a channel of the console is told while `work` runs. */
async function heard(channel, work) {
  const told = [];
  const before = console[channel];
  console[channel] = (...words) => told.push(words.map(String).join(' '));
  try {
    await work(told);
  } finally {
    console[channel] = before;
  }
  return told;
}

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a misspelt field is a warning, and a deletion is waited for to its end and no further', async () => {
  const server = await startServer();
  try {
    const client = new ECPClient({ baseUrl: server.baseUrl, isDemo: true, language: 'en' });
    const request = { service_requirements: { chatbot: 1 }, sla_targt: {} };
    const [text, ...more] = await heard('warn', () => client.calculateResources(request));
    assert.match(text, /unknown field: sla_targt/);
    assert.deepEqual(more, []);
    const told = [];
    const onWarning = (warning, code) => told.push([warning, code]);
    await new ECPClient({ baseUrl: server.baseUrl, isDemo: true, onWarning }).calculateResources(request);
    await client.calculateResources(request, { onWarning });
    const unknown = ['unknown field: sla_targt', 'UNKNOWN_NAME'];
    assert.deepEqual(told, [unknown, unknown]);

    const tenant = { tenant_id: 'js-goes', name: 'Goes', service_requirements: { chatbot: 1 } };
    await client.createTenant(tenant);
    await assert.rejects(client.waitUntilDeleted('js-goes'), ConflictError);
    const { deletion_id: deletionId } = await client.deleteTenant('js-goes');
    await client.waitUntilDeleted('js-goes', { deletionId, pollMs: 20, timeoutMs: 60_000 });
    await assert.rejects(client.getTenant('js-goes'), NotFoundError);
    await client.createTenant(tenant);
    // The one that was deleted is gone, whoever has its id now.
    await client.waitUntilDeleted('js-goes', { deletionId });
    await client.deleteTenant('js-goes', { force: true });
    await client.waitUntilDeleted('js-goes', { pollMs: 20, timeoutMs: 60_000 });
  } finally {
    await server.stop();
  }
});

test('warnings are read as they were meant', () => {
  for (const [lines, texts] of [
    [['299 - "unknown field: a"'], ['unknown field: a']],
    [['299 - "a", 299 - "b, \\"c\\""'], ['a', 'b, "c"']],
    [
      ['299 - "a"', '110 cache "b" "Wed, 21 Oct 2015 07:28:00 GMT"'],
      ['a', 'b'],
    ],
    [['299 - "\\u{c774}\\\\u{c774}"'], ['이\\u{c774}']],
    [['299 - "\\u{ffffff}"'], ['\\u{ffffff}']],
    [['what is this'], ['what is this']],
    [[], []],
  ]) {
    const headers = new Headers();
    for (const line of lines) headers.append('warning', line);
    assert.deepEqual(warningTexts(headers), texts);
  }
});

test('a code belongs to the warning in its place, and to none where others added warnings', () => {
  const headers = new Headers({ warning: '299 - "a", 299 - "b"', 'x-warning-code': 'FIRST, SECOND' });
  assert.deepEqual(warningsOf(headers), [
    { text: 'a', code: 'FIRST' },
    { text: 'b', code: 'SECOND' },
  ]);
  headers.append('warning', '110 cache "c"');
  assert.deepEqual(
    warningsOf(headers).map((warning) => warning.code),
    [undefined, undefined, undefined],
  );
});

test('a call ends within its limit, its retries included', async () => {
  const busy = await startMisbehaving((_, response) =>
    refuse(response, 503, 'DATABASE_ERROR', { 'retry-after': '5' }),
  );
  const dripping = await startMisbehaving((_, response) => {
    response.writeHead(200);
    const drip = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(drip));
  });
  try {
    const began = performance.now();
    const ask = (server) =>
      new ECPClient({ baseUrl: server.baseUrl, isDemo: true, timeoutMs: 300 }).getTenants();
    await assert.rejects(ask(busy), { code: 'DATABASE_ERROR' });
    await assert.rejects(ask(dripping), ECPTimeoutError);
    assert.ok(performance.now() - began < 2_000);
    assert.equal(busy.requests.length, 1);
  } finally {
    await busy.stop();
    await dripping.stop();
  }
});

test('a subscription that nobody listens to is heard on the console', async () => {
  const server = await startMisbehaving((_, response) => refuse(response, 404, 'TENANT_NOT_FOUND'));
  const client = new ECPClient({ baseUrl: server.baseUrl, isDemo: true });
  const ended = await heard('error', async () => {
    await assert.rejects(client.subscribeToAlerts('nobody', () => undefined).done, NotFoundError);
  });
  assert.equal(ended.length, 1);
  assert.match(ended[0], /a subscription ended/);
  const told = [];
  const silent = await heard('error', async () => {
    const onError = (error) => told.push(error.code);
    await assert.rejects(client.subscribeToAlerts('nobody', () => undefined, { onError }).done);
    await assert.rejects(client.subscribeToAlerts('nobody').done);
  });
  assert.deepEqual([silent, told], [[], ['TENANT_NOT_FOUND']]);
  await server.stop();

  const warned = await heard('warn', async (so_far) => {
    const reconnect = { baseMs: 1, maxMs: 1 };
    const subscription = client.subscribeToAllAlerts(() => undefined, { reconnect });
    await until(() => so_far.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    subscription.close();
  });
  assert.equal(warned.length, 1, 'an outage is told once');
});

test('the stream of all alerts has no tenant in its address, and an empty id is no tenant', async () => {
  const server = await startMisbehaving((_, response) => refuse(response, 404, 'TENANT_NOT_FOUND'));
  const client = new ECPClient({ baseUrl: server.baseUrl, isDemo: true });
  await assert.rejects(client.subscribeToAllAlerts(undefined, { since: 'al-1' }).done);
  assert.equal(server.requests[0].url, '/ws/alerts?demo_mode=true&since=al-1');
  await assert.rejects(client.subscribeToAlerts('').done, /must not be empty/);
  await server.stop();
});

test('what was written is asked for by reads, until a server can not reach it', async () => {
  const revisions = { a: '7', b: '12', c: '9' };
  const server = await startMisbehaving((request, response) => {
    const id = request.url.split('/').at(-1);
    if (request.method !== 'GET') response.setHeader('x-revision', revisions[id]);
    if (id === 'gone' && request.headers['x-revision'] === '12') {
      response.writeHead(503, { 'content-type': 'application/json' });
      const details = { revision: 12, reached: 5 };
      return response.end(JSON.stringify({ error: { code: 'DATABASE_ERROR', message: 'late', details } }));
    }
    response.end('{}');
  });
  try {
    const client = new ECPClient({ baseUrl: server.baseUrl, isDemo: true, retry: { retries: 0 } });
    const asked = async (id) => {
      await client.getTenant(id).catch(() => undefined);
      return server.requests.at(-1).headers['x-revision'];
    };
    assert.equal(await asked('a'), undefined);
    for (const id of ['a', 'b', 'c']) await client.updateTenant(id, {});
    assert.equal(await asked('a'), '12');
    assert.equal(server.requests.at(-2).headers['x-revision'], undefined);
    // Restored from a backup, it never gets there: the client does not ask for it for ever.
    assert.equal(await asked('gone'), '12');
    assert.equal(await asked('a'), undefined);
    await client.updateTenant('a', {});
    assert.equal(await asked('a'), '7');
  } finally {
    await server.stop();
  }
});
