//! Those who send: one file each. A leg of a plan names its back end.

mod call;
pub(crate) mod chat_link;
mod elemente;
mod email;
mod text;

use patchbay::chat::{ChatError, Platform};
use patchbay::clock::Timestamp;
use patchbay::ids::Nonce;
use patchbay::interaction::announcement::Announcement;
use patchbay::interaction::{Channel, Interaction, Leg, Report, SendResult};
use patchbay::messaging::Account;
use patchbay::outreach::agent::Over;
use patchbay::providers::elemente::Elemente;
use patchbay::voice;

pub use self::call::CallSettings;
pub use self::email::EmailBackEnd;
use crate::Deps;
use crate::clearance::WhatsAppWindow;
use crate::look_up::Answer;

/// For how long we try to end a conversation that another party leads.
const CONVERSATION_SECONDS: u32 = 1_800;

/// A back end that needs a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Setup<T> {
    /// The deployment has no secret for it. What an agent wants to send over it is refused.
    #[default]
    Missing,
    /// It has a secret that cannot be used. Whatever is sent over it waits until an operator has repaired that.
    Unusable,
    /// It can be used.
    Ready(T),
}

impl<T> Setup<T> {
    const fn as_ref(&self) -> Setup<&T> {
        match self {
            Self::Missing => Setup::Missing,
            Self::Unusable => Setup::Unusable,
            Self::Ready(back_end) => Setup::Ready(back_end),
        }
    }

    fn map<U>(self, make: impl FnOnce(T) -> U) -> Setup<U> {
        match self {
            Self::Missing => Setup::Missing,
            Self::Unusable => Setup::Unusable,
            Self::Ready(back_end) => Setup::Ready(make(back_end)),
        }
    }
}

/// The back ends that this deployment has credentials for.
#[derive(Clone, Debug, Default)]
pub struct BackEnds {
    /// Twilio: calls, SMS and `WhatsApp`.
    pub twilio: Setup<Account>,
    /// Routee: calls and SMS.
    pub routee: Setup<Account>,
    /// How both place calls.
    pub calls: CallSettings,
    /// Amazon SES: e-mail.
    pub email: Option<EmailBackEnd>,
    /// Elemente: every channel.
    pub elemente: Setup<Elemente>,
    /// The chat platform, on which our own page is: web chat.
    pub chat: Option<Platform>,
}

/// Why a back end did not answer a question, or did not end a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackEndError {
    /// Whether it may do so later: it is unavailable, or an operator has to repair the credentials.
    pub(crate) is_transient: bool,
    /// For logs and the timeline, without secrets and personal data.
    pub(crate) detail: String,
}

impl BackEndError {
    fn transient(detail: impl Into<String>) -> Self {
        Self {
            is_transient: true,
            detail: detail.into(),
        }
    }

    fn unusable(leg: &Leg) -> Self {
        Self::transient(format!("the credentials for {} are unusable", leg.back_end))
    }
}

