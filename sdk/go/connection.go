// The connections that feed a subscription: dialled again after each break, with repeats left out and gaps told.

package orchestrator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	defaultReconnectDelay    = 500 * time.Millisecond
	defaultMaxReconnectDelay = 30 * time.Second
	// Frames remembered to recognise repeats.
	rememberedFrames = 2_000
	// The longest frame; the API's are a few kilobytes.
	maxFrameBytes = 16 << 20
	// What is read of a handshake's refusal.
	maxRefusalBytes = 1 << 20
)

// stream is the writing end of a subscription, of one goroutine.
type stream[T Frame] struct {
	subscription *Subscription[T]
	client       *Client
	kind         streamKind[T]
	// Connections that failed since the last frame.
	attempt int
	opened  bool
	// Newest number, where a frame has come.
	lastSeq int64
	hasSeq  bool
	recent  map[string]bool
	order   []string
}

// run connects until the stream ends, is refused for good, or is closed.
func (s *stream[T]) run(ctx context.Context) {
	for {
		over, err := s.connect(ctx)
		if ctx.Err() != nil {
			// The context of whoever subscribed; after Close it changes nothing.
			s.subscription.finish(context.Cause(ctx), true)
			return
		}
		if over {
			s.subscription.finish(err, false)
			return
		}
		pause := backoff(s.attempt, s.subscription.options.ReconnectDelay, s.subscription.options.MaxReconnectDelay)
		s.attempt++
		// Why it was woken is seen by the next connection.
		_ = sleep(ctx, pause)
	}
}

// connect makes one connection and reads it to its end. It tells whether that is the end of the stream.
func (s *stream[T]) connect(ctx context.Context) (over bool, err error) {
	if ctx.Err() != nil {
		return true, nil
	}
	// Apart from ctx, so that a subscription that ends can still say so to the server.
	reading, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	silence := time.AfterFunc(s.client.silence, cancel)
	silence.Stop()
	defer silence.Stop()
	connection, err := s.dial(ctx, silence)
	if err != nil {
		s.client.revision.forgetWhereUnreached(err)
		if ctx.Err() == nil && !isFinal(err) {
			s.report(err)
			return false, nil
		}
		return true, err
	}
	defer func() { _ = connection.CloseNow() }()
	defer context.AfterFunc(ctx, func() { _ = connection.Close(websocket.StatusNormalClosure, "") })()
	silence.Reset(s.client.silence)
	if s.open(reading, connection) != nil {
		return false, nil
	}
	for {
		_, data, err := connection.Read(reading)
		if err != nil {
			return s.kind.ends && websocket.CloseStatus(err) == websocket.StatusNormalClosure, nil
		}
		silence.Reset(s.client.silence)
		s.receive(data)
	}
}

// report tells of what the stream goes on after: the subscriber, or where nobody listens the log, of an outage the first.
func (s *stream[T]) report(err error) {
	switch {
	case s.subscription.isOver():
	case s.subscription.options.OnError != nil:
		s.subscription.options.OnError(err)
	case s.attempt == 0:
		slog.Warn("orchestrator: a subscription goes on after an error", "stream", s.kind.path, "error", err)
	}
}

func (s *stream[T]) dial(ctx context.Context, silence *time.Timer) (*websocket.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, s.client.timeout)
	defer cancel()
	client := *s.client.http
	client.Transport = handshake{client.Transport}
	connection, _, err := websocket.Dial(limited, s.kind.address(s.client), &websocket.DialOptions{
		HTTPClient: &client,
		HTTPHeader: s.client.header,
		OnPingReceived: func(context.Context, []byte) bool {
			silence.Reset(s.client.silence)
			return true
		},
	})
	var refused *APIError
	switch op := "WebSocket " + s.kind.path; {
	case err == nil:
		connection.SetReadLimit(maxFrameBytes)
		return connection, nil
	case errors.As(err, &refused):
		return nil, refused
	case limited.Err() != nil && ctx.Err() == nil:
		return nil, &TimeoutError{Op: op, Limit: s.client.timeout}
	default:
		return nil, &ConnectionError{Op: op, Err: err}
	}
}

