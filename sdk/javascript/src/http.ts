// One HTTP exchange with its time limit and retries. Knows nothing of the operations.

import {
  ConnectionError,
  ECPError,
  ECPTimeoutError,
  InvalidResponseError,
  errorFromResponse,
} from './errors.js';
import type { SeenRevision } from './revision.js';

/** When and how often a call is repeated. Only reads, and writes with an idempotency key, ever are. */
export interface RetryPolicy {
  /** Repetitions after the first attempt; 0 turns them off. */
  retries: number;
  /** First pause, in milliseconds; it doubles, with jitter. */
  baseMs: number;
  /** Longest pause, in milliseconds. A longer `Retry-After` ends the retries. */
  maxMs: number;
}

/** Told a text for people, and what it is about (such as `UNKNOWN_NAME`) where the server says so. */
export type WarningListener = (text: string, code: string | undefined) => void;

/** What every call accepts. */
export interface RequestOptions {
  /** Ends the call with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Time of the whole call, in milliseconds, retries and their pauses included, instead of the client's. */
  timeoutMs?: number | undefined;
  /** Sent as `X-Request-ID`, to find the call in the server's log. */
  requestId?: string | undefined;
  /** Asks for a `debug` object in the answer. */
  debug?: boolean | undefined;
  /** Shown status and headers of the answer, such as `etag`. */
  onResponse?: ((response: { status: number; headers: Headers }) => void) | undefined;
  /** Told what the server wants said beside this call's answer, instead of the client's `onWarning`. */
  onWarning?: WarningListener | undefined;
}

/** One call, as the operations describe it. */
export interface Call {
  method: string;
  path: string;
  query?: Record<string, string | number | boolean | readonly string[] | undefined>;
  body?: unknown;
  headers?: Record<string, string | undefined>;
  /** True where asking again can change nothing. */
  repeatable: boolean;
  options?: RequestOptions | undefined;
}

