//! Injects faults and crashes, planned or by seeded chance.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patchbay::clock::Timestamp;

use super::recorder::{RequestRecord, Service};
use crate::rng::Rng;

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused because of too many requests. No effect.
    Throttled,
    /// The service failed. No effect.
    InternalError,
    /// DynamoDB only: another transaction on the same item was in progress. No effect. Affects writes only.
    Conflict,
    /// DynamoDB only: the same transaction is still in progress, and its outcome is unknown. Affects
    /// `TransactWriteItems` only.
    InProgress,
    /// The connection was refused. No effect, and the sender knows that.
    Refused,
    /// The connection broke before the answer. No effect, but the sender does not know that.
    Reset,
    /// No answer within the time-out. No effect.
    LostRequest,
    /// No answer within the time-out, although the request took effect.
    LostAnswer,
}

impl Fault {
    /// Whether `operation` can fail with it.
    fn applies_to(self, operation: &str) -> bool {
        const TRANSACTION: &str = "TransactWriteItems";
        match self {
            Self::Conflict => ["PutItem", "UpdateItem", "DeleteItem", TRANSACTION].contains(&operation),
            Self::InProgress => operation == TRANSACTION,
            _ => true,
        }
    }
}

/// A fault for the requests that match.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    service: Option<Service>,
    operation: Option<String>,
    target: Option<String>,
    function: Option<String>,
    skip: u32,
    times: u32,
    during: Option<Range<Timestamp>>,
}

impl Rule {
    /// `fault` for the next request of any kind.
    pub const fn new(fault: Fault) -> Self {
        Self {
            fault,
            service: None,
            operation: None,
            target: None,
            function: None,
            skip: 0,
            times: 1,
            during: None,
        }
    }

    /// Only requests to this service.
    #[must_use]
    pub const fn service(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// Only this operation, such as `PutItem`; for HTTP, this method.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Only requests whose table, queue or URL contains this.
    #[must_use]
    pub fn target(mut self, part: impl Into<String>) -> Self {
        self.target = Some(part.into());
        self
    }

    /// Only requests of this function.
    #[must_use]
    pub fn function(mut self, function: impl Into<String>) -> Self {
        self.function = Some(function.into());
        self
    }

    /// Skips the first `requests` that match.
    #[must_use]
    pub const fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Affects this many requests instead of one.
    #[must_use]
    pub const fn times(mut self, requests: u32) -> Self {
        self.times = requests;
        self
    }

    /// Affects every request that matches within this time: an outage.
    #[must_use]
    pub fn during(mut self, outage: Range<Timestamp>) -> Self {
        self.times = u32::MAX;
        self.during = Some(outage);
        self
    }

    fn matches(&self, entry: &RequestRecord) -> bool {
        self.during.as_ref().is_none_or(|outage| outage.contains(&entry.at))
            && self.service.is_none_or(|service| service == entry.service)
            && self
                .operation
                .as_ref()
                .is_none_or(|operation| *operation == entry.operation)
            && self
                .target
                .as_ref()
                .is_none_or(|part| entry.target.contains(part.as_str()))
            && self
                .function
                .as_ref()
                .is_none_or(|function| **function == *entry.function)
    }
}

/// The probability of each fault, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// [`Fault::Throttled`].
    pub throttled: u16,
    /// [`Fault::InternalError`].
    pub internal_error: u16,
    /// [`Fault::Refused`].
    pub refused: u16,
    /// [`Fault::Reset`].
    pub reset: u16,
    /// [`Fault::LostRequest`].
    pub lost_request: u16,
    /// [`Fault::LostAnswer`].
    pub lost_answer: u16,
    /// [`Fault::Conflict`].
    pub conflict: u16,
    /// [`Fault::InProgress`].
    pub in_progress: u16,
}

impl Rates {
    const fn total(self) -> u16 {
        self.throttled
            + self.internal_error
            + self.refused
            + self.reset
            + self.lost_request
            + self.lost_answer
            + self.conflict
            + self.in_progress
    }

    fn draw(self, rng: &mut Rng) -> Option<Fault> {
        if self.total() == 0 {
            return None;
        }
        let mut left = rng.below(1000);
        for (rate, fault) in [
            (self.throttled, Fault::Throttled),
            (self.internal_error, Fault::InternalError),
            (self.refused, Fault::Refused),
            (self.reset, Fault::Reset),
            (self.lost_request, Fault::LostRequest),
            (self.lost_answer, Fault::LostAnswer),
            (self.conflict, Fault::Conflict),
            (self.in_progress, Fault::InProgress),
        ] {
            if left < u64::from(rate) {
                return Some(fault);
            }
            left -= u64::from(rate);
        }
        None
    }
}

/// Where an invocation crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// The request, counted from 1. A number beyond the invocation's last request has no effect.
    pub request: u32,
    /// The side of the request's effect.
    pub side: Side,
}

/// A side of the moment at which a request takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The request never takes effect.
    Before,
    /// The request has taken effect, but its answer is lost.
    After,
}

/// The faults and crashes to inject. Cheap to clone; clones share their settings.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<Settings>>);

