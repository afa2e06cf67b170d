//! Sessions, greetings, languages, the rate cap and errors.

use super::*;
use crate::bot::{fallback, settings};
use crate::conversation::Session;

#[test]
fn greeting_is_said_before_the_first_answer_of_a_session() {
    let document =
        "session_seconds: 600\ngreeting: Hello.\nfaq: {entries: [{name: a, questions: [apples], answer: Red.}]}";
    let mut talk = Talk::with(document);
    assert_eq!(talk.answer("apples"), "Hello.\n---\nRed.");
    assert_eq!(talk.after(580).answer("apples"), "Red.");
    assert_eq!(talk.after(590).answer("apples"), "Hello.\n---\nRed.");
}

#[test]
fn mere_greeting_is_answered_by_the_greeting() {
    let mut talk = Talk::with("greeting: Hello.");
    for _ in 0..2 {
        let result = talk.say("Hi there!");
        assert_eq!(
            (by(&result), result.posts.as_slice()),
            ("greeting", &["Hello.".to_owned()][..])
        );
        assert_eq!(result.session.misses, 0);
    }
    let mut talk = Talk::of("{}", contact("de"));
    assert_eq!(talk.answer("Guten Tag"), "Guten Tag! Was kann ich für Sie tun?");
}

#[test]
fn greeting_may_have_rules() {
    let document = "\
variables: {greeted: false}
greeting:
  - {when: contact.name, say: 'Hello {{ contact.name }}.', set: {greeted: true}, quick_replies: [Yes, No]}
  - {when: not open, pass: true}
faq: {entries: [{name: a, questions: [apples], answer: 'Red. {{ session.greeted }}'}]}";
    let mut talk = Talk::with(document);
    assert_eq!(talk.answer("apples"), "Red. false");
    let ann = Contact {
        name: Some("Ann".into()),
        ..Contact::default()
    };
    let mut talk = Talk::of(document, ann);
    let result = talk.say("apples");
    assert_eq!(result.posts, ["Hello Ann.\n\n1. Yes\n2. No", "Red. true"]);
    assert_eq!(
        result.session.offers.len(),
        2,
        "the list of this turn is not out of date"
    );
}

#[test]
fn text_is_in_the_language_of_the_customer() {
    let document = "\
language: de
faq: {entries: [{name: a, questions: [apples], answer: {de: Rot., en: Red., en-GB: 'Red, dear.', pt-BR: Vermelho.}}]}";
    for (tag, expected) in [
        ("en-GB", "Red, dear."),
        ("en-US", "Red."),
        ("EN_us", "Red."),
        ("de-CH", "Rot."),
        ("pt", "Rot."),
        ("pt_br", "Vermelho."),
        ("fr", "Rot."),
        ("", "Rot."),
    ] {
        assert_eq!(Talk::of(document, contact(tag)).answer("apples"), expected, "{tag}");
    }
    assert!(
        Talk::of(document, contact("fr"))
            .answer("x")
            .starts_with("Entschuldigung")
    );
    assert!(Talk::of(document, contact("en")).answer("x").starts_with("I am sorry"));
}

#[test]
fn too_many_answers_in_a_minute_end_in_a_hand_over() {
    let mut talk =
        Talk::with("max_answers_per_minute: 2\nfaq: {entries: [{name: a, questions: [apples], answer: Red.}]}");
    talk.say("apples");
    talk.say("apples");
    // The first answers are more than a minute old.
    talk.after(60);
    talk.say("apples");
    talk.say("apples");
    let result = talk.say("apples");
    assert_eq!(
        (hand_over(&result).0, by(&result)),
        (HandOverReason::RateCap, "max_answers_per_minute")
    );
}

