//! Receives what the providers of messages report, and what customers write.
//!
//! - `status`: how far a text message got, from Twilio and Routee. `email`: the same for e-mails, from Amazon SES.
//! - `announcement`: the keys that a customer presses in a call, and how far the call got.
//! - `incoming`: the messages of customers. `one_click`: the opt-out button of an e-mail.
//!
//! Providers wait for seconds, and post everything twice, late and in any order. So whatever cannot be stored in time is
//! saved on the queue, as far as its interaction is known; otherwise the provider is asked to repeat it.

mod announcement;
mod email;
mod incoming;
mod load;
mod one_click;
mod status;

use std::pin::Pin;
use std::time::Duration;

use lambda_http::{Body, Request, Response};
use patchbay::ids::InteractionKey;
use patchbay::interaction::Work;
use patchbay::ledger::Interactions;
use patchbay::voice::{Settings, SignatureVerifier};
use patchbay::web::body;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::problem::Problem;

/// Time for reading and committing, out of the 2 s that a provider waits.
const TIME_LIMIT: Duration = Duration::from_millis(1_100);
/// What remains after that for saving the event on the queue.
const QUEUE_LIMIT: Duration = Duration::from_millis(500);
/// Seconds after which a provider may repeat what we could not store.
const RETRY_SECONDS: u16 = 30;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Loads and changes interactions.
    pub interactions: Interactions,
    /// Verifies references.
    pub callbacks: CallbackUrls,
    /// Verifies the webhook signatures of the providers that sign.
    pub signatures: SignatureVerifier,
    /// How scripts of calls are spoken.
    pub settings: Settings,
}

/// The answer to a request.
type Answer = Result<Response<Body>, Problem>;
/// A type-erased box: the SDK's futures are nested more deeply than the compiler's limit.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Handles a request to one of the routes of this function.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let path = body::path_segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let answer = match path.as_slice() {
        [.., "ses", "events", reference] => email::receive(deps, &request, reference).await,
        [.., "ses", "one-click", reference] => one_click::receive(deps, &request, reference).await,
        [.., "announcement-keys", _] => announcement::receive_keys(deps, &request).await,
        [.., "announcement-status", _] => announcement::receive_status(deps, &request).await,
        [.., "message-status", _] => status::receive(deps, &request).await,
        [.., "messages", _] => incoming::receive(deps, &request).await,
        _ => Err(Problem::bad_reference()),
    };
    answer.unwrap_or_else(Problem::into_response)
}

impl Deps {
    /// DynamoDB is unavailable: saves the work on the queue. If that fails too, the provider is asked to retry.
    async fn queue(&self, key: &InteractionKey, work: Work, error: &str) -> Result<(), Problem> {
        let (interaction, what) = (key.id, work.name());
        tracing::error!(%interaction, what, error, "cannot store what a provider reports: it is saved on the queue");
        let queued: Boxed<'_, _> = Box::pin(self.interactions.enqueue(key.clone(), work));
        let queued = tokio::time::timeout(QUEUE_LIMIT, queued).await;
        if matches!(queued, Ok(Ok(()))) {
            return Ok(());
        }
        tracing::error!(%interaction, what, ?queued, "cannot save it on the queue either: asking the provider to retry");
        Err(unavailable())
    }
}

fn unavailable() -> Problem {
    Problem::unavailable(RETRY_SECONDS)
}
