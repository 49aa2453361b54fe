// One stream for what is on the screen: open while the page is seen, opened anew when the machine or the network wakes.

import type { SubscribeOptions } from '@ecp-ai/orchestrator-client';
import type { Live } from './live.svelte';
import { noteFailure } from './session.svelte';
import { onWake, seen } from './wake';

const RECONNECT = { baseMs: 500, maxMs: 5_000 };

/**
 * Keeps `live` current by a stream until what is returned is called. Whenever the stream opens, `live` is read again,
 * for what was missed.
 */
export function follow(
  live: Live<unknown>,
  subscribe: (options: SubscribeOptions) => { close(): void },
): () => void {
  let subscription: { close(): void } | undefined;
  const close = () => {
    const open = subscription;
    subscription = undefined;
    live.streaming = false;
    open?.close();
  };
  const open = () => {
    close();
    if (!seen()) return;
    // It may end before it is given back.
    let mine: { close(): void } | undefined;
    mine = subscribe({
      reconnect: RECONNECT,
      onOpen: () => {
        live.streaming = true;
        live.soon();
      },
      // Whether the server is there at all is said by a read.
      onError: () => {
        live.streaming = false;
        live.soon();
      },
      onClose: (error) => {
        if (subscription !== mine) return;
        live.streaming = false;
        if (error === undefined || !noteFailure(error)) live.soon();
      },
    });
    subscription = mine;
  };
  const hide = () => {
    if (!seen()) close();
  };
  document.addEventListener('visibilitychange', hide);
  const unlisten = onWake(open);
  open();
  return () => {
    document.removeEventListener('visibilitychange', hide);
    unlisten();
    close();
  };
}
