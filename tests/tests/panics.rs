//! A panic is an error in the log of its function, which says where, and not with what.
//!
//! In a process of its own: whoever handles panics handles all of a process's.

use std::env;
use std::process::Command;

use serde_json::Value;

const NUMBER: &str = "+12025550143";

#[test]
#[ignore = "panics on purpose, for the test below"]
fn a_function_panics() {
    patchbay::telemetry::init(env!("CARGO_CRATE_NAME"));
    panic!("no caller is called {NUMBER}");
}

#[test]
fn a_panic_is_logged_as_an_error_with_its_place_and_without_its_words() {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_function_panics", "--ignored", "--nocapture"])
        .env("AWS_LAMBDA_FUNCTION_NAME", "patchbay-dialer")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let lines = said.iter().flat_map(|text| text.lines());
    let logged: Vec<Value> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    let [line] = logged.as_slice() else { panic!("{said:?}") };
    assert_eq!(line["level"], "ERROR", "{line}");
    assert_eq!(line["function"], "patchbay-dialer", "{line}");
    assert!(line["place"].as_str().unwrap().contains("panics.rs:"), "{line}");
    assert!(line["timestamp"].is_string(), "{line}");
    assert!(said.iter().all(|text| !text.contains(NUMBER)), "{said:?}");
}
