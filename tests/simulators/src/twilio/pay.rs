//! `<Pay>`: a caller types a card in, a processor takes it or not (`twilio.md` 4).

use std::time::Duration;

use roxmltree::Node;

use super::call::{Call, Then};
use super::records::{AtPay, Charge, Payment};

/// The card that a processor declines.
const DECLINED: &str = "4000000000000002";
/// Cards that processors publish for tests, and their brands. A simulator takes no others.
const CARDS: [(&str, &str); 4] = [
    ("4242424242424242", "visa"),
    ("5555555555554444", "mastercard"),
    ("378282246310005", "amex"),
    (DECLINED, "visa"),
];
/// What a caller types in for them.
const EXPIRY: &str = "1231";
const CODE: &str = "987";
const POSTAL_CODE: &str = "20500";

/// How an attempt ended.
enum Attempt {
    Paid(&'static str),
    PaidAndGone(&'static str, u32),
    Failed(u32),
    Over(&'static str, u32),
}

pub(super) async fn pay(call: &mut Call<'_>, pay: Node<'_, '_>, url: &str) -> Then {
    let began = call.clock().now();
    let place = call.record.paying.len();
    call.record.paying.push((began, began));
    let then = attempts(call, pay, url, place).await;
    hangs_up_now(call, place);
    then
}

/// Nobody is in this `<Pay>` from now on, unless it is over already.
fn hangs_up_now(call: &mut Call<'_>, place: usize) {
    let now = call.clock().now();
    if let Some(span) = call.record.paying.get_mut(place)
        && span.1 == span.0
    {
        span.1 = now;
    }
}

async fn attempts(call: &mut Call<'_>, pay: Node<'_, '_>, url: &str, place: usize) -> Then {
    let attempts: usize = pay
        .attribute("maxAttempts")
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let mut code = 0;
    for attempt in 1..=attempts {
        prompts(call, pay, attempt).await;
        match one(call) {
            Attempt::Paid(card) => return paid(call, pay, url, card),
            Attempt::PaidAndGone(card, seconds) => {
                let then = paid(call, pay, url, card);
                hangs_up_now(call, place);
                return gone(call, then, seconds).await;
            }
            Attempt::Over(result, code) => return over(call, pay, url, result, code),
            Attempt::Failed(of_attempt) => code = of_attempt,
        }
        call.clock().sleep(Duration::from_secs(5)).await;
    }
    over(call, pay, url, "too-many-failed-attempts", code)
}

/// What is said at the steps of an attempt, as far as the document says it.
async fn prompts(call: &mut Call<'_>, pay: Node<'_, '_>, attempt: usize) {
    let attempt = attempt.to_string();
    for prompt in pay.children().filter(|node| node.has_tag_name("Prompt")) {
        let attempts = prompt.attribute("attempt").unwrap_or("1 2 3");
        if attempts.split(' ').any(|one| one == attempt) {
            for say in prompt.children().filter(|node| node.has_tag_name("Say")) {
                call.say(say).await;
            }
        }
    }
}

fn one(call: &mut Call<'_>) -> Attempt {
    let pays = &call.script.pays;
    let deed = pays.get(call.tries).or_else(|| pays.last()).cloned();
    call.tries += 1;
    let deed = deed.unwrap_or(AtPay::Nothing);
    call.record.payments.push(Payment {
        deed: deed.clone(),
        heard: call.record.heard.len(),
    });
    match deed {
        AtPay::Card(number) if CARDS.iter().any(|(card, _)| *card == number && number != DECLINED) => {
            Attempt::Paid(number)
        }
        AtPay::CardThenHangsUp(number, seconds) => Attempt::PaidAndGone(number, seconds),
        AtPay::Card(_) => {
            call.record.failures.push("a card that is not one for tests".to_owned());
            Attempt::Over("internal-error", 64_022)
        }
        AtPay::Declined => Attempt::Failed(64_012),
        AtPay::Nothing | AtPay::WrongNumber => Attempt::Failed(64_020),
        AtPay::Star => Attempt::Over("caller-interrupted-with-star", 0),
        AtPay::HangsUp => Attempt::Over("caller-hung-up", 0),
        AtPay::ConnectorFails => Attempt::Over("payment-connector-error", 64_002),
    }
}

/// The caller has hung up while the processor was at work: the end of the call is told first, then the result.
async fn gone(call: &mut Call<'_>, result: Then, seconds: u32) -> Then {
    if call.switches().status_callback {
        call.tell_the_end().await;
    }
    call.clock().sleep(Duration::from_secs(seconds.into())).await;
    if let Then::Fetch(url, fields) = result {
        call.request(&url, &fields, "completed").await;
    }
    Then::Over
}

fn paid(call: &mut Call<'_>, pay: Node<'_, '_>, url: &str, card: &str) -> Then {
    let amount = pay
        .attribute("chargeAmount")
        .filter(|amount| amount.parse::<f64>().is_ok_and(|amount| amount > 0.0));
    let given = call.switches().code;
    let mut state = call.twilio.lock();
    let count = state.charges.len() + 1;
    let (field, code) = match amount {
        Some(_) => ("PaymentConfirmationCode", format!("ch_{count:06}")),
        None => ("PaymentToken", format!("tok_{count:06}")),
    };
    let code = given.unwrap_or(code);
    state.charges.push(Charge {
        call: call.record.sid.clone(),
        amount: amount.map(str::to_owned),
        code: code.clone(),
        connector: pay.attribute("paymentConnector").unwrap_or("Default").to_owned(),
        description: pay.attribute("description").unwrap_or_default().to_owned(),
    });
    drop(state);
    let mut fields = card_fields(call, card);
    fields.push(("Result".to_owned(), "success".to_owned()));
    fields.push((field.to_owned(), code));
    Then::Fetch(pay.attribute("action").unwrap_or(url).to_owned(), fields)
}

fn over(call: &mut Call<'_>, pay: Node<'_, '_>, url: &str, result: &str, code: u32) -> Then {
    let switches = call.switches();
    let hung_up = result == "caller-hung-up";
    if hung_up && !switches.action_after_hang_up {
        return Then::Over;
    }
    if !hung_up && !switches.action_after_failure {
        return Then::Next;
    }
    let mut fields = card_fields(call, DECLINED);
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    add("Result", result.to_owned());
    if code != 0 {
        add("PayErrorCode", code.to_string());
        // Worse than any connector should be: nothing of it may be kept.
        let error = format!("{DECLINED} {EXPIRY} {CODE} was refused");
        add("PaymentError", error.clone());
        add("ConnectorError", error);
    }
    Then::Fetch(pay.attribute("action").unwrap_or(url).to_owned(), fields)
}

/// What of a card our action is told (`twilio.md` 4.6).
fn card_fields(call: &Call<'_>, card: &str) -> Vec<(String, String)> {
    let brand = CARDS.into_iter().find(|(number, _)| *number == card);
    let tail = card.get(card.len().saturating_sub(4)..).unwrap_or_default();
    let mask = if call.switches().mask_has_dashes {
        "xxxx-xxxx-xxxx-"
    } else {
        "xxxxxxxxxxxx"
    };
    [
        ("PaymentMethod", "credit-card".to_owned()),
        ("PaymentCardNumber", format!("{mask}{tail}")),
        ("PaymentCardType", brand.map_or("visa", |(_, brand)| brand).to_owned()),
        ("ExpirationDate", EXPIRY.to_owned()),
        ("SecurityCode", "xxx".to_owned()),
        ("PaymentCardPostalCode", POSTAL_CODE.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
