//! How many requests a client may send.

use crate::clients::Client;
use crate::error::{ApiError, ErrorCode};
use ecp_core::access::Access;
use ecp_core::text::Message;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::HeaderValue;
use http::header::RETRY_AFTER;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

/// Clients that went quiet are forgotten every so many requests, which bounds the memory by the
/// clients of that many requests.
const FORGET_EVERY: u32 = 16_384;

/// The limit, for all clients.
pub struct RateLimit {
    limiter: DefaultKeyedRateLimiter<Client>,
    clock: DefaultClock,
    checks: AtomicU32,
}

impl RateLimit {
    /// Allows each client `burst` requests at once and `per_second` in the long run; both at least 1.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
        Self { limiter: RateLimiter::keyed(quota), clock: DefaultClock::default(), checks: AtomicU32::new(0) }
    }

    /// Counts a request; 429 with `Retry-After` where it is one too many.
    pub(crate) fn check(&self, access: Option<&Access>, address: Option<IpAddr>) -> Result<(), ApiError> {
        let client = match access {
            Some(access) => Client::named(&access.actor),
            None => Client::at(address),
        };
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let Err(too_early) = self.limiter.check_key(&client) else { return Ok(()) };
        let wait = too_early.wait_time_from(self.clock.now());
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Err(rate_limited(seconds.max(1)))
    }
}

fn rate_limited(seconds: u64) -> ApiError {
    ApiError::new(ErrorCode::RateLimited, Message::new("auth.rate_limited").with("seconds", seconds))
        .detail("retry_after_seconds", seconds)
        .header(RETRY_AFTER, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_client_over_its_burst_is_told_when_to_come_back() {
        let limit = RateLimit::new(1, 2);
        let client = address("192.0.2.1");
        assert!(limit.check(None, client).is_ok() && limit.check(None, client).is_ok());
        let refused = limit.check(None, client).unwrap_err();
        assert_eq!(refused.status(), http::StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        assert_eq!(refused.headers(), [(RETRY_AFTER, HeaderValue::from_static("1"))]);
    }

    #[test]
    fn retry_after_is_in_whole_seconds_and_never_zero() {
        let limit = RateLimit::new(1000, 1);
        let client = address("192.0.2.1");
        let refused = (0..10_000).find_map(|_| limit.check(None, client).err()).unwrap();
        assert_eq!(refused.headers(), [(RETRY_AFTER, HeaderValue::from_static("1"))]);
    }

    #[test]
    fn tokens_and_addresses_have_a_budget_each() {
        let limit = RateLimit::new(1, 1);
        let token = |actor: &str| Access { actor: actor.to_owned(), ..Access::anonymous() };
        let client = address("192.0.2.1");
        assert!(limit.check(Some(&token("a")), client).is_ok());
        assert!(limit.check(Some(&token("b")), client).is_ok());
        assert!(limit.check(None, client).is_ok());
        assert!(limit.check(None, address("192.0.2.2")).is_ok());
        assert!(limit.check(Some(&token("a")), address("192.0.2.3")).is_err());
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_budget() {
        let limit = RateLimit::new(1, 1);
        assert!(limit.check(None, address("2001:db8::1")).is_ok());
        assert!(limit.check(None, address("2001:db8::ffff:1")).is_err());
        assert!(limit.check(None, address("2001:db8:0:1::1")).is_ok());
        assert!(limit.check(None, address("::ffff:192.0.2.1")).is_ok());
        assert!(limit.check(None, address("192.0.2.1")).is_err());
    }

    #[test]
    fn clients_that_went_quiet_are_forgotten() {
        let limit = RateLimit::new(u32::MAX, 1);
        for number in 0..FORGET_EVERY {
            let address = Some(IpAddr::from(number.to_be_bytes()));
            assert!(limit.check(None, address).is_ok());
        }
        assert!(limit.limiter.len() < 1000, "{} clients are kept", limit.limiter.len());
    }
}
