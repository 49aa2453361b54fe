// The three streams: what differs between them. Connections, repeats and gaps are the Subscription's.

package orchestrator

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"
)

// SubscribeOptions is what every stream accepts. The functions are called one after another, from the stream's
// goroutine: one that blocks holds the stream up.
type SubscribeOptions struct {
	// Called when frames were missed.
	OnGap func(Gap)
	// Called for error frames and failed connections; the subscription goes on. The log of slog hears of them where it is
	// nil, of an outage the first.
	OnError func(error)
	// Called whenever a connection is open; reconnected is false the first time.
	OnOpen func(reconnected bool)
	// Called once at the end, with the error where it did not end by itself or by Close.
	OnClose func(error)
	// First pause before connecting again; it doubles, with jitter. 500 ms where it is 0.
	ReconnectDelay time.Duration
	// Longest such pause. 30 s where it is 0.
	MaxReconnectDelay time.Duration
	// Frames kept for a slow reader; the oldest go first. 1,000 where it is 0.
	BufferSize int
}

// MonitoringSubscribeOptions is what SubscribeToMonitoring accepts.
type MonitoringSubscribeOptions struct {
	SubscribeOptions
	// Series to send, such as cpu; all where there is none.
	Metrics []string
	// Time between frames, 100 ms to 1 h; 5 s where it is 0.
	Interval time.Duration
}

// AlertSubscribeOptions is what SubscribeToAlerts accepts.
type AlertSubscribeOptions struct {
	SubscribeOptions
	// Continues after the opening of this alert instead of starting with the open ones.
	Since string
}

// SubscribeToMonitoring follows a tenant's newest values, until the context ends or the subscription is closed.
// What is wrong, the tenant's absence too, is told by Next.
func (c *Client) SubscribeToMonitoring(ctx context.Context, tenantID string, options *MonitoringSubscribeOptions) *Subscription[MonitoringFrame] {
	options = orZero(options)
	interval := options.Interval
	if interval == 0 {
		interval = 5 * time.Second
	}
	return subscribe(ctx, c, options.SubscribeOptions, streamKind[MonitoringFrame]{
		path: streamPath("monitoring", tenantID),
		hello: &helloFrame{
			Action: "subscribe", Metrics: options.Metrics, Interval: interval.Milliseconds(),
		},
		perConnection: true,
		lossy:         true,
	})
}

// SubscribeToDeployment follows a roll-out or a deletion to its end, which is the end of the subscription.
func (c *Client) SubscribeToDeployment(ctx context.Context, deploymentID string, options *SubscribeOptions) *Subscription[DeploymentFrame] {
	return subscribe(ctx, c, *orZero(options), streamKind[DeploymentFrame]{
		path:          streamPath("deployment", deploymentID),
		ends:          true,
		perConnection: true,
	})
}

// SubscribeToAlerts follows a tenant's alerts: the open ones, then each change, over reconnects without loss.
func (c *Client) SubscribeToAlerts(ctx context.Context, tenantID string, options *AlertSubscribeOptions) *Subscription[AlertFrame] {
	return subscribeToAlerts(ctx, c, streamPath("alerts", tenantID), orZero(options))
}

// SubscribeToAllAlerts follows the alerts of all tenants, as SubscribeToAlerts does those of one.
func (c *Client) SubscribeToAllAlerts(ctx context.Context, options *AlertSubscribeOptions) *Subscription[AlertFrame] {
	return subscribeToAlerts(ctx, c, "/ws/alerts", orZero(options))
}

func subscribeToAlerts(ctx context.Context, client *Client, path string, options *AlertSubscribeOptions) *Subscription[AlertFrame] {
	since, newest := options.Since, time.Time{}
	return subscribe(ctx, client, options.SubscribeOptions, streamKind[AlertFrame]{
		path:  path,
		since: func() string { return since },
		seen: func(frame *AlertFrame) {
			if !frame.OpenedAt.Before(newest) {
				newest, since = frame.OpenedAt, frame.AlertID
			}
		},
		key: func(frame *AlertFrame) string {
			return strconv.FormatInt(frame.Seq, 10) + " " + frame.AlertID + " " + frame.State
		},
	})
}

// streamKind is how one of the streams behaves.
type streamKind[T Frame] struct {
	// Path below the server's root; empty where the id is.
	path string
	// Where the next connection goes on, where the stream can.
	since func() string
	// Sent when a connection opens.
	hello *helloFrame
	// The connection's end with code 1000 is the stream's end.
	ends bool
	// Seq starts anew on each connection. Else it goes on, and repeats are left out.
	perConnection bool
	// An interruption loses frames that nothing brings back.
	lossy bool
	// Sees each frame that is delivered.
	seen func(*T)
	// Names a frame, to recognise repeats.
	key func(*T) string
}

type helloFrame struct {
	Action   string   `json:"action"`
	Metrics  []string `json:"metrics,omitempty"`
	Interval int64    `json:"interval"`
}

func streamPath(stream, id string) string {
	if id == "" {
		return ""
	}
	return "/ws/" + stream + "/" + url.PathEscape(id)
}

var errNoStream = errors.New("orchestrator: the id of a stream must not be empty")

// address is where the next connection goes.
func (k *streamKind[T]) address(client *Client) string {
	parameters := url.Values{"demo_mode": {strconv.FormatBool(client.isDemo)}}
	if client.language != "" {
		parameters.Set("lang", client.language)
	}
	if revision, known := client.revision.text(); known {
		parameters.Set("revision", revision)
	}
	if k.since != nil && k.since() != "" {
		parameters.Set("since", k.since())
	}
	return client.server + k.path + "?" + parameters.Encode()
}

// Frame is what the streams bring.
type Frame interface {
	MonitoringFrame | DeploymentFrame | AlertFrame
	sequence() int64
}

func (f MonitoringFrame) sequence() int64 { return f.Seq }
func (f DeploymentFrame) sequence() int64 { return f.Seq }
func (f AlertFrame) sequence() int64      { return f.Seq }
