// Package orchestrator is the client of the ECP-AI Kubernetes Orchestrator.
//
// A Client has one method for each operation of the API. Each comes twice, as in database/sql: CreateTenant, and
// CreateTenantContext, which takes a context and options. Built from them are the iterators over lists (AllTenants),
// waiting for a roll-out (WaitUntilRunning) or a deletion (WaitUntilDeleted), and a sender of samples that never blocks (NewMetricsSender). Streams
// are read from a Subscription.
package orchestrator

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says which server a Client speaks to, and how.
type Config struct {
	// Address of the API, with its path: http://localhost:8001/api/v1.
	BaseURL string
	// Which of the two separate worlds: simulated (true) or real.
	IsDemo bool
	// Bearer token, where the server requires one. Left empty, that of the environment variable
	// ECP_TOKEN, where it is set.
	Token string
	// Language of messages: ko (the server's default) or en.
	Language string
	// Time of a whole call, retries and their pauses included; 30 s where it is 0.
	Timeout time.Duration
	// Repetitions of calls that failed for the moment; DefaultRetry where it is nil.
	Retry *RetryPolicy
	// Told what the server wants said beside its answers, such as a field of the request that nothing reads; it may be
	// called by many goroutines at once. The log of slog where it is nil.
	OnWarning func(text string)
	// Instead of the package's own. Its Timeout should be 0: Timeout above is what limits a call.
	HTTPClient *http.Client
}

// RetryPolicy says when and how often a call is repeated. Only reads and pure calculations ever are, and
// creations with an idempotency key.
type RetryPolicy struct {
	// Repetitions after the first attempt; 0 turns them off.
	Retries int
	// First pause; it doubles, with jitter. 200 ms where it is 0.
	BaseDelay time.Duration
	// Longest pause; a longer Retry-After ends the retries. 10 s where it is 0.
	MaxDelay time.Duration
}

const (
	defaultTimeout   = 30 * time.Second
	defaultBaseDelay = 200 * time.Millisecond
	defaultMaxDelay  = 10 * time.Second
)

// DefaultRetry is what a Config without one uses: 3 repetitions, from 200 ms to 10 s.
func DefaultRetry() *RetryPolicy {
	return &RetryPolicy{Retries: 3, BaseDelay: defaultBaseDelay, MaxDelay: defaultMaxDelay}
}

// Client is a client of the orchestrator. It may be used by many goroutines at once.
type Client struct {
	// Why the configuration can not work; every call reports it.
	err error
	// BaseURL without a trailing slash, and the server's root.
	base, server string
	isDemo       bool
	language     string
	header       http.Header
	timeout      time.Duration
	retry        RetryPolicy
	http         *http.Client
	onWarning    func(string)
	revision     seenRevision
	// A stream that brings neither frame nor ping for so long is taken for dead.
	silence time.Duration
}

// NewClient makes a client and connects to nothing. What is wrong with the configuration is reported by each call.
func NewClient(config *Config) *Client {
	if config == nil {
		config = &Config{}
	}
	client := &Client{
		isDemo:   config.IsDemo,
		language: config.Language,
		header:   http.Header{"X-Demo-Mode": {strconv.FormatBool(config.IsDemo)}},
		timeout:  config.Timeout,
		retry:    *DefaultRetry(),
		http:     config.HTTPClient,
		silence:  60 * time.Second,

		onWarning: config.OnWarning,
	}
	if client.onWarning == nil {
		client.onWarning = func(text string) { slog.Warn("orchestrator: the server warns", "warning", text) }
	}
	client.base, client.err = parseBaseURL(config.BaseURL)
	client.server = strings.TrimSuffix(client.base, "/api/v1")
	token := config.Token
	if token == "" {
		token = os.Getenv("ECP_TOKEN")
	}
	if token != "" {
		client.header.Set("Authorization", "Bearer "+token)
	}
	if config.Language != "" {
		client.header.Set("Accept-Language", config.Language)
	}
	if err := checkHeader(client.header); err != nil && client.err == nil {
		client.err = fmt.Errorf("orchestrator: Config: %w", err)
	}
	if client.timeout <= 0 {
		client.timeout = defaultTimeout
	}
	if config.Retry != nil {
		client.retry = *config.Retry
		if client.retry.BaseDelay <= 0 {
			client.retry.BaseDelay = defaultBaseDelay
		}
		if client.retry.MaxDelay <= 0 {
			client.retry.MaxDelay = defaultMaxDelay
		}
	}
	if client.http == nil {
		client.http = sharedHTTP()
	} else if client.http.CheckRedirect == nil {
		own := *client.http
		own.CheckRedirect = redirectReadsOnly
		client.http = &own
	}
	return client
}

// Ptr makes a pointer to a value, as the fields of TenantUpdate want one.
func Ptr[T any](value T) *T { return &value }

// One pool of connections for all clients of the process.
var sharedHTTP = sync.OnceValue(func() *http.Client {
	client := &http.Client{CheckRedirect: redirectReadsOnly}
	if transport, ok := http.DefaultTransport.(*http.Transport); ok {
		own := transport.Clone()
		own.MaxIdleConnsPerHost = 32
		client.Transport = own
	}
	return client
})

// A redirected write would be sent again as a read, or elsewhere; its answer is reported instead.
func redirectReadsOnly(request *http.Request, via []*http.Request) error {
	if via[0].Method != http.MethodGet || request.Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

func parseBaseURL(text string) (string, error) {
	const example = "such as http://localhost:8001/api/v1"
	if text == "" {
		return "", errors.New("orchestrator: Config.BaseURL is missing: give the address of the API, " + example)
	}
	address, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("orchestrator: Config.BaseURL is not an address: %w", err)
	}
	if (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" {
		return "", fmt.Errorf("orchestrator: Config.BaseURL %q must be an http or https address, %s", text, example)
	}
	base := url.URL{Scheme: address.Scheme, User: address.User, Host: address.Host, Path: address.Path}
	return strings.TrimRight(base.String(), "/"), nil
}

// checkHeader refuses what HTTP can not carry, such as the line break at the end of a token that a file held.
func checkHeader(header http.Header) error {
	for name, values := range header {
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r != '\t' && (r < ' ' || r == 0x7f) }) {
				return fmt.Errorf("the value for %s holds a line break or another control character: remove it", name)
			}
		}
	}
	return nil
}
