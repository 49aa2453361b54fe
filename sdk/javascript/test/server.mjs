// Starts what the tests speak to: a real server in demo mode, and one that answers as it is told.

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Starts `ecp serve` on a free port and a data folder of its own. */
export async function startServer({ port = 0, dataDir, demoSpeed = 2000 } = {}) {
  const binary = process.env.ECP_BINARY ?? join(root, 'target/debug/ecp');
  if (!existsSync(binary)) {
    throw new Error(`${binary} is missing: build it (cargo build -p ecp-orchestrator) or set ECP_BINARY`);
  }
  const folder = dataDir ?? mkdtempSync(join(tmpdir(), 'ecp-js-'));
  const child = spawn(
    binary,
    ['serve', '--listen', `127.0.0.1:${port}`, '--data-dir', folder, '--demo-speed', String(demoSpeed)],
    { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder },
  );
  let log = '';
  const address = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      log += chunk;
      const found = /ready: (http:\/\/[\d.:]+)/.exec(log);
      if (found) resolve(found[1]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
  });
  const kill = () => {
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    return gone;
  };
  return {
    address,
    baseUrl: `${address}/api/v1`,
    port: Number(new URL(address).port),
    dataDir: folder,
    kill,
    async stop() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts a server that hands each request to `answer(request, response, number)`; numbers start at 1. */
export async function startMisbehaving(answer) {
  const requests = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      requests.push({ method: request.method, url: request.url, headers: request.headers, body });
      answer(request, response, requests.length);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  return {
    server,
    requests,
    address,
    baseUrl: `${address}/api/v1`,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}

/** Answers with the API's error envelope. */
export function refuse(response, status, code, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(
    JSON.stringify({ error: { code, message: code, details: {}, timestamp: '', request_id: 'req-1' } }),
  );
}

/** A promise and what settles it. */
export function deferred() {
  let resolve, reject;
  const promise = new Promise((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}
