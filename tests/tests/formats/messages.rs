//! Messages on the queues: a version reads what another one sent before it was deployed.

use patchbay::clock::Timestamp;
use patchbay::dispatch::route::Instead;
use patchbay::dispatch::work::{Message, Notice, Work};
use patchbay::dispatch::{Detour, Ending, Event, Limit, NotPlaced, Route, Sighting};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, ProviderName};
use patchbay::outbox::Tried;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fixtures::{all_seen, hold, json};
use crate::kinds;

const SENT: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DUE: Timestamp = Timestamp::from_millis(1_800_000_030_250);
const ENTRY: &str = "000003-1800000000000-0000000000000007-00";

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

/// Every event there is, in every form that it has.
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
                instead_of: Some(Instead {
                    provider: ProviderName::known("routee"),
                    why: Detour::Down,
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
    for why in reasons {
        events.push(Event::NotPlaced { attempt, why });
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
    let over = Sighting::Over {
        ending: Ending::NoAnswer,
        keys: "7".into(),
        machine: false,
    };
    let machine = Sighting::Over {
        ending: Ending::Completed,
        keys: String::new(),
        machine: true,
    };
    for sighting in [Sighting::Live, over, machine, Sighting::Nothing] {
        events.push(Event::Watched {
            attempt,
            sighting,
            looks: 2,
        });
    }
    events
}

/// What a fixture of an event is called.
fn event_name(event: &Event) -> String {
    let detail = match event {
        Event::NotPlaced { why, .. } => kinds::not_placed(why),
        Event::CallEnded { ending, .. } => kinds::ending(ending),
        Event::Watched { sighting, .. } => kinds::sighting(sighting),
        _ => return kinds::event(event).to_owned(),
    };
    format!("{}: {detail}", kinds::event(event))
}

fn works() -> Vec<Work> {
    let attempt = attempt();
    let entry = || ENTRY.to_owned();
    let works = [
        Work::Dial {
            attempt,
            slot: None,
            over: None,
        },
        Work::Dial {
            attempt,
            slot: Some(DUE),
            over: None,
        },
        Work::Dial {
            attempt,
            slot: Some(DUE),
            over: Some(ProviderName::known("twilio")),
        },
        Work::Watch { attempt, looks: 4 },
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

/// Every message, as it is when it never failed; and one that did.
fn messages() -> Vec<(String, Tried<Message>)> {
    let never_failed = |work: Work| {
        let name = work_name(&work);
        let message = message(work);
        (name, Tried { message, again: 0 })
    };
    let failed = Tried {
        message: message(Work::Watch {
            attempt: attempt(),
            looks: 4,
        }),
        again: 3,
    };
    let failed = ("watch, failed three times".to_owned(), failed);
    works().into_iter().map(never_failed).chain([failed]).collect()
}

fn notices() -> Vec<(String, Tried<Notice>)> {
    let notice = |failures, resent, asked| Notice {
        dispatch: subject(),
        entry: ENTRY.to_owned(),
        first_at: SENT,
        due_at: DUE,
        failures,
        resent,
        asked,
    };
    let first = Notice::first(subject(), ENTRY.to_owned(), SENT);
    let all = [
        ("first", first, 0),
        ("after failures", notice(5, 0, false), 0),
        ("redriven", notice(0, 1, false), 0),
        ("asked for", notice(0, 2, true), 0),
        ("could not be consumed", notice(5, 2, true), 7),
    ];
    all.into_iter()
        .map(|(name, message, again)| (name.to_owned(), Tried { message, again }))
        .collect()
}

/// Holds messages against a fixture: they are written as it has them, and read from it as they are.
#[track_caller]
fn hold_messages<M>(fixture: &str, messages: &[(String, Tried<M>)])
where
    M: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let kept = json(fixture);
    for (name, message) in messages {
        let Some(kept) = kept.get(name) else { continue };
        match serde_json::from_value::<Tried<M>>(kept.clone()) {
            Ok(read) => assert_eq!(
                &read, message,
                "tests/formats/{fixture}: `{name}` is read as something else"
            ),
            Err(error) => panic!("tests/formats/{fixture}: `{name}` cannot be read any more: {error}\n{kept:#}"),
        }
    }
    let written: Vec<(String, Value)> = messages
        .iter()
        .map(|(name, message)| (name.clone(), serde_json::to_value(message).unwrap()))
        .collect();
    hold(fixture, &written);
}

#[test]
fn every_message_is_written_and_read_as_its_fixture_says() {
    hold_messages("messages.json", &messages());
}

#[test]
fn every_notice_is_written_and_read_as_its_fixture_says() {
    hold_messages("notices.json", &notices());
}

#[test]
fn every_kind_of_message_has_a_fixture() {
    all_seen("Work", kinds::WORKS, works().iter().map(kinds::work));
    let events = events();
    all_seen("Event", kinds::EVENTS, events.iter().map(kinds::event));
    let sightings = events.iter().filter_map(|event| match event {
        Event::Watched { sighting, .. } => Some(kinds::sighting(sighting)),
        _ => None,
    });
    all_seen("Sighting", kinds::SIGHTINGS, sightings);
    let reasons = events.iter().filter_map(|event| match event {
        Event::NotPlaced { why, .. } => Some(kinds::not_placed(why)),
        _ => None,
    });
    all_seen("NotPlaced", kinds::NOT_PLACED, reasons);
    let endings = events.iter().filter_map(|event| match event {
        Event::CallEnded { ending, .. } => Some(kinds::ending(ending)),
        _ => None,
    });
    all_seen("Ending", kinds::ENDINGS, endings);
}
