//! The link document: a chain and all its links.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire::{Action, Notification};

/// A task chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What the chain is for; for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Names in the state that travels with a call, and what each is at first. Rules see them as `state.NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Value>,
    /// Names in the portal's metadata, and what each is where the portal does not send it: `metadata.NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The answer when something goes wrong here: a template has no value, or the back end took all the time there was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Reply>,
    /// The links, in the portal's order: the chain begins with the first one.
    pub links: Vec<Link>,
}

/// A link: a conversation with one goal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its name, as in the portal.
    pub name: String,
    /// When it begins: `content` is the prompt. Of every list of rules the first one whose `when` is true is taken;
    /// the last one has no `when`.
    pub initial: Vec<Rule>,
    /// When the model calls `qualified`: `content` is spoken.
    pub qualified: Vec<Rule>,
    /// When the model calls `disqualified`: `content` is spoken.
    pub disqualified: Vec<Rule>,
    /// When the caller has gone. Without rules nothing is answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interrupt: Vec<Rule>,
    /// JSON Schema of what the model gives to `qualified`; rules see it as `context.NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualified_parameters: Option<Value>,
    /// JSON Schema of what the model gives to `disqualified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disqualified_parameters: Option<Value>,
    /// JSON Schema of what the model gives when the caller goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupt_parameters: Option<Value>,
    /// What happens when `qualified` is called with something else than the schema allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<Invalid>,
}

/// What happens when the model returns something that the schema does not allow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Invalid {
    /// How often the caller is asked again, 0 to 5; 2 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u8>,
    /// The answer that asks again; a polite sentence and `switch_task` to this link when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Reply>,
    /// The answer after the last try; the chain's `fallback` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up: Option<Reply>,
}

/// A rule: look things up, then either answer or go through rules of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// An expression; the rule is taken when it is true, and always when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// HTTP requests, made one after another once the rule is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetch: Vec<Fetch>,
    /// Values with names, worked out after the requests.
    #[serde(default, rename = "let", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Let>,
    /// Rules that see all of that. A rule that has them has no answer of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// A template: the prompt, or what is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What Agent4 does, in order. Texts are templates; the name of a link is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// New values of names that the chain's `state` declares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Value>,
    /// What Agent4 does after the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_call_notifications: Vec<Notification>,
    /// Written into what voice agents share about the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember: Option<Remember>,
}

/// An answer outside a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// A template: the prompt, or what is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What Agent4 does, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// New values of names that the chain's `state` declares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Value>,
    /// What Agent4 does after the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_call_notifications: Vec<Notification>,
    /// Written into what voice agents share about the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember: Option<Remember>,
}

/// What the next voice agent should know about the caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Remember {
    /// A template: what the caller is calling about, the first line of what is remembered; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A template: the text that replaces the caller's memory.
    pub memory: String,
}

/// A named value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Let {
    /// Its name.
    pub name: String,
    /// An expression.
    pub value: String,
}

/// An HTTP request. What came of it is `fetch.NAME`: `ok`, `outcome`, `status`, `json` and `retry_after`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// Its name.
    pub name: String,
    /// An expression; the request is made when it is true, and always when it is left out. One that is not made has
    /// the outcome `skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The method; GET when left out.
    #[serde(default)]
    pub method: Method,
    /// A template of an https URL. Its host is written out; every value in it is escaped.
    pub url: String,
    /// Headers; the values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Which secret opens the door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The body, sent as JSON; every text in it is a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Milliseconds that it may take, 100 to 3500; 2500 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u16>,
    /// Answers for what may go wrong. Without one for an outcome the rule goes on.
    #[serde(default)]
    pub on: On,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Method {
    /// Read.
    #[default]
    #[serde(rename = "GET")]
    Get,
    /// Ask something that does not fit into a URL, or make something. Agent4 may repeat a request, so may this.
    #[serde(rename = "POST")]
    Post,
    /// Write.
    #[serde(rename = "PUT")]
    Put,
}

/// How a request proves that it may be made. A secret belongs to one host: it is kept under the host's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// HTTP Basic; the secret is `user:password`.
    Basic(String),
    /// `Authorization: Bearer`, then the secret.
    Bearer(String),
    /// The secret in a header of any name.
    Header {
        /// The header.
        name: String,
        /// The secret.
        secret: String,
    },
}

impl Auth {
    /// The name of the secret.
    pub fn secret(&self) -> &str {
        match self {
            Self::Basic(secret) | Self::Bearer(secret) | Self::Header { secret, .. } => secret,
        }
    }
}

/// Answers for requests that did not work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct On {
    /// 404 or 410.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found: Option<Reply>,
    /// 429, or known to be without calling. `fetch.NAME.retry_after` says for how many seconds, if the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limited: Option<Reply>,
    /// 5xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_error: Option<Reply>,
    /// Nothing in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed_out: Option<Reply>,
    /// Everything else, and whatever of the above has no answer of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Reply>,
}

impl Rule {
    /// The rule's own answer.
    pub fn reply(&self) -> ReplyRef<'_> {
        ReplyRef {
            content: self.content.as_deref(),
            actions: &self.actions,
            state: &self.state,
            notifications: &self.additional_call_notifications,
            remember: self.remember.as_ref(),
        }
    }
}

impl Reply {
    /// The answer.
    pub fn reply(&self) -> ReplyRef<'_> {
        ReplyRef {
            content: self.content.as_deref(),
            actions: &self.actions,
            state: &self.state,
            notifications: &self.additional_call_notifications,
            remember: self.remember.as_ref(),
        }
    }
}

/// An answer, wherever it stands in the document.
#[derive(Clone, Copy, Debug)]
pub struct ReplyRef<'a> {
    /// Template of the prompt, or of what is spoken.
    pub content: Option<&'a str>,
    /// What Agent4 does.
    pub actions: &'a [Action],
    /// What becomes of the state.
    pub state: &'a BTreeMap<String, Value>,
    /// What Agent4 does after the call.
    pub notifications: &'a [Notification],
    /// What is remembered.
    pub remember: Option<&'a Remember>,
}

impl ReplyRef<'_> {
    /// Whether the conversation of the link ends with it.
    pub fn moves(&self) -> bool {
        self.actions.iter().any(Action::moves)
    }
}