#[test]
fn settings_are_those_of_the_document() {
    let bot = bot("\
debounce_ms: 300
hand_over:
  joined: {en: 'Hello {{ contact.name | default(''you'') }}.', de: Hallo.}
  give_back_after_seconds: 900");
    let settings = settings(&bot, &contact("en"));
    assert_eq!(
        (settings.has_bot, settings.debounce_millis, settings.give_back_after),
        (true, 300, Some(900))
    );
    assert_eq!((settings.joined.as_deref(), settings.ended), (Some("Hello you."), None));
    let default = super::super::settings(&super::bot("{}"), &contact("de"));
    assert_eq!((default.debounce_millis, default.joined), (1_500, None));
}

const BROKEN: &str = "\
fallback: {en: 'Sorry, {{ contact.name | default(''friend'') }}.', de: Verzeihung.}
variables: {note: null}
faq:
  entries:
    - {name: a, questions: [apples], answer: 'The note says {{ session.note }}.'}
    - {name: b, questions: [pears], answer: Green.}";

#[test]
fn first_error_is_answered_by_the_fallback_and_the_second_by_a_hand_over() {
    let mut talk = Talk::with(BROKEN);
    let first = talk.say("apples");
    assert_eq!(
        (by(&first), first.posts.as_slice()),
        ("fallback", &["Sorry, friend.".to_owned()][..])
    );
    let error = first.error.expect("an error");
    assert!(
        error.starts_with("faq.entries[0].answer: a value cannot be inserted"),
        "{error}"
    );
    let second = talk.say("apples");
    assert_eq!(
        (hand_over(&second).0, second.error.is_some()),
        (HandOverReason::Error, true)
    );
}

#[test]
fn success_between_two_errors_resets_them() {
    let mut talk = Talk::with(BROKEN);
    talk.say("apples");
    assert_eq!(talk.say("pears").session.errors, 0);
    assert_eq!(talk.say("apples").session.errors, 1);
}

#[test]
fn without_a_hand_over_a_broken_bot_falls_silent_with_a_reason() {
    let mut talk = Talk::with(&format!("{BROKEN}\nhand_over: {{on_error: false}}"));
    talk.say("apples");
    for _ in 0..2 {
        let silent = talk.say("apples");
        assert_eq!(
            (silent.posts.len(), silent.action, silent.answered),
            (0, TurnAction::Continue, 1)
        );
        assert!(silent.error.is_some());
    }
}

#[test]
fn missing_document_has_a_fallback_in_two_languages() {
    let mut chat = Chat::new(contact("de"), NOON).expect("a conversation");
    let any = bot("{}");
    chat.write(&any, "Hallo", 0, NOON);
    let first = fallback(None, &chat.context(NOON), "the table is unavailable");
    assert!(first.posts[0].starts_with("Es tut mir leid"), "{first:?}");
    assert_eq!(
        (first.error.as_deref(), first.answered),
        (Some("the table is unavailable"), 1)
    );
    chat.apply(&first, NOON);
    chat.write(&any, "Hallo?", 0, NOON);
    let second = fallback(None, &chat.context(NOON), "the table is unavailable");
    let (reason, plan) = hand_over(&second);
    assert_eq!((reason, plan.call.clone()), (HandOverReason::Error, None));
    assert!(plan.message.starts_with("Einen Moment"));
}

#[test]
fn session_keeps_only_what_the_document_declares() {
    let mut talk =
        Talk::with("variables: {a: 1}\nrules:\n  - {say: 'a is {{ session.a }}', set: {a: '{{ session.a + 1 }}'}}");
    assert_eq!(talk.answer("x"), "a is 1");
    assert_eq!(talk.answer("x"), "a is 2");
    let mut session = Session::default();
    session.variables.insert("gone".into(), Value::from("x"));
    session.started_at = Some(talk.now);
    let mut result = talk.say("x");
    result.session = session;
    let now = talk.now;
    talk.chat.apply(&result, now);
    let result = talk.say("x");
    assert!(
        result.session.variables.keys().eq(["a"]),
        "{:?}",
        result.session.variables
    );
}
