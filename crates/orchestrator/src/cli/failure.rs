//! What can go wrong for a command, how it is said, and which exit code it has.

use super::language::{say_text, told};
use super::output::Output;
use ecp_api::ApiError;
use ecp_core::Timestamp;
use ecp_core::text::{Language, Message};
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// Code of a connection that is refused, reset or cut off.
pub(super) const CONNECTION_ERROR: &str = "CONNECTION_ERROR";
/// Code of an answer that does not come in time.
pub(super) const TIMEOUT: &str = "TIMEOUT";
/// Code of an answer that is not what the API promises.
pub(super) const INVALID_RESPONSE: &str = "INVALID_RESPONSE";

/// Code of a command that can not be what was meant.
pub(super) const USAGE: &str = "USAGE";

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// A call failed, at the server or on its way.
    Call(Box<CallFailure>),
    /// A roll-out that was waited for failed.
    Deployment {
        /// Code of the failure.
        code: String,
        /// Whose roll-out.
        subject: String,
        /// Why, and how to fix it.
        reason: String,
    },
    /// A manifest is at fault; what is wrong has been printed.
    Manifest(ManifestFault),
    /// Somebody stopped waiting; what was waited for goes on.
    StoppedWaiting {
        /// The roll-out or deletion, where it was one.
        deployment_id: Option<String>,
    },
    /// A file has members that nothing reads, and that was to be an error.
    Unread(String),
    /// What was compared differs; the differences have been printed.
    Differs,
    /// Comparing failed, which is not the same as a difference.
    InDiff(Box<Failure>),
    /// What was given to the command can not be used.
    Input(String),
    /// Whatever was to read the output has gone away.
    OutputClosed,
    /// A command that works without a server can not do what it is asked for.
    Refused(Refused),
    /// Anything else.
    Other(anyhow::Error),
}

/// Why a command that works without a server can not do what it is asked for, in the words of the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// What was given can not be used.
    #[error("{0}")]
    Usage(String),
    /// It is not there.
    #[error("{0}")]
    Missing(String),
    /// It is there already.
    #[error("{0}")]
    Taken(String),
}

/// How a manifest is at fault, the lightest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ManifestFault {
    /// An API server would take it; the policy that was asked does not.
    AgainstPolicy,
    /// An API server would refuse it.
    Invalid,
    /// It cannot be read as a manifest.
    Unreadable,
}

/// A call that failed.
#[derive(Clone, Debug)]
pub(super) struct CallFailure {
    /// Code of the API, or one of the three above.
    pub(super) code: String,
    /// For people.
    pub(super) message: String,
    /// HTTP status; 0 where there was no answer.
    pub(super) status: u16,
    /// `details` of the envelope.
    pub(super) details: Box<Value>,
    /// To be looked for in the server's log.
    pub(super) request_id: Option<String>,
    /// How long the server asks to wait.
    pub(super) retry_after: Option<Duration>,
    /// Where something was not found.
    pub(super) missing: Option<Box<Missing>>,
}

/// What was not found.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    /// Where it was looked for.
    pub(super) place: String,
    /// What may have been meant.
    pub(super) suggestion: Option<String>,
}

impl CallFailure {
    /// One that the client itself found.
    pub(super) fn own(code: &str, status: u16, message: String) -> Self {
        Self {
            code: code.to_owned(),
            message,
            status,
            details: Box::default(),
            request_id: None,
            retry_after: None,
            missing: None,
        }
    }

    /// Reads the API's envelope; an answer without one keeps its status.
    pub(super) fn from_answer(status: u16, text: &str, request_id: Option<String>) -> Self {
        let body = serde_json::from_str::<Value>(text).unwrap_or_default();
        let error = &body["error"];
        match error["code"].as_str() {
            Some(code) => Self {
                code: code.to_owned(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
                status,
                details: Box::new(error["details"].clone()),
                request_id: error["request_id"].as_str().map(str::to_owned).or(request_id),
                retry_after: None,
                missing: None,
            },
            None => Self {
                request_id,
                ..Self::own(
                    match status {
                        401 => "UNAUTHORIZED",
                        403 => "FORBIDDEN",
                        409 | 412 => "CONFLICT",
                        422 => "VALIDATION_FAILED",
                        429 => "RATE_LIMITED",
                        500.. => "INTERNAL_ERROR",
                        _ => "INVALID_REQUEST",
                    },
                    status,
                    say_text!("cli.no_envelope", status = status),
                )
            },
        }
    }

    /// True where the same call may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        self.code == CONNECTION_ERROR || matches!(self.status, 429 | 502..=504)
    }

