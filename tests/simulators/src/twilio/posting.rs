//! How a request leaves Twilio: as a form, signed, and as often as the fragment of its URL wants (`twilio.md` 6).

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use patchbay::http::SendError;
use patchbay::providers::twilio::signature::{HEADER, SETTINGS_HEADER, SharedKey, sign};
use patchbay::providers::twilio::webhook::Form;
use patchbay::secret::Secret;

use super::{RequestRecord, SHARED_KEY, Twilio};
use crate::mishaps::AttemptFate;

/// The header by which tries of one request are told from others.
pub(super) const IDEMPOTENCY_HEADER: &str = "i-twilio-idempotency-token";

/// What Twilio does when there is no good answer: how long it waits, how often it tries again, and after what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Overrides {
    connect: Duration,
    read: Duration,
    total: Duration,
    retries: u32,
    after: Vec<String>,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(15),
            retries: 1,
            after: vec!["ct".to_owned()],
        }
    }
}

impl Overrides {
    /// By the fragment of a URL; what it does not say, or says out of range, is as Twilio has it.
    pub(super) fn read(fragment: &str) -> Self {
        let field = |name: &str| {
            let fields = fragment.split('&').filter_map(|field| field.split_once('='));
            fields
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value)
                .next_back()
        };
        let millis = |name: &str, most: u64| {
            let millis: u64 = field(name)?.parse().ok()?;
            (100..=most).contains(&millis).then(|| Duration::from_millis(millis))
        };
        let usual = Self::default();
        Self {
            connect: millis("ct", 10_000).unwrap_or(usual.connect),
            read: millis("rt", 15_000).unwrap_or(usual.read),
            total: millis("tt", 15_000).unwrap_or(usual.total),
            retries: field("rc")
                .and_then(|count| count.parse().ok())
                .map_or(usual.retries, |count: u32| count.min(5)),
            after: field("rp").map_or(usual.after, |policies| policies.split(',').map(str::to_owned).collect()),
        }
    }

    fn try_again(&self, came: &Came) -> bool {
        let kind = match came {
            Came::NotConnected(_) => "ct",
            Came::Silence(_) => "rt",
            Came::Answer { status: 400..=499, .. } => "4xx",
            Came::Answer { status: 500..=599, .. } => "5xx",
            Came::Answer { .. } => return false,
        };
        self.after.iter().any(|policy| policy == kind || policy == "all")
    }
}

/// What came of one try.
enum Came {
    NotConnected(String),
    Silence(String),
    Answer {
        status: u16,
        content_type: String,
        body: String,
    },
}

/// Something to be posted.
#[derive(Clone, Debug, Default)]
pub(super) struct Letter {
    pub(super) url: String,
    pub(super) form: Vec<(String, String)>,
    /// Says which tries are of one request: for each try the next one, the last repeated; none sends no such header.
    pub(super) tokens: Vec<String>,
    /// What happens to each try; to those that follow, nothing.
    pub(super) fates: Vec<AttemptFate>,
}

/// Posts a form with its signature. Only the last try is recorded, as in Twilio's log of calls; also says how many there
/// were.
pub(super) async fn post(twilio: &Twilio, letter: &Letter) -> (RequestRecord, usize) {
    let (url, fragment) = letter.url.split_once('#').unwrap_or((&letter.url, ""));
    let overrides = if twilio.switches().calls.overrides_honoured {
        Overrides::read(fragment)
    } else {
        Overrides::default()
    };
    let clock = &twilio.0.clock;
    let began = clock.now();
    let mut tries = 0;
    let came = loop {
        let left = overrides.total.saturating_sub(clock.now().since(began));
        let came = try_once(twilio, url, letter, tries, &overrides, left).await;
        tries += 1;
        let over = clock.now().since(began) >= overrides.total;
        let may_again = u32::try_from(tries).is_ok_and(|tries| tries <= overrides.retries);
        if over || !may_again || !overrides.try_again(&came) {
            break came;
        }
    };
    let (status, content_type, body) = match came {
        Came::NotConnected(why) | Came::Silence(why) => (0, String::new(), why),
        Came::Answer {
            status,
            content_type,
            body,
        } => (status, content_type, body),
    };
    let record = RequestRecord {
        url: url.to_owned(),
        form: letter.form.clone(),
        status,
        content_type,
        body,
        took: clock.now().since(began),
    };
    (record, tries)
}