// open says what is wanted, and what was missed meanwhile.
func (s *stream[T]) open(ctx context.Context, connection *websocket.Conn) error {
	if s.kind.hello != nil {
		hello, err := json.Marshal(s.kind.hello)
		if err != nil {
			return err
		}
		if err := connection.Write(ctx, websocket.MessageText, hello); err != nil {
			return err
		}
	}
	reconnected := s.opened
	s.opened = true
	if s.kind.perConnection {
		if reconnected && s.kind.lossy {
			s.subscription.gap(Gap{Reason: GapReconnect, After: s.lastSeq})
		}
		s.lastSeq, s.hasSeq = 0, false
	}
	if onOpen := s.subscription.options.OnOpen; onOpen != nil {
		onOpen(reconnected)
	}
	return nil
}

func (s *stream[T]) receive(data []byte) {
	var head struct {
		Seq    *int64          `json:"seq"`
		Error  json.RawMessage `json:"error"`
		Action *string         `json:"action"`
	}
	frame := new(T)
	err := decodeObject(data, &head)
	isError := len(head.Error) > 0
	if err == nil && head.Seq == nil && !isError {
		err = errors.New("it has no seq")
	}
	if err == nil && !isError && head.Action == nil {
		err = json.Unmarshal(data, frame)
	}
	if err != nil {
		s.report(&InvalidResponseError{Op: "WebSocket " + s.kind.path, Body: beginning(data), Err: err})
		return
	}
	s.attempt = 0
	if head.Seq != nil {
		if s.kind.key != nil && !isError && !s.isNew(s.kind.key(frame)) {
			return
		}
		s.count(*head.Seq)
	}
	switch {
	case isError:
		s.report(newAPIError(http.StatusBadRequest, http.Header{}, data))
	case head.Action == nil:
		if s.kind.seen != nil {
			s.kind.seen(frame)
		}
		s.subscription.deliver(*frame)
	}
}

// count sees the number of a frame, and whether others are missing before it.
func (s *stream[T]) count(seq int64) {
	if s.hasSeq && seq > s.lastSeq+1 {
		s.subscription.gap(Gap{Reason: GapSequence, After: s.lastSeq, Before: seq})
	}
	if !s.hasSeq || seq > s.lastSeq {
		s.lastSeq, s.hasSeq = seq, true
	}
}

// isNew remembers a frame, and tells whether it is the first of its name.
func (s *stream[T]) isNew(key string) bool {
	if s.recent[key] {
		return false
	}
	if s.recent == nil {
		s.recent = map[string]bool{}
	}
	s.recent[key] = true
	if s.order = append(s.order, key); len(s.order) > rememberedFrames {
		delete(s.recent, s.order[0])
		s.order = s.order[1:]
	}
	return true
}

// isFinal is true where the server itself refuses the stream, in its own envelope, and asking again changes nothing.
func isFinal(err error) bool {
	var refused *APIError
	return errors.As(err, &refused) && refused.enveloped && refused.Status < 500 && refused.Status >= 400 &&
		refused.Status != http.StatusTooManyRequests && refused.Status != http.StatusRequestTimeout
}

// handshake makes a typed error of a refusal, from its whole body.
type handshake struct{ next http.RoundTripper }

func (h handshake) RoundTrip(request *http.Request) (*http.Response, error) {
	next := h.next
	if next == nil {
		next = http.DefaultTransport
	}
	response, err := next.RoundTrip(request)
	if err != nil || response.StatusCode == http.StatusSwitchingProtocols {
		return response, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRefusalBytes))
	if err != nil {
		return nil, fmt.Errorf("the refusal of the handshake could not be read: %w", err)
	}
	return nil, newAPIError(response.StatusCode, response.Header, body)
}
