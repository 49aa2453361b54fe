//! What finds pods over the network: Services, the Ingresses before them, the monitors of them.

use super::findings::{Findings, Place};
use super::format::shortened;
use super::objects::{Object, Objects};
use super::references::{self, Reported};
use super::tree::{Kind, Node};
use super::workloads::{Effort, Selector, Workload, Workloads, labels};
use ecp_core::text::Message;
use std::collections::{HashMap, HashSet};

/// A Service and its ports.
struct Service<'t> {
    object: usize,
    labels: HashMap<&'t str, &'t str>,
    ports: HashSet<i64>,
    port_names: HashSet<&'t str>,
}

/// Checks Services, Ingresses and ServiceMonitors.
pub(super) fn check<'t>(
    objects: &Objects<'t>,
    workloads: &Workloads<'t>,
    effort: &mut Effort,
    reported: &mut Reported<'t>,
    findings: &mut Findings,
) {
    let mut services: HashMap<(&str, &str), Service<'_>> = HashMap::new();
    for (place, object) in objects.all.iter().enumerate().filter(|(_, object)| object.is("Service")) {
        check_service(object, workloads, effort, findings);
        services.entry((object.namespace, object.name)).or_insert_with(|| Service::of(place, object));
    }
    for ingress in objects.of_kind("Ingress") {
        check_ingress(ingress, objects, &services, reported, findings);
    }
    for monitor in objects.of_kind("ServiceMonitor") {
        check_monitor(monitor, objects, &services, effort, findings);
    }
}

/// Checks the ports of every Service, which is the API server's to say.
pub(super) fn check_ports(objects: &Objects<'_>, findings: &mut Findings) {
    for service in objects.of_kind("Service") {
        if let Some(spec) = service.spec() {
            check_service_ports(spec, findings);
        }
    }
}

impl<'t> Service<'t> {
    fn of(place: usize, object: &Object<'t>) -> Self {
        let ports = || object.spec().into_iter().flat_map(|spec| spec.list_at("ports"));
        Self {
            object: place,
            labels: labels(object.metadata().and_then(|metadata| metadata.get("labels"))),
            ports: ports().filter_map(|port| port.get("port")).filter_map(Node::as_integer).collect(),
            port_names: ports().filter_map(|port| port.text_at("name")).collect(),
        }
    }
}

fn check_service(
    service: &Object<'_>,
    workloads: &Workloads<'_>,
    effort: &mut Effort,
    findings: &mut Findings,
) {
    let Some(spec) = service.spec() else { return };
    let Some(map) = spec.get("selector").filter(|map| map.kind() == Kind::Mapping) else { return };
    let selector = Selector::of_map(map);
    if selector.is_empty() || spec.text_at("type") == Some("ExternalName") {
        return; // Its endpoints are made by someone else.
    }
    match workloads.search(service.namespace, &selector, effort, |_| true) {
        Some(found) if found.any => {}
        Some(_) => {
            findings
                .policy(map, || Message::new("validate.selector.nothing").with("object", service.title()));
            return;
        }
        None => return,
    }
    for port in spec.list_at("ports") {
        let Some(target) = port.get("targetPort").or_else(|| port.get("port")) else { continue };
        let exposes = |workload: &Workload<'_>| workload.exposes(target);
        let Some(found) = workloads.search(service.namespace, &selector, effort, exposes) else { return };
        if found.accepted {
            continue;
        }
        let message = || {
            Message::new("validate.service.target_port")
                .with("object", service.title())
                .with("port", shortened(target.text()))
        };
        findings.policy(target, message);
    }
}

fn check_ingress<'t>(
    ingress: &Object<'t>,
    objects: &Objects<'t>,
    services: &HashMap<(&str, &str), Service<'_>>,
    reported: &mut Reported<'t>,
    findings: &mut Findings,
) {
    let Some(spec) = ingress.spec() else { return };
    let paths = spec
        .list_at("rules")
        .filter_map(|rule| rule.get("http"))
        .flat_map(|http| http.list_at("paths"))
        .filter_map(|path| path.get("backend"));
    for backend in spec.get("defaultBackend").into_iter().chain(paths) {
        let Some(service) = backend.get("service") else { continue };
        let Some(name) = service.get("name") else { continue };
        let Some(target) = services.get(&(ingress.namespace, name.text())) else {
            findings.policy(name, || {
                Message::new("validate.reference.missing")
                    .with("kind", "Service")
                    .with("name", shortened(name.text()))
            });
            continue;
        };
        let Some(port) = service.get("port") else { continue };
        let (number, port_name) = (port.get("number"), port.get("name"));
        let known = match (number.and_then(Node::as_integer), port_name) {
            (Some(number), _) => target.ports.contains(&number),
            (None, Some(name)) => target.port_names.contains(name.text()),
            (None, None) => continue,
        };
        if !known && let Some(place) = number.or(port_name) {
            findings.policy(place, || {
                Message::new("validate.reference.service_port")
                    .with("service", shortened(name.text()))
                    .with("port", shortened(place.text()))
            });
        }
    }
    for tls in spec.list_at("tls") {
        if let Some(secret) = tls.get("secretName") {
            references::expect(objects, "Secret", ingress.namespace, secret, reported, findings);
        }
    }
}

fn check_monitor(
    monitor: &Object<'_>,
    objects: &Objects<'_>,
    services: &HashMap<(&str, &str), Service<'_>>,
    effort: &mut Effort,
    findings: &mut Findings,
) {
    let Some(spec) = monitor.spec() else { return };
    let Some(node) = spec.get("selector") else { return };
    if spec.get("namespaceSelector").is_some() {
        return; // It looks where this manifest does not reach.
    }
    let selector = Selector::of(node);
    let mut matched = Vec::new();
    for service in services.values() {
        if !effort.spend(selector.cost()) {
            return;
        }
        if objects.all[service.object].namespace == monitor.namespace && selector.takes(&service.labels) {
            matched.push(service);
        }
    }
    if matched.is_empty() {
        findings.policy(node, || Message::new("validate.selector.no_service"));
        return;
    }
    for endpoint in spec.list_at("endpoints") {
        let Some(port) = endpoint.get("port") else { continue };
        if !effort.spend(matched.len() as u64) {
            return;
        }
        if !matched.iter().any(|service| service.port_names.contains(port.text())) {
            findings.policy(port, || {
                Message::new("validate.reference.monitor_port").with("port", shortened(port.text()))
            });
        }
    }
}

fn check_service_ports(spec: Node<'_>, findings: &mut Findings) {
    let several = spec.list_at("ports").nth(1).is_some();
    let mut names = HashSet::new();
    let mut numbers = HashSet::new();
    for port in spec.list_at("ports") {
        match port.get("name") {
            None if several => {
                findings.error(Place::Missing(port, "name"), || Message::new("validate.service.unnamed_port"))
            }
            Some(name) if !names.insert(name.text()) => findings.error(name, || {
                Message::new("validate.service.duplicate_port").with("port", shortened(name.text()))
            }),
            _ => {}
        }
        if let Some(number) = port.get("port")
            && !numbers.insert((number.text(), port.text_at("protocol").unwrap_or("TCP")))
        {
            findings.error(number, || {
                Message::new("validate.service.duplicate_port").with("port", shortened(number.text()))
            });
        }
    }
    let needs_none =
        spec.text_at("clusterIP") == Some("None") || spec.text_at("type") == Some("ExternalName");
    if numbers.is_empty() && !needs_none {
        findings.error(Place::Missing(spec, "ports"), || {
            Message::new("validate.schema.missing_field").with("field", "ports")
        });
    }
}
