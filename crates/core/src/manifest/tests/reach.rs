//! Who reaches a tenant's services, and whom they reach.

use super::*;
use crate::catalog::{CallerSettings, PlatformService};
use crate::tenant::Exposure;

fn exposed(exposure: Option<Exposure>) -> Tenant {
    let mut tenant = my_ai_service();
    tenant.spec.exposure = exposure;
    tenant
}

fn rendered_by(catalog: &Catalog, tenant: &Tenant, options: &RenderOptions) -> Manifest {
    render(catalog, tenant, &secrets(), options)
}

fn policy(manifest: &Manifest, name: &str) -> Value {
    as_json(find(manifest, "NetworkPolicy", name))["spec"].clone()
}

fn kinds(manifest: &Manifest) -> [usize; 2] {
    ["Ingress", "HTTPRoute"].map(|kind| of_kind(manifest, kind).count())
}

/// Whether pods of a namespace, picked by nothing but its name, are let in to a service.
fn lets_in(manifest: &Manifest, service: &str, namespace: &str) -> bool {
    let peer = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}});
    let from = policy(manifest, service)["ingress"][0]["from"].clone();
    from.as_array().is_some_and(|peers| peers.contains(&peer))
}

#[test]
fn the_exposure_of_the_tenant_goes_before_the_catalogs_and_brings_its_policies() {
    let mut catalog = Catalog::embedded();
    let plain = RenderOptions::default();
    for (of_catalog, of_tenant, kinds_there, let_in) in [
        (Exposure::None, None, [0, 0], [false, false]),
        (Exposure::None, Some(Exposure::Ingress), [1, 0], [true, false]),
        (Exposure::None, Some(Exposure::Gateway), [0, 5], [false, true]),
        (Exposure::Ingress, None, [1, 0], [true, false]),
        (Exposure::Ingress, Some(Exposure::None), [0, 0], [false, false]),
        (Exposure::Gateway, None, [0, 5], [false, true]),
    ] {
        catalog.kubernetes.exposure = of_catalog;
        let manifest = rendered_by(&catalog, &exposed(of_tenant), &plain);
        assert_eq!(kinds(&manifest), kinds_there, "{of_catalog} {of_tenant:?}");
        let passes = ["ingress-nginx", "gateway-system"].map(|from| lets_in(&manifest, "callbot", from));
        assert_eq!(passes, let_in, "{of_catalog} {of_tenant:?}");
        // Nobody from outside reaches redis.
        assert!(
            !lets_in(&manifest, "redis", "ingress-nginx") && !lets_in(&manifest, "redis", "gateway-system")
        );
    }
    // Asking to see the Ingress adds it, whatever the tenant's exposure.
    catalog.kubernetes.exposure = Exposure::None;
    for (exposure, expected) in
        [(Exposure::None, [1, 0]), (Exposure::Ingress, [1, 0]), (Exposure::Gateway, [1, 5])]
    {
        let manifest = rendered_by(&catalog, &exposed(Some(exposure)), &everything());
        assert_eq!(kinds(&manifest), expected, "{exposure}");
    }
}

#[test]
fn a_route_sends_the_host_of_a_service_to_it_through_the_operators_gateway() {
    let mut catalog = Catalog::embedded();
    let gateway = &mut catalog.kubernetes.gateway;
    (gateway.name, gateway.namespace) = ("edge".into(), "edge-system".into());
    (gateway.section, gateway.domain) = ("https".into(), "ai.example.com".into());
    gateway.proxy_namespace = "edge-proxies".into();
    gateway.pod_labels = labels_of("app", "envoy");
    let manifest = rendered_by(&catalog, &exposed(Some(Exposure::Gateway)), &RenderOptions::default());
    let route = as_json(find(&manifest, "HTTPRoute", "callbot"));
    assert_eq!(route["apiVersion"], "gateway.networking.k8s.io/v1");
    assert_eq!(route["metadata"]["labels"]["ecp.ai/tenant"], "my-ai-service");
    assert_eq!(
        route["spec"],
        json!({
            "parentRefs": [{
                "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge",
                "namespace": "edge-system", "sectionName": "https",
            }],
            "hostnames": ["callbot.my-ai-service.ai.example.com"],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [
                    {"group": "", "kind": "Service", "name": "callbot-service", "port": 80, "weight": 1}
                ],
            }],
        })
    );
    let from = policy(&manifest, "callbot")["ingress"][0]["from"].clone();
    let proxies = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge-proxies"}},
        "podSelector": {"matchLabels": {"app": "envoy"}},
    });
    assert!(from.as_array().unwrap().contains(&proxies), "{from}");
    // It is read back as it was kept.
    let text = serde_json::to_string(&manifest.objects).unwrap();
    let read: Vec<Object> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, manifest.objects);
}

