// What a client has written it reads, whichever replica answers.

import type { ECPError } from './errors.js';

/** The newest revision that an answer named; reads ask for nothing older. */
export class SeenRevision {
  #newest: bigint | undefined;

  /** Shown by reads; nothing before the first write. */
  get shown(): string | undefined {
    return this.#newest?.toString();
  }

  /** Remembers the revision that an answer names. */
  note(headers: Headers): void {
    const text = headers.get('x-revision');
    if (text === null || !/^\d{1,20}$/.test(text)) return;
    const revision = BigInt(text);
    if (this.#newest === undefined || revision > this.#newest) this.#newest = revision;
  }

  /** A server that cannot get there, such as one that was restored from a backup, is not asked for it again. */
  forgetWhereUnreached(error: ECPError): void {
    if (error.status === 503 && error.details.revision !== undefined) this.#newest = undefined;
  }
}
