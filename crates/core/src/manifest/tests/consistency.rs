//! Objects against each other: references, policies, the pod security standard, the quota.

use super::*;
use crate::manifest::scaling::most_replicas;
use crate::quantity::parse_quantity;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn templates(manifest: &Manifest) -> Vec<(&str, &PodTemplateSpec)> {
    let template = |object: &'_ Object| object.pod_template().map(|_| ());
    let workloads = manifest.objects.iter().filter(|object| template(object).is_some());
    workloads.map(|object| (object.name(), object.pod_template().unwrap())).collect()
}

fn names<'a>(manifest: &'a Manifest, kind: &'a str) -> BTreeSet<&'a str> {
    of_kind(manifest, kind).map(Object::name).collect()
}

/// Whether labels have every pair of a selector's `matchLabels`.
fn selects(selector: &Value, pod: &PodTemplateSpec) -> bool {
    let labels = pod.metadata.as_ref().unwrap().labels.as_ref().unwrap();
    let pairs = selector.as_object().unwrap();
    !pairs.is_empty()
        && pairs.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
}

#[test]
fn each_selector_selects_the_pods_of_exactly_one_workload() {
    let manifest = rendered(&my_ai_service(), &everything());
    let templates = templates(&manifest);
    let mut checked = 0;
    for (kind, pointer) in [
        ("Service", "/spec/selector"),
        ("Deployment", "/spec/selector/matchLabels"),
        ("StatefulSet", "/spec/selector/matchLabels"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
    ] {
        for object in of_kind(&manifest, kind) {
            let json = as_json(object);
            let selector = json.pointer(pointer).unwrap();
            let selected: Vec<&str> =
                templates.iter().filter(|(_, pod)| selects(selector, pod)).map(|(name, _)| *name).collect();
            assert_eq!(selected, [object.name().trim_end_matches("-service")], "{kind}");
            checked += 1;
        }
    }
    assert_eq!(checked, 6 + 5 + 1 + 5);
}

#[test]
fn whatever_an_object_names_exists() {
    let tenant = my_ai_service();
    let manifest = rendered(&tenant, &everything());
    for scaler in of_kind(&manifest, "HorizontalPodAutoscaler") {
        let target = &as_json(scaler)["spec"]["scaleTargetRef"];
        assert_eq!((&target["apiVersion"], &target["kind"]), (&json!("apps/v1"), &json!("Deployment")));
        find(&manifest, "Deployment", target["name"].as_str().unwrap());
    }
    let secret = find(&manifest, "Secret", "service-credentials");
    let configs = names(&manifest, "ConfigMap");
    let accounts = names(&manifest, "ServiceAccount");
    let mut readers_of_the_secret = 0;
    for (name, template) in templates(&manifest) {
        let pod = template.spec.as_ref().unwrap();
        assert!(accounts.contains(pod.service_account_name.as_deref().unwrap()), "{name}");
        let volumes = pod.volumes.as_deref().unwrap_or_default();
        for config in volumes.iter().filter_map(|volume| volume.config_map.as_ref()) {
            assert!(configs.contains(config.name.as_str()), "{name}");
        }
        let container = &pod.containers[0];
        let claims: &[&str] = if name == "redis" { &["data"] } else { &[] };
        for mount in container.volume_mounts.iter().flatten() {
            let known = volumes.iter().any(|volume| volume.name == mount.name);
            assert!(known || claims.contains(&mount.name.as_str()), "{name} mounts {}", mount.name);
        }
        for source in container.env_from.iter().flatten() {
            if let Some(config) = &source.config_map_ref {
                assert!(configs.contains(config.name.as_str()), "{name}");
            }
            if let Some(reference) = &source.secret_ref {
                assert_eq!(reference.name, secret.name());
                readers_of_the_secret += 1;
            }
        }
    }
    assert_eq!(readers_of_the_secret, 5);

    let ingress = as_json(find(&manifest, "Ingress", "services"));
    for rule in ingress["spec"]["rules"].as_array().unwrap() {
        let backend = &rule["http"]["paths"][0]["backend"]["service"];
        let service = as_json(find(&manifest, "Service", backend["name"].as_str().unwrap()));
        assert_eq!(service["spec"]["ports"][0]["name"], backend["port"]["name"]);
    }
    let monitor = as_json(find(&manifest, "ServiceMonitor", "services"));
    let service = as_json(find(&manifest, "Service", "tts-service"));
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    let redis = as_json(find(&manifest, "Service", "redis-service"));
    assert_eq!(redis["spec"]["ports"][0]["port"], 6379);
    let config = as_json(find(&manifest, "ConfigMap", "service-config"));
    assert_eq!(config["data"]["STT_URL"], "http://stt-service");
    for work in ["TTS_URL", "NLP_URL", "AICM_URL"] {
        assert_eq!(config["data"][work], "http://callbot-service");
    }
}

#[test]
fn every_object_is_in_the_tenants_namespace_and_found_by_its_labels() {
    let tenant = my_ai_service();
    let custom = RenderOptions { namespace: Some("team-a".into()), ..everything() };
    for (options, namespace) in [(everything(), "ecp-ai-my-ai-service"), (custom, "team-a")] {
        let manifest = rendered(&tenant, &options);
        for object in &manifest.objects {
            let labels = object.metadata().labels.as_ref().unwrap();
            assert_eq!(labels["ecp.ai/tenant"], "my-ai-service");
            assert_eq!(labels["ecp.ai/managed-by"], "ecp-orchestrator");
            match object {
                Object::Namespace(_) => assert_eq!((object.name(), object.namespace()), (namespace, None)),
                _ => assert_eq!(object.namespace(), Some(namespace), "{}", object.name()),
            }
        }
        let yaml = manifest.to_yaml();
        assert_eq!(yaml.contains("ecp-ai-my-ai-service"), namespace != "team-a");
    }
}

#[test]
fn every_pod_keeps_to_the_restricted_standard_and_carries_no_token() {
    let manifest = rendered(&my_ai_service(), &everything());
    let namespace = as_json(find(&manifest, "Namespace", "ecp-ai-my-ai-service"));
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let account = as_json(find(&manifest, "ServiceAccount", "tenant-services"));
    assert_eq!(account["automountServiceAccountToken"], false);
    let templates = templates(&manifest);
    assert_eq!(templates.len(), 6);
    for (name, template) in templates {
        let pod = serde_json::to_value(template.spec.as_ref().unwrap()).unwrap();
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"], true, "{name}");
        assert!(security["runAsUser"].as_i64().unwrap() > 0, "{name}");
        assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        for host in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod.get(host).is_none(), "{name}");
        }
        let allowed_volumes = ["configMap", "emptyDir"];
        for volume in pod["volumes"].as_array().unwrap() {
            let kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
            assert!(kinds.into_iter().all(|kind| allowed_volumes.contains(&kind.as_str())), "{name}");
        }
        for container in pod["containers"].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}), "{name}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            let port = &container["ports"][0];
            assert!(port.get("hostPort").is_none(), "{name}");
        }
    }
}

