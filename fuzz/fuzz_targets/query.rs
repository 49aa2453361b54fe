//! A query string.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| ecp_api::fuzzing::query(data));
