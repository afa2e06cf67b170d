//! Rules that are broken on purpose. The properties find each of them.

use patchbay_domain::conversation::{
    Conversation, Decision, DecisionContext, Event, EventKind, EventOutcome, Fact, Holder, IgnoreReason, Lease,
    Message, PostKind, Step, StepAction, StepResult, StepState, Turn, Work, all_pending_work, decide,
};
use patchbay_domain::ids::Nonce;

use super::Decide;
use super::properties::search;

/// Histories that are searched for one that shows the broken rule.
const HISTORIES: u32 = 20_000;

/// Expects that a history shows the broken rule, by breaking one of these properties.
fn expect_found(decide: Decide, properties: &[&str]) {
    let Err(error) = search(decide, HISTORIES, 0) else {
        panic!("no history shows it")
    };
    let is_found = properties.iter().any(|property| error.contains(property));
    assert!(is_found, "{error}");
}

/// The decision, with the messages that its state needs.
fn with_messages(conversation: &Conversation, mut decision: Decision, context: DecisionContext) -> Decision {
    let Some(next) = &mut decision.next else {
        return decision;
    };
    next.version = conversation.version + 1;
    let old = all_pending_work(conversation);
    let needed = all_pending_work(next).into_iter().filter(|work| !old.contains(work));
    decision.messages = needed
        .map(|(work, due_at)| Message {
            version: next.version,
            due_at,
            ..Message::at_once(next.key.clone(), work, context.now)
        })
        .collect();
    decision
}

fn failed() -> StepResult {
    StepResult::Failed {
        retry_after: None,
        detail: String::new(),
    }
}

fn is_platform(event: &Event, wanted: EventKind) -> bool {
    matches!(event, Event::Platform { event, .. } if event.kind == wanted)
}

pub(super) fn forget_handled_messages(
    conversation: &Conversation,
    event: &Event,
    context: DecisionContext,
) -> Decision {
    let mut other = conversation.clone();
    other.seen.clear();
    decide(&other, event, context)
}

#[test]
fn messages_are_handled_more_than_once() {
    expect_found(forget_handled_messages, &["is recorded once", "a message has one end"]);
}

pub(super) fn forget_posted_messages(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut other = conversation.clone();
    other.sent.clear();
    decide(&other, event, context)
}

const OWN: &[&str] = &["the bot's own message causes nothing", "a person wrote it"];

#[test]
fn ids_of_posted_messages_are_forgotten() {
    expect_found(forget_posted_messages, OWN);
}

fn ignore_texts_of_posted_messages(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut other = conversation.clone();
    other.sent.retain(|sent| sent.id.is_some());
    decide(&other, event, context)
}

#[test]
fn texts_of_posted_messages_are_ignored() {
    expect_found(ignore_texts_of_posted_messages, OWN);
}

fn judge_before_the_post_has_ended(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let decision = decide(conversation, event, context);
    if !is_platform(event, EventKind::Message) || !matches!(decision.outcome, EventOutcome::NotYet(_)) {
        return decision;
    }
    let mut other = conversation.clone();
    other.steps.clear();
    let mut decision = decide(&other, event, context);
    if let Some(next) = &mut decision.next {
        next.steps.splice(0..0, conversation.steps.first().cloned());
    }
    with_messages(conversation, decision, context)
}

#[test]
fn an_echo_does_not_wait_for_the_answer() {
    expect_found(judge_before_the_post_has_ended, OWN);
}

pub(super) fn repeat_unclear_steps(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    match event {
        Event::StepEnds {
            step,
            result: StepResult::Unclear { .. },
        } => {
            let event = Event::StepEnds {
                step: *step,
                result: failed(),
            };
            decide(conversation, &event, context)
        }
        _ => decide(conversation, event, context),
    }
}

#[test]
fn an_unclear_message_is_posted_again() {
    expect_found(repeat_unclear_steps, &["posted twice"]);
}

fn repeat_watched_steps(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let decision = decide(conversation, event, context);
    match event {
        Event::StepWatched { step } if decision.outcome == EventOutcome::Applied => {
            let event = Event::StepEnds {
                step: *step,
                result: failed(),
            };
            decide(conversation, &event, context)
        }
        _ => decision,
    }
}

#[test]
fn a_message_is_posted_again_when_its_function_died() {
    expect_found(repeat_watched_steps, &["posted twice"]);
}

pub(super) fn begin_again(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut other = conversation.clone();
    if let (Event::StepBegins { .. }, Some(step)) = (event, other.steps.first_mut()) {
        step.state = StepState::Ready;
    }
    with_messages(conversation, decide(&other, event, context), context)
}

#[test]
fn a_step_begins_more_than_once() {
    expect_found(begin_again, &["a post does not begin twice"]);
}

fn begin_all_steps(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut decision = decide(conversation, event, context);
    if let (Event::StepBegins { .. }, Some(next)) = (event, &mut decision.next) {
        for step in &mut next.steps {
            step.state = StepState::Begun(context.now);
        }
    }
    decision
}

#[test]
fn two_steps_begin_at_once() {
    expect_found(begin_all_steps, &["only the first step has begun"]);
}

