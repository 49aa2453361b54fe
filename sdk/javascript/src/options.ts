// What the operations accept besides their bodies: filters, pages and options.

import type { RequestOptions } from './http.js';
import type * as models from './models.js';
import type { SubscribeOptions } from './stream.js';

/** Which page of a list. */
export interface PageOptions {
  /** Entries to leave out. */
  skip?: number | undefined;
  /** Entries at most, 1–1,000; 100 where left out. */
  limit?: number | undefined;
}
export interface TenantFilter {
  preset?: 'micro' | 'small' | 'medium' | 'large' | undefined;
  status?: 'pending' | 'running' | 'failed' | 'deleting' | undefined;
  /** Only tenants whose id or name contains this. */
  q?: string | undefined;
  sort?: TenantSort | `-${TenantSort}` | undefined;
  /** What is added to each tenant. */
  expand?: TenantExpansion | readonly TenantExpansion[] | undefined;
}
export type TenantSort =
  'name' | 'status' | 'created_at' | 'gpu' | 'cost' | 'cpu_usage' | 'gpu_usage' | 'response_time';
export type TenantExpansion = 'metrics' | 'alerts' | 'cost' | 'failure';
export interface AlertFilter {
  status?: 'open' | 'resolved' | 'all' | undefined;
}
/** Which alerts of all tenants; all that is given must hold. */
export interface AllAlertsFilter extends AlertFilter {
  /** A token for some tenants alone has to name one. */
  tenantId?: string | undefined;
  severity?: 'warning' | 'critical' | undefined;
  type?: 'resource_usage' | 'performance' | 'availability' | 'deployment_failed' | undefined;
}
/** Which entries of the audit trail; all that is given must hold. */
export interface AuditFilter {
  tenantId?: string | undefined;
  /** Name of the token that acted, `anonymous` or `controller`. */
  actor?: string | undefined;
  /** Such as `tenant.create`. */
  action?: string | undefined;
  /** Such as `accepted`. */
  outcome?: string | undefined;
  requestId?: string | undefined;
  /** Not before this time; a text is RFC 3339. */
  since?: Date | string | undefined;
  /** Before this time; a text is RFC 3339. */
  until?: Date | string | undefined;
}
export interface MonitoringQuery {
  metricType?: models.MetricType | readonly models.MetricType[] | undefined;
  /** How far back, 1–8,760; 24 where left out. */
  hours?: number | undefined;
  interval?: '1m' | '5m' | '1h' | undefined;
}
export interface LogsQuery {
  /** Pods of this service alone, or of `redis`. */
  service?: string | undefined;
  /** This pod alone. */
  pod?: string | undefined;
  /** This container of each pod that has it; its first by default. */
  container?: string | undefined;
  /** Of the container before the last restart. */
  previous?: boolean | undefined;
  /** Newest lines of each pod, 0–10,000; 100 by default. */
  tail?: number | undefined;
}

export interface CostsQuery {
  /** As `2026-11`, in the catalog's time zone; default: the present one. */
  month?: string | undefined;
}

export interface ManifestQuery {
  format?: 'yaml' | 'json' | undefined;
  includeMonitoring?: boolean | undefined;
  includeIngress?: boolean | undefined;
  namespace?: string | undefined;
  /** Without the values of Secrets. */
  redact?: boolean | undefined;
}
export interface DeploymentOptions extends RequestOptions {
  /** One of the tenant's roll-outs; the newest where left out. */
  deploymentId?: string | undefined;
}
export interface CreateOptions extends RequestOptions {
  /** Makes the call safe to repeat: the same request under the same key is carried out once. */
  idempotencyKey?: string | undefined;
}
export interface ChangeOptions extends RequestOptions {
  /** The `etag` of the tenant as it was read; a `ConflictError` (412) where it has changed since. */
  ifMatch?: string | undefined;
}
export interface UpdateOptions extends ChangeOptions {
  /** Whether what ran before is brought back where the roll-out fails. The server's setting where left out. */
  rollback?: boolean | undefined;
}
export interface DeleteOptions extends ChangeOptions {
  /** Skips grace periods and finalizers. */
  force?: boolean | undefined;
  /** Gives a namespace in which others keep something up to them, so that the tenant can end. */
  release?: boolean | undefined;
}
export interface MonitoringSubscribeOptions extends SubscribeOptions {
  /** Series to send; all where left out. */
  metrics?: readonly models.Series[] | undefined;
  /** Milliseconds between frames, 100–3,600,000; 5,000 where left out. */
  intervalMs?: number | undefined;
}
export interface AlertSubscribeOptions extends SubscribeOptions {
  /** Continues after the opening of this alert instead of starting with the open ones. */
  since?: string | undefined;
}
export interface WaitOptions {
  /**
   * The roll-out to wait for, as a creation or an update answered it; where left out, the one that is the tenant's
   * newest when the wait begins.
   */
  deploymentId?: string | undefined;
  /** Time of the whole wait, in milliseconds. 30 minutes where left out. */
  timeoutMs?: number | undefined;
  /** Pause between looks, in milliseconds. 1,000 where left out. */
  pollMs?: number | undefined;
  /** Called with the first state and each that differs. */
  onProgress?: ((status: models.DeploymentStatus) => void) | undefined;
  signal?: AbortSignal | undefined;
}
export interface WaitUntilDeletedOptions extends Omit<WaitOptions, 'deploymentId'> {
  /** The deletion to wait for, as it was answered. */
  deletionId?: string | undefined;
}
