//! Whatever the text, the answer comes: no panic, bounded lists, texts in both languages.

use super::{GOOD, check_with};
use ecp_core::text::Language;
use proptest::prelude::*;

fn survives(text: &str) {
    if let Ok(outcome) = check_with(text, None) {
        for finding in outcome.errors.iter().chain(&outcome.warnings) {
            for language in [Language::Ko, Language::En] {
                let printed = finding.render(language);
                assert!(!printed.starts_with("validate."), "{printed}");
                for (name, _) in &finding.message.values {
                    assert!(!printed.contains(&format!("{{{name}}}")), "{printed}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,300}") {
        survives(&text);
    }

    #[test]
    fn any_text_of_yaml_marks_is_answered(text in "[-:{}\\[\\],&*!|>'\"%@#? \\n\\ta-c0-9<~.]{0,200}") {
        survives(&text);
    }

    #[test]
    fn any_bytes_read_as_text_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_manifest_with_a_piece_replaced_is_answered(
        start in 0..4000_usize,
        length in 0..80_usize,
        piece in "[-:{}\\[\\],&*!|>'\"# \\na-z0-9<~.]{0,20}",
    ) {
        let cut = |place: usize| (0..=place.min(GOOD.len())).rev().find(|at| GOOD.is_char_boundary(*at)).unwrap_or(0);
        let (from, to) = (cut(start), cut(start + length));
        survives(&format!("{}{piece}{}", &GOOD[..from], &GOOD[to..]));
    }

    #[test]
    fn a_manifest_whose_lines_change_places_is_answered(
        from in 0..250_usize,
        to in 0..250_usize,
        indent in 0..8_usize,
    ) {
        let mut lines: Vec<String> = GOOD.lines().map(str::to_owned).collect();
        let line = lines.remove(from % lines.len());
        let place = to % lines.len();
        lines.insert(place, format!("{}{}", " ".repeat(indent), line.trim_start()));
        survives(&lines.join("\n"));
    }
}
