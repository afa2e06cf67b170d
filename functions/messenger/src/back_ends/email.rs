//! E-mail over Amazon SES.

use patchbay::ids::Nonce;
use patchbay::interaction::{Content, Interaction, Leg, SendResult};
use patchbay::outreach::{email_tags, receiver};
use patchbay::providers::ses::{
    BodyText, ConfigurationSet, DisplayName, Email, EmailAddress, Html, OptOutUrl, Refusal, Sender, Ses, SesError,
    Subject,
};
use patchbay::web::callbacks::CallbackUrls;

use super::refused;

/// What sends e-mails.
#[derive(Clone, Debug)]
pub struct EmailBackEnd {
    /// The client.
    pub client: Ses,
    /// The configuration set that publishes what becomes of them.
    pub configuration_set: ConfigurationSet,
}

impl EmailBackEnd {
    pub(super) async fn send(
        &self,
        callbacks: &CallbackUrls,
        interaction: &Interaction,
        leg: &Leg,
        attempt: Nonce,
    ) -> SendResult {
        let email = match self.email(callbacks, interaction, leg, attempt) {
            Ok(email) => email,
            Err(detail) => return refused(detail),
        };
        match self.client.send(&email).await {
            Ok(id) => SendResult::Sent {
                provider_id: id.as_str().to_owned(),
                progress: None,
            },
            Err(error) => result_of(&error),
        }
    }

    fn email(
        &self,
        callbacks: &CallbackUrls,
        interaction: &Interaction,
        leg: &Leg,
        attempt: Nonce,
    ) -> Result<Email, String> {
        let Content::Email { subject, text } = &leg.content else {
            return Err("not an e-mail".to_owned());
        };
        let text = BodyText::new(text).map_err(|error| error.to_string())?;
        let from = EmailAddress::parse(&leg.from).map_err(|error| format!("the agent's address: {error}"))?;
        let to = receiver::email(leg).map_err(|error| error.to_string())?;
        let opt_out = callbacks.opt_out_url(&interaction.key, attempt, &to);
        Ok(Email {
            from: Sender {
                name: DisplayName::new(&interaction.parties.agent.name),
                address: from.clone(),
            },
            to,
            reply_to: from,
            subject: Subject::new(subject).ok_or_else(|| "the subject is empty".to_owned())?,
            html: Some(Html::from_text(&text)),
            text,
            opt_out: opt_out_button(&opt_out)?,
            tags: email_tags::write(&interaction.key, attempt).map_err(|error| error.to_string())?,
            configuration_set: self.configuration_set.clone(),
        })
    }
}

/// The opt-out button. Mail programs take only https, so a server on this machine sends e-mails without it. Any other
/// e-mail without it is not sent.
fn opt_out_button(url: &str) -> Result<Option<OptOutUrl>, String> {
    if url.starts_with("http://") {
        return Ok(None);
    }
    OptOutUrl::parse(url).map(Some).map_err(|error| error.to_string())
}

fn result_of(error: &SesError) -> SendResult {
    let detail = error.to_string();
    match error {
        SesError::Throttled { .. } | SesError::Quota { .. } | SesError::NotSent { .. } | SesError::Stopped { .. } => {
            SendResult::Failed {
                retry_after: None,
                detail,
            }
        }
        // An operator has to change something, as where credentials are wrong. Nothing is lost meanwhile.
        SesError::Refused {
            reason: Refusal::Configuration,
            ..
        } => SendResult::Failed {
            retry_after: None,
            detail,
        },
        SesError::Refused { .. } => refused(detail),
        SesError::Unclear { .. } => SendResult::Unclear { detail },
    }
}
