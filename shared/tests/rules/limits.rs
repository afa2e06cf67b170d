//! Size limits: every decision fits into one DynamoDB transaction, one item and one SQS message.

use patchbay::dispatch::employee::{Duty, MAX_EMPLOYEES};
use patchbay::dispatch::{Employee, Ending, Event, NewDispatch, Policy};
use patchbay::webhook::{Strategy, Webhook};

use crate::story::{Story, person, spec, start};

/// DynamoDB's limit of 100 items in a transaction, less the dispatch itself, a released lease and a status.
const MOST_ENTRIES: usize = 97;

/// The maximum number of employees. Those with an index in `on_duty` are on duty for the first minute, the others two
/// hours later.
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
    Story::for_dispatch(NewDispatch {
        webhook,
        ..spec(crowd(on_duty), policy)
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
fn skipping_everybody_fits_into_one_transaction() {
    let story = crowded(0..0, Policy::default());
    assert_eq!(
        story.last.entries.len(),
        1 + MAX_EMPLOYEES + 1,
        "created, skips, a wait"
    );
    assert_fits(&story);
}

#[test]
fn skipping_everybody_twice_fits_into_one_transaction() {
    // The only employee on duty cannot be retried in time, and the next round, without a pause, begins with skips.
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
            story.advance(10);
            story.ends(call, ending);
            assert_fits(&story);
        }
    }
}

#[test]
fn every_transaction_fits_while_everybody_is_busy() {
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
fn reopening_fits_into_one_transaction() {
    let policy = Policy {
        resolve_within: Some(60),
        ..Policy::default()
    };
    let mut story = crowded(0..1, policy);
    let (attempt, _) = story.answers("P0", "1");
    story.advance(60);
    story.apply(&Event::Overdue { attempt });
    assert_fits(&story);
}

#[test]
fn largest_dispatch_stays_far_below_the_limits_of_dynamodb_and_sqs() {
    let everybody = (0..MAX_EMPLOYEES)
        .map(|index| person(index, &format!("P{index}")))
        .collect();
    let mut story = Story::with_employees(everybody, Policy::default());
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
    // The entries of a commit, together with the dispatch itself, fit into the sequence numbers of one version.
    let longest = story
        .entries
        .iter()
        .filter_map(|entry| entry.sequence)
        .map(|sequence| sequence % 100);
    assert!(longest.max().expect("entries") < 99);
}

#[test]
fn list_longer_than_the_index_range_does_not_overflow() {
    let policy = Policy {
        attempts: 1,
        ..Policy::default()
    };
    let employees = (0..300)
        .map(|index| person(index % 100, &format!("P{index}")))
        .collect();
    let mut story = Story::with_employees(employees, policy);
    for index in 0..255 {
        story.rings_out(&format!("P{index}"));
    }
    assert_eq!(
        story.status(),
        "Waiting",
        "an employee without an index is never phoned"
    );
}
