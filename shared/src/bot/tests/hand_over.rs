//! Hand-overs and calls.

use serde_json::json;

use super::*;
use crate::bot::{hand_over_plan, heard};
use crate::conversation::{Author, Direction, Heard, PlatformMessage, WaitAction};

const BOT: &str = "\
language: en
time_zone: America/New_York
hours: {monday: ['09:00-17:00']}
country: '1'
variables: {topic: null}
rules:
  - {when: message.text == 'vip', say: 'At once.', set: {topic: gold}, hand_over: {reason: A good customer., text: 'Your advisor is coming.'}, call_me: dispatch}
  - {when: message.text == 'phone', call_me: dispatch}
hand_over:
  words: [person, echter Mensch]
  text: {en: 'One moment, {{ contact.name | default(''please'') }}.', de: Moment.}
  outside_hours: {text: 'We are closed: {{ reason }}', and: hand_over}
  cancel_words: [nevermind]
  give_back_words: ['#bot']
  wait_seconds: 120
  wait_text: Still waiting.
  then: call
call:
  queue: Service
  dispatch:
    text: 'Chat: {{ reason }} {{ session.topic | default(''no topic'') }}'
    employees: [{name: Anna, phone: +1 202 555 0101}]
    policy: {attempts: 1}
    priority: urgent
";

/// 15:00 in New York: a Monday at 20:00 in UTC.
fn open() -> Talk {
    let mut talk = Talk::of(
        BOT,
        Contact {
            name: Some("Ann".into()),
            phone: Some("202-555-0143".into()),
            ..Contact::default()
        },
    );
    talk.after(8 * 3_600);
    talk
}

#[test]
fn word_anywhere_in_a_message_hands_over() {
    for text in [
        "person",
        "I'd rather talk to a PERSON!",
        "perosn",
        "ein echter Mensch bitte",
    ] {
        let result = open().say(text);
        let (reason, plan) = hand_over(&result);
        assert_eq!(
            (reason, plan.message.as_str(), result.posts.len()),
            (HandOverReason::Word, "One moment, Ann.", 0),
            "{text}"
        );
    }
    assert_eq!(by(&open().say("personnel")), "unknown");
    assert_eq!(
        hand_over(&open().say_all(&["hello", "a person", "thanks"])).0,
        HandOverReason::Word
    );
}

#[test]
fn plan_has_everything_that_the_hand_over_needs() {
    let mut talk = open();
    let result = talk.say("person");
    let plan = hand_over(&result).1;
    assert_eq!(
        (plan.wait_seconds, plan.wait_message.as_deref(), &plan.call),
        (Some(120), Some("Still waiting."), &None)
    );
    let WaitAction::Call(CallPlan::Dispatch { request }) = &plan.then else {
        panic!("{:?}", plan.then);
    };
    assert_eq!(
        **request,
        json!({
            "ticket": { "text": "Chat: Asked for a person. no topic" },
            "employees": [{ "name": "Anna", "phone": "+1 202 555 0101" }],
            "policy": { "attempts": 1 },
            "priority": "urgent",
        })
    );
    assert_eq!(
        plan.summary.as_deref(),
        Some("Ann: Asked for a person.\nCustomer: person")
    );
}

#[test]
fn summary_is_only_for_a_known_number() {
    let mut talk = Talk::of(BOT, contact("en"));
    assert_eq!(hand_over(&talk.say("person")).1.summary, None);
    let mut talk = Talk::of(
        BOT,
        Contact {
            phone: Some("anonymous".into()),
            ..Contact::default()
        },
    );
    assert_eq!(hand_over(&talk.say("person")).1.summary, None);
}

#[test]
fn summary_of_the_document_replaces_the_built_in_one() {
    let document = BOT.replace(
        "  wait_seconds: 120",
        "  summary: '{{ reason }} {% for line in transcript %}[{{ line.by }}] {{ line.text }}{% endfor %}'\n  wait_seconds: 120",
    );
    let mut talk = open();
    talk.bot = bot(&document);
    assert_eq!(
        hand_over(&talk.say("person")).1.summary.as_deref(),
        Some("Asked for a person. [customer] person")
    );
}

