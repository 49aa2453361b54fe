// Starts what the tests speak to: real servers in demo mode, and ones that answer as they are told.

package orchestrator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		shared.server.kill()
		_ = os.RemoveAll(shared.server.folder)
	}
	os.Exit(code)
}

// liveServer is a running `ecp serve`.
type liveServer struct {
	address, folder string
	process         *exec.Cmd
	ended           chan struct{}
}

func (s *liveServer) baseURL() string { return s.address + "/api/v1" }

// kill ends the server as a crash would not: it may finish what it does.
func (s *liveServer) kill() {
	_ = s.process.Process.Signal(syscall.SIGTERM)
	<-s.ended
}

var shared struct {
	once   sync.Once
	server *liveServer
	err    error
}

// sharedServer is one server for all tests that do not break it. Their tenants have names of their own.
func sharedServer(t *testing.T) *liveServer {
	t.Helper()
	shared.once.Do(func() {
		var folder string
		if folder, shared.err = os.MkdirTemp("", "ecp-go-"); shared.err == nil {
			shared.server, shared.err = launch("127.0.0.1:0", folder)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// startServer starts a server of the test's own on an address and a data folder.
func startServer(t *testing.T, listen, folder string) *liveServer {
	t.Helper()
	server, err := launch(listen, folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.kill)
	return server
}

var readyLine = regexp.MustCompile(`ready: (http://[\d.:]+)`)

func launch(listen, folder string) (*liveServer, error) {
	binary := os.Getenv("ECP_BINARY")
	if binary == "" {
		binary = filepath.Join("..", "..", "target", "debug", "ecp")
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("%s is missing: build it (cargo build -p ecp-orchestrator) or set ECP_BINARY", binary)
	}
	process := exec.Command(binary, "serve", "--listen", listen, "--data-dir", folder, "--demo-speed", "2000")
	process.Dir = folder
	output, err := process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	server := &liveServer{folder: folder, process: process, ended: make(chan struct{})}
	ready := make(chan string, 1)
	var log strings.Builder
	go func() {
		defer close(server.ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if found := readyLine.FindStringSubmatch(lines.Text()); found != nil {
				ready <- found[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, output)
		_ = process.Wait()
	}()
	select {
	case server.address = <-ready:
		return server, nil
	case <-server.ended:
		return nil, errors.New("the server ended:\n" + log.String())
	}
}

// live is an English client of the shared server.
func live(t *testing.T) *Client {
	t.Helper()
	return NewClient(&Config{BaseURL: sharedServer(t).baseURL(), IsDemo: true, Language: "en"})
}

// recorded is a request that a misbehaving server got.
type recorded struct {
	*http.Request
	Body []byte
}

// misbehaving answers each request as it is told, and keeps them all.
type misbehaving struct {
	*httptest.Server
	mu       sync.Mutex
	requests []recorded
}

func (m *misbehaving) all() []recorded {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]recorded(nil), m.requests...)
}

// startMisbehaving hands each request to answer, with its number from 1.
func startMisbehaving(t *testing.T, answer func(http.ResponseWriter, recorded, int)) *misbehaving {
	t.Helper()
	server := &misbehaving{}
	server.Server = httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		got := recorded{request, body}
		server.mu.Lock()
		server.requests = append(server.requests, got)
		number := len(server.requests)
		server.mu.Unlock()
		answer(writer, got, number)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

var quick = &RetryPolicy{Retries: 2, BaseDelay: time.Millisecond, MaxDelay: 2 * time.Second}

func (m *misbehaving) client() *Client {
	return NewClient(&Config{BaseURL: m.URL + "/api/v1", IsDemo: true, Retry: quick})
}

// refuse answers with the API's error envelope.
func refuse(writer http.ResponseWriter, status int, code string) {
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(status)
	_ = json.NewEncoder(writer).Encode(map[string]any{"error": map[string]any{
		"code": code, "message": code, "details": map[string]any{}, "timestamp": "", "request_id": "req-1",
	}})
}

func emptyPage(writer http.ResponseWriter) {
	_, _ = io.WriteString(writer, `{"tenants": [], "pagination": {"has_more": false}}`)
}

// must(call())(t) is the call's value, or the end of the test.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// as is the error as its type, or the end of the test.
func as[T error](t *testing.T, err error) T {
	t.Helper()
	var typed T
	if !errors.As(err, &typed) {
		t.Fatalf("%T expected, got %T: %v", typed, err, err)
	}
	return typed
}

func is(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("%v expected, got %T: %v", kind, err, err)
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	left, right := textOf(json.Marshal(got)), textOf(json.Marshal(want))
	if left != right {
		t.Fatalf("got %s, want %s", left, right)
	}
}

func textOf(data []byte, err error) string {
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func newTenant(id string) *TenantRequest {
	return &TenantRequest{
		TenantID: id, Name: id, Preset: PresetMicro, ServiceRequirements: map[string]int{"chatbot": 10},
	}
}

// patience bounds what a test waits for; a test that runs into it fails.
func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}
