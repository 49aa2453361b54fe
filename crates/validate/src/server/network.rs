//! Ingresses and their classes, network policies, address objects.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::Rules;
use crate::findings::Place;
use ecp_core::text::Message;

/// What a path of a fixed kind may not hold, and not end with.
const PATH_PARTS: [&str; 4] = ["//", "/./", "/../", "%2f"];
const PATH_ENDS: [&str; 2] = ["/..", "/."];

/// Checks an object of the group.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    match object.kind {
        "Ingress" => check_ingress(rules, object, spec),
        "IngressClass" => {
            rules.length(spec.get("controller"), 250);
            if let Some(parameters) = spec.get("parameters") {
                let scope =
                    Some(parameters.str_at("scope")).filter(|scope| !scope.is_empty()).unwrap_or("Cluster");
                rules.words(parameters.get("scope"), &["Cluster", "Namespace"]);
                rules.holds(
                    parameters.get("apiGroup"),
                    format::is_dns_subdomain,
                    "validate.schema.subdomain",
                );
                if scope == "Namespace" {
                    rules.required_where(parameters, "namespace", "scope: Namespace");
                } else {
                    rules.forbidden(parameters, "namespace", "scope: Cluster");
                }
            }
        }
        "NetworkPolicy" => check_policy(rules, spec),
        "ServiceCIDR" => {
            if !spec.filled("cidrs") {
                rules.required(spec, "cidrs");
            }
            rules.at_most(spec.get("cidrs"), 2);
            let mut families = std::collections::HashSet::new();
            for range in spec.list_at("cidrs") {
                let Some((address, length)) = rules.cidr_as(range, true) else { continue };
                let canonical = format!("{address}/{length}");
                rules.form(Some(range), |text| text == canonical, &canonical);
                if !families.insert(address.is_ipv4()) {
                    rules.bad(range, "validate.rule.ip.one_family");
                }
            }
        }
        _ => {}
    }
}

fn check_ingress(rules: &mut Rules<'_>, object: &Object<'_>, spec: Node<'_>) {
    if !spec.filled("rules") && !spec.has("defaultBackend") {
        rules.findings.error(spec, || {
            Message::new("validate.rule.one_of").with("fields", "rules, defaultBackend").with("count", 0)
        });
    }
    if let Some(backend) = spec.get("defaultBackend") {
        check_backend(rules, backend);
    }
    for rule in spec.list_at("rules") {
        if let Some(host) = rule.get("host") {
            check_host(rules, host);
        }
        for path in rule.get("http").into_iter().flat_map(|http| http.list_at("paths")) {
            check_path(rules, path);
        }
    }
    for tls in spec.list_at("tls") {
        for host in tls.list_at("hosts") {
            check_host(rules, host);
            if host.is_empty() {
                rules.bad(host, "validate.network.host");
            }
        }
        rules.holds(
            tls.get("secretName"),
            |text| text.is_empty() || format::is_dns_subdomain(text),
            "validate.schema.subdomain",
        );
    }
    rules.holds(spec.get("ingressClassName"), format::is_dns_subdomain, "validate.schema.subdomain");
    let old =
        object.metadata().and_then(|metadata| metadata.at(&["annotations", "kubernetes.io/ingress.class"]));
    if let (Some(old), Some(new)) = (old, spec.get("ingressClassName"))
        && old.text() != new.text()
    {
        rules.bad(old, "validate.network.two_classes");
    }
}

fn check_host(rules: &mut Rules<'_>, host: Node<'_>) {
    let text = host.text();
    if text.is_empty() || host.kind() != Kind::Text {
        return;
    }
    let well =
        if text.contains('*') { format::is_wildcard_subdomain(text) } else { format::is_dns_subdomain(text) };
    if !well || (format::ip(text, false).is_some() && host.key() == "host") {
        rules.bad(host, "validate.network.host");
    }
}

