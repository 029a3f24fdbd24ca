//! See the body of this name in `crates/fuzz-bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| amends_fuzz_bodies::run("gateway", data));
