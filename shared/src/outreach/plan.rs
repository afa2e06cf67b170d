//! Turns a request to contact a customer into the plan of an interaction. Pure: no I/O, no clock.

mod fill;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::fill::{Filler, Template};
use super::agent::{Agent, Over, elemente_ids};
use super::extensions::Extensions;
use super::skill::{self, ChatLink, Skill};
use crate::clock::Timestamp;
use crate::dispatch::script;
use crate::field::FieldError;
use crate::interaction::limits::MAX_PLAN_BYTES;
use crate::interaction::template::Variables;
use crate::interaction::{self, Channel, Content, KeyOption, LINK, Leg, NewInteraction, Parties, Plan};
use crate::providers::elemente::{AgentOverride, CreateRequest, Customer, MAX_INITIAL_MESSAGE_CHARS, MAX_PROMPT_CHARS};
use crate::providers::ses::Subject;
use crate::providers::twilio::messages::MAX_BODY_CHARS;

/// How long a provider has to report how a message ended. Within a day networks and mail servers have delivered it or
/// given up, and it is the longest validity of a text message that matters to anybody.
const MESSAGE_OUTCOME_SECONDS: u32 = 86_400;
/// How long a back end has to report how a call ended: longer than calls take.
const CALL_OUTCOME_SECONDS: u32 = 3_600;
/// How long a provider has to report how an announcement ended: it rings for half a minute and speaks for few.
const ANNOUNCEMENT_OUTCOME_SECONDS: u32 = 900;
/// The shortest time to wait for that before the next channel, however little time the skill leaves.
const MIN_OUTCOME_SECONDS: u32 = 60;
/// Tries over each channel. A skill that wants more names another channel.
const ATTEMPTS: u16 = 1;
/// Longest text that is spoken, in characters.
const MAX_SPOKEN_CHARS: usize = script::MAX_SAY_CHARS;
/// The language of announcements if nobody says another.
const DEFAULT_LANGUAGE: &str = "en-US";
/// Longest text of an e-mail, in characters.
const MAX_EMAIL_CHARS: usize = 10_000;
/// Longest subject, in characters, before it is cut to what a header holds.
const MAX_SUBJECT_CHARS: usize = 5_000;
/// Longest text on each side of the link to a web chat, in characters: both and the link fit into an SMS.
const MAX_LINK_PART_CHARS: usize = 500;
/// Longest value of a variable of a `WhatsApp` template, in characters.
const MAX_VARIABLE_CHARS: usize = 1_600;

const INITIAL_MESSAGE: &str = "agentOverride.prompt.initialMessage";
const PROMPT: &str = "agentOverride.prompt.prompt";
const AGENT: &str = "agentId";
const SKILL: &str = "skillId";

/// What a plan is made from, next to the request.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The id of the agent.
    pub agent_id: &'a str,
    /// The agent.
    pub agent: &'a Agent,
    /// The id of the skill.
    pub skill_id: &'a str,
    /// The skill.
    pub skill: &'a Skill,
    /// Our id of the customer.
    pub customer_id: &'a str,
    /// The customer: override over `customer*` over what is stored.
    pub customer: &'a Customer,
    /// What the request says in fields of our own.
    pub extensions: &'a Extensions,
}

