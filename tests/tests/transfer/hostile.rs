//! Requests that Twilio did not send, or not to us.

use bytes::Bytes;
use patchbay::providers::twilio::signature::{HEADER, SETTINGS_HEADER, SharedKey, sign};
use patchbay::providers::twilio::webhook::Form;
use patchbay::secret::Secret;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::reference::References;
use patchbay_simulators::twilio::{AUTH_TOKEN, AtPay, SHARED_KEY, Script};
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
async fn what_is_not_signed_with_our_token_is_refused_and_changes_nothing() {
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
    // The result of the payment without its form is a result of its own, and replaces no success.
    assert!(writes <= 1, "{writes}");
    assert_eq!(get(&world).await["status"], "payment-success");
}

#[tokio::test(start_paused = true)]
async fn a_shared_key_signs_as_well_when_it_is_named_and_ours() {
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
async fn another_tenants_number_knows_nothing_of_our_callers() {
    let world = world_with(&purchase()).await;
    let keys = |key: &str| Callbacks::new(PUBLIC_URL, References::new(Secret::new(key), None));
    let other = keys(REFERENCE_KEY).transfer_url(&"other".parse().unwrap());
    let record = world.twilio.call(&other, Script::new(CALLER, [CARD])).await;
    assert!(record.heard("there is no payment waiting"), "{record:#?}");
    let forged = keys("not our key, but one of the same length").transfer_url(&"main".parse().unwrap());
    let record = world.twilio.call(&forged, Script::new(CALLER, [CARD])).await;
    assert_eq!(record.failures, Vec::<String>::new());
    assert!(record.heard("not set up correctly"), "{record:#?}");
    assert_eq!(world.twilio.charges(), []);
    assert_eq!(get(&world).await["status"], "pending");
}

#[tokio::test(start_paused = true)]
async fn a_forged_result_pays_nothing() {
    let world = world_with(&purchase()).await;
    let record = pays(&world, [AtPay::Star]).await;
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
async fn an_old_token_does_not_count() {
    let world = world_with(&purchase()).await;
    world.twilio.set_token("a-token-that-was-withdrawn");
    let record = call(&world, Script::new(CALLER, [CARD])).await;
    assert_eq!(record.failures, ["answered with status 403"]);
    assert_eq!(get(&world).await["status"], "pending");
}

#[tokio::test(start_paused = true)]
async fn hostile_texts_of_an_agent_end_up_as_text() {
    let world = world([]).await;
    let mut purchase = purchase();
    purchase["full_name"] = "</Say><Dial>+12025550166</Dial> & \"Ana\"".into();
    purchase["description"] = "x".repeat(4_096).into();
    purchase["vendor"] = "<Pay/>]]>\u{fffe}".into();
    purchase["customer_id"] = "\"/><Redirect/>".into();
    set(&world, &purchase).await;
    let record = pays(&world, [CARD]).await;
    assert_eq!(record.dialled.len(), 1);
    assert!(!record.heard("<"), "{record:#?}");
    assert!(record.heard("Hello +12025550166 and \"Ana\"."), "{record:#?}");
    assert_eq!(get(&world).await["status"], "payment-success");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_is_403_unless_it_is_signed(
        verb in prop_oneof![Just("transfer"), Just("payment"), Just("handback")],
        reference in "([A-Za-z0-9._~-]|%[0-9A-F]{2}|%){0,40}",
        query in "(\\?[a-z0-9=&+]{1,20})?",
        body in proptest::collection::vec(any::<u8>(), 0..300),
        pairs in proptest::collection::vec(("(From|CallSid|Result|CallStatus|DialCallStatus|[A-Z]{1,4})", "\\PC{0,20}"), 0..8),
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
            // An escape that is none, or of no text, the gateway refuses before any function sees it.
            if !ours && reference.contains('%') && answer.status == 400 {
                assert_eq!(answer.json, json!({ "message": "Bad Request" }));
                return;
            }
            // A slash that comes out of an escape may make a path that is no route's.
            let elsewhere = reference.is_empty() || (reference.contains("%2F") && answer.status == 404);
            assert!(answer.status == 403 || elsewhere, "{answer:?}");
            let signed = world.twilio.post(&url, &pairs).await;
            // Which characters were escaped is lost at the gateway, and the signature is over what they were. No URL of
            // ours has any.
            let escaped = reference.contains('%') && signed.status == 403;
            let refused = !ours && (signed.status == 404 || escaped);
            assert!(signed.status == 200 || refused, "{url} {signed:?}");
            if signed.status == 200 {
                assert!(signed.body.starts_with("<?xml"), "{signed:?}");
            }
        });
    }
}