/// What a service's policy lets in, by the apps or the namespace named.
fn let_in(manifest: &Manifest, service: &str) -> Vec<String> {
    let policy = as_json(find(manifest, "NetworkPolicy", service));
    let Some(rules) = policy["spec"].get("ingress") else { return vec![] };
    let peers = rules.as_array().unwrap().iter().flat_map(|rule| rule["from"].as_array().unwrap().clone());
    peers
        .map(|peer| match peer.pointer("/podSelector/matchExpressions/0/values") {
            Some(apps) => {
                let apps: Vec<&str> = apps.as_array().unwrap().iter().filter_map(Value::as_str).collect();
                apps.join("+")
            }
            None => {
                let name = "/namespaceSelector/matchLabels/kubernetes.io~1metadata.name";
                peer.pointer(name).unwrap().as_str().unwrap().to_owned()
            }
        })
        .collect()
}

#[test]
fn only_the_flows_that_are_needed_pass() {
    let mut tenant = my_ai_service();
    tenant.sizing.services.push(ServicePlan { service: Service::Qa, ..tenant.sizing.services[1].clone() });
    let bare = RenderOptions { include_monitoring: false, ..RenderOptions::default() };
    let manifest = rendered(&tenant, &bare);

    let deny = as_json(find(&manifest, "NetworkPolicy", "default-deny"));
    assert_eq!(
        deny["spec"],
        json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": []})
    );
    assert_eq!(let_in(&manifest, "stt"), ["callbot+advisor"]);
    // The plan's GPUs are callbot's, so that everybody's synthesis and queries go there, its own too.
    assert_eq!(let_in(&manifest, "tts"), Vec::<String>::new());
    assert_eq!(let_in(&manifest, "callbot"), ["callbot+chatbot+advisor+tts"]);

    let external = |service: &str| {
        let policy = as_json(find(&manifest, "NetworkPolicy", service));
        policy["spec"]["egress"].to_string().contains("ipBlock")
    };
    assert!(external("qa") && !external("callbot"));

    // qa was not ordered, so the ingress controller does not reach it.
    let manifest = rendered(&tenant, &everything());
    assert_eq!(let_in(&manifest, "stt"), ["callbot+advisor", "monitoring", "ingress-nginx"]);
    assert_eq!(let_in(&manifest, "qa"), ["monitoring"]);
    let ingress = as_json(find(&manifest, "Ingress", "services")).to_string();
    assert!(ingress.contains("stt.my-ai-service.ecp-ai.internal") && !ingress.contains("qa-service"));
}

