//! Receives the key that an employee pressed, from the voice provider's webhook, and answers with what the employee
//! hears.
//!
//! A provider waits 3 s for the answer, and what it does without one is unknown. So a request with a valid reference
//! gets 200 and a script, whatever fails behind it. An employee hears "accepted" only after the acceptance is
//! committed.

mod load;

use std::time::Duration;

use lambda_http::{Body, Request, RequestExt, Response};
use patchbay::dispatch::script::{self, Script};
use patchbay::dispatch::{Dispatch, Event, EventOutcome, Language, NewDispatch, Phase, Policy};
use patchbay::engine::Engine;
use patchbay::voice::callbacks::{AttemptCallback, AttemptReference, WRONG_KEYS_PARAM};
use patchbay::voice::{self, BEGIN_PARAM, ProviderResponse, SignatureVerifier};
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::problem::Problem;

/// Time for reading and committing, out of the 3 s that a provider waits.
const TIME_LIMIT: Duration = Duration::from_millis(1_800);
/// What remains after that for saving the key on the queue.
const QUEUE_LIMIT: Duration = Duration::from_millis(600);

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Loads and changes dispatches.
    pub engine: Engine,
    /// Verifies references, and makes callback URLs.
    pub callbacks: CallbackUrls,
    /// Verifies the webhook signatures of the providers that sign.
    pub signatures: SignatureVerifier,
    /// How scripts are spoken.
    pub settings: voice::Settings,
}

/// Handles `POST /{provider}/collect/{ref}`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    match respond(deps, &request).await {
        Ok(spoken) => spoken.into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Applies the key. Returns what the employee hears next.
async fn respond(deps: &Deps, request: &Request) -> Result<ProviderResponse, Problem> {
    let AttemptCallback {
        provider,
        reference,
        body,
    } = deps.callbacks.verify(request, &deps.signatures)?;
    let callbacks = deps.callbacks.with_fallback_base(request, &[provider.as_str()]);
    // Only the provider has this reference, so an unreadable body counts as no key, and the call goes on.
    let keys = provider.keys(body).unwrap_or_else(|error| {
        let AttemptReference { dispatch, attempt, .. } = &reference;
        tracing::warn!(dispatch = %dispatch.id, %attempt, %error, "cannot read the keys in a provider's webhook: treated as no key");
        String::new()
    });
    let query = request.query_string_parameters();
    let wrong_keys = query.first(WRONG_KEYS_PARAM).and_then(|count| count.parse().ok());
    let mut press = KeyPress {
        reference,
        keys,
        wrong_keys: wrong_keys.unwrap_or(0),
    };
    let script = if query.first(BEGIN_PARAM).is_some() {
        opening_script(deps, &mut press).await?
    } else {
        match tokio::time::timeout(TIME_LIMIT, apply_keys(deps, &mut press)).await {
            Ok(script) => script,
            Err(_) => queue_key(deps, &press, None, "DynamoDB or SQS did not answer in time").await,
        }
    };
    let AttemptReference { dispatch, attempt, .. } = &press.reference;
    let keys_url = callbacks.keys_url(provider, dispatch, *attempt, press.wrong_keys);
    Ok(provider.render(script, &keys_url, &deps.settings))
}

/// The first script of a call, fetched by the provider because it was too long to be sent with the call.
///
/// # Errors
/// 503 when the ticket cannot be loaded: the provider retries once.
async fn opening_script(deps: &Deps, press: &mut KeyPress) -> Result<Script, Problem> {
    let (key, attempt) = (&press.reference.dispatch, press.reference.attempt);
    let loaded = match tokio::time::timeout(TIME_LIMIT, deps.engine.store.load(key)).await {
        Ok(loaded) => loaded.map_err(|error| error.to_string()),
        Err(_) => Err("DynamoDB did not answer in time".to_owned()),
    };
    let dispatch = match loaded {
        Ok(Some(dispatch)) => dispatch,
        Ok(None) => return Ok(script::closed(Language::default(), &Policy::default())),
        Err(error) => {
            tracing::error!(dispatch = %key.id, %attempt, error, "cannot read the ticket to the employee: DynamoDB is unavailable");
            return Err(Problem::unavailable(1));
        }
    };
    let NewDispatch { ticket, policy, .. } = &dispatch.spec;
    // The employee may pick up after the dispatch has moved on. A key still counts as long as nobody has the ticket.
    match (dispatch.settled_outcome(attempt), dispatch.employee(attempt.employee)) {
        (None, Some(employee)) => Ok(script::offer(ticket, employee, policy)),
        (outcome, _) => Ok(script_for(press, &dispatch, &outcome.unwrap_or(EventOutcome::Closed))),
    }
}

