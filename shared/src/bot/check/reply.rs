//! Checks an answer.

use super::Checker;
use crate::bot::document::{CallKind, HandOverReply, QuickReply, Say};
use crate::bot::reply::Parts;
use crate::flow::Names;
use crate::flow::source::{element, field};
use crate::flow::template::Kind;

/// Maximum number of texts of one answer.
const MAX_TEXTS: usize = 5;
/// Maximum number of quick replies of one answer.
const MAX_QUICK_REPLIES: usize = 10;
/// Maximum length of what a quick reply means, in characters.
const MAX_MEANING_CHARS: usize = 200;

/// Checks an answer at `path`.
pub(in crate::bot) fn parts<'a>(parts: Parts<'a>, path: &str, names: &Names, checker: &mut Checker<'a>) {
    if let Some(say) = parts.say {
        check_say(say, &field(path, parts.say_name), names, checker);
    }
    quick_replies(parts.quick_replies, &field(path, "quick_replies"), names, checker);
    for (name, value) in parts.set {
        let path = field(&field(path, "set"), name);
        if !checker.scratch.document.variables.contains_key(name) {
            checker.report(&path, "is not declared in the bot's `variables`");
        }
        checker.data(value, &path, names);
    }
    if let Some(form) = parts.form
        && !checker.scratch.document.forms.contains_key(form)
    {
        checker.report(field(path, "form"), "is not the name of a form of this bot");
    }
    if let Some(kind) = parts.call_me {
        call(kind, &field(path, "call_me"), checker);
    }
    if let Some(hand_over) = parts.hand_over {
        check_hand_over(hand_over, &field(path, "hand_over"), names, checker);
    }
    check_combination(&parts, path, checker);
}

fn check_say<'a>(say: &'a Say, path: &str, names: &Names, checker: &mut Checker<'a>) {
    let texts = say.texts();
    if texts.is_empty() || texts.len() > MAX_TEXTS {
        checker.report(path, format!("must have from 1 to {MAX_TEXTS} texts"));
    }
    for (index, text) in texts.iter().enumerate() {
        match say {
            Say::One(_) => super::text(text, path, names, checker),
            Say::Several(_) => super::text(text, &element(path, index), names, checker),
        }
    }
}

/// Checks quick replies at `path`.
pub(super) fn quick_replies<'a>(replies: &'a [QuickReply], path: &str, names: &Names, checker: &mut Checker<'a>) {
    if replies.len() > MAX_QUICK_REPLIES {
        checker.report(path, format!("has more than {MAX_QUICK_REPLIES} quick replies"));
    }
    for (index, reply) in replies.iter().enumerate() {
        let path = element(path, index);
        match reply {
            QuickReply::Title(title) => {
                super::template(Kind::Line, title, &path, names, checker);
            }
            QuickReply::Choice(choice) => {
                super::text_of_kind(Kind::Line, &choice.title, &field(&path, "title"), names, checker);
            }
        }
        let meaning = reply.text().unwrap_or("-");
        if meaning.trim().is_empty() || meaning.chars().count() > MAX_MEANING_CHARS {
            let reason = format!("must have from 1 to {MAX_MEANING_CHARS} characters");
            checker.report(field(&path, "text"), reason);
        }
    }
}

/// Checks that the document has this call.
pub(super) fn call(kind: CallKind, path: &str, checker: &mut Checker<'_>) {
    let call = &checker.scratch.document.call;
    let is_defined = match kind {
        CallKind::Queue => call.queue.is_some(),
        CallKind::Dispatch => call.dispatch.is_some(),
    };
    if !is_defined {
        checker.report(path, format!("needs `call.{}`", kind.name()));
    }
}

fn check_hand_over<'a>(hand_over: &'a HandOverReply, path: &str, names: &Names, checker: &mut Checker<'a>) {
    let Some(details) = hand_over.details() else { return };
    if let Some(reason) = &details.reason {
        checker.template(Kind::Message, reason, &field(path, "reason"), names);
    }
    super::optional_text(details.text.as_ref(), &field(path, "text"), names, checker);
}

/// Checks that the fields make sense together: an answer says or does something, and one thing at a time.
fn check_combination(parts: &Parts<'_>, path: &str, checker: &mut Checker<'_>) {
    let actions = [
        ("form", parts.form.is_some()),
        ("hand_over", parts.hand_over.is_some()),
        ("call_me", parts.call_me.is_some()),
        ("finish", parts.finish),
    ];
    let given: Vec<&str> = actions
        .iter()
        .filter(|(_, is_given)| *is_given)
        .map(|(name, _)| *name)
        .collect();
    let says = parts.say.is_some();
    if parts.pass {
        if says || !given.is_empty() || !parts.quick_replies.is_empty() {
            checker.report(field(path, "pass"), "is not an answer: only `set` may be next to it");
        }
        return;
    }
    if !says && given.is_empty() {
        let reason = format!("says and does nothing: add `{}`, or `pass: true`", parts.say_name);
        checker.report(path, reason);
    }
    if !parts.quick_replies.is_empty() && !says {
        checker.report(field(path, "quick_replies"), "need a text above them");
    }
    if !parts.quick_replies.is_empty() && !given.is_empty() {
        let reason = format!("cannot be answered next to `{}`", given.join("` and `"));
        checker.report(field(path, "quick_replies"), reason);
    }
    // A hand-over may begin with a call.
    if given.len() > 1 && given != ["hand_over", "call_me"] {
        checker.report(path, format!("has more than one of: {}", given.join(", ")));
    }
    if checker.scratch.in_greeting && !given.is_empty() {
        let reason = format!(
            "a greeting only says something: `{}` is not possible here",
            given.join("`, `")
        );
        checker.report(path, reason);
    }
}
