#![no_main]

#[path = "../../tests/language/support.rs"]
mod support;
#[path = "../../tests/fuzzing/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::evaluate(bytes));
