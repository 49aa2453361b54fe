// Models of tenants: what is asked and what is answered.

package orchestrator

import "time"

// TenantRequest is what a tenant is created from.
type TenantRequest struct {
	// A DNS-1123 label of at most 56 characters.
	TenantID string `json:"tenant_id"`
	// Name for people.
	Name string `json:"name"`
	// micro, small, medium, large; left out, the calculator chooses.
	Preset string `json:"preset,omitempty"`
	// calculator has the calculator choose whatever Preset says; as Tenant answers.
	PresetChosenBy string `json:"preset_chosen_by,omitempty"`
	// Units by service (callbot, chatbot, advisor, stt, tts, ta, qa), at least one over 0.
	ServiceRequirements map[string]int `json:"service_requirements"`
	// What is promised; by default the catalog's (99.9%, 300ms).
	SLATarget *SLATargetRequest `json:"sla_target,omitempty"`
	// What the planner asks for beyond that.
	Sizing *SizingRequest `json:"sizing,omitempty"`
	// Free text.
	Description string `json:"description,omitempty"`
	// How the services are reached from outside: none, ingress, gateway; by default as the catalog says.
	Exposure string `json:"exposure,omitempty"`
	// catalog follows the catalog whatever Exposure says.
	ExposureChosenBy string `json:"exposure_chosen_by,omitempty"`
	// Who brings the tenant's objects to the cluster: internal (the orchestrator; default) or external (Argo CD,
	// Flux, …: the orchestrator watches, judges and alerts, and writes nothing).
	Management string `json:"management,omitempty"`
	// Demo mode only: the failure that the deployment is to show (image-not-found, crash-loop, unschedulable),
	// or none.
	DemoFault string `json:"demo_fault,omitempty"`
}

// TenantUpdate changes what it names and leaves the rest. Ptr makes the pointers.
type TenantUpdate struct {
	// Name for people.
	Name *string `json:"name,omitempty"`
	// micro, small, medium, large.
	Preset *string `json:"preset,omitempty"`
	// calculator has the calculator choose, now and on every later change, whatever Preset says; as Tenant answers.
	PresetChosenBy *string `json:"preset_chosen_by,omitempty"`
	// Units by service; 0 removes the service.
	ServiceRequirements map[string]int `json:"service_requirements,omitempty"`
	// What is promised.
	SLATarget *SLATargetRequest `json:"sla_target,omitempty"`
	// What the planner asks for beyond that.
	Sizing *SizingRequest `json:"sizing,omitempty"`
	// Free text.
	Description *string `json:"description,omitempty"`
	// How the services are reached from outside: none, ingress, gateway.
	Exposure *string `json:"exposure,omitempty"`
	// catalog follows the catalog whatever Exposure says.
	ExposureChosenBy *string `json:"exposure_chosen_by,omitempty"`
	// Who brings the tenant's objects to the cluster: internal or external.
	Management *string `json:"management,omitempty"`
	// Demo mode only: the failure that the deployment is to show, or none.
	DemoFault *string `json:"demo_fault,omitempty"`
}

// SLATargetRequest is what is to be promised.
type SLATargetRequest struct {
	// Share of time in service: 99.9%.
	Availability string `json:"availability,omitempty"`
	// Response time: 200ms, 0.2s or milliseconds, 1–60000 ms.
	ResponseTime string `json:"response_time,omitempty"`
	// Users at once over all services.
	ConcurrentUsers int `json:"concurrent_users,omitempty"`
}

// CreatedTenant answers a creation: the intent is on disk, the roll-out begins.
type CreatedTenant struct {
	// Its id.
	TenantID string `json:"tenant_id"`
	// pending until everything is ready.
	Status string `json:"status"`
	// The roll-out to watch.
	DeploymentID string `json:"deployment_id"`
	// The plan.
	EstimatedResources Resources `json:"estimated_resources"`
	// What the tenant pays.
	EstimatedCost string `json:"estimated_cost"`
	// How long the roll-out should take.
	DeploymentTime string `json:"deployment_time"`
	// When it was accepted.
	CreatedAt time.Time `json:"created_at"`
	// Where the model expects the plan not to carry the load or the SLA; empty where it does.
	Warnings []Warning `json:"warnings,omitempty"`
}

