//! CPU time of a turn. It is measured and not asserted, so a busy machine fails no test.
//!
//! `cargo test --release -p patchbay --features bot --lib bot::tests::cost -- --ignored --nocapture`

use std::time::Instant;

use serde_json::json;

use super::*;

const RUNS: u32 = 500;

/// Words from which questions are made.
const WORDS: &str = "order parcel refund invoice warranty voucher password account address delivery shipping payment \
     return exchange repair manual battery charger screen cable adapter garden chair table lamp sofa pillow blanket \
     kitchen oven fridge washer dryer filter hose pump engine wheel brake saddle helmet jacket trousers shirt socks \
     boots laces zipper button pocket collar sleeve";

/// A bot with 500 entries of four questions each, and a rule that does not match.
fn large() -> Value {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let word = |n: usize| words[n % words.len()];
    let entry = |n: usize| {
        let (a, b, c) = (word(n), word(n / 7 + 3), word(n * 5 + 11));
        json!({
            "name": format!("entry {n}"),
            "questions": [
                format!("How can I get the {a} for my {b}?"),
                format!("Where is the {b} of the {c} number {n}?"),
                format!("My {a} does not work with the {c}."),
                format!("What does a new {c}{n} cost?"),
            ],
            "words": [format!("{a} {b} {c}")],
            "answer": { "en": format!("Answer {n} for {{{{ contact.name | default('you') }}}}."), "de": format!("Antwort {n}.") },
        })
    };
    json!({
        "greeting": "Hello.",
        "rules": [{ "when": "message.text == 'never'", "say": "Never." }],
        "faq": { "entries": (0..500).map(entry).collect::<Vec<_>>() },
    })
}

/// Average microseconds of a run.
fn average(runs: u32, mut run: impl FnMut()) -> f64 {
    run();
    let start = Instant::now();
    for _ in 0..runs {
        run();
    }
    start.elapsed().as_secs_f64() * 1_000_000.0 / f64::from(runs)
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_turn_with_five_hundred_entries() {
    let document = large();
    let text = document.to_string();
    println!("document: {} bytes of JSON, 500 entries, 2000 questions", text.len());
    let load = average(10, || drop(Bot::from_stored(&document).expect("a bot")));
    println!("first use (compile and index): {load:.0} µs");
    let bot = Bot::from_value(&document).expect("a bot");
    let long = "my old refridgerator makes strange noises when the washer runs ".repeat(60);
    let sentences =
        "My refridgerators strange noises disturb the neighbors while their washers run in the basement. ".repeat(40);
    for (name, message) in [
        ("a question", "How can I get the parcl for my ordr?"),
        (
            "an unrelated message",
            "the neighbors have painted their fence green and yellow",
        ),
        ("4000 characters", long.as_str()),
        ("many sentences", sentences.as_str()),
    ] {
        let mut chat = Chat::new(Contact::default(), NOON).expect("a conversation");
        chat.write(&bot, message, 0, NOON);
        let turn = average(RUNS, || {
            let step = advance(&bot, &chat.context(NOON), &FetchResults::new());
            assert!(matches!(step, Step::Done(result) if result.error.is_none()));
        });
        println!("{name}: {turn:.0} µs");
    }
}

#[test]
fn the_measured_bot_answers() {
    let mut talk = Talk::with(&large().to_string());
    assert_eq!(
        by(&talk.say("My parcel does not work with the battery")),
        "faq.entries[1]"
    );
}