/// The interaction that `request` asks for.
///
/// The requested channel comes first, then those of the skill. One of the skill that cannot be used is left out, and
/// listed as `skill.then.NAME` among the unused fields. Numbers and addresses are not checked: whether they can be reached
/// is decided when something is sent.
///
/// - A leg over `WhatsApp` with a template has its text, too: for customers who wrote within 24 hours.
/// - A leg over Elemente expects no answer: the conversation is led there, and nobody tells who wrote in it.
/// - Until the last channel, a provider has to report how a message ended within an equal share of the skill's time, so
///   that the plan reaches its end.
///
/// # Errors
/// Why the requested channel cannot be used; for a strict skill also the unknown variables of every text.
pub fn plan(request: &CreateRequest, sources: &Sources<'_>, now: Timestamp) -> Result<NewInteraction, Vec<FieldError>> {
    let mut drafts = Drafts::new(request, *sources);
    let (mut legs, mut left_out, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for channel in channels(request.channel, sources.skill) {
        match drafts.leg(channel) {
            Ok(leg) => legs.push(leg),
            Err(reasons) if channel == request.channel => errors.extend(reasons),
            Err(_) => left_out.push(format!("skill.then.{channel}")),
        }
    }
    let blank_variables = drafts.finish().unwrap_or_else(|refused| {
        errors.extend(refused);
        Vec::new()
    });
    if !errors.is_empty() {
        return Err(errors);
    }
    let extensions = sources.extensions;
    let not_before = extensions.not_before(now);
    let expires_at = not_before.plus_seconds(seconds(sources.skill.expires_minutes));
    let latest_at = extensions.latest_at.unwrap_or(expires_at);
    set_times(&mut legs, sources.skill, latest_at.since(not_before).as_secs());
    let mut unused_fields = unused_fields(&request.agent_override, &legs);
    unused_fields.extend(left_out);
    let new = NewInteraction {
        parties: parties(request, sources, &legs),
        plan: Plan {
            legs,
            not_before,
            latest_at,
            remember: sources.skill.remember,
            time_zone: extensions.time_zone.clone(),
            hours_bypass: extensions.hours_bypass.clone(),
        },
        note: String::new(),
        webhook: extensions.webhook.clone().or_else(|| sources.skill.webhook.clone()),
        blank_variables,
        unused_fields,
    };
    check_size(&new)?;
    Ok(new)
}

/// The requested channel and those after it, each once.
fn channels(requested: Channel, skill: &Skill) -> impl Iterator<Item = Channel> {
    let then = skill.then.iter().copied();
    std::iter::once(requested).chain(then.filter(move |channel| *channel != requested))
}

/// Makes legs.
struct Drafts<'a> {
    sources: Sources<'a>,
    /// The agent's override.
    given: &'a AgentOverride,
    /// The name of the agent, as customers read or hear it.
    agent_name: &'a str,
    /// The language in which announcements are spoken.
    language: &'a str,
    initial_message: Option<Template<'a>>,
    prompt: Option<Template<'a>>,
    filler: Filler,
}

impl<'a> Drafts<'a> {
    fn new(request: &'a CreateRequest, sources: Sources<'a>) -> Self {
        let (given, agent) = (&request.agent_override, sources.agent);
        let initial_message = template(
            (&given.initial_message, INITIAL_MESSAGE),
            (&agent.initial_message, "the agent's initial message "),
        );
        let prompt = template((&given.prompt, PROMPT), (&agent.prompt, "the agent's prompt "));
        let languages = [&given.language, &sources.customer.language, &agent.language];
        Self {
            sources,
            given,
            agent_name: agent_name(request, &sources),
            language: languages
                .into_iter()
                .find_map(Option::as_deref)
                .unwrap_or(DEFAULT_LANGUAGE),
            initial_message,
            prompt,
            filler: Filler::new(variables(request, &sources), sources.skill.strict),
        }
    }

    /// The names of unknown variables.
    ///
    /// # Errors
    /// There are some, and the skill is strict.
    fn finish(mut self) -> Result<Vec<String>, Vec<FieldError>> {
        // The requester who wrote a prompt learns of its unknown variables, even if no leg uses it. That it is too long matters
        // only to one that does.
        if let Some(prompt) = self.prompt.filter(|prompt| prompt.field == PROMPT) {
            let _ = self.filler.fill(prompt, MAX_PROMPT_CHARS);
        }
        self.filler.finish()
    }

