//! Builds the dependencies of the deployed function from its environment.

use patchbay::aws::Aws;
use patchbay::bot_source::BotSource;
use patchbay::chat::ChatConfig;
use patchbay::chat::signature::SignatureVerifier;
use patchbay::config::variables::{CHAT_SECRETS_PARAM, REFERENCE_KEYS_PARAM};
use patchbay::config::{ConfigError, default_country, optional_public_url, reference_signer};
use patchbay::keyring::Keyring;
use patchbay::ledger::{Conversations, Interactions};
use patchbay::secret::Randomness;
use patchbay::web::callbacks::CallbackUrls;

use crate::Deps;

impl Deps {
    /// Reads the environment variables, and the secrets that they name.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 3>, ConfigError> {
        let aws = Aws::load()?;
        let (conversations, config, home) = (aws.conversations()?, ChatConfig::load()?, default_country()?);
        let url = optional_public_url()?;
        let interactions = aws.optional_interactions().map(|queue| {
            let Conversations { store, clock, .. } = &conversations;
            Interactions::new(store.clone(), queue, clock.clone(), Randomness::default())
        });
        let bots = BotSource::new(conversations.store.clone(), conversations.clock.clone());
        aws.keyring_with_optional(
            [config.secret(), REFERENCE_KEYS_PARAM, CHAT_SECRETS_PARAM],
            &[CHAT_SECRETS_PARAM],
            move |[credentials, keys, secrets]| {
                Ok(Self {
                    conversations: conversations.clone(),
                    interactions: interactions.clone(),
                    bots: bots.clone(),
                    callbacks: CallbackUrls::new(&url, reference_signer(REFERENCE_KEYS_PARAM, keys)?),
                    signatures: SignatureVerifier::parse(CHAT_SECRETS_PARAM, secrets)?,
                    client: config.client(credentials)?,
                    home: home.clone(),
                })
            },
        )
    }
}
