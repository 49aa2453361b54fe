// What was done to a tenant, going back, and what a catalog would change.

package orchestrator

import (
	"context"
	"iter"
	"net/http"
)

// DeploymentFilter says which part of a history to list; nil means the first page.
type DeploymentFilter struct {
	// Entries to leave out first.
	Skip int
	// Entries of a page at most, 1–1,000; 100 where it is 0.
	Limit int
}

// ListDeployments lists what was done to a tenant, newest first: who, when, what changed and how it ended.
func (c *Client) ListDeployments(tenantID string, filter *DeploymentFilter) (*DeploymentList, error) {
	return c.ListDeploymentsContext(context.Background(), tenantID, filter)
}

// ListDeploymentsContext is ListDeployments with a context and options.
func (c *Client) ListDeploymentsContext(ctx context.Context, tenantID string, filter *DeploymentFilter, options ...CallOption) (*DeploymentList, error) {
	path, err := tenantPath(tenantID, "/deployments")
	if err != nil {
		return nil, err
	}
	filter = orZero(filter)
	query := new(query).number("skip", filter.Skip).number("limit", filter.Limit)
	return sendJSON[DeploymentList](ctx, c, get(path, query).with(options))
}

// AllDeployments lists a tenant's history over all pages; filter.Limit is the size of a page. An error is the last pair.
func (c *Client) AllDeployments(ctx context.Context, tenantID string, filter *DeploymentFilter, options ...CallOption) iter.Seq2[DeploymentEntry, error] {
	page := *orZero(filter)
	return allPages(page.Skip, func(skip int) ([]DeploymentEntry, bool, error) {
		page.Skip = skip
		list, err := c.ListDeploymentsContext(ctx, tenantID, &page, options...)
		if err != nil {
			return nil, false, err
		}
		return list.Deployments, list.Pagination.HasMore, nil
	})
}

// RollBackTenant goes back to a deployment that ran whole; nil means the last that did and is not what runs now.
func (c *Client) RollBackTenant(tenantID string, to *RollbackRequest) (*Tenant, error) {
	return c.RollBackTenantContext(context.Background(), tenantID, to)
}

// RollBackTenantContext is RollBackTenant with a context and options. It is never repeated.
func (c *Client) RollBackTenantContext(ctx context.Context, tenantID string, to *RollbackRequest, options ...RollbackOption) (*Tenant, error) {
	path, err := tenantPath(tenantID, "/rollback")
	if err != nil {
		return nil, err
	}
	call := &call{method: http.MethodPost, path: path, body: orZero(to)}
	for _, option := range options {
		option.applyRollback(call)
	}
	return sendJSON[Tenant](ctx, c, call)
}

// GetCatalogDiff says what the server's catalog would change of tenants that run with another one.
func (c *Client) GetCatalogDiff() (*CatalogDiff, error) {
	return c.GetCatalogDiffContext(context.Background())
}

// GetCatalogDiffContext is GetCatalogDiff with a context and options.
func (c *Client) GetCatalogDiffContext(ctx context.Context, options ...CallOption) (*CatalogDiff, error) {
	return sendJSON[CatalogDiff](ctx, c, get("/catalog/diff", nil).with(options))
}

// CompareCatalog says what another catalog would change.
func (c *Client) CompareCatalog(catalog *CatalogRequest) (*CatalogDiff, error) {
	return c.CompareCatalogContext(context.Background(), catalog)
}

// CompareCatalogContext is CompareCatalog with a context and options.
func (c *Client) CompareCatalogContext(ctx context.Context, catalog *CatalogRequest, options ...CallOption) (*CatalogDiff, error) {
	if catalog == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPost, path: "/catalog/diff", body: catalog, repeatable: true}
	return sendJSON[CatalogDiff](ctx, c, call.with(options))
}

// RollOutCatalog rolls the server's catalog out to the tenants that are named; nil means all, a few at a time.
func (c *Client) RollOutCatalog(to *CatalogRolloutRequest) (*StartedRollout, error) {
	return c.RollOutCatalogContext(context.Background(), to)
}

// RollOutCatalogContext is RollOutCatalog with a context and options. It is never repeated.
func (c *Client) RollOutCatalogContext(ctx context.Context, to *CatalogRolloutRequest, options ...CallOption) (*StartedRollout, error) {
	call := &call{method: http.MethodPost, path: "/catalog/rollout", body: orZero(to)}
	return sendJSON[StartedRollout](ctx, c, call.with(options))
}
