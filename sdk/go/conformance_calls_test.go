// The calls of the conformance scenarios, as methods of this client.

package orchestrator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// conforming makes each call of the format. An argument that a call does not know is an error.
var conforming = map[string]func(context.Context, *Client, json.RawMessage) (any, error){
	"list_tenants": with(func(ctx context.Context, c *Client, in listArguments) (any, error) {
		return c.ListTenantsContext(ctx, in.tenants())
	}),
	"iterate_tenants": with(func(ctx context.Context, c *Client, in listArguments) (any, error) {
		return collect(c.AllTenants(ctx, in.tenants()))
	}),
	"create_tenant": with(func(ctx context.Context, c *Client, in struct {
		Body TenantRequest `json:"body"`
		Key  string        `json:"idempotency_key"`
		Dry  bool          `json:"dry_run"`
	}) (any, error) {
		if in.Dry {
			return c.PreviewCreateTenantContext(ctx, &in.Body)
		}
		var options []CreateOption
		if in.Key != "" {
			options = append(options, WithIdempotencyKey(in.Key))
		}
		return c.CreateTenantContext(ctx, &in.Body, options...)
	}),
	"get_tenant": with(func(ctx context.Context, c *Client, in tenantArguments) (any, error) {
		return c.GetTenantContext(ctx, in.TenantID)
	}),
	"update_tenant": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		Body     TenantUpdate `json:"body"`
		IfMatch  string       `json:"if_match"`
		Rollback *bool        `json:"rollback"`
		Dry      bool         `json:"dry_run"`
	}) (any, error) {
		var options []UpdateOption
		if in.IfMatch != "" {
			options = append(options, WithIfMatch(in.IfMatch))
		}
		if in.Rollback != nil {
			options = append(options, WithRollback(*in.Rollback))
		}
		if in.Dry {
			return c.PreviewUpdateTenantContext(ctx, in.TenantID, &in.Body, options...)
		}
		return c.UpdateTenantContext(ctx, in.TenantID, &in.Body, options...)
	}),
	"delete_tenant": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		IfMatch string `json:"if_match"`
		Force   bool   `json:"force"`
		Dry     bool   `json:"dry_run"`
	}) (any, error) {
		var options []DeleteOption
		if in.IfMatch != "" {
			options = append(options, WithIfMatch(in.IfMatch))
		}
		if in.Force {
			options = append(options, WithForce())
		}
		if in.Dry {
			return c.PreviewDeleteTenantContext(ctx, in.TenantID, options...)
		}
		return c.DeleteTenantContext(ctx, in.TenantID, options...)
	}),
	"calculate_resources": with(func(ctx context.Context, c *Client, in struct {
		Body CalculateResourcesRequest `json:"body"`
	}) (any, error) {
		return c.CalculateResourcesContext(ctx, &in.Body)
	}),
	"get_monitoring": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		MetricType string `json:"metric_type"`
		Hours      int    `json:"hours"`
		Interval   string `json:"interval"`
	}) (any, error) {
		query := &MonitoringQuery{Hours: in.Hours, Interval: in.Interval}
		if in.MetricType != "" {
			query.MetricTypes = strings.Split(in.MetricType, ",")
		}
		return c.GetMonitoringContext(ctx, in.TenantID, query)
	}),
	"send_metrics": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		Body MetricsRequest `json:"body"`
	}) (any, error) {
		return c.SendMetricsContext(ctx, in.TenantID, in.Body)
	}),
	"list_alerts": with(func(ctx context.Context, c *Client, in alertArguments) (any, error) {
		return c.ListAlertsContext(ctx, in.TenantID, &in.AlertFilter)
	}),
	"iterate_alerts": with(func(ctx context.Context, c *Client, in alertArguments) (any, error) {
		return collect(c.AllAlerts(ctx, in.TenantID, &in.AlertFilter))
	}),
	"list_all_alerts": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		Severity string `json:"severity"`
		Type     string `json:"type"`
		Status   string `json:"status"`
		Skip     int    `json:"skip"`
		Limit    int    `json:"limit"`
	}) (any, error) {
		return c.ListAllAlertsContext(ctx, &AllAlertsFilter{in.TenantID, in.Severity, in.Type, in.Status, in.Skip, in.Limit})
	}),
	"get_recommendation": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		Hours int `json:"hours"`
	}) (any, error) {
		return c.GetRecommendationContext(ctx, in.TenantID, in.Hours)
	}),
	"list_deployments": with(func(ctx context.Context, c *Client, in historyArguments) (any, error) {
		return c.ListDeploymentsContext(ctx, in.TenantID, &in.DeploymentFilter)
	}),
	"iterate_deployments": with(func(ctx context.Context, c *Client, in historyArguments) (any, error) {
		return collect(c.AllDeployments(ctx, in.TenantID, &in.DeploymentFilter))
	}),
	"roll_back_tenant": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		Body RollbackRequest `json:"body"`
	}) (any, error) {
		return c.RollBackTenantContext(ctx, in.TenantID, &in.Body)
	}),
	"get_catalog_diff": with(func(ctx context.Context, c *Client, _ struct{}) (any, error) {
		return c.GetCatalogDiffContext(ctx)
	}),
	"roll_out_catalog": with(func(ctx context.Context, c *Client, in struct {
		Body CatalogRolloutRequest `json:"body"`
	}) (any, error) {
		return c.RollOutCatalogContext(ctx, &in.Body)
	}),
	"get_overview": with(func(ctx context.Context, c *Client, _ struct{}) (any, error) {
		return c.GetOverviewContext(ctx)
	}),
	"list_nodes": with(func(ctx context.Context, c *Client, _ struct{}) (any, error) {
		return c.ListNodesContext(ctx)
	}),
	"get_alert_rules": with(func(ctx context.Context, c *Client, in tenantArguments) (any, error) {
		return c.GetAlertRulesContext(ctx, in.TenantID)
	}),
	"set_alert_rules": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		Body AlertRulesRequest `json:"body"`
	}) (any, error) {
		return c.SetAlertRulesContext(ctx, in.TenantID, &in.Body)
	}),
	"list_silences": with(func(ctx context.Context, c *Client, in struct {
		Status string `json:"status"`
		Skip   int    `json:"skip"`
		Limit  int    `json:"limit"`
	}) (any, error) {
		return c.ListSilencesContext(ctx, &SilenceFilter{in.Status, in.Skip, in.Limit})
	}),
	"get_silence": with(func(ctx context.Context, c *Client, in struct {
		SilenceID string `json:"silence_id"`
	}) (any, error) {
		return c.GetSilenceContext(ctx, in.SilenceID)
	}),
	"create_silence": with(func(ctx context.Context, c *Client, in struct {
		Body SilenceRequest `json:"body"`
		Dry  bool           `json:"dry_run"`
	}) (any, error) {
		if in.Dry {
			return c.PreviewCreateSilence(ctx, &in.Body)
		}
		return c.CreateSilenceContext(ctx, &in.Body)
	}),
	"delete_silence": with(func(ctx context.Context, c *Client, in struct {
		SilenceID string `json:"silence_id"`
	}) (any, error) {
		return c.DeleteSilenceContext(ctx, in.SilenceID)
	}),
	"list_receivers": with(func(ctx context.Context, c *Client, in PageFilter) (any, error) {
		return c.ListReceiversContext(ctx, &in)
	}),
	"create_receiver": with(func(ctx context.Context, c *Client, in struct {
		Body ReceiverRequest `json:"body"`
	}) (any, error) {
		return c.CreateReceiverContext(ctx, &in.Body)
	}),
	"get_receiver": with(func(ctx context.Context, c *Client, in receiverArguments) (any, error) {
		return c.GetReceiverContext(ctx, in.ReceiverID)
	}),
	"update_receiver": with(func(ctx context.Context, c *Client, in struct {
		receiverArguments
		Body ReceiverRequest `json:"body"`
	}) (any, error) {
		return c.UpdateReceiverContext(ctx, in.ReceiverID, &in.Body)
	}),
	"delete_receiver": with(func(ctx context.Context, c *Client, in receiverArguments) (any, error) {
		return c.DeleteReceiverContext(ctx, in.ReceiverID)
	}),
	"list_deliveries": with(func(ctx context.Context, c *Client, in struct {
		receiverArguments
		DeliveryFilter
	}) (any, error) {
		return c.ListDeliveriesContext(ctx, in.ReceiverID, &in.DeliveryFilter)
	}),
	"test_receiver": with(func(ctx context.Context, c *Client, in receiverArguments) (any, error) {
		return c.TestReceiverContext(ctx, in.ReceiverID)
	}),
	"list_events": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		Limit int `json:"limit"`
	}) (any, error) {
		return c.ListEventsContext(ctx, in.TenantID, &EventFilter{Limit: in.Limit})
	}),
	"read_logs": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		Service string `json:"service"`
		Tail    *int   `json:"tail"`
	}) (any, error) {
		return c.ReadLogsContext(ctx, in.TenantID, &LogsQuery{Service: in.Service, Tail: in.Tail})
	}),
	"get_costs": with(func(ctx context.Context, c *Client, in struct {
		Month string `json:"month"`
	}) (any, error) {
		return c.GetCostsContext(ctx, &CostsQuery{Month: in.Month})
	}),
	"get_capacity": with(func(ctx context.Context, c *Client, in struct {
		Body CalculateResourcesRequest `json:"body"`
	}) (any, error) {
		return c.GetCapacityContext(ctx, &in.Body)
	}),
	"get_system_metrics": with(func(ctx context.Context, c *Client, _ struct{}) (any, error) {
		return c.GetSystemMetricsContext(ctx)
	}),
	"get_manifest": with(func(ctx context.Context, c *Client, in struct {
		tenantArguments
		Format     string `json:"format"`
		Monitoring *bool  `json:"include_monitoring"`
		Ingress    *bool  `json:"include_ingress"`
		Namespace  string `json:"namespace"`
		Redact     *bool  `json:"redact"`
	}) (any, error) {
		return c.GetManifestContext(ctx, in.TenantID,
			&ManifestQuery{in.Format, in.Monitoring, in.Ingress, in.Namespace, in.Redact})
	}),
	"validate_manifest": with(func(ctx context.Context, c *Client, in struct {
		Body ValidateManifestRequest `json:"body"`
	}) (any, error) {
		return c.ValidateManifestContext(ctx, &in.Body)
	}),
	"get_deployment_status": with(func(ctx context.Context, c *Client, in deploymentArguments) (any, error) {
		return c.GetDeploymentContext(ctx, in.TenantID, in.DeploymentID)
	}),
	"wait_until_running": with(func(ctx context.Context, c *Client, in deploymentArguments) (any, error) {
		return c.WaitUntilRunning(ctx, in.TenantID, &WaitOptions{DeploymentID: in.DeploymentID, Poll: 20 * time.Millisecond})
	}),
	"list_audit_entries": with(func(ctx context.Context, c *Client, in auditArguments) (any, error) {
		return c.ListAuditEntriesContext(ctx, in.filter())
	}),
	"iterate_audit_entries": with(func(ctx context.Context, c *Client, in auditArguments) (any, error) {
		return collect(c.AllAuditEntries(ctx, in.filter()))
	}),
	"get_health":    with(func(ctx context.Context, c *Client, _ struct{}) (any, error) { return c.GetHealthContext(ctx) }),
	"get_readiness": with(func(ctx context.Context, c *Client, _ struct{}) (any, error) { return c.GetReadinessContext(ctx) }),
	"get_metrics":   with(func(ctx context.Context, c *Client, _ struct{}) (any, error) { return c.GetMetricsContext(ctx) }),
}

