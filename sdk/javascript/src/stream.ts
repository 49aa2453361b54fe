// A WebSocket subscription that survives its connections. What differs between the three streams
// (first message, resuming, when it is over) is given by a `StreamKind`.

import { ECPError, errorFromResponse } from './errors.js';
import { backoff } from './http.js';
import type { SeenRevision } from './revision.js';

/** The part of the WebSocket interface that is used. */
export interface SocketLike {
  readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}
export type SocketFactory = (url: string, protocols: string[]) => SocketLike;

let defaultFactory: SocketFactory = (url, protocols) => {
  if (typeof WebSocket === 'undefined') {
    throw new Error(
      'There is no global WebSocket here: import the package by its name, or pass `webSocket`.',
    );
  }
  return new WebSocket(url, protocols) as unknown as SocketLike;
};

/** Chooses what makes WebSockets where the caller names nothing. */
export function setDefaultSocketFactory(factory: SocketFactory): void {
  defaultFactory = factory;
}

/** Makes a WebSocket in the way of this platform. */
export const openSocket: SocketFactory = (url, protocols) => defaultFactory(url, protocols);

/** Frames that were missed. */
export interface Gap {
  /** `sequence`: numbers are missing. `reconnect`: the stream cannot resume and was interrupted. `overflow`: the iterator was too slow. */
  reason: 'sequence' | 'reconnect' | 'overflow';
  /** Last number before the gap, and first one after it, where known. */
  after: number | undefined;
  before: number | undefined;
}

/** What a subscription accepts. */
export interface SubscribeOptions {
  /** Called when frames were missed. */
  onGap?: ((gap: Gap) => void) | undefined;
  /**
   * Called for error frames and failed connections; the subscription goes on. Where there is none, they go to
   * `console.warn`, of an outage the first.
   */
  onError?: ((error: unknown) => void) | undefined;
  /** Called whenever a connection is open; `reconnected` is false the first time. */
  onOpen?: ((info: { reconnected: boolean }) => void) | undefined;
  /**
   * Called once at the end, with the error where it did not end by itself or by `close()`. Where there is none, the
   * error of a subscription with a callback goes to `onError`, or else to `console.error`.
   */
  onClose?: ((error?: unknown) => void) | undefined;
  /** Closes the subscription. */
  signal?: AbortSignal | undefined;
  /** Pauses between connections, in milliseconds: doubling, with jitter. */
  reconnect?: { baseMs?: number | undefined; maxMs?: number | undefined } | undefined;
  /** Frames kept for a slow `for await`; the oldest go first. 1,000 where left out. */
  bufferSize?: number | undefined;
}

/** How one of the three streams behaves. */
export interface StreamKind<T> {
  /** Address of the next connection. */
  url: () => string;
  /** Sent when a connection opens. */
  hello?: unknown;
  /** True where the connection's end with code 1000 is the stream's end. */
  ends: boolean;
  /** `connection`: `seq` starts anew on each. `stream`: it goes on, and repeats are left out. */
  numbering: 'connection' | 'stream';
  /** True where an interruption loses frames that nothing brings back. */
  lossy: boolean;
  /** Sees each frame that is delivered. */
  seen?: (frame: T) => void;
  /** Names a frame, to recognise repeats. */
  key?: (frame: T) => string;
}

export interface StreamConfig {
  openSocket: SocketFactory;
  protocols: string[];
  connectTimeoutMs: number;
  fetch: typeof fetch;
  headers: Record<string, string>;
  revision: SeenRevision;
}

const REMEMBERED_FRAMES = 2_000;
const SILENCE_MS = 60_000;
/** Refusals that pass: too slow, too often, and that of the address itself, which is no plain read. */
const PASSING_STATUS = [408, 426, 429];

/** A running subscription: `close()` it, wait for `done`, or read it with `for await`. */
export class Subscription<T extends { seq: number }> implements AsyncIterable<T> {
  /** Settles when it is over; rejects where the server refuses the stream for good. */
  readonly done: Promise<void>;
  /** Frames that a slow `for await` lost. */
  dropped = 0;

