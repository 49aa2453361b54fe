// Alert rules and silences.

package orchestrator

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// GetAlertRules reads a tenant's alert rules, as they are in force.
func (c *Client) GetAlertRules(tenantID string) (*AlertRules, error) {
	return c.GetAlertRulesContext(context.Background(), tenantID)
}

// GetAlertRulesContext is GetAlertRules with a context and options.
func (c *Client) GetAlertRulesContext(ctx context.Context, tenantID string, options ...CallOption) (*AlertRules, error) {
	path, err := tenantPath(tenantID, "/alert-rules")
	if err != nil {
		return nil, err
	}
	return sendJSON[AlertRules](ctx, c, get(path, nil).with(options))
}

// SetAlertRules sets a tenant's alert rules; what is not named is the default.
func (c *Client) SetAlertRules(tenantID string, rules *AlertRulesRequest) (*AlertRules, error) {
	return c.SetAlertRulesContext(context.Background(), tenantID, rules)
}

// SetAlertRulesContext is SetAlertRules with a context and options.
func (c *Client) SetAlertRulesContext(ctx context.Context, tenantID string, rules *AlertRulesRequest, options ...CallOption) (*AlertRules, error) {
	path, err := tenantPath(tenantID, "/alert-rules")
	if err != nil {
		return nil, err
	}
	if rules == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPut, path: path, body: rules, repeatable: true}
	return sendJSON[AlertRules](ctx, c, call.with(options))
}

// SilenceFilter says which silences to list; nil and fields left out mean all.
type SilenceFilter struct {
	// pending, active, ended or all.
	Status string
	// Entries to leave out first.
	Skip int
	// Entries of a page at most, 1-1,000; 100 where it is 0.
	Limit int
}

// ListSilences lists silences, newest first.
func (c *Client) ListSilences(filter *SilenceFilter) (*SilenceList, error) {
	return c.ListSilencesContext(context.Background(), filter)
}

// ListSilencesContext is ListSilences with a context and options.
func (c *Client) ListSilencesContext(ctx context.Context, filter *SilenceFilter, options ...CallOption) (*SilenceList, error) {
	filter = orZero(filter)
	query := new(query).text("status", filter.Status).number("skip", filter.Skip).number("limit", filter.Limit)
	return sendJSON[SilenceList](ctx, c, get("/silences", query).with(options))
}

// CreateSilence keeps the alerts that it matches from being told, for an hour where it does not say otherwise.
func (c *Client) CreateSilence(silence *SilenceRequest) (*Silence, error) {
	return c.CreateSilenceContext(context.Background(), silence)
}

// CreateSilenceContext is CreateSilence with a context and options.
func (c *Client) CreateSilenceContext(ctx context.Context, silence *SilenceRequest, options ...CallOption) (*Silence, error) {
	if silence == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPost, path: "/silences", body: silence}
	return sendJSON[Silence](ctx, c, call.with(options))
}

// PreviewCreateSilence says which open alerts a silence would hit, and makes none.
func (c *Client) PreviewCreateSilence(ctx context.Context, silence *SilenceRequest, options ...CallOption) (*SilenceTrial, error) {
	if silence == nil {
		return nil, errNoBody
	}
	call := (&call{method: http.MethodPost, path: "/silences", body: silence, repeatable: true}).with(options)
	call.setQuery("dry_run", "true")
	return sendJSON[SilenceTrial](ctx, c, call)
}

// GetSilence reads one silence.
func (c *Client) GetSilence(silenceID string) (*Silence, error) {
	return c.GetSilenceContext(context.Background(), silenceID)
}

// GetSilenceContext is GetSilence with a context and options.
func (c *Client) GetSilenceContext(ctx context.Context, silenceID string, options ...CallOption) (*Silence, error) {
	path, err := silencePath(silenceID)
	if err != nil {
		return nil, err
	}
	return sendJSON[Silence](ctx, c, get(path, nil).with(options))
}

// DeleteSilence ends a silence, and answers it as it was.
func (c *Client) DeleteSilence(silenceID string) (*Silence, error) {
	return c.DeleteSilenceContext(context.Background(), silenceID)
}

// DeleteSilenceContext is DeleteSilence with a context and options.
func (c *Client) DeleteSilenceContext(ctx context.Context, silenceID string, options ...CallOption) (*Silence, error) {
	path, err := silencePath(silenceID)
	if err != nil {
		return nil, err
	}
	call := &call{method: http.MethodDelete, path: path}
	return sendJSON[Silence](ctx, c, call.with(options))
}

func silencePath(silenceID string) (string, error) {
	if silenceID == "" {
		return "", errors.New("orchestrator: the silence id must not be empty")
	}
	return "/silences/" + url.PathEscape(silenceID), nil
}
