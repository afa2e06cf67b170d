//! Skills: what contacting a customer is about, and what a request cannot say about it.

mod call;
mod hours;
#[cfg(test)]
mod tests;
mod webchat;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub use self::call::Calls;
pub use self::hours::{Hours, HoursZone, NoWindow};
pub use self::webchat::ChatLink;
use super::document::{self, Written, check_text, required_line};
use crate::flow::Issue;
use crate::flow::source::{element, field};
use crate::interaction::Channel;
use crate::messaging::TemplateId;
use crate::target::Targets;
use crate::webhook::{Strategy, Webhook};

/// Longest name of a skill, in characters.
const MAX_NAME_CHARS: usize = 200;
/// Longest subject, in characters, before its variables are filled in.
const MAX_SUBJECT_CHARS: usize = 500;
/// Most variables of a `WhatsApp` template (twilio/CONTRACT.md 5.1).
const MAX_VARIABLES: usize = 100;
/// Longest name of such a variable, in characters.
const MAX_VARIABLE_NAME_CHARS: usize = 64;
/// Longest value of such a variable, in characters, before its own variables are filled in.
const MAX_VARIABLE_CHARS: usize = 1_000;
/// Minutes after which nothing is sent, if the document says nothing: a day.
const DEFAULT_EXPIRES_MINUTES: u32 = 1_440;
/// Most minutes to wait for anything: a week.
const MAX_MINUTES: u32 = 10_080;

/// A skill whose document passed the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// Its name, for people.
    pub name: String,
    /// The subject of e-mails; a template.
    pub subject: Option<String>,
    /// What is sent over `WhatsApp` when the customer has not written for 24 hours.
    pub whatsapp: Option<Template>,
    /// How customers get the link to a web chat on our own page.
    pub webchat: Option<ChatLink>,
    /// What announcements by phone offer.
    pub calls: Calls,
    /// When customers may be contacted; any time if there are none.
    pub hours: Option<Hours>,
    /// The channels after the requested one, in order, each once.
    pub then: Vec<Channel>,
    /// Minutes that an answer is awaited before the plan goes on; none if no answer is expected.
    pub answer_minutes: Option<u32>,
    /// Minutes after which nothing is sent.
    pub expires_minutes: u32,
    /// Whether a request is refused if its texts use variables that it does not define.
    pub strict: bool,
    /// Whether voice agents learn the outcome from the shared context of the caller.
    pub remember: bool,
    /// The webhook that receives the events of interactions whose request names none.
    pub webhook: Option<Webhook>,
}

/// A message template that the platform has approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Twilio's id of it.
    pub template: TemplateId,
    /// The values of its variables by name, such as `1`; templates.
    pub variables: BTreeMap<String, String>,
}

impl Skill {
    /// Reads a stored document.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_stored(value: &Value) -> Result<Self, Vec<Issue>> {
        document::from_stored::<Fields>(value)
    }
}

/// The document of a skill.
pub type Document = Written<Fields>;

/// A skill: what contacting a customer is about, and what a request cannot say about it.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Skill"))]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// Its name, for people.
    #[cfg_attr(feature = "schema", schemars(required))]
    name: Option<String>,
    /// The subject of e-mails, a text with variables such as `{{firstName}}`. Required for e-mail over `ses`.
    #[serde(default)]
    subject: Option<String>,
    /// What is sent over `WhatsApp` when the customer has not written for 24 hours. Without it nothing is sent then.
    #[serde(default)]
    whatsapp: Option<TemplateFields>,
    /// How customers get the link to a web chat. Required for web chat over `sangoma` or `chatwoot`.
    #[serde(default)]
    webchat: Option<webchat::Fields>,
    /// What a call over `twilio` or `routee` offers after the text. When left out, the text is only read out, once.
    #[serde(default)]
    call: call::Fields,
    /// When customers may be contacted. Any time when left out.
    #[serde(default)]
    hours: Option<hours::Fields>,
    /// Channels that follow if the customer does not answer: `call`, `sms`, `whatsapp`, `email`, `webchat`.
    #[serde(default)]
    then: Vec<String>,
    /// Minutes, from 1 to 10080, that an answer is awaited before the next channel. When left out, no answer is expected:
    /// what was delivered is done.
    #[serde(default)]
    answer_minutes: Option<u32>,
    /// Minutes, from 1 to 10080, after which nothing is sent. 1440 when left out.
    #[serde(default)]
    expires_minutes: Option<u32>,
    /// Whether to refuse requests whose texts use variables that nobody defines. Otherwise such variables are blank.
    #[serde(default)]
    strict: bool,
    /// Whether the customer's phone number gets a note for the voice agents who talk to them next: who contacted them,
    /// and what they answered. Yes when left out.
    #[serde(default)]
    remember: Option<bool>,
    /// The webhook that receives the events of interactions whose request names none. Nobody is notified when left out.
    #[serde(default)]
    webhook: Option<WebhookFields>,
}

/// Where a bot or a program receives the events of an interaction.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Webhook"))]
#[serde(deny_unknown_fields)]
struct WebhookFields {
    /// An https URL with a public address.
    #[cfg_attr(feature = "schema", schemars(required))]
    url: Option<String>,
    /// Which events it receives: `OnCompletion`, `OnChange` or `OnStatus`. `OnChange` when left out.
    #[serde(default)]
    strategy: Option<String>,
}

