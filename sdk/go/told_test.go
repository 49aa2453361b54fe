// What must not get lost on its way to the caller: warnings, and the end of patience.

package orchestrator

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"
)

func TestAWarningReachesTheCaller(t *testing.T) {
	var told []string
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		writer.Header().Add("Warning", `299 - "unknown field: a"`)
		writer.Header().Add("X-Warning-Code", "UNKNOWN_NAME")
		emptyPage(writer)
	})
	client := NewClient(&Config{
		BaseURL: server.URL + "/api/v1", IsDemo: true, OnWarning: func(text string) { told = append(told, text) },
	})
	var response Response
	must(client.ListTenantsContext(patience(t), nil, WithResponse(&response)))(t)
	equal(t, told, []string{"unknown field: a"})
	equal(t, response.Warnings, told)
	equal(t, response.WarningCodes, []string{"UNKNOWN_NAME"})
	equal(t, warningCodes(response.Header, 2), []string{"", ""})
}

func TestWarningsAreReadAsTheyWereMeant(t *testing.T) {
	for _, sample := range []struct{ lines, texts []string }{
		{[]string{`299 - "a", 299 - "b, \"c\""`}, []string{"a", `b, "c"`}},
		{[]string{`299 - "a"`, `110 cache "b" "Wed, 21 Oct 2015 07:28:00 GMT"`}, []string{"a", "b"}},
		{[]string{`299 - "\u{c774}\\u{c774}"`}, []string{`이\u{c774}`}},
		{[]string{`299 - "\u{ffffff}"`}, []string{`\u{ffffff}`}},
		{[]string{"what is this"}, []string{"what is this"}},
		{nil, nil},
	} {
		equal(t, warningTexts(http.Header{"Warning": sample.lines}), sample.texts)
	}
}

func TestACallEndsWithinItsLimitItsRetriesIncluded(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		writer.Header().Set("Retry-After", "5")
		refuse(writer, 503, CodeDatabaseError)
	})
	client := NewClient(&Config{BaseURL: server.URL + "/api/v1", IsDemo: true, Timeout: 300 * time.Millisecond})
	began := time.Now()
	_, err := client.ListTenants(nil)
	is(t, err, ErrServer)
	equal(t, len(server.all()), 1)
	dripping := startMisbehaving(t, func(writer http.ResponseWriter, request recorded, _ int) {
		for range 200 {
			if _, err := writer.Write([]byte(" ")); err != nil {
				return
			}
			_ = http.NewResponseController(writer).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	client = NewClient(&Config{BaseURL: dripping.URL + "/api/v1", IsDemo: true, Timeout: 300 * time.Millisecond})
	_, err = client.ListTenants(nil)
	as[*TimeoutError](t, err)
	if spent := time.Since(began); spent > 2*time.Second {
		t.Fatalf("it took %s", spent)
	}
}

func TestADeletionIsWaitedForToItsEndAndNoFurther(t *testing.T) {
	client := live(t)
	ctx := patience(t)
	must(client.CreateTenant(newTenant("go-goes")))(t)
	is(t, client.WaitUntilDeleted(ctx, "go-goes", nil), ErrConflict)
	deletion := must(client.DeleteTenant("go-goes"))(t)
	wait := &WaitUntilDeletedOptions{DeletionID: deletion.DeletionID, Poll: 20 * time.Millisecond}
	if err := client.WaitUntilDeleted(ctx, "go-goes", wait); err != nil {
		t.Fatal(err)
	}
	_, err := client.GetTenant("go-goes")
	is(t, err, ErrNotFound)
	must(client.CreateTenant(newTenant("go-goes")))(t)
	// The one that was deleted is gone, whoever has its id now.
	if err := client.WaitUntilDeleted(ctx, "go-goes", wait); err != nil {
		t.Fatal(err)
	}
	must(client.DeleteTenantContext(ctx, "go-goes", WithForce()))(t)
	if err := client.WaitUntilDeleted(ctx, "go-goes", &WaitUntilDeletedOptions{Poll: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
}

func TestTheStreamOfAllAlertsHasNoTenantInItsAddress(t *testing.T) {
	server := startMisbehaving(t, always(404, CodeTenantNotFound))
	subscription := NewClient(&Config{BaseURL: server.URL + "/api/v1", IsDemo: true}).
		SubscribeToAllAlerts(context.Background(), &AlertSubscribeOptions{Since: "al-1"})
	<-subscription.Done()
	is(t, subscription.Err(), ErrNotFound)
	equal(t, server.all()[0].URL.RequestURI(), "/ws/alerts?demo_mode=true&since=al-1")
}

func TestAnOutageThatNobodyListensToIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	server := startMisbehaving(t, always(503, CodeMonitoringUnavailable))
	options := &AlertSubscribeOptions{}
	options.ReconnectDelay, options.MaxReconnectDelay = time.Millisecond, time.Millisecond
	subscription := NewClient(&Config{BaseURL: server.URL + "/api/v1", IsDemo: true}).
		SubscribeToAllAlerts(patience(t), options)
	for len(server.all()) < 5 {
		time.Sleep(time.Millisecond)
	}
	subscription.Close()
	// Written before the second request; nothing is written after the first failure.
	equal(t, strings.Count(log.String(), "goes on after an error"), 1)
}

func TestWhatWasWrittenIsAskedForByReadsUntilAServerCanNotReachIt(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, request recorded, _ int) {
		if request.Method != http.MethodGet {
			writer.Header().Set("X-Revision", map[string]string{"a": "7", "b": "12", "c": "9"}[path.Base(request.URL.Path)])
		}
		if request.Header.Get("X-Revision") == "12" && path.Base(request.URL.Path) == "gone" {
			writer.WriteHeader(http.StatusServiceUnavailable)
			_, _ = writer.Write([]byte(`{"error": {"code": "DATABASE_ERROR", "message": "late", "details": {"revision": 12, "reached": 5}}}`))
			return
		}
		_, _ = writer.Write([]byte("{}"))
	})
	client := server.client()
	asked := func(id string) string {
		_, _ = client.GetTenant(id)
		requests := server.all()
		return requests[len(requests)-1].Header.Get("X-Revision")
	}
	equal(t, asked("a"), "")
	for _, id := range []string{"a", "b", "c"} {
		must(client.UpdateTenant(id, &TenantUpdate{}))(t)
	}
	equal(t, asked("a"), "12")
	if requests := server.all(); requests[len(requests)-2].Header.Get("X-Revision") != "" {
		t.Error("a write asked for a revision")
	}
	// Restored from a backup, it never gets there: the client does not ask for it for ever.
	asked("gone")
	equal(t, asked("a"), "")
	must(client.UpdateTenant("a", &TenantUpdate{}))(t)
	equal(t, asked("a"), "7")
}