export interface TransportConfig {
  headers: Record<string, string>;
  timeoutMs: number;
  retry: RetryPolicy;
  fetch: typeof fetch;
  onWarning: WarningListener;
  revision: SeenRevision;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

/** Sends a call and answers its text, or throws an `ECPError`. */
export async function send(config: TransportConfig, base: string, call: Call): Promise<Answer> {
  const limitMs = call.options?.timeoutMs ?? config.timeoutMs;
  const until = performance.now() + limitMs;
  for (let attempt = 0; ; attempt++) {
    let answer: Answer;
    try {
      answer = await exchange(config, base, call, until, limitMs);
    } catch (error) {
      const pause = call.repeatable ? pauseBeforeRetry(error, attempt, config.retry) : undefined;
      // A pause that does not fit in what is left is not begun.
      if (pause === undefined || performance.now() + pause >= until) throw error;
      await sleep(pause, call.options?.signal);
      continue;
    }
    call.options?.onResponse?.({ status: answer.status, headers: answer.headers });
    const told = call.options?.onWarning ?? config.onWarning;
    for (const { text, code } of warningsOf(answer.headers)) told(text, code);
    return answer;
  }
}

/**
 * What an answer warns of: the text, and what it is about (such as `UNKNOWN_NAME`) where the server says so. Where
 * others between added warnings of their own, nothing says which code is whose.
 */
export function warningsOf(headers: Headers): { text: string; code: string | undefined }[] {
  const texts = warningTexts(headers);
  const codes = headers.get('x-warning-code')?.split(',') ?? [];
  const paired = codes.length === texts.length;
  return texts.map((text, place) => ({ text, code: paired ? codes[place]?.trim() : undefined }));
}

/** The texts of `Warning` headers, of which one line can hold several. */
export function warningTexts(headers: Headers): string[] {
  const line = headers.get('warning');
  if (line === null) return [];
  const found = [...line.matchAll(/\d{3} \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) =>
    text.replace(/\\(?:u\{([0-9a-f]{1,6})\}|(.))/gi, (escape, code?: string, character?: string) => {
      if (character !== undefined) return character;
      const point = parseInt(code ?? '', 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : escape;
    }),
  );
  return found.length > 0 ? found : [line];
}

/** Sends a call and gives its answer line by line, as it comes; it has no time limit. */
export async function* followLines(
  config: TransportConfig,
  base: string,
  call: Call,
): AsyncGenerator<string, void, undefined> {
  const controller = new AbortController();
  const signal = call.options?.signal;
  const abort = () => controller.abort();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const headers = new Headers({ ...config.headers, accept: 'text/plain, application/json;q=0.9' });
    showRevision(config, call, headers);
    const response = await config.fetch(base + call.path + queryString(call.query), {
      method: call.method,
      headers,
      signal: controller.signal,
    });
    if (!response.ok) throw refusal(config, response, await response.text());
    const told = call.options?.onWarning ?? config.onWarning;
    for (const { text, code } of warningsOf(response.headers)) told(text, code);
    const decoder = new TextDecoder();
    let rest = '';
    const reader = response.body?.getReader();
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
    if (rest !== '') yield rest;
  } finally {
    signal?.removeEventListener('abort', abort);
    // Whoever stops reading ends the request.
    controller.abort();
  }
}

/** Sends a call and reads its answer as JSON. */
export async function sendJson<T>(config: TransportConfig, base: string, call: Call): Promise<T> {
  const answer = await send(config, base, call);
  try {
    const value: unknown = JSON.parse(answer.text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as T;
  } catch {
    // Reported below, together with JSON that is no object.
  }
  throw new InvalidResponseError(`${call.method} ${call.path}: the answer is not a JSON object`, {
    code: 'INVALID_RESPONSE',
    status: answer.status,
    requestId: answer.headers.get('x-request-id') ?? undefined,
    details: { body: answer.text.slice(0, 200) },
  });
}

async function exchange(
  config: TransportConfig,
  base: string,
  call: Call,
  until: number,
  limitMs: number,
): Promise<Answer> {
  const options = call.options ?? {};
  options.signal?.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    abort();
  }, until - performance.now());
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    const headers = new Headers({
      ...config.headers,
      accept: 'application/json, application/yaml, text/*;q=0.9',
    });
    for (const [name, value] of Object.entries(call.headers ?? {})) {
      if (value !== undefined) headers.set(name, value);
    }
    if (options.requestId !== undefined) headers.set('x-request-id', options.requestId);
    if (options.debug) headers.set('x-debug', 'true');
    showRevision(config, call, headers);
    if (call.body !== undefined) headers.set('content-type', 'application/json');
    const response = await config.fetch(base + call.path + queryString(call.query), {
      method: call.method,
      headers,
      signal: controller.signal,
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    const text = await response.text();
    config.revision.note(response.headers);
    if (!response.ok) throw refusal(config, response, text);
    return { status: response.status, headers: response.headers, text };
  } catch (error) {
    if (error instanceof ECPError) throw error;
    options.signal?.throwIfAborted();
    const what = `${call.method} ${call.path}`;
    if (late) {
      throw new ECPTimeoutError(`${what}: no answer within ${limitMs} ms`, {
        code: 'TIMEOUT',
        cause: error,
      });
    }
    throw new ConnectionError(`${what}: ${describe(error)}`, { code: 'CONNECTION_ERROR', cause: error });
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', abort);
  }
}

function showRevision(config: TransportConfig, call: Call, headers: Headers): void {
  const { shown } = config.revision;
  if (call.method === 'GET' && shown !== undefined) headers.set('x-revision', shown);
}

function refusal(config: TransportConfig, response: Response, text: string): ECPError {
  const error = errorFromResponse(response.status, response.headers, text);
  config.revision.forgetWhereUnreached(error);
  return error;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== ''
    ? `${error.message} (${error.cause.message})`
    : error.message;
}

/** True where the same call may succeed a moment later. */
export function isTransient(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof ECPError && [429, 503].includes(error.status));
}

function pauseBeforeRetry(error: unknown, attempt: number, policy: RetryPolicy): number | undefined {
  if (attempt >= policy.retries || !isTransient(error)) return undefined;
  const asked = error instanceof ECPError ? error.retryAfterMs : undefined;
  if (asked === undefined) return backoff(attempt, policy);
  return asked <= policy.maxMs ? asked : undefined;
}

/** A pause that doubles with each attempt, half of it random, so that many clients do not return at once. */
export function backoff(attempt: number, policy: { baseMs: number; maxMs: number }): number {
  const full = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(attempt, 30));
  return full / 2 + (Math.random() * full) / 2;
}

/** Resolves after the pause, or rejects with the signal's reason. */
export function sleep(ms: number, signal?: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function queryString(query: Call['query']): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) params.set(name, Array.isArray(value) ? value.join(',') : String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}
