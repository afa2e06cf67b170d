//! The FAQ: thresholds, groups of words, misses and suggestions.

use super::*;

const BOT: &str = "\
unknown: {text: Pardon?, suggestions: 2}
hand_over: {after_misses: 3, topics: [fraud]}
faq:
  entries:
    - {name: hours, questions: [What are your opening hours?], words: [open today, when open], answer: Nine to five.}
    - {name: sunday, words: [open sunday], answer: Closed on Sundays.}
    - {name: parking, questions: [Where can I park?, Is there parking?], answer: [Behind the house., It is free.]}
    - {name: fraud, words: [stolen card, fraud]}
    - {name: sales, words: [buy], answer: With pleasure., hand_over: {text: 'Sales is coming.', reason: Wants to buy.}}
";

#[test]
fn question_is_found_in_spite_of_typing_errors() {
    let mut talk = Talk::with(BOT);
    assert_eq!(talk.answer("waht are you openign hours"), "Nine to five.");
    assert_eq!(talk.answer("is there parkng?"), "Behind the house.\n---\nIt is free.");
}

#[test]
fn all_words_of_one_group_are_enough() {
    let mut talk = Talk::with(BOT);
    assert_eq!(
        talk.answer("say, when does that shop of yours open again after the holidays?"),
        "Nine to five."
    );
    assert_eq!(by(&talk.say("open the window")), "unknown");
}

#[test]
fn group_with_more_weight_wins() {
    let mut talk = Talk::with(BOT);
    assert_eq!(talk.answer("when do you open on sunday"), "Closed on Sundays.");
}

#[test]
fn miss_asks_for_other_words_and_the_last_one_hands_over() {
    let mut talk = Talk::with(BOT);
    for misses in 1..3 {
        let result = talk.say("blue elephants");
        assert_eq!(
            (by(&result), result.posts[0].as_str(), result.session.misses),
            ("unknown", "Pardon?", misses)
        );
    }
    let result = talk.say("blue elephants");
    assert_eq!(
        (hand_over(&result).0, by(&result)),
        (HandOverReason::Misses, "hand_over.after_misses")
    );
    assert_eq!(result.session.misses, 0);
}

#[test]
fn understood_message_resets_the_misses() {
    let mut talk = Talk::with(BOT);
    talk.say("blue elephants");
    assert_eq!(talk.say("is there parking").session.misses, 0);
}

#[test]
fn similar_questions_are_suggested() {
    let mut talk = Talk::with(BOT);
    let answer = talk.answer("hours of the moon landing");
    assert_eq!(
        answer,
        "Pardon?\nDid you mean one of these?\n\n1. What are your opening hours?"
    );
    assert_eq!(talk.answer("1"), "Nine to five.");
    let mut talk = Talk::with(&BOT.replace("suggestions: 2", "suggestions: 0"));
    assert_eq!(talk.answer("hours of the moon landing"), "Pardon?");
}

#[test]
fn topic_is_left_to_people() {
    let mut talk = Talk::with(BOT);
    let result = talk.say("my card was stolen, the stolen card is black");
    assert_eq!(
        (hand_over(&result).0, by(&result), result.posts.len()),
        (HandOverReason::Topic, "faq.entries[3]", 0)
    );
    let mut talk = Talk::with(BOT);
    let result = talk.say("I want to buy a horse");
    let (reason, plan) = hand_over(&result);
    assert_eq!(
        (reason, plan.message.as_str()),
        (HandOverReason::Topic, "Sales is coming.")
    );
    assert_eq!(result.posts, ["With pleasure."]);
}

#[test]
fn threshold_is_that_of_the_document() {
    let with = |threshold: &str| {
        let mut talk = Talk::with(&BOT.replace("faq:\n", &format!("faq:\n  threshold: {threshold}\n")));
        by(&talk.say("hours of opening the museum shop")).to_owned()
    };
    assert_eq!(
        (with("0.5").as_str(), with("0.95").as_str()),
        ("faq.entries[0]", "unknown")
    );
}

#[test]
fn several_questions_in_one_go_are_all_answered() {
    let mut talk = Talk::with(BOT);
    let result = talk.say_all(&["What are your opening hours?", "and is there parking", "thanks"]);
    assert_eq!(result.posts, ["Nine to five.", "Behind the house.", "It is free."]);
    assert_eq!(by(&result), "faq.entries[0], faq.entries[2]");
    let result = talk.say("I come from far away with my whole family. Where can I park? My car is rather large!");
    assert_eq!(by(&result), "faq.entries[2]");
}

#[test]
fn question_of_the_faq_may_have_a_word_for_people() {
    let mut talk = Talk::with(
        "faq: {entries: [{name: bot, questions: [Are you a human or a bot?, Are you human?], answer: A bot.}]}",
    );
    assert_eq!(talk.answer("are you a human?"), "A bot.");
    assert_eq!(hand_over(&talk.say("I need a human")).0, HandOverReason::Word);
}
