// What can go wrong, as types for errors.As and as kinds for errors.Is.

package orchestrator

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kinds of refusal, for errors.Is.
var (
	// 404: no such tenant, deployment or path.
	ErrNotFound = errors.New("orchestrator: not found")
	// 409 and 412: it exists already, is in the way of another change, or changed meanwhile.
	ErrConflict = errors.New("orchestrator: conflict")
	// 400, 413, 422 and other 4xx: the request is wrong; Fields says where.
	ErrValidation = errors.New("orchestrator: invalid request")
	// 401: no token, or not a valid one.
	ErrUnauthorized = errors.New("orchestrator: unauthorized")
	// 403: the token does not allow this.
	ErrForbidden = errors.New("orchestrator: forbidden")
	// 429, after the retries.
	ErrRateLimited = errors.New("orchestrator: rate limited")
	// 5xx, after the retries.
	ErrServer = errors.New("orchestrator: server error")
)

// Codes that the server sends.
const (
	CodeInvalidRequest        = "INVALID_REQUEST"
	CodeUnauthorized          = "UNAUTHORIZED"
	CodeForbidden             = "FORBIDDEN"
	CodeTenantNotFound        = "TENANT_NOT_FOUND"
	CodeDeploymentNotFound    = "DEPLOYMENT_NOT_FOUND"
	CodeTenantAlreadyExists   = "TENANT_ALREADY_EXISTS"
	CodeConflict              = "CONFLICT"
	CodeInsufficientResources = "INSUFFICIENT_RESOURCES"
	CodeValidationFailed      = "VALIDATION_FAILED"
	CodeInvalidPreset         = "INVALID_PRESET"
	CodeManifestInvalid       = "MANIFEST_INVALID"
	CodeRateLimited           = "RATE_LIMITED"
	CodeInternalError         = "INTERNAL_ERROR"
	CodeDeploymentFailed      = "DEPLOYMENT_FAILED"
	CodeMonitoringUnavailable = "MONITORING_UNAVAILABLE"
	CodeDatabaseError         = "DATABASE_ERROR"
	CodeKubernetesError       = "KUBERNETES_ERROR"
)

// Codes of what the client itself finds, as ErrorCode tells them.
const (
	CodeConnectionError = "CONNECTION_ERROR"
	CodeTimeout         = "TIMEOUT"
	CodeInvalidResponse = "INVALID_RESPONSE"
)

// FieldFault is a wrong field of a request: where (JSON pointer) and why.
type FieldFault struct {
	Pointer string `json:"pointer"`
	Reason  string `json:"reason"`
}

// APIError is a refusal by the server. errors.Is tells its kind: ErrNotFound, ErrConflict and so on.
type APIError struct {
	// Tells what failed, the same in every language.
	Code string
	// For people.
	Message string
	// HTTP status; 400 for an error frame of a stream.
	Status int
	// What it is about.
	Details map[string]any
	// Id to look for in the server's log.
	RequestID string
	// Every wrong field of the request, empty where fields were not the fault.
	Fields []FieldFault
	// How long the server asks to wait; 0 where it does not ask.
	RetryAfter time.Duration

	hasRetryAfter bool
	// It came in the API's envelope: the server itself said it, not something in front of it.
	enveloped bool
}

// Error tells code, status, message and every wrong field.
func (e *APIError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "orchestrator: %s (%d): %s", e.Code, e.Status, e.Message)
	for _, field := range e.Fields {
		fmt.Fprintf(&text, "; %s: %s", field.Pointer, field.Reason)
	}
	return text.String()
}

// Is tells the kind of the refusal.
func (e *APIError) Is(target error) bool { return target == e.kind() }

func (e *APIError) kind() error {
	switch {
	case e.Status == http.StatusUnauthorized:
		return ErrUnauthorized
	case e.Status == http.StatusForbidden:
		return ErrForbidden
	case e.Status == http.StatusNotFound:
		return ErrNotFound
	case e.Status == http.StatusConflict, e.Status == http.StatusPreconditionFailed:
		return ErrConflict
	case e.Status == http.StatusTooManyRequests:
		return ErrRateLimited
	case e.Status >= 500:
		return ErrServer
	default:
		return ErrValidation
	}
}

// ConnectionError is a call without an answer: refused, reset, cut off in the middle.
type ConnectionError struct {
	// The call.
	Op string
	// What happened.
	Err error
}

func (e *ConnectionError) Error() string { return fmt.Sprintf("orchestrator: %s: %v", e.Op, e.Err) }
func (e *ConnectionError) Unwrap() error { return e.Err }

// TimeoutError is a call or a wait that took too long.
type TimeoutError struct {
	// The call.
	Op string
	// The time it had.
	Limit time.Duration
	// The last that was seen, where something was.
	Last string
}

func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("orchestrator: %s: not done within %s", e.Op, e.Limit)
	if e.Last != "" {
		text += "; last seen: " + e.Last
	}
	return text
}

// Timeout is true, as in net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// InvalidResponseError is an answer that is not what the API promises.
type InvalidResponseError struct {
	// The call.
	Op string
	// HTTP status; 0 for a frame of a stream.
	Status int
	// Id to look for in the server's log, where there is one.
	RequestID string
	// How the answer begins.
	Body string
	// What is wrong with it.
	Err error
}

