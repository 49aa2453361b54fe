// The two languages say the same things, of the same values.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

const source = new URL('../src/', import.meta.url);
const read = (language) => JSON.parse(readFileSync(new URL(`messages/${language}.json`, source), 'utf8'));
const [ko, en] = [read('ko'), read('en')];
const placeholders = (text) => (text.match(/\{\w+\}/g) ?? []).sort();

test('both languages have the same keys in the same order', () => {
  assert.deepEqual(Object.keys(ko), Object.keys(en));
});

test('both languages name the same values in each text, and none is empty', () => {
  for (const key of Object.keys(ko)) {
    assert.deepEqual(placeholders(ko[key]), placeholders(en[key] ?? ''), key);
    assert.ok(ko[key].trim() !== '' && en[key].trim() !== '', key);
  }
});

test('every text is used', () => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(svelte|ts)$/.test(name),
  );
  const code = files.map((name) => readFileSync(new URL(name, source), 'utf8')).join('\n');
  // Groups whose names come from the API or from a list of the page.
  const groups = [
    'status',
    'severity',
    'kind',
    'health',
    'nav',
    'mode',
    'app.role',
    'service',
    'phase',
    'action',
    'cause',
    'metric',
    'node',
    'alerts.state',
    'tenant.tab',
    'alerts.tab',
    'capacity.tab',
    'silence.hours',
    'silences.state',
    'type',
    'receiver.kind',
    'delivery',
    'verdict',
    'audit',
    'outcome',
    'state',
    'figure',
    'label',
    'step',
    'changes.when',
    'changes.group',
    'unit',
    'units',
    'charts.hours',
  ];
  for (const key of Object.keys(ko)) {
    const grouped = groups.some((group) => key.startsWith(`${group}.`));
    assert.ok(grouped || code.includes(`'${key}'`), `${key} is used nowhere`);
  }
});
