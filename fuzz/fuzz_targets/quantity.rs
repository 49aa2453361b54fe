//! Amounts such as `100m` and `4Gi`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(amount) = ecp_core::quantity::parse_quantity(text) {
        assert!(!text.is_empty(), "{amount}");
    }
});
