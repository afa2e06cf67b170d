//! Generates histories: employees, policies, and steps.

use std::sync::Arc;

use patchbay::clock::Timestamp;
use patchbay::dispatch::employee::{Duty, QuietHours};
use patchbay::dispatch::policy::OnVoicemail;
use patchbay::dispatch::state::DispatchPriority;
use patchbay::dispatch::{CallLookup, Employee, Ending, NewDispatch, NotPlaced, Policy, Ticket};
use patchbay::phone::PhoneNumber;
use patchbay::webhook::{Strategy as NotifyStrategy, Webhook};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest_state_machine::ReferenceStateMachine;

/// The start of every history: a Monday morning.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_603_600_000);

/// The fixed part of a history.
pub(crate) type Scenario = Arc<NewDispatch>;

/// The result of a message to dial.
#[derive(Clone, Debug)]
pub(crate) enum DialResult {
    Rings,
    /// Another dispatch has a lease on the employee for this many more seconds.
    Busy(u32),
    /// The employee's number has reached a call limit for this many more seconds. An even number: the hourly limit.
    OverLimit(u32),
    NotPlaced(NotPlaced),
    Unclear,
    /// The dialer crashes after its claim.
    Crash,
}

/// One step of a history. An `Index` picks one of the queued messages, or of the calls so far.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A message reaches its consumer: the one that is due first, or any of them.
    Deliver {
        any: Option<Index>,
        duplicate: bool,
        crash: bool,
        dial_result: DialResult,
        lookup: CallLookup,
    },
    /// A key is pressed in the last call, or in any earlier one.
    Press {
        call: Option<Index>,
        keys: String,
        crash: bool,
    },
    /// The provider reports the end of a call.
    End {
        call: Option<Index>,
        ending: Ending,
        crash: bool,
    },
    /// The provider reports that a machine answered.
    Machine {
        call: Option<Index>,
        crash: bool,
    },
    /// The provider's response to a request arrives very late.
    Placed {
        call: Index,
    },
    /// An event about an attempt or wait that is long past, or never existed.
    Stale {
        call: Index,
        kind: u8,
    },
    Cancel,
    Resolve,
    /// Only time passes, in seconds.
    Wait(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenarios;

impl ReferenceStateMachine for Scenarios {
    type State = Scenario;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Scenario> {
        (employees(), policy(), webhook())
            .prop_map(|(employees, policy, webhook)| {
                Arc::new(NewDispatch {
                    priority: DispatchPriority::Normal,
                    ticket: Ticket {
                        reference: None,
                        text: "Database down".into(),
                    },
                    employees,
                    policy,
                    webhook,
                })
            })
            .boxed()
    }

    fn transitions(_: &Scenario) -> BoxedStrategy<Step> {
        step().boxed()
    }

    fn apply(scenario: Scenario, _: &Step) -> Scenario {
        scenario
    }
}

prop_compose! {
    fn duty()(from in 0_u32..20_000, length in 1_u32..20_000) -> Duty {
        Duty { from: START.plus_seconds(from), until: START.plus_seconds(from + length) }
    }
}

prop_compose! {
    fn quiet_hours()(from in 0_u16..1_440, until in 0_u16..1_440, offset in -720_i16..=840) -> QuietHours {
        QuietHours { from_minute: from, until_minute: until, utc_offset_minutes: offset }
    }
}

prop_compose! {
    fn employee()(
        on_duty in prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(duty(), 1..4)],
        quiet_hours in prop::option::weighted(0.2, quiet_hours()),
        opted_out in prop::bool::weighted(0.05),
        unverified in prop::bool::weighted(0.05),
    ) -> Employee {
        Employee {
            id: String::new(),
            name: String::new(),
            phone: PhoneNumber::parse("+12025550100").unwrap(),
            language: None,
            voice: None,
            on_duty,
            quiet_hours,
            opted_out,
            unverified,
        }
    }
}

fn employees() -> impl Strategy<Value = Vec<Employee>> {
    prop::collection::vec(employee(), 1..=10).prop_map(|mut employees| {
        for (index, employee) in employees.iter_mut().enumerate() {
            employee.id = format!("p{index}");
            employee.phone = PhoneNumber::parse(&format!("+120255501{index:02}")).unwrap();
        }
        employees
    })
}

