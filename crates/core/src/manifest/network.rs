//! NetworkPolicies: nothing passes but DNS, redis, the calls between services that the catalog
//! names, the external language model, and where asked for scraping and the ingress controller.

use super::{CONTAINER_PORT, Labels, Object, REDIS_PORT, Scope, any_service, app_selector, labels};
use crate::tenant::Service;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Everything that is not the internet: private ranges, carrier NAT, loopback and link-local, where
/// clouds serve their machines' credentials.
const NOT_INTERNET_V4: [&str; 6] =
    ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
const NOT_INTERNET_V6: [&str; 3] = ["::1/128", "fc00::/7", "fe80::/10"];

pub(super) fn network_policies(scope: &Scope<'_>) -> Vec<Object> {
    let mut policies = vec![default_deny(scope), allow_dns(scope), redis(scope)];
    policies.extend(scope.services().iter().map(|plan| service(scope, plan.service)));
    policies
}

fn default_deny(scope: &Scope<'_>) -> Object {
    policy(scope, "default-deny", LabelSelector::default(), Some(vec![]), Some(vec![]))
}

fn allow_dns(scope: &Scope<'_>) -> Object {
    let to = vec![namespace_peer(&scope.settings.dns_namespace)];
    let ports = vec![port("UDP", 53), port("TCP", 53)];
    let rule = NetworkPolicyEgressRule { to: Some(to), ports: Some(ports) };
    policy(scope, "allow-dns", LabelSelector::default(), None, Some(vec![rule]))
}

/// Redis asks for no password: this is what keeps others out.
fn redis(scope: &Scope<'_>) -> Object {
    let services = LabelSelector { match_expressions: Some(any_service()), match_labels: None };
    let rule = ingress_rule(vec![pod_peer(services)], REDIS_PORT);
    policy(scope, "redis", app_selector("redis"), Some(vec![rule]), None)
}

fn service(scope: &Scope<'_>, service: Service) -> Object {
    let mut egress = vec![egress_rule(vec![pod_peer(app_selector("redis"))], REDIS_PORT)];
    let callees: Vec<Service> = scope.callees(service).collect();
    if !callees.is_empty() {
        egress.push(egress_rule(vec![pod_peer(apps(&callees))], CONTAINER_PORT));
    }
    if scope.settings.external_egress.contains(&service) {
        egress.push(egress_rule(internet(), 443));
    }

    let mut from = Vec::new();
    let callers: Vec<Service> = (scope.services().iter().map(|plan| plan.service))
        .filter(|caller| scope.callees(*caller).any(|callee| callee == service))
        .collect();
    if !callers.is_empty() {
        from.push(pod_peer(apps(&callers)));
    }
    if scope.options.include_monitoring {
        from.push(namespace_peer(&scope.settings.monitoring.namespace));
    }
    if scope.options.include_ingress && scope.is_exposed(service) {
        from.push(namespace_peer(&scope.settings.ingress.namespace));
    }
    // A rule without peers would let everyone in.
    let ingress = if from.is_empty() { vec![] } else { vec![ingress_rule(from, CONTAINER_PORT)] };
    policy(scope, service.as_str(), app_selector(service.as_str()), Some(ingress), Some(egress))
}

/// A direction that is `None` is not spoken of; an empty one lets nothing through.
fn policy(
    scope: &Scope<'_>,
    name: &str,
    pods: LabelSelector,
    ingress: Option<Vec<NetworkPolicyIngressRule>>,
    egress: Option<Vec<NetworkPolicyEgressRule>>,
) -> Object {
    let directions =
        [ingress.as_ref().map(|_| "Ingress".to_owned()), egress.as_ref().map(|_| "Egress".to_owned())];
    let spec = NetworkPolicySpec {
        pod_selector: Some(pods),
        policy_types: Some(directions.into_iter().flatten().collect()),
        // An empty list is said, so that a rule which someone adds to it is known to be foreign.
        ingress,
        egress,
    };
    Object::NetworkPolicy(NetworkPolicy { metadata: scope.metadata(name), spec: Some(spec) })
}

fn ingress_rule(from: Vec<NetworkPolicyPeer>, number: i32) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { from: Some(from), ports: Some(vec![port("TCP", number)]) }
}

fn egress_rule(to: Vec<NetworkPolicyPeer>, number: i32) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: Some(to), ports: Some(vec![port("TCP", number)]) }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.into()),
        port: Some(IntOrString::Int(number)),
        end_port: None,
    }
}

fn pod_peer(pods: LabelSelector) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(pods), ..NetworkPolicyPeer::default() }
}

fn namespace_peer(namespace: &str) -> NetworkPolicyPeer {
    let name: Labels = labels([("kubernetes.io/metadata.name", namespace)]);
    let selector = LabelSelector { match_labels: Some(name), match_expressions: None };
    NetworkPolicyPeer { namespace_selector: Some(selector), ..NetworkPolicyPeer::default() }
}

fn apps(services: &[Service]) -> LabelSelector {
    let values = services.iter().map(|service| service.as_str().to_owned()).collect();
    let requirement =
        LabelSelectorRequirement { key: "app".into(), operator: "In".into(), values: Some(values) };
    LabelSelector { match_expressions: Some(vec![requirement]), match_labels: None }
}

fn internet() -> Vec<NetworkPolicyPeer> {
    let block = |cidr: &str, except: &[&str]| {
        let except = Some(except.iter().map(|&range| range.to_owned()).collect());
        let ip_block = Some(IPBlock { cidr: cidr.into(), except });
        NetworkPolicyPeer { ip_block, ..NetworkPolicyPeer::default() }
    };
    vec![block("0.0.0.0/0", &NOT_INTERNET_V4), block("::/0", &NOT_INTERNET_V6)]
}
