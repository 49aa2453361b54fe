// What a page shows of the server, and how old it is. It is read when the page opens, when something says that it
// changed (a stream, a write), when the machine wakes or the network comes back, and at times in between while
// the page is seen. What was read last stays on the page while the server is away.

import { noteFailure } from './session.svelte';

let now = $state(Date.now());
setInterval(() => {
  if (document.visibilityState === 'visible') now = Date.now();
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

const RETRY_MS = 2_000;

export class Live<T> {
  data = $state.raw<T | undefined>();
  error = $state.raw<unknown>();
  /** When `data` was read; 0 before. */
  at = $state(0);
  #load: (signal: AbortSignal) => Promise<T>;
  #everyMs: number;
  #abort: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;
  #wake = () => {
    if (document.visibilityState === 'visible') void this.refresh();
  };

  /** Must be made while a component starts, or in an effect that ends it. */
  constructor(load: (signal: AbortSignal) => Promise<T>, everyMs: number) {
    this.#load = load;
    this.#everyMs = everyMs;
    document.addEventListener('visibilitychange', this.#wake);
    window.addEventListener('online', this.#wake);
    void this.refresh();
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    document.removeEventListener('visibilitychange', this.#wake);
    window.removeEventListener('online', this.#wake);
  }

  /** Reads again; a read under way is given up for it. */
  async refresh(): Promise<void> {
    if (this.#ended) return;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    let again = this.#everyMs;
    try {
      const data = await this.#load(abort.signal);
      if (abort.signal.aborted) return;
      this.data = data;
      this.error = undefined;
      this.at = Date.now();
      reached = true;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error = error;
      const status = (error as { status?: number }).status ?? 0;
      if (status === 0) reached = false;
      if (noteFailure(error)) return;
      if (status === 0 || status >= 500) again = RETRY_MS;
    }
    if (this.#ended) return;
    this.#timer = setTimeout(this.#wake, again);
  }
}
