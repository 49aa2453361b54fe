// Whether what the server stands on is there: the cluster, its database, its metric store. Asked on every page, so that
// what can not be known is said to be unknown wherever it would be shown.

import { ECPError, type Health } from '@ecp-ai/orchestrator-client';
import { Live } from './live.svelte';
import type { Mode } from './router.svelte';
import { clientOf } from './session.svelte';

const EVERY_MS = 30_000;

/** A server that is not ready says why in its answer. */
async function read(signal: AbortSignal): Promise<Health> {
  try {
    return await clientOf('demo').getReadiness({ signal });
  } catch (error) {
    if (error instanceof ECPError && typeof error.details.status === 'string')
      return error.details as unknown as Health;
    throw error;
  }
}

const live = new Live(read, EVERY_MS);

type Cluster = 'ok' | 'not_configured' | 'unreachable';
interface Trouble {
  what: 'cluster' | 'storage' | 'metrics' | 'damaged';
  detail: string;
}

export const health = {
  get known() {
    return live.data !== undefined;
  },
  /** Whether the cluster of real mode is there; nothing before it is known. */
  get cluster(): Cluster | undefined {
    const text = live.data?.kubernetes;
    if (text == null) return undefined;
    return text === 'ok' || text === 'not_configured' ? text : 'unreachable';
  },
  /** Asks again in a moment, where something hints that it has changed. */
  soon() {
    live.soon();
  },
  /** What is away of what a mode needs, with the server's own words for it. */
  troubles(mode: Mode | undefined): Trouble[] {
    const { kubernetes, storage, metrics, damaged = [] } = live.data ?? {};
    const found: Trouble[] = [];
    if (mode === 'real' && this.cluster === 'unreachable')
      found.push({ what: 'cluster', detail: kubernetes?.replace(/^unreachable: /, '') ?? '' });
    // Each mode has a database of its own.
    if (storage?.includes(`${mode}: `)) found.push({ what: 'storage', detail: storage });
    if (metrics?.startsWith('unreachable'))
      found.push({ what: 'metrics', detail: metrics.replace(/^unreachable: /, '') });
    if (damaged.length > 0) {
      const rows = damaged.map(({ file, table, rows }) => `${file}: ${table} (${rows})`);
      found.push({ what: 'damaged', detail: rows.join(', ') });
    }
    return found;
  },
};
