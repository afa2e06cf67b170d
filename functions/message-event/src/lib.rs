//! Receives what the providers of messages report, and what customers write.
//!
//! - `status`: how far a text message got, from Twilio and Routee. `email`: the same for e-mails, from Amazon SES.
//! - `announcement`: the keys that a customer presses in a call, and how far the call got.
//! - `incoming`: the messages of customers. `one_click`: the opt-out button of an e-mail.
//!
//! Providers wait for seconds, and post everything twice, late and in any order. So whatever cannot be stored in time is
//! saved on the queue, and only if that fails, too, the provider is asked to repeat it.

mod announcement;
mod email;
mod incoming;
mod load;
mod one_click;
mod status;

use std::fmt::Display;
use std::pin::Pin;
use std::time::Duration;

use lambda_http::{Body, Request, Response};
use patchbay::function::NotStored;
use patchbay::ids::InteractionKey;
use patchbay::interaction::Work;
use patchbay::ledger::Interactions;
use patchbay::telemetry::{self, Unit};
use patchbay::voice::{Provider, Settings, SignatureVerifier};
use patchbay::web::body;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::problem::{Kind, Problem};
use tokio::time::{Instant, timeout_at};

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
    answer.unwrap_or_else(|problem| {
        deps.count_unverified(&path, &problem);
        problem.into_response()
    })
}

/// Handles an event that `EventBridge` sends by a rule of the stack: what Amazon SES reports about an e-mail of any tenant.
///
/// # Errors
/// When it could not be stored.
pub async fn receive(deps: &Deps, event: &str) -> Result<(), NotStored> {
    let stored = email::take_all(deps, None, event.as_bytes()).await;
    stored.map_err(|_| NotStored)
}

/// The deadline of a request that came now.
fn deadline() -> Instant {
    Instant::now() + TIME_LIMIT
}

/// The result of `work`, or why there is none by `deadline`.
async fn by<T, E: Display>(deadline: Instant, work: impl Future<Output = Result<T, E>> + Send) -> Result<T, String> {
    let work: Boxed<'_, _> = Box::pin(work);
    match timeout_at(deadline, work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("DynamoDB or SQS did not answer in time".to_owned()),
    }
}

/// The provider's id of the message that work is about, for its support and its logs.
fn provider_id(work: &Work) -> Option<&str> {
    match work {
        Work::Report { report, .. } => report.provider_id.as_deref(),
        Work::Incoming { message } => Some(&message.reply.id),
        _ => None,
    }
}

impl Deps {
    /// The result of `applying`; `None` if there is none by `deadline`, and `work` on the queue does the same.
    async fn apply_or_queue<T, E: Display>(
        &self,
        key: &InteractionKey,
        work: Work,
        deadline: Instant,
        applying: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<Option<T>, Problem> {
        match by(deadline, applying).await {
            Ok(applied) => Ok(Some(applied)),
            Err(error) => self.queue(key, work, &error).await.map(|()| None),
        }
    }

    /// Counts a request that nobody can verify. If a provider sent it, an answer, a STOP or a status is lost.
    fn count_unverified(&self, path: &[&str], problem: &Problem) {
        let is_unverified = matches!(problem.kind(), Kind::BadReference | Kind::BadSignature);
        let [.., platform, route, _] = path else { return };
        let platform = match *route {
            "events" | "one-click" if *platform == "ses" => Some("ses"),
            "messages" | "message-status" | "announcement-keys" | "announcement-status" => {
                Provider::from_name(platform).map(Provider::as_str)
            }
            _ => None,
        };
        let Some(platform) = platform.filter(|_| is_unverified) else {
            return;
        };
        tracing::warn!(platform, route, problem = ?problem.kind(), "refused a request that could not be verified");
        let now = self.interactions.clock.now();
        let count = ("UnverifiedRequests", Unit::Count, 1.0);
        telemetry::emf(now, &[("Platform", platform)], &[count], &[]);
    }

    /// DynamoDB is unavailable: saves the work on the queue. If that fails too, the provider is asked to retry.
    async fn queue(&self, key: &InteractionKey, work: Work, error: &str) -> Result<(), Problem> {
        let (tenant, interaction, what) = (&key.tenant, key.id, work.name());
        let provider_id = provider_id(&work).map(str::to_owned);
        tracing::error!(%tenant, %interaction, what, provider_id, error, "cannot store what a provider reports: it is saved on the queue");
        let queued: Boxed<'_, _> = Box::pin(self.interactions.enqueue(key.clone(), work));
        let queued = tokio::time::timeout(QUEUE_LIMIT, queued).await;
        if matches!(queued, Ok(Ok(()))) {
            return Ok(());
        }
        tracing::error!(%tenant, %interaction, what, provider_id, ?queued, "cannot save it on the queue either: asking the provider to retry");
        Err(unavailable())
    }
}

fn unavailable() -> Problem {
    Problem::unavailable(RETRY_SECONDS)
}
