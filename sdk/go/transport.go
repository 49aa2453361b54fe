// One HTTP exchange with its time limit and retries. Knows nothing of the operations.

package orchestrator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// sendJSON sends a call and reads its answer as a JSON object.
func sendJSON[T any](ctx context.Context, client *Client, call *call) (*T, error) {
	answer, err := client.send(ctx, call)
	if err != nil {
		return nil, err
	}
	value := new(T)
	if err := decodeObject(answer.Body, value); err != nil {
		return nil, &InvalidResponseError{
			Op:        call.name(),
			Status:    answer.Status,
			RequestID: answer.Header.Get("X-Request-ID"),
			Body:      beginning(answer.Body),
			Err:       err,
		}
	}
	return value, nil
}

// sendText sends a call and answers its body as text.
func sendText(ctx context.Context, client *Client, call *call) (string, error) {
	answer, err := client.send(ctx, call)
	if err != nil {
		return "", err
	}
	return string(answer.Body), nil
}

func decodeObject(body []byte, value any) error {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("it is not a JSON object")
	}
	return json.Unmarshal(body, value)
}

// send sends a call, again where it may be repeated and the failure may pass.
func (c *Client) send(ctx context.Context, call *call) (*Response, error) {
	if c.err != nil {
		return nil, c.err
	}
	var body []byte
	if call.body != nil {
		var err error
		if body, err = json.Marshal(call.body); err != nil {
			return nil, fmt.Errorf("orchestrator: %s: the request can not be written as JSON: %w", call.name(), err)
		}
	}
	limit := call.timeout
	if limit <= 0 {
		limit = c.timeout
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	until := time.Now().Add(limit)
	for attempt := 0; ; attempt++ {
		answer, err := c.exchange(ctx, limited, call, limit, body)
		if err == nil {
			for _, text := range answer.Warnings {
				c.onWarning(text)
			}
			return answer, nil
		}
		pause, again := c.retry.pause(err, attempt)
		// A pause that does not fit in what is left is not begun.
		if !call.repeatable || !again || time.Now().Add(pause).After(until) {
			return nil, err
		}
		if stopped := sleep(ctx, pause); stopped != nil {
			return nil, fmt.Errorf("orchestrator: %s: %w (%w)", call.name(), stopped, err)
		}
	}
}

// exchange makes one attempt within what is left of the call's limit; ctx is the caller's.
func (c *Client) exchange(ctx, limited context.Context, call *call, limit time.Duration, body []byte) (*Response, error) {
	request, err := c.request(limited, call, body)
	if err != nil {
		return nil, fmt.Errorf("orchestrator: %s: %w", call.name(), err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.failure(ctx, limited, call, limit, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, c.failure(ctx, limited, call, limit, err)
	}
	answer := &Response{
		Status: response.StatusCode, Header: response.Header, Warnings: warningTexts(response.Header), Body: content,
	}
	answer.WarningCodes = warningCodes(response.Header, len(answer.Warnings))
	if call.response != nil {
		*call.response = *answer
	}
	c.revision.note(answer.Header)
	if answer.Status < 200 || answer.Status > 299 {
		return nil, c.refusal(answer.Status, answer.Header, content)
	}
	return answer, nil
}

func (c *Client) request(ctx context.Context, call *call, body []byte) (*http.Request, error) {
	address := c.base
	if call.atRoot {
		address = c.server
	}
	address += call.path
	if len(call.query) > 0 {
		address += "?" + call.query.Encode()
	}
	var content io.Reader
	if call.body != nil {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, call.method, address, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, application/yaml, text/*;q=0.9, */*;q=0.1")
	request.Header.Set("User-Agent", "ecp-orchestrator-client-go")
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	c.revision.show(call.method, request.Header)
	for _, header := range []http.Header{c.header, call.header} {
		for name, values := range header {
			request.Header[name] = values
		}
	}
	return request, checkHeader(call.header)
}

// refusal is what an answer that is none is to the caller.
func (c *Client) refusal(status int, header http.Header, content []byte) error {
	err := newAPIError(status, header, content)
	c.revision.forgetWhereUnreached(err)
	return err
}

// failure tells apart who ended an attempt: the caller, the call's time limit, or the connection.
func (c *Client) failure(ctx, limited context.Context, call *call, limit time.Duration, err error) error {
	var late interface{ Timeout() bool }
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("orchestrator: %s: %w", call.name(), context.Cause(ctx))
	case limited.Err() != nil, errors.As(err, &late) && late.Timeout():
		return &TimeoutError{Op: call.name(), Limit: limit}
	default:
		return &ConnectionError{Op: call.name(), Err: err}
	}
}

// pause tells how long to wait before the next attempt, and whether there is one.
func (p RetryPolicy) pause(err error, attempt int) (time.Duration, bool) {
	if attempt >= p.Retries || !isTransient(err) {
		return 0, false
	}
	var api *APIError
	if errors.As(err, &api) && api.hasRetryAfter {
		return api.RetryAfter, api.RetryAfter <= p.MaxDelay
	}
	return backoff(attempt, p.BaseDelay, p.MaxDelay), true
}

// backoff is a pause that doubles with each attempt, half of it random, so that many clients do not return at once.
func backoff(attempt int, base, longest time.Duration) time.Duration {
	full := base
	for ; attempt > 0 && full < longest; attempt-- {
		full *= 2
	}
	full = min(full, longest)
	return full/2 + rand.N(full/2+1)
}

// sleep waits, or answers why the context ended.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
