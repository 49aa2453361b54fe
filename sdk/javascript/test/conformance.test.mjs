// The scenarios and unhappy cases of sdk/conformance, which every client of the API runs.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ECPClient, ECPError } from '@ecp-ai/orchestrator-client';
import { makeCall, makeWatch } from './calls.mjs';
import { mismatch } from './matching.mjs';
import { startServer } from './server.mjs';

const folder = new URL('../../conformance/', import.meta.url);
const readJson = (name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
const STREAM_LIMIT_MS = 60_000;

function onlyKnown(what, object, ...names) {
  const unknown = Object.keys(object).filter((name) => !names.includes(name));
  assert.deepEqual(unknown, [], `unknown members of ${what}: ${unknown.join(', ')}`);
}

function assertMatches(expected, actual, what) {
  assert.equal(mismatch(expected, actual), undefined, what);
}

/** The value with `${name}` filled in. Text that is nothing but one reference becomes the saved value. */
function fill(value, saved) {
  const look = (name) => {
    assert.ok(Object.hasOwn(saved, name), `nothing was saved as ${name}`);
    return saved[name];
  };
  if (typeof value === 'string') {
    const whole = /^\$\{(\w+)\}$/.exec(value);
    return whole ? look(whole[1]) : value.replaceAll(/\$\{(\w+)\}/g, (_, name) => String(look(name)));
  }
  if (Array.isArray(value)) return value.map((element) => fill(element, saved));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, fill(member, saved)]));
}

function valueAt(path, answer) {
  const found = path === '' ? answer : path.split('.').reduce((value, name) => value?.[name], answer);
  assert.notEqual(found, undefined, `the answer has no ${path}`);
  return found;
}

/** Checks that what was done fails as it must. */
async function assertFails(expected, work, what) {
  onlyKnown('error', expected, 'code', 'status', 'pointers', 'reason');
  const { pointers, ...rest } = expected;
  await assert.rejects(work, (error) => {
    if (!(error instanceof ECPError)) throw error;
    assertMatches(rest, { code: error.code, status: error.status, reason: error.reason }, what);
    if (pointers !== undefined) {
      assert.deepEqual(error.fields.map((field) => field.pointer).sort(), [...pointers].sort(), what);
    }
    return true;
  });
}

async function runCall(client, step, saved) {
  onlyKnown('a call', step, 'call', 'args', 'expect', 'error', 'save');
  const what = JSON.stringify(step);
  const work = async () => makeCall(client, step.call, fill(step.args, saved));
  if (step.error !== undefined) {
    await assertFails(fill(step.error, saved), work, what);
    return;
  }
  const answer = await work();
  assertMatches(fill(step.expect, saved), answer, what);
  for (const [name, path] of Object.entries(step.save ?? {})) saved[name] = valueAt(path, answer);
}

/** Reads a stream until its frames have come, and to its end where it has one; answers the gaps. */
async function runWatch(client, step, saved) {
  onlyKnown('a stream', step, 'watch', 'args', 'frames', 'ends', 'error');
  const what = JSON.stringify(step);
  const gaps = [];
  const signal = AbortSignal.timeout(STREAM_LIMIT_MS);
  const seen = [];
  let found = 0;
  const read = async () => {
    const subscription = makeWatch(client, step.watch, fill(step.args, saved), {
      signal,
      onGap: (gap) => gaps.push(gap.reason),
      reconnect: { baseMs: 1, maxMs: 5 },
    });
    for await (const frame of subscription) {
      seen.push(frame);
      const next = step.frames[found];
      if (next === undefined || mismatch(fill(next.expect, saved), frame) !== undefined) continue;
      onlyKnown('a frame', next, 'expect', 'then');
      await runSteps(client, next.then ?? [], saved);
      found++;
      if (found === step.frames.length && !step.ends) break;
    }
  };
  if (step.error !== undefined) await assertFails(fill(step.error, saved), read, what);
  else await read();
  assert.equal(
    found,
    step.frames.length,
    `frame ${found} never came; came: ${JSON.stringify(seen)}; ${what}`,
  );
  assert.ok(!signal.aborted, `the stream did not end; ${what}`);
  return gaps;
}

