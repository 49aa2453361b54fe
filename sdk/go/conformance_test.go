// Runs the conformance suite of all clients, sdk/conformance: scenarios against a live server, and the cases of the
// server that misbehaves.

package orchestrator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const conformance = "../conformance"

// step is a call or a stream, of a scenario or a case.
type step struct {
	Call   string          `json:"call"`
	Watch  string          `json:"watch"`
	Args   json.RawMessage `json:"args"`
	Expect any             `json:"expect"`
	Error  *failure        `json:"error"`
	Save   map[string]string
	Frames []struct {
		Expect any    `json:"expect"`
		Then   []step `json:"then"`
	} `json:"frames"`
	Ends bool `json:"ends"`
}

type failure struct {
	Code     string   `json:"code"`
	Status   *int     `json:"status"`
	Pointers []string `json:"pointers"`
	Reason   any      `json:"reason"`
}

// unhappyCase is a step against the server that misbehaves.
type unhappyCase struct {
	step
	Name   string `json:"name"`
	Client struct {
		Retries   int `json:"retries"`
		TimeoutMS int `json:"timeout_ms"`
	} `json:"client"`
	// For the server; not read here.
	Answers       json.RawMessage `json:"answers"`
	Requests      *int            `json:"requests"`
	Gaps          []string        `json:"gaps"`
	SecondRequest any             `json:"second_request"`
}

// scenario runs steps with what they save.
type scenario struct {
	client *Client
	values map[string]any
}

func TestTheScenariosOfTheConformanceSuite(t *testing.T) {
	files := must(filepath.Glob(conformance + "/scenarios/*.json"))(t)
	if len(files) == 0 {
		t.Fatal("there are no scenarios")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var read struct {
				Name  string `json:"name"`
				Steps []step `json:"steps"`
			}
			if err := decodeStrictly(must(os.ReadFile(file))(t), &read); err != nil {
				t.Fatal(err)
			}
			client := NewClient(&Config{BaseURL: sharedServer(t).baseURL(), IsDemo: true})
			run := &scenario{client, map[string]any{"run": "go" + strconv.FormatInt(time.Now().UnixMilli()%1e9, 36)}}
			for i, step := range read.Steps {
				if err := run.step(patience(t), step, nil); err != nil {
					t.Fatalf("%s: step %d, %s%s: %v", read.Name, i+1, step.Call, step.Watch, err)
				}
			}
		})
	}
}

func (s *scenario) step(ctx context.Context, step step, gaps *gapLog) error {
	given, err := plain(step.Args)
	if err != nil {
		return err
	}
	arguments, err := json.Marshal(s.fill(given))
	if err != nil {
		return err
	}
	if step.Watch != "" {
		return s.watch(ctx, step, arguments, gaps)
	}
	call, known := conforming[step.Call]
	if !known {
		return fmt.Errorf("%w: the call %q", errFormat, step.Call)
	}
	answer, err := call(ctx, s.client, arguments)
	if step.Error != nil || err != nil {
		return s.failed(step.Error, err)
	}
	got, err := plain(answer)
	if err != nil {
		return err
	}
	if fault := mismatch("$", s.fill(step.Expect), got); step.Expect != nil && fault != "" {
		return errors.New(fault)
	}
	for name, path := range step.Save {
		if s.values[name], err = valueAt(got, path); err != nil {
			return err
		}
	}
	return nil
}

// gapLog keeps the gaps of a stream, each with the number of frames that had come before it.
type gapLog struct {
	mu       sync.Mutex
	received func() int
	// Frames that were read.
	taken int
	gaps  []struct {
		reason string
		before int
	}
}

func (g *gapLog) add(gap Gap) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gaps = append(g.gaps, struct {
		reason string
		before int
	}{string(gap.Reason), g.received()})
}

// reasons answers why there were gaps before the last frame that was read.
func (g *gapLog) reasons() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	reasons := []string{}
	for _, gap := range g.gaps {
		if gap.before < g.taken {
			reasons = append(reasons, gap.reason)
		}
	}
	return reasons
}

func (s *scenario) watch(ctx context.Context, step step, arguments []byte, gaps *gapLog) error {
	subscribe, known := watching[step.Watch]
	if !known {
		return fmt.Errorf("%w: the stream %q", errFormat, step.Watch)
	}
	options := SubscribeOptions{ReconnectDelay: time.Millisecond, MaxReconnectDelay: 20 * time.Millisecond}
	if gaps == nil {
		gaps = &gapLog{}
	}
	options.OnGap = gaps.add
	// Held until the subscription is known to the log.
	gaps.mu.Lock()
	stream, err := subscribe(ctx, s.client, arguments, options)
	if err != nil {
		gaps.mu.Unlock()
		return err
	}
	gaps.received = stream.received
	gaps.mu.Unlock()
	defer stream.close()
	for i, frame := range step.Frames {
		for last := "no frame came"; ; {
			got, err := stream.next(ctx)
			gaps.taken++
			if err != nil {
				return fmt.Errorf("frame %d did not come: %w; %s", i+1, err, last)
			}
			if last = mismatch("$", s.fill(frame.Expect), got); last == "" {
				break
			}
		}
		for _, then := range frame.Then {
			if err := s.step(ctx, then, nil); err != nil {
				return fmt.Errorf("after frame %d, %s: %w", i+1, then.Call, err)
			}
		}
	}
	if step.Error == nil && !step.Ends {
		return nil
	}
	for {
		_, err := stream.next(ctx)
		if step.Ends && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s.failed(step.Error, err)
		}
	}
}

