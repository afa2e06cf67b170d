//! Agents: who contacts customers, in which words, and for each channel over which back end and from which sender.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::{self, Written, check_text, required_line};
use crate::bot::language::is_tag;
use crate::flow::Issue;
use crate::flow::source::field;
use crate::ids::DocumentName;
use crate::interaction::Channel;
use crate::messaging::{self, Sender};
use crate::providers::elemente::{MAX_ID_CHARS, MAX_INITIAL_MESSAGE_CHARS, MAX_PROMPT_CHARS};
use crate::providers::ses::EmailAddress;

/// Longest name of an agent, in characters.
const MAX_NAME_CHARS: usize = 200;

/// An agent whose document passed the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name, as customers read or hear it.
    pub name: String,
    /// Its language, such as `es-MX`.
    pub language: Option<String>,
    /// What it says first; a template.
    pub initial_message: Option<String>,
    /// What it is to do, for a back end that leads a conversation; a template.
    pub prompt: Option<String>,
    /// For each of its channels: over which back end, and from which sender. At least one.
    pub senders: BTreeMap<Channel, ChannelSender>,
}

/// Who sends over a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSender {
    /// The back end.
    pub over: Over,
    /// The sender as the back end names it: a phone number, the id of a messaging service, a sender name, an e-mail
    /// address, a topic of the chat page; for Elemente the two ids that [`elemente_ids`] takes apart.
    pub from: String,
}

/// A back end that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// Twilio: calls, SMS and `WhatsApp`.
    Twilio,
    /// Routee: calls and SMS.
    Routee,
    /// Amazon SES: e-mail.
    Ses,
    /// Elemente, whose own agent leads the conversation: every channel.
    Elemente,
    /// Sangoma: web chat, on our own chat page.
    Sangoma,
    /// Chatwoot: web chat, on our own chat page.
    Chatwoot,
}

impl Over {
    /// All back ends.
    pub const ALL: [Self; 6] = [
        Self::Twilio,
        Self::Routee,
        Self::Ses,
        Self::Elemente,
        Self::Sangoma,
        Self::Chatwoot,
    ];

    /// The word in documents and in plans.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Routee => "routee",
            Self::Ses => "ses",
            Self::Elemente => "elemente",
            Self::Sangoma => "sangoma",
            Self::Chatwoot => "chatwoot",
        }
    }

    /// The back end with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|over| over.name() == name)
    }

    /// The back ends that can send over `channel`.
    pub const fn possible(channel: Channel) -> &'static [Self] {
        match channel {
            Channel::Webchat => &[Self::Sangoma, Self::Chatwoot, Self::Elemente],
            Channel::Call | Channel::Sms => &[Self::Twilio, Self::Routee, Self::Elemente],
            Channel::Whatsapp => &[Self::Twilio, Self::Elemente],
            Channel::Email => &[Self::Ses, Self::Elemente],
        }
    }
}

/// The ids of an agent and a skill of Elemente in the sender of a leg over it.
pub fn elemente_ids(from: &str) -> Option<(&str, &str)> {
    from.split_once(' ')
}

impl Agent {
    /// Reads a stored document.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_stored(value: &Value) -> Result<Self, Vec<Issue>> {
        document::from_stored::<Fields>(value)
    }
}

/// The document of an agent.
pub type Document = Written<Fields>;

/// An agent: who contacts customers, in which words, and from which senders.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Agent"))]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// The name, as customers read or hear it.
    #[cfg_attr(feature = "schema", schemars(required))]
    name: Option<String>,
    /// The language that it writes and speaks, such as `es-MX`.
    #[serde(default)]
    language: Option<String>,
    /// What it says, unless a request says something else.
    #[serde(default)]
    prompt: Prompt,
    /// Over which channels it contacts customers: at least one.
    #[cfg_attr(feature = "schema", schemars(required))]
    channels: Option<Channels>,
}

/// Texts with variables, such as `{{firstName}}`, `{{aiName}}` and the names of custom fields.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Prompt {
    /// What customers read or hear first.
    #[serde(default)]
    initial_message: Option<String>,
    /// What the agent is to do, for a back end that leads a conversation.
    #[serde(default)]
    prompt: Option<String>,
}

/// The sender of each channel.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Channels {
    /// Calls, over `twilio`, `routee` or `elemente`.
    #[serde(default)]
    call: Option<SenderFields>,
    /// SMS, over `twilio`, `routee` or `elemente`.
    #[serde(default)]
    sms: Option<SenderFields>,
    /// `WhatsApp`, over `twilio` or `elemente`.
    #[serde(default)]
    whatsapp: Option<SenderFields>,
    /// E-mail, over `ses` or `elemente`.
    #[serde(default)]
    email: Option<SenderFields>,
    /// Web chat, over `sangoma`, `chatwoot` or `elemente`.
    #[serde(default)]
    webchat: Option<SenderFields>,
}

/// A back end and the sender there.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Sender"))]
#[serde(deny_unknown_fields)]
struct SenderFields {
    /// The back end.
    #[cfg_attr(feature = "schema", schemars(required))]
    over: Option<Over>,
    /// The sender: a phone number such as `+12025550100`, for SMS over `twilio` or the id of a messaging service, for
    /// calls and SMS over `routee` or a sender name, for `ses` an e-mail address, for `sangoma` and `chatwoot` a topic of
    /// the chat page. Not for `elemente`.
    #[serde(default)]
    from: Option<String>,
    /// Only for `elemente`: the id of its agent.
    #[serde(default)]
    agent_id: Option<String>,
    /// Only for `elemente`: the id of its skill.
    #[serde(default)]
    skill_id: Option<String>,
}

