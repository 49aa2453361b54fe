// Models of what people look at in the morning: the overview, rows of lists, what still fits.

package orchestrator

import "time"

// LiveMetrics are the newest values of a tenant; what was never measured is nil.
type LiveMetrics struct {
	// When the newest of them was measured.
	Timestamp *time.Time `json:"timestamp,omitempty"`
	// CPU use in percent.
	CPU *float64 `json:"cpu,omitempty"`
	// Memory use in percent.
	Memory *float64 `json:"memory,omitempty"`
	// GPU use in percent.
	GPU *float64 `json:"gpu,omitempty"`
	// Bytes received a second.
	NetworkIn *float64 `json:"network_in,omitempty"`
	// Bytes sent a second.
	NetworkOut *float64 `json:"network_out,omitempty"`
	// Bytes stored.
	Storage *float64 `json:"storage,omitempty"`
	// Requests since the sample before.
	RequestCount *float64 `json:"request_count,omitempty"`
	// Mean response time in milliseconds.
	ResponseTime *float64 `json:"response_time,omitempty"`
	// Failed requests in percent.
	ErrorRate *float64 `json:"error_rate,omitempty"`
}

// LiveAlerts counts the open alerts of a tenant.
type LiveAlerts struct {
	Open     int `json:"open"`
	Critical int `json:"critical"`
	Warning  int `json:"warning"`
}

// LiveCost is what a tenant pays and costs, in US dollars a month.
type LiveCost struct {
	// List price: what the tenant pays.
	ListPriceUSD int64 `json:"list_price_usd"`
	// What its devices and nodes cost the operator.
	OperatorCostUSD int64 `json:"operator_cost_usd"`
	// The first less the second.
	MarginUSD int64 `json:"margin_usd"`
}

// Costs is what tenants paid and cost in a month.
type Costs struct {
	// True in demo mode.
	IsDemo bool `json:"is_demo"`
	// The month, in the catalog's time zone.
	Month string `json:"month"`
	// The catalog's time zone.
	TimeZone string `json:"time_zone"`
	// From when it is counted.
	From time.Time `json:"from"`
	// Until when: the end of the month, or now.
	Until time.Time `json:"until"`
	// True once the month is over.
	IsComplete bool `json:"is_complete"`
	// The second currency.
	Currency Currency `json:"currency"`
	// By tenant id, then age; those that are gone too.
	Tenants []TenantCost `json:"tenants"`
	// The sum of the rows.
	Total Amounts `json:"total"`
}

// Currency is a currency beside US dollars.
type Currency struct {
	// ISO 4217 code.
	Code string `json:"code"`
	// So many for one US dollar.
	PerUSD float64 `json:"per_usd"`
	// Day of that rate.
	AsOf string `json:"as_of"`
}

// TenantCost is what one tenant paid and cost.
type TenantCost struct {
	TenantID string `json:"tenant_id"`
	// Its name, the newest in the month.
	Name string `json:"name"`
	// Its plan, the newest in the month.
	Preset string `json:"preset"`
	// True where the tenant is gone.
	IsDeleted bool `json:"is_deleted"`
	// Days of existence in the month, by hours.
	Days float64 `json:"days"`
	// Hours of existence in the month.
	Hours float64 `json:"hours"`
	Amounts
}

// Amounts are US dollars to the cent, and whole units of the second currency.
type Amounts struct {
	// What was paid, in US dollars.
	ListPriceUSD float64 `json:"list_price_usd"`
	// What it cost the operator, in US dollars.
	OperatorCostUSD float64 `json:"operator_cost_usd"`
	// Paid less cost, in US dollars.
	MarginUSD float64 `json:"margin_usd"`
	// What was paid, in the second currency.
	ListPriceLocal int64 `json:"list_price_local"`
	// What it cost the operator, in the second currency.
	OperatorCostLocal int64 `json:"operator_cost_local"`
	// Paid less cost, in the second currency.
	MarginLocal int64 `json:"margin_local"`
}

// Overview is everything at a glance.
type Overview struct {
	// True in demo mode.
	IsDemo bool `json:"is_demo"`
	// When this was so.
	Timestamp time.Time `json:"timestamp"`
	// Sums over the tenants that the caller may see.
	Totals Totals `json:"totals"`
	// GPUs by device type; nil for tokens that are limited to tenants, and where the cluster does not answer.
	GPU []GPUHeadroom `json:"gpu,omitempty"`
	// What somebody should look at now, worst first.
	Attention []Attention `json:"attention"`
}

// Nodes are the cluster's.
type Nodes struct {
	// True in demo mode.
	IsDemo bool `json:"is_demo"`
	// When this was so.
	Timestamp time.Time `json:"timestamp"`
	// Every node, by name.
	Nodes []Node `json:"nodes"`
}

