//! One POST to a receiver: the address that is dialled is the one that was checked, and whatever is on the
//! other side takes no more than its time and a few kilobytes.

use crate::addresses::AllowedAddresses;
use ecp_core::alerts::receiver::ReceiverKind;
use ecp_core::text::Message;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// For a connection, TLS included.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// For everything, from the name's address to the answer.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// For the address of a name when a receiver is registered.
const RESOLVED_WITHIN: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read; nothing is made of them, but a connection is ended in order.
const ANSWER_BYTES: usize = 16 * 1024;

/// Sends to receivers. Cheap to clone.
#[derive(Clone)]
pub struct ReceiverClient {
    http: Client,
    allowed: Arc<AllowedAddresses>,
}

/// How a receiver did not take something.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// Its HTTP status, where it answered.
    pub(crate) status_code: Option<u16>,
    /// Why.
    pub(crate) fault: Message,
}

impl From<Message> for Refusal {
    fn from(fault: Message) -> Self {
        Self { status_code: None, fault }
    }
}

impl ReceiverClient {
    /// A client that dials these addresses alone. TLS needs the process to have a provider of cryptography.
    ///
    /// # Errors
    /// The system's certificates can not be used.
    pub fn new(allowed: AllowedAddresses) -> reqwest::Result<Self> {
        let allowed = Arc::new(allowed);
        let http = Client::builder()
            .dns_resolver(Arc::new(CheckedResolver(allowed.clone())))
            .redirect(Policy::none())
            // A proxy would dial for us, unchecked.
            .no_proxy()
            .connect_timeout(CONNECTED_WITHIN)
            .timeout(ANSWERED_WITHIN)
            // Each try is dialled, and so checked, anew.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { http, allowed })
    }

    /// Reads an address and refuses one that must not be dialled. A name that has no address now may have one
    /// when it is dialled, and is checked then.
    pub(crate) async fn check(&self, kind: ReceiverKind, text: &str) -> Result<(), Message> {
        let url = self.read(kind, text)?;
        let Some(name) = url.domain() else { return Ok(()) };
        let found = tokio::time::timeout(RESOLVED_WITHIN, tokio::net::lookup_host((name, 0))).await;
        let Ok(Ok(found)) = found else { return Ok(()) };
        match self.allowed.filter(found) {
            Ok(_) => Ok(()),
            Err(CheckFault::Refused(address)) => Err(refused(address)),
            Err(CheckFault::Unknown(_)) => Ok(()),
        }
    }

    /// An address as it is dialled; one that is written as numbers is checked here.
    fn read(&self, kind: ReceiverKind, text: &str) -> Result<Url, Message> {
        let url = Url::parse(text).map_err(|_| Message::new("notification.url_malformed"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Message::new("notification.url_scheme").with("scheme", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Message::new("notification.url_credentials"));
        }
        if url.fragment().is_some() {
            return Err(Message::new("notification.url_fragment"));
        }
        if kind == ReceiverKind::Alertmanager && url.query().is_some() {
            return Err(Message::new("notification.url_query"));
        }
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            _ if url.port() == Some(0) => Err(Message::new("notification.url_port")),
            Ok(address) if !self.allowed.allows(address) => Err(refused(address)),
            _ if host.is_empty() => Err(Message::new("notification.url_malformed")),
            _ => Ok(url),
        }
    }

    /// Posts JSON and gives the status of an answer that takes it.
    pub(crate) async fn post(
        &self,
        kind: ReceiverKind,
        url: &str,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<u16, Refusal> {
        let mut url = self.read(kind, url)?;
        if !path.is_empty() {
            let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
            url.set_path(&joined);
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let sent = self
            .http
            .post(url)
            .headers(headers)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("ecp/", env!("CARGO_PKG_VERSION")))
            .body(body)
            .send();
        // The client has its own limit; this one is for whatever that does not count.
        let answer = tokio::time::timeout(ANSWERED_WITHIN + Duration::from_secs(1), sent).await;
        let mut answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failure(&host, &error).into()),
            Err(_) => return Err(timed_out().into()),
        };
        let status = answer.status();
        let mut read = 0;
        // How an answer goes on changes nothing about its status.
        let rest = async {
            while let Ok(Some(chunk)) = answer.chunk().await {
                read += chunk.len();
                if read > ANSWER_BYTES {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), rest).await;
        let status_code = status.as_u16();
        if status.is_success() {
            return Ok(status_code);
        }
        let key = if status.is_redirection() { "notification.redirected" } else { "notification.answered" };
        Err(Refusal { status_code: Some(status_code), fault: Message::new(key).with("status", status_code) })
    }
}

fn refused(address: IpAddr) -> Message {
    Message::new("notification.refused_address").with("address", address)
}

fn timed_out() -> Message {
    Message::new("notification.timed_out").with("seconds", ANSWERED_WITHIN.as_secs())
}

/// What a failed try says to people: the innermost cause that we know, else the innermost there is.
fn failure(host: &str, error: &reqwest::Error) -> Message {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut innermost = String::new();
    while let Some(error) = cause {
        match error.downcast_ref::<CheckFault>() {
            Some(CheckFault::Refused(address)) => return refused(*address),
            Some(CheckFault::Unknown(_)) => {
                return Message::new("notification.unresolvable").with("host", host);
            }
            None => {}
        }
        innermost = error.to_string();
        cause = error.source();
    }
    if error.is_timeout() {
        return timed_out();
    }
    Message::new("notification.unreachable").with("reason", innermost)
}

/// Why a name is not dialled.
#[derive(Clone, Debug, thiserror::Error)]
enum CheckFault {
    #[error("{0} is not dialled")]
    Refused(IpAddr),
    #[error("the name has no address: {0}")]
    Unknown(String),
}

impl AllowedAddresses {
    /// Those that may be dialled, where there are some.
    fn filter(&self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, CheckFault> {
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            if self.allows(address.ip()) {
                allowed.push(address);
            } else {
                refused = Some(address.ip());
            }
        }
        match refused {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(address) => Err(CheckFault::Refused(address)),
            None => Err(CheckFault::Unknown("no answer".to_owned())),
        }
    }
}

/// Gives the client addresses that were checked, and no others: a name that means another address a moment
/// later changes nothing.
struct CheckedResolver(Arc<AllowedAddresses>);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found = found.map_err(|error| CheckFault::Unknown(error.to_string()))?;
            let addresses = allowed.filter(found)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
