//! Services and their endpoints.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::Rules;
use crate::findings::Place;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Checks a Service.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    let kind = Some(spec.str_at("type")).filter(|kind| !kind.is_empty()).unwrap_or("ClusterIP");
    let external = kind == "ExternalName";
    let cluster_ip = spec.str_at("clusterIP");
    let headless =
        cluster_ip == "None" || spec.list_at("clusterIPs").next().is_some_and(|ip| ip.text() == "None");
    if headless && matches!(kind, "NodePort" | "LoadBalancer") {
        let place = spec.get("clusterIP").or(spec.get("clusterIPs")).unwrap_or(spec);
        rules.findings.error(place, || {
            Message::new("validate.rule.forbidden")
                .with("field", "clusterIP: None")
                .with("when", format!("type: {kind}"))
        });
    }
    let annotations = object.metadata().and_then(|metadata| metadata.get("annotations"));
    let ranges = annotations
        .into_iter()
        .flat_map(Node::children)
        .find(|annotation| annotation.key() == "service.beta.kubernetes.io/load-balancer-source-ranges");
    if let Some(ranges) = ranges.filter(|_| !spec.filled("loadBalancerSourceRanges")) {
        if kind != "LoadBalancer" {
            rules.findings.error(Place::Key(ranges), || {
                Message::new("validate.rule.forbidden")
                    .with("field", "load-balancer-source-ranges")
                    .with("when", "type ≠ LoadBalancer")
            });
        }
        let strict = rules.release >= crate::kinds::Release::V1_36;
        let all = |text: &str| {
            text.trim().is_empty()
                || text.split(',').all(|range| {
                    format::cidr(range.trim(), strict).is_some_and(|(_, _, of_host)| !(strict && of_host))
                })
        };
        rules.form(Some(ranges), all, "10.0.0.0/8,192.168.0.0/16");
    }
    if external {
        check_external_name(rules, spec);
    }
    // Without affinity its settings are dropped.
    if spec.str_at("sessionAffinity") == "ClientIP" {
        rules.range(spec.at(&["sessionAffinityConfig", "clientIP", "timeoutSeconds"]), 1, 86_400);
    }
    check_ports(rules, spec, kind);
    check_addresses(rules, spec);
    let balanced = kind == "LoadBalancer";
    let unless_balanced: &[&str] = if balanced {
        &[]
    } else {
        &["loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "loadBalancerClass"]
    };
    for field in unless_balanced {
        if spec.get(field).is_some_and(|value| value.kind() != Kind::Sequence || spec.filled(field)) {
            rules.forbidden(spec, field, "type ≠ LoadBalancer");
        }
    }
    rules.holds(spec.get("loadBalancerClass"), format::is_qualified_name, "validate.schema.key");
    for range in spec.list_at("loadBalancerSourceRanges") {
        rules.cidr(range);
    }
    let reached = matches!(kind, "NodePort" | "LoadBalancer") || (!external && spec.filled("externalIPs"));
    if !reached && !spec.str_at("externalTrafficPolicy").is_empty() {
        rules.forbidden(spec, "externalTrafficPolicy", &format!("type: {kind}"));
    }
    let checked = balanced && spec.str_at("externalTrafficPolicy") == "Local";
    if !checked && spec.int_at("healthCheckNodePort").is_some_and(|port| port != 0) {
        rules.forbidden(spec, "healthCheckNodePort", "externalTrafficPolicy ≠ Local");
    }
    rules.range(spec.get("healthCheckNodePort").filter(|port| port.as_integer() != Some(0)), 1, 65_535);
}

fn check_external_name(rules: &mut Rules<'_>, spec: Node<'_>) {
    rules.required_where(spec, "externalName", "type: ExternalName");
    rules.holds(
        spec.get("externalName"),
        |text| text.is_empty() || format::is_dns_subdomain(text.strip_suffix('.').unwrap_or(text)),
        "validate.schema.subdomain",
    );
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if spec.get(field).is_some_and(|value| !value.is_empty()) {
            rules.forbidden(spec, field, "type: ExternalName");
        }
    }
}

