// Ranges and series of the charts, and what is shown of a range.

import type { Span } from './drawing';

export const RANGES = { '1': '1m', '6': '1m', '24': '5m', '168': '1h', '720': '1h' } as const;
export type Hours = keyof typeof RANGES;
export const HOURS = Object.keys(RANGES).sort((a, b) => Number(a) - Number(b)) as Hours[];
export const SECONDS = { '1m': 60, '5m': 300, '1h': 3600 };

export const SERIES = [
  { name: 'response_time', unit: 'ms', colour: '--chart-1' },
  { name: 'gpu', unit: '%', colour: '--chart-2' },
  { name: 'cpu', unit: '%', colour: '--chart-3' },
  { name: 'memory', unit: '%', colour: '--chart-4' },
  { name: 'error_rate', unit: '%', colour: '--chart-3' },
  { name: 'request_count', unit: '', colour: '--chart-1' },
] as const;

export function hoursOf(text: string | undefined): Hours {
  return HOURS.find((hours) => hours === text) ?? '24';
}

/** The span that an address names, kept within the range that was read. */
export function zoomOf(text: string | undefined, range: Span): Span | undefined {
  const [from, to] = (text ?? '').split('-').map(Number);
  if (!from || !to || to - from < 1) return undefined;
  const start = Math.max(from, range.start);
  const end = Math.min(to, range.end);
  return end - start < 1 ? undefined : { start, end };
}

export function zoomText(span: Span | undefined): string | undefined {
  return span === undefined ? undefined : `${Math.round(span.start)}-${Math.round(span.end)}`;
}

/** A span moved by a part of itself and made longer or shorter by a factor, kept within the range. */
export function moved(span: Span, range: Span, by: number, factor: number): Span | undefined {
  const length = Math.min((span.end - span.start) * factor, range.end - range.start);
  const middle = (span.start + span.end) / 2 + by * (span.end - span.start);
  const start = Math.min(Math.max(middle - length / 2, range.start), range.end - length);
  return length >= (range.end - range.start) * 0.999 ? undefined : { start, end: start + length };
}
