//! The objects of a revision as they were rendered when it was accepted, without secret values.
//!
//! What is healed to is what was applied, whatever the catalog and the renderer have become since.

use super::config::{REDACTED, bytes};
use super::{Object, RenderOptions, render};
use crate::catalog::Catalog;
use crate::tenant::{Tenant, TenantSecrets};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// SHA-256 of a pinned manifest, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ManifestDigest(String);

impl ManifestDigest {
    /// All 64 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ManifestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Objects as text, their secret values taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedManifest {
    /// Digest of the text.
    pub digest: ManifestDigest,
    text: String,
}

impl PinnedManifest {
    /// Renders a tenant as the controller applies it.
    pub fn render(catalog: &Catalog, tenant: &Tenant, secrets: &TenantSecrets) -> Self {
        let options = RenderOptions { redact_secrets: true, ..RenderOptions::default() };
        Self::of(&render(catalog, tenant, secrets, &options).objects)
    }

    /// Pins objects that carry no secret value.
    fn of(objects: &[Object]) -> Self {
        Self::from_text(
            serde_json::to_string(objects).expect("objects of a manifest have text keys and finite numbers"),
        )
    }

    /// Takes a text that was kept.
    pub fn from_text(text: String) -> Self {
        let hex = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { digest: ManifestDigest(hex), text }
    }

    /// The text, as it is kept.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The objects, secret values as the cluster is to have them.
    ///
    /// # Errors
    /// The text is of a kind that this release does not know.
    pub fn objects(&self, secrets: &TenantSecrets) -> Result<Vec<Object>, serde_json::Error> {
        let mut objects = self.redacted()?;
        for object in &mut objects {
            let Object::Secret(secret) = object else { continue };
            let Some(texts) = secret.string_data.take() else { continue };
            let known = secrets.expose();
            let values = texts.into_iter().filter_map(|(key, text)| {
                let value =
                    if text == REDACTED { known.get(&key).map(|value| bytes(value))? } else { bytes(&text) };
                Some((key, value))
            });
            secret.data.get_or_insert_default().extend(values);
        }
        Ok(objects)
    }

    /// The objects without secret values.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub fn redacted(&self) -> Result<Vec<Object>, serde_json::Error> {
        serde_json::from_str(&self.text)
    }
}
