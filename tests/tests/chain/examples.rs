//! The shipped documents, with every combination of the simulated Agent4's switches.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendHttp};
use patchbay_simulators::agent4::{Ending, Move, StateRule, Switches, Turn};
use patchbay_simulators::shipstation::{LIMIT, ResponseMode};
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use crate::{CALLER, PIN, SHIPSTATION, SMS, STRANGER, call, endpoint, put, quiet_world};

const ORDERS: [&str; 2] = ["order_start", "order_talk"];

async fn shop() -> (World, String) {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "orders", SHIPSTATION).await);
    let bill_to = json!({ "name": "A. Customer", "phone": "(202) 555-0143", "street1": "1 Secret Street" });
    let shop = &world.shipstation;
    // Numbers with the same prefix: ShipStation's search finds all of them.
    shop.add_order("QX-1009-B", "cancelled", &json!({ "billTo": bill_to }));
    shop.add_order(
        "QX-1009",
        "shipped",
        &json!({ "billTo": bill_to, "customerEmail": "ada@example.org" }),
    );
    shop.add_order(
        "QX-2000",
        "awaiting_shipment",
        &json!({ "billTo": { "phone": null }, "customerEmail": "ada@example.org" }),
    );
    shop.add_order("QX-3000", "shipped", &json!({ "shipTo": { "phone": "+12025550143" } }));
    shop.add_shipment("QX-1009", "1Z-OLD", &json!({ "voided": true }));
    shop.add_shipment("QX-1009-B", "1Z-OTHER", &json!({}));
    shop.add_shipment("QX-1009", "1Z-999", &json!({}));
    shop.add_fulfillment("QX-3000", "94-001", &json!({}));
    (world, url)
}

/// Gives an order number once, listens, and ends.
fn asks_for(order: &'static str) -> impl FnMut(&Turn<'_>) -> Move {
    let mut asked = false;
    move |turn| match turn.link {
        "order_start" if asked => Move::Disqualified(json!({ "reason": "no more" })),
        "order_start" => {
            asked = true;
            Move::Qualified(json!({ "order_number": order }))
        }
        _ => Move::Qualified(json!({ "another": false })),
    }
}

