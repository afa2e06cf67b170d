//! The chat platform of a world, and the two functions that serve it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use patchbay::api::dispatches::Abilities;
use patchbay::bot::Bot;
use patchbay::bot_source::BotSource;
use patchbay::chat::signature::SignatureVerifier;
use patchbay::chat::{ChatClient, Platform};
use patchbay::conversation::PlatformId;
use patchbay::conversation::widget::Widget;
use patchbay::engine::Engine;
use patchbay::fetch::Fetcher;
use patchbay::http::HttpClient;
use patchbay::ids::{DocumentName, Tenant};
use patchbay::ledger::{Conversations, Interactions};
use patchbay::providers::{chatwoot, sangoma};
use patchbay::secret::{Randomness, Secret};
use patchbay::store::{ChatConnection, DocumentKey, DocumentKind, Precondition};
use patchbay::web::callbacks::CallbackUrls;

use super::environment::{Clocks, Queues};
use super::{TENANT, World, WorldError};
use crate::aws::Aws;
use crate::chat::{
    self, CHATWOOT_ACCOUNT, CHATWOOT_BOT_TOKEN, CHATWOOT_URL, CHATWOOT_USER_TOKEN, CREDENTIALS, Chat, TENANT_DOMAIN,
};

/// The name of a world's bot on the platform.
pub const BOT_NAME: &str = "Acme bot";

/// The settings of a world's chat platform.
#[derive(Clone, Debug)]
pub struct ChatOptions {
    /// The platform.
    pub platform: Platform,
    /// How it behaves where its documentation is silent.
    pub switches: chat::Switches,
    /// The secret by which the functions verify the signatures of events. Without it none is needed.
    pub secret: Option<String>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self {
            platform: Platform::Sangoma,
            switches: chat::Switches::default(),
            secret: None,
        }
    }
}

/// Everything that the two functions are built from.
pub(super) struct ChatParts<'a> {
    pub(super) aws: &'a Aws,
    pub(super) chat: &'a Chat,
    pub(super) options: &'a ChatOptions,
    pub(super) engine: &'a Engine,
    pub(super) queues: &'a Queues,
    pub(super) callbacks: &'a CallbackUrls,
    pub(super) fetcher: &'a Fetcher,
    pub(super) abilities: &'a Abilities,
}

/// The function that receives events, and that which answers them, once for each machine that it runs on.
type Functions = (bot::Deps, Arc<[Arc<responder::Deps>]>);

impl ChatParts<'_> {
    /// The dependencies of the two functions. Their clocks and their randomness are their own: nothing else in a world
    /// depends on how many chats there are.
    pub(super) fn functions(&self, mut clocks: Clocks, seed: u64) -> Result<Functions, WorldError> {
        let random = Randomness::seeded(seed);
        let bot = self.bot(self.conversations(&mut clocks, &random), &random)?;
        let machines = 0..clocks.machines();
        let responders = machines.map(|_| {
            let conversations = self.conversations(&mut clocks, &random);
            self.responder(conversations).map(Arc::new)
        });
        Ok((bot, responders.collect::<Result<_, _>>()?))
    }

    fn bot(&self, conversations: Conversations, random: &Randomness) -> Result<bot::Deps, WorldError> {
        let secrets = self.options.secret.iter().map(Secret::new);
        Ok(bot::Deps {
            interactions: Some(Interactions::new(
                conversations.store.clone(),
                self.queues.sender(&self.queues.interactions),
                conversations.clock.clone(),
                random.clone(),
            )),
            bots: BotSource::new(conversations.store.clone(), conversations.clock.clone()),
            conversations,
            callbacks: self.callbacks.clone(),
            signatures: SignatureVerifier::new(secrets),
            client: self.client()?,
            home: None,
        })
    }

    fn responder(&self, conversations: Conversations) -> Result<responder::Deps, WorldError> {
        Ok(responder::Deps {
            outbox: self.queues.outbox(&self.queues.conversations, &conversations.clock),
            bots: BotSource::new(conversations.store.clone(), conversations.clock.clone()),
            fetcher: self.fetcher.clone(),
            client: self.client()?,
            engine: Engine {
                clock: conversations.clock.clone(),
                ..self.engine.clone()
            },
            abilities: self.abilities.clone(),
            home: None,
            conversations,
        })
    }

    /// What changes conversations, with the clock of another machine.
    fn conversations(&self, clocks: &mut Clocks, random: &Randomness) -> Conversations {
        let queue = self.queues.sender(&self.queues.conversations);
        Conversations::new(self.engine.store.clone(), queue, clocks.next_clock(), random.clone())
    }

    /// A client of the platform.
    fn client(&self) -> Result<ChatClient, WorldError> {
        let http = self.aws.http(HttpClient::new(self.chat.clone()));
        Ok(match self.options.platform {
            Platform::Sangoma => {
                let (id, secret) = CREDENTIALS;
                let credentials = sangoma::Credentials {
                    client_id: id.to_owned(),
                    client_secret: Secret::new(secret),
                };
                let settings = sangoma::Settings {
                    tenant_domain: TENANT_DOMAIN.to_owned(),
                    generation: sangoma::Generation::default(),
                    endpoints: sangoma::Endpoints::default(),
                };
                ChatClient::Sangoma(sangoma::Sangoma::new(http, self.aws.clock(), &credentials, settings))
            }
            Platform::Chatwoot => {
                let tokens = chatwoot::Tokens {
                    bot: Secret::new(CHATWOOT_BOT_TOKEN),
                    user: Secret::new(CHATWOOT_USER_TOKEN),
                };
                let settings = chatwoot::Settings {
                    url: CHATWOOT_URL.to_owned(),
                    account: platform_id(CHATWOOT_ACCOUNT)?,
                };
                ChatClient::Chatwoot(chatwoot::Chatwoot::new(http, tokens, &settings))
            }
        })
    }
}

