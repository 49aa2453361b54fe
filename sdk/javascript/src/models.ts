// Short names for the models that are generated from openapi.json.

import type { components } from './generated/openapi.js';

type Schemas = components['schemas'];

export type TenantRequest = Schemas['CreateTenantIn'];
export type TenantUpdate = Schemas['UpdateTenantIn'];
export type CreatedTenant = Schemas['CreatedTenantOut'];
export type Tenant = Schemas['TenantOut'];
export type TenantSummary = Schemas['TenantSummaryOut'];
export type TenantList = Schemas['TenantListOut'];
/** What a write would do, from its dry run. */
export type Preview = Schemas['PreviewOut'];
export type Deletion = Schemas['DeletionOut'];
export type CalculateResourcesRequest = Schemas['CalculateResourcesIn'];
export type Calculation = Schemas['CalculationOut'];
export type Monitoring = Schemas['MonitoringOut'];
/** What was measured, at least one. The short names `cpu`, `memory` and `gpu` mean the long ones. */
export type Metrics = Omit<Schemas['MetricsIn'], 'cpu' | 'memory' | 'gpu'> & {
  cpu?: number | null;
  memory?: number | null;
  gpu?: number | null;
};
/** One sample with its time, or a batch of them, all or none of which is stored. */
export interface MetricsRequest {
  timestamp?: string | null;
  metrics?: Metrics | null;
  samples?: Sample[] | null;
}
/** One sample of a batch; without `timestamp` it is now. */
export interface Sample {
  timestamp?: string | null;
  metrics: Metrics;
}
/** What `getMonitoring` can be asked for. */
export type MetricType =
  'cpu' | 'memory' | 'gpu' | 'network' | 'storage' | 'request_count' | 'response_time' | 'error_rate';
/** What a stream of samples can be asked for: the two series of `network` apart, too. */
export type Series = MetricType | 'network_in' | 'network_out';
export type Accepted = Schemas['AcceptedOut'];
export type Alert = Schemas['AlertOut'];
export type AlertList = Schemas['AlertListOut'];
export type AllAlerts = Schemas['AllAlertsOut'];
export type Recommendation = Schemas['RecommendationOut'];
export type DeploymentList = Schemas['DeploymentListOut'];
export type DeploymentEntry = Schemas['DeploymentEntryOut'];
export type RollbackRequest = Schemas['RollbackIn'];
export type CatalogDiff = Schemas['CatalogDiffOut'];
export type CatalogRequest = Schemas['CatalogIn'];
export type CatalogRolloutRequest = Schemas['CatalogRolloutIn'];
export type StartedRollout = Schemas['StartedRolloutOut'];
export type AlertRules = Schemas['AlertRulesOut'];
export type AlertRulesRequest = Schemas['AlertRulesIn'];
export type Delivery = Schemas['DeliveryOut'];
export type DeliveryList = Schemas['DeliveryListOut'];
export type Receiver = Schemas['ReceiverOut'];
export type ReceiverList = Schemas['ReceiverListOut'];
export type ReceiverRequest = Schemas['ReceiverIn'];
export type Silence = Schemas['SilenceOut'];
export type SilenceList = Schemas['SilenceListOut'];
export type SilenceRequest = Schemas['SilenceIn'];
export type SilenceTrial = Schemas['SilenceTrialOut'];
export type Events = Schemas['EventsOut'];
export type ClusterEvent = Schemas['EventOut'];
export type Costs = Schemas['CostsOut'];
export type TenantCost = Schemas['TenantCostOut'];
export type Overview = Schemas['OverviewOut'];
export type Capacity = Schemas['CapacityOut'];
export type Nodes = Schemas['NodesOut'];
export type ClusterNode = Schemas['NodeOut'];
export type SystemMetrics = Schemas['SystemMetricsOut'];
export type ValidateManifestRequest = Schemas['ValidateManifestIn'];
export type Validation = Schemas['ValidationOut'];
export type DeploymentStatus = Schemas['DeploymentStatusOut'];
export type AuditEntry = Schemas['AuditEntryOut'];
export type AuditList = Schemas['AuditListOut'];
/** `kubernetes` comes with readiness. */
export type Health = Schemas['HealthOut'];

/** Newest values of a tenant, one frame an interval. */
export type MonitoringFrame = Schemas['MonitoringFrame'];
/** State of a roll-out or deletion. */
export type DeploymentFrame = Schemas['DeploymentFrame'];
/** A change of an alert; `state` is `opened`, `raised`, `lowered` or `resolved`. */
export type AlertFrame = Schemas['AlertFrame'];
