//! Hand-overs: one message in every order of events, and nothing after it but what people want.

use patchbay_domain::conversation::limits::MAX_REQUEST_BYTES;
use patchbay_domain::conversation::{
    CallPlan, ChangeReason, Event, EventKind, EventOutcome, Fact, HandOverPlan, HandOverReason, Holder, IgnoreReason,
    PlatformId, PostKind, Request, StepAction, StepResult, TurnAction, WaitAction,
};

use crate::story::{
    CANCEL, ENDED, GIVE_BACK, HAND_OVER, JOINED, Story, done, event, failed, hands_over, id, plan, result, unclear,
};

impl Story {
    fn requests(&mut self, request: Request) -> EventOutcome {
        let settings = self.settings.clone();
        self.apply(&Event::Requested { request, settings })
    }

    fn requests_hand_over(&mut self) -> EventOutcome {
        self.requests(Request::HandOver(Box::new(plan())))
    }

    /// How often the hand-over message was posted, or may have been.
    fn hand_over_messages(&self) -> usize {
        let posted = |fact: &Fact| matches!(fact, Fact::Done { text: Some(text), .. } if text == HAND_OVER);
        let entries = self.entries.iter().filter(|entry| posted(&entry.fact));
        entries.count()
    }
}

#[test]
fn a_hand_over_posts_one_message() {
    let story = Story::waiting(plan());
    assert_eq!(story.hand_over_messages(), 1);
    let delivered = (Holder::Waiting, ChangeReason::Delivered);
    let handed_over = (Holder::HandingOff, ChangeReason::HandOver(HandOverReason::Word));
    assert_eq!(story.edges(), [handed_over, delivered]);
}

#[test]
fn a_hand_over_that_is_requested_twice_happens_once() {
    let mut story = Story::new();
    story.customer("hello");
    assert_eq!(story.requests_hand_over(), EventOutcome::Applied);
    let reason = HandOverReason::Requested;
    assert_eq!(story.edges(), [(Holder::HandingOff, ChangeReason::HandOver(reason))]);
    assert_eq!(
        story.requests_hand_over(),
        EventOutcome::Ignored(IgnoreReason::Irrelevant)
    );
    story.takes_all_steps();
    assert_eq!(
        story.requests_hand_over(),
        EventOutcome::Ignored(IgnoreReason::Irrelevant)
    );
    assert_eq!(story.hand_over_messages(), 1);
}

#[test]
fn a_hand_over_of_a_turn_that_was_overtaken_by_a_request_posts_one_message() {
    let mut story = Story::new();
    story.customer("a person");
    let run = story.begins_turn();
    story.requests_hand_over();
    story.ends_turn(run, result(&[], hands_over(plan())));
    story.takes_all_steps();
    assert_eq!(story.hand_over_messages(), 1);
}

#[test]
fn a_hand_over_of_two_functions_that_run_one_turn_posts_one_message() {
    let mut story = Story::new();
    story.customer("a person");
    let (turn, first) = story.begins_turn();
    story.advance(30);
    story.apply(&Event::TurnBegins { turn });
    let second = story.lease();
    story.ends_turn((turn, second), result(&[], hands_over(plan())));
    story.ends_turn((turn, first), result(&[], hands_over(plan())));
    story.takes_all_steps();
    assert_eq!(story.hand_over_messages(), 1);
}

#[test]
fn a_hand_over_message_whose_result_is_unclear_is_not_repeated() {
    let mut story = Story::handing_off(plan());
    story.takes_step(unclear());
    assert_eq!(story.steps(), ["deliver"], "people get the conversation all the same");
    story.takes_all_steps();
    assert_eq!(story.hand_over_messages(), 0);
}

#[test]
fn a_message_between_decision_and_delivery_is_recorded_and_not_answered() {
    let mut story = Story::handing_off(plan());
    let message = story.begins_step();
    story.customer("are you there");
    story.ends_step(message, done("500"));
    let deliver = story.begins_step();
    story.customer("hello?");
    story.ends_step(deliver, done("501"));
    assert_eq!(story.conversation.holder, Holder::Waiting);
    assert!(story.conversation.turn.is_none() && story.conversation.steps.is_empty());
    let recorded = story.entries.iter().filter(|entry| {
        matches!(
            entry.fact,
            Fact::CustomerWrote {
                holder: Holder::HandingOff,
                ..
            }
        )
    });
    assert_eq!(recorded.count(), 2);
}

