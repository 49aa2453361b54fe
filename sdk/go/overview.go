// What people look at in the morning: the overview, and what still fits.

package orchestrator

import (
	"context"
	"net/http"
)

// GetOverview reads everything at a glance, and what somebody should look at now.
func (c *Client) GetOverview() (*Overview, error) {
	return c.GetOverviewContext(context.Background())
}

// GetOverviewContext is GetOverview with a context and options.
func (c *Client) GetOverviewContext(ctx context.Context, options ...CallOption) (*Overview, error) {
	return sendJSON[Overview](ctx, c, get("/overview", nil).with(options))
}

// GetCapacity says how many more tenants of a demand would be admitted, and what runs out first.
func (c *Client) GetCapacity(demand *CalculateResourcesRequest) (*Capacity, error) {
	return c.GetCapacityContext(context.Background(), demand)
}

// GetCapacityContext is GetCapacity with a context and options.
func (c *Client) GetCapacityContext(ctx context.Context, demand *CalculateResourcesRequest, options ...CallOption) (*Capacity, error) {
	if demand == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPost, path: "/capacity", body: demand, repeatable: true}
	return sendJSON[Capacity](ctx, c, call.with(options))
}
