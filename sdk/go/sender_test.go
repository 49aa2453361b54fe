// The sender of samples and waiting for roll-outs.

package orchestrator

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestTheSenderKeepsABatchOverFailuresIsBoundedAndCountsWhatItDrops(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, number int) {
		if number == 1 {
			writer.Header().Set("Retry-After", "0")
			refuse(writer, 503, CodeDatabaseError)
			return
		}
		writer.WriteHeader(201)
		_, _ = writer.Write([]byte(`{"tenant_id": "a", "accepted": 1}`))
	})
	var failures []string
	sender := server.client().NewMetricsSender("a", &MetricsSenderOptions{
		MaxQueue: 5, BatchSize: 100, FlushInterval: time.Hour,
		OnError: func(err error) { failures = append(failures, ErrorCode(err)) },
	})
	metrics := Metrics{}
	for i := range 8 {
		metrics["cpu"] = float64(i)
		equal(t, sender.Add(metrics), i < 5)
	}
	if err := sender.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	equal(t, sender.Add(metrics), false)
	equal(t, []int{sender.Sent(), sender.Dropped(), sender.Pending()}, []int{5, 4, 0})
	equal(t, failures, []string{CodeDatabaseError})
	requests := server.all()
	equal(t, string(requests[0].Body), string(requests[1].Body))
	var body MetricsRequest
	if err := json.Unmarshal(requests[1].Body, &body); err != nil {
		t.Fatal(err)
	}
	times := map[time.Time]bool{}
	for i, sample := range body.Samples {
		equal(t, sample.Metrics["cpu"], float64(i+3))
		times[*sample.Timestamp] = true
	}
	equal(t, len(times), 5)
}

func TestAFlushWaitsForWhatWasAddedBeforeItAlone(t *testing.T) {
	var sender *MetricsSender
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		// There is never nothing that waits.
		sender.Add(Metrics{"cpu": 1})
		writer.WriteHeader(201)
		_, _ = writer.Write([]byte(`{"tenant_id": "a", "accepted": 1}`))
	})
	sender = server.client().NewMetricsSender("a", &MetricsSenderOptions{BatchSize: 2, FlushInterval: time.Hour})
	for i := range 5 {
		sender.Add(Metrics{"cpu": float64(i)})
	}
	if err := sender.Flush(patience(t)); err != nil {
		t.Fatal(err)
	}
	if sender.Sent() < 5 {
		t.Errorf("%d of 5 are stored", sender.Sent())
	}
	if err := sender.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	equal(t, sender.Pending(), 0)
}

func TestTheSenderGivesARefusedBatchUp(t *testing.T) {
	server := startMisbehaving(t, always(422, CodeValidationFailed))
	sender := server.client().NewMetricsSender("a", nil)
	sender.Add(Metrics{"cpu": 1000})
	if err := sender.Flush(patience(t)); err != nil {
		t.Fatal(err)
	}
	equal(t, []int{sender.Sent(), sender.Dropped()}, []int{0, 1})
	if err := sender.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
}

func TestClosingTheSenderEndsWaitingAndDropsTheRest(t *testing.T) {
	server := startMisbehaving(t, always(503, CodeDatabaseError))
	attempted := make(chan struct{}, 100)
	sender := server.client().NewMetricsSender("a", &MetricsSenderOptions{
		BatchSize: 1, OnError: func(error) { attempted <- struct{}{} },
	})
	for range 3 {
		sender.Add(Metrics{"cpu": 1})
	}
	<-attempted
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(enough)
	is(t, sender.Flush(ctx), enough)
	is(t, sender.Close(ctx), enough)
	equal(t, []int{sender.Sent(), sender.Dropped(), sender.Pending()}, []int{0, 3, 0})
	if err := sender.Close(ctx); err != nil {
		t.Errorf("closed again it dropped nothing more: %v", err)
	}
}