#[test]
fn a_conversation_that_is_resolved_during_the_delivery_is_back_with_the_bot() {
    let mut story = Story::handing_off(plan());
    story.takes_step(done("500"));
    let deliver = story.begins_step();
    story.reports(event(EventKind::Resolved, None));
    assert_eq!(story.conversation.holder, Holder::Bot);
    story.ends_step(deliver, done("501"));
    assert_eq!(
        story.conversation.holder,
        Holder::Bot,
        "the delivery belongs to a hand-over that is over"
    );
}

#[test]
fn a_delivery_that_fails_after_the_return_is_not_repeated() {
    let mut story = Story::handing_off(plan());
    story.takes_step(done("500"));
    let deliver = story.begins_step();
    story.person(GIVE_BACK);
    story.ends_step(deliver, failed(None));
    assert_eq!(story.posts(), [(ENDED, PostKind::Ended)]);
    assert_eq!(story.steps(), ["post"]);
}

#[test]
fn a_request_returns_the_conversation() {
    for mut story in [Story::handing_off(plan()), Story::waiting(plan()), Story::with_person()] {
        assert_eq!(story.requests(Request::GiveBack), EventOutcome::Applied);
        assert_eq!(story.edges().last(), Some(&(Holder::Bot, ChangeReason::Requested)));
        assert_eq!(story.posts(), [(ENDED, PostKind::Ended)]);
        let again = story.requests(Request::GiveBack);
        assert_eq!(again, EventOutcome::Ignored(IgnoreReason::Irrelevant));
    }
}

#[test]
fn a_hand_over_right_after_a_return_does_not_say_that_the_bot_is_back() {
    let mut story = Story::waiting(plan());
    story.requests(Request::GiveBack);
    story.requests_hand_over();
    assert_eq!(story.posts(), [(HAND_OVER, PostKind::HandOver)]);
}

#[test]
fn a_return_right_after_a_person_joined_does_not_say_that_they_joined() {
    let mut story = Story::waiting(plan());
    story.person("Hello, I am Jo.");
    assert_eq!(story.posts(), [(JOINED, PostKind::Joined)]);
    story.requests(Request::GiveBack);
    assert_eq!(story.posts(), [(ENDED, PostKind::Ended)]);
}

#[test]
fn answers_given_before_a_requested_hand_over_are_still_posted() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["Hello!"], TurnAction::Finish);
    story.requests_hand_over();
    assert_eq!(
        story.posts(),
        [("Hello!", PostKind::Reply), (HAND_OVER, PostKind::HandOver)]
    );
    assert_eq!(story.steps(), ["post", "post", "deliver"], "it is no longer finished");
}

#[test]
fn a_return_keeps_the_answers_and_drops_what_was_planned_for_people() {
    let mut story = Story::new();
    story.customer("a person");
    let plan = HandOverPlan {
        call: Some(call()),
        ..plan()
    };
    story.answers(&["I am sorry."], hands_over(plan));
    story.requests(Request::GiveBack);
    assert_eq!(
        story.posts(),
        [("I am sorry.", PostKind::Reply), (ENDED, PostKind::Ended)]
    );
    assert_eq!(story.steps(), ["post", "post"]);
}

#[test]
fn a_customer_waits_while_the_call_is_still_to_be_placed() {
    let mut story = Story::handing_off(HandOverPlan {
        call: Some(call()),
        ..plan()
    });
    story.takes_step(done("500"));
    story.takes_step(done("501"));
    assert_eq!(story.steps(), ["queue_call"]);
    assert_eq!(story.conversation.holder, Holder::Waiting);
}

fn call() -> CallPlan {
    CallPlan::Queue {
        queue: "support".into(),
        destination: "+12025550101".into(),
    }
}

#[test]
fn the_summary_begins_with_what_the_customer_wrote_first() {
    let mut story = Story::new();
    story.conversation.contact.phone = Some("+12025550101".into());
    story.customer("old question");
    story.answers(&["Old answer."], TurnAction::Continue);
    story.takes_all_steps();
    story.advance(7_200);
    story.customer("my parcel is lost");
    let began = story.now.plus_millis(1_500);
    story.answers(&["Where?"], TurnAction::Continue);
    story.conversation.session.started_at = Some(began);
    story.takes_all_steps();
    story.customer("a person");
    let session = story.conversation.session.clone();
    let run = story.begins_turn();
    let result = patchbay_domain::conversation::TurnResult {
        session,
        ..result(&[], hands_over(plan()))
    };
    story.ends_turn(run, result);
    let StepAction::Remember { description, .. } = &story.conversation.steps[2].action else {
        panic!("{:?}", story.steps())
    };
    assert_eq!(description, "my parcel is lost");
}