    fn leg(&mut self, channel: Channel) -> Result<Leg, Vec<FieldError>> {
        let Sources { agent, customer, .. } = self.sources;
        let sender = agent.senders.get(&channel);
        let content = sender.and_then(|sender| self.content(channel, sender.over));
        let mut errors: Vec<FieldError> = customer.check_address(channel).err().into_iter().collect();
        match (sender, content) {
            (Some(sender), Some(Ok(content))) if errors.is_empty() => Ok(Leg {
                channel,
                back_end: sender.over.name().to_owned(),
                from: sender.from.clone(),
                to: address(customer, carrier(&content, channel)).unwrap_or_default(),
                content,
                attempts: ATTEMPTS,
                retry_seconds: 0,
                outcome_seconds: longest_outcome_seconds(channel),
                answer_seconds: None,
                is_polled: sender.over == Over::Elemente,
            }),
            (Some(_), Some(content)) => {
                errors.extend(content.err().into_iter().flatten());
                Err(errors)
            }
            _ => {
                let detail = format!("the agent has no back end for the channel {channel}");
                errors.push(FieldError::new("channel", detail));
                Err(errors)
            }
        }
    }

    /// What is sent; `None` if the back end cannot send over this channel.
    fn content(&mut self, channel: Channel, over: Over) -> Option<Result<Content, Vec<FieldError>>> {
        match (over, channel) {
            (Over::Elemente, _) => Some(self.conversation(channel)),
            (Over::Twilio | Over::Routee, Channel::Call) => Some(self.announcement()),
            (Over::Twilio | Over::Routee, Channel::Sms) => Some(self.text()),
            (Over::Twilio, Channel::Whatsapp) => Some(self.whatsapp()),
            (Over::Ses, Channel::Email) => Some(self.email()),
            (Over::Sangoma | Over::Chatwoot, Channel::Webchat) => Some(self.chat_link()),
            (Over::Twilio | Over::Routee | Over::Ses | Over::Sangoma | Over::Chatwoot, _) => None,
        }
    }

    fn text(&mut self) -> Result<Content, Vec<FieldError>> {
        let text = self.message(MAX_BODY_CHARS).map_err(|error| vec![error])?;
        Ok(Content::Text { text })
    }

    fn announcement(&mut self) -> Result<Content, Vec<FieldError>> {
        let keys = self.sources.skill.calls.keys.iter();
        let keys: Result<Vec<KeyOption>, FieldError> = keys.map(|option| self.key(option)).collect();
        let (text, keys) = both(self.message(MAX_SPOKEN_CHARS), keys)?;
        Ok(Content::Announcement {
            text,
            keys,
            language: self.language.to_owned(),
        })
    }

    fn key(&mut self, option: &KeyOption) -> Result<KeyOption, FieldError> {
        let offer = of_skill(&option.offer, "the offer of a key of the skill ");
        let offer = self.filler.fill_in(offer, MAX_SPOKEN_CHARS)?;
        let reply = option.reply.as_deref().map(|reply| {
            let reply = of_skill(reply, "the reply to a key of the skill ");
            self.filler.fill(reply, MAX_SPOKEN_CHARS)
        });
        Ok(KeyOption {
            offer,
            reply: reply.transpose()?,
            ..option.clone()
        })
    }

    fn whatsapp(&mut self) -> Result<Content, Vec<FieldError>> {
        let Some(template) = &self.sources.skill.whatsapp else {
            return self.text();
        };
        let (text, variables) = both(self.message(MAX_BODY_CHARS), self.template_variables(template))?;
        Ok(Content::Template {
            template: template.template.to_string(),
            variables,
            text,
        })
    }

    fn email(&mut self) -> Result<Content, Vec<FieldError>> {
        let (text, subject) = both(self.message(MAX_EMAIL_CHARS), self.subject())?;
        Ok(Content::Email { subject, text })
    }

