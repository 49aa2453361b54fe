//! Checks what callers say of a tenant: the bodies of create, update and the calculator.

use crate::fields::{Faults, FieldReader, integer_expected, unknown_choice, whole_number};
use crate::json::Shape;
use ecp_core::Mode;
use ecp_core::ids::{TenantId, TenantIdFault};
use ecp_core::sizing::{Demand, Percentile, Share, SizedFor, SizingOptions, SizingPatch, Survives};
use ecp_core::tenancy::TenantPatch;
use ecp_core::tenant::{
    Availability, AvailabilityFault, DemoFault, Exposure, ExposureChoice, MAX_UNITS, Management, Preset,
    PresetChoice, Service, ServiceRequirements, SlaTarget, TenantSpec,
};
use ecp_core::text::Message;
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest response time target in milliseconds.
const MAX_RESPONSE_TIME_MS: u64 = 60_000;
/// Most headroom and growth in percent.
const MAX_GROWTH_PERCENT: u32 = 1000;
/// The fault of a spelling that is none of a closed set.
const UNKNOWN_CHOICE: &str = "api.unknown_choice";
/// Most concurrent users that a request may state.
const MAX_CONCURRENT_USERS: u64 = 10_000_000;
/// Characters of a tenant's name.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 1..=200;
/// Characters of a tenant's description.
const DESCRIPTION_LENGTH: std::ops::RangeInclusive<usize> = 0..=2000;
/// What takes a demo fault away again.
const NO_DEMO_FAULT: &str = "none";

/// What is read of an SLA target.
const SLA: Shape = Shape::Object(&[
    ("availability", Shape::Scalar),
    ("response_time", Shape::Scalar),
    ("concurrent_users", Shape::Scalar),
]);
/// What is read of what a planner asks for.
const SIZING: Shape = Shape::Object(&[
    ("size_for", Shape::Scalar),
    ("busy_hour_share", SERVICES),
    ("blocking", Shape::Scalar),
    ("percentile", Shape::Scalar),
    ("response_time", SERVICES),
    ("headroom", Shape::Scalar),
    ("growth", Shape::Scalar),
    ("survives", Shape::Scalar),
]);
/// What is read of units, or of another figure, by service.
const SERVICES: Shape = Shape::Map(&Shape::Scalar);

/// What is read of a creation and of a change, and what a detail that is sent back has besides.
pub(crate) static TENANT: Shape = Shape::Object(&[
    ("tenant_id", Shape::Scalar),
    ("name", Shape::Scalar),
    ("preset", Shape::Scalar),
    ("preset_chosen_by", Shape::Scalar),
    ("service_requirements", SERVICES),
    ("sla_target", SLA),
    ("sizing", SIZING),
    ("description", Shape::Scalar),
    ("exposure", Shape::Scalar),
    ("exposure_chosen_by", Shape::Scalar),
    ("management", Shape::Scalar),
    ("demo_fault", Shape::Scalar),
    ("is_demo", Shape::Scalar),
    ("status", Shape::Scalar),
    ("resources", Shape::Scalar),
    ("services", Shape::Scalar),
    ("created_at", Shape::Scalar),
    ("updated_at", Shape::Scalar),
    ("gpu_type", Shape::Scalar),
    ("estimated_cost", Shape::Scalar),
    ("operator_cost", Shape::Scalar),
    ("deployment_id", Shape::Scalar),
    ("generation", Shape::Scalar),
    ("warnings", Shape::Scalar),
]);

/// What is read of a demand.
pub(crate) static DEMAND: Shape = Shape::Object(&[
    ("preset", Shape::Scalar),
    ("preset_chosen_by", Shape::Scalar),
    ("service_requirements", SERVICES),
    ("sla_target", SLA),
    ("sizing", SIZING),
    ("verify", Shape::Scalar),
]);

/// Reads a tenant id, and says why it is none.
pub(crate) fn tenant_id(reader: &FieldReader<'_>, name: &'static str) -> Option<TenantId> {
    read_tenant_id(reader, name, TenantId::parse)
}

fn read_tenant_id(
    reader: &FieldReader<'_>,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<TenantId, TenantIdFault>,
) -> Option<TenantId> {
    match parse(reader.any_text(name)?) {
        Ok(id) => Some(id),
        Err(fault) => {
            reader.fault(name, fault.message());
            None
        }
    }
}

