//! Conversations, their entries and messages, with every field that they may have.

use patchbay::clock::Timestamp;
use patchbay::conversation::{
    Author, CallPlan, ChangeReason, Contact, Conversation, ConversationKey, CustomerMessage, Direction, DropReason,
    Entry, EventKind, Fact, FormProgress, HandOver, HandOverPlan, HandOverReason, Holder, HolderChange, Lease, Message,
    Offer, PlatformEvent, PlatformId, PlatformMessage, PlatformStatus, PostKind, SentMessage, Session, Speaker, Step,
    StepAction, StepState, TranscriptLine, Turn, WaitAction, Work,
};
use patchbay::ids::Nonce;
use patchbay::outbox::QueuedMessage;
use serde_json::{Value, json};

use crate::fixtures::{assert_all_seen, assert_fixture};
use crate::kinds;
use crate::messages::assert_messages;

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const LATER: Timestamp = Timestamp::from_millis(1_800_000_030_250);

pub(crate) fn id(text: &str) -> PlatformId {
    text.parse().unwrap()
}

pub(crate) fn key() -> ConversationKey {
    ConversationKey {
        tenant: "main".parse().unwrap(),
        id: id("1201"),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "for optional fields")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn contact() -> Contact {
    Contact {
        id: Some(id("41")),
        name: some("Sam Roe"),
        email: some("sam@example.org"),
        phone: some("+12025550143"),
        language: some("en-US"),
    }
}

fn dispatch_request() -> Value {
    json!({ "ticket": { "text": "A chat waits." }, "employees": [{ "name": "Anna", "phone": "+12025550101" }] })
}

fn calls() -> [CallPlan; 2] {
    [
        CallPlan::Queue {
            queue: "support_en".to_owned(),
            destination: "+12025550143".to_owned(),
        },
        CallPlan::Dispatch {
            request: Box::new(dispatch_request()),
        },
    ]
}

fn plan(call: CallPlan, then: WaitAction) -> HandOverPlan {
    HandOverPlan {
        message: "A person will take over.".to_owned(),
        summary: some("Wants to know where the parcel is."),
        call: Some(call),
        wait_seconds: Some(300),
        wait_message: some("Nobody is free yet."),
        then,
    }
}

/// Every step, each in a state of its own.
fn steps() -> Vec<Step> {
    let text = |text: &str| text.to_owned();
    let post = |kind| StepAction::Post {
        text: text("Hello."),
        kind,
    };
    let actions = [
        post(PostKind::Reply),
        post(PostKind::HandOver),
        post(PostKind::Wait),
        post(PostKind::Joined),
        post(PostKind::Ended),
        StepAction::Deliver,
        StepAction::Finish,
        StepAction::Remember {
            phone: text("+12025550143"),
            description: text("A parcel"),
            memory: text("Asked for parcel 4711."),
        },
        StepAction::QueueCall {
            queue: text("support_en"),
            destination: text("+12025550143"),
        },
        StepAction::Dispatch {
            request: Box::new(dispatch_request()),
            hand_over: None,
        },
        StepAction::Dispatch {
            request: Box::new(dispatch_request()),
            hand_over: Some(Nonce::new(11)),
        },
        StepAction::Resolve {
            dispatch: id("dsp_00000000000000000000000000000001"),
        },
    ];
    let step = |(number, action)| Step {
        id: Nonce::new(number),
        action,
        state: if number == 1 {
            StepState::Begun(AT)
        } else {
            StepState::Ready
        },
        due_at: LATER,
        echo: (number == 1).then(|| id("9003")),
        tries: if number == 2 { 3 } else { 0 },
    };
    (1..).zip(actions).map(step).collect()
}

fn session() -> Session {
    let map = |value: Value| value.as_object().unwrap().clone();
    Session {
        started_at: Some(AT),
        last_at: Some(LATER),
        variables: map(json!({ "order": "4711" })),
        form: Some(FormProgress {
            form: "order".to_owned(),
            field: some("number"),
            values: map(json!({ "name": "Sam" })),
            invalid: 1,
        }),
        misses: 1,
        errors: 2,
        offers: vec![Offer {
            title: "Track".to_owned(),
            text: "track".to_owned(),
        }],
        is_stopped: true,
        answered_at: vec![AT],
    }
}

/// A conversation in every state: with every field and with few.
pub(crate) fn conversations() -> Vec<Conversation> {
    let [queue, dispatch] = calls();
    let plans = [
        plan(queue.clone(), WaitAction::KeepWaiting),
        plan(dispatch.clone(), WaitAction::GiveBack),
        plan(queue.clone(), WaitAction::Call(queue)),
        plan(dispatch.clone(), WaitAction::Call(dispatch)),
    ];
    let holders = [Holder::Bot, Holder::HandingOff, Holder::Waiting, Holder::Human];
    let full = holders.into_iter().zip(plans).map(|(holder, plan)| Conversation {
        version: 3,
        updated_at: LATER,
        inbox: Some(id("7")),
        contact: contact(),
        holder,
        hand_over: Some(HandOver {
            id: Nonce::new(8),
            reason: HandOverReason::Word,
            at: AT,
            plan,
            dispatches: vec![id("dsp_00000000000000000000000000000001")],
        }),
        pending: vec![CustomerMessage {
            id: id("9001"),
            at: AT,
            text: "Where is my parcel?".to_owned(),
            attachments: 1,
        }],
        turn: Some(Turn {
            id: Nonce::new(5),
            first_at: AT,
            due_at: LATER,
            running: Some(Lease {
                id: Nonce::new(6),
                until: LATER,
                messages: 1,
            }),
        }),
        steps: steps(),
        sent: [Some(id("9002")), None]
            .into_iter()
            .map(|id| SentMessage {
                id,
                at: AT,
                text: "Hello.".to_owned(),
            })
            .collect(),
        seen: vec![id("9000")],
        silence: Some(Nonce::new(9)),
        gives_back_at: Some(LATER),
        finished_at: Some(AT),
        session: session(),
        transcript: [Speaker::Customer, Speaker::Bot, Speaker::Human]
            .map(|by| TranscriptLine {
                at: AT,
                by,
                text: "Hello.".to_owned(),
            })
            .to_vec(),
        ..Conversation::new(key(), AT)
    });
    let mut few = Conversation::new(key(), AT);
    few.version = 1;
    full.chain([few]).collect()
}

/// Every fact, in each of its forms.
pub(crate) fn facts() -> Vec<Fact> {
    let text = |text: &str| text.to_owned();
    let holder_changed = |reason| {
        Fact::HolderChanged(HolderChange {
            from: Holder::Bot,
            to: Holder::HandingOff,
            reason,
            by: some("Jo"),
        })
    };
    let mut facts = vec![
        Fact::CustomerWrote {
            message: id("9001"),
            holder: Holder::Bot,
            text: text("Where is my parcel?"),
            unread: 12,
        },
        Fact::PersonWrote {
            message: id("9004"),
            by: some("Jo"),
            text: text("I will look."),
        },
        Fact::PersonWrote {
            message: id("9004"),
            by: None,
            text: text("I will look."),
        },
        Fact::Answered {
            by: text("topics.parcel"),
            messages: 2,
            error: None,
        },
        Fact::Answered {
            by: text("fallback"),
            messages: 1,
            error: some("a lookup failed"),
        },
        Fact::Done {
            step: text("post"),
            id: some("9002"),
            text: some("Hello."),
        },
        Fact::Done {
            step: text("deliver"),
            id: None,
            text: None,
        },
        Fact::NotDone {
            step: text("post"),
            reason: text("status 404"),
        },
        Fact::Unclear {
            step: text("post"),
            reason: text("no answer"),
            text: some("Hello."),
        },
        Fact::Unclear {
            step: text("queue_call"),
            reason: text("no answer"),
            text: None,
        },
        Fact::WaitedTooLong,
    ];
    let dropped = |reason| Fact::Dropped {
        step: text("post"),
        reason,
    };
    facts.extend(DROP_REASONS.map(|reason| Fact::TurnDropped { reason }));
    facts.extend(DROP_REASONS.map(dropped));
    facts.extend(CHANGE_REASONS.map(holder_changed));
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

const DROP_REASONS: [DropReason; 3] = [DropReason::Overtaken, DropReason::TakenOver, DropReason::NotHeld];
const HAND_OVER_REASONS: [HandOverReason; 7] = [
    HandOverReason::Word,
    HandOverReason::Topic,
    HandOverReason::Rule,
    HandOverReason::Misses,
    HandOverReason::Error,
    HandOverReason::RateCap,
    HandOverReason::Requested,
];
const CHANGE_REASONS: [ChangeReason; 11] = [
    ChangeReason::HandOver(HandOverReason::Topic),
    ChangeReason::Delivered,
    ChangeReason::DeliveryRefused,
    ChangeReason::Wrote,
    ChangeReason::Assigned,
    ChangeReason::Cancelled,
    ChangeReason::GivenBack,
    ChangeReason::Silence,
    ChangeReason::WaitedTooLong,
    ChangeReason::Resolved,
    ChangeReason::Requested,
];
const EVENT_KINDS: [EventKind; 5] = [
    EventKind::Message,
    EventKind::Choice,
    EventKind::Created,
    EventKind::Updated,
    EventKind::Resolved,
];
const STATUSES: [PlatformStatus; 5] = [
    PlatformStatus::Open,
    PlatformStatus::Pending,
    PlatformStatus::Resolved,
    PlatformStatus::Snoozed,
    PlatformStatus::Other,
];
const DIRECTIONS: [Direction; 3] = [Direction::Incoming, Direction::Outgoing, Direction::Template];

fn message(direction: Direction, author: Author) -> PlatformMessage {
    PlatformMessage {
        id: id("9001"),
        direction,
        private: false,
        text: "Where is my parcel?".to_owned(),
        attachments: 0,
        author,
    }
}

/// Events with each word that they may have.
fn events() -> Vec<(String, PlatformEvent)> {
    let event = |kind| PlatformEvent {
        kind,
        inbox: None,
        message: None,
        contact: Contact::default(),
        status: None,
        is_human_assigned: false,
        initial_message: None,
    };
    let mut events = Vec::new();
    for kind in EVENT_KINDS {
        events.push((kinds::event_kind(&kind).to_owned(), event(kind)));
    }
    for status in STATUSES {
        let event = PlatformEvent {
            status: Some(status),
            ..event(EventKind::Updated)
        };
        events.push((format!("updated: {}", kinds::platform_status(&status)), event));
    }
    let authors = [
        Author::Unknown,
        Author::Customer,
        Author::Human(None),
        Author::Human(some("Jo")),
        Author::Bot,
    ];
    for (number, author) in authors.into_iter().enumerate() {
        let direction = DIRECTIONS[number % DIRECTIONS.len()];
        let name = format!("message: {}, {}", kinds::direction(&direction), kinds::author(&author));
        let event = PlatformEvent {
            message: Some(message(direction, author)),
            ..event(EventKind::Message)
        };
        events.push((name, event));
    }
    let everything = PlatformEvent {
        kind: EventKind::Message,
        inbox: Some(id("7")),
        message: Some(PlatformMessage {
            private: true,
            attachments: 2,
            ..message(Direction::Outgoing, Author::Human(some("Jo")))
        }),
        contact: contact(),
        status: Some(PlatformStatus::Open),
        is_human_assigned: true,
        initial_message: None,
    };
    events.push(("message: everything".to_owned(), everything));
    events
}

fn works() -> Vec<(String, Work)> {
    let received = events().into_iter().map(|(name, event)| {
        let event = Box::new(event);
        (format!("receive {name}"), Work::Receive { event })
    });
    let fence = Nonce::new(7);
    let others = [
        Work::Turn { turn: fence },
        Work::Step { step: fence },
        Work::Watch { step: fence },
        Work::WaitOver { hand_over: fence },
        Work::GiveBack { silence: fence },
    ];
    let others = others
        .into_iter()
        .map(|work| (kinds::chat_work(&work).to_owned(), work));
    received.chain(others).collect()
}

#[test]
fn every_message_about_a_chat_is_written_and_read_as_in_its_fixture() {
    let queued = |(name, work)| {
        let message = Message {
            subject: key(),
            version: 12,
            sent_at: AT,
            due_at: LATER,
            work,
        };
        (name, QueuedMessage { message, retries: 0 })
    };
    let messages: Vec<(String, QueuedMessage<Message>)> = works().into_iter().map(queued).collect();
    assert_messages("chat-messages.json", &messages);
}

#[test]
fn every_kind_of_message_about_a_chat_has_a_fixture() {
    let works = works();
    assert_all_seen(
        "Work",
        kinds::CHAT_WORKS,
        works.iter().map(|(_, work)| kinds::chat_work(work)),
    );
    let events = events();
    let messages: Vec<&PlatformMessage> = events.iter().filter_map(|(_, event)| event.message.as_ref()).collect();
    let directions = messages.iter().map(|message| kinds::direction(&message.direction));
    assert_all_seen("Direction", kinds::DIRECTIONS, directions);
    let authors = messages.iter().map(|message| kinds::author(&message.author));
    assert_all_seen("Author", kinds::AUTHORS, authors);
    assert_all_seen(
        "EventKind",
        kinds::EVENT_KINDS,
        EVENT_KINDS.iter().map(kinds::event_kind),
    );
    let statuses = STATUSES.iter().map(kinds::platform_status);
    assert_all_seen("PlatformStatus", kinds::PLATFORM_STATUSES, statuses);
}

#[test]
fn every_variant_of_a_conversation_is_in_a_fixture() {
    let (conversations, facts) = (conversations(), facts());
    let steps = || conversations.iter().flat_map(|conversation| &conversation.steps);
    let plans: Vec<&HandOverPlan> = conversations
        .iter()
        .filter_map(|conversation| Some(&conversation.hand_over.as_ref()?.plan))
        .collect();
    let holders = conversations
        .iter()
        .map(|conversation| kinds::holder(&conversation.holder));
    assert_all_seen("Holder", kinds::HOLDERS, holders);
    assert_all_seen(
        "StepAction",
        kinds::STEP_ACTIONS,
        steps().map(|step| kinds::step_action(&step.action)),
    );
    assert_all_seen(
        "StepState",
        kinds::STEP_STATES,
        steps().map(|step| kinds::step_state(&step.state)),
    );
    assert_all_seen(
        "WaitAction",
        kinds::WAIT_ACTIONS,
        plans.iter().map(|plan| kinds::wait_action(&plan.then)),
    );
    let calls = plans.iter().filter_map(|plan| plan.call.as_ref()).map(kinds::call_plan);
    assert_all_seen("CallPlan", kinds::CALL_PLANS, calls);
    assert_all_seen("Fact", kinds::CHAT_FACTS, facts.iter().map(kinds::chat_fact));
    assert_all_seen(
        "DropReason",
        kinds::DROP_REASONS,
        DROP_REASONS.iter().map(kinds::drop_reason),
    );
    assert_all_seen(
        "ChangeReason",
        kinds::CHANGE_REASONS,
        CHANGE_REASONS.iter().map(kinds::change_reason),
    );
    let reasons = HAND_OVER_REASONS.iter().map(kinds::hand_over_reason);
    assert_all_seen("HandOverReason", kinds::HAND_OVER_REASONS, reasons);
}

/// The words of a conversation and its timeline, exactly as they are stored and shown.
#[test]
fn every_word_of_a_conversation_is_written_as_in_its_fixture() {
    let holders = [Holder::Bot, Holder::HandingOff, Holder::Waiting, Holder::Human];
    let mut events: Vec<Value> = facts().iter().map(|fact| json!(fact)["fact"].clone()).collect();
    events.dedup();
    let written = [
        ("who holds a conversation", json!(holders)),
        ("why the holder changed", json!(CHANGE_REASONS)),
        ("why the bot handed over", json!(HAND_OVER_REASONS)),
        ("why an answer was dropped", json!(DROP_REASONS)),
        ("what happened", json!(events)),
    ];
    assert_fixture(
        "chat-words.json",
        &written.map(|(name, words)| (name.to_owned(), words)),
    );
}
