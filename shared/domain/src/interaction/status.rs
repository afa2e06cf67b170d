//! The status of an interaction: where it stands, why it ended, and over which channel it runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The channel over which an agent reaches a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A phone call.
    Call,
    /// A text message to a phone.
    Sms,
    /// A `WhatsApp` message.
    Whatsapp,
    /// An e-mail.
    Email,
    /// A chat on a web page.
    Webchat,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 5] = [Self::Call, Self::Sms, Self::Whatsapp, Self::Email, Self::Webchat];

    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
            Self::Email => "email",
            Self::Webchat => "webchat",
        }
    }

    /// The channel with this published name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }

    /// Whether the customer is reached by phone number.
    pub const fn needs_phone(self) -> bool {
        matches!(self, Self::Call | Self::Sms | Self::Whatsapp)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The state of an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// Waits for its time: nothing was sent.
    Scheduled,
    /// A request to a provider is decided on, and may be under way.
    Sending,
    /// The provider accepted it: the phone rings, or the message is on its way or delivered.
    Sent,
    /// The customer answered: a conversation is going on.
    Open,
    /// It is over. Nothing follows.
    Ended {
        /// Why it is over.
        reason: EndReason,
    },
    /// Unclear whether it was sent: the provider gave no usable answer. It is never sent again, and a later report or a
    /// person may settle it.
    Unknown,
}

impl State {
    /// The end with this reason.
    pub const fn ended(reason: EndReason) -> Self {
        Self::Ended { reason }
    }

    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Open => "open",
            Self::Ended { .. } => "ended",
            Self::Unknown => "unknown",
        }
    }

    /// Why the interaction is over; `None` while it is not.
    pub const fn end_reason(self) -> Option<EndReason> {
        match self {
            Self::Ended { reason } => Some(reason),
            _ => None,
        }
    }

    /// Whether nothing follows. [`State::Unknown`] is not terminal: a late report may still settle it.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

/// Why an interaction is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// It ran to its regular end: the call was finished, or the message needs no reply.
    Completed,
    /// A person marked the conversation as resolved.
    Resolved,
    /// A person or the agent closed the conversation.
    Closed,
    /// Nobody picked up.
    NoAnswer,
    /// The line was busy.
    Busy,
    /// A machine picked up.
    Voicemail,
    /// It could not be sent, or could not be delivered.
    Failed,
    /// It was canceled on our side.
    Canceled,
    /// Its deadline passed before it was sent or answered.
    Expired,
    /// The customer does not want to be contacted.
    OptedOut,
    /// Every attempt was refused for good. Nothing was sent.
    Refused,
    /// No permitted hour was left before its deadline. Nothing was sent.
    OutsideHours,
    /// It never became clear whether anything was sent. A person has to look at the provider.
    Unclear,
}

impl EndReason {
    /// All reasons.
    pub const ALL: [Self; 13] = [
        Self::Completed,
        Self::Resolved,
        Self::Closed,
        Self::NoAnswer,
        Self::Busy,
        Self::Voicemail,
        Self::Failed,
        Self::Canceled,
        Self::Expired,
        Self::OptedOut,
        Self::Refused,
        Self::OutsideHours,
        Self::Unclear,
    ];

    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Voicemail => "voicemail",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::OptedOut => "opted_out",
            Self::Refused => "refused",
            Self::OutsideHours => "outside_hours",
            Self::Unclear => "unclear",
        }
    }

    /// The reason with this published name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn states() -> Vec<State> {
        let open = [
            State::Scheduled,
            State::Sending,
            State::Sent,
            State::Open,
            State::Unknown,
        ];
        open.into_iter().chain(EndReason::ALL.map(State::ended)).collect()
    }

    fn json(value: impl Serialize) -> Value {
        serde_json::to_value(value).expect("JSON")
    }

    #[test]
    fn stored_name_is_the_published_name() {
        for channel in Channel::ALL {
            assert_eq!(json(channel), json!(channel.name()));
            assert_eq!(Channel::named(channel.name()), Some(channel));
        }
        for reason in EndReason::ALL {
            assert_eq!(json(reason), json!(reason.name()));
            assert_eq!(EndReason::named(reason.name()), Some(reason));
        }
        for state in states() {
            assert_eq!(json(state)["is"], json!(state.name()));
        }
        assert_eq!(Channel::named("Call"), None);
        assert_eq!(EndReason::named("no-answer"), None);
    }

    #[test]
    fn state_round_trips_with_its_reason() {
        for state in states() {
            assert_eq!(serde_json::from_value(json(state)).ok(), Some(state));
        }
        assert_eq!(
            json(State::ended(EndReason::NoAnswer)),
            json!({ "is": "ended", "reason": "no_answer" })
        );
        assert!(serde_json::from_value::<State>(json!({ "is": "ended" })).is_err());
    }

    #[test]
    fn only_an_end_is_terminal_and_has_a_reason() {
        for state in states() {
            assert_eq!(state.is_terminal(), state.end_reason().is_some(), "{state:?}");
            assert_eq!(state.is_terminal(), state.name() == "ended", "{state:?}");
        }
    }

    #[test]
    fn phone_channels_need_a_number() {
        let by_phone: Vec<&str> = Channel::ALL
            .into_iter()
            .filter(|c| c.needs_phone())
            .map(Channel::name)
            .collect();
        assert_eq!(by_phone, ["call", "sms", "whatsapp"]);
    }
}
