// Models of sizing, and what several answers share.

package orchestrator

// CalculateResourcesRequest is a load to size.
type CalculateResourcesRequest struct {
	// Units by service (callbot, chatbot, advisor, stt, tts, ta, qa), at least one over 0.
	ServiceRequirements map[string]int `json:"service_requirements"`
	// What is promised; by default the catalog's (99.9%, 300ms).
	SLATarget *SLATargetRequest `json:"sla_target,omitempty"`
	// Sizes this preset instead of choosing one.
	Preset string `json:"preset,omitempty"`
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
	// Smaller plans that nearly do, dearest first.
	Alternatives []Alternative `json:"alternatives"`
	// Where the model expects the plan not to carry the load or the SLA; empty where it does.
	Warnings []Warning `json:"warnings,omitempty"`
	// Services that run, those that others bring included, and what each can expect of its pods.
	Services []TenantService `json:"services"`
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
	// The preset that would do.
	SuggestedPreset string `json:"suggested_preset"`
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
