// Models of manifests and deployments, of the audit trail and of the server.

package orchestrator

import "time"

// ValidateManifestRequest is a manifest to check.
type ValidateManifestRequest struct {
	// Whose namespace the objects must be in; left out, any.
	TenantID string `json:"tenant_id,omitempty"`
	// Multi-document YAML or JSON, at most 4 MiB.
	ManifestContent string `json:"manifest_content"`
}

// Validation is the verdict on a manifest.
type Validation struct {
	// False where there are errors.
	Valid bool `json:"valid"`
	// What is doubtful, each with document, path and line.
	Warnings []string `json:"warnings"`
	// What is wrong, each with document, path and line.
	Errors []string `json:"errors"`
	// What the manifest holds.
	ResourceSummary ResourceSummary `json:"resource_summary"`
	// List price of the smallest plan that holds it.
	EstimatedCost string `json:"estimated_cost"`
	// How long the roll-out should take.
	DeploymentTime string `json:"deployment_time"`
	// Errors and warnings again, in parts.
	Findings []Finding `json:"findings"`
}

// Finding is one fault or doubt in a manifest.
type Finding struct {
	// error or warning.
	Severity string `json:"severity"`
	// A stable short code.
	Code string `json:"code"`
	// Document in the stream, from 1.
	Document int `json:"document"`
	// Path in the document; empty for the root.
	Path string `json:"path"`
	// Line in the text, from 1.
	Line int `json:"line"`
	// Column in the line, from 1, in characters; 0 where it is not known.
	Column int `json:"column"`
	// True where the policy demands it, and not the API server.
	Policy bool `json:"policy"`
	// What is wrong and how to fix it.
	Message string `json:"message"`
}

// ResourceSummary is what a manifest holds.
type ResourceSummary struct {
	// Namespace objects.
	Namespaces int `json:"namespaces"`
	// Deployment objects.
	Deployments int `json:"deployments"`
	// Service objects.
	Services int `json:"services"`
	// ConfigMap objects.
	ConfigMaps int `json:"configmaps"`
	// Secret objects.
	Secrets int `json:"secrets"`
	// CPU limits of all pods.
	TotalCPU string `json:"total_cpu"`
	// Memory limits of all pods.
	TotalMemory string `json:"total_memory"`
	// GPUs of all pods.
	TotalGPU int64 `json:"total_gpu"`
	// Pods of all workloads.
	EstimatedPods int64 `json:"estimated_pods"`
}

// DeploymentStatus is the state of a roll-out or a deletion.
type DeploymentStatus struct {
	// Whose.
	TenantID string `json:"tenant_id"`
	// dep-…, or del-… for a deletion.
	DeploymentID string `json:"deployment_id"`
	// pending, deploying, running, failed, rolled_back, deleting, deleted.
	Status string `json:"status"`
	// Percent done, 0–100.
	Progress int `json:"progress"`
	// queued, creating-namespace, creating-config, creating-services, scaling-services, verifying, completed;
	// or failed, rolling-back.
	Phase string `json:"phase"`
	// The phase in which it failed or gave way to another; nil where it did not.
	FailedPhase *string `json:"failed_phase,omitempty"`
	// What is there and ready.
	CreatedResources []ResourceState `json:"created_resources"`
	// What is not.
	PendingResources []ResourceState `json:"pending_resources"`
	// When it should be done; nil where it has ended.
	EstimatedCompletion *time.Time `json:"estimated_completion,omitempty"`
	// Newest last.
	Logs []LogLine `json:"logs"`
	// Why it failed, where it did.
	Failure *Failure `json:"failure,omitempty"`
}

// ResourceState is the state of a Kubernetes object.
type ResourceState struct {
	// Kind.
	Type string `json:"type"`
	// Name.
	Name string `json:"name"`
	// Active, Available, Progressing, Pending, Failed, Terminating.
	Status string `json:"status"`
	// Ready of wanted pods, for workloads.
	Replicas string `json:"replicas,omitempty"`
	// Why it is not ready, with the fix.
	Reason string `json:"reason,omitempty"`
}

