//! Addresses that are dialled, and those that are not unless the operator says so: what a receiver's url
//! names must not be a way into this machine or the network behind it.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Special-purpose ranges of IPv4, as IANA's registry has them, with multicast and what is reserved.
const REFUSED_V4: [&str; 16] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];
/// Global unicast addresses of IPv6; whatever else there is, is not dialled.
const GLOBAL_V6: &str = "2000::/3";
/// Special-purpose ranges among them: Teredo and other protocols, documentation, 6to4.
const REFUSED_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];
/// IPv4 addresses behind a translator; they are judged as what they lead to.
const TRANSLATED_V6: &str = "64:ff9b::/96";

/// A range that can not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no range of addresses; write it as 10.0.0.0/8 or fd00::/8")]
pub struct AllowedFault(pub String);

/// Which addresses may be dialled.
#[derive(Clone, Debug)]
pub struct AllowedAddresses {
    allowed: Vec<IpNet>,
    refused: Vec<IpNet>,
    global_v6: Vec<IpNet>,
    translated_v6: Vec<IpNet>,
}

impl AllowedAddresses {
    /// Every public address, and those in these ranges; the fault of each range that is none.
    pub fn new<'a>(ranges: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<AllowedFault>> {
        let (mut allowed, mut faults) = (Vec::new(), Vec::new());
        for range in ranges {
            match range.parse::<IpNet>() {
                Ok(range) => allowed.push(range.trunc()),
                Err(_) => faults.push(AllowedFault(range.to_owned())),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let known = |ranges: &[&str]| ranges.iter().filter_map(|range| range.parse().ok()).collect();
        let mut refused: Vec<IpNet> = known(&REFUSED_V4);
        refused.extend::<Vec<IpNet>>(known(&REFUSED_V6));
        Ok(Self { allowed, refused, global_v6: known(&[GLOBAL_V6]), translated_v6: known(&[TRANSLATED_V6]) })
    }

    /// True of an address that may be dialled.
    pub fn allows(&self, address: IpAddr) -> bool {
        let within = |ranges: &[IpNet], address: &IpAddr| ranges.iter().any(|range| range.contains(address));
        if within(&self.allowed, &address) {
            return true;
        }
        match address {
            IpAddr::V4(_) => !within(&self.refused, &address),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(mapped) => self.allows(mapped.into()),
                None if within(&self.translated_v6, &address) => self.allows(last_four_bytes(v6).into()),
                None => within(&self.global_v6, &address) && !within(&self.refused, &address),
            },
        }
    }
}

fn last_four_bytes(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(ranges: &[&str], address: &str) -> bool {
        let allowed = AllowedAddresses::new(ranges.iter().copied()).expect("ranges");
        allowed.allows(address.parse().expect("an address"))
    }

    #[test]
    fn the_ranges_that_are_known_can_all_be_read() {
        let all = AllowedAddresses::new([]).expect("none");
        assert_eq!(all.refused.len(), REFUSED_V4.len() + REFUSED_V6.len());
        assert_eq!((all.global_v6.len(), all.translated_v6.len()), (1, 1));
    }

    #[test]
    fn public_addresses_alone_are_dialled() {
        for public in
            ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "64:ff9b::808:808"]
        {
            assert!(allows(&[], public), "{public}");
        }
        for refused in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.2.7",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "100::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!allows(&[], refused), "{refused}");
        }
    }

    #[test]
    fn what_the_operator_names_is_dialled_however_it_is_written() {
        let ranges = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"];
        for allowed in ["10.1.2.3", "127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fd00::7"] {
            assert!(allows(&ranges, allowed), "{allowed}");
        }
        for refused in ["127.0.0.2", "192.168.1.1", "fe80::1", "fc00::1"] {
            assert!(!allows(&ranges, refused), "{refused}");
        }
        let faults = AllowedAddresses::new(["10.0.0.0/8", "localhost", "10.0.0.0/99"]).expect_err("two");
        assert_eq!(faults, [AllowedFault("localhost".into()), AllowedFault("10.0.0.0/99".into())]);
    }
}
