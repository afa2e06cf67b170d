//! Every channel over Elemente itself. It reports nothing, so it is polled.

use patchbay::chat::ChatError;
use patchbay::interaction::{Content, Interaction, Leg, Report, SendResult};
use patchbay::outreach::agent::elemente_ids;
use patchbay::outreach::reports::elemente_report;
use patchbay::providers::elemente::{AgentOverride, Change, CreateRequest, Customer, Elemente, Word};

use super::{BackEndError, refused};

pub(super) async fn send(client: &Elemente, interaction: &Interaction, leg: &Leg) -> SendResult {
    let request = match request(interaction, leg) {
        Ok(request) => request,
        Err(detail) => return refused(detail),
    };
    match client.create(&request).await {
        Ok(feedback) => SendResult::Sent {
            progress: elemente_report(&feedback, leg.channel).progress,
            provider_id: feedback.id,
        },
        Err(ChatError::Failed { retry_after, detail }) => SendResult::Failed { retry_after, detail },
        Err(ChatError::Refused { status, detail }) => refused(format!("{status}: {detail}")),
        Err(ChatError::Unclear { detail }) => SendResult::Unclear { detail },
    }
}

/// The request as Elemente reads it.
fn request(interaction: &Interaction, leg: &Leg) -> Result<CreateRequest, String> {
    let Content::Conversation {
        initial_message,
        prompt,
        request,
    } = &leg.content
    else {
        return Err("not a conversation of an agent".to_owned());
    };
    if let Some(request) = request {
        let read = CreateRequest::parse(request.to_string().as_bytes());
        let (mut request, _) = read.map_err(|error| error.to_string())?;
        request.agent_override.initial_message = some(initial_message);
        request.agent_override.prompt = some(prompt);
        return Ok(request);
    }
    // Planned by an earlier version, which kept only what follows.
    let Some((agent_id, skill_id)) = elemente_ids(&leg.from) else {
        return Err("the agent's ids at Elemente are missing".to_owned());
    };
    let (agent, customer) = (&interaction.parties.agent, &interaction.parties.customer);
    let customer = Customer {
        name: some(&customer.name),
        phone: some(&customer.phone),
        email: some(&customer.email),
        language: some(&customer.language),
        ..Customer::default()
    };
    Ok(CreateRequest {
        agent_id: agent_id.to_owned(),
        channel: leg.channel,
        skill_id: skill_id.to_owned(),
        customer_override: customer.clone(),
        given_customer: customer,
        agent_override: AgentOverride {
            name: some(&agent.name),
            initial_message: some(initial_message),
            prompt: some(prompt),
            ..AgentOverride::default()
        },
    })
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

pub(super) async fn look_up(client: &Elemente, leg: &Leg, id: &str) -> Result<Option<Report>, BackEndError> {
    let feedback = client.interaction(id).await?;
    Ok(Some(elemente_report(&feedback, leg.channel)))
}

/// Ends a call: no operation is documented for it, so its status is set.
pub(super) async fn cancel(client: &Elemente, id: &str) -> Result<(), BackEndError> {
    let change = Change {
        status: Some(Word::Canceled),
        ..Change::default()
    };
    client.update(id, "", change).await?;
    Ok(())
}
