//! What counts as one client where something is shared out: the name of a token that was recognized, so
//! that made-up tokens buy nothing, else an address, and for IPv6 the /64 network that one machine
//! commonly has.

use ecp_core::access::Access;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::OnceLock;

/// One client, by a hash that nobody else can foresee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client(u64);

impl Client {
    /// The bearer of a token, else an address.
    pub(crate) fn of(access: &Access, address: Option<IpAddr>) -> Self {
        match &access.token_id {
            Some(_) => Self::named(&access.actor),
            None => Self::at(address),
        }
    }

    /// The bearer of a token of this name.
    pub(crate) fn named(actor: &str) -> Self {
        Self(hasher().hash_one(("token", actor)))
    }

    /// Whoever asks from an address.
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        Self(hasher().hash_one(("address", address.map(network))))
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) fn from_number(number: u64) -> Self {
        Self(number)
    }
}

fn hasher() -> &'static RandomState {
    static HASHER: OnceLock<RandomState> = OnceLock::new();
    HASHER.get_or_init(RandomState::new)
}

/// The part of an address that one client commonly has to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        address => address,
    }
}
