// How a calculation explains itself where `debug` was asked for.

import type { Calculation } from './models.js';

/** How every number of a calculation came about. */
export interface SizingExplanation {
  /** The stage that is nearest to its end: `gpu`, `cpu`, `memory` or `storage`. */
  bottleneck: string | null;
  /** How much of each stage the work takes, as a share. */
  utilization: Record<string, number | null>;
  /** What each listed plan would be short of. */
  plans: { preset: string; short_of: string[]; response_time_ms: number | null }[];
  /** In the order in which they follow from each other. */
  steps: SizingStep[];
}
/** One number: its formula, what goes into it, its unit, where it comes from and how sure that is. */
export interface SizingStep {
  name: string;
  /** A `formula` can be recomputed from the inputs, a `rule` is said in words. */
  kind: 'formula' | 'rule';
  formula: string;
  inputs: Record<string, unknown>;
  result: unknown;
  unit: string;
  /** `ordered` by the request, published for the `product_line` or by the `vendor`, `measured`, or `assumed` by the catalog. */
  label: 'ordered' | 'product_line' | 'vendor' | 'measured' | 'assumed';
  source: string;
  /** The service whose number it is; absent where it is the tenant's. */
  service?: string;
}
/** What of the SLA an alternative misses, and by how much. */
export type SlaMiss = NonNullable<Calculation['misses']>[number];

/** The explanation of a calculation that was asked for with `{ debug: true }`; undefined without. */
export function explanationOf(calculation: Calculation): SizingExplanation | undefined {
  return (calculation as { debug?: { explanation?: SizingExplanation } }).debug?.explanation;
}