// Tenant is a tenant in full.
type Tenant struct {
	// Its id.
	TenantID string `json:"tenant_id"`
	// Its name for people.
	Name string `json:"name"`
	// micro, small, medium, large.
	Preset string `json:"preset"`
	// request where the plan was named, calculator where it was chosen and is chosen again on every change.
	PresetChosenBy string `json:"preset_chosen_by"`
	// True in demo mode.
	IsDemo bool `json:"is_demo"`
	// pending, running, failed, deleting.
	Status string `json:"status"`
	// Units ordered by service.
	ServiceRequirements map[string]int `json:"service_requirements"`
	// The plan.
	Resources Resources `json:"resources"`
	// What was promised.
	SLATarget SLATarget `json:"sla_target"`
	// What the planner asked for beyond that; nil where nothing was.
	Sizing *SizingOptions `json:"sizing,omitempty"`
	// Services that run, those that others bring included.
	Services []TenantService `json:"services"`
	// When it was accepted.
	CreatedAt time.Time `json:"created_at"`
	// When a request last changed it.
	UpdatedAt time.Time `json:"updated_at"`
	// Free text; empty where none was given.
	Description string `json:"description,omitempty"`
	// How its services are reached from outside: none, ingress, gateway.
	Exposure string `json:"exposure"`
	// request where the exposure was named, catalog where it follows the catalog.
	ExposureChosenBy string `json:"exposure_chosen_by"`
	// Who brings the tenant's objects to the cluster: internal (the orchestrator) or external (others).
	Management string `json:"management"`
	// GPU type.
	GPUType string `json:"gpu_type"`
	// What the tenant pays.
	EstimatedCost string `json:"estimated_cost"`
	// What it costs the operator.
	OperatorCost string `json:"operator_cost"`
	// The newest roll-out, or the deletion.
	DeploymentID string `json:"deployment_id"`
	// Counts accepted changes from 1; also the ETag.
	Generation int64 `json:"generation"`
	// In demo mode, the failure that the deployment was asked to show.
	DemoFault string `json:"demo_fault,omitempty"`
	// Where the model expects the plan not to carry the load or the SLA; empty where it does.
	Warnings []Warning `json:"warnings,omitempty"`
}

// TenantService is a service that a tenant runs.
type TenantService struct {
	// callbot, chatbot, advisor, stt, tts, ta, qa.
	ServiceName string `json:"service_name"`
	// Always ai_service.
	ServiceType string `json:"service_type"`
	// Always true: a service that is not ordered is not listed.
	Enabled bool `json:"enabled"`
	// Units it serves, what other services bring included.
	Count int `json:"count"`
	// Pods.
	Replicas int `json:"replicas"`
	// Container image.
	Image string `json:"image"`
	// Of each pod.
	Resources ContainerResources `json:"resources"`
	Expectation
}

// Expectation is what a service can expect of its pods and of those that work for it.
type Expectation struct {
	// The hour that it was sized for: mean_hour or busy_hour.
	SizedFor string `json:"sized_for"`
	// Where its stages run and what they carry.
	Stages []Stage `json:"stages"`
	// Its units as lines that calls may find busy; nil where they are none.
	Lines *Lines `json:"lines,omitempty"`
	// What the order itself implies, whatever the plan: lost calls, a busy hour over the SLA.
	Notes []string `json:"notes,omitempty"`
}

// Stage is one stage of a service.
type Stage struct {
	// stt, tts, nlp, aicm, ta, qa.
	Stage string `json:"stage"`
	// The service whose pods do it.
	RunsIn string `json:"runs_in"`
	// Pods of that service.
	Pods int `json:"pods"`
	// cpu, or the device type.
	Device string `json:"device"`
	// Cores or devices that this service alone keeps busy in the mean hour.
	OwnLoad *float64 `json:"own_load,omitempty"`
	// The place with all of its work, in the mean of the working hours.
	MeanHour Hour `json:"mean_hour"`
	// The same in the busiest hour.
	BusyHour Hour `json:"busy_hour"`
}

// Hour is a place in an hour.
type Hour struct {
	// Cores or devices that the work keeps fully busy.
	Load *float64 `json:"load,omitempty"`
	// Cores or devices of the place's pods.
	Capacity *float64 `json:"capacity,omitempty"`
	// Load over capacity; nil where there is no capacity.
	Utilization *float64 `json:"utilization,omitempty"`
	// Response time of GPU stages; nil where the pods cannot keep up.
	ResponseTimeMS *ResponseTime `json:"response_time_ms,omitempty"`
	// Share of what is spoken that finds every line of its pod busy, of speech-to-text.
	Blocking *float64 `json:"blocking,omitempty"`
}

// ResponseTime is response times in milliseconds.
type ResponseTime struct {
	// The mean.
	Mean *float64 `json:"mean,omitempty"`
	// What 95 of 100 requests stay within.
	P95 *float64 `json:"p95,omitempty"`
	// What 99 of 100 requests stay within.
	P99 *float64 `json:"p99,omitempty"`
}

// Lines is a service's units as lines.
type Lines struct {
	// Units ordered.
	Units int `json:"units"`
	// Share of the calls that may find all of them busy.
	Target *float64 `json:"target,omitempty"`
	// What becomes of calls that do: lost, or wait where there is a queue.
	Then string `json:"then"`
	// Their share in the mean of the working hours.
	MeanHour *float64 `json:"mean_hour,omitempty"`
	// Their share in the busiest hour.
	BusyHour *float64 `json:"busy_hour,omitempty"`
	// Units that would keep the target in the mean hour.
	UnitsForTarget int64 `json:"units_for_target"`
}

// ContainerResources is what one pod may use.
type ContainerResources struct {
	// CPU that the scheduler reserves.
	CPURequest string `json:"cpu_request"`
	// Memory that the scheduler reserves.
	MemoryRequest string `json:"memory_request"`
	// Whole GPUs; 0 where there is none.
	GPURequest int64 `json:"gpu_request,omitempty"`
	// Most CPU that it may use.
	CPULimit string `json:"cpu_limit"`
	// Most memory that it may use.
	MemoryLimit string `json:"memory_limit"`
}