#[test]
fn what_another_service_brought_along_is_not_exposed() {
    let mut tenant = tenant("voice", Some(Preset::Small), &[(Service::Callbot, 10)]);
    tenant.spec.exposure = Some(Exposure::Gateway);
    let manifest = rendered(&tenant, &RenderOptions::default());
    assert_eq!(kinds(&manifest), [0, 1]);
    assert!(lets_in(&manifest, "callbot", "gateway-system") && !lets_in(&manifest, "stt", "gateway-system"));
}

fn labels_of(key: &str, value: &str) -> std::collections::BTreeMap<String, String> {
    [(key.to_owned(), value.to_owned())].into()
}

#[test]
fn callers_that_the_catalog_names_reach_the_services_that_it_names_and_no_other() {
    let mut catalog = Catalog::embedded();
    let caller = |pod_labels| CallerSettings {
        namespace: "crm".into(),
        pod_labels,
        services: vec![Service::Chatbot, Service::Stt],
    };
    catalog.kubernetes.callers = vec![caller(labels_of("", ""))];
    catalog.kubernetes.callers[0].pod_labels.clear();
    let manifest = rendered_by(&catalog, &my_ai_service(), &RenderOptions::default());
    let reached: Vec<&str> = ["callbot", "chatbot", "advisor", "stt", "tts", "redis"]
        .into_iter()
        .filter(|service| lets_in(&manifest, service, "crm"))
        .collect();
    assert_eq!(reached, ["chatbot", "stt"]);
    catalog.kubernetes.callers = vec![caller(labels_of("app", "web"))];
    let manifest = rendered_by(&catalog, &my_ai_service(), &RenderOptions::default());
    assert!(!lets_in(&manifest, "chatbot", "crm"));
    assert!(policy(&manifest, "chatbot")["ingress"].to_string().contains("\"app\":\"web\""));
}

fn platform(name: &str, address: &str, port: u16) -> PlatformService {
    PlatformService {
        name: name.into(),
        address: address.into(),
        port,
        pod_port: None,
        scheme: "http".into(),
        pod_labels: labels_of("", ""),
        cidrs: Vec::new(),
        services: Vec::new(),
    }
}