  readonly #config: StreamConfig;
  readonly #kind: StreamKind<T>;
  readonly #options: SubscribeOptions;
  readonly #callback: ((frame: T) => void) | undefined;
  readonly #buffer: T[] = [];
  readonly #recent = new Set<string>();
  readonly #bufferSize: number;
  #wake: (() => void) | undefined;
  #socket: SocketLike | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #opened = false;
  #lastSeq: number | undefined;
  #ended = false;
  #error: unknown;
  #settle!: (error?: unknown) => void;

  /** @internal */
  constructor(
    config: StreamConfig,
    kind: StreamKind<T>,
    callback: ((frame: T) => void) | undefined,
    options: SubscribeOptions,
  ) {
    this.#config = config;
    this.#kind = kind;
    this.#callback = callback;
    this.#options = options;
    this.#bufferSize = Math.max(1, options.bufferSize ?? 1_000);
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Whoever does not wait for `done` is told by `onClose` or by the iterator.
    this.done.catch(() => undefined);
    if (options.signal?.aborted) this.#end();
    else {
      options.signal?.addEventListener('abort', this.#onAbort, { once: true });
      this.#connect();
    }
  }

  /** Ends the subscription; nothing is delivered afterwards. */
  close(): void {
    this.#buffer.length = 0;
    this.#end();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    try {
      for (;;) {
        const frame = this.#buffer.shift();
        if (frame !== undefined) yield frame;
        else if (this.#ended) break;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#error !== undefined) throw this.#error;
    } finally {
      this.close();
    }
  }

  readonly #onAbort = (): void => this.close();

  #connect(): void {
    let socket: SocketLike;
    try {
      socket = this.#config.openSocket(this.#kind.url(), this.#config.protocols);
    } catch (error) {
      this.#end(error);
      return;
    }
    this.#socket = socket;
    let open = false;
    let over = false;
    const lost = (code: number | undefined): void => {
      if (over || this.#ended) return;
      over = true;
      clearTimeout(this.#timer);
      clearTimeout(this.#silence);
      if (open && code === 1000 && this.#kind.ends) this.#end();
      else if (open) this.#reconnectLater();
      else void this.#handshakeFailed();
    };
    this.#timer = setTimeout(() => {
      lost(undefined);
      drop(socket);
    }, this.#config.connectTimeoutMs);
    socket.onopen = () => {
      if (over) return;
      clearTimeout(this.#timer);
      open = true;
      const reconnected = this.#opened;
      this.#opened = true;
      if (this.#kind.hello !== undefined) socket.send(JSON.stringify(this.#kind.hello));
      if (this.#kind.numbering === 'connection') {
        if (reconnected && this.#kind.lossy) this.#gap('reconnect', this.#lastSeq, undefined);
        this.#lastSeq = undefined;
      }
      this.#watchSilence(socket, () => lost(undefined));
      this.#guard(() => this.#options.onOpen?.({ reconnected }));
    };
    socket.onmessage = (event: { data: unknown }) => {
      if (!over && !this.#ended) this.#receive(String(event.data));
    };
    socket.onclose = (event: { code?: number }) => lost(event.code);
    // The close that follows decides what happens.
    socket.onerror = () => undefined;
  }

  /** Where pings can be seen (Node), a connection that is silent for long is taken for dead. */
  #watchSilence(socket: SocketLike, lost: () => void): void {
    const emitter = socket as { on?: (event: string, listener: () => void) => void };
    if (typeof emitter.on !== 'function') return;
    const renew = (): void => {
      clearTimeout(this.#silence);
      if (this.#ended) return;
      this.#silence = setTimeout(() => {
        lost();
        drop(socket);
      }, SILENCE_MS);
    };
    emitter.on('ping', renew);
    emitter.on('message', renew);
    renew();
  }

  #receive(text: string): void {
    let frame: (T & { error?: unknown; action?: string }) | undefined;
    try {
      frame = JSON.parse(text) as typeof frame;
    } catch {
      frame = undefined;
    }
    if (typeof frame !== 'object' || frame === null || typeof frame.seq !== 'number') {
      if (typeof frame === 'object' && frame !== null && 'error' in frame) this.#report(frameError(text));
      else this.#report(new ECPError('a frame is not what the API promises', { code: 'INVALID_RESPONSE' }));
      return;
    }
    this.#attempt = 0;
    if (!this.#isNew(frame)) return;
    if (this.#lastSeq !== undefined && frame.seq > this.#lastSeq + 1) {
      this.#gap('sequence', this.#lastSeq, frame.seq);
    }
    this.#lastSeq = Math.max(this.#lastSeq ?? frame.seq, frame.seq);
    if ('error' in frame) this.#report(frameError(text));
    else if (frame.action === undefined) this.#deliver(frame);
  }

  #isNew(frame: T): boolean {
    if (this.#kind.key === undefined) return true;
    const key = this.#kind.key(frame);
    if (this.#recent.has(key)) return false;
    this.#recent.add(key);
    if (this.#recent.size > REMEMBERED_FRAMES) {
      const oldest = this.#recent.values().next().value;
      if (oldest !== undefined) this.#recent.delete(oldest);
    }
    return true;
  }

  #deliver(frame: T): void {
    this.#kind.seen?.(frame);
    const callback = this.#callback;
    if (callback !== undefined) {
      this.#guard(() => callback(frame));
      return;
    }
    if (this.#buffer.length >= this.#bufferSize) {
      const lost = this.#buffer.shift();
      this.dropped++;
      this.#gap('overflow', lost?.seq, this.#buffer[0]?.seq ?? frame.seq);
    }
    this.#buffer.push(frame);
    this.#wake?.();
  }

  /** A browser hides why a handshake failed; the same address asked over HTTP says it. */
  async #handshakeFailed(): Promise<void> {
    try {
      const response = await this.#config.fetch(this.#kind.url().replace(/^ws/, 'http'), {
        headers: this.#config.headers,
        signal: AbortSignal.timeout(this.#config.connectTimeoutMs),
      });
      const text = await response.text();
      // With 426 the address is fine, and the WebSocket failed otherwise.
      if (!response.ok && response.status !== 426) {
        const error = errorFromResponse(response.status, response.headers, text);
        this.#config.revision.forgetWhereUnreached(error);
        const passes = response.status >= 500 || PASSING_STATUS.includes(response.status);
        // What others between say is no word of the server's.
        if (!passes && text.includes('"error"')) return this.#end(error);
        this.#report(error);
      }
    } catch (error) {
      this.#report(error);
    }
    if (!this.#ended) this.#reconnectLater();
  }

  #reconnectLater(): void {
    const { baseMs = 500, maxMs = 30_000 } = this.#options.reconnect ?? {};
    const pause = backoff(this.#attempt++, { baseMs: baseMs ?? 500, maxMs: maxMs ?? 30_000 });
    this.#timer = setTimeout(() => this.#connect(), pause);
  }

  #gap(reason: Gap['reason'], after: number | undefined, before: number | undefined): void {
    this.#guard(() => this.#options.onGap?.({ reason, after, before }));
  }

  #report(error: unknown): void {
    if (this.#ended) return;
    const { onError } = this.#options;
    if (onError !== undefined) this.#guard(() => onError(error));
    else if (this.#attempt === 0)
      console.warn(`ecp-orchestrator: a subscription goes on after ${String(error)}`);
  }

  /** Nobody may be waiting for the end of a subscription with a callback. */
  #over(error: unknown): void {
    const { onClose, onError } = this.#options;
    if (onClose !== undefined) this.#guard(() => onClose(error));
    else if (error === undefined || this.#callback === undefined) return;
    else if (onError !== undefined) this.#guard(() => onError(error));
    else console.error('ecp-orchestrator: a subscription ended:', error);
  }

  /** A callback that throws must not take the stream down; the platform reports it as uncaught. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    if (this.#socket !== undefined) drop(this.#socket);
    this.#settle(error);
    this.#over(error);
    this.#wake?.();
  }
}

function frameError(text: string): ECPError {
  return errorFromResponse(400, new Headers(), text);
}

function drop(socket: SocketLike): void {
  try {
    socket.close(1000);
  } catch {
    // A socket that never opened may refuse to close; it is forgotten either way.
  }
}