#[test]
fn a_request_is_stored_up_to_its_limit() {
    for (extra, steps) in [(0, 3), (1, 2)] {
        let empty = serde_json::json!("").to_string().len();
        let request = serde_json::json!("x".repeat(MAX_REQUEST_BYTES - empty + extra));
        let story = Story::handing_off(HandOverPlan {
            call: Some(CallPlan::Dispatch {
                request: request.into(),
            }),
            ..plan()
        });
        assert_eq!(story.steps().len(), steps);
        let is_recorded = story
            .last_facts()
            .iter()
            .any(|fact| matches!(fact, Fact::NotDone { .. }));
        assert_eq!(is_recorded, extra > 0);
    }
}

#[test]
fn a_request_that_cannot_be_stored_is_left_out_and_recorded() {
    let request = serde_json::json!({"ticket": {"text": "long ".repeat(10_000)}});
    let call = CallPlan::Dispatch {
        request: request.into(),
    };
    let plan = HandOverPlan {
        call: Some(call.clone()),
        then: WaitAction::Call(call),
        ..plan()
    };
    let story = Story::handing_off(plan);
    assert_eq!(story.steps(), ["post", "deliver"]);
    let not_done = |fact: &&&Fact| matches!(fact, Fact::NotDone { step, .. } if step == "dispatch");
    assert_eq!(story.last_facts().iter().filter(not_done).count(), 2);
    let hand_over = story.conversation.hand_over.as_ref().expect("a hand-over");
    assert_eq!(hand_over.plan.then, WaitAction::KeepWaiting);
}

/// A waiting conversation for which employees are phoned, and its dispatch.
fn waiting_with_calls() -> (Story, PlatformId) {
    let request = Box::new(serde_json::json!({ "ticket": { "text": "A chat waits." } }));
    let mut story = Story::handing_off(HandOverPlan {
        call: Some(CallPlan::Dispatch { request }),
        ..plan()
    });
    let dispatch = id("dsp_1");
    assert_eq!(story.steps(), ["post", "deliver", "dispatch"]);
    story.takes_step(done("9001"));
    story.takes_step(StepResult::Done { id: None });
    (story, dispatch)
}

#[test]
fn nobody_is_phoned_for_a_chat_that_no_longer_waits() {
    type End = fn(&mut Story) -> EventOutcome;
    let ends: [End; 4] = [
        |story| story.person("Hello, I am Jo."),
        |story| story.customer(CANCEL),
        |story| story.reports(event(EventKind::Resolved, None)),
        |story| story.requests(Request::GiveBack),
    ];
    let resolves = |story: &Story, dispatch: &PlatformId| {
        let actions = story.conversation.steps.iter().map(|step| &step.action);
        let resolve = StepAction::Resolve {
            dispatch: dispatch.clone(),
        };
        actions.filter(|action| **action == resolve).count()
    };
    for end in ends {
        // The dispatch exists.
        let (mut story, dispatch) = waiting_with_calls();
        story.takes_step(StepResult::Done {
            id: Some(dispatch.clone()),
        });
        end(&mut story);
        assert_eq!(resolves(&story, &dispatch), 1);
        // Nothing that follows drops it.
        story.person("Hello again.");
        story.requests(Request::GiveBack);
        story.reports(event(EventKind::Resolved, None));
        assert_eq!(resolves(&story, &dispatch), 1);

        // It is being created.
        let (mut story, dispatch) = waiting_with_calls();
        let step = story.begins_step();
        end(&mut story);
        assert_eq!(resolves(&story, &dispatch), 0);
        story.ends_step(
            step,
            StepResult::Done {
                id: Some(dispatch.clone()),
            },
        );
        assert_eq!(resolves(&story, &dispatch), 1);

        // It is not being created yet.
        let (mut story, _) = waiting_with_calls();
        end(&mut story);
        assert!(!story.steps().contains(&"dispatch"));
    }
}
