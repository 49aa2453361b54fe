// Servers that are slow, refuse, or answer nonsense: what the unhappy cases of sdk/conformance do not ask.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import {
  ConnectionError,
  ECPClient,
  ECPTimeoutError,
  InvalidResponseError,
  RateLimitError,
  ServerError,
} from '@ecp-ai/orchestrator-client';
import { deferred, refuse, startMisbehaving } from './server.mjs';

const retry = { retries: 2, baseMs: 1, maxMs: 2_000 };

async function against(answer, work, config = {}) {
  const server = await startMisbehaving(answer);
  try {
    await work(new ECPClient({ baseUrl: server.baseUrl, isDemo: true, retry, ...config }), server);
  } finally {
    await server.stop();
  }
}
const empty = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end('{"tenants": [], "pagination": {"has_more": false}}');
};

test('filters and headers go with each attempt of a read', () =>
  against(
    (request, response, number) => (number < 3 ? refuse(response, 503, 'DATABASE_ERROR') : empty(response)),
    async (client, server) => {
      await client.getTenants({ preset: 'micro', skip: 0 });
      assert.equal(server.requests.length, 3);
      const last = server.requests[2];
      assert.equal(last.url, '/api/v1/tenants/?preset=micro&skip=0');
      assert.equal(last.headers['x-demo-mode'], 'true');
      assert.equal(last.headers.authorization, 'Bearer secret');
      assert.equal(last.headers['accept-language'], 'en');
    },
    { token: 'secret', language: 'en' },
  ));

test('a token is the given one, else that of the environment', async () => {
  const before = process.env.ECP_TOKEN;
  const sent = [];
  const ask = (config) =>
    against(
      (request, response) => empty(response),
      async (client, server) => {
        await client.getTenants();
        sent.push(server.requests[0].headers.authorization);
      },
      config,
    );
  try {
    process.env.ECP_TOKEN = 'of-environment';
    await ask({});
    await ask({ token: 'given' });
    process.env.ECP_TOKEN = '';
    await ask({});
  } finally {
    if (before === undefined) delete process.env.ECP_TOKEN;
    else process.env.ECP_TOKEN = before;
  }
  assert.deepEqual(sent, ['Bearer of-environment', 'Bearer given', undefined]);
});

test('a creation is repeated under its idempotency key', () =>
  against(
    (request, response) => refuse(response, 503, 'DATABASE_ERROR'),
    async (client, server) => {
      const tenant = { tenant_id: 'a', name: 'a', service_requirements: {} };
      await assert.rejects(client.createTenant(tenant, { idempotencyKey: 'k' }), ServerError);
      assert.deepEqual(
        server.requests.map((request) => request.headers['idempotency-key']),
        ['k', 'k', 'k'],
      );
    },
  ));

test('a dry run is repeated like a read', () =>
  against(
    (request, response, number) => {
      if (number % 2 === 1) return refuse(response, 503, 'DATABASE_ERROR');
      response.end('{"dry_run": true}');
    },
    async (client, server) => {
      const tenant = { tenant_id: 'a', name: 'a', service_requirements: {} };
      assert.equal((await client.previewCreateTenant(tenant)).dry_run, true);
      await client.previewUpdateTenant('a', { name: 'b' }, { ifMatch: '"1"' });
      await client.previewDeleteTenant('a');
      assert.deepEqual(
        server.requests.map((request) => `${request.method} ${request.url.replace('/api/v1/tenants/', '')}`),
        ['POST', 'PUT a', 'DELETE a'].flatMap((call) => {
          const text = `${call}${call === 'POST' ? ' ' : ''}?dry_run=true`;
          return [text, text];
        }),
      );
      assert.equal(server.requests[3].headers['if-match'], '"1"');
    },
  ));