/// Whether a request that any simulated provider might serve is for the chat platform: by its path, or by the client
/// that asks for a token.
pub fn is_for_chat<B>(request: &http::Request<B>) -> bool {
    let path = request.uri().path();
    if path != "/oauth/token" {
        return path.starts_with("/cx/") || path.starts_with("/api/v1/accounts/");
    }
    let (id, secret) = CREDENTIALS;
    let expected = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let given = request.headers().get(http::header::AUTHORIZATION);
    given.is_some_and(|given| given.as_bytes() == expected.as_bytes())
}

fn platform_id(number: u64) -> Result<PlatformId, WorldError> {
    let id = number.to_string().parse();
    id.map_err(|error| WorldError::SetUp(format!("{error}")))
}

impl World {
    /// Stores a bot document (YAML or JSON) and lets it answer all inboxes of the platform, as `patchbay bot push` and
    /// `connect` do.
    ///
    /// # Errors
    /// When the name or the document is invalid, or the table cannot be written.
    pub async fn put_bot(&self, name: &str, document: &str) -> Result<(), WorldError> {
        let inboxes: Vec<u64> = self.chat.inboxes().iter().map(|inbox| inbox.id).collect();
        self.put_bot_in(&inboxes, name, document).await
    }

    /// The same for some of the inboxes; the others keep their bots. The functions may take a minute to notice that an
    /// inbox has another document.
    ///
    /// # Errors
    /// As [`World::put_bot`].
    pub async fn put_bot_in(&self, inboxes: &[u64], name: &str, document: &str) -> Result<(), WorldError> {
        let tenant: Tenant = TENANT.parse().map_err(|error| WorldError::SetUp(format!("{error}")))?;
        let name: DocumentName = name.parse().map_err(|error| WorldError::SetUp(format!("{error}")))?;
        self.store_bot(&tenant, &name, document).await?;
        let table = |error: patchbay::store::StoreError| WorldError::Table(error.to_string());
        let stored = self.store.connection(&tenant).await.map_err(table)?;
        let platform = self.chat_platform;
        let bot_url = self.callbacks.bot_url(platform, &tenant);
        let bot_id = match &stored {
            Some(stored) => {
                let id = stored.bot_id.as_str().parse().unwrap_or_default();
                self.chat.assign_bot(id, inboxes);
                stored.bot_id.clone()
            }
            None => platform_id(self.chat.connect_bot(BOT_NAME, &bot_url, inboxes))?,
        };
        let mut connection = stored.unwrap_or_else(|| ChatConnection {
            platform,
            bot_id,
            name: BOT_NAME.to_owned(),
            inboxes: BTreeMap::new(),
            bot_url,
            events_url: None,
            widget: None,
            updated_at: self.clock.now(),
        });
        for inbox in inboxes {
            connection.inboxes.insert(platform_id(*inbox)?, name.clone());
        }
        self.store.put_connection(&tenant, &connection).await.map_err(table)
    }

    /// Stores the settings of our own chat page, as `patchbay bot connect` does, and returns the URL of the page. There
    /// must be a bot.
    ///
    /// # Errors
    /// When there is no bot, or the table cannot be written.
    pub async fn put_widget(&self, widget: Widget) -> Result<String, WorldError> {
        let tenant: Tenant = TENANT.parse().map_err(|error| WorldError::SetUp(format!("{error}")))?;
        let table = |error: patchbay::store::StoreError| WorldError::Table(error.to_string());
        let stored = self.store.connection(&tenant).await.map_err(table)?;
        let mut connection = stored.ok_or_else(|| WorldError::SetUp("a chat page without a bot".to_owned()))?;
        connection.widget = Some(widget);
        let writing = self.store.put_connection(&tenant, &connection);
        writing.await.map_err(table)?;
        Ok(self.callbacks.widget_url(&tenant))
    }

    /// The URLs under which providers and platforms reach this world.
    pub const fn callbacks(&self) -> &CallbackUrls {
        &self.callbacks
    }

    async fn store_bot(&self, tenant: &Tenant, name: &DocumentName, document: &str) -> Result<(), WorldError> {
        let bot = Bot::read(document).map_err(|issues| {
            let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
            WorldError::SetUp(format!("the bot {name}: {}", issues.join("; ")))
        })?;
        let document = serde_json::to_string(bot.document()).map_err(|error| WorldError::SetUp(error.to_string()))?;
        let key = DocumentKey {
            tenant: tenant.clone(),
            kind: DocumentKind::Bot,
            name: name.clone(),
        };
        let writing = self
            .store
            .put_document(&key, &document, Precondition::Any, self.clock.now());
        writing
            .await
            .map(drop)
            .map_err(|error| WorldError::Table(error.to_string()))
    }
}