// SLATarget is what was promised.
type SLATarget struct {
	// Share of time in service.
	Availability string `json:"availability"`
	// Response time.
	ResponseTime string `json:"response_time"`
	// Users at once, where stated.
	ConcurrentUsers int `json:"concurrent_users,omitempty"`
}

// TenantSummary is a tenant in a list.
type TenantSummary struct {
	// Its id.
	TenantID string `json:"tenant_id"`
	// Its name for people.
	Name string `json:"name"`
	// micro, small, medium, large.
	Preset string `json:"preset"`
	// True in demo mode.
	IsDemo bool `json:"is_demo"`
	// pending, running, failed, deleting.
	Status string `json:"status"`
	// Services that run, those that others bring included.
	ServicesCount int `json:"services_count"`
	// CPU of the plan.
	CPULimit string `json:"cpu_limit"`
	// Memory of the plan.
	MemoryLimit string `json:"memory_limit"`
	// Whole GPUs of the plan.
	GPULimit int64 `json:"gpu_limit"`
	// Storage of the plan.
	StorageLimit string `json:"storage_limit"`
	// GPU type.
	GPUType string `json:"gpu_type"`
	// Promised availability.
	SLAAvailability string `json:"sla_availability"`
	// Promised response time.
	SLAResponseTime string `json:"sla_response_time"`
	// When it was accepted.
	CreatedAt time.Time `json:"created_at"`
	// Free text; empty where none was given.
	Description string `json:"description,omitempty"`
	// Newest values, where Expand names metrics.
	Metrics *LiveMetrics `json:"metrics,omitempty"`
	// Open alerts, where Expand names alerts.
	Alerts *LiveAlerts `json:"alerts,omitempty"`
	// What it pays and costs, where Expand names cost.
	Cost *LiveCost `json:"cost,omitempty"`
	// Why the newest roll-out failed, where Expand names failure and it did.
	Failure *Failure `json:"failure,omitempty"`
}

// TenantList is a page of tenants.
type TenantList struct {
	// Ordered by created_at, then id.
	Tenants []TenantSummary `json:"tenants"`
	// Tenants that the filters match.
	TotalCount int `json:"total_count"`
	// That number in demo mode, 0 in real mode.
	DemoCount int `json:"demo_count"`
	// Those of them that run.
	ActiveCount int `json:"active_count"`
	// Which page this is.
	Pagination Pagination `json:"pagination"`
}

// Deletion answers a deletion: it has begun.
type Deletion struct {
	// For people.
	Message string `json:"message"`
	// Its id; the same one however often it is asked.
	DeletionID string `json:"deletion_id"`
	// Until everything is gone.
	EstimatedTime string `json:"estimated_time"`
}

// Preview says what a change would do, and that nothing was done.
type Preview struct {
	// Always true.
	DryRun bool `json:"dry_run"`
	// Whose.
	TenantID string `json:"tenant_id"`
	// What would change of the tenant's specification; empty where nothing would.
	Changes []SpecChange `json:"changes"`
	// What would become of each object.
	Objects []ObjectChange `json:"objects"`
	// What the plan holds.
	Quota QuotaChange `json:"quota"`
	// List price a month.
	Cost CostChange `json:"cost"`
	// Where the model expects the plan not to carry the load or the SLA.
	Warnings []Warning `json:"warnings"`
	// What the cluster would refuse; empty where it would take everything.
	Refusals []Refusal `json:"refusals"`
}

// ObjectChange says what would become of a Kubernetes object.
type ObjectChange struct {
	// Kind.
	Kind string `json:"kind"`
	// Name.
	Name string `json:"name"`
	// create, update, delete or unchanged.
	Action string `json:"action"`
	// Fields that change, as JSON pointers.
	Fields []string `json:"fields"`
	// What each of them was and becomes; empty for a Secret.
	Values []SpecChange `json:"values"`
}

// QuotaChange compares plans. Before is nil for a creation, After for a deletion.
type QuotaChange struct {
	// As it is.
	Before *Resources `json:"before,omitempty"`
	// As it would be.
	After *Resources `json:"after,omitempty"`
	// After less before.
	Difference ResourceDifference `json:"difference"`
}

// ResourceDifference is a difference of plans.
type ResourceDifference struct {
	// Thousandths of a core.
	CPUMillicores int64 `json:"cpu_millicores"`
	// MiB.
	MemoryMiB int64 `json:"memory_mib"`
	// Whole GPUs.
	GPU int64 `json:"gpu"`
	// GB.
	StorageGB int64 `json:"storage_gb"`
}

// CostChange compares list prices.
type CostChange struct {
	// As it is.
	Before string `json:"before"`
	// As it would be.
	After string `json:"after"`
	// After less before, in US dollars a month.
	DifferenceUSD int64 `json:"difference_usd"`
}

// Refusal is an object that the cluster would refuse.
type Refusal struct {
	// Kind.
	Kind string `json:"kind"`
	// Name.
	Name string `json:"name"`
	// What the cluster said.
	Reason string `json:"reason"`
}
