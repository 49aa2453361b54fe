//! Manifests as a whole: against the contract, the published schema, and themselves.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod claims;
mod consistency;
mod contract;
mod reach;
mod schema;
mod snapshots;
mod text;

use super::{Manifest, Object, RenderOptions, SECRET_KEYS, render};
use crate::catalog::Catalog;
use crate::ids::{DeploymentId, TenantId};
use crate::simulation;
use crate::sizing::{ServicePlan, SizingOptions, size};
use crate::tenant::{
    Availability, Preset, Service, SlaTarget, Tenant, TenantSecrets, TenantSpec, TenantStatus,
};
use serde_json::{Value, json};

/// A tenant as the sizing makes it.
fn tenant(id: &str, preset: Option<Preset>, services: &[(Service, u32)]) -> Tenant {
    let spec = TenantSpec {
        name: "내 AI 서비스".into(),
        preset,
        service_requirements: services.iter().copied().collect(),
        sla_target: SlaTarget {
            availability: Availability::parse("99.9%").unwrap(),
            response_time_ms: 200,
            concurrent_users: Some(200),
        },
        description: None,
        exposure: None,
        management: Default::default(),
        demo_fault: None,
        sizing: SizingOptions::default(),
    };
    let demand = spec.demand();
    let accepted_at = "2024-01-20T14:30:00Z".parse().unwrap();
    Tenant {
        id: TenantId::parse(id).unwrap(),
        spec,
        sizing: size(&Catalog::embedded(), &demand),
        status: TenantStatus::Pending,
        generation: 1,
        incarnation: Default::default(),
        deployment_id: DeploymentId::generate(),
        created_at: accepted_at,
        updated_at: accepted_at,
    }
}

/// The contract's tenant.
pub(super) fn my_ai_service() -> Tenant {
    let services = [
        (Service::Callbot, 50),
        (Service::Chatbot, 100),
        (Service::Advisor, 25),
        (Service::Stt, 30),
        (Service::Tts, 30),
    ];
    tenant("my-ai-service", Some(Preset::Medium), &services)
}

fn chatbot_only() -> Tenant {
    tenant("chat", Some(Preset::Micro), &[(Service::Chatbot, 20)])
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

/// What a minute of the contract's tenant is like, as a catalog renders it.
fn simulated(catalog: &Catalog) -> simulation::Verification {
    let tenant = my_ai_service();
    simulation::verify(
        catalog,
        &tenant.spec.demand(),
        &tenant.sizing,
        &render(catalog, &tenant, &secrets(), &everything()).objects,
        &simulation::Options { seconds: 60.0, ..Default::default() },
    )
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
