//! Receivers: who is told of alerts, of which ones, and how.

use super::filter::AlertFilter;
use crate::Timestamp;
use crate::ids::ReceiverId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Receivers of a mode at most.
pub const MOST: usize = 100;

/// How a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiverKind {
    /// Signed messages, as the Standard Webhooks specification has them.
    Webhook,
    /// An Alertmanager, by its API v2.
    Alertmanager,
}

impl ReceiverKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Webhook, Self::Alertmanager];

    /// The spelling of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Alertmanager => "alertmanager",
        }
    }
}

/// Who is told of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receiver {
    /// Its id.
    pub id: ReceiverId,
    /// How it is told.
    pub kind: ReceiverKind,
    /// Where: the address itself of a webhook, the base address of an Alertmanager.
    pub url: String,
    /// Of which alerts; by default of all.
    pub filter: AlertFilter,
    /// What it is for, for people.
    pub comment: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What a webhook's messages are signed with; kept beside the document and in no audit entry.
    #[serde(skip)]
    pub secret: Option<SigningSecret>,
}

/// Why a text is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not whsec_ and the base64 of 24 to 64 bytes")]
pub struct SecretFault;

/// A secret as the Standard Webhooks specification writes it: `whsec_` and base64. Never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl SigningSecret {
    const PREFIX: &str = "whsec_";
    /// Bytes that a secret may have; the specification's limits.
    const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

    /// Checks and wraps a text.
    pub fn parse(text: &str) -> Result<Self, SecretFault> {
        let bytes = text.strip_prefix(Self::PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
        match bytes {
            Some(bytes) if Self::BYTES.contains(&bytes.len()) => Ok(Self(text.to_owned())),
            _ => Err(SecretFault),
        }
    }

    /// Makes one of 256 random bits.
    pub fn generate() -> Self {
        let mut bytes = [0; 32];
        // As for ids: without the system's generator there is no safe secret to make.
        getrandom::fill(&mut bytes).expect("the operating system's random generator answers");
        Self(format!("{}{}", Self::PREFIX, STANDARD.encode(bytes)))
    }

    /// The text, for who keeps it and for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The bytes to sign with.
    pub fn key(&self) -> Vec<u8> {
        self.0
            .strip_prefix(Self::PREFIX)
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .unwrap_or_default()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_base64_of_enough_bytes_and_is_never_shown() {
        let made = SigningSecret::generate();
        assert_eq!(made.key().len(), 32);
        assert_eq!(SigningSecret::parse(made.expose()), Ok(made.clone()));
        assert_ne!(made, SigningSecret::generate());
        assert!(!format!("{made:?}").contains(&made.expose()[6..]));
        for wrong in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!"] {
            assert_eq!(SigningSecret::parse(wrong), Err(SecretFault), "{wrong}");
        }
        assert!(SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
    }
}
