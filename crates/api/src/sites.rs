//! Which names this server answers to, and pages of which sites may ask it.
//!
//! Without tokens nothing but the network tells one caller from another, and a browser takes any page
//! that its user opens into that network. So the `Host` that a request names must be one of this
//! machine's (a page that had its own name resolved to us names itself), and an `Origin`, which
//! browsers send and pages can not change, must be ours or one that the operator listed.
//! `X-Forwarded-Host` and its like are anybody's to write and are not looked at.

mod cross_origin;

pub(crate) use cross_origin::{allow_reading, preflight};

use crate::error::{ApiError, ErrorCode};
use crate::fields::shortened;
use ecp_core::text::Message;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The host of an address, in the one spelling by which two of them are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// A name, in lower case, without the dot of the root.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host without a port: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::V4(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        (name.len() <= 253 && name.split('.').all(is_label)).then(|| Self::Name(name.to_ascii_lowercase()))
    }

    fn is_this_machine(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::V4(address) => *address == Ipv4Addr::LOCALHOST,
            Self::V6(address) => *address == Ipv6Addr::LOCALHOST,
        }
    }
}

/// A host and the port that is written beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Authority {
    fn parse(text: &str) -> Option<Self> {
        // The colons of an IPv6 address are inside its brackets.
        let host_ends = text.rfind(']').map_or(0, |bracket| bracket + 1);
        let Some(colon) = text[host_ends..].rfind(':').map(|place| host_ends + place) else {
            return Some(Self { host: Host::parse(text)?, port: None });
        };
        let (host, port) = (Host::parse(&text[..colon])?, &text[colon + 1..]);
        if port.is_empty() {
            return Some(Self { host, port: None });
        }
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits)?;
        Some(Self { host, port: Some(port) })
    }
}

/// A scheme, a host and a port: where a page came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    scheme: String,
    host: Host,
    port: Option<u16>,
}

impl Origin {
    /// Reads `scheme://host[:port]`; the port that the scheme has by itself is the same as none.
    /// `null`, which browsers send for pages of no site, is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let mut letters = scheme.bytes();
        if !letters.next()?.is_ascii_alphabetic()
            || !letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        {
            return None;
        }
        let Authority { host, port } = Authority::parse(rest)?;
        Some(Self::new(scheme.to_ascii_lowercase(), host, port))
    }

    fn new(scheme: String, host: Host, port: Option<u16>) -> Self {
        let usual = match scheme.as_str() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        };
        Self { scheme, host, port: port.filter(|port| Some(*port) != usual) }
    }
}

/// Which names are ours, and which sites may ask.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    /// Every name is served: who may do something is told by tokens.
    any_host: bool,
    hosts: BTreeSet<Host>,
    origins: BTreeSet<Origin>,
}

impl Sites {
    /// Names beside this machine's own, and origins beside the server's own. With `tokens`, every
    /// name is served.
    pub fn new(
        hosts: impl IntoIterator<Item = Host>,
        origins: impl IntoIterator<Item = Origin>,
        tokens: bool,
    ) -> Self {
        Self { any_host: tokens, hosts: hosts.into_iter().collect(), origins: origins.into_iter().collect() }
    }

    /// Refuses a request that names another server, or comes from a page of another site. Returns the
    /// `Origin` where it is one of the listed, whose pages may read the answer.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<Option<HeaderValue>, ApiError> {
        let named = named_host(request.headers())?;
        self.serves(&named)?;
        // An absolute target names the server once more, and counts over the header.
        let named = match request.uri().authority() {
            None => named,
            Some(authority) => {
                let named =
                    Authority::parse(authority.as_str()).ok_or_else(|| unreadable(authority.as_str()))?;
                self.serves(&named)?;
                named
            }
        };
        let mut origins = request.headers().get_all(ORIGIN).iter();
        let Some(value) = origins.next() else { return Ok(None) };
        let text = value.to_str().unwrap_or_default();
        let origin = Origin::parse(text).filter(|_| origins.next().is_none());
        let Some(origin) = origin else { return Err(foreign(text)) };
        if self.is_own(&origin, &named) {
            return Ok(None);
        }
        if self.origins.contains(&origin) { Ok(Some(value.clone())) } else { Err(foreign(text)) }
    }

    fn serves(&self, named: &Authority) -> Result<(), ApiError> {
        if self.any_host || named.host.is_this_machine() || self.hosts.contains(&named.host) {
            return Ok(());
        }
        let host = match &named.host {
            Host::Name(name) => shortened(name),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => format!("[{address}]"),
        };
        let message = Message::new("api.host_not_served").with("host", &host);
        Err(ApiError::new(ErrorCode::InvalidRequest, message)
            .with_status(StatusCode::MISDIRECTED_REQUEST)
            .detail("header", "Host")
            .detail("host", host))
    }

    /// The server speaks plain HTTP. Where tokens are required, it may stand behind a proxy that
    /// speaks TLS under the same name; a page that came that way is ours too.
    fn is_own(&self, origin: &Origin, named: &Authority) -> bool {
        let own = |scheme: &str| Origin::new(scheme.to_owned(), named.host.clone(), named.port) == *origin;
        own("http") || (self.any_host && own("https"))
    }
}

/// What the one `Host` header names.
fn named_host(headers: &HeaderMap) -> Result<Authority, ApiError> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(only), None) => {
            let text = only.to_str().unwrap_or_default();
            Authority::parse(text).ok_or_else(|| unreadable(text))
        }
        (None, _) => Err(bad_host("api.host_missing")),
        (Some(_), Some(_)) => Err(bad_host("api.host_twice")),
    }
}

fn bad_host(key: &'static str) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, Message::new(key)).detail("header", "Host")
}

fn unreadable(given: &str) -> ApiError {
    bad_host("api.host_unreadable").detail("given", shortened(given))
}

fn foreign(origin: &str) -> ApiError {
    let origin = shortened(origin);
    ApiError::new(ErrorCode::Forbidden, Message::new("api.origin_foreign").with("origin", &origin))
        .detail("header", "Origin")
        .detail("origin", origin)
}

#[cfg(test)]
mod tests;
