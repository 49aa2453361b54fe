// The words of a sizing's explanation in the language of the page. The server says them in English; what it says that
// is not known here stays as it is.

import type { SizingStep } from '@ecp-ai/orchestrator-client';
import words from '../messages/sizing.ko.json';
import { locale, word } from './i18n.svelte';

type Words = Record<string, string>;
const [UNITS, TERMS, TEXTS]: Words[] = [words.unit, words.term, words.text];

export interface Said {
  text: string;
  /** The language that it is in, for who reads it aloud. */
  lang: 'ko' | 'en';
}

const known = (of: Words | undefined, name: string) => (of && Object.hasOwn(of, name) ? of[name] : undefined);
const isKorean = () => locale.language === 'ko';

/** The name of a figure that goes into a formula. */
export function termOf(name: string): string {
  return isKorean() ? (known(TERMS, name) ?? word('service', name)) : name;
}

export function unitOf(unit: string): string {
  return isKorean() ? (known(UNITS, unit) ?? unit) : unit;
}

export function formulaOf({ kind, formula }: Pick<SizingStep, 'kind' | 'formula'>): Said {
  if (!isKorean()) return { text: formula, lang: 'en' };
  if (kind !== 'formula') {
    const text = known(TEXTS, formula);
    return text === undefined ? { text: formula, lang: 'en' } : { text, lang: 'ko' };
  }
  const text = formula
    .replaceAll(/[A-Za-z_]\w*/g, termOf)
    .replaceAll(' * ', ' × ')
    .replaceAll(' / ', ' ÷ ');
  return { text, lang: 'ko' };
}

/** What is said of one part of a source: a place in the catalog and what is said of it, or a sentence. */
function partOf(part: string): string | undefined {
  const [, place, said, day] = /^catalog ([^:]+)(?:: (.*?)(?:, (\d{4}-\d{2}-\d{2}))?)?$/.exec(part) ?? [];
  if (place === undefined) return known(TEXTS, part);
  if (said === undefined) return `카탈로그 ${place}`;
  return `카탈로그 ${place}: ${known(TEXTS, said) ?? said}${day === undefined ? '' : `, ${day}`}`;
}

export function sourceOf(source: string): Said {
  if (!isKorean()) return { text: source, lang: 'en' };
  const parts = source.split('; ').map(partOf);
  return parts.every((part) => part !== undefined)
    ? { text: parts.join('; '), lang: 'ko' }
    : { text: source, lang: 'en' };
}
