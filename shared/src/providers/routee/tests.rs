//! The client against a provider with a script.

mod calls;
mod ending_calls;
mod looking;
mod tokens;

use serde_json::{Value, json};

use super::*;
use crate::providers::lenient::segment;
use crate::providers::testing::{self, Answer, Provider, answer};

/// 401 as the provider says it to an old token.
fn turned_away(status: u16) -> Answer {
    answer(
        status,
        &json!({ "error": "invalid_token", "error_description": "Invalid access token: 0f1e2d3c-1111-4222-8333" }),
    )
}

/// An error of the provider's main family.
fn error(status: u16, code: &str, message: &str) -> Answer {
    answer(status, &json!({ "code": code, "developerMessage": message }))
}

fn tracking_page(legs: &[Value]) -> Answer {
    answer(
        200,
        &json!({ "content": legs, "first": true, "last": true, "totalElements": legs.len() }),
    )
}

#[test]
fn an_id_becomes_one_segment_of_a_path_or_none() {
    assert_eq!(segment("a1b2-C3_~.x").as_deref(), Some("a1b2-C3_~.x"));
    assert_eq!(
        segment("../token?x=1#ü").as_deref(),
        Some("..%2Ftoken%3Fx%3D1%23%C3%BC")
    );
    for id in ["", ".", "..", &"x".repeat(129)] {
        assert_eq!(segment(id), None, "{id}");
    }
}

#[tokio::test]
async fn the_secret_is_never_printed() {
    let credentials = Credentials {
        application_id: "app".to_owned(),
        application_secret: Secret::new("s3cret"),
    };
    let printed = format!("{credentials:?} {:?}", Provider::new([]).client());
    assert!(!printed.contains("s3cret"), "{printed}");
}

#[tokio::test]
async fn requests_carry_no_header_that_they_do_not_need() {
    let provider = Provider::new([testing::any_token(), tracking_page(&[])]);
    provider.client().legs("c-1").await.expect("legs");
    assert_eq!(
        provider.headers(),
        [vec!["authorization", "content-type"], vec!["authorization"]]
    );
}
