//! Replacements for built-in texts.

use serde::{Deserialize, Serialize};

use super::text::Text;

/// Replaces built-in texts, which are in English and German. Texts that have a field of their own, such as
/// `hand_over.text`, are not here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// The title of the quick reply for yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yes: Option<Text>,
    /// The title of the quick reply for no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no: Option<Text>,
    /// Says that an answer is not valid, for a field without `invalid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<Text>,
    /// Asks which value of a form is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub which_field: Option<Text>,
    /// Says that a form was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form_cancelled: Option<Text>,
    /// Thanks for a form, when its rules have no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form_done: Option<Text>,
    /// Asks how to go on after several invalid answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Text>,
    /// The title of the quick reply that asks for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Text>,
    /// The title of the quick reply that tries once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub try_again: Option<Text>,
    /// The title of the quick reply that leaves a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Text>,
    /// Asks for the number that the customer wants to be phoned at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_phone: Option<Text>,
    /// Says that the customer will be phoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_you: Option<Text>,
    /// Introduces questions of the FAQ that are similar to what the customer wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<Text>,
    /// Says that employees are phoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_team: Option<Text>,
}

impl Texts {
    /// All replacements with their names.
    pub fn named(&self) -> [(Option<&Text>, &'static str); 14] {
        [
            (self.yes.as_ref(), "yes"),
            (self.no.as_ref(), "no"),
            (self.invalid.as_ref(), "invalid"),
            (self.which_field.as_ref(), "which_field"),
            (self.form_cancelled.as_ref(), "form_cancelled"),
            (self.form_done.as_ref(), "form_done"),
            (self.stuck.as_ref(), "stuck"),
            (self.person.as_ref(), "person"),
            (self.try_again.as_ref(), "try_again"),
            (self.cancel.as_ref(), "cancel"),
            (self.ask_phone.as_ref(), "ask_phone"),
            (self.calling_you.as_ref(), "calling_you"),
            (self.did_you_mean.as_ref(), "did_you_mean"),
            (self.calling_team.as_ref(), "calling_team"),
        ]
    }
}
