//! What the pods read: ServiceAccount, ConfigMap, Secret.

use super::{Object, Scope};
use crate::catalog::PlatformService;
use crate::tenant::{Service, TenantSecrets};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use std::collections::BTreeMap;

pub(super) const SERVICE_ACCOUNT: &str = "tenant-services";
pub(super) const SERVICE_CONFIG: &str = "service-config";
pub(super) const SERVICE_SECRET: &str = "service-credentials";

/// Stands for a secret value where the reader may not see it.
pub(super) const REDACTED: &str = "REDACTED";

/// The pods never call the cluster, so they carry no token for it.
pub(super) fn service_account(scope: &Scope<'_>) -> Object {
    Object::ServiceAccount(ServiceAccount {
        metadata: scope.metadata(SERVICE_ACCOUNT),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}

pub(super) fn service_config(scope: &Scope<'_>) -> Object {
    Object::ConfigMap(ConfigMap {
        metadata: scope.metadata(SERVICE_CONFIG),
        data: Some(service_settings(scope)),
        ..ConfigMap::default()
    })
}

/// Environment of every service's container: what the tenant was promised, where each kind of work is
/// done and where the services of the platform are, and how many units of each service were ordered.
pub(super) fn service_settings(scope: &Scope<'_>) -> BTreeMap<String, String> {
    let sla = &scope.tenant.spec.sla_target;
    let mut settings = BTreeMap::from([
        ("SLA_AVAILABILITY".to_owned(), sla.availability.to_string()),
        ("SLA_RESPONSE_TIME_MS".to_owned(), sla.response_time_ms.to_string()),
    ]);
    if let Some(users) = sla.concurrent_users {
        settings.insert("SLA_CONCURRENT_USERS".into(), users.to_string());
    }
    if scope.tenant.sizing.resources.gpu > 0 {
        settings.insert("GPU_TYPE".into(), scope.tenant.sizing.gpu_type.clone());
    }
    for plan in scope.services() {
        settings.insert(units_key(plan.service), plan.count.to_string());
    }
    for (work, service) in scope.addresses() {
        settings.insert(format!("{}_URL", work.to_uppercase()), format!("http://{service}-service"));
    }
    settings.extend(scope.settings.platform_services.iter().flat_map(PlatformService::environment));
    settings
}

/// What makes a service's pods start anew when it changes: not the units of the others, or a change
/// of one service would cut off the calls of all.
pub(super) fn settings_read_by(
    settings: &BTreeMap<String, String>,
    service: Service,
) -> impl Iterator<Item = (&String, &String)> {
    let own = units_key(service);
    settings.iter().filter(move |(key, _)| !key.ends_with("_UNITS") || **key == own)
}

fn units_key(service: Service) -> String {
    format!("{}_UNITS", service.as_str().to_uppercase())
}

/// The values come from the store; none is made up here.
pub(super) fn secret(scope: &Scope<'_>, secrets: &TenantSecrets) -> Object {
    let values = secrets.expose();
    let mut secret = Secret {
        metadata: scope.metadata(SERVICE_SECRET),
        type_: Some("Opaque".into()),
        ..Secret::default()
    };
    if scope.options.redact_secrets {
        // As text, so that a reader sees that nothing is there to decode.
        let redacted = values.keys().map(|key| (key.clone(), REDACTED.to_owned()));
        secret.string_data = Some(redacted.collect());
    } else {
        secret.data = Some(values.iter().map(|(key, value)| (key.clone(), bytes(value))).collect());
    }
    Object::Secret(secret)
}

/// A secret value as the cluster keeps it.
pub(super) fn bytes(value: &str) -> ByteString {
    ByteString(value.as_bytes().to_vec())
}

/// Differs whenever the data does (FNV-1a, 64 bits). It detects a change and protects nothing, so
/// no secret goes into it.
pub(super) fn digest<'a>(data: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let bytes =
        data.into_iter().flat_map(|(key, value)| key.bytes().chain([0]).chain(value.bytes()).chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
