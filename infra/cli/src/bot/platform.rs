//! Access to the chat platform of a deployment, with the settings and the credentials of its functions.

use patchbay::chat::ChatClient;
use patchbay::web::callbacks::CallbackUrls;

use crate::aws::Clients;
use crate::deployed::{callback_urls, chat_config, read_function, read_secret};

/// A client of the platform, and the URLs under which the platform reaches the deployment.
pub(super) struct PlatformAccess {
    pub(super) client: ChatClient,
    pub(super) urls: CallbackUrls,
}

/// Reads settings and credentials of the stack, and builds the client.
pub(super) async fn access(clients: &Clients, stack: &str) -> anyhow::Result<PlatformAccess> {
    let bot = read_function(clients, stack, "bot", "ChatPlatform").await?;
    let urls = callback_urls(clients, stack, &bot).await?;
    let config = chat_config(clients, &bot)?;
    let credentials = read_secret(clients, &bot, config.secret()).await?;
    Ok(PlatformAccess {
        client: config.client(&credentials)?,
        urls,
    })
}
