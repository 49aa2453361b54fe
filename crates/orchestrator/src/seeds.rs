//! The tenants that a new demo database starts with, so that a first visit shows something.

use anyhow::Context;
use ecp_core::Timestamp;
use ecp_core::audit::AuditEntry;
use ecp_core::catalog::{Catalog, Edition};
use ecp_core::deployment::{Deployment, DeploymentKind, DeploymentStatus, LogLevel, Phase};
use ecp_core::ids::{DeploymentId, TenantId};
use ecp_core::manifest::SECRET_KEYS;
use ecp_core::origin::ServerActor;
use ecp_core::ports::{Admission, Clock, NewTenant, StoreError, TenantStore};
use ecp_core::revision::{Cause, NewRevision};
use ecp_core::sizing;
use ecp_core::tenant::{
    Availability, Preset, Service, SlaTarget, Tenant, TenantSecrets, TenantSpec, TenantStatus,
};
use ecp_core::text::Message;
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;

/// The setting that says the database was seeded; a seeded tenant that was deleted stays deleted.
const SEEDED: &str = "demo.seeded";

struct Seed {
    id: &'static str,
    name: &'static str,
    preset: Preset,
    services: &'static [(Service, u32)],
    availability: &'static str,
    response_time_ms: u32,
    created_at: &'static str,
    description: &'static str,
}

const SEEDS: [Seed; 4] = [
    Seed {
        id: "global-call-center",
        name: "글로벌 콜센터",
        preset: Preset::Large,
        services: &[(Service::Callbot, 25), (Service::Chatbot, 85), (Service::Advisor, 32)],
        availability: "99.86%",
        response_time_ms: 265,
        created_at: "2024-01-15T10:30:00Z",
        description: "글로벌 콜센터 AI 서비스",
    },
    Seed {
        id: "hanbit-card",
        name: "한빛카드 고객센터",
        preset: Preset::Medium,
        services: &[(Service::Callbot, 30), (Service::Chatbot, 60)],
        availability: "99.9%",
        response_time_ms: 300,
        created_at: "2024-03-04T01:00:00Z",
        description: "카드 분실 신고와 한도 조회를 처리하는 콜봇",
    },
    Seed {
        id: "namsan-shopping",
        name: "남산쇼핑 채팅상담",
        preset: Preset::Small,
        services: &[(Service::Chatbot, 40)],
        availability: "99.5%",
        response_time_ms: 400,
        created_at: "2024-05-20T00:15:00Z",
        description: "주문과 배송 문의 챗봇",
    },
    Seed {
        id: "seorak-insurance-qa",
        name: "설악보험 상담품질",
        preset: Preset::Micro,
        services: &[(Service::Ta, 2), (Service::Qa, 20)],
        availability: "99%",
        response_time_ms: 500,
        created_at: "2024-06-11T06:40:00Z",
        description: "야간 텍스트 분석과 상담품질 평가",
    },
];

/// The seeded tenants whose made-up load crosses the alert thresholds now and then.
pub fn busiest() -> HashSet<TenantId> {
    SEEDS.iter().take(1).filter_map(|seed| TenantId::parse(seed.id).ok()).collect()
}

/// Creates the demo tenants, running, in a database that never had them. They get secrets, a
/// finished deployment and an audit entry as any other tenant.
pub async fn plant(store: &dyn TenantStore, catalog: &Arc<Catalog>, clock: &dyn Clock) -> anyhow::Result<()> {
    if store.setting(SEEDED).await?.is_some() {
        return Ok(());
    }
    let edition = Arc::new(Edition::of(catalog.clone()));
    for seed in &SEEDS {
        match store.create_tenant(seed.tenant(&edition, clock.now())?).await {
            Ok(_) | Err(StoreError::TenantExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(store.set_setting(SEEDED, "true").await?)
}

impl Seed {
    fn tenant(&self, edition: &Arc<Edition>, now: Timestamp) -> anyhow::Result<NewTenant> {
        let created_at: Timestamp = self.created_at.parse()?;
        let spec = TenantSpec {
            name: self.name.to_owned(),
            preset: Some(self.preset),
            service_requirements: self.services.iter().copied().collect(),
            sla_target: SlaTarget {
                availability: Availability::parse(self.availability)
                    .with_context(|| format!("seed {}: availability", self.id))?,
                response_time_ms: self.response_time_ms,
                concurrent_users: None,
            },
            description: Some(self.description.to_owned()),
            exposure: None,
            management: Default::default(),
            demo_fault: None,
            sizing: sizing::SizingOptions::default(),
        };
        let tenant = Tenant {
            id: TenantId::parse(self.id)?,
            sizing: sizing::size(&edition.catalog, &spec.demand()),
            spec,
            status: TenantStatus::Running,
            generation: 1,
            incarnation: Default::default(),
            deployment_id: DeploymentId::generate(),
            created_at,
            updated_at: created_at,
        };
        let mut deployment = Deployment::accepted(
            tenant.deployment_id.clone(),
            tenant.id.clone(),
            1,
            DeploymentKind::Create,
            created_at,
            None,
        );
        deployment.status = DeploymentStatus::Running;
        deployment.phase = Phase::Completed;
        deployment.progress = 100;
        deployment.finished_at = Some(created_at);
        deployment.note(created_at, LogLevel::Info, Message::new("deployment.seeded"));
        let audit = AuditEntry {
            timestamp: now,
            actor: ServerActor::Demo.into(),
            action: "tenant.create".to_owned(),
            tenant_id: Some(tenant.id.clone()),
            request_id: None,
            before: None,
            after: Some(json!({ "generation": 1, "spec": tenant.spec })),
            outcome: "completed".to_owned(),
        };
        let secrets = TenantSecrets::generate(SECRET_KEYS);
        let mut revision = NewRevision::render(edition, &tenant, &secrets, Cause::Request);
        revision.revision.learn_from(&deployment);
        let (idempotency, admission) = (None, Admission::default());
        Ok(NewTenant { tenant, deployment, secrets, revision, idempotency, audit, admission })
    }
}
