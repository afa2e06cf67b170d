//! Runs one invocation of a function, which may be made to crash at any of its requests.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::Notify;

use super::faults::{CrashPoint, Side};
use super::gate::Gate;
use super::recorder::{InvocationEnd, Recorder};

tokio::task_local! {
    /// The invocation that a request belongs to. A task that a handler spawns has none: as on Lambda, such a task is
    /// not part of the invocation.
    static RUNNING: Arc<RunningInvocation>;
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvocationOutcome<T> {
    /// The handler returned this.
    Done(T),
    /// It crashed at one of its requests, and did nothing after that.
    Crashed,
}

impl<T> InvocationOutcome<T> {
    /// What the handler returned; `None` if it crashed.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(returned) => Some(returned),
            Self::Crashed => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct RunningInvocation {
    pub(super) number: u64,
    pub(super) function: Arc<str>,
    crash_at: Option<CrashPoint>,
    requests: AtomicU32,
    dead: AtomicBool,
    died: Notify,
}

impl RunningInvocation {
    pub(super) fn current() -> Option<Arc<Self>> {
        RUNNING.try_with(Arc::clone).ok()
    }

    /// Counts a request, and returns its number, counted from 1.
    pub(super) fn count(&self) -> u32 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Crashes the invocation if this is its crash point. From then on none of its requests proceeds.
    pub(super) async fn crash_point(&self, request: u32, side: Side) {
        if self.crash_at == Some(CrashPoint { request, side }) {
            self.dead.store(true, Ordering::Relaxed);
            self.died.notify_one();
        }
        self.hang_if_crashed().await;
    }

    /// Never returns once the invocation has crashed: a handler may await several requests at once, and none of them
    /// may proceed.
    pub(super) async fn hang_if_crashed(&self) {
        if self.dead.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }
}

/// Records how an invocation ended, even when its future is dropped.
struct EndGuard {
    recorder: Recorder,
    number: u64,
    end: InvocationEnd,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.recorder.end(self.number, self.end);
    }
}

/// Runs `handler` as an invocation of `function`: its requests are counted, and an injected crash drops it immediately.
pub(super) async fn invoke<T>(gate: &Gate, function: &str, handler: impl Future<Output = T>) -> InvocationOutcome<T> {
    let function: Arc<str> = function.into();
    let number = gate.recorder.begin(Arc::clone(&function), gate.clock.now());
    let running = Arc::new(RunningInvocation {
        number,
        crash_at: gate.faults.draw_crash(&function, gate.clock.now()),
        function,
        requests: AtomicU32::new(0),
        dead: AtomicBool::new(false),
        died: Notify::new(),
    });
    let mut ending = EndGuard {
        recorder: gate.recorder.clone(),
        number,
        end: InvocationEnd::Dropped,
    };
    let outcome = tokio::select! {
        biased;
        () = running.died.notified() => InvocationOutcome::Crashed,
        // A handler that returned because it stopped waiting for the request at which it crashed has crashed
        // nevertheless.
        returned = RUNNING.scope(Arc::clone(&running), handler) => {
            if running.dead.load(Ordering::Relaxed) {
                InvocationOutcome::Crashed
            } else {
                InvocationOutcome::Done(returned)
            }
        }
    };
    ending.end = if matches!(outcome, InvocationOutcome::Done(_)) {
        InvocationEnd::Done
    } else {
        InvocationEnd::Crashed
    };
    outcome
}
