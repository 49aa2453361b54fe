// Sends samples in the background: batches, a bounded queue, and a count of what did not fit.

import type { ECPClient } from './client.js';
import { ECPError } from './errors.js';
import { backoff, isTransient, sleep } from './http.js';
import type { Metrics, Sample } from './models.js';

/** What a sender accepts. */
export interface MetricsSenderOptions {
  /** Samples of one request. 500 where left out, 10,000 at most. */
  batchSize?: number | undefined;
  /** Longest time a sample waits for its batch, in milliseconds. 1,000 where left out. */
  flushIntervalMs?: number | undefined;
  /** Samples kept at most; the oldest go first. 10,000 where left out. */
  maxQueue?: number | undefined;
  /** Called when a batch was refused or an attempt failed. */
  onError?: ((error: unknown) => void) | undefined;
}

const MAX_BATCH = 10_000;

/**
 * Collects samples of one tenant and sends them in batches. `add` never waits and never throws. Samples carry
 * their time, and the same time again replaces a sample, so a batch is sent again safely until it is stored.
 */
export class MetricsSender {
  /** Samples stored by the server. */
  sent = 0;
  /** Samples given up: the queue was full, the server refused them, or the sender was closed. */
  dropped = 0;

  readonly #client: ECPClient;
  readonly #tenantId: string;
  readonly #batchSize: number;
  readonly #flushIntervalMs: number;
  readonly #maxQueue: number;
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #stop = new AbortController();
  #queue: Sample[] = [];
  #inFlight = 0;
  /** Samples that were taken since the beginning, and how many of them came before those in flight. */
  #added = 0;
  #flightStart = 0;
  #flushes: { target: number; resolve: () => void }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | undefined;
  #lastMs = 0;
  #closed = false;

  constructor(client: ECPClient, tenantId: string, options: MetricsSenderOptions = {}) {
    this.#client = client;
    this.#tenantId = tenantId;
    this.#batchSize = Math.min(MAX_BATCH, Math.max(1, options.batchSize ?? 500));
    this.#flushIntervalMs = options.flushIntervalMs ?? 1_000;
    this.#maxQueue = Math.max(1, options.maxQueue ?? 10_000);
    this.#onError = options.onError;
  }

  /** Samples that wait or are on their way. */
  get pending(): number {
    return this.#queue.length + this.#inFlight;
  }

  /** Takes a sample; without `timestamp` it is now. Answers false where a sample had to be dropped for it. */
  add(metrics: Metrics, timestamp?: Date | string): boolean {
    if (this.#closed) {
      this.dropped++;
      return false;
    }
    this.#queue.push({ timestamp: this.#stamp(timestamp), metrics });
    this.#added++;
    const full = this.#trim();
    if (this.#queue.length >= this.#batchSize) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), this.#flushIntervalMs);
    return !full;
  }

  /** Resolves when everything added so far is stored or given up. */
  async flush(): Promise<void> {
    const target = this.#added;
    if (this.#dealtWith >= target) return;
    const done = new Promise<void>((resolve) => this.#flushes.push({ target, resolve }));
    this.#start();
    await done;
  }

  /** Sends what waits, for at most `timeoutMs` (5,000 where left out), and ends the sender. */
  async close(options: { timeoutMs?: number } = {}): Promise<void> {
    this.#closed = true;
    const timer = setTimeout(() => this.#stop.abort(), options.timeoutMs ?? 5_000);
    await this.flush();
    clearTimeout(timer);
    clearTimeout(this.#timer);
  }

  /** Two samples of the same millisecond would replace each other: the later one moves on by one. */
  #stamp(timestamp: Date | string | undefined): string {
    if (typeof timestamp === 'string') return timestamp;
    if (timestamp !== undefined) return timestamp.toISOString();
    this.#lastMs = Math.max(Date.now(), this.#lastMs + 1);
    return new Date(this.#lastMs).toISOString();
  }

  #trim(): boolean {
    const excess = this.#queue.length + this.#inFlight - this.#maxQueue;
    if (excess <= 0) return false;
    this.dropped += this.#queue.splice(0, excess).length;
    return true;
  }

  /** So many of the samples, from the first on, are stored or given up; what goes first is the oldest. */
  get #dealtWith(): number {
    return this.#inFlight > 0 ? this.#flightStart : this.#added - this.#queue.length;
  }

  #endFlushes(): void {
    const over = this.#flushes.filter(({ target }) => target <= this.#dealtWith);
    this.#flushes = this.#flushes.filter(({ target }) => target > this.#dealtWith);
    for (const { resolve } of over) resolve();
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
      // Added between the last batch and now.
      if (this.#flushes.length > 0) this.#start();
      else if (this.#queue.length > 0) this.#timer ??= setTimeout(() => this.#start(), this.#flushIntervalMs);
    });
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      this.#flightStart = this.#added - this.#queue.length;
      const batch = this.#queue.splice(0, this.#batchSize);
      this.#inFlight = batch.length;
      const stored = await this.#store(batch);
      this.#inFlight = 0;
      if (stored) this.sent += batch.length;
      else this.dropped += batch.length;
      this.#endFlushes();
    }
  }

  async #store(batch: Sample[]): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#client.sendMetrics(this.#tenantId, { samples: batch }, { signal: this.#stop.signal });
        return true;
      } catch (error) {
        this.#report(error);
        const again = isTransient(error) || (error instanceof ECPError && error.code === 'TIMEOUT');
        if (!again || this.#stop.signal.aborted) return false;
        const asked = error instanceof ECPError ? error.retryAfterMs : undefined;
        const pause = asked ?? backoff(attempt, { baseMs: 200, maxMs: 10_000 });
        try {
          await sleep(pause, this.#stop.signal);
        } catch {
          return false;
        }
      }
    }
  }

  #report(error: unknown): void {
    try {
      this.#onError?.(error);
    } catch {
      // A report that fails must not stop the sender.
    }
  }
}
