// Lists of which only what is on the screen exists.

import { createVirtualizer } from '@tanstack/svelte-virtual';
import { untrack } from 'svelte';
import { get } from 'svelte/store';

const OVERSCAN = 12;

/** Of `count` rows in what scrolls, about `height` pixels each. To be called while a component starts. */
export function virtualRows(
  count: () => number,
  viewport: () => HTMLDivElement | undefined,
  height: number,
): ReturnType<typeof createVirtualizer<HTMLDivElement, HTMLElement>> {
  const virtual = createVirtualizer<HTMLDivElement, HTMLElement>({
    count: 0,
    getScrollElement: () => null,
    estimateSize: () => height,
    overscan: OVERSCAN,
  });
  $effect(() => {
    const [rows, element] = [count(), viewport()];
    untrack(() => get(virtual).setOptions({ count: rows, getScrollElement: () => element ?? null }));
  });
  return virtual;
}