func (e *InvalidResponseError) Error() string {
	return fmt.Sprintf("orchestrator: %s: the answer is not what the API promises: %v: %q", e.Op, e.Err, e.Body)
}
func (e *InvalidResponseError) Unwrap() error { return e.Err }

// DeploymentFailedError says that the roll-out that was waited for failed; Reason says why and how to fix it.
type DeploymentFailedError struct {
	TenantID     string
	DeploymentID string
	// The API's code of the failure.
	Code   string
	Reason string
	// The state in full, with its log.
	Deployment *DeploymentStatus
}

func (e *DeploymentFailedError) Error() string {
	return fmt.Sprintf("orchestrator: %s: %s", e.TenantID, e.Reason)
}

func newDeploymentFailedError(status *DeploymentStatus) *DeploymentFailedError {
	failed := &DeploymentFailedError{
		TenantID:     status.TenantID,
		DeploymentID: status.DeploymentID,
		Code:         CodeDeploymentFailed,
		Reason:       "the deployment is " + status.Status,
		Deployment:   status,
	}
	last := ""
	if len(status.Logs) > 0 {
		last = status.Logs[len(status.Logs)-1].Message
	}
	switch {
	case status.Failure != nil && status.Status == "rolled_back" && last != "":
		// The last line says to what.
		failed.Code, failed.Reason = status.Failure.Code, status.Failure.Message+"; "+last
	case status.Failure != nil:
		failed.Code, failed.Reason = status.Failure.Code, status.Failure.Message
	case last != "":
		failed.Reason = last
	}
	return failed
}

// ErrorCode tells the code of any error of this package, the server's or the client's; empty for other errors.
func ErrorCode(err error) string {
	var api *APIError
	var connection *ConnectionError
	var timeout *TimeoutError
	var invalid *InvalidResponseError
	var failed *DeploymentFailedError
	switch {
	case errors.As(err, &failed):
		return failed.Code
	case errors.As(err, &api):
		return api.Code
	case errors.As(err, &timeout):
		return CodeTimeout
	case errors.As(err, &connection):
		return CodeConnectionError
	case errors.As(err, &invalid):
		return CodeInvalidResponse
	}
	return ""
}

// isTransient is true where the same call may succeed a moment later.
func isTransient(err error) bool {
	var connection *ConnectionError
	var api *APIError
	if errors.As(err, &api) {
		return api.Status == http.StatusTooManyRequests || api.Status == http.StatusServiceUnavailable
	}
	return errors.As(err, &connection)
}

// The envelope of refusals.
type errorEnvelope struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code      string         `json:"code"`
	Message   string         `json:"message"`
	Details   map[string]any `json:"details"`
	Timestamp time.Time      `json:"timestamp"`
	RequestID string         `json:"request_id"`
}

// newAPIError makes the error of a refusal, in the API's envelope or not.
func newAPIError(status int, header http.Header, body []byte) *APIError {
	refused := &APIError{Status: status, RequestID: header.Get("X-Request-ID")}
	refused.RetryAfter, refused.hasRetryAfter = parseRetryAfter(header.Get("Retry-After"))
	said, ok := readEnvelope(body)
	if !ok {
		refused.Code = fallbackCode(refused.kind())
		refused.Message = fmt.Sprintf("the server answered %d without the API's error envelope", status)
		refused.Details = map[string]any{"body": beginning(body)}
		return refused
	}
	refused.enveloped = true
	refused.Code, refused.Message, refused.Details = said.Code, said.Message, said.Details
	if said.RequestID != "" {
		refused.RequestID = said.RequestID
	}
	var faults struct {
		Fields []FieldFault `json:"fields"`
	}
	if details, err := json.Marshal(said.Details); err == nil && json.Unmarshal(details, &faults) == nil {
		refused.Fields = faults.Fields
	}
	return refused
}

// readEnvelope takes what it can: a refusal with an odd detail is still that refusal.
func readEnvelope(body []byte) (errorBody, bool) {
	var outer struct {
		Error map[string]json.RawMessage `json:"error"`
	}
	var said errorBody
	if json.Unmarshal(body, &outer) != nil || json.Unmarshal(outer.Error["code"], &said.Code) != nil || said.Code == "" {
		return said, false
	}
	_ = json.Unmarshal(outer.Error["message"], &said.Message)
	_ = json.Unmarshal(outer.Error["details"], &said.Details)
	_ = json.Unmarshal(outer.Error["request_id"], &said.RequestID)
	return said, true
}

func fallbackCode(kind error) string {
	switch kind {
	case ErrUnauthorized:
		return CodeUnauthorized
	case ErrForbidden:
		return CodeForbidden
	case ErrConflict:
		return CodeConflict
	case ErrRateLimited:
		return CodeRateLimited
	case ErrServer:
		return CodeInternalError
	default:
		return CodeInvalidRequest
	}
}

// parseRetryAfter reads seconds or a date, as the time from now.
func parseRetryAfter(value string) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && !math.IsNaN(seconds) {
		return time.Duration(min(max(seconds, 0), 1e9) * float64(time.Second)), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(time.Until(at), 0), true
}

func beginning(body []byte) string {
	return strings.ToValidUTF8(string(body[:min(len(body), 200)]), "\uFFFD")
}
