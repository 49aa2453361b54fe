// Servers that are slow, cut off, refuse, or answer nonsense.

package orchestrator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func always(status int, code string) func(http.ResponseWriter, recorded, int) {
	return func(writer http.ResponseWriter, _ recorded, _ int) { refuse(writer, status, code) }
}

func TestAReadIsRepeatedAfter503(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, number int) {
		if number < 3 {
			refuse(writer, 503, CodeDatabaseError)
			return
		}
		emptyPage(writer)
	})
	must(server.client().ListTenants(&TenantFilter{Preset: PresetMicro}))(t)
	requests := server.all()
	if len(requests) != 3 {
		t.Fatalf("%d requests", len(requests))
	}
	for _, request := range requests {
		equal(t, request.URL.RequestURI(), "/api/v1/tenants/?preset=micro")
		equal(t, request.Header.Get("X-Demo-Mode"), "true")
	}
}

func TestAReadThatStaysRefusedEndsWithTheLastError(t *testing.T) {
	server := startMisbehaving(t, always(503, CodeKubernetesError))
	_, err := server.client().GetSystemMetrics()
	is(t, err, ErrServer)
	equal(t, as[*APIError](t, err).Code, CodeKubernetesError)
	equal(t, len(server.all()), 3)
}

func TestAPureCalculationIsRepeatedAndADryRunToo(t *testing.T) {
	server := startMisbehaving(t, always(503, CodeDatabaseError))
	client := server.client()
	_, err := client.CalculateResources(&CalculateResourcesRequest{})
	is(t, err, ErrServer)
	_, err = client.ValidateManifest(&ValidateManifestRequest{})
	is(t, err, ErrServer)
	_, err = client.PreviewDeleteTenant("a")
	is(t, err, ErrServer)
	equal(t, len(server.all()), 9)
}

func Test500IsNotRepeated(t *testing.T) {
	server := startMisbehaving(t, always(500, CodeInternalError))
	_, err := server.client().ListTenants(nil)
	is(t, err, ErrServer)
	equal(t, len(server.all()), 1)
}

func TestAWriteIsNeverRepeatedWithoutAnIdempotencyKeyAndIsWithOne(t *testing.T) {
	server := startMisbehaving(t, always(503, CodeDatabaseError))
	client := server.client()
	_, err := client.CreateTenant(newTenant("a"))
	is(t, err, ErrServer)
	_, err = client.UpdateTenant("a", &TenantUpdate{})
	is(t, err, ErrServer)
	_, err = client.DeleteTenant("a")
	is(t, err, ErrServer)
	_, err = client.SendMetrics("a", Metrics{"cpu": 1})
	is(t, err, ErrServer)
	equal(t, len(server.all()), 4)
	_, err = client.CreateTenantContext(patience(t), newTenant("a"), WithIdempotencyKey("k"))
	is(t, err, ErrServer)
	equal(t, len(server.all()), 7)
	for _, request := range server.all()[4:] {
		equal(t, request.Header.Get("Idempotency-Key"), "k")
	}
}

func TestAWriteIsNotRepeatedAfterABrokenConnection(t *testing.T) {
	server := startMisbehaving(t, func(_ http.ResponseWriter, _ recorded, _ int) { panic(http.ErrAbortHandler) })
	_, err := server.client().CreateTenant(newTenant("a"))
	as[*ConnectionError](t, err)
	equal(t, len(server.all()), 1)
}

func TestRetryAfterIsObeyedAndOneThatIsTooLongEndsTheRetries(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, number int) {
		writer.Header().Set("Retry-After", map[bool]string{true: "0", false: "3600"}[number == 1])
		refuse(writer, 429, CodeRateLimited)
	})
	_, err := server.client().ListTenants(nil)
	is(t, err, ErrRateLimited)
	equal(t, as[*APIError](t, err).RetryAfter, time.Hour)
	equal(t, len(server.all()), 2)
}

func TestRetryAfterIsReadAsSecondsOrADate(t *testing.T) {
	for value, want := range map[string]bool{"": false, "soon": false, "NaN": false, "1.5": true, "-3": true, " 7 ": true} {
		if _, found := parseRetryAfter(value); found != want {
			t.Errorf("%q: %t", value, found)
		}
	}
	past, found := parseRetryAfter("Mon, 01 Jan 2024 00:00:00 GMT")
	equal(t, []any{past, found}, []any{time.Duration(0), true})
}

func TestAnAnswerThatIsCutOffIsAConnectionErrorAfterRetries(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		writer.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(writer, `{"tenants": [`)
	})
	_, err := server.client().ListTenants(nil)
	equal(t, ErrorCode(as[*ConnectionError](t, err)), CodeConnectionError)
	equal(t, len(server.all()), 3)
}

func TestARefusedConnectionIsAConnectionError(t *testing.T) {
	server := startMisbehaving(t, always(500, ""))
	client := server.client()
	server.Close()
	_, err := client.ListTenants(nil)
	as[*ConnectionError](t, err)
}

func TestAnAnswerThatNeverComesEndsWithTheTimeLimitOrTheContextOfTheCaller(t *testing.T) {
	ended := make(chan struct{})
	server := startMisbehaving(t, func(_ http.ResponseWriter, request recorded, _ int) {
		select {
		case <-request.Context().Done():
		case <-ended:
		}
	})
	t.Cleanup(func() { close(ended) })
	client := server.client()
	_, err := client.ListTenantsContext(patience(t), nil, WithTimeout(20*time.Millisecond))
	late := as[*TimeoutError](t, err)
	equal(t, ErrorCode(late), CodeTimeout)
	equal(t, late.Timeout(), true)

	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		for len(server.all()) < 2 {
			time.Sleep(time.Millisecond)
		}
		cancel(enough)
	}()
	_, err = client.ListTenantsContext(ctx, nil)
	is(t, err, enough)
	equal(t, len(server.all()), 2)
}

