// Models of receivers of alerts.

package orchestrator

import "time"

// ReceiverRequest is a receiver as it is to be; it is told of the alerts for which all that is set of TenantID,
// Type, Metric and Severity is so.
type ReceiverRequest struct {
	// webhook or alertmanager.
	Kind string `json:"kind"`
	// The address of a webhook, the base address of an Alertmanager.
	URL string `json:"url"`
	// What a webhook's messages are signed with; nil keeps the one that there is, or has one made.
	Secret *string `json:"secret,omitempty"`
	// Alerts of this tenant.
	TenantID *string `json:"tenant_id,omitempty"`
	// resource_usage, performance, availability or deployment_failed.
	Type *string `json:"type,omitempty"`
	// Series, samples, or deployment.
	Metric *string `json:"metric,omitempty"`
	// warning or critical.
	Severity *string `json:"severity,omitempty"`
	// What it is for.
	Comment *string `json:"comment,omitempty"`
}

// Receiver is who is told of alerts.
type Receiver struct {
	AlertMatch
	// Its id.
	ReceiverID string `json:"receiver_id"`
	// webhook or alertmanager.
	Kind string `json:"kind"`
	// Where it is told.
	URL string `json:"url"`
	// What a webhook's messages are signed with; set in the answer alone to the request that had it made.
	Secret *string `json:"secret,omitempty"`
	// What it is for.
	Comment *string `json:"comment,omitempty"`
	// Who made it.
	CreatedBy string `json:"created_by"`
	// When.
	CreatedAt time.Time `json:"created_at"`
	// When it was last changed.
	UpdatedAt time.Time `json:"updated_at"`
}

// ReceiverList is a page of receivers, oldest first.
type ReceiverList struct {
	Receivers  []Receiver `json:"receivers"`
	TotalCount int        `json:"total_count"`
	Pagination Pagination `json:"pagination"`
}

// Delivery is a notice on its way to a receiver.
type Delivery struct {
	// Its id: what a webhook gets as webhook-id, the same at each try.
	DeliveryID string `json:"delivery_id"`
	// opened, raised, lowered, repeated, resolved or test.
	Event string `json:"event"`
	// Of which alert; nil of a test, as are the next four.
	AlertID *string `json:"alert_id,omitempty"`
	// Whose.
	TenantID *string `json:"tenant_id,omitempty"`
	// Its type.
	Type *string `json:"type,omitempty"`
	// Series, samples, or deployment.
	Metric *string `json:"metric,omitempty"`
	// Its severity then.
	Severity *string `json:"severity,omitempty"`
	// pending, delivered or given_up.
	Status string `json:"status"`
	// Tries so far.
	Attempts int `json:"attempts"`
	// When it was recorded.
	CreatedAt time.Time `json:"created_at"`
	// When it was last tried.
	LastAttemptAt *time.Time `json:"last_attempt_at,omitempty"`
	// What the receiver answered then.
	LastStatusCode *int `json:"last_status_code,omitempty"`
	// Why that failed.
	LastError *string `json:"last_error,omitempty"`
	// When it is tried next.
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty"`
}

// DeliveryList is a page of a receiver's deliveries, newest first.
type DeliveryList struct {
	// To whom.
	ReceiverID string     `json:"receiver_id"`
	Deliveries []Delivery `json:"deliveries"`
	TotalCount int        `json:"total_count"`
	Pagination Pagination `json:"pagination"`
}
