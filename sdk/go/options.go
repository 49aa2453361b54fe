// What a call accepts beside its arguments. An option fits only the operations that know it; the compiler says so.

package orchestrator

import (
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// CallOption fits every operation.
type CallOption interface {
	CreateOption
	UpdateOption
	DeleteOption
	RollbackOption
	applyCall(*call)
}

// CreateOption fits CreateTenantContext.
type CreateOption interface{ applyCreate(*call) }

// UpdateOption fits UpdateTenantContext and PreviewUpdateTenantContext.
type UpdateOption interface{ applyUpdate(*call) }

// DeleteOption fits DeleteTenantContext and PreviewDeleteTenantContext.
type DeleteOption interface{ applyDelete(*call) }

// RollbackOption fits RollBackTenantContext.
type RollbackOption interface{ applyRollback(*call) }

// ChangeOption fits updates, deletions and rollbacks.
type ChangeOption interface {
	UpdateOption
	DeleteOption
	RollbackOption
}

// Response is the answer as HTTP brought it.
type Response struct {
	// HTTP status.
	Status int
	// Headers, such as ETag.
	Header http.Header
	// Texts of the Warning headers, such as a field of the request that nothing reads.
	Warnings []string
	// What each of them is about, such as UNKNOWN_NAME; empty where the server does not say.
	WarningCodes []string
	// Body, such as the debug object that WithDebug asks for.
	Body []byte
}

// WithResponse stores the answer in target, that of a refusal too; of several attempts, the last one's.
func WithResponse(target *Response) CallOption {
	return callOption(func(call *call) { call.response = target })
}

// WithRequestID sends the id as X-Request-ID, to find the call in the server's log.
func WithRequestID(id string) CallOption {
	return callOption(func(call *call) { call.setHeader("X-Request-ID", id) })
}

// WithDebug asks for a debug object in the answer; WithResponse shows it.
func WithDebug() CallOption {
	return callOption(func(call *call) { call.setHeader("X-Debug", "true") })
}

// WithTimeout limits the whole call, retries and their pauses included, instead of the client's Timeout.
func WithTimeout(timeout time.Duration) CallOption {
	return callOption(func(call *call) { call.timeout = timeout })
}

// WithIdempotencyKey makes a creation safe to repeat: the same request under the same key is carried out once.
func WithIdempotencyKey(key string) CreateOption {
	return createOption(func(call *call) {
		call.setHeader("Idempotency-Key", key)
		call.repeatable = true
	})
}

// WithIfMatch takes the ETag of the tenant as it was read; ErrConflict (412) where it has changed since.
func WithIfMatch(etag string) ChangeOption {
	return changeOption(func(call *call) { call.setHeader("If-Match", etag) })
}

// WithRollback says whether what ran before comes back where the roll-out fails; without it, the server's settings do.
func WithRollback(rollback bool) UpdateOption {
	return updateOption(func(call *call) { call.setQuery("rollback", strconv.FormatBool(rollback)) })
}

// WithForce skips grace periods and finalizers of what the orchestrator created.
func WithForce() DeleteOption {
	return deleteOption(func(call *call) { call.setQuery("force", "true") })
}

// WithRelease gives a namespace in which others keep something up to them, so that the tenant can end.
func WithRelease() DeleteOption {
	return deleteOption(func(call *call) { call.setQuery("release", "true") })
}

type (
	callOption   func(*call)
	createOption func(*call)
	updateOption func(*call)
	deleteOption func(*call)
	changeOption func(*call)
)

func (o callOption) applyCall(call *call)       { o(call) }
func (o callOption) applyCreate(call *call)     { o(call) }
func (o callOption) applyUpdate(call *call)     { o(call) }
func (o callOption) applyDelete(call *call)     { o(call) }
func (o callOption) applyRollback(call *call)   { o(call) }
func (o createOption) applyCreate(call *call)   { o(call) }
func (o updateOption) applyUpdate(call *call)   { o(call) }
func (o deleteOption) applyDelete(call *call)   { o(call) }
func (o changeOption) applyUpdate(call *call)   { o(call) }
func (o changeOption) applyDelete(call *call)   { o(call) }
func (o changeOption) applyRollback(call *call) { o(call) }

// call is one operation, as its method describes it.
type call struct {
	method, path string
	// Below the server's root instead of the API's.
	atRoot bool
	query  url.Values
	body   any
	header http.Header
	// Asking again can change nothing.
	repeatable bool
	timeout    time.Duration
	response   *Response
}

// name is how errors name the call.
func (c *call) name() string { return c.method + " " + c.path }

func (c *call) setHeader(name, value string) {
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Set(name, value)
}

func (c *call) setQuery(name, value string) {
	if c.query == nil {
		c.query = url.Values{}
	}
	c.query.Set(name, value)
}

func (c *call) with(options []CallOption) *call {
	for _, option := range options {
		option.applyCall(c)
	}
	return c
}

// query collects parameters and leaves out those that are not set.
type query struct{ values url.Values }

func (q *query) text(name, value string) *query {
	if value != "" {
		if q.values == nil {
			q.values = url.Values{}
		}
		q.values.Set(name, value)
	}
	return q
}

func (q *query) number(name string, value int) *query {
	if value == 0 {
		return q
	}
	return q.text(name, strconv.Itoa(value))
}

func (q *query) flag(name string, value *bool) *query {
	if value == nil {
		return q
	}
	return q.text(name, strconv.FormatBool(*value))
}

func (q *query) time(name string, value time.Time) *query {
	if value.IsZero() {
		return q
	}
	return q.text(name, value.UTC().Format(time.RFC3339Nano))
}
