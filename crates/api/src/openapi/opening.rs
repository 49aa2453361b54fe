//! How a stream is opened: the page that shows the document speaks HTTP only.

use serde_json::json;
use utoipa::openapi::path::Operation;

/// What a stream sends: OpenAPI has no word of its own for it.
const FRAME: &str = "x-frame";

/// Adds to the description what opens the stream, in the page's own console and in a terminal.
pub(super) fn describe(operation: &mut Operation, path: &str) {
    let is_monitoring = path.starts_with("/ws/monitoring/");
    let frame = match path.split('/').nth(2) {
        Some("monitoring") => "MonitoringFrame",
        Some("deployment") => "DeploymentFrame",
        _ => "AlertFrame",
    };
    let reference = json!({ "$ref": format!("#/components/schemas/{frame}") });
    operation.extensions.get_or_insert_default().insert(FRAME.to_owned(), reference);
    let path = path.replace("{tenant_id}", super::SHOWN_TENANT);
    let subscribe = r#"{"action": "subscribe", "metrics": ["cpu", "memory"], "interval": 1000}"#;
    let (script, command) = if is_monitoring {
        (
            format!("socket.onopen = () => socket.send('{subscribe}');\n"),
            format!("(echo '{subscribe}'; cat) | websocat"),
        )
    } else {
        (String::new(), "websocat --no-close".to_owned())
    };
    let description = operation.description.get_or_insert_default();
    description.push_str(&format!(
        "\n\n**To open it.** This page can not: *Execute* asks without a WebSocket and is answered 426. In the \
         browser's console on this page:\n\n```js\nconst socket = new WebSocket(new \
         URL('..{path}?demo_mode=true', document.baseURI).href.replace(/^http/, 'ws'));\n{script}\
         socket.onmessage = ({{ data }}) => console.log(data);\n```\n\nIn a terminal:\n\n```sh\n{command} \
         'ws://localhost:8001{path}?demo_mode=true'\n```\n\nA program has the SDKs for it, which connect again by \
         themselves. It sends frames of the schema `{frame}`, and where a message can not be obeyed the error envelope \
         with a `seq`."
    ));
    if path.contains("{deployment_id}") {
        description.push_str(
            " For `{deployment_id}`, put the `deployment_id` that a creation or a change answered, or that the \
             tenant's deployments list.",
        );
    }
}
