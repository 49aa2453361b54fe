//! A catalog under the digest of what it says, so that it can be kept once and named for ever.

use super::{Catalog, shape};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// SHA-256 of what a catalog says, whatever its comments and their order, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CatalogDigest(String);

impl CatalogDigest {
    /// Wraps a text that names one; whether it is kept is the store's to say.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// All 64 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve, for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for CatalogDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// A catalog, and the name of what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Edition {
    /// Its digest.
    pub digest: CatalogDigest,
    /// The catalog.
    pub catalog: Arc<Catalog>,
    /// It as TOML, as it is kept.
    document: String,
}

impl Edition {
    /// Names a catalog.
    pub fn of(catalog: Arc<Catalog>) -> Self {
        // By way of a table, which writes values before tables whatever their order in the types.
        let document = toml::Table::try_from(&*catalog)
            .ok()
            .and_then(|table| toml::to_string(&table).ok())
            .expect("a test writes the embedded catalog, and every catalog has its shape");
        Self { digest: digest(&document), catalog, document }
    }

    /// Reads one that was kept, by whichever release: keys that this release does not know are left
    /// out, and keys that it is the first to know are as in the embedded catalog.
    pub fn restore(digest: CatalogDigest, document: String) -> Option<Self> {
        let (catalog, _mended) = shape::Document::parse(&document).ok()?.read();
        Some(Self { digest, catalog: Arc::new(catalog?), document })
    }

    /// It as text, as [`Self::restore`] reads it.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The keys that another edition has otherwise, joined by dots, elements of lists by their name.
    pub fn changed_keys(&self, other: &Self) -> Vec<String> {
        let table = |edition: &Self| edition.document.parse::<toml::Table>().unwrap_or_default();
        let mut keys = Vec::new();
        collect(&toml::Value::Table(table(self)), &toml::Value::Table(table(other)), "", &mut keys);
        keys
    }
}

fn digest(document: &str) -> CatalogDigest {
    CatalogDigest(Sha256::digest(document).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn collect(before: &toml::Value, after: &toml::Value, path: &str, keys: &mut Vec<String>) {
    use toml::Value::{Array, Table};
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (before, after) {
        _ if before == after => {}
        (Table(before), Table(after)) => {
            for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
                match (before.get(key), after.get(key)) {
                    (Some(before), Some(after)) => collect(before, after, &below(key), keys),
                    _ => keys.push(below(key)),
                }
            }
        }
        (Array(before), Array(after)) if before.len() == after.len() => {
            for (place, (before, after)) in before.iter().zip(after).enumerate() {
                let name = before.get("name").and_then(toml::Value::as_str);
                let key = name.map_or_else(|| place.to_string(), str::to_owned);
                collect(before, after, &below(&key), keys);
            }
        }
        _ => keys.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::EMBEDDED;

    fn edition(text: &str) -> Edition {
        Edition::of(Arc::new(Catalog::parse(text).expect("a valid catalog")))
    }

    #[test]
    fn a_catalog_that_was_kept_is_read_back_as_it_was() {
        let kept = Edition::of(Arc::new(Catalog::embedded()));
        let read = Edition::restore(kept.digest.clone(), kept.document().to_owned()).expect("readable");
        assert_eq!(read, kept);
    }

    #[test]
    fn comments_do_not_change_a_digest_and_values_do() {
        let embedded = edition(EMBEDDED);
        assert_eq!(edition(&format!("# a remark\n{EMBEDDED}")).digest, embedded.digest);
        let other = edition(&EMBEDDED.replacen("storage_gib = 1", "storage_gib = 20", 1));
        assert_ne!(other.digest, embedded.digest);
        assert_eq!(embedded.changed_keys(&other), ["kubernetes.redis.storage_gib"]);
    }

    #[test]
    fn a_catalog_of_another_release_is_read_with_its_own_values() {
        let kept = edition(&EMBEDDED.replacen("storage_gib = 1", "storage_gib = 20", 1));
        let table: toml::Table = kept.document().parse().expect("TOML");
        let mut other = table.clone();
        let kubernetes = other["kubernetes"].as_table_mut().expect("a table");
        kubernetes.remove("gpu_resource");
        kubernetes.insert("of_the_future".into(), 1.into());
        let text = toml::to_string(&other).expect("TOML");
        let read = Edition::restore(kept.digest.clone(), text).expect("readable").catalog;
        assert_eq!(read.kubernetes.redis.storage_gib, 20);
        assert_eq!(read.kubernetes.gpu_resource, Catalog::embedded().kubernetes.gpu_resource);
    }
}