type tenantArguments struct {
	TenantID string `json:"tenant_id"`
}

type receiverArguments struct {
	ReceiverID string `json:"receiver_id"`
}

type deploymentArguments struct {
	tenantArguments
	DeploymentID string `json:"deployment_id"`
}

type listArguments struct {
	Preset string `json:"preset"`
	Status string `json:"status"`
	Search string `json:"q"`
	Sort   string `json:"sort"`
	Expand string `json:"expand"`
	Skip   int    `json:"skip"`
	Limit  int    `json:"limit"`
}

func (a listArguments) tenants() *TenantFilter {
	return &TenantFilter{a.Preset, a.Status, a.Search, a.Sort, []string{a.Expand}, a.Skip, a.Limit}
}

// The filter's fields are spelled as the API's parameters but for the case of their letters.
type alertArguments struct {
	tenantArguments
	AlertFilter
}

type historyArguments struct {
	tenantArguments
	DeploymentFilter
}

type auditArguments struct {
	TenantID  string    `json:"tenant_id"`
	Actor     string    `json:"actor"`
	Action    string    `json:"action"`
	Outcome   string    `json:"outcome"`
	RequestID string    `json:"request_id"`
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until"`
	Skip      int       `json:"skip"`
	Limit     int       `json:"limit"`
}

