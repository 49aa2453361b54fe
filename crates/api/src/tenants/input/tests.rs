#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::*;
use crate::error::ApiError;
use ecp_core::Timestamp;
use ecp_core::text::Language;
use serde_json::json;

const DEFAULT_SLA: SlaTarget =
    SlaTarget { availability: Availability(995_000), response_time_ms: 300, concurrent_users: None };

fn creation(body: &Value, mode: Mode) -> Result<(TenantId, TenantSpec), ApiError> {
    let faults = Faults::default();
    let read = read_creation(body, mode, DEFAULT_SLA, &faults);
    faults.finish().map(|_| read.unwrap())
}

fn pointers(error: &ApiError) -> Vec<String> {
    let body = error.envelope(Language::En, Timestamp::UNIX_EPOCH, "req-test");
    let fields = body["error"]["details"]["fields"].as_array().unwrap();
    fields.iter().map(|field| field["pointer"].as_str().unwrap().to_owned()).collect()
}

fn contract_example() -> Value {
    json!({
        "tenant_id": "my-ai-service",
        "name": "내 AI 서비스",
        "preset": "medium",
        "service_requirements": {"callbot": 50, "chatbot": 100, "advisor": 25, "stt": 30, "tts": 30},
        "sla_target": {"availability": "99.9%", "response_time": "200ms", "concurrent_users": 200},
        "description": "내 AI 서비스 설명"
    })
}

#[test]
fn the_contracts_creation_is_read_whole() {
    let (id, spec) = creation(&contract_example(), Mode::Real).unwrap();
    assert_eq!(id.as_str(), "my-ai-service");
    assert_eq!(spec.preset, Some(Preset::Medium));
    assert_eq!(spec.service_requirements.len(), 5);
    assert_eq!(spec.service_requirements[&Service::Chatbot], 100);
    assert_eq!(spec.sla_target.response_time_ms, 200);
    assert_eq!(spec.sla_target.concurrent_users, Some(200));
    assert_eq!(spec.description.as_deref(), Some("내 AI 서비스 설명"));
    assert_eq!(spec.demo_fault, None);
}

#[test]
fn every_field_that_is_wrong_is_named() {
    let body = json!({
        "tenant_id": "My Service",
        "name": "",
        "preset": "huge",
        "service_requirements": {"callbto": 1, "chatbot": -5, "advisor": 2.5, "stt": "7", "tts": 1_000_001},
        "sla_target": {"availability": "101%", "response_time": "soon", "concurrent_users": 0},
        "description": 7,
        "demo_fault": "crash-loop"
    });
    assert_eq!(
        pointers(&creation(&body, Mode::Real).unwrap_err()),
        [
            "/tenant_id",
            "/name",
            "/preset",
            "/service_requirements/callbto",
            "/service_requirements/chatbot",
            "/service_requirements/advisor",
            "/service_requirements/stt",
            "/service_requirements/tts",
            "/sla_target/availability",
            "/sla_target/response_time",
            "/sla_target/concurrent_users",
            "/description",
            "/demo_fault"
        ]
    );
}

#[test]
fn an_empty_object_lacks_three_fields_and_another_document_is_no_tenant() {
    let error = creation(&json!({}), Mode::Demo).unwrap_err();
    assert_eq!(pointers(&error), ["/tenant_id", "/name", "/service_requirements"]);
    for wrong in [json!([]), json!(null), json!("text"), json!(5)] {
        assert_eq!(pointers(&creation(&wrong, Mode::Demo).unwrap_err()), [""], "{wrong}");
    }
}

#[test]
fn a_service_of_zero_is_not_ordered_and_one_must_remain() {
    let mut body = contract_example();
    body["service_requirements"] = json!({"callbot": 5, "ta": 0, "qa": null});
    let (_, spec) = creation(&body, Mode::Demo).unwrap();
    assert_eq!(spec.service_requirements, BTreeMap::from([(Service::Callbot, 5)]));
    for nothing in [json!({}), json!({"callbot": 0})] {
        body["service_requirements"] = nothing;
        assert_eq!(pointers(&creation(&body, Mode::Demo).unwrap_err()), ["/service_requirements"]);
    }
    body["service_requirements"] = json!({"callbto": 5});
    assert_eq!(pointers(&creation(&body, Mode::Demo).unwrap_err()), ["/service_requirements/callbto"]);
}

#[test]
fn a_wrong_preset_alone_is_invalid_preset() {
    let mut body = contract_example();
    body["preset"] = json!("meduim");
    assert_eq!(creation(&body, Mode::Demo).unwrap_err().code().as_str(), "INVALID_PRESET");
}

#[test]
fn a_tenant_without_a_target_gets_the_default_and_a_named_part_replaces_its_own() {
    let mut body = contract_example();
    body.as_object_mut().unwrap().remove("sla_target");
    assert_eq!(creation(&body, Mode::Demo).unwrap().1.sla_target, DEFAULT_SLA);
    body["sla_target"] = json!({"response_time": 150});
    let target = creation(&body, Mode::Demo).unwrap().1.sla_target;
    assert_eq!((target.response_time_ms, target.availability), (150, DEFAULT_SLA.availability));
}

