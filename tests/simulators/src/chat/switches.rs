//! One switch for each question that the platforms' documentation leaves open. The defaults are what is documented, else
//! what is most likely.

use std::time::Duration;

use super::questions::{
    AnswerForm, ChatwootAnswers, CreatedEvent, CreatedStatus, EchoAuthor, EchoOrder, Greeting, HumanReply, HumanSender,
    IdForm, IncomingSender, LoggedOut, NestedMessage, Paths, PendingName, Routes, TextChange, TimeForm, UnknownTenant,
};
use crate::rng::Rng;

/// The lifetime of a token in Sangoma's sample, in seconds.
const SAMPLE_LIFETIME: u32 = 24_304_413;

/// The behavior of this platform where its documentation is silent or contradicts itself.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about the platforms' API"
)]
pub struct Switches {
    /// Lifetime of a token in seconds (sangoma 2).
    pub token_lifetime: u32,
    /// Whether a second token request returns the same token with its remaining lifetime (sangoma 2).
    pub token_is_reused: bool,
    /// Whether only the newest token is valid (sangoma 2).
    pub one_token: bool,
    /// How long after its issue a token is revoked, whatever its lifetime.
    pub token_revoked_after: Option<Duration>,
    /// Which of Sangoma's paths exist (sangoma 5.0).
    pub paths: Paths,
    /// Whether a path without its final slash is unknown (sangoma 1).
    pub slash_is_required: bool,
    /// Whether a request without `tenant_domain` is refused (sangoma 1).
    pub tenant_is_required: bool,
    /// The response to an unknown `tenant_domain`.
    pub unknown_tenant: UnknownTenant,
    /// Whether Sangoma refuses a second webhook with the same URL, as Chatwoot does (sangoma 5.4).
    pub webhooks_are_unique: bool,
    /// The JSON type of ids in responses.
    pub answer_ids: IdForm,
    /// The body of Sangoma's responses.
    pub answers: AnswerForm,
    /// The status of Sangoma's responses to requests that create something.
    pub created_status: CreatedStatus,
    /// The bodies of Chatwoot's responses.
    pub chatwoot_answers: ChatwootAnswers,
    /// Whether delivering or finishing a conversation a second time is refused with 422 (sangoma 5.8, 5.9).
    pub repetition_is_refused: bool,
    /// Whether the delivery of a conversation assigns an agent who is logged in (sangoma 5.8).
    pub delivery_assigns: bool,
    /// The response to a call on behalf of an agent who is not logged in.
    pub logged_out: LoggedOut,
    /// The JSON type of ids in events.
    pub event_ids: IdForm,
    /// Where events go.
    pub routes: Routes,
    /// Whether there is an event about a message that a bot posted.
    pub echo: bool,
    /// The sender in that event.
    pub echo_author: EchoAuthor,
    /// How the text differs in that event.
    pub echo_text: TextChange,
    /// When that event is sent.
    pub echo_order: EchoOrder,
    /// Whether `message_updated` reports that the customer has read a message.
    pub read_receipts: bool,
    /// The effect of a person's public reply.
    pub human_reply: HumanReply,
    /// The sender of a person's reply.
    pub human_sender: HumanSender,
    /// Whether `conversation_opened` and `conversation_resolved` are sent.
    pub opened_and_resolved: bool,
    /// Whether `conversation_status_changed` is sent.
    pub status_changed: bool,
    /// Whether `conversation_updated` is sent.
    pub conversation_updated: bool,
    /// The event about a new conversation.
    pub created_event: CreatedEvent,
    /// Whether `webwidget_triggered` is sent when the widget is opened.
    pub widget_events: bool,
    /// The greeting of an inbox.
    pub greeting: Greeting,
    /// Whether an automation rule sends the conversation after every message to the same URLs.
    pub automation_events: bool,
    /// Whether messages about activities, such as a change of status, have events.
    pub activity_events: bool,
    /// Whether the bot is the assignee of its conversations.
    pub bot_is_assignee: bool,
    /// Whether a resolved conversation keeps its assignee, also when it returns to the bot.
    pub assignee_stays: bool,
    /// Whether events that no contract mentions precede the others, one of them without an id.
    pub unknown_events: bool,
    /// The sender in the event about a customer's message.
    pub incoming_sender: IncomingSender,
    /// Whether conversations contain their account.
    pub account: bool,
    /// The form of times.
    pub times: TimeForm,
    /// The message inside the conversation.
    pub nested_message: NestedMessage,
    /// The name of the status of conversations that a bot has.
    pub pending_name: PendingName,
    /// Whether empty `content_attributes` are an array, and `content_type` is null.
    pub empty_array: bool,
    /// Whether `initial_message` of a new conversation causes `message_created` (sangoma 5.6).
    pub initial_message_event: bool,
    /// Whether a message of a customer that was posted through the API causes `message_created` (sangoma 8, rule 7).
    pub own_incoming_event: bool,
    /// The secret that signs events; none sends them without a signature (chatwoot 2).
    pub secret: Option<String>,
    /// Whether a pending conversation becomes open when an event about its message cannot be delivered (chatwoot 2).
    pub failure_opens: bool,
    /// Response time of the API.
    pub response_time: Duration,
    /// Simulates the time-out of the client's transport: after this time, the client gets an error for a lost response.
    pub client_timeout: Duration,
    /// Time from a change to its event.
    pub event_delay: Duration,
    /// Time-out for the response to an event (chatwoot 2).
    pub event_timeout: Duration,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            token_lifetime: SAMPLE_LIFETIME,
            token_is_reused: true,
            one_token: false,
            token_revoked_after: None,
            paths: Paths::default(),
            slash_is_required: true,
            tenant_is_required: true,
            unknown_tenant: UnknownTenant::default(),
            webhooks_are_unique: true,
            answer_ids: IdForm::default(),
            answers: AnswerForm::default(),
            created_status: CreatedStatus::default(),
            chatwoot_answers: ChatwootAnswers::default(),
            repetition_is_refused: false,
            delivery_assigns: false,
            logged_out: LoggedOut::default(),
            event_ids: IdForm::default(),
            routes: Routes::default(),
            echo: true,
            echo_author: EchoAuthor::default(),
            echo_text: TextChange::default(),
            echo_order: EchoOrder::default(),
            read_receipts: true,
            human_reply: HumanReply::default(),
            human_sender: HumanSender::default(),
            opened_and_resolved: true,
            status_changed: false,
            conversation_updated: false,
            created_event: CreatedEvent::default(),
            widget_events: true,
            greeting: Greeting::default(),
            automation_events: false,
            activity_events: false,
            bot_is_assignee: false,
            assignee_stays: true,
            unknown_events: false,
            incoming_sender: IncomingSender::default(),
            account: true,
            times: TimeForm::default(),
            nested_message: NestedMessage::default(),
            pending_name: PendingName::default(),
            empty_array: false,
            initial_message_event: true,
            own_incoming_event: true,
            secret: None,
            failure_opens: true,
            response_time: Duration::from_millis(80),
            client_timeout: Duration::from_secs(10),
            event_delay: Duration::from_millis(40),
            event_timeout: Duration::from_secs(5),
        }
    }
}