    /// The message with the link goes by the channel that the skill names, from the agent's sender there. The platform knows
    /// its customers by their e-mail addresses, whatever that channel is.
    fn chat_link(&mut self) -> Result<Content, Vec<FieldError>> {
        let Sources {
            agent, skill, customer, ..
        } = self.sources;
        let Some(link) = &skill.webchat else {
            let detail = "the skill does not say how the link to a web chat is sent";
            return Err(vec![FieldError::new(SKILL, detail)]);
        };
        let addresses = [Channel::Email, link.by].map(|channel| customer.check_address(channel).err());
        let mut errors: Vec<FieldError> = addresses.into_iter().flatten().collect();
        errors.dedup();
        let sender = agent
            .senders
            .get(&link.by)
            .filter(|sender| sender.over != Over::Elemente);
        if sender.is_none() {
            let detail = format!(
                "the agent has no back end that sends the link of a web chat by {}",
                link.by
            );
            errors.push(FieldError::new("channel", detail));
        }
        let subject = match link.by {
            Channel::Email => self.subject(),
            _ => Ok(String::new()),
        };
        let texts = both(self.link_text(link), self.message(MAX_INITIAL_MESSAGE_CHARS));
        let (Some(sender), true) = (sender, errors.is_empty()) else {
            errors.extend(subject.err().into_iter().chain(texts.err().into_iter().flatten()));
            return Err(errors);
        };
        let ((text, initial_message), subject) = (texts?, subject.map_err(|error| vec![error])?);
        Ok(Content::ChatLink {
            by: link.by,
            over: sender.over.name().to_owned(),
            sender: sender.from.clone(),
            subject,
            text,
            initial_message,
        })
    }

    fn link_text(&mut self, link: &ChatLink) -> Result<String, FieldError> {
        let mut part = |text| {
            let template = of_skill(text, "the skill's text with the link ");
            let filled = self.filler.fill(template, MAX_LINK_PART_CHARS)?;
            // A customer may be called like that.
            Ok(filled.replace(LINK, " "))
        };
        Ok(format!("{}{LINK}{}", part(&link.before)?, part(&link.after)?))
    }

    /// Without texts it is what the back end's own agent makes of it.
    fn conversation(&mut self, channel: Channel) -> Result<Content, Vec<FieldError>> {
        let mut filled = |text: Option<Template<'_>>, max_chars| {
            text.map_or_else(|| Ok(String::new()), |text| self.filler.fill(text, max_chars))
        };
        let initial_message = filled(self.initial_message, MAX_INITIAL_MESSAGE_CHARS);
        let (initial_message, prompt) = both(initial_message, filled(self.prompt, MAX_PROMPT_CHARS))?;
        let request = self.request(channel);
        Ok(Content::Conversation {
            initial_message,
            prompt,
            request: Some(Box::new(request.to_json())),
        })
    }

    /// What Elemente is asked for, without the texts: the same request with its own ids. If there are no texts, those of its
    /// agent count, which may need any field of the customer.
    fn request(&self, channel: Channel) -> CreateRequest {
        let Sources { agent, customer, .. } = self.sources;
        let sender = agent.senders.get(&channel);
        let ids = sender.and_then(|sender| elemente_ids(&sender.from));
        let (agent_id, skill_id) = ids.unwrap_or_default();
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        CreateRequest {
            agent_id: agent_id.to_owned(),
            channel,
            skill_id: skill_id.to_owned(),
            customer_override: customer.clone(),
            given_customer: Customer {
                name: text(&customer.full_name()),
                ..customer.clone()
            },
            agent_override: AgentOverride {
                name: text(self.agent_name),
                initial_message: None,
                prompt: None,
                ..self.given.clone()
            },
        }
    }

    /// What the customer reads.
    fn message(&mut self, max_chars: usize) -> Result<String, FieldError> {
        let missing = || FieldError::new(INITIAL_MESSAGE, "is missing, and the agent has none");
        self.filler
            .fill_in(self.initial_message.ok_or_else(missing)?, max_chars)
    }

    /// The subject as a header can have it.
    fn subject(&mut self) -> Result<String, FieldError> {
        let missing = || FieldError::new(SKILL, "the skill has no subject, which an e-mail needs");
        let subject = self.sources.skill.subject.as_deref().ok_or_else(missing)?;
        let template = of_skill(subject, "the skill's subject ");
        let subject = self.filler.fill_in(template, MAX_SUBJECT_CHARS)?;
        let subject = Subject::new(&subject).ok_or_else(|| template.error("has no characters that can be shown"))?;
        Ok(subject.as_str().to_owned())
    }

    fn template_variables(&mut self, template: &skill::Template) -> Result<BTreeMap<String, String>, FieldError> {
        let variables = template.variables.iter().map(|(name, text)| {
            let text = of_skill(text, "a variable of the skill's template ");
            Ok((name.clone(), self.filler.fill(text, MAX_VARIABLE_CHARS)?))
        });
        variables.collect()
    }
}

