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

// ListNodes says what each node has, what is taken of it, and why tenants' pods stay away where they do.
func (c *Client) ListNodes() (*Nodes, error) {
	return c.ListNodesContext(context.Background())
}

// ListNodesContext is ListNodes with a context and options.
func (c *Client) ListNodesContext(ctx context.Context, options ...CallOption) (*Nodes, error) {
	return sendJSON[Nodes](ctx, c, get("/nodes", nil).with(options))
}

// CostsQuery says which month's costs, and how they are written.
type CostsQuery struct {
	// As 2026-11, in the catalog's time zone; the present one where it is empty.
	Month string
}

// GetCosts answers what tenants paid and cost in the present month so far.
func (c *Client) GetCosts() (*Costs, error) {
	return c.GetCostsContext(context.Background(), nil)
}

// GetCostsContext is GetCosts with a context, a month and options.
func (c *Client) GetCostsContext(ctx context.Context, parameters *CostsQuery, options ...CallOption) (*Costs, error) {
	query := new(query).text("month", orZero(parameters).Month)
	return sendJSON[Costs](ctx, c, get("/costs", query).with(options))
}

// GetCostsCSVContext is GetCostsContext as CSV, a row a tenant and the total last.
func (c *Client) GetCostsCSVContext(ctx context.Context, parameters *CostsQuery, options ...CallOption) (string, error) {
	query := new(query).text("month", orZero(parameters).Month).text("format", "csv")
	return sendText(ctx, c, get("/costs", query).with(options))
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