async function runSteps(client, steps, saved) {
  for (const step of steps) {
    if (step.watch === undefined) await runCall(client, step, saved);
    else await runWatch(client, step, saved);
  }
}

describe('scenario', () => {
  let server, client;
  before(async () => {
    server = await startServer();
    client = new ECPClient({ baseUrl: server.baseUrl, isDemo: true });
  });
  after(() => server.stop());
  for (const file of readdirSync(new URL('scenarios/', folder)).sort()) {
    const scenario = readJson(`scenarios/${file}`);
    test(`${file}: ${scenario.name}`, async () => {
      onlyKnown('a scenario', scenario, 'name', 'steps');
      assert.ok(scenario.steps.length > 0);
      await runSteps(client, scenario.steps, { run: `js${Math.random().toString(36).slice(2, 10)}` });
    });
  }
});

describe('unhappy case', () => {
  let process, address;
  before(async () => {
    process = spawn('python3', [fileURLToPath(new URL('misbehaving_server.py', folder))], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface(process.stdout), 'line');
    address = `http://127.0.0.1:${JSON.parse(line).port}`;
  });
  after(async () => {
    const gone = once(process, 'exit');
    process.stdin.end();
    await gone;
  });
  for (const { name, client: settings, answers, requests, gaps, second_request, ...step } of readJson(
    'unhappy.json',
  )) {
    test(name, async () => {
      onlyKnown('client', settings, 'retries', 'timeout_ms');
      const client = new ECPClient({
        baseUrl: `${address}/${name}/api/v1`,
        isDemo: true,
        timeoutMs: settings.timeout_ms,
        retry: { retries: settings.retries, baseMs: 1, maxMs: 100 },
      });
      if (step.watch === undefined) await runCall(client, step, {});
      else assert.deepEqual(await runWatch(client, step, {}), gaps);
      const sent = await (await fetch(`${address}/${name}/requests`)).json();
      if (requests !== undefined) assert.equal(sent.length, requests, JSON.stringify(sent));
      if (second_request !== undefined) assertMatches(second_request, sent[1]);
    });
  }
});

test('every matcher takes what it must and refuses the rest', () => {
  for (const [matcher, right, wrong] of [
    [1, 1.0, '1'],
    [null, null, undefined],
    [{ a: 1 }, { a: 1, b: 2 }, { b: 2 }],
    [[1, { a: 1 }], [1, { a: 1, b: 2 }], [1]],
    [{ $type: 'array' }, [], {}],
    [{ $type: 'object' }, {}, null],
    [{ $match: '^a' }, 'ab', 'ba'],
    [{ $min: 3 }, 3, 2.9],
    [{ $length: 2 }, [1, 2], [1]],
    [{ $contains: { a: 1 } }, [{ a: 2 }, { a: 1, b: 2 }], [{ a: 2 }]],
    [{ $contains: 'b' }, 'abc', 'ac'],
    [{ $all: [{ $min: 1 }, 2] }, 2, 3],
    [{ a: { $absent: true } }, { a: null }, { a: 0 }],
  ]) {
    assert.equal(mismatch(matcher, right), undefined);
    assert.notEqual(mismatch(matcher, wrong), undefined, JSON.stringify(matcher));
  }
  assert.throws(() => mismatch({ $nearly: 1 }, 1), /unknown matcher/);
  assert.throws(() => mismatch({ $min: 1, $length: 2 }, 1), /unknown matcher/);
});

test('a call, a stream or an argument that is unknown fails', () => {
  const client = new ECPClient({ baseUrl: 'http://localhost/api/v1', isDemo: true });
  assert.throws(() => makeCall(client, 'paint_tenant', {}), /paint_tenant/);
  assert.throws(() => makeCall(client, 'list_tenants', { colour: 1 }), /colour/);
  assert.throws(() => makeWatch(client, 'watch_paint', {}), /watch_paint/);
  assert.throws(() => makeWatch(client, 'watch_alerts', { tenant_id: 'a', colour: 1 }), /colour/);
  assert.throws(() => fill('${nothing}', {}), /nothing/);
});
