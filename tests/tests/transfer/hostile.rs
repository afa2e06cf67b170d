//! Requests that Twilio did not sign for us.

use bytes::Bytes;
use patchbay::providers::twilio::signature::{HEADER, SETTINGS_HEADER, SharedKey, sign};
use patchbay::providers::twilio::webhook::Form;
use patchbay::secret::Secret;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::reference::ReferenceSigner;
use patchbay_simulators::twilio::{AUTH_TOKEN, CallerScript, PaymentInput, SHARED_KEY};
use patchbay_simulators::world::{PUBLIC_URL, REFERENCE_KEY, World};
use proptest::prelude::*;
use serde_json::json;

use crate::common::{Answer, effects, send, world};
use crate::{CALLER, CARD, call, get, pays, purchase, set, world_with};

const FORM: &str = "application/x-www-form-urlencoded";

async fn post(world: &World, url: &str, content_type: &str, body: Vec<u8>, signature: Option<&str>) -> Answer {
    let mut request = http::Request::post(url).header("content-type", content_type);
    if let Some(signature) = signature {
        request = request.header(HEADER, signature);
    }
    send(world, request.body(Bytes::from(body)).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_request_without_our_signature_is_refused_and_changes_nothing() {
    let world = world_with(&purchase()).await;
    let record = pays(&world, [CARD]).await;
    world.aws.recorder().clear();
    for request in &record.requests {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&request.form)
            .finish();
        let form = Form::parse(body.as_bytes());
        let right = sign(&Secret::new(AUTH_TOKEN), &request.url, &form);
        let by_another = sign(&Secret::new("another-token"), &request.url, &form);
        let elsewhere = sign(&Secret::new(AUTH_TOKEN), &format!("{}?x=1", request.url), &form);
        for (signature, body) in [
            (None, body.clone()),
            (Some(""), body.clone()),
            (Some(by_another.as_str()), body.clone()),
            (Some(elsewhere.as_str()), body.clone()),
            (Some(right.as_str()), format!("{body}&Extra=1")),
            (Some(right.as_str()), body.replace("2025550143", "2025550144")),
        ] {
            let answer = post(&world, &request.url, FORM, body.into_bytes(), signature).await;
            answer.is_problem(403, "bad-signature");
        }
        // A body that the signature does not cover is not read.
        let nothing = sign(&Secret::new(AUTH_TOKEN), &request.url, &Form::default());
        let answer = post(&world, &request.url, "text/plain", body.into_bytes(), Some(&nothing)).await;
        assert_eq!(answer.status, 200);
    }
    let writes = effects(&world);
    // Without its form, the result of the payment counts as another result, which does not replace the success.
    assert!(writes <= 1, "{writes}");
    assert_eq!(get(&world).await["status"], "payment-success");
}

#[tokio::test(start_paused = true)]
async fn a_signature_with_our_shared_key_is_accepted_if_the_header_names_the_key() {
    let world = world_with(&purchase()).await;
    let record = pays(&world, [CARD]).await;
    let [request, ..] = record.requests.as_slice() else {
        panic!("{record:#?}")
    };
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&request.form)
        .finish();
    let form = Form::parse(body.as_bytes());
    let key = |secret: &str| SharedKey {
        id: SHARED_KEY.0.to_owned(),
        secret: Secret::new(secret),
    };
    let ours = key(SHARED_KEY.1);
    let (signature, by_token) = (
        ours.sign(&request.url, &form),
        sign(&Secret::new(AUTH_TOKEN), &request.url, &form),
    );
    for (signature, settings, status) in [
        (&signature, Some(ours.settings()), 200),
        (&by_token, Some(String::new()), 200),
        (&signature, None, 403),
        (&by_token, Some(ours.settings()), 403),
        (&key("another").sign(&request.url, &form), Some(ours.settings()), 403),
        (
            &signature,
            Some("key=webhooks_sharedkey_x,algorithm=HMAC_SHA256".to_owned()),
            403,
        ),
    ] {
        let mut post = http::Request::post(&request.url)
            .header("content-type", FORM)
            .header(HEADER, signature);
        if let Some(settings) = &settings {
            post = post.header(SETTINGS_HEADER, settings);
        }
        let answer = send(&world, post.body(Bytes::from(body.clone())).unwrap()).await;
        assert_eq!(answer.status, status, "{settings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_of_another_tenant_does_not_find_our_contexts() {
    let world = world_with(&purchase()).await;
    let keys = |key: &str| CallbackUrls::new(PUBLIC_URL, ReferenceSigner::new(Secret::new(key), None));
    let other = keys(REFERENCE_KEY).transfer_url(&"other".parse().unwrap());
    let record = world.twilio.call(&other, CallerScript::new(CALLER, [CARD])).await;
    assert!(record.heard("there is no payment waiting"), "{record:#?}");
    let forged = keys("not our key, but one of the same length").transfer_url(&"main".parse().unwrap());
    let record = world.twilio.call(&forged, CallerScript::new(CALLER, [CARD])).await;
    assert_eq!(record.failures, Vec::<String>::new());
    assert!(record.heard("not set up correctly"), "{record:#?}");
    assert_eq!(world.twilio.charges(), []);
    assert_eq!(get(&world).await["status"], "pending");
}

#[tokio::test(start_paused = true)]
async fn a_forged_payment_result_is_ignored() {
    let world = world_with(&purchase()).await;
    let record = pays(&world, [PaymentInput::Star]).await;
    let payment = &record.requests[1];
    let (head, _) = payment.url.rsplit_once('.').unwrap();
    for url in [
        format!("{head}.{}", "0".repeat(32)),
        format!("{PUBLIC_URL}/twilio/payment/x"),
        payment.url.replace("/payment/", "/handback/"),
        record.requests[2].url.replace("/handback/", "/payment/"),
    ] {
        let form = vec![("Result".to_owned(), "success".to_owned())];
        let answer = world.twilio.post(&url, &form).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("not set up correctly"), "{answer:?}");
    }
    assert_eq!(get(&world).await["status"], "payment-cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_request_signed_with_a_replaced_token_is_refused() {
    let world = world_with(&purchase()).await;
    world.twilio.set_token("a-token-that-was-replaced");
    let record = call(&world, CallerScript::new(CALLER, [CARD])).await;
    assert_eq!(record.failures, ["response with status 403"]);
    assert_eq!(get(&world).await["status"], "pending");
}

#[tokio::test(start_paused = true)]
async fn markup_in_the_texts_of_an_agent_is_escaped() {
    let world = world([]).await;
    let mut purchase = purchase();
    purchase["full_name"] = "</Say><Dial>+12025550166</Dial> & \"Ana\"".into();
    purchase["description"] = "x".repeat(4_096).into();
    purchase["vendor"] = "<Pay/>]]>\u{fffe}".into();
    purchase["customer_id"] = "\"/><Redirect/>".into();
    set(&world, &purchase).await;
    let record = pays(&world, [CARD]).await;
    assert_eq!(record.dials.len(), 1);
    assert!(!record.heard("<"), "{record:#?}");
    assert!(record.heard("Hello +12025550166 and \"Ana\"."), "{record:#?}");
    assert_eq!(get(&world).await["status"], "payment-success");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_unsigned_request_is_403(
        verb in prop_oneof![Just("transfer"), Just("payment"), Just("handback")],
        reference in "([A-Za-z0-9._~-]|%[0-9A-F]{2}|%){0,40}",
        query in "(\\?[a-z0-9=&+]{1,20})?",
        body in proptest::collection::vec(any::<u8>(), 0..300),
        pairs in proptest::collection::vec(
            ("(From|CallSid|Result|CallStatus|DialCallStatus|[A-Z]{1,4})", "\\PC{0,20}"),
            0..8,
        ),
        signature in proptest::option::of("[A-Za-z0-9+/=]{0,40}"),
        ours: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = world_with(&purchase()).await;
            let url = if ours {
                format!("{}{query}", world.transfer_url().unwrap())
            } else {
                format!("{PUBLIC_URL}/twilio/{verb}/{reference}{query}")
            };
            let answer = post(&world, &url, FORM, body.clone(), signature.as_deref()).await;
            // The gateway refuses an invalid escape before any function receives it.
            if !ours && reference.contains('%') && answer.status == 400 {
                assert_eq!(answer.json, json!({ "message": "Bad Request" }));
                return;
            }
            // An escaped slash may make a path without a route.
            let has_no_route = reference.is_empty() || (reference.contains("%2F") && answer.status == 404);
            assert!(answer.status == 403 || has_no_route, "{answer:?}");
            let signed = world.twilio.post(&url, &pairs).await;
            // The gateway loses which characters were escaped, and the signature covers them. None of our URLs has
            // escapes.
            let escaped = reference.contains('%') && signed.status == 403;
            let refused = !ours && (signed.status == 404 || escaped);
            assert!(signed.status == 200 || refused, "{url} {signed:?}");
            if signed.status == 200 {
                assert!(signed.body.starts_with("<?xml"), "{signed:?}");
            }
        });
    }
}