impl From<ChatError> for BackEndError {
    fn from(error: ChatError) -> Self {
        Self {
            is_transient: !matches!(error, ChatError::Refused { .. }),
            detail: error.to_string(),
        }
    }
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
            Setup::Ready(BackEnd::Call(account)) => call::send(&account, callbacks, key, leg, attempt).await,
            Setup::Ready(BackEnd::Text(account)) => {
                let now = deps.interactions.clock.now();
                text::send(account, callbacks, interaction, leg, attempt, window, now).await
            }
            Setup::Ready(BackEnd::Email(email)) => email.send(callbacks, interaction, leg, attempt).await,
            Setup::Ready(BackEnd::Elemente(client)) => elemente::send(client, interaction, leg).await,
            Setup::Unusable => SendResult::Failed {
                retry_after: None,
                detail: BackEndError::unusable(leg).detail,
            },
            // The deployment lost, or never had, the credentials of a back end that an agent names.
            Setup::Missing => refused(format!("this deployment has no credentials for {}", leg.back_end)),
        }
    }

    /// What the back end says about what it calls `id`.
    ///
    /// # Errors
    /// The back end does not answer.
    pub(crate) async fn look_up(&self, leg: &Leg, id: &str) -> Result<Answer, BackEndError> {
        match self.of(leg) {
            Setup::Ready(BackEnd::Call(account)) => call::look_up(&account, id).await,
            Setup::Ready(BackEnd::Text(account)) => text::look_up(account, id).await.map(Answer::from),
            Setup::Ready(BackEnd::Elemente(client)) => elemente::look_up(client, leg, id).await.map(Answer::from),
            // SES has no lookup: its events tell.
            Setup::Ready(BackEnd::Email(_)) | Setup::Missing => Ok(Answer::default()),
            Setup::Unusable => Err(BackEndError::unusable(leg)),
        }
    }

    /// The message whose send was unclear since `at`, if the back end has one that looks like it.
    pub(crate) async fn find_unclear(&self, interaction: &Interaction, leg: &Leg, at: Timestamp) -> Option<Report> {
        match self.of(leg) {
            Setup::Ready(BackEnd::Text(account)) => text::find_unclear(account, interaction, leg, at).await,
            // Nothing else tells by what ours is recognized.
            _ => None,
        }
    }

    /// Ends a call.
    ///
    /// # Errors
    /// Why it may not have ended.
    pub(crate) async fn hang_up(&self, leg: &Leg, id: &str) -> Result<(), BackEndError> {
        match self.of(leg) {
            Setup::Ready(BackEnd::Call(account)) => call::hang_up(&account, id).await,
            Setup::Ready(BackEnd::Elemente(client)) => elemente::cancel(client, id).await,
            Setup::Unusable => Err(BackEndError::unusable(leg)),
            _ => Err(BackEndError {
                is_transient: false,
                detail: format!("{} cannot end calls", leg.back_end),
            }),
        }
    }

    /// The account that places the call of a leg; `None` if the leg is no call, or another party places it.
    pub(crate) fn caller(&self, leg: &Leg) -> Option<voice::Account> {
        match self.of(leg) {
            Setup::Ready(BackEnd::Call(account)) => Some(account),
            _ => None,
        }
    }

    /// Whether the chat platform of a leg is that of this deployment.
    pub(crate) fn has_chat(&self, leg: &Leg) -> bool {
        self.chat.is_some_and(|platform| platform.name() == leg.back_end)
    }

    fn of(&self, leg: &Leg) -> Setup<BackEnd<'_>> {
        let account = match Over::named(&leg.back_end) {
            None => return Setup::Missing,
            Some(Over::Twilio) => &self.twilio,
            Some(Over::Routee) => &self.routee,
            Some(Over::Ses) => {
                let email = self.email.as_ref();
                return email.map_or(Setup::Missing, |email| Setup::Ready(BackEnd::Email(email)));
            }
            Some(Over::Elemente) => return self.elemente.as_ref().map(BackEnd::Elemente),
            Some(Over::Sangoma | Over::Chatwoot) => {
                let is_ours = self.has_chat(leg);
                let carrier = chat_link::carrier(leg).filter(|carrier| is_ours && carrier.back_end != leg.back_end);
                return carrier.map_or(Setup::Missing, |carrier| self.of(&carrier));
            }
        };
        account.as_ref().map(|account| match leg.channel {
            Channel::Call => BackEnd::Call(self.calls.account(account, leg)),
            _ => BackEnd::Text(account),
        })
    }
}

/// How long the call of a leg may take, or the conversation that another party leads.
pub(crate) fn longest_call_seconds(leg: &Leg) -> u32 {
    let announcement = Announcement::of(&leg.content);
    announcement.map_or(CONVERSATION_SECONDS, |announcement| {
        call::longest_seconds(&announcement)
    })
}

fn refused(detail: impl Into<String>) -> SendResult {
    SendResult::Refused { detail: detail.into() }
}
