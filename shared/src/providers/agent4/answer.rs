//! What Agent4 gets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Something that Agent4 does in response. In a link document the texts are templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "name", content = "context", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Go to the next link.
    NextTask,
    /// Go to a named link.
    SwitchTask {
        /// The link.
        name: String,
    },
    /// Text the caller.
    Sms {
        /// The text.
        message: String,
    },
    /// Transfer the call.
    TransferCall {
        /// To where, E.164.
        number: String,
    },
    /// Hang up.
    EndCall,
    /// Speak.
    Say {
        /// What to say.
        content: String,
    },
    /// Mail a summary of the conversation.
    Email {
        /// To whom.
        email: String,
    },
    /// Set a trigger for later answers.
    SetTrigger {
        /// The condition.
        trigger: String,
    },
    /// Leave the chain without hanging up. Agent4's sample uses it, its documentation does not list it.
    EndTask,
}

impl Action {
    /// Whether the conversation of this link ends with it: then `content` is spoken, even at `initial`.
    pub const fn moves(&self) -> bool {
        matches!(
            self,
            Self::NextTask | Self::SwitchTask { .. } | Self::TransferCall { .. } | Self::EndCall | Self::EndTask
        )
    }
}

/// Something that Agent4 does after the call. What it sends there is not documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Mail this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Call this webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<NotificationWebhook>,
}

/// A webhook that Agent4 calls after the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NotificationWebhook {
    /// The whole URL, although Agent4 calls it so.
    pub host: String,
    /// Headers. Agent4 gets to see them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// An answer to Agent4.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Answer {
    /// Our call id: the same through a call.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The prompt at `initial` (unless an action moves on), else what is spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What is done, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// The whole state: right whether Agent4 merges or replaces, which nobody says.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub state: Map<String, Value>,
    /// What is done after the call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_call_notifications: Vec<Notification>,
    /// What the model must return to end the link well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualified_parameters: Option<Value>,
    /// What it must return to end it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disqualified_parameters: Option<Value>,
    /// What it must return when the caller goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupt_parameters: Option<Value>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_action_has_the_published_form() {
        let written = |action: Action| serde_json::to_value(action).expect("JSON");
        assert_eq!(written(Action::NextTask), json!({ "name": "next_task" }));
        let switch = Action::SwitchTask { name: "b".into() };
        assert_eq!(
            written(switch),
            json!({ "name": "switch_task", "context": { "name": "b" } })
        );
        let transfer = Action::TransferCall {
            number: "+12025550100".into(),
        };
        let form = json!({ "name": "transfer_call", "context": { "number": "+12025550100" } });
        assert_eq!(written(transfer), form);
    }
}