#[test]
fn options_add_and_leave_out_whole_kinds() {
    let tenant = my_ai_service();
    let kinds = |include_monitoring, include_ingress| {
        let options = RenderOptions { include_monitoring, include_ingress, ..RenderOptions::default() };
        let manifest = rendered(&tenant, &options);
        ["ServiceMonitor", "PrometheusRule", "Ingress"].map(|kind| of_kind(&manifest, kind).count())
    };
    assert_eq!(kinds(false, false), [0, 0, 0]);
    assert_eq!(kinds(true, false), [1, 1, 0]);
    assert_eq!(kinds(false, true), [0, 0, 1]);
    assert_eq!(kinds(true, true), [1, 1, 1]);
}

#[test]
fn a_device_that_goes_by_a_name_of_its_own_is_asked_for_by_it_alone() {
    let mut catalog = Catalog::embedded();
    let (own, slice) = ("v100".to_owned(), "nvidia.com/mig-1g.10gb");
    catalog.kubernetes.gpu_resources.insert(own, slice.to_owned());
    catalog.kubernetes.gpu_resources.insert("t4".to_owned(), "nvidia.com/gpu.shared".to_owned());
    let manifest = render(&catalog, &my_ai_service(), &secrets(), &everything());
    let quota = as_json(find(&manifest, "ResourceQuota", "tenant-quota"));
    assert_eq!(quota["spec"]["hard"][format!("requests.{slice}")], "3");
    let mut asked = 0;
    for (_, template) in templates(&manifest) {
        let text = serde_json::to_string(template).unwrap();
        assert!(!text.contains("nvidia.com/gpu"), "{text}");
        asked += text.matches(slice).count();
    }
    // By its requests and its limits.
    assert_eq!(asked, 2);
    assert_eq!(simulated(&catalog), simulated(&Catalog::embedded()));
}

