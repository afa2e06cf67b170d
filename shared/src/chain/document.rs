//! The link document: a chain and all its links.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::flow;
use crate::providers::agent4::{Action, Notification};

/// A rule whose reply is an answer to Agent4.
pub type Rule = flow::Rule<Reply>;

/// A task chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

impl Document {
    /// The link called `name`, and its place in the list.
    pub fn link(&self, name: &str) -> Option<(usize, &Link)> {
        self.links.iter().enumerate().find(|(_, link)| link.name == name)
    }
}

/// An answer outside a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reply {
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

impl Reply {
    /// Whether the conversation of the link ends with it.
    pub fn moves(&self) -> bool {
        self.actions.iter().any(Action::moves)
    }
}

/// What the next voice agent should know about the caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Remember {
    /// A template: what the caller is calling about, the first line of what is remembered; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A template: the text that replaces the caller's memory.
    pub memory: String,
}
