//! Reads the fields of a parsed JSON body and collects every fault instead of stopping at the first.
//!
//! Readers return `None` where a field is absent, `null` or wrong; a wrong one leaves a fault behind,
//! so whoever reads all fields and then calls [`Faults::finish`] has either all values or all faults.

use crate::error::{ApiError, FieldFault};
use ecp_core::text::Message;
use ecp_core::{Timestamp, duration, rfc3339};
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::ops::RangeInclusive;

/// Most unknown names that one response reports; the rest is counted.
const UNKNOWN_NAMES_REPORTED: usize = 16;
/// Most characters of a name that an error repeats.
const NAME_LENGTH_REPEATED: usize = 64;

/// Most wrong fields that one response lists; the rest is counted.
const FAULTS_REPORTED: usize = 10_000;

/// Names that nothing reads: the first of them, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct UnknownNames {
    first: Vec<String>,
    count: usize,
}

impl UnknownNames {
    /// Notes a name, or the pointer to it.
    pub fn add(&mut self, pointer: &str) {
        if self.first.len() < UNKNOWN_NAMES_REPORTED {
            self.first.push(shortened(pointer.trim_start_matches('/')));
        }
        self.count += 1;
    }

    /// The names to report, the last of them saying how many more there are.
    pub fn into_names(self) -> Vec<String> {
        let rest = self.count - self.first.len();
        let mut names = self.first;
        if rest > 0 {
            names.push(format!("and {rest} more"));
        }
        names
    }
}

/// What is wrong with a request so far, and what nothing reads.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    faults: RefCell<Vec<FieldFault>>,
    /// Wrong values that are counted only.
    omitted: Cell<usize>,
    unknown: RefCell<UnknownNames>,
    repeated: RefCell<UnknownNames>,
}

impl Faults {
    /// None yet, in a body of which reading passed these names over and found those more than once.
    pub fn beside(unknown: UnknownNames, repeated: UnknownNames) -> Self {
        Self { unknown: RefCell::new(unknown), repeated: RefCell::new(repeated), ..Self::default() }
    }

    /// The names that are there more than once, to be reported where nothing is wrong.
    pub fn take_repeated(&self) -> Vec<String> {
        self.repeated.take().into_names()
    }

    /// Notes a wrong value.
    pub fn add(&self, pointer: impl Into<String>, reason: Message) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < FAULTS_REPORTED {
            faults.push(FieldFault { pointer: pointer.into(), reason });
        } else {
            self.omitted.set(self.omitted.get() + 1);
        }
    }

    /// Notes a name that nothing reads.
    pub fn add_unknown(&self, pointer: &str) {
        self.unknown.borrow_mut().add(pointer);
    }

    /// Wrong values so far.
    pub fn count(&self) -> usize {
        self.faults.borrow().len() + self.omitted.get()
    }

    /// The unknown names where nothing is wrong, else the error that lists every fault.
    pub fn finish(self) -> Result<Vec<String>, ApiError> {
        let faults = self.faults.into_inner();
        if faults.is_empty() {
            return Ok(self.unknown.into_inner().into_names());
        }
        let error = ApiError::invalid_fields(faults);
        Err(match self.omitted.get() {
            0 => error,
            omitted => error.detail("fields_omitted", omitted),
        })
    }
}

/// One JSON object being read.
#[derive(Debug)]
pub(crate) struct FieldReader<'a> {
    faults: &'a Faults,
    pointer: String,
    object: &'a Map<String, Value>,
    read: RefCell<Vec<&'static str>>,
}

impl<'a> FieldReader<'a> {
    /// Starts at a value that must be an object.
    pub fn new(faults: &'a Faults, pointer: String, value: &'a Value) -> Option<Self> {
        let Value::Object(object) = value else {
            faults.add(pointer, Message::new("api.expects_object"));
            return None;
        };
        Some(Self { faults, pointer, object, read: RefCell::default() })
    }

    /// The pointer of a member.
    pub fn pointer_to(&self, name: &str) -> String {
        pointer_to(&self.pointer, name)
    }

    /// Notes that a member is wrong.
    pub fn fault(&self, name: &str, reason: Message) {
        self.faults.add(self.pointer_to(name), reason);
    }

    /// Faults of the whole body so far.
    pub fn fault_count(&self) -> usize {
        self.faults.count()
    }