#[test]
fn the_operators_settings_reach_every_pod() {
    let mut catalog = Catalog::embedded();
    let settings = &mut catalog.kubernetes;
    settings.images.registry = "registry.example.com".into();
    settings.images.pull_secrets = vec!["registry".into()];
    settings.gpu_resource = "amd.com/gpu".into();
    settings.storage_class = "fast".into();
    settings.nodes = toml::from_str(
        r#"
        selector = { pool = "tenants" }
        tolerations = [{ key = "dedicated", value = "tenants", effect = "NoSchedule" }]
        gpu_tolerations = [{ key = "amd.com/gpu" }]
        gpu_selectors = { v100 = { device = "v100" }, t4 = { device = "t4" } }
        "#,
    )
    .unwrap();
    let manifest = render(&catalog, &my_ai_service(), &secrets(), &everything());
    for (name, template) in templates(&manifest) {
        let pod = serde_json::to_value(template.spec.as_ref().unwrap()).unwrap();
        assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry"}]), "{name}");
        let dedicated =
            json!({"key": "dedicated", "operator": "Equal", "value": "tenants", "effect": "NoSchedule"});
        if name == "callbot" {
            assert_eq!(pod["nodeSelector"], json!({"pool": "tenants", "device": "v100"}));
            assert_eq!(pod["tolerations"], json!([dedicated, {"key": "amd.com/gpu", "operator": "Exists"}]));
            assert_eq!(pod["containers"][0]["resources"]["limits"]["amd.com/gpu"], "1");
            assert_eq!(pod["containers"][0]["image"], "registry.example.com/ecp-ai/callbot:latest");
        } else {
            assert_eq!(pod["nodeSelector"], json!({"pool": "tenants"}), "{name}");
            assert_eq!(pod["tolerations"], json!([dedicated]), "{name}");
        }
    }
    let redis = as_json(find(&manifest, "StatefulSet", "redis"));
    assert_eq!(redis["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], "fast");
    assert!(!manifest.to_yaml().contains("nvidia"));
}

#[test]
fn secret_values_are_there_for_the_controller_and_redacted_for_readers() {
    let tenant = my_ai_service();
    let secret = |redact_secrets| {
        let options = RenderOptions { redact_secrets, ..RenderOptions::default() };
        as_json(find(&rendered(&tenant, &options), "Secret", "service-credentials"))
    };
    // `0123456789abcdef` in base64.
    assert_eq!(secret(false)["data"], json!({"SERVICE_TOKEN": "MDEyMzQ1Njc4OWFiY2RlZg=="}));
    assert_eq!(secret(true)["stringData"], json!({"SERVICE_TOKEN": "REDACTED"}));
    let redacted = RenderOptions { redact_secrets: true, ..RenderOptions::default() };
    let text = rendered(&tenant, &redacted).to_yaml();
    assert!(!text.contains("MDEyMzQ1Njc4OWFiY2RlZg") && !text.contains("0123456789abcdef"));
}

#[test]
fn a_change_of_what_a_service_reads_rolls_its_pods_and_nothing_else_does() {
    let template = |tenant: &Tenant| {
        let manifest = rendered(tenant, &RenderOptions::default());
        as_json(find(&manifest, "Deployment", "chatbot"))["spec"]["template"].to_string()
    };
    let tenant = my_ai_service();
    let mut renamed = tenant.clone();
    renamed.spec.name = "다른 이름".into();
    renamed.generation = 2;
    assert_eq!(template(&tenant), template(&renamed));
    let mut more_calls = tenant.clone();
    more_calls.sizing.services[0].count = 75;
    assert_eq!(template(&tenant), template(&more_calls));
    let mut more_chats = tenant.clone();
    more_chats.sizing.services[1].count = 150;
    assert_ne!(template(&tenant), template(&more_chats));
    let mut tighter = tenant.clone();
    tighter.spec.sla_target.response_time_ms = 150;
    assert_ne!(template(&tenant), template(&tighter));
}

#[test]
fn a_service_grows_only_into_what_the_plan_leaves() {
    let tenant = my_ai_service();
    assert_eq!(most_replicas(&tenant.sizing), [3, 3, 3, 3, 3]);
    let mut roomy = tenant.sizing;
    roomy.resources.cpu_millicores += 2 * 1500 + 2000;
    roomy.resources.memory_mib += 8192;
    // No GPU is left for callbot, so chatbot takes what is free, and then advisor.
    assert_eq!(most_replicas(&roomy), [3, 6, 4, 3, 3]);
    roomy.resources.gpu += 1;
    assert_eq!(most_replicas(&roomy), [4, 5, 3, 3, 3]);
}

#[test]
fn an_autoscaler_is_there_only_where_it_can_move_and_lets_calls_end() {
    let mut tenant = my_ai_service();
    assert_eq!(of_kind(&rendered(&tenant, &everything()), "HorizontalPodAutoscaler").count(), 0);
    tenant.sizing.resources.cpu_millicores += 2 * 1500;
    tenant.sizing.resources.memory_mib += 8192;
    let manifest = rendered(&tenant, &everything());
    assert_eq!(names(&manifest, "HorizontalPodAutoscaler"), BTreeSet::from(["advisor", "chatbot"]));
    let down = |name: &str| {
        let spec = &as_json(find(&manifest, "HorizontalPodAutoscaler", name))["spec"];
        (spec["minReplicas"].clone(), spec["behavior"]["scaleDown"].clone())
    };
    let rules = |wait: u64| {
        json!({
            "stabilizationWindowSeconds": wait, "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": wait}],
        })
    };
    assert_eq!(down("advisor"), (json!(3), rules(600)));
    assert_eq!(down("chatbot"), (json!(3), rules(300)));
}

#[test]
fn speech_recognition_that_was_sized_for_growth_runs_in_fewer_pods_until_then() {
    let mut tenant = tenant("busy", None, &[(Service::Callbot, 600), (Service::Advisor, 400)]);
    tenant.spec.sla_target.availability = Availability::parse("99%").unwrap();
    let catalog = Catalog::embedded();
    tenant.spec.sizing.growth = crate::sizing::Share(500_000);
    tenant.sizing = size(&catalog, &tenant.spec.demand());
    tenant.spec.sizing.growth = crate::sizing::Share(0);
    let stt = tenant.sizing.services.iter().find(|plan| plan.service == Service::Stt).unwrap();
    let manifest = rendered(&tenant, &everything());
    let scaler = as_json(find(&manifest, "HorizontalPodAutoscaler", "stt"));
    let (fewest, most) = (scaler["spec"]["minReplicas"].as_u64(), scaler["spec"]["maxReplicas"].as_u64());
    assert!(fewest < Some(stt.replicas.into()) && most >= Some(stt.replicas.into()), "{scaler}");
}

