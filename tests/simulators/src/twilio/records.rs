//! What a caller does, and what the simulator remembers of it.

use std::time::Duration;

use patchbay::clock::Timestamp;

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