// Node is one node: what it has, and what is taken of it.
type Node struct {
	Name string `json:"name"`
	// ready, cordoned, not_ready.
	Status string `json:"status"`
	// Why no tenant's pods come here; nil where they do.
	LeftOut *NodeLeftOut `json:"left_out,omitempty"`
	// Its device type; nil where it has no GPU.
	GPUType *string `json:"gpu_type,omitempty"`
	// What pods can ask of it, all together.
	Allocatable NodeResources `json:"allocatable"`
	// What they asked, whoever's they are.
	Requested NodeResources `json:"requested"`
	// Pods on it.
	Pods int64 `json:"pods"`
	// Pods that it can run; nil where there is no bound.
	MaxPods *int64 `json:"max_pods,omitempty"`
	// Tenants with pods on it.
	Tenants int64 `json:"tenants"`
}

// NodeLeftOut says why a node takes no tenant's pods.
type NodeLeftOut struct {
	// not_ready, cordoned, taint, selector.
	Reason string `json:"reason"`
	// Which taint or label; nil for the others.
	Detail *string `json:"detail,omitempty"`
}

// NodeResources are those of one node.
type NodeResources struct {
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
	GPU    int64  `json:"gpu"`
}

// Totals are sums over tenants.
type Totals struct {
	Tenants  int `json:"tenants"`
	Running  int `json:"running"`
	Pending  int `json:"pending"`
	Failed   int `json:"failed"`
	Deleting int `json:"deleting"`
	// Open alerts.
	OpenAlerts int `json:"open_alerts"`
	// Critical ones among them.
	CriticalAlerts int `json:"critical_alerts"`
	// Tenants whose response time is over their SLA now.
	SLAMisses int `json:"sla_misses"`
	// Whole GPUs of all plans.
	GPU int64 `json:"gpu"`
	// What the tenants pay, in US dollars a month.
	ListPriceUSD int64 `json:"list_price_usd"`
	// What they cost the operator, in US dollars a month.
	OperatorCostUSD int64 `json:"operator_cost_usd"`
}

// GPUHeadroom is GPUs of one device type.
type GPUHeadroom struct {
	// Device type.
	GPUType string `json:"gpu_type"`
	// On nodes that tenants' pods could go to.
	Total int64 `json:"total"`
	// In the plans of accepted tenants.
	Promised int64 `json:"promised"`
	// Requested by pods, whoever's they are.
	Requested int64 `json:"requested"`
	// Of those promised, in the plans of tenants that measured how busy theirs are; Used knows of these alone.
	Measured int64 `json:"measured"`
	// Busy, as a number of GPUs.
	Used float64 `json:"used"`
}

// Attention is something to look at.
type Attention struct {
	// tenant_failed, critical_alert, sla_miss, warning.
	Kind string `json:"kind"`
	// Whose.
	TenantID string `json:"tenant_id"`
	// Its name for people.
	Name string `json:"name"`
	// What is wrong, and for a failed tenant how to fix it.
	Message string `json:"message"`
	// Since when.
	Since time.Time `json:"since"`
	// The roll-out that failed.
	DeploymentID string `json:"deployment_id,omitempty"`
	// The alert.
	AlertID string `json:"alert_id,omitempty"`
	// True of an alert of which a silence has nobody told.
	Silenced bool `json:"silenced"`
}

// Capacity is how many more tenants of one demand fit.
type Capacity struct {
	// The plan that one of them gets.
	Preset string `json:"preset"`
	// What that plan holds.
	Resources Resources `json:"resources"`
	// Its GPU type.
	GPUType string `json:"gpu_type"`
	// Now.
	Now Headroom `json:"now"`
	// With the largest node lost; nil where no node takes pods.
	WithoutLargestNode *WithoutNode `json:"without_largest_node,omitempty"`
}

// Headroom is how many more fit, and what runs out.
type Headroom struct {
	// How many would be admitted, one after another.
	More int `json:"more"`
	// True where even more might fit.
	AtLeast bool `json:"at_least"`
	// What runs out first: cpu, memory, gpu, pods, storage; empty where nothing did.
	RunsOut string `json:"runs_out,omitempty"`
	// What the next one would lack, and why nodes are left out.
	Shortage map[string]any `json:"shortage,omitempty"`
}

// WithoutNode is the same with a node lost.
type WithoutNode struct {
	// The node.
	Node string `json:"node"`
	// How many more would be admitted then.
	More int `json:"more"`
	// True where even more might fit.
	AtLeast bool `json:"at_least"`
	// What runs out first; empty where nothing did.
	RunsOut string `json:"runs_out,omitempty"`
}
