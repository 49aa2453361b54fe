//! Reads query parameters and collects every fault, as [`crate::fields`] does for bodies.

use crate::error::ApiError;
use crate::fields::{Faults, chosen, integer_expected};
use crate::request_context::{RequestContext, parse_bool};
use axum::extract::Query;
use ecp_core::Timestamp;
use ecp_core::rfc3339;
use ecp_core::text::Message;
use http::Uri;
use std::cell::RefCell;
use std::ops::RangeInclusive;
use utoipa::IntoParams;

/// The query of one request. A parameter that is there and empty is the same as absent; of one that
/// repeats, the last counts where only one is meant, and the caller is warned.
#[derive(Debug)]
pub(crate) struct QueryReader {
    pairs: Vec<(String, String)>,
    read: RefCell<Vec<&'static str>>,
    repeated: RefCell<Vec<&'static str>>,
    faults: Faults,
}

impl QueryReader {
    /// Reads the pairs.
    pub fn new(uri: &Uri) -> Self {
        // Decoding is lenient and never fails for pairs of texts.
        let pairs = Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default();
        Self { pairs, read: RefCell::default(), repeated: RefCell::default(), faults: Faults::default() }
    }

    /// Notes a wrong parameter.
    pub fn fault(&self, name: &'static str, reason: Message) {
        self.faults.add(name, reason);
    }

    /// Every value of a parameter, in order.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.all_or_empty(name).filter(|value| !value.is_empty())
    }

    /// Every value of a parameter that is wrong where it is empty, in order.
    pub fn all_or_empty(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.read.borrow_mut().push(name);
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter.
    pub fn text(&self, name: &'static str) -> Option<&str> {
        let mut values = self.all(name);
        let first = values.next()?;
        let Some(last) = values.last() else { return Some(first) };
        let mut repeated = self.repeated.borrow_mut();
        if !repeated.contains(&name) {
            repeated.push(name);
        }
        Some(last)
    }

    /// A whole number in a range.
    pub fn integer(&self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(name)?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| digits && range.contains(number));
        if number.is_none() {
            self.fault(name, integer_expected(&range));
        }
        number
    }

    /// `true` or `false`, in any case.
    pub fn flag(&self, name: &'static str) -> Option<bool> {
        let flag = parse_bool(self.text(name)?);
        if flag.is_none() {
            self.fault(name, Message::new("api.expects_flag"));
        }
        flag
    }

    /// One of a closed set of spellings.
    pub fn choice<T: Copy>(
        &self,
        name: &'static str,
        kind: &'static str,
        all: &[T],
        spelling: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.text(name)?;
        chosen(text, kind, all, spelling).map_err(|fault| self.fault(name, fault)).ok()
    }

    /// An RFC 3339 time.
    pub fn time(&self, name: &'static str) -> Option<Timestamp> {
        let time = rfc3339::parse(self.text(name)?);
        if time.is_none() {
            self.fault(name, Message::new("api.time_not_rfc3339"));
        }
        time
    }

    /// Any of a closed set of spellings: the parameter may repeat, and hold several separated by commas.
    pub fn choices<T: Copy>(
        &self,
        name: &'static str,
        kind: &'static str,
        all: &[T],
        spelling: impl Fn(T) -> &'static str,
    ) -> Vec<T> {
        let mut choices = Vec::new();
        let texts: Vec<&str> = self.all(name).flat_map(|text| text.split(',')).map(str::trim).collect();
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            match chosen(text, kind, all, &spelling) {
                Ok(choice) => choices.push(choice),
                Err(fault) => self.fault(name, fault),
            }
        }
        choices
    }

    /// `skip` from 0 and `limit` 1–1000, as every list takes them.
    pub fn page(&self) -> Page {
        /// `skip` is a count of things in memory; nothing holds more.
        const LARGEST_SKIP: u64 = u32::MAX as u64;
        let skip = self.integer("skip", 0..=LARGEST_SKIP).unwrap_or(0);
        let limit = self.integer("limit", 1..=Page::MAX_LIMIT).unwrap_or(Page::DEFAULT_LIMIT);
        // Both are bounded far below any usize.
        Page { skip: skip as usize, limit: limit as usize }
    }

    /// Refuses the request where a parameter is wrong; warns of parameters that nothing read, and of values
    /// that another one of the same name replaced.
    pub fn finish(self, context: &RequestContext) -> Result<(), ApiError> {
        let repeated = self.repeated.take();
        for name in self.unread()? {
            context.warn_unknown("parameter", &name);
        }
        for name in repeated {
            context.warn_repeated("parameter", name);
        }
        Ok(())
    }

    /// Refuses the request where a parameter is wrong; else the parameters that nothing read.
    pub fn unread(self) -> Result<Vec<String>, ApiError> {
        let read = self.read.into_inner();
        for (key, _) in &self.pairs {
            if !read.contains(&key.as_str()) {
                self.faults.add_unknown(key);
            }
        }
        self.faults.finish()
    }
}

/// Which part of a list is asked for, as its parameters are documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents the parameters, which are read by `QueryReader::page`")]
pub(crate) struct PageIn {
    /// Entries to leave out first
    #[param(minimum = 0, example = 0)]
    skip: Option<u32>,
    /// Entries at most (default 100)
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<u32>,
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Entries to leave out first.
    pub skip: usize,
    /// Entries at most.
    pub limit: usize,
}

impl Page {
    /// Entries of a page unless the caller says otherwise.
    pub const DEFAULT_LIMIT: u64 = 100;
    /// Most entries of a page.
    pub const MAX_LIMIT: u64 = 1000;

    /// True when entries follow those of this page.
    pub fn has_more(self, total: usize) -> bool {
        self.skip.saturating_add(self.limit) < total
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::request_context::{Warning, WarningCode};
    use ecp_core::tenant::TenantStatus;
    use http::HeaderMap;

    fn reader(query: &str) -> QueryReader {
        QueryReader::new(&format!("/x?{query}").parse().unwrap())
    }

    fn context() -> RequestContext {
        RequestContext::read(&HeaderMap::new())
    }

    #[test]
    fn a_page_has_defaults_and_bounds() {
        assert_eq!(reader("").page(), Page { skip: 0, limit: 100 });
        assert_eq!(reader("skip=5&limit=1000").page(), Page { skip: 5, limit: 1000 });
        for wrong in ["limit=0", "limit=1001", "skip=-1", "limit=ten", "skip=%2B1", "limit=1.5"] {
            let reader = reader(wrong);
            reader.page();
            let error = reader.finish(&context()).unwrap_err();
            assert_eq!(error.status().as_u16(), 422, "{wrong}");
        }
    }

    #[test]
    fn unknown_parameters_are_warned_of_and_empty_ones_are_absent() {
        let reader = reader("skip=&odd=1");
        reader.page();
        let context = context();
        reader.finish(&context).unwrap();
        let text = "unknown parameter: odd".to_owned();
        assert_eq!(context.take_notes().warnings, [Warning { code: WarningCode::Unknown, text }]);
    }

    #[test]
    fn repeated_parameters_are_all_there_and_the_last_counts() {
        let reader = reader("a=1&a=2&b=x%20y");
        assert_eq!(reader.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(reader.text("a"), Some("2"));
        assert_eq!(reader.text("b"), Some("x y"));
    }

    #[test]
    fn a_choice_that_does_not_exist_is_a_fault() {
        let reader = reader("status=runing");
        let all = &TenantStatus::ALL;
        assert_eq!(reader.choice("status", "api.unknown_status", all, TenantStatus::as_str), None);
        assert!(reader.finish(&context()).is_err());
    }
}
