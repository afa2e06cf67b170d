//! An in-process simulator of the voice provider Twilio: it requests our webhooks, signs its requests, and executes our
//! `TwiML` documents. Inbound calls reach our number ([`Twilio::call`]). patchbay places calls to employees through the
//! API ([`outbound`]), on the phone network that all providers share.
//!
//! It follows the wire contracts (twilio/CONTRACT.md, protegee/CONTRACT.md 6). Where they contradict themselves,
//! [`Switches`] select the behavior. Everything that the contract does not allow (an unknown verb or attribute, a late
//! response) is recorded as a failure of the call. Only card numbers that processors publish for tests are accepted.

mod call;
mod document;
pub mod outbound;
mod pay;
pub(crate) mod posting;
mod records;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::{Clock, Timestamp};
use patchbay::http::HttpClient;
use patchbay::secret::Secret;

use self::outbound::CallSwitches;
use self::posting::OutgoingRequest;
pub use self::records::{CallRecord, Callee, CallerScript, Charge, Dial, Payment, PaymentInput, RequestRecord};
use crate::exchange::Exchange;
use crate::rng::Rng;

/// The default auth token, which signs webhooks.
pub const AUTH_TOKEN: &str = "made-up-auth-token-000001";
/// The account's shared key for webhook signatures: id and secret.
pub const SHARED_KEY: (&str, &str) = ("webhooks_sharedkey_madeup1", "made-up-secret-1");
/// The account's SID.
pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// Our number, to which callers are transferred.
pub const OUR_NUMBER: &str = "+12025550190";

/// The behavior of this Twilio where its documentation contradicts itself.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about the contract"
)]
pub struct Switches {
    /// Whether a failed payment requests the action. Otherwise the next verb runs.
    pub action_after_failure: bool,
    /// Whether a hang-up during a payment requests the action. Otherwise nothing is requested.
    pub action_after_hang_up: bool,
    /// Whether the end of a call is reported to the voice webhook of its number.
    pub status_callback: bool,
    /// Whether the signed URL includes the port.
    pub port_is_signed: bool,
    /// Whether webhooks are signed with HMAC-SHA256 and the account's shared key, instead of the auth token.
    pub shared_key: bool,
    /// Whether masked card numbers contain dashes.
    pub mask_has_dashes: bool,
    /// Whether every request is sent twice. The first response counts.
    pub sends_twice: bool,
    /// The processor's confirmation code or token. By default it contains a counter.
    pub code: Option<String>,
    /// Switches of the API and of calls to employees.
    pub calls: CallSwitches,
}

impl Switches {
    /// Random settings of the switches that affect calls to employees. Payments keep the defaults.
    pub fn random(rng: &mut Rng) -> Self {
        Self {
            port_is_signed: rng.flip(),
            shared_key: rng.flip(),
            calls: CallSwitches::random(rng),
            ..Self::default()
        }
    }
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            action_after_failure: true,
            action_after_hang_up: true,
            status_callback: false,
            port_is_signed: false,
            shared_key: false,
            mask_has_dashes: true,
            sends_twice: false,
            code: None,
            calls: CallSwitches::default(),
        }
    }
}

/// A simulated Twilio. Clones share the same state.
#[derive(Clone)]
pub struct Twilio(Arc<Core>);

struct Core {
    clock: Clock,
    exchange: Exchange,
    state: Mutex<State>,
    outbound: Mutex<outbound::State>,
}

struct State {
    switches: Switches,
    token: Secret,
    /// The client that sends webhooks. Without one, no webhook arrives.
    client: Option<HttpClient>,
    calls: u64,
    charges: Vec<Charge>,
}

impl Twilio {
    /// A Twilio on a phone network that it can share with other providers. Calls are tasks of the tokio runtime in
    /// which they are created.
    pub fn on_network(exchange: Exchange, clock: Clock, switches: Switches, seed: u64) -> Self {
        Self(Arc::new(Core {
            clock,
            exchange,
            state: Mutex::new(State {
                switches,
                token: Secret::new(AUTH_TOKEN),
                client: None,
                calls: 0,
                charges: Vec::new(),
            }),
            outbound: Mutex::new(outbound::State::new(seed)),
        }))
    }

    /// Sets the client that sends webhooks. Without one, no webhook arrives.
    pub fn set_webhooks(&self, client: HttpClient) {
        self.lock().client = Some(client);
    }

    /// Changes the switches, effective from the next request.
    pub fn change(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.lock().switches);
    }

    /// Replaces the auth token, for signatures and for the API.
    pub fn set_token(&self, token: &str) {
        self.lock().token = Secret::new(token);
    }

    /// All charged or tokenized cards, over all calls.
    pub fn charges(&self) -> Vec<Charge> {
        self.lock().charges.clone()
    }

    /// Plays an inbound call to a number whose voice webhook is `url`, from its first ring to its end.
    pub async fn call(&self, url: &str, script: CallerScript) -> CallRecord {
        let sid = {
            let mut state = self.lock();
            state.calls += 1;
            format!("CA{:032x}", state.calls)
        };
        call::Call::new(self, sid, script).run(url).await
    }

    /// Sends the requests of a call again, in reverse order, to simulate duplicates and reordering in the network.
    pub async fn repeat(&self, record: &CallRecord) -> Vec<RequestRecord> {
        let mut repeated = Vec::new();
        for request in record.requests.iter().rev() {
            repeated.push(self.post(&request.url, &request.form).await);
        }
        repeated
    }

    /// Posts a signed form.
    pub async fn post(&self, url: &str, form: &[(String, String)]) -> RequestRecord {
        let outgoing = OutgoingRequest {
            url: url.to_owned(),
            form: form.to_vec(),
            ..OutgoingRequest::default()
        };
        posting::post(self, &outgoing).await.0
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn switches(&self) -> Switches {
        self.lock().switches.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Twilio")
    }
}
