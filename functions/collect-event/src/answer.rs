//! What the employee hears after a key.

use patchbay::dispatch::dialplan::{self, DialPlan};
use patchbay::dispatch::{Dispatch, Language, Phase, Policy, Verdict};

use crate::{Deps, Press};

/// The plan that says what came of a key.
pub(crate) fn to(deps: &Deps, press: &Press, dispatch: &Dispatch, verdict: &Verdict) -> DialPlan {
    let policy = &dispatch.brief.policy;
    let language = language(press, dispatch);
    match verdict {
        Verdict::Accepted => dialplan::accepted(language, policy),
        Verdict::Rejected => dialplan::rejected(language, policy),
        Verdict::TakenBy(employee) => {
            let name = dispatch
                .employee(*employee)
                .map_or("", |employee| employee.name.as_str());
            dialplan::taken_by(name, language, policy)
        }
        Verdict::Closed => dialplan::closed(language, policy),
        Verdict::AskAgain if press.asked_again < policy.wrong_keys => {
            dialplan::ask_again(language, policy, &collect_url(deps, press, press.asked_again + 1))
        }
        Verdict::AskAgain | Verdict::Noted | Verdict::Stale | Verdict::Dial | Verdict::Refused => {
            dialplan::goodbye(language, policy)
        }
    }
}

/// An event without a key: usually the call is over and nobody hears this. If it is not, the options once more.
pub(crate) fn no_key(deps: &Deps, press: &Press, dispatch: &Dispatch) -> DialPlan {
    let attempt = dispatch.attempt_called(press.reference.attempt);
    let live = attempt.is_some_and(|attempt| !matches!(attempt.phase, Phase::Ended { .. }));
    let verdict = if live { Verdict::AskAgain } else { Verdict::Noted };
    to(deps, press, dispatch, &verdict)
}

/// The key could not be stored: never says "accepted", asks for it again.
pub(crate) fn one_moment(deps: &Deps, press: &Press, dispatch: Option<&Dispatch>) -> DialPlan {
    let url = collect_url(deps, press, press.asked_again);
    match dispatch {
        Some(dispatch) => dialplan::one_moment(language(press, dispatch), &dispatch.brief.policy, &url),
        None => dialplan::one_moment(Language::default(), &Policy::default(), &url),
    }
}

/// The dispatch is gone (it is kept for months): there is nothing left to say.
pub(crate) fn unknown() -> DialPlan {
    dialplan::closed(Language::default(), &Policy::default())
}

fn language(press: &Press, dispatch: &Dispatch) -> Language {
    let policy = &dispatch.brief.policy;
    let employee = dispatch.employee(press.reference.attempt.employee);
    employee.map_or(policy.language, |employee| dialplan::language_of(employee, policy))
}

fn collect_url(deps: &Deps, press: &Press, asked_again: u8) -> String {
    deps.callbacks
        .collect_url(&press.reference.dispatch, press.reference.attempt, asked_again)
}
