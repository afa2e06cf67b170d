//! Those who send: one file each. A leg of a plan names its back end.

mod call;
mod elemente;
mod email;
mod text;

use patchbay::ids::Nonce;
use patchbay::interaction::{Channel, Interaction, Leg, Report, SendResult};
use patchbay::messaging::Account;
use patchbay::outreach::agent::Over;
use patchbay::providers::elemente::Elemente;
use patchbay::voice;

pub use self::call::CallSettings;
pub use self::email::EmailBackEnd;
use crate::Deps;
use crate::clearance::WhatsAppWindow;

/// The back ends that this deployment has credentials for.
#[derive(Clone, Debug, Default)]
pub struct BackEnds {
    /// Twilio: calls, SMS and `WhatsApp`.
    pub twilio: Option<Account>,
    /// Routee: calls and SMS.
    pub routee: Option<Account>,
    /// How both place calls.
    pub calls: CallSettings,
    /// Amazon SES: e-mail.
    pub email: Option<EmailBackEnd>,
    /// Elemente: every channel.
    pub elemente: Option<Elemente>,
}

/// The back end of a leg.
enum BackEnd<'a> {
    Call(voice::Account),
    Text(&'a Account),
    Email(&'a EmailBackEnd),
    Elemente(&'a Elemente),
}

impl BackEnds {
    /// Sends an attempt, once. Whatever happens is a result.
    pub(crate) async fn send(
        &self,
        deps: &Deps,
        interaction: &Interaction,
        leg: &Leg,
        attempt: Nonce,
        window: WhatsAppWindow,
    ) -> SendResult {
        let (key, callbacks) = (&interaction.key, &deps.callbacks);
        match self.of(leg) {
            Some(BackEnd::Call(account)) => call::send(&account, callbacks, key, leg, attempt).await,
            Some(BackEnd::Text(account)) => {
                let now = deps.interactions.clock.now();
                text::send(account, callbacks, interaction, leg, attempt, window, now).await
            }
            Some(BackEnd::Email(email)) => email.send(callbacks, interaction, leg, attempt).await,
            Some(BackEnd::Elemente(client)) => elemente::send(client, interaction, leg).await,
            // The deployment lost, or never had, the credentials of a back end that an agent names.
            None => refused(format!("this deployment has no credentials for {}", leg.back_end)),
        }
    }

    /// What the back end says about what it calls `id`; `None` if it says nothing now.
    pub(crate) async fn look_up(&self, leg: &Leg, id: &str) -> Option<Report> {
        match self.of(leg)? {
            BackEnd::Call(account) => call::look_up(&account, id).await,
            BackEnd::Text(account) => text::look_up(account, id).await,
            BackEnd::Elemente(client) => elemente::look_up(client, leg, id).await,
            // SES has no lookup: its events tell.
            BackEnd::Email(_) => None,
        }
    }

    /// Ends a call.
    ///
    /// # Errors
    /// Why it may not have ended.
    pub(crate) async fn hang_up(&self, leg: &Leg, id: &str) -> Result<(), String> {
        match self.of(leg) {
            Some(BackEnd::Call(account)) => call::hang_up(&account, id).await,
            Some(BackEnd::Elemente(client)) => elemente::cancel(client, id).await,
            _ => Err("the back end cannot end calls".to_owned()),
        }
    }

    /// The account that places the call of a leg; `None` if the leg is no call, or another party places it.
    pub(crate) fn caller(&self, leg: &Leg) -> Option<voice::Account> {
        match self.of(leg)? {
            BackEnd::Call(account) => Some(account),
            _ => None,
        }
    }

    fn of(&self, leg: &Leg) -> Option<BackEnd<'_>> {
        let account = match Over::named(&leg.back_end)? {
            Over::Twilio => self.twilio.as_ref()?,
            Over::Routee => self.routee.as_ref()?,
            Over::Ses => return self.email.as_ref().map(BackEnd::Email),
            Over::Elemente => return self.elemente.as_ref().map(BackEnd::Elemente),
        };
        Some(match leg.channel {
            Channel::Call => BackEnd::Call(self.calls.account(account, leg)),
            _ => BackEnd::Text(account),
        })
    }
}

fn refused(detail: impl Into<String>) -> SendResult {
    SendResult::Refused { detail: detail.into() }
}
