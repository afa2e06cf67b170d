//! Sangoma's API (sangoma 3 to 5).

use http::Method;
use serde_json::{Value, json};

use super::super::faults::Endpoint;
use super::super::platform::NewMessage;
use super::super::questions::{LoggedOut, Paths, UnknownTenant};
use super::super::records::{AcceptedCall, Author, MessageKind, OnBehalfOf, Status};
use super::super::{Chat, TENANT_DOMAIN};
use super::answers::{self, Subject};
use super::fields::{Fields, is_url};
use super::{Received, Reply};

/// The documented names of subscriptions (sangoma 5.4).
const SUBSCRIPTIONS: [&str; 2] = ["conversation_created", "message_created"];

/// A documented request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    CreateBot,
    ListInboxes,
    AssignBot,
    CreateWebhook,
    CreateContact,
    CreateConversation,
    CreateMessage,
    Deliver,
    Finish,
    PhoneForQueue,
    PhoneForAgent,
}

impl Call {
    pub(super) const fn endpoint(self) -> Endpoint {
        match self {
            Self::CreateBot => Endpoint::Bots,
            Self::ListInboxes => Endpoint::Inboxes,
            Self::AssignBot => Endpoint::Assign,
            Self::CreateWebhook => Endpoint::Webhooks,
            Self::CreateContact | Self::CreateConversation => Endpoint::Conversations,
            Self::CreateMessage => Endpoint::Messages,
            Self::Deliver => Endpoint::Deliver,
            Self::Finish => Endpoint::Finish,
            Self::PhoneForQueue | Self::PhoneForAgent => Endpoint::Calls,
        }
    }

    const fn scope(self) -> &'static str {
        match self {
            Self::PhoneForQueue => "cx.queue-calls",
            Self::PhoneForAgent => "cx.agent-calls",
            _ => "cx.digital-interactions",
        }
    }

    fn at(path: &str, paths: Paths) -> Option<Self> {
        let (new, old) = (paths != Paths::Old, paths != Paths::New);
        Some(match path {
            "digital-interactions/agents-bot" if new => Self::CreateBot,
            "digital-interactions/agents-bot/assign" if new => Self::AssignBot,
            "digital-interactions/agent-bot" if old => Self::CreateBot,
            "digital-interactions/assign-agent-bot" if old => Self::AssignBot,
            "digital-interactions/inboxes" => Self::ListInboxes,
            "digital-interactions/webhooks" => Self::CreateWebhook,
            "digital-interactions/contacts" => Self::CreateContact,
            "digital-interactions/conversations" => Self::CreateConversation,
            "digital-interactions/messages" => Self::CreateMessage,
            "digital-interactions/conversations/deliver-to-agent" => Self::Deliver,
            "digital-interactions/conversations/finish" => Self::Finish,
            "queues/call" => Self::PhoneForQueue,
            "agents/call" => Self::PhoneForAgent,
            _ => return None,
        })
    }
}

impl Chat {
    /// The documented request at this path, if there is one.
    pub(super) fn sangoma_call(&self, received: Received<'_>) -> Option<Call> {
        let path = received.request.uri().path().strip_prefix("/cx/api/v1/")?;
        let path = match path.strip_suffix('/') {
            Some(path) => path,
            None if self.0.switches.slash_is_required => return None,
            None => path,
        };
        Call::at(path, self.0.switches.paths)
    }

    pub(super) fn sangoma(&self, received: Received<'_>) -> Reply {
        let Some(call) = self.sangoma_call(received) else {
            return Reply::not_found();
        };
        let method = if call == Call::ListInboxes {
            Method::GET
        } else {
            Method::POST
        };
        if received.request.method() != method {
            return Reply::error(405, "Method Not Allowed");
        }
        if let Some(problem) = self.bearer_problem(received, call.scope()) {
            return problem;
        }
        if call == Call::ListInboxes {
            let inboxes = self.inboxes();
            return self.sangoma_answer(Subject::Inboxes, inboxes.iter().map(answers::inbox).collect());
        }
        let content_type = received.header("content-type").unwrap_or_default();
        if !content_type.starts_with("application/json") {
            return Reply::error(415, "Unsupported Media Type");
        }
        let fields = Fields::read(received.json()).and_then(|fields| self.check_tenant(&fields).map(|()| fields));
        let done = fields.and_then(|fields| self.run(call, &fields, received.index));
        done.unwrap_or_else(|problem| problem)
    }

