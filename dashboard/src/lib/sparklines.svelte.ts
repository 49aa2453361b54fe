// A day of response times for each tenant that is on the screen, read a few at a time and kept for a while.

import type { ECPClient } from '@ecp-ai/orchestrator-client';
import { SvelteMap } from 'svelte/reactivity';

const HOURS = 24;
const HOUR_MS = 3_600_000;
const FRESH_MS = 300_000;
const AT_ONCE = 3;

/** A value for each hour of a day, oldest first; null where nothing was measured. */
export type Day = readonly (number | null)[];

export class Sparklines {
  readonly days = new SvelteMap<string, Day>();
  #client: ECPClient;
  #readAt = new Map<string, number>();
  #wanted: string[] = [];
  #running = 0;
  #abort = new AbortController();

  constructor(client: ECPClient) {
    this.#client = client;
  }

  /** Says which tenants are seen; what is no longer wanted is not read. */
  want(ids: readonly string[]): void {
    const now = Date.now();
    this.#wanted = ids.filter((id) => now - (this.#readAt.get(id) ?? 0) > FRESH_MS);
    this.#next();
  }

  end(): void {
    this.#wanted = [];
    this.#abort.abort();
  }

  #next(): void {
    while (this.#running < AT_ONCE) {
      const id = this.#wanted.shift();
      if (id === undefined) return;
      this.#readAt.set(id, Date.now());
      this.#running += 1;
      void this.#read(id).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #read(id: string): Promise<void> {
    try {
      const { metrics, time_range } = await this.#client.getMonitoring(
        id,
        { metricType: 'response_time', hours: HOURS, interval: '1h' },
        { signal: this.#abort.signal },
      );
      const end = Date.parse(time_range.end);
      const day: (number | null)[] = Array.from({ length: HOURS }, () => null);
      for (const { timestamp, value } of metrics.response_time ?? []) {
        const index = HOURS - Math.ceil((end - Date.parse(timestamp)) / HOUR_MS);
        if (index >= 0 && index < HOURS) day[index] = value;
      }
      this.days.set(id, day);
    } catch {
      // The table says that the server is away; this one is asked for again when it is seen again.
      this.#readAt.delete(id);
    }
  }
}
