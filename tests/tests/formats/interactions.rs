//! Interactions and their entries, with every field that they may have.

use std::collections::BTreeMap;

use patchbay::clock::Timestamp;
use patchbay::ids::{InteractionId, InteractionKey, Nonce};
use patchbay::interaction::{
    Agent, Attempt, AttemptOutcome, CallDetails, Channel, Closing, Content, Customer, EndReason, Entry, Fact,
    Interaction, KeyAction, KeyOption, Leg, Parties, PastAttempt, Phase, Plan, Progress, Sender, State, ThreadMessage,
    Transcript,
};
use patchbay::outreach::agent::Over;
use patchbay::webhook::{Strategy, Webhook};
use serde::Serialize;
use serde_json::{Value, json};

use crate::fixtures::{assert_all_seen, assert_fixture};
use crate::kinds;

pub(crate) const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(crate) const LATER: Timestamp = Timestamp::from_millis(1_800_000_030_250);
const LAST: Timestamp = Timestamp::from_millis(1_800_086_400_000);
/// The attempt in progress.
pub(crate) const CURRENT: Nonce = Nonce::new(7);
/// Id that a provider gave.
pub(crate) const PROVIDER_ID: &str = "SM00000000000000000000000000000001";

const SENDERS: [Sender; 2] = [Sender::Agent, Sender::Customer];
const KEY_ACTIONS: [KeyAction; 3] = [KeyAction::Answer, KeyAction::Repeat, KeyAction::OptOut];
pub(crate) const PROGRESSES: [Progress; 5] = [
    Progress::Accepted,
    Progress::Underway,
    Progress::Delivered,
    Progress::Read,
    Progress::Answered,
];
/// Every phase, with the state of the interaction in it.
const PHASES: [(State, Phase); 6] = [
    (State::Scheduled, Phase::Planned { due_at: LATER }),
    (State::Sending, Phase::Begun { at: AT }),
    (State::Sent, Phase::Sent { at: AT }),
    (State::Unknown, Phase::Unclear { at: AT }),
    (State::Sent, Phase::Delivered { answer_by: LATER }),
    (State::Sent, Phase::Over { at: AT }),
];

pub(crate) fn key() -> InteractionKey {
    InteractionKey {
        tenant: "main".parse().unwrap(),
        id: InteractionId::new(0x2a),
    }
}

pub(crate) fn text(text: &str) -> String {
    text.to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "for optional fields")]
pub(crate) fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn states() -> Vec<State> {
    let others = [
        State::Scheduled,
        State::Sending,
        State::Sent,
        State::Open,
        State::Unknown,
    ];
    others.into_iter().chain(EndReason::ALL.map(State::ended)).collect()
}

pub(crate) fn outcomes() -> Vec<AttemptOutcome> {
    let detail = || text("status 30003");
    vec![
        AttemptOutcome::Delivered,
        AttemptOutcome::Answered,
        AttemptOutcome::TalkedTo,
        AttemptOutcome::NoKey,
        AttemptOutcome::NoAnswer,
        AttemptOutcome::Busy,
        AttemptOutcome::Voicemail,
        AttemptOutcome::Failed { detail: detail() },
        AttemptOutcome::NotAccepted { detail: detail() },
        AttemptOutcome::Refused { detail: detail() },
        AttemptOutcome::OptedOut,
        AttemptOutcome::Expired,
        AttemptOutcome::OutsideHours { detail: detail() },
        AttemptOutcome::Canceled,
        AttemptOutcome::Superseded,
        AttemptOutcome::NoReport,
        AttemptOutcome::Unclear,
    ]
}

fn contents() -> Vec<(Channel, Over, Content)> {
    let read = || text("Hello Sam, it is about order 4711.");
    let key_option = |(key, action): (char, KeyAction)| KeyOption {
        key,
        offer: format!("Press {key}."),
        reply: (action == KeyAction::Answer).then(|| text("Thank you.")),
        action,
    };
    vec![
        (Channel::Sms, Over::Routee, Content::Text { text: read() }),
        (
            Channel::Whatsapp,
            Over::Twilio,
            Content::Template {
                template: text("HX00000000000000000000000000000000"),
                variables: BTreeMap::from([(text("1"), text("Sam"))]),
                text: read(),
            },
        ),
        (
            Channel::Email,
            Over::Ses,
            Content::Email {
                subject: text("Your order 4711"),
                text: read(),
            },
        ),
        (
            Channel::Call,
            Over::Twilio,
            Content::Announcement {
                text: read(),
                keys: ['1', '2', '9'].into_iter().zip(KEY_ACTIONS).map(key_option).collect(),
                language: text("en-US"),
            },
        ),
        (
            Channel::Webchat,
            Over::Elemente,
            Content::Conversation {
                initial_message: read(),
                prompt: text("Tell Sam when the order arrives."),
                request: Some(Box::new(json!({ "channel": "webchat", "agentId": "1" }))),
            },
        ),
        (
            Channel::Webchat,
            Over::Sangoma,
            Content::ChatLink {
                by: Channel::Email,
                over: text("ses"),
                sender: text("leo@example.org"),
                subject: text("Your order 4711"),
                text: text("Chat with us: {{link}}"),
                initial_message: read(),
            },
        ),
    ]
}