/// Members of a tenant's detail that a request can not set. Who sends back what was read is not warned of
/// them.
const READ_ONLY: [&str; 12] = [
    "is_demo",
    "status",
    "resources",
    "services",
    "created_at",
    "updated_at",
    "gpu_type",
    "estimated_cost",
    "operator_cost",
    "deployment_id",
    "generation",
    "warnings",
];

/// The body of a creation; what it does not promise is `default_sla`.
pub(crate) fn read_creation(
    body: &Value,
    mode: Mode,
    default_sla: SlaTarget,
    faults: &Faults,
) -> Option<(TenantId, TenantSpec)> {
    let reader = FieldReader::new(faults, String::new(), body)?;
    for required in ["tenant_id", "name", "service_requirements"] {
        reader.require(required);
    }
    let id = read_tenant_id(&reader, "tenant_id", TenantId::parse_new);
    let name = reader.line("name", NAME_LENGTH);
    let preset = preset(&reader).flatten();
    let services = ordered_services(&reader);
    let sla_target = sla(&reader).over(default_sla);
    let description = reader.text("description", DESCRIPTION_LENGTH);
    let exposure = exposure(&reader);
    let management = management(&reader);
    let demo_fault = demo_fault(&reader, mode);
    let sizing = sizing(&reader);
    reader.ignore(&READ_ONLY);
    reader.note_unknown();
    let spec = TenantSpec {
        name: name?.to_owned(),
        preset,
        service_requirements: services?,
        sla_target,
        description: description.map(str::to_owned),
        exposure: exposure.flatten(),
        management: management.unwrap_or_default(),
        demo_fault: demo_fault.flatten(),
        sizing: sizing.over(SizingOptions::default()),
    };
    Some((id?, spec))
}

/// The body of a change; `id` is the tenant of the path, which a body may repeat.
pub(crate) fn read_patch(body: &Value, id: &TenantId, mode: Mode, faults: &Faults) -> Option<TenantPatch> {
    let reader = FieldReader::new(faults, String::new(), body)?;
    if let Some(named) = reader.any_text("tenant_id")
        && named != id.as_str()
    {
        reader.fault("tenant_id", Message::new("api.tenant_id_fixed"));
    }
    let name = reader.line("name", NAME_LENGTH);
    let preset = preset(&reader);
    let service_requirements = services(&reader).unwrap_or_default();
    let sla = sla(&reader);
    let description = reader.text("description", DESCRIPTION_LENGTH);
    let exposure = exposure(&reader);
    let management = management(&reader);
    let demo_fault = demo_fault(&reader, mode);
    let sizing = sizing(&reader);
    reader.ignore(&READ_ONLY);
    reader.note_unknown();
    Some(TenantPatch {
        name: name.map(str::to_owned),
        preset,
        service_requirements,
        availability: sla.availability,
        response_time_ms: sla.response_time_ms,
        concurrent_users: sla.concurrent_users,
        description: description.map(str::to_owned),
        exposure,
        management,
        demo_fault,
        sizing,
    })
}

/// What the calculator is asked: a demand without a tenant, and whether it is to be verified.
pub(crate) fn read_calculation(
    body: &Value,
    default_sla: SlaTarget,
    faults: &Faults,
) -> Option<(Demand, bool)> {
    let verify = body.get("verify").filter(|value| !value.is_null()).map(|value| {
        value.as_bool().unwrap_or_else(|| {
            faults.add("/verify", Message::new("api.expects_flag"));
            false
        })
    });
    Some((read_demand(body, default_sla, faults)?, verify.unwrap_or(false)))
}

/// What the calculator is asked: a demand without a tenant.
pub(crate) fn read_demand(body: &Value, default_sla: SlaTarget, faults: &Faults) -> Option<Demand> {
    let reader = FieldReader::new(faults, String::new(), body)?;
    reader.require("service_requirements");
    let preset = preset(&reader).flatten();
    let services = ordered_services(&reader);
    let sla_target = sla(&reader).over(default_sla);
    let options = sizing(&reader).over(SizingOptions::default());
    reader.ignore(&["verify"]);
    reader.note_unknown();
    Some(Demand { preset, service_requirements: services?, sla_target, options })
}

