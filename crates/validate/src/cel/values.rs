//! Values that Kubernetes adds to CEL: URLs, addresses, ranges of them, versions, named formats.

use super::super::format;
use ecp_core::ids::is_dns_1123_label;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The parts of an address that a request can have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub scheme: String,
    pub host: String,
    pub path: String,
    pub query: String,
}

impl Url {
    /// Reads one that begins with a scheme or at a root.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_control()) {
            return None;
        }
        let is_scheme = |part: &str| {
            part.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        };
        let (scheme, rest) = match text.split_once(':') {
            Some(("", _)) => return None,
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ => (String::new(), text),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !rest.starts_with('/') {
            // Behind a scheme it is nothing that is looked into.
            let none = String::new();
            return (!scheme.is_empty()).then(|| Self {
                scheme,
                host: none.clone(),
                path: none,
                query: query.to_owned(),
            });
        }
        let authority = if scheme.is_empty() { None } else { rest.strip_prefix("//") };
        let (host, path) = match authority {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (host_of(authority)?, path)
            }
            None => (String::new(), rest),
        };
        unescaped(path)?;
        Some(Self { scheme, host, path: path.to_owned(), query: query.to_owned() })
    }

    /// The host without its port and brackets.
    pub fn hostname(&self) -> &str {
        match self.host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => self.host.rsplit_once(':').map_or(&self.host, |(name, _)| name),
        }
    }

    /// The port; empty without one.
    pub fn port(&self) -> &str {
        let behind = self.host.rsplit_once(']').map_or(self.host.as_str(), |(_, behind)| behind);
        behind.rsplit_once(':').map_or("", |(_, port)| port)
    }

    /// The path as it is sent.
    pub fn escaped_path(&self) -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]%".contains(&byte);
        if self.path.bytes().all(is_plain) {
            return self.path.clone();
        }
        let bytes = unescaped(&self.path).unwrap_or_default();
        let mut text = String::new();
        for byte in bytes {
            match byte {
                byte if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) => {
                    text.push(byte as char)
                }
                byte => text.push_str(&format!("%{byte:02X}")),
            }
        }
        text
    }

    /// The query by its names.
    pub fn query(&self) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let read = |text: &str| {
            let bytes = unescaped(&text.replace('+', " "))?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        for part in self.query.split('&').filter(|part| !part.is_empty() && !part.contains(';')) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if let (Some(name), Some(value)) = (read(name), read(value)) {
                all.entry(name).or_default().push(value);
            }
        }
        all
    }
}

/// The host of an authority, its port a number.
fn host_of(authority: &str) -> Option<String> {
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let of_user = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if user.is_some_and(|user| !user.bytes().all(of_user) || unescaped(user).is_none()) {
        return None;
    }
    let is_port = |text: &str| {
        text.is_empty()
            || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let behind = match host.strip_prefix('[') {
        Some(rest) => rest.rsplit_once(']')?.1,
        None => host.rfind(':').map_or("", |at| &host[at..]),
    };
    let allowed =
        |byte: u8| byte >= 0x80 || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte);
    (is_port(behind) && host.bytes().all(allowed)).then(|| host.to_owned())
}

/// The bytes that a text with percent signs stands for.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        plain.push((high << 4 | low) as u8);
    }
    Some(plain)
}

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ip(pub IpAddr);

impl Ip {
    pub fn parse(text: &str) -> Option<Self> {
        format::ip(text, true).map(Self)
    }

    pub fn is_link_local_unicast(self) -> bool {
        match self.0 {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
        }
    }

    pub fn is_link_local_multicast(self) -> bool {
        match self.0 {
            IpAddr::V4(address) => address.octets().starts_with(&[224, 0, 0]),
            IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
        }
    }

    pub fn is_global_unicast(self) -> bool {
        let is_broadcast = matches!(self.0, IpAddr::V4(address) if address.is_broadcast());
        !(is_broadcast
            || self.0.is_unspecified()
            || self.0.is_loopback()
            || self.0.is_multicast()
            || self.is_link_local_unicast())
    }
}

/// A range of addresses, as it is written: with or without bits beyond its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    pub address: IpAddr,
    pub length: u8,
}

impl Cidr {
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length, _) = format::cidr(text, true)?;
        Some(Self { address, length })
    }

    /// Without bits beyond the prefix.
    pub fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        };
        Self { address, ..self }
    }

    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Self { address, ..self }.masked().address == self.masked().address
    }

    pub fn contains_all(self, other: Self) -> bool {
        other.length >= self.length && self.contains(other.address)
    }
}

/// A version as semver.org orders them; what is built of it does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub numbers: [u64; 3],
    before: Vec<String>,
}

impl Version {
    /// Reads one; where it is `loose`, a `v` before it, zeros before numbers and missing numbers are well.
    pub fn parse(text: &str, loose: bool) -> Option<Self> {
        if loose { Self::strict(&normal(text)?) } else { Self::strict(text) }
    }

