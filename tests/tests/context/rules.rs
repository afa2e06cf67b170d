//! Rules of a context, as agents see them: fields, versions, lifetime, notes, payment status.

use patchbay::clock::Timestamp;
use patchbay::context::{PaymentOutcome, PaymentStatus, Processor};
use patchbay::store::OutcomeWrite;
use patchbay_simulators::aws::{Fault, Rule, Service};
use serde_json::{Value, json};

use crate::common::{Answer, list, pass, text, world};
use crate::{
    CALLBACK, CALLER, described, get, is_error, key, load, own, post, post_as, purchase, purchase_with,
    purchase_without, set, token,
};

#[tokio::test(start_paused = true)]
async fn every_notation_of_a_number_is_the_same_caller() {
    let world = world([]).await;
    let answer = post(
        &world,
        "twilio/set-context",
        &purchase_with("caller", "+1 (202) 555-0143"),
    )
    .await;
    assert_eq!(answer.text("/message/caller"), CALLER, "{answer:?}");
    for number in [CALLER, "+1-202-555-0143", " +1.202.555.0143 "] {
        let answer = post(&world, "twilio/get-context", &json!({ "caller": number })).await;
        assert_eq!(
            (answer.text("/caller"), answer.text("/memory")),
            (CALLER, "wants row F")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_invalid_number_is_refused_with_a_reason() {
    let world = world([]).await;
    for (number, reason) in [
        ("anonymous", "withheld"),
        ("Restricted", "withheld"),
        ("+266696687", "withheld"),
        ("client:alice", "app client"),
        ("sip:alice@example.org", "SIP address"),
        ("12025550143", "has no country code; expected an E.164 number: +"),
        ("+1303", "the wrong number of digits after +1"),
        ("", "missing"),
    ] {
        for (path, body) in [
            ("twilio/set-context", purchase_with("caller", number)),
            ("twilio/get-context", json!({ "caller": number })),
        ] {
            let answer = post(&world, path, &body).await;
            assert_eq!(is_error(&answer, 422), ["caller"], "{path} {number}");
            assert!(answer.text("/message/detail").contains(reason), "{answer:?}");
            // The value may be a phone number, so the answer does not repeat it.
            assert!(
                number.is_empty() || !answer.json.to_string().contains(number),
                "{answer:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_price_is_a_decimal_string_or_a_whole_number_of_dollars() {
    let world = world([]).await;
    for price in [
        json!(-42),
        json!(42.5),
        json!(1e15),
        json!("42,00"),
        json!("$42"),
        json!("42.005"),
        json!("-1"),
        json!("1e2"),
        json!(""),
        json!("0.00"),
        json!(null),
        json!(["42"]),
        json!("1000000"),
    ] {
        let answer = post(&world, "twilio/set-context", &purchase_with("price", price.clone())).await;
        assert_eq!(is_error(&answer, 422), ["price"], "{price}");
    }
    assert_eq!(load(&world).await, None);
    for price in ["42", "0.01", "42.5", "999999.99"] {
        set(&world, &purchase_with("price", price)).await;
        assert_eq!(text(&get(&world).await, "/price"), price);
    }
    for (price, stored) in [(json!("42.00 "), "42.00"), (json!(42), "42"), (json!(42.0), "42")] {
        set(&world, &purchase_with("price", price)).await;
        assert_eq!(text(&get(&world).await, "/price"), stored);
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_sent_as_a_whole_number_becomes_its_digits() {
    let world = world([]).await;
    let mut body = purchase();
    for (field, value) in [
        ("customer_id", json!(4711)),
        ("description", json!(2.0)),
        ("vendor", json!(7)),
        ("full_name", json!(-1)),
        ("memory", json!(u64::MAX)),
    ] {
        body[field] = value;
    }
    set(&world, &body).await;
    let context = get(&world).await;
    for (field, stored) in [
        ("customer_id", "4711"),
        ("description", "2"),
        ("vendor", "7"),
        ("full_name", "-1"),
        ("memory", "18446744073709551615"),
    ] {
        assert_eq!(context[field], json!(stored), "{field}");
    }
    for (field, wrong) in [
        ("customer_id", json!(47.5)),
        ("callback", json!(12_025_550_177_u64)),
        ("email", json!(1)),
        ("persona", json!(1)),
        ("transaction_type", json!(1)),
    ] {
        let answer = post(&world, "twilio/set-context", &purchase_with(field, wrong)).await;
        assert_eq!(is_error(&answer, 422), [field]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_empty_or_null_callback_is_no_callback() {
    let world = world([]).await;
    for body in [
        purchase_without("callback"),
        purchase_with("callback", ""),
        purchase_with("callback", Value::Null),
    ] {
        set(&world, &body).await;
        assert_eq!(get(&world).await["callback"], json!(""), "{body}");
    }
    set(&world, &purchase_with("callback", "+1 202 555-0177")).await;
    assert_eq!(get(&world).await["callback"], json!(CALLBACK));
    for wrong in ["2025550177", "sip:b@example.org", "client:b", "none"] {
        let answer = post(&world, "twilio/set-context", &purchase_with("callback", wrong)).await;
        assert_eq!(is_error(&answer, 422), ["callback"], "{wrong}");
    }
    // The last valid one is unchanged.
    assert_eq!(get(&world).await["callback"], json!(CALLBACK));
}

#[tokio::test(start_paused = true)]
async fn four_fields_are_required_and_the_others_have_defaults() {
    let world = world([]).await;
    let smallest = json!({ "caller": CALLER, "description": "x", "price": "1", "vendor": "Acme Stage" });
    set(&world, &smallest).await;
    let read = get(&world).await;
    for (field, expected) in [
        ("persona", "english-jessica"),
        ("transaction_type", "once"),
        ("customer_id", ""),
        ("callback", ""),
        ("full_name", ""),
        ("email", ""),
        ("memory", ""),
        ("vendor", "Acme Stage"),
    ] {
        assert_eq!(read[field], json!(expected), "{field}");
    }
    for field in ["caller", "description", "price", "vendor"] {
        let answer = post(&world, "twilio/set-context", &purchase_without(field)).await;
        assert_eq!(is_error(&answer, 422), [field]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_field_is_ignored() {
    let world = world([]).await;
    set(&world, &purchase_with("sentiment", json!({ "score": 0.7 }))).await;
    assert_eq!(get(&world).await.get("sentiment"), None);
}

#[tokio::test(start_paused = true)]
async fn the_memory_is_kept_until_an_agent_replaces_it() {
    let world = world([]).await;
    let memory = async || text(&get(&world).await, "/memory").to_owned();
    let silent = purchase_without("memory");
    set(&world, &purchase()).await;
    set(&world, &silent).await;
    assert_eq!(memory().await, "wants row F");
    set(&world, &purchase_with("memory", Value::Null)).await;
    assert_eq!(memory().await, "wants row F");
    set(&world, &purchase_with("memory", "wants row G")).await;
    assert_eq!(memory().await, "wants row G");
    let answer = post(&world, "twilio/set-context?replace=false", &silent).await;
    assert_eq!((answer.status, memory().await.as_str()), (200, "wants row G"));
    let answer = post(&world, "twilio/set-context?replace=true", &silent).await;
    assert_eq!((answer.status, memory().await.as_str()), (200, ""));
    set(&world, &purchase()).await;
    set(&world, &purchase_with("memory", "")).await;
    assert_eq!(memory().await, "");
    // A repeated parameter is valid if its values are equal; different values are refused.
    let answer = post(&world, "twilio/set-context?replace=true&replace=true", &silent).await;
    assert_eq!(answer.status, 200);
    for (query, field) in [("replace=perhaps", "replace"), ("new=true&new=false", "new")] {
        let answer = post(&world, &format!("twilio/set-context?{query}"), &silent).await;
        assert_eq!(is_error(&answer, 422), [field]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_context_expires_after_its_ttl() {
    let world = world([]).await;
    for ttl in [json!(120), json!("120"), json!(120.0), json!(" 120.0 ")] {
        set(&world, &purchase_with("ttl", ttl)).await;
        pass(&world, 119).await;
        assert_eq!(get(&world).await["status"], json!("pending"));
        pass(&world, 2).await;
        // DynamoDB has not deleted it yet.
        assert_eq!(get(&world).await["status"], json!("no-context"));
        own(&world, "GET", CALLER).await.is_problem(404, "not-found");
    }
    // Not even the memory of an expired context comes back.
    set(&world, &purchase_without("memory")).await;
    assert_eq!(get(&world).await["memory"], json!(""));
    assert_eq!(load(&world).await.unwrap().current.number, 1);
    for wrong in [
        json!(59),
        json!(2_592_001),
        json!(-1),
        json!(1.5),
        json!("soon"),
        json!(true),
        json!(u64::MAX),
    ] {
        let answer = post(&world, "twilio/set-context", &purchase_with("ttl", wrong.clone())).await;
        assert_eq!(is_error(&answer, 422), ["ttl"], "{wrong}");
    }
    pass(&world, 6 * 86_400).await;
    assert_eq!(get(&world).await["status"], json!("pending"), "the default is a week");
    pass(&world, 86_402).await;
    assert_eq!(get(&world).await["status"], json!("no-context"));
}

#[tokio::test(start_paused = true)]
async fn the_latest_versions_are_shown() {
    let world = world([]).await;
    own(&world, "GET", CALLER).await.is_problem(404, "not-found");
    for n in 1..=8 {
        set(&world, &purchase_with("description", n.to_string())).await;
    }
    let answer = own(&world, "GET", "%2B1%20(202)%20555-0143").await;
    assert_eq!((answer.status, answer.text("/caller")), (200, CALLER), "{answer:?}");
    let versions: Vec<(Option<u64>, &str)> = list(&answer.json, "/versions")
        .iter()
        .map(|version| (version["version"].as_u64(), text(version, "/description")))
        .collect();
    let expected = [(8, "8"), (7, "7"), (6, "6"), (5, "5"), (4, "4"), (3, "3")].map(|(n, what)| (Some(n), what));
    assert_eq!(versions, expected);
    assert!(Timestamp::parse(answer.text("/expires_at")).is_some());
    assert!(Timestamp::parse(answer.text("/versions/0/set_at")).is_some());
    assert_eq!(
        own(&world, "GET", "anonymous").await.is_problem(422, "invalid-field"),
        ["caller"]
    );
    assert_eq!(
        own(&world, "DELETE", "x").await.is_problem(422, "invalid-field"),
        ["caller"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_context_is_gone_with_its_memory() {
    let world = world([]).await;
    set(&world, &purchase()).await;
    set(&world, &purchase_with("memory", "wants row G")).await;
    // `+` is literal in a path; some clients encode it nevertheless.
    for number in [CALLER, "%2B12025550143"] {
        let answer = own(&world, "DELETE", number).await;
        assert_eq!((answer.status, &answer.json), (204, &Value::Null));
        assert_eq!(get(&world).await["status"], json!("no-context"));
        own(&world, "GET", CALLER).await.is_problem(404, "not-found");
    }
    set(&world, &purchase_without("memory")).await;
    assert_eq!(get(&world).await["memory"], json!(""));
}

#[tokio::test(start_paused = true)]
async fn a_call_finds_the_version_that_was_set_in_it() {
    let world = world([]).await;
    let in_call = |call: &str, what: &str| {
        let mut body = purchase_with("call_id", call);
        body["description"] = json!(what);
        body
    };
    let get_by = async |body: Value| post(&world, "twilio/get-context", &body).await;
    let described = |answer: &Answer| answer.text("/description").to_owned();
    set(&world, &in_call("a", "first")).await;
    set(&world, &in_call("b", "second")).await;
    for (body, expected) in [
        (json!({ "caller": CALLER }), "second"),
        // The call of an earlier set still finds it.
        (json!({ "caller": CALLER, "call_id": "a" }), "first"),
        (json!({ "caller": CALLER, "call_id": "b" }), "second"),
        // An agent asks in another call.
        (json!({ "caller": CALLER, "call_id": "z" }), "second"),
        (json!({ "caller": CALLER, "call_id": "" }), "second"),
        // No number, or a withheld one.
        (json!({ "call_id": "b" }), "second"),
        (json!({ "caller": "anonymous", "call_id": "b" }), "second"),
        (json!({ "caller": "anonymous", "call_id": "z" }), ""),
    ] {
        let answer = get_by(body.clone()).await;
        assert_eq!((answer.status, described(&answer).as_str()), (200, expected), "{body}");
    }
    let answer = get_by(json!({ "caller": "12025550143", "call_id": "b" })).await;
    assert_eq!(is_error(&answer, 422), ["caller"]);
    let other = token(&world, '7', |record| record.tenant = "other".parse().unwrap()).await;
    let answer = post_as(&world, &other, "twilio/get-context", &json!({ "call_id": "b" })).await;
    assert_eq!(answer.text("/status"), "no-context");
}

#[tokio::test(start_paused = true)]
async fn a_number_is_another_caller_for_each_tenant() {
    let world = world([]).await;
    let other = token(&world, '7', |record| record.tenant = "other".parse().unwrap()).await;
    set(&world, &purchase()).await;
    let ask = json!({ "caller": CALLER });
    let answer = post_as(&world, &other, "twilio/get-context", &ask).await;
    assert_eq!(answer.text("/status"), "no-context");
    let theirs = purchase_with("memory", "theirs");
    assert_eq!(post_as(&world, &other, "twilio/set-context", &theirs).await.status, 200);
    assert_eq!(text(&get(&world).await, "/memory"), "wants row F");
    own(&world, "DELETE", CALLER).await;
    let answer = post_as(&world, &other, "twilio/get-context", &ask).await;
    assert_eq!(answer.text("/memory"), "theirs");
}

#[tokio::test(start_paused = true)]
async fn concurrent_sets_all_become_versions() {
    let world = world([]).await;
    let bodies: Vec<Value> = (0..6)
        .map(|n| purchase_with("description", format!("agent {n}")))
        .collect();
    let answers = <[Answer; 6]>::from(tokio::join!(
        post(&world, "twilio/set-context", &bodies[0]),
        post(&world, "twilio/set-context", &bodies[1]),
        post(&world, "bland/set-context", &bodies[2]),
        post(&world, "bland/set-context", &bodies[3]),
        post(&world, "twilio/set-context", &bodies[4]),
        post(&world, "twilio/set-context", &bodies[5]),
    ));
    assert!(answers.iter().all(|answer| answer.status == 200));
    let context = load(&world).await.unwrap();
    let mut descriptions: Vec<&str> = context.earlier.iter().map(described).collect();
    descriptions.push(described(&context.current));
    descriptions.sort_unstable();
    assert_eq!(
        descriptions,
        ["agent 0", "agent 1", "agent 2", "agent 3", "agent 4", "agent 5"]
    );
    assert_eq!(context.current.number, 6);
}

#[tokio::test(start_paused = true)]
async fn a_payment_outcome_is_read_with_the_set_of_its_purchase() {
    let world = world([]).await;
    set(&world, &purchase()).await;
    let context = load(&world).await.unwrap();
    let paid = PaymentOutcome {
        status: PaymentStatus::PaymentSuccess,
        call: "CA00000000000000000000000000000001".into(),
        start_time: Timestamp::parse("2026-11-21T10:11:12.131Z").unwrap(),
        end_time: None,
        processor: Processor {
            confirmation_code: Some("ch_1".into()),
            last_four: Some("4242".into()),
            ..Processor::default()
        },
        debug: "paid at the second attempt".into(),
    };
    let (key, bought) = (key("main"), context.current.purchase.unwrap());
    let put = world.store.put_outcome(&key, bought, &paid, world.clock.now()).await;
    assert_eq!(put.unwrap(), OutcomeWrite::Written { overlapping: vec![] });
    let read = get(&world).await;
    assert_eq!(read["status"], json!("payment-success"));
    assert_eq!(read["start_time"], json!("2026-11-21T10:11:12.131000+00:00"));
    assert_eq!(
        read["processor"],
        json!({ "confirmation_code": "ch_1", "last_four": "4242" })
    );
    assert_eq!(read["debug"], json!("paid at the second attempt"));
    let answer = post(&world, "retell/get-context", &json!({ "from_number": CALLER })).await;
    assert_eq!(
        answer.json["processor"],
        json!(r#"{"confirmation_code":"ch_1","last_four":"4242"}"#)
    );
    assert_eq!(answer.json["debug"], json!({ "message": "paid at the second attempt" }));
    // The same purchase set again is paid; another purchase of the same caller is pending.
    set(&world, &purchase()).await;
    assert_eq!(get(&world).await["status"], json!("payment-success"));
    set(&world, &purchase_with("price", "43")).await;
    assert_eq!(get(&world).await["status"], json!("pending"));
    let own = own(&world, "GET", CALLER).await;
    let statuses = ["/versions/0/status", "/versions/1/status", "/versions/2/status"].map(|at| own.text(at));
    assert_eq!(statuses, ["pending", "payment-success", "payment-success"]);
}

#[tokio::test(start_paused = true)]
async fn a_note_changes_only_the_memory_and_the_caller_fields_that_it_has() {
    let world = world([]).await;
    set(&world, &purchase_with("ttl", 2_592_000)).await;
    let before = load(&world).await.unwrap();
    pass(&world, 10).await;
    for (note, memory, name, version) in [
        (json!({ "memory": "wants row G" }), "wants row G", "Ana Ruiz", 1),
        (
            json!({ "memory": "wants row H", "full_name": "Ana R." }),
            "wants row H",
            "Ana R.",
            1,
        ),
        (
            json!({ "memory": "", "price": "", "transaction_type": "once" }),
            "",
            "Ana R.",
            1,
        ),
    ] {
        let mut note = note;
        note["caller"] = json!(CALLER);
        let answer = post(&world, "twilio/set-context", &note).await;
        assert_eq!(
            (answer.status, answer.text("/message/purchase")),
            (200, "none"),
            "{answer:?}"
        );
        let context = load(&world).await.unwrap();
        assert_eq!(
            (
                context.current.memory.as_str(),
                context.current.data.full_name.as_str(),
                context.current.number
            ),
            (memory, name, version)
        );
        // A note never shortens the lifetime.
        assert_eq!(context.expires_at, before.expires_at);
        assert_eq!(context.current.data.purchase, before.current.data.purchase);
        assert_eq!(
            (context.current.purchase, context.earlier.len()),
            (before.current.purchase, 0)
        );
    }
    let half = json!({ "caller": CALLER, "memory": "x", "price": "1" });
    let answer = post(&world, "twilio/set-context", &half).await;
    assert_eq!(is_error(&answer, 422), ["description", "vendor"]);
}

#[tokio::test(start_paused = true)]
async fn a_note_extends_a_purchase_only_with_a_ttl_and_does_not_change_its_call() {
    let world = world([]).await;
    let mut offer = purchase_with("ttl", 300);
    offer["call_id"] = json!("a");
    set(&world, &offer).await;
    let ends = load(&world).await.unwrap().expires_at;
    let note = |ttl: Value| json!({ "caller": CALLER, "memory": "wants row G", "call_id": "b", "ttl": ttl });
    set(&world, &note(Value::Null)).await;
    assert_eq!(load(&world).await.unwrap().expires_at, ends);
    for (call, status) in [("a", "pending"), ("b", "no-context")] {
        let found = post(&world, "twilio/get-context", &json!({ "call_id": call })).await;
        assert_eq!(found.text("/status"), status, "{call}");
    }
    set(&world, &note(json!(600))).await;
    assert!(load(&world).await.unwrap().expires_at > ends);
}

#[tokio::test(start_paused = true)]
async fn a_note_creates_a_context_although_the_end_of_a_call_is_already_stored() {
    let world = world([]).await;
    world
        .store
        .end_call(&key("main"), "a", world.clock.now())
        .await
        .unwrap();
    set(&world, &json!({ "caller": CALLER, "memory": "wants row F" })).await;
    pass(&world, 6 * 86_400).await;
    assert_eq!(get(&world).await["memory"], "wants row F");
}

#[tokio::test(start_paused = true)]
async fn a_note_about_an_unknown_caller_creates_a_context_without_a_payment() {
    for details in [json!({}), json!({ "full_name": "Ana Ruiz", "callback": CALLBACK })] {
        let world = world([]).await;
        let mut note = details.clone();
        note["caller"] = json!(CALLER);
        note["memory"] = json!("wants row F");
        note["call_id"] = json!("b");
        set(&world, &note).await;
        let text = |name: &str| details[name].as_str().unwrap_or_default().to_owned();
        let expected = json!({
            "caller": CALLER, "description": "", "price": "", "vendor": "", "customer_id": "",
            "persona": "english-jessica", "callback": text("callback"), "email": "", "full_name": text("full_name"),
            "transaction_type": "once", "memory": "wants row F", "status": "no-payment", "start_time": "",
            "processor": {}, "debug": "",
        });
        assert_eq!(get(&world).await, expected);
        let by_call = post(&world, "twilio/get-context", &json!({ "call_id": "b" })).await;
        assert_eq!(by_call.json, expected);
        // A later purchase keeps the note.
        set(&world, &purchase_without("memory")).await;
        let context = get(&world).await;
        assert_eq!(
            (&context["status"], &context["memory"]),
            (&json!("pending"), &json!("wants row F"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_purchase_is_new_although_the_response_of_its_write_was_lost() {
    let world = world([]).await;
    for query in ["", "?new=true"] {
        let lost = Rule::new(Fault::LostAnswer)
            .service(Service::DynamoDb)
            .function("set-context");
        world.aws.faults().plan(lost.operation("UpdateItem").times(1));
        let answer = post(&world, &format!("twilio/set-context{query}"), &purchase()).await;
        assert_eq!(
            (answer.status, answer.text("/message/purchase")),
            (200, "new"),
            "{answer:?}"
        );
    }
    assert_eq!(load(&world).await.unwrap().current.number, 2);
}

#[tokio::test(start_paused = true)]
async fn of_equal_concurrent_sets_exactly_one_is_a_new_purchase() {
    let world = world([]).await;
    let body = purchase();
    let set = || post(&world, "twilio/set-context", &body);
    let answers = <[Answer; 4]>::from(tokio::join!(set(), set(), set(), set()));
    let mut purchases = answers.each_ref().map(|answer| answer.text("/message/purchase"));
    purchases.sort_unstable();
    assert_eq!(purchases, ["new", "same", "same", "same"]);
}