/// The plan that is asked for; the outer `None` is "not named", the inner one "the calculator chooses".
fn preset(reader: &FieldReader<'_>) -> Option<Option<Preset>> {
    let preset = reader.choice("preset", "api.unknown_preset", &Preset::ALL, Preset::as_str);
    let kind = "api.unknown_preset_choice";
    match reader.choice("preset_chosen_by", kind, &PresetChoice::ALL, PresetChoice::as_str) {
        Some(PresetChoice::Calculator) => Some(None),
        Some(PresetChoice::Request) | None => preset.map(Some),
    }
}

/// How the tenant is to be reached; the outer `None` is "not named", the inner one "as the catalog says".
fn exposure(reader: &FieldReader<'_>) -> Option<Option<Exposure>> {
    let exposure = reader.choice("exposure", "api.unknown_exposure", &Exposure::ALL, Exposure::as_str);
    let kind = "api.unknown_exposure_choice";
    match reader.choice("exposure_chosen_by", kind, &ExposureChoice::ALL, ExposureChoice::as_str) {
        Some(ExposureChoice::Catalog) => Some(None),
        Some(ExposureChoice::Request) | None => exposure.map(Some),
    }
}

/// Who brings the tenant's objects to the cluster.
fn management(reader: &FieldReader<'_>) -> Option<Management> {
    reader.choice("management", "api.unknown_management", &Management::ALL, Management::as_str)
}

/// Units by service as sent, zeros included.
fn services(reader: &FieldReader<'_>) -> Option<BTreeMap<Service, u32>> {
    let object = reader.object("service_requirements")?;
    let mut services = BTreeMap::new();
    for (key, value) in object.entries() {
        let Ok(service) = key.parse::<Service>() else {
            let names = Service::ALL.into_iter().map(Service::as_str);
            object.fault(key, unknown_choice("api.unknown_service", key, names));
            continue;
        };
        match whole_number(value).filter(|units| *units <= MAX_UNITS) {
            // At most a million.
            Some(units) => _ = services.insert(service, units as u32),
            None => object.fault(key, integer_expected(&(0..=MAX_UNITS))),
        }
    }
    Some(services)
}

/// Units by service without those of which none is ordered; at least one must remain.
fn ordered_services(reader: &FieldReader<'_>) -> Option<ServiceRequirements> {
    let faults_before = reader.fault_count();
    let mut ordered = services(reader)?;
    ordered.retain(|_, units| *units > 0);
    // Where names or numbers are wrong, those faults say why nothing is left.
    if ordered.is_empty() && reader.fault_count() == faults_before {
        reader.fault("service_requirements", Message::new("api.no_services"));
    }
    Some(ordered)
}

/// What the planner asks for beyond units and SLA.
fn sizing(reader: &FieldReader<'_>) -> SizingPatch {
    let Some(sizing) = reader.object("sizing") else { return SizingPatch::default() };
    let share = |name: &'static str, most_percent: u32| {
        let value = sizing.value(name)?;
        let share = value.as_str().and_then(|text| Share::parse(text, most_percent));
        if share.is_none() {
            sizing.fault(name, Message::new("api.expects_share").with("max", most_percent));
        }
        share
    };
    let patch = SizingPatch {
        sized_for: sizing.choice("size_for", UNKNOWN_CHOICE, SizedFor::ALL, SizedFor::as_str),
        busy_hour_share: by_service(&sizing, "busy_hour_share", |value| {
            let share = value.as_str().and_then(|text| Share::parse(text, 100));
            share.ok_or_else(|| Message::new("api.expects_share").with("max", 100))
        }),
        blocking: share("blocking", 100),
        percentile: sizing.choice("percentile", UNKNOWN_CHOICE, Percentile::ALL, Percentile::as_str),
        response_time_ms: by_service(&sizing, "response_time", |value| {
            let fault = || Message::new("api.expects_response_time").with("max", MAX_RESPONSE_TIME_MS);
            response_time_ms(value).ok_or_else(fault)
        }),
        headroom: share("headroom", MAX_GROWTH_PERCENT),
        growth: share("growth", MAX_GROWTH_PERCENT),
        survives: sizing.choice("survives", UNKNOWN_CHOICE, Survives::ALL, Survives::as_str),
    };
    sizing.note_unknown();
    patch
}

