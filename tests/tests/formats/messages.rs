//! Messages on the queues: a version must read what another version sent before the update.

use patchbay::clock::Timestamp;
use patchbay::dispatch::route::BypassedProvider;
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{AvoidReason, CallLookup, Ending, Event, Limit, NotPlaced, Route};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, ProviderName};
use patchbay::outbox::QueuedMessage;
use patchbay::webhook::Notice;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fixtures::{assert_all_seen, assert_fixture, json};
use crate::{interactions, kinds};

const SENT: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DUE: Timestamp = Timestamp::from_millis(1_800_000_030_250);
const ENTRY: &str = "000003-1800000000000-0000000000000007-00";
const INTERACTION_ENTRY: &str = "0000000003-001";

fn subject() -> DispatchKey {
    DispatchKey {
        tenant: "acme".parse().unwrap(),
        id: DispatchId::new(0x2a),
    }
}

const fn attempt() -> AttemptId {
    AttemptId {
        ordinal: 3,
        employee: 1,
        nonce: Nonce::new(7),
    }
}

/// Every event, in each of its forms.
fn events() -> Vec<Event> {
    let attempt = attempt();
    let mut events = vec![
        Event::Claim {
            attempt,
            route: Route::only(ProviderName::known("routee")),
        },
        Event::Claim {
            attempt,
            route: Route {
                provider: ProviderName::known("twilio"),
                instead_of: Some(BypassedProvider {
                    provider: ProviderName::known("routee"),
                    reason: AvoidReason::Down,
                }),
                elsewhere: true,
            },
        },
        Event::EmployeeBusy { attempt, until: DUE },
        Event::OverLimit {
            attempt,
            limit: Limit::Hourly,
            until: DUE,
        },
        Event::Machine { attempt },
        Event::Placed {
            attempt,
            call_id: "5f9138288b71de3617a87cd8".into(),
        },
        Event::Unclear { attempt },
        Event::Key {
            attempt,
            keys: "71#".into(),
        },
        Event::CallEnded {
            attempt,
            ending: Ending::Completed,
            call_id: None,
        },
        Event::Resume { wait: Nonce::new(7) },
        Event::Overdue { attempt },
        Event::Cancel,
        Event::Resolve,
    ];
    let reasons = [
        NotPlaced::Refused,
        NotPlaced::NotAllowed,
        NotPlaced::TryLater,
        NotPlaced::OutOfMoney,
    ];
    for reason in reasons {
        events.push(Event::NotPlaced { attempt, reason });
    }
    let endings = [
        Ending::Completed,
        Ending::Busy,
        Ending::NoAnswer,
        Ending::Failed,
        Ending::Unknown,
        Ending::OutOfMoney,
    ];
    for ending in endings {
        events.push(Event::CallEnded {
            attempt,
            ending,
            call_id: Some("5f9138288b71de3617a87cd8".into()),
        });
    }
    let over = CallLookup::Over {
        ending: Ending::NoAnswer,
        keys: "7".into(),
        machine: false,
    };
    let machine = CallLookup::Over {
        ending: Ending::Completed,
        keys: String::new(),
        machine: true,
    };
    for lookup in [CallLookup::Live, over, machine, CallLookup::Unknown] {
        events.push(Event::Watched {
            attempt,
            lookup,
            lookups: 2,
        });
    }
    events
}

/// Name of an event's fixture.
fn event_name(event: &Event) -> String {
    let detail = match event {
        Event::NotPlaced { reason, .. } => kinds::not_placed(reason),
        Event::CallEnded { ending, .. } => kinds::ending(ending),
        Event::Watched { lookup, .. } => kinds::lookup(lookup),
        _ => return kinds::event(event).to_owned(),
    };
    format!("{}: {detail}", kinds::event(event))
}

fn work_items() -> Vec<Work> {
    let attempt = attempt();
    let entry = || ENTRY.to_owned();
    let works = [
        Work::Dial {
            attempt,
            slot: None,
            provider: None,
        },
        Work::Dial {
            attempt,
            slot: Some(DUE),
            provider: None,
        },
        Work::Dial {
            attempt,
            slot: Some(DUE),
            provider: Some(ProviderName::known("twilio")),
        },
        Work::Watch { attempt, lookups: 4 },
        Work::Resume { wait: Nonce::new(7) },
        Work::Remind { attempt },
        Work::HangUp { attempt, tries: 2 },
        Work::Count { entry: entry() },
        Work::Notify { entry: entry() },
    ];
    let applied = events().into_iter().map(|event| Work::Apply { event });
    works.into_iter().chain(applied).collect()
}

