//! The request that becomes a WebSocket: who asks, for which mode, in which language.

use super::socket::{LiveSocket, MESSAGE_BYTES, WRITE_BYTES};
use crate::auth::{SOCKET_PROTOCOL, access_of, require_role};
use crate::clients::Client;
use crate::error::{ApiError, ErrorCode};
use crate::query::QueryReader;
use crate::request_context::{Api, ModeFault, context_of, parse_bool};
use crate::revisions;
use crate::serve::ConnectionInput;
use crate::state::ApiState;
use crate::telemetry::Stream;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::Response;
use ecp_core::Mode;
use ecp_core::access::Role;
use ecp_core::ids::AlertId;
use ecp_core::text::{Language, Message};
use http::header::{SEC_WEBSOCKET_VERSION, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;

/// Bytes read from a client at a time; its frames are short.
const READ_BUFFER_BYTES: usize = 1024;
/// Bytes that may wait for a client which reads none of its answers; more ends the connection.
const WRITE_BUFFER_BYTES: usize = 256 * 1024;
/// How many languages there are to choose from.
const LANGUAGES: [Language; 2] = [Language::Ko, Language::En];

/// A checked handshake.
pub(crate) struct Handshake {
    /// The caller, the mode and its services.
    pub api: Api,
    /// Of texts for people: `?lang=`, else `Accept-Language`.
    pub language: Language,
    /// `?since=`.
    pub since: Option<AlertId>,
    upgrade: Result<WebSocketUpgrade, ApiError>,
    client: Client,
    input: Option<ConnectionInput>,
}

impl FromRequestParts<Arc<ApiState>> for Handshake {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        let access = access_of(parts, state)?;
        require_role(&access, Role::Viewer)?;
        let context = context_of(parts);
        let query = QueryReader::new(&parts.uri);
        let mode = match context.mode {
            Err(ModeFault::Missing) => mode_of(query.all_or_empty("demo_mode"))?,
            read => {
                // The header wins, whatever the query says.
                let _ = query.all("demo_mode");
                read?
            }
        };
        let language = query.choice("lang", "stream.unknown_language", &LANGUAGES, language_name);
        let since = query.text("since").map(AlertId::from_text);
        // Read at the admission; named here so that no warning speaks of it.
        let _ = query.text("access_token");
        let revision = query.text("revision").map(revisions::parse).transpose()?;
        query.finish(&context)?;
        let revision = revisions::shown(&parts.headers)?.or(revision);
        if let Some(revision) = revision {
            revisions::reach(state.services(mode), revision).await?;
        }
        let language = language.unwrap_or(context.language);
        let upgrade =
            WebSocketUpgrade::from_request_parts(parts, state).await.map_err(|_rejection| no_upgrade());
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let client = Client::of(&access, peer);
        let input = parts.extensions.get::<ConnectionInput>().cloned();
        let api = Api { state: state.clone(), context, mode, access };
        Ok(Self { api, language, since, upgrade, client, input })
    }
}

impl Handshake {
    /// Switches protocols; `run` then owns the socket. Refused where the request asks for no
    /// WebSocket, or there are too many of them.
    pub fn accept<F>(
        self,
        stream: Stream,
        run: impl FnOnce(LiveSocket) -> F + Send + 'static,
    ) -> Result<Response, ApiError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let upgrade = self.upgrade?;
        let streams = &self.api.state.streams;
        let place = streams.place(self.client)?;
        let metrics = self.api.state.telemetry.stream(stream).clone();
        let (options, input) = (streams.options, self.input);
        let response = upgrade
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(MESSAGE_BYTES)
            .max_frame_size(MESSAGE_BYTES)
            .protocols([SOCKET_PROTOCOL])
            .on_upgrade(move |socket| run(LiveSocket::new(socket, options, metrics, place, input)));
        Ok(response)
    }
}

/// `?demo_mode=`; without it a client means real mode. What can not be read, empty or two different ones
/// among it, means neither.
fn mode_of<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Mode, ApiError> {
    let mut found = None;
    for text in texts {
        match parse_bool(text) {
            Some(demo) if found.is_none_or(|earlier| earlier == demo) => found = Some(demo),
            _ => {
                let message = Message::new("stream.demo_mode_invalid");
                return Err(
                    ApiError::new(ErrorCode::InvalidRequest, message).detail("parameter", "demo_mode")
                );
            }
        }
    }
    Ok(if found == Some(true) { Mode::Demo } else { Mode::Real })
}

fn language_name(language: Language) -> &'static str {
    match language {
        Language::Ko => "ko",
        Language::En => "en",
    }
}

fn no_upgrade() -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, Message::new("stream.upgrade_required"))
        .with_status(StatusCode::UPGRADE_REQUIRED)
        .header(UPGRADE, HeaderValue::from_static("websocket"))
        .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}
