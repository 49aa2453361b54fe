// Every operation against a real server in demo mode.

package orchestrator

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestATenantIsCreatedReadChangedAndDeleted(t *testing.T) {
	client, ctx := live(t), patience(t)
	created := must(client.CreateTenantContext(ctx, newTenant("life"), WithIdempotencyKey("life-1")))(t)
	equal(t, created.TenantID, "life")
	var response Response
	again := must(client.CreateTenantContext(ctx, newTenant("life"), WithIdempotencyKey("life-1"), WithResponse(&response)))(t)
	equal(t, again.DeploymentID, created.DeploymentID)
	equal(t, response.Header.Get("Idempotent-Replayed"), "true")

	detail := must(client.GetTenantContext(ctx, "life", WithResponse(&response), WithDebug()))(t)
	equal(t, detail.ServiceRequirements, map[string]int{"chatbot": 10})
	equal(t, must(client.GetDeploymentStatus("life"))(t).TenantID, "life")
	var debug struct{ Debug map[string]any }
	if err := json.Unmarshal(response.Body, &debug); err != nil || len(debug.Debug) == 0 {
		t.Errorf("no debug object: %s", response.Body)
	}
	etag := response.Header.Get("ETag")
	changed := must(client.UpdateTenantContext(ctx, "life", &TenantUpdate{Name: Ptr("changed")}, WithIfMatch(etag)))(t)
	equal(t, changed.Name, "changed")
	_, err := client.UpdateTenantContext(ctx, "life", &TenantUpdate{Name: Ptr("stale")}, WithIfMatch(etag))
	is(t, err, ErrConflict)
	equal(t, as[*APIError](t, err).Status, 412)

	deletion := must(client.DeleteTenantContext(ctx, "life", WithForce()))(t)
	if !strings.HasPrefix(deletion.DeletionID, "del-") {
		t.Error(deletion.DeletionID)
	}
	for err = nil; err == nil && ctx.Err() == nil; {
		_, err = client.GetTenantContext(ctx, "life")
	}
	is(t, err, ErrNotFound)
}

func TestADryRunSaysWhatWouldBeDoneAndDoesNothing(t *testing.T) {
	client := live(t)
	preview := must(client.PreviewCreateTenant(newTenant("only-asked")))(t)
	equal(t, []any{preview.DryRun, preview.TenantID}, []any{true, "only-asked"})
	if len(preview.Objects) == 0 || preview.Quota.Before != nil || preview.Quota.After == nil {
		t.Errorf("%+v", preview)
	}
	_, err := client.GetTenant("only-asked")
	is(t, err, ErrNotFound)

	must(client.CreateTenant(newTenant("asked-more")))(t)
	change := &TenantUpdate{ServiceRequirements: map[string]int{"stt": 5}}
	equal(t, must(client.PreviewUpdateTenant("asked-more", change))(t).DryRun, true)
	gone := must(client.PreviewDeleteTenant("asked-more"))(t)
	if gone.Quota.After != nil {
		t.Errorf("%+v", gone.Quota)
	}
	equal(t, must(client.GetTenant("asked-more"))(t).Generation, 1)
}

func TestErrorsCarryCodeStatusRequestIDDetailsAndEveryWrongField(t *testing.T) {
	client := live(t)
	_, err := client.GetTenantContext(patience(t), "nowhere", WithRequestID("find-me"))
	is(t, err, ErrNotFound)
	missing := as[*APIError](t, err)
	equal(t, []any{missing.Code, missing.Status, missing.RequestID, missing.Details["tenant_id"]},
		[]any{CodeTenantNotFound, 404, "find-me", "nowhere"})

	_, err = client.CreateTenant(&TenantRequest{TenantID: "Bad Id", ServiceRequirements: map[string]int{"chatbot": -1}})
	is(t, err, ErrValidation)
	wrong := as[*APIError](t, err)
	equal(t, wrong.Code, CodeValidationFailed)
	if len(wrong.Fields) < 2 {
		t.Fatalf("%+v", wrong.Fields)
	}
	for _, field := range wrong.Fields {
		if !strings.HasPrefix(field.Pointer, "/") || field.Reason == "" || !strings.Contains(err.Error(), field.Reason) {
			t.Errorf("%+v in %v", field, err)
		}
	}
}

