// Models of what the cluster tells of a tenant.

package orchestrator

import "time"

// Events are what happened to a tenant's objects.
type Events struct {
	TenantID string `json:"tenant_id"`
	// Newest first.
	Events []Event `json:"events"`
}

// Event is something that happened to an object, as the cluster's components report it.
type Event struct {
	// When it last happened.
	Timestamp time.Time `json:"timestamp"`
	// Normal or Warning.
	Type string `json:"type"`
	// In one word.
	Reason string `json:"reason"`
	// In a sentence, in the cluster's own words.
	Message string `json:"message"`
	// How often, by the cluster's reckoning.
	Count int64 `json:"count"`
	// What it is about.
	Object EventObject `json:"object"`
}

// EventObject is what an event is about.
type EventObject struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}