#[test]
fn rule_hands_over_with_texts_and_a_call_of_its_own() {
    let result = open().say("vip");
    let (reason, plan) = hand_over(&result);
    assert_eq!(
        (reason, plan.message.as_str()),
        (HandOverReason::Rule, "Your advisor is coming.")
    );
    assert_eq!(result.posts, ["At once."]);
    let Some(CallPlan::Dispatch { request }) = &plan.call else {
        panic!("{plan:?}");
    };
    assert_eq!(request["ticket"]["text"], "Chat: A good customer. gold");
    assert!(
        plan.summary
            .as_deref()
            .is_some_and(|summary| summary.starts_with("Ann: A good customer.\n"))
    );
}

#[test]
fn call_without_a_hand_over_is_announced() {
    let result = open().say("phone");
    assert_eq!(
        result.posts,
        ["I am phoning our team so that somebody answers you here."]
    );
    let CallPlan::Dispatch { request } = call(&result) else {
        panic!("a dispatch")
    };
    assert_eq!(request["ticket"]["text"], "Chat: Asked for a call. no topic");
}

#[test]
fn text_that_is_read_to_employees_is_shortened() {
    let document = BOT.replace("Chat: {{ reason }}", "{{ message.text }} {{ reason }}");
    let mut talk = open();
    talk.bot = bot(&document.replace("message.text == 'phone'", "message.text != 'x'"));
    let result = talk.say(&"Help ".repeat(500));
    let CallPlan::Dispatch { request } = call(&result) else {
        panic!("a dispatch")
    };
    let text = request["ticket"]["text"].as_str().unwrap_or_default();
    assert_eq!((text.chars().count(), text.ends_with('…')), (500, true));
}

#[test]
fn outside_the_hours_the_text_is_another_one() {
    let mut talk = Talk::with(BOT);
    let result = talk.say("person");
    assert_eq!(hand_over(&result).1.message, "We are closed: Asked for a person.");
}

#[test]
fn bot_may_keep_the_conversation_outside_the_hours() {
    let document = BOT.replace("and: hand_over", "and: stay");
    let mut talk = Talk::with(&document);
    let result = talk.say("person");
    assert_eq!(
        (result.action, result.posts.as_slice()),
        (
            TurnAction::Continue,
            &["We are closed: Asked for a person.".to_owned()][..]
        )
    );
    assert_eq!(by(&talk.say("blue")), "unknown");
    assert_eq!(talk.say("blue").posts, ["We are closed: The bot did not understand."]);
    // But two bots must not go on talking to each other.
    let mut talk = Talk::with(&format!("max_answers_per_minute: 1\n{document}"));
    talk.say("blue");
    assert_eq!(hand_over(&talk.say("blue")).0, HandOverReason::RateCap);
}

#[test]
fn form_goes_on_where_the_bot_keeps_the_conversation() {
    let document = format!(
        "{}\nforms: {{f: {{fields: [{{name: n, ask: How many?, type: integer}}], done: {{say: Done.}}}}}}\nfaq: {{entries: [{{name: f, words: [form], form: f}}]}}",
        BOT.replace("and: hand_over", "and: stay")
    );
    let mut talk = Talk::with(&document);
    talk.say("form");
    let result = talk.say("I want a person");
    assert_eq!(result.posts, ["We are closed: Asked for a person.", "How many?"]);
    assert_eq!(talk.answer("3"), "Done.");
}

#[test]
fn broken_text_does_not_keep_the_bot_from_handing_over() {
    let mut talk = open();
    talk.bot = bot(&BOT.replace(
        "'One moment, {{ contact.name | default(''please'') }}.'",
        "'{{ session.topic }}'",
    ));
    let result = talk.say("person");
    assert!(hand_over(&result).1.message.starts_with("One moment, please: a member"));
    assert_eq!(
        result.error.as_deref(),
        Some("hand_over.text: has no text for this customer")
    );
}

