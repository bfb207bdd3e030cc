#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ncat_cli::flags::fuzz_options(data));
