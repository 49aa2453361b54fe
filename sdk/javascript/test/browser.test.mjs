// The build as it is, in a page of a real browser, without a bundler.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { startServer } from './server.mjs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

let server, site, browser;
before(async () => {
  assert(
    existsSync(executablePath),
    `${executablePath} is missing: install chromium (apt-get install chromium) or set CHROMIUM`,
  );
  server = await startServer();
  site = createServer(serve);
  site.on('upgrade', passOn);
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
after(async () => {
  await browser?.close();
  site?.closeAllConnections();
  site?.close();
  await server?.stop();
});

/** Serves the page and the build, and passes the API on, as a proxy in front of both would. */
function serve(request, response) {
  if (request.url === '/') {
    response.writeHead(200, { 'content-type': 'text/html' });
    return response.end('<!doctype html><title>test</title>');
  }
  const file = /^\/dist\/([\w/]+\.js)$/.exec(request.url);
  if (file) {
    response.writeHead(200, { 'content-type': 'text/javascript' });
    return response.end(readFileSync(new URL(`../dist/${file[1]}`, import.meta.url)));
  }
  const onward = httpRequest(
    server.address + request.url,
    { method: request.method, headers: request.headers },
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy());
  request.pipe(onward);
}

function passOn(request, socket, head) {
  const onward = connect(server.port, '127.0.0.1', () => {
    const headers = request.rawHeaders.reduce((text, part, i) => text + part + (i % 2 ? '\r\n' : ': '), '');
    onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers}\r\n`);
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
  for (const end of [socket, onward]) end.on('error', () => end.destroy());
}

test('calls, errors and streams work in a browser', async () => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  const result = await page.evaluate(async () => {
    const { ECPClient } = await import('/dist/browser.js');
    const client = new ECPClient({ baseUrl: '/api/v1', isDemo: true, language: 'en' });
    const created = await client.createTenant({
      tenant_id: 'page',
      name: 'page',
      preset: 'micro',
      service_requirements: { chatbot: 10 },
    });
    let last;
    for await (const frame of client.subscribeToDeployment(created.deployment_id)) last = frame.status;
    await client.sendMetrics('page', { cpu: 42 });
    let cpu;
    for await (const frame of client.subscribeToMonitoring('page', undefined, { intervalMs: 100 })) {
      cpu = frame.metrics.cpu;
      break;
    }
    const code = await client.getTenant('nowhere').catch((error) => error.code);
    const refused = await client.subscribeToAlerts('nowhere').done.catch((error) => error.code);
    const tenants = (await client.getTenants()).tenants.map((tenant) => tenant.tenant_id);
    return { last, cpu: typeof cpu, code, refused, listed: tenants.includes('page') };
  });
  assert.deepEqual(result, {
    last: 'running',
    cpu: 'number',
    code: 'TENANT_NOT_FOUND',
    refused: 'TENANT_NOT_FOUND',
    listed: true,
  });
});
