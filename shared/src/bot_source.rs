//! Finds the bot that answers a conversation: which document the tenant's connection assigns to the inbox, and the
//! compiled document. A sandbox caches both.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bot::{self, Bot, Document};
use crate::clock::{Clock, Timestamp};
use crate::conversation::{Contact, Heard, PlatformId, PlatformMessage, Settings};
use crate::fetch::{DocumentCache, LoadError};
use crate::ids::Tenant;
use crate::store::{ChatConnection, DocumentKey, DocumentKind, Store, StoreError};

/// Seconds for which a connection is cached. A change takes effect after that.
const CONNECTION_SECONDS: u32 = 60;
/// Maximum number of cached connections. When it is reached the cache is cleared.
const MAX_CONNECTIONS: usize = 32;

type ConnectionFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<ChatConnection>, StoreError>> + Send + 'a>>;
type DocumentFuture<'a> = Pin<Box<dyn Future<Output = Result<Arc<Bot>, LoadError>> + Send + 'a>>;

/// The bot that answers a conversation.
#[derive(Debug)]
pub enum AssignedBot {
    /// No bot: the tenant has no connection, or it assigns no document to the inbox.
    None,
    /// The document is assigned but cannot be loaded.
    Broken(LoadError),
    /// The compiled document.
    Ready(Arc<Bot>),
}

impl AssignedBot {
    /// The compiled document, if it is there.
    pub fn document(&self) -> Option<&Bot> {
        match self {
            Self::Ready(bot) => Some(bot),
            Self::None | Self::Broken(_) => None,
        }
    }

    /// What the document sets for this customer. A broken document is still a bot: its turns answer with the built-in
    /// fallback, so that no customer is left without an answer.
    pub fn settings(&self, contact: &Contact) -> Settings {
        match self {
            Self::Ready(bot) => bot::settings(bot, contact),
            Self::Broken(_) => Settings {
                has_bot: true,
                ..Settings::default()
            },
            Self::None => Settings::default(),
        }
    }

    /// What the document says about a message.
    pub fn heard(&self, message: Option<&PlatformMessage>) -> Heard {
        match (self, message) {
            (Self::Ready(bot), Some(message)) => bot::heard(bot, message),
            _ => Heard::default(),
        }
    }
}

/// Finds bots. Clones share its caches.
#[derive(Clone)]
pub struct BotSource {
    store: Store,
    clock: Clock,
    documents: DocumentCache<Document>,
    connections: Arc<Mutex<HashMap<Tenant, CachedConnection>>>,
}

#[derive(Clone)]
struct CachedConnection {
    connection: Arc<ChatConnection>,
    expires_at: Timestamp,
}

impl fmt::Debug for BotSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BotSource")
    }
}

impl BotSource {
    /// Finds bots in this table.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            documents: DocumentCache::default(),
            connections: Arc::default(),
        }
    }

    /// The tenant's connection, if it has one. At most one request in a minute; while DynamoDB is unavailable a cached
    /// connection stays in use.
    ///
    /// # Errors
    /// When DynamoDB is unavailable and no connection is cached.
    pub async fn connection(&self, tenant: &Tenant) -> Result<Option<Arc<ChatConnection>>, StoreError> {
        let now = self.clock.now();
        let cached = self.lock().get(tenant).cloned();
        if let Some(cached) = cached.as_ref().filter(|cached| cached.expires_at > now) {
            return Ok(Some(Arc::clone(&cached.connection)));
        }
        // Type-erased, as below: the SDK's futures are nested more deeply than the compiler's limit.
        let loading: ConnectionFuture<'_> = Box::pin(self.store.connection(tenant));
        let connection = match (loading.await, cached) {
            (Ok(Some(connection)), _) => Arc::new(connection),
            (Ok(None), _) => {
                self.lock().remove(tenant);
                return Ok(None);
            }
            (Err(error), Some(cached)) => {
                tracing::error!(%tenant, %error, "cannot read the connection again: the cached one stays in use");
                return Ok(Some(cached.connection));
            }
            (Err(error), None) => return Err(error),
        };
        let mut connections = self.lock();
        if connections.len() >= MAX_CONNECTIONS {
            connections.clear();
        }
        let cached = CachedConnection {
            connection: Arc::clone(&connection),
            expires_at: now.plus_seconds(CONNECTION_SECONDS),
        };
        connections.insert(tenant.clone(), cached);
        Ok(Some(connection))
    }

    /// The bot that answers conversations in `inbox`. One request to DynamoDB, and at times one more for the connection.
    ///
    /// # Errors
    /// When DynamoDB is unavailable and no connection is cached.
    pub async fn assigned(&self, tenant: &Tenant, inbox: Option<&PlatformId>) -> Result<AssignedBot, StoreError> {
        let connection = self.connection(tenant).await?;
        let Some(name) = connection.as_ref().and_then(|connection| connection.document(inbox)) else {
            return Ok(AssignedBot::None);
        };
        let key = DocumentKey {
            tenant: tenant.clone(),
            kind: DocumentKind::Bot,
            name: name.clone(),
        };
        let loading: DocumentFuture<'_> = Box::pin(self.documents.get(&self.store, &key));
        Ok(match loading.await {
            Ok(bot) => AssignedBot::Ready(bot),
            Err(error) => {
                tracing::error!(%tenant, bot = %key.name, %error, "cannot load the document of a bot: its fallback answers");
                AssignedBot::Broken(error)
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tenant, CachedConnection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
