//! The manifests that the renderer makes, sent back.

use super::super::{Options, Report, validate_manifest};
use super::catalog;
use ecp_core::catalog::{DeviceClaim, GpuAllocation, ModelImage};
use ecp_core::ids::{DeploymentId, TenantId};
use ecp_core::manifest::{Manifest, RenderOptions, SECRET_KEYS, render};
use ecp_core::sizing::{ServicePlan, SizingOptions, size};
use ecp_core::tenant::{
    Availability, Preset, Service, SlaTarget, Tenant, TenantSecrets, TenantSpec, TenantStatus,
};

fn tenant(preset: Preset, services: &[(Service, u32)]) -> Tenant {
    let sla_target = SlaTarget {
        availability: Availability::parse("99.9%").unwrap(),
        response_time_ms: 200,
        concurrent_users: Some(200),
    };
    let spec = TenantSpec {
        name: "내 AI 서비스".into(),
        preset: Some(preset),
        service_requirements: services.iter().copied().collect(),
        sla_target,
        description: None,
        exposure: None,
        management: Default::default(),
        demo_fault: None,
        sizing: SizingOptions::default(),
    };
    let accepted_at = "2024-01-20T14:30:00Z".parse().unwrap();
    Tenant {
        id: TenantId::parse("my-ai-service").unwrap(),
        sizing: size(catalog(), &spec.demand()),
        spec,
        status: TenantStatus::Pending,
        generation: 1,
        incarnation: Default::default(),
        deployment_id: DeploymentId::generate(),
        created_at: accepted_at,
        updated_at: accepted_at,
    }
}

fn my_ai_service() -> Tenant {
    let services = [
        (Service::Callbot, 50),
        (Service::Chatbot, 100),
        (Service::Advisor, 25),
        (Service::Stt, 30),
        (Service::Tts, 30),
    ];
    tenant(Preset::Medium, &services)
}

fn manifest(tenant: &Tenant, options: &RenderOptions) -> Manifest {
    render(catalog(), tenant, &TenantSecrets::generate(SECRET_KEYS), options)
}

fn report(tenant: &Tenant, text: &str) -> Report {
    validate_manifest(catalog(), text, &Options::for_tenant(Some(&tenant.id))).unwrap()
}

/// Nothing is wrong, and the only warnings are the contract's floating tags.
fn assert_in_order(report: &Report) {
    assert_eq!(report.errors, []);
    let surprising: Vec<_> =
        report.warnings.iter().filter(|finding| finding.code != "image.floating").collect();
    assert!(surprising.is_empty(), "{surprising:#?}");
}

#[test]
fn what_the_renderer_makes_is_valid_in_yaml_and_json() {
    let all = RenderOptions { include_ingress: true, ..RenderOptions::default() };
    let bare = RenderOptions { include_monitoring: false, ..RenderOptions::default() };
    let redacted = RenderOptions { redact_secrets: true, ..RenderOptions::default() };
    let tenants = [
        my_ai_service(),
        tenant(Preset::Micro, &[(Service::Chatbot, 20)]),
        tenant(Preset::Large, &[(Service::Callbot, 25), (Service::Chatbot, 85), (Service::Advisor, 32)]),
        tenant(Preset::Small, &[(Service::Ta, 10), (Service::Qa, 50)]),
    ];
    for tenant in &tenants {
        for options in [&all, &bare, &redacted, &RenderOptions::default()] {
            let manifest = manifest(tenant, options);
            let yaml = report(tenant, &manifest.to_yaml());
            assert_in_order(&yaml);
            let json = report(tenant, &manifest.to_json());
            assert_in_order(&json);
            let places = |report: &Report| {
                let place = |finding: &super::Finding| {
                    (finding.code, finding.position.document, finding.position.path.clone())
                };
                report.warnings.iter().map(place).collect::<Vec<_>>()
            };
            assert_eq!(places(&yaml), places(&json));
            assert_eq!(yaml.summary, json.summary);
        }
    }
}

#[test]
fn claims_models_and_users_of_pods_are_valid_and_a_claim_counts_as_a_device() {
    let mut catalog = catalog().clone();
    let settings = &mut catalog.kubernetes;
    settings.gpu_allocation = GpuAllocation::Claims;
    let selector = "device.attributes['gpu.nvidia.com'].productName == 'Tesla V100-SXM2-32GB'";
    let claim = DeviceClaim { device_class: None, selector: Some(selector.to_owned()) };
    settings.gpu_claims.devices.insert("v100".to_owned(), claim);
    settings.host_users = false;
    let models = ModelImage { image: "registry.example.com/models/voice:3".into(), path: "/models".into() };
    settings.model_images.insert(Service::Callbot, models);
    let tenant = my_ai_service();
    let secrets = TenantSecrets::generate(SECRET_KEYS);
    let text = render(&catalog, &tenant, &secrets, &RenderOptions::default()).to_yaml();
    let judged = validate_manifest(&catalog, &text, &Options::for_tenant(Some(&tenant.id))).unwrap();
    assert_in_order(&judged);
    assert_eq!(judged.summary.total.gpu, 3);
    // The expression is looked at, and a claim that the pod does not have is missed.
    let wrong = text.replace("productName == '", "productName = '");
    assert!(wrong != text && !report(&tenant, &wrong).errors.is_empty());
    let wrong = text.replacen("- name: gpu-0\n", "- name: gpu-7\n", 1);
    assert!(wrong != text && !report(&tenant, &wrong).errors.is_empty());
}

#[test]
fn the_contracts_tenant_adds_up_to_its_plan_and_redis() {
    let tenant = my_ai_service();
    let report = report(&tenant, &manifest(&tenant, &RenderOptions::default()).to_yaml());
    let redis = catalog().kubernetes.redis.limits();
    let summary = report.summary;
    assert_eq!((summary.namespaces, summary.deployments), (1, 5));
    assert_eq!(summary.total.cpu_millicores, 24_000 + redis.cpu_millicores);
    let memory = |plan: &ServicePlan| plan.limits.memory_mib * u64::from(plan.replicas);
    let services: u64 = tenant.sizing.services.iter().map(memory).sum();
    assert_eq!(summary.total.memory_mib, services + redis.memory_mib);
    assert_eq!(summary.total.gpu, 3);
    assert_eq!(summary.estimated_pods, 16);
    assert_eq!(report.list_price_usd, 250);
    assert_eq!((report.deployment_time.min_minutes, report.deployment_time.max_minutes), (15, 20));
}

#[test]
fn the_contracts_own_manifest_is_valid() {
    let text = include_str!("../../../core/src/manifest/tests/contract.yaml");
    let report = report(&my_ai_service(), text);
    assert_eq!(report.errors, []);
    let codes: Vec<_> = report.warnings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["privilege.not_restricted", "image.floating"]);
    assert_eq!((report.summary.total.cpu_text(), report.summary.estimated_pods), ("6000m".into(), 3));
}

#[test]
fn a_namespace_that_the_caller_chose_is_a_single_warning() {
    let tenant = my_ai_service();
    let options = RenderOptions { namespace: Some("acme-production".into()), ..RenderOptions::default() };
    let report = report(&tenant, &manifest(&tenant, &options).to_yaml());
    assert_eq!(report.errors, []);
    let codes: Vec<_> =
        report.warnings.iter().map(|finding| finding.code).filter(|code| *code != "image.floating").collect();
    assert_eq!(codes, ["namespace.custom"]);
}
