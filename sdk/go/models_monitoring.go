// Models of samples, alerts and the cluster.

package orchestrator

import "time"

// MetricsRequest is one sample or a batch: the most general argument of SendMetrics.
type MetricsRequest struct {
	// When it was measured; left out, now.
	Timestamp *time.Time `json:"timestamp,omitempty"`
	// What was measured; at least one.
	Metrics Metrics `json:"metrics,omitempty"`
	// Instead of timestamp and metrics: a batch, all or none of which is stored.
	Samples []Sample `json:"samples,omitempty"`
}

// Sample is what was measured at one moment.
type Sample struct {
	// When it was measured; left out, now.
	Timestamp *time.Time `json:"timestamp,omitempty"`
	// What was measured; at least one.
	Metrics Metrics `json:"metrics"`
}

// Accepted says how many samples were stored.
type Accepted struct {
	// Whose.
	TenantID string `json:"tenant_id"`
	// Samples stored.
	Accepted int `json:"accepted"`
}

// Monitoring is the samples of a time range.
type Monitoring struct {
	// Whose.
	TenantID string `json:"tenant_id"`
	// From when to when.
	TimeRange TimeRange `json:"time_range"`
	// Averages by series (cpu, memory, gpu, network_in, network_out, storage, request_count, response_time,
	// error_rate); buckets without samples are left out.
	Metrics map[string][]Point `json:"metrics"`
	// avg_<series> and max_<series> over the raw samples, for each series that has any.
	Summary map[string]float64 `json:"summary"`
}

// TimeRange is from when to when.
type TimeRange struct {
	// First moment.
	Start time.Time `json:"start"`
	// Last moment.
	End time.Time `json:"end"`
}

// Point is the average of a bucket.
type Point struct {
	// Start of the bucket.
	Timestamp time.Time `json:"timestamp"`
	// Average of its samples.
	Value float64 `json:"value"`
}

// Alert is an alert of a tenant.
type Alert struct {
	// Its id from opening to resolution.
	AlertID string `json:"alert_id"`
	// Whose.
	TenantID string `json:"tenant_id"`
	// warning or critical; when resolved, the last.
	Severity string `json:"severity"`
	// resource_usage, performance, availability.
	Type string `json:"type"`
	// For people.
	Message string `json:"message"`
	// Series, or samples.
	Metric string `json:"metric"`
	// Value that last changed it.
	CurrentValue float64 `json:"current_value"`
	// Threshold that it is over.
	Threshold float64 `json:"threshold"`
	// When it last changed.
	Timestamp time.Time `json:"timestamp"`
	// open or resolved.
	State string `json:"state"`
	// When it opened.
	OpenedAt time.Time `json:"opened_at"`
	// When it resolved; nil while it is open.
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
	// True while a silence has nobody told of it.
	Silenced bool `json:"silenced"`
}

// AlertList is a page of alerts.
type AlertList struct {
	// Whose.
	TenantID string `json:"tenant_id"`
	// Newest first.
	Alerts []Alert `json:"alerts"`
	// Alerts that the filter matches.
	TotalCount int `json:"total_count"`
	// Which page this is.
	Pagination Pagination `json:"pagination"`
}

// AllAlerts is a page of alerts of all tenants.
type AllAlerts struct {
	// Newest first.
	Alerts []Alert `json:"alerts"`
	// Alerts that the filter matches.
	TotalCount int `json:"total_count"`
	// Which page this is.
	Pagination Pagination `json:"pagination"`
}

// SystemMetrics is the state of the cluster.
type SystemMetrics struct {
	// healthy, or degraded where a node is not ready.
	ClusterStatus string `json:"cluster_status"`
	// Tenants of this mode.
	TotalTenants int `json:"total_tenants"`
	// Those that run.
	ActiveTenants int `json:"active_tenants"`
	// Allocatable on all ready nodes.
	TotalResources Resources `json:"total_resources"`
	// Requested by pods.
	UsedResources Resources `json:"used_resources"`
	// Used of total.
	Utilization Utilization `json:"utilization"`
}

// Utilization is the share in use, in percent.
type Utilization struct {
	// CPU.
	CPU float64 `json:"cpu"`
	// Memory.
	Memory float64 `json:"memory"`
	// GPUs.
	GPU float64 `json:"gpu"`
	// Storage.
	Storage float64 `json:"storage"`
}

// MonitoringFrame is the newest values of a tenant, one frame an interval.
type MonitoringFrame struct {
	// When the values were taken.
	Timestamp time.Time `json:"timestamp"`
	// Whose.
	TenantID string `json:"tenant_id"`
	// Value by series.
	Metrics map[string]float64 `json:"metrics"`
	// Counts the frames of a connection.
	Seq int64 `json:"seq"`
}

// AlertFrame is a change of an alert; State is opened, raised, lowered or resolved.
type AlertFrame struct {
	Alert
	// Counts the changes of the tenant's alerts.
	Seq int64 `json:"seq"`
}
