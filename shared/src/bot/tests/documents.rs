//! Documents: every mistake is reported with its line.

use serde_json::json;

use super::*;
use crate::flow::source::Source;

const SMALL: &str = "\
language: en
variables: {n: 0}
greeting: Hello.
rules:
  - when: message.text == 'x'
    say: You said {{ message.text }}.
    quick_replies: [Yes, No]
faq:
  entries:
    - name: hours
      questions: [When are you open?]
      answer: {en: Nine to five., de: Neun bis fünf.}
forms:
  order:
    fields:
      - name: number
        ask: Which number?
        pattern: '[0-9]+'
    confirm: '{{ form.number }}?'
    done: {say: Thank you.}
call:
  queue: Service
  dispatch:
    text: A chat.
    employees: [{name: Anna, phone: +1 202 555 0101}]
hand_over:
  topics: [hours]
";

/// Issues of the small bot with one replacement.
#[track_caller]
fn with(old: &str, new: &str) -> Vec<String> {
    assert_eq!(SMALL.matches(old).count(), 1, "{old}");
    issues(&SMALL.replace(old, new))
}

#[track_caller]
fn assert_issue(old: &str, new: &str, expected: &str) {
    let found = with(old, new);
    assert!(
        found.iter().any(|issue| issue.contains(expected)),
        "{expected}\n{found:#?}"
    );
}

#[test]
fn valid_document_has_no_issues() {
    assert_eq!(issues(SMALL), Vec::<String>::new());
    assert_eq!(issues("{}"), Vec::<String>::new());
    assert_eq!(issues("{\"language\": \"de\"}"), Vec::<String>::new());
}

#[test]
fn unknown_field_is_reported_with_its_line() {
    for (old, new, expected) in [
        ("language: en", "lang: en", "1:1: lang: unknown field `lang`"),
        ("    say: You", "    sey: You", "6:5: rules[0].sey: unknown field `sey`"),
        (
            "      answer:",
            "      say:",
            "12:7: faq.entries[0].say: unknown field `say`",
        ),
        (
            "        ask:",
            "        asks:",
            "17:9: forms.order.fields[0].asks: unknown field `asks`",
        ),
        (
            "done: {say:",
            "done: {text:",
            "20:12: forms.order.done.text: unknown field `text`",
        ),
        ("  topics:", "  topic:", "27:3: hand_over.topic: unknown field `topic`"),
        ("  queue:", "  queues:", "22:3: call.queues: unknown field `queues`"),
    ] {
        assert_issue(old, new, expected);
    }
}

#[test]
fn wrong_type_is_reported_with_its_line() {
    for (old, new, expected) in [
        (
            "greeting: Hello.",
            "greeting: 7",
            "3:1: greeting: expected a text, texts by language, or a list of rules",
        ),
        (
            "say: You said {{ message.text }}.",
            "say: {en: 7}",
            "6:11: rules[0].say.en: ",
        ),
        (
            "[Yes, No]",
            "[Yes, 7]",
            "7:26: rules[0].quick_replies[1]: expected a text, or an object with `title` and `text`",
        ),
        (
            "done: {say: Thank you.}",
            "done: no",
            "20:5: forms.order.done: expected an answer, or a list of rules",
        ),
        (
            "    say: You said",
            "    hand_over: maybe\n    say: You said",
            "6:5: rules[0].hand_over: expected true, false, or an object",
        ),
        (
            "    pattern:",
            "    type: postcode\n        pattern:",
            "unknown variant `postcode`, expected one of `text`",
        ),
    ] {
        assert_issue(old, new, expected);
    }
}

#[test]
fn text_needs_the_language_of_the_bot() {
    assert_issue(
        "{en: Nine",
        "{fr: Neuf",
        "12:7: faq.entries[0].answer: has no text in the bot's language, `en`",
    );
    assert_issue("{en: Nine", "{english language: x, en: Nine", "is not a language tag");
    assert_issue("language: en", "language: en!", "language: must be a language tag");
    assert_issue("greeting: Hello.", "greeting: ' '", "3:1: greeting: must not be blank");
    assert_issue(
        "[Yes, No]",
        "[{title: {de: Ja}}, No]",
        "rules[0].quick_replies[0].title: has no text in the bot's language",
    );
    assert_eq!(with("{en: Nine", "{EN: Nine"), Vec::<String>::new());
}

