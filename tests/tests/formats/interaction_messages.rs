//! Messages about interactions, with every field and word that they may have.

use patchbay::ids::Nonce;
use patchbay::interaction::{AttemptOutcome, Channel, Incoming, Message, Progress, Reply, Report, Work};
use patchbay::outbox::QueuedMessage;
use patchbay::phone::PhoneNumber;

use crate::fixtures::assert_all_seen;
use crate::interactions::{AT, CURRENT, LATER, PROGRESSES, PROVIDER_ID, key, outcomes, some, text};
use crate::kinds;
use crate::messages::assert_messages;

/// Reports with each word that they may have.
fn reports() -> Vec<(String, Report)> {
    let mut reports = vec![(text("nothing"), Report::default())];
    for progress in PROGRESSES {
        let report = Report {
            progress: Some(progress),
            ..Report::default()
        };
        reports.push((format!("progress {}", kinds::progress(&progress)), report));
    }
    for outcome in outcomes() {
        let name = format!("outcome {}", kinds::outcome(&outcome));
        let report = Report {
            outcome: Some(outcome),
            ..Report::default()
        };
        reports.push((name, report));
    }
    let everything = Report {
        provider_id: some(PROVIDER_ID),
        progress: Some(Progress::Answered),
        outcome: Some(AttemptOutcome::TalkedTo),
        talk_seconds: Some(42),
        recording: some("RE00000000000000000000000000000001"),
        transcript: some("Hello."),
    };
    reports.push((text("everything"), everything));
    reports
}

/// A reply over each channel, and one with every field.
fn replies() -> Vec<(String, Reply)> {
    let reply = |channel| Reply {
        id: text(PROVIDER_ID),
        channel,
        attempt: None,
        text: text("Where is my parcel?"),
        at: AT,
        is_opt_out: false,
    };
    let over = |channel| (format!("over {}", kinds::channel(&channel)), reply(channel));
    let everything = Reply {
        attempt: Some(CURRENT),
        text: text("STOP"),
        is_opt_out: true,
        ..reply(Channel::Sms)
    };
    Channel::ALL
        .into_iter()
        .map(over)
        .chain([(text("everything"), everything)])
        .collect()
}

/// A message of which nothing more is known, and one with every field.
fn incoming() -> Vec<(String, Incoming)> {
    let (_, reply) = replies().remove(0);
    let phone = |text| PhoneNumber::from_e164(text).unwrap();
    let little = Incoming {
        reply,
        from: phone("+12025550143"),
        to: None,
        replied_to: None,
        is_opt_in: false,
    };
    let everything = Incoming {
        to: Some(phone("+12025550100")),
        replied_to: Some(text(PROVIDER_ID)),
        is_opt_in: true,
        ..little.clone()
    };
    vec![(text("little"), little), (text("everything"), everything)]
}

fn works() -> Vec<(String, Work)> {
    let attempt = CURRENT;
    let others = [
        Work::Send { attempt },
        Work::Watch { attempt },
        Work::Poll { attempt, polls: 3 },
        Work::OutcomeDue { attempt },
        Work::AnswerDue { attempt },
        Work::Close { closing: Nonce::new(9) },
        Work::HangUp {
            leg: 3,
            provider_id: text("CA00000000000000000000000000000001"),
        },
        Work::Notify {
            entry: text("0000000012-001"),
        },
        Work::Remember,
    ];
    let others = others
        .into_iter()
        .map(|work| (kinds::interaction_work(&work).to_owned(), work));
    let reports = reports().into_iter().map(|(name, report)| {
        let report = Box::new(report);
        (format!("report: {name}"), Work::Report { attempt, report })
    });
    let replies = replies().into_iter().map(|(name, reply)| {
        let reply = Box::new(reply);
        (format!("receive: {name}"), Work::Receive { reply })
    });
    let incoming = incoming().into_iter().map(|(name, message)| {
        let message = Box::new(message);
        (format!("incoming: {name}"), Work::Incoming { message })
    });
    others.chain(reports).chain(replies).chain(incoming).collect()
}

#[test]
fn every_message_about_an_interaction_is_written_and_read_as_in_its_fixture() {
    let queued = |(name, work), retries| {
        let message = Message {
            subject: key(),
            version: 12,
            sent_at: AT,
            due_at: LATER,
            work,
        };
        (name, QueuedMessage { message, retries })
    };
    let failed = (text("send, failed three times"), Work::Send { attempt: CURRENT });
    let messages = works().into_iter().map(|work| queued(work, 0));
    let messages: Vec<(String, QueuedMessage<Message>)> = messages.chain([queued(failed, 3)]).collect();
    assert_messages("interaction-messages.json", &messages);
}

#[test]
fn every_kind_of_message_about_an_interaction_has_a_fixture() {
    let works = works();
    let names = works.iter().map(|(_, work)| kinds::interaction_work(work));
    assert_all_seen("Work", kinds::INTERACTION_WORKS, names);
    let (reports, replies) = (reports(), replies());
    let outcomes = reports.iter().filter_map(|(_, report)| report.outcome.as_ref());
    assert_all_seen("AttemptOutcome", kinds::OUTCOMES, outcomes.map(kinds::outcome));
    let progresses = reports.iter().filter_map(|(_, report)| report.progress.as_ref());
    assert_all_seen("Progress", kinds::PROGRESSES, progresses.map(kinds::progress));
    let channels = replies.iter().map(|(_, reply)| kinds::channel(&reply.channel));
    assert_all_seen("Channel", kinds::CHANNELS, channels);
}
