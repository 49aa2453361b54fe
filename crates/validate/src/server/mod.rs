//! What the API server demands between the fields of one object.
//!
//! Source: the validation of Kubernetes 1.36 (`pkg/apis/*/validation`), with its defaults counted as it
//! counts them. One file a group of kinds; [`Rules`] holds what they say in common.

mod admission;
mod annotations;
mod autoscaling;
mod config;
mod containers;
mod custom;
mod definitions;
mod devices;
mod flow_control;
mod held;
mod limits;
mod metadata;
mod network;
mod nodes;
mod pod;
mod rbac;
mod reviews;
mod scheduling;
mod service;
mod storage;
mod structural;
mod volumes;
mod within;
mod workload;

pub(super) use config::decode;
pub(super) use custom::check as check_custom_object;
pub(super) use metadata::check as check_metadata;

use super::amount::{self, Milli};
use super::cel::{self, Type};
use super::findings::{Findings, Place};
use super::format::shortened;
use super::kinds::Release;
use super::monitoring;
use super::objects::{Object, Objects};
use super::tree::{Kind, Node};
use super::workloads::{Workload, Workloads};
use ecp_core::text::Message;
use std::collections::HashSet;

/// Checks every object and the pods of every workload.
pub(super) fn check(
    objects: &Objects<'_>,
    workloads: &Workloads<'_>,
    release: Release,
    findings: &mut Findings,
) {
    let mut rules = Rules::new(findings, release);
    for workload in &workloads.all {
        pod::check(&mut rules, &objects.all[workload.object], workload);
    }
    for object in &objects.all {
        check_object(&mut rules, object);
    }
}

fn check_object(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(info) = object.info.filter(|info| info.api_version != monitoring::API_VERSION) else { return };
    if let Some(selector) = object.spec().and_then(|spec| spec.get("selector")) {
        rules.selector(selector);
    }
    let root = object.root;
    annotations::check(rules, object);
    match info.kind {
        "Service" => service::check(rules, object),
        "Endpoints" | "EndpointSlice" => service::check_endpoints(rules, object),
        "Ingress" | "IngressClass" | "NetworkPolicy" | "IPAddress" | "ServiceCIDR" => {
            network::check(rules, object)
        }
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" => {
            workload::check(rules, object);
        }
        "Job" => workload::check_job(rules, object.spec(), object.name, true),
        "CronJob" => {
            workload::check_job(rules, root.at(&["spec", "jobTemplate", "spec"]), "", false);
        }
        "HorizontalPodAutoscaler" | "PodDisruptionBudget" => autoscaling::check(rules, object),
        "PersistentVolume"
        | "PersistentVolumeClaim"
        | "StorageClass"
        | "CSIDriver"
        | "VolumeAttachment"
        | "CSIStorageCapacity"
        | "VolumeAttributesClass"
        | "CSINode" => storage::check(rules, object),
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => rbac::check(rules, object),
        "Secret" | "ConfigMap" | "ResourceQuota" | "LimitRange" | "Namespace" | "PriorityClass" | "Lease" => {
            config::check(rules, object);
        }
        "MutatingWebhookConfiguration"
        | "ValidatingWebhookConfiguration"
        | "ValidatingAdmissionPolicy"
        | "ValidatingAdmissionPolicyBinding"
        | "MutatingAdmissionPolicy"
        | "MutatingAdmissionPolicyBinding"
        | "APIService"
        | "CertificateSigningRequest" => admission::check(rules, object),
        "FlowSchema" | "PriorityLevelConfiguration" => flow_control::check(rules, object),
        "SubjectAccessReview"
        | "SelfSubjectAccessReview"
        | "LocalSubjectAccessReview"
        | "SelfSubjectRulesReview" => reviews::check(rules, object),
        "ServiceAccount" if !object.name.is_empty() => {
            // A server-side apply tells them apart by their names.
            let says = |secret: &Node<'_>| secret.children().any(|field| field.key() == "name");
            for secret in root.list_at("secrets").filter(|secret| !says(secret)) {
                rules.required(secret, "name");
            }
        }
        "CustomResourceDefinition" => definitions::check(rules, object),
        "Node" | "RuntimeClass" | "Event" | "Binding" | "ControllerRevision" => nodes::check(rules, object),
        "ResourceClaim" | "ResourceClaimTemplate" | "DeviceClass" | "ResourceSlice" => {
            devices::check(rules, object);
        }
        _ => {}
    }
}

/// What the files of rules share.
pub(super) struct Rules<'f> {
    pub findings: &'f mut Findings,
    pub release: Release,
    limits: limits::Limits,
    /// Within a part of `allOf` and the like, where unknown fields are somebody else's.
    in_part: bool,
}

impl<'f> Rules<'f> {
    /// Rules of a release that report there.
    pub fn new(findings: &'f mut Findings, release: Release) -> Self {
        Self { findings, release, limits: limits::Limits::default(), in_part: false }
    }
}

