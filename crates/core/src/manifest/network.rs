//! NetworkPolicies: nothing passes but DNS, redis, the calls between services that the catalog
//! names, the external language model, services of the platform and callers that the catalog names, and
//! where asked for scraping and what exposes the services: the ingress controller or the Gateway.

use super::{CONTAINER_PORT, Labels, Object, REDIS_PORT, Scope, any_service, app_selector, labels};
use crate::catalog::PlatformService;
use crate::tenant::{Exposure, Service};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What is not the internet of IPv4: private, shared and reserved ranges, loopback and link-local, where
/// clouds serve their machines' credentials.
const NOT_INTERNET_V4: [&str; 11] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// The internet of IPv6. Outside of it are, beside private and link-local ranges, those that stand for
/// an address of IPv4, whatever that is: `::ffff:0:0/96`, which an API server refuses to see excepted,
/// `64:ff9b::/96` and `64:ff9b:1::/48`.
const INTERNET_V6: &str = "2000::/3";
/// Tunnels that stand for an address of IPv4 too: Teredo and 6to4.
const NOT_INTERNET_V6: [&str; 2] = ["2001::/32", "2002::/16"];

pub(super) fn network_policies(scope: &Scope<'_>) -> Vec<Object> {
    let mut policies = vec![default_deny(scope), allow_dns(scope), redis(scope)];
    policies.extend(scope.services().iter().map(|plan| service(scope, plan.service)));
    policies
}

fn default_deny(scope: &Scope<'_>) -> Object {
    policy(scope, "default-deny", LabelSelector::default(), Some(vec![]), Some(vec![]))
}

fn allow_dns(scope: &Scope<'_>) -> Object {
    // The nodes' own resolvers are no pods of that namespace, nor is their address one of a pod.
    let on_nodes = scope.settings.dns_cidrs.iter().map(|cidr| address_peer(cidr.clone(), &[]));
    let to = std::iter::once(namespace_peer(&scope.settings.dns_namespace)).chain(on_nodes).collect();
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
    let platform = scope.settings.platform_services.iter();
    for outside in platform.filter(|outside| outside.may_be_called_by(service)) {
        let port = outside.pod_port.unwrap_or(outside.port);
        egress.push(egress_rule(platform_peers(outside), port.into()));
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
    let callers = scope.settings.callers.iter().filter(|caller| caller.services.contains(&service));
    from.extend(callers.map(|caller| pods_of(&caller.namespace, &caller.pod_labels)));
    if scope.is_exposed(service) {
        let (ingress, gateway) = (&scope.settings.ingress, &scope.settings.gateway);
        if scope.has_ingress() {
            from.push(pods_of(&ingress.namespace, &ingress.pod_labels));
        }
        if scope.exposure() == Exposure::Gateway {
            from.push(pods_of(gateway.proxies(), &gateway.pod_labels));
        }
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

fn address_peer(cidr: String, except: &[&str]) -> NetworkPolicyPeer {
    let except = (!except.is_empty()).then(|| except.iter().map(|&range| range.to_owned()).collect());
    NetworkPolicyPeer { ip_block: Some(IPBlock { cidr, except }), ..NetworkPolicyPeer::default() }
}

/// Pods of a namespace that have these labels; without any, all of them.
fn pods_of(namespace: &str, labels: &Labels) -> NetworkPolicyPeer {
    let pods = (!labels.is_empty())
        .then(|| LabelSelector { match_labels: Some(labels.clone()), match_expressions: None });
    NetworkPolicyPeer { pod_selector: pods, ..namespace_peer(namespace) }
}

/// Where a service of the platform is: its pods, its address, or what its name stands for.
fn platform_peers(service: &PlatformService) -> Vec<NetworkPolicyPeer> {
    let pods = service.namespace().map(|namespace| pods_of(namespace, &service.pod_labels));
    let address = service.ip().map(|ip| {
        let length = if ip.is_ipv4() { 32 } else { 128 };
        address_peer(format!("{ip}/{length}"), &[])
    });
    let named = service.cidrs.iter().map(|cidr| address_peer(cidr.clone(), &[]));
    pods.into_iter().chain(address).chain(named).collect()
}

fn apps(services: &[Service]) -> LabelSelector {
    let values = services.iter().map(|service| service.as_str().to_owned()).collect();
    let requirement =
        LabelSelectorRequirement { key: "app".into(), operator: "In".into(), values: Some(values) };
    LabelSelector { match_expressions: Some(vec![requirement]), match_labels: None }
}

fn internet() -> Vec<NetworkPolicyPeer> {
    let block = |cidr: &str, except: &[&str]| address_peer(cidr.to_owned(), except);
    vec![block("0.0.0.0/0", &NOT_INTERNET_V4), block(INTERNET_V6, &NOT_INTERNET_V6)]
}
