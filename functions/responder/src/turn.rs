//! A turn of the bot: one answer to everything that the customer wrote since the last one.

use std::time::Duration;

use patchbay::bot::{self, Bot, Step, TurnContext};
use patchbay::bot_source::AssignedBot;
use patchbay::conversation::{CallPlan, Conversation, Event, HandOverPlan, Message, TurnAction, TurnResult};
use patchbay::fetch::UsedSecrets;
use patchbay::flow::FetchResults;
use patchbay::ids::Nonce;
use patchbay::telemetry::{self, Unit};
use tokio::time::Instant;

use crate::{Deps, Failure, boxed, step};

/// Time limit of a turn, lookups included.
const TURN_LIMIT: Duration = Duration::from_secs(20);
/// The part of the time limit that is reserved for the answer after the last lookup.
const MARGIN: Duration = Duration::from_millis(150);

pub(crate) async fn turn(
    deps: &Deps,
    message: &Message,
    conversation: Conversation,
    id: Nonce,
    last_start: Instant,
) -> Result<(), Failure> {
    let begins = |_: &Conversation| Event::TurnBegins { turn: id };
    let applied = deps.conversations.apply_to(conversation, begins).await?;
    let Some(conversation) = deps.settle(message, applied).await? else {
        return Ok(());
    };
    let Some((turn, lease)) = conversation.turn.and_then(|turn| Some((turn, turn.running?.id))) else {
        return Ok(());
    };
    let now = deps.conversations.clock.now();
    let lag = now.since(turn.due_at).as_secs_f64() * 1_000.0;
    telemetry::emf(now, &[], &[("TurnLag", Unit::Milliseconds, lag)], &[]);

    let result = boxed(run(deps, &conversation)).await;
    let ends = |_: &Conversation| Event::TurnEnds {
        turn: id,
        lease,
        result: Box::new(result.clone()),
    };
    let applied = deps.conversations.apply_to(conversation, ends).await?;
    log(&result, &applied.subject);
    let Some(conversation) = deps.settle(message, applied).await? else {
        return Ok(());
    };
    step::go_on(deps, conversation, last_start).await
}

/// Runs the document of the bot, within the time limit.
async fn run(deps: &Deps, conversation: &Conversation) -> TurnResult {
    let deadline = Instant::now() + TURN_LIMIT;
    let context = TurnContext {
        conversation,
        now: deps.conversations.clock.now(),
    };
    let tenant = &conversation.key.tenant;
    let bot = match deps.bots.assigned(tenant, conversation.inbox.as_ref()).await {
        Ok(AssignedBot::Ready(bot)) => bot,
        Ok(AssignedBot::Broken(error)) => return bot::fallback(None, &context, &error.to_string()),
        Ok(AssignedBot::None) => return bot::fallback(None, &context, "no document is assigned to the inbox"),
        Err(error) => return bot::fallback(None, &context, &error.to_string()),
    };
    let fallback = |reason: &str| bot::fallback(Some(&bot), &context, reason);
    let mut used = UsedSecrets::default();
    let running = advance(deps, &bot, &context, deadline - MARGIN, &mut used);
    let outcome = tokio::time::timeout_at(deadline, running).await;
    let result = outcome.unwrap_or_else(|_| fallback("the time limit is exceeded"));
    // A back end may echo what it receives.
    if would_leak(&used, &result) {
        return fallback("the answer would disclose a secret");
    }
    result
}

async fn advance(
    deps: &Deps,
    bot: &Bot,
    context: &TurnContext<'_>,
    deadline: Instant,
    used: &mut UsedSecrets,
) -> TurnResult {
    let tenant = &context.conversation.key.tenant;
    let mut results = FetchResults::new();
    loop {
        match bot::advance(bot, context, &results) {
            Step::Done(result) => return *result,
            Step::Fetch(request) => {
                let result = deps.fetcher.fetch(tenant, &request, deadline, used).await;
                results.insert(request.path, result);
            }
        }
    }
}

/// Whether a secret would get anywhere: to the customer, to people, into a call, or into the bot's memory, from where
/// a later turn could take it.
fn would_leak(used: &UsedSecrets, result: &TurnResult) -> bool {
    let (plan, call): (Option<&HandOverPlan>, Option<&CallPlan>) = match &result.action {
        TurnAction::HandOver { plan, .. } => (Some(plan), None),
        TurnAction::Call(call) => (None, Some(call)),
        TurnAction::Continue | TurnAction::Finish => (None, None),
    };
    used.would_leak_in(&(&result.posts, &result.session, plan, call))
}

fn log(result: &TurnResult, conversation: &Conversation) {
    let (answered_by, messages, holder) = (&result.answered_by, result.answered, conversation.holder.name());
    match &result.error {
        None => tracing::info!(answered_by, messages, holder, "turn ended"),
        Some(error) => tracing::error!(answered_by, messages, holder, error, "turn ended with the fallback"),
    }
}
