//! What the API answers without a server: sizing, rendering and validating, for the command line.
//!
//! The same readers, the same domain calls and the same JSON as the operations of those names; there is
//! no store to look into and no cluster to ask.

use crate::catalog::CatalogDiffOut;
use crate::error::ApiError;
use crate::fields::Faults;
use crate::manifests::ValidationOut;
use crate::sizing::CalculationOut;
use crate::tenants::input::{read_calculation, read_creation};
use crate::verification::VerificationOut;
use ecp_core::catalog::{Catalog, Edition};
use ecp_core::catalog_change;
use ecp_core::ids::is_dns_1123_label;
use ecp_core::manifest::{Manifest, RenderOptions, SECRET_KEYS, render};
use ecp_core::ports::TenantStore;
use ecp_core::sizing::{calculate, explain};
use ecp_core::tenancy::planned_tenant;
use ecp_core::tenant::TenantSecrets;
use ecp_core::text::{Language, Message};
use ecp_core::{Mode, Timestamp};
use ecp_validate::{Options, Unreadable};
use serde_json::Value;
use std::sync::Arc;

/// An answer, and the members of the request that nothing reads.
#[derive(Debug)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// Paths of members that the API does not know.
    pub unknown: Vec<String>,
}

/// What `calculate_resources` answers, and the explanation of every number.
///
/// # Errors
/// As that operation: every wrong field.
pub fn size(catalog: &Catalog, body: &Value, language: Language) -> Result<Answer<(Value, Value)>, ApiError> {
    let faults = Faults::default();
    let read = read_calculation(body, catalog.default_sla(), &faults);
    let unknown = faults.finish()?;
    let (demand, verify) = read.ok_or_else(|| ApiError::invalid_fields(Vec::new()))?;
    let calculation = calculate(catalog, &demand);
    let verification = match verify {
        true => VerificationOut::both_hours(catalog, &demand, &calculation.sizing),
        false => Vec::new(),
    };
    let out = CalculationOut::new(catalog, &demand, &calculation, language);
    let value = to_value(&out.verified(verification));
    Ok(Answer { value: (value, explain(catalog, &demand)), unknown })
}

/// What a catalog would change of the tenants of a store, as `compare_catalog` answers.
pub async fn catalog_diff(store: &dyn TenantStore, catalog: Catalog, language: Language) -> Value {
    let edition = Edition::of(Arc::new(catalog));
    let differences = catalog_change::differences(store, &edition).await;
    let all = store.tenants();
    let ids = all.iter().map(|tenant| &tenant.id).collect();
    to_value(&CatalogDiffOut::new(&edition, &differences, &ids, language))
}

/// The manifest of the tenant that a creation's body describes. Secret values are redacted: the real
/// ones are made when the tenant is created.
///
/// # Errors
/// As `create_tenant`, every wrong field; or the namespace is no DNS-1123 label.
pub fn manifest(
    catalog: &Catalog,
    body: &Value,
    mode: Mode,
    options: &RenderOptions,
) -> Result<Answer<Manifest>, ApiError> {
    if options.namespace.as_deref().is_some_and(|namespace| !is_dns_1123_label(namespace)) {
        return Err(ApiError::invalid_field("namespace", Message::new("api.not_a_dns_label")));
    }
    let faults = Faults::default();
    let creation = read_creation(body, mode, catalog.default_sla(), &faults);
    let unknown = faults.finish()?;
    let (id, spec) = creation.ok_or_else(|| ApiError::invalid_fields(Vec::new()))?;
    // Nothing of a manifest comes from the time of its tenant.
    let tenant = planned_tenant(catalog, id, spec, Timestamp::UNIX_EPOCH);
    let secrets = TenantSecrets::generate(SECRET_KEYS);
    let options = RenderOptions { redact_secrets: true, ..options.clone() };
    Ok(Answer { value: render(catalog, &tenant, &secrets, &options), unknown })
}

/// What `validate_manifest` answers where there is no cluster to compare with, held against these options.
///
/// # Errors
/// The text is too large or can not be read as a manifest.
pub fn validate(
    catalog: &Catalog,
    content: &str,
    options: &Options<'_>,
    language: Language,
) -> Result<Value, Unreadable> {
    let report = ecp_validate::validate_manifest(catalog, content, options)?;
    Ok(to_value(&ValidationOut::new(&report, language)))
}

fn to_value(body: &impl serde::Serialize) -> Value {
    // Every key is a text and every number finite, so serializing can not fail.
    serde_json::to_value(body).expect("an answer serializes")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_manifest_depends_on_nothing_but_the_tenant_and_holds_no_secret() {
        let catalog = Catalog::embedded();
        let body =
            json!({"tenant_id": "a", "name": "A", "service_requirements": {"chatbot": 5}, "colour": 1});
        let render = || manifest(&catalog, &body, Mode::Real, &RenderOptions::default()).unwrap();
        assert_eq!(render().value.to_yaml(), render().value.to_yaml());
        assert_eq!(render().unknown, ["colour"]);
    }

    #[test]
    fn every_fault_of_a_body_is_named() {
        let catalog = Catalog::embedded();
        let wrong = json!({"tenant_id": "A B", "name": "", "service_requirements": {}});
        let error = manifest(&catalog, &wrong, Mode::Real, &RenderOptions::default()).unwrap_err();
        let envelope = error.envelope(Language::En, Timestamp::UNIX_EPOCH, "");
        assert_eq!(envelope["error"]["details"]["fields"].as_array().unwrap().len(), 3);
        let options = RenderOptions { namespace: Some("No".to_owned()), ..RenderOptions::default() };
        let fine = json!({"tenant_id": "a", "name": "A", "service_requirements": {"chatbot": 5}});
        assert!(manifest(&catalog, &fine, Mode::Real, &options).is_err());
    }
}
