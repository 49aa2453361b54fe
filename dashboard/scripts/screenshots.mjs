// Takes a picture of each page, in both languages and both colour schemes, on a telephone, a laptop and a wall,
// into dashboard/screenshots. `PAGES=overview,costs` and `WIDTHS=390` take fewer; `README=1` takes those of the README
// alone, into docs/images.

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { call, createTenant, openPage, startBrowser, startServer } from '../tests/harness.mjs';

const folder = fileURLToPath(new URL('../screenshots/', import.meta.url));
mkdirSync(folder, { recursive: true });

const PAGES = {
  overview: 'overview',
  tenants: 'tenants',
  compare: 'compare?a=hanbit-card&b=namsan-shopping',
  tenant: 'tenants/failing-bank',
  charts: 'tenants/hanbit-card?tab=charts&hours=24',
  sizing: 'tenants/global-call-center?tab=sizing',
  manifest: 'tenants/hanbit-card?tab=manifest',
  history: 'tenants/hanbit-card?tab=history',
  logs: 'tenants/crashing-shop?tab=logs&previous=1',
  events: 'tenants/crashing-shop?tab=events',
  rules: 'tenants/hanbit-card?tab=rules',
  edit: 'tenants/hanbit-card?tab=edit',
  'what-if': 'what-if?callbot=50&chatbot=100&response=200&availability=99.9',
  alerts: 'alerts',
  silences: 'alerts?tab=silences',
  receivers: 'alerts?tab=receivers',
  capacity: 'capacity',
  costs: 'capacity?tab=costs',
  changes: 'changes?group=night',
  check: 'manifest',
};
const LOOKS = [
  ['ko', 'light'],
  ['en', 'dark'],
  ['ko', 'dark'],
  ['en', 'light'],
];
/** Those of the README, by page. */
const PICTURES = { overview: 'dashboard-overview', charts: 'dashboard-tenant' };
const PICTURE_LOOK = ['ko', 'light'];
const PICTURE_SIZE = { width: 1440, height: 900 };
const images = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const forReadme = process.env.README === '1';

const HEIGHTS = { 390: 844, 1280: 800, 2560: 1440 };
const chosen = (name, all) => process.env[name]?.split(',').filter((one) => all.includes(one)) ?? all;
const names = forReadme ? Object.keys(PICTURES) : chosen('PAGES', Object.keys(PAGES));
const widths = chosen('WIDTHS', Object.keys(HEIGHTS)).map(Number);

const server = await startServer({ demoSpeed: 300 });
try {
  await createTenant(server, 'failing-bank', { name: '실패한 은행', demo_fault: 'image-not-found' });
  await createTenant(server, 'crashing-shop', { name: '멈추는 쇼핑몰', demo_fault: 'crash-loop' });
  await createTenant(server, 'slow-shop', { name: '느린 쇼핑몰', sla_target: { response_time: '20ms' } });
  await call(server, 'PUT', '/tenants/hanbit-card', { service_requirements: { chatbot: 30 } });
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  await call(server, 'POST', '/tenants/slow-shop/monitoring', { metrics: { error_rate: 40 } });
  await call(server, 'POST', '/silences', {
    tenant_id: 'slow-shop',
    metric: 'error_rate',
    comment: '정기 점검',
  });
  for (const [language, colorScheme] of forReadme ? [PICTURE_LOOK] : LOOKS) {
    const browser = await startBrowser({ locale: language === 'ko' ? 'ko-KR' : 'en-US', colorScheme });
    const { page } = await openPage(browser.context);
    for (const name of names) {
      await page.goto(`${server.address}/#/demo/${PAGES[name]}`);
      await page.waitForLoadState('networkidle').catch(() => undefined);
      if (name === 'check') {
        await page
          .locator('textarea')
          .fill(
            'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: A\n      image: nginx\n',
          );
        await page.locator('form button.primary').click();
        await page.locator('.finding').first().waitFor();
      }
      if (forReadme) {
        await page.setViewportSize(PICTURE_SIZE);
        await page.waitForTimeout(1_000);
        await page.screenshot({ path: `${images}${PICTURES[name]}.png` });
        continue;
      }
      for (const width of widths) {
        await page.setViewportSize({ width, height: HEIGHTS[width] });
        await page.waitForTimeout(500);
        const path = `${folder}${name}-${language}-${colorScheme}-${width}.png`;
        await page.screenshot({ path, fullPage: true });
      }
    }
    await browser.close();
  }
} finally {
  await server.stop();
}
