//! Spellings that several resources share.

use ecp_core::Timestamp;

/// RFC 3339 in whole seconds with `Z`, as the contract prints every timestamp.
pub(crate) fn timestamp_text(timestamp: Timestamp) -> String {
    let seconds = timestamp.as_second();
    Timestamp::from_second(seconds).unwrap_or(timestamp).to_string()
}
