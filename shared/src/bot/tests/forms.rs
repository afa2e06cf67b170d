//! Forms: questions one after another.

use serde_json::json;

use super::*;

const BOT: &str = "\
language: en
country: '1'
time_zone: UTC
greeting: {en: Hello., de: Hallo.}
forms:
  booking:
    fields:
      - {name: guests, ask: {en: 'How many guests?', de: 'Wie viele Gäste?'}, type: integer, min: 1, max: 12, invalid: From one to twelve.}
      - {name: day, ask: 'For {{ form.guests }}: which day?', type: date, min: today}
      - {name: room, title: the room, ask: Which room?, type: choice, choices: [Garden, {title: {en: Cellar, de: Keller}, text: cellar}]}
      - {name: note, ask: Anything else?, required: false, max: 50}
    confirm: '{{ form.guests }} guests on {{ form.day }} in {{ form.room }}. Right?'
    done:
      - when: form.room == 'cellar'
        say: The cellar is closed.
        form: booking
      - fetch:
          - {name: book, method: POST, url: 'https://api.example.org/bookings', json: {guests: '{{ form.guests }}', note: '{{ form.note }}'}, on: {failed: {say: Not possible., hand_over: true}}}
        say: 'Booked as {{ fetch.book.json.id }}.'
  feedback:
    fields: [{name: text, ask: Please tell us.}]
    done: {say: Thank you., finish: true}
  silent:
    fields: [{name: ok, ask: OK?, type: yes_no}]
    confirm: Sure?
    done: [{when: form.ok, pass: true}]
faq:
  entries:
    - {name: book, questions: [I want to book a table], answer: Gladly., form: booking}
    - {name: feedback, words: [feedback], form: feedback}
    - {name: silent, words: [silent], form: silent}
    - {name: parking, questions: [Where can I park?], answer: Behind the house.}
    - {name: call, words: [call me], call_me: queue}
call: {queue: Service}
";

fn begin(talk: &mut Talk) {
    assert_eq!(
        talk.answer("I want to book a table"),
        "Hello.\n---\nGladly.\n---\nHow many guests?"
    );
}

/// A talk in which everything but the confirmation is said.
fn filled() -> Talk {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    for answer in ["4", "tomorrow", "garden", "skip"] {
        talk.say(answer);
    }
    talk
}

#[test]
fn form_asks_confirms_and_ends() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    assert_eq!(talk.answer("we are 4"), "For 4: which day?");
    assert_eq!(talk.answer("tomorrow"), "Which room?\n\n1. Garden\n2. Cellar");
    assert_eq!(talk.answer("1"), "Anything else?");
    assert_eq!(
        talk.answer("A high chair, please"),
        "4 guests on 2026-01-06 in Garden. Right?\n\n1. Yes\n2. No"
    );
    talk.responses = vec![("book", 201, json!({ "id": "B7" }))];
    let result = talk.say("yes");
    assert_eq!(
        (result.posts, result.session.form),
        (vec!["Booked as B7.".to_owned()], None)
    );
    assert_eq!(result.answered_by, "forms.booking.done[1]");
    assert!(result.session.offers.is_empty());
}

#[test]
fn invalid_answer_is_explained_and_asked_again() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    assert_eq!(talk.answer("many"), "From one to twelve.\n---\nHow many guests?");
    let result = talk.say("13");
    assert_eq!(result.session.form.as_ref().map(|form| form.invalid), Some(2));
    assert_eq!(talk.answer("3"), "For 3: which day?");
    assert_eq!(
        talk.answer("2026-01-04"),
        "I am sorry, that is not an answer that I can use.\n---\nFor 3: which day?"
    );
    assert_eq!(talk.answer("20.1.2026"), "Which room?\n\n1. Garden\n2. Cellar");
}

#[test]
fn third_invalid_answer_offers_a_way_out() {
    let stuck = || {
        let mut talk = Talk::with(BOT);
        begin(&mut talk);
        talk.say("many");
        talk.say("a lot");
        let answer = talk.answer("loads");
        assert!(
            answer.ends_with("\n\n1. Talk to a person\n2. Try again\n3. Cancel"),
            "{answer}"
        );
        talk
    };
    let result = stuck().say("1");
    assert_eq!(
        (hand_over(&result).0, result.session.form.is_none()),
        (HandOverReason::Word, true)
    );
    assert_eq!(stuck().answer("try again"), "How many guests?");
    assert!(stuck().answer("3").starts_with("All right, I have dropped that."));
    assert_eq!(stuck().answer("5"), "For 5: which day?");
}

#[test]
fn value_is_corrected_when_it_is_not_confirmed() {
    let mut talk = filled();
    assert_eq!(
        talk.answer("no, not that"),
        "What is not right?\n\n1. guests\n2. day\n3. the room\n4. note"
    );
    assert_eq!(talk.answer("3"), "Which room?\n\n1. Garden\n2. Cellar");
    assert_eq!(
        talk.answer("garden"),
        "4 guests on 2026-01-06 in Garden. Right?\n\n1. Yes\n2. No"
    );
    assert_eq!(filled().answer("no, the day"), "For 4: which day?");
    assert_eq!(
        filled().answer("maybe"),
        "I am sorry, that is not an answer that I can use.\n---\n4 guests on 2026-01-06 in Garden. Right?\n\n1. Yes\n2. No"
    );
}

#[test]
fn customer_may_go_back_repeat_and_cancel() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    talk.say("4");
    assert_eq!(talk.answer("repeat"), "For 4: which day?");
    assert_eq!(talk.answer("back"), "How many guests?");
    assert_eq!(talk.answer("back"), "How many guests?");
    talk.say("5");
    assert_eq!(talk.answer("zurück"), "How many guests?");
    let result = talk.say("cancel");
    assert_eq!(
        (result.session.form, result.answered_by.as_str()),
        (None, "forms.booking")
    );
    assert_eq!(filled().answer("back"), "Anything else?");
}