#[test]
fn services_of_the_platform_are_in_the_environment_and_may_be_called() {
    let mut catalog = Catalog::embedded();
    let mut nlp = platform("nlp", "nlp.platform.svc.cluster.local", 80);
    (nlp.pod_port, nlp.pod_labels) = (Some(8000), labels_of("app", "nlp"));
    let mut models = platform("shared-models", "models.example.com", 443);
    (models.scheme, models.cidrs) = ("https".into(), vec!["203.0.113.0/24".into()]);
    models.pod_labels.clear();
    let mut aicm = platform("aicm", "fd00::7", 9000);
    aicm.services = vec![Service::Callbot];
    aicm.pod_labels.clear();
    catalog.kubernetes.platform_services = vec![nlp, models, aicm];
    let manifest = rendered_by(&catalog, &my_ai_service(), &RenderOptions::default());

    let data = as_json(find(&manifest, "ConfigMap", "service-config"))["data"].clone();
    for (key, value) in [
        ("NLP_URL", "http://nlp.platform.svc.cluster.local:80"),
        ("NLP_HOST", "nlp.platform.svc.cluster.local"),
        ("NLP_PORT", "80"),
        ("SHARED_MODELS_URL", "https://models.example.com:443"),
        ("AICM_URL", "http://[fd00::7]:9000"),
        ("AICM_HOST", "fd00::7"),
    ] {
        assert_eq!(data[key], value, "{key}");
    }
    let rule = |to: Value, port: u16| json!({"to": [to], "ports": [{"port": port, "protocol": "TCP"}]});
    let nlp = rule(
        json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "platform"}},
            "podSelector": {"matchLabels": {"app": "nlp"}},
        }),
        8000,
    );
    let models = rule(json!({"ipBlock": {"cidr": "203.0.113.0/24"}}), 443);
    let aicm = rule(json!({"ipBlock": {"cidr": "fd00::7/128"}}), 9000);
    let may =
        |service: &str, rule: &Value| policy(&manifest, service)["egress"].as_array().unwrap().contains(rule);
    assert!(may("chatbot", &nlp) && may("callbot", &nlp), "{}", policy(&manifest, "chatbot"));
    assert!(may("chatbot", &models) && may("callbot", &aicm) && !may("chatbot", &aicm));
    // The pods start anew when what they read of it changes.
    let digest = |manifest: &Manifest| {
        as_json(find(manifest, "Deployment", "chatbot"))["spec"]["template"]["metadata"]["annotations"]
            .clone()
    };
    let before = rendered_by(&Catalog::embedded(), &my_ai_service(), &RenderOptions::default());
    assert_ne!(digest(&manifest), digest(&before));
}

#[test]
fn names_are_resolved_by_the_clusters_dns_and_by_the_nodes_own() {
    let manifest = rendered(&chatbot_only(), &RenderOptions::default());
    let egress = policy(&manifest, "allow-dns")["egress"].clone();
    assert_eq!(egress[0]["to"][1], json!({"ipBlock": {"cidr": "169.254.20.10/32"}}));
    let mut catalog = Catalog::embedded();
    catalog.kubernetes.dns_cidrs.clear();
    let manifest = rendered_by(&catalog, &chatbot_only(), &RenderOptions::default());
    assert_eq!(policy(&manifest, "allow-dns")["egress"][0]["to"].as_array().unwrap().len(), 1);
}

/// Whether an address is in a network, both as numbers of 128 bits with IPv4 in its last 32.
fn is_in(address: std::net::IpAddr, network: &str) -> bool {
    let (base, length) = network.split_once('/').unwrap();
    let (base, length): (std::net::IpAddr, u32) = (base.parse().unwrap(), length.parse().unwrap());
    let shared = |a: u128, b: u128, bits: u32| length == 0 || (a ^ b) >> (bits - length) == 0;
    match (address, base) {
        (std::net::IpAddr::V4(a), std::net::IpAddr::V4(b)) => {
            shared(a.to_bits().into(), b.to_bits().into(), 32)
        }
        (std::net::IpAddr::V6(a), std::net::IpAddr::V6(b)) => shared(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[test]
fn what_is_reached_outside_is_the_internet_and_no_address_that_stands_for_an_inner_one() {
    let manifest =
        rendered(&tenant("qa", Some(Preset::Small), &[(Service::Qa, 10)]), &RenderOptions::default());
    let egress = policy(&manifest, "qa")["egress"].clone();
    let blocks: Vec<Value> = egress
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| rule["to"].as_array().unwrap())
        .filter_map(|peer| peer.get("ipBlock").cloned())
        .collect();
    let reaches = |address: &str| {
        let address = address.parse().unwrap();
        blocks.iter().any(|block| {
            let excepted = block["except"].as_array().unwrap();
            is_in(address, block["cidr"].as_str().unwrap())
                && !excepted.iter().any(|except| is_in(address, except.as_str().unwrap()))
        })
    };
    for outside in ["8.8.8.8", "104.16.0.1", "2606:4700::1", "2a00:1450:4001::1"] {
        assert!(reaches(outside), "{outside}");
    }
    for inside in [
        "10.0.0.1",
        "172.16.9.9",
        "192.168.1.1",
        "169.254.169.254",
        "127.0.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "240.0.0.1",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "::10.0.0.1",
    ] {
        assert!(!reaches(inside), "{inside}");
    }
}
