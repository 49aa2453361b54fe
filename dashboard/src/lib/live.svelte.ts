// What a page shows of the server, and how old it is. It is read when the page opens, when something says that it
// changed (a stream, a write), when the machine wakes or the network comes back, and at times in between while
// the page is seen: seldom while a stream says what changes, for what no stream tells. What was read last stays on the
// page while the server is away.

import { onDestroy, untrack } from 'svelte';
import { noteFailure } from './session.svelte';
import { onWake, seen, wake } from './wake';

let now = $state(Date.now());
setInterval(() => {
  if (seen()) now = Date.now();
}, 1000);

/** The clock of everything that says how old it is. */
export const time = {
  get now() {
    return now;
  },
};

/** Whether the newest answer of the server came through. */
let reached = $state(true);
export const connection = {
  get reached() {
    return reached;
  },
};

function note(came: boolean): void {
  if (came === reached) return;
  reached = came;
  // Streams of before may be open in name alone.
  if (came) wake();
}

/** How often that is read which no stream tells, such as what others change. */
export const UNTOLD_MS = 5_000;
const RETRY_MS = 2_000;
const SOON_MS = 150;

export class Live<T> {
  data = $state.raw<T | undefined>();
  error = $state.raw<unknown>();
  /** When `data` was read, or a stream brought something of it; 0 before. */
  at = $state(0);
  /** True while a stream says what changes. */
  streaming = $state(false);
  #load: (signal: AbortSignal) => Promise<T>;
  #everyMs: number;
  #streamedMs: number;
  #abort: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #reading = false;
  /** What a stream brought while a read was under way, oldest first. */
  #brought: { by(data: T): T }[] = [];
  #again = false;
  #ended = false;
  #unlisten: () => void;
  #look = () => {
    if (seen()) void this.refresh();
  };

  /** Must be made while a component starts, or in an effect that ends it. */
  constructor(load: (signal: AbortSignal) => Promise<T>, everyMs: number, streamedMs = everyMs) {
    this.#load = load;
    this.#everyMs = everyMs;
    this.#streamedMs = streamedMs;
    this.#unlisten = onWake(() => this.soon());
    void this.refresh();
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#soon);
    this.#abort?.abort();
    this.#unlisten();
  }

  /** Reads again in a moment, however often it is asked; a read under way is let finish first. */
  soon(inMs = SOON_MS): void {
    if (this.#ended) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      if (this.#reading) this.#again = true;
      else this.#look();
    }, inMs);
  }

  /** Reads again soon after a change, and not more often than once in `leastMs` however many changes there are. */
  changed(inMs: number, leastMs: number): void {
    this.soon(Math.max(inMs, leastMs - (Date.now() - this.at)));
  }

  /**
   * Puts in place what a stream or a write brought. The answer of a read under way may be older than that, so that it
   * is put into the answer as well.
   */
  change(by: (data: T) => T): void {
    if (this.#reading) this.#brought.push({ by });
    else if (this.data === undefined) this.soon();
    if (this.data !== undefined) this.#set(by(this.data));
  }

  #set(data: T): void {
    this.data = data;
    this.at = Date.now();
  }

  /** Reads again; a read under way is given up for it. */
  async refresh(): Promise<void> {
    if (this.#ended) return;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.#reading = true;
    this.#brought = [];
    this.#again = false;
    let failedMs: number | undefined;
    try {
      const data = await this.#load(abort.signal);
      if (abort.signal.aborted) return;
      this.#set(this.#brought.reduce<T>((known, { by }) => by(known), data));
      this.error = undefined;
      note(true);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error = error;
      const status = (error as { status?: number }).status ?? 0;
      note(status !== 0);
      if (noteFailure(error)) return;
      if (status === 0 || status >= 500) failedMs = RETRY_MS;
    } finally {
      if (this.#abort === abort) this.#reading = false;
    }
    if (this.#ended) return;
    if (this.#again) this.soon();
    const calmMs = this.streaming ? this.#streamedMs : this.#everyMs;
    this.#timer = setTimeout(this.#look, failedMs ?? calmMs);
  }
}

/** Reads again when what is asked for changes. To be called while a component starts. */
export function askedAnew(live: Live<unknown>, what: () => unknown): void {
  let asked: string | undefined;
  $effect(() => {
    const now = JSON.stringify(what()) ?? '';
    if (asked !== undefined && asked !== now) void live.refresh();
    asked = now;
  });
}

/**
 * Reads `live`, which is long, again when a short question is answered otherwise than before, not more often than once
 * in `leastMs`. To be called while a component starts.
 */
export function glance(
  live: Live<unknown>,
  ask: (signal: AbortSignal) => Promise<unknown>,
  leastMs: number,
): void {
  const short = untrack(() => new Live(ask, UNTOLD_MS));
  onDestroy(() => short.end());
  let answered: string | undefined;
  $effect(() => {
    // That there is nothing such any more is an answer, too; a server that is away is noticed by `live` itself.
    const { status = 0 } = (short.error ?? {}) as { status?: number };
    const refused = status === 403 || status === 404 ? status : undefined;
    if (short.data === undefined && refused === undefined) return;
    const now = JSON.stringify([short.data, refused]);
    if (answered !== undefined && answered !== now) live.changed(0, leastMs);
    answered = now;
  });
}
