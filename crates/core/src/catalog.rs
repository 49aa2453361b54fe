//! The catalog: presets, services, devices, prices, weights and the operator's settings.

/// The catalog, validated whole.
#[derive(Clone, Debug)]
pub struct Catalog {}

/// Every fault of a catalog file, with where it is and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the catalog has {} fault(s):\n{}", .0.len(), .0.join("\n"))]
pub struct CatalogFaults(pub Vec<String>);

impl Catalog {
    /// The embedded catalog.
    pub fn embedded() -> Self {
        unimplemented!()
    }

    /// Reads and validates an operator's catalog (TOML, the same file as the embedded one).
    pub fn parse(text: &str) -> Result<Self, CatalogFaults> {
        let _ = text;
        unimplemented!()
    }
}