fn check_path(rules: &mut Rules<'_>, path: Node<'_>) {
    if let Some(backend) = path.get("backend") {
        check_backend(rules, backend);
    }
    let kind = path.str_at("pathType");
    let text = path.str_at("path");
    let fixed = matches!(kind, "Exact" | "Prefix");
    if (fixed || (kind == "ImplementationSpecific" && !text.is_empty())) && !text.starts_with('/') {
        match path.get("path") {
            Some(node) => rules.bad(node, "validate.schema.absolute_path"),
            None => rules.required_where(path, "path", &format!("pathType: {kind}")),
        }
        return;
    }
    let lower = text.to_ascii_lowercase();
    let odd =
        PATH_PARTS.iter().any(|part| lower.contains(part)) || PATH_ENDS.iter().any(|end| text.ends_with(end));
    if fixed
        && odd
        && let Some(node) = path.get("path")
    {
        rules.bad(node, "validate.network.path");
    }
}

fn check_backend(rules: &mut Rules<'_>, backend: Node<'_>) {
    rules.one_of(backend, &["service", "resource"]);
    if let Some(resource) = backend.get("resource") {
        rules.required(resource, "kind");
        rules.required(resource, "name");
        rules.holds(resource.get("apiGroup"), format::is_dns_subdomain, "validate.schema.subdomain");
        for field in ["kind", "name"] {
            rules.holds(resource.get(field), format::is_path_segment, "validate.schema.path_segment");
        }
    }
    let Some(service) = backend.get("service").filter(|service| service.kind() == Kind::Mapping) else {
        return;
    };
    let port = service.get("port");
    let named = port.is_some_and(|port| !port.str_at("name").is_empty());
    let numbered = port.is_some_and(|port| port.int_at("number").is_some_and(|number| number != 0));
    if named == numbered {
        let place = match (named, port) {
            (true, Some(port)) => Place::Value(port),
            _ => Place::Missing(service, "port"),
        };
        rules.findings.error(place, || {
            Message::new("validate.rule.one_of")
                .with("fields", "port.name, port.number")
                .with("count", usize::from(named) * 2)
        });
    }
}

fn check_policy(rules: &mut Rules<'_>, spec: Node<'_>) {
    if let Some(selector) = spec.get("podSelector") {
        rules.selector(selector);
    }
    rules.at_most(spec.get("policyTypes"), 2);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.list_at(direction) {
            for port in rule.list_at("ports") {
                check_port(rules, port);
            }
            for peer in rule.list_at(peers) {
                check_peer(rules, peer);
            }
        }
    }
}

fn check_port(rules: &mut Rules<'_>, port: Node<'_>) {
    let Some(end) = port.get("endPort") else { return };
    match port.get("port") {
        None => rules.required_where(port, "port", "endPort"),
        Some(first) => match first.as_integer() {
            None => rules.forbidden(port, "endPort", &format!("port: {}", first.text())),
            Some(number) if end.as_integer().is_some_and(|end| end < number) => {
                rules.not_above(first, "endPort", end);
            }
            Some(_) => {}
        },
    }
}

fn check_peer(rules: &mut Rules<'_>, peer: Node<'_>) {
    for field in ["podSelector", "namespaceSelector"] {
        if let Some(selector) = peer.get(field) {
            rules.selector(selector);
            if peer.has("ipBlock") {
                rules.forbidden(peer, field, "ipBlock");
            }
        }
    }
    if peer.kind() == Kind::Null
        || !["podSelector", "namespaceSelector", "ipBlock"].iter().any(|field| peer.has(field))
    {
        rules.findings.error(peer, || {
            Message::new("validate.rule.one_of")
                .with("fields", "podSelector, namespaceSelector, ipBlock")
                .with("count", 0)
        });
    }
    let Some(block) = peer.get("ipBlock") else { return };
    let outer = block.get("cidr").filter(|cidr| !cidr.text().is_empty()).and_then(|cidr| rules.cidr(cidr));
    for except in block.list_at("except") {
        if let Some(inner) = rules.cidr(except)
            && outer.is_some_and(|outer| !format::is_strict_subset(outer, inner))
        {
            rules.bad(except, "validate.network.except");
        }
    }
}
