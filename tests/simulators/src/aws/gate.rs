//! The one gate through which every request of every function leaves.

use std::future::Future;

use patchbay::clock::Clock;

use super::faults::{Fault, Faults, Side};
use super::invocation::Running;
use super::recorder::{Entry, Fate, Recorder, Service};

/// What is asked of a service: see the fields of the same names of [`Entry`].
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) operation: String,
    pub(super) target: String,
    pub(super) parts: Vec<&'static str>,
    pub(super) keys: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) clock: Clock,
    pub(super) faults: Faults,
    pub(super) recorder: Recorder,
}

impl Gate {
    /// Notes a request, lets it take effect (or not), and answers (or not), as the faults want it.
    pub(super) async fn pass<T>(
        &self,
        service: Service,
        Asked {
            operation,
            target,
            parts,
            keys,
        }: Asked,
        effect: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        let running = Running::current();
        if let Some(running) = &running {
            running.stay_if_dead().await;
        }
        let entry = Entry {
            at: self.clock.now(),
            run: running.as_ref().map(|running| running.number),
            function: running
                .as_ref()
                .map(|running| running.function.clone())
                .unwrap_or_default(),
            service,
            operation,
            target,
            parts,
            keys,
            fate: Fate::Open,
        };
        let request = running.as_ref().map_or(0, |running| running.count());
        let fault = self.faults.draw_fault(&entry);
        let number = self.recorder.request(entry);

        if let Some(running) = &running {
            running.crash_point(request, Side::Before).await;
        }
        self.travel().await;
        if let Some(running) = &running {
            running.stay_if_dead().await;
        }
        match fault {
            Some(
                fault @ (Fault::Throttled
                | Fault::InternalError
                | Fault::Conflict
                | Fault::InProgress
                | Fault::Refused
                | Fault::Reset),
            ) => {
                self.recorder.fate(number, Fate::Faulted(fault));
                return Err(fault);
            }
            Some(Fault::LostRequest) => return self.unanswered(number, Fault::LostRequest).await,
            Some(Fault::LostAnswer) | None => {}
        }

        let answer = effect.await;
        self.recorder.fate(number, Fate::TookEffect);
        if let Some(running) = &running {
            running.crash_point(request, Side::After).await;
        }
        if fault.is_some() {
            return self.unanswered(number, Fault::LostAnswer).await;
        }
        self.travel().await;
        self.recorder.fate(number, Fate::Answered);
        Ok(answer)
    }

    async fn travel(&self) {
        let latency = self.faults.draw_latency();
        if latency.is_zero() {
            // Other tasks get a turn at every request, or a handler would run as if it were alone in the world.
            tokio::task::yield_now().await;
        } else {
            self.clock.sleep(latency).await;
        }
    }

    async fn unanswered<T>(&self, number: u64, fault: Fault) -> Result<T, Fault> {
        // First of all: whoever waits may have less patience.
        self.recorder.fate(number, Fate::Faulted(fault));
        self.clock.sleep(self.faults.timeout()).await;
        Err(fault)
    }
}
