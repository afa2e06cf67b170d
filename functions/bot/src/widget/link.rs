//! Customers who come by the link in a message of an agent.
//!
//! Their chat begins on the platform when they write for the first time: following the link, as scanners of e-mails
//! do, changes nothing. One link leads to one conversation, on whichever device it is opened.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use patchbay::clock::Timestamp;
use patchbay::conversation::PlatformId;
use patchbay::conversation::widget::{Topic, Wording};
use patchbay::ids::Tenant;
use patchbay::interaction::{Channel, Content, Interaction, Reply, Work};
use patchbay::ledger::Interactions;
use patchbay::opt_out::{self, OptOutWord};
use patchbay::outreach::receiver;
use patchbay::secret::sha256_hex;
use patchbay::store::{Address, OptOutChange, OptOutSource, VisitorRequest, VisitorRequestKey, VisitorRequestState};
use patchbay::web::body::json_response;
use patchbay::web::problem::{Kind, Problem};
use patchbay::web::widget::{ChatInvitation, VISITOR_SECONDS, Visitor};
use serde_json::json;

use super::form::CheckedForm;
use super::once::{self, Begin, RUN_SECONDS};
use super::{settings, start};
use crate::Deps;

/// How often the chat of one link may be begun: again only after it was unclear whether it had begun.
const BEGINNINGS: u8 = 3;
/// Longest first message on the platform, in characters, as for a topic.
const MAX_INITIAL_CHARS: usize = 500;
/// Seconds after which a page without a conversation asks again.
const POLL_SECONDS: u16 = 15;
/// Seconds after which a page repeats what could not be stored.
const RETRY_SECONDS: u16 = 5;

/// A customer with a valid link.
pub(super) struct Guest<'a> {
    deps: &'a Deps,
    interaction: Interaction,
    /// What the agent said first.
    initial_message: String,
    /// The topic of the chat page that the agent writes from.
    topic: String,
    /// Where the link went.
    address: Option<Address>,
}

/// The conversation of a link.
enum Beginning {
    /// It has begun.
    Begun(Visitor),
    /// It may be begun under this number.
    Open(u8),
}

impl<'a> Guest<'a> {
    /// The customer whose link a request has; `None` if it has none, or one of another page.
    ///
    /// # Errors
    /// The table is unavailable, or the interaction is gone.
    pub(super) async fn of(deps: &'a Deps, request: &Request, tenant: &Tenant) -> Result<Option<Self>, Problem> {
        let now = deps.conversations.clock.now();
        let Ok(ChatInvitation { interaction, .. }) = deps.callbacks.chat_invitation(request.headers(), now) else {
            return Ok(None);
        };
        if interaction.tenant != *tenant {
            return Ok(None);
        }
        let loaded = Box::pin(interactions(deps)?.load(&interaction)).await;
        let loaded = loaded.map_err(|error| {
            tracing::error!(interaction = %interaction.id, %error, "an interaction cannot be read");
            Problem::unavailable(RETRY_SECONDS)
        })?;
        let interaction = loaded.ok_or_else(Problem::not_found)?;
        let chat = interaction.plan.legs.iter().find_map(|leg| match &leg.content {
            Content::ChatLink { initial_message, .. } => Some((leg, initial_message)),
            _ => None,
        });
        // A customer who was forgotten has no chat any more.
        let (leg, initial_message) = chat.ok_or_else(Problem::not_found)?;
        Ok(Some(Self {
            deps,
            initial_message: initial_message.trim().chars().take(MAX_INITIAL_CHARS).collect(),
            topic: leg.from.clone(),
            address: receiver::address(leg).ok().flatten(),
            interaction,
        }))
    }

    /// What the agent said first, as the platform has it.
    pub(super) fn initial_message(&self) -> &str {
        &self.initial_message
    }

    /// The conversation, if it has begun.
    pub(super) async fn visitor(&self) -> Result<Option<Visitor>, Problem> {
        Ok(match self.beginning(None).await? {
            Beginning::Begun(visitor) => Some(visitor),
            Beginning::Open(_) => None,
        })
    }

    /// What a page reads before the conversation has begun.
    pub(super) fn view(&self) -> Response<Body> {
        let view = json!({
            "entries": [],
            "cursor": "",
            "poll_after": POLL_SECONDS,
            "initial_message": self.initial_message,
        });
        json_response(StatusCode::OK, &view)
    }

    /// Takes what the customer wrote: it is their answer, whatever becomes of it on the platform, and an opt-out if it is a
    /// word such as STOP. A repeat has the same id. Returns the visitor who posts it; `None` if it is not to be posted,
    /// because nobody begins a chat with the wish to be left alone.
    ///
    /// # Errors
    /// As for the form of the page, or what it means could not be stored; the page sends it again.
    pub(super) async fn take(&self, id: &str, text: &str) -> Result<Option<Visitor>, Problem> {
        let interactions = interactions(self.deps)?;
        let reply = Reply {
            id: format!("chat {id}"),
            channel: Channel::Webchat,
            attempt: None,
            text: text.to_owned(),
            at: interactions.clock.now(),
            is_opt_out: opt_out::read(text) == Some(OptOutWord::Stop),
        };
        let is_opt_out = reply.is_opt_out;
        if is_opt_out {
            self.opt_out(interactions, &reply).await?;
        }
        self.answered(interactions, reply).await?;
        if is_opt_out {
            return self.visitor().await;
        }
        self.enter(id, text).await.map(Some)
    }

