// Models of sizing, and what several answers share.

package orchestrator

// CalculateResourcesRequest is a load to size.
type CalculateResourcesRequest struct {
	// Units by service (callbot, chatbot, advisor, stt, tts, ta, qa), at least one over 0.
	ServiceRequirements map[string]int `json:"service_requirements"`
	// What is promised; by default the catalog's (99.9%, 300ms).
	SLATarget *SLATargetRequest `json:"sla_target,omitempty"`
	// What the planner asks for beyond that.
	Sizing *SizingRequest `json:"sizing,omitempty"`
	// Sizes this preset instead of choosing one.
	Preset string `json:"preset,omitempty"`
	// Simulates the tenant as it would be rendered, and holds the promises against what happens.
	Verify bool `json:"verify,omitempty"`
}

// Calculation is what a load needs.
type Calculation struct {
	// micro, small, medium, large.
	RecommendedPreset string `json:"recommended_preset"`
	// What it holds.
	Resources Resources `json:"resources"`
	// GPU type.
	GPUType string `json:"gpu_type"`
	// What the tenant pays.
	EstimatedCost string `json:"estimated_cost"`
	// What it costs the operator.
	OperatorCost string `json:"operator_cost"`
	// What is left of the cost when the operator's is paid, in whole US dollars a month; below 0 where the list price
	// does not cover it.
	MarginUSD int64 `json:"margin_usd"`
	// Smaller plans that nearly do, dearest first.
	Alternatives []Alternative `json:"alternatives"`
	// What of the SLA the alternatives miss, and by how much; empty where they keep it.
	Misses []SLAMiss `json:"misses,omitempty"`
	// Where the model expects the plan not to carry the load or the SLA; empty where it does.
	Warnings []Warning `json:"warnings,omitempty"`
	// Services that run, those that others bring included, and what each can expect of its pods.
	Services []TenantService `json:"services"`
	// The promises against a simulation of the mean hour and of the busiest, where it was asked for.
	Verification []Verification `json:"verification,omitempty"`
}

// Verification holds what was promised against a simulation of one hour.
type Verification struct {
	// mean_hour or busy_hour.
	Hour string `json:"hour"`
	// The same seed gives the same figures.
	Seed int64 `json:"seed"`
	// Seconds of the tenant's time that were measured.
	Seconds float64 `json:"seconds"`
	// Share of the GPUs' time that was used.
	GPUUtilization float64 `json:"gpu_utilization"`
	// False where a promise that was made without a warning is more than a twentieth better.
	Kept bool `json:"kept"`
	// Every promise.
	Promises []PromiseCheck `json:"promises"`
}

// PromiseCheck is a promise, and what became of it.
type PromiseCheck struct {
	// Whose.
	Service string `json:"service"`
	// Of which stage; empty where it is the service's lines.
	Stage string `json:"stage,omitempty"`
	// response_time_ms, response_time_p95_ms, blocking, lines_busy.
	Figure string `json:"figure"`
	// As the services say it; nil where the pods can not keep up.
	Promised *float64 `json:"promised,omitempty"`
	// As it happened; nil where nothing answered.
	Simulated *float64 `json:"simulated,omitempty"`
	// Requests, turns or calls that it comes from.
	Samples int64 `json:"samples"`
	// Whether the promise is at most a twentieth better, chance left out.
	Kept bool `json:"kept"`
}

// SizingRequest is what a planner may ask for beyond units and SLA.
type SizingRequest struct {
	// mean_hour (the default) or busy_hour.
	SizeFor string `json:"size_for,omitempty"`
	// Share of a day's items that come in the busiest hour, by service, such as "15%".
	BusyHourShare map[string]any `json:"busy_hour_share,omitempty"`
	// Share of calls that may find every line busy, such as "1%".
	Blocking string `json:"blocking,omitempty"`
	// mean (the default), p95 or p99.
	Percentile string `json:"percentile,omitempty"`
	// Response time by service, such as "150ms".
	ResponseTime map[string]any `json:"response_time,omitempty"`
	// What is kept free on top of the work, such as "20%".
	Headroom string `json:"headroom,omitempty"`
	// By how much the load is to grow, such as "30%".
	Growth string `json:"growth,omitempty"`
	// nothing (the default), device or node.
	Survives string `json:"survives,omitempty"`
}

// SizingOptions is what a planner asked for beyond units and SLA.
type SizingOptions struct {
	// mean_hour or busy_hour.
	SizeFor string `json:"size_for"`
	// Share of a day's items that come in the busiest hour, by service.
	BusyHourShare map[string]any `json:"busy_hour_share,omitempty"`
	// Share of calls that may find every line busy.
	Blocking string `json:"blocking,omitempty"`
	// mean, p95 or p99.
	Percentile string `json:"percentile"`
	// Response time by service.
	ResponseTime map[string]any `json:"response_time,omitempty"`
	// What is kept free.
	Headroom string `json:"headroom"`
	// By how much the load is to grow.
	Growth string `json:"growth"`
	// nothing, device or node.
	Survives string `json:"survives"`
}

// Alternative is a smaller plan that nearly does.
type Alternative struct {
	// micro, small, medium, large.
	Preset string `json:"preset"`
	// What it holds.
	Resources Compute `json:"resources"`
	// What the tenant pays.
	Cost string `json:"cost"`
	// What it costs in performance.
	PerformanceImpact string `json:"performance_impact"`
}

// SLAMiss is a figure of the SLA that an alternative misses.
type SLAMiss struct {
	// The alternative: micro, small, medium, large.
	Preset string `json:"preset"`
	// response_time_ms in milliseconds, blocking as a share of what is spoken.
	Figure string `json:"figure"`
	// What is expected.
	Expected float64 `json:"expected"`
	// What was promised.
	Target float64 `json:"target"`
	// By how much it is missed.
	Over float64 `json:"over"`
}

// Resources is what a plan holds.
type Resources struct {
	// CPU in thousandths of a core.
	CPU string `json:"cpu"`
	// Memory in binary units.
	Memory string `json:"memory"`
	// Whole GPUs.
	GPU int64 `json:"gpu"`
	// Storage in decimal units.
	Storage string `json:"storage"`
}

// Compute is CPU, memory and GPUs.
type Compute struct {
	// CPU in thousandths of a core.
	CPU string `json:"cpu"`
	// Memory in binary units.
	Memory string `json:"memory"`
	// Whole GPUs.
	GPU int64 `json:"gpu"`
}

// Warning is a load that a plan is not expected to carry, or an SLA that it may miss.
type Warning struct {
	// What is expected, and what to do.
	Message string `json:"message"`
	// What is short: cpu, memory, gpu, storage, response_time, availability.
	ShortOf string `json:"short_of"`
	// The service that goes short first; empty where it is no single one.
	Service string `json:"service,omitempty"`
	// The preset that would do; empty where none does.
	SuggestedPreset string `json:"suggested_preset,omitempty"`
}

// Pagination says which page an answer is.
type Pagination struct {
	// Entries left out before this page.
	Skip int `json:"skip"`
	// Entries of a page at most.
	Limit int `json:"limit"`
	// True when entries follow.
	HasMore bool `json:"has_more"`
}
