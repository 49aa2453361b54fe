//! Which requests meet which fault.

use http::{Method, Request};
use std::fmt;
use std::time::Duration;

/// What a request meets instead of the plain answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The answer breaks off, in the middle of what it carries, after this time.
    CutAfter(Duration),
    /// The request is passed on after this time.
    Delay(Duration),
    /// The answer ends in good order after this time, as a watch does when its time is over.
    EndAfter(Duration),
    /// The watch begins with `ERROR` and 410: its version is forgotten.
    Gone,
    /// An answer with this HTTP status and a Kubernetes `Status`; 409 is a conflict of versions.
    Status(u16),
    /// Never an answer, on a connection that stays open.
    Swallow,
    /// The request is passed on and done, and its answer is never seen.
    SwallowAnswer,
    /// 429 with `Retry-After`.
    TooManyRequests {
        /// Value of the header.
        retry_after_seconds: u32,
    },
}

/// Requests to the API server.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    verbs: Vec<&'static str>,
    path: Option<String>,
    whole_path: bool,
    dry_run: Option<bool>,
}

impl Scope {
    /// Every request.
    pub fn all() -> Self {
        Self::default()
    }

    /// `GET` without watches.
    pub fn reads() -> Self {
        Self::all().verb("GET")
    }

    /// `WATCH` in whatever way it is asked.
    pub fn watches() -> Self {
        Self::all().verb("WATCH")
    }

    /// What changes something, dry runs left out.
    pub fn writes() -> Self {
        Self::all().verb("PATCH").verb("POST").verb("PUT").verb("DELETE").dry_run(false)
    }

    /// Only this verb, or one of those named before: an HTTP method, or `WATCH`.
    #[must_use]
    pub fn verb(mut self, verb: &'static str) -> Self {
        self.verbs.push(verb);
        self
    }

    /// Only paths in which this occurs, such as `/deployments/`.
    #[must_use]
    pub fn path(mut self, part: impl Into<String>) -> Self {
        self.path = Some(part.into());
        self
    }

    /// Only this path and no other.
    #[must_use]
    pub fn whole_path(mut self, path: impl Into<String>) -> Self {
        (self.path, self.whole_path) = (Some(path.into()), true);
        self
    }

    /// Only dry runs, or none.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = Some(dry_run);
        self
    }

    pub(super) fn covers(&self, passing: &Passing) -> bool {
        (self.verbs.is_empty() || self.verbs.contains(&passing.verb.as_str()))
            && self.path.as_ref().is_none_or(|part| match self.whole_path {
                true => passing.path == *part,
                false => passing.path.contains(part.as_str()),
            })
            && self.dry_run.is_none_or(|dry_run| passing.dry_run == dry_run)
    }
}

/// A request in as far as rules and counts tell it from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Passing {
    verb: String,
    path: String,
    dry_run: bool,
}

impl Passing {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let mut parameters = query.split('&');
        let watch = request.method() == Method::GET
            && parameters.clone().any(|one| matches!(one, "watch=true" | "watch=1"));
        Self {
            verb: if watch { "WATCH" } else { request.method().as_str() }.to_owned(),
            path: request.uri().path().to_owned(),
            dry_run: parameters.any(|one| one == "dryRun=All"),
        }
    }
}

impl fmt::Display for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dry_run = if self.dry_run { " (dry run)" } else { "" };
        write!(f, "{} {}{dry_run}", self.verb, self.path)
    }
}

pub(super) struct Rule {
    pub(super) scope: Scope,
    pub(super) fault: Fault,
    /// Requests that pass before it begins.
    pub(super) skip: u64,
    /// Requests that it still meets; none for no end.
    pub(super) left: Option<u64>,
}

/// The fault of the first rule that covers the request and is not used up.
pub(super) fn next_fault(rules: &mut [Rule], passing: &Passing) -> Option<Fault> {
    let rule = rules.iter_mut().find(|rule| rule.left != Some(0) && rule.scope.covers(passing))?;
    if rule.skip > 0 {
        rule.skip -= 1;
        return None;
    }
    if let Some(left) = &mut rule.left {
        *left -= 1;
    }
    Some(rule.fault)
}
