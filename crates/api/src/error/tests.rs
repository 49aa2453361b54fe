#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::*;
use ecp_core::placement::{Counted, LeftOut, LeftOutReason, Shortage, Shortfall};
use ecp_core::tenant::TenantStatus;
use std::collections::HashSet;

fn id() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn database() -> StoreError {
    let source = std::io::Error::other("disk full");
    StoreError::Database { operation: "create tenant", source: Box::new(source) }
}

fn body(error: &ApiError) -> Value {
    error.envelope(Language::Ko, "2024-01-20T14:30:00.7Z".parse().unwrap(), "req-xyz789")
}

#[test]
fn the_envelope_is_the_contracts() {
    let error = ApiError::from(StoreError::TenantExists {
        tenant_id: TenantId::parse("my-ai-service").unwrap(),
        existing_status: TenantStatus::Running,
    });
    assert_eq!(error.status(), StatusCode::CONFLICT);
    assert_eq!(
        body(&error),
        json!({"error": {
            "code": "TENANT_ALREADY_EXISTS",
            "message": "동일한 ID의 테넌트가 이미 존재합니다",
            "details": {"tenant_id": "my-ai-service", "existing_status": "running"},
            "timestamp": "2024-01-20T14:30:00Z",
            "request_id": "req-xyz789"
        }})
    );
}

#[test]
fn every_error_of_the_domain_has_its_status_and_code() {
    let refused =
        ClusterError::Refused { kind: "Deployment".into(), name: "callbot".into(), reason: "quota".into() };
    let cases: Vec<(ApiError, u16, &str)> = vec![
        (StoreError::TenantNotFound(id()).into(), 404, "TENANT_NOT_FOUND"),
        (StoreError::DeploymentNotFound(DeploymentId::generate()).into(), 404, "DEPLOYMENT_NOT_FOUND"),
        (StoreError::GenerationMismatch { tenant_id: id(), actual: 2 }.into(), 409, "CONFLICT"),
        (StoreError::TenantDeleting(id()).into(), 409, "CONFLICT"),
        (StoreError::IdempotencyKeyReused { tenant_id: None }.into(), 409, "CONFLICT"),
        (StoreError::SchemaTooNew { found: 2, known: 1 }.into(), 503, "DATABASE_ERROR"),
        (database().into(), 503, "DATABASE_ERROR"),
        (StoreError::Closed.into(), 503, "DATABASE_ERROR"),
        (MetricError::Storage(database()).into(), 503, "MONITORING_UNAVAILABLE"),
        (MetricError::Unavailable("timed out".into()).into(), 503, "MONITORING_UNAVAILABLE"),
        (MetricError::Refused("out of order".into()).into(), 409, "CONFLICT"),
        (MetricError::ReadOnly.into(), 409, "CONFLICT"),
        (ClusterError::NotConfigured.into(), 503, "KUBERNETES_ERROR"),
        (ClusterError::Unreachable("refused".into()).into(), 503, "KUBERNETES_ERROR"),
        (ClusterError::BeingRead("3 of 21".into()).into(), 503, "KUBERNETES_ERROR"),
        (refused.into(), 503, "KUBERNETES_ERROR"),
        (TenancyError::Store(StoreError::TenantNotFound(id())).into(), 404, "TENANT_NOT_FOUND"),
        (TenancyError::Cluster(ClusterError::NotConfigured).into(), 503, "KUBERNETES_ERROR"),
        (
            StoreError::InsufficientResources { tenant_id: id(), shortage: shortage() }.into(),
            409,
            "INSUFFICIENT_RESOURCES",
        ),
        (TenancyError::Stale { tenant_id: id(), expected: 1, actual: 2 }.into(), 412, "CONFLICT"),
        (TenancyError::NoServices(id()).into(), 422, "VALIDATION_FAILED"),
    ];
    for (error, status, code) in cases {
        assert_eq!((error.status().as_u16(), error.code().as_str()), (status, code), "{error:?}");
        assert_eq!(body(&error)["error"]["code"], code);
    }
}

fn shortage() -> Box<Shortage> {
    let [requested, available, missing] = ["3", "1", "2"].map(str::to_owned);
    Box::new(Shortage {
        short: vec![Shortfall { resource: "gpu", counted: Counted::Requests, requested, available, missing }],
        left_out: vec![LeftOut {
            reason: LeftOutReason::Taint("db=yes:NoSchedule".into()),
            count: 2,
            nodes: vec!["a".into(), "b".into()],
        }],
    })
}

#[test]
fn what_is_short_is_named() {
    let error = ApiError::from(StoreError::InsufficientResources { tenant_id: id(), shortage: shortage() });
    let body = body(&error);
    assert_eq!(
        body["error"]["details"]["short"],
        json!([{"resource": "gpu", "counted": "requests", "requested": "3", "available": "1", "missing": "2"}])
    );
    let tainted = json!({"reason": "taint", "detail": "db=yes:NoSchedule", "count": 2, "nodes": ["a", "b"]});
    assert_eq!(body["error"]["details"]["nodes_left_out"], json!([tainted]));
    let message = body["error"]["message"].to_string();
    assert!(message.contains("gpu 2") && message.contains("2 × taint db=yes:NoSchedule"), "{message}");
}

#[test]
fn the_cause_is_for_the_log_and_never_for_the_caller() {
    let error = ApiError::from(MetricError::Storage(database()));
    let cause = error.cause_text().unwrap();
    assert!(cause.contains("create tenant") && cause.contains("disk full"), "{cause}");
    assert!(!body(&error).to_string().contains("disk full"));
}

#[test]
fn a_missing_cluster_says_how_to_configure_one() {
    let message = body(&ClusterError::NotConfigured.into())["error"]["message"].to_string();
    for way_out in ["--kubeconfig", "ECP_KUBECONFIG", "X-Demo-Mode: true"] {
        assert!(message.contains(way_out), "{message}");
    }
}

#[test]
fn codes_are_distinct_and_messages_change_with_the_language_but_codes_do_not() {
    let codes: HashSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes.len(), ErrorCode::ALL.len());
    let error = ApiError::tenant_not_found("acme");
    let english = error.envelope(Language::En, Timestamp::UNIX_EPOCH, "req-xyz789");
    assert_eq!(english["error"]["code"], body(&error)["error"]["code"]);
    assert_ne!(english["error"]["message"], body(&error)["error"]["message"]);
}
