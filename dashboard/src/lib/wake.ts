// When a page has to look again: it is seen once more, the network came back, or the machine slept.

const listeners = new Set<() => void>();
const TICK_MS = 1_000;
/** A clock that jumps further than this stood still: background tabs tick once a minute, and are not seen. */
const SLEPT_MS = 10_000;

export const seen = () => document.visibilityState === 'visible';

/** Tells everyone who waits to look again. */
export function wake(): void {
  if (seen()) for (const listener of [...listeners]) listener();
}

/** Calls `listener` whenever there is a reason to look again, until what is returned is called. */
export function onWake(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

document.addEventListener('visibilitychange', wake);
window.addEventListener('online', wake);
window.addEventListener('pageshow', (event) => {
  if (event.persisted) wake();
});
let last = Date.now();
setInterval(() => {
  const now = Date.now();
  if (now - last > SLEPT_MS) wake();
  last = now;
}, TICK_MS);
