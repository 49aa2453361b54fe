// Streams, waiting and the sender against a real server.

package orchestrator

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestARollOutIsWaitedForAndFollowedToItsEnd(t *testing.T) {
	client, ctx := live(t), patience(t)
	created := must(client.CreateTenant(newTenant("rollout")))(t)
	var last DeploymentFrame
	for frame, err := range client.SubscribeToDeployment(ctx, created.DeploymentID, nil).All() {
		last = must(frame, err)(t)
	}
	equal(t, []any{last.Status, last.Progress}, []any{"running", 100})
	var seen []int
	status := must(client.WaitUntilRunning(ctx, "rollout", &WaitOptions{
		OnProgress: func(status *DeploymentStatus) { seen = append(seen, status.Progress) },
	}))(t)
	equal(t, []any{status.Status, seen[len(seen)-1]}, []any{"running", 100})

	deletion := must(client.DeleteTenant("rollout"))(t)
	for frame, err := range client.SubscribeToDeployment(ctx, deletion.DeletionID, nil).All() {
		last = must(frame, err)(t)
	}
	equal(t, last.Status, "deleted")
}

func TestAFailedRollOutIsToldWithItsReason(t *testing.T) {
	client, ctx := live(t), patience(t)
	request := newTenant("broken")
	request.DemoFault = "image-not-found"
	must(client.CreateTenant(request))(t)
	_, err := client.WaitUntilRunning(ctx, "broken", &WaitOptions{Poll: 50 * time.Millisecond})
	failed := as[*DeploymentFailedError](t, err)
	equal(t, []string{failed.TenantID, failed.Code}, []string{"broken", CodeDeploymentFailed})
	if !strings.Contains(strings.ToLower(failed.Reason), "image") {
		t.Error(failed.Reason)
	}
}

func TestSamplesAreStreamedAndRaiseAlertsThatTheStreamBrings(t *testing.T) {
	client, ctx := live(t), patience(t)
	must(client.CreateTenant(newTenant("streamed")))(t)
	must(client.SendMetrics("streamed", Metrics{"cpu": 50, "memory": 40, "gpu": 30}))(t)
	values := client.SubscribeToMonitoring(ctx, "streamed", &MonitoringSubscribeOptions{
		Metrics: []string{"cpu", "memory"}, Interval: 100 * time.Millisecond,
	})
	frame := must(values.Next(ctx))(t)
	equal(t, []any{frame.TenantID, frame.Metrics}, []any{"streamed", map[string]float64{"cpu": 50, "memory": 40}})
	values.Close()

	must(client.SendMetrics("streamed", Metrics{"cpu": 99}))(t)
	for alert, err := range client.SubscribeToAlerts(ctx, "streamed", nil).All() {
		if must(alert, err)(t).Metric == "cpu" {
			equal(t, []string{alert.TenantID, alert.State}, []string{"streamed", "opened"})
			break
		}
	}
}

func TestTheSenderStoresEverySampleInBatches(t *testing.T) {
	client, ctx := live(t), patience(t)
	must(client.CreateTenant(newTenant("batches")))(t)
	sender := client.NewMetricsSender("batches", &MetricsSenderOptions{BatchSize: 40})
	for range 100 {
		equal(t, sender.Add(Metrics{"cpu": 10}), true)
	}
	if err := errors.Join(sender.Flush(ctx), sender.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	equal(t, []int{sender.Sent(), sender.Dropped(), sender.Pending()}, []int{100, 0, 0})
}

func TestAStreamOfWhatIsNotThereEndsInsteadOfTryingForEver(t *testing.T) {
	client, ctx := live(t), patience(t)
	_, err := client.SubscribeToAlerts(ctx, "nowhere", nil).Next(ctx)
	is(t, err, ErrNotFound)
	equal(t, ErrorCode(err), CodeTenantNotFound)
	_, err = client.SubscribeToDeployment(ctx, "dep-none", nil).Next(ctx)
	equal(t, ErrorCode(err), CodeDeploymentNotFound)
	if as[*APIError](t, err).Message == "" {
		t.Error("the refusal's text is lost")
	}
}

func TestTheAlertStreamGoesOnAfterTheServerWasStoppedAndLosesNothing(t *testing.T) {
	folder, ctx := t.TempDir(), patience(t)
	first := startServer(t, "127.0.0.1:0", folder)
	client := NewClient(&Config{BaseURL: first.baseURL(), IsDemo: true, Language: "en"})
	must(client.CreateTenant(newTenant("resumed")))(t)
	var told noted
	alerts := client.SubscribeToAlerts(ctx, "resumed", &AlertSubscribeOptions{SubscribeOptions: told.options()})
	var seen []string
	readUntil := func(metric string) {
		for !slices.Contains(seen, metric) {
			seen = append(seen, must(alerts.Next(ctx))(t).Metric)
		}
	}
	must(client.SendMetrics("resumed", Metrics{"cpu": 99}))(t)
	readUntil("cpu")
	first.kill()
	startServer(t, strings.TrimPrefix(first.address, "http://"), folder)
	must(client.SendMetrics("resumed", Metrics{"cpu": 99, "memory": 99}))(t)
	readUntil("memory")
	alerts.Close()
	equal(t, slices.Index(seen[1:], "cpu"), -1)
	told.read(func() { equal(t, told.gaps, nil) })
	_, err := alerts.Next(ctx)
	is(t, err, io.EOF)
}