#[test]
fn pods_have_time_to_load_their_model_and_to_end_their_calls() {
    let mut catalog = Catalog::embedded();
    let pod = |catalog: &Catalog, name: &str| {
        let manifest = render(catalog, &my_ai_service(), &secrets(), &everything());
        as_json(find(&manifest, "Deployment", name))["spec"]["template"]["spec"].clone()
    };
    let callbot = pod(&catalog, "callbot");
    assert_eq!(callbot["terminationGracePeriodSeconds"], 600);
    assert_eq!(pod(&catalog, "chatbot")["terminationGracePeriodSeconds"], 60);
    let container = &callbot["containers"][0];
    assert_eq!(container["lifecycle"], json!({"preStop": {"sleep": {"seconds": 10}}}));
    let startup = &container["startupProbe"];
    let longest = startup["failureThreshold"].as_u64().zip(startup["periodSeconds"].as_u64());
    assert_eq!(longest.map(|(times, seconds)| times * seconds), Some(600));
    assert_eq!(callbot["topologySpreadConstraints"][0]["matchLabelKeys"], json!(["pod-template-hash"]));

    catalog.kubernetes.lifecycle.drain_voice_seconds = 900;
    catalog.kubernetes.lifecycle.leave_endpoints_seconds = 0;
    let callbot = pod(&catalog, "callbot");
    assert_eq!(callbot["terminationGracePeriodSeconds"], 900);
    assert!(callbot["containers"][0].get("lifecycle").is_none());

    let manifest = rendered(&my_ai_service(), &everything());
    let budget = as_json(find(&manifest, "PodDisruptionBudget", "tts"));
    assert_eq!(budget["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow");
}

fn hard(manifest: &Manifest, resource: &str) -> u128 {
    let quota = as_json(find(manifest, "ResourceQuota", "tenant-quota"));
    parse_quantity(quota["spec"]["hard"][resource].as_str().unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_quota_covers_all_pods_at_their_most(
        units in proptest::collection::btree_map(0_usize..7, 1_u32..20_000, 1..=7),
        preset in proptest::option::of(0_usize..4),
        slack in 0_u64..3,
    ) {
        let ordered: Vec<(Service, u32)> =
            units.into_iter().map(|(index, units)| (Service::ALL[index], units)).collect();
        let mut tenant = tenant("any", preset.map(|index| Preset::ALL[index]), &ordered);
        // Room that a plan may leave, so that services have somewhere to grow.
        tenant.sizing.resources.cpu_millicores *= 1 + slack;
        tenant.sizing.resources.memory_mib *= 1 + slack;
        tenant.sizing.resources.gpu += slack;
        let manifest = rendered(&tenant, &everything());

        let most = most_replicas(&tenant.sizing);
        let mut used: std::collections::BTreeMap<String, u128> = std::collections::BTreeMap::new();
        for object in &manifest.objects {
            let Some(template) = object.pod_template() else { continue };
            let plans = &tenant.sizing.services;
            let index = plans.iter().position(|plan| plan.service.as_str() == object.name());
            let pods = index.map_or(1, |index| most[index]);
            let resources = template.spec.as_ref().unwrap().containers[0].resources.as_ref().unwrap();
            for (prefix, quantities) in [("requests", &resources.requests), ("limits", &resources.limits)] {
                for (name, quantity) in quantities.as_ref().unwrap() {
                    let amount = parse_quantity(&quantity.0).unwrap() * u128::from(pods);
                    *used.entry(format!("{prefix}.{name}")).or_default() += amount;
                }
            }
        }
        // A quota does not speak of the limits of extended resources: they equal the requests.
        let gpu_limits = used.remove("limits.nvidia.com/gpu");
        prop_assert_eq!(gpu_limits, used.get("requests.nvidia.com/gpu").copied());
        used.insert("requests.storage".into(), 1000 << 30);
        for (resource, amount) in used {
            prop_assert!(amount <= hard(&manifest, &resource), "{} {}", resource, amount);
        }
    }
}
