//! `Idempotency-Key`: names a creation, so that sending it again has no second effect. Under a key a request is
//! the same when it means the same, however it is written; keeping keys and answers is the store's.

use crate::error::{ApiError, ErrorCode};
use bytes::Bytes;
use ecp_core::ports::IdempotencyKey;
use ecp_core::text::Message;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

/// Names a request so that sending it again has no second effect.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest idempotency key.
const KEY_MAX_LENGTH: usize = 255;
/// Method and path of the requests that take a key.
const CREATION: &[u8] = b"POST /api/v1/tenants\n";

/// The key that a request was sent with; not yet bound to what it asks for.
#[derive(Debug)]
pub(super) struct SentKey(String);

impl SentKey {
    /// Reads the header, where there is one.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let mut sent = headers.get_all(&IDEMPOTENCY_KEY).iter();
        let Some(value) = sent.next() else { return Ok(None) };
        let key = value.as_bytes();
        if sent.next().is_some()
            || !(1..=KEY_MAX_LENGTH).contains(&key.len())
            || !key.iter().all(u8::is_ascii_graphic)
        {
            return Err(ApiError::new(
                ErrorCode::InvalidRequest,
                Message::new("api.idempotency_key_invalid"),
            )
            .detail("header", "Idempotency-Key"));
        }
        Ok(Some(Self(String::from_utf8_lossy(key).into_owned())))
    }

    /// Binds it to its caller and to the request: `read` is what was read of `sent`.
    pub fn bind(self, actor: &str, read: &Value, sent: &Bytes) -> IdempotencyKey {
        let digest = |body: &[u8]| Sha256::new().chain_update(CREATION).chain_update(body).finalize().into();
        let mut meaning = meaning(read).unwrap_or_default();
        meaning.sort_all_objects();
        IdempotencyKey {
            actor: actor.to_owned(),
            key: self.0,
            request_digest: digest(meaning.to_string().as_bytes()),
            letters_digest: digest(sent),
        }
    }
}

/// A value without what says nothing: members that are `null` or have none of their own, and how a whole
/// number is spelt.
fn meaning(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(members) => {
            let members: Map<String, Value> =
                members.iter().filter_map(|(name, value)| Some((name.clone(), meaning(value)?))).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        Value::Number(number) => Some(Value::Number(plain(number))),
        other => Some(other.clone()),
    }
}

/// `5` of `5.0` and `5e0`.
fn plain(number: &Number) -> Number {
    /// Whole numbers below it are exact in either form.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() < EXACT => Number::from(value as i64),
        _ => number.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::json;
    use crate::tenants::input::TENANT;
    use http::StatusCode;

    fn sent(value: &str) -> Result<Option<SentKey>, ApiError> {
        SentKey::read(&HeaderMap::from_iter([(IDEMPOTENCY_KEY, value.parse().unwrap())]))
    }

    fn key(body: &'static str) -> IdempotencyKey {
        let read = json::read(body.as_bytes(), &TENANT).unwrap().value;
        sent("abc").unwrap().unwrap().bind("anonymous", &read, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn an_idempotency_key_is_bound_to_caller_and_request() {
        let first = key(r#"{"tenant_id": "a"}"#);
        assert_eq!((first.actor.as_str(), first.key.as_str()), ("anonymous", "abc"));
        assert!(SentKey::read(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn the_same_request_in_other_words_is_the_same_and_another_one_is_not() {
        let digest = |body| key(body).request_digest;
        let first = digest(
            r#"{"tenant_id":"a","name":"가","service_requirements":{"stt":1,"tts":2},"sla_target":{"concurrent_users":5}}"#,
        );
        for same in [
            "{ \"service_requirements\" : {\"tts\":2, \"stt\":1},\n\"sla_target\":{\"concurrent_users\":5}, \"name\":\"\\uac00\",\"tenant_id\":\"a\"}\n",
            r#"{"tenant_id":"a","name":"가","service_requirements":{"stt":1.0,"tts":2e0},"sla_target":{"concurrent_users":5,"availability":null}}"#,
            r#"{"tenant_id":"b","tenant_id":"a","name":"가","preset":null,"sizing":{},"service_requirements":{"stt":1,"tts":2},"sla_target":{"concurrent_users":5}}"#,
        ] {
            assert_eq!(digest(same), first, "{same}");
        }
        for other in [
            r#"{"tenant_id":"a","name":"가","service_requirements":{"stt":2,"tts":1},"sla_target":{"concurrent_users":5}}"#,
            r#"{"tenant_id":"a","name":"나","service_requirements":{"stt":1,"tts":2},"sla_target":{"concurrent_users":5}}"#,
            r#"{"tenant_id":"a","name":"가","service_requirements":{"stt":1,"tts":2}}"#,
            r#"{"tenant_id":"a","name":"가","service_requirements":{"stt":1.5,"tts":2},"sla_target":{"concurrent_users":5}}"#,
        ] {
            assert_ne!(digest(other), first, "{other}");
        }
    }

    #[test]
    fn an_idempotency_key_that_is_too_long_or_not_visible_ascii_is_refused() {
        assert!(sent(&"k".repeat(255)).is_ok());
        for wrong in [&"k".repeat(256), "with space", ""] {
            assert_eq!(sent(wrong).unwrap_err().status(), StatusCode::BAD_REQUEST, "{wrong:?}");
        }
    }
}