pub(super) fn keep_replies(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut decision = decide(conversation, event, context);
    let Some(next) = &mut decision.next else {
        return decision;
    };
    if next.holder != Holder::Human {
        return decision;
    }
    let is_dropped = |step: &&Step| {
        let is_kept = next.steps.iter().any(|other| other.action == step.action);
        let kind = PostKind::Reply;
        !is_kept && matches!(&step.action, StepAction::Post { kind: other, .. } if *other == kind)
    };
    let ready = conversation.steps.iter().filter(|step| step.state == StepState::Ready);
    let replies: Vec<Step> = ready.filter(is_dropped).cloned().collect();
    next.steps.extend(replies);
    if matches!(event, Event::Platform { .. }) {
        with_messages(conversation, decision, context)
    } else {
        decide(conversation, event, context)
    }
}

#[test]
fn replies_stay_when_a_person_takes_over() {
    expect_found(keep_replies, &["no reply begins while a person holds the conversation"]);
}

pub(super) fn accept_every_result(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let (Event::TurnEnds { lease, result, .. }, Some(turn)) = (event, conversation.turn) else {
        return decide(conversation, event, context);
    };
    let mut other = conversation.clone();
    other.turn = Some(Turn {
        running: Some(Lease {
            id: *lease,
            until: context.now,
            messages: conversation.pending.len(),
        }),
        ..turn
    });
    let event = Event::TurnEnds {
        turn: turn.id,
        lease: *lease,
        result: result.clone(),
    };
    with_messages(conversation, decide(&other, &event, context), context)
}

const UNREAD: &[&str] = &["a turn answers only what it has read"];

#[test]
fn an_overtaken_turn_answers_all_the_same() {
    expect_found(accept_every_result, UNREAD);
}

fn answer_unread_messages(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut other = conversation.clone();
    if let Some(Lease { messages, .. }) = other.turn.as_mut().and_then(|turn| turn.running.as_mut()) {
        *messages = usize::MAX;
    }
    decide(&other, event, context)
}

#[test]
fn a_turn_answers_what_came_after_it_began() {
    expect_found(answer_unread_messages, UNREAD);
}

fn forget_what_a_turn_leaves(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut decision = decide(conversation, event, context);
    if let (Event::TurnEnds { .. }, Some(next)) = (event, &mut decision.next) {
        next.pending.clear();
        next.turn = None;
    }
    with_messages(conversation, decision, context)
}

#[test]
fn a_message_of_the_customer_is_lost() {
    expect_found(forget_what_a_turn_leaves, &["a message is not lost"]);
}

fn answer_waiting_customers(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut other = conversation.clone();
    if is_platform(event, EventKind::Message) && other.holder == Holder::Waiting {
        other.holder = Holder::Bot;
    }
    decide(&other, event, context)
}

#[test]
fn the_bot_answers_while_the_customer_waits() {
    expect_found(answer_waiting_customers, &["edge"]);
}

fn hide_edges(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut decision = decide(conversation, event, context);
    let facts = decision.entries.iter_mut();
    for entry in facts.filter(|entry| matches!(entry.fact, Fact::HolderChanged(_))) {
        entry.fact = Fact::WaitedTooLong;
    }
    decision
}

#[test]
fn the_holder_changes_without_an_entry() {
    expect_found(hide_edges, &["every change of the holder is an edge"]);
}

pub(super) fn repeat_the_hand_over_message(
    conversation: &Conversation,
    event: &Event,
    context: DecisionContext,
) -> Decision {
    let mut decision = decide(conversation, event, context);
    let (Some(next), Some(hand_over)) = (&mut decision.next, &conversation.hand_over) else {
        return decision;
    };
    if conversation.holder == Holder::HandingOff && next.holder == Holder::Waiting {
        next.steps.push(Step {
            id: context.nonce.plus(900),
            action: StepAction::Post {
                text: hand_over.plan.message.clone(),
                kind: PostKind::HandOver,
            },
            state: StepState::Ready,
            due_at: context.now,
            echo: None,
            tries: 0,
        });
    }
    with_messages(conversation, decision, context)
}

#[test]
fn a_hand_over_message_is_posted_again_after_the_delivery() {
    expect_found(repeat_the_hand_over_message, &["planned twice"]);
}

pub(super) fn omit_watches(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut decision = decide(conversation, event, context);
    let messages = &mut decision.messages;
    messages.retain(|message| !matches!(message.work, Work::Watch { .. }));
    decision
}

#[test]
fn a_begun_step_has_no_watch() {
    expect_found(omit_watches, &["the messages are those that the state needs"]);
}

pub(super) fn forget_early_turns(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let decision = decide(conversation, event, context);
    match (event, decision.outcome) {
        (Event::TurnBegins { .. }, EventOutcome::NotYet(_)) => Decision {
            outcome: EventOutcome::Ignored(IgnoreReason::Stale),
            ..decision
        },
        _ => decision,
    }
}

#[test]
fn a_turn_that_waits_for_steps_is_forgotten() {
    expect_found(forget_early_turns, &["nothing is on the queue"]);
}

fn keep_the_version(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let mut decision = decide(conversation, event, context);
    if let Some(next) = &mut decision.next {
        next.version = conversation.version;
    }
    decision
}

#[test]
fn a_commit_keeps_its_version() {
    expect_found(keep_the_version, &["a commit is one version"]);
}

fn reuse_ids(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let nonce = Nonce::new(1);
    decide(conversation, event, DecisionContext { nonce, ..context })
}

#[test]
fn ids_are_used_again() {
    let properties = [
        "a post does not begin twice",
        "nothing is on the queue",
        "a message has one end",
        "posted twice",
    ];
    expect_found(reuse_ids, &properties);
}
