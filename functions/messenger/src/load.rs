//! Builds the dependencies of the deployed function from its environment.

use std::time::Duration;

use patchbay::aws::Aws;
use patchbay::chat::Platform;
use patchbay::clock::Clock;
use patchbay::config::variables::{
    ELEMENTE_CREDENTIALS_PARAM, REFERENCE_KEYS_PARAM, ROUTEE_AUTH_URL, ROUTEE_CONNECT_URL, ROUTEE_CREDENTIALS_PARAM,
    TWILIO_API_URL, TWILIO_CREDENTIALS_PARAM,
};
use patchbay::config::{ConfigError, optional, public_url, reference_signer};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::messaging::Account;
use patchbay::outbox::Outbox;
use patchbay::providers::elemente::{self, Elemente};
use patchbay::providers::routee::{self, Routee};
use patchbay::providers::ses::{ConfigurationSet, Ses};
use patchbay::providers::twilio::calls::{self as twilio, Twilio};
use patchbay::secret::Secret;
use patchbay::target::Targets;
use patchbay::voice::{Provider, Settings, call_interval};
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::outbound::Outbound;

use crate::{BackEnds, CallSettings, Deps, EmailBackEnd, Setup};

/// Time-out of one request to a provider. A token and a message, and the writes around them, fit into the function's
/// 30 s.
const TIMEOUT: Duration = Duration::from_secs(6);
/// Names of environment variables, see [`patchbay::config`].
const CONFIGURATION_SET: &str = "PATCHBAY_SES_CONFIGURATION_SET";
const ELEMENTE_URL: &str = "PATCHBAY_ELEMENTE_URL";
const CHAT_PLATFORM: &str = "PATCHBAY_CHAT_PLATFORM";

/// The parameters with the secrets of the back ends. Each may lack.
const SECRETS: [&str; 3] = [
    TWILIO_CREDENTIALS_PARAM,
    ROUTEE_CREDENTIALS_PARAM,
    ELEMENTE_CREDENTIALS_PARAM,
];

impl Deps {
    /// Reads the environment variables, and the secrets that they name. The outbox, returned next to them, is where
    /// messages are sent back to while the secrets cannot be read.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<(Keyring<Self, 4>, Outbox), ConfigError> {
        let aws = Aws::load()?;
        let (interactions, outbox) = (aws.interactions()?, aws.interactions_outbox()?);
        // The endpoints come from the provider or the operator, never from a requester, so any address is allowed.
        let http = HttpClient::new(Outbound::lazy(Targets::any(), TIMEOUT));
        let (url, email) = (public_url()?, email(&aws, &http)?);
        let calls = CallSettings {
            scripts: Settings::load()?,
            routee_interval: call_interval(Provider::Routee)?,
            twilio_interval: call_interval(Provider::Twilio)?,
        };
        let chat = optional(CHAT_PLATFORM).as_deref().and_then(Platform::named);
        let fallback = outbox.clone();
        let [twilio, routee, elemente] = SECRETS;
        let keyring = aws.keyring_with_optional(
            [twilio, routee, elemente, REFERENCE_KEYS_PARAM],
            &SECRETS,
            move |[twilio, routee, elemente, keys]| {
                Ok(Self {
                    interactions: interactions.clone(),
                    outbox: outbox.clone(),
                    back_ends: BackEnds {
                        twilio: built(twilio, |secret| twilio_account(&http, secret)),
                        routee: built(routee, |secret| routee_account(&http, secret)),
                        calls,
                        email: email.clone(),
                        elemente: built(elemente, |secret| elemente_client(&http, secret)),
                        chat,
                    },
                    callbacks: CallbackUrls::new(&url, reference_signer(REFERENCE_KEYS_PARAM, keys)?),
                })
            },
        )?;
        Ok((keyring, fallback))
    }
}

/// What is built from a secret. An invalid one stops its back end only: the others still send.
fn built<T>(secret: &Secret, build: impl Fn(&Secret) -> Result<T, ConfigError>) -> Setup<T> {
    if secret.expose().is_empty() {
        return Setup::Missing;
    }
    match build(secret) {
        Ok(back_end) => Setup::Ready(back_end),
        Err(error) => {
            tracing::error!(%error, "the secret of a back end is invalid: what is sent over it waits until it is repaired");
            Setup::Unusable
        }
    }
}

fn twilio_account(http: &HttpClient, secret: &Secret) -> Result<Account, ConfigError> {
    let credentials = twilio::Credentials::parse(TWILIO_CREDENTIALS_PARAM, secret)?;
    let endpoint = optional(TWILIO_API_URL).unwrap_or_else(|| twilio::ENDPOINT.to_owned());
    Ok(Account::Twilio(Twilio::new(http.clone(), &credentials, &endpoint)))
}

fn routee_account(http: &HttpClient, secret: &Secret) -> Result<Account, ConfigError> {
    let credentials = routee::Credentials::parse(ROUTEE_CREDENTIALS_PARAM, secret)?;
    let endpoints = routee::Endpoints::default();
    let endpoints = routee::Endpoints {
        auth: optional(ROUTEE_AUTH_URL).unwrap_or(endpoints.auth),
        connect: optional(ROUTEE_CONNECT_URL).unwrap_or(endpoints.connect),
    };
    Ok(Account::Routee(Routee::new(
        http.clone(),
        Clock::system(),
        credentials,
        endpoints,
    )))
}

fn elemente_client(http: &HttpClient, secret: &Secret) -> Result<Elemente, ConfigError> {
    let credentials = elemente::Credentials::parse(ELEMENTE_CREDENTIALS_PARAM, secret)?;
    let endpoint = optional(ELEMENTE_URL).unwrap_or_else(|| elemente::ENDPOINT.to_owned());
    Ok(Elemente::new(http.clone(), &credentials, &endpoint))
}

/// E-mail needs no secret: the role of the function may send. It is used if a configuration set is named, without which
/// nobody would learn the outcome of an e-mail.
fn email(aws: &Aws, http: &HttpClient) -> Result<Option<EmailBackEnd>, ConfigError> {
    let Some(name) = optional(CONFIGURATION_SET) else {
        return Ok(None);
    };
    let configuration_set = ConfigurationSet::parse(&name).map_err(|_| ConfigError::Invalid {
        name: CONFIGURATION_SET,
        expected: "must be the name of a configuration set: letters, digits, - and _",
    })?;
    Ok(Some(EmailBackEnd {
        client: Ses::new(http.clone(), Clock::system(), aws.ses()?),
        configuration_set,
    }))
}
