//! The gate that every request passes: records it, and injects faults and crashes.

use std::future::Future;

use patchbay::clock::Clock;

use super::faults::{Fault, Faults, Side};
use super::invocation::RunningInvocation;
use super::recorder::{Recorder, RequestRecord, RequestStatus, Service};

/// The parts of a request that are recorded: see the fields of the same names in [`RequestRecord`].
#[derive(Debug, Default)]
pub(super) struct RequestInfo {
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
    /// Records a request, awaits its effect, and returns the answer, unless a fault or a crash prevents it.
    pub(super) async fn pass<T>(
        &self,
        service: Service,
        RequestInfo {
            operation,
            target,
            parts,
            keys,
        }: RequestInfo,
        effect: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        let running = RunningInvocation::current();
        if let Some(running) = &running {
            running.hang_if_crashed().await;
        }
        let entry = RequestRecord {
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
            status: RequestStatus::Pending,
        };
        let request = running.as_ref().map_or(0, |running| running.count());
        let fault = self.faults.draw_fault(&entry);
        let number = self.recorder.request(entry);

        if let Some(running) = &running {
            running.crash_point(request, Side::Before).await;
        }
        self.delay().await;
        if let Some(running) = &running {
            running.hang_if_crashed().await;
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
                self.recorder.set_status(number, RequestStatus::Faulted(fault));
                return Err(fault);
            }
            Some(Fault::LostRequest) => return self.time_out(number, Fault::LostRequest).await,
            Some(Fault::LostAnswer) | None => {}
        }

        let answer = effect.await;
        self.recorder.set_status(number, RequestStatus::TookEffect);
        if let Some(running) = &running {
            running.crash_point(request, Side::After).await;
        }
        if fault.is_some() {
            return self.time_out(number, Fault::LostAnswer).await;
        }
        self.delay().await;
        self.recorder.set_status(number, RequestStatus::Answered);
        Ok(answer)
    }

    async fn delay(&self) {
        let latency = self.faults.draw_latency();
        if latency.is_zero() {
            // Other tasks must get a turn at every request, or a handler would never be interrupted.
            tokio::task::yield_now().await;
        } else {
            self.clock.sleep(latency).await;
        }
    }

    async fn time_out<T>(&self, number: u64, fault: Fault) -> Result<T, Fault> {
        // Recorded first: the caller may stop waiting before the time-out.
        self.recorder.set_status(number, RequestStatus::Faulted(fault));
        self.clock.sleep(self.faults.timeout()).await;
        Err(fault)
    }
}
