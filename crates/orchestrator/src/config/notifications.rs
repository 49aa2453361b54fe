//! Which addresses receivers of alerts may have.

use ecp_notifications::{AllowedAddresses, AllowedFault};
use serde::Deserialize;

/// Receivers of alerts.
#[derive(Clone, Debug, Deserialize)]
pub struct Notifications {
    /// Ranges of addresses that they may have beside public ones.
    pub allow_private: Vec<String>,
}

impl Notifications {
    /// Which addresses are dialled; the fault of each range that is none.
    pub fn allowed(&self) -> Result<AllowedAddresses, Vec<AllowedFault>> {
        AllowedAddresses::new(self.allow_private.iter().map(String::as_str))
    }
}
