#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::*;
use ecp_core::Timestamp;
use ecp_core::text::Language;
use proptest::prelude::*;
use serde_json::json;

static SHAPE: Shape = Shape::Object(&[
    ("name", Shape::Scalar),
    ("counts", Shape::Map(&Shape::Scalar)),
    ("list", Shape::Array(&Shape::Object(&[("x", Shape::Scalar)]), 3)),
]);

fn value(text: &str) -> Value {
    read(text.as_bytes(), &SHAPE).unwrap().value
}

fn details(text: &[u8]) -> Value {
    let error = read(text, &SHAPE).unwrap_err();
    assert_eq!(error.status(), 400);
    error.envelope(Language::En, Timestamp::UNIX_EPOCH, "req-test")["error"]["details"].clone()
}

#[test]
fn what_is_asked_for_is_read_and_the_rest_is_named() {
    let body = read(
        br#"{"odd": [[{"deep": 1}]], "name": "x", "counts": {"a": 1, "b": null, "c": "d"},
             "list": [{"x": 1.5, "y": {"z": 1}}, 7, []], "name": "y", "~/": true}"#,
        &SHAPE,
    )
    .unwrap();
    assert_eq!(body.value, json!({"name": "y", "counts": {"a": 1, "c": "d"}, "list": [{"x": 1.5}, 7, []]}));
    assert_eq!(body.unknown.into_names(), ["odd", "list/0/y", "~0~1"]);
    assert_eq!(body.repeated.into_names(), ["name"]);
}

#[test]
fn of_a_member_that_repeats_the_last_counts_and_it_is_named() {
    let body = read(
        br#"{"counts": {"a": 1, "b": 2, "a": 3, "b": null}, "list": [{"x": 1, "x": 2}, {"x": 1}], "odd": 1, "odd": 2}"#,
        &SHAPE,
    )
    .unwrap();
    assert_eq!(body.value, json!({"counts": {"a": 3}, "list": [{"x": 2}, {"x": 1}]}));
    assert_eq!(body.repeated.into_names(), ["counts/a", "counts/b", "list/0/x"]);
    assert_eq!(body.unknown.into_names(), ["odd", "odd"]);
}