/// Sender and receiver over a back end.
const fn addresses(channel: Channel, over: Over) -> (&'static str, &'static str) {
    match (channel, over) {
        (Channel::Email, _) => ("leo@example.org", "sam@example.org"),
        (_, Over::Sangoma) => ("orders", "sam@example.org"),
        (_, Over::Elemente) => (
            "6b1f0000-0000-4000-8000-000000000004 6b1f0000-0000-4000-8000-000000000005",
            "+12025550143",
        ),
        _ => ("+12025550100", "+12025550143"),
    }
}

/// A leg of each content: every second one with every field.
fn legs() -> Vec<Leg> {
    let leg = |(number, (channel, over, content)): (usize, (Channel, Over, Content))| {
        let is_full = number % 2 == 1;
        let (from, to) = addresses(channel, over);
        Leg {
            channel,
            back_end: over.name().to_owned(),
            from: text(from),
            to: text(to),
            content,
            attempts: 2,
            retry_seconds: 900,
            outcome_seconds: 3_600,
            answer_seconds: is_full.then_some(3_600),
            is_polled: is_full,
        }
    };
    contents().into_iter().enumerate().map(leg).collect()
}

fn plan(legs: Vec<Leg>) -> Plan {
    Plan {
        legs,
        not_before: AT,
        latest_at: LAST,
        remember: true,
        time_zone: Some(text("Europe/Berlin")),
        hours_bypass: Some(text("agreed on the phone")),
    }
}

fn parties() -> Parties {
    Parties {
        agent: Agent {
            id: text("6b1f0000-0000-4000-8000-000000000001"),
            name: text("Leo"),
            phone: text("+12025550100"),
            email: text("leo@example.org"),
        },
        skill: text("6b1f0000-0000-4000-8000-000000000002"),
        customer: Customer {
            id: text("00000000-0000-8000-8000-000000000029"),
            name: text("Sam Roe"),
            phone: text("+12025550143"),
            email: text("sam@example.org"),
            language: text("en-US"),
        },
    }
}

fn call_details() -> CallDetails {
    CallDetails {
        seconds: 42,
        recording: some("RE00000000000000000000000000000001"),
    }
}

fn attempt(phase: Phase, progress: Option<Progress>) -> Attempt {
    Attempt {
        id: CURRENT,
        leg: 0,
        phase,
        tries: 2,
        earlier: vec![Nonce::new(5), Nonce::new(6)],
        sent_before: Some(Nonce::new(1)),
        provider_id: some(PROVIDER_ID),
        progress,
        polls: 3,
        is_answered: true,
        call: call_details(),
    }
}

/// An attempt with each outcome: the first with every field.
fn past() -> Vec<PastAttempt> {
    let past = |(number, outcome)| {
        let is_first = number == 1;
        PastAttempt {
            id: Nonce::new(number),
            leg: 1,
            provider_id: is_first.then(|| text(PROVIDER_ID)),
            outcome,
            at: AT,
            call: if is_first {
                call_details()
            } else {
                CallDetails::default()
            },
            earlier: if is_first { vec![Nonce::new(4)] } else { Vec::new() },
        }
    };
    (1..).zip(outcomes()).map(past).collect()
}

/// A message of each sender, and one of ours for each progress.
fn thread() -> Vec<ThreadMessage> {
    let message = |by, progress: Option<Progress>| ThreadMessage {
        id: text(PROVIDER_ID),
        at: AT,
        channel: Channel::Sms,
        by,
        text: text("Hello."),
        attempt: progress.map(|_| CURRENT),
        progress,
    };
    let ours = PROGRESSES.map(|progress| message(Sender::Agent, Some(progress)));
    let others = SENDERS.map(|by| message(by, None));
    ours.into_iter().chain(others).collect()
}

