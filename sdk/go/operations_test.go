// Every operation of the API's OpenAPI document: that there is a method, and that it sends what the document names.

package orchestrator

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// subscribing names the method of each stream. What they send is tested with them.
var subscribing = map[string]any{
	"watch_monitoring": (*Client).SubscribeToMonitoring,
	"watch_deployment": (*Client).SubscribeToDeployment,
	"watch_alerts":     (*Client).SubscribeToAlerts,
	"watch_all_alerts": (*Client).SubscribeToAllAlerts,
}

// sending calls each other operation with everything that it takes.
var sending = map[string]func(context.Context, *Client, ...CallOption) error{
	"list_tenants": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ListTenantsContext(ctx, &TenantFilter{"micro", "running", "x", "-cost", []string{"cost"}, 1, 2}, o...)
		return err
	},
	"create_tenant": func(ctx context.Context, c *Client, o ...CallOption) error {
		options := []CreateOption{WithIdempotencyKey("k")}
		for _, option := range o {
			options = append(options, option)
		}
		_, err := c.CreateTenantContext(ctx, &TenantRequest{}, options...)
		return err
	},
	"get_tenant": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetTenantContext(ctx, "a b", o...)
		return err
	},
	"update_tenant": func(ctx context.Context, c *Client, o ...CallOption) error {
		options := []UpdateOption{WithIfMatch(`"1"`), WithRollback(true)}
		for _, option := range o {
			options = append(options, option)
		}
		_, err := c.UpdateTenantContext(ctx, "a b", &TenantUpdate{}, options...)
		return err
	},
	"delete_tenant": func(ctx context.Context, c *Client, o ...CallOption) error {
		options := []DeleteOption{WithIfMatch("*"), WithForce(), WithRelease()}
		for _, option := range o {
			options = append(options, option)
		}
		_, err := c.DeleteTenantContext(ctx, "a b", options...)
		return err
	},
	"calculate_resources": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.CalculateResourcesContext(ctx, &CalculateResourcesRequest{}, o...)
		return err
	},
	"get_monitoring": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetMonitoringContext(ctx, "a b", &MonitoringQuery{[]string{"cpu", "gpu"}, 3, "1m"}, o...)
		return err
	},
	"send_metrics": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.SendMetricsContext(ctx, "a b", Metrics{"cpu": 1}, o...)
		return err
	},
	"list_alerts": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ListAlertsContext(ctx, "a b", &AlertFilter{"open", 1, 2}, o...)
		return err
	},
	"list_all_alerts": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ListAllAlertsContext(ctx, &AllAlertsFilter{"a", "critical", "performance", "open", 1, 2}, o...)
		return err
	},
	"get_recommendation": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetRecommendationContext(ctx, "a b", 3, o...)
		return err
	},
	"list_deployments": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ListDeploymentsContext(ctx, "a b", &DeploymentFilter{1, 2}, o...)
		return err
	},
	"roll_back_tenant": func(ctx context.Context, c *Client, o ...CallOption) error {
		options := []RollbackOption{WithIfMatch("*")}
		for _, option := range o {
			options = append(options, option)
		}
		_, err := c.RollBackTenantContext(ctx, "a b", nil, options...)
		return err
	},
	"get_catalog_diff": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetCatalogDiffContext(ctx, o...)
		return err
	},
	"compare_catalog": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.CompareCatalogContext(ctx, &CatalogRequest{}, o...)
		return err
	},
	"roll_out_catalog": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.RollOutCatalogContext(ctx, nil, o...)
		return err
	},
	"get_overview": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetOverviewContext(ctx, o...)
		return err
	},
	"list_nodes": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ListNodesContext(ctx, o...)
		return err
	},
	"get_alert_rules": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetAlertRulesContext(ctx, "a b", o...)
		return err
	},
	"set_alert_rules": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.SetAlertRulesContext(ctx, "a b", &AlertRulesRequest{}, o...)
		return err
	},
	"list_silences": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ListSilencesContext(ctx, &SilenceFilter{"active", 1, 2}, o...)
		return err
	},
	"create_silence": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.CreateSilenceContext(ctx, &SilenceRequest{}, o...)
		return err
	},
	"get_silence": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetSilenceContext(ctx, "a b", o...)
		return err
	},
	"delete_silence": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.DeleteSilenceContext(ctx, "a b", o...)
		return err
	},
	"list_receivers": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ListReceiversContext(ctx, &PageFilter{1, 2}, o...)
		return err
	},
	"create_receiver": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.CreateReceiverContext(ctx, &ReceiverRequest{}, o...)
		return err
	},
	"get_receiver": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetReceiverContext(ctx, "a b", o...)
		return err
	},
	"update_receiver": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.UpdateReceiverContext(ctx, "a b", &ReceiverRequest{}, o...)
		return err
	},
	"delete_receiver": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.DeleteReceiverContext(ctx, "a b", o...)
		return err
	},
	"list_deliveries": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ListDeliveriesContext(ctx, "a b", &DeliveryFilter{"pending", 1, 2}, o...)
		return err
	},
	"test_receiver": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.TestReceiverContext(ctx, "a b", o...)
		return err
	},
	"list_events": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ListEventsContext(ctx, "a b", &EventFilter{5}, o...)
		return err
	},
	"read_logs": func(ctx context.Context, c *Client, o ...CallOption) error {
		query := &LogsQuery{"callbot", "p", "c", Ptr(false), Ptr(5)}
		return c.FollowLogs(ctx, "a b", query, func(string) error { return nil }, o...)
	},
	"get_costs": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetCostsCSVContext(ctx, &CostsQuery{"2026-11"}, o...)
		return err
	},
	"get_capacity": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetCapacityContext(ctx, &CalculateResourcesRequest{}, o...)
		return err
	},
	"get_system_metrics": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetSystemMetricsContext(ctx, o...)
		return err
	},
	"get_manifest": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetManifestContext(ctx, "a b", &ManifestQuery{"json", Ptr(false), Ptr(true), "other", Ptr(true)}, o...)
		return err
	},
	"validate_manifest": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.ValidateManifestContext(ctx, &ValidateManifestRequest{}, o...)
		return err
	},
	"get_deployment_status": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetDeploymentContext(ctx, "a b", "dep-1", o...)
		return err
	},
	"list_audit_entries": func(ctx context.Context, c *Client, o ...CallOption) error {
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		_, err := c.ListAuditEntriesContext(ctx, &AuditFilter{"t", "me", "tenant.create", "failed", "r", at, at, 1, 2}, o...)
		return err
	},
	"get_health": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetHealthContext(ctx, o...)
		return err
	},
	"get_readiness": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetReadinessContext(ctx, o...)
		return err
	},
	"get_metrics": func(ctx context.Context, c *Client, o ...CallOption) error {
		_, err := c.GetMetricsContext(ctx, o...)
		return err
	},
}