    /// The wrong fields: where and why.
    fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.details["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        fields.iter().filter_map(|field| Some((field["pointer"].as_str()?, field["reason"].as_str()?)))
    }

    fn exit_code(&self) -> u8 {
        match (self.status, self.code.as_str()) {
            (_, USAGE) => 2,
            (0, _) | (429 | 502..=504, _) => 7,
            (_, INVALID_RESPONSE) => 1,
            (404, _) => 4,
            (409 | 412, _) => 5,
            (401 | 403, _) => 6,
            (400..=499, _) => 3,
            _ => 1,
        }
    }
}

impl Failure {
    /// An error of the API that was found without a server.
    pub(super) fn offline(error: &ApiError, language: Language) -> Self {
        let envelope = error.envelope(language, Timestamp::now(), "").to_string();
        CallFailure { request_id: None, ..CallFailure::from_answer(error.status().as_u16(), &envelope, None) }
            .into()
    }

    /// What went wrong with one tenant of many.
    pub(super) fn of_tenant(tenant_id: &str, origin: &str, failure: Self) -> Self {
        let named = |text: &str| format!("{tenant_id} ({origin}): {text}");
        match failure {
            Self::Call(mut call) => {
                call.message = named(&call.message);
                Self::Call(call)
            }
            Self::Unread(text) => Self::Unread(named(&text)),
            other => other,
        }
    }

