// Sends samples in the background: batches, a bounded queue, and a count of what did not fit.

package orchestrator

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

const maxBatch = 10_000

// MetricsSenderOptions is what NewMetricsSender accepts.
type MetricsSenderOptions struct {
	// Samples of one request; 500 where it is 0, 10,000 at most.
	BatchSize int
	// Longest time that a sample waits for its batch; 1 s where it is 0.
	FlushInterval time.Duration
	// Samples kept at most; the oldest go first. 10,000 where it is 0.
	MaxQueue int
	// Called when a batch was refused or an attempt failed, from the sender's goroutine.
	OnError func(error)
}

// MetricsSender collects samples of one tenant and sends them in batches. Add never waits. Samples carry their time,
// and the same time again replaces a sample, so a batch is sent again safely until it is stored.
type MetricsSender struct {
	client   *Client
	tenantID string
	options  MetricsSenderOptions
	// Ends attempts and pauses.
	stop   context.Context
	cancel context.CancelFunc
	// Something waits; something must be sent now.
	first, now chan struct{}
	done       chan struct{}

	mu       sync.Mutex
	queue    []Sample
	inFlight int
	// Samples that were taken since the beginning, and how many of them came before those in flight.
	added, flightStart int
	sent               int
	dropped            int
	last               time.Time
	closed             bool
	// Closed and replaced whenever a batch has been dealt with.
	settled chan struct{}
}

// NewMetricsSender starts a sender, which must be closed in the end.
func (c *Client) NewMetricsSender(tenantID string, options *MetricsSenderOptions) *MetricsSender {
	settings := *orZero(options)
	if settings.BatchSize <= 0 {
		settings.BatchSize = 500
	}
	settings.BatchSize = min(settings.BatchSize, maxBatch)
	if settings.FlushInterval <= 0 {
		settings.FlushInterval = time.Second
	}
	if settings.MaxQueue <= 0 {
		settings.MaxQueue = 10_000
	}
	stop, cancel := context.WithCancel(context.Background())
	sender := &MetricsSender{
		client: c, tenantID: tenantID, options: settings, stop: stop, cancel: cancel,
		first: make(chan struct{}, 1), now: make(chan struct{}, 1),
		done: make(chan struct{}), settled: make(chan struct{}),
	}
	go sender.run()
	return sender
}

// Add takes a sample that was measured now. It answers false where a sample had to be dropped for it.
func (s *MetricsSender) Add(metrics Metrics) bool { return s.add(metrics, time.Time{}) }

// AddAt takes a sample that was measured at the given time.
func (s *MetricsSender) AddAt(metrics Metrics, measured time.Time) bool {
	return s.add(metrics, measured)
}

func (s *MetricsSender) add(metrics Metrics, measured time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.dropped++
		return false
	}
	if measured.IsZero() {
		measured = s.stamp()
	}
	s.queue = append(s.queue, maps.Clone(metrics).At(measured))
	s.added++
	excess := len(s.queue) + s.inFlight - s.options.MaxQueue
	if excess > 0 {
		excess = min(excess, len(s.queue))
		clear(s.queue[:excess])
		s.queue = s.queue[excess:]
		s.dropped += excess
	}
	if len(s.queue) >= s.options.BatchSize {
		signal(s.now)
	} else {
		signal(s.first)
	}
	return excess <= 0
}

// Two samples of the same millisecond would replace each other: the later one moves on by one.
func (s *MetricsSender) stamp() time.Time {
	at := time.UnixMilli(time.Now().UnixMilli()).UTC()
	if !at.After(s.last) {
		at = s.last.Add(time.Millisecond)
	}
	s.last = at
	return at
}

// Sent counts the samples that the server stored.
func (s *MetricsSender) Sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

// Dropped counts the samples that were given up: the queue was full, the server refused them, or the sender was closed.
func (s *MetricsSender) Dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Pending counts the samples that wait or are on their way.
func (s *MetricsSender) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) + s.inFlight
}

// Flush waits until everything added so far is stored or given up, or answers why the context ended.
func (s *MetricsSender) Flush(ctx context.Context) error {
	s.mu.Lock()
	target := s.added
	s.mu.Unlock()
	for {
		s.mu.Lock()
		dealtWith, settled := s.dealtWith(), s.settled
		s.mu.Unlock()
		if dealtWith >= target {
			return nil
		}
		signal(s.now)
		select {
		case <-settled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// dealtWith tells how many of the samples, from the first on, are stored or given up; what goes first is the oldest.
func (s *MetricsSender) dealtWith() int {
	if s.inFlight > 0 {
		return s.flightStart
	}
	return s.added - len(s.queue)
}

// Close sends what waits, until the context ends, or for at most 5 s where it has no deadline; the rest is dropped.
// It answers why the context ended where something was.
func (s *MetricsSender) Close(ctx context.Context) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	signal(s.now)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	before := s.Dropped()
	s.cancel()
	<-s.done
	if s.Dropped() == before {
		return nil
	}
	return context.Cause(ctx)
}

func (s *MetricsSender) run() {
	defer close(s.done)
	defer s.cancel()
	for {
		select {
		case <-s.now:
		case <-s.first:
			timer := time.NewTimer(s.options.FlushInterval)
			select {
			case <-s.now:
			case <-timer.C:
			}
			timer.Stop()
		}
		if closed := s.drain(); closed {
			return
		}
	}
}

// drain sends all that waits, and tells whether more can come.
func (s *MetricsSender) drain() (closed bool) {
	for {
		s.mu.Lock()
		size := min(len(s.queue), s.options.BatchSize)
		if size == 0 {
			closed = s.closed
			s.mu.Unlock()
			return closed
		}
		s.flightStart = s.added - len(s.queue)
		batch := slices.Clone(s.queue[:size])
		clear(s.queue[:size])
		s.queue = s.queue[size:]
		s.inFlight = size
		s.mu.Unlock()

		stored := s.store(batch)

		s.mu.Lock()
		s.inFlight = 0
		if stored {
			s.sent += size
		} else {
			s.dropped += size
		}
		close(s.settled)
		s.settled = make(chan struct{})
		s.mu.Unlock()
	}
}

// store sends a batch until it is stored, refused, or the sender stopped.
func (s *MetricsSender) store(batch []Sample) bool {
	for attempt := 0; ; attempt++ {
		_, err := s.client.SendMetricsContext(s.stop, s.tenantID, Samples(batch))
		if err == nil {
			return true
		}
		if s.stop.Err() != nil {
			return false
		}
		if s.options.OnError != nil {
			s.options.OnError(err)
		}
		var late *TimeoutError
		if !isTransient(err) && !errors.As(err, &late) {
			return false
		}
		pause := backoff(attempt, defaultBaseDelay, defaultMaxDelay)
		var asked *APIError
		if errors.As(err, &asked) && asked.hasRetryAfter {
			pause = asked.RetryAfter
		}
		if sleep(s.stop, pause) != nil {
			return false
		}
	}
}

// signal sets a flag that its reader takes back.
func signal(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}