#[test]
fn undefined_name_is_reported() {
    for (old, new, expected) in [
        (
            "message.text }}.",
            "message.body }}.",
            "`message.body` is undefined; a message has: text, words, attachments",
        ),
        (
            "message.text == 'x'",
            "session.m == 1",
            "`session.m` is undefined; the bot's `variables` declare: n",
        ),
        (
            "greeting: Hello.",
            "greeting: 'Hello {{ form.number }}'",
            "`form` is only defined in the texts and rules of a form",
        ),
        (
            "'{{ form.number }}?'",
            "'{{ form.digits }}?'",
            "`form.digits` is undefined; the form's fields are: number",
        ),
        (
            "text: A chat.",
            "text: A chat {{ why }}.",
            "call.dispatch.text: `why` is undefined",
        ),
        (
            "  topics:",
            "  joined: '{{ message.text }}'\n  topics:",
            "hand_over.joined: `message` is undefined; available: contact",
        ),
        (
            "greeting: Hello.",
            "greeting: '{{ default_language }}'",
            "`default_language` is undefined",
        ),
    ] {
        assert_issue(old, new, expected);
    }
    assert_eq!(
        with("text: A chat.", "text: A chat {{ reason }}."),
        Vec::<String>::new()
    );
}

#[test]
fn answer_makes_sense_as_a_whole() {
    for (old, new, expected) in [
        (
            "    say: You said {{ message.text }}.\n    quick_replies: [Yes, No]\n",
            "",
            "rules[0]: says and does nothing",
        ),
        (
            "    quick_replies: [Yes, No]",
            "    pass: true",
            "rules[0].pass: is not an answer",
        ),
        (
            "    quick_replies: [Yes, No]",
            "    form: orders",
            "7:5: rules[0].form: is not the name of a form of this bot",
        ),
        (
            "    quick_replies: [Yes, No]",
            "    form: order\n    finish: true",
            "rules[0]: has more than one of: form, finish",
        ),
        (
            "    quick_replies: [Yes, No]",
            "    form: order\n    quick_replies: [A]",
            "cannot be answered next to `form`",
        ),
        (
            "    say: You said {{ message.text }}.\n",
            "",
            "rules[0].quick_replies: need a text above them",
        ),
        (
            "    quick_replies: [Yes, No]",
            "    set: {m: 1}",
            "rules[0].set.m: is not declared",
        ),
        ("  queue: Service\n", "", "hand_over.call: needs `call.queue`"),
        (
            "greeting: Hello.",
            "greeting: [{say: Hi., finish: true}]",
            "a greeting only says something: `finish`",
        ),
        (
            "[Yes, No]",
            "[A, B, C, D, E, F, G, H, I, J, K]",
            "has more than 10 quick replies",
        ),
        (
            "say: You said {{ message.text }}.",
            "say: [a, b, c, d, e, f]",
            "must have from 1 to 5 texts",
        ),
    ] {
        let text = SMALL.replace("hand_over:\n", "hand_over:\n  call: queue\n");
        assert_eq!(text.matches(old).count(), 1, "{old}");
        let found = issues(&text.replace(old, new));
        assert!(
            found.iter().any(|issue| issue.contains(expected)),
            "{expected}\n{found:#?}"
        );
    }
}

#[test]
fn settings_have_ranges() {
    for (setting, expected) in [
        (
            "time_zone: Europe/Atlantis",
            "time_zone: is not the name of a time zone",
        ),
        (
            "hours: {monday: ['9-17']}",
            "hours.monday[0]: must be such as 09:00-17:30",
        ),
        ("hours: {monday: ['09:00-17:00']}", "hours: need a `time_zone`"),
        ("hours: {caturday: []}", "hours.caturday: unknown field"),
        ("country: usa", "country: must be a country's calling code"),
        ("debounce_ms: 10001", "debounce_ms: must be from 0 to 10000"),
        ("session_seconds: 10", "session_seconds: must be from 60 to 604800"),
        (
            "max_answers_per_minute: 0",
            "max_answers_per_minute: must be from 1 to 60",
        ),
        (
            "max_answers_per_minute: -1",
            "max_answers_per_minute: expected a whole number from 0 to 65535",
        ),
        ("stop: {words: ['!?']}", "stop.words[0]: must have letters or digits"),
        ("unknown: {suggestions: 6}", "unknown.suggestions: must be from 0 to 5"),
        ("words: {yes: ['']}", "words.yes[0]: must have letters"),
        ("texts: {yes: ''}", "texts.yes: must not be blank"),
        ("texts: {maybe: x}", "texts.maybe: unknown field"),
        ("fallback: '{{ fetch.x.ok }}'", "fallback: `fetch.x` is undefined"),
    ] {
        let found = issues(&format!("{setting}\n{SMALL}"));
        assert!(
            found
                .iter()
                .any(|issue| issue.starts_with("1:") && issue.contains(expected)),
            "{expected}\n{found:#?}"
        );
    }
}