prop_compose! {
    fn policy()(
        attempts in 1_u8..=3,
        retry_delay in 5_u32..120,
        round_pause in prop_oneof![Just(0), 1_u32..600],
        max_rounds in prop::option::of(1_u32..5),
        expires_after in prop_oneof![60_u32..2_000, Just(86_400)],
        resolve_within in prop::option::of(60_u32..2_000),
        retry_rejected in any::<bool>(),
        max_calls in prop::option::weighted(0.3, 1_u32..12),
        on_voicemail in prop_oneof![Just(OnVoicemail::Ignore), Just(OnVoicemail::HangUp)],
    ) -> Policy {
        Policy {
            max_calls,
            on_voicemail,
            attempts,
            retry_delay,
            round_pause,
            max_rounds,
            expires_after,
            resolve_within,
            retry_rejected,
            ..Policy::default()
        }
    }
}

fn webhook() -> impl Strategy<Value = Option<Webhook>> {
    prop::option::of(prop_oneof![
        Just(NotifyStrategy::OnChange),
        Just(NotifyStrategy::OnCompletion),
        Just(NotifyStrategy::OnStatus)
    ])
    .prop_map(|strategy| {
        strategy.map(|strategy| Webhook {
            url: "https://example.com/hook".into(),
            strategy,
        })
    })
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        4 => Just(Ending::NoAnswer),
        4 => Just(Ending::Completed),
        2 => Just(Ending::Busy),
        1 => Just(Ending::Failed),
        1 => Just(Ending::Unknown),
        1 => Just(Ending::OutOfMoney),
    ]
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("1"),
        5 => Just("2"),
        3 => Just("7"),
        1 => Just(""),
        1 => Just("21"),
        1 => Just("12"),
    ]
    .prop_map(String::from)
}

fn dial_result() -> impl Strategy<Value = DialResult> {
    prop_oneof![
        12 => Just(DialResult::Rings),
        3 => (0_u32..300).prop_map(DialResult::Busy),
        1 => (0_u32..4_000).prop_map(DialResult::OverLimit),
        1 => Just(DialResult::NotPlaced(NotPlaced::Refused)),
        1 => Just(DialResult::NotPlaced(NotPlaced::NotAllowed)),
        1 => Just(DialResult::NotPlaced(NotPlaced::OutOfMoney)),
        3 => Just(DialResult::NotPlaced(NotPlaced::TryLater)),
        1 => Just(DialResult::Unclear),
        1 => Just(DialResult::Crash),
    ]
}

fn lookup() -> impl Strategy<Value = CallLookup> {
    prop_oneof![
        2 => Just(CallLookup::Live),
        2 => Just(CallLookup::Unknown),
        4 => (ending(), any::<bool>())
            .prop_map(|(ending, machine)| CallLookup::Over { ending, keys: String::new(), machine }),
        1 => (ending(), keys()).prop_map(|(ending, keys)| CallLookup::Over { ending, keys, machine: false }),
    ]
}

fn sometimes_any() -> impl Strategy<Value = Option<Index>> {
    prop::option::weighted(0.25, any::<Index>())
}

fn step() -> impl Strategy<Value = Step> {
    let crash = || prop::bool::weighted(0.05);
    prop_oneof![
        24 => (sometimes_any(), prop::bool::weighted(0.1), crash(), dial_result(), lookup())
            .prop_map(|(any, duplicate, crash, dial_result, lookup)| {
                Step::Deliver { any, duplicate, crash, dial_result, lookup }
            }),
        3 => (sometimes_any(), keys(), crash()).prop_map(|(call, keys, crash)| Step::Press { call, keys, crash }),
        10 => (sometimes_any(), ending(), crash())
            .prop_map(|(call, ending, crash)| Step::End { call, ending, crash }),
        2 => (sometimes_any(), crash()).prop_map(|(call, crash)| Step::Machine { call, crash }),
        1 => any::<Index>().prop_map(|call| Step::Placed { call }),
        2 => (any::<Index>(), 0_u8..5).prop_map(|(call, kind)| Step::Stale { call, kind }),
        1 => prop_oneof![5 => Just(Step::Wait(1)), 1 => Just(Step::Cancel), 1 => Just(Step::Resolve)],
        4 => prop_oneof![1_u32..60, 60_u32..3_000].prop_map(Step::Wait),
    ]
}
