//! Turns: when they begin, who may end them, and what their results do.

use patchbay_domain::conversation::limits::LEASE_SECONDS;
use patchbay_domain::conversation::{
    CallPlan, ChangeReason, DropReason, Event, EventOutcome, Fact, HandOverReason, Holder, IgnoreReason, PostKind,
    Request, Session, StepAction, TurnAction, TurnResult, Work,
};
use patchbay_domain::ids::Nonce;

use crate::story::{Story, failed, hands_over, plan, result};

#[test]
fn a_turn_does_not_begin_before_it_is_due() {
    let mut story = Story::new();
    story.customer("hello");
    let turn = story.conversation.turn.expect("a turn");
    let begins = Event::TurnBegins { turn: turn.id };
    story.now = turn.due_at.plus_millis(-1);
    assert_eq!(story.apply(&begins), EventOutcome::NotYet(turn.due_at));
    story.now = turn.due_at;
    assert_eq!(story.apply(&begins), EventOutcome::Applied);
}

#[test]
fn a_turn_runs_once_at_a_time_and_again_when_its_lease_is_over() {
    let mut story = Story::new();
    story.customer("hello");
    let (turn, first) = story.begins_turn();
    let until = story.now.plus_seconds(LEASE_SECONDS);
    assert_eq!(story.sent_work(), [(Work::Turn { turn }, until)]);
    let begins = Event::TurnBegins { turn };
    story.now = until.plus_millis(-1);
    assert_eq!(story.apply(&begins), EventOutcome::NotYet(until));
    story.now = until;
    assert_eq!(story.apply(&begins), EventOutcome::Applied);
    let second = story.lease();
    assert_ne!(first, second);
    story.ends_turn((turn, first), result(&["late"], TurnAction::Continue));
    let reason = DropReason::Overtaken;
    assert_eq!(story.last_facts(), [&Fact::TurnDropped { reason }]);
    assert!(story.conversation.steps.is_empty());
    story.ends_turn((turn, second), result(&["Hello!"], TurnAction::Continue));
    assert_eq!(story.posts(), [("Hello!", PostKind::Reply)]);
}

#[test]
fn a_late_result_is_valid_while_no_other_function_runs_the_turn() {
    let mut story = Story::new();
    story.customer("hello");
    let run = story.begins_turn();
    story.advance(LEASE_SECONDS + 10);
    story.ends_turn(run, result(&["Hello!"], TurnAction::Continue));
    assert_eq!(story.posts(), [("Hello!", PostKind::Reply)]);
}

#[test]
fn a_turn_waits_for_what_the_customer_is_still_to_read() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["Hello!"], TurnAction::Continue);
    story.customer("where is my parcel");
    let turn = story.conversation.turn.expect("a turn");
    story.now = turn.due_at;
    let begins = Event::TurnBegins { turn: turn.id };
    assert_eq!(story.apply(&begins), EventOutcome::NotYet(story.now.plus_seconds(1)));
    for pause in [1, 2, 4] {
        story.takes_step(failed(None));
        assert_eq!(
            story.apply(&begins),
            EventOutcome::NotYet(story.now.plus_seconds(pause))
        );
    }
    story.takes_all_steps();
    assert_eq!(story.apply(&begins), EventOutcome::Applied);
}

#[test]
fn a_turn_does_not_wait_for_a_call() {
    let mut story = Story::new();
    story.customer("call me");
    story.answers(&["We will."], TurnAction::Call(queue_call()));
    story.customer("when");
    story.takes_step(crate::story::done("1"));
    assert_eq!(story.steps(), ["queue_call"]);
    story.begins_turn();
}

fn queue_call() -> CallPlan {
    CallPlan::Queue {
        queue: "support".into(),
        destination: "+12025550101".into(),
    }
}

#[test]
fn an_unknown_turn_is_stale() {
    let mut story = Story::new();
    let turn = Nonce::new(7);
    assert_eq!(
        story.apply(&Event::TurnBegins { turn }),
        EventOutcome::Ignored(IgnoreReason::Stale)
    );
    story.customer("hello");
    assert_eq!(
        story.apply(&Event::TurnBegins { turn }),
        EventOutcome::Ignored(IgnoreReason::Stale)
    );
}

