//! What an API server tells when it is asked: events, and what containers wrote.

use super::KubernetesCluster;
use super::client::{CallError, answered, api};
use super::state::EventFacts;
use ecp_core::Timestamp;
use ecp_core::happenings::{ClusterEvent, LogQuery, MOST_EVENTS, PodLogs, PodName};
use ecp_core::ids::TenantId;
use ecp_core::ports::ClusterError;
use futures_util::AsyncBufRead;
use futures_util::io::AsyncBufReadExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, LogParams};
use kube::core::{ApiResource, GroupVersionKind};
use std::io;
use tokio::sync::mpsc;

/// Lines that wait for a slow reader; the containers' own logs wait behind them.
const LINES_WAITING: usize = 256;
/// Bytes of a pod's log before what is followed.
const BYTES_OF_A_POD: i64 = 4 * 1024 * 1024;
/// Longest line that is passed on whole; of a longer one only this much is ever kept.
const BYTES_OF_A_LINE: usize = 64 * 1024;

impl KubernetesCluster {
    /// Events of a tenant's namespace, newest first.
    pub(super) async fn list_events(&self, tenant: &TenantId) -> Result<Vec<ClusterEvent>, ClusterError> {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Event"), "events");
        let calls = api(&self.client, &resource, Some(&tenant.namespace()));
        let listed = answered(calls.list(&ListParams::default().limit(LISTED))).await;
        let listed = listed.map_err(|error| error.of("Event", &tenant.namespace()))?;
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
        let calls: Api<Pod> = Api::namespaced(self.log_client.clone(), &tenant.namespace());
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
                Err(error) => return Err(error.of("Pod", &pod.name)),
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
    let mut stream = std::pin::pin!(stream);
    loop {
        let next = tokio::select! {
            () = sender.closed() => return,
            next = next_line(&mut stream) => next,
        };
        // What can not be read ends it, as the end of the connection does.
        let Ok(Some(line)) = next else { return };
        let line = match prefix {
            Some(pod) => format!("{pod} {line}"),
            None => line,
        };
        if sender.send(line).await.is_err() {
            return;
        }
    }
}

/// The next line, without its end; none where there are no more. Its first [`BYTES_OF_A_LINE`] bytes are kept
/// and the rest is thrown away as it comes; what is not UTF-8 is replaced.
async fn next_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let (mut line, mut is_cut, mut has_begun) = (Vec::new(), false, false);
    loop {
        let chunk = stream.fill_buf().await?;
        if chunk.is_empty() {
            if !has_begun {
                return Ok(None);
            }
            break;
        }
        has_begun = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let room = BYTES_OF_A_LINE - line.len();
        is_cut |= part.len() > room;
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(chunk.len(), |end| end + 1);
        stream.consume_unpin(used);
        if end.is_some() {
            break;
        }
    }
    if is_cut {
        // A letter that was cut through is left out whole.
        if let Err(fault) = std::str::from_utf8(&line)
            && fault.error_len().is_none()
        {
            line.truncate(fault.valid_up_to());
        }
    } else if line.last() == Some(&b'\r') {
        line.pop();
    }
    let mut text = String::from_utf8_lossy(&line).into_owned();
    if is_cut {
        text.push('…');
    }
    Ok(Some(text))
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::io::{BufReader, Cursor};

    /// All lines, read in small pieces.
    async fn lines(bytes: &[u8]) -> Vec<String> {
        let mut reader = BufReader::with_capacity(7, Cursor::new(bytes));
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut reader).await.expect("memory can be read") {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn lines_come_without_their_ends_and_the_last_one_needs_none() {
        assert_eq!(
            lines(b"one, which is long\r\n\ntwo\nthree").await,
            ["one, which is long", "", "two", "three"]
        );
        assert!(lines(b"").await.is_empty());
    }

    #[tokio::test]
    async fn what_is_not_utf_8_is_replaced_and_what_comes_after_it_is_read() {
        // 안녕 as EUC-KR has it.
        let lines = lines(b"before\n\xbe\xc8\xb3\xe7\nafter\n").await;
        assert_eq!((lines[0].as_str(), lines[2].as_str(), lines.len()), ("before", "after", 3));
        assert!(lines[1].contains('\u{fffd}'), "{lines:?}");
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_kept_up_to_a_bound_and_the_next_one_is_whole() {
        let mut bytes = "가".repeat(BYTES_OF_A_LINE).into_bytes();
        bytes.extend_from_slice(b"\nnext\n");
        let lines = lines(&bytes).await;
        assert!(lines[0].ends_with("가…") && lines[0].len() <= BYTES_OF_A_LINE + '…'.len_utf8());
        assert_eq!(lines[1..], ["next"]);
    }

    #[tokio::test]
    async fn what_is_passed_on_carries_the_pod_where_there_are_more() {
        let (sender, mut passed) = mpsc::channel(4);
        pass_on(Cursor::new(b"a\nb\n".as_slice()), Some("chatbot-1"), &sender).await;
        drop(sender);
        assert_eq!(passed.recv().await.as_deref(), Some("chatbot-1 a"));
        assert_eq!(passed.recv().await.as_deref(), Some("chatbot-1 b"));
        assert_eq!(passed.recv().await, None);
    }
}