    async fn answered(&self, interactions: &Interactions, reply: Reply) -> Result<(), Problem> {
        let key = self.interaction.key.clone();
        let queued = Box::pin(interactions.enqueue(key, Work::Receive { reply: Box::new(reply) })).await;
        queued.map_err(|error| {
            tracing::error!(interaction = %self.interaction.key.id, %error, "what a customer wrote cannot be saved on the queue");
            Problem::unavailable(RETRY_SECONDS)
        })
    }

    /// Puts the address to which the link went on the list of opt-outs. Only the owner of an address can take it off the list,
    /// and the link may have been passed on, so no word on the page does.
    async fn opt_out(&self, interactions: &Interactions, reply: &Reply) -> Result<(), Problem> {
        let Some(address) = &self.address else { return Ok(()) };
        let key = &self.interaction.key;
        let change = OptOutChange::opt_out(OptOutSource::Chat, reply.at);
        let change = change.in_message(&reply.id).about(key.id);
        let putting = Box::pin(interactions.store.change_opt_out(&key.tenant, address, &change));
        putting.await.map_err(|error| {
            tracing::error!(interaction = %key.id, %error, "cannot store an opt-out: asking the page to repeat it");
            Problem::unavailable(RETRY_SECONDS)
        })
    }

    /// The conversation, begun if it has not.
    async fn enter(&self, id: &str, text: &str) -> Result<Visitor, Problem> {
        let nth = match self.beginning(Some(id)).await? {
            Beginning::Begun(visitor) => return Ok(visitor),
            Beginning::Open(nth) => nth,
        };
        let tenant = &self.interaction.key.tenant;
        let widget = settings(self.deps, tenant).await?;
        let topic = widget.topic(&self.topic).ok_or_else(Problem::not_found)?;
        let topic = Topic {
            initial_message: Some(Wording::Same(self.initial_message.clone())),
            ..topic.clone()
        };
        let customer = &self.interaction.parties.customer;
        let form = CheckedForm {
            topic: &topic,
            language: widget.language([customer.language.as_str()]),
            name: if customer.name.is_empty() {
                &customer.email
            } else {
                &customer.name
            },
            email: &customer.email,
            phone: Some(customer.phone.clone()).filter(|phone| !phone.is_empty()),
            text,
        };
        let name = self.request(nth);
        let of = key(tenant, &name);
        let begin = once::begin(self.deps, &of, fingerprint(id), widget.starts_per_minute).await;
        let (conversation, at) = match begin {
            Ok(Begin::Done(id, at)) => (id.ok_or_else(Problem::not_found)?, at),
            Ok(Begin::Now(mut request)) => {
                let created = start::create(self.deps, &of, &form, &mut request).await?;
                tracing::info!(%tenant, conversation = %created, interaction = %self.interaction.key.id, "a customer came by a link");
                (created, request.at)
            }
            // Another device begins it.
            Err(problem) if problem.kind == Kind::IdempotencyKeyReused => {
                return Err(Problem::unavailable(RETRY_SECONDS));
            }
            Err(problem) => return Err(problem),
        };
        Ok(self.visitor_of(conversation, topic.inbox, at))
    }

    /// Whether the conversation has begun. `id` is the message that would begin it: unless it did so before, it may do so
    /// again when an earlier beginning is unclear.
    async fn beginning(&self, id: Option<&str>) -> Result<Beginning, Problem> {
        let Deps { conversations, .. } = self.deps;
        let tenant = &self.interaction.key.tenant;
        for nth in 0..BEGINNINGS {
            let name = self.request(nth);
            let request = conversations.store.visitor_request(&key(tenant, &name)).await?;
            let Some(VisitorRequest {
                fingerprint: by,
                at,
                state,
            }) = request
            else {
                return Ok(Beginning::Open(nth));
            };
            let is_running = conversations.clock.now() < at.plus_seconds(RUN_SECONDS);
            match state {
                VisitorRequestState::Done { id: Some(conversation) } => {
                    let widget = settings(self.deps, tenant).await?;
                    let topic = widget.topic(&self.topic).ok_or_else(Problem::not_found)?;
                    return Ok(Beginning::Begun(self.visitor_of(conversation, topic.inbox.clone(), at)));
                }
                VisitorRequestState::Failed => return Ok(Beginning::Open(nth)),
                VisitorRequestState::Begun if is_running => return Ok(Beginning::Open(nth)),
                _ if id.is_some_and(|id| fingerprint(id) == by) => return Ok(Beginning::Open(nth)),
                _ => {}
            }
        }
        match id {
            Some(_) => Err(Problem::refused(
                "it is unclear whether the chat has begun: please answer the message instead",
            )),
            None => Ok(Beginning::Open(BEGINNINGS)),
        }
    }

    fn request(&self, nth: u8) -> String {
        format!("link {} {nth}", self.interaction.key.id)
    }

    fn visitor_of(&self, conversation: PlatformId, inbox: PlatformId, at: Timestamp) -> Visitor {
        Visitor {
            tenant: self.interaction.key.tenant.clone(),
            conversation,
            inbox,
            expires_at: at.plus_seconds(VISITOR_SECONDS),
        }
    }
}

/// What changes interactions. A link that somebody has although this stack contacts no customers leads nowhere.
fn interactions(deps: &Deps) -> Result<&Interactions, Problem> {
    deps.interactions.as_ref().ok_or_else(Problem::not_found)
}

const fn key<'a>(tenant: &'a Tenant, id: &'a str) -> VisitorRequestKey<'a> {
    VisitorRequestKey {
        tenant,
        conversation: None,
        id,
    }
}

/// The message that begins a conversation.
fn fingerprint(id: &str) -> String {
    sha256_hex(id.as_bytes())
}
