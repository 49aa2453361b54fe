// The client: one method for each operation of the API, and what is built from them.

import { ConflictError, DeploymentFailedError, ECPTimeoutError, NotFoundError } from './errors.js';
import { followLines, isTransient, send, sendJson, sleep } from './http.js';
import type { Call, RequestOptions, RetryPolicy, TransportConfig, WarningListener } from './http.js';
import { SeenRevision } from './revision.js';
import type * as models from './models.js';
import type {
  AlertFilter,
  AlertSubscribeOptions,
  AllAlertsFilter,
  AuditFilter,
  ChangeOptions,
  CreateOptions,
  DeploymentOptions,
  DeleteOptions,
  CostsQuery,
  LogsQuery,
  ManifestQuery,
  MonitoringQuery,
  MonitoringSubscribeOptions,
  PageOptions,
  TenantFilter,
  UpdateOptions,
  WaitOptions,
  WaitUntilDeletedOptions,
} from './options.js';
import { MetricsSender } from './sender.js';
import type { MetricsSenderOptions } from './sender.js';
import { Subscription, openSocket } from './stream.js';
import type { SocketFactory, StreamConfig, StreamKind, SubscribeOptions } from './stream.js';

/** How a client is set up. */
export interface ECPClientConfig {
  /** Address of the API, with its path: `http://localhost:8001/api/v1`. */
  baseUrl: string;
  /** Which of the two separate worlds: simulated (`true`) or real. */
  isDemo: boolean;
  /**
   * Bearer token, where the server requires one. Left out, that of the environment variable `ECP_TOKEN`, where there
   * is an environment and it is set.
   */
  token?: string | undefined;
  /** Language of messages: `ko` (the server's default) or `en`. */
  language?: string | undefined;
  /** Time of a whole call, in milliseconds, retries and their pauses included. 30,000 where left out. */
  timeoutMs?: number | undefined;
  /** Repetitions of calls that failed for the moment: 3, from 200 ms to 10 s, where left out. */
  retry?: Partial<RetryPolicy> | undefined;
  /**
   * Told what the server wants said beside its answers, such as a field of the request that nothing reads.
   * `console.warn` where left out.
   */
  onWarning?: WarningListener | undefined;
  /** Instead of the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Instead of the platform's WebSocket. */
  webSocket?: SocketFactory | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_WAIT_MS = 30 * 60_000;
const DEFAULT_RETRY: RetryPolicy = { retries: 3, baseMs: 200, maxMs: 10_000 };

/** Browsers have no environment; a variable that is set and empty is no token. */
function tokenOfEnvironment(): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.ECP_TOKEN || undefined;
}

/** Whether a text can be a token: of other characters than these no header can be made. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** A client of the ECP-AI Kubernetes Orchestrator. */
export class ECPClient {
  readonly #transport: TransportConfig;
  readonly #stream: StreamConfig;
  readonly #isDemo: boolean;
  readonly #language: string | undefined;
  readonly #base: string;
  readonly #server: string;