#[test]
fn an_answer_is_recorded_with_its_source() {
    let mut story = Story::new();
    story.customer("hello");
    story.customer("where is my parcel");
    let run = story.begins_turn();
    let session = Session {
        misses: 2,
        ..Session::default()
    };
    let answer = TurnResult {
        session: session.clone(),
        error: Some("the parcel service is down".into()),
        ..result(&["One", "Two"], TurnAction::Continue)
    };
    story.ends_turn(run, answer);
    let expected = Fact::Answered {
        by: "topics/parcel".into(),
        messages: 2,
        error: Some("the parcel service is down".into()),
    };
    assert_eq!(story.last_facts(), [&expected]);
    assert_eq!(story.posts(), [("One", PostKind::Reply), ("Two", PostKind::Reply)]);
    assert_eq!(story.conversation.session, session);
}

#[test]
fn messages_that_a_turn_leaves_get_another_turn() {
    let mut story = Story::new();
    story.customer("one");
    story.customer("two");
    for (answered, left) in [(1, vec!["two"]), (0, vec![])] {
        let run = story.begins_turn();
        let answer = TurnResult {
            answered,
            ..result(&[], TurnAction::Continue)
        };
        story.ends_turn(run, answer);
        assert_eq!(story.pending(), left, "a turn answers at least one message");
    }
    assert!(story.conversation.turn.is_none());
}

#[test]
fn a_hand_over_tells_the_customer_then_the_platform() {
    let mut story = Story::new();
    story.conversation.contact.phone = Some("+12025550101".into());
    story.customer("my parcel is lost");
    let plan = patchbay_domain::conversation::HandOverPlan {
        call: Some(queue_call()),
        ..plan()
    };
    story.answers(&["I am sorry."], hands_over(plan));
    assert_eq!(story.steps(), ["post", "post", "deliver", "remember", "queue_call"]);
    assert_eq!(story.posts()[1], (crate::story::HAND_OVER, PostKind::HandOver));
    let change = ChangeReason::HandOver(HandOverReason::Word);
    assert_eq!(story.edges(), [(Holder::HandingOff, change)]);
    let remember = StepAction::Remember {
        phone: "+12025550101".into(),
        description: "my parcel is lost".into(),
        memory: "Asks for a parcel.".into(),
    };
    assert_eq!(story.conversation.steps[3].action, remember);
}

#[test]
fn a_hand_over_without_a_number_writes_no_caller_context() {
    let story = Story::handing_off(plan());
    assert_eq!(story.steps(), ["post", "deliver"]);
}

#[test]
fn a_finish_comes_after_the_answer() {
    let mut story = Story::new();
    story.customer("thanks");
    story.answers(&["You are welcome."], TurnAction::Finish);
    assert_eq!(story.steps(), ["post", "finish"]);
    assert_eq!(story.conversation.holder, Holder::Bot);
}

#[test]
fn a_turn_that_finishes_while_the_customer_writes_does_not_finish() {
    let mut story = Story::new();
    story.customer("thanks");
    story.advance(19);
    let run = story.begins_turn();
    story.advance(2);
    story.customer("one more question");
    story.ends_turn(run, result(&["You are welcome."], TurnAction::Finish));
    assert_eq!(story.steps(), ["post"]);
    assert_eq!(story.dropped(), [("finish", DropReason::Overtaken)]);
    assert_eq!(story.pending(), ["one more question"]);
}

/// Something that happens while a turn runs.
type Intervention = fn(&mut Story) -> EventOutcome;

#[test]
fn the_result_of_a_turn_is_dropped_when_the_bot_no_longer_holds_the_conversation() {
    let take = |story: &mut Story| story.person("I take this.");
    let request = |story: &mut Story| {
        let settings = story.settings.clone();
        let request = Request::HandOver(Box::new(plan()));
        story.apply(&Event::Requested { request, settings })
    };
    let cases: [(Intervention, DropReason); 2] = [(take, DropReason::TakenOver), (request, DropReason::NotHeld)];
    for (intervene, reason) in cases {
        let mut story = Story::new();
        story.customer("hello");
        let run = story.begins_turn();
        assert_eq!(intervene(&mut story), EventOutcome::Applied);
        let is_drop = |fact: &&Fact| matches!(fact, Fact::TurnDropped { .. });
        assert!(!story.last_facts().iter().any(is_drop), "recorded when the turn ends");
        let steps = story.conversation.steps.clone();
        story.ends_turn(run, result(&["Hello!"], hands_over(plan())));
        assert_eq!(story.last_facts(), [&Fact::TurnDropped { reason }]);
        assert_eq!(story.conversation.steps, steps, "nothing else happens");
    }
}

#[test]
fn a_turn_that_has_not_begun_is_recorded_when_it_is_dropped() {
    let mut story = Story::new();
    story.customer("hello");
    story.person("I take this.");
    let reason = DropReason::TakenOver;
    assert!(story.last_facts().contains(&&Fact::TurnDropped { reason }));
    assert!(story.conversation.pending.is_empty());
}