    fn strict(text: &str) -> Option<Self> {
        let (core, rest) = text.find(['-', '+']).map_or((text, ""), |at| text.split_at(at));
        let (before, build) =
            rest.split_once('+').map_or((rest, None), |(before, build)| (before, Some(build)));
        let is_word = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let numbers: Option<Vec<u64>> = core.split('.').map(number).collect();
        let numbers: [u64; 3] = numbers?.try_into().ok()?;
        let before: Vec<String> = match before.strip_prefix('-') {
            Some(before) => before.split('.').map(str::to_owned).collect(),
            None => Vec::new(),
        };
        let is_label = |part: &String| {
            is_word(part) && (!part.bytes().all(|byte| byte.is_ascii_digit()) || number(part).is_some())
        };
        let well = before.iter().all(is_label) && build.is_none_or(|build| build.split('.').all(is_word));
        well.then_some(Self { numbers, before })
    }
}

/// A whole number without zeros before it.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// The three numbers of a version that is written loosely.
fn normal(text: &str) -> Option<String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text
        .splitn(3, '.')
        .map(|part| {
            let plain = if part.len() > 1 { part.trim_start_matches('0') } else { part };
            if plain.starts_with(|first: char| first.is_ascii_digit()) {
                plain.to_owned()
            } else {
                format!("0{plain}")
            }
        })
        .collect();
    if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['-', '+'])) {
        return None;
    }
    // What is no number at all is none.
    if text.is_empty() || !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    parts.resize(3, "0".to_owned());
    Some(parts.join("."))
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let label = |a: &String, b: &String| match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.before.is_empty(), other.before.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => {
                    let pairs = self.before.iter().zip(&other.before);
                    pairs
                        .map(|(a, b)| label(a, b))
                        .find(|order| order.is_ne())
                        .unwrap_or_else(|| self.before.len().cmp(&other.before.len()))
                }
            }
        })
    }
}

/// Whether a text is of a form.
type Holds = fn(&str) -> bool;

/// What a text can be held against by name.
pub(super) const FORMATS: [(&str, Holds); 13] = [
    ("dns1123Label", is_dns_1123_label),
    ("dns1123Subdomain", format::is_dns_subdomain),
    ("dns1035Label", format::is_dns_1035_label),
    ("qualifiedName", format::is_qualified_name),
    ("dns1123LabelPrefix", |text| is_dns_1123_label(&format::prefix(text))),
    ("dns1123SubdomainPrefix", |text| format::is_dns_subdomain(&format::prefix(text))),
    ("dns1035LabelPrefix", |text| format::is_dns_1035_label(&format::prefix(text))),
    ("labelValue", format::is_label_value),
    ("uri", |text| Url::parse(text).is_some()),
    ("uuid", is_uuid),
    ("byte", is_base64),
    ("date", |text| text.len() == 10 && text.parse::<chrono::NaiveDate>().is_ok()),
    ("datetime", |text| chrono::DateTime::parse_from_rfc3339(text).is_ok()),
];

fn is_uuid(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let well = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hyphens: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
    well && (hyphens.is_empty() || hyphens == [8, 13, 18, 23])
}

fn is_base64(text: &str) -> bool {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    let body = &text[..text.len() - padding];
    text.len().is_multiple_of(4)
        && padding <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;

    #[test]
    fn urls_have_their_parts() {
        let url = Url::parse("https://u@[::1]:80/x y?a=1&a=2&b=%41+c").unwrap();
        assert_eq!((url.hostname(), url.port(), url.escaped_path().as_str()), ("::1", "80", "/x%20y"));
        assert_eq!(url.query()["a"], ["1", "2"]);
        assert_eq!(url.query()["b"], ["A c"]);
        for text in ["", "a", "http://a b", "http://[::1", "http://a:x", "http://%zz", "../a", ":a", "/%zz"] {
            assert!(Url::parse(text).is_none(), "{text}");
        }
        for text in ["/a", "a:b", "//a/b", "http://", "mailto:a@b"] {
            assert!(Url::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn versions_have_their_order() {
        let ordered = ["1.2.3-1", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-alpha.beta", "1.2.3", "1.10.0"];
        let versions: Vec<Version> =
            ordered.iter().map(|text| Version::parse(text, false).unwrap()).collect();
        assert!(versions.is_sorted());
        for text in ["v1.2.3", "1.2", "1.2.3-01", "1.2.3-", "1.2.3+", "01.2.3"] {
            assert!(Version::parse(text, false).is_none(), "{text}");
        }
        for (text, numbers) in [("v1.2", [1, 2, 0]), ("01", [1, 0, 0]), ("v1.02.3", [1, 2, 3])] {
            assert_eq!(Version::parse(text, true).unwrap().numbers, numbers, "{text}");
        }
        assert!(Version::parse("x", true).is_none());
    }

    #[test]
    fn ranges_hold_addresses() {
        let range = Cidr::parse("10.1.2.3/8").unwrap();
        assert_eq!(range.masked(), Cidr::parse("10.0.0.0/8").unwrap());
        assert!(range.contains("10.9.9.9".parse().unwrap()) && !range.contains("::1".parse().unwrap()));
        assert!(range.contains_all(Cidr::parse("10.0.0.0/16").unwrap()));
        assert!(!range.contains_all(Cidr::parse("10.0.0.0/7").unwrap()));
        assert!(Cidr::parse("::/0").unwrap().contains("::1".parse().unwrap()));
    }
}
