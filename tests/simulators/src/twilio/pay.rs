//! `<Pay>`: a caller enters a card, and a processor accepts or declines it (twilio/CONTRACT.md 4).

use std::time::Duration;

use roxmltree::Node;

use super::call::{Call, NextStep};
use super::records::{Charge, Payment, PaymentInput};

/// The card that the processor declines.
const DECLINED: &str = "4000000000000002";
/// Cards that processors publish for tests, and their brands. The simulator accepts no others.
const CARDS: [(&str, &str); 4] = [
    ("4242424242424242", "visa"),
    ("5555555555554444", "mastercard"),
    ("378282246310005", "amex"),
    (DECLINED, "visa"),
];
/// What a caller enters for them.
const EXPIRY: &str = "1231";
const CODE: &str = "987";
const POSTAL_CODE: &str = "20500";

/// The outcome of an attempt to pay.
enum PayResult {
    Paid(&'static str),
    PaidAndGone(&'static str, u32),
    Failed(u32),
    Over(&'static str, u32),
}

pub(super) async fn pay(call: &mut Call<'_>, pay: Node<'_, '_>, url: &str) -> NextStep {
    let began = call.clock().now();
    let index = call.record.paying.len();
    call.record.paying.push((began, began));
    let next = attempts(call, pay, url, index).await;
    end_pay(call, index);
    next
}

/// Records the end of this `<Pay>`, unless it is already recorded.
fn end_pay(call: &mut Call<'_>, index: usize) {
    let now = call.clock().now();
    if let Some(span) = call.record.paying.get_mut(index)
        && span.1 == span.0
    {
        span.1 = now;
    }
}

async fn attempts(call: &mut Call<'_>, pay: Node<'_, '_>, url: &str, index: usize) -> NextStep {
    let attempts: usize = pay
        .attribute("maxAttempts")
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let mut code = 0;
    for attempt in 1..=attempts {
        prompts(call, pay, attempt).await;
        match next_attempt(call) {
            PayResult::Paid(card) => return paid(call, pay, url, card),
            PayResult::PaidAndGone(card, seconds) => {
                let next = paid(call, pay, url, card);
                end_pay(call, index);
                return report_after_hang_up(call, next, seconds).await;
            }
            PayResult::Over(result, code) => return finish(call, pay, url, result, code),
            PayResult::Failed(attempt_code) => code = attempt_code,
        }
        call.clock().sleep(Duration::from_secs(5)).await;
    }
    finish(call, pay, url, "too-many-failed-attempts", code)
}

/// Speaks the prompts of an attempt that are in the document.
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

fn next_attempt(call: &mut Call<'_>) -> PayResult {
    let pays = &call.script.pays;
    let input = pays.get(call.pay_attempts).or_else(|| pays.last()).cloned();
    call.pay_attempts += 1;
    let input = input.unwrap_or(PaymentInput::Nothing);
    call.record.payments.push(Payment {
        input: input.clone(),
        heard: call.record.heard.len(),
    });
    match input {
        PaymentInput::Card(number) if CARDS.iter().any(|(card, _)| *card == number && number != DECLINED) => {
            PayResult::Paid(number)
        }
        PaymentInput::CardThenHangsUp(number, seconds) => PayResult::PaidAndGone(number, seconds),
        PaymentInput::Card(_) => {
            call.record
                .failures
                .push("a card number that is not published for tests".to_owned());
            PayResult::Over("internal-error", 64_022)
        }
        PaymentInput::Declined => PayResult::Failed(64_012),
        PaymentInput::Nothing | PaymentInput::WrongNumber => PayResult::Failed(64_020),
        PaymentInput::Star => PayResult::Over("caller-interrupted-with-star", 0),
        PaymentInput::HangsUp => PayResult::Over("caller-hung-up", 0),
        PaymentInput::ConnectorFails => PayResult::Over("payment-connector-error", 64_002),
    }
}

/// The caller hung up while the processor was busy: the end of the call is reported first, then the result.
async fn report_after_hang_up(call: &mut Call<'_>, result: NextStep, seconds: u32) -> NextStep {
    if call.switches().status_callback {
        call.send_end_status().await;
    }
    call.clock().sleep(Duration::from_secs(seconds.into())).await;
    if let NextStep::Fetch(url, fields) = result {
        call.request(&url, &fields, "completed").await;
    }
    NextStep::Over
}

fn paid(call: &mut Call<'_>, pay: Node<'_, '_>, url: &str, card: &str) -> NextStep {
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
    NextStep::Fetch(pay.attribute("action").unwrap_or(url).to_owned(), fields)
}

fn finish(call: &mut Call<'_>, pay: Node<'_, '_>, url: &str, result: &str, code: u32) -> NextStep {
    let switches = call.switches();
    let hung_up = result == "caller-hung-up";
    if hung_up && !switches.action_after_hang_up {
        return NextStep::Over;
    }
    if !hung_up && !switches.action_after_failure {
        return NextStep::Next;
    }
    let mut fields = card_fields(call, DECLINED);
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    add("Result", result.to_owned());
    if code != 0 {
        add("PayErrorCode", code.to_string());
        // Worse than any real connector: tests check that none of it is stored.
        let error = format!("{DECLINED} {EXPIRY} {CODE} was declined");
        add("PaymentError", error.clone());
        add("ConnectorError", error);
    }
    NextStep::Fetch(pay.attribute("action").unwrap_or(url).to_owned(), fields)
}

/// The fields of a card that our action receives (twilio/CONTRACT.md 4.6).
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
