//! Checks hand-overs and calls.

use super::{Checker, check_phrases, optional_text, range, reply};
use crate::bot::call::{MAX_DOCUMENT_BYTES, check_request, longest_text};
use crate::bot::document::{AfterWait, Call, Dispatch, Document};
use crate::bot::scope;
use crate::flow::Names;
use crate::flow::source::{element, field};
use crate::flow::template::Kind;

const MAX_QUEUE_CHARS: usize = 100;
const WEEK_SECONDS: u32 = 604_800;

pub(super) fn check<'a>(document: &'a Document, names: &Names, checker: &mut Checker<'a>) {
    let hand_over = &document.hand_over;
    let with_reason = &scope::with_reason(names.clone());
    for (words, name) in [(&hand_over.words, "words"), (&hand_over.cancel_words, "cancel_words")] {
        check_phrases(words.as_deref().unwrap_or_default(), &field("hand_over", name), checker);
    }
    check_give_back_words(hand_over.give_back_words.as_deref().unwrap_or_default(), checker);
    for (index, topic) in hand_over.topics.iter().enumerate() {
        if document.faq.entry(topic).is_none() {
            let path = element("hand_over.topics", index);
            checker.report(path, "is not the name of an entry of the FAQ");
        }
    }
    range(hand_over.after_misses, 1..=10, "hand_over.after_misses", checker);
    range(
        hand_over.wait_seconds,
        10..=WEEK_SECONDS,
        "hand_over.wait_seconds",
        checker,
    );
    let give_back = "hand_over.give_back_after_seconds";
    range(hand_over.give_back_after_seconds, 60..=WEEK_SECONDS, give_back, checker);
    optional_text(hand_over.text.as_ref(), "hand_over.text", with_reason, checker);
    optional_text(
        hand_over.wait_text.as_ref(),
        "hand_over.wait_text",
        with_reason,
        checker,
    );
    let contact = &scope::contact_names();
    optional_text(hand_over.joined.as_ref(), "hand_over.joined", contact, checker);
    optional_text(hand_over.ended.as_ref(), "hand_over.ended", contact, checker);
    if let Some(outside) = &hand_over.outside_hours {
        super::text(&outside.text, "hand_over.outside_hours.text", with_reason, checker);
        if document.hours.is_none() {
            checker.report("hand_over.outside_hours", "needs the bot's `hours`");
        }
    }
    if let Some(kind) = hand_over.call {
        reply::call(kind, "hand_over.call", checker);
    }
    let has_wait = hand_over.wait_seconds.is_some();
    if !has_wait && (hand_over.wait_text.is_some() || hand_over.then != AfterWait::KeepWaiting) {
        checker.report("hand_over", "`wait_text` and `then` need `wait_seconds`");
    }
    if hand_over.then == AfterWait::Call && document.call == Call::default() {
        checker.report("hand_over.then", "needs `call.dispatch` or `call.queue`");
    }
    if let Some(summary) = &hand_over.summary {
        checker.template(Kind::Message, summary, "hand_over.summary", with_reason);
    }
    check_call(&document.call, with_reason, checker);
}

fn check_give_back_words(words: &[String], checker: &mut Checker<'_>) {
    for (index, word) in words.iter().enumerate() {
        if word.trim().is_empty() || word.chars().count() > super::MAX_PHRASE_CHARS {
            let path = element("hand_over.give_back_words", index);
            let reason = format!("must have from 1 to {} characters", super::MAX_PHRASE_CHARS);
            checker.report(path, reason);
        }
    }
}

fn check_call<'a>(call: &'a Call, names: &Names, checker: &mut Checker<'a>) {
    if let Some(queue) = &call.queue
        && (queue.trim().is_empty() || queue.chars().count() > MAX_QUEUE_CHARS)
    {
        checker.report(
            "call.queue",
            format!("must have from 1 to {MAX_QUEUE_CHARS} characters"),
        );
    }
    if let Some(number) = &call.number {
        if call.queue.is_none() {
            checker.report("call.number", "needs `call.queue`");
        }
        checker.template(Kind::Line, number, "call.number", names);
    }
    if let Some(dispatch) = &call.dispatch {
        checker.template(Kind::Speech, &dispatch.text, "call.dispatch.text", names);
        if !checker.is_stored() {
            check_dispatch(dispatch, checker);
        }
    }
}

/// Checks the dispatch as `POST /v1/dispatches` does, with a text as long as ours may be.
fn check_dispatch(dispatch: &Dispatch, checker: &mut Checker<'_>) {
    if dispatch.text.trim().is_empty() {
        checker.report("call.dispatch.text", "must not be blank");
    }
    for (path, detail) in check_request(&dispatch.request(&longest_text()), MAX_DOCUMENT_BYTES) {
        let path = match path.strip_prefix("ticket.").unwrap_or(&path) {
            "" => "call.dispatch".to_owned(),
            path => field("call.dispatch", path),
        };
        checker.report(path, detail);
    }
}
