//! Newtypes for the ids that the contract prints, and how they are made.

use crate::text::Message;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What every tenant's namespace begins with.
pub const NAMESPACE_PREFIX: &str = "ecp-ai-";

/// Longest tenant id: with the prefix `ecp-ai-` it is a namespace of at most 63 characters.
pub const TENANT_ID_MAX_LENGTH: usize = 56;

/// Why a text is not a tenant id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantIdFault {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// Longer than [`TENANT_ID_MAX_LENGTH`].
    #[error("is longer than 56 characters")]
    TooLong,
    /// Not lower-case letters, digits and inner hyphens.
    #[error("is not a DNS-1123 label")]
    NotALabel,
    /// One of [`RESERVED_TENANT_IDS`].
    #[error("is a word of the API's own paths")]
    Reserved,
}

impl TenantIdFault {
    /// What is wrong, for people.
    pub fn message(self) -> Message {
        Message::new(match self {
            Self::Empty => "api.tenant_id_empty",
            Self::TooLong => "api.tenant_id_too_long",
            Self::NotALabel => "api.tenant_id_not_a_label",
            Self::Reserved => "api.tenant_id_reserved",
        })
    }
}

/// Words of the API's own paths, those to come included: under such an id a tenant could be created
/// and then neither read nor deleted, or a later call would take its place. In alphabetical order;
/// a test of the API holds the list against its routes.
pub const RESERVED_TENANT_IDS: [&str; 21] = [
    "alert-rules",
    "alerts",
    "audit",
    "calculate-resources",
    "capacity",
    "catalog",
    "costs",
    "deployment-status",
    "deployments",
    "events",
    "logs",
    "manifest",
    "monitoring",
    "nodes",
    "overview",
    "receivers",
    "recommendation",
    "rollback",
    "silences",
    "tenants",
    "validate-manifest",
];

/// A tenant's id: a DNS-1123 label of at most 56 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

impl TenantId {
    /// Checks and wraps a text.
    pub fn parse(text: &str) -> Result<Self, TenantIdFault> {
        if text.is_empty() {
            return Err(TenantIdFault::Empty);
        }
        if !is_dns_1123_label(text) {
            return Err(TenantIdFault::NotALabel);
        }
        if text.len() > TENANT_ID_MAX_LENGTH {
            return Err(TenantIdFault::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    /// As [`Self::parse`], for a tenant that does not exist yet: reserved words are refused too.
    pub fn parse_new(text: &str) -> Result<Self, TenantIdFault> {
        let id = Self::parse(text)?;
        if RESERVED_TENANT_IDS.contains(&text) { Err(TenantIdFault::Reserved) } else { Ok(id) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose namespace this is; none of one that can be no tenant's.
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        Self::parse(namespace.strip_prefix(NAMESPACE_PREFIX)?).ok()
    }

    /// The namespace that the tenant's objects live in unless a manifest asks for another.
    pub fn namespace(&self) -> String {
        format!("{NAMESPACE_PREFIX}{}", self.0)
    }
}

/// Which of the tenants that have had an id, one after another, is meant: the generation with which it
/// began. Generations of an id go on counting over deletions, so that neither an incarnation nor an
/// `ETag` ever stands for two tenants, and a later tenant has a larger incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(u64);

impl Incarnation {
    /// Of the tenant that began with this generation.
    pub fn begun_at(generation: u64) -> Self {
        Self(generation)
    }

    /// The generation with which the tenant began.
    pub fn first_generation(self) -> u64 {
        self.0
    }
}

impl Default for Incarnation {
    /// Of an id's first tenant.
    fn default() -> Self {
        Self(1)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One tenant and no other: one that is deleted and created again under its id is another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantKey {
    /// Its id.
    pub id: TenantId,
    /// Which of the tenants of that id.
    pub incarnation: Incarnation,
}

impl fmt::Display for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id, self.incarnation)
    }
}

impl TryFrom<String> for TenantId {
    type Error = TenantIdFault;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True for lower-case letters, digits and inner hyphens, 1–63 characters, as RFC 1123 labels are.
pub fn is_dns_1123_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

macro_rules! made_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Makes a new one from 60 random bits.
            pub fn generate() -> Self {
                Self(format!(concat!($prefix, "{}"), random_suffix()))
            }

            /// Wraps a text that names one; whether it exists is the store's to say.
            pub fn from_text(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

made_id!(
    /// One roll-out of a tenant (`dep-…`), or its deletion (`del-…`).
    DeploymentId,
    "dep-"
);
made_id!(
    /// One alert, from opening to resolution (`alert-…`).
    AlertId,
    "alert-"
);
made_id!(
    /// One silence (`sil-…`).
    SilenceId,
    "sil-"
);
made_id!(
    /// One receiver of alerts (`rcv-…`).
    ReceiverId,
    "rcv-"
);
made_id!(
    /// One delivery to a receiver (`msg-…`), the same at each try.
    DeliveryId,
    "msg-"
);
made_id!(
    /// One request (`req-…`), echoed in responses, errors and logs.
    RequestId,
    "req-"
);

made_id!(
    /// One installation of the orchestrator (`ecp-…`): what it makes carries it, so that two that share
    /// a cluster keep apart.
    InstallationId,
    "ecp-"
);

impl DeploymentId {
    /// Makes the id of a deletion.
    pub fn generate_deletion() -> Self {
        Self(format!("del-{}", random_suffix()))
    }
}

/// Twelve characters of Crockford base 32, lower case: 60 random bits.
fn random_suffix() -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    // The operating system's generator fails only where there is none; an id must never repeat,
    // so there is nothing sensible to do without it.
    let mut bits = getrandom::u64().expect("the operating system's random generator answers");
    let mut suffix = String::with_capacity(12);
    for _ in 0..12 {
        suffix.push(char::from(ALPHABET[(bits & 31) as usize]));
        bits >>= 5;
    }
    suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_id_is_a_dns_label_of_at_most_56_characters() {
        assert!(TenantId::parse("my-ai-service").is_ok());
        assert!(TenantId::parse(&"a".repeat(56)).is_ok());
        assert_eq!(TenantId::parse(&"a".repeat(57)), Err(TenantIdFault::TooLong));
        assert_eq!(TenantId::parse(""), Err(TenantIdFault::Empty));
        for wrong in ["My-Service", "-a", "a-", "a_b", "a.b", "한글"] {
            assert_eq!(TenantId::parse(wrong), Err(TenantIdFault::NotALabel), "{wrong}");
        }
    }

    #[test]
    fn a_new_tenant_can_not_take_a_word_of_the_paths_and_one_that_has_it_is_still_read() {
        assert!(RESERVED_TENANT_IDS.is_sorted());
        for word in RESERVED_TENANT_IDS {
            assert_eq!(TenantId::parse_new(word), Err(TenantIdFault::Reserved));
            assert!(TenantId::parse(word).is_ok());
        }
        for free in ["calculate", "calculate-resources-1", "test", "my-alerts"] {
            assert!(TenantId::parse_new(free).is_ok(), "{free}");
        }
        assert_eq!(TenantId::parse_new("Alerts"), Err(TenantIdFault::NotALabel));
    }

    #[test]
    fn made_ids_carry_their_prefix_and_differ() {
        let (a, b) = (DeploymentId::generate(), DeploymentId::generate());
        assert!(a.as_str().starts_with("dep-") && a.as_str().len() == 16);
        assert_ne!(a, b);
    }
}
