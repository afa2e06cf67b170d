//! A panic is logged as an error of its function, with its location and without its message.
//!
//! In its own process: a panic hook handles all panics of a process.

use std::env;
use std::process::Command;

use serde_json::Value;

const NUMBER: &str = "+12025550143";

#[test]
#[ignore = "panics on purpose, for the test below"]
fn a_function_panics() {
    patchbay::telemetry::init(env!("CARGO_CRATE_NAME"));
    panic!("no caller has the number {NUMBER}");
}

#[test]
fn a_panic_is_logged_with_its_location_and_without_its_message() {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_function_panics", "--ignored", "--nocapture"])
        .env("AWS_LAMBDA_FUNCTION_NAME", "patchbay-dialer")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let output_texts = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let lines = output_texts.iter().flat_map(|text| text.lines());
    let logged: Vec<Value> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    let [line] = logged.as_slice() else {
        panic!("{output_texts:?}")
    };
    assert_eq!(line["level"], "ERROR", "{line}");
    assert_eq!(line["function"], "patchbay-dialer", "{line}");
    assert!(line["location"].as_str().unwrap().contains("panics.rs:"), "{line}");
    assert!(line["timestamp"].is_string(), "{line}");
    assert!(
        output_texts.iter().all(|text| !text.contains(NUMBER)),
        "{output_texts:?}"
    );
}