fn full(state: State, attempt: Option<Attempt>) -> Interaction {
    Interaction {
        key: key(),
        version: 3,
        created_at: AT,
        updated_at: LATER,
        fingerprint: text("9f8a"),
        parties: parties(),
        plan: plan(legs()),
        state,
        state_since: LATER,
        attempt,
        past: past(),
        is_reached: true,
        closes: Some(Closing {
            id: Nonce::new(9),
            at: LAST,
        }),
        thread: thread(),
        seen: vec![text(PROVIDER_ID)],
        note: text("Call again in spring."),
        transcript: Some(Transcript {
            attempt: 0,
            text: text("Hello."),
        }),
        webhook: Some(Webhook {
            url: text("https://hooks.example.org/"),
            strategy: Strategy::OnStatus,
        }),
    }
}

/// As it is when nothing optional is known.
fn few(state: State, attempt: Option<Attempt>) -> Interaction {
    let parties = Parties {
        agent: Agent {
            phone: String::new(),
            email: String::new(),
            ..parties().agent
        },
        customer: Customer {
            id: parties().customer.id,
            ..Customer::default()
        },
        ..parties()
    };
    Interaction {
        fingerprint: String::new(),
        parties,
        plan: plan(legs().into_iter().take(1).collect()),
        past: Vec::new(),
        is_reached: false,
        closes: None,
        thread: Vec::new(),
        seen: Vec::new(),
        note: String::new(),
        transcript: None,
        webhook: None,
        ..full(state, attempt)
    }
}

/// An interaction in every state, in every phase of an attempt and with each progress: with every field and with few.
pub(crate) fn interactions() -> Vec<Interaction> {
    let progresses = PROGRESSES.into_iter().map(Some).chain([None]);
    let in_progress = PHASES.into_iter().zip(progresses);
    let in_progress = in_progress.map(|((state, phase), progress)| full(state, Some(attempt(phase, progress))));
    let planned = PHASES.map(|(state, phase)| {
        few(
            state,
            Some(Attempt {
                phase,
                ..Attempt::planned(CURRENT, 0, AT)
            }),
        )
    });
    let without_attempt = states()
        .into_iter()
        .filter(|state| state.is_terminal() || *state == State::Open);
    let without_attempt = without_attempt.flat_map(|state| {
        let closes = (state == State::Open).then(|| Closing {
            id: Nonce::new(9),
            at: LAST,
        });
        let with_closing = |interaction| Interaction { closes, ..interaction };
        [full(state, None), few(state, None)].map(with_closing)
    });
    in_progress.chain(planned).chain(without_attempt).collect()
}

fn created(attempt: Option<Nonce>) -> Fact {
    let names = |name: &str| attempt.iter().map(|_| text(name)).collect();
    Fact::Created {
        channels: Channel::ALL.to_vec(),
        attempt,
        due_at: LATER,
        blank_variables: names("Order No"),
        unused_fields: names("agentOverride.phone"),
        hours_bypass: attempt.map(|_| text("agreed on the phone")),
    }
}

/// Every fact, in each of its forms.
pub(crate) fn facts() -> Vec<Fact> {
    let attempt = CURRENT;
    let received = |flag| Fact::Received {
        message: text(PROVIDER_ID),
        channel: Channel::Sms,
        text: text("Where is my parcel?"),
        is_cut: flag,
        is_opt_out: flag,
    };
    let sent = |provider_id| Fact::Sent { attempt, provider_id };
    let ended = |outcome| Fact::AttemptEnded {
        attempt,
        channel: Channel::Sms,
        outcome,
    };
    let mut facts = vec![
        created(Some(attempt)),
        created(None),
        Fact::Planned {
            attempt,
            channel: Channel::Email,
            due_at: LATER,
        },
        Fact::Postponed {
            attempt,
            due_at: LATER,
            reason: text("outside the permitted hours"),
        },
        Fact::Sending {
            attempt,
            channel: Channel::Sms,
            back_end: text("twilio"),
        },
        Fact::NotSent {
            attempt,
            next: Nonce::new(8),
            due_at: LATER,
            reason: text("status 429"),
        },
        Fact::Unclear {
            attempt,
            reason: text("no answer"),
        },
        sent(some(PROVIDER_ID)),
        sent(None),
        Fact::SentAfterAll { attempt },
        Fact::Recorded {
            attempt,
            recording: text("RE00000000000000000000000000000001"),
        },
        Fact::HungUp {
            provider_id: text(PROVIDER_ID),
        },
        Fact::HangUpFailed {
            provider_id: text(PROVIDER_ID),
            reason: text("no answer"),
        },
        Fact::Transcribed { attempt },
        Fact::SettledLate {
            attempt,
            channel: None,
            outcome: AttemptOutcome::Delivered,
        },
        received(true),
        received(false),
        Fact::NoteChanged {
            note: text("Call again in spring."),
        },
        Fact::AgentChanged {
            agent: text("6b1f0000-0000-4000-8000-000000000003"),
        },
    ];
    facts.push(Fact::SettledLate {
        attempt,
        channel: Some(Channel::Sms),
        outcome: AttemptOutcome::Delivered,
    });
    facts.extend(PROGRESSES.map(|progress| Fact::Progressed {
        attempt,
        channel: None,
        progress,
    }));
    facts.push(Fact::Progressed {
        attempt,
        channel: Some(Channel::Sms),
        progress: Progress::Delivered,
    });
    facts.extend(outcomes().into_iter().map(ended));
    let states = states();
    let changes = states.iter().zip(states.iter().skip(1));
    facts.extend(changes.map(|(from, to)| Fact::StateChanged { from: *from, to: *to }));
    facts
}

