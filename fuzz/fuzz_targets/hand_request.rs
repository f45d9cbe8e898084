#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nettop_tests::hostile::hand_request(data));
