// The language of the page, and its texts. Numbers and times are written as the language writes them.

import en from '../messages/en.json';
import ko from '../messages/ko.json';

export type Language = 'ko' | 'en';
export type Key = keyof typeof ko;

const MESSAGES: Record<Language, Record<Key, string>> = { ko, en };
const STORED = 'ecp.language';

function initial(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === 'ko' || stored === 'en') return stored;
  return navigator.language.toLowerCase().startsWith('ko') ? 'ko' : 'en';
}

let language = $state<Language>(initial());

export const locale = {
  get language() {
    return language;
  },
  set(next: Language) {
    language = next;
    localStorage.setItem(STORED, next);
  },
};

/** The text of a key, its `{placeholders}` filled. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return MESSAGES[language][key].replace(/\{(\w+)\}/g, (whole, name: string) =>
    String(values[name] ?? whole),
  );
}

/** The text for a word of the API, or the word itself where the page knows none. */
export function word(group: string, name: string): string {
  const key = `${group}.${name}`;
  return key in MESSAGES[language] ? MESSAGES[language][key as Key] : name;
}

/** Formats that were used before: to make one takes longer than to use it a hundred times. */
const formats = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>();
function format<T extends Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>(
  name: string,
  make: (language: Language) => T,
): T {
  const key = `${language} ${name}`;
  const known = formats.get(key) ?? make(language);
  formats.set(key, known);
  return known as T;
}

export function number(value: number, digits = 0): string {
  const options = { maximumFractionDigits: digits };
  return format(`number ${digits}`, (language) => new Intl.NumberFormat(language, options)).format(value);
}

/** Money in whole units, or with what the currency has below them. */
export function money(value: number, currency = 'USD', digits?: number): string {
  const options = {
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
    ...(digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  } as const;
  const name = `money ${currency} ${digits}`;
  return format(name, (language) => new Intl.NumberFormat(language, options)).format(value);
}

/** Cores of a quantity in thousandths, such as `24000m`; another text as it is. */
export function cores(text: string): string {
  const thousandths = /^(\d+)m$/.exec(text)?.[1];
  return thousandths === undefined ? text : number(Number(thousandths) / 1000, 3);
}

/** An amount of a resource as it is read: of CPU, cores; of the others, as the API writes it. */
export function amount(name: string, value: string | number | undefined): string | number | undefined {
  return name === 'cpu' && typeof value === 'string' ? cores(value) : value;
}

export function dollars(value: number): string {
  return money(value, 'USD', 0);
}

/** Dollars a month as the API writes them, such as `$12237/month`; another text as it is. */
export function monthly(text: string): string {
  const amount = /^\$(\d+)\/month$/.exec(text)?.[1];
  return amount === undefined ? text : t('money.monthly', { amount: dollars(Number(amount)) });
}

/** A time on the clock of who reads it. */
export function clock(time: string): string {
  const options = { dateStyle: 'medium', timeStyle: 'medium' } as const;
  return format('clock', (language) => new Intl.DateTimeFormat(language, options)).format(new Date(time));
}

/** How long ago, in the largest unit that fits. */
export function ago(time: string | number, now: number): string {
  const seconds = Math.round((new Date(time).getTime() - now) / 1000);
  const options = { numeric: 'always', style: 'short' } as const;
  const relative = format('ago', (language) => new Intl.RelativeTimeFormat(language, options));
  for (const [unit, size] of [
    ['year', 31_536_000],
    ['month', 2_592_000],
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
  ] as const) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  // A negative zero is past, which is what this is asked about.
  return relative.format(seconds === 0 ? -0 : seconds, 'second');
}
