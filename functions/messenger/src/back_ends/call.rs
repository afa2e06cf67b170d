//! Announcements by phone, over Routee and Twilio. The call is placed as those to employees are, and yields to them.

use patchbay::dispatch::NotPlaced;
use patchbay::ids::{InteractionKey, Nonce};
use patchbay::interaction::announcement::Announcement;
use patchbay::interaction::{Leg, Report, SendResult};
use patchbay::messaging;
use patchbay::outreach::reports::call_lookup_report;
use patchbay::phone::PhoneNumber;
use patchbay::voice::{
    Account, CallHistory, EndOutcome, OutboundCall, PlaceError, RouteeAccount, Settings, TwilioAccount,
};
use patchbay::web::callbacks::CallbackUrls;

use super::refused;

/// Seconds that a phone rings.
const RING_SECONDS: u32 = 30;
/// Seconds of a call beyond those of its announcement: somebody may hear it again.
const SPARE_SECONDS: u32 = 120;

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
    let to = match PhoneNumber::parse(&leg.to) {
        Ok(to) => to,
        Err(error) => return refused(format!("the customer's phone number is invalid: {error}")),
    };
    let provider = account.provider();
    let call = OutboundCall {
        to: &to,
        script: announcement.opening(),
        keys_url: callbacks.announcement_keys_url(provider, interaction, attempt),
        status_url: callbacks.announcement_status_url(provider, interaction, attempt),
        ring_timeout: Some(RING_SECONDS),
        max_duration: Some(announcement.longest_seconds().saturating_add(SPARE_SECONDS)),
        // A mailbox that records the announcement is no reason to cut it off.
        hang_up_on_machine: false,
    };
    match account.place(call).await {
        Ok(provider_id) => SendResult::Sent {
            provider_id,
            progress: None,
        },
        Err(PlaceError::NotPlaced {
            reason: NotPlaced::TryLater | NotPlaced::OutOfMoney,
            detail,
        }) => SendResult::Failed {
            retry_after: None,
            detail,
        },
        Err(PlaceError::NotPlaced { detail, .. }) => refused(detail),
        Err(PlaceError::Unclear { detail }) => SendResult::Unclear { detail },
    }
}

pub(super) async fn look_up(account: &Account, id: &str) -> Option<Report> {
    match account.look_up(id).await {
        Ok(lookup) => call_lookup_report(&lookup),
        Err(error) => {
            tracing::warn!(%error, "a call could not be looked up");
            None
        }
    }
}

/// Ends a call.
pub(super) async fn hang_up(account: &Account, id: &str) -> Result<(), String> {
    let history = CallHistory {
        call_ids: vec![id.to_owned()],
        ..CallHistory::default()
    };
    match account.end(&history).await {
        Ok(EndOutcome::Over) => Ok(()),
        Ok(EndOutcome::NoCallId) => Err("the provider does not know the call yet".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
