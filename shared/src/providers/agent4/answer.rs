//! Answers to Agent4.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An action of Agent4. In a link document its strings are templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "name", content = "context", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Goes to the next link.
    NextTask,
    /// Goes to a named link.
    SwitchTask {
        /// The name of the link.
        name: String,
    },
    /// Sends a text message to the caller.
    Sms {
        /// The text of the message.
        message: String,
    },
    /// Transfers the call.
    TransferCall {
        /// The target number, E.164.
        number: String,
    },
    /// Hangs up.
    EndCall,
    /// Speaks to the caller.
    Say {
        /// The text to speak.
        content: String,
    },
    /// Emails a summary of the conversation.
    Email {
        /// The email address.
        email: String,
    },
    /// Sets a trigger for later answers.
    SetTrigger {
        /// The condition of the trigger.
        trigger: String,
    },
    /// Leaves the chain without hanging up. Agent4's sample uses it; its documentation does not list it.
    EndTask,
}

impl Action {
    /// Whether the action ends the conversation of the link. Then `content` is spoken, even at `initial`.
    pub const fn ends_link(&self) -> bool {
        matches!(
            self,
            Self::NextTask | Self::SwitchTask { .. } | Self::TransferCall { .. } | Self::EndCall | Self::EndTask
        )
    }
}

/// A notification that Agent4 sends after the call. Its content is not documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Email address to notify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Webhook to call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<NotificationWebhook>,
}

/// A webhook that Agent4 calls after the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NotificationWebhook {
    /// The full URL, although the field is called `host`.
    pub host: String,
    /// Headers of the request. Agent4 sees their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// An answer to Agent4.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Answer {
    /// The call id: the same in every answer of a call.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The prompt at `initial` (unless an action ends the link), else the text to speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Actions, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// The complete state. Whether Agent4 merges or replaces the state is not documented, and the complete state is
    /// right in both cases.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub state: Map<String, Value>,
    /// Notifications after the call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_call_notifications: Vec<Notification>,
    /// JSON Schema of the arguments of `qualified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualified_parameters: Option<Value>,
    /// JSON Schema of the arguments of `disqualified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disqualified_parameters: Option<Value>,
    /// JSON Schema of the arguments of `interrupt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupt_parameters: Option<Value>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn action_has_the_published_form() {
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
