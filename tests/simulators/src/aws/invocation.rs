//! One run of a function, which may be made to die at any of its requests.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::Notify;

use super::faults::{CrashPoint, Side};
use super::gate::Gate;
use super::recorder::{End, Recorder};

tokio::task_local! {
    /// The invocation that a request belongs to. A task that a handler spawns has none: like on Lambda, such a task
    /// is not part of the invocation.
    static RUNNING: Arc<Running>;
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The handler returned this.
    Done(T),
    /// It died at one of its requests, and nothing of it went on from there.
    Crashed,
}

impl<T> Outcome<T> {
    /// What the handler returned, if it did.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(returned) => Some(returned),
            Self::Crashed => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) number: u64,
    pub(super) function: Arc<str>,
    crash_at: Option<CrashPoint>,
    requests: AtomicU32,
    dead: AtomicBool,
    died: Notify,
}

impl Running {
    pub(super) fn current() -> Option<Arc<Self>> {
        RUNNING.try_with(Arc::clone).ok()
    }

    /// Counts a request and says which it is, from 1.
    pub(super) fn count(&self) -> u32 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Dies here if this is the place; from then on nothing of the invocation passes.
    pub(super) async fn crash_point(&self, request: u32, side: Side) {
        if self.crash_at == Some(CrashPoint { request, side }) {
            self.dead.store(true, Ordering::Relaxed);
            self.died.notify_one();
        }
        self.stay_if_dead().await;
    }

    /// A handler may await several requests at once: the others must not go on either.
    pub(super) async fn stay_if_dead(&self) {
        if self.dead.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }
}

/// Notes the end even when the future that runs the invocation is dropped.
struct Ending {
    recorder: Recorder,
    number: u64,
    end: End,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.recorder.end(self.number, self.end);
    }
}

/// Runs `handler` as an invocation of `function`: its requests are counted, and an injected crash drops it on the spot.
pub(super) async fn invoke<T>(gate: &Gate, function: &str, handler: impl Future<Output = T>) -> Outcome<T> {
    let function: Arc<str> = function.into();
    let number = gate.recorder.begin(Arc::clone(&function), gate.clock.now());
    let running = Arc::new(Running {
        number,
        crash_at: gate.faults.draw_crash(&function, gate.clock.now()),
        function,
        requests: AtomicU32::new(0),
        dead: AtomicBool::new(false),
        died: Notify::new(),
    });
    let mut ending = Ending {
        recorder: gate.recorder.clone(),
        number,
        end: End::Dropped,
    };
    let outcome = tokio::select! {
        biased;
        () = running.died.notified() => Outcome::Crashed,
        // A handler that gave up on the request at which it died must not get away with that.
        returned = RUNNING.scope(Arc::clone(&running), handler) => {
            if running.dead.load(Ordering::Relaxed) { Outcome::Crashed } else { Outcome::Done(returned) }
        }
    };
    ending.end = if matches!(outcome, Outcome::Done(_)) {
        End::Done
    } else {
        End::Crashed
    };
    outcome
}