func TestTheContextOfTheCallerEndsThePauseBeforeARetry(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		refuse(writer, 503, CodeDatabaseError)
		cancel()
	})
	client := NewClient(&Config{
		BaseURL: server.URL, Retry: &RetryPolicy{Retries: 1, BaseDelay: time.Hour, MaxDelay: time.Hour},
	})
	_, err := client.ListTenantsContext(ctx, nil)
	is(t, err, context.Canceled)
}

func TestGarbageIsAnInvalidResponseAndAnErrorPageKeepsItsStatus(t *testing.T) {
	for _, garbage := range []string{"<html>", "", "null", "[]", `{"tenants": 7}`, `{"tenants": [`} {
		server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
			_, _ = io.WriteString(writer, garbage)
		})
		_, err := server.client().ListTenants(nil)
		invalid := as[*InvalidResponseError](t, err)
		equal(t, []any{invalid.Body, invalid.Status, ErrorCode(err)}, []any{garbage, 200, CodeInvalidResponse})
	}
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		writer.WriteHeader(502)
		_, _ = io.WriteString(writer, "<html>bad gateway")
	})
	_, err := server.client().ListTenants(nil)
	is(t, err, ErrServer)
	page := as[*APIError](t, err)
	equal(t, []any{page.Status, page.Code, page.Details["body"]}, []any{502, CodeInternalError, "<html>bad gateway"})
}

func TestARefusalWithAnOddEnvelopeIsStillThatRefusal(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		writer.WriteHeader(422)
		_, _ = io.WriteString(writer, `{"error": {"code": "INVALID_PRESET", "message": 3, "details": {"fields": "all"}}}`)
	})
	_, err := server.client().ListTenants(nil)
	refused := as[*APIError](t, err)
	equal(t, []any{refused.Code, refused.Message, refused.Fields}, []any{CodeInvalidPreset, "", []FieldFault(nil)})
}

func TestARedirectedWriteIsNotSentAgain(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, request recorded, _ int) {
		if strings.HasSuffix(request.URL.Path, "/elsewhere") {
			emptyPage(writer)
			return
		}
		http.Redirect(writer, request.Request, "/elsewhere", http.StatusMovedPermanently)
	})
	_, err := server.client().CreateTenant(newTenant("a"))
	equal(t, as[*APIError](t, err).Status, http.StatusMovedPermanently)
	must(server.client().ListTenants(nil))(t)
	equal(t, len(server.all()), 3)
	_, err = NewClient(&Config{BaseURL: server.URL, HTTPClient: server.Client()}).CreateTenant(newTenant("a"))
	equal(t, as[*APIError](t, err).Status, http.StatusMovedPermanently)
}

func TestATokenIsTheGivenOneElseThatOfTheEnvironment(t *testing.T) {
	for _, test := range []struct{ given, environment, sent string }{
		{"", "", ""},
		{"given", "", "Bearer given"},
		{"", "of the environment", "Bearer of the environment"},
		{"given", "of the environment", "Bearer given"},
	} {
		t.Setenv("ECP_TOKEN", test.environment)
		client := NewClient(&Config{BaseURL: "http://localhost:1", Token: test.given})
		if sent := client.header.Get("Authorization"); sent != test.sent {
			t.Errorf("%+v: %q was sent", test, sent)
		}
	}
}

func TestSettingsAndArgumentsThatCanNotWorkAreReportedByTheCall(t *testing.T) {
	for part, config := range map[string]*Config{
		"BaseURL is missing": nil,
		"http or https":      {BaseURL: "ftp://localhost"},
		"BaseURL":            {BaseURL: "localhost:8001"},
		"not an address":     {BaseURL: "http://local host:1/%zz"},
		"line break":         {BaseURL: "http://localhost:1", Token: "secret\n"},
	} {
		_, err := NewClient(config).ListTenants(nil)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Error("the token is shown")
		}
	}
	server := startMisbehaving(t, always(500, ""))
	client := server.client()
	for _, err := range []error{
		second(client.GetTenant("")), second(client.DeleteTenant("")), second(client.CreateTenant(nil)),
		second(client.UpdateTenant("a", nil)), second(client.SendMetrics("a", nil)),
		second(client.GetTenantContext(patience(t), "a", WithRequestID("a\nb"))),
	} {
		if err == nil || ErrorCode(err) != "" {
			t.Errorf("%v", err)
		}
	}
	equal(t, len(server.all()), 0)
}

func second[T any](_ T, err error) error { return err }

func TestPausesDoubleUpToTheLongestAndAreNeverLessThanHalf(t *testing.T) {
	for attempt, full := range []time.Duration{100, 200, 400, 500, 500} {
		for range 50 {
			if pause := backoff(attempt, 100, 500); pause < full/2 || pause > full {
				t.Fatalf("attempt %d: %d", attempt, pause)
			}
		}
	}
	if pause := backoff(1<<40, time.Second, time.Minute); pause > time.Minute {
		t.Fatal(pause)
	}
}

func TestAListThatFailsMidwayEndsWithTheError(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, number int) {
		if number == 1 {
			_, _ = io.WriteString(writer, `{"tenants": [{"tenant_id": "a"}], "pagination": {"has_more": true}}`)
			return
		}
		refuse(writer, 500, CodeInternalError)
	})
	var ids []string
	var last error
	for tenant, err := range server.client().AllTenants(patience(t), &TenantFilter{Limit: 1}) {
		if last = err; err == nil {
			ids = append(ids, tenant.TenantID)
		}
	}
	equal(t, ids, []string{"a"})
	is(t, last, ErrServer)
	equal(t, server.all()[1].URL.Query().Get("skip"), "1")
}
