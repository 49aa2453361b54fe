#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::detail::TenantOut;
use super::*;
use crate::fields::Faults;
use ecp_core::Mode;
use ecp_core::catalog::Catalog;
use ecp_core::ids::{DeploymentId, Incarnation};
use ecp_core::quantity::Resources;
use ecp_core::sizing::{DeploymentTime, Sizing};
use ecp_core::tenant::{Availability, Preset, Service, SlaTarget, TenantSpec};
use ecp_core::text::Language;
use http::HeaderValue;
use std::cell::Cell;

fn tenant(id: &str, generation: u64) -> Tenant {
    Tenant {
        id: TenantId::parse(id).unwrap(),
        spec: TenantSpec {
            name: "이름".into(),
            preset: None,
            service_requirements: [(Service::Chatbot, 10)].into(),
            sla_target: SlaTarget {
                availability: Availability(999_000),
                response_time_ms: 200,
                concurrent_users: None,
            },
            description: None,
            exposure: None,
            management: Default::default(),
            demo_fault: None,
            sizing: ecp_core::sizing::SizingOptions::default(),
        },
        sizing: Sizing {
            preset: Preset::Micro,
            resources: Resources::default(),
            gpu_type: "t4".into(),
            services: Vec::new(),
            list_price_usd: 60,
            operator_cost_usd: 40,
            deployment_time: DeploymentTime { min_minutes: 5, max_minutes: 10 },
            warnings: Vec::new(),
            places: ecp_core::sizing::Places::new(),
        },
        status: TenantStatus::Running,
        generation,
        incarnation: Default::default(),
        deployment_id: DeploymentId::from_text("dep-1"),
        created_at: "2024-01-15T10:30:00Z".parse().unwrap(),
        updated_at: "2024-01-15T10:30:00Z".parse().unwrap(),
    }
}

fn matched(tags: &[&str], tenant: &Tenant) -> Result<Option<u64>, u16> {
    let mut headers = HeaderMap::new();
    for tag in tags {
        headers.append(IF_MATCH, HeaderValue::from_str(tag).unwrap());
    }
    if_match(&headers, tenant).map_err(|error| error.status().as_u16())
}

#[test]
fn if_match_compares_strong_tags_with_the_generation() {
    let tenant = tenant("acme", 3);
    assert_eq!(matched(&[], &tenant), Ok(None));
    assert_eq!(matched(&["*"], &tenant), Ok(None));
    assert_eq!(matched(&["\"3\""], &tenant), Ok(Some(3)));
    assert_eq!(matched(&["\"1\", \"3\""], &tenant), Ok(Some(3)));
    assert_eq!(matched(&["\"1\"", "\"3\""], &tenant), Ok(Some(3)));
    for stale in ["\"2\"", "W/\"3\"", "3", "\"x\"", "", " , "] {
        assert_eq!(matched(&[stale], &tenant), Err(412), "{stale}");
    }
}

#[test]
fn a_tenant_that_is_being_deleted_is_deleted_again_whatever_the_tag() {
    let tenant = Tenant { status: TenantStatus::Deleting, ..tenant("acme", 4) };
    assert_eq!(matched(&["\"3\""], &tenant), Ok(None));
    assert_eq!(matched(&["\"5\""], &tenant), Err(412), "it never had this one");
}

#[test]
fn a_tag_of_an_earlier_tenant_of_the_id_never_matches() {
    let running = Tenant { incarnation: Incarnation::begun_at(4), ..tenant("acme", 4) };
    let deleting = Tenant { status: TenantStatus::Deleting, generation: 5, ..running.clone() };
    for old in ["\"1\"", "\"2\"", "\"3\"", "\"04\"", "\"+4\""] {
        assert_eq!(matched(&[old], &running), Err(412), "{old}");
        assert_eq!(matched(&[old], &deleting), Err(412), "{old}");
    }
    assert_eq!(matched(&["\"4\""], &running), Ok(Some(4)));
    assert_eq!(matched(&["\"4\""], &deleting), Ok(None));
}

#[test]
fn a_detail_is_serialized_once_for_each_change_and_language() {
    let cache = DetailCache::default();
    let serialized = Cell::new(0);
    let get = |tenant: &Arc<Tenant>, language| {
        let serialize = || {
            serialized.set(serialized.get() + 1);
            format!("{} {language:?}", tenant.generation).into_bytes()
        };
        cache.get(tenant, language, || 1, serialize)
    };
    let first = Arc::new(tenant("acme", 1));
    for _ in 0..3 {
        assert_eq!(get(&first, Language::Ko), ("1 Ko".into(), HeaderValue::from_static("\"1\"")));
    }
    assert_eq!(serialized.get(), 1);
    assert_eq!(get(&first, Language::En).0, "1 En");
    assert_eq!(get(&first, Language::Ko).0, "1 Ko");
    assert_eq!(serialized.get(), 2);
    let changed = Arc::new(tenant("acme", 2));
    assert_eq!(get(&changed, Language::Ko), ("2 Ko".into(), HeaderValue::from_static("\"2\"")));
    assert_eq!(get(&changed, Language::En).0, "2 En");
    assert_eq!(serialized.get(), 4);
}

#[test]
fn details_of_deleted_tenants_do_not_pile_up() {
    let cache = DetailCache::default();
    for number in 0..1000 {
        let gone = Arc::new(tenant(&format!("t-{number}"), 1));
        cache.get(&gone, Language::Ko, || 1, Vec::new);
    }
    assert!(cache.len() <= 65, "{}", cache.len());
}

#[test]
fn what_was_read_of_a_tenant_can_be_sent_back_without_a_change_of_meaning() {
    let tenant = tenant("acme", 3);
    let read = TenantOut::new(&Catalog::embedded(), &tenant, true, Language::En);
    let read = serde_json::to_value(&read).unwrap();
    assert_eq!(read["preset_chosen_by"], "calculator");
    let faults = Faults::default();
    let patch = input::read_patch(&read, &tenant.id, Mode::Demo, &faults).unwrap();
    assert_eq!(faults.finish().unwrap(), Vec::<String>::new(), "nothing of it is unknown");
    assert_eq!(patch.preset, Some(None), "the calculator goes on choosing");
    assert_eq!(patch.service_requirements, tenant.spec.service_requirements);
}