test('a refusal for a while says for how long', () =>
  against(
    (request, response) => refuse(response, 429, 'RATE_LIMITED', { 'retry-after': '3600' }),
    (client) =>
      assert.rejects(
        client.getTenants(),
        (error) => error instanceof RateLimitError && error.retryAfterMs === 3_600_000,
      ),
  ));

test('a refused connection is a connection error', async () => {
  const server = await startMisbehaving(() => undefined);
  await server.stop();
  await assert.rejects(
    new ECPClient({ baseUrl: server.baseUrl, isDemo: true, retry }).getTenants(),
    ConnectionError,
  );
});

test('an answer that never comes ends with the time limit or the signal of the caller', () =>
  against(
    () => undefined,
    async (client, server) => {
      await assert.rejects(
        client.getTenants({}, { timeoutMs: 20 }),
        (error) => error instanceof ECPTimeoutError && error.code === 'TIMEOUT',
      );
      const controller = new AbortController();
      const call = client.getTenants({}, { signal: controller.signal });
      controller.abort(new Error('enough'));
      await assert.rejects(call, /enough/);
      assert.ok(server.requests.length <= 2);
    },
  ));

test("an answer that is not the API's is shown in the error", () =>
  against(
    (request, response) => response.end('<html>'),
    (client) =>
      assert.rejects(
        client.getTenants(),
        (error) => error instanceof InvalidResponseError && error.details.body === '<html>',
      ),
  ));

test('what a server that is not ready says of itself is in the error', () =>
  against(
    (_, response) => {
      response.writeHead(503, { 'content-type': 'application/json' });
      response.end('{"status": "degraded", "storage": "real: database or disk is full"}');
    },
    async (client) => {
      const error = await client.getReadiness().catch((error) => error);
      assert.ok(error instanceof ServerError);
      assert.deepEqual(error.details, { status: 'degraded', storage: 'real: database or disk is full' });
    },
  ));

test('the sender keeps a batch over failures, is bounded, and counts what it drops', () =>
  against(
    (request, response, number) => {
      if (number === 1) return refuse(response, 503, 'DATABASE_ERROR', { 'retry-after': '0' });
      response.writeHead(201, { 'content-type': 'application/json' });
      response.end('{"tenant_id": "a", "accepted": 1}');
    },
    async (client, server) => {
      const errors = [];
      const sender = client.createMetricsSender('a', {
        maxQueue: 5,
        batchSize: 100,
        onError: (error) => errors.push(error.code),
      });
      for (let i = 0; i < 8; i++) sender.add({ cpu: i });
      await sender.close();
      assert.equal(sender.add({ cpu: 1 }), false);
      assert.deepEqual([sender.sent, sender.dropped, errors], [5, 4, ['DATABASE_ERROR']]);
      assert.equal(server.requests[0].body, server.requests[1].body);
      const { samples } = JSON.parse(server.requests[1].body);
      assert.deepEqual(
        samples.map((sample) => sample.metrics.cpu),
        [3, 4, 5, 6, 7],
      );
      assert.equal(new Set(samples.map((sample) => sample.timestamp)).size, 5);
    },
  ));

test('a flush waits for what was added before it alone', () => {
  let sender;
  return against(
    (request, response) => {
      // There is never nothing that waits.
      sender.add({ cpu: 1 });
      response.writeHead(201, { 'content-type': 'application/json' });
      response.end('{"tenant_id": "a", "accepted": 1}');
    },
    async (client) => {
      sender = client.createMetricsSender('a', { batchSize: 2 });
      for (let i = 0; i < 5; i++) sender.add({ cpu: i });
      await sender.flush();
      assert.ok(sender.sent >= 5);
      // Asked in the moment in which a batch was dealt with, too.
      await Promise.all([sender.flush(), sender.flush()]);
      await sender.close();
      assert.equal(sender.pending, 0);
    },
  );
});