#[test]
fn faq_and_hand_over_are_checked() {
    for (old, new, expected) in [
        (
            "      questions: [When are you open?]\n",
            "",
            "10:7: faq.entries[0]: needs `questions` or `words`",
        ),
        (
            "[When are you open?]",
            "['?']",
            "faq.entries[0].questions[0]: must have letters",
        ),
        (
            "faq:\n",
            "faq:\n  threshold: 0.1\n",
            "faq.threshold: must be from 0.3 to 1",
        ),
        (
            "    - name: hours\n",
            "    - {name: hours, words: [a], answer: b}\n    - name: hours\n",
            "is already the name of an earlier entry",
        ),
        (
            "topics: [hours]",
            "topics: [hour]",
            "27:12: hand_over.topics[0]: is not the name of an entry",
        ),
        (
            "topics: [hours]",
            "after_misses: 0",
            "hand_over.after_misses: must be from 1 to 10",
        ),
        (
            "topics: [hours]",
            "then: give_back",
            "hand_over: `wait_text` and `then` need `wait_seconds`",
        ),
        (
            "topics: [hours]",
            "wait_seconds: 5",
            "hand_over.wait_seconds: must be from 10 to 604800",
        ),
        (
            "topics: [hours]",
            "outside_hours: {text: Closed.}",
            "hand_over.outside_hours: needs the bot's `hours`",
        ),
        (
            "topics: [hours]",
            "give_back_words: ['']",
            "hand_over.give_back_words[0]: must have from 1",
        ),
        (
            "topics: [hours]",
            "summary: '{{ x }}'",
            "hand_over.summary: `x` is undefined",
        ),
    ] {
        assert_issue(old, new, expected);
    }
    // A topic for people needs no answer.
    assert_eq!(
        with("      answer: {en: Nine to five., de: Neun bis fünf.}\n", ""),
        Vec::<String>::new()
    );
}

#[test]
fn forms_are_checked() {
    for (old, new, expected) in [
        (
            "- name: number",
            "- name: 1st",
            "forms.order.fields[0].name: a name has 1 to 64 characters",
        ),
        (
            "  order:\n    fields",
            "  my order:\n    fields",
            "forms.my order: a name has",
        ),
        (
            "        pattern: '[0-9]+'",
            "        pattern: '[0-9'",
            "fields[0].pattern: is not a valid pattern",
        ),
        (
            "        pattern: '[0-9]+'",
            "        type: email\n        pattern: x",
            "only a field of the type `text` has a pattern",
        ),
        (
            "        pattern: '[0-9]+'",
            "        type: choice\n        choices: [A]",
            "a choice has 2 to 10 choices",
        ),
        (
            "        pattern: '[0-9]+'",
            "        choices: [A, B]",
            "only a field of the type `choice` has choices",
        ),
        (
            "        pattern: '[0-9]+'",
            "        type: date\n        min: 3",
            "fields[0].min: must be `today` or a date",
        ),
        (
            "        pattern: '[0-9]+'",
            "        type: phone\n        max: 3",
            "fields[0].max: a field of this type has no limits",
        ),
        (
            "    confirm: '{{ form.number }}?'\n    done: {say: Thank you.}",
            "    done: {}",
            "forms.order.done: says and does nothing",
        ),
        (
            "    confirm: '{{ form.number }}?'\n    done: {say: Thank you.}",
            "    confirm: x",
            "missing field `done`",
        ),
        (
            "      - name: number\n",
            "      - {name: number, ask: x}\n      - name: number\n",
            "is already the name of an earlier field",
        ),
    ] {
        assert_issue(old, new, expected);
    }
}

