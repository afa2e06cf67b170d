//! What a caller does, what the simulator remembers, and how a request leaves it.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use patchbay::clock::Timestamp;
use patchbay::providers::twilio::signature::{HEADER, SETTINGS_HEADER, SharedKey, sign};
use patchbay::providers::twilio::webhook::Form;
use patchbay::secret::Secret;

use super::{SHARED_KEY, Twilio};

/// What a caller does.
#[derive(Clone, Debug)]
pub struct Script {
    /// `From`: the number that is shown, or what stands in its place.
    pub from: String,
    /// One for each attempt to pay; the last one is repeated.
    pub pays: Vec<AtPay>,
    /// The keys for each `<Gather>`; then silence.
    pub keys: Vec<String>,
    /// What the number that is dialled does.
    pub callee: Callee,
    /// Whoever calls hangs up at once, and the status callback comes before the voice webhook.
    pub overtaken: bool,
}

impl Script {
    /// A caller who pays like this, and is handed back to somebody who answers.
    pub fn new(from: &str, pays: impl Into<Vec<AtPay>>) -> Self {
        Self {
            from: from.to_owned(),
            pays: pays.into(),
            keys: Vec::new(),
            callee: Callee::Answers(60),
            overtaken: false,
        }
    }
}

/// What a caller does when asked to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtPay {
    /// Enters this card: one that is published for tests.
    Card(&'static str),
    /// Enters this card and hangs up: it is charged, and the result comes so many seconds after the call is over.
    CardThenHangsUp(&'static str, u32),
    /// Enters a card that the processor declines.
    Declined,
    /// Enters nothing.
    Nothing,
    /// Enters a number that is none of a card.
    WrongNumber,
    /// Presses `*`.
    Star,
    /// Hangs up.
    HangsUp,
    /// Enters a card, but the connector does not answer.
    ConnectorFails,
}

/// What a number that is dialled does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// Answers, and hangs up after so many seconds.
    Answers(u32),
    /// Is busy.
    Busy,
    /// Never picks up.
    NeverPicksUp,
    /// Does not exist.
    Fails,
}

/// Somebody was dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled {
    /// Who.
    pub number: String,
    /// Whose number was shown.
    pub caller_id: String,
    /// `DialCallStatus`.
    pub status: &'static str,
}

/// A card was charged, or made a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// In which call.
    pub call: String,
    /// Dollars; none made a token.
    pub amount: Option<String>,
    /// Confirmation code, or token.
    pub code: String,
    /// Which connector.
    pub connector: String,
    /// What the processor was told it is for.
    pub description: String,
}

/// An attempt to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What the caller did.
    pub deed: AtPay,
    /// How many sentences the caller had heard by then.
    pub heard: usize,
}

/// A request of ours, and its answer.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// Where it went.
    pub url: String,
    /// What it said.
    pub form: Vec<(String, String)>,
    /// Status of the answer; 0 when there was none.
    pub status: u16,
    /// Its content type.
    pub content_type: String,
    /// Its body.
    pub body: String,
    /// How long it took.
    pub took: Duration,
}

/// A call, from its first ring to its end.
#[derive(Clone, Debug, Default)]
pub struct CallRecord {
    /// `CallSid`.
    pub sid: String,
    /// Every sentence that the caller heard.
    pub heard: Vec<String>,
    /// Every attempt to pay, in order.
    pub payments: Vec<Payment>,
    /// From when to when somebody was on the line in `<Pay>`.
    pub paying: Vec<(Timestamp, Timestamp)>,
    /// Who was dialled.
    pub dialled: Vec<Dialled>,
    /// Every request, in order.
    pub requests: Vec<RequestRecord>,
    /// Whatever the contract does not have.
    pub failures: Vec<String>,
}

impl CallRecord {
    /// Whether some sentence has this in it.
    pub fn heard(&self, words: &str) -> bool {
        self.heard.iter().any(|sentence| sentence.contains(words))
    }
}

/// What Twilio does when there is no good answer: so many tries more, and after what (`twilio.md` 6).
struct Overrides {
    retries: u32,
    after: Vec<String>,
}

/// All tries of a request together.
const TOTAL: Duration = Duration::from_secs(15);

impl Overrides {
    /// By the fragment of a URL; what it does not say is as Twilio has it.
    fn read(fragment: &str) -> Self {
        let field = |name: &str| {
            let fields = fragment.split('&').filter_map(|field| field.split_once('='));
            fields
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value)
                .next_back()
        };
        let after = field("rp").unwrap_or("ct").split(',').map(str::to_owned);
        Self {
            retries: field("rc").and_then(|count| count.parse().ok()).unwrap_or(1).min(5),
            after: after.collect(),
        }
    }

    fn try_again(&self, status: u16) -> bool {
        let kind = match status {
            0 => "ct",
            400..=499 => "4xx",
            500..=599 => "5xx",
            _ => return false,
        };
        self.after.iter().any(|policy| policy == kind || policy == "all")
    }
}

/// Posts a form to `url` with its signature, as often as its fragment wants. Only the last try is recorded, as in Twilio's
/// log of calls.
pub(super) async fn post(twilio: &Twilio, url: &str, form: &[(String, String)]) -> RequestRecord {
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    let overrides = Overrides::read(fragment);
    let began = twilio.0.clock.now();
    let mut record = try_once(twilio, url, form).await;
    for _ in 0..overrides.retries {
        if !overrides.try_again(record.status) || twilio.0.clock.now().since(began) >= TOTAL {
            break;
        }
        record = try_once(twilio, url, form).await;
    }
    record.took = twilio.0.clock.now().since(began);
    record
}

async fn try_once(twilio: &Twilio, url: &str, form: &[(String, String)]) -> RequestRecord {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let signed_url = match (twilio.switches().port_is_signed, url.split_once("example.org/")) {
        (true, Some((host, path))) => format!("{host}example.org:443/{path}"),
        _ => url.to_owned(),
    };
    let (token, signed) = (twilio.lock().token.clone(), Form::parse(body.as_bytes()));
    let (signature, settings) = if twilio.switches().shared_key {
        let (id, secret) = SHARED_KEY;
        let key = SharedKey {
            id: id.to_owned(),
            secret: Secret::new(secret),
        };
        (key.sign(&signed_url, &signed), Some(key.settings()))
    } else {
        (sign(&token, &signed_url, &signed), None)
    };
    let began = twilio.0.clock.now();
    let request = http::Request::post(url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
        .header(HEADER, signature)
        .header("user-agent", "TwilioProxy/1.1");
    let request = match settings {
        Some(settings) => request.header(SETTINGS_HEADER, settings),
        None => request,
    };
    let request = request.body(Bytes::from(body));
    let (status, content_type, body) = match request {
        Ok(request) => match twilio.0.api.send(request).await {
            Ok(response) => {
                let content_type = response.headers().get(CONTENT_TYPE);
                let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
                let body = String::from_utf8_lossy(response.body()).into_owned();
                (response.status().as_u16(), content_type.to_owned(), body)
            }
            Err(error) => (0, String::new(), error.to_string()),
        },
        Err(error) => (0, String::new(), error.to_string()),
    };
    RequestRecord {
        url: url.to_owned(),
        form: form.to_vec(),
        status,
        content_type,
        body,
        took: twilio.0.clock.now().since(began),
    }
}