test('the sender gives a refused batch up, and close ends waiting', async () => {
  await against(
    (request, response) => refuse(response, 422, 'VALIDATION_FAILED'),
    async (client) => {
      const sender = client.createMetricsSender('a');
      sender.add({ cpu: 1000 });
      await sender.flush();
      assert.deepEqual([sender.sent, sender.dropped], [0, 1]);
    },
  );
  await against(
    () => undefined,
    async (client) => {
      const sender = client.createMetricsSender('a');
      sender.add({ cpu: 1 });
      await sender.close({ timeoutMs: 20 });
      assert.deepEqual([sender.sent, sender.dropped, sender.pending], [0, 1, 0]);
    },
  );
});

async function withSockets(work) {
  const server = await startMisbehaving((request, response) => refuse(response, 426, 'INVALID_REQUEST'));
  const sockets = new WebSocketServer({ server: server.server });
  const connections = [];
  sockets.on('connection', (socket, request) => {
    connections.push(request.url);
    sockets.emit(`connection-${connections.length}`, socket);
  });
  try {
    await work(new ECPClient({ baseUrl: server.baseUrl, isDemo: true }), sockets, connections);
  } finally {
    for (const socket of sockets.clients) socket.terminate();
    await server.stop();
  }
}
const fast = { baseMs: 1, maxMs: 5 };

for (const [status, code] of [
  [400, 'INVALID_REQUEST'],
  [421, 'INVALID_REQUEST'],
  [422, 'VALIDATION_FAILED'],
]) {
  test(`a stream that is refused with ${status} ends with the refusal`, () =>
    against(
      (request, response) => refuse(response, status, code),
      async (client) => {
        const ended = deferred();
        const subscription = client.subscribeToAlerts('a', () => {}, {
          reconnect: fast,
          onError: ended.reject,
          onClose: ended.resolve,
        });
        const error = await ended.promise;
        assert.deepEqual([error.status, error.code], [status, code]);
        await assert.rejects(subscription.done, { code });
      },
    ));
}

test('a stream that is refused for a while goes on', () =>
  Promise.all(
    [408, 426, 429, 503].map((status) =>
      against(
        (request, response) => refuse(response, status, 'RATE_LIMITED'),
        async (client, server) => {
          let over = false;
          const subscription = client.subscribeToAlerts('a', () => {}, {
            reconnect: fast,
            onError: () => {},
            onClose: () => (over = true),
          });
          // Each connection that failed is asked about by a plain read.
          while (server.requests.length < 6 && !over) await new Promise((resolve) => setTimeout(resolve, 5));
          assert.equal(over, false, `${status} ended it`);
          subscription.close();
        },
      ),
    ),
  ));

test('a monitoring stream subscribes again after a break and says what it missed', () =>
  withSockets(async (client, sockets, connections) => {
    const hellos = [];
    for (const number of [1, 2]) {
      sockets.on(`connection-${number}`, (socket) =>
        socket.on('message', (data) => {
          hellos.push(JSON.parse(data));
          for (const seq of number === 1 ? [1, 2, 5] : [1])
            socket.send(JSON.stringify({ seq, tenant_id: 'a', metrics: { cpu: seq } }));
          if (number === 1) socket.terminate();
        }),
      );
    }
    const gaps = [];
    const frames = [];
    for await (const frame of client.subscribeToMonitoring('a', undefined, {
      metrics: ['cpu'],
      intervalMs: 200,
      onGap: (gap) => gaps.push(gap),
      reconnect: fast,
    })) {
      frames.push(frame.seq);
      if (frames.length === 4) break;
    }
    assert.deepEqual(frames, [1, 2, 5, 1]);
    assert.deepEqual(gaps, [
      { reason: 'sequence', after: 2, before: 5 },
      { reason: 'reconnect', after: 5, before: undefined },
    ]);
    assert.deepEqual(hellos, Array(2).fill({ action: 'subscribe', metrics: ['cpu'], interval: 200 }));
    assert.equal(connections[0], '/ws/monitoring/a?demo_mode=true');
  }));

