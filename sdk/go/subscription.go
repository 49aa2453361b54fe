// A subscription: frames that wait for a reader, and how it ends. The connections that feed it are in connection.go.

package orchestrator

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
)

// GapReason says why frames were missed.
type GapReason string

// Why frames were missed.
const (
	// Numbers are missing.
	GapSequence GapReason = "sequence"
	// The stream can not resume and was interrupted.
	GapReconnect GapReason = "reconnect"
	// The reader was too slow.
	GapOverflow GapReason = "overflow"
)

// Gap is frames that were missed.
type Gap struct {
	Reason GapReason
	// Last number before the gap, and first one after it; 0 where it is not known.
	After, Before int64
}

// Subscription is a stream that survives its connections. Read it with Next or All, and Close it.
type Subscription[T Frame] struct {
	options SubscribeOptions
	cancel  context.CancelFunc
	done    chan struct{}

	mu       sync.Mutex
	buffer   []T
	received int
	dropped  int
	// Closed and replaced whenever a frame comes.
	arrived chan struct{}
	ended   bool
	err     error
}

func subscribe[T Frame](ctx context.Context, client *Client, options SubscribeOptions, kind streamKind[T]) *Subscription[T] {
	if options.ReconnectDelay <= 0 {
		options.ReconnectDelay = defaultReconnectDelay
	}
	if options.MaxReconnectDelay <= 0 {
		options.MaxReconnectDelay = defaultMaxReconnectDelay
	}
	if options.BufferSize <= 0 {
		options.BufferSize = 1_000
	}
	running, cancel := context.WithCancel(ctx)
	subscription := &Subscription[T]{
		options: options, cancel: cancel, done: make(chan struct{}), arrived: make(chan struct{}),
	}
	switch {
	case client.err != nil:
		subscription.finish(client.err, true)
	case kind.path == "":
		subscription.finish(errNoStream, true)
	default:
		stream := &stream[T]{subscription: subscription, client: client, kind: kind}
		go stream.run(running)
	}
	return subscription
}

// Next waits for the next frame. It answers io.EOF after the stream's end and after Close, the reason where the
// subscription failed, and the reason of a context that ended: the caller's here, or the subscription's.
func (s *Subscription[T]) Next(ctx context.Context) (T, error) {
	var none T
	for {
		s.mu.Lock()
		if len(s.buffer) > 0 {
			frame := s.buffer[0]
			s.buffer = s.buffer[1:]
			s.mu.Unlock()
			return frame, nil
		}
		ended, err, arrived := s.ended, s.err, s.arrived
		s.mu.Unlock()
		if err != nil {
			return none, err
		}
		if ended {
			return none, io.EOF
		}
		select {
		case <-arrived:
		case <-s.done:
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}
}

// All ranges over the frames and closes the subscription when the loop is left. An error is the last pair.
func (s *Subscription[T]) All() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer s.Close()
		for {
			frame, err := s.Next(context.Background())
			if errors.Is(err, io.EOF) || !yield(frame, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the subscription; frames that wait are thrown away. It may be called often, and from the options'
// functions.
func (s *Subscription[T]) Close() { s.finish(nil, true) }

// Done is closed when the subscription is over. Frames that came before the stream's own end can still be read.
func (s *Subscription[T]) Done() <-chan struct{} { return s.done }

// Err tells why the subscription ended; nil while it goes on, after Close, and after the stream's own end.
func (s *Subscription[T]) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Received counts the frames that came, those that a slow reader lost included.
func (s *Subscription[T]) Received() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

// Dropped counts the frames that a slow reader lost.
func (s *Subscription[T]) Dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// finish ends the subscription, once, and throws away what waits where that is asked.
func (s *Subscription[T]) finish(err error, discard bool) {
	s.mu.Lock()
	if discard {
		s.buffer = nil
	}
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended, s.err = true, err
	s.mu.Unlock()
	s.cancel()
	if s.options.OnClose != nil {
		s.options.OnClose(err)
	}
	close(s.done)
}

// deliver keeps a frame for the reader, instead of the oldest where there is no room.
func (s *Subscription[T]) deliver(frame T) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.received++
	s.buffer = append(s.buffer, frame)
	var lost *Gap
	if len(s.buffer) > s.options.BufferSize {
		lost = &Gap{Reason: GapOverflow, After: s.buffer[0].sequence(), Before: s.buffer[1].sequence()}
		s.buffer = s.buffer[1:]
		s.dropped++
	}
	close(s.arrived)
	s.arrived = make(chan struct{})
	s.mu.Unlock()
	if lost != nil {
		s.gap(*lost)
	}
}

func (s *Subscription[T]) gap(gap Gap) {
	if s.options.OnGap != nil && !s.isOver() {
		s.options.OnGap(gap)
	}
}

func (s *Subscription[T]) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}
