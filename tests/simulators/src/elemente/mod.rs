//! A simulator of Elemente's API for calls: create, get, list and update, behind HTTP Basic.
//!
//! It follows the contract (elemente/CONTRACT.md) and shares no code with the client. Where the contract is silent,
//! [`Switches`] select the behavior. An interaction follows a [`Script`]. There is no webhook: a client sees progress
//! only when it asks.

mod object;
mod server;
mod switches;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{Request, Response, ResponseFuture, SendError, SendHttp};
use serde_json::Value;

pub use object::{Interaction, Message};
pub use switches::{
    CreatedStatus, DateRangeForm, DurationForm, ErrorBody, FreshWord, IdForm, ListForm, Precedence, Switches,
    UnknownTexts, UnknownVariable,
};

use crate::rng::Rng;

/// How an interaction goes on after its creation: each word, and how long after the creation it applies. The durations
/// ascend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The words.
    pub words: Vec<(Duration, &'static str)>,
    /// Seconds of the session, once the last word applies.
    pub seconds: u32,
    /// What was said, once the last word applies.
    pub transcription: String,
    /// The recording, once the last word applies.
    pub recording_url: String,
}

impl Script {
    /// Rings after 2 seconds, is answered after 8, and is over after 50.
    pub fn answered() -> Self {
        let at = Duration::from_secs;
        Self {
            words: vec![(at(2), "ringing"), (at(8), "answer"), (at(50), "completed")],
            seconds: 42,
            transcription: "agent: Hello".to_owned(),
            recording_url: "https://media.example.org/recording.wav".to_owned(),
        }
    }

    /// Rings after 2 seconds, and ends with this word after 30.
    pub fn ending(word: &'static str) -> Self {
        let at = Duration::from_secs;
        Self {
            words: vec![(at(2), "ringing"), (at(30), word)],
            ..Self::default()
        }
    }
}

/// What happens to a request instead of an ordinary answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection is established.
    NotSent,
    /// The answer is lost.
    NoAnswer {
        /// Whether the request has its effect.
        done: bool,
    },
    /// This status, with the body of an error.
    Status {
        /// The status.
        status: u16,
        /// Whether the request has its effect.
        done: bool,
    },
    /// The request has its effect, but the body of the answer is not JSON.
    Malformed,
    /// The request has its effect, but the answer has no id.
    NoId,
}

impl Fault {
    const fn has_effect(self) -> bool {
        match self {
            Self::NotSent => false,
            Self::NoAnswer { done } | Self::Status { done, .. } => done,
            Self::Malformed | Self::NoId => true,
        }
    }
}

/// A received request.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedRequest {
    /// When it arrived.
    pub at: Timestamp,
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// The body; null if it is not JSON.
    pub body: Value,
}

struct State {
    credentials: String,
    switches: Switches,
    rng: Rng,
    script: Script,
    scripts: VecDeque<Script>,
    faults: VecDeque<Fault>,
    interactions: Vec<Interaction>,
    requests: Vec<ReceivedRequest>,
}

/// A simulated Elemente. Clones share the same state.
#[derive(Clone)]
pub struct Elemente {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Elemente {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Elemente")
    }
}

impl Elemente {
    /// A server without interactions that accepts these credentials, `username:password`. Interactions follow
    /// [`Script::answered`].
    pub fn new(clock: Clock, credentials: &str, switches: Switches, rng: Rng) -> Self {
        let state = State {
            credentials: credentials.to_owned(),
            switches,
            rng,
            script: Script::answered(),
            scripts: VecDeque::new(),
            faults: VecDeque::new(),
            interactions: Vec::new(),
            requests: Vec::new(),
        };
        Self {
            clock,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The next created interaction without a script follows this one.
    pub fn plan(&self, script: Script) {
        self.lock().scripts.push_back(script);
    }

    /// The next request without a fault has this one.
    pub fn plan_fault(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// Adds a message to an interaction. Does nothing if it does not exist.
    pub fn add_message(&self, id: &str, sender: &str, text: &str) {
        let now = self.clock.now();
        let mut state = self.lock();
        let sid = format!("SM{:016x}", state.rng.bits());
        if let Some(interaction) = state.interactions.iter_mut().find(|interaction| interaction.id == id) {
            interaction.messages.push(Message {
                sid,
                at: now,
                sender: sender.to_owned(),
                content: text.to_owned(),
            });
        }
    }

    /// All interactions, the oldest first.
    pub fn interactions(&self) -> Vec<Interaction> {
        self.lock().interactions.clone()
    }

    /// All received requests, in order.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Result<Response, SendError> {
        let now = self.clock.now();
        let mut state = self.lock();
        let fault = state.faults.pop_front();
        if fault == Some(Fault::NotSent) {
            return Err(SendError::NotSent("connection refused".to_owned()));
        }
        state.requests.push(ReceivedRequest {
            at: now,
            method: request.method().clone(),
            target: request
                .uri()
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            body: serde_json::from_slice(request.body()).unwrap_or_default(),
        });
        let answer = match fault {
            Some(fault) if !fault.has_effect() => None,
            _ => Some(state.respond(request, now)),
        };
        match (fault, answer) {
            (None, Some(answer)) => Ok(answer),
            (Some(Fault::Malformed), _) => Ok(Response::new("<html>".into())),
            (Some(Fault::NoId), _) => Ok(Response::new("{\"status\":\"queued\"}".into())),
            (Some(Fault::Status { status, .. }), _) => Ok(state.error(status, "Internal server error")),
            _ => Err(SendError::NoResponse("timed out".to_owned())),
        }
    }
}

impl SendHttp for Elemente {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(std::future::ready(self.answer(&request)))
    }
}
