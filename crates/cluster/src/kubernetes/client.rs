//! The connection to an API server, and what its errors mean.

use super::watches::WATCH_SECONDS;
use ecp_core::ports::{ClusterError, Hindrance};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, Status};
use kube::{Api, Client, Config};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

/// Name under which the orchestrator owns fields.
pub(super) const MANAGER: &str = "ecp-orchestrator";
/// For a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one answer, retries included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Without a byte from the server, for lists and for watches that are begun, to which no answer
/// comes: the connection is half open. A watch that has nothing to tell is ended by the server
/// before.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 5);

/// Where the cluster is.
#[derive(Clone, Debug)]
pub enum KubernetesSource {
    /// A kubeconfig, with its current context where none is named.
    Kubeconfig {
        /// Path of the file.
        path: PathBuf,
        /// Name of a context in it.
        context: Option<String>,
    },
    /// The cluster that this process runs in, by its service account.
    InCluster,
}

/// The cluster can not be used as it is configured. One that is merely away is not an error: it is
/// asked again until it answers.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig can not be read or used.
    #[error("the kubeconfig {path} can not be used; check the path, the context and the files it names")]
    Kubeconfig {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// The service account's files are not as they should be.
    #[error("this process runs in a cluster and its service account can not be used")]
    InCluster(#[source] kube::config::InClusterError),
    /// What is ours in the cluster can not be read from the database.
    #[error("what was made in the cluster can not be read from the database")]
    Ledger(#[from] ecp_core::ports::StoreError),
    /// No client can be made of it: certificates, keys, tokens.
    #[error("no client can be made of the cluster's configuration; check its certificates and keys")]
    Client(#[source] kube::Error),
}

/// Connections by how long they may be silent.
pub(super) struct Clients {
    /// For calls and watches.
    pub(super) calls: Client,
    /// For logs that are followed: a container may have nothing to say for as long as it likes. One that is
    /// half open is held until its reader leaves.
    pub(super) logs: Client,
}

/// Reads the configuration; asks nothing of the cluster.
pub(super) async fn connect(source: &KubernetesSource) -> Result<Clients, ConnectError> {
    let mut config = match source {
        KubernetesSource::Kubeconfig { path, context } => {
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            let read = async {
                let file = Kubeconfig::read_from(path)?;
                Config::from_custom_kubeconfig(file, &options).await
            };
            read.await.map_err(|source| ConnectError::Kubeconfig { path: path.clone(), source })?
        }
        KubernetesSource::InCluster => Config::incluster().map_err(ConnectError::InCluster)?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(SILENCE_TIMEOUT);
    // Counts from the request, not from when its connection was last used.
    config.reset_reader_on_write = true;
    // Answers 429, 503 and 504, with the wait that the server asks for.
    config.default_retry = true;
    let mut patient = config.clone();
    patient.read_timeout = None;
    let client = |config| Client::try_from(config).map_err(ConnectError::Client);
    Ok(Clients { calls: client(config)?, logs: client(patient)? })
}

/// Waits for an answer, but not for ever: a connection may be half open.
pub(super) async fn answered<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(CallError::from),
        Err(_) => Err(CallError::Away(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))),
    }
}

/// How a call ended that was not answered as hoped.
#[derive(Debug)]
pub(super) enum CallError {
    /// Nobody answered, or the server is in no state to: worth another try.
    Away(String),
    /// The server answered that admission, which it asks, fails: worth another try once that is mended.
    Hindered(String),
    /// The server said no.
    Answered(Box<Status>),
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            // 401: credentials ran out and are being renewed; the object was not looked at.
            kube::Error::Api(status) if status.code < 500 && !matches!(status.code, 401 | 408 | 429) => {
                Self::Answered(status)
            }
            kube::Error::Api(status) if is_of_admission(&status) => {
                Self::Hindered(format!("{} {}", status.code, status.message))
            }
            kube::Error::Api(status) => Self::Away(format!("{} {}", status.code, status.message)),
            other => {
                let mut text = other.to_string();
                let mut source = std::error::Error::source(&other);
                while let Some(inner) = source {
                    let inner_text = inner.to_string();
                    if !text.contains(&inner_text) {
                        text = format!("{text}: {inner_text}");
                    }
                    source = inner.source();
                }
                Self::Away(text)
            }
        }
    }
}

/// A webhook that is called for a request fails: the server itself is there.
fn is_of_admission(status: &Status) -> bool {
    status.code >= 500 && ["webhook", "admission"].iter().any(|word| status.message.contains(word))
}