impl Channels {
    const fn get(&self, channel: Channel) -> Option<&SenderFields> {
        match channel {
            Channel::Call => self.call.as_ref(),
            Channel::Sms => self.sms.as_ref(),
            Channel::Whatsapp => self.whatsapp.as_ref(),
            Channel::Email => self.email.as_ref(),
            Channel::Webchat => self.webchat.as_ref(),
        }
    }
}

impl document::Fields for Fields {
    type Checked = Agent;

    fn check(&self, _: bool, issues: &mut Vec<Issue>) -> Agent {
        let Prompt {
            initial_message,
            prompt,
        } = &self.prompt;
        for (text, max_chars, path) in [
            (initial_message, MAX_INITIAL_MESSAGE_CHARS, "prompt.initial_message"),
            (prompt, MAX_PROMPT_CHARS, "prompt.prompt"),
        ] {
            if let Some(text) = text {
                check_text(text, max_chars, path, issues);
            }
        }
        if self.language.as_deref().is_some_and(|tag| !is_tag(tag)) {
            issues.push(Issue::new("language", "must be a language tag, such as en or pt-BR"));
        }
        Agent {
            name: required_line(self.name.as_deref(), MAX_NAME_CHARS, "name", issues),
            language: self.language.clone(),
            initial_message: initial_message.clone(),
            prompt: prompt.clone(),
            senders: self.senders(issues),
        }
    }
}

impl Fields {
    fn senders(&self, issues: &mut Vec<Issue>) -> BTreeMap<Channel, ChannelSender> {
        let written = |channel| Some((channel, self.channels.as_ref()?.get(channel)?));
        let written: Vec<_> = Channel::ALL.into_iter().filter_map(written).collect();
        if written.is_empty() {
            issues.push(Issue::new("channels", "must have at least one channel"));
        }
        let mut senders = BTreeMap::new();
        for (channel, sender) in written {
            let path = field("channels", channel.name());
            senders.extend(sender.check(channel, &path, issues).map(|sender| (channel, sender)));
        }
        senders
    }
}

impl SenderFields {
    fn check(&self, channel: Channel, path: &str, issues: &mut Vec<Issue>) -> Option<ChannelSender> {
        let possible = Over::possible(channel);
        let Some(over) = self.over.filter(|over| possible.contains(over)) else {
            let names: Vec<&str> = possible.iter().map(|over| over.name()).collect();
            let detail = format!("must be the back end of the channel: {}", names.join(" or "));
            issues.push(Issue::new(field(path, "over"), detail));
            return None;
        };
        let is_elemente = over == Over::Elemente;
        for (value, name, is_possible) in [
            (&self.from, "from", !is_elemente),
            (&self.agent_id, "agent_id", is_elemente),
            (&self.skill_id, "skill_id", is_elemente),
        ] {
            if value.is_some() && !is_possible {
                let detail = format!("has no meaning over {}", over.name());
                issues.push(Issue::new(field(path, name), detail));
            }
        }
        let from = if is_elemente {
            Some(self.check_ids(path, issues))
        } else {
            self.check_from(channel, over, &field(path, "from"), issues)
        };
        from.map(|from| ChannelSender { over, from })
    }

    /// Both ids in one text. Only the second one may have spaces: titles of skills have served as their ids.
    fn check_ids(&self, path: &str, issues: &mut Vec<Issue>) -> String {
        let path_of_agent = field(path, "agent_id");
        let agent = required_line(self.agent_id.as_deref(), MAX_ID_CHARS, &path_of_agent, issues);
        let skill = self.skill_id.as_deref();
        let skill = required_line(skill, MAX_ID_CHARS, &field(path, "skill_id"), issues);
        if agent.contains(char::is_whitespace) {
            issues.push(Issue::new(path_of_agent, "must have no spaces"));
        }
        format!("{agent} {skill}")
    }

    fn check_from(&self, channel: Channel, over: Over, path: &str, issues: &mut Vec<Issue>) -> Option<String> {
        let Some(from) = self.from.as_deref() else {
            issues.push(Issue::new(path, "is missing"));
            return None;
        };
        sender(channel, over, from)
            .map_err(|detail| issues.push(Issue::new(path, detail)))
            .ok()
    }
}

/// The sender as the back end names it.
fn sender(channel: Channel, over: Over, from: &str) -> Result<String, String> {
    let from = from.trim();
    if channel == Channel::Email {
        let address = EmailAddress::parse(from).map_err(|error| error.to_string())?;
        return Ok(address.as_str().to_owned());
    }
    if channel == Channel::Webchat {
        let topic: Result<DocumentName, _> = from.parse();
        let topic = topic.map_err(|_| "must be the name of a topic of the chat page".to_owned())?;
        return Ok(topic.to_string());
    }
    let message_channel = match channel {
        Channel::Whatsapp => messaging::Channel::WhatsApp,
        _ => messaging::Channel::Sms,
    };
    let expected = match (channel, over) {
        (Channel::Whatsapp, _) | (Channel::Call, Over::Twilio) => "must be a phone number, such as +12025550100",
        (_, Over::Twilio) => "must be a phone number, such as +12025550100, or the id of a messaging service, MG...",
        _ => "must be a phone number, such as +12025550100, or a name of up to 11 letters and digits",
    };
    match (Sender::parse(message_channel, from), over) {
        (Ok(Sender::Number(_) | Sender::WhatsApp(_)), _) | (Ok(Sender::Name(_)), Over::Routee) => Ok(from.to_owned()),
        (Ok(Sender::Service(_)), Over::Twilio) if channel == Channel::Sms => Ok(from.to_owned()),
        _ => Err(expected.to_owned()),
    }
}
