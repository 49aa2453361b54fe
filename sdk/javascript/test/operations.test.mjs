// Each operation of openapi.json against a server that only writes down what it is sent: no operation
// without a method, no parameter that a caller can not send.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { ECPClient } from '@ecp-ai/orchestrator-client';
import { makeCall, makeWatch } from './calls.mjs';
import { refuse, startMisbehaving } from './server.mjs';

const document = JSON.parse(readFileSync(new URL('../../../openapi.json', import.meta.url), 'utf8'));
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
);

// The client says these of a stream otherwise: browsers send no headers, and an address is no place for a token.
const SAID_OTHERWISE = ['X-Demo-Mode', 'access_token'];
// Said by how the client is set up, or by the options of every call.
const OF_EVERY_CALL = {
  'X-Demo-Mode': 'true',
  'X-Request-ID': 'find-me',
  'X-Debug': 'true',
  'Accept-Language': 'en',
  'Sec-WebSocket-Protocol': 'ecp.v1,bearer.secret',
  demo_mode: 'true',
  lang: 'en',
  // As the last write was answered.
  'X-Revision': '7',
  revision: '7',
};
const EXAMPLES = { boolean: true, integer: 7, string: 'text' };

/** Values of parameters that not every text is one of. */
const NAMED = { format: 'csv' };

let server, client;
before(async () => {
  server = await startMisbehaving((request, response) => {
    if (request.url.startsWith('/ws/')) return refuse(response, 404, 'TENANT_NOT_FOUND');
    if (request.method !== 'GET') response.setHeader('x-revision', '7');
    response.end('{}');
  });
  client = new ECPClient({ baseUrl: server.baseUrl, isDemo: true, token: 'secret', language: 'en' });
  await client.createTenant({});
});
after(() => server.stop());

/** Makes the call or opens the stream; answers the first request that came of it. */
async function requestOf(operation, more) {
  const args = { ...more };
  for (const { name, in: place } of operation.parameters ?? []) if (place === 'path') args[name] = 'a/b';
  if (operation.requestBody !== undefined) args.body = {};
  const before = server.requests.length;
  if (operation.operationId.startsWith('watch_')) {
    const subscription = makeWatch(client, operation.operationId, args);
    await subscription.done.catch(() => undefined);
  } else {
    await makeCall(client, operation.operationId, args, { requestId: 'find-me', debug: true });
  }
  return server.requests[before];
}

describe('operation', () => {
  for (const operation of operations) {
    const parameters = (operation.parameters ?? []).filter(({ in: place }) => place !== 'path');
    test(operation.operationId, async () => {
      const { method, url } = await requestOf(operation, {});
      assert.equal(method, operation.method.toUpperCase());
      assert.equal(url.split('?')[0], operation.path.replace(/\{\w+\}/, 'a%2Fb'));

      const isStream = operation.operationId.startsWith('watch_');
      for (const { name, in: place, schema } of parameters) {
        if (isStream && SAID_OTHERWISE.includes(name)) continue;
        const value = OF_EVERY_CALL[name] ?? NAMED[name] ?? EXAMPLES[[schema.type].flat()[0]];
        const more = name in OF_EVERY_CALL ? {} : { [name.toLowerCase().replaceAll('-', '_')]: value };
        const request = await requestOf(operation, more);
        const sent =
          place === 'query'
            ? new URL(request.url, server.address).searchParams.get(name)
            : request.headers[name.toLowerCase()];
        assert.equal(sent, String(value), name);
      }
    });
  }
});

test('getTenants and listTenants are one', async () => {
  const before = server.requests.length;
  await client.getTenants({ status: 'running', limit: 3 });
  await client.listTenants({ status: 'running', limit: 3 });
  const [first, second] = server.requests.slice(before);
  assert.equal(first.url, '/api/v1/tenants/?status=running&limit=3');
  assert.equal(second.url, first.url);
});

test('times of the audit trail may be dates', async () => {
  const before = server.requests.length;
  const since = new Date(Date.UTC(2026, 0, 2));
  await client.listAuditEntries({ since, until: '2026-01-03T00:00:00Z' });
  const query = new URL(server.requests[before].url, server.address).searchParams;
  assert.deepEqual(Object.fromEntries(query), {
    since: '2026-01-02T00:00:00.000Z',
    until: '2026-01-03T00:00:00Z',
  });
});