/// An object whose keys are services.
fn by_service<T>(
    reader: &FieldReader<'_>,
    name: &'static str,
    read: impl Fn(&Value) -> Result<T, Message>,
) -> BTreeMap<Service, T> {
    let mut values = BTreeMap::new();
    let Some(object) = reader.object(name) else { return values };
    for (key, value) in object.entries() {
        let Ok(service) = key.parse::<Service>() else {
            let names = Service::ALL.into_iter().map(Service::as_str);
            object.fault(key, unknown_choice("api.unknown_service", key, names));
            continue;
        };
        match read(value) {
            Ok(value) => _ = values.insert(service, value),
            Err(fault) => object.fault(key, fault),
        }
    }
    values
}

/// The parts of a target that were named.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct SlaParts {
    availability: Option<Availability>,
    response_time_ms: Option<u32>,
    concurrent_users: Option<u32>,
}

impl SlaParts {
    fn over(self, base: SlaTarget) -> SlaTarget {
        SlaTarget {
            availability: self.availability.unwrap_or(base.availability),
            response_time_ms: self.response_time_ms.unwrap_or(base.response_time_ms),
            concurrent_users: self.concurrent_users.or(base.concurrent_users),
        }
    }
}

fn sla(reader: &FieldReader<'_>) -> SlaParts {
    let Some(target) = reader.object("sla_target") else { return SlaParts::default() };
    let availability = target.value("availability").and_then(|value| {
        let parsed = availability(value);
        if let Err(fault) = parsed {
            target.fault("availability", fault.message());
        }
        parsed.ok()
    });
    let response_time_ms = target.value("response_time").and_then(|value| {
        let parsed = response_time_ms(value);
        if parsed.is_none() {
            let reason = Message::new("api.expects_response_time").with("max", MAX_RESPONSE_TIME_MS);
            target.fault("response_time", reason);
        }
        parsed
    });
    let concurrent_users = target.integer("concurrent_users", 1..=MAX_CONCURRENT_USERS);
    target.note_unknown();
    // At most ten million.
    SlaParts { availability, response_time_ms, concurrent_users: concurrent_users.map(|users| users as u32) }
}

/// `"99.9%"`, `"99.9"` or `99.9`.
fn availability(value: &Value) -> Result<Availability, AvailabilityFault> {
    match value {
        Value::String(text) => Availability::parse(text),
        // In plain digits, however it was written: `999e-3` is no other number than `0.999`.
        Value::Number(number) => Availability::parse(&number.as_f64().unwrap_or(0.0).to_string()),
        _ => Err(AvailabilityFault::NotAPercentage),
    }
}

/// `"200ms"`, `"0.2s"` or `200`, in whole milliseconds from 1.
fn response_time_ms(value: &Value) -> Option<u32> {
    let millis = match value {
        Value::String(text) => {
            let text = text.trim();
            if let Some(number) = text.strip_suffix("ms") {
                whole(thousandths(number)?)?
            } else if let Some(number) = text.strip_suffix('s') {
                thousandths(number)?
            } else {
                whole(thousandths(text)?)?
            }
        }
        other => whole_number(other)?,
    };
    // At most sixty thousand.
    (1..=MAX_RESPONSE_TIME_MS).contains(&millis).then_some(millis as u32)
}

/// The whole number of an amount in thousandths, where it is one.
fn whole(thousandths: u64) -> Option<u64> {
    thousandths.is_multiple_of(1000).then_some(thousandths / 1000)
}

/// Reads digits with up to three decimals, exactly.
fn thousandths(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 9 || decimals.len() > 3 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let decimals: u64 = format!("{decimals:0<3}").parse().ok()?;
    Some(whole * 1000 + decimals)
}

/// The failure that a demo deployment is to show; the outer `None` is "not named".
fn demo_fault(reader: &FieldReader<'_>, mode: Mode) -> Option<Option<DemoFault>> {
    const NAME: &str = "demo_fault";
    let text = reader.any_text(NAME)?;
    if text == NO_DEMO_FAULT {
        return Some(None);
    }
    if !mode.is_demo() {
        reader.fault(NAME, Message::new("api.demo_fault_in_real_mode"));
        return None;
    }
    match text.parse::<DemoFault>() {
        Ok(fault) => Some(Some(fault)),
        Err(()) => {
            let names = DemoFault::ALL.into_iter().map(DemoFault::as_str).chain([NO_DEMO_FAULT]);
            reader.fault(NAME, unknown_choice("api.unknown_demo_fault", text, names));
            None
        }
    }
}

#[cfg(test)]
mod tests;
