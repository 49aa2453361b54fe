// The models, codes and methods against the API's OpenAPI document, both ways.

package orchestrator

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// The struct of each schema. MetricsIn is a map in Go; its names are checked apart.
var models = map[string]any{
	"AcceptedOut": Accepted{}, "AlertListOut": AlertList{}, "AllAlertsOut": AllAlerts{}, "AlertOut": Alert{}, "AlternativeOut": Alternative{}, "SlaMissOut": SLAMiss{},
	"AuditEntryOut": AuditEntry{}, "AuditListOut": AuditList{}, "CalculateResourcesIn": CalculateResourcesRequest{},
	"CalculationOut": Calculation{}, "ComputeOut": Compute{}, "ContainerResourcesOut": ContainerResources{},
	"CostChangeOut": CostChange{}, "CreateTenantIn": TenantRequest{}, "CreatedTenantOut": CreatedTenant{},
	"DeletionOut": Deletion{}, "DeploymentStatusOut": DeploymentStatus{}, "ErrorBodyOut": errorBody{},
	"ErrorOut": errorEnvelope{}, "FailureOut": Failure{}, "FindingOut": Finding{}, "HealthOut": Health{},
	"LogLineOut": LogLine{}, "MetricsIn": Metrics{}, "MonitoringOut": Monitoring{}, "ObjectChangeOut": ObjectChange{},
	"PaginationOut": Pagination{}, "PointOut": Point{}, "PreviewOut": Preview{}, "QuotaChangeOut": QuotaChange{},
	"RefusalOut": Refusal{}, "ResourceDifferenceOut": ResourceDifference{}, "ResourceStateOut": ResourceState{},
	"ResourceSummaryOut": ResourceSummary{}, "ResourcesOut": Resources{}, "SampleIn": Sample{},
	"SendMetricsIn": MetricsRequest{}, "SlaTargetIn": SLATargetRequest{}, "SlaTargetOut": SLATarget{},
	"SystemMetricsOut": SystemMetrics{}, "TenantListOut": TenantList{}, "TenantOut": Tenant{},
	"TenantServiceOut": TenantService{}, "TenantSummaryOut": TenantSummary{}, "TimeRangeOut": TimeRange{},
	"UpdateTenantIn": TenantUpdate{}, "UtilizationOut": Utilization{}, "ValidateManifestIn": ValidateManifestRequest{},
	"RecommendationOut": Recommendation{}, "MeasuredOut": Measured{}, "ObservedOut": Observed{},
	"MeasuredUsageOut": MeasuredUsage{}, "MeasuredResponseTimeOut": MeasuredResponseTime{}, "FitOut": Fit{},
	"DeploymentListOut": DeploymentList{}, "DeploymentEntryOut": DeploymentEntry{}, "SpecChangeOut": SpecChange{},
	"RollbackIn": RollbackRequest{}, "CatalogDiffOut": CatalogDiff{}, "CatalogRolloutOut": CatalogRollout{},
	"TenantDiffOut": TenantDiff{}, "ImmutableFieldOut": ImmutableField{}, "CatalogIn": CatalogRequest{},
	"CatalogRolloutIn": CatalogRolloutRequest{}, "StartedRolloutOut": StartedRollout{},
	"StartedTenantOut": StartedTenant{}, "RefusedTenantOut": RefusedTenant{},
	"ValidationOut": Validation{}, "WarningOut": Warning{}, "OverviewOut": Overview{}, "CostsOut": Costs{}, "CurrencyOut": Currency{},
	"AlertRulesOut": AlertRules{}, "AlertRuleOut": AlertRule{}, "AlertRulesIn": AlertRulesRequest{},
	"AlertRuleIn": AlertRuleChange{}, "AlertFilterOut": AlertMatch{}, "SilenceIn": SilenceRequest{},
	"SilenceOut": Silence{}, "SilenceListOut": SilenceList{}, "SilenceTrialOut": SilenceTrial{}, "ReceiverOut": Receiver{}, "ReceiverListOut": ReceiverList{}, "ReceiverIn": ReceiverRequest{}, "DeliveryOut": Delivery{}, "DeliveryListOut": DeliveryList{}, "EventsOut": Events{}, "EventOut": Event{}, "EventObjectOut": EventObject{}, "TenantCostOut": TenantCost{}, "AmountsOut": Amounts{}, "TotalsOut": Totals{},
	"GpuHeadroomOut": GPUHeadroom{}, "AttentionOut": Attention{}, "CapacityOut": Capacity{}, "NodesOut": Nodes{}, "NodeOut": Node{}, "NodeLeftOut": NodeLeftOut{}, "NodeResourcesOut": NodeResources{}, "HeadroomOut": Headroom{},
	"ExpectationOut": Expectation{}, "StageOut": Stage{}, "HourOut": Hour{}, "ResponseTimeOut": ResponseTime{},
	"VerificationOut": Verification{}, "PromiseOut": PromiseCheck{}, "SizingIn": SizingRequest{}, "SizingOptionsOut": SizingOptions{},
	"LinesOut": Lines{}, "DamagedRowsOut": DamagedRows{}, "ReplicaOut": Replica{},
	"AlertFrame": AlertFrame{}, "DeploymentFrame": DeploymentFrame{}, "MonitoringFrame": MonitoringFrame{},
	"WithoutNodeOut": WithoutNode{}, "LiveMetricsOut": LiveMetrics{}, "LiveAlertsOut": LiveAlerts{}, "LiveCostOut": LiveCost{},
}