async fn try_once(
    twilio: &Twilio,
    url: &str,
    letter: &Letter,
    before: usize,
    overrides: &Overrides,
    left: Duration,
) -> Came {
    let clock = &twilio.0.clock;
    let fate = letter.fates.get(before).copied().unwrap_or_default();
    if fate.lost {
        clock.sleep(overrides.connect.min(left)).await;
        return Came::NotConnected("no connection in time".to_owned());
    }
    let token = letter.tokens.get(before).or_else(|| letter.tokens.last());
    let request = match request(twilio, url, &letter.form, token) {
        Ok(request) => request,
        Err(error) => return Came::NotConnected(error.to_string()),
    };
    let Some(client) = twilio.lock().client.clone() else {
        return Came::NotConnected("nobody receives webhooks".to_owned());
    };
    let wait = overrides.read.min(left);
    // In this order always: chance must not decide between the two when both are ready.
    let sent = tokio::select! {
        biased;
        sent = client.send(request) => Some(sent),
        () = clock.sleep(wait) => None,
    };
    match sent {
        _ if fate.answer_lost => {
            clock.sleep(wait).await;
            Came::Silence("the answer was lost".to_owned())
        }
        None => Came::Silence("no answer in time".to_owned()),
        Some(Err(SendError::NoAnswer(why))) => Came::Silence(why),
        Some(Err(error)) => Came::NotConnected(error.to_string()),
        Some(Ok(response)) => {
            let content_type = response.headers().get(CONTENT_TYPE);
            let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
            Came::Answer {
                status: response.status().as_u16(),
                content_type: content_type.to_owned(),
                body: String::from_utf8_lossy(response.body()).into_owned(),
            }
        }
    }
}

fn request(
    twilio: &Twilio,
    url: &str,
    form: &[(String, String)],
    token: Option<&String>,
) -> Result<patchbay::http::Request, http::Error> {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let signed_url = match (twilio.switches().port_is_signed, url.split_once("example.org/")) {
        (true, Some((host, path))) => format!("{host}example.org:443/{path}"),
        _ => url.to_owned(),
    };
    let (auth_token, signed) = (twilio.lock().token.clone(), Form::parse(body.as_bytes()));
    let (signature, settings) = if twilio.switches().shared_key {
        let (id, secret) = SHARED_KEY;
        let key = SharedKey {
            id: id.to_owned(),
            secret: Secret::new(secret),
        };
        (key.sign(&signed_url, &signed), Some(key.settings()))
    } else {
        (sign(&auth_token, &signed_url, &signed), None)
    };
    let request = http::Request::post(url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
        .header(HEADER, signature)
        .header("user-agent", "TwilioProxy/1.1");
    let request = match settings {
        Some(settings) => request.header(SETTINGS_HEADER, settings),
        None => request,
    };
    let request = match token {
        Some(token) => request.header(IDEMPOTENCY_HEADER, token),
        None => request,
    };
    request.body(Bytes::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_says_how_often_and_after_what_and_the_rest_is_as_usual() {
        let read = Overrides::read("rc=3&rp=5xx,ct,rt&rt=4000");
        assert_eq!(
            read,
            Overrides {
                retries: 3,
                read: Duration::from_secs(4),
                after: vec!["5xx".to_owned(), "ct".to_owned(), "rt".to_owned()],
                ..Overrides::default()
            }
        );
        assert_eq!(Overrides::read("rt=99&ct=10001&tt=x&sni=n"), Overrides::default());
        assert_eq!(Overrides::read("rc=9").retries, 5);
    }

    #[test]
    fn by_itself_only_a_connection_that_failed_is_tried_again() {
        let answer = |status| Came::Answer {
            status,
            content_type: String::new(),
            body: String::new(),
        };
        let (usual, all) = (Overrides::default(), Overrides::read("rp=all"));
        assert!(usual.try_again(&Came::NotConnected(String::new())));
        for came in [Came::Silence(String::new()), answer(404), answer(500)] {
            assert!(!usual.try_again(&came) && all.try_again(&came));
        }
        assert!(!all.try_again(&answer(200)));
    }
}