// failed says how an error is not the one that was expected.
func (s *scenario) failed(want *failure, err error) error {
	if want == nil || err == nil || errors.Is(err, errFormat) {
		return fmt.Errorf("%+v expected, got: %w", want, errOr(err, "no error"))
	}
	var refused *APIError
	var invalid *InvalidResponseError
	var failed *DeploymentFailedError
	status, pointers, reason := 0, []string{}, ""
	switch {
	case errors.As(err, &refused):
		status = refused.Status
		for _, field := range refused.Fields {
			pointers = append(pointers, field.Pointer)
		}
	case errors.As(err, &invalid):
		status = invalid.Status
	case errors.As(err, &failed):
		reason = failed.Reason
	}
	slices.Sort(pointers)
	slices.Sort(want.Pointers)
	if ErrorCode(err) != want.Code || want.Status != nil && *want.Status != status ||
		want.Pointers != nil && !slices.Equal(want.Pointers, pointers) {
		return fmt.Errorf("%+v expected, got: %w", want, err)
	}
	if want.Reason != nil {
		if fault := mismatch("reason", s.fill(want.Reason), reason); fault != "" {
			return errors.New(fault)
		}
	}
	return nil
}

func errOr(err error, text string) error {
	if err == nil {
		return errors.New(text)
	}
	return err
}

// fill puts saved values in the place of their names, in all texts.
func (s *scenario) fill(value any) any {
	switch value := value.(type) {
	case string:
		for name, saved := range s.values {
			text, isText := saved.(string)
			if !isText {
				text = textOf(json.Marshal(saved))
			}
			value = strings.ReplaceAll(value, "${"+name+"}", text)
		}
		return value
	case []any:
		filled := make([]any, len(value))
		for i, element := range value {
			filled[i] = s.fill(element)
		}
		return filled
	case map[string]any:
		filled := map[string]any{}
		for name, member := range value {
			filled[name] = s.fill(member)
		}
		return filled
	}
	return value
}

func valueAt(value any, path string) (any, error) {
	if path == "" {
		return value, nil
	}
	name, rest, _ := strings.Cut(path, ".")
	switch inner := value.(type) {
	case map[string]any:
		if member, found := inner[name]; found {
			return valueAt(member, rest)
		}
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i < len(inner) {
			return valueAt(inner[i], rest)
		}
	}
	return nil, fmt.Errorf("the answer has no %q", path)
}

// startUnhappy starts the server of the cases. It ends with its input.
func startUnhappy(t *testing.T) string {
	t.Helper()
	python := exec.Command("python3", conformance+"/misbehaving_server.py")
	input := must(python.StdinPipe())(t)
	output := must(python.StdoutPipe())(t)
	python.Stderr = os.Stderr
	if err := python.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_ = python.Process.Kill()
		_ = python.Wait()
	})
	var ready struct{ Port int }
	if err := json.Unmarshal(must(bufio.NewReader(output).ReadBytes('\n'))(t), &ready); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", ready.Port)
}

func TestTheUnhappyCasesOfTheConformanceSuite(t *testing.T) {
	var cases []unhappyCase
	if err := decodeStrictly(must(os.ReadFile(conformance+"/unhappy.json"))(t), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("there are no cases")
	}
	server := startUnhappy(t)
	for _, unhappy := range cases {
		t.Run(unhappy.Name, func(t *testing.T) { unhappy.run(t, server+"/"+unhappy.Name) })
	}
}

func (u *unhappyCase) run(t *testing.T, address string) {
	client := NewClient(&Config{
		BaseURL: address + "/api/v1", IsDemo: true, Timeout: time.Duration(u.Client.TimeoutMS) * time.Millisecond,
		Retry: &RetryPolicy{Retries: u.Client.Retries, BaseDelay: time.Millisecond, MaxDelay: time.Second},
	})
	run, gaps := &scenario{client, map[string]any{}}, &gapLog{}
	if err := run.step(patience(t), u.step, gaps); err != nil {
		t.Fatal(err)
	}
	if u.Watch != "" {
		equal(t, gaps.reasons(), u.Gaps)
	}
	response := must(http.Get(address + "/requests"))(t)
	defer func() { _ = response.Body.Close() }()
	var requests []any
	if err := json.NewDecoder(response.Body).Decode(&requests); err != nil {
		t.Fatal(err)
	}
	if u.Requests != nil && u.Watch == "" {
		equal(t, len(requests), *u.Requests)
	}
	if u.SecondRequest != nil {
		if len(requests) < 2 {
			t.Fatal("there was no second request")
		}
		if fault := mismatch("second_request", u.SecondRequest, requests[1]); fault != "" {
			t.Error(fault)
		}
	}
}
