//! The characters of a file: UTF-8, or UTF-16 where its first bytes say so. What is neither is replaced by
//! U+FFFD, as `kubectl` does.

use super::Unreadable;
use ecp_core::text::Message;
use std::borrow::Cow;

/// The text of a file's bytes.
///
/// # Errors
/// They are no text: not UTF-8 and with a zero among them, as UTF-16 without a byte order mark has.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    let units = |convert: fn([u8; 2]) -> u16| -> Vec<u16> {
        bytes[2..].chunks_exact(2).map(|pair| convert([pair[0], pair[1]])).collect()
    };
    let decoded = match bytes {
        [0xff, 0xfe, ..] => Some(Cow::Owned(String::from_utf16_lossy(&units(u16::from_le_bytes)))),
        [0xfe, 0xff, ..] => Some(Cow::Owned(String::from_utf16_lossy(&units(u16::from_be_bytes)))),
        _ => match String::from_utf8_lossy(bytes) {
            Cow::Owned(_) if bytes.contains(&0) => None,
            text => Some(text),
        },
    };
    decoded.ok_or_else(|| Unreadable {
        line: None,
        column: None,
        message: Message::new("validate.unreadable.encoding"),
        has_verdict: false,
    })
}
