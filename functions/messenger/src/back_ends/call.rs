//! Announcements by phone, over Routee and Twilio. The call is placed as those to employees are, and yields to them.

use patchbay::dispatch::{CallLookup, NotPlaced};
use patchbay::ids::{InteractionKey, Nonce};
use patchbay::interaction::announcement::Announcement;
use patchbay::interaction::{Leg, SendResult};
use patchbay::messaging;
use patchbay::outreach::receiver;
use patchbay::outreach::reports::call_lookup_report;
use patchbay::voice::{
    Account, CallHistory, EndOutcome, LookupError, OutboundCall, PlaceError, RouteeAccount, Settings, TwilioAccount,
};
use patchbay::web::callbacks::CallbackUrls;

use super::{BackEndError, refused};
use crate::look_up::Answer;

/// Seconds that a phone rings.
const RING_SECONDS: u32 = 30;
/// Seconds of a call beyond those of its announcement: somebody may hear it again.
const SPARE_SECONDS: u32 = 120;
/// How long a provider is asked again that does not know yet that a call is over.
const LAG_SECONDS: u32 = 15;

/// How calls are placed.
#[derive(Clone, Copy, Debug)]
pub struct CallSettings {
    /// How scripts are spoken.
    pub scripts: Settings,
    /// Minimum interval between two calls over Routee, in milliseconds.
    pub routee_interval: i64,
    /// Minimum interval between two calls over Twilio, in milliseconds.
    pub twilio_interval: i64,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self {
            scripts: Settings::default(),
            routee_interval: 1_000,
            twilio_interval: 1_000,
        }
    }
}

impl CallSettings {
    /// The account as it places calls from the sender of a leg.
    pub(crate) fn account(&self, account: &messaging::Account, leg: &Leg) -> Account {
        let from = leg.from.clone();
        match account {
            messaging::Account::Routee(client) => Account::Routee(RouteeAccount {
                client: client.clone(),
                from,
                call_interval: self.routee_interval,
                settings: self.scripts.routee,
            }),
            messaging::Account::Twilio(client) => Account::Twilio(TwilioAccount {
                client: client.clone(),
                from,
                call_interval: self.twilio_interval,
            }),
        }
    }
}

/// How long a call may take after it was picked up.
pub(super) fn longest_seconds(announcement: &Announcement) -> u32 {
    announcement.longest_seconds().saturating_add(SPARE_SECONDS)
}

pub(super) async fn send(
    account: &Account,
    callbacks: &CallbackUrls,
    interaction: &InteractionKey,
    leg: &Leg,
    attempt: Nonce,
) -> SendResult {
    let Some(announcement) = Announcement::of(&leg.content) else {
        return refused("not an announcement");
    };
    let to = match receiver::phone(leg) {
        Ok(to) => to,
        Err(error) => return refused(error.to_string()),
    };
    let provider = account.provider();
    let call = OutboundCall {
        to: &to,
        script: announcement.opening(),
        keys_url: callbacks.announcement_keys_url(provider, interaction, attempt),
        status_url: callbacks.announcement_status_url(provider, interaction, attempt),
        ring_timeout: Some(RING_SECONDS),
        max_duration: Some(longest_seconds(&announcement)),
        // A mailbox that records the announcement is no reason to cut it off.
        hang_up_on_machine: false,
    };
    match account.place(call).await {
        Ok(provider_id) => SendResult::Sent {
            provider_id,
            progress: None,
        },
        Err(PlaceError::NotPlaced {
            reason: NotPlaced::OutOfMoney,
            detail,
        }) => SendResult::OutOfMoney { detail },
        Err(PlaceError::NotPlaced {
            reason: NotPlaced::TryLater,
            detail,
        }) => SendResult::Failed {
            retry_after: None,
            detail,
        },
        Err(PlaceError::NotPlaced { detail, .. }) => refused(detail),
        Err(PlaceError::Unclear { detail }) => SendResult::Unclear { detail },
    }
}

pub(super) async fn look_up(account: &Account, id: &str) -> Result<Answer, BackEndError> {
    let lookup = match account.look_up(id).await {
        Ok(lookup) => lookup,
        Err(LookupError { is_transient, detail }) => return Err(BackEndError { is_transient, detail }),
    };
    let report = call_lookup_report(&lookup);
    let (keys, patience_seconds) = match lookup {
        CallLookup::Over { keys, .. } => (keys, 0),
        // What a provider tells on request may lag behind what it has reported.
        CallLookup::Live | CallLookup::Unknown => (String::new(), LAG_SECONDS),
    };
    Ok(Answer {
        report,
        keys,
        patience_seconds,
    })
}

/// Ends a call.
pub(super) async fn hang_up(account: &Account, id: &str) -> Result<(), BackEndError> {
    let history = CallHistory {
        call_ids: vec![id.to_owned()],
        ..CallHistory::default()
    };
    match account.end(&history).await {
        Ok(EndOutcome::Over) => Ok(()),
        Ok(EndOutcome::NoCallId) => Err(BackEndError::transient("the provider does not know the call yet")),
        Err(error) => Err(BackEndError::transient(error.to_string())),
    }
}