fn check_ports(rules: &mut Rules<'_>, spec: Node<'_>, kind: &str) {
    let mut node_ports = HashSet::new();
    for port in spec.list_at("ports") {
        rules.holds(port.get("appProtocol"), format::is_qualified_name, "validate.schema.key");
        let Some(node_port) = port.get("nodePort").filter(|port| port.as_integer() != Some(0)) else {
            continue;
        };
        if matches!(kind, "ClusterIP" | "ExternalName") {
            if kind == "ClusterIP" {
                rules.forbidden(port, "nodePort", "type: ClusterIP");
            }
            continue;
        }
        // The range is a setting of the cluster; this is its default.
        if node_port.as_integer().is_some_and(|port| !(30_000..=32_767).contains(&port)) {
            rules.findings.warning(node_port, || {
                Message::new("validate.service.node_port").with("value", node_port.text())
            });
        }
        if !node_ports.insert((node_port.text(), port.text_at("protocol").unwrap_or("TCP"))) {
            rules.bad(node_port, "validate.rule.duplicate");
        }
    }
}

fn check_addresses(rules: &mut Rules<'_>, spec: Node<'_>) {
    let or_none = |rules: &mut Rules<'_>, node: Node<'_>| {
        if !matches!(node.text(), "" | "None") && node.kind() == Kind::Text {
            rules.ip(node);
        }
    };
    if let Some(ip) = spec.get("clusterIP") {
        or_none(rules, ip);
    }
    let mut seen = HashSet::new();
    let several = spec.list_at("clusterIPs").nth(1).is_some();
    for ip in spec.list_at("clusterIPs") {
        // "None" stands alone, and nothing stands for no address here.
        if ip.text() != "None" || several {
            rules.ip(ip);
        }
        rules.unique(Some(ip), &mut seen);
    }
    check_families(rules, spec);
    rules.at_most(spec.get("clusterIPs"), 2);
    if let (Some(one), Some(first)) = (spec.get("clusterIP"), spec.list_at("clusterIPs").next())
        && one.text() != first.text()
    {
        rules.bad(first, "validate.service.cluster_ips");
    }
    if !spec.has("clusterIP") && spec.filled("clusterIPs") {
        rules.required_where(spec, "clusterIP", "clusterIPs");
    }
    let mut families = HashSet::new();
    for family in spec.list_at("ipFamilies") {
        rules.unique(Some(family), &mut families);
    }
    // Without addresses and without pods of its own a Service is of both families unless it says otherwise.
    let is_open =
        spec.str_at("clusterIP") == "None" && !spec.has("ipFamilyPolicy") && !spec.filled("selector");
    if matches!(spec.str_at("ipFamilyPolicy"), "SingleStack" | "") && !is_open {
        rules.at_most(spec.get("ipFamilies"), 1);
        rules.at_most(spec.get("clusterIPs"), 1);
    }
    for ip in spec.list_at("externalIPs") {
        if let Some(address) = rules.ip(ip) {
            check_reachable(rules, ip, address);
        }
    }
}

/// Addresses are of the families that are asked for, in their order, and of one each.
fn check_families(rules: &mut Rules<'_>, spec: Node<'_>) {
    let one = spec.get("clusterIP").filter(|_| !spec.filled("clusterIPs"));
    let mut families = spec.list_at("ipFamilies");
    let mut before = None;
    for node in one.into_iter().chain(spec.list_at("clusterIPs")) {
        let family = families.next().map_or("", |family| family.text());
        let Some(address) = format::ip(node.text(), false) else { continue };
        let is_of_another = matches!((family, address.is_ipv4()), ("IPv4", false) | ("IPv6", true));
        if is_of_another || before == Some(address.is_ipv4()) {
            rules.bad(node, "validate.rule.ip.family");
        }
        before = Some(address.is_ipv4());
    }
}

