// The calls of the API as the client makes them: by operation id, with the API's names of arguments.
// A call or an argument that is not listed here fails.

const page = ['skip', 'limit'];
const auditFilter = ['tenant_id', 'actor', 'action', 'outcome', 'request_id', 'since', 'until'];

const all = async (entries) => {
  const list = [];
  for await (const entry of entries) list.push(entry);
  return list;
};
const audit = ({ tenant_id, request_id, ...rest }) => ({
  ...rest,
  tenantId: tenant_id,
  requestId: request_id,
});
/** The method, or its preview for a dry run; both take the same. */
const orPreview = (client, name, dryRun) =>
  client[dryRun ? `preview${name[0].toUpperCase()}${name.slice(1)}` : name].bind(client);

/** What each call takes, and how it is made; `options` are those of every call. */
const calls = {
  list_tenants: [
    ['preset', 'status', 'q', 'sort', 'expand', ...page],
    (client, query, options) => client.listTenants(query, options),
  ],
  create_tenant: [
    ['body', 'dry_run', 'idempotency_key'],
    (client, args, options) =>
      orPreview(
        client,
        'createTenant',
        args.dry_run,
      )(args.body, { ...options, idempotencyKey: args.idempotency_key }),
  ],
  get_tenant: [['tenant_id'], (client, args, options) => client.getTenant(args.tenant_id, options)],
  update_tenant: [
    ['tenant_id', 'body', 'rollback', 'dry_run', 'if_match'],
    (client, args, options) =>
      orPreview(client, 'updateTenant', args.dry_run)(args.tenant_id, args.body, {
        ...options,
        rollback: args.rollback,
        ifMatch: args.if_match,
      }),
  ],
  delete_tenant: [
    ['tenant_id', 'force', 'release', 'dry_run', 'if_match'],
    (client, args, options) =>
      orPreview(
        client,
        'deleteTenant',
        args.dry_run,
      )(args.tenant_id, {
        ...options,
        force: args.force,
        release: args.release,
        ifMatch: args.if_match,
      }),
  ],
  calculate_resources: [['body'], (client, args, options) => client.calculateResources(args.body, options)],
  get_monitoring: [
    ['tenant_id', 'metric_type', 'hours', 'interval'],
    (client, { tenant_id, metric_type, ...query }, options) =>
      client.getMonitoring(tenant_id, { ...query, metricType: metric_type }, options),
  ],
  send_metrics: [
    ['tenant_id', 'body'],
    (client, args, options) => client.sendMetrics(args.tenant_id, args.body, options),
  ],
  list_alerts: [
    ['tenant_id', 'status', ...page],
    (client, { tenant_id, ...query }, options) => client.listAlerts(tenant_id, query, options),
  ],
  list_all_alerts: [
    ['tenant_id', 'severity', 'type', 'status', ...page],
    (client, { tenant_id, ...query }, options) =>
      client.listAllAlerts({ tenantId: tenant_id, ...query }, options),
  ],
  get_recommendation: [
    ['tenant_id', 'hours'],
    (client, { tenant_id, ...query }, options) => client.getRecommendation(tenant_id, query, options),
  ],
  list_deployments: [
    ['tenant_id', ...page],
    (client, { tenant_id, ...query }, options) => client.listDeployments(tenant_id, query, options),
  ],
  roll_back_tenant: [
    ['tenant_id', 'body', 'if_match'],
    (client, args, options) =>
      client.rollBackTenant(args.tenant_id, args.body, { ...options, ifMatch: args.if_match }),
  ],
  get_catalog_diff: [[], (client, args, options) => client.getCatalogDiff(options)],
  compare_catalog: [['body'], (client, args, options) => client.compareCatalog(args.body, options)],
  roll_out_catalog: [['body'], (client, args, options) => client.rollOutCatalog(args.body, options)],
  get_overview: [[], (client, args, options) => client.getOverview(options)],
  get_alert_rules: [['tenant_id'], (client, args, options) => client.getAlertRules(args.tenant_id, options)],
  set_alert_rules: [
    ['tenant_id', 'body'],
    (client, args, options) => client.setAlertRules(args.tenant_id, args.body, options),
  ],
  list_silences: [['status', ...page], (client, query, options) => client.listSilences(query, options)],
  create_silence: [
    ['body', 'dry_run'],
    (client, args, options) => orPreview(client, 'createSilence', args.dry_run)(args.body, options),
  ],
  get_silence: [['silence_id'], (client, args, options) => client.getSilence(args.silence_id, options)],
  delete_silence: [['silence_id'], (client, args, options) => client.deleteSilence(args.silence_id, options)],
  list_receivers: [[...page], (client, query, options) => client.listReceivers(query, options)],
  create_receiver: [['body'], (client, args, options) => client.createReceiver(args.body, options)],
  get_receiver: [['receiver_id'], (client, args, options) => client.getReceiver(args.receiver_id, options)],
  update_receiver: [
    ['receiver_id', 'body'],
    (client, args, options) => client.updateReceiver(args.receiver_id, args.body, options),
  ],
  delete_receiver: [
    ['receiver_id'],
    (client, args, options) => client.deleteReceiver(args.receiver_id, options),
  ],
  list_deliveries: [
    ['receiver_id', 'status', ...page],
    (client, { receiver_id, ...query }, options) => client.listDeliveries(receiver_id, query, options),
  ],
  test_receiver: [['receiver_id'], (client, args, options) => client.testReceiver(args.receiver_id, options)],
  list_events: [
    ['tenant_id', 'limit'],
    (client, args, options) => client.listEvents(args.tenant_id, { limit: args.limit }, options),
  ],
  read_logs: [
    ['tenant_id', 'service', 'pod', 'container', 'previous', 'tail', 'follow'],
    (client, { tenant_id, follow, ...query }, options) =>
      follow === undefined
        ? client.readLogs(tenant_id, query, options)
        : client.followLogs(tenant_id, query, options).next(),
  ],
  get_costs: [
    ['month', 'format'],
    (client, args, options) =>
      args.format === undefined
        ? client.getCosts({ month: args.month }, options)
        : client.getCostsCsv({ month: args.month }, options),
  ],
  list_nodes: [[], (client, args, options) => client.listNodes(options)],
  get_capacity: [['body'], (client, args, options) => client.getCapacity(args.body, options)],
  get_system_metrics: [[], (client, args, options) => client.getSystemMetrics(options)],
  get_manifest: [
    ['tenant_id', 'format', 'include_monitoring', 'include_ingress', 'namespace', 'redact'],
    (client, { tenant_id, include_monitoring, include_ingress, ...query }, options) =>
      client.getManifest(
        tenant_id,
        { ...query, includeMonitoring: include_monitoring, includeIngress: include_ingress },
        options,
      ),
  ],
  validate_manifest: [['body'], (client, args, options) => client.validateManifest(args.body, options)],
  get_deployment_status: [
    ['tenant_id', 'deployment_id'],
    (client, args, options) =>
      client.getDeploymentStatus(args.tenant_id, { deploymentId: args.deployment_id, ...options }),
  ],
  list_audit_entries: [
    [...auditFilter, ...page],
    (client, args, options) => client.listAuditEntries(audit(args), options),
  ],
  get_health: [[], (client, args, options) => client.getHealth(options)],
  get_readiness: [[], (client, args, options) => client.getReadiness(options)],
  get_metrics: [[], (client, args, options) => client.getMetrics(options)],
};

