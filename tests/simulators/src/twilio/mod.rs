//! Twilio, the voice provider, in process: it calls our URLs as a client, signs what it sends, and does with a call what
//! our documents say. Calls come to our number ([`Twilio::call`]), and patchbay places calls to employees through the API
//! ([`outbound`]), on the same telephone network as those of other providers.
//!
//! Written from the wire contracts (`twilio.md`, `protegee.md` 6). Where they contradict themselves, a switch
//! ([`Switches`]) sets which way this Twilio goes. What the contract does not have (a verb, an attribute, an answer that
//! comes too late) is a failure on the record of the call. Cards are numbers that processors publish for tests, and no
//! others are taken.

mod call;
mod document;
pub mod outbound;
mod pay;
mod posting;
mod records;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::{Clock, Timestamp};
use patchbay::http::HttpClient;
use patchbay::secret::Secret;

use self::outbound::CallSwitches;
use self::posting::Letter;
pub use self::records::{AtPay, CallRecord, Callee, Charge, Dialled, Payment, RequestRecord, Script};
use crate::exchange::Exchange;
use crate::rng::Rng;

/// The auth token with which this Twilio signs.
pub const AUTH_TOKEN: &str = "made-up-auth-token-000001";
/// The account's shared key for webhooks: its id and its secret.
pub const SHARED_KEY: (&str, &str) = ("webhooks_sharedkey_madeup1", "made-up-secret-1");
/// The account.
pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// The number of ours that callers are transferred to.
pub const OUR_NUMBER: &str = "+12025550190";

/// How it behaves where its documentation says two things.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one doubt about the contract")]
pub struct Switches {
    /// A payment that failed goes to the action; else the next verb runs.
    pub action_after_failure: bool,
    /// Somebody who hangs up while paying is told to the action; else nothing is.
    pub action_after_hang_up: bool,
    /// The end of a call is told to the URL of its number.
    pub status_callback: bool,
    /// The port is in the URL that is signed.
    pub port_is_signed: bool,
    /// A webhook setting names the account's shared key: its HMAC-SHA256 is the signature, and not the auth token's.
    pub shared_key: bool,
    /// Card numbers are masked with dashes.
    pub mask_has_dashes: bool,
    /// Every request is sent twice; the answer to the first one counts.
    pub sends_twice: bool,
    /// What the processor gives as confirmation code or token; else one that counts.
    pub code: Option<String>,
    /// In calls to employees, and at the API.
    pub calls: CallSwitches,
}

impl Switches {
    /// Any setting of every switch that matters to calls to employees; those of payments stay as they are by default.
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

/// A Twilio. Clones are handles on the same one.
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
    /// Where requests leave; without it none arrives.
    client: Option<HttpClient>,
    calls: u64,
    charges: Vec<Charge>,
}

impl Twilio {
    /// A Twilio on this clock and this network, behaving as the switches say. Calls are tasks of the tokio runtime in
    /// which they are created.
    pub fn on(exchange: Exchange, clock: Clock, switches: Switches, seed: u64) -> Self {
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

    /// Where requests leave. Without it none arrives.
    pub fn set_webhooks(&self, client: HttpClient) {
        self.lock().client = Some(client);
    }

    /// Changes how it behaves from the next request on.
    pub fn change(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.lock().switches);
    }

    /// Signs with this token from now on, and takes it at the API.
    pub fn set_token(&self, token: &str) {
        self.lock().token = Secret::new(token);
    }

    /// What cards were charged, or made tokens, in all calls.
    pub fn charges(&self) -> Vec<Charge> {
        self.lock().charges.clone()
    }

    /// Plays a call to a number whose voice webhook is `url`, from its first ring to its end.
    pub async fn call(&self, url: &str, script: Script) -> CallRecord {
        let sid = {
            let mut state = self.lock();
            state.calls += 1;
            format!("CA{:032x}", state.calls)
        };
        call::Call::new(self, sid, script).run(url).await
    }

    /// Sends the requests of a call once more, the last one first, as a network that repeats and reorders does.
    pub async fn repeat(&self, record: &CallRecord) -> Vec<RequestRecord> {
        let mut repeated = Vec::new();
        for request in record.requests.iter().rev() {
            repeated.push(self.post(&request.url, &request.form).await);
        }
        repeated
    }

    /// Posts a form with its signature.
    pub async fn post(&self, url: &str, form: &[(String, String)]) -> RequestRecord {
        let letter = Letter {
            url: url.to_owned(),
            form: form.to_vec(),
            ..Letter::default()
        };
        posting::post(self, &letter).await.0
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
