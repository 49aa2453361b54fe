// Operations on tenants: list, create, read, change, delete, and what a change would do.

package orchestrator

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// Presets, for TenantRequest.Preset and TenantFilter.Preset.
const (
	PresetMicro  = "micro"
	PresetSmall  = "small"
	PresetMedium = "medium"
	PresetLarge  = "large"
)

// States of a tenant, for TenantFilter.Status.
const (
	TenantPending  = "pending"
	TenantRunning  = "running"
	TenantFailed   = "failed"
	TenantDeleting = "deleting"
)

// TenantFilter says which tenants to list; nil and fields left out mean all.
type TenantFilter struct {
	Preset string
	Status string
	// Only tenants whose id or name contains this.
	Search string
	// name, status, created_at, gpu, cost, cpu_usage, gpu_usage or response_time; "-" before it for descending.
	Sort string
	// What is added to each tenant: metrics, alerts, cost, failure.
	Expand []string
	// Entries to leave out first.
	Skip int
	// Entries of a page at most, 1–1,000; 100 where it is 0.
	Limit int
}

// ListTenants lists tenants, oldest first.
func (c *Client) ListTenants(filter *TenantFilter) (*TenantList, error) {
	return c.ListTenantsContext(context.Background(), filter)
}

// ListTenantsContext is ListTenants with a context and options.
func (c *Client) ListTenantsContext(ctx context.Context, filter *TenantFilter, options ...CallOption) (*TenantList, error) {
	filter = orZero(filter)
	parameters := new(query).text("preset", filter.Preset).text("status", filter.Status)
	parameters.text("q", filter.Search).text("sort", filter.Sort).text("expand", strings.Join(filter.Expand, ","))
	parameters.number("skip", filter.Skip).number("limit", filter.Limit)
	return sendJSON[TenantList](ctx, c, get("/tenants/", parameters).with(options))
}

// AllTenants lists tenants over all pages; filter.Limit is the size of a page. An error is the last pair.
func (c *Client) AllTenants(ctx context.Context, filter *TenantFilter, options ...CallOption) iter.Seq2[TenantSummary, error] {
	page := *orZero(filter)
	return allPages(page.Skip, func(skip int) ([]TenantSummary, bool, error) {
		page.Skip = skip
		list, err := c.ListTenantsContext(ctx, &page, options...)
		if err != nil {
			return nil, false, err
		}
		return list.Tenants, list.Pagination.HasMore, nil
	})
}

// CreateTenant creates a tenant; it answers when the intent is on disk, before the roll-out.
func (c *Client) CreateTenant(tenant *TenantRequest) (*CreatedTenant, error) {
	return c.CreateTenantContext(context.Background(), tenant)
}

// CreateTenantContext is CreateTenant with a context and options. It is repeated only WithIdempotencyKey.
func (c *Client) CreateTenantContext(ctx context.Context, tenant *TenantRequest, options ...CreateOption) (*CreatedTenant, error) {
	if tenant == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPost, path: "/tenants/", body: tenant}
	for _, option := range options {
		option.applyCreate(call)
	}
	return sendJSON[CreatedTenant](ctx, c, call)
}

// PreviewCreateTenant says what CreateTenant would do, and does nothing.
func (c *Client) PreviewCreateTenant(tenant *TenantRequest) (*Preview, error) {
	return c.PreviewCreateTenantContext(context.Background(), tenant)
}

// PreviewCreateTenantContext is PreviewCreateTenant with a context and options.
func (c *Client) PreviewCreateTenantContext(ctx context.Context, tenant *TenantRequest, options ...CallOption) (*Preview, error) {
	if tenant == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPost, path: "/tenants/", body: tenant}
	return c.preview(ctx, call.with(options))
}

// GetTenant reads a tenant.
func (c *Client) GetTenant(tenantID string) (*Tenant, error) {
	return c.GetTenantContext(context.Background(), tenantID)
}

// GetTenantContext is GetTenant with a context and options.
func (c *Client) GetTenantContext(ctx context.Context, tenantID string, options ...CallOption) (*Tenant, error) {
	path, err := tenantPath(tenantID, "")
	if err != nil {
		return nil, err
	}
	return sendJSON[Tenant](ctx, c, get(path, nil).with(options))
}

// UpdateTenant changes what is named and leaves the rest; a service set to 0 is removed.
func (c *Client) UpdateTenant(tenantID string, change *TenantUpdate) (*Tenant, error) {
	return c.UpdateTenantContext(context.Background(), tenantID, change)
}