    /// A member that is there and not `null`.
    pub fn value(&self, name: &'static str) -> Option<&'a Value> {
        self.read.borrow_mut().push(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// Counts members as known without reading them.
    pub fn ignore(&self, names: &[&'static str]) {
        self.read.borrow_mut().extend(names);
    }

    /// Notes that a member is missing, where it is.
    pub fn require(&self, name: &'static str) {
        if self.object.get(name).is_none_or(Value::is_null) {
            self.fault(name, Message::new("api.field_missing").with("field", name));
        }
    }

    /// A text of a length in characters.
    pub fn text(&self, name: &'static str, length: RangeInclusive<usize>) -> Option<&'a str> {
        let text = self.any_text(name)?;
        if !length.contains(&text.chars().count()) {
            let reason =
                Message::new("api.text_length").with("min", length.start()).with("max", length.end());
            self.fault(name, reason);
            return None;
        }
        if text.chars().any(|character| character.is_control() && character != '\n' && character != '\t') {
            self.fault(name, Message::new("api.text_control_characters"));
            return None;
        }
        Some(text)
    }

    /// A text of one line in which there is something to see: a name.
    pub fn line(&self, name: &'static str, length: RangeInclusive<usize>) -> Option<&'a str> {
        let text = self.text(name, length)?;
        let fault =
            if text.chars().any(|character| matches!(character, '\n' | '\t' | '\u{2028}' | '\u{2029}')) {
                "api.text_one_line"
            } else if text.chars().all(is_invisible) {
                "api.text_blank"
            } else {
                return Some(text);
            };
        self.fault(name, Message::new(fault));
        None
    }

    /// A text of any content.
    pub fn any_text(&self, name: &'static str) -> Option<&'a str> {
        let value = self.value(name)?;
        let text = value.as_str();
        if text.is_none() {
            self.fault(name, Message::new("api.expects_text"));
        }
        text
    }

    /// A whole number in a range.
    pub fn integer(&self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(name)?;
        let number = whole_number(value).filter(|number| range.contains(number));
        if number.is_none() {
            self.fault(name, integer_expected(&range));
        }
        number
    }

    /// A number in a range.
    pub fn number(&self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let number = self.value(name)?.as_f64().filter(|number| range.contains(number));
        if number.is_none() {
            let reason = Message::new("api.expects_number_between");
            self.fault(name, reason.with("min", range.start()).with("max", range.end()));
        }
        number
    }

    /// An RFC 3339 time.
    pub fn time(&self, name: &'static str) -> Option<Timestamp> {
        let time = rfc3339::parse(self.any_text(name)?);
        if time.is_none() {
            self.fault(name, Message::new("api.time_not_rfc3339"));
        }
        time
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &'static str) -> Option<bool> {
        let flag = self.value(name)?.as_bool();
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
        let text = self.any_text(name)?;
        chosen(text, kind, all, spelling).map_err(|fault| self.fault(name, fault)).ok()
    }

    /// An object inside this one.
    pub fn object(&self, name: &'static str) -> Option<FieldReader<'a>> {
        let value = self.value(name)?;
        FieldReader::new(self.faults, self.pointer_to(name), value)
    }

    /// Every member that is not `null`, for objects whose keys are data.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.object.iter().map(|(key, value)| (key.as_str(), value)).filter(|(_, value)| !value.is_null())
    }

    /// Notes the members that nothing asked for.
    pub fn note_unknown(&self) {
        let read = self.read.borrow();
        for key in self.object.keys().filter(|key| !read.contains(&key.as_str())) {
            self.faults.add_unknown(&self.pointer_to(key));
        }
    }
}

/// Space, and what has no width or only turns the direction of what follows.
fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '\u{ad}' | '\u{3164}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
        )
}

/// The pointer of a member of the object at `parent`, escaped as RFC 6901 says.
pub(crate) fn pointer_to(parent: &str, name: &str) -> String {
    let mut pointer = String::with_capacity(parent.len() + name.len() + 1);
    pointer.push_str(parent);
    pointer.push('/');
    for character in name.chars().take(NAME_LENGTH_REPEATED) {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
    pointer
}

/// A whole number that is not negative; `50.0` is one, as it is in JSON.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    /// Whole numbers up to here are exact as a double.
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..=LARGEST_EXACT).contains(&number)).then_some(number as u64)
    })
}

/// The fault of a number that is not whole or out of range.
pub(crate) fn integer_expected(range: &RangeInclusive<u64>) -> Message {
    Message::new("api.expects_integer").with("min", range.start()).with("max", range.end())
}

/// The one of a closed set that a text spells, or the fault of one that spells none.
pub(crate) fn chosen<T: Copy>(
    text: &str,
    kind: &'static str,
    all: &[T],
    spelling: impl Fn(T) -> &'static str,
) -> Result<T, Message> {
    let found = all.iter().copied().find(|choice| spelling(*choice) == text);
    found.ok_or_else(|| unknown_choice(kind, text, all.iter().map(|choice| spelling(*choice))))
}

/// The fault of a name that is not in a closed set: names the nearest one, and all of them.
pub(crate) fn unknown_choice<'a>(
    kind: &'static str,
    given: &str,
    choices: impl Iterator<Item = &'a str>,
) -> Message {
    let choices: Vec<&str> = choices.collect();
    let lower = given.to_lowercase();
    // Lengths of time are as near as they are long, not as they are spelt.
    let length =
        duration::parse(&lower).filter(|_| choices.iter().all(|choice| duration::parse(choice).is_some()));
    let likeness = |choice: &str| match (length, duration::parse(choice)) {
        (Some(given), Some(choice)) => -given.div_duration_f64(choice).ln().abs(),
        _ => strsim::jaro_winkler(&lower, choice),
    };
    let nearest =
        choices.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).copied().unwrap_or_default();
    let mut all = String::new();
    for choice in &choices {
        let separator = if all.is_empty() { "" } else { ", " };
        // Writing to a String can not fail.
        let _ = write!(all, "{separator}{choice}");
    }
    Message::new(kind).with("given", shortened(given)).with("nearest", nearest).with("choices", all)
}

