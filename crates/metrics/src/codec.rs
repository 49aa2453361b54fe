//! How samples and roll-ups are written: frames with a version and a checksum, columns inside.
//!
//! A frame is `kind and version (1 byte) | CRC-32 of the payload (4) | payload`; integers are
//! little-endian. What is decoded is checked before it is believed: a damaged row is an error, and
//! never a panic or a wrong value.

mod columns;
mod frame;
pub(crate) mod log;
pub(crate) mod raw;
pub(crate) mod rollup;

/// Why bytes can not be decoded.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CodecError {
    /// They end too early.
    #[error("the data is cut short")]
    Truncated,
    /// Their first byte names another kind or version.
    #[error("the data has format {found}, expected {expected}")]
    Format {
        /// The byte found.
        found: u8,
        /// The byte expected.
        expected: u8,
    },
    /// They are damaged.
    #[error("the checksum does not match")]
    Checksum,
    /// They contradict themselves.
    #[error("the data contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// A column does not decompress.
    #[error("a column can not be decompressed: {0}")]
    Column(String),
}