/// A message template that `WhatsApp` has approved.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Template"))]
#[serde(deny_unknown_fields)]
struct TemplateFields {
    /// Twilio's id of the template: HX and 32 hexadecimal digits.
    #[cfg_attr(feature = "schema", schemars(required))]
    template: Option<String>,
    /// The values of its variables by name, such as `"1"`: texts with variables such as `{{firstName}}`.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

impl document::Fields for Fields {
    type Checked = Skill;

    fn check(&self, _: bool, issues: &mut Vec<Issue>) -> Skill {
        let name = required_line(self.name.as_deref(), MAX_NAME_CHARS, "name", issues);
        if let Some(subject) = &self.subject {
            check_text(subject, MAX_SUBJECT_CHARS, "subject", issues);
        }
        let expires_minutes = self.expires_minutes.unwrap_or(DEFAULT_EXPIRES_MINUTES);
        check_minutes(expires_minutes, "expires_minutes", issues);
        let then = self.then(issues);
        self.check_answer(expires_minutes, issues);
        Skill {
            name,
            subject: self.subject.clone(),
            whatsapp: self.whatsapp.as_ref().and_then(|template| template.check(issues)),
            webchat: self.webchat.as_ref().and_then(|link| link.check("webchat", issues)),
            calls: self.call.check("call", issues),
            hours: self.hours.as_ref().map(|hours| hours.check("hours", issues)),
            then,
            answer_minutes: self.answer_minutes,
            expires_minutes,
            strict: self.strict,
            remember: self.remember.unwrap_or(true),
            webhook: self.webhook.as_ref().and_then(|webhook| webhook.check(issues)),
        }
    }
}

impl Fields {
    fn then(&self, issues: &mut Vec<Issue>) -> Vec<Channel> {
        let mut then = Vec::new();
        for (index, name) in self.then.iter().enumerate() {
            let path = element("then", index);
            match Channel::named(name) {
                None => issues.push(Issue::new(
                    path,
                    "must be one of call, sms, whatsapp, email and webchat",
                )),
                Some(channel) if then.contains(&channel) => issues.push(Issue::new(path, "is a duplicate")),
                Some(channel) => then.push(channel),
            }
        }
        then
    }

    /// An answer that is awaited over each channel must leave time for the next.
    fn check_answer(&self, expires_minutes: u32, issues: &mut Vec<Issue>) {
        let Some(minutes) = self.answer_minutes else { return };
        check_minutes(minutes, "answer_minutes", issues);
        let following = u32::try_from(self.then.len()).unwrap_or(u32::MAX);
        if minutes.saturating_mul(following) >= expires_minutes {
            issues.push(Issue::new(
                "answer_minutes",
                "leave no time for all channels of `then` within `expires_minutes`",
            ));
        }
    }
}

impl TemplateFields {
    fn check(&self, issues: &mut Vec<Issue>) -> Option<Template> {
        let path = "whatsapp.variables";
        if self.variables.len() > MAX_VARIABLES {
            issues.push(Issue::new(path, format!("has more than {MAX_VARIABLES} variables")));
        }
        for (name, value) in &self.variables {
            let path = field(path, name);
            if name.is_empty() || name.chars().count() > MAX_VARIABLE_NAME_CHARS {
                let detail = format!("must have a name of 1 to {MAX_VARIABLE_NAME_CHARS} characters");
                issues.push(Issue::new(&path, detail));
            }
            check_text(value, MAX_VARIABLE_CHARS, &path, issues);
        }
        let id = self.template.as_deref().unwrap_or_default().trim();
        let template = id.parse().map_err(|_| {
            let detail = "must be the id of a template: HX and 32 hexadecimal digits";
            issues.push(Issue::new("whatsapp.template", detail));
        });
        let variables = self.variables.clone();
        template.ok().map(|template| Template { template, variables })
    }
}

impl WebhookFields {
    /// Which private addresses are allowed is the stack's to say, when an interaction begins.
    fn check(&self, issues: &mut Vec<Issue>) -> Option<Webhook> {
        let strategy = match self.strategy.as_deref() {
            None => Some(Strategy::default()),
            Some(name) => Strategy::named(name),
        };
        if strategy.is_none() {
            let detail = "must be one of OnCompletion, OnChange and OnStatus";
            issues.push(Issue::new("webhook.strategy", detail));
        }
        let webhook = Webhook {
            url: self.url.as_deref().unwrap_or_default().trim().to_owned(),
            strategy: strategy?,
        };
        let checked = webhook
            .check_length()
            .and_then(|()| webhook.check_target(&Targets::any()));
        if let Err(error) = checked {
            issues.push(Issue::new(error.field, error.detail));
            return None;
        }
        Some(webhook)
    }
}

fn check_minutes(minutes: u32, path: &str, issues: &mut Vec<Issue>) {
    if !(1..=MAX_MINUTES).contains(&minutes) {
        issues.push(Issue::new(path, format!("must be from 1 to {MAX_MINUTES}")));
    }
}