/// The text of the request, or else of the agent.
fn template<'a>(
    (given, field): (&'a Option<String>, &'static str),
    (own, what): (&'a Option<String>, &'static str),
) -> Option<Template<'a>> {
    if let Some(text) = given {
        let what = "";
        return Some(Template { text, field, what });
    }
    let field = AGENT;
    own.as_deref().map(|text| Template { text, field, what })
}

const fn of_skill<'a>(text: &'a str, what: &'static str) -> Template<'a> {
    let field = SKILL;
    Template { text, field, what }
}

fn variables(request: &CreateRequest, sources: &Sources<'_>) -> Variables {
    let mut variables = sources.customer.variables(Some(agent_name(request, sources)));
    let name = sources.customer.full_name();
    if !name.is_empty() {
        variables.set("name", name);
    }
    variables
}

fn agent_name<'a>(request: &'a CreateRequest, sources: &Sources<'a>) -> &'a str {
    let given = request.agent_override.name.as_deref();
    given.unwrap_or(&sources.agent.name)
}

/// The channel over which a leg reaches the customer.
const fn carrier(content: &Content, channel: Channel) -> Channel {
    match content {
        Content::ChatLink { by, .. } => *by,
        _ => channel,
    }
}

/// Where the customer is reached. A visitor who opens a web chat is there.
fn address(customer: &Customer, channel: Channel) -> Option<String> {
    match channel {
        Channel::Call | Channel::Sms | Channel::Whatsapp => customer.phone.clone(),
        Channel::Email => customer.email.clone(),
        Channel::Webchat => None,
    }
}

const fn longest_outcome_seconds(channel: Channel) -> u32 {
    match channel {
        Channel::Call => CALL_OUTCOME_SECONDS,
        Channel::Sms | Channel::Whatsapp | Channel::Email | Channel::Webchat => MESSAGE_OUTCOME_SECONDS,
    }
}

/// Divides the time of the skill among its legs, and lets those expect an answer that can have one.
fn set_times(legs: &mut [Leg], skill: &Skill, open_seconds: u64) {
    let count = u32::try_from(legs.len()).unwrap_or(u32::MAX);
    let following = count.saturating_sub(1);
    let answer_seconds = skill.answer_minutes.map(seconds);
    // What is left when the customer has had their time to answer over every channel but the last.
    let answers = answer_seconds.unwrap_or(0).saturating_mul(following);
    let open_seconds = u32::try_from(open_seconds).unwrap_or(u32::MAX);
    let outcomes = open_seconds.saturating_sub(answers);
    let share = outcomes.checked_div(count).unwrap_or(0).max(MIN_OUTCOME_SECONDS);
    for (index, leg) in legs.iter_mut().enumerate() {
        if let Content::Announcement { .. } = leg.content {
            leg.outcome_seconds = ANNOUNCEMENT_OUTCOME_SECONDS;
            leg.attempts = skill.calls.attempts;
            leg.retry_seconds = seconds(skill.calls.retry_minutes);
        }
        if index + 1 < usize::try_from(count).unwrap_or(usize::MAX) {
            leg.outcome_seconds = leg.outcome_seconds.min(share);
        }
        leg.answer_seconds = match &leg.content {
            Content::Conversation { .. } => None,
            // A key, until the call is over.
            Content::Announcement { keys, .. } if keys.is_empty() => None,
            Content::Announcement { .. } => Some(0),
            Content::Text { .. } | Content::Template { .. } | Content::Email { .. } | Content::ChatLink { .. } => {
                answer_seconds
            }
        };
    }
}

const fn is_conversation(leg: &Leg) -> bool {
    matches!(leg.content, Content::Conversation { .. })
}

