//! The key that an employee pressed, as the call's provider tells it by webhook.
//!
//! A provider waits 3 s for what is said next, and what it does without that is not known. So whoever comes with a
//! reference of ours gets 200 and a script, whatever happens behind it; and nobody hears "accepted" before it is so.

mod load;

use std::time::Duration;

use lambda_http::{Body, Request, RequestExt, Response};
use patchbay::dispatch::script::{self, Script};
use patchbay::dispatch::{Dispatch, Event, Language, NewDispatch, Phase, Policy, Verdict};
use patchbay::engine::Engine;
use patchbay::voice::callbacks::{AGAIN, Callback, Reference};
use patchbay::voice::{self, BEGIN, Signatures, Spoken};
use patchbay::web::callbacks::Callbacks;
use patchbay::web::problem::Problem;

/// What the table may take of the provider's 3 s.
const TIME_LIMIT: Duration = Duration::from_millis(1_800);
/// What then remains for keeping the key on the queue.
const KEEP_LIMIT: Duration = Duration::from_millis(600);

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Dispatches.
    pub engine: Engine,
    /// References and URLs.
    pub callbacks: Callbacks,
    /// Tells a provider that signs from everybody else.
    pub signatures: Signatures,
    /// How scripts are said.
    pub settings: voice::Settings,
}

/// `POST /{provider}/collect/{ref}`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    match answer(deps, &request).await {
        Ok(spoken) => spoken.into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// What the employee hears next.
async fn answer(deps: &Deps, request: &Request) -> Result<Spoken, Problem> {
    let Callback {
        provider,
        reference,
        body,
    } = deps.callbacks.open(request, &deps.signatures)?;
    let callbacks = deps.callbacks.reached_by(request, &[provider.as_str()]);
    // Only the provider has this reference. What cannot be read is no key, and the call must go on.
    let keys = provider.keys(body).unwrap_or_else(|error| {
        let Reference { dispatch, attempt, .. } = &reference;
        tracing::warn!(dispatch = %dispatch.id, %attempt, %error, "keys cannot be read");
        String::new()
    });
    let query = request.query_string_parameters();
    let asked_again = query.first(AGAIN).and_then(|count| count.parse().ok());
    let mut press = Press {
        reference,
        keys,
        asked_again: asked_again.unwrap_or(0),
    };
    let script = if query.first(BEGIN).is_some() {
        begin(deps, &mut press).await?
    } else {
        match tokio::time::timeout(TIME_LIMIT, take(deps, &mut press)).await {
            Ok(script) => script,
            Err(_) => keep(deps, &press, None, "no answer in time").await,
        }
    };
    let Reference { dispatch, attempt, .. } = &press.reference;
    let keys_url = callbacks.keys_url(provider, dispatch, *attempt, press.asked_again);
    Ok(provider.says(script, &keys_url, &deps.settings))
}

/// What is heard first in a call whose script was too long to be sent along.
///
/// # Errors
/// 503 when the ticket cannot be had: the provider asks once more.
async fn begin(deps: &Deps, press: &mut Press) -> Result<Script, Problem> {
    let (key, attempt) = (&press.reference.dispatch, press.reference.attempt);
    let loaded = match tokio::time::timeout(TIME_LIMIT, deps.engine.store.load(key)).await {
        Ok(loaded) => loaded.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    };
    let dispatch = match loaded {
        Ok(Some(dispatch)) => dispatch,
        Ok(None) => return Ok(script::closed(Language::default(), &Policy::default())),
        Err(error) => {
            tracing::error!(dispatch = %key.id, %attempt, error, "the ticket cannot be read out: the table does not answer");
            return Err(Problem::unavailable(1));
        }
    };
    let NewDispatch { ticket, policy, .. } = &dispatch.brief;
    // It may be picked up after the story has gone on: a key still counts as long as nobody has the ticket.
    match (dispatch.settled(attempt), dispatch.employee(attempt.employee)) {
        (None, Some(employee)) => Ok(script::offer(ticket, employee, policy)),
        (verdict, _) => Ok(says(press, &dispatch, &verdict.unwrap_or(Verdict::Closed))),
    }
}