/** What clients build from the operations. */
const built = {
  wait_until_running: [
    ['tenant_id', 'deployment_id'],
    (client, args) =>
      client.waitUntilRunning(args.tenant_id, {
        deploymentId: args.deployment_id,
        timeoutMs: 60_000,
        pollMs: 20,
      }),
  ],
  iterate_tenants: [
    ['preset', 'status', 'limit'],
    (client, query, options) => all(client.iterateTenants(query, options)),
  ],
  iterate_alerts: [
    ['tenant_id', 'status', 'limit'],
    (client, { tenant_id, ...query }, options) => all(client.iterateAlerts(tenant_id, query, options)),
  ],
  iterate_deployments: [
    ['tenant_id', 'limit'],
    (client, { tenant_id, ...query }, options) => all(client.iterateDeployments(tenant_id, query, options)),
  ],
  iterate_audit_entries: [
    [...auditFilter, 'limit'],
    (client, args, options) => all(client.iterateAuditEntries(audit(args), options)),
  ],
};

const watches = {
  watch_monitoring: [
    ['tenant_id', 'metrics', 'interval'],
    (client, args, options) =>
      client.subscribeToMonitoring(args.tenant_id, undefined, {
        ...options,
        metrics: args.metrics,
        intervalMs: args.interval,
      }),
  ],
  watch_deployment: [
    ['deployment_id'],
    (client, args, options) => client.subscribeToDeployment(args.deployment_id, undefined, options),
  ],
  watch_alerts: [
    ['tenant_id', 'since'],
    (client, args, options) =>
      client.subscribeToAlerts(args.tenant_id, undefined, { ...options, since: args.since }),
  ],
  watch_all_alerts: [
    ['since'],
    (client, args, options) => client.subscribeToAllAlerts(undefined, { ...options, since: args.since }),
  ],
};

function find(table, kind, name, args) {
  if (!Object.hasOwn(table, name)) throw new Error(`unknown ${kind}: ${name}`);
  const [names, make] = table[name];
  const unknown = Object.keys(args).filter((argument) => !names.includes(argument));
  if (unknown.length > 0) throw new Error(`${name} does not take ${unknown.join(', ')}`);
  return make;
}

/** Makes a call; answers what the client does. */
export const makeCall = (client, name, args, options) =>
  find({ ...calls, ...built }, 'call', name, args)(client, args, options);

/** Starts a stream; answers the subscription. */
export const makeWatch = (client, name, args, options) =>
  find(watches, 'stream', name, args)(client, args, options);
