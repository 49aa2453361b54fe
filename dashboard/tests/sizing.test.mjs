// Why a load gets what it gets: every number with its formula, what alternatives miss, and what is left over.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, createTenant, openPage, startBrowser } from './harness.mjs';
import { together } from './together.mjs';

const LOAD = {
  service_requirements: { callbot: 50 },
  sla_target: { availability: '99.5%', response_time: '120ms' },
};

let server, browser;
together((...both) => ([server, browser] = both));

/** The calculator's answer with its explanation. */
const calculate = (body) => call(server, 'POST', '/tenants/calculate-resources', body, { 'x-debug': 'true' });

/** Asserts that each number of an explanation has a row, with what the row must say of it. */
async function assertExplained(page, { steps }) {
  const section = page.getByRole('region', { name: 'Where each number comes from', exact: true });
  await section.waitFor();
  const summaries = section.locator('details > summary');
  for (const summary of await summaries.all()) {
    if (!(await summary.evaluate((node) => node.parentElement.open))) await summary.click();
  }
  const rows = await section
    .locator('tbody tr')
    .evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.equal(rows.length, steps.length);
  const owners = [...new Set(steps.map(({ service }) => service))];
  const inOrder = owners.flatMap((owner) => steps.filter(({ service }) => service === owner));
  for (const [index, step] of inOrder.entries()) {
    const [name, value, formula, inputs, source, label] = rows[index];
    assert.ok(name.endsWith(step.name), `${name} is ${step.name}`);
    assert.ok(value.endsWith(step.unit), `${value} is in ${step.unit}`);
    assert.deepEqual([formula, source], [step.formula, step.source]);
    for (const input of Object.keys(step.inputs)) assert.ok(inputs.includes(input), `${name}: ${input}`);
    assert.equal(label, { ordered: 'Ordered', product_line: 'Product line', assumed: 'Assumed' }[step.label]);
  }
}

test('a what-if says by how much an alternative misses the SLA, that it is sold at a loss, and why each number', async () => {
  const answer = await calculate(LOAD);
  const [miss] = answer.misses;
  assert.ok(answer.margin_usd < 0);
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/what-if?callbot=50&response=120&availability=99.5`);
  const loss = `$${(-answer.margin_usd).toLocaleString('en')} a month below operator's cost`;
  await page.getByText(loss).waitFor();
  const one = (value) => `${value.toLocaleString('en', { maximumFractionDigits: 1 })} ms`;
  await page
    .getByRole('listitem')
    .filter({ hasText: miss.preset })
    .getByText(`${one(miss.expected)}: ${one(miss.over)} over the ${one(miss.target)} promised`)
    .waitFor();
  await assertExplained(page, answer.debug.explanation);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a Korean planner reads each number in Korean; only the signs of a formula stay', async () => {
  const korean = await startBrowser({ locale: 'ko-KR' });
  const foreign = /[A-Za-z]{3,}/;
  // Names of products and of measures, places in the catalog, and what a formula computes with.
  const signs =
    /(?<![A-Za-z_])(min|max|ceil|round|CPU|GPU|STT|TTS|NLP|AICM|SLA|Redis|MiB?|GiB?|TB|GB|USD|micro|small|medium|large|up_to_count|concurrent_users|devices)(?![A-Za-z_])/g;
  try {
    const { page } = await openPage(korean.context);
    const loads = [
      'callbot=50&chatbot=100&advisor=20&ta=10&qa=5&response=120&availability=99.9',
      'callbot=500&chatbot=3000&response=900&availability=99.9',
      'chatbot=20&plan=large&response=300&availability=99.5',
    ];
    for (const load of loads) {
      await page.goto(`${server.address}/#/demo/what-if?${load}`);
      const section = page.getByRole('region', { name: '숫자의 근거', exact: true });
      await section.waitFor();
      const cells = await section
        .locator('tbody tr')
        .evaluateAll((rows) =>
          rows.map((row) => [
            row.cells[0].firstChild.textContent,
            row.cells[1].textContent,
            row.cells[2].textContent,
            row.cells[3].textContent,
            row.cells[4].textContent.replaceAll(/카탈로그 [\w.*, ]+/g, ''),
            row.cells[5].textContent,
          ]),
        );
      assert.ok(cells.length > 20);
      const left = cells.flat().filter((text) => foreign.test(text.replaceAll(signs, '')));
      assert.deepEqual([...new Set(left)], [], load);
    }
  } finally {
    await korean.close();
  }
});

test("a tenant's sizing is explained by the same numbers, and anew after a change", async () => {
  await createTenant(server, 'explained', { ...LOAD, preset: undefined });
  const { page, complaints } = await openPage(browser.context);
  await page.goto(`${server.address}/#/demo/tenants/explained?tab=sizing`);
  const answer = await calculate(LOAD);
  await assertExplained(page, answer.debug.explanation);
  await page.getByRole('heading', { name: 'By how much alternatives miss the SLA' }).waitFor();
  await page.getByText("below operator's cost").waitFor();

  const service_requirements = { callbot: 20 };
  await call(server, 'PUT', '/tenants/explained', { service_requirements });
  const row = page.getByRole('row').filter({ hasText: 'voice_channels 20' });
  // No stream tells of a change by somebody else, so that the page's own turn must come.
  await row.first().waitFor({ timeout: 40_000 });
  await assertExplained(page, (await calculate({ ...LOAD, service_requirements })).debug.explanation);
  assert.deepEqual(complaints, []);
  await page.close();
});