// LogLine is a line in the log of a deployment.
type LogLine struct {
	// When.
	Timestamp time.Time `json:"timestamp"`
	// info, warning, error.
	Level string `json:"level"`
	// What happened.
	Message string `json:"message"`
}

// Failure says why a deployment failed.
type Failure struct {
	// An error code of the API.
	Code string `json:"code"`
	// What went wrong and how to fix it.
	Message string `json:"message"`
}

// AuditEntry says who changed what.
type AuditEntry struct {
	// When.
	Timestamp time.Time `json:"timestamp"`
	// Token name, anonymous where tokens are off, controller for the reconciler.
	Actor string `json:"actor"`
	// tenant.create, tenant.update, tenant.delete …
	Action string `json:"action"`
	// Whose; empty of what is about all tenants, such as a receiver of every alert.
	TenantID string `json:"tenant_id,omitempty"`
	// Request that asked for it, where one did.
	RequestID string `json:"request_id,omitempty"`
	// State before: an object, or of what was healed a list of what was found; nil where there was none.
	Before any `json:"before"`
	// State after, where there is one.
	After any `json:"after"`
	// accepted, completed, failed.
	Outcome string `json:"outcome"`
}

// AuditList is a page of the audit trail.
type AuditList struct {
	// Newest first.
	Entries []AuditEntry `json:"entries"`
	// Entries that the filter matches.
	TotalCount int `json:"total_count"`
	// Which page this is.
	Pagination Pagination `json:"pagination"`
}

// Health is the state of the server.
type Health struct {
	// ok; for readiness starting, ready or stopping.
	Status string `json:"status"`
	// For readiness: whether the cluster of real mode answers, ok, not_configured, or unreachable with the
	// reason. One that does not answer leaves the server ready: reads and demo mode need no cluster.
	Kubernetes string `json:"kubernetes,omitempty"`
	// For readiness: whether the tenants of real mode are as the catalog has them, ok, or how many are not.
	Catalog string `json:"catalog,omitempty"`
	// For readiness: whether the metric store that samples are kept in answers, ok, or unreachable with the
	// reason; empty where they are in the data folder.
	Metrics string `json:"metrics,omitempty"`
	// For readiness: why a mode's database cannot be written, where that is so.
	Storage string `json:"storage,omitempty"`
	// For readiness: the id that this installation marks its objects in the cluster with.
	Installation string `json:"installation,omitempty"`
	// For readiness: stored rows that cannot be read and are set aside.
	Damaged []DamagedRows `json:"damaged,omitempty"`
	// For readiness: this process among those that share a PostgreSQL server, by mode.
	Replica map[string]Replica `json:"replica,omitempty"`
}

// Replica is a process among those that are one service.
type Replica struct {
	// Its id, as holder of a lease has it; new with each start.
	ID string `json:"id"`
	// Tenants that it works on.
	Leases int `json:"leases"`
	// True of the one that does what is done once in a mode.
	Leads bool `json:"leads"`
	// Seconds since what is in memory was last held against the database.
	ViewLagSeconds float64 `json:"view_lag_seconds"`
}

// DamagedRows is rows of one table that cannot be read.
type DamagedRows struct {
	// The database file.
	File string `json:"file"`
	// The table.
	Table string `json:"table"`
	// How many.
	Rows int `json:"rows"`
}

// DeploymentFrame is the state of a roll-out or deletion at one moment.
type DeploymentFrame struct {
	// dep-…, or del-… for a deletion.
	DeploymentID string `json:"deployment_id"`
	// pending, deploying, running, failed, rolled_back, deleting, deleted.
	Status string `json:"status"`
	// Percent done, 0–100.
	Progress int `json:"progress"`
	// As in DeploymentStatus.
	Phase string `json:"phase"`
	// For people.
	Message string `json:"message"`
	// When.
	Timestamp time.Time `json:"timestamp"`
	// Why it failed, where it did.
	Failure *Failure `json:"failure,omitempty"`
	// Counts the frames of a connection.
	Seq int64 `json:"seq"`
}
