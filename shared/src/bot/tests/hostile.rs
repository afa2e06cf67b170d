//! Whatever a customer writes, in whatever state: the bot does not panic, what it posts is bounded, and it is not silent
//! without a reason.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::bot::chat::Chat;
use crate::bot::settings;
use crate::conversation::limits::{MAX_POST_CHARS, MAX_POSTS, MAX_SESSION_BYTES};
use crate::conversation::{FormProgress, Offer, Session};
use crate::flow::FetchOutcome;

/// What customers write: words that mean something to the bots, and anything else.
fn message() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "1",
        "2",
        "7",
        "yes",
        "no",
        "back",
        "cancel",
        "repeat",
        "skip",
        "stop",
        "restart",
        "agent",
        "hello",
        "/person",
        "/cancel",
        "/again",
        "where is my order?",
        "QX-1009",
        "ann@example.org",
        "+1 202 555 0143",
        "tomorrow",
        "When are you open?",
        "call me",
        "emergency",
        "{{ message.text }}",
        "{% for x in y %}",
        "\u{202e}abc",
        "",
    ]);
    prop_oneof![
        4 => known.prop_map(str::to_owned),
        2 => ".{0,60}",
        1 => "[a-z ]{0,400}",
        1 => prop::sample::select(vec!["a", "ä ", "营业时间", "{{", "\n", "1", "😀", "\u{0}"])
            .prop_map(|part| part.repeat(4_000 / part.chars().count())),
    ]
}

/// Sessions as an earlier document, or nobody, could have left them.
fn session() -> impl Strategy<Value = Session> {
    let progress = (
        prop::sample::select(vec!["order", "emergency", "+call", "gone"]),
        prop::option::of(prop::sample::select(vec!["number", "email", "problem", "phone", "x"])),
        0_u16..5,
    );
    let form = prop::option::of(progress.prop_map(|(form, field, invalid)| FormProgress {
        form: form.to_owned(),
        field: field.map(str::to_owned),
        values: Map::from_iter([("number".to_owned(), json!(["odd"])), ("y".to_owned(), json!(null))]),
        invalid,
    }));
    let offers = prop::collection::vec(("[a-z ]{0,12}", ".{0,12}"), 0..4);
    (form, offers, any::<bool>(), 0_u16..4, 0_u16..4).prop_map(|(form, offers, is_stopped, misses, errors)| Session {
        started_at: Some(NOON),
        last_at: Some(NOON),
        variables: Map::from_iter([
            ("order".to_owned(), json!({ "a": [1] })),
            ("problem".to_owned(), json!(7)),
        ]),
        form,
        misses,
        errors,
        offers: offers.into_iter().map(|(title, text)| Offer { title, text }).collect(),
        is_stopped,
        answered_at: Vec::new(),
    })
}

fn assert_bounded(result: &TurnResult, pending: usize) {
    assert!(result.posts.len() <= MAX_POSTS);
    for post in &result.posts {
        assert!((1..=MAX_POST_CHARS).contains(&post.chars().count()) && !post.trim().is_empty());
    }
    let is_silent = result.posts.is_empty() && result.action == TurnAction::Continue;
    assert!(
        !is_silent || result.error.is_some() || result.answered_by == "stop",
        "{result:?}"
    );
    assert!(!result.answered_by.is_empty());
    assert_eq!(result.answered, pending);
    let size = serde_json::to_string(&result.session).map_or(usize::MAX, |text| text.len());
    assert!(size < MAX_SESSION_BYTES);
    if let TurnAction::HandOver { plan, .. } = &result.action {
        assert!((1..=MAX_POST_CHARS).contains(&plan.message.chars().count()));
        assert!(serde_json::to_string(plan).is_ok_and(|text| text.len() < 64 * 1024));
        assert_eq!(result.session.form, None);
    }
}

/// Runs a turn in which every request ends like this.
fn turn(bot: &Bot, chat: &Chat, now: Timestamp, outcome: FetchOutcome) -> TurnResult {
    let mut results = FetchResults::new();
    for _ in 0..64 {
        match advance(bot, &chat.context(now), &results) {
            Step::Done(result) => return *result,
            Step::Fetch(request) => {
                let result = match outcome {
                    FetchOutcome::Ok => {
                        FetchResult::from_response(200, Some(json!({ "status": 7, "choices": "x" })), None)
                    }
                    other => FetchResult::no_response(other),
                };
                results.insert(request.path, result);
            }
        }
    }
    panic!("too many requests")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_in_any_state_breaks_a_bot(
        example in 0..4_usize,
        session in session(),
        messages in prop::collection::vec(prop::collection::vec(message(), 1..3), 1..5),
        language in prop::sample::select(vec!["", "de", "en-US", "xx", "\u{0}"]),
        outcome in prop::sample::select(vec![FetchOutcome::Ok, FetchOutcome::TimedOut, FetchOutcome::NotFound]),
        pause in 0_u32..5_000,
    ) {
        let bot = bots().get(example).expect("an example");
        let mut chat = Chat::new(contact(language), NOON).expect("a conversation");
        let mut now = NOON;
        let begun = TurnResult {
            answered: 0,
            session,
            posts: Vec::new(),
            action: TurnAction::Continue,
            answered_by: String::new(),
            error: None,
        };
        chat.apply(&begun, now);
        for burst in messages {
            now = now.plus_seconds(pause);
            let answers = burst.iter().map(|text| chat.write(bot, text, text.is_empty().into(), now));
            let answers: Vec<bool> = answers.collect();
            if !answers.contains(&true) {
                chat.give_back(now);
                continue;
            }
            let result = turn(bot, &chat, now, outcome);
            assert_bounded(&result, chat.context(now).conversation.pending.len());
            prop_assert_eq!(&turn(bot, &chat, now, outcome), &result);
            chat.apply(&result, now);
        }
    }

    #[test]
    fn no_document_breaks_the_check(text in "[a-z:{}\\[\\] \n'\"|,.-]{0,200}") {
        let _ = Bot::read(&text);
    }

    #[test]
    fn no_replacement_in_a_document_breaks_the_check(
        example in 0..4_usize,
        at in 0..6_000_usize,
        length in 0..40_usize,
        with in prop::sample::select(vec!["", "{", "}", "[", "- ", ": ", "'", "{{", "7", "null", "true", "\n  ", "{en: x}"]),
    ) {
        let (_, document, _) = super::examples::EXAMPLES[example];
        let chars: Vec<char> = document.chars().collect();
        let at = at % chars.len();
        let end = (at + length).min(chars.len());
        let changed: String = chars[..at].iter().copied().chain(with.chars()).chain(chars[end..].iter().copied()).collect();
        if let Ok(bot) = Bot::read(&changed) {
            let mut chat = Chat::new(Contact::default(), NOON).expect("a conversation");
            let _ = settings(&bot, &Contact::default());
            chat.write(&bot, "Where is my order?", 0, NOON);
            assert_bounded(&turn(&bot, &chat, NOON, FetchOutcome::Ok), 1);
        }
    }
}

fn bots() -> &'static [Bot; 4] {
    static BOTS: std::sync::OnceLock<[Bot; 4]> = std::sync::OnceLock::new();
    BOTS.get_or_init(|| super::examples::EXAMPLES.map(|(_, document, _)| bot(document)))
}