type document struct {
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]schema }
}

type operation struct {
	OperationID string
	Parameters  []struct{ Name, In string }
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 any
	Format               string
	Enum                 []any
	OneOf                []schema
	AllOf                []schema
	Items                *schema
	Required             []string
	Properties           map[string]schema
	AdditionalProperties json.RawMessage
}

func readDocument(t *testing.T) document {
	t.Helper()
	var doc document
	if err := json.Unmarshal(must(os.ReadFile("../../openapi.json"))(t), &doc); err != nil {
		t.Fatal(err)
	}
	for name, declared := range doc.Components.Schemas {
		doc.Components.Schemas[name] = declared.merged(doc.Components.Schemas)
	}
	return doc
}

// merged is the schema with the properties of all that it consists of.
func (s schema) merged(schemas map[string]schema) schema {
	for _, part := range s.AllOf {
		if part.Ref != "" {
			part = schemas[part.Ref[strings.LastIndex(part.Ref, "/")+1:]]
		}
		part = part.merged(schemas)
		properties := maps.Clone(s.Properties)
		if properties == nil {
			properties = map[string]schema{}
		}
		maps.Copy(properties, part.Properties)
		s.Properties, s.Required = properties, append(slices.Clone(s.Required), part.Required...)
	}
	return s
}

func TestEverySchemaHasItsModelAndEveryFieldItsProperty(t *testing.T) {
	schemas := readDocument(t).Components.Schemas
	if len(schemas) == 0 {
		t.Fatal("the document has no schemas")
	}
	for name, model := range models {
		declared, found := schemas[name]
		if !found {
			t.Errorf("%T has no schema %s", model, name)
			continue
		}
		if name != "MetricsIn" {
			compare(t, name, declared, reflect.TypeOf(model))
		}
	}
	for name := range schemas {
		if _, found := models[name]; !found {
			t.Errorf("the schema %s has no model", name)
		}
	}
}

func compare(t *testing.T, name string, declared schema, model reflect.Type) {
	t.Helper()
	seen := map[string]bool{}
	for _, field := range reflect.VisibleFields(model) {
		if field.Anonymous {
			continue
		}
		property, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
		seen[property] = true
		described, found := declared.Properties[property]
		if !found {
			t.Errorf("%s.%s (%s) is not in %s", model.Name(), field.Name, property, name)
			continue
		}
		if fault := fits(described, field.Type); fault != "" {
			t.Errorf("%s.%s: %s", model.Name(), field.Name, fault)
		}
		required := slices.Contains(declared.Required, property)
		if optional := rest == "omitempty" || rest == "omitzero"; optional == required {
			t.Errorf("%s.%s: required is %t in %s, optional is %t here", model.Name(), field.Name, required, name, optional)
		}
		if required && field.Type.Kind() == reflect.Pointer {
			t.Errorf("%s.%s is required and a pointer", model.Name(), field.Name)
		}
	}
	for property := range declared.Properties {
		if !seen[property] {
			t.Errorf("%s has no field for %s of %s", model.Name(), property, name)
		}
	}
}

