// Samples of tenants, their alerts, and the state of the cluster.

package orchestrator

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"time"
)

// Names of the values of a sample. The short names cpu, memory and gpu are accepted too.
const (
	MetricCPUUsage     = "cpu_usage"
	MetricMemoryUsage  = "memory_usage"
	MetricGPUUsage     = "gpu_usage"
	MetricNetworkIn    = "network_in"
	MetricNetworkOut   = "network_out"
	MetricStorageUsed  = "storage_used"
	MetricRequestCount = "request_count"
	MetricResponseTime = "response_time"
	MetricErrorRate    = "error_rate"
	MetricCPU          = "cpu"
	MetricMemory       = "memory"
	MetricGPU          = "gpu"
)

// Metrics is what was measured, by name: usage and error_rate in percent, network in bytes a second, storage_used
// in bytes, request_count since the last sample, response_time in milliseconds.
type Metrics map[string]float64

// Samples is a batch, at most 10,000 long; all are stored or none.
type Samples []Sample

// MetricsInput is what SendMetrics takes: Metrics (measured now), a Sample, Samples or a MetricsRequest.
type MetricsInput interface{ metricsRequest() *MetricsRequest }

func (m Metrics) metricsRequest() *MetricsRequest        { return &MetricsRequest{Metrics: m} }
func (s Samples) metricsRequest() *MetricsRequest        { return &MetricsRequest{Samples: s} }
func (r MetricsRequest) metricsRequest() *MetricsRequest { return &r }
func (s Sample) metricsRequest() *MetricsRequest {
	return &MetricsRequest{Timestamp: s.Timestamp, Metrics: s.Metrics}
}

// MonitoringQuery says which samples to read; nil and fields left out mean the server's defaults.
type MonitoringQuery struct {
	// cpu, memory, gpu, network, storage, request_count, response_time, error_rate; none means all.
	MetricTypes []string
	// How far back, 1–8,760; 24 where it is 0.
	Hours int
	// Width of a bucket: 1m, 5m (default), 1h.
	Interval string
}

// GetMonitoring reads the samples of a tenant, as averages.
func (c *Client) GetMonitoring(tenantID string, parameters *MonitoringQuery) (*Monitoring, error) {
	return c.GetMonitoringContext(context.Background(), tenantID, parameters)
}

// GetMonitoringContext is GetMonitoring with a context and options.
func (c *Client) GetMonitoringContext(ctx context.Context, tenantID string, parameters *MonitoringQuery, options ...CallOption) (*Monitoring, error) {
	path, err := tenantPath(tenantID, "/monitoring")
	if err != nil {
		return nil, err
	}
	parameters = orZero(parameters)
	query := new(query).text("metric_type", strings.Join(parameters.MetricTypes, ","))
	query.number("hours", parameters.Hours).text("interval", parameters.Interval)
	return sendJSON[Monitoring](ctx, c, get(path, query).with(options))
}

// SendMetrics stores what was measured: Metrics{"cpu": 65.5}, a Sample, or a batch as Samples.
func (c *Client) SendMetrics(tenantID string, metrics MetricsInput) (*Accepted, error) {
	return c.SendMetricsContext(context.Background(), tenantID, metrics)
}

// SendMetricsContext is SendMetrics with a context and options. It is never repeated.
func (c *Client) SendMetricsContext(ctx context.Context, tenantID string, metrics MetricsInput, options ...CallOption) (*Accepted, error) {
	path, err := tenantPath(tenantID, "/monitoring")
	if err != nil {
		return nil, err
	}
	if metrics == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPost, path: path, body: metrics.metricsRequest()}
	return sendJSON[Accepted](ctx, c, call.with(options))
}

// AlertFilter says which alerts to list; nil and fields left out mean all.
type AlertFilter struct {
	// open, resolved or all.
	Status string
	// Entries to leave out first.
	Skip int
	// Entries of a page at most, 1–1,000; 100 where it is 0.
	Limit int
}

// ListAlerts lists a tenant's alerts, newest first.
func (c *Client) ListAlerts(tenantID string, filter *AlertFilter) (*AlertList, error) {
	return c.ListAlertsContext(context.Background(), tenantID, filter)
}

// ListAlertsContext is ListAlerts with a context and options.
func (c *Client) ListAlertsContext(ctx context.Context, tenantID string, filter *AlertFilter, options ...CallOption) (*AlertList, error) {
	path, err := tenantPath(tenantID, "/alerts")
	if err != nil {
		return nil, err
	}
	filter = orZero(filter)
	query := new(query).text("status", filter.Status).number("skip", filter.Skip).number("limit", filter.Limit)
	return sendJSON[AlertList](ctx, c, get(path, query).with(options))
}

// AllAlerts lists a tenant's alerts over all pages; filter.Limit is the size of a page. An error is the last pair.
func (c *Client) AllAlerts(ctx context.Context, tenantID string, filter *AlertFilter, options ...CallOption) iter.Seq2[Alert, error] {
	page := *orZero(filter)
	return allPages(page.Skip, func(skip int) ([]Alert, bool, error) {
		page.Skip = skip
		list, err := c.ListAlertsContext(ctx, tenantID, &page, options...)
		if err != nil {
			return nil, false, err
		}
		return list.Alerts, list.Pagination.HasMore, nil
	})
}

// AllAlertsFilter says which alerts of all tenants to list; nil and fields left out mean all.
type AllAlertsFilter struct {
	// Of this tenant; a token for some tenants alone has to name one.
	TenantID string
	// warning or critical.
	Severity string
	// resource_usage, performance or availability.
	Type string
	// open, resolved or all.
	Status string
	// Entries to leave out first.
	Skip int
	// Entries of a page at most, 1–1,000; 100 where it is 0.
	Limit int
}

// ListAllAlerts lists the alerts of all tenants, newest first.
func (c *Client) ListAllAlerts(filter *AllAlertsFilter) (*AllAlerts, error) {
	return c.ListAllAlertsContext(context.Background(), filter)
}

// ListAllAlertsContext is ListAllAlerts with a context and options.
func (c *Client) ListAllAlertsContext(ctx context.Context, filter *AllAlertsFilter, options ...CallOption) (*AllAlerts, error) {
	filter = orZero(filter)
	query := new(query).text("tenant_id", filter.TenantID).text("severity", filter.Severity).text("type", filter.Type)
	query.text("status", filter.Status).number("skip", filter.Skip).number("limit", filter.Limit)
	return sendJSON[AllAlerts](ctx, c, get("/alerts", query).with(options))
}

// GetSystemMetrics reads the state of the cluster.
func (c *Client) GetSystemMetrics() (*SystemMetrics, error) {
	return c.GetSystemMetricsContext(context.Background())
}

// GetSystemMetricsContext is GetSystemMetrics with a context and options.
func (c *Client) GetSystemMetricsContext(ctx context.Context, options ...CallOption) (*SystemMetrics, error) {
	return sendJSON[SystemMetrics](ctx, c, get("/monitoring/system", nil).with(options))
}

// At makes a sample that was measured at the given time.
func (m Metrics) At(measured time.Time) Sample { return Sample{Timestamp: &measured, Metrics: m} }
