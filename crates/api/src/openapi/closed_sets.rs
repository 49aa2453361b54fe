//! Fills the document's closed sets from the domain's own lists, so that they can not drift apart.

use ecp_core::alerts::notice::DeliveryState;
use ecp_core::alerts::silence::SilencePhase;
use ecp_core::metrics::Interval;
use ecp_core::tenant::{DemoFault, Preset, Service, TenantStatus};
use serde_json::json;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Components, RefOr, Schema};

/// Schemas whose `status` is a tenant's.
const TENANT_SCHEMAS: [&str; 3] = ["TenantOut", "TenantSummaryOut", "CreatedTenantOut"];

fn presets() -> Vec<&'static str> {
    Preset::ALL.map(Preset::as_str).to_vec()
}

fn statuses() -> Vec<&'static str> {
    TenantStatus::ALL.map(TenantStatus::as_str).to_vec()
}

fn demo_faults() -> Vec<&'static str> {
    DemoFault::ALL.into_iter().map(DemoFault::as_str).chain(["none"]).collect()
}

/// Names every value that a property of a schema can have.
pub(super) fn close_properties(components: &mut Components) {
    for (name, schema) in &mut components.schemas {
        let RefOr::T(Schema::Object(schema)) = schema else { continue };
        let is_input = name.ends_with("In");
        for (property, schema) in &mut schema.properties {
            let RefOr::T(Schema::Object(schema)) = schema else { continue };
            let names = match property.as_str() {
                "preset" | "recommended_preset" | "suggested_preset" => presets(),
                "status" if TENANT_SCHEMAS.contains(&name.as_str()) => statuses(),
                "service_name" => Service::ALL.map(Service::as_str).to_vec(),
                "demo_fault" if is_input => demo_faults(),
                "service_requirements" => {
                    count_by_service(schema);
                    continue;
                }
                _ => continue,
            };
            close(schema, &names);
        }
    }
}

/// Names every value that a query parameter can have, and takes away the `null` that a query can not
/// say.
pub(super) fn close_parameters(operation: &mut Operation) {
    let id = operation.operation_id.clone();
    let lists_alerts = matches!(id.as_deref(), Some("list_alerts" | "list_all_alerts"));
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { continue };
        if let SchemaType::Array(types) = &schema.schema_type
            && let Some(only) = types.iter().find(|schema_type| **schema_type != Type::Null)
        {
            schema.schema_type = SchemaType::Type(only.clone());
        }
        if parameter.parameter_in != ParameterIn::Query {
            continue;
        }
        let names = match parameter.name.as_str() {
            "preset" => presets(),
            "status" if lists_alerts => crate::alerts::StateFilter::ALL.map(|state| state.as_str()).to_vec(),
            "status" if id.as_deref() == Some("list_silences") => {
                SilencePhase::ALL.map(SilencePhase::as_str).to_vec()
            }
            "status" if id.as_deref() == Some("list_deliveries") => {
                DeliveryState::ALL.map(DeliveryState::as_str).to_vec()
            }
            "status" => statuses(),
            "interval" => Interval::ALL.map(Interval::as_str).to_vec(),
            "format" if id.as_deref() == Some("get_costs") => {
                crate::costs::Format::ALL.map(|format| format.as_str()).to_vec()
            }
            "format" => crate::manifests::Format::ALL.map(|format| format.as_str()).to_vec(),
            _ => continue,
        };
        close(schema, &names);
    }
}

fn close(schema: &mut Object, names: &[&str]) {
    let mut values: Vec<_> = names.iter().map(|name| json!(name)).collect();
    if let SchemaType::Array(types) = &schema.schema_type
        && types.contains(&Type::Null)
    {
        values.push(json!(null));
    }
    schema.enum_values = Some(values);
}

fn count_by_service(schema: &mut Object) {
    let units = || {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .maximum(Some(ecp_core::tenant::MAX_UNITS))
            .build()
    };
    schema.properties =
        Service::ALL.into_iter().map(|service| (service.to_string(), units().into())).collect();
    schema.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
}
