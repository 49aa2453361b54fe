//! The fast reader reads what it reads as the full parser does.

use super::super::tree::{Kind, Tree};
use super::super::yaml::{Readers, read};
use super::GOOD;
use proptest::prelude::*;

/// Everything that the checks see of a tree. The own line of an empty value is where each reader found
/// it missing; findings use the key's.
fn seen(tree: &Tree<'_>) -> Vec<String> {
    let row = |data: &super::super::tree::Data<'_>| {
        let is_empty = data.kind == Kind::Null || (data.kind == Kind::Text && data.text.is_empty());
        let line = if is_empty { 0 } else { data.line };
        format!(
            "{:?} plain={} {:?} key={:?}@{} index={} parent={} first={} next={} end={} line={line} document={}",
            data.kind,
            data.plain,
            data.text,
            data.key,
            data.key_line,
            data.index,
            data.parent,
            data.first,
            data.next,
            data.end,
            data.document
        )
    };
    let mut rows: Vec<String> = tree.nodes.iter().map(row).collect();
    rows.push(format!("{:?} {:?}", tree.documents, tree.faults));
    rows
}

fn agree(text: &str) {
    let fast = read(text, Readers::Both);
    let full = read(text, Readers::FullOnly);
    match (fast, full) {
        // A document that cannot be read costs the full parser the rest of the text, and it knows
        // neither what kubectl alone refuses nor JSON without anything between.
        (Ok(fast), _) if !fast.unreadable.is_empty() => {}
        (Ok(_), Err(_)) if text.lines().any(|line| line.trim_start().starts_with('{')) => {}
        (Ok(fast), Ok(full)) => {
            let (fast, full) = (seen(&fast), seen(&full));
            for (fast, full) in fast.iter().zip(&full) {
                assert_eq!(fast, full, "{text}");
            }
            assert_eq!(fast.len(), full.len(), "{text}");
        }
        (Err(_), Err(_)) => {}
        (fast, full) => panic!("fast {:?}, full {:?}: {text}", fast.err(), full.err()),
    }
}

#[test]
fn the_forms_that_manifests_are_written_in_are_read_alike() {
    for text in [
        GOOD,
        "a: 1\n",
        "a:\nb: ~\n",
        "a:\n- b\n- c: d\n  e: f\n-\n- - g\n  - h\nz: 1\n",
        "a:\n  - b # comment\n  # another\n  - \"c\" # d\n\n  - 'e'\n",
        "a: b#c\n",
        "a: b #c\n",
        "a: http://x:80/y\nb: -1\nc: --flag\nd: a - b\n",
        "a: |\n  one\n   two\n\n  three\n\n\nb: |-\n  x\n\nc: |+\n  y\n\n",
        "a:\n- |\n  one\n- b: |-\n    two\n  c: d\n",
        "a: [b, \"c\", 1, [], {}]\nd: {e: f, \"g\":1, h: {i: [j]}}\n",
        "{\"a\": [1, 2.5, -3, 1e5, true, null], \"b\\n\\u00e9\\/\": \"\\\"\"}\n",
        "{\n  \"a\": {\n    \"b\": [\n      1\n    ]\n  }\n}\n",
        "---\na: 1\n---\n---\n# only a comment\n---\nb: 2\n",
        "# comment\n\n---\na: 1\n---\n",
        "\"a\": 1\n'b c': 2\n\"d/e\": 3\n",
        "a: '한글' \nb: 한글 텍스트\n한글: c\n",
        "- a\n- b: c\n",
        "a: \"x\"\na: \"y\"\n",
        "a: yes\nb: 0x1F\nc: 1.5\nd: .inf\n",
        "a: \n  b: 1\n",
        "  a: 1\n  b: 2\n",
        "a: 1",
        "a: |\n  x",
    ] {
        agree(text);
    }
}

#[test]
fn what_is_wrong_or_rare_is_left_to_the_full_parser() {
    for text in [
        "a: b\n  c\n",
        "a: b: c\n",
        "a: \"b\" c\n",
        "a: \"b\n  c\"\n",
        "a: 'it''s'\n",
        "a: \"\\x41\"\n",
        "a: &x b\nc: *x\n",
        "a: !!str 1\n",
        "a: >\n  b\n  c\n",
        "a: |2\n    b\n",
        "a: |\n\n  b\n",
        "a: |\nb: c\n",
        "a\n",
        "a: [b, c]]\n",
        "a: [b\n",
        "a: [b,\n  c]\n",
        "a: {b, c}\n",
        "a: [b c]\n",
        "a: [b: c]\n",
        "a: [b, ]\n",
        "a: [-]\n",
        "? a\n: b\n",
        "<<: {a: b}\n",
        "a:\n b: 1\n  c: 2\n",
        "a:\n  - b\n - c\n",
        "a: - b\n",
        "a: @b\n",
        "a:\tb\n",
        "a: b\r\nc: d\r\n",
        "--- a\n",
        "a: 1\n...\nb: 2\n",
        "{\"a\":1} x\n",
        "{\"a\":1}\n{\"b\":2}\n",
        "{a:1}\n",
        "a : b\n",
        "-a: b\n",
        "- a: b\n- c\n  d\n",
        "a: \"b\"\n   - c\n",
        "a: %b\n",
        "a: `b`\n",
        "a: ]\n",
        "a: |\n  b\n c\n",
        "a:\n# x\n- b\n",
        "a: b\n#c\n d\n",
        "\u{feff}a: b\n",
        "a: b\u{85}c\n",
        "a: b\u{2028}c\n",
    ] {
        agree(text);
    }
}

/// One line of a made-up document.
fn line() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "a: ", "b:", "c: ", "\"d\": ", "'e f': ", "g/h: ", "- ", "-", "- a: ", "- - ", "", "? ", "<<: ",
        "-x: ", "# ", "---", "a : ",
    ]);
    let value = prop::sample::select(vec![
        "",
        "1",
        "x",
        "x y",
        "\"q\"",
        "'s'",
        "[]",
        "{}",
        "[a, b]",
        "{a: b}",
        "{\"a\": [1, \"x\\n\"]}",
        "|",
        "|-",
        "|+",
        ">",
        "# c",
        "x # c",
        "x#c",
        "\"q\" # c",
        "y:",
        "a: b",
        "-1",
        "- z",
        "~",
        "&n v",
        "*n",
        "\"a\\tb\"",
        "'it''s'",
        "[a,",
        "]",
        "한글",
    ]);
    (0..5_usize, key, value).prop_map(|(indent, key, value)| format!("{}{key}{value}", "  ".repeat(indent)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn made_up_documents_are_read_alike(lines in prop::collection::vec(line(), 1..9), last in any::<bool>()) {
        let mut text = lines.join("\n");
        if last {
            text.push('\n');
        }
        agree(&text);
    }

    #[test]
    fn a_manifest_with_a_piece_replaced_is_read_alike(
        start in 0..4000_usize,
        length in 0..30_usize,
        piece in "[-:{}\\[\\],&*!|>'\"# \\na-c0-9~.]{0,12}",
    ) {
        let cut = |place: usize| (0..=place.min(GOOD.len())).rev().find(|at| GOOD.is_char_boundary(*at)).unwrap_or(0);
        let (from, to) = (cut(start), cut(start + length));
        agree(&format!("{}{piece}{}", &GOOD[..from], &GOOD[to..]));
    }
}