  constructor(config: ECPClientConfig) {
    if (typeof config.isDemo !== 'boolean') {
      throw new TypeError('isDemo must be true or false: it chooses the simulated or the real cluster');
    }
    const token = config.token ?? tokenOfEnvironment();
    if (token && !isToken(token)) {
      throw new TypeError('token has spaces or other characters that no token has');
    }
    const { language } = config;
    const url = new URL(config.baseUrl, (globalThis as { location?: { href: string } }).location?.href);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new TypeError(`baseUrl must be an http or https address, such as http://localhost:8001/api/v1`);
    }
    this.#base = (url.origin + url.pathname).replace(/\/+$/, '');
    this.#server = this.#base.replace(/\/api\/v1$/, '');
    this.#isDemo = config.isDemo;
    this.#language = language;
    const timeoutMs = config.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const headers: Record<string, string> = { 'x-demo-mode': String(config.isDemo) };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (language !== undefined) headers['accept-language'] = language;
    const call = config.fetch ?? ((...args: Parameters<typeof fetch>) => globalThis.fetch(...args));
    const onWarning = config.onWarning ?? ((text: string) => console.warn(`ecp-orchestrator: ${text}`));
    const retry = { ...DEFAULT_RETRY, ...config.retry };
    const revision = new SeenRevision();
    this.#transport = { headers, timeoutMs, retry, fetch: call, onWarning, revision };
    this.#stream = {
      openSocket: config.webSocket ?? openSocket,
      protocols: token === undefined ? [] : ['ecp.v1', `bearer.${token}`],
      connectTimeoutMs: timeoutMs,
      fetch: call,
      headers,
      revision,
    };
  }

  // Tenants

  /** Lists tenants, oldest first. */
  getTenants(query: TenantFilter & PageOptions = {}, options?: RequestOptions): Promise<models.TenantList> {
    return this.#get('/tenants/', { ...query }, options);
  }

  /** The same as `getTenants`, by the name of the operation. */
  listTenants(query?: TenantFilter & PageOptions, options?: RequestOptions): Promise<models.TenantList> {
    return this.getTenants(query, options);
  }

  /** All tenants, page by page. `limit` is the size of a page. */
  iterateTenants(
    query: TenantFilter & { limit?: number } = {},
    options?: RequestOptions,
  ): AsyncGenerator<models.TenantSummary> {
    return pages(query.limit, async (page) => {
      const list = await this.getTenants({ ...query, ...page }, options);
      return { entries: list.tenants, more: list.pagination.has_more };
    });
  }

  /** Creates a tenant; answers when the intent is on disk. Repeated only with an `idempotencyKey`. */
  createTenant(tenant: models.TenantRequest, options: CreateOptions = {}): Promise<models.CreatedTenant> {
    const key = options.idempotencyKey;
    return this.#json({
      method: 'POST',
      path: '/tenants/',
      body: tenant,
      headers: { 'idempotency-key': key },
      repeatable: key !== undefined,
      options,
    });
  }

  /** Says what `createTenant` would do; writes nothing. */
  previewCreateTenant(tenant: models.TenantRequest, options: RequestOptions = {}): Promise<models.Preview> {
    return this.#preview({ method: 'POST', path: '/tenants/', body: tenant, options });
  }

  getTenant(tenantId: string, options?: RequestOptions): Promise<models.Tenant> {
    return this.#get(tenantPath(tenantId), {}, options);
  }

  /** Changes what is named and leaves the rest; a service set to 0 is removed. */
  updateTenant(
    tenantId: string,
    change: models.TenantUpdate,
    options: UpdateOptions = {},
  ): Promise<models.Tenant> {
    return this.#json({ ...updateCall(tenantId, change, options), repeatable: false });
  }

  /** Says what `updateTenant` would do; writes nothing. */
  previewUpdateTenant(
    tenantId: string,
    change: models.TenantUpdate,
    options: ChangeOptions = {},
  ): Promise<models.Preview> {
    return this.#preview(updateCall(tenantId, change, options));
  }

  /** Starts the deletion. */
  deleteTenant(tenantId: string, options: DeleteOptions = {}): Promise<models.Deletion> {
    return this.#json({ ...deleteCall(tenantId, options), repeatable: false });
  }

  /** Says what `deleteTenant` would do; writes nothing. */
  previewDeleteTenant(tenantId: string, options: DeleteOptions = {}): Promise<models.Preview> {
    return this.#preview(deleteCall(tenantId, options));
  }

  /** Sizes a load; stores nothing. */
  calculateResources(
    request: models.CalculateResourcesRequest,
    options?: RequestOptions,
  ): Promise<models.Calculation> {
    return this.#json({
      method: 'POST',
      path: '/tenants/calculate-resources',
      body: request,
      repeatable: true,
      options,
    });
  }

  // Monitoring

  getMonitoring(
    tenantId: string,
    query: MonitoringQuery = {},
    options?: RequestOptions,
  ): Promise<models.Monitoring> {
    const { metricType, hours, interval } = query;
    return this.#get(
      tenantPath(tenantId, 'monitoring'),
      { metric_type: metricType, hours, interval },
      options,
    );
  }

  /** Stores one sample (`{cpu: 65.5}` or `{timestamp, metrics}`) or a batch (`{samples}`). */
  sendMetrics(
    tenantId: string,
    sample: models.Metrics | models.MetricsRequest,
    options?: RequestOptions,
  ): Promise<models.Accepted> {
    const body = 'metrics' in sample || 'samples' in sample ? sample : { metrics: sample };
    return this.#json({
      method: 'POST',
      path: tenantPath(tenantId, 'monitoring'),
      body,
      repeatable: false,
      options,
    });
  }

  /** Sends samples in the background; see `MetricsSender`. */
  createMetricsSender(tenantId: string, options?: MetricsSenderOptions): MetricsSender {
    return new MetricsSender(this, tenantId, options);
  }

  /** Lists a tenant's alerts, newest first. */
  listAlerts(
    tenantId: string,
    query: AlertFilter & PageOptions = {},
    options?: RequestOptions,
  ): Promise<models.AlertList> {
    return this.#get(tenantPath(tenantId, 'alerts'), { ...query }, options);
  }

  /** All alerts of a tenant, page by page. */
  iterateAlerts(
    tenantId: string,
    query: AlertFilter & { limit?: number } = {},
    options?: RequestOptions,
  ): AsyncGenerator<models.Alert> {
    return pages(query.limit, async (page) => {
      const list = await this.listAlerts(tenantId, { ...query, ...page }, options);
      return { entries: list.alerts, more: list.pagination.has_more };
    });
  }

  /** Lists the alerts of all tenants, newest first. */
  listAllAlerts(
    { tenantId, ...query }: AllAlertsFilter & PageOptions = {},
    options?: RequestOptions,
  ): Promise<models.AllAlerts> {
    return this.#get('/alerts', { tenant_id: tenantId, ...query }, options);
  }

  getSystemMetrics(options?: RequestOptions): Promise<models.SystemMetrics> {
    return this.#get('/monitoring/system', {}, options);
  }

  /** What fits a tenant by what was measured of it. Changes nothing: `apply` is the update that would. */
  getRecommendation(
    tenantId: string,
    query: { hours?: number | undefined } = {},
    options?: RequestOptions,
  ): Promise<models.Recommendation> {
    return this.#get(tenantPath(tenantId, 'recommendation'), { ...query }, options);
  }

  /** What was done to a tenant, newest first: who, when, what changed and how it ended. */
  listDeployments(
    tenantId: string,
    query: PageOptions = {},
    options?: RequestOptions,
  ): Promise<models.DeploymentList> {
    return this.#get(tenantPath(tenantId, 'deployments'), { ...query }, options);
  }

  /** All that was done to a tenant, page by page. */
  iterateDeployments(
    tenantId: string,
    query: { limit?: number } = {},
    options?: RequestOptions,
  ): AsyncGenerator<models.DeploymentEntry> {
    return pages(query.limit, async (page) => {
      const list = await this.listDeployments(tenantId, { ...query, ...page }, options);
      return { entries: list.deployments, more: list.pagination.has_more };
    });
  }

  /** Goes back to a deployment that ran whole, or to the last that did and is not what runs now. */
  rollBackTenant(
    tenantId: string,
    to: models.RollbackRequest = {},
    { ifMatch, ...options }: ChangeOptions = {},
  ): Promise<models.Tenant> {
    return this.#json({
      method: 'POST',
      path: tenantPath(tenantId, 'rollback'),
      body: to,
      headers: { 'if-match': ifMatch },
      repeatable: false,
      options,
    });
  }

  /** What the server's catalog would change of tenants that run with another one. */
  getCatalogDiff(options?: RequestOptions): Promise<models.CatalogDiff> {
    return this.#get('/catalog/diff', {}, options);
  }

  /** What another catalog would change. */
  compareCatalog(catalog: models.CatalogRequest, options?: RequestOptions): Promise<models.CatalogDiff> {
    return this.#json({ method: 'POST', path: '/catalog/diff', body: catalog, repeatable: true, options });
  }

  /** Rolls the server's catalog out to the tenants that are named, or to all, a few at a time. */
  rollOutCatalog(
    to: models.CatalogRolloutRequest = {},
    options?: RequestOptions,
  ): Promise<models.StartedRollout> {
    return this.#json({ method: 'POST', path: '/catalog/rollout', body: to, repeatable: false, options });
  }

  /** Everything at a glance, and what somebody should look at now, worst first. */
  getOverview(options?: RequestOptions): Promise<models.Overview> {
    return this.#get('/overview', {}, options);
  }

  /** What each node has, what is taken of it, and why tenants' pods stay away where they do. */
  listNodes(options?: RequestOptions): Promise<models.Nodes> {
    return this.#get('/nodes', {}, options);
  }

  /** What tenants paid and cost in a month such as `2026-11`; the present one by default. */
  getCosts(query: CostsQuery = {}, options?: RequestOptions): Promise<models.Costs> {
    return this.#get('/costs', { month: query.month }, options);
  }

  /** The same as CSV, a row a tenant and the total last. */
  async getCostsCsv(query: CostsQuery = {}, options?: RequestOptions): Promise<string> {
    const answer = await send(this.#transport, this.#base, {
      method: 'GET',
      path: '/costs',
      query: { month: query.month, format: 'csv' },
      repeatable: true,
      options,
    });
    return answer.text;
  }

  /** How many more tenants of this demand would be admitted, and what runs out first. */
  getCapacity(request: models.CalculateResourcesRequest, options?: RequestOptions): Promise<models.Capacity> {
    return this.#json({ method: 'POST', path: '/capacity', body: request, repeatable: true, options });
  }

  /** A tenant's alert rules, as they are in force. */
  getAlertRules(tenantId: string, options?: RequestOptions): Promise<models.AlertRules> {
    return this.#get(tenantPath(tenantId, 'alert-rules'), {}, options);
  }

  /** Sets a tenant's alert rules; what is not named is the default. */
  setAlertRules(
    tenantId: string,
    rules: models.AlertRulesRequest,
    options?: RequestOptions,
  ): Promise<models.AlertRules> {
    const path = tenantPath(tenantId, 'alert-rules');
    return this.#json({ method: 'PUT', path, body: rules, repeatable: true, options });
  }

  /** Lists silences, newest first. */
  listSilences(
    query: PageOptions & { status?: 'pending' | 'active' | 'ended' | 'all' | undefined } = {},
    options?: RequestOptions,
  ): Promise<models.SilenceList> {
    return this.#get('/silences', { ...query }, options);
  }

  /** Keeps the alerts that it matches from being told, for an hour where it does not say otherwise. */
  createSilence(silence: models.SilenceRequest, options?: RequestOptions): Promise<models.Silence> {
    return this.#json({ method: 'POST', path: '/silences', body: silence, repeatable: false, options });
  }

  /** Says which open alerts a silence would hit, and makes none. */
  previewCreateSilence(
    silence: models.SilenceRequest,
    options?: RequestOptions,
  ): Promise<models.SilenceTrial> {
    const query = { dry_run: true };
    return this.#json({ method: 'POST', path: '/silences', query, body: silence, repeatable: true, options });
  }

  getSilence(silenceId: string, options?: RequestOptions): Promise<models.Silence> {
    return this.#get(silencePath(silenceId), {}, options);
  }

  /** Ends a silence, and answers it as it was. */
  deleteSilence(silenceId: string, options?: RequestOptions): Promise<models.Silence> {
    return this.#json({ method: 'DELETE', path: silencePath(silenceId), repeatable: false, options });
  }

  // Receivers of alerts; for admins

  /** Lists who is told of alerts, oldest first. */
  listReceivers(query: PageOptions = {}, options?: RequestOptions): Promise<models.ReceiverList> {
    return this.#get('/receivers', { ...query }, options);
  }

  /** Has a receiver told of alerts from now on; a webhook's `secret` is answered where it was made here. */
  createReceiver(receiver: models.ReceiverRequest, options?: RequestOptions): Promise<models.Receiver> {
    return this.#json({ method: 'POST', path: '/receivers', body: receiver, repeatable: false, options });
  }

  getReceiver(receiverId: string, options?: RequestOptions): Promise<models.Receiver> {
    return this.#get(receiverPath(receiverId), {}, options);
  }

  /** Changes a receiver as a whole; a secret that is left out is kept. */
  updateReceiver(
    receiverId: string,
    receiver: models.ReceiverRequest,
    options?: RequestOptions,
  ): Promise<models.Receiver> {
    const path = receiverPath(receiverId);
    return this.#json({ method: 'PUT', path, body: receiver, repeatable: false, options });
  }

  /** Removes a receiver with what waits for it, and answers it as it was. */
  deleteReceiver(receiverId: string, options?: RequestOptions): Promise<models.Receiver> {
    return this.#json({ method: 'DELETE', path: receiverPath(receiverId), repeatable: false, options });
  }

  /** Lists what a receiver was told, what waits and what was given up, newest first. */
  listDeliveries(
    receiverId: string,
    query: PageOptions & { status?: 'pending' | 'delivered' | 'given_up' | undefined } = {},
    options?: RequestOptions,
  ): Promise<models.DeliveryList> {
    return this.#get(receiverPath(receiverId, '/deliveries'), { ...query }, options);
  }

  /** Sends a receiver a test and answers what came of it. */
  testReceiver(receiverId: string, options?: RequestOptions): Promise<models.Delivery> {
    const path = receiverPath(receiverId, '/test');
    return this.#json({ method: 'POST', path, repeatable: false, options });
  }

  // What the cluster tells

  /** What happened to a tenant's objects, newest first. */
  listEvents(
    tenantId: string,
    query: { limit?: number | undefined } = {},
    options?: RequestOptions,
  ): Promise<models.Events> {
    return this.#get(tenantPath(tenantId, 'events'), { limit: query.limit }, options);
  }

  /** What a tenant's containers wrote: lines, each with its pod's name before it where there are several. */
  async readLogs(tenantId: string, query: LogsQuery = {}, options?: RequestOptions): Promise<string> {
    const answer = await send(this.#transport, this.#base, {
      method: 'GET',
      path: tenantPath(tenantId, 'logs'),
      query: { ...query },
      repeatable: true,
      options,
    });
    return answer.text;
  }

  /** Each line as it is written, until the loop ends, `options.signal` aborts, or the server stops. */
  followLogs(
    tenantId: string,
    query: Omit<LogsQuery, 'previous'> = {},
    options?: RequestOptions,
  ): AsyncGenerator<string, void, undefined> {
    return followLines(this.#transport, this.#base, {
      method: 'GET',
      path: tenantPath(tenantId, 'logs'),
      query: { ...query, follow: true },
      repeatable: false,
      options,
    });
  }

  // Manifests and deployments

  /** The manifest as text: YAML, or JSON where `format` says so. */
  async getManifest(tenantId: string, query: ManifestQuery = {}, options?: RequestOptions): Promise<string> {
    const { format, includeMonitoring, includeIngress, namespace, redact } = query;
    const answer = await send(this.#transport, this.#base, {
      method: 'GET',
      path: tenantPath(tenantId, 'manifest'),
      query: {
        format,
        include_monitoring: includeMonitoring,
        include_ingress: includeIngress,
        namespace,
        redact,
      },
      repeatable: true,
      options,
    });
    return answer.text;
  }

  validateManifest(
    request: models.ValidateManifestRequest,
    options?: RequestOptions,
  ): Promise<models.Validation> {
    return this.#json({
      method: 'POST',
      path: '/tenants/validate-manifest',
      body: request,
      repeatable: true,
      options,
    });
  }

  /** Where the newest roll-out or deletion of a tenant stands, or the one that `deploymentId` names. */
  getDeploymentStatus(
    tenantId: string,
    { deploymentId, ...options }: DeploymentOptions = {},
  ): Promise<models.DeploymentStatus> {
    return this.#get(tenantPath(tenantId, 'deployment-status'), { deployment_id: deploymentId }, options);
  }

  /**
   * Waits until a roll-out of the tenant has ended and runs; rejects with `DeploymentFailedError` and its reason where
   * that roll-out fails, is taken back or is replaced by a newer one.
   */
  async waitUntilRunning(tenantId: string, options: WaitOptions = {}): Promise<models.DeploymentStatus> {
    const { timeoutMs = DEFAULT_WAIT_MS, pollMs = 1_000, signal } = options;
    const limit = AbortSignal.timeout(timeoutMs ?? DEFAULT_WAIT_MS);
    const either = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    let shown = '';
    let deploymentId = options.deploymentId;
    try {
      for (;;) {
        const status = await this.#lookAt(tenantId, deploymentId, either);
        if (status !== undefined) {
          deploymentId = status.deployment_id;
          const state = `${status.deployment_id} ${status.status} ${status.phase} ${status.progress}`;
          if (state !== shown) options.onProgress?.(status);
          shown = state;
          if (status.status === 'running') return status;
          if (!['pending', 'deploying'].includes(status.status)) throw new DeploymentFailedError(status);
        }
        await sleep(pollMs ?? 1_000, either);
      }
    } catch (error) {
      if (!limit.aborted || error !== limit.reason) throw error;
      throw new ECPTimeoutError(
        `${tenantId} is not running after ${timeoutMs} ms; last seen: ${shown || 'nothing'}`,
        {
          code: 'TIMEOUT',
          cause: error,
        },
      );
    }
  }

  /**
   * Waits until a tenant that is being deleted is gone, over restarts of the server. With `deletionId`, as the deletion
   * answered it, a tenant that was created anew under the id is not waited for; without, rejects with `ConflictError`
   * where nobody deletes the tenant. `ECPTimeoutError` says what is still in the way.
   */
  async waitUntilDeleted(tenantId: string, options: WaitUntilDeletedOptions = {}): Promise<void> {
    const timeoutMs = options.timeoutMs ?? DEFAULT_WAIT_MS;
    const limit = AbortSignal.timeout(timeoutMs);
    const either = options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]);
    let { deletionId } = options;
    let [shown, last] = ['', 'nothing'];
    try {
      for (;;) {
        const status = await this.#lookAt(tenantId, undefined, either);
        if (status !== undefined) {
          if (deletionId === undefined && status.status !== 'deleting') {
            throw new ConflictError(`${tenantId} is not being deleted: it is ${status.status}`, {
              code: 'CONFLICT',
            });
          }
          deletionId ??= status.deployment_id;
          if (status.deployment_id !== deletionId || status.status === 'deleted') return;
          last = status.logs.at(-1)?.message ?? status.phase;
          const state = `${status.phase} ${status.progress} ${last}`;
          if (state !== shown) options.onProgress?.(status);
          shown = state;
        }
        await sleep(options.pollMs ?? 1_000, either);
      }
    } catch (error) {
      if (error instanceof NotFoundError) return;
      if (!limit.aborted || error !== limit.reason) throw error;
      throw new ECPTimeoutError(`${tenantId} is not gone after ${timeoutMs} ms; last seen: ${last}`, {
        code: 'TIMEOUT',
        cause: error,
      });
    }
  }

  /** The state, or nothing while the server can not be asked: a wait outlives its restarts. */
  async #lookAt(
    tenantId: string,
    deploymentId: string | undefined,
    signal: AbortSignal,
  ): Promise<models.DeploymentStatus | undefined> {
    try {
      return await this.getDeploymentStatus(tenantId, { deploymentId, signal });
    } catch (error) {
      if (isTransient(error) || error instanceof ECPTimeoutError) return undefined;
      throw error;
    }
  }

  // Audit trail and server

  /** Lists who changed what, newest first; for administrators. */
  listAuditEntries(
    query: AuditFilter & PageOptions = {},
    options?: RequestOptions,
  ): Promise<models.AuditList> {
    const { tenantId, requestId, since, until, ...rest } = query;
    const times = { since: timeText(since), until: timeText(until) };
    return this.#get('/audit', { ...rest, ...times, tenant_id: tenantId, request_id: requestId }, options);
  }

  /** The whole audit trail, page by page. */
  iterateAuditEntries(
    query: AuditFilter & { limit?: number } = {},
    options?: RequestOptions,
  ): AsyncGenerator<models.AuditEntry> {
    return pages(query.limit, async (page) => {
      const list = await this.listAuditEntries({ ...query, ...page }, options);
      return { entries: list.entries, more: list.pagination.has_more };
    });
  }

  getHealth(options?: RequestOptions): Promise<models.Health> {
    return sendJson(this.#transport, this.#server, {
      method: 'GET',
      path: '/healthz',
      repeatable: true,
      options,
    });
  }

  /**
   * Says in `kubernetes` how the cluster of real mode is. Rejects with `ServerError` (503) while the server is
   * not ready.
   */
  getReadiness(options?: RequestOptions): Promise<models.Health> {
    return sendJson(this.#transport, this.#server, {
      method: 'GET',
      path: '/readyz',
      repeatable: true,
      options,
    });
  }

  /** The server's own metrics, in the Prometheus text format. */
  async getMetrics(options?: RequestOptions): Promise<string> {
    const call: Call = { method: 'GET', path: '/metrics', repeatable: true, options };
    return (await send(this.#transport, this.#server, call)).text;
  }

  // Streams

  /** Follows a tenant's newest values. Read it with a callback or with `for await`. */
  subscribeToMonitoring(
    tenantId: string,
    callback?: (frame: models.MonitoringFrame) => void,
    options: MonitoringSubscribeOptions = {},
  ): Subscription<models.MonitoringFrame> {
    const kind: StreamKind<models.MonitoringFrame> = {
      url: () => this.#streamUrl('monitoring', tenantId),
      hello: { action: 'subscribe', metrics: options.metrics, interval: options.intervalMs ?? 5_000 },
      ends: false,
      numbering: 'connection',
      lossy: true,
    };
    return new Subscription(this.#stream, kind, callback, options);
  }

  /** Follows a roll-out or a deletion to its end. */
  subscribeToDeployment(
    deploymentId: string,
    callback?: (frame: models.DeploymentFrame) => void,
    options: SubscribeOptions = {},
  ): Subscription<models.DeploymentFrame> {
    const kind: StreamKind<models.DeploymentFrame> = {
      url: () => this.#streamUrl('deployment', deploymentId),
      ends: true,
      numbering: 'connection',
      lossy: false,
    };
    return new Subscription(this.#stream, kind, callback, options);
  }

  /** Follows a tenant's alerts: the open ones, then each change, over reconnects without loss. */
  subscribeToAlerts(
    tenantId: string,
    callback?: (frame: models.AlertFrame) => void,
    options: AlertSubscribeOptions = {},
  ): Subscription<models.AlertFrame> {
    return this.#alerts(tenantId, callback, options);
  }

  /** Follows the alerts of all tenants, as `subscribeToAlerts` does those of one. */
  subscribeToAllAlerts(
    callback?: (frame: models.AlertFrame) => void,
    options: AlertSubscribeOptions = {},
  ): Subscription<models.AlertFrame> {
    return this.#alerts(undefined, callback, options);
  }

  #alerts(
    tenantId: string | undefined,
    callback: ((frame: models.AlertFrame) => void) | undefined,
    options: AlertSubscribeOptions,
  ): Subscription<models.AlertFrame> {
    let since = options.since;
    let newest = '';
    const kind: StreamKind<models.AlertFrame> = {
      url: () => this.#streamUrl('alerts', tenantId, since),
      ends: false,
      numbering: 'stream',
      lossy: false,
      seen: (frame) => {
        if (frame.opened_at < newest) return;
        newest = frame.opened_at;
        since = frame.alert_id;
      },
      key: (frame) => `${frame.seq} ${frame.alert_id} ${frame.state}`,
    };
    return new Subscription(this.#stream, kind, callback, options);
  }

  #streamUrl(stream: string, id: string | undefined, since?: string): string {
    if (id === '') throw new TypeError(`the id of the ${stream} stream must not be empty`);
    const params = new URLSearchParams({ demo_mode: String(this.#isDemo) });
    if (this.#language !== undefined) params.set('lang', this.#language);
    const { shown } = this.#transport.revision;
    if (shown !== undefined) params.set('revision', shown);
    if (since !== undefined) params.set('since', since);
    const path = id === undefined ? stream : `${stream}/${encodeURIComponent(id)}`;
    return `${this.#server.replace(/^http/, 'ws')}/ws/${path}?${params}`;
  }

  #get<T>(path: string, query: NonNullable<Call['query']>, options: RequestOptions | undefined): Promise<T> {
    return this.#json({ method: 'GET', path, query, repeatable: true, options });
  }

  /** A dry run writes nothing, so it is repeated like a read. */
  #preview(call: Omit<Call, 'repeatable'>): Promise<models.Preview> {
    return this.#json({ ...call, query: { ...call.query, dry_run: true }, repeatable: true });
  }

  #json<T>(call: Call): Promise<T> {
    return sendJson(this.#transport, this.#base, call);
  }
}

function tenantPath(tenantId: string, rest?: string): string {
  if (tenantId === '') throw new TypeError('tenantId must not be empty');
  return `/tenants/${encodeURIComponent(tenantId)}${rest === undefined ? '' : `/${rest}`}`;
}

function silencePath(silenceId: string): string {
  if (silenceId === '') throw new TypeError('silenceId must not be empty');
  return `/silences/${encodeURIComponent(silenceId)}`;
}

function receiverPath(receiverId: string, rest = ''): string {
  if (receiverId === '') throw new TypeError('receiverId must not be empty');
  return `/receivers/${encodeURIComponent(receiverId)}${rest}`;
}

function updateCall(tenantId: string, change: models.TenantUpdate, options: UpdateOptions) {
  const headers = { 'if-match': options.ifMatch };
  const query = { rollback: options.rollback };
  return { method: 'PUT', path: tenantPath(tenantId), query, body: change, headers, options };
}

function deleteCall(tenantId: string, options: DeleteOptions) {
  const headers = { 'if-match': options.ifMatch };
  return {
    method: 'DELETE',
    path: tenantPath(tenantId),
    query: { force: options.force, release: options.release },
    headers,
    options,
  };
}

function timeText(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time;
}

async function* pages<T>(
  limit = 100,
  load: (page: { skip: number; limit: number }) => Promise<{ entries: T[]; more: boolean }>,
): AsyncGenerator<T> {
  for (let skip = 0; ;) {
    const { entries, more } = await load({ skip, limit });
    yield* entries;
    skip += entries.length;
    if (!more || entries.length === 0) return;
  }
}
