//! Tenants over HTTP: list, detail, create, update, delete.
//!
//! Each call has a file; this one holds what they share: the routes, finding the tenant of a path,
//! and the preconditions of `If-Match`.

mod create;
mod delete;
mod detail;
mod expectation;
mod idempotency;
pub(crate) mod input;
mod list;
pub(crate) mod live;
mod order;
mod preview;
mod update;

pub(crate) use create::{__path_create_tenant, SizingIn, SlaTargetIn, create_tenant};
pub(crate) use delete::{__path_delete_tenant, delete_tenant};
pub(crate) use detail::{
    __path_get_tenant, DetailCache, SlaTargetOut, TenantOut, TenantServiceOut, get_tenant,
};
pub(crate) use list::{__path_list_tenants, list_tenants};
pub(crate) use preview::ObjectChangeOut;
pub(crate) use update::{__path_update_tenant, update_tenant};

use crate::error::ApiError;
use crate::request_context::Api;
use ecp_core::ids::TenantId;
use ecp_core::ports::StoreError;
use ecp_core::tenant::{Tenant, TenantStatus};
use http::HeaderMap;
use http::header::IF_MATCH;
use std::sync::Arc;

impl Api {
    /// The tenant of a path; one that the request's mode does not have, or
    /// that the caller may not see, is 404, whatever its spelling.
    pub(crate) fn find_tenant(&self, id: &str) -> Result<Arc<Tenant>, ApiError> {
        let store = &self.services().tenants;
        let visible = TenantId::parse(id).ok().filter(|id| self.access.may_see(id));
        let Some(visible) = visible else { return Err(ApiError::tenant_not_found(id)) };
        let Some(tenant) = store.tenant(&visible) else {
            // To say that it does not exist would not be true.
            let damaged = store.is_damaged(&visible);
            return Err(if damaged {
                StoreError::TenantDamaged(visible).into()
            } else {
                ApiError::tenant_not_found(id)
            });
        };
        self.context.set_tenant(&tenant.id);
        Ok(tenant)
    }
}

/// The generation that the caller's `If-Match` allows; `None` where any will do.
///
/// A list of tags that lacks the present one is answered 412 here; one that has it leaves the check
/// against a change meanwhile to the domain. Of a tenant that is being deleted every tag that it ever
/// had will do: deleting it again finds the same deletion, and changing it is refused anyway. A tag of
/// an earlier tenant of its id never does.
pub(crate) fn if_match(headers: &HeaderMap, tenant: &Tenant) -> Result<Option<u64>, ApiError> {
    let is_deleting = tenant.status == TenantStatus::Deleting;
    let oldest = if is_deleting { tenant.incarnation.first_generation() } else { tenant.generation };
    // A list of no tags matches nothing: who meant to send one has lost it.
    let mut present = headers.contains_key(IF_MATCH).then_some(false);
    for value in headers.get_all(IF_MATCH) {
        let text = value.to_str().unwrap_or_default();
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if tag == "*" {
                return Ok(None);
            }
            // A weak tag never matches under If-Match; neither does one that this API did not make.
            let matches = read_entity_tag(tag).is_some_and(|tag| (oldest..=tenant.generation).contains(&tag));
            present = Some(present.unwrap_or(false) || matches);
        }
    }
    match present {
        None => Ok(None),
        Some(true) if is_deleting => Ok(None),
        Some(true) => Ok(Some(tenant.generation)),
        Some(false) => Err(ApiError::stale(&tenant.id, tenant.generation)),
    }
}

/// The `ETag` of a tenant at a generation.
fn entity_tag(generation: u64) -> String {
    format!("\"{generation}\"")
}

/// The generation of a tag that [`entity_tag`] made.
fn read_entity_tag(tag: &str) -> Option<u64> {
    let generation = tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()?;
    (entity_tag(generation) == tag).then_some(generation)
}

#[cfg(test)]
mod tests;
