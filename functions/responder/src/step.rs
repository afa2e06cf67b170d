//! Takes the steps of a conversation, one after another: claim, act, record.
//!
//! Until the claim every message may be repeated; after it no step that is not repeatable may be. The watch that is sent
//! with the claim finds out about steps whose record was lost.

use std::time::Duration;

use patchbay::conversation::{Conversation, Event, EventOutcome, Message, Step, StepResult, StepState};
use patchbay::ids::Nonce;
use patchbay::ledger::{AppliedChange, LedgerError};
use tokio::time::Instant;

use crate::act::act;
use crate::{Deps, Failure, boxed};

/// Pauses between the attempts to record the result of a step. Without the record nobody knows whether a message was
/// posted, and it is not posted again.
const RECORD_PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_millis(1_200),
];

/// Takes the step that a message asks for, and those after it.
pub(crate) async fn step(
    deps: &Deps,
    message: &Message,
    conversation: Conversation,
    id: Nonce,
    last_start: Instant,
) -> Result<(), Failure> {
    let begins = |_: &Conversation| Event::StepBegins { step: id };
    let applied = deps.conversations.apply_to(conversation, begins).await?;
    let Some(conversation) = deps.settle(message, applied).await? else {
        return Ok(());
    };
    let Some(conversation) = take(deps, conversation, id).await? else {
        return Ok(());
    };
    go_on(deps, conversation, last_start).await
}

/// Takes the next steps, as long as there is time. Their messages are in the queue as well: whichever comes first takes
/// a step, and the other finds it taken.
pub(crate) async fn go_on(deps: &Deps, mut conversation: Conversation, last_start: Instant) -> Result<(), Failure> {
    while Instant::now() < last_start {
        let is_new = |step: &&Step| step.state == StepState::Ready && step.tries == 0;
        let Some(id) = conversation.steps.first().filter(is_new).map(|step| step.id) else {
            return Ok(());
        };
        let begins = |_: &Conversation| Event::StepBegins { step: id };
        let applied = deps.conversations.apply_to(conversation, begins).await?;
        if applied.outcome != EventOutcome::Applied {
            return Ok(());
        }
        match take(deps, applied.subject, id).await? {
            Some(next) => conversation = next,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Takes a step that was claimed. Returns the conversation if the step is over.
async fn take(deps: &Deps, conversation: Conversation, id: Nonce) -> Result<Option<Conversation>, Failure> {
    let Some(step) = conversation.steps.iter().find(|step| step.id == id).cloned() else {
        return Ok(None);
    };
    let result = boxed(act(deps, &conversation.key, &step)).await;
    log(&step, &result);
    let applied = record(deps, conversation, id, &result).await?;
    let is_over = applied.outcome == EventOutcome::Applied && !matches!(result, StepResult::Failed { .. });
    Ok(is_over.then_some(applied.subject))
}

/// Records the result of a step.
async fn record(
    deps: &Deps,
    conversation: Conversation,
    id: Nonce,
    result: &StepResult,
) -> Result<AppliedChange<Conversation>, LedgerError> {
    let ends = |_: &Conversation| Event::StepEnds {
        step: id,
        result: result.clone(),
    };
    for pause in RECORD_PAUSES {
        match deps.conversations.apply_to(conversation.clone(), ends).await {
            Err(error) => tracing::warn!(step = %id, %error, "cannot record the result of a step: trying again"),
            applied => return applied,
        }
        deps.conversations.clock.sleep(pause).await;
    }
    deps.conversations.apply_to(conversation, ends).await
}

fn log(step: &Step, result: &StepResult) {
    let (id, name, tries) = (step.id, step.action.name(), step.tries);
    match result {
        StepResult::Done { .. } => tracing::info!(step = %id, name, tries, "step done"),
        StepResult::Failed { detail, .. } => {
            tracing::warn!(step = %id, name, tries, reason = detail, "step failed: it is tried again");
        }
        StepResult::Refused { detail } => {
            tracing::error!(step = %id, name, tries, reason = detail, "step refused");
        }
        StepResult::Unclear { detail } => {
            tracing::error!(step = %id, name, tries, reason = detail, "it is unknown whether a step was done");
        }
    }
}