/// An entry of each fact.
pub(crate) fn entries() -> Vec<Entry> {
    let entry = |(number, fact)| Entry {
        id: format!("{:010}-{number:03}", 3),
        at: AT,
        fact,
    };
    (0..).zip(facts()).map(entry).collect()
}

#[test]
fn every_variant_of_an_interaction_is_in_a_fixture() {
    let (interactions, facts) = (interactions(), facts());
    let all = || interactions.iter();
    let states = all().map(|interaction| kinds::interaction_state(&interaction.state));
    assert_all_seen("State", kinds::INTERACTION_STATES, states);
    let reasons: Vec<EndReason> = all().filter_map(|interaction| interaction.state.end_reason()).collect();
    assert_all_seen("EndReason", kinds::END_REASONS, reasons.iter().map(kinds::end_reason));
    let attempts = || all().filter_map(|interaction| interaction.attempt.as_ref());
    let phases = attempts().map(|attempt| kinds::phase(&attempt.phase));
    assert_all_seen("Phase", kinds::PHASES, phases);
    let progresses = attempts().filter_map(|attempt| attempt.progress.as_ref());
    assert_all_seen("Progress", kinds::PROGRESSES, progresses.map(kinds::progress));
    let past = all().flat_map(|interaction| &interaction.past);
    let outcomes = past.map(|past| kinds::outcome(&past.outcome));
    assert_all_seen("AttemptOutcome", kinds::OUTCOMES, outcomes);
    let senders = all().flat_map(|interaction| &interaction.thread);
    let senders = senders.map(|message| kinds::sender(&message.by));
    assert_all_seen("Sender", kinds::SENDERS, senders);
    let legs = || all().flat_map(|interaction| &interaction.plan.legs);
    assert_all_seen(
        "Channel",
        kinds::CHANNELS,
        legs().map(|leg| kinds::channel(&leg.channel)),
    );
    assert_all_seen(
        "Content",
        kinds::CONTENTS,
        legs().map(|leg| kinds::content(&leg.content)),
    );
    let keys = legs().filter_map(|leg| match &leg.content {
        Content::Announcement { keys, .. } => Some(keys),
        _ => None,
    });
    let actions = keys.flatten().map(|option| kinds::key_action(&option.action));
    assert_all_seen("KeyAction", kinds::KEY_ACTIONS, actions);
    let facts = facts.iter().map(kinds::interaction_fact);
    assert_all_seen("Fact", kinds::INTERACTION_FACTS, facts);
}

/// The tags of values, each once if they are in order.
fn tags<T: Serialize>(values: &[T], tag: &str) -> Value {
    let mut tags: Vec<Value> = values.iter().map(|value| json!(value)[tag].clone()).collect();
    tags.dedup();
    tags.into()
}

/// The words of an interaction and its timeline, exactly as they are stored and shown.
#[test]
fn every_word_of_an_interaction_is_written_as_in_its_fixture() {
    assert_all_seen("Over", kinds::BACK_ENDS, Over::ALL.iter().map(kinds::back_end));
    let phases = PHASES.map(|(_, phase)| phase);
    let contents: Vec<Content> = contents().into_iter().map(|(_, _, content)| content).collect();
    let written = [
        ("state", tags(&states(), "is")),
        ("why it is over", json!(EndReason::ALL)),
        ("channel", json!(Channel::ALL)),
        ("back end", json!(Over::ALL.map(Over::name))),
        ("content", tags(&contents, "is")),
        ("what a key does", json!(KEY_ACTIONS)),
        ("phase of an attempt", tags(&phases, "is")),
        ("how far it got", json!(PROGRESSES)),
        ("how an attempt ended", tags(&outcomes(), "is")),
        ("who wrote a message", json!(SENDERS)),
        ("what happened", tags(&facts(), "fact")),
    ];
    assert_fixture(
        "interaction-words.json",
        &written.map(|(name, words)| (name.to_owned(), words)),
    );
}
