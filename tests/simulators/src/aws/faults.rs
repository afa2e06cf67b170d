//! Things that go wrong, by plan or by seeded chance.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patchbay::clock::Timestamp;

use super::recorder::{Entry, Service};
use crate::rng::Rng;

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused because of too many requests: had no effect.
    Throttled,
    /// The service failed: had no effect.
    InternalError,
    /// DynamoDB only: a write met a transaction of somebody else's on the same item, and had no effect. Befalls no read.
    Conflict,
    /// DynamoDB only: the same transaction is still being worked on, and nothing is known of it. Befalls nothing else.
    InProgress,
    /// No connection could be made: had no effect, and its sender knows that.
    Refused,
    /// The connection broke before an answer came: it had no effect, and its sender does not know that.
    Reset,
    /// No answer came, and it had no effect.
    LostRequest,
    /// No answer came, although it took effect.
    LostAnswer,
}

impl Fault {
    /// Whether DynamoDB may answer `operation` with it.
    fn befalls(self, operation: &str) -> bool {
        const TRANSACTION: &str = "TransactWriteItems";
        match self {
            Self::Conflict => ["PutItem", "UpdateItem", "DeleteItem", TRANSACTION].contains(&operation),
            Self::InProgress => operation == TRANSACTION,
            _ => true,
        }
    }
}

/// A fault that befalls certain requests.
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
    /// `fault` befalls the next request, whatever it is.
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

    /// Leaves the first `requests` such requests alone.
    #[must_use]
    pub const fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Befalls this many requests instead of one.
    #[must_use]
    pub const fn times(mut self, requests: u32) -> Self {
        self.times = requests;
        self
    }

    /// Befalls every such request from a moment on, until another one: an outage.
    #[must_use]
    pub fn during(mut self, outage: Range<Timestamp>) -> Self {
        self.times = u32::MAX;
        self.during = Some(outage);
        self
    }

    fn matches(&self, entry: &Entry) -> bool {
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

/// How often, in a thousand requests, each fault happens by chance.
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

/// Where in an invocation it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// At which of its requests, counted from 1. One beyond its last request does no harm.
    pub request: u32,
    /// On which side of the request's effect.
    pub side: Side,
}

/// A side of the moment at which a request takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The request never takes effect.
    Before,
    /// The request has taken effect, but nobody hears the answer.
    After,
}

/// What goes wrong. Cheap to clone; clones share their settings.
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
    dead: Vec<(String, Range<Timestamp>)>,
    latency: (u64, u64),
    timeout: Duration,
    stale: Option<(Duration, Fault)>,
    used: BTreeMap<Service, Timestamp>,
}

impl Settings {
    fn meets_dead_connection(&mut self, entry: &Entry) -> Option<Fault> {
        let used = self.used.insert(entry.service, entry.at)?;
        let (idle, fault) = self.stale?;
        (entry.at.since(used) > idle).then_some(fault)
    }
}

impl Faults {
    /// No faults yet; those by chance will follow from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Settings {
            rng: Rng::new(seed),
            rules: Vec::new(),
            rates: BTreeMap::new(),
            crashes: Vec::new(),
            crash_rate: 0,
            crash_within: 1,
            dead: Vec::new(),
            latency: (0, 0),
            timeout: Duration::from_secs(1),
            stale: None,
            used: BTreeMap::new(),
        })))
    }

    /// Lets a fault happen. Of several rules that match a request, the first decides.
    pub fn plan(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Lets faults happen to requests to `service` by chance, from now on.
    pub fn set_rates(&self, service: Service, rates: Rates) {
        self.lock().rates.insert(service, rates);
    }

    /// Kills the next invocation of `function` at `point`. Several such plans for one function follow one another.
    pub fn crash(&self, function: impl Into<String>, point: CrashPoint) {
        self.lock().crashes.push((function.into(), point));
    }

    /// Kills `per_mille` of a thousand invocations, on either side of one of their first `within` requests.
    pub fn set_crash_rate(&self, per_mille: u16, within: u32) {
        let mut settings = self.lock();
        settings.crash_rate = per_mille;
        settings.crash_within = within.max(1);
    }

    /// Lets `function` die at its first request, in every invocation from a moment on until another one.
    pub fn die_during(&self, function: impl Into<String>, outage: Range<Timestamp>) {
        self.lock().dead.push((function.into(), outage));
    }

    /// Lets every request take from `least` to `most` milliseconds of the clock, before its effect and again after it.
    /// Without this a request only yields once to the other tasks.
    pub fn set_latency(&self, least: u64, most: u64) {
        self.lock().latency = (least, most.max(least));
    }

    /// How long a sender waits for an answer that never comes.
    pub fn set_timeout(&self, timeout: Duration) {
        self.lock().timeout = timeout;
    }

    /// Lets connections die that nothing used for longer than `idle`: the next request to that service meets `fault`, and
    /// the one after it finds a new connection.
    ///
    /// A sandbox that is frozen hears nothing of the ends of its connections, and a balancer before a service forgets
    /// idle ones (after 350 s at AWS's network load balancers, which then answer with a reset; what lies between may drop
    /// packets instead).
    pub fn let_connections_die(&self, idle: Duration, fault: Fault) {
        self.lock().stale = Some((idle, fault));
    }

    /// Ends all faults and crashes, planned and by chance, so that a run can be seen to settle.
    pub fn calm(&self) {
        let mut settings = self.lock();
        settings.rules.clear();
        settings.rates.clear();
        settings.crashes.clear();
        settings.dead.clear();
        settings.stale = None;
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

    pub(super) fn draw_fault(&self, entry: &Entry) -> Option<Fault> {
        let mut settings = self.lock();
        if let Some(fault) = settings.meets_dead_connection(entry) {
            return Some(fault);
        }
        for rule in settings.rules.iter_mut().filter(|rule| rule.matches(entry)) {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Some(rule.fault).filter(|fault| fault.befalls(&entry.operation));
            }
        }
        let rates = settings.rates.get(&entry.service).copied().unwrap_or_default();
        rates
            .draw(&mut settings.rng)
            .filter(|fault| fault.befalls(&entry.operation))
    }

    pub(super) fn draw_crash(&self, function: &str, now: Timestamp) -> Option<CrashPoint> {
        let mut settings = self.lock();
        let is_dead = |(of, outage): &(String, Range<Timestamp>)| of == function && outage.contains(&now);
        if settings.dead.iter().any(is_dead) {
            return Some(CrashPoint {
                request: 1,
                side: Side::Before,
            });
        }
        if let Some(planned) = settings.crashes.iter().position(|(of, _)| of == function) {
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
