//! The whole validator, with every profile's rules: no text crashes it or takes long.
#![no_main]

use ecp_core::catalog::Catalog;
use ecp_core::text::Language;
use ecp_validate::{Options, Policy, Profile};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::embedded);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = ecp_validate::decode(data) else { return };
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    for profile in [Profile::Validity, Profile::Strict] {
        let options = Options { policy: Policy::of(profile), ..Options::default() };
        if let Ok(report) = ecp_validate::validate_manifest(&CATALOG, &text, &options) {
            for finding in report.errors.iter().chain(&report.warnings) {
                assert!(!finding.message.render(Language::Ko).is_empty());
                assert!(finding.position.line <= lines + 1);
            }
        }
    }
});