/// Keys pressed in one call.
struct KeyPress {
    reference: AttemptReference,
    keys: String,
    /// Wrong keys so far that were answered by repeating the options.
    wrong_keys: u8,
}

impl KeyPress {
    fn event(&self) -> Event {
        Event::Key {
            attempt: self.reference.attempt,
            keys: self.keys.clone(),
        }
    }

    fn language(&self, dispatch: &Dispatch) -> Language {
        let policy = &dispatch.spec.policy;
        let employee = dispatch.employee(self.reference.attempt.employee);
        employee.map_or(policy.language, |employee| script::language_of(employee, policy))
    }
}

/// Applies the keys to the dispatch. Returns the script that answers them.
async fn apply_keys(deps: &Deps, press: &mut KeyPress) -> Script {
    let (key, attempt) = (&press.reference.dispatch, press.reference.attempt);
    let dispatch = match deps.engine.store.load(key).await {
        Ok(Some(dispatch)) => dispatch,
        // The dispatch has expired from the table, which takes months: there is nothing left to say.
        Ok(None) => return script::closed(Language::default(), &Policy::default()),
        Err(error) => return queue_key(deps, press, None, &error.to_string()).await,
    };
    if press.keys.is_empty() {
        // Usually the call is over and nobody hears this. If the call is still live, repeat the options.
        let called = dispatch.attempt_with_id(attempt);
        let live = called.is_some_and(|attempt| !matches!(attempt.phase, Phase::Ended { .. }));
        let outcome = if live {
            EventOutcome::RepeatOptions
        } else {
            EventOutcome::Noted
        };
        return script_for(press, &dispatch, &outcome);
    }
    match deps.engine.apply_to(dispatch.clone(), &press.event(), None).await {
        Ok(applied) => {
            tracing::info!(dispatch = %key.id, %attempt, outcome = ?applied.outcome, "key applied");
            script_for(press, &applied.dispatch, &applied.outcome)
        }
        Err(error) => queue_key(deps, press, Some(&dispatch), &error.to_string()).await,
    }
}

/// The script that answers a committed decision.
fn script_for(press: &mut KeyPress, dispatch: &Dispatch, outcome: &EventOutcome) -> Script {
    let policy = &dispatch.spec.policy;
    let language = press.language(dispatch);
    match outcome {
        EventOutcome::Accepted => script::accepted(language, policy),
        EventOutcome::Rejected => script::rejected(language, policy),
        EventOutcome::TakenBy(employee) => {
            let employee = dispatch.employee(*employee);
            let name = employee.map_or("", |employee| employee.name.as_str());
            script::taken_by(name, language, policy)
        }
        EventOutcome::Closed => script::closed(language, policy),
        EventOutcome::RepeatOptions if press.wrong_keys < policy.wrong_keys => {
            press.wrong_keys += 1;
            script::repeat_options(language, policy)
        }
        EventOutcome::RepeatOptions
        | EventOutcome::Noted
        | EventOutcome::Stale
        | EventOutcome::Dial
        | EventOutcome::Refused => script::goodbye(language, policy),
    }
}

/// DynamoDB is unavailable: saves the key on the queue, so that it is not lost even if the employee does not press it
/// again. The script claims nothing that is not known, and asks for the key once more.
async fn queue_key(deps: &Deps, press: &KeyPress, dispatch: Option<&Dispatch>, error: &str) -> Script {
    let AttemptReference {
        dispatch: key, attempt, ..
    } = &press.reference;
    tracing::error!(dispatch = %key.id, %attempt, error, "cannot store a key: saving it on the queue");
    if !press.keys.is_empty() {
        let queued = tokio::time::timeout(QUEUE_LIMIT, deps.engine.enqueue_event(key, press.event())).await;
        if !matches!(queued, Ok(Ok(()))) {
            tracing::error!(dispatch = %key.id, %attempt, ?queued, "cannot save a key on the queue either: it is lost unless the employee presses it again");
        }
    }
    let default = Policy::default();
    let (language, policy) = dispatch.map_or((Language::default(), &default), |dispatch| {
        (press.language(dispatch), &dispatch.spec.policy)
    });
    script::one_moment(language, policy)
}