func TestTheSenderSendsByItselfWhenItsIntervalIsOverOrItsBatchIsFull(t *testing.T) {
	sizes := make(chan int, 10)
	server := startMisbehaving(t, func(writer http.ResponseWriter, request recorded, _ int) {
		var body MetricsRequest
		_ = json.Unmarshal(request.Body, &body)
		sizes <- len(body.Samples)
		_, _ = writer.Write([]byte(`{"tenant_id": "a", "accepted": 1}`))
	})
	byTime := server.client().NewMetricsSender("a", &MetricsSenderOptions{FlushInterval: time.Millisecond})
	byTime.AddAt(Metrics{"cpu": 1}, time.Now())
	equal(t, <-sizes, 1)
	bySize := server.client().NewMetricsSender("a", &MetricsSenderOptions{FlushInterval: time.Hour, BatchSize: 2})
	bySize.Add(Metrics{"cpu": 1})
	bySize.Add(Metrics{"cpu": 1})
	equal(t, <-sizes, 2)
	for _, sender := range []*MetricsSender{byTime, bySize} {
		if err := sender.Close(patience(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func status(progress, state string) string {
	return `{"tenant_id": "a", "deployment_id": "dep-1", "phase": "p", "progress": ` + progress + `, "status": "` + state + `"}`
}

func TestWaitingOutlivesAServerThatIsAwayAndShowsEachStateOnce(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, number int) {
		switch {
		case number <= 2:
			_, _ = writer.Write([]byte(status("10", "deploying")))
		case number <= 6:
			refuse(writer, 503, CodeDatabaseError)
		case number <= 9:
			panic(http.ErrAbortHandler)
		default:
			_, _ = writer.Write([]byte(status("100", "running")))
		}
	})
	var seen []int
	running := must(server.client().WaitUntilRunning(patience(t), "a", &WaitOptions{
		Poll: time.Millisecond, OnProgress: func(status *DeploymentStatus) { seen = append(seen, status.Progress) },
	}))(t)
	equal(t, running.Status, "running")
	equal(t, seen, []int{10, 100})
}

func TestWaitingFailsWithTheFailuresReasonOrTheLastLineOfTheLog(t *testing.T) {
	answers := map[string]string{
		"the image is missing":     `"failure": {"code": "DEPLOYMENT_FAILED", "message": "the image is missing"}, "logs": [{"message": "x"}]`,
		"rolled back":              `"logs": [{"message": "first"}, {"message": "rolled back"}]`,
		"the deployment is failed": `"logs": []`,
	}
	for reason, rest := range answers {
		server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
			_, _ = writer.Write([]byte(strings.TrimSuffix(status("50", "failed"), "}") + ", " + rest + "}"))
		})
		_, err := server.client().WaitUntilRunning(patience(t), "a", nil)
		failed := as[*DeploymentFailedError](t, err)
		equal(t, []string{failed.Reason, failed.TenantID, failed.DeploymentID, ErrorCode(err)},
			[]string{reason, "a", "dep-1", CodeDeploymentFailed})
	}
}

func TestWaitingEndsWithItsTimeLimitAndWithTheContextOfTheCaller(t *testing.T) {
	var asked atomic.Int32
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		asked.Add(1)
		_, _ = writer.Write([]byte(status("10", "deploying")))
	})
	client := server.client()
	_, err := client.WaitUntilRunning(patience(t), "a", &WaitOptions{Timeout: 200 * time.Millisecond, Poll: time.Hour})
	late := as[*TimeoutError](t, err)
	if ErrorCode(late) != CodeTimeout || asked.Load() > 0 && !strings.Contains(late.Last, "deploying") {
		t.Error(late)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	_, err = client.WaitUntilRunning(ctx, "a", &WaitOptions{OnProgress: func(*DeploymentStatus) { cancel(enough) }})
	is(t, err, enough)
	refused := startMisbehaving(t, always(404, CodeTenantNotFound))
	_, err = refused.client().WaitUntilRunning(patience(t), "a", nil)
	is(t, err, ErrNotFound)
}
