//! What the requester's webhook receives.

use patchbay_domain::interaction::{AttemptOutcome, EndReason, Event, Fact, Progress, Report, Request, State};
use patchbay_domain::webhook::{Strategy, SubjectKey, Webhook};

use crate::story::{ANSWER_SECONDS, Story, email, new, progress, sms, unclear};

fn webhook(strategy: Strategy) -> Webhook {
    Webhook {
        url: "https://hooks.example.org/".to_owned(),
        strategy,
    }
}

/// The types of the events of a story that a webhook with this strategy receives.
fn events(story: &Story, strategy: Strategy) -> Vec<&'static str> {
    let mut interaction = story.interaction.clone();
    interaction.webhook = Some(webhook(strategy));
    let events = story.entries.iter().filter_map(|entry| interaction.event(entry));
    events
        .map(|event| event.event_type.strip_prefix("interaction.").expect("a prefix"))
        .collect()
}

fn arrived() -> Report {
    Report {
        outcome: Some(AttemptOutcome::Delivered),
        ..progress(Progress::Delivered)
    }
}

/// An SMS that arrives and is answered so late that an e-mail is already planned; then a person ends it.
fn a_late_answer() -> Story {
    let mut story = Story::sent([sms(), email()]);
    let attempt = story.attempt();
    story.reports(arrived());
    story.pass(ANSWER_SECONDS);
    story.applies(&Event::AnswerDue { attempt });
    story.replies("SM2", "Yes");
    story.requests(Request::End(EndReason::Resolved));
    story
}

#[test]
fn each_strategy_receives_its_events() {
    let story = a_late_answer();
    let all = [
        "sending",
        "sent",
        "progressed",
        "attempt_ended",
        "received",
        "attempt_settled",
        "attempt_ended",
        "opened",
        "ended",
    ];
    assert_eq!(events(&story, Strategy::OnStatus), all);
    let changes: Vec<_> = all.into_iter().filter(|name| *name != "progressed").collect();
    assert_eq!(events(&story, Strategy::OnChange), changes);
    assert_eq!(events(&story, Strategy::OnCompletion), ["ended"]);
}

#[test]
fn every_webhook_receives_that_it_is_unclear_whether_something_was_sent() {
    let mut story = Story::of([sms()]);
    story.begin();
    story.ends(unclear());
    assert_eq!(story.state(), State::Unknown);
    assert_eq!(events(&story, Strategy::OnCompletion), ["unknown"]);
    assert_eq!(events(&story, Strategy::OnChange), ["sending", "unknown"]);
}

#[test]
fn sequence_numbers_rise_with_every_entry() {
    let story = a_late_answer();
    let sequences: Vec<_> = story
        .entries
        .iter()
        .map(|entry| entry.sequence().expect("a number"))
        .collect();
    assert!(
        sequences.len() > 10 && sequences.is_sorted_by(|a, b| a < b),
        "{sequences:?}"
    );
}

#[test]
fn notices_name_the_entries_of_the_commit_that_the_webhook_receives() {
    let mut new = new(vec![sms()]);
    new.webhook = Some(webhook(Strategy::OnChange));
    let mut story = Story::created(new);
    assert_eq!(
        story.interaction.notices(&story.entries, story.now),
        [],
        "nothing changed yet"
    );
    let before = story.entries.len();
    story.begin();
    let commit = story.entries.split_off(before);
    let notices = story.interaction.notices(&commit, story.now);
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    let named = commit.iter().find(|entry| entry.id == notice.entry).expect("an entry");
    assert!(matches!(named.fact, Fact::StateChanged { .. }), "{named:?}");
    assert_eq!(notice.subject, SubjectKey::Interaction(story.interaction.key.clone()));
    assert_eq!((notice.first_at, notice.due_at), (story.now, story.now));
    story.interaction.webhook = None;
    assert_eq!(story.interaction.notices(&commit, story.now), []);
}

#[test]
fn a_status_is_superseded_by_a_further_one_and_by_the_end_of_its_attempt() {
    let mut story = Story::sent([sms(), email()]);
    let attempt = story.attempt();
    let superseded = |story: &Story| -> Vec<bool> {
        let statuses = story
            .entries
            .iter()
            .filter(|entry| matches!(entry.fact, Fact::Progressed { .. }));
        statuses.map(|entry| story.interaction.has_superseded(entry)).collect()
    };
    story.reports(arrived());
    assert_eq!(superseded(&story), [false]);
    story.reports(progress(Progress::Read));
    assert_eq!(superseded(&story), [true, false]);
    story.pass(ANSWER_SECONDS);
    story.applies(&Event::AnswerDue { attempt });
    assert_eq!(superseded(&story), [true, true]);
    let others = story
        .entries
        .iter()
        .filter(|entry| !matches!(entry.fact, Fact::Progressed { .. }));
    assert!(others.clone().count() > 3);
    assert!(others.into_iter().all(|entry| !story.interaction.has_superseded(entry)));
}