func TestEveryOperationOfTheDocumentHasItsMethodAndSendsAllThatIsNamed(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		writer.Header().Set("X-Revision", "7")
		_, _ = writer.Write([]byte("{}"))
	})
	client := NewClient(&Config{
		BaseURL: server.URL + "/api/v1/", IsDemo: true, Token: "secret", Language: "en", Retry: quick,
	})
	must(client.UpdateTenant("a", &TenantUpdate{}))(t)
	left := map[string]bool{}
	for name := range sending {
		left[name] = true
	}
	for path, methods := range readDocument(t).Paths {
		for method, operation := range methods {
			if _, isStream := subscribing[operation.OperationID]; isStream {
				continue
			}
			send, found := sending[operation.OperationID]
			if !found {
				t.Errorf("%s has no method", operation.OperationID)
				continue
			}
			delete(left, operation.OperationID)
			before := len(server.all())
			if err := send(patience(t), client, WithRequestID("r-1"), WithDebug()); err != nil {
				t.Errorf("%s: %v", operation.OperationID, err)
				continue
			}
			checkRequest(t, server.all()[before], path, strings.ToUpper(method), operation)
		}
	}
	for name := range left {
		t.Errorf("%s is not an operation of the document", name)
	}
}

func checkRequest(t *testing.T, got recorded, path, method string, wanted operation) {
	t.Helper()
	want := strings.NewReplacer("{tenant_id}", "a%20b", "{silence_id}", "a%20b", "{receiver_id}", "a%20b").Replace(path)
	if got.URL.EscapedPath() != want || got.Method != method {
		t.Errorf("%s: sent %s %s", wanted.OperationID, got.Method, got.URL.EscapedPath())
	}
	var query []string
	for _, parameter := range wanted.Parameters {
		switch parameter.In {
		case "query":
			// A dry run answers something else, and has methods of its own.
			if parameter.Name != "dry_run" {
				query = append(query, parameter.Name)
			}
		case "header":
			if got.Header.Get(parameter.Name) == "" {
				t.Errorf("%s: the header %s was not sent", wanted.OperationID, parameter.Name)
			}
		}
	}
	var sent []string
	for name := range got.URL.Query() {
		sent = append(sent, name)
	}
	slices.Sort(query)
	slices.Sort(sent)
	if !slices.Equal(query, sent) {
		t.Errorf("%s: sent %v, the document names %v", wanted.OperationID, sent, query)
	}
	if got.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("%s: no token was sent", wanted.OperationID)
	}
}

