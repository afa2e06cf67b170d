//! Which histories there are: people, policies, and what may happen to a dispatch.

use std::sync::Arc;

use patchbay::clock::Timestamp;
use patchbay::dispatch::employee::{Duty, QuietHours};
use patchbay::dispatch::policy::OnMachine;
use patchbay::dispatch::state::{Strategy as Told, Urgency, Webhook};
use patchbay::dispatch::{Employee, Ending, NewDispatch, NotPlaced, Policy, Sighting, Ticket};
use patchbay::phone::PhoneNumber;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest_state_machine::ReferenceStateMachine;

/// When every history begins: a Monday morning.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_603_600_000);

/// What is fixed in a history.
pub(crate) type Scenario = Arc<NewDispatch>;

/// What the provider and the others make of a message to dial.
#[derive(Clone, Debug)]
pub(crate) enum Luck {
    Rings,
    /// Another dispatch phones the employee for so many seconds more.
    Busy(u32),
    /// The employee has been called as often as allowed, for so many seconds more.
    OverLimit(u32),
    NotPlaced(NotPlaced),
    Unclear,
    /// The dialer is gone after its claim.
    Gone,
}

/// Something that happens. What it happens to is picked among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// A message reaches its consumer: the one that is due first, or any.
    Deliver {
        any: Option<Index>,
        copy: bool,
        crash: bool,
        luck: Luck,
        sighting: Sighting,
    },
    /// A key is pressed in the last call, or in any that ever was.
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
    /// The provider says that a machine picked up.
    Machine {
        call: Option<Index>,
        crash: bool,
    },
    /// The provider's answer to a request comes very late.
    Placed {
        call: Index,
    },
    /// A message about something that is long past, or never was.
    Stale {
        call: Index,
        kind: u8,
    },
    Cancel,
    Resolve,
    /// Time passes, and nothing else happens.
    Wait(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenarios;

impl ReferenceStateMachine for Scenarios {
    type State = Scenario;
    type Transition = Happening;

    fn init_state() -> BoxedStrategy<Scenario> {
        (people(), policy(), told())
            .prop_map(|(employees, policy, webhook)| {
                Arc::new(NewDispatch {
                    priority: Urgency::Normal,
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

    fn transitions(_: &Scenario) -> BoxedStrategy<Happening> {
        happening().boxed()
    }

    fn apply(scenario: Scenario, _: &Happening) -> Scenario {
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
    fn person()(
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

fn people() -> impl Strategy<Value = Vec<Employee>> {
    prop::collection::vec(person(), 1..=10).prop_map(|mut people| {
        for (index, person) in people.iter_mut().enumerate() {
            person.id = format!("p{index}");
            person.phone = PhoneNumber::parse(&format!("+120255501{index:02}")).unwrap();
        }
        people
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
        ask_again in any::<bool>(),
        max_calls in prop::option::weighted(0.3, 1_u32..12),
        machine in prop_oneof![Just(OnMachine::Ignore), Just(OnMachine::HangUp)],
    ) -> Policy {
        Policy {
            max_calls,
            machine,
            attempts,
            retry_delay,
            round_pause,
            max_rounds,
            expires_after,
            resolve_within,
            ask_again,
            ..Policy::default()
        }
    }
}

fn told() -> impl Strategy<Value = Option<Webhook>> {
    prop::option::of(prop_oneof![
        Just(Told::OnChange),
        Just(Told::OnCompletion),
        Just(Told::OnStatus)
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

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        12 => Just(Luck::Rings),
        3 => (0_u32..300).prop_map(Luck::Busy),
        1 => (0_u32..4_000).prop_map(Luck::OverLimit),
        1 => Just(Luck::NotPlaced(NotPlaced::Refused)),
        1 => Just(Luck::NotPlaced(NotPlaced::NotAllowed)),
        1 => Just(Luck::NotPlaced(NotPlaced::OutOfMoney)),
        3 => Just(Luck::NotPlaced(NotPlaced::TryLater)),
        1 => Just(Luck::Unclear),
        1 => Just(Luck::Gone),
    ]
}

fn sighting() -> impl Strategy<Value = Sighting> {
    prop_oneof![
        2 => Just(Sighting::Live),
        2 => Just(Sighting::Nothing),
        4 => (ending(), any::<bool>())
            .prop_map(|(ending, machine)| Sighting::Over { ending, keys: String::new(), machine }),
        1 => (ending(), keys()).prop_map(|(ending, keys)| Sighting::Over { ending, keys, machine: false }),
    ]
}

fn sometimes_any() -> impl Strategy<Value = Option<Index>> {
    prop::option::weighted(0.25, any::<Index>())
}

fn happening() -> impl Strategy<Value = Happening> {
    let crash = || prop::bool::weighted(0.05);
    prop_oneof![
        24 => (sometimes_any(), prop::bool::weighted(0.1), crash(), luck(), sighting())
            .prop_map(|(any, copy, crash, luck, sighting)| Happening::Deliver { any, copy, crash, luck, sighting }),
        3 => (sometimes_any(), keys(), crash()).prop_map(|(call, keys, crash)| Happening::Press { call, keys, crash }),
        10 => (sometimes_any(), ending(), crash())
            .prop_map(|(call, ending, crash)| Happening::End { call, ending, crash }),
        2 => (sometimes_any(), crash()).prop_map(|(call, crash)| Happening::Machine { call, crash }),
        1 => any::<Index>().prop_map(|call| Happening::Placed { call }),
        2 => (any::<Index>(), 0_u8..5).prop_map(|(call, kind)| Happening::Stale { call, kind }),
        1 => prop_oneof![5 => Just(Happening::Wait(1)), 1 => Just(Happening::Cancel), 1 => Just(Happening::Resolve)],
        4 => prop_oneof![1_u32..60, 60_u32..3_000].prop_map(Happening::Wait),
    ]
}