// fits says why a value of the schema does not fit the type; nothing where it does.
func fits(s schema, kind reflect.Type) string {
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if len(s.OneOf) > 0 {
		return fits(s.OneOf[0], kind)
	}
	if s.Ref != "" {
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		if want := reflect.TypeOf(models[name]); want != kind {
			return name + " must be " + want.String() + ", not " + kind.String()
		}
		return ""
	}
	good := false
	switch typeName(s.Type) {
	case "":
		good = kind.Kind() == reflect.Interface
	case "string":
		good = kind.Kind() == reflect.String || kind == reflect.TypeFor[time.Time]()
	case "boolean":
		good = kind.Kind() == reflect.Bool
	case "number":
		good = kind.Kind() == reflect.Float64
	case "integer":
		good = kind.Kind() == reflect.Int && s.Format != "int64" || kind.Kind() == reflect.Int64 && s.Format == "int64"
	case "array":
		if kind.Kind() == reflect.Slice {
			return fits(*s.Items, kind.Elem())
		}
	case "object":
		return fitsObject(s, kind)
	}
	if !good {
		return typeName(s.Type) + " " + s.Format + " does not fit " + kind.String()
	}
	return ""
}

func fitsObject(s schema, kind reflect.Type) string {
	if kind.Kind() != reflect.Map {
		return "an object must be a map, not " + kind.String()
	}
	var values schema
	if json.Unmarshal(s.AdditionalProperties, &values) == nil && (values.Ref != "" || values.Type != nil) {
		return fits(values, kind.Elem())
	}
	for name, property := range s.Properties {
		if fault := fits(property, kind.Elem()); fault != "" {
			return name + ": " + fault
		}
	}
	if len(s.Properties) == 0 && kind.Elem().Kind() != reflect.Interface {
		return "an open object must be a map[string]any, not " + kind.String()
	}
	return ""
}

// typeName is the type beside null.
func typeName(declared any) string {
	if list, several := declared.([]any); several {
		for _, name := range list {
			if name != "null" {
				return name.(string)
			}
		}
	}
	name, _ := declared.(string)
	return name
}

func TestTheNamesOfMetricsCodesAndChoicesAreTheDocuments(t *testing.T) {
	schemas := readDocument(t).Components.Schemas
	check := func(what string, here, there []string) {
		t.Helper()
		slices.Sort(here)
		slices.Sort(there)
		if !slices.Equal(here, there) {
			t.Errorf("%s: %v here, %v in the document", what, here, there)
		}
	}
	check("metrics", []string{
		MetricCPUUsage, MetricMemoryUsage, MetricGPUUsage, MetricNetworkIn, MetricNetworkOut, MetricStorageUsed,
		MetricRequestCount, MetricResponseTime, MetricErrorRate,
	}, slices.Collect(maps.Keys(schemas["MetricsIn"].Properties)))
	check("codes", []string{
		CodeInvalidRequest, CodeUnauthorized, CodeForbidden, CodeTenantNotFound, CodeDeploymentNotFound,
		CodeTenantAlreadyExists, CodeConflict, CodeInsufficientResources, CodeValidationFailed, CodeInvalidPreset,
		CodeManifestInvalid, CodeRateLimited, CodeInternalError, CodeDeploymentFailed, CodeMonitoringUnavailable,
		CodeDatabaseError, CodeKubernetesError,
	}, texts(schemas["ErrorBodyOut"].Properties["code"].Enum))
	check("presets", []string{PresetMicro, PresetSmall, PresetMedium, PresetLarge},
		texts(schemas["TenantOut"].Properties["preset"].Enum))
	check("states", []string{TenantPending, TenantRunning, TenantFailed, TenantDeleting},
		texts(schemas["TenantOut"].Properties["status"].Enum))
}

func texts(values []any) []string {
	var out []string
	for _, value := range values {
		if text, ok := value.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

func TestAFieldThatDoesNotFitIsFound(t *testing.T) {
	for _, fault := range []string{
		fits(schema{Type: "integer", Format: "int64"}, reflect.TypeFor[int]()),
		fits(schema{Type: []any{"null", "string"}}, reflect.TypeFor[*int]()),
		fits(schema{Type: "array", Items: &schema{Ref: "#/components/schemas/PointOut"}}, reflect.TypeFor[[]Alert]()),
		fits(schema{Type: "object"}, reflect.TypeFor[map[string]int]()),
	} {
		if fault == "" {
			t.Error("a wrong type was let through")
		}
	}
}
