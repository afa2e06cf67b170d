//! Recordings of calls: short-lived URLs of ours, and `GET /recordings/{ref}`, which sends a browser on to where the back
//! end keeps the recording. What the back end calls it stays between us and the listener.

use lambda_http::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::clock::Timestamp;
use patchbay::interaction::Interaction;
use patchbay::outreach::recording;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::problem::Problem;

use crate::{Answer, Deps};

/// How long a URL is valid at least.
const LIFETIME_SECONDS: u32 = 3_600;
/// For so long all answers have the same URL.
const STABLE_SECONDS: u32 = 600;

/// Makes the URLs of recordings.
#[derive(Clone, Copy, Debug)]
pub struct Recordings<'a> {
    /// Signs the URLs.
    pub callbacks: &'a CallbackUrls,
    /// The current time.
    pub now: Timestamp,
}

impl Recordings<'_> {
    /// The URL of the recording of the last call that has one. It is valid for an hour.
    pub fn url(&self, interaction: &Interaction) -> Option<String> {
        let recording = recording::newest(interaction)?;
        let until = self.now.plus_seconds(LIFETIME_SECONDS).rounded_up_to(STABLE_SECONDS);
        Some(self.callbacks.recording_url(&interaction.key, recording.attempt, until))
    }
}

/// `GET /recordings/{ref}`. The URL is what authorizes: it is opened in a browser, or by a bot. Whatever is wrong with it,
/// the answer is the same.
pub(crate) async fn redirect(deps: &Deps, request: &Request, reference: &str) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::method_not_allowed("GET, HEAD"));
    }
    let found = deps.callbacks.check_recording(reference);
    let found = found.map_err(|_| Problem::not_found())?;
    if deps.interactions.clock.now() >= found.expires_at {
        return Err(Problem::not_found());
    }
    let interaction = deps.interactions.load(&found.interaction).await?;
    let recording = interaction.and_then(|interaction| recording::of(&interaction, found.attempt));
    let recording = recording.ok_or_else(Problem::not_found)?;
    let location = HeaderValue::from_str(recording.url.as_str()).map_err(|_| Problem::not_found())?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    let headers: [(HeaderName, HeaderValue); 3] = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    response.headers_mut().extend(headers);
    Ok(response)
}
