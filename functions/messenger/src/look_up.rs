//! Asks a back end for the status of an attempt.

use patchbay::ids::Nonce;
use patchbay::interaction::announcement::Announcement;
use patchbay::interaction::{
    AttemptOutcome, Event, Interaction, KeyAction, Message, Phase, Reply, Report, all_pending_work,
};
use patchbay::outreach::inbound;

use crate::back_ends::{BackEndError, longest_call_seconds};
use crate::{Deps, Failure, boxed};

/// Seconds between two questions about what is due.
const PAUSE_SECONDS: u32 = 5;

/// What a back end says about an attempt.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// How far it is, if it says that.
    pub(crate) report: Option<Report>,
    /// All keys that were pressed in a call.
    pub(crate) keys: String,
    /// For how many seconds after something was due it is asked again, because it may say more later.
    pub(crate) patience_seconds: u32,
}

impl From<Option<Report>> for Answer {
    fn from(report: Option<Report>) -> Self {
        Self {
            report,
            ..Self::default()
        }
    }
}

/// What the back end says about an attempt; `None` if it says nothing. An opt-out is put on the list.
pub(crate) async fn ask(deps: &Deps, interaction: &Interaction, attempt: Nonce) -> Result<Option<Report>, Failure> {
    // It is asked again.
    let answer = boxed(look_up(deps, interaction, attempt)).await.unwrap_or_default();
    note_opt_out(deps, interaction, attempt, answer.report.as_ref()).await?;
    Ok(answer.report)
}

async fn note_opt_out(
    deps: &Deps,
    interaction: &Interaction,
    attempt: Nonce,
    report: Option<&Report>,
) -> Result<(), Failure> {
    if report.and_then(|report| report.outcome.as_ref()) == Some(&AttemptOutcome::OptedOut) {
        inbound::note_opt_out(&deps.interactions, interaction, attempt).await?;
    }
    Ok(())
}

async fn look_up(deps: &Deps, interaction: &Interaction, attempt: Nonce) -> Result<Answer, BackEndError> {
    let current = interaction.attempt.as_ref().filter(|current| current.id == attempt);
    let Some((current, leg)) = current.and_then(|current| Some((current, interaction.leg(current.leg)?))) else {
        return Ok(Answer::default());
    };
    let answer = match (&current.provider_id, current.phase) {
        (Some(id), _) => boxed(deps.back_ends.look_up(leg, id)).await,
        (None, Phase::Unclear { at }) => Ok(boxed(deps.back_ends.find_unclear(interaction, leg, at)).await.into()),
        (None, _) => Ok(Answer::default()),
    };
    if let Err(error) = &answer {
        tracing::warn!(%attempt, back_end = leg.back_end, reason = error.detail, "an attempt could not be looked up");
        deps.count("ProviderErrors");
    }
    answer
}

/// The outcome of an attempt is due, or nothing more arrives about its call. Callbacks can be lost, so the back end is
/// asked first.
pub(crate) async fn settle_before_due(
    deps: &Deps,
    message: &Message,
    interaction: Interaction,
    attempt: Nonce,
    due: Event,
) -> Result<(), Failure> {
    let now = deps.interactions.clock.now();
    let pending = all_pending_work(&interaction);
    let Some((_, due_at)) = pending
        .into_iter()
        .find(|(work, at)| *work == message.work && *at <= now)
    else {
        return deps.apply(message, interaction, due).await;
    };
    let answer = match boxed(look_up(deps, &interaction, attempt)).await {
        // Without an answer the plan would go on, and contact a customer who was perhaps reached. Once nothing may be sent
        // any more it ends without one.
        Err(error) if error.is_transient && now < interaction.plan.latest_at => {
            return Err(Failure::BackEnd(error.detail));
        }
        answer => answer.unwrap_or_default(),
    };
    // Only while it is unknown whether a key was pressed: the plan would go on although the customer said stop.
    let may_say_more = now < due_at.plus_seconds(answer.patience_seconds) && is_key_awaited(&interaction, attempt);
    if may_say_more && answer.keys.is_empty() {
        return deps.resend(message, now.plus_seconds(PAUSE_SECONDS)).await;
    }
    let interaction = take(deps, interaction, attempt, answer).await?;
    deps.apply(message, interaction, due).await
}

/// Whether a key could be pressed in the call of an attempt, and none was that is an answer, as far as we know.
pub(crate) fn is_key_awaited(interaction: &Interaction, attempt: Nonce) -> bool {
    let current = interaction.attempt.as_ref();
    let is_unanswered = current.is_some_and(|current| current.id == attempt && !current.is_answered);
    let leg = interaction.leg_of(attempt);
    let announcement = leg.and_then(|leg| Announcement::of(&leg.content));
    is_unanswered && announcement.is_some_and(|announcement| announcement.has_keys())
}

/// Applies what a back end says: first the keys, because the end of a call without one goes on with the plan.
async fn take(deps: &Deps, interaction: Interaction, attempt: Nonce, answer: Answer) -> Result<Interaction, Failure> {
    let mut interaction = interaction;
    if let Some(reply) = lost_reply(deps, &interaction, attempt, &answer.keys) {
        if reply.is_opt_out {
            inbound::note_opt_out(&deps.interactions, &interaction, attempt).await?;
        }
        let replied = |_: &Interaction| Event::Replied { reply: reply.clone() };
        interaction = deps.interactions.apply_to(interaction, replied).await?.subject;
    }
    let Some(report) = answer.report else {
        return Ok(interaction);
    };
    note_opt_out(deps, &interaction, attempt, Some(&report)).await?;
    let reported = |_: &Interaction| Event::Reported {
        attempt,
        report: report.clone(),
    };
    Ok(deps.interactions.apply_to(interaction, reported).await?.subject)
}

/// The answer in the keys of a call, perhaps one whose webhook was lost. One that is known is known by its id.
fn lost_reply(deps: &Deps, interaction: &Interaction, attempt: Nonce, keys: &str) -> Option<Reply> {
    let announcement = Announcement::of(&interaction.leg_of(attempt)?.content)?;
    let option = announcement.pressed_in_call(keys)?;
    let is_opt_out = option.action == KeyAction::OptOut;
    let now = deps.interactions.clock.now();
    Some(inbound::key_reply(attempt, option.key, now, is_opt_out))
}

/// Ends a call. It is tried for as long as the call may take, and the timeline says how it went.
pub(crate) async fn hang_up(
    deps: &Deps,
    message: &Message,
    interaction: Interaction,
    leg: usize,
    id: &str,
) -> Result<(), Failure> {
    let Some(leg) = interaction.leg(leg) else { return Ok(()) };
    let failure = boxed(deps.back_ends.hang_up(leg, id)).await.err();
    if let Some(error) = &failure {
        let over_at = message.sent_at.plus_seconds(longest_call_seconds(leg));
        if error.is_transient && deps.interactions.clock.now() < over_at {
            return Err(Failure::BackEnd(error.detail.clone()));
        }
        tracing::error!(
            back_end = leg.back_end,
            reason = error.detail,
            "a call could not be ended"
        );
    }
    let ended = |_: &Interaction| Event::HangUpEnded {
        provider_id: id.to_owned(),
        failure: failure.as_ref().map(|error| error.detail.clone()),
    };
    deps.interactions.apply_to(interaction, ended).await?;
    Ok(())
}
