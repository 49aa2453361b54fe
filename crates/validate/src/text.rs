//! The characters of a file: UTF-8, or UTF-16 where its first bytes say so.

use super::Unreadable;
use ecp_core::text::Message;
use std::borrow::Cow;

/// The text of a file's bytes.
///
/// # Errors
/// They are neither UTF-8 nor UTF-16 with a byte order mark.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    let units = |convert: fn([u8; 2]) -> u16| -> Vec<u16> {
        bytes[2..].chunks_exact(2).map(|pair| convert([pair[0], pair[1]])).collect()
    };
    let decoded = match bytes {
        [0xff, 0xfe, ..] => String::from_utf16(&units(u16::from_le_bytes)).ok().map(Cow::Owned),
        [0xfe, 0xff, ..] => String::from_utf16(&units(u16::from_be_bytes)).ok().map(Cow::Owned),
        _ => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    };
    decoded.ok_or_else(|| Unreadable {
        line: None,
        column: None,
        message: Message::new("validate.unreadable.encoding"),
        has_verdict: false,
    })
}