#[test]
fn response_times_are_read_in_their_spellings() {
    for (spelling, millis) in [
        (json!("200ms"), Some(200)),
        (json!("0.2s"), Some(200)),
        (json!("1.5 s"), Some(1500)),
        (json!("265"), Some(265)),
        (json!(150), Some(150)),
        (json!("60s"), Some(60_000)),
        (json!("60.001s"), None),
        (json!("0ms"), None),
        (json!("0.5ms"), None),
        (json!("-1ms"), None),
        (json!("1e3ms"), None),
        (json!(""), None),
        (json!(".5s"), None),
        (json!("9999999999s"), None),
        (json!(0.5), None),
        (json!([200]), None),
    ] {
        assert_eq!(response_time_ms(&spelling), millis, "{spelling}");
    }
}

#[test]
fn availability_is_a_share_in_percent_as_text_or_number() {
    for right in [json!("99.9%"), json!("99.9"), json!(99.9)] {
        assert_eq!(availability(&right), Ok(Availability(999_000)), "{right}");
    }
    for wrong in [json!("high"), json!(0), json!(100.1), json!(true), json!(-5)] {
        assert_eq!(availability(&wrong), Err(AvailabilityFault::NotAPercentage), "{wrong}");
    }
}

#[test]
fn a_patch_holds_what_is_named_and_zeros_remove() {
    let id = TenantId::parse("acme").unwrap();
    let faults = Faults::default();
    let body = json!({
        "tenant_id": "acme",
        "service_requirements": {"callbot": 75, "stt": 0},
        "sla_target": {"availability": "99.95%"}
    });
    let patch = read_patch(&body, &id, Mode::Demo, &faults).unwrap();
    assert_eq!(faults.count(), 0);
    assert_eq!(patch.service_requirements, BTreeMap::from([(Service::Callbot, 75), (Service::Stt, 0)]));
    assert_eq!(patch.availability, Some(Availability(999_500)));
    assert_eq!((patch.name, patch.response_time_ms, patch.demo_fault), (None, None, None));
}

#[test]
fn a_patch_can_not_rename_the_id_and_takes_a_demo_fault_away() {
    let id = TenantId::parse("acme").unwrap();
    let faults = Faults::default();
    read_patch(&json!({"tenant_id": "other"}), &id, Mode::Demo, &faults).unwrap();
    assert_eq!(pointers(&faults.finish().unwrap_err()), ["/tenant_id"]);
    let read = |body: Value, mode| {
        let faults = Faults::default();
        let patch = read_patch(&body, &id, mode, &faults).unwrap();
        faults.finish().map(|_| patch.demo_fault)
    };
    assert_eq!(read(json!({"demo_fault": "none"}), Mode::Real).unwrap(), Some(None));
    assert_eq!(
        read(json!({"demo_fault": "crash-loop"}), Mode::Demo).unwrap(),
        Some(Some(DemoFault::CrashLoop))
    );
    assert!(read(json!({"demo_fault": "crash-lop"}), Mode::Demo).is_err());
}

#[test]
fn an_availability_below_one_without_its_sign_is_asked_about_wherever_it_is_read() {
    let texts = [json!("0.999"), json!(0.999), json!(" .999 "), serde_json::from_str("999e-3").unwrap()];
    for value in texts {
        let sla = json!({"availability": value});
        let body = json!({
            "tenant_id": "acme", "name": "a", "service_requirements": {"chatbot": 1}, "sla_target": sla
        });
        let id = TenantId::parse("acme").unwrap();
        let patch = |faults: &Faults| drop(read_patch(&json!({"sla_target": sla}), &id, Mode::Real, faults));
        let readers: [&dyn Fn(&Faults); 3] = [
            &|faults| drop(read_creation(&body, Mode::Real, DEFAULT_SLA, faults)),
            &|faults| drop(read_demand(&body, DEFAULT_SLA, faults)),
            &patch,
        ];
        for read in readers {
            let faults = Faults::default();
            read(&faults);
            let error = faults.finish().unwrap_err();
            assert_eq!(pointers(&error), ["/sla_target/availability"], "{value}");
            let english = error.envelope(Language::En, Timestamp::UNIX_EPOCH, "req-test").to_string();
            assert!(english.contains("was '99.9%' meant?"), "{english}");
        }
    }
    for percent in [json!("0.999%"), json!("99.9"), json!(99.9), json!(1), json!(100)] {
        let mut body = contract_example();
        body["sla_target"]["availability"] = percent;
        assert!(creation(&body, Mode::Real).is_ok(), "{body}");
    }
}

#[test]
fn a_word_of_the_paths_is_no_id_of_a_new_tenant() {
    for word in ecp_core::ids::RESERVED_TENANT_IDS {
        let mut body = contract_example();
        body["tenant_id"] = json!(word);
        assert_eq!(pointers(&creation(&body, Mode::Demo).unwrap_err()), ["/tenant_id"], "{word}");
    }
}

#[test]
fn a_detail_that_is_sent_back_is_read_without_a_warning() {
    let crate::json::Shape::Object(members) = &TENANT else { panic!("a tenant is an object") };
    for name in READ_ONLY {
        assert!(members.iter().any(|(member, _)| *member == name), "{name}");
    }
    let body = READ_ONLY.map(|name| format!("\"{name}\": {{}}")).join(",");
    let read = crate::json::read(format!("{{{body}, \"colour\": 1}}").as_bytes(), &TENANT).unwrap();
    assert_eq!(read.unknown.into_names(), ["colour"]);
}
