//! What a decision may weigh, and what must hold of every one.

use patchbay::dispatch::employee::{Duty, MAX_EMPLOYEES};
use patchbay::dispatch::state::{Strategy, Webhook};
use patchbay::dispatch::{Employee, Ending, Event, NewDispatch, Policy};

use crate::story::{Story, brief, person, start};

/// DynamoDB's limit of items in a transaction, less the dispatch itself, the end of a lease and a status.
const MOST_ENTRIES: usize = 97;

/// As many people as are allowed; those `on_duty` are so for the first minute, the others come two hours later.
fn crowd(on_duty: std::ops::Range<usize>) -> Vec<Employee> {
    (0..MAX_EMPLOYEES)
        .map(|index| {
            let (from, until) = if on_duty.contains(&index) {
                (0, 60)
            } else {
                (7_200, 9_000)
            };
            Employee {
                on_duty: vec![Duty {
                    from: start().plus_seconds(from),
                    until: start().plus_seconds(until),
                }],
                ..person(index, &format!("P{index}"))
            }
        })
        .collect()
}

fn crowded(on_duty: std::ops::Range<usize>, policy: Policy) -> Story {
    let webhook = Some(Webhook {
        url: "https://example.com/hook".into(),
        strategy: Strategy::OnChange,
    });
    Story::about(NewDispatch {
        webhook,
        ..brief(crowd(on_duty), policy)
    })
}

fn assert_fits(story: &Story) {
    let entries = story.last.entries.len();
    assert!(entries <= MOST_ENTRIES, "{entries} entries in one transaction");
    let mut ids: Vec<_> = story.last.entries.iter().map(|entry| &entry.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), entries, "ids are unique and sorted");
    assert!(ids.is_sorted());
}

#[test]
fn passing_over_everybody_fits_into_one_transaction() {
    let story = crowded(0..0, Policy::default());
    assert_eq!(
        story.last.entries.len(),
        1 + MAX_EMPLOYEES + 1,
        "created, skips, a wait"
    );
    assert_fits(&story);
}

#[test]
fn passing_over_everybody_twice_fits_into_one_transaction() {
    // The only one on duty cannot be retried in time, and the round that follows without a pause begins with skips.
    for only in [0, 20, MAX_EMPLOYEES - 1] {
        for ending in [Ending::NoAnswer, Ending::OutOfMoney] {
            let policy = Policy {
                round_pause: 0,
                retry_delay: 300,
                ..Policy::default()
            };
            let mut story = crowded(only..only + 1, policy);
            assert_fits(&story);
            let call = story.rings(&format!("P{only}"));
            story.later(10);
            story.ends(call, ending);
            assert_fits(&story);
        }
    }
}

#[test]
fn everybody_being_busy_fits_into_every_transaction() {
    let mut story = crowded(0..MAX_EMPLOYEES, Policy::default());
    while story.dispatch.attempt().is_some() {
        let (name, _) = story.turn();
        let name = name.to_owned();
        story.is_busy(&name, 600);
        assert_fits(&story);
    }
    assert_eq!(story.dispatch.progress.busy.len(), MAX_EMPLOYEES);
}

#[test]
fn a_re_opening_fits_into_one_transaction() {
    let policy = Policy {
        resolve_within: Some(60),
        ..Policy::default()
    };
    let mut story = crowded(0..1, policy);
    let (attempt, _) = story.answers("P0", "1");
    story.later(60);
    story.when(&Event::Overdue { attempt });
    assert_fits(&story);
}

#[test]
fn a_crowded_dispatch_stays_far_below_what_dynamodb_and_sqs_take() {
    let everybody = (0..MAX_EMPLOYEES)
        .map(|index| person(index, &format!("P{index}")))
        .collect();
    let mut story = Story::with(everybody, Policy::default());
    for _ in 0..MAX_EMPLOYEES {
        let (name, _) = story.turn();
        let name = name.to_owned();
        story.answers(&name, "2");
    }
    let json = serde_json::to_string(&story.dispatch).expect("JSON");
    assert!(json.len() < 100_000, "{} of 409,600 bytes", json.len());
    assert_eq!(
        serde_json::from_str::<patchbay::dispatch::Dispatch>(&json).expect("a dispatch"),
        story.dispatch
    );
    for message in &story.messages {
        assert!(serde_json::to_string(message).expect("JSON").len() < 1_024);
    }
    // A commit has room for as many entries, one of them the dispatch itself, and the places of one version are enough.
    let longest = story
        .entries
        .iter()
        .filter_map(|entry| entry.sequence)
        .map(|sequence| sequence % 100);
    assert!(longest.max().expect("entries") < 99);
}

#[test]
fn a_list_longer_than_an_index_can_count_overflows_nothing() {
    let policy = Policy {
        attempts: 1,
        ..Policy::default()
    };
    let employees = (0..300)
        .map(|index| person(index % 100, &format!("P{index}")))
        .collect();
    let mut story = Story::with(employees, policy);
    for index in 0..255 {
        story.rings_out(&format!("P{index}"));
    }
    assert_eq!(story.status(), "Waiting", "who has no index is never phoned");
}
