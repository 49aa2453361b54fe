//! ServiceMonitor and PrometheusRule of the Prometheus Operator: the few fields that are used.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::{Metadata, NamespaceResourceScope, Resource};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// Tells Prometheus which Services to scrape.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ServiceMonitor {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// What to scrape.
    pub spec: ServiceMonitorSpec,
}

/// Which Services, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitorSpec {
    /// How each Service is scraped.
    pub endpoints: Vec<Endpoint>,
    /// The Service's label whose value becomes the `job` of its series.
    pub job_label: String,
    /// The Services' labels.
    pub selector: LabelSelector,
    /// Labels of the Service that its series carry.
    pub target_labels: Vec<String>,
}

/// One port that is scraped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Between two scrapes, such as `30s`.
    pub interval: String,
    /// Path of the metrics page.
    pub path: String,
    /// Name of the Service's port.
    pub port: String,
}

/// Alerts and the expressions that raise them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PrometheusRule {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The rules.
    pub spec: PrometheusRuleSpec,
}

/// Groups of rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrometheusRuleSpec {
    /// The groups; rules of one are evaluated together.
    pub groups: Vec<RuleGroup>,
}

/// Rules that are evaluated together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleGroup {
    /// Its name, unique in the object.
    pub name: String,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// One alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub alert: String,
    /// For people.
    pub annotations: BTreeMap<String, String>,
    /// PromQL; the alert is raised while it yields anything.
    pub expr: String,
    /// How long it must hold first, such as `5m`.
    #[serde(rename = "for")]
    pub hold: String,
    /// Labels of the alert.
    pub labels: BTreeMap<String, String>,
}

macro_rules! prometheus_operator_kind {
    ($kind:ident, $plural:literal) => {
        impl Resource for $kind {
            const API_VERSION: &'static str = "monitoring.coreos.com/v1";
            const GROUP: &'static str = "monitoring.coreos.com";
            const KIND: &'static str = stringify!($kind);
            const VERSION: &'static str = "v1";
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = NamespaceResourceScope;
        }

        impl Metadata for $kind {
            type Ty = ObjectMeta;

            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut object = serializer.serialize_struct(Self::KIND, 4)?;
                object.serialize_field("apiVersion", Self::API_VERSION)?;
                object.serialize_field("kind", Self::KIND)?;
                object.serialize_field("metadata", &self.metadata)?;
                object.serialize_field("spec", &self.spec)?;
                object.end()
            }
        }
    };
}
prometheus_operator_kind!(ServiceMonitor, "servicemonitors");
prometheus_operator_kind!(PrometheusRule, "prometheusrules");