func (a auditArguments) filter() *AuditFilter {
	return &AuditFilter{a.TenantID, a.Actor, a.Action, a.Outcome, a.RequestID, a.Since, a.Until, a.Skip, a.Limit}
}

// errFormat is a scenario that this runner does not understand.
var errFormat = errors.New("the runner does not understand this")

func with[A any](call func(context.Context, *Client, A) (any, error)) func(context.Context, *Client, json.RawMessage) (any, error) {
	return func(ctx context.Context, client *Client, arguments json.RawMessage) (any, error) {
		var in A
		if err := decodeStrictly(arguments, &in); err != nil {
			return nil, err
		}
		return call(ctx, client, in)
	}
}

func decodeStrictly(data []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("%w: %s: %w", errFormat, data, err)
	}
	return nil
}

func collect[T any](entries iter.Seq2[T, error]) ([]T, error) {
	all := []T{}
	for entry, err := range entries {
		if err != nil {
			return nil, err
		}
		all = append(all, entry)
	}
	return all, nil
}

// watched is a subscription of any stream, with frames as plain JSON.
type watched struct {
	next  func(context.Context) (any, error)
	close func()
	// Frames that have come.
	received func() int
}

var watching = map[string]func(context.Context, *Client, json.RawMessage, SubscribeOptions) (*watched, error){
	"watch_monitoring": func(ctx context.Context, c *Client, arguments json.RawMessage, options SubscribeOptions) (*watched, error) {
		var in struct {
			tenantArguments
			Metrics  []string `json:"metrics"`
			Interval int      `json:"interval"`
		}
		if err := decodeStrictly(arguments, &in); err != nil {
			return nil, err
		}
		return watch(c.SubscribeToMonitoring(ctx, in.TenantID, &MonitoringSubscribeOptions{
			options, in.Metrics, time.Duration(in.Interval) * time.Millisecond,
		})), nil
	},
	"watch_alerts": func(ctx context.Context, c *Client, arguments json.RawMessage, options SubscribeOptions) (*watched, error) {
		var in struct {
			tenantArguments
			Since string `json:"since"`
		}
		if err := decodeStrictly(arguments, &in); err != nil {
			return nil, err
		}
		return watch(c.SubscribeToAlerts(ctx, in.TenantID, &AlertSubscribeOptions{options, in.Since})), nil
	},
	"watch_all_alerts": func(ctx context.Context, c *Client, arguments json.RawMessage, options SubscribeOptions) (*watched, error) {
		var in struct {
			Since string `json:"since"`
		}
		if err := decodeStrictly(arguments, &in); err != nil {
			return nil, err
		}
		return watch(c.SubscribeToAllAlerts(ctx, &AlertSubscribeOptions{options, in.Since})), nil
	},
	"watch_deployment": func(ctx context.Context, c *Client, arguments json.RawMessage, options SubscribeOptions) (*watched, error) {
		var in struct {
			DeploymentID string `json:"deployment_id"`
		}
		if err := decodeStrictly(arguments, &in); err != nil {
			return nil, err
		}
		return watch(c.SubscribeToDeployment(ctx, in.DeploymentID, &options)), nil
	},
}

func watch[T Frame](subscription *Subscription[T]) *watched {
	return &watched{
		next: func(ctx context.Context) (any, error) {
			frame, err := subscription.Next(ctx)
			if err != nil {
				return nil, err
			}
			return plain(frame)
		},
		close:    subscription.Close,
		received: subscription.Received,
	}
}

// plain is a value as JSON has it.
func plain(value any) (any, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var out any
	return out, json.Unmarshal(data, &out)
}
