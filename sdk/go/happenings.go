// What the cluster tells of a tenant: events, and what its containers write.

package orchestrator

import (
	"bufio"
	"context"
	"fmt"
	"io"
)

// EventFilter says how many events; 0 means the server's default.
type EventFilter struct {
	// Events at most, 1-500; 100 where it is 0.
	Limit int
}

// ListEvents answers what happened to a tenant's objects, newest first.
func (c *Client) ListEvents(tenantID string) (*Events, error) {
	return c.ListEventsContext(context.Background(), tenantID, nil)
}

// ListEventsContext is ListEvents with a context, a filter and options.
func (c *Client) ListEventsContext(ctx context.Context, tenantID string, filter *EventFilter, options ...CallOption) (*Events, error) {
	path, err := tenantPath(tenantID, "/events")
	if err != nil {
		return nil, err
	}
	query := new(query).number("limit", orZero(filter).Limit)
	return sendJSON[Events](ctx, c, get(path, query).with(options))
}

// LogsQuery says what to read; fields left out mean the server's defaults.
type LogsQuery struct {
	// Pods of this service alone, or of redis.
	Service string
	// This pod alone.
	Pod string
	// This container of each pod that has it; its first where it is empty.
	Container string
	// Of the container before the last restart.
	Previous *bool
	// Newest lines of each pod, 0-10,000; 100 where it is nil.
	Tail *int
}

func (q *LogsQuery) query() *query {
	query := new(query).text("service", q.Service).text("pod", q.Pod).text("container", q.Container)
	query.flag("previous", q.Previous)
	if q.Tail != nil {
		query.text("tail", fmt.Sprint(*q.Tail))
	}
	return query
}

// ReadLogs answers the newest lines of all pods of a tenant, each with its pod's name before it.
func (c *Client) ReadLogs(tenantID string) (string, error) {
	return c.ReadLogsContext(context.Background(), tenantID, nil)
}

// ReadLogsContext is ReadLogs with a context, settings and options.
func (c *Client) ReadLogsContext(ctx context.Context, tenantID string, parameters *LogsQuery, options ...CallOption) (string, error) {
	path, err := tenantPath(tenantID, "/logs")
	if err != nil {
		return "", err
	}
	return sendText(ctx, c, get(path, orZero(parameters).query()).with(options))
}

// FollowLogs gives each line to write as it comes, until the context ends, the server does, or write fails.
func (c *Client) FollowLogs(ctx context.Context, tenantID string, parameters *LogsQuery, write func(line string) error, options ...CallOption) error {
	path, err := tenantPath(tenantID, "/logs")
	if err != nil {
		return err
	}
	follow := true
	call := get(path, orZero(parameters).query().flag("follow", &follow)).with(options)
	if c.err != nil {
		return c.err
	}
	request, err := c.request(ctx, call, nil)
	if err != nil {
		return fmt.Errorf("orchestrator: %s: %w", call.name(), err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.failure(ctx, ctx, call, c.timeout, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		content, _ := io.ReadAll(response.Body)
		return c.refusal(response.StatusCode, response.Header, content)
	}
	for _, text := range warningTexts(response.Header) {
		c.onWarning(text)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := write(lines.Text()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return c.failure(ctx, ctx, call, c.timeout, err)
	}
	return nil
}
