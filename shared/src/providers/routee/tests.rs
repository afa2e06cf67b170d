//! Tests of the client against a provider with scripted responses.

mod calls;
mod ending_calls;
mod lookup;
mod sms;
mod tokens;

use serde_json::{Value, json};

use super::*;
use crate::providers::lenient::path_segment;
use crate::providers::testing::{self, ScriptedProvider, ScriptedResponse, json_response};

/// The response to an expired token.
fn unauthorized(status: u16) -> ScriptedResponse {
    json_response(
        status,
        &json!({ "error": "invalid_token", "error_description": "Invalid access token: 0f1e2d3c-1111-4222-8333" }),
    )
}

/// An error in the format of the API.
fn error(status: u16, code: &str, message: &str) -> ScriptedResponse {
    json_response(status, &json!({ "code": code, "developerMessage": message }))
}

fn tracking_page(legs: &[Value]) -> ScriptedResponse {
    json_response(
        200,
        &json!({ "content": legs, "first": true, "last": true, "totalElements": legs.len() }),
    )
}

#[test]
fn id_becomes_one_path_segment_or_none() {
    assert_eq!(path_segment("a1b2-C3_~.x").as_deref(), Some("a1b2-C3_~.x"));
    assert_eq!(
        path_segment("../token?x=1#ü").as_deref(),
        Some("..%2Ftoken%3Fx%3D1%23%C3%BC")
    );
    for id in ["", ".", "..", &"x".repeat(129)] {
        assert_eq!(path_segment(id), None, "{id}");
    }
}

#[tokio::test]
async fn debug_output_hides_the_secret() {
    let credentials = Credentials {
        application_id: "app".to_owned(),
        application_secret: Secret::new("s3cret"),
    };
    let printed = format!("{credentials:?} {:?}", ScriptedProvider::new([]).routee());
    assert!(!printed.contains("s3cret"), "{printed}");
}

#[tokio::test]
async fn requests_carry_only_needed_headers() {
    let provider = ScriptedProvider::new([testing::any_token(), tracking_page(&[])]);
    provider.routee().legs("c-1").await.expect("legs");
    assert_eq!(
        provider.header_names(),
        [vec!["authorization", "content-type"], vec!["authorization"]]
    );
}
