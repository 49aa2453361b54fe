//! Messages to webhooks, as the Standard Webhooks specification has them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ecp_core::alerts::notice::{Delivery, NoticeKind};
use ecp_core::alerts::receiver::SigningSecret;
use ecp_core::text::Language;
use ecp_core::{Mode, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// The body of a delivery; the same at each try.
pub(crate) fn body(mode: Mode, delivery: &Delivery) -> Value {
    let Some(alert) = &delivery.alert else { return test_body(mode, delivery.created_at) };
    json!({
        "type": format!("alert.{}", delivery.notice.as_str()),
        "timestamp": alert.updated_at.to_string(),
        "data": {
            "mode": mode.as_str(),
            "alert_id": alert.id.as_str(),
            "tenant_id": alert.tenant_id.as_str(),
            "state": if alert.resolved_at.is_some() { "resolved" } else { "open" },
            "severity": alert.severity.as_str(),
            "previous_severity": delivery.told_before.map(|severity| severity.as_str()),
            "type": alert.subject.kind().as_str(),
            "metric": alert.subject.metric_name(),
            "message": alert.message.render(Language::Ko),
            "message_en": alert.message.render(Language::En),
            "current_value": alert.current_value,
            "threshold": alert.threshold,
            "opened_at": alert.opened_at.to_string(),
            "resolved_at": alert.resolved_at.map(|at| at.to_string()),
        },
    })
}

/// The body of a test.
pub(crate) fn test_body(mode: Mode, now: Timestamp) -> Value {
    json!({
        "type": NoticeKind::Test.as_str(),
        "timestamp": now.to_string(),
        "data": {"mode": mode.as_str()},
    })
}

/// The value of `webhook-signature`: of id, seconds since 1970 and body, joined by dots.
pub(crate) fn signature(secret: &SigningSecret, id: &str, timestamp: i64, body: &[u8]) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&secret.key()) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's libraries are tested with.
    #[test]
    fn a_signature_is_what_the_specification_says() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signed =
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