impl CallError {
    /// True for an object that is not there.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Answered(status) if status.code == 404)
    }

    /// True where the server does not know the kind at all.
    pub(super) fn is_unknown_kind(&self) -> bool {
        let named = |status: &Status| status.details.as_ref().is_some_and(|details| !details.name.is_empty());
        matches!(self, Self::Answered(status) if status.code == 404 && !named(status))
    }

    /// True where the namespace is missing or on its way out: it has to be gone and made anew first.
    pub(super) fn is_about_namespace(&self) -> bool {
        let Self::Answered(status) = self else { return false };
        let details = status.details.as_ref();
        let missing = status.code == 404 && details.is_some_and(|details| details.kind == "namespaces");
        let going = details
            .is_some_and(|details| details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating"));
        missing || going
    }

    /// Fields that other managers own, as `(manager, field)`; none where it is no such conflict.
    pub(super) fn conflicts(&self) -> Vec<(String, String)> {
        let Self::Answered(status) = self else { return Vec::new() };
        let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
        causes
            .iter()
            .filter(|cause| status.code == 409 && cause.reason == "FieldManagerConflict")
            .map(|cause| {
                let manager = cause.message.split('"').nth(1).unwrap_or("unknown");
                (manager.to_owned(), cause.field.clone())
            })
            .collect()
    }

    /// What the domain is told.
    pub(super) fn of(self, kind: &str, name: &str) -> ClusterError {
        match self {
            Self::Away(reason) => ClusterError::Unreachable(reason),
            Self::Hindered(reason) => hindered(kind, name, Hindrance::Admission, reason),
            Self::Answered(status) => {
                ClusterError::Refused { kind: kind.to_owned(), name: name.to_owned(), reason: status.message }
            }
        }
    }
}

/// An object that can not be written for now.
pub(super) fn hindered(kind: &str, name: &str, hindrance: Hindrance, reason: String) -> ClusterError {
    ClusterError::Hindered { kind: kind.to_owned(), name: name.to_owned(), hindrance, reason }
}

/// Objects of a kind, in a namespace or of the cluster.
pub(super) fn api(client: &Client, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::response::{StatusCause, StatusDetails};

    fn details() -> StatusDetails {
        serde_json::from_str("{}").expect("every field has a default")
    }

    fn answer(code: u16, details: StatusDetails) -> CallError {
        let status = Status { code, details: Some(details), ..Status::failure("no", "Reason") };
        CallError::from(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_conflict_names_the_other_manager_and_the_field() {
        let cause = StatusCause {
            reason: "FieldManagerConflict".into(),
            message: "conflict with \"kubectl-edit\" using apps/v1".into(),
            field: ".spec.replicas".into(),
        };
        let conflict = answer(409, StatusDetails { causes: vec![cause], ..details() });
        assert_eq!(conflict.conflicts(), [("kubectl-edit".to_owned(), ".spec.replicas".to_owned())]);
    }

    #[test]
    fn a_kind_that_is_unknown_is_not_taken_for_an_object_that_is_missing() {
        assert!(answer(404, details()).is_unknown_kind());
        let named = StatusDetails { name: "callbot".into(), ..details() };
        assert!(!answer(404, named.clone()).is_unknown_kind());
        assert!(answer(404, named).is_not_found());
        let namespace = StatusDetails { name: "a".into(), kind: "namespaces".into(), ..details() };
        assert!(answer(404, namespace).is_about_namespace());
    }

    #[test]
    fn a_webhook_that_fails_is_no_server_that_is_away() {
        let said = "Internal error occurred: failed calling webhook \"a.example.com\": service not found";
        let status = Status { code: 500, ..Status::failure(said, "InternalError") };
        let error = CallError::from(kube::Error::Api(Box::new(status))).of("Service", "a");
        let ClusterError::Hindered { hindrance: Hindrance::Admission, kind, reason, .. } = error else {
            panic!("{error:?}")
        };
        assert!(kind == "Service" && reason.contains("a.example.com"), "{reason}");
        let status =
            Status { code: 500, ..Status::failure("etcdserver: request timed out", "InternalError") };
        assert!(matches!(CallError::from(kube::Error::Api(Box::new(status))), CallError::Away(_)));
    }

    #[test]
    fn a_server_in_trouble_is_asked_again_and_a_refusal_is_not() {
        for code in [401, 408, 429, 500, 503] {
            assert!(matches!(answer(code, details()).of("Secret", "a"), ClusterError::Unreachable(_)));
        }
        for code in [400, 403, 422] {
            assert!(matches!(answer(code, details()).of("Secret", "a"), ClusterError::Refused { .. }));
        }
    }
}
