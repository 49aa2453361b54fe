//! What an API server tells when it is asked: events, and what containers wrote.

use super::KubernetesCluster;
use super::client::{CallError, answered, api};
use super::state::EventFacts;
use ecp_core::Timestamp;
use ecp_core::happenings::{ClusterEvent, LogQuery, MOST_EVENTS, PodLogs, PodName};
use ecp_core::ids::TenantId;
use ecp_core::ports::ClusterError;
use futures_util::io::AsyncBufReadExt;
use futures_util::{AsyncBufRead, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, LogParams};
use kube::core::{ApiResource, GroupVersionKind};
use tokio::sync::mpsc;

/// Lines that wait for a slow reader; the containers' own logs wait behind them.
const LINES_WAITING: usize = 256;
/// Bytes of a pod's log before what is followed.
const BYTES_OF_A_POD: i64 = 4 * 1024 * 1024;
/// Longest line that is passed on whole.
const BYTES_OF_A_LINE: usize = 64 * 1024;

impl KubernetesCluster {
    /// Events of a tenant's namespace, newest first.
    pub(super) async fn list_events(&self, tenant: &TenantId) -> Result<Vec<ClusterEvent>, ClusterError> {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Event"), "events");
        let calls = api(&self.client, &resource, Some(&tenant.namespace()));
        let listed = answered(calls.list(&ListParams::default().limit(LISTED))).await;
        let listed = listed.map_err(|error| refused("Event", &tenant.namespace(), error))?;
        let mut events: Vec<ClusterEvent> = listed.items.iter().filter_map(event).collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.at));
        events.truncate(MOST_EVENTS);
        Ok(events)
    }

    /// Logs of pods.
    pub(super) async fn read_logs(
        &self,
        tenant: &TenantId,
        pods: Vec<PodName>,
        query: LogQuery,
    ) -> Result<PodLogs, ClusterError> {
        let calls: Api<Pod> = Api::namespaced(self.client.clone(), &tenant.namespace());
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        let mut without_previous = Vec::new();
        let mut opened = Vec::new();
        for pod in &pods {
            let parameters = LogParams {
                container: query.container.clone(),
                follow: query.follow && !query.previous,
                previous: query.previous,
                tail_lines: i64::try_from(query.tail).ok(),
                limit_bytes: (!query.follow).then_some(BYTES_OF_A_POD),
                ..LogParams::default()
            };
            match answered(calls.log_stream(&pod.name, &parameters)).await {
                Ok(stream) => opened.push((pod.name.clone(), stream)),
                // The pod went, or has not begun to write.
                Err(error) if error.is_not_found() => {}
                Err(error) if query.previous && is_without_previous(&error) => {
                    without_previous.push(pod.name.clone());
                }
                Err(error) if is_not_begun(&error) => {}
                Err(error) => return Err(refused("Pod", &pod.name, error)),
            }
        }
        let many = pods.len() > 1;
        if query.follow {
            for (pod, stream) in opened {
                let (sender, prefix) = (sender.clone(), many.then_some(pod));
                tokio::spawn(async move { pass_on(stream, prefix.as_deref(), &sender).await });
            }
        } else {
            tokio::spawn(async move {
                for (pod, stream) in opened {
                    pass_on(stream, many.then_some(pod.as_str()), &sender).await;
                }
            });
        }
        Ok(PodLogs { lines, without_previous })
    }
}

/// Events asked of one namespace.
const LISTED: u32 = 2000;

/// Passes lines on until there are no more, or nobody reads them.
async fn pass_on(stream: impl AsyncBufRead, prefix: Option<&str>, sender: &mpsc::Sender<String>) {
    let mut lines = Box::pin(stream.lines());
    loop {
        let next = tokio::select! {
            () = sender.closed() => return,
            next = lines.next() => next,
        };
        // What can not be read ends it, as the end of the connection does.
        let Some(Ok(mut line)) = next else { return };
        if line.len() > BYTES_OF_A_LINE {
            let mut end = BYTES_OF_A_LINE;
            while !line.is_char_boundary(end) {
                end -= 1;
            }
            line.truncate(end);
            line.push('…');
        }
        let line = prefix.map_or_else(|| line.clone(), |pod| format!("{pod} {line}"));
        if sender.send(line).await.is_err() {
            return;
        }
    }
}

fn event(object: &kube::core::DynamicObject) -> Option<ClusterEvent> {
    let value = serde_json::to_value(object).ok()?;
    let facts = EventFacts::of(&value);
    let count = [&value["series"]["count"], &value["count"], &value["deprecatedCount"]];
    Some(ClusterEvent {
        at: facts.time.unwrap_or(Timestamp::UNIX_EPOCH),
        count: count.into_iter().find_map(serde_json::Value::as_u64).unwrap_or(1).max(1),
        is_warning: value["type"] == "Warning",
        reason: facts.reason,
        message: facts.message,
        kind: facts.kind,
        name: facts.name,
    })
}

fn is_without_previous(error: &CallError) -> bool {
    matches!(error, CallError::Answered(status) if status.code == 400 && status.message.contains("previous terminated container"))
}

/// A container that waits to start has no log yet.
fn is_not_begun(error: &CallError) -> bool {
    matches!(error, CallError::Answered(status) if status.code == 400 && status.message.contains("is waiting to start"))
}

fn refused(kind: &str, name: &str, error: CallError) -> ClusterError {
    match error {
        CallError::Away(reason) => ClusterError::Unreachable(reason),
        CallError::Answered(status) => ClusterError::Refused {
            kind: kind.to_owned(),
            name: name.to_owned(),
            reason: status.message.clone(),
        },
    }
}