#[test]
fn hand_over_has_a_default_text_in_two_languages() {
    let text = |language: &str| {
        hand_over(&Talk::of("{}", contact(language)).say("human"))
            .1
            .message
            .clone()
    };
    assert!(text("en").starts_with("One moment") && text("fr").starts_with("One moment"));
    assert!(text("de").starts_with("Einen Moment"));
}

#[test]
fn call_may_begin_with_every_hand_over() {
    let mut talk = open();
    talk.bot = bot(&BOT
        .replace("  wait_seconds: 120", "  call: queue\n  wait_seconds: 120")
        .replace("then: call", "then: give_back"));
    let result = talk.say("person");
    let plan = hand_over(&result).1;
    let expected = CallPlan::Queue {
        queue: "Service".into(),
        destination: "+12025550143".into(),
    };
    assert_eq!(
        (plan.call.as_ref(), &plan.then),
        (Some(&expected), &WaitAction::GiveBack)
    );
    // Without a number there is no call, but a hand-over all the same.
    let mut talk = Talk::with("hand_over: {call: queue}\ncall: {queue: Service}");
    assert_eq!(hand_over(&talk.say("human")).1.call, None);
}

#[test]
fn requested_hand_over_has_the_plan_of_the_document() {
    let talk = open();
    let plan = hand_over_plan(Some(&talk.bot), &talk.chat.context(talk.now));
    assert_eq!(
        (plan.message.as_str(), plan.wait_seconds),
        ("One moment, Ann.", Some(120))
    );
    assert!(
        plan.summary
            .is_some_and(|summary| summary == "Ann: Requested by the team.")
    );
    let plan = hand_over_plan(None, &talk.chat.context(talk.now));
    assert!(plan.message.starts_with("One moment, please") && plan.wait_seconds.is_none());
}

#[test]
fn waiting_customer_may_return_to_the_bot() {
    let mut talk = open();
    talk.say("person");
    assert!(!talk.chat.write(&talk.bot, "still there?", 0, talk.now));
    assert!(!talk.chat.write(&talk.bot, "Nevermind!", 0, talk.now));
    assert_eq!(by(&talk.say("blue")), "unknown");
}

#[test]
fn words_of_customers_and_people_are_distinguished() {
    let bot = bot(BOT);
    let hear = |direction, private, text: &str| {
        let message = PlatformMessage {
            id: "1".parse().expect("an id"),
            direction,
            private,
            text: text.to_owned(),
            attachments: 0,
            author: Author::Unknown,
        };
        let Heard {
            cancels_wait,
            gives_back,
        } = heard(&bot, &message);
        (cancels_wait, gives_back)
    };
    assert_eq!(hear(Direction::Incoming, false, "never mind"), (false, false));
    assert_eq!(hear(Direction::Incoming, false, " Nevermind. "), (true, false));
    assert_eq!(hear(Direction::Incoming, false, "nevermind the gap"), (false, false));
    assert_eq!(hear(Direction::Outgoing, true, " #BOT "), (false, true));
    assert_eq!(hear(Direction::Outgoing, false, "#bot"), (false, true));
    assert_eq!(hear(Direction::Outgoing, true, "bot"), (false, false));
    assert_eq!(hear(Direction::Incoming, false, "#bot"), (false, false));
    assert_eq!(hear(Direction::Template, false, "#bot nevermind"), (false, false));
}

#[test]
fn number_of_a_call_may_come_from_a_variable() {
    let document = "\
variables: {phone: null}
call: {queue: Service, number: \"{{ session.phone | default('') }}\"}
rules:
  - {when: message.text == 'set', say: ok, set: {phone: +1 202 555 0144}}
  - {say: We call., call_me: queue}";
    let mut talk = Talk::of(
        document,
        Contact {
            phone: Some("+1 202 555 0143".into()),
            ..Contact::default()
        },
    );
    let destination = |result: &TurnResult| match call(result) {
        CallPlan::Queue { destination, .. } => destination.clone(),
        CallPlan::Dispatch { .. } => panic!("a dispatch"),
    };
    assert_eq!(destination(&talk.say("x")), "+12025550143");
    talk.say("set");
    assert_eq!(destination(&talk.say("x")), "+12025550144");
}
