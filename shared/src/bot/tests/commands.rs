//! Commands: stop, restart, quick replies, and messages that are only an attachment.

use super::*;

const BOT: &str = "\
greeting: Hello from the bot.
stop: {words: [stop, be quiet], text: I am silent now.}
restart: {words: [start over], text: Once more.}
attachments: {en: Text only please., de: Bitte nur Text.}
faq:
  entries:
    - {name: menu, questions: [Show me the menu], answer: Here it is., quick_replies: [Opening hours, {title: {en: My order, de: Meine Bestellung}, text: track order}]}
    - {name: hours, questions: [Opening hours], answer: Nine to five.}
    - {name: order, words: [track order], answer: On its way.}
";

#[test]
fn stop_silences_the_bot_until_a_restart() {
    let mut talk = Talk::with(BOT);
    let stopped = talk.say("Be quiet!");
    assert_eq!(
        (by(&stopped), stopped.posts.clone()),
        ("stop", vec!["I am silent now.".to_owned()])
    );
    assert!(stopped.session.is_stopped);
    let silent = talk.say("opening hours");
    assert_eq!(
        (by(&silent), silent.posts.len(), silent.error.clone(), silent.answered),
        ("stop", 0, None, 1)
    );
    assert_eq!(talk.answer("start over"), "Once more.\n---\nHello from the bot.");
    assert_eq!(talk.answer("opening hours"), "Nine to five.");
}

#[test]
fn stopped_customer_still_gets_a_person() {
    let mut talk = Talk::with(BOT);
    talk.say("stop");
    let result = talk.say("a human please");
    assert_eq!(hand_over(&result).0, HandOverReason::Word);
    assert!(!result.session.is_stopped, "the bot answers when it is back");
}

#[test]
fn stop_ends_with_the_session() {
    let mut talk = Talk::with(BOT);
    talk.say("stop");
    talk.after(3_700);
    assert_eq!(talk.answer("opening hours"), "Hello from the bot.\n---\nNine to five.");
}

#[test]
fn word_inside_a_sentence_is_no_command() {
    let mut talk = Talk::with(BOT);
    assert_eq!(
        by(&talk.say("I will stop by tomorrow, what are the opening hours?")),
        "faq.entries[1]"
    );
}

#[test]
fn message_after_a_restart_is_answered() {
    let mut talk = Talk::with(BOT);
    talk.say("opening hours");
    let result = talk.say_all(&["start over", "opening hours"]);
    assert_eq!(result.posts, ["Once more.", "Hello from the bot.", "Nine to five."]);
    assert_eq!(result.answered, 2);
}

#[test]
fn restart_forgets_the_session() {
    let mut talk = Talk::with(&format!(
        "variables: {{n: 0}}\nrules:\n  - {{when: session.n == 0, set: {{n: 1}}, say: first}}\n{BOT}"
    ));
    assert_eq!(talk.answer("x"), "Hello from the bot.\n---\nfirst");
    assert_eq!(
        talk.answer("show me the menu"),
        "Here it is.\n\n1. Opening hours\n2. My order"
    );
    let result = talk.say("start over");
    assert!(result.session.variables.is_empty() && result.session.offers.is_empty());
}

#[test]
fn commands_exist_without_a_section() {
    let mut talk = Talk::of("{}", contact("de"));
    assert!(
        talk.answer("Stopp!")
            .starts_with("In Ordnung, ich antworte nicht mehr.")
    );
    assert!(
        talk.answer("Neustart")
            .starts_with("In Ordnung, fangen wir noch einmal an.")
    );
    let mut talk = Talk::with("stop: {words: []}");
    assert_eq!(by(&talk.say("stop")), "unknown");
}

#[test]
fn quick_reply_is_chosen_by_number_or_by_title_and_again() {
    let mut talk = Talk::with(BOT);
    talk.say("show me the menu");
    assert_eq!(talk.answer("2"), "On its way.");
    assert_eq!(talk.answer("1."), "Nine to five.");
    assert_eq!(talk.answer("my oder"), "On its way.");
    assert_eq!(talk.say_all(&["hm", "number 1"]).posts, ["Nine to five."]);
    // Something else was answered: the list is out of date.
    talk.say("track order");
    assert_eq!(by(&talk.say("2")), "unknown");
}

#[test]
fn quick_reply_has_the_title_of_the_language() {
    let mut talk = Talk::of(BOT, contact("de-AT"));
    assert!(
        talk.answer("show me the menu")
            .ends_with("1. Opening hours\n2. Meine Bestellung")
    );
    assert_eq!(talk.answer("meine bestellung"), "On its way.");
}

#[test]
fn message_that_is_only_an_attachment_has_its_own_answer() {
    let mut talk = Talk::with(BOT);
    let result = talk.say("");
    assert_eq!(
        (by(&result), &result.posts[1]),
        ("attachments", &"Text only please.".to_owned())
    );
    assert_eq!(by(&talk.say_all(&["", "opening hours"])), "faq.entries[1]");
    let mut talk = Talk::with("{}");
    assert!(talk.answer("").starts_with("I can only read text."));
}
