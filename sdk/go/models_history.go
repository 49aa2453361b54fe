// Models of what was done to a tenant, and of what a catalog would change.

package orchestrator

import "time"

// DeploymentList is a page of a tenant's deployments.
type DeploymentList struct {
	// Newest first.
	Deployments []DeploymentEntry `json:"deployments"`
	// Deployments of the tenant.
	TotalCount int `json:"total_count"`
	// Which page this is.
	Pagination Pagination `json:"pagination"`
}

// DeploymentEntry is one roll-out of a tenant, or its deletion.
type DeploymentEntry struct {
	// dep-…, or del-… for a deletion.
	DeploymentID string `json:"deployment_id"`
	// create, update or delete.
	Kind string `json:"kind"`
	// request, rollback, or catalog where a changed catalog was rolled out.
	Cause string `json:"cause"`
	// Who asked; empty of what an earlier release accepted.
	Actor string `json:"actor,omitempty"`
	// Tenant generation that it rolls out.
	Generation int64 `json:"generation"`
	// pending, deploying, running, failed, rolled_back, deleting, deleted.
	Status string `json:"status"`
	// When it was accepted.
	CreatedAt time.Time `json:"created_at"`
	// When it ended; nil while it is under way.
	FinishedAt *time.Time `json:"finished_at,omitempty"`
	// When all of it was first seen running; nil where it never was. To these can be rolled back.
	RanWholeAt *time.Time `json:"ran_whole_at,omitempty"`
	// What it changed of the tenant against the revision before it; nil where that is not kept.
	Changes []SpecChange `json:"changes,omitempty"`
	// Why it failed, where it did.
	Failure *Failure `json:"failure,omitempty"`
}

// SpecChange is a value that a deployment changed; nil stands for none.
type SpecChange struct {
	// What, as a JSON pointer into the specification, or the object; /catalog for the catalog's digest.
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// RollbackRequest says where to go back to.
type RollbackRequest struct {
	// A deployment that ran whole; left out, the last that did and is not what runs now.
	DeploymentID string `json:"deployment_id,omitempty"`
}

// CatalogDiff is what a catalog would change of tenants that run with another one.
type CatalogDiff struct {
	// SHA-256 of what the catalog says.
	Catalog string `json:"catalog"`
	// Whether it is the catalog that the server runs with.
	Present bool `json:"present"`
	// How the roll-out of the server's catalog stands; nil for a catalog that is only asked about.
	Rollout *CatalogRollout `json:"rollout,omitempty"`
	// Tenants of which something would change.
	Tenants []TenantDiff `json:"tenants"`
	// Tenants of which it can not be told.
	Unreadable []string `json:"unreadable"`
	// Tenants of which nothing would.
	Unchanged int `json:"unchanged"`
}

// CatalogRollout is how the roll-out of a changed catalog stands.
type CatalogRollout struct {
	// automatic or manual.
	Mode string `json:"mode"`
	// idle, under_way or stopped.
	State string `json:"state"`
	// Tenants to which it is being rolled out.
	UnderWay []string `json:"under_way"`
	// Tenants to which it was rolled out in vain.
	Failed []string `json:"failed"`
}

// TenantDiff is what a catalog would change of one tenant.
type TenantDiff struct {
	TenantID string `json:"tenant_id"`
	Status   string `json:"status"`
	// Its newest revision: the generation.
	Revision int64 `json:"revision"`
	// SHA-256 of the catalog of that revision.
	Catalog string `json:"catalog"`
	// Keys of the catalog that differ; none where only the release renders otherwise.
	ChangedKeys []string `json:"changed_keys"`
	// The objects that would come, change or go.
	Objects []ObjectChange `json:"objects"`
	// False where a cluster does not let anybody change what would have to change.
	InPlace bool `json:"in_place"`
	// What would have to change and can not.
	Immutable []ImmutableField `json:"immutable"`
	// Why not, for people.
	Reason string `json:"reason,omitempty"`
}

// ImmutableField is a field that is fixed when its object is made.
type ImmutableField struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// The field, as a JSON pointer.
	Field string `json:"field"`
}

// CatalogRequest is a catalog to ask about.
type CatalogRequest struct {
	// The whole file, as TOML.
	Catalog string `json:"catalog"`
}

// CatalogRolloutRequest says to which tenants the catalog is rolled out.
type CatalogRolloutRequest struct {
	// Their ids; left out, all that run with another catalog, a few at a time.
	Tenants []string `json:"tenants,omitempty"`
}

// StartedRollout is what was begun.
type StartedRollout struct {
	// SHA-256 of what the catalog says.
	Catalog string `json:"catalog"`
	// Whether all tenants are taken, a few at a time.
	All bool `json:"all"`
	// Roll-outs that were begun; empty where all tenants are taken.
	Started []StartedTenant `json:"started"`
	// Tenants that have the catalog already.
	Unchanged []string `json:"unchanged"`
	// Tenants to which it can not be rolled out now.
	Refused []RefusedTenant `json:"refused"`
}

// StartedTenant is a roll-out that was begun.
type StartedTenant struct {
	TenantID     string `json:"tenant_id"`
	DeploymentID string `json:"deployment_id"`
}

// RefusedTenant is a tenant that keeps what it has.
type RefusedTenant struct {
	TenantID string `json:"tenant_id"`
	// An error code of the API.
	Code    string `json:"code"`
	Message string `json:"message"`
}
