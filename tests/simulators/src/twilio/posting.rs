//! Sends webhooks: signed forms, retried as the fragment of the URL specifies (twilio/CONTRACT.md 6).

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use patchbay::http::SendError;
use patchbay::providers::twilio::signature::{HEADER, SETTINGS_HEADER, SharedKey, sign};
use patchbay::providers::twilio::webhook::Form;
use patchbay::secret::Secret;

use super::{RequestRecord, SHARED_KEY, Twilio};
use crate::webhook_faults::AttemptFaults;

/// The header that identifies all tries of one request.
pub(super) const IDEMPOTENCY_HEADER: &str = "i-twilio-idempotency-token";

/// Time-outs and the retry policy of a request: connection overrides in Twilio's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConnectionOverrides {
    connect: Duration,
    read: Duration,
    total: Duration,
    retries: u32,
    after: Vec<String>,
}

impl Default for ConnectionOverrides {
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

impl ConnectionOverrides {
    /// Parses the fragment of a URL. Missing values and values out of range get Twilio's defaults.
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

    fn should_retry(&self, result: &TryResult) -> bool {
        let kind = match result {
            TryResult::NotConnected(_) => "ct",
            TryResult::Silence(_) => "rt",
            TryResult::Answer { status: 400..=499, .. } => "4xx",
            TryResult::Answer { status: 500..=599, .. } => "5xx",
            TryResult::Answer { .. } => return false,
        };
        self.after.iter().any(|policy| policy == kind || policy == "all")
    }
}

/// The outcome of one try.
enum TryResult {
    NotConnected(String),
    Silence(String),
    Answer {
        status: u16,
        content_type: String,
        body: String,
    },
}

/// A webhook to send.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutgoingRequest {
    pub(crate) url: String,
    pub(crate) form: Vec<(String, String)>,
    /// Idempotency tokens, one for each try. The last one repeats. If empty, the header is not sent.
    pub(crate) tokens: Vec<String>,
    /// The faults of each try. Further tries have none.
    pub(crate) attempt_faults: Vec<AttemptFaults>,
}

/// Posts a signed form, with retries. Returns a record of the last try, as in Twilio's call log, and the number of
/// tries.
pub(crate) async fn post(twilio: &Twilio, outgoing: &OutgoingRequest) -> (RequestRecord, usize) {
    let (url, fragment) = outgoing.url.split_once('#').unwrap_or((&outgoing.url, ""));
    let overrides = if twilio.switches().calls.overrides_honored {
        ConnectionOverrides::read(fragment)
    } else {
        ConnectionOverrides::default()
    };
    let clock = &twilio.0.clock;
    let began = clock.now();
    let mut tries = 0;
    let result = loop {
        let left = overrides.total.saturating_sub(clock.now().since(began));
        let result = try_once(twilio, url, outgoing, tries, &overrides, left).await;
        tries += 1;
        let over = clock.now().since(began) >= overrides.total;
        let may_again = u32::try_from(tries).is_ok_and(|tries| tries <= overrides.retries);
        if over || !may_again || !overrides.should_retry(&result) {
            break result;
        }
    };
    let (status, content_type, body) = match result {
        TryResult::NotConnected(why) | TryResult::Silence(why) => (0, String::new(), why),
        TryResult::Answer {
            status,
            content_type,
            body,
        } => (status, content_type, body),
    };
    let record = RequestRecord {
        url: url.to_owned(),
        form: outgoing.form.clone(),
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
    outgoing: &OutgoingRequest,
    before: usize,
    overrides: &ConnectionOverrides,
    left: Duration,
) -> TryResult {
    let clock = &twilio.0.clock;
    let drawn = outgoing.attempt_faults.get(before).copied().unwrap_or_default();
    if drawn.lost {
        clock.sleep(overrides.connect.min(left)).await;
        return TryResult::NotConnected("no connection in time".to_owned());
    }
    let token = outgoing.tokens.get(before).or_else(|| outgoing.tokens.last());
    let request = match request(twilio, url, &outgoing.form, token) {
        Ok(request) => request,
        Err(error) => return TryResult::NotConnected(error.to_string()),
    };
    let Some(client) = twilio.lock().client.clone() else {
        return TryResult::NotConnected("no webhook client is configured".to_owned());
    };
    let wait = overrides.read.min(left);
    // Biased: if both are ready, the choice must not be random, or a seed would not replay.
    let sent = tokio::select! {
        biased;
        sent = client.send(request) => Some(sent),
        () = clock.sleep(wait) => None,
    };
    match sent {
        _ if drawn.answer_lost => {
            clock.sleep(wait).await;
            TryResult::Silence("the response was lost".to_owned())
        }
        None => TryResult::Silence("no response in time".to_owned()),
        Some(Err(SendError::NoResponse(why))) => TryResult::Silence(why),
        Some(Err(error)) => TryResult::NotConnected(error.to_string()),
        Some(Ok(response)) => {
            let content_type = response.headers().get(CONTENT_TYPE);
            let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
            TryResult::Answer {
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
    fn a_fragment_overrides_retries_and_time_outs_within_range() {
        let read = ConnectionOverrides::read("rc=3&rp=5xx,ct,rt&rt=4000");
        assert_eq!(
            read,
            ConnectionOverrides {
                retries: 3,
                read: Duration::from_secs(4),
                after: vec!["5xx".to_owned(), "ct".to_owned(), "rt".to_owned()],
                ..ConnectionOverrides::default()
            }
        );
        assert_eq!(
            ConnectionOverrides::read("rt=99&ct=10001&tt=x&sni=n"),
            ConnectionOverrides::default()
        );
        assert_eq!(ConnectionOverrides::read("rc=9").retries, 5);
    }

    #[test]
    fn by_default_only_failed_connections_are_retried() {
        let answer = |status| TryResult::Answer {
            status,
            content_type: String::new(),
            body: String::new(),
        };
        let (usual, all) = (ConnectionOverrides::default(), ConnectionOverrides::read("rp=all"));
        assert!(usual.should_retry(&TryResult::NotConnected(String::new())));
        for result in [TryResult::Silence(String::new()), answer(404), answer(500)] {
            assert!(!usual.should_retry(&result) && all.should_retry(&result));
        }
        assert!(!all.should_retry(&answer(200)));
    }
}
