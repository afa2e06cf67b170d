//! The questions that the platforms' documentation leaves open, each with the possible answers. Section numbers in this
//! file and in `switches.rs` are those of the wire contracts (sangoma/CONTRACT.md, chatwoot/CONTRACT.md).

use serde::{Deserialize, Serialize};

use crate::rng::question;

/// Which of Sangoma's paths exist (sangoma 5.0): some were renamed, and it is unknown whether the old ones remain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paths {
    /// The newest.
    #[default]
    New,
    /// The former.
    Old,
    /// Both.
    Both,
}

question!(
    /// The JSON type of ids.
    IdForm {
        /// Numbers.
        Number,
        /// Strings of digits.
        Text,
    }
);

question!(
    /// The body of Sangoma's responses, none of which is documented (sangoma 5.10). A bot, a contact and a conversation
    /// always have a body, because without their ids nothing could follow.
    AnswerForm {
        /// As Chatwoot responds to the corresponding request.
        AsChatwoot,
        /// The bare object, or a bare array.
        Bare,
        /// The object inside `payload`.
        Payload,
        /// The object inside a field with its name, such as `conversation`; arrays inside `results`.
        Named,
        /// No body.
        Empty,
        /// 204.
        NoContent,
    }
);

question!(
    /// The status of Sangoma's responses to requests that create something.
    CreatedStatus {
        /// 200.
        Ok,
        /// 201.
        Created,
    }
);

question!(
    /// The response to an unknown `tenant_domain` (sangoma 1).
    UnknownTenant {
        /// 404.
        NotFound,
        /// 403.
        Forbidden,
    }
);

question!(
    /// The sender in the event about a message that a bot posted.
    EchoAuthor {
        /// The bot.
        AgentBot,
        /// The user to whom the credentials belong: the API ignores `is_bot`.
        User,
        /// None.
        Nobody,
    }
);

question!(
    /// How the text of a message that a bot posted differs in its event.
    TextChange {
        /// Not at all.
        Unchanged,
        /// It ends with a line feed.
        LineFeed,
        /// It has no spaces or line feeds at its ends.
        Trimmed,
        /// Ampersands and angle brackets are character references.
        Escaped,
    }
);

question!(
    /// When the event about a message that a bot posted is sent, relative to the response to the bot's request.
    EchoOrder {
        /// After it.
        AfterAnswer,
        /// Before it.
        BeforeAnswer,
    }
);

question!(
    /// The effect of a person's public reply on the conversation (chatwoot 2).
    HumanReply {
        /// None: it stays pending, and nobody is assigned.
        LeavesPending,
        /// It becomes open, and the person is assigned.
        OpensAndAssigns,
    }
);

/// Where events go. A bot gets those of its inboxes; a webhook those to which it is subscribed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routes {
    /// To bots and to webhooks.
    #[default]
    Both,
    /// To bots only.
    BotsOnly,
    /// To webhooks only.
    WebhooksOnly,
}

question!(
    /// The greeting of an inbox, a message without a sender.
    Greeting {
        /// None.
        Off,
        /// When the conversation is opened.
        AtOpening,
        /// After the customer's first message.
        AfterFirstMessage,
    }
);

question!(
    /// The sender in the event about a customer's message (chatwoot 3.4).
    IncomingSender {
        /// The contact, with its type.
        Contact,
        /// The contact, without a type.
        Untyped,
        /// None.
        Nobody,
        /// A person of the team, to whom the API's credentials belong.
        User,
    }
);

question!(
    /// The sender of a person's reply (chatwoot 3.4).
    HumanSender {
        /// The person.
        User,
        /// None: the person replied from a paired phone, and is named in `content_attributes`.
        External,
    }
);

question!(
    /// The form of times in events (chatwoot 3.1).
    TimeForm {
        /// ISO 8601 with milliseconds and `Z`.
        Zulu,
        /// ISO 8601 without a time zone.
        WithoutZone,
        /// With spaces and `UTC`, as in an old sample.
        Spaced,
        /// Seconds since 1970.
        Epoch,
    }
);

question!(
    /// The message inside the conversation of an event (chatwoot 3.2).
    NestedMessage {
        /// The last public one.
        Last,
        /// The one before the last.
        Older,
        /// None.
        Missing,
    }
);

question!(
    /// The event about a new conversation (chatwoot 2).
    CreatedEvent {
        /// It is sent at once.
        AtOnce,
        /// It is sent seconds later, with the message that is then the last.
        Late,
        /// It never has a message.
        WithoutMessage,
    }
);

question!(
    /// The name of the status of conversations that a bot has.
    PendingName {
        /// `pending`.
        Pending,
        /// `bot`, as in the oldest versions.
        Bot,
    }
);

question!(
    /// The response to a call on behalf of an agent who is not logged in (sangoma 4).
    LoggedOut {
        /// 409.
        Conflict,
        /// 400.
        BadRequest,
    }
);

question!(
    /// The bodies of Chatwoot's responses, where its published descriptions disagree (chatwoot 5.3).
    ChatwootAnswers {
        /// As the server's code writes them.
        Server,
        /// As its published description says: bare arrays, a flat status, 204 for the assignment of a bot.
        Description,
    }
);

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventName {
    /// A message was written.
    MessageCreated,
    /// A message was read, or one of its choices was clicked.
    MessageUpdated,
    /// A conversation began.
    ConversationCreated,
    /// A conversation became open.
    ConversationOpened,
    /// A conversation was resolved.
    ConversationResolved,
    /// The status of a conversation changed.
    ConversationStatusChanged,
    /// Something about a conversation changed.
    ConversationUpdated,
    /// A visitor opened the widget.
    WidgetTriggered,
    /// An automation rule ran after a message.
    Automation,
    /// An event that no contract mentions.
    Unknown,
}

impl EventName {
    /// The value of `event`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessageCreated => "message_created",
            Self::MessageUpdated => "message_updated",
            Self::ConversationCreated => "conversation_created",
            Self::ConversationOpened => "conversation_opened",
            Self::ConversationResolved => "conversation_resolved",
            Self::ConversationStatusChanged => "conversation_status_changed",
            Self::ConversationUpdated => "conversation_updated",
            Self::WidgetTriggered => "webwidget_triggered",
            Self::Automation => "automation_event.message_created",
            Self::Unknown => "message_action_executed",
        }
    }
}