/// A text of the caller, cut to what an error or header repeats of it.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(NAME_LENGTH_REPEATED) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use ecp_core::tenant::Preset;
    use ecp_core::text::Language;
    use serde_json::json;

    fn fields_of(error: &ApiError) -> Vec<(String, String)> {
        let body = error.envelope(Language::En, Timestamp::UNIX_EPOCH, "req-test");
        let fields = body["error"]["details"]["fields"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        fields.iter().map(|field| (text(&field["pointer"]), text(&field["reason"]))).collect()
    }

    #[test]
    fn every_fault_is_listed_with_its_pointer() {
        let body = json!({
            "name": 5, "count": 2.5, "preset": "meduim", "inner": {"count": -1}, "long": "abc", "list": []
        });
        let faults = Faults::default();
        {
            let reader = FieldReader::new(&faults, String::new(), &body).unwrap();
            assert_eq!(reader.text("name", 1..=10), None);
            assert_eq!(reader.integer("count", 0..=9), None);
            assert!(reader.choice("preset", "api.unknown_preset", &Preset::ALL, Preset::as_str).is_none());
            reader.object("inner").unwrap().integer("count", 0..=9);
            reader.text("long", 1..=2);
            assert!(reader.object("list").is_none());
            reader.require("missing");
        }
        let faults = fields_of(&faults.finish().unwrap_err());
        let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/count", "/preset", "/inner/count", "/long", "/list", "/missing"]);
        assert!(faults[2].1.contains("'medium'"), "{}", faults[2].1);
    }

    #[test]
    fn the_nearest_length_of_time_is_named_and_the_nearest_spelling_of_what_is_none() {
        for (given, nearest) in [
            ("60s", "1m"),
            ("10m", "5m"),
            ("15m", "5m"),
            ("30m", "1h"),
            ("1d", "1h"),
            ("5M", "5m"),
            ("hour", "1h"),
        ] {
            let fault = unknown_choice("api.unknown_interval", given, ["1m", "5m", "1h"].into_iter());
            let text = fault.render(Language::En);
            assert!(text.contains(&format!("'{nearest}'")), "{given}: {text}");
        }
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let body = json!({"name": null});
        let faults = Faults::default();
        let reader = FieldReader::new(&faults, String::new(), &body).unwrap();
        assert_eq!(reader.text("name", 1..=10), None);
        assert_eq!(faults.count(), 0);
        reader.require("name");
        assert_eq!(faults.count(), 1);
    }

    #[test]
    fn unknown_members_are_named_and_many_are_counted() {
        let mut body = json!({"name": "x", "sla": {"odd": 1}});
        let faults = Faults::default();
        {
            let reader = FieldReader::new(&faults, String::new(), &body).unwrap();
            reader.value("name");
            let inner = reader.object("sla").unwrap();
            inner.note_unknown();
            reader.note_unknown();
        }
        assert_eq!(faults.finish().unwrap(), ["sla/odd"]);
        for number in 0..20 {
            body[format!("extra{number}")] = json!(1);
        }
        let faults = Faults::default();
        FieldReader::new(&faults, String::new(), &body).unwrap().note_unknown();
        let unknown = faults.finish().unwrap();
        assert_eq!(unknown.len(), 17);
        assert_eq!(unknown[16], "and 6 more");
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point_but_not_with_a_fraction() {
        for (value, number) in [(json!(50), Some(50)), (json!(50.0), Some(50)), (json!(0), Some(0))] {
            assert_eq!(whole_number(&value), number);
        }
        for wrong in [json!(50.5), json!(-1), json!("50"), json!(true), json!(1e300)] {
            assert_eq!(whole_number(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_wrong_preset_alone_has_a_code_of_its_own() {
        let alone = ApiError::invalid_field("/preset", Message::new("api.expects_text"));
        assert_eq!(alone.code().as_str(), "INVALID_PRESET");
        let faults = Faults::default();
        faults.add("/preset", Message::new("api.expects_text"));
        faults.add("/name", Message::new("api.expects_text"));
        assert_eq!(faults.finish().unwrap_err().code().as_str(), "VALIDATION_FAILED");
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(pointer_to("/service_requirements", "a/b~c"), "/service_requirements/a~1b~0c");
    }
}