test('an alert stream resumes after the newest opening and leaves repeats out', () =>
  withSockets(async (client, sockets, connections) => {
    const alert = (seq, alert_id, state, minute) =>
      JSON.stringify({ seq, alert_id, state, opened_at: `2026-01-01T00:0${minute}:00Z` });
    sockets.on('connection-1', (socket) => {
      socket.send(alert(7, 'a1', 'opened', 1));
      socket.send(alert(7, 'a2', 'opened', 2));
      socket.send(alert(8, 'a1', 'resolved', 1));
      socket.close(1001);
    });
    sockets.on('connection-2', (socket) => {
      socket.send(alert(8, 'a1', 'resolved', 1));
      socket.send(alert(9, 'a3', 'opened', 3));
    });
    const gaps = [];
    const seen = [];
    for await (const frame of client.subscribeToAlerts('a', undefined, {
      onGap: (gap) => gaps.push(gap),
      reconnect: fast,
    })) {
      seen.push(`${frame.seq}${frame.alert_id}`);
      if (frame.seq === 9) break;
    }
    assert.deepEqual(seen, ['7a1', '7a2', '8a1', '9a3']);
    assert.deepEqual(gaps, []);
    assert.deepEqual(connections, ['/ws/alerts/a?demo_mode=true', '/ws/alerts/a?demo_mode=true&since=a2']);
  }));

test('error frames and garbage are reported and do not end a stream', () =>
  withSockets(async (client, sockets) => {
    sockets.on('connection-1', (socket) => {
      socket.send('garbage');
      socket.send(
        JSON.stringify({ seq: 1, error: { code: 'INVALID_REQUEST', message: 'what?', details: {} } }),
      );
      socket.send(JSON.stringify({ seq: 2, tenant_id: 'a', metrics: {} }));
    });
    const errors = [];
    const frame = deferred();
    const subscription = client.subscribeToMonitoring('a', frame.resolve, {
      onError: (error) => errors.push(error.code),
    });
    assert.equal((await frame.promise).seq, 2);
    assert.deepEqual(errors, ['INVALID_RESPONSE', 'INVALID_REQUEST']);
    subscription.close();
  }));

test('a slow iterator loses the oldest frames and is told', () =>
  withSockets(async (client, sockets) => {
    const sent = deferred();
    sockets.on('connection-1', (socket) => {
      for (let seq = 1; seq <= 5; seq++) socket.send(JSON.stringify({ seq, status: 'deploying' }));
      socket.close(1000);
      socket.on('close', sent.resolve);
    });
    const gaps = [];
    const subscription = client.subscribeToDeployment('dep-a', undefined, {
      bufferSize: 2,
      onGap: (gap) => gaps.push(gap.reason),
    });
    await subscription.done;
    const left = [];
    for await (const frame of subscription) left.push(frame.seq);
    assert.deepEqual([left, subscription.dropped, gaps], [[4, 5], 3, ['overflow', 'overflow', 'overflow']]);
  }));

test('the signal of the caller closes a stream', () =>
  withSockets(async (client) => {
    const controller = new AbortController();
    const subscription = client.subscribeToMonitoring('a', () => undefined, { signal: controller.signal });
    controller.abort();
    await subscription.done;
  }));

test('settings that can not work are refused at once', () => {
  assert.throws(() => new ECPClient({ baseUrl: 'http://localhost/api/v1' }), /isDemo/);
  assert.throws(() => new ECPClient({ baseUrl: 'ftp://localhost', isDemo: true }), /baseUrl/);
  for (const token of ['“ecp_abc”', '토큰', 'two words', 'ecp_abc\n']) {
    assert.throws(
      () => new ECPClient({ baseUrl: 'http://localhost/api/v1', isDemo: true, token }),
      /^TypeError: token has/,
    );
  }
  const client = new ECPClient({ baseUrl: 'http://localhost/api/v1/', isDemo: true });
  assert.throws(() => client.getTenant(''), /tenantId/);
});
