//! Syntax of the texts that Kubernetes gives meaning to: names, labels, quantities, images.

use ecp_core::ids::is_dns_1123_label;
use std::borrow::Cow;

/// Longest text of the manifest that a message repeats, in characters.
const SHOWN_LENGTH: usize = 80;

/// A text of the manifest for a message: one line, of bounded length.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN_LENGTH && !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut short: String =
        text.chars().take(SHOWN_LENGTH).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN_LENGTH).is_some() {
        short.push('…');
    }
    Cow::Owned(short)
}

/// The candidate that a misspelt word most likely means.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Longer words are no field's name, and comparing them costs the product of the lengths.
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= 1 + candidate.len().min(word.len()) / 4)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// RFC 1123 subdomain: labels of lower-case letters, digits and hyphens joined by dots, at most
/// 253 characters.
pub(super) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && !text.is_empty() && text.split('.').all(is_subdomain_label)
}

fn is_subdomain_label(label: &str) -> bool {
    // Within a subdomain a label may be longer than 63.
    label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// RFC 1035 label: as RFC 1123, and begins with a letter; what Service names are.
pub(super) fn is_dns_1035_label(text: &str) -> bool {
    is_dns_1123_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit, 1–63 characters.
fn is_qualified_part(text: &str) -> bool {
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// A key of a label or annotation: an optional subdomain prefix and a name.
pub(super) fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_qualified_part(name),
        None => is_qualified_part(text),
    }
}

/// A label's value: empty, or as a qualified name's last part.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_qualified_part(text)
}

/// A key of a ConfigMap or Secret.
pub(super) fn is_config_key(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && text != "."
        && !text.starts_with("..")
}

/// An environment variable's name: printable ASCII without `=`.
pub(super) fn is_env_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=')
}

/// A port's name (IANA service name): lower-case letters, digits and single inner hyphens, with a
/// letter, at most 15 characters.
pub(super) fn is_port_name(text: &str) -> bool {
    text.len() <= 15
        && is_dns_1123_label(text)
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.contains("--")
}

/// An image reference: `[registry[:port]/]path[:tag][@digest]`.
pub(super) fn is_image(text: &str) -> bool {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let (path, tag) = split_tag(name);
    let component = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let host = |part: &str| {
        let (name, port) = part.split_once(':').unwrap_or((part, "80"));
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
            && !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or_default();
    let has_more = path.contains('/');
    let tag_is_well = tag.is_none_or(|tag| {
        (1..=128).contains(&tag.len())
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && !tag.starts_with(['-', '.'])
    });
    let digest_is_well = digest.is_none_or(|digest| {
        digest.split_once(':').is_some_and(|(algorithm, hex)| {
            !algorithm.is_empty() && hex.len() >= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    });
    (component(first) || (has_more && host(first))) && parts.all(component) && tag_is_well && digest_is_well
}

/// Name and tag of an image without its digest; a colon before the last slash is a port.
pub(super) fn split_tag(name: &str) -> (&str, Option<&str>) {
    let path_start = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[path_start..].find(':') {
        Some(colon) => (&name[..path_start + colon], Some(&name[path_start + colon + 1..])),
        None => (name, None),
    }
}

/// True for padded base64 as a Secret's `data` holds it; line breaks are let pass, as the API
/// server's decoder does.
pub(super) fn is_base64(text: &str) -> bool {
    let mut digits = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'\n' | b'\r' => {}
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            _ => return false,
        }
    }
    padding <= 2 && (digits + padding).is_multiple_of(4)
}

/// A Prometheus duration such as `30s`, `5m` or `1h30m`.
pub(super) fn is_duration(text: &str) -> bool {
    const UNITS: [&str; 7] = ["y", "w", "d", "h", "m", "s", "ms"];
    if text == "0" {
        return true;
    }
    let mut rest = text;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
        let unit = &rest[digits..digits + letters];
        let Some(place) = UNITS.iter().position(|candidate| *candidate == unit) else { return false };
        if digits == 0 || place < next_unit {
            return false;
        }
        next_unit = place + 1;
        rest = &rest[digits + letters..];
    }
    !text.is_empty()
}

/// A cron schedule: five fields, or one of the names such as `@daily`.
pub(super) fn is_schedule(text: &str) -> bool {
    const NAMES: [&str; 7] =
        ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    if text.starts_with('@') {
        return NAMES.contains(&text)
            || text.strip_prefix("@every ").is_some_and(|every| !every.trim().is_empty());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"*/,-?#".contains(&byte);
    let fields = text.split_ascii_whitespace();
    text.split_ascii_whitespace().count() == 5 && fields.into_iter().all(|field| field.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_references_are_told_from_other_texts() {
        for image in [
            "redis",
            "redis:7.4",
            "ecp-ai/callbot:latest",
            "registry.example.com:5000/team/app:1.0",
            "Registry.local/app",
            "localhost:5000/app",
            "app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            assert!(is_image(image), "{image}");
        }
        for wrong in ["", "UPPER", "a b", "app:", "app:-x", "app@sha256", "a//b", ":1", "https://x/y"] {
            assert!(!is_image(wrong), "{wrong}");
        }
        assert_eq!(split_tag("localhost:5000/app"), ("localhost:5000/app", None));
        assert_eq!(split_tag("localhost:5000/app:2"), ("localhost:5000/app", Some("2")));
    }

    #[test]
    fn names_labels_and_keys_follow_the_rules_of_kubernetes() {
        assert!(is_qualified_name("ecp.ai/tenant") && is_qualified_name("app"));
        assert!(!is_qualified_name("a/b/c") && !is_qualified_name("/b") && !is_qualified_name("-a"));
        assert!(is_label_value("") && is_label_value("my_Value.1") && !is_label_value("a b"));
        assert!(!is_label_value(&"a".repeat(64)));
        assert!(is_dns_subdomain("a.b-c") && !is_dns_subdomain("a..b") && !is_dns_subdomain("A"));
        assert!(is_dns_1035_label("callbot-service") && !is_dns_1035_label("1st"));
        assert!(is_port_name("http") && !is_port_name("8080") && !is_port_name("a-name-far-too-long"));
        assert!(is_config_key("redis.conf") && !is_config_key("a/b") && !is_config_key(".."));
    }

    #[test]
    fn durations_schedules_and_base64_are_checked() {
        assert!(is_duration("30s") && is_duration("1h30m") && is_duration("500ms") && is_duration("0"));
        assert!(!is_duration("30") && !is_duration("1m1h") && !is_duration("") && !is_duration("s"));
        assert!(is_schedule("*/5 0 * * mon-fri") && is_schedule("@daily") && !is_schedule("* * * *"));
        assert!(is_base64("aGVsbG8=") && is_base64("") && !is_base64("hello") && !is_base64("a=b="));
    }

    #[test]
    fn the_nearest_word_is_found_whatever_its_case() {
        let fields = ["image", "imagePullPolicy", "name", "ports"];
        assert_eq!(nearest("imagepullpolicy", fields), Some("imagePullPolicy"));
        assert_eq!(nearest("imgae", fields), Some("image"));
        assert_eq!(nearest("somethingElse", fields), None);
    }

    #[test]
    fn a_text_in_a_message_is_one_short_line() {
        assert_eq!(shortened("a\nb"), "a b");
        assert_eq!(shortened(&"가".repeat(100)).chars().count(), 81);
    }
}