// UpdateTenantContext is UpdateTenant with a context and options. It is never repeated.
func (c *Client) UpdateTenantContext(ctx context.Context, tenantID string, change *TenantUpdate, options ...UpdateOption) (*Tenant, error) {
	call, err := updateCall(tenantID, change, options)
	if err != nil {
		return nil, err
	}
	return sendJSON[Tenant](ctx, c, call)
}

// PreviewUpdateTenant says what UpdateTenant would do, and does nothing.
func (c *Client) PreviewUpdateTenant(tenantID string, change *TenantUpdate) (*Preview, error) {
	return c.PreviewUpdateTenantContext(context.Background(), tenantID, change)
}

// PreviewUpdateTenantContext is PreviewUpdateTenant with a context and options.
func (c *Client) PreviewUpdateTenantContext(ctx context.Context, tenantID string, change *TenantUpdate, options ...UpdateOption) (*Preview, error) {
	call, err := updateCall(tenantID, change, options)
	if err != nil {
		return nil, err
	}
	return c.preview(ctx, call)
}

// DeleteTenant starts the deletion; asked again it answers the same.
func (c *Client) DeleteTenant(tenantID string) (*Deletion, error) {
	return c.DeleteTenantContext(context.Background(), tenantID)
}

// DeleteTenantContext is DeleteTenant with a context and options. It is never repeated.
func (c *Client) DeleteTenantContext(ctx context.Context, tenantID string, options ...DeleteOption) (*Deletion, error) {
	call, err := deleteCall(tenantID, options)
	if err != nil {
		return nil, err
	}
	return sendJSON[Deletion](ctx, c, call)
}

// PreviewDeleteTenant says what DeleteTenant would do, and does nothing.
func (c *Client) PreviewDeleteTenant(tenantID string) (*Preview, error) {
	return c.PreviewDeleteTenantContext(context.Background(), tenantID)
}

// PreviewDeleteTenantContext is PreviewDeleteTenant with a context and options.
func (c *Client) PreviewDeleteTenantContext(ctx context.Context, tenantID string, options ...DeleteOption) (*Preview, error) {
	call, err := deleteCall(tenantID, options)
	if err != nil {
		return nil, err
	}
	return c.preview(ctx, call)
}

// CalculateResources sizes a load and stores nothing.
func (c *Client) CalculateResources(load *CalculateResourcesRequest) (*Calculation, error) {
	return c.CalculateResourcesContext(context.Background(), load)
}

// CalculateResourcesContext is CalculateResources with a context and options.
func (c *Client) CalculateResourcesContext(ctx context.Context, load *CalculateResourcesRequest, options ...CallOption) (*Calculation, error) {
	if load == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPost, path: "/tenants/calculate-resources", body: load, repeatable: true}
	return sendJSON[Calculation](ctx, c, call.with(options))
}

var errNoBody = errors.New("orchestrator: the request must not be nil")

func (c *Client) preview(ctx context.Context, call *call) (*Preview, error) {
	call.setQuery("dry_run", "true")
	call.repeatable = true
	return sendJSON[Preview](ctx, c, call)
}

func updateCall(tenantID string, change *TenantUpdate, options []UpdateOption) (*call, error) {
	path, err := tenantPath(tenantID, "")
	if err != nil {
		return nil, err
	}
	if change == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPut, path: path, body: change}
	for _, option := range options {
		option.applyUpdate(call)
	}
	return call, nil
}

func deleteCall(tenantID string, options []DeleteOption) (*call, error) {
	path, err := tenantPath(tenantID, "")
	if err != nil {
		return nil, err
	}
	call := &call{method: http.MethodDelete, path: path}
	for _, option := range options {
		option.applyDelete(call)
	}
	return call, nil
}

// get is a read, which may always be repeated.
func get(path string, parameters *query) *call {
	return &call{method: http.MethodGet, path: path, query: orZero(parameters).values, repeatable: true}
}

func tenantPath(tenantID, rest string) (string, error) {
	if tenantID == "" {
		return "", errors.New("orchestrator: the tenant id must not be empty")
	}
	return "/tenants/" + url.PathEscape(tenantID) + rest, nil
}

func orZero[T any](value *T) *T {
	if value == nil {
		return new(T)
	}
	return value
}
