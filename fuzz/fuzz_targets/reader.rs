//! The readers of YAML and JSON: whatever is read can be written as JSON and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = ecp_validate::decode(data) else { return };
    let Ok(objects) = ecp_validate::manifest_objects(&text) else { return };
    for (_, object) in objects {
        let again = ecp_validate::manifest_objects(&object.to_string());
        assert!(again.is_ok(), "{object}");
    }
});