impl Switches {
    /// A random answer to every question. Routes and the secret keep their defaults, because a client has to be configured
    /// for them; so do the durations of the API. The new paths always exist.
    pub fn random(rng: &mut Rng) -> Self {
        let usual = Self::default();
        Self {
            token_lifetime: rng.pick(SAMPLE_LIFETIME, &[3_600, 90]),
            token_is_reused: rng.flip(),
            one_token: rng.flip(),
            token_revoked_after: rng.pick(None, &[Some(Duration::from_secs(45))]),
            paths: rng.pick(Paths::New, &[Paths::Both]),
            slash_is_required: rng.flip(),
            tenant_is_required: rng.flip(),
            unknown_tenant: UnknownTenant::random(rng),
            webhooks_are_unique: rng.flip(),
            answer_ids: IdForm::random(rng),
            answers: AnswerForm::random(rng),
            created_status: CreatedStatus::random(rng),
            chatwoot_answers: ChatwootAnswers::random(rng),
            repetition_is_refused: rng.flip(),
            delivery_assigns: rng.flip(),
            logged_out: LoggedOut::random(rng),
            event_ids: IdForm::random(rng),
            echo: rng.pick(true, &[true, false]),
            echo_author: EchoAuthor::random(rng),
            echo_text: TextChange::random(rng),
            echo_order: EchoOrder::random(rng),
            read_receipts: rng.flip(),
            human_reply: HumanReply::random(rng),
            human_sender: HumanSender::random(rng),
            opened_and_resolved: rng.flip(),
            status_changed: rng.flip(),
            conversation_updated: rng.flip(),
            created_event: CreatedEvent::random(rng),
            widget_events: rng.flip(),
            greeting: Greeting::random(rng),
            automation_events: rng.flip(),
            activity_events: rng.flip(),
            bot_is_assignee: rng.flip(),
            assignee_stays: rng.flip(),
            unknown_events: rng.flip(),
            incoming_sender: IncomingSender::random(rng),
            account: rng.flip(),
            times: TimeForm::random(rng),
            nested_message: NestedMessage::random(rng),
            pending_name: PendingName::random(rng),
            empty_array: rng.flip(),
            initial_message_event: rng.flip(),
            own_incoming_event: rng.flip(),
            failure_opens: rng.flip(),
            event_delay: rng.between(Duration::from_millis(5), Duration::from_millis(800)),
            ..usual
        }
    }
}
