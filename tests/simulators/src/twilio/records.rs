//! Scripts and records of inbound calls.

use std::time::Duration;

use patchbay::clock::Timestamp;

/// The script of a caller.
#[derive(Clone, Debug)]
pub struct CallerScript {
    /// `From`: the caller's number, or a word such as `anonymous`.
    pub from: String,
    /// What the caller does at each attempt to pay. The last one repeats.
    pub pays: Vec<PaymentInput>,
    /// The keys for each `<Gather>`. Further ones get none.
    pub keys: Vec<String>,
    /// What the dialed number does.
    pub callee: Callee,
    /// Whether the caller hangs up immediately, so that the status callback arrives before the voice webhook.
    pub overtaken: bool,
}

impl CallerScript {
    /// A caller with these attempts to pay. The number that they are transferred back to answers.
    pub fn new(from: &str, pays: impl Into<Vec<PaymentInput>>) -> Self {
        Self {
            from: from.to_owned(),
            pays: pays.into(),
            keys: Vec::new(),
            callee: Callee::Answers(60),
            overtaken: false,
        }
    }
}

/// What a caller does at an attempt to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentInput {
    /// Enters this card number, which is published for tests.
    Card(&'static str),
    /// Enters this card and hangs up. It is charged, and the result arrives this many seconds after the call.
    CardThenHangsUp(&'static str, u32),
    /// Enters a card that the processor declines.
    Declined,
    /// Enters nothing.
    Nothing,
    /// Enters a number that is not a card number.
    WrongNumber,
    /// Presses `*`.
    Star,
    /// Hangs up.
    HangsUp,
    /// Enters a card, but the payment connector fails.
    ConnectorFails,
}

/// What a dialed number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// Answers, and hangs up after this many seconds.
    Answers(u32),
    /// Is busy.
    Busy,
    /// Never picks up.
    NeverPicksUp,
    /// Does not exist.
    Fails,
}

/// A `<Dial>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// The dialed number.
    pub number: String,
    /// The caller id that was shown.
    pub caller_id: String,
    /// `DialCallStatus`.
    pub status: &'static str,
}

/// A charged or tokenized card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The SID of the call.
    pub call: String,
    /// Dollars; `None` if the card was tokenized.
    pub amount: Option<String>,
    /// The confirmation code or token.
    pub code: String,
    /// The name of the payment connector.
    pub connector: String,
    /// The description that the processor received.
    pub description: String,
}

/// An attempt to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What the caller did.
    pub input: PaymentInput,
    /// The number of sentences that the caller had heard before.
    pub heard: usize,
}

/// A request to our webhooks, and its response.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// The target URL.
    pub url: String,
    /// The fields of the request.
    pub form: Vec<(String, String)>,
    /// Status of the response; 0 if there was none.
    pub status: u16,
    /// Content type of the response.
    pub content_type: String,
    /// Body of the response, or the error if there was none.
    pub body: String,
    /// Time until the response.
    pub took: Duration,
}

/// A call, from its first ring to its end.
#[derive(Clone, Debug, Default)]
pub struct CallRecord {
    /// `CallSid`.
    pub sid: String,
    /// All sentences that the caller heard.
    pub heard: Vec<String>,
    /// All attempts to pay, in order.
    pub payments: Vec<Payment>,
    /// Start and end of each `<Pay>` during which the caller was on the line.
    pub paying: Vec<(Timestamp, Timestamp)>,
    /// All `<Dial>`s, in order.
    pub dials: Vec<Dial>,
    /// All requests, in order.
    pub requests: Vec<RequestRecord>,
    /// All violations of the contract.
    pub failures: Vec<String>,
}

impl CallRecord {
    /// Whether a sentence contains `words`.
    pub fn heard(&self, words: &str) -> bool {
        self.heard.iter().any(|sentence| sentence.contains(words))
    }
}