/// Keys that came from one call.
struct Press {
    reference: Reference,
    keys: String,
    /// Wrong keys so far that were answered with the options again.
    asked_again: u8,
}

impl Press {
    fn event(&self) -> Event {
        Event::Key {
            attempt: self.reference.attempt,
            keys: self.keys.clone(),
        }
    }

    fn language(&self, dispatch: &Dispatch) -> Language {
        let policy = &dispatch.brief.policy;
        let employee = dispatch.employee(self.reference.attempt.employee);
        employee.map_or(policy.language, |employee| script::language_of(employee, policy))
    }
}

/// Applies the keys: what is said about it.
async fn take(deps: &Deps, press: &mut Press) -> Script {
    let (key, attempt) = (&press.reference.dispatch, press.reference.attempt);
    let dispatch = match deps.engine.store.load(key).await {
        Ok(Some(dispatch)) => dispatch,
        // It is gone (it is kept for months): there is nothing left to say.
        Ok(None) => return script::closed(Language::default(), &Policy::default()),
        Err(error) => return keep(deps, press, None, &error.to_string()).await,
    };
    if press.keys.is_empty() {
        // Usually the call is over and nobody hears this. If it is not, the options once more.
        let called = dispatch.attempt_called(attempt);
        let live = called.is_some_and(|attempt| !matches!(attempt.phase, Phase::Ended { .. }));
        let verdict = if live { Verdict::AskAgain } else { Verdict::Noted };
        return says(press, &dispatch, &verdict);
    }
    match deps.engine.apply_to(dispatch.clone(), &press.event(), None).await {
        Ok(applied) => {
            tracing::info!(dispatch = %key.id, %attempt, verdict = ?applied.verdict, "a key was pressed");
            says(press, &applied.dispatch, &applied.verdict)
        }
        Err(error) => keep(deps, press, Some(&dispatch), &error.to_string()).await,
    }
}

/// What is said about a committed decision.
fn says(press: &mut Press, dispatch: &Dispatch, verdict: &Verdict) -> Script {
    let policy = &dispatch.brief.policy;
    let language = press.language(dispatch);
    match verdict {
        Verdict::Accepted => script::accepted(language, policy),
        Verdict::Rejected => script::rejected(language, policy),
        Verdict::TakenBy(employee) => {
            let employee = dispatch.employee(*employee);
            let name = employee.map_or("", |employee| employee.name.as_str());
            script::taken_by(name, language, policy)
        }
        Verdict::Closed => script::closed(language, policy),
        Verdict::AskAgain if press.asked_again < policy.wrong_keys => {
            press.asked_again += 1;
            script::ask_again(language, policy)
        }
        Verdict::AskAgain | Verdict::Noted | Verdict::Stale | Verdict::Dial | Verdict::Refused => {
            script::goodbye(language, policy)
        }
    }
}

/// The table cannot be had: the key is kept on the queue, so that it is not lost even if nobody presses it again. The
/// person is not told more than we know, and is asked for it once more.
async fn keep(deps: &Deps, press: &Press, dispatch: Option<&Dispatch>, error: &str) -> Script {
    let Reference {
        dispatch: key, attempt, ..
    } = &press.reference;
    tracing::error!(dispatch = %key.id, %attempt, error, "a key could not be stored");
    if !press.keys.is_empty() {
        let kept = tokio::time::timeout(KEEP_LIMIT, deps.engine.keep(key, press.event())).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::error!(dispatch = %key.id, %attempt, ?kept, "a key is lost unless it is pressed again");
        }
    }
    let default = Policy::default();
    let (language, policy) = dispatch.map_or((Language::default(), &default), |dispatch| {
        (press.language(dispatch), &dispatch.brief.policy)
    });
    script::one_moment(language, policy)
}