    fn check_tenant(&self, fields: &Fields) -> Result<(), Reply> {
        match fields.get("tenant_domain").and_then(Value::as_str) {
            None if self.0.switches.tenant_is_required => Err(Reply::error(400, "tenant_domain is missing")),
            None | Some(TENANT_DOMAIN) => Ok(()),
            Some(_) => Err(match self.0.switches.unknown_tenant {
                UnknownTenant::NotFound => Reply::error(404, "unknown tenant"),
                UnknownTenant::Forbidden => Reply::error(403, "unknown tenant"),
            }),
        }
    }

    fn run(&self, call: Call, fields: &Fields, request: usize) -> Result<Reply, Reply> {
        match call {
            Call::CreateBot => self.create_bot(fields),
            Call::AssignBot => self.assign_bot_to_inbox(fields),
            Call::CreateWebhook => self.create_webhook(fields),
            Call::CreateContact => self.create_contact(fields),
            Call::CreateConversation => self.create_conversation(fields, request),
            Call::CreateMessage => self.create_message(fields, request),
            Call::Deliver => self.conclude(fields, request, Status::Open),
            Call::Finish => self.conclude(fields, request, Status::Resolved),
            Call::PhoneForQueue => self.queue_call(fields),
            Call::PhoneForAgent => self.agent_call(fields),
            Call::ListInboxes => Ok(Reply::not_found()),
        }
    }

    fn create_bot(&self, fields: &Fields) -> Result<Reply, Reply> {
        let (name, url) = (fields.text("name")?, fields.text("outgoing_url")?);
        if !is_url(url) {
            return Err(Reply::error(422, "outgoing_url is invalid"));
        }
        let description = fields.get("description").and_then(Value::as_str).unwrap_or_default();
        let mut state = self.lock();
        let bot = state.add_bot(name, description, url);
        state.store_installation();
        drop(state);
        Ok(self.sangoma_answer(Subject::Bot, answers::bot(&bot)))
    }

    fn assign_bot_to_inbox(&self, fields: &Fields) -> Result<Reply, Reply> {
        let (inbox, bot) = (fields.number("inbox_id")?, fields.number("agent_bot_id")?);
        let mut state = self.lock();
        let found = state.bot(bot).map(answers::bot).ok_or_else(Reply::not_found)?;
        let mut inboxes = state.inboxes.iter_mut();
        inboxes
            .find(|known| known.id == inbox)
            .ok_or_else(Reply::not_found)?
            .bot = Some(bot);
        state.store_installation();
        drop(state);
        Ok(self.sangoma_answer(Subject::Assignment, found))
    }

    fn create_webhook(&self, fields: &Fields) -> Result<Reply, Reply> {
        let url = fields.text("url")?;
        let names = fields.get("subscriptions").and_then(Value::as_array);
        let names: Option<Vec<&str>> = names.and_then(|names| names.iter().map(Value::as_str).collect());
        let names = names.filter(|names| !names.is_empty() && names.iter().all(|name| SUBSCRIPTIONS.contains(name)));
        let names = names.ok_or_else(|| Reply::error(422, "subscriptions are invalid"))?;
        let unique = self.0.switches.webhooks_are_unique;
        let webhook = self.add_webhook(url, &names, unique)?;
        let object = json!({ "id": webhook.id, "url": webhook.url, "subscriptions": webhook.subscriptions });
        Ok(self.sangoma_answer(Subject::Webhook, object))
    }