fn parties(request: &CreateRequest, sources: &Sources<'_>, legs: &[Leg]) -> Parties {
    let customer = sources.customer.clone();
    Parties {
        agent: interaction::Agent {
            id: sources.agent_id.to_owned(),
            name: agent_name(request, sources).to_owned(),
            phone: sender(sources.agent, legs, is_number).unwrap_or_default(),
            email: sender(sources.agent, legs, is_email).unwrap_or_default(),
        },
        skill: sources.skill_id.to_owned(),
        customer: interaction::Customer {
            id: sources.customer_id.to_owned(),
            name: customer.full_name(),
            phone: customer.phone.unwrap_or_default(),
            email: customer.email.unwrap_or_default(),
            language: customer.language.unwrap_or_default(),
        },
    }
}

/// An agent as a party of an interaction that is given to it, without overrides.
pub fn party(id: &str, agent: &Agent) -> interaction::Agent {
    interaction::Agent {
        id: id.to_owned(),
        name: agent.name.clone(),
        phone: sender(agent, &[], is_number).unwrap_or_default(),
        email: sender(agent, &[], is_email).unwrap_or_default(),
    }
}

/// The first sender of this kind that is used, or else that the agent has.
fn sender(agent: &Agent, legs: &[Leg], is_kind: fn(&str, &str) -> bool) -> Option<String> {
    let used = legs.iter().map(|leg| (leg.back_end.as_str(), leg.from.as_str()));
    let own = agent.senders.values();
    let own = own.map(|sender| (sender.over.name(), sender.from.as_str()));
    let mut senders = used.chain(own).filter(|(over, from)| is_kind(over, from));
    senders.next().map(|(_, from)| from.to_owned())
}

/// The ids of Elemente may begin with anything.
fn is_number(over: &str, from: &str) -> bool {
    over != Over::Elemente.name() && from.starts_with('+')
}

fn is_email(over: &str, _: &str) -> bool {
    over == Over::Ses.name()
}

/// The fields of the agent's override that have no effect on these legs.
fn unused_fields(given: &AgentOverride, legs: &[Leg]) -> Vec<String> {
    // Only an agent of Elemente can be told a sender that the agent does not have, a picture or a voice.
    let is_led = legs.iter().any(is_conversation);
    let is_sender = |phone: &String| legs.iter().any(|leg| leg.from == *phone);
    let has_foreign_phone = given.phone.as_ref().is_some_and(|phone| !is_sender(phone));
    let speaks = legs
        .iter()
        .any(|leg| matches!(leg.content, Content::Announcement { .. }));
    let fields = [
        (has_foreign_phone, "agentOverride.phone"),
        (given.image_url.is_some(), "agentOverride.imageURL"),
        (given.language.is_some() && !speaks, "agentOverride.language"),
        (given.voice_stability.is_some(), "agentOverride.voiceStability"),
        (given.voice_speed.is_some(), "agentOverride.voiceSpeed"),
        (given.prompt.is_some(), PROMPT),
        (
            given.routing_conditions.is_some(),
            "agentOverride.prompt.routingConditions",
        ),
    ];
    let unused = fields.into_iter().filter(|(is_given, _)| *is_given && !is_led);
    unused.map(|(_, field)| field.to_owned()).collect()
}

/// What an item holds.
fn check_size(new: &NewInteraction) -> Result<(), Vec<FieldError>> {
    let json = serde_json::to_vec(&(&new.plan, &new.parties));
    if json.is_ok_and(|json| json.len() <= MAX_PLAN_BYTES) {
        return Ok(());
    }
    let detail = format!("the texts of all channels together have more than {MAX_PLAN_BYTES} bytes");
    Err(vec![FieldError::new(PROMPT, detail)])
}

/// Both values, or every error.
fn both<A, B>(first: Result<A, FieldError>, second: Result<B, FieldError>) -> Result<(A, B), Vec<FieldError>> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (first, second) => Err(first.err().into_iter().chain(second.err()).collect()),
    }
}

const fn seconds(minutes: u32) -> u32 {
    minutes.saturating_mul(60)
}
