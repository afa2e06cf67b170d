//! An item of bounded size, whatever happens.

use patchbay_domain::interaction::limits::{
    MAX_ATTEMPTS, MAX_LEGS, MAX_NOTE_CHARS, MAX_PAST, MAX_PLAN_BYTES, MAX_SEEN, MAX_TEXT_CHARS, MAX_THREAD,
    MAX_TRANSCRIPT_CHARS,
};
use patchbay_domain::interaction::{AttemptOutcome, Channel, Interaction, Leg, Phase, Report, Request};

use crate::story::{Story, accepted, call, new, outcome, sms};

/// Four bytes in UTF-8.
const WIDE: &str = "𝄞";

#[test]
fn an_interaction_stays_below_the_limit_of_an_item() {
    let leg = Leg {
        attempts: MAX_ATTEMPTS,
        ..call()
    };
    let mut large = new(vec![leg; MAX_LEGS]);
    large.parties.customer.name = "A".repeat(MAX_PLAN_BYTES - 5_000);
    large.note = WIDE.repeat(MAX_NOTE_CHARS * 2);
    let mut story = Story::created(large);
    let long = WIDE.repeat(1_000);
    while let Some(attempt) = &story.interaction.attempt {
        if let Phase::Planned { due_at } = attempt.phase {
            story.now = due_at;
        }
        story.begin();
        story.ends(accepted(&long));
        story.reports(Report {
            recording: Some(long.clone()),
            ..Report::default()
        });
        story.reports(outcome(AttemptOutcome::Busy));
    }
    assert_eq!(story.interaction.past.len(), MAX_PAST);
    for number in 0..2 * MAX_SEEN {
        story.replies(&format!("{number}{long}"), &WIDE.repeat(MAX_TEXT_CHARS * 2));
    }
    story.requests(Request::Note(format!("Long: {}", WIDE.repeat(MAX_NOTE_CHARS))));
    let attempt = story.interaction.past.last().expect("an attempt").id;
    let report = Report {
        transcript: Some(WIDE.repeat(MAX_TRANSCRIPT_CHARS * 2)),
        ..Report::default()
    };
    story.applies(&patchbay_domain::interaction::Event::Reported { attempt, report });
    let Interaction { thread, seen, .. } = &story.interaction;
    assert_eq!((thread.len(), seen.len()), (MAX_THREAD, MAX_SEEN));
    let bytes = serde_json::to_vec(&story.interaction).expect("JSON").len();
    assert!((360_000..400_000).contains(&bytes), "{bytes}");
}

#[test]
fn a_leg_has_ten_attempts_at_most() {
    let leg = Leg {
        attempts: u16::MAX,
        retry_seconds: 1,
        ..call()
    };
    let mut story = Story::of([leg]);
    while let Some(attempt) = &story.interaction.attempt {
        if let patchbay_domain::interaction::Phase::Planned { due_at } = attempt.phase {
            story.now = due_at;
        }
        story.send();
        story.reports(outcome(AttemptOutcome::Busy));
    }
    assert_eq!(story.interaction.past.len(), 10);
}

#[test]
fn the_channel_is_that_of_the_first_leg() {
    assert_eq!(Story::of([call(), sms()]).interaction.channel(), Some(Channel::Call));
}
