//! How many tenants a second one core sizes and renders to YAML.

use crate::report::figure;
use ecp_core::Timestamp;
use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::manifest::{RenderOptions, SECRET_KEYS, render};
use ecp_core::sizing::SizingOptions;
use ecp_core::tenancy::planned_tenant;
use ecp_core::tenant::{Availability, Preset, Service, SlaTarget, TenantSecrets, TenantSpec};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Measures it in this process.
pub fn run(duration: Duration) -> anyhow::Result<()> {
    let catalog = Catalog::embedded();
    let services = [
        (Service::Callbot, 50),
        (Service::Chatbot, 100),
        (Service::Advisor, 25),
        (Service::Stt, 30),
        (Service::Tts, 30),
    ];
    let spec = TenantSpec {
        name: "my-ai-service".to_owned(),
        preset: Some(Preset::Medium),
        service_requirements: services.into_iter().collect(),
        sla_target: SlaTarget {
            availability: Availability::parse("99.9%")?,
            response_time_ms: 200,
            concurrent_users: Some(200),
        },
        description: None,
        exposure: None,
        management: Default::default(),
        demo_fault: None,
        sizing: SizingOptions::default(),
    };
    let id = TenantId::parse("my-ai-service")?;
    let tenant = planned_tenant(&catalog, id, spec, Timestamp::UNIX_EPOCH);
    let (secrets, options) = (TenantSecrets::generate(SECRET_KEYS), RenderOptions::default());
    let started = Instant::now();
    let mut rendered = 0_u32;
    while started.elapsed() < duration {
        black_box(render(&catalog, &tenant, &secrets, &options).to_yaml());
        rendered += 1;
    }
    let rate = f64::from(rendered) / started.elapsed().as_secs_f64();
    figure(
        "manifests of five services rendered as YAML, one core",
        &format!("{rate:.0}/s"),
        ">= 5000/s",
        rate >= 5000.0,
    );
    Ok(())
}