#[test]
fn of_a_wrong_type_only_the_type_is_kept_and_arrays_are_cut() {
    assert_eq!(
        value(r#"{"name": [1, [2], {"a": 3}], "counts": [1], "list": {"x": 1}}"#),
        json!({"name": [], "counts": [], "list": {}})
    );
    assert_eq!(
        value(r#"{"name": {"a": {"b": 1}}, "list": [1, 2, 3, 4, [5]]}"#),
        json!({"name": {}, "list": [1, 2, 3]})
    );
    for text in ["5", "\"x\"", "null", "true", "[1,2]"] {
        assert!(!value(text).is_object(), "{text}");
    }
}

#[test]
fn nesting_is_read_to_32_and_refused_beyond_with_its_place() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
        let levels = |count: usize| count / open.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
        let nested = |depth: usize| {
            let inner = levels(depth - 1);
            format!("{{\"odd\":{}1{}}}", open.repeat(inner), close.repeat(inner))
        };
        assert!(read(nested(20).as_bytes(), &SHAPE).is_ok());
        assert!(read(nested(MAX_DEPTH - 1).as_bytes(), &SHAPE).is_ok());
        assert_eq!(details(nested(MAX_DEPTH + 3).as_bytes())["max_depth"], MAX_DEPTH);
    }
    let at = details(format!("{{\n \"odd\": {}", "[".repeat(100_000)).as_bytes());
    assert_eq!((&at["line"], &at["column"]), (&json!(2), &json!(9 + MAX_DEPTH - 1)));
    // Brackets in texts are none.
    let text = format!(r#"{{"name": "{}\"[["}}"#, "[".repeat(100));
    assert!(read(text.as_bytes(), &SHAPE).is_ok());
}

#[test]
fn a_fault_says_line_and_column() {
    let at = details(b"{\n  \"name\": trux\n}");
    assert_eq!((&at["line"], &at["reason"]), (&json!(2), &json!("expected ident")));
    for broken in
        [&b"\xff"[..], b"", b"{", b"{} x", b"{\"odd\": [1,]}", b"{\"odd\": \"\xff\"}", b"{\"odd\": 01}"]
    {
        assert!(details(broken)["line"].is_number(), "{broken:?}");
    }
}

/// A parser whose words change must not leave people with a text that says nothing.
#[test]
fn every_kind_of_fault_is_said_in_words_of_its_own() {
    for (broken, key) in [
        (&b""[..], "json.empty_body"),
        (b" \r\n\t", "json.empty_body"),
        (b"{\"name\": \"a", "json.ends_early"),
        (b"{\"name\": \"\\u12", "json.ends_early"),
        (b"{\"odd\": [1", "json.ends_early"),
        (b"{\"name\" 1}", "json.wants_colon"),
        (b"{\"odd\": [1 2]}", "json.wants_comma"),
        (b"{\"name\": 1 \"b\": 2}", "json.wants_comma"),
        (b"{\"name\": 1,}", "json.trailing_comma"),
        (b"{} {}", "json.trailing"),
        (b"{name: 1}", "json.wants_name"),
        (b"{'name': 1}", "json.wants_name"),
        (b"{\"name\": }", "json.wants_value"),
        (b"{\"name\": NaN}", "json.wants_value"),
        (b"{\"name\": trux}", "json.wants_value"),
        (b"{\"name\": 01}", "json.number"),
        (b"{\"name\": 1e400}", "json.large_number"),
        (b"{\"name\": \"\\x\"}", "json.escape"),
        (b"{\"name\": \"\\ud800\"}", "json.escape"),
        (b"{\"name\": \"a\nb\"}", "json.control"),
        (b"\xff", "json.utf8"),
    ] {
        let error = read(broken, &SHAPE).expect_err("broken");
        let (reason, said) = (Message::new(key).render(Language::Ko), error.message(Language::Ko));
        assert!(said.ends_with(&reason), "{}: {said}, {reason}", broken.escape_ascii());
    }
    let deep = read("[".repeat(100).as_bytes(), &SHAPE).expect_err("deep").envelope(
        Language::En,
        Timestamp::UNIX_EPOCH,
        "r",
    );
    assert!(deep["error"]["message"].as_str().is_some_and(|text| text.contains("too deep")), "{deep}");
}

#[test]
fn a_message_of_a_socket_is_called_one_and_a_body_a_body() {
    for broken in ["", "{", "{} {}", "{a: 1}", "{\"a\": 01}", &"[".repeat(100)] {
        let body = read(broken.as_bytes(), &SHAPE).expect_err("broken");
        let message = read_message(broken, &SHAPE).expect_err("broken");
        for (language, body_is, message_is) in
            [(Language::En, "The request body", "The message"), (Language::Ko, "요청 본문", "메시지")]
        {
            let (of_body, of_message) = (body.message(language), message.message(language));
            assert!(
                of_body.starts_with(body_is) && of_message.starts_with(message_is),
                "{of_body}, {of_message}"
            );
        }
    }
}

#[test]
fn names_and_entries_are_bounded() {
    let odd: String = (0..50_000).map(|number| format!("\"odd{number}\": [],")).collect();
    let long = "k".repeat(100_000);
    let body = read(format!("{{{odd}\"{long}\": 1}}").as_bytes(), &SHAPE).unwrap();
    let names = body.unknown.into_names();
    assert_eq!((names.len(), names.last().unwrap().as_str()), (17, "and 49985 more"));
    let counts: String = (0..50_000).map(|number| format!("\"k{number}\": 1,")).collect();
    let counts = value(&format!("{{\"counts\": {{{counts} \"z\": 1}}}}"));
    assert_eq!(counts["counts"].as_object().unwrap().len(), MAX_ENTRIES);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is read is what a reader of everything finds there, and nothing that is not JSON is read.
    #[test]
    fn whatever_is_sent_is_read_as_json_or_refused(text in "[{}\\[\\],:\"a-c0-9 .nulltrue\\\\-]{0,60}") {
        let whole = serde_json::from_str::<Value>(&text);
        match read(text.as_bytes(), &Shape::Object(&[("a", Shape::Scalar)])) {
            Err(_) => prop_assert!(whole.is_err()),
            Ok(read) => {
                // What is passed over may be a number that no double holds.
                let Ok(whole) = whole else {
                    prop_assert!(text.contains('e'));
                    return Ok(());
                };
                if let Some(scalar) = whole.get("a").filter(|value| !value.is_object() && !value.is_array()) {
                    prop_assert_eq!(&read.value["a"], scalar);
                }
            }
        }
    }
}