    fn create_contact(&self, fields: &Fields) -> Result<Reply, Reply> {
        let inbox = fields.number("inbox_id")?;
        if self.lock().inbox(inbox).is_none() {
            return Err(Reply::not_found());
        }
        let contact = self.add_contact(fields)?;
        Ok(self.sangoma_answer(Subject::Contact, answers::contact(&contact)))
    }

    fn create_conversation(&self, fields: &Fields, request: usize) -> Result<Reply, Reply> {
        let (inbox, contact) = (fields.number("inbox_id")?, fields.number("contact_id")?);
        let source_id = fields.text("source_id")?.to_owned();
        let first = fields
            .get("initial_message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let message = NewMessage {
            request: Some(request),
            ..NewMessage::text(0, Author::Customer, MessageKind::Incoming, first)
        };
        let id = self.begin_conversation(inbox, contact, source_id, message)?;
        let object = self.conversation_object(&self.lock(), id);
        Ok(self.sangoma_answer(Subject::Conversation, object))
    }

    fn create_message(&self, fields: &Fields, request: usize) -> Result<Reply, Reply> {
        let (content, conversation) = (fields.text("content")?, fields.number("conversation_id")?);
        let kind = match fields.get("message_type").map(Value::as_str) {
            None | Some(Some("outgoing")) => MessageKind::Outgoing,
            Some(Some("incoming")) => MessageKind::Incoming,
            Some(_) => return Err(Reply::error(422, "message_type is invalid")),
        };
        let bot = if fields.flag("is_bot") {
            Some(fields.number("agent_bot_id")?)
        } else {
            None
        };
        if bot.is_some_and(|bot| self.lock().bot(bot).is_none()) {
            return Err(Reply::not_found());
        }
        let author = match kind {
            MessageKind::Incoming => Author::Customer,
            _ => Author::Bot { bot },
        };
        let message = NewMessage {
            request: Some(request),
            ..NewMessage::text(conversation, author, kind, content)
        };
        let id = self.post_message(&message)?;
        let object = self.message_object(&self.lock(), conversation, id);
        Ok(self.sangoma_answer(Subject::Message, object))
    }

    fn conclude(&self, fields: &Fields, request: usize, to: Status) -> Result<Reply, Reply> {
        let conversation = fields.number("conversation_id")?;
        self.conclude_conversation(conversation, request, to)?;
        Ok(self.sangoma_answer(Subject::Status, answers::status(conversation, to)))
    }

    fn queue_call(&self, fields: &Fields) -> Result<Reply, Reply> {
        let (queue, destination) = (fields.text("queue_name")?, fields.text("destination")?);
        if !self.lock().queues.iter().any(|known| known == queue) {
            return Err(Reply::error(404, "unknown queue"));
        }
        Ok(self.place(OnBehalfOf::Queue(queue.to_owned()), destination))
    }

    fn agent_call(&self, fields: &Fields) -> Result<Reply, Reply> {
        let (name, destination) = (fields.text("agent_name")?, fields.text("destination")?);
        let logged_in = self.lock().agent(name).map(|agent| agent.is_logged_in);
        match (logged_in, self.0.switches.logged_out) {
            (None, _) => Err(Reply::error(404, "unknown agent")),
            (Some(false), LoggedOut::Conflict) => Err(Reply::error(409, "the agent is not logged in")),
            (Some(false), LoggedOut::BadRequest) => Err(Reply::error(400, "the agent is not logged in")),
            (Some(true), _) => Ok(self.place(OnBehalfOf::Agent(name.to_owned()), destination)),
        }
    }

    fn place(&self, on_behalf_of: OnBehalfOf, destination: &str) -> Reply {
        let at = self.now();
        self.lock().calls.push(AcceptedCall {
            at,
            on_behalf_of,
            destination: destination.to_owned(),
        });
        self.sangoma_answer(Subject::Call, json!({ "message": "accepted" }))
    }
}
