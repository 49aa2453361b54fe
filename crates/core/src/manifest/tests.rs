//! Manifests as a whole: against the contract, the published schema, and themselves.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod consistency;
mod contract;
mod schema;
mod snapshots;
mod text;

use super::{Manifest, Object, RenderOptions, SECRET_KEYS, render};
use crate::catalog::Catalog;
use crate::ids::{DeploymentId, TenantId};
use crate::quantity::Resources;
use crate::sizing::{ContainerResources, DeploymentTime, ServicePlan, Sizing};
use crate::tenant::{Preset, Service, SlaTarget, Tenant, TenantSecrets, TenantSpec, TenantStatus};
use serde_json::{Value, json};

/// A tenant whose services' limits split its plan by the weights of the capacity facts.
fn tenant(
    id: &str,
    preset: Preset,
    resources: Resources,
    replicas: u32,
    services: &[(Service, u32)],
) -> Tenant {
    let weights = |service| if service == Service::Callbot { (4, 12) } else { (3, 5) };
    let sum = services.iter().fold((0, 0), |sum, (service, _)| {
        let (cpu, memory) = weights(*service);
        (sum.0 + cpu, sum.1 + memory)
    });
    let mut gpu = resources.gpu;
    let plan = |&(service, count): &(Service, u32)| {
        let (cpu, memory) = weights(service);
        let takes_gpu = matches!(service, Service::Callbot | Service::Tts) && gpu >= u64::from(replicas);
        gpu -= if takes_gpu { u64::from(replicas) } else { 0 };
        let limits = ContainerResources {
            cpu_millicores: resources.cpu_millicores * cpu / (sum.0 * u64::from(replicas)),
            memory_mib: resources.memory_mib * memory / (sum.1 * u64::from(replicas)),
            gpu: u64::from(takes_gpu),
        };
        let requests = ContainerResources { cpu_millicores: 200, memory_mib: 512, gpu: limits.gpu };
        ServicePlan { service, count, replicas, requests, limits }
    };
    let services_planned: Vec<ServicePlan> = services.iter().map(plan).collect();
    let accepted_at = "2024-01-20T14:30:00Z".parse().unwrap();
    Tenant {
        id: TenantId::parse(id).unwrap(),
        spec: TenantSpec {
            name: "내 AI 서비스".into(),
            preset: Some(preset),
            service_requirements: services.iter().copied().collect(),
            sla_target: SlaTarget {
                availability: crate::tenant::Availability::parse("99.9%").unwrap(),
                response_time_ms: 200,
                concurrent_users: Some(200),
            },
            description: None,
            demo_fault: None,
        },
        sizing: Sizing {
            preset,
            resources,
            gpu_type: "v100".into(),
            services: services_planned,
            list_price_usd: 350,
            operator_cost_usd: 4000,
            deployment_time: DeploymentTime { min_minutes: 15, max_minutes: 20 },
            warnings: vec![],
        },
        status: TenantStatus::Pending,
        generation: 1,
        deployment_id: DeploymentId::generate(),
        created_at: accepted_at,
        updated_at: accepted_at,
    }
}

/// The contract's tenant.
fn my_ai_service() -> Tenant {
    let resources = Resources { cpu_millicores: 24_000, memory_mib: 32_768, gpu: 3, storage_gb: 1000 };
    let services = [
        (Service::Callbot, 50),
        (Service::Chatbot, 100),
        (Service::Advisor, 25),
        (Service::Stt, 30),
        (Service::Tts, 30),
    ];
    tenant("my-ai-service", Preset::Medium, resources, 3, &services)
}

fn chatbot_only() -> Tenant {
    let resources = Resources { cpu_millicores: 4000, memory_mib: 8192, gpu: 1, storage_gb: 250 };
    tenant("chat", Preset::Micro, resources, 1, &[(Service::Chatbot, 20)])
}

fn secrets() -> TenantSecrets {
    let values = SECRET_KEYS.iter().map(|key| ((*key).to_owned(), json!("0123456789abcdef")));
    serde_json::from_value(Value::Object(values.collect())).unwrap()
}

fn everything() -> RenderOptions {
    RenderOptions { include_ingress: true, ..RenderOptions::default() }
}

fn rendered(tenant: &Tenant, options: &RenderOptions) -> Manifest {
    render(&Catalog::embedded(), tenant, &secrets(), options)
}

fn as_json(object: &Object) -> Value {
    serde_json::to_value(object).unwrap()
}

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

/// The only object of a kind and name.
fn find<'a>(manifest: &'a Manifest, kind: &str, name: &str) -> &'a Object {
    let mut found = manifest.objects.iter().filter(|object| object.kind() == kind && object.name() == name);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} {name}"));
    assert!(found.next().is_none(), "two objects {kind} {name}");
    first
}

fn of_kind<'a>(manifest: &'a Manifest, kind: &'a str) -> impl Iterator<Item = &'a Object> {
    manifest.objects.iter().filter(move |object| object.kind() == kind)
}