func TestADryRunAsksForNothingButAPreview(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		_, _ = writer.Write([]byte(`{"dry_run": true}`))
	})
	client, ctx := server.client(), patience(t)
	for _, preview := range []func() (*Preview, error){
		func() (*Preview, error) { return client.PreviewCreateTenant(newTenant("a")) },
		func() (*Preview, error) {
			return client.PreviewUpdateTenantContext(ctx, "a", &TenantUpdate{}, WithRollback(false))
		},
		func() (*Preview, error) { return client.PreviewDeleteTenantContext(ctx, "a", WithForce()) },
	} {
		if !must(preview())(t).DryRun {
			t.Error("the answer was not read")
		}
	}
	var sent []string
	for _, request := range server.all() {
		sent = append(sent, request.Method+" "+request.URL.RequestURI())
	}
	equal(t, sent, []string{
		"POST /api/v1/tenants/?dry_run=true",
		"PUT /api/v1/tenants/a?dry_run=true&rollback=false",
		"DELETE /api/v1/tenants/a?dry_run=true&force=true",
	})
}

func TestEveryKindOfSampleIsSentAsTheAPIWantsIt(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) {
		_, _ = writer.Write([]byte(`{"tenant_id": "a", "accepted": 1}`))
	})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	metrics := Metrics{"cpu": 1.5}
	for _, input := range []MetricsInput{
		metrics, metrics.At(at), Samples{metrics.At(at), {Metrics: metrics}}, MetricsRequest{Metrics: metrics},
	} {
		must(server.client().SendMetrics("a", input))(t)
	}
	var bodies []string
	for _, request := range server.all() {
		bodies = append(bodies, string(request.Body))
	}
	equal(t, bodies, []string{
		`{"metrics":{"cpu":1.5}}`,
		`{"timestamp":"2026-01-02T03:04:05Z","metrics":{"cpu":1.5}}`,
		`{"samples":[{"timestamp":"2026-01-02T03:04:05Z","metrics":{"cpu":1.5}},{"metrics":{"cpu":1.5}}]}`,
		`{"metrics":{"cpu":1.5}}`,
	})
}

func TestAPathCanNotBeLeftThroughAnID(t *testing.T) {
	server := startMisbehaving(t, func(writer http.ResponseWriter, _ recorded, _ int) { _, _ = writer.Write([]byte("{}")) })
	must(server.client().GetTenant("a/../b?c#d"))(t)
	if got := server.all()[0].URL.EscapedPath(); got != "/api/v1/tenants/"+url.PathEscape("a/../b?c#d") {
		t.Error(got)
	}
}
