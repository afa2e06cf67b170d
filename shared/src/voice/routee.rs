//! Implements the provider-neutral interface for Routee.

use super::{CallHistory, EndError, EndOutcome, LookupError, OutboundCall, PlaceError, ProviderResponse};
use crate::clock::Timestamp;
use crate::dispatch::script::Script;
use crate::dispatch::{CallLookup, CallReport, CallStatus, NotPlaced};
use crate::phone::PhoneNumber;
use crate::providers::routee::dialplan::{DialPlan, Settings};
use crate::providers::routee::{
    self, AnsweredBy, CollectEvent, CreateConversation, CreateError, EndAction, InvalidWebhook, Leg, Routee,
    StatusCallback, TrackingError,
};

/// An account with Routee.
#[derive(Clone, Debug)]
pub struct RouteeAccount {
    /// Client of the API.
    pub client: Routee,
    /// Sender id of calls: a phone number or a name.
    pub from: String,
    /// Minimum interval between two calls, in milliseconds.
    pub call_interval: i64,
    /// Options for dial plans.
    pub settings: Settings,
}

pub(super) fn keys(body: &[u8]) -> Result<String, InvalidWebhook> {
    CollectEvent::parse(body).map(|event| event.keys())
}

pub(super) fn report(body: &[u8]) -> Result<CallReport, InvalidWebhook> {
    let callback = StatusCallback::parse(body)?;
    Ok(CallReport {
        status: callback.status.to_call_status(),
        name: callback.status.as_str().to_owned(),
        call_id: callback.tracking_id,
        leg_id: callback.message_id,
    })
}

pub(super) fn acknowledge() -> ProviderResponse {
    ProviderResponse {
        media_type: "application/json",
        body: "{}".to_owned(),
    }
}

pub(super) fn render(script: Script, keys_url: &str, settings: &Settings) -> ProviderResponse {
    let plan = DialPlan::from_script(script, settings, keys_url);
    ProviderResponse {
        media_type: "application/json",
        body: serde_json::to_string(&plan).unwrap_or_else(|error| {
            // Cannot happen: a plan consists of texts and numbers.
            tracing::error!(%error, "could not serialize a dial plan");
            String::new()
        }),
    }
}

impl RouteeAccount {
    pub(super) async fn place(&self, call: OutboundCall<'_>) -> Result<String, PlaceError> {
        let OutboundCall {
            to,
            script,
            keys_url,
            status_url,
            ring_timeout,
            max_duration,
            hang_up_on_machine,
        } = call;
        let plan = DialPlan::from_script(script, &self.settings, &keys_url);
        let request = CreateConversation::new(&self.from, to, plan, status_url)
            .with_ring_timeout(ring_timeout)
            .with_max_duration(max_duration)
            .with_hangup_on_machine(hang_up_on_machine);
        let error = match self.client.create(&request).await {
            Ok(created) => return Ok(created.tracking_id),
            Err(error) => error,
        };
        let detail = error.to_string();
        Err(match error {
            CreateError::Refused { about_number: true, .. } => PlaceError::NotPlaced {
                reason: NotPlaced::Refused,
                detail,
            },
            CreateError::Refused { .. } => PlaceError::NotPlaced {
                reason: NotPlaced::NotAllowed,
                detail,
            },
            CreateError::TryLater { .. } => PlaceError::NotPlaced {
                reason: NotPlaced::TryLater,
                detail,
            },
            CreateError::OutOfMoney { .. } => PlaceError::NotPlaced {
                reason: NotPlaced::OutOfMoney,
                detail,
            },
            CreateError::Unclear { .. } => PlaceError::Unclear { detail },
        })
    }

    pub(super) async fn end(&self, history: &CallHistory) -> Result<EndOutcome, EndError> {
        let mut legs = history.legs.clone();
        if legs.is_empty() {
            legs = self.legs_of(&history.call_ids).await;
        }
        // The newest entry tells whether the phone is still ringing.
        let Some((leg_id, status)) = legs.pop() else {
            return Ok(EndOutcome::NoCallId);
        };
        let action = if status == CallStatus::InProgress {
            EndAction::HangUp
        } else {
            EndAction::Reject
        };
        match self.client.end_call(&leg_id, action).await {
            Ok(_) | Err(routee::EndError::Gone) => Ok(EndOutcome::Over),
            Err(error) => Err(EndError(error.to_string())),
        }
    }

    /// The legs of these conversations with their statuses. Conversations whose lookup fails are skipped.
    async fn legs_of(&self, tracking_ids: &[String]) -> Vec<(String, CallStatus)> {
        let mut found = Vec::new();
        for tracking_id in tracking_ids {
            let Ok(legs) = self.client.legs(tracking_id).await else {
                continue;
            };
            let with_status = |leg: Leg| Some((leg.message_id, leg.status?.to_call_status()));
            found.extend(legs.into_iter().filter_map(with_status));
        }
        found
    }

    pub(super) async fn look_up(&self, call_id: &str) -> Result<CallLookup, LookupError> {
        let legs = self.client.legs(call_id).await.map_err(|error| lookup_error(&error))?;
        Ok(summarize(&legs))
    }

    pub(super) async fn search(
        &self,
        to: &PhoneNumber,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<CallLookup, LookupError> {
        let legs = self.client.search(to, from, until).await;
        legs.map(|legs| summarize(&legs)).map_err(|error| lookup_error(&error))
    }
}

fn lookup_error(error: &TrackingError) -> LookupError {
    LookupError {
        is_transient: error.is_transient(),
        detail: error.to_string(),
    }
}

/// Summarizes the legs of one conversation: live until every leg has ended, unknown if there are none.
fn summarize(legs: &[Leg]) -> CallLookup {
    let keys: String = legs.iter().map(Leg::keys).collect();
    let ending = |leg: &Leg| leg.status.as_ref().and_then(|status| status.to_call_status().ending());
    let endings: Vec<_> = legs.iter().map(ending).collect();
    match endings.last() {
        None => CallLookup::Unknown,
        Some(Some(ending)) if !endings.contains(&None) => CallLookup::Over {
            ending: *ending,
            keys,
            machine: legs.iter().any(|leg| leg.answered_by == Some(AnsweredBy::Machine)),
        },
        Some(_) => CallLookup::Live,
    }
}