/// An address that traffic can go to.
fn check_reachable(rules: &mut Rules<'_>, node: Node<'_>, address: std::net::IpAddr) {
    let local = match address {
        std::net::IpAddr::V4(v4) => {
            v4.is_unspecified() || v4.is_loopback() || v4.is_link_local() || v4.octets()[..3] == [224, 0, 0]
        }
        std::net::IpAddr::V6(v6) => {
            let link_local_multicast = v6.segments()[0] & 0xff0f == 0xff02;
            v6.is_unspecified() || v6.is_loopback() || v6.is_unicast_link_local() || link_local_multicast
        }
    };
    if local {
        rules.bad(node, "validate.rule.ip.local");
    }
}

/// Checks Endpoints and EndpointSlices.
pub(super) fn check_endpoints(rules: &mut Rules<'_>, object: &Object<'_>) {
    let root = object.root;
    for subset in root.list_at("subsets") {
        let all = subset.list_at("addresses").chain(subset.list_at("notReadyAddresses"));
        for node in all.filter_map(|address| address.get("ip")) {
            if let Some(address) = rules.ip(node) {
                check_reachable(rules, node, address);
            }
        }
        if !subset.filled("addresses") && !subset.filled("notReadyAddresses") {
            rules.required(subset, "addresses");
        }
        for address in subset.list_at("addresses").chain(subset.list_at("notReadyAddresses")) {
            rules.holds(address.get("nodeName"), format::is_dns_subdomain, "validate.schema.subdomain");
        }
        let several = subset.list_at("ports").nth(1).is_some();
        for port in subset.list_at("ports") {
            rules.range(port.get("port"), 1, 65_535);
            rules.holds(port.get("appProtocol"), format::is_qualified_name, "validate.schema.key");
            if several {
                rules.required(port, "name");
            }
            rules.words(port.get("protocol").filter(|text| !text.is_empty()), &["TCP", "UDP", "SCTP"]);
        }
    }
    let kind = root.str_at("addressType");
    rules.at_most(root.get("endpoints"), 1000);
    rules.at_most(root.get("ports"), 20_000);
    let mut names = HashSet::new();
    for port in root.list_at("ports") {
        if !names.insert(port.str_at("name")) {
            rules.bad(port.get("name").unwrap_or(port), "validate.rule.duplicate");
        }
        rules.holds(
            port.get("name"),
            |text| text.is_empty() || ecp_core::ids::is_dns_1123_label(text),
            "validate.schema.label",
        );
        rules.words(port.get("protocol"), &["TCP", "UDP", "SCTP"]);
        rules.holds(port.get("appProtocol"), format::is_qualified_name, "validate.schema.key");
    }
    if !object.is("EndpointSlice") {
        return;
    }
    for endpoint in root.list_at("endpoints") {
        rules.at_most(endpoint.get("addresses"), 100);
        if !endpoint.filled("addresses") {
            rules.findings.error(Place::Missing(endpoint, "addresses"), || {
                Message::new("validate.schema.missing_field").with("field", "addresses")
            });
        }
        for node in endpoint.list_at("addresses") {
            match kind {
                "FQDN" => rules.holds(Some(node), is_full_domain, "validate.service.full_domain"),
                "IPv4" | "IPv6" => {
                    if let Some(address) = rules.ip(node) {
                        if address.is_ipv4() != (kind == "IPv4") {
                            rules.bad(node, "validate.rule.ip.family");
                        } else {
                            check_reachable(rules, node, address);
                        }
                    }
                }
                _ => {}
            }
        }
        if let Some(hints) = endpoint.get("hints") {
            for list in ["forZones", "forNodes"] {
                let mut names = HashSet::new();
                for hint in hints.list_at(list) {
                    if !names.insert(hint.str_at("name")) {
                        rules.bad(hint.get("name").unwrap_or(hint), "validate.rule.duplicate");
                    }
                }
                rules.at_most(hints.get(list), 8);
            }
        }
        rules.holds(endpoint.get("nodeName"), format::is_dns_subdomain, "validate.schema.subdomain");
        rules.holds(endpoint.get("hostname"), ecp_core::ids::is_dns_1123_label, "validate.schema.label");
    }
}

/// A name of two labels at least, with or without a point at its end.
fn is_full_domain(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    name.contains('.') && format::is_dns_subdomain(name)
}