fn work_name(work: &Work) -> String {
    match work {
        Work::Apply { event } => format!("apply {}", event_name(event)),
        _ => kinds::work(work).to_owned(),
    }
}

fn message(work: Work) -> Message {
    Message {
        subject: subject(),
        version: 12,
        sent_at: SENT,
        due_at: DUE,
        work,
    }
}

/// Every message without retries, and one with retries.
fn messages() -> Vec<(String, QueuedMessage<Message>)> {
    let without_retries = |work: Work| {
        let name = work_name(&work);
        let message = message(work);
        (name, QueuedMessage { message, retries: 0 })
    };
    let failed = QueuedMessage {
        message: message(Work::Watch {
            attempt: attempt(),
            lookups: 4,
        }),
        retries: 3,
    };
    let failed = ("watch, failed three times".to_owned(), failed);
    work_items().into_iter().map(without_retries).chain([failed]).collect()
}

fn notices() -> Vec<(String, QueuedMessage<Notice>)> {
    let notice = |failures, resent, manual| Notice {
        subject: subject().into(),
        entry: ENTRY.to_owned(),
        first_at: SENT,
        due_at: DUE,
        failures,
        resent,
        manual,
    };
    let first = Notice::first(subject().into(), ENTRY.to_owned(), SENT);
    let of_interaction = Notice {
        subject: interactions::key().into(),
        entry: INTERACTION_ENTRY.to_owned(),
        ..notice(5, 2, true)
    };
    let all = [
        ("first", first, 0),
        ("after failures", notice(5, 0, false), 0),
        ("redriven", notice(0, 1, false), 0),
        ("asked for", notice(0, 2, true), 0),
        ("could not be consumed", notice(5, 2, true), 7),
        ("about an interaction", of_interaction, 7),
    ];
    all.into_iter()
        .map(|(name, message, retries)| (name.to_owned(), QueuedMessage { message, retries }))
        .collect()
}

/// Asserts that messages are written as their fixture has them, and that the fixture is read as these messages.
#[track_caller]
pub(crate) fn assert_messages<M>(fixture: &str, messages: &[(String, QueuedMessage<M>)])
where
    M: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let expected = json(fixture);
    for (name, message) in messages {
        let Some(expected) = expected.get(name) else { continue };
        match serde_json::from_value::<QueuedMessage<M>>(expected.clone()) {
            Ok(read) => assert_eq!(
                &read, message,
                "tests/formats/{fixture}: `{name}` is read as another message"
            ),
            Err(error) => panic!("tests/formats/{fixture}: `{name}` cannot be read any more: {error}\n{expected:#}"),
        }
    }
    let written: Vec<(String, Value)> = messages
        .iter()
        .map(|(name, message)| (name.clone(), serde_json::to_value(message).unwrap()))
        .collect();
    assert_fixture(fixture, &written);
}

#[test]
fn every_message_is_written_and_read_as_in_its_fixture() {
    assert_messages("messages.json", &messages());
}

#[test]
fn every_notice_is_written_and_read_as_in_its_fixture() {
    assert_messages("notices.json", &notices());
}

#[test]
fn every_kind_of_message_has_a_fixture() {
    assert_all_seen("Work", kinds::WORKS, work_items().iter().map(kinds::work));
    let events = events();
    assert_all_seen("Event", kinds::EVENTS, events.iter().map(kinds::event));
    let lookups = events.iter().filter_map(|event| match event {
        Event::Watched { lookup, .. } => Some(kinds::lookup(lookup)),
        _ => None,
    });
    assert_all_seen("CallLookup", kinds::CALL_LOOKUPS, lookups);
    let reasons = events.iter().filter_map(|event| match event {
        Event::NotPlaced { reason, .. } => Some(kinds::not_placed(reason)),
        _ => None,
    });
    assert_all_seen("NotPlaced", kinds::NOT_PLACED, reasons);
    let endings = events.iter().filter_map(|event| match event {
        Event::CallEnded { ending, .. } => Some(kinds::ending(ending)),
        _ => None,
    });
    assert_all_seen("Ending", kinds::ENDINGS, endings);
}
