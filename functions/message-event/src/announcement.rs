//! `POST /{provider}/announcement-keys/{ref}` and `POST /{provider}/announcement-status/{ref}`: the keys that a customer
//! presses in a call, and how far the call got.
//!
//! A provider waits 3 s for the answer to a key, and somebody is on the line. So a request with a valid reference gets
//! 200 and a script, whatever fails behind it. A key is confirmed only after it is stored.

use lambda_http::{Request, RequestExt as _};
use patchbay::dispatch::script::Script;
use patchbay::interaction::announcement::{self, Announcement};
use patchbay::interaction::{Interaction, KeyAction, KeyOption, Reply, Work};
use patchbay::outreach::callbacks::{AttemptCallback, MessageCallback, MessageReference};
use patchbay::outreach::{inbound, reports};
use patchbay::voice::callbacks::WRONG_KEYS_PARAM;
use patchbay::voice::{BEGIN_PARAM, Provider};
use patchbay::web::problem::Problem;
use tokio::time::Instant;

use crate::{Answer, Deps, by, deadline, status};

/// Wrong keys that are answered by offering the keys again.
const MAX_WRONG_KEYS: u8 = 3;

/// Records how far a call got.
pub(crate) async fn receive_status(deps: &Deps, request: &Request) -> Answer {
    let callback = deps
        .callbacks
        .verify_attempt(request, &deps.signatures, AttemptCallback::CallStatus)?;
    let (provider, call) = (callback.provider, &callback.about);
    let (interaction, attempt) = (call.interaction.id, call.attempt);
    match provider.report(callback.body) {
        Ok(report) => match reports::call_report(&report) {
            Some(read) => status::apply(deps, call, &read, &report.name, deadline()).await?,
            None => {
                tracing::info!(%interaction, %attempt, status = report.name, "a status of a call says nothing final");
            }
        },
        // Only the provider has this reference, and a retry would send the same body. So it is acknowledged.
        Err(error) => {
            tracing::warn!(%interaction, %attempt, %error, "cannot read the status of a call: ignored");
        }
    }
    Ok(provider.acknowledge().into_response())
}

/// Applies keys, and answers with what the customer hears next.
pub(crate) async fn receive_keys(deps: &Deps, request: &Request) -> Answer {
    let MessageCallback { provider, about, body } =
        deps.callbacks
            .verify_attempt(request, &deps.signatures, AttemptCallback::Keys)?;
    let callbacks = deps.callbacks.with_fallback_base(request, &[provider.as_str()]);
    // Only the provider has this reference, so an unreadable body counts as no key, and the call goes on.
    let keys = provider.keys(body).unwrap_or_else(|error| {
        tracing::warn!(interaction = %about.interaction.id, %error, "cannot read the keys of a call: treated as no key");
        String::new()
    });
    let query = request.query_string_parameters();
    let wrong_keys = query.first(WRONG_KEYS_PARAM).and_then(|count| count.parse().ok());
    let mut call = Call {
        about,
        provider,
        keys,
        wrong_keys: wrong_keys.unwrap_or(0),
    };
    let is_begin = query.first(BEGIN_PARAM).is_some();
    let deadline = deadline();
    let script = match load(deps, &call.about, deadline).await {
        Ok(interaction) => {
            let leg = interaction
                .as_ref()
                .and_then(|interaction| interaction.leg_of(call.about.attempt));
            // The interaction has expired from the table, which takes months: there is nothing left to say.
            let (Some(interaction), Some(announcement)) =
                (&interaction, leg.and_then(|leg| Announcement::of(&leg.content)))
            else {
                return Ok(provider.acknowledge().into_response());
            };
            if is_begin {
                announcement.opening()
            } else {
                call.answer(deps, &announcement, interaction, deadline).await
            }
        }
        // What the customer is to hear is unknown. The provider retries.
        Err(_) if is_begin => return Err(Problem::unavailable(1)),
        Err(error) => call.save_unread(deps, &error).await,
    };
    let url = callbacks.announcement_keys_url(provider, &call.about.interaction, call.about.attempt);
    let url = if call.wrong_keys == 0 {
        url
    } else {
        format!("{url}?{WRONG_KEYS_PARAM}={}", call.wrong_keys)
    };
    Ok(provider.render(script, &url, &deps.settings).into_response())
}

/// The interaction of a call, or why it cannot be read.
async fn load(deps: &Deps, call: &MessageReference, deadline: Instant) -> Result<Option<Interaction>, String> {
    let loaded = by(deadline, deps.interactions.load(&call.interaction)).await;
    loaded.inspect_err(|error| {
        tracing::error!(interaction = %call.interaction.id, error, "cannot read an announcement: DynamoDB is unavailable");
    })
}

/// A call in which keys were pressed.
struct Call {
    about: MessageReference,
    provider: Provider,
    keys: String,
    /// Wrong keys so far that were answered by offering the keys again.
    wrong_keys: u8,
}

impl Call {
    async fn answer(
        &mut self,
        deps: &Deps,
        announcement: &Announcement<'_>,
        interaction: &Interaction,
        deadline: Instant,
    ) -> Script {
        let Some(option) = announcement.pressed(&self.keys) else {
            if self.keys.is_empty() || self.wrong_keys >= MAX_WRONG_KEYS {
                // Usually the call is over and nobody hears this.
                return announcement.goodbye();
            }
            self.wrong_keys += 1;
            return announcement.offer_again();
        };
        if option.action == KeyAction::Repeat {
            return announcement.reply(option);
        }
        match self.store(deps, option, interaction, deadline).await {
            Ok(()) => announcement.reply(option),
            Err(()) => announcement.one_moment(),
        }
    }

    /// Saves a key on the queue although nobody knows yet what it means: the messenger reads that from the announcement.
    async fn save_unread(&self, deps: &Deps, error: &str) -> Script {
        if let Some(key) = announcement::last_key(&self.keys) {
            self.queue(deps, self.reply(deps, key, false), error).await;
        }
        announcement::one_moment_unread()
    }

    fn reply(&self, deps: &Deps, key: char, is_opt_out: bool) -> Reply {
        inbound::key_reply(self.about.attempt, key, deps.interactions.clock.now(), is_opt_out)
    }

    /// Without the queue a key is lost, unless the customer presses it again, for which they are asked.
    async fn queue(&self, deps: &Deps, reply: Reply, error: &str) {
        let work = Work::Receive { reply: Box::new(reply) };
        drop(deps.queue(&self.about.interaction, work, error).await);
    }

    /// Stores an answer, or saves it on the queue. The error says that it may not be confirmed.
    async fn store(&self, deps: &Deps, option: &KeyOption, called: &Interaction, deadline: Instant) -> Result<(), ()> {
        let MessageReference { interaction, attempt } = &self.about;
        let is_opt_out = option.action == KeyAction::OptOut;
        let reply = self.reply(deps, option.key, is_opt_out);
        let storing = async {
            if is_opt_out {
                inbound::note_opt_out(&deps.interactions, called, *attempt).await?;
            }
            inbound::apply_reply(&deps.interactions, interaction, &reply).await
        };
        match by(deadline, storing).await {
            Ok(outcome) => {
                let provider = self.provider.as_str();
                tracing::info!(interaction = %interaction.id, %attempt, provider, ?outcome, "key applied");
                Ok(())
            }
            Err(error) => {
                self.queue(deps, reply, &error).await;
                Err(())
            }
        }
    }
}
