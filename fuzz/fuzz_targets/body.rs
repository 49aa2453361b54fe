//! A body of the tenants' operations.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ecp_api::fuzzing::tenant_body(data));
