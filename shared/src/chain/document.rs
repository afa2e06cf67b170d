//! The link document: a task chain and its links.

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
    /// Description of the chain, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Declares the names in the state that travels with a call, with their initial values. Templates see them as
    /// `state.NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Value>,
    /// Declares the names in the portal's metadata, with their defaults for requests without them. Templates see them
    /// as `metadata.NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The answer when patchbay fails: a template has no value, or the back ends used up the time limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Reply>,
    /// The links, in the order of the portal. The chain begins with the first one.
    pub links: Vec<Link>,
}

/// A link: a conversation with one goal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Name of the link, as in the portal.
    pub name: String,
    /// Rules for the start of the link. `content` is the prompt. In every list of rules the first one whose `when` is
    /// true matches; the last one has no `when`.
    pub initial: Vec<Rule>,
    /// Rules for when the model calls `qualified`. `content` is spoken.
    pub qualified: Vec<Rule>,
    /// Rules for when the model calls `disqualified`. `content` is spoken.
    pub disqualified: Vec<Rule>,
    /// Rules for when the caller has hung up. Without rules the answer is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interrupt: Vec<Rule>,
    /// JSON Schema of the arguments of `qualified`. Templates see them as `context.NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualified_parameters: Option<Value>,
    /// JSON Schema of the arguments of `disqualified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disqualified_parameters: Option<Value>,
    /// JSON Schema of the arguments of `interrupt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupt_parameters: Option<Value>,
    /// What to answer when the arguments of `qualified` violate the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<Invalid>,
}

/// What to answer when arguments violate the schema.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Invalid {
    /// How often the caller is asked again, 0 to 5. 2 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u8>,
    /// The answer that asks again. When left out: a polite sentence and `switch_task` to this link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Reply>,
    /// The answer after the last retry. When left out: the `fallback` of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up: Option<Reply>,
}

impl Document {
    /// The link called `name`, and its index.
    pub fn link(&self, name: &str) -> Option<(usize, &Link)> {
        self.links.iter().enumerate().find(|(_, link)| link.name == name)
    }
}

/// An answer outside a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// A template of the prompt, or of what is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Actions of Agent4, in order. Strings are templates, except the name of a link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// New values for names that the `state` of the chain declares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Value>,
    /// Notifications that Agent4 sends after the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_call_notifications: Vec<Notification>,
    /// A note for the context of the caller, which voice agents share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember: Option<Remember>,
}

impl Reply {
    /// Whether the reply ends the conversation of the link.
    pub fn ends_link(&self) -> bool {
        self.actions.iter().any(Action::ends_link)
    }
}

/// What the next voice agent should know about the caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Remember {
    /// A template of why the caller is calling: the first line of the note. None when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A template of the text that replaces the memory of the caller.
    pub memory: String,
}
