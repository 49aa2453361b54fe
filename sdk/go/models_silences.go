// Models of alert rules and silences.

package orchestrator

import "time"

// AlertRules are the rules of a tenant, as they are in force.
type AlertRules struct {
	// Whose.
	TenantID string `json:"tenant_id"`
	// By metric: cpu, memory, gpu, storage, response_time, error_rate, samples, deployment.
	Rules map[string]AlertRule `json:"rules"`
}

// AlertRule is a built-in rule as it is in force.
type AlertRule struct {
	// resource_usage, performance, availability or deployment_failed.
	Type string `json:"type"`
	// Of the thresholds: percent, percent_of_quota, percent_of_sla; nil where there are none.
	Unit *string `json:"unit,omitempty"`
	// A value over it is a warning.
	Warning *float64 `json:"warning,omitempty"`
	// A value over it is critical.
	Critical *float64 `json:"critical,omitempty"`
	// Seconds that values have to be over a threshold before an alert is raised.
	ForSeconds int `json:"for_seconds"`
	// False where nothing is alerted.
	Enabled bool `json:"enabled"`
	// True where the tenant sets nothing of its own.
	IsDefault bool `json:"is_default"`
}

// AlertRulesRequest sets a tenant's rules; what it does not name is the default.
type AlertRulesRequest struct {
	// By metric.
	Rules map[string]AlertRuleChange `json:"rules,omitempty"`
}

// AlertRuleChange is what a tenant sets of one rule.
type AlertRuleChange struct {
	// A value over it is a warning: percent; of the SLA for response_time, of the quota for storage.
	Warning *float64 `json:"warning,omitempty"`
	// A value over it is critical; not below Warning.
	Critical *float64 `json:"critical,omitempty"`
	// Seconds that values have to be over a threshold before an alert is raised.
	ForSeconds *int `json:"for_seconds,omitempty"`
	// False where nothing is to be alerted.
	Enabled *bool `json:"enabled,omitempty"`
}

// AlertMatch says which alerts; nil means any.
type AlertMatch struct {
	// Alerts of this tenant.
	TenantID *string `json:"tenant_id,omitempty"`
	// resource_usage, performance, availability or deployment_failed.
	Type *string `json:"type,omitempty"`
	// Series, samples, or deployment.
	Metric *string `json:"metric,omitempty"`
	// warning or critical.
	Severity *string `json:"severity,omitempty"`
}

// SilenceRequest asks for a silence; at least one of the first four must be set.
type SilenceRequest struct {
	// Alerts of this tenant.
	TenantID *string `json:"tenant_id,omitempty"`
	// resource_usage, performance, availability or deployment_failed.
	Type *string `json:"type,omitempty"`
	// Series, samples, or deployment.
	Metric *string `json:"metric,omitempty"`
	// warning or critical.
	Severity *string `json:"severity,omitempty"`
	// From when on; now where it is nil.
	StartsAt *time.Time `json:"starts_at,omitempty"`
	// Until when; an hour after the start where it is nil.
	EndsAt *time.Time `json:"ends_at,omitempty"`
	// Why.
	Comment *string `json:"comment,omitempty"`
}

// Silence keeps the alerts that it matches from being told.
type Silence struct {
	AlertMatch
	// Its id.
	SilenceID string `json:"silence_id"`
	// From when on.
	StartsAt time.Time `json:"starts_at"`
	// Until when.
	EndsAt time.Time `json:"ends_at"`
	// pending, active or ended.
	Status string `json:"status"`
	// Why.
	Comment *string `json:"comment,omitempty"`
	// Who asked for it.
	CreatedBy string `json:"created_by"`
	// When.
	CreatedAt time.Time `json:"created_at"`
}

// SilenceList is a page of silences, newest first.
type SilenceList struct {
	Silences   []Silence  `json:"silences"`
	TotalCount int        `json:"total_count"`
	Pagination Pagination `json:"pagination"`
}

// SilenceTrial is what a silence would hit.
type SilenceTrial struct {
	// Open alerts that it would hit, oldest first; 1,000 at most.
	Alerts []Alert `json:"alerts"`
	// How many it would hit.
	TotalCount int `json:"total_count"`
}