#[tokio::test(start_paused = true)]
async fn the_owner_hears_the_status_of_an_order_with_every_switch() {
    let (world, url) = shop().await;
    for switches in Switches::all() {
        // ShipStation counts requests, not calls.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let record = call(&world, switches, &url, &ORDERS, CALLER, asks_for("QX-1009")).await;
        assert_eq!(record.violations, Vec::<String>::new(), "{switches:?}");
        assert_eq!(record.ending, Ending::EndTask, "{switches:?} {record:#?}");
        assert_eq!(record.links, ORDERS, "{switches:?}");
        let prompt = &record.prompts[1].text;
        for fact in [
            "Q, X, dash, 1, 0, 0, 9.",
            "Status: shipped.",
            "1, Z, dash, 9, 9, 9",
            "November 2",
        ] {
            assert!(prompt.contains(fact), "{fact}: {prompt}");
        }
        for private in [
            "Secret Street",
            "A. Customer",
            "ada@example.org",
            "never read this out",
            "2025550143",
            "OLD",
            "OTHER",
        ] {
            assert!(!prompt.contains(private), "{private}: {prompt}");
        }
        let greeting = if switches.metadata {
            "Welcome to the shop."
        } else {
            "Hello, I can tell you"
        };
        assert!(record.prompts[0].text.contains(greeting), "{}", record.prompts[0].text);
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_of_another_customer_and_an_unknown_order_sound_the_same() {
    let (world, url) = shop().await;
    let mut heard = Vec::new();
    for (caller, order) in [
        (STRANGER, "QX-1009"),
        (STRANGER, "NO-1"),
        (CALLER, "QX-100"),
        (CALLER, "qx"),
        ("anonymous", "QX-1009"),
    ] {
        let record = call(&world, Switches::default(), &url, &ORDERS, caller, asks_for(order)).await;
        assert_eq!(record.ending, Ending::EndTask, "{record:#?}");
        assert_eq!(record.links, ["order_start", "order_start"], "{caller} {order}");
        heard.push(record.heard);
    }
    heard.dedup();
    assert_eq!(heard.len(), 1, "{heard:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_email_address_of_the_order_is_accepted_as_proof() {
    let (world, url) = shop().await;
    for (email, links) in [("Ada@Example.org ", 2), ("eve@example.org", 2), ("", 2)] {
        let mut first = true;
        let record = call(&world, Switches::default(), &url, &ORDERS, STRANGER, |turn| {
            let is_first = std::mem::take(&mut first);
            match turn.link {
                "order_start" if is_first => Move::Qualified(json!({ "order_number": "QX-2000", "email": email })),
                "order_start" => Move::Disqualified(json!({ "reason": "enough" })),
                _ => Move::Qualified(json!({ "another": false })),
            }
        })
        .await;
        assert_eq!(record.links.len(), links, "{email}");
        let is_spoken = record
            .prompts
            .iter()
            .any(|prompt| prompt.text.contains("Status: awaiting shipment."));
        assert_eq!(is_spoken, email.starts_with("Ada"), "{email}: {record:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_tracking_number_of_a_manual_shipment_comes_from_the_fulfillments() {
    let (world, url) = shop().await;
    let record = call(&world, Switches::default(), &url, &ORDERS, CALLER, asks_for("QX-3000")).await;
    assert!(record.prompts[1].text.contains("9, 4, dash, 0, 0, 1"), "{record:#?}");
    let asked: Vec<String> = world
        .shipstation
        .requests()
        .into_iter()
        .map(|seen| seen.target)
        .collect();
    assert!(
        asked
            .iter()
            .any(|target| target.starts_with("/fulfillments?orderNumber=QX-3000")),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn after_three_unknown_order_numbers_a_colleague_is_promised() {
    let (world, url) = shop().await;
    let record = call(&world, Switches::default(), &url, &ORDERS, CALLER, |_| {
        Move::Qualified(json!({ "order_number": "NO-1" }))
    })
    .await;
    assert_eq!(record.ending, Ending::EndTask, "{record:#?}");
    assert_eq!(record.links.len(), 4);
    assert!(record.heard("A colleague will be happy to help"), "{record:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_can_ask_for_another_order() {
    let (world, url) = shop().await;
    let mut orders = ["QX-1009", "QX-3000"].into_iter();
    let switches = Switches {
        state: StateRule::Replace,
        ..Switches::default()
    };
    let mut another = [true, false].into_iter();
    let record = call(&world, switches, &url, &ORDERS, CALLER, |turn| match turn.link {
        "order_start" => Move::Qualified(json!({ "order_number": orders.next().unwrap() })),
        _ => Move::Qualified(json!({ "another": another.next().unwrap() })),
    })
    .await;
    assert_eq!(record.links, ["order_start", "order_talk", "order_start", "order_talk"]);
    assert_eq!(record.ending, Ending::EndTask);
}

#[tokio::test(start_paused = true)]
async fn the_caller_hears_an_apology_within_five_seconds_when_shipstation_fails() {
    for (mood, expected) in [
        (ResponseMode::Limited, "A lot of people are asking"),
        (ResponseMode::Silent, "very slow at the moment"),
        (ResponseMode::Slow(Duration::from_secs(30)), "very slow at the moment"),
        (ResponseMode::Unreachable, "I cannot reach our order system"),
        (ResponseMode::Status(500), "I cannot reach our order system"),
        (ResponseMode::Status(401), "I cannot reach our order system"),
        (ResponseMode::Status(404), "I cannot reach our order system"),
        (ResponseMode::Garbage, "I cannot reach our order system"),
    ] {
        let (world, url) = shop().await;
        world.shipstation.set_mode(mood);
        let start = tokio::time::Instant::now();
        let record = call(&world, Switches::default(), &url, &ORDERS, CALLER, asks_for("QX-1009")).await;
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{mood:?}: {:?}",
            start.elapsed()
        );
        assert!(record.heard(expected), "{mood:?}: {record:#?}");
        assert_eq!(record.ending, Ending::EndTask, "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_three_slow_back_ends_the_call_still_ends_in_time() {
    let (world, url) = shop().await;
    let mut first = true;
    let start = tokio::time::Instant::now();
    let shop = world.shipstation.clone();
    let record = call(&world, Switches::default(), &url, &ORDERS, CALLER, |turn| {
        if std::mem::take(&mut first) {
            shop.set_mode(ResponseMode::Slow(Duration::from_millis(950)));
        }
        match turn.link {
            "order_start" => Move::Qualified(json!({ "order_number": "QX-3000" })),
            _ => Move::Qualified(json!({ "another": false })),
        }
    })
    .await;
    // The request for the fulfillments times out, so there is no tracking number. The status is still spoken.
    assert!(
        record.prompts[1].text.contains("there is no tracking number"),
        "{record:#?}"
    );
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_request_exceeds_shipstations_limit_per_minute() {
    let (world, url) = shop().await;
    let mut served = 0;
    for _ in 0..30 {
        let record = call(&world, Switches::default(), &url, &ORDERS, CALLER, asks_for("QX-1009")).await;
        if record.links.len() == 2 && record.prompts.len() == 2 {
            served += 1;
        } else {
            assert!(
                record.heard("A lot of people are asking") || record.heard("I cannot reach our order system"),
                "{record:#?}"
            );
        }
    }
    let asked = world.shipstation.requests().len();
    assert_eq!(
        asked,
        usize::try_from(LIMIT).unwrap(),
        "no request is sent that ShipStation would refuse"
    );
    assert!(served >= 12, "{served}");
    tokio::time::sleep(Duration::from_secs(61)).await;
    let record = call(&world, Switches::default(), &url, &ORDERS, CALLER, asks_for("QX-1009")).await;
    assert_eq!(record.prompts.len(), 2, "{record:#?}");
}

/// A back end that knows one PIN and records the requests.
#[derive(Clone, Default)]
struct Pins(Arc<Mutex<Vec<(String, Value)>>>);

impl SendHttp for Pins {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let header = request.headers()["authorization"].to_str().unwrap().to_owned();
        let valid = body["pin"] == "4711" && body["caller"] == CALLER;
        self.0.lock().unwrap().push((header, body));
        Box::pin(async move { Ok(Response::new(json!({ "valid": valid }).to_string().into())) })
    }
}

async fn pin_world() -> (World, Pins, String) {
    let secrets = [(
        "main/api.example.org/pins".to_owned(),
        patchbay::secret::Secret::new("a-token-for-pins"),
    )];
    let options = patchbay_simulators::world::Options {
        secrets: secrets.into_iter().collect(),
        ..Default::default()
    };
    let world = World::start(options).await.unwrap();
    let pins = Pins::default();
    world.back_ends.set("api.example.org", HttpClient::new(pins.clone()));
    let url = endpoint(&put(&world, "pin", PIN).await);
    (world, pins, url)
}

#[tokio::test(start_paused = true)]
async fn the_right_pin_lets_the_caller_in_and_three_wrong_ones_end_the_call() {
    let (world, pins, url) = pin_world().await;
    let links = ["ask_pin", "inside"];
    for switches in Switches::all() {
        let mut tries = ["0000", "4711"].into_iter();
        let record = call(&world, switches, &url, &links, CALLER, |turn| match turn.link {
            "ask_pin" => Move::Qualified(json!({ "pin": tries.next().unwrap() })),
            _ => Move::Qualified(json!({})),
        })
        .await;
        assert_eq!(record.violations, Vec::<String>::new(), "{switches:?}");
        assert_eq!(
            record.links,
            ["ask_pin", "ask_pin", "inside"],
            "{switches:?} {record:#?}"
        );
        assert_eq!(record.ending, Ending::EndCall, "{switches:?}");
    }
    let record = call(&world, Switches::default(), &url, &links, CALLER, |_| {
        Move::Qualified(json!({ "pin": "1234" }))
    })
    .await;
    assert_eq!(
        (record.links.len(), &record.ending),
        (3, &Ending::EndCall),
        "{record:#?}"
    );
    assert_eq!(record.notifications, [json!({ "email": "security@example.org" })]);
    assert!(
        pins.0
            .lock()
            .unwrap()
            .iter()
            .all(|(header, _)| header == "Bearer a-token-for-pins")
    );
}

#[tokio::test(start_paused = true)]
async fn an_invalid_pin_is_asked_for_again_and_never_looked_up() {
    let (world, pins, url) = pin_world().await;
    for switches in Switches::all() {
        let record = call(&world, switches, &url, &["ask_pin", "inside"], CALLER, |_| {
            Move::Qualified(json!({ "pin": "please" }))
        })
        .await;
        assert_eq!(
            record.links.len(),
            3,
            "asked twice again, then no more: {switches:?} {record:#?}"
        );
        assert_eq!(record.ending, Ending::EndTask, "{switches:?}");
        assert_eq!(record.violations, Vec::<String>::new(), "{switches:?}");
        assert!(record.heard("four to eight digits"));
    }
    assert!(pins.0.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_code_of_the_text_message_lets_the_caller_in() {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "sms", SMS).await);
    let links = ["send_code", "ask_code", "inside"];
    let mut codes = std::collections::BTreeSet::new();
    for switches in Switches::all() {
        let record = call(&world, switches, &url, &links, CALLER, |turn| match turn.link {
            "ask_code" => {
                let code: String = turn.texts[0].chars().filter(char::is_ascii_digit).collect();
                assert_eq!(code.len(), 6, "{:?}", turn.texts);
                Move::Qualified(json!({ "code": code }))
            }
            _ => Move::Qualified(json!({})),
        })
        .await;
        assert_eq!(record.violations, Vec::<String>::new(), "{switches:?}");
        assert_eq!(record.links, links, "{switches:?} {record:#?}");
        let code: String = record.texts[0].chars().filter(char::is_ascii_digit).collect();
        assert!(
            !Value::Object(record.state.clone()).to_string().contains(&code),
            "the code is not in the state"
        );
        codes.insert(code);
        // Long enough for the next request to start another call.
        tokio::time::sleep(Duration::from_secs(1_000)).await;
    }
    assert!(codes.len() > 100, "every call has another code");
    let record = call(&world, Switches::default(), &url, &links, CALLER, |turn| {
        match turn.link {
            "ask_code" => Move::Qualified(json!({ "code": "000000" })),
            _ => Move::Qualified(json!({})),
        }
    })
    .await;
    assert_eq!(
        (record.links.len(), &record.ending),
        (4, &Ending::EndCall),
        "{record:#?}"
    );
    let hidden = call(&world, Switches::default(), &url, &links, "anonymous", |_| Move::HangUp).await;
    assert!(hidden.heard("Your number is hidden") && hidden.texts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hangs_up_causes_no_request() {
    let (world, url) = shop().await;
    for switches in Switches::all() {
        let record = call(&world, switches, &url, &ORDERS, CALLER, |_| Move::HangUp).await;
        assert_eq!(
            (&record.ending, record.violations.len()),
            (&Ending::HungUp, 0),
            "{record:#?}"
        );
    }
    assert!(world.shipstation.requests().is_empty());
}
