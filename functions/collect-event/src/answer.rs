//! What the employee hears after a key.

use patchbay::dispatch::script;
use patchbay::dispatch::{Dispatch, Language, Phase, Policy, Verdict};
use patchbay::providers::routee::dialplan::DialPlan;

use crate::{Deps, Press};

/// The plan that says what came of a key.
pub(crate) fn to(deps: &Deps, press: &Press, dispatch: &Dispatch, verdict: &Verdict) -> DialPlan {
    let policy = &dispatch.brief.policy;
    let language = language(press, dispatch);
    let mut asked_again = press.asked_again;
    let script = match verdict {
        Verdict::Accepted => script::accepted(language, policy),
        Verdict::Rejected => script::rejected(language, policy),
        Verdict::TakenBy(employee) => {
            let name = dispatch
                .employee(*employee)
                .map_or("", |employee| employee.name.as_str());
            script::taken_by(name, language, policy)
        }
        Verdict::Closed => script::closed(language, policy),
        Verdict::AskAgain if press.asked_again < policy.wrong_keys => {
            asked_again += 1;
            script::ask_again(language, policy)
        }
        Verdict::AskAgain | Verdict::Noted | Verdict::Stale | Verdict::Dial | Verdict::Refused => {
            script::goodbye(language, policy)
        }
    };
    DialPlan::of(script, policy, &collect_url(deps, press, asked_again))
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
    let default = Policy::default();
    let (language, policy) = dispatch.map_or((Language::default(), &default), |dispatch| {
        (language(press, dispatch), &dispatch.brief.policy)
    });
    DialPlan::of(script::one_moment(language, policy), policy, &url)
}

/// The dispatch is gone (it is kept for months): there is nothing left to say.
pub(crate) fn unknown(deps: &Deps, press: &Press) -> DialPlan {
    let policy = Policy::default();
    let script = script::closed(Language::default(), &policy);
    DialPlan::of(script, &policy, &collect_url(deps, press, press.asked_again))
}

fn language(press: &Press, dispatch: &Dispatch) -> Language {
    let policy = &dispatch.brief.policy;
    let employee = dispatch.employee(press.reference.attempt.employee);
    employee.map_or(policy.language, |employee| script::language_of(employee, policy))
}

fn collect_url(deps: &Deps, press: &Press, asked_again: u8) -> String {
    deps.callbacks
        .collect_url(&press.reference.dispatch, press.reference.attempt, asked_again)
}
