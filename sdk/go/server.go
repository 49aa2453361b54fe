// The server itself: its audit trail, health, readiness and own metrics.

package orchestrator

import (
	"context"
	"iter"
	"time"
)

// AuditFilter says which entries to list; nil and fields left out mean all.
type AuditFilter struct {
	TenantID string
	// Token name, or controller.
	Actor string
	// Such as tenant.create.
	Action string
	// Such as completed.
	Outcome string
	// Only what this request asked for.
	RequestID string
	// Not before this time, and before this time.
	Since, Until time.Time
	// Entries to leave out first.
	Skip int
	// Entries of a page at most, 1–1,000; 100 where it is 0.
	Limit int
}

// ListAuditEntries lists who changed what, newest first; for administrators.
func (c *Client) ListAuditEntries(filter *AuditFilter) (*AuditList, error) {
	return c.ListAuditEntriesContext(context.Background(), filter)
}

// ListAuditEntriesContext is ListAuditEntries with a context and options.
func (c *Client) ListAuditEntriesContext(ctx context.Context, filter *AuditFilter, options ...CallOption) (*AuditList, error) {
	filter = orZero(filter)
	query := new(query).text("tenant_id", filter.TenantID).text("actor", filter.Actor).text("action", filter.Action)
	query.text("outcome", filter.Outcome).text("request_id", filter.RequestID)
	query.time("since", filter.Since).time("until", filter.Until)
	query.number("skip", filter.Skip).number("limit", filter.Limit)
	return sendJSON[AuditList](ctx, c, get("/audit", query).with(options))
}

// AllAuditEntries lists the audit trail over all pages; filter.Limit is the size of a page. An error is the last pair.
func (c *Client) AllAuditEntries(ctx context.Context, filter *AuditFilter, options ...CallOption) iter.Seq2[AuditEntry, error] {
	page := *orZero(filter)
	return allPages(page.Skip, func(skip int) ([]AuditEntry, bool, error) {
		page.Skip = skip
		list, err := c.ListAuditEntriesContext(ctx, &page, options...)
		if err != nil {
			return nil, false, err
		}
		return list.Entries, list.Pagination.HasMore, nil
	})
}

// GetHealth tells that the server runs.
func (c *Client) GetHealth() (*Health, error) { return c.GetHealthContext(context.Background()) }

// GetHealthContext is GetHealth with a context and options.
func (c *Client) GetHealthContext(ctx context.Context, options ...CallOption) (*Health, error) {
	return sendJSON[Health](ctx, c, getAtRoot("/healthz").with(options))
}

// GetReadiness tells that the server takes calls; ErrServer (503) while it does not.
func (c *Client) GetReadiness() (*Health, error) { return c.GetReadinessContext(context.Background()) }

// GetReadinessContext is GetReadiness with a context and options.
func (c *Client) GetReadinessContext(ctx context.Context, options ...CallOption) (*Health, error) {
	return sendJSON[Health](ctx, c, getAtRoot("/readyz").with(options))
}

// GetMetrics answers the server's own metrics, in the Prometheus text format.
func (c *Client) GetMetrics() (string, error) { return c.GetMetricsContext(context.Background()) }

// GetMetricsContext is GetMetrics with a context and options.
func (c *Client) GetMetricsContext(ctx context.Context, options ...CallOption) (string, error) {
	return sendText(ctx, c, getAtRoot("/metrics").with(options))
}

func getAtRoot(path string) *call {
	call := get(path, nil)
	call.atRoot = true
	return call
}