impl Rules<'_> {
    /// Begins with an object that is held against a definition, or is one.
    fn begin(&mut self) {
        self.limits.begin();
    }

    /// Says where the bounds kept it from being checked whole.
    fn end(&mut self, object: &Object<'_>) {
        if self.limits.are_used_up() {
            self.findings.warning(object.root, || Message::new("validate.definition.unchecked"));
        }
    }

    /// An error whose text repeats the value.
    pub fn bad(&mut self, node: Node<'_>, key: &'static str) {
        self.findings.error(node, || Message::new(key).with("value", shortened(node.text())));
    }

    /// An error where the value does not hold.
    pub fn holds(&mut self, node: Option<Node<'_>>, holds: impl Fn(&str) -> bool, key: &'static str) {
        let fails = |node: &Node<'_>| match node.kind() {
            Kind::Text => !holds(node.text()),
            // An item that is nothing is an empty text.
            Kind::Null => !holds(""),
            _ => false,
        };
        if let Some(node) = node.filter(fails) {
            self.bad(node, key);
        }
    }

    /// A field that must be there.
    pub fn required<'t>(&mut self, node: Node<'t>, field: &'t str) {
        if node.get(field).is_none_or(Node::is_empty) {
            self.findings.error(Place::Missing(node, field), || {
                Message::new("validate.schema.missing_field").with("field", field)
            });
        }
    }

    /// A field that must be there because of another; `when` is that, as YAML.
    pub fn required_where<'t>(&mut self, node: Node<'t>, field: &'t str, when: &str) {
        if node.get(field).is_none_or(Node::is_empty) {
            self.findings.error(Place::Missing(node, field), || {
                Message::new("validate.rule.required").with("field", field).with("when", when)
            });
        }
    }

    /// A field that must not be there because of another; `when` is that, as YAML.
    pub fn forbidden(&mut self, node: Node<'_>, field: &str, when: &str) {
        if let Some(value) = node.get(field) {
            self.findings.error(Place::Key(value), || {
                Message::new("validate.rule.forbidden").with("field", field).with("when", when)
            });
        }
    }

    /// Exactly one of these fields; which is it.
    pub fn one_of<'t>(&mut self, node: Node<'t>, fields: &[&str]) -> Option<Node<'t>> {
        let given: Vec<Node<'t>> = fields
            .iter()
            .filter_map(|field| node.get(field))
            .filter(|value| !value.text().is_empty() || !matches!(value.kind(), Kind::Text))
            .collect();
        if given.len() != 1 {
            let place = given.get(1).map_or(Place::Value(node), |second| Place::Key(*second));
            self.findings.error(place, || {
                Message::new("validate.rule.one_of")
                    .with("fields", fields.join(", "))
                    .with("count", given.len())
            });
        }
        given.first().copied()
    }

    /// Not both of these fields.
    pub fn not_both(&mut self, node: Node<'_>, first: &str, second: &str) {
        if let (Some(_), Some(place)) = (node.get(first), node.get(second)) {
            self.findings.error(Place::Key(place), || {
                Message::new("validate.rule.not_both").with("first", first).with("second", second)
            });
        }
    }

    /// One of these words, for what depends on another field.
    pub fn words(&mut self, node: Option<Node<'_>>, words: &[&str]) {
        if let Some(node) = node.filter(|node| !words.contains(&node.text())) {
            self.findings.error(node, || {
                Message::new("validate.schema.not_allowed")
                    .with("value", shortened(node.text()))
                    .with("allowed", words.join(", "))
            });
        }
    }

    /// A number in these bounds.
    pub fn range(&mut self, node: Option<Node<'_>>, low: i64, high: i64) {
        if let Some(node) = node
            && node.as_integer().is_some_and(|value| !(low..=high).contains(&value))
        {
            self.findings.error(node, || {
                Message::new("validate.schema.out_of_range")
                    .with("value", shortened(node.text()))
                    .with("low", low)
                    .with("high", high)
            });
        }
    }

    /// At most so many items.
    pub fn at_most(&mut self, list: Option<Node<'_>>, limit: usize) {
        if let Some(list) = list
            && list.children().count() > limit
        {
            self.findings.error(list, || {
                Message::new("validate.rule.too_many").with("field", list.key()).with("limit", limit)
            });
        }
    }

    /// A text of at most so many bytes.
    pub fn length(&mut self, node: Option<Node<'_>>, limit: usize) {
        if let Some(node) = node.filter(|node| node.text().len() > limit) {
            self.findings.error(node, || {
                Message::new("validate.rule.too_long")
                    .with("value", shortened(node.text()))
                    .with("limit", limit)
            });
        }
    }

    /// An error where a value is above what it may be; both are shown as they are written.
    pub fn not_above(&mut self, node: Node<'_>, limit: &str, other: Node<'_>) {
        self.findings.error(node, || {
            Message::new("validate.rule.above")
                .with("field", shortened(node.key()))
                .with("value", shortened(node.text()))
                .with("other", limit)
                .with("limit", shortened(other.text()))
        });
    }

    /// An error with an example of what can stand there, where a value does not hold.
    pub fn form(&mut self, node: Option<Node<'_>>, holds: impl Fn(&str) -> bool, example: &str) {
        let holds = |node: &Node<'_>| holds(if node.kind() == Kind::Null { "" } else { node.text() });
        if let Some(node) = node.filter(|node| !holds(node)) {
            self.findings.error(node, || {
                Message::new("validate.rule.form")
                    .with("value", shortened(node.text()))
                    .with("example", example)
            });
        }
    }

    /// An expression that compiles into one of these types; anything where there is none.
    pub fn expression(
        &mut self,
        node: Option<Node<'_>>,
        names: &[(&str, Type<'_>)],
        wanted: &[Type<'_>],
        mutates: bool,
    ) {
        if let Some(node) = node.filter(|node| node.kind() == Kind::Text && !node.text().trim().is_empty())
            && let Some(fault) = cel::fault(node.text(), names, wanted, mutates, self.release)
        {
            self.findings
                .error(node, || Message::new("validate.expression").with("fault", shortened(&fault)));
        }
    }

    /// An error where the server would refuse what expressions may cost.
    pub fn too_dear(&mut self, place: Node<'_>, cost: u64, limit: u64) {
        self.findings.error(place, || {
            Message::new("validate.definition.cost").with("times", (cost / limit).max(1)).with("limit", limit)
        });
    }

    /// A value that stands once among its like.
    pub fn unique<'t>(&mut self, node: Option<Node<'t>>, seen: &mut HashSet<&'t str>) {
        if let Some(node) = node.filter(|node| !node.text().is_empty())
            && !seen.insert(node.text())
        {
            self.bad(node, "validate.rule.duplicate");
        }
    }

    /// A `LabelSelector`: each operator with the values that it takes.
    pub fn selector(&mut self, selector: Node<'_>) {
        for requirement in selector.list_at("matchExpressions") {
            let values = requirement.filled("values");
            match requirement.str_at("operator") {
                "In" | "NotIn" if !values => self.required_where(requirement, "values", "operator: In"),
                "Exists" | "DoesNotExist" if values => {
                    self.forbidden(requirement, "values", "operator: Exists")
                }
                _ => {}
            }
            for value in requirement.list_at("values") {
                self.holds(Some(value), super::format::is_label_value, "validate.schema.label_value");
            }
        }
    }

    /// A count or a percentage; its value where it is well.
    pub fn count_or_percent(&mut self, node: Option<Node<'_>>, at_most_all: bool) -> Option<Share> {
        let node = node?;
        match node.as_integer() {
            Some(count) if count < 0 => {
                self.range(Some(node), 0, i64::from(i32::MAX));
                None
            }
            Some(count) => Some(Share::Count(count)),
            None if node.kind() == Kind::Text => {
                let digits = node.text().strip_suffix('%').unwrap_or("x");
                match digits
                    .bytes()
                    .all(|byte| byte.is_ascii_digit())
                    .then(|| digits.parse::<i64>().ok())
                    .flatten()
                {
                    None => {
                        self.bad(node, "validate.rule.percent");
                        None
                    }
                    Some(share) if share > 100 && at_most_all => {
                        self.bad(node, "validate.rule.percent.range");
                        None
                    }
                    Some(share) => Some(Share::Percent(share)),
                }
            }
            None => None,
        }
    }

    /// An IP address.
    pub fn ip(&mut self, node: Node<'_>) -> Option<std::net::IpAddr> {
        let address = super::format::ip(node.text(), self.release >= Release::V1_36);
        if address.is_none() {
            self.bad(node, "validate.rule.ip");
        }
        address
    }

    /// A range of addresses; old releases read leading zeros and bits of a host in it.
    pub fn cidr(&mut self, node: Node<'_>) -> Option<(std::net::IpAddr, u8)> {
        self.cidr_as(node, self.release >= Release::V1_36)
    }

    /// A range of addresses; a strict field takes neither in any release.
    pub fn cidr_as(&mut self, node: Node<'_>, strict: bool) -> Option<(std::net::IpAddr, u8)> {
        match super::format::cidr(node.text().trim(), strict) {
            None => {
                self.bad(node, "validate.rule.cidr");
                None
            }
            Some((_, _, true)) if strict => {
                self.bad(node, "validate.rule.cidr.host_bits");
                None
            }
            Some((address, length, _)) => Some((address, length)),
        }
    }
}

/// What a count or a percentage comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    Count(i64),
    Percent(i64),
}

impl Share {
    /// True for none of them.
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Count(0) | Self::Percent(0))
    }
}

/// The amount of a node; nothing is zero where something is counted.
fn amount_of(node: Option<Node<'_>>) -> Option<Milli> {
    let node = node?;
    if node.kind() == Kind::Null { Some(0) } else { amount::parse(node.text()) }
}

/// Containers of a pod, those before it first.
fn all_containers<'w, 't>(workload: &'w Workload<'t>) -> impl Iterator<Item = Node<'t>> + use<'w, 't> {
    workload.pod.list_at("initContainers").chain(workload.pod.list_at("containers"))
}