func TestListsAreIteratedOverAllTheirPages(t *testing.T) {
	client, ctx := live(t), patience(t)
	for _, id := range []string{"page-0", "page-1", "page-2", "page-3", "page-4"} {
		must(client.CreateTenant(newTenant(id)))(t)
	}
	var ids []string
	for tenant, err := range client.AllTenants(ctx, &TenantFilter{Limit: 2, Preset: PresetMicro}) {
		ids = append(ids, must(tenant, err)(t).TenantID)
	}
	for _, id := range []string{"page-0", "page-4"} {
		if at := slices.Index(ids, id); at < 0 || slices.Contains(ids[at+1:], id) {
			t.Errorf("%s is not in %v once", id, ids)
		}
	}
	entries := 0
	for entry, err := range client.AllAuditEntries(ctx, &AuditFilter{TenantID: "page-0", Limit: 1}) {
		equal(t, must(entry, err)(t).TenantID, "page-0")
		entries++
	}
	if entries == 0 {
		t.Error("no audit entry")
	}
	for range client.AllTenants(ctx, nil) {
		break
	}
}

func TestAuditEntriesAreFiltered(t *testing.T) {
	client, ctx := live(t), patience(t)
	must(client.CreateTenantContext(ctx, newTenant("audited"), WithRequestID("audit-1")))(t)
	first := must(client.ListAuditEntries(&AuditFilter{RequestID: "audit-1", Action: "tenant.create"}))(t)
	if len(first.Entries) == 0 || first.Entries[0].TenantID != "audited" || first.Entries[0].After == nil {
		t.Fatalf("%+v", first)
	}
	at := first.Entries[0].Timestamp
	equal(t, must(client.ListAuditEntries(&AuditFilter{RequestID: "audit-1", Until: at}))(t).TotalCount, 0)
	if must(client.ListAuditEntries(&AuditFilter{RequestID: "audit-1", Since: at}))(t).TotalCount == 0 {
		t.Error("since leaves the entry of that time out")
	}
}

func TestSizingManifestsValidationSystemMetricsAndHealthAnswer(t *testing.T) {
	client, ctx := live(t), patience(t)
	sized := must(client.CalculateResources(&CalculateResourcesRequest{
		ServiceRequirements: map[string]int{"callbot": 100, "chatbot": 200, "advisor": 50},
		SLATarget:           &SLATargetRequest{Availability: "99.9%", ResponseTime: "150ms"},
	}))(t)
	equal(t, sized.RecommendedPreset, PresetLarge)
	must(client.CreateTenant(newTenant("papers")))(t)
	manifest := must(client.GetManifest("papers"))(t)
	if !strings.HasPrefix(manifest, "apiVersion: v1") && !strings.Contains(manifest, "\napiVersion: v1") {
		t.Error(manifest[:100])
	}
	written := must(client.GetManifestContext(ctx, "papers", &ManifestQuery{
		Format: "json", IncludeMonitoring: Ptr(false), Namespace: "elsewhere",
	}))(t)
	var list struct{ Kind string }
	if err := json.Unmarshal([]byte(written), &list); err != nil || list.Kind != "List" {
		t.Errorf("%v %s", err, list.Kind)
	}
	verdict := must(client.ValidateManifest(&ValidateManifestRequest{TenantID: "papers", ManifestContent: manifest}))(t)
	if !verdict.Valid || verdict.ResourceSummary.Deployments == 0 {
		t.Errorf("%+v", verdict)
	}
	if must(client.GetSystemMetrics())(t).TotalTenants == 0 {
		t.Error("no tenants")
	}
	equal(t, must(client.GetHealth())(t).Status, "ok")
	equal(t, must(client.GetReadiness())(t).Status, "ready")
	if !strings.HasPrefix(must(client.GetMetrics())(t), "# ") {
		t.Error("no metrics")
	}
}

func TestSamplesAreStoredAndReadAndRaiseAlerts(t *testing.T) {
	client, ctx := live(t), patience(t)
	must(client.CreateTenant(newTenant("busy")))(t)
	equal(t, must(client.SendMetrics("busy", Metrics{"cpu": 99, MetricMemoryUsage: 40}))(t).Accepted, 1)
	series := must(client.GetMonitoring("busy", &MonitoringQuery{MetricTypes: []string{"cpu", "memory"}, Hours: 1, Interval: "1m"}))(t)
	equal(t, []int{len(series.Metrics), len(series.Metrics["cpu"])}, []int{2, 1})
	equal(t, series.Summary["max_cpu"], 99.0)
	var open []string
	for len(open) == 0 && ctx.Err() == nil {
		for alert, err := range client.AllAlerts(ctx, "busy", &AlertFilter{Status: "open", Limit: 1}) {
			open = append(open, must(alert, err)(t).Metric)
		}
	}
	if !slices.Contains(open, "cpu") {
		t.Errorf("open alerts: %v", open)
	}
}

func TestATokenThatIsMissingOrTooWeakIsToldApart(t *testing.T) {
	refused := startMisbehaving(t, always(401, CodeUnauthorized))
	_, err := refused.client().ListTenants(nil)
	is(t, err, ErrUnauthorized)
	forbidden := startMisbehaving(t, always(403, CodeForbidden))
	_, err = forbidden.client().ListAuditEntries(nil)
	is(t, err, ErrForbidden)
}
