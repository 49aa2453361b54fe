// Something that is asked for by a button: whether it is under way, and why it did not come about.

import { noteFailure, textOf } from './session.svelte';

export class Work {
  busy = $state(false);
  fault = $state('');

  /** Does it, and says what went wrong; a token that is no longer taken is asked for anew. */
  async run(work: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.fault = '';
    try {
      await work();
    } catch (error) {
      if (!noteFailure(error)) this.fault = textOf(error);
    } finally {
      this.busy = false;
    }
  }
}
