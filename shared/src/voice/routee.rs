//! Routee behind the seam: its words for a script, a call, and what comes of one.

use super::{Call, EndError, Ended, LookError, PlaceError, Spoken, Trace};
use crate::clock::Timestamp;
use crate::dispatch::script::Script;
use crate::dispatch::{CallReport, CallStatus, NotPlaced, Sighting};
use crate::phone::PhoneNumber;
use crate::providers::routee::dialplan::{DialPlan, Settings};
use crate::providers::routee::{
    self, AnsweredBy, CollectEvent, CreateConversation, CreateError, EndAction, Leg, Routee, StatusCallback,
    TrackingError, Unreadable,
};

/// An account with Routee.
#[derive(Clone, Debug)]
pub struct RouteeAccount {
    /// Its API.
    pub client: Routee,
    /// The number or name that calls come from.
    pub from: String,
    /// Milliseconds from one call to the next that it allows.
    pub call_interval: i64,
    /// How its dial plans are written.
    pub settings: Settings,
}

pub(super) fn keys(body: &[u8]) -> Result<String, Unreadable> {
    CollectEvent::parse(body).map(|event| event.keys())
}

pub(super) fn report(body: &[u8]) -> Result<CallReport, Unreadable> {
    let callback = StatusCallback::parse(body)?;
    Ok(CallReport {
        status: callback.status.meaning(),
        name: callback.status.as_str().to_owned(),
        call_id: callback.tracking_id,
        leg_id: callback.message_id,
    })
}

pub(super) fn acknowledged() -> Spoken {
    Spoken {
        media_type: "application/json",
        body: "{}".to_owned(),
    }
}

pub(super) fn says(script: Script, keys_url: &str, settings: &Settings) -> Spoken {
    let plan = DialPlan::of(script, settings, keys_url);
    Spoken {
        media_type: "application/json",
        body: serde_json::to_string(&plan).unwrap_or_else(|error| {
            // A plan of texts and numbers can always be written.
            tracing::error!(%error, "a dial plan could not be written");
            String::new()
        }),
    }
}

impl RouteeAccount {
    pub(super) async fn place(&self, call: Call<'_>) -> Result<String, PlaceError> {
        let Call {
            to,
            script,
            keys_url,
            status_url,
            ring_timeout,
            max_duration,
            ends_on_machine,
        } = call;
        let plan = DialPlan::of(script, &self.settings, &keys_url);
        let request = CreateConversation::call(&self.from, to, plan, status_url)
            .ringing(ring_timeout)
            .lasting(max_duration)
            .ending_on_machine(ends_on_machine);
        let error = match self.client.create(&request).await {
            Ok(created) => return Ok(created.tracking_id),
            Err(error) => error,
        };
        let detail = error.to_string();
        Err(match error {
            CreateError::Refused { about_number: true, .. } => PlaceError::NotPlaced {
                why: NotPlaced::Refused,
                detail,
            },
            CreateError::Refused { .. } => PlaceError::NotPlaced {
                why: NotPlaced::NotAllowed,
                detail,
            },
            CreateError::TryLater { .. } => PlaceError::NotPlaced {
                why: NotPlaced::TryLater,
                detail,
            },
            CreateError::OutOfMoney { .. } => PlaceError::NotPlaced {
                why: NotPlaced::OutOfMoney,
                detail,
            },
            CreateError::Unclear { .. } => PlaceError::Unclear { detail },
        })
    }

    pub(super) async fn end(&self, trace: &Trace) -> Result<Ended, EndError> {
        let mut legs = trace.legs.clone();
        if legs.is_empty() {
            legs = self.legs_of(&trace.call_ids).await;
        }
        // The newest says whether the phone still rings.
        let Some((leg_id, status)) = legs.pop() else {
            return Ok(Ended::NotYet);
        };
        let action = if status == CallStatus::InProgress {
            EndAction::HangUp
        } else {
            EndAction::Reject
        };
        match self.client.end_call(&leg_id, action).await {
            Ok(_) | Err(routee::EndError::Gone) => Ok(Ended::Over),
            Err(error) => Err(EndError(error.to_string())),
        }
    }

    /// The legs of these conversations, as far as the provider tells them.
    async fn legs_of(&self, tracking_ids: &[String]) -> Vec<(String, CallStatus)> {
        let mut found = Vec::new();
        for tracking_id in tracking_ids {
            let Ok(legs) = self.client.legs(tracking_id).await else {
                continue;
            };
            let named = |leg: Leg| Some((leg.message_id, leg.status?.meaning()));
            found.extend(legs.into_iter().filter_map(named));
        }
        found
    }

    pub(super) async fn look(&self, call_id: &str) -> Result<Sighting, LookError> {
        let legs = self.client.legs(call_id).await.map_err(|error| not_seen(&error))?;
        Ok(sighting(&legs))
    }

    pub(super) async fn search(
        &self,
        to: &PhoneNumber,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Sighting, LookError> {
        let legs = self.client.search(to, from, until).await;
        legs.map(|legs| sighting(&legs)).map_err(|error| not_seen(&error))
    }
}

fn not_seen(error: &TrackingError) -> LookError {
    LookError {
        passes: error.passes(),
        detail: error.to_string(),
    }
}

/// What the legs of one conversation come to.
fn sighting(legs: &[Leg]) -> Sighting {
    let keys: String = legs.iter().map(Leg::keys).collect();
    let ending = |leg: &Leg| leg.status.as_ref().and_then(|status| status.meaning().ending());
    let endings: Vec<_> = legs.iter().map(ending).collect();
    match endings.last() {
        None => Sighting::Nothing,
        Some(Some(ending)) if !endings.contains(&None) => Sighting::Over {
            ending: *ending,
            keys,
            machine: legs.iter().any(|leg| leg.answered_by == Some(AnsweredBy::Machine)),
        },
        Some(_) => Sighting::Live,
    }
}
