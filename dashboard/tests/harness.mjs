// Starts what the tests look at: a server of the binary, and a page of a real browser.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startServer } from '../../sdk/javascript/test/server.mjs';

export { startServer };

/** The accessibility checker, to be run in a page. */
export const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Every page but the first and a tenant's own. */
export const PAGES = [
  'tenants',
  'compare?a=hanbit-card&b=namsan-shopping',
  'tenants/hanbit-card?tab=charts',
  'tenants/hanbit-card?tab=sizing',
  'tenants/hanbit-card?tab=manifest',
  'tenants/hanbit-card?tab=history',
  'tenants/hanbit-card?tab=logs',
  'tenants/hanbit-card?tab=events',
  'tenants/hanbit-card?tab=rules',
  'tenants/hanbit-card?tab=edit',
  'what-if?callbot=20',
  'alerts',
  'alerts?tab=silences',
  'alerts?tab=receivers',
  'capacity',
  'capacity?tab=costs',
  'changes',
  'manifest',
];

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser with a profile of its own. `close` ends it. */
export async function startBrowser(options = {}) {
  if (!existsSync(executablePath)) {
    throw new Error(
      `${executablePath} is missing: install chromium (apt-get install chromium) or set CHROMIUM`,
    );
  }
  const profile = mkdtempSync(join(tmpdir(), 'ecp-dashboard-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: FLAGS,
    viewport: { width: 1440, height: 900 },
    locale: 'en-US',
    ...options,
  });
  context.setDefaultTimeout(15_000);
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** A page that keeps what it complained about, and every address that it asked. */
export async function openPage(context) {
  const page = await context.newPage();
  const complaints = [];
  const asked = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // A server that is away, and refusals that are expected, are logged by the browser itself.
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  page.on('request', (request) => asked.push(request.url()));
  return { page, complaints, asked };
}

/** Calls the API. */
export async function call(server, method, path, body, headers = {}) {
  const response = await fetch(`${server.baseUrl}${path}`, {
    method,
    headers: {
      'x-demo-mode': 'true',
      'content-type': 'application/json',
      'accept-language': 'en',
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** Creates a tenant of the smallest plan. */
export function createTenant(server, tenantId, more = {}) {
  return call(server, 'POST', '/tenants/', {
    tenant_id: tenantId,
    name: tenantId,
    preset: 'micro',
    service_requirements: { chatbot: 10 },
    ...more,
  });
}

/** Waits until a tenant's roll-out has ended as it is to, `failed` or `running`. */
export async function untilEnded(server, tenantId, wanted) {
  for (;;) {
    const { status } = await call(server, 'GET', `/tenants/${tenantId}/deployment-status`);
    if (status === wanted) return;
    if (['failed', 'running'].includes(status)) throw new Error(`${tenantId}: ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A server that is configured by variables of the environment. */
export async function startWith(variables, options) {
  const kept = Object.keys(variables).map((name) => [name, process.env[name]]);
  Object.assign(process.env, variables);
  try {
    return await startServer(options);
  } finally {
    for (const [name, value] of kept) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** In the page: what reaches past the window and can not be scrolled to where it stands. */
export function cutOff() {
  const scrolls = (element) => {
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      if (getComputedStyle(at).overflowX !== 'visible') return true;
    }
    return false;
  };
  const past = [...document.querySelectorAll('body *')].filter(
    (element) => element.getBoundingClientRect().right > innerWidth + 1 && !scrolls(element),
  );
  return [
    ...past.map((element) => element.outerHTML.slice(0, 120)),
    ...(document.documentElement.scrollWidth > innerWidth ? ['the page scrolls sideways'] : []),
  ];
}
