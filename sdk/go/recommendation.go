// What fits a tenant by what was measured of it.

package orchestrator

import "context"

// GetRecommendation holds a tenant against what was measured of it in so many hours; 0 means a week. It
// changes nothing: Recommendation.Apply is the update that would.
func (c *Client) GetRecommendation(tenantID string, hours int) (*Recommendation, error) {
	return c.GetRecommendationContext(context.Background(), tenantID, hours)
}

// GetRecommendationContext is GetRecommendation with a context and options.
func (c *Client) GetRecommendationContext(ctx context.Context, tenantID string, hours int, options ...CallOption) (*Recommendation, error) {
	path, err := tenantPath(tenantID, "/recommendation")
	if err != nil {
		return nil, err
	}
	query := new(query).number("hours", hours)
	return sendJSON[Recommendation](ctx, c, get(path, query).with(options))
}

// Recommendation is what fits a tenant by what was measured of it.
type Recommendation struct {
	TenantID string `json:"tenant_id"`
	// The tenant's generation for which it holds: quoted, it is the ETag for WithIfMatch with Apply.
	Generation int64     `json:"generation"`
	TimeRange  TimeRange `json:"time_range"`
	// wait, keep, grow, shrink or investigate.
	Advice string `json:"advice"`
	// The same for people, with the reason.
	Message string `json:"message"`
	// none, low, medium or high.
	Confidence string `json:"confidence"`
	// How much was measured.
	Data Measured `json:"data"`
	// What was measured, and what the sizing expects.
	Observed Observed `json:"observed"`
	// What the tenant has.
	Current Fit `json:"current"`
	// What fits; nil where nothing is to be changed.
	Recommended *Fit `json:"recommended,omitempty"`
	// Body of the update that would change it; nil where nothing is to be changed.
	Apply map[string]any `json:"apply,omitempty"`
	// Each figure with its formula, inputs, result, unit, label and source.
	Explanation []map[string]any `json:"explanation"`
}

// Measured is how much was measured.
type Measured struct {
	Hours            int `json:"hours"`
	HoursWithSamples int `json:"hours_with_samples"`
	// Share of the hours with samples, 0 to 1.
	Coverage float64 `json:"coverage"`
	// measured, or synthetic where demo mode made the samples up.
	Source string `json:"source"`
}

// Observed is what was measured; nil of what no sample has.
type Observed struct {
	CPU          *MeasuredUsage        `json:"cpu,omitempty"`
	Memory       *MeasuredUsage        `json:"memory,omitempty"`
	GPU          *MeasuredUsage        `json:"gpu,omitempty"`
	ResponseTime *MeasuredResponseTime `json:"response_time,omitempty"`
	// Mean share of failed requests in percent.
	ErrorRate *float64 `json:"error_rate,omitempty"`
	// Load of the busiest hour over the one that the sizing expects; nil where it was not measured.
	LoadFactor *float64 `json:"load_factor,omitempty"`
	// Units by service that cause such a load.
	Sessions map[string]int `json:"sessions"`
}

// MeasuredUsage is how much of something was used, in percent.
type MeasuredUsage struct {
	Mean        float64 `json:"mean"`
	BusiestHour float64 `json:"busiest_hour"`
	Maximum     float64 `json:"maximum"`
	// What the sizing expects of the busiest hour; nil where nothing in particular.
	Expected *float64 `json:"expected,omitempty"`
}

// MeasuredResponseTime is a response time in milliseconds.
type MeasuredResponseTime struct {
	Mean float64 `json:"mean"`
	// What the means of 95 % of the hours stay within.
	P95         float64 `json:"p95"`
	SlowestHour float64 `json:"slowest_hour"`
	SLA         int     `json:"sla"`
}

// Fit is a sizing: what it serves, what it holds, what it costs in US dollars a month.
type Fit struct {
	Preset              string         `json:"preset"`
	ServiceRequirements map[string]int `json:"service_requirements"`
	Resources           Resources      `json:"resources"`
	GPUType             string         `json:"gpu_type"`
	ListPriceUSD        int64          `json:"list_price_usd"`
	OperatorCostUSD     int64          `json:"operator_cost_usd"`
	MarginUSD           int64          `json:"margin_usd"`
	Warnings            []Warning      `json:"warnings"`
}