#[test]
fn dispatch_is_checked_as_by_its_api() {
    for (new, expected) in [
        ("[]", "employees: must have from 1 to"),
        (
            "[{name: Anna, phone: '555'}]",
            "25:30: call.dispatch.employees[0].phone: expected an E.164 number",
        ),
        ("[{name: Anna}]", "call.dispatch.employees[0]: missing field `phone`"),
        (
            "[{name: Anna, phone: +1 202 555 0101, on_call: true}]",
            "call.dispatch.employees[0].on_call: is not known",
        ),
        (
            "[{name: Anna, phone: +1 202 555 0101}]\n    policy: {attempts: 99}",
            "26:14: call.dispatch.policy.attempts: ",
        ),
        (
            "[{name: Anna, phone: +1 202 555 0101}]\n    policy: {atempts: 1}",
            "call.dispatch.policy.atempts: is not known",
        ),
        (
            "[{name: Anna, phone: +1 202 555 0101}]\n    policy: {max_duration: 30}",
            "call.dispatch.policy.max_duration: is too short",
        ),
        (
            "[{name: Anna, phone: +1 202 555 0101}]\n    priority: high",
            "unknown variant `high`",
        ),
    ] {
        assert_issue("[{name: Anna, phone: +1 202 555 0101}]", new, expected);
    }
}

#[test]
fn queue_is_checked() {
    assert_issue(
        "queue: Service",
        "queue: ''",
        "22:3: call.queue: must have from 1 to 100 characters",
    );
    assert_issue("  queue: Service\n", "  number: x\n", "call.number: needs `call.queue`");
    let many: Vec<String> = (0..400)
        .map(|n| format!("{{name: Anna Example, phone: +1 202 555 {n:04}}}"))
        .collect();
    let employees = format!("[{}]", many.join(", "));
    assert_issue(
        "[{name: Anna, phone: +1 202 555 0101}]",
        &employees,
        "call.dispatch: has more than 14384 bytes",
    );
}

#[test]
fn requests_may_take_up_to_fifteen_seconds() {
    let fetch = |millis: u16| {
        let fetch = format!(
            "    fetch: [{{name: a, url: 'https://api.example.org/', timeout_ms: {millis}, on: {{failed: {{pass: true}}}}}}]\n    say: You"
        );
        with("    say: You", &fetch)
    };
    assert_eq!(fetch(15_000), Vec::<String>::new());
    assert!(fetch(15_001)[0].contains("timeout_ms: must be from 100 to 15000"));
}

#[test]
fn text_that_fails_for_an_unknown_customer_is_reported() {
    for (old, new, expected) in [
        (
            "greeting: Hello.",
            "greeting: 'Hello {{ contact.name }}.'",
            "3:1: greeting: fails for a customer whose name",
        ),
        (
            "en: Nine to five.",
            "en: '{{ contact.email }}'",
            "12:7: faq.entries[0].answer: fails for a customer",
        ),
        (
            "ask: Which number?",
            "ask: 'Which number, {{ contact.name }}?'",
            "17:9: forms.order.fields[0].ask: fails",
        ),
        (
            "  topics:",
            "  text: '{{ contact.name }}, one moment.'\n  topics:",
            "hand_over.text: fails",
        ),
    ] {
        assert_issue(old, new, expected);
    }
    for good in [
        "greeting: \"Hello {{ contact.name | default('you') }}.\"",
        "greeting: \"{% if contact.name %}Hello {{ contact.name }}.{% else %}Hello.{% endif %}\"",
        "greeting: [{when: contact.name, say: 'Hello {{ contact.name }}.'}]",
    ] {
        assert_eq!(with("greeting: Hello.", good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn document_survives_a_round_trip_as_json() {
    let documents = super::examples::EXAMPLES.map(|(_, document, _)| document);
    for document in documents.into_iter().chain([SMALL, "{}"]) {
        let uploaded = bot(document);
        let stored = serde_json::to_value(uploaded.document()).expect("JSON");
        let again = Bot::from_value(&stored).expect("still valid");
        assert_eq!(again.document(), uploaded.document());
        assert!(Bot::from_stored(&stored).is_ok());
    }
    assert_eq!(serde_json::to_value(bot("{}").document()).expect("JSON"), json!({}));
}

#[test]
fn stored_bot_that_fails_newer_checks_still_answers() {
    for (old, new) in [
        ("greeting: Hello.", "greeting: 'Hello {{ contact.name }}.'"),
        ("phone: +1 202 555 0101", "phone: '555'"),
        ("pattern: '[0-9]+'", "pattern: '(.{0,100}){0,50}x'"),
    ] {
        let text = SMALL.replace(old, new);
        assert!(!issues(&text).is_empty(), "{new}");
        let stored = Source::parse(&text).expect("YAML").value;
        assert!(Bot::from_stored(&stored).is_ok(), "{new}");
    }
}