#[derive(Debug)]
struct Settings {
    rng: Rng,
    rules: Vec<Rule>,
    rates: BTreeMap<Service, Rates>,
    crashes: Vec<(String, CrashPoint)>,
    crash_rate: u16,
    crash_within: u32,
    outages: Vec<(String, Range<Timestamp>)>,
    latency: (u64, u64),
    timeout: Duration,
    idle_limit: Option<(Duration, Fault)>,
    last_used: BTreeMap<Service, Timestamp>,
}

impl Settings {
    fn dead_connection_fault(&mut self, entry: &RequestRecord) -> Option<Fault> {
        let used = self.last_used.insert(entry.service, entry.at)?;
        let (idle, fault) = self.idle_limit?;
        (entry.at.since(used) > idle).then_some(fault)
    }
}

impl Faults {
    /// No faults. Random ones that are set later depend on `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Settings {
            rng: Rng::new(seed),
            rules: Vec::new(),
            rates: BTreeMap::new(),
            crashes: Vec::new(),
            crash_rate: 0,
            crash_within: 1,
            outages: Vec::new(),
            latency: (0, 0),
            timeout: Duration::from_secs(1),
            idle_limit: None,
            last_used: BTreeMap::new(),
        })))
    }

    /// Adds a rule. Of several rules that match a request, the first decides that neither skips it nor is used up.
    pub fn plan(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Sets the probabilities of random faults in requests to `service`.
    pub fn set_rates(&self, service: Service, rates: Rates) {
        self.lock().rates.insert(service, rates);
    }

    /// Crashes the next invocation of `function` at `point`. Several plans for one function apply to one invocation
    /// each.
    pub fn crash(&self, function: impl Into<String>, point: CrashPoint) {
        self.lock().crashes.push((function.into(), point));
    }

    /// Crashes invocations with a probability of `per_mille` thousandths, on either side of one of their first `within`
    /// requests.
    pub fn set_crash_rate(&self, per_mille: u16, within: u32) {
        let mut settings = self.lock();
        settings.crash_rate = per_mille;
        settings.crash_within = within.max(1);
    }

    /// Crashes every invocation of `function` within this time, at its first request.
    pub fn crash_during(&self, function: impl Into<String>, outage: Range<Timestamp>) {
        self.lock().outages.push((function.into(), outage));
    }

    /// Sets the latency of requests: from `least` to `most` milliseconds of the clock, before a request's effect and
    /// again after it. The default is 0, at which a request only yields once to other tasks.
    pub fn set_latency(&self, least: u64, most: u64) {
        self.lock().latency = (least, most.max(least));
    }

    /// Sets how long a sender waits for an answer that is lost.
    pub fn set_timeout(&self, timeout: Duration) {
        self.lock().timeout = timeout;
    }

    /// Breaks connections that were not used for longer than `idle`: the next request to that service fails with
    /// `fault`, and the request after it has a new connection.
    ///
    /// A frozen sandbox does not notice that its connections were closed, and a load balancer drops idle ones. AWS's
    /// network load balancers drop them after 350 s and answer with a reset; a hop in between may drop packets instead.
    pub fn kill_idle_connections(&self, idle: Duration, fault: Fault) {
        self.lock().idle_limit = Some((idle, fault));
    }

    /// Removes all faults and crashes, planned and random, so that a world can become idle.
    pub fn clear(&self) {
        let mut settings = self.lock();
        settings.rules.clear();
        settings.rates.clear();
        settings.crashes.clear();
        settings.outages.clear();
        settings.idle_limit = None;
        settings.crash_rate = 0;
    }

    pub(super) fn fork_rng(&self) -> Rng {
        self.lock().rng.fork()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.lock().timeout
    }

    pub(super) fn draw_latency(&self) -> Duration {
        let mut settings = self.lock();
        let (least, most) = settings.latency;
        let more = if most > least {
            settings.rng.below(most - least + 1)
        } else {
            0
        };
        Duration::from_millis(least + more)
    }

    pub(super) fn draw_fault(&self, entry: &RequestRecord) -> Option<Fault> {
        let mut settings = self.lock();
        if let Some(fault) = settings.dead_connection_fault(entry) {
            return Some(fault);
        }
        for rule in settings.rules.iter_mut().filter(|rule| rule.matches(entry)) {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Some(rule.fault).filter(|fault| fault.applies_to(&entry.operation));
            }
        }
        let rates = settings.rates.get(&entry.service).copied().unwrap_or_default();
        rates
            .draw(&mut settings.rng)
            .filter(|fault| fault.applies_to(&entry.operation))
    }

    pub(super) fn draw_crash(&self, function: &str, now: Timestamp) -> Option<CrashPoint> {
        let mut settings = self.lock();
        let is_down = |(name, outage): &(String, Range<Timestamp>)| name == function && outage.contains(&now);
        if settings.outages.iter().any(is_down) {
            return Some(CrashPoint {
                request: 1,
                side: Side::Before,
            });
        }
        if let Some(planned) = settings.crashes.iter().position(|(name, _)| name == function) {
            return Some(settings.crashes.remove(planned).1);
        }
        let rate = settings.crash_rate;
        if !settings.rng.hits(rate) {
            return None;
        }
        let within = u64::from(settings.crash_within);
        let request = u32::try_from(settings.rng.below(within)).unwrap_or(0) + 1;
        let side = if settings.rng.hits(500) {
            Side::Before
        } else {
            Side::After
        };
        Some(CrashPoint { request, side })
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