    /// What a script sees of it.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Call(call) => call.exit_code(),
            Self::Deployment { .. } => 8,
            Self::Manifest(ManifestFault::AgainstPolicy) => 4,
            Self::Manifest(ManifestFault::Invalid) | Self::Unread(_) => 3,
            Self::Input(_) | Self::Refused(Refused::Usage(_)) | Self::Manifest(ManifestFault::Unreadable) => {
                2
            }
            Self::Refused(Refused::Missing(_)) => 4,
            Self::Refused(Refused::Taken(_)) => 5,
            // As a shell says of what Ctrl-C ended.
            Self::StoppedWaiting { .. } => 130,
            Self::OutputClosed => 0,
            Self::Differs | Self::Other(_) => 1,
            // As diff has it: 1 is a difference, more is trouble.
            Self::InDiff(failure) => failure.exit_code().max(2),
        }
    }

    /// Says it on standard error, in the way of the output.
    pub(super) fn report(&self, output: &Output) {
        if matches!(self, Self::Manifest(_) | Self::Differs | Self::OutputClosed) {
            return;
        }
        if output.speaks_plainly() {
            output.complain("error", &self.to_string());
        } else {
            output.note(&self.to_json());
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Call(call) => json!({"error": {
                "code": call.code,
                "message": call.message,
                "status": call.status,
                "details": call.details,
                "request_id": call.request_id,
                "place": call.missing.as_ref().map(|missing| &missing.place),
            }}),
            Self::Deployment { code, reason, subject } => json!({"error": {
                "code": code,
                "message": format!("{subject}: {reason}"),
                "reason": reason,
            }}),
            Self::InDiff(failure) => failure.to_json(),
            Self::Unread(text) => json!({"error": {"code": "VALIDATION_FAILED", "message": text}}),
            Self::Other(error) => {
                json!({"error": {"code": "INTERNAL_ERROR", "message": format!("{error:#}")}})
            }
            other => json!({"error": {"code": USAGE, "message": other.to_string()}}),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) if call.code == USAGE => write!(f, "{}", call.message),
            Self::Call(call) => {
                write!(f, "{} ({})", call.message, call.code)?;
                for (pointer, reason) in call.fields() {
                    write!(f, "\n  {pointer}: {reason}")?;
                }
                if let Some(missing) = &call.missing {
                    if let Some(id) = &missing.suggestion {
                        write!(f, "\n  {}", told(&Message::new("cli.did_you_mean").with("tenant_id", id)))?;
                    }
                    write!(f, "\n  {}", say_text!("cli.looked_for", place = &missing.place))?;
                }
                if let Some(id) = &call.request_id {
                    write!(f, "\n  {}", say_text!("cli.request_id", id = id))?;
                }
                Ok(())
            }
            Self::Deployment { code, subject, reason } => write!(f, "{subject}: {reason} ({code})"),
            Self::Manifest(_) => write!(f, "{}", say_text!("cli.manifest_at_fault")),
            Self::Differs => write!(f, "{}", say_text!("cli.differs")),
            Self::InDiff(failure) => failure.fmt(f),
            Self::StoppedWaiting { deployment_id: None } => {
                write!(f, "{}", say_text!("cli.stopped_waiting"))
            }
            Self::StoppedWaiting { deployment_id: Some(id) } if id.starts_with("del-") => {
                write!(f, "{}", say_text!("cli.stopped_waiting_deletion", id = id))
            }
            Self::StoppedWaiting { deployment_id: Some(id) } => {
                write!(f, "{}", say_text!("cli.stopped_waiting_rollout", id = id))
            }
            Self::Input(text) | Self::Unread(text) => write!(f, "{text}"),
            Self::OutputClosed => write!(f, "{}", say_text!("cli.output_closed")),
            Self::Refused(refused) => write!(f, "{refused}"),
            Self::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<CallFailure> for Failure {
    fn from(call: CallFailure) -> Self {
        Self::Call(Box::new(call))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        error.downcast().map_or_else(Self::Other, Self::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_failures_apart() {
        let code = |status, code| Failure::from(CallFailure::own(code, status, String::new())).exit_code();
        assert_eq!(code(404, "TENANT_NOT_FOUND"), 4);
        assert_eq!(code(409, "TENANT_ALREADY_EXISTS"), 5);
        assert_eq!(code(412, "CONFLICT"), 5);
        assert_eq!(code(422, "VALIDATION_FAILED"), 3);
        assert_eq!(code(403, "FORBIDDEN"), 6);
        assert_eq!(code(429, "RATE_LIMITED"), 7);
        assert_eq!(code(503, "KUBERNETES_ERROR"), 7);
        assert_eq!(code(502, "INTERNAL_ERROR"), 7);
        assert_eq!(code(504, "INTERNAL_ERROR"), 7);
        assert_eq!(code(0, CONNECTION_ERROR), 7);
        assert_eq!(code(0, TIMEOUT), 7);
        assert_eq!(code(0, USAGE), 2);
        assert_eq!(code(200, INVALID_RESPONSE), 1);
        assert_eq!(code(500, "INTERNAL_ERROR"), 1);
    }

    #[test]
    fn what_a_proxy_says_of_a_server_that_is_away_is_tried_again() {
        for status in [429, 502, 503, 504] {
            assert!(CallFailure::from_answer(status, "<html>", None).is_transient(), "{status}");
        }
        for status in [404, 500, 501] {
            assert!(!CallFailure::from_answer(status, "<html>", None).is_transient(), "{status}");
        }
    }

    #[test]
    fn an_output_that_can_not_be_written_is_no_wrong_usage() {
        let failure = Failure::Other(anyhow::anyhow!("can not write to standard output"));
        assert_eq!(failure.to_json()["error"]["code"], "INTERNAL_ERROR");
        assert_eq!(failure.exit_code(), 1);
        assert_eq!(Failure::Input("no".to_owned()).to_json()["error"]["code"], USAGE);
    }

    #[test]
    fn an_error_names_every_wrong_field() {
        let text = r#"{"error": {"code": "VALIDATION_FAILED", "message": "two faults", "request_id": "req-1",
            "details": {"fields": [{"pointer": "/name", "reason": "too short"},
                                   {"pointer": "/preset", "reason": "unknown"}]}}}"#;
        let failure = Failure::from(CallFailure::from_answer(422, text, None));
        assert_eq!(
            failure.to_string(),
            "two faults (VALIDATION_FAILED)\n  /name: too short\n  /preset: unknown\n  request id: req-1"
        );
    }
}