#[test]
fn question_in_between_is_answered_and_the_form_goes_on() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    assert_eq!(
        talk.answer("where can I park?"),
        "Behind the house.\n---\nHow many guests?"
    );
    assert_eq!(talk.answer("I want to book a table"), "How many guests?");
    talk.say("4");
    talk.say("today");
    assert_eq!(
        talk.answer("where can I park"),
        "Behind the house.\n---\nWhich room?\n\n1. Garden\n2. Cellar"
    );
    talk.say("2");
    // Any text is an answer here, but not a question of the FAQ.
    assert_eq!(
        talk.answer("Where can I park?"),
        "Behind the house.\n---\nAnything else?"
    );
    assert!(talk.answer("where can i park").starts_with("4 guests"));
}

#[test]
fn other_form_replaces_the_present_one() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    let result = talk.say("I have feedback");
    assert_eq!(result.posts, ["Please tell us."]);
    assert_eq!(result.session.form.map(|form| form.form), Some("feedback".to_owned()));
}

#[test]
fn customer_in_a_form_gets_a_person() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    assert_eq!(
        hand_over(&talk.say("can I talk to a human about this?")).0,
        HandOverReason::Word
    );
    let mut talk = Talk::with(BOT);
    talk.say("feedback");
    assert_eq!(
        hand_over(&talk.say("I want to speak to an agent")).0,
        HandOverReason::Word
    );
    let mut talk = Talk::with(BOT);
    talk.say("feedback");
    let result = talk.say("The agent was very kind.");
    assert_eq!(
        (result.action, result.posts),
        (TurnAction::Finish, vec!["Thank you.".to_owned()])
    );
}

#[test]
fn attachment_in_a_form_asks_again() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    assert!(talk.answer("").ends_with("\n---\nHow many guests?"));
}

#[test]
fn form_is_in_the_language_of_the_customer() {
    let mut talk = Talk::of(BOT, contact("de"));
    assert!(talk.answer("I want to book a table").ends_with("Wie viele Gäste?"));
    talk.say("2");
    assert_eq!(talk.answer("morgen"), "Which room?\n\n1. Garden\n2. Keller");
    let result = talk.say("Keller");
    assert_eq!(
        result.session.form.map(|form| form.values["room"].clone()),
        Some(json!("cellar"))
    );
    talk.say("keine");
    assert_eq!(
        talk.answer("ja, stimmt"),
        "The cellar is closed.\n---\nWie viele Gäste?"
    );
}

#[test]
fn failed_request_at_the_end_hands_over() {
    let mut talk = filled();
    talk.responses = vec![("book", 500, json!(null))];
    let result = talk.say("yes");
    assert_eq!(
        (hand_over(&result).0, result.posts),
        (HandOverReason::Rule, vec!["Not possible.".to_owned()])
    );
}

#[test]
fn form_without_an_answer_says_thank_you() {
    let mut talk = Talk::with(BOT);
    talk.say("silent");
    assert_eq!(talk.answer("yes"), "Sure?\n\n1. Yes\n2. No");
    // With a single value, no means that one.
    assert_eq!(talk.answer("no"), "OK?\n\n1. Yes\n2. No");
    talk.say("no");
    assert_eq!(talk.answer("yes"), "Thank you, I have everything.");
}

#[test]
fn last_of_several_messages_may_be_the_answer() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    assert_eq!(talk.say_all(&["hm, let me see", "6"]).posts, ["For 6: which day?"]);
}

#[test]
fn pause_ends_the_form() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    talk.after(4_000);
    assert_eq!(by(&talk.say("4")), "unknown");
}

#[test]
fn form_that_a_new_document_no_longer_has_is_left() {
    let mut talk = Talk::with(BOT);
    begin(&mut talk);
    talk.bot = bot(&BOT
        .replace("name: guests", "name: persons")
        .replace("form.guests", "form.persons"));
    assert_eq!(talk.answer("where can I park"), "Behind the house.");
}

#[test]
fn call_without_a_number_asks_for_it() {
    let mut talk = Talk::with(BOT);
    let answer = talk.answer("please call me");
    assert!(answer.contains("At which number can we call you?"), "{answer}");
    assert!(talk.answer("at home").contains("At which number"));
    let result = talk.say("It is (202) 555-0143, thanks");
    let expected = CallPlan::Queue {
        queue: "Service".into(),
        destination: "+12025550143".into(),
    };
    assert_eq!(
        (call(&result), result.posts[0].as_str()),
        (&expected, "We will call you in a moment.")
    );
    assert_eq!(result.session.form, None);
}

#[test]
fn values_of_a_form_are_bounded() {
    let fields: Vec<String> = (0..20).map(|n| format!("{{name: f{n}, ask: Next?}}")).collect();
    let document = format!(
        "max_answers_per_minute: 60\nforms: {{long: {{fields: [{}], done: {{say: Done.}}}}}}\nrules: [{{say: Go., form: long}}]",
        fields.join(", ")
    );
    let mut talk = Talk::with(&document);
    talk.say("x");
    let long = "ä".repeat(1_000);
    let mut results = (0..12).map(|_| talk.say(&long));
    assert!(results.any(|result| result.posts[0].starts_with("I am sorry, that is not an answer")));
    let size = serde_json::to_string(&talk.chat.context(talk.now).conversation.session).map(|text| text.len());
    assert!(size.is_ok_and(|size| size < 20_000));
}
