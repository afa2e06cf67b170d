//! `PUT /api/v1/calls/{id}`: changes the note and the agent of an interaction, or ends it.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use patchbay::access::Scope;
use patchbay::interaction::{self, Channel, EndReason, Event, EventOutcome, IgnoreReason, Interaction};
use patchbay::outreach::plan;
use patchbay::providers::elemente::{UpdateRequest, Word};
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;

use crate::documents::load_agent;
use crate::feedback::word_of;
use crate::{Answer, Deps, bad_request};

/// The statuses that a request can set. All others follow from what happens.
const SETTABLE: [Word; 5] = [
    Word::Closed,
    Word::Close,
    Word::Resolved,
    Word::Completed,
    Word::Canceled,
];

pub(crate) async fn change(deps: &Deps, request: &Request, id: &str) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsWrite).await?;
    let (wanted, _) = UpdateRequest::parse(body::json_bytes(request)?).map_err(bad_request)?;
    let interaction = deps.interaction(tenant.clone(), id).await?;
    // Everything is checked before anything is changed.
    let end = match wanted.status {
        Some(word) => end_of(word, &interaction)?,
        None => None,
    };
    let agent = match &wanted.agent_id {
        Some(agent) => Some(load_agent(deps, &tenant, agent).await?),
        None => None,
    };
    let agent = agent
        .transpose()
        .map_err(|error| Problem::invalid_fields(vec![error]))?;
    // The end comes first: it is the only one that can still turn out to be impossible.
    let mut requests = Vec::new();
    requests.extend(end.map(interaction::Request::End));
    requests.extend(agent.map(|(id, agent)| interaction::Request::Agent(plan::party(id.as_str(), &agent))));
    requests.extend(wanted.note.map(interaction::Request::Note));
    let mut current = interaction;
    for request in requests {
        current = apply(deps, current, request).await?;
    }
    Ok(json_response(StatusCode::OK, &deps.feedback(&current)))
}

async fn apply(deps: &Deps, interaction: Interaction, request: interaction::Request) -> Result<Interaction, Problem> {
    let event = |_: &Interaction| Event::Requested {
        request: request.clone(),
    };
    let applied = deps.interactions.apply_to(interaction, event).await?;
    let state = applied.subject.state;
    match (&request, applied.outcome) {
        (interaction::Request::End(reason), EventOutcome::Ignored(IgnoreReason::Ended))
            if *reason == EndReason::Canceled && state.end_reason() != Some(*reason) =>
        {
            return Err(has_ended(&applied.subject));
        }
        (_, EventOutcome::Applied) => {
            let key = &applied.subject.key;
            tracing::info!(tenant = %key.tenant, interaction = %key.id, state = state.name(), "interaction changed by the requester");
        }
        _ => {}
    }
    Ok(applied.subject)
}

/// How the interaction is to end; `None` if it has this status already, or has ended in another way.
fn end_of(word: Word, interaction: &Interaction) -> Result<Option<EndReason>, Problem> {
    let channel = interaction.channel().unwrap_or(Channel::Call);
    if word.selects(interaction.state, channel) {
        return Ok(None);
    }
    if !SETTABLE.contains(&word) {
        let words: Vec<&str> = SETTABLE.iter().map(|word| word.as_str()).collect();
        let detail = format!("cannot be set: expected one of {}", words.join(", "));
        return Err(Problem::invalid_field("status", detail));
    }
    // A client that wraps up what is over already gets what it wants, and its note is kept. One that cancels wants something
    // not to happen that perhaps has.
    match (interaction.state.is_terminal(), word) {
        (true, Word::Canceled) => Err(has_ended(interaction)),
        (true, _) => Ok(None),
        (false, _) => Ok(word.state().end_reason()),
    }
}

fn has_ended(interaction: &Interaction) -> Problem {
    let word = word_of(interaction);
    Problem::conflict(format!(
        "the interaction has ended with the status {word}: it can no longer be canceled"
    ))
}
