//! Six hours in which something is down: afterwards every ticket goes on by itself, and nobody was phoned twice for one
//! attempt.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::ops::Range;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use common::{brief, change, create, load, pass, phones, rings};
use patchbay::clock::Timestamp;
use patchbay::dispatch::State;
use patchbay::dispatch::delivery::Outcome;
use patchbay::dispatch::work::Message;
use patchbay::ids::DispatchKey;
use patchbay::outbox::Outbox;
use patchbay::patience;
use patchbay::queue::Queue;
use patchbay::webhooks;
use patchbay_simulators::audit::audit;
use patchbay_simulators::aws::{self, Fault, Rule, Service};
use patchbay_simulators::phones::{Behaviour, Script, When};
use patchbay_simulators::world::{Options, World};
use serde_json::json;

const OUTAGE: Duration = Duration::from_hours(6);
/// After an outage the longest pause is a minute, a call that nobody knows of is given up after some, and then phones
/// ring.
const SOON: u64 = 1_200;

/// A ticket whose first phone rings, one that waits for its next round, one that is to be opened again soon, and one that
/// has just been made.
struct Night {
    world: World,
    tickets: Vec<DispatchKey>,
}

impl Night {
    async fn begin() -> Self {
        let accepts = || Behaviour::presses("1", When::OptionsSay(1));
        let world = World::start(Options {
            phones: phones([
                Script::from(Behaviour::NeverPicksUp).then(accepts()),
                Script::from(Behaviour::presses("2", When::OptionsSay(1))).then(accepts()),
                Script::always(accepts()),
                Script::always(accepts()),
            ]),
            ..Options::default()
        })
        .await
        .unwrap();
        // Rejected by the only one, who is asked again in the next round.
        let waiting = create(&world, &only(1, &json!({ "round_pause": 600 }))).await;
        let accepted = create(&world, &only(2, &json!({ "resolve_within": 900 }))).await;
        pass(&world, 120).await;
        assert!(matches!(load(&world, &waiting).await.state, State::Waiting(_)));
        assert!(matches!(load(&world, &accepted).await.state, State::Accepted(_)));
        let ringing = create(&world, &only(0, &json!({}))).await;
        rings(&world, 0, 0).await;
        let new = create(&world, &only(3, &json!({}))).await;
        Self {
            world,
            tickets: vec![ringing, waiting, accepted, new],
        }
    }

    fn outage(&self) -> Range<Timestamp> {
        let now = self.world.clock.now();
        now..now.plus_millis(i64::try_from(OUTAGE.as_millis()).unwrap())
    }

    /// Lives through the outage, and looks at what is left.
    async fn live(self) {
        let calls_before = self.world.routee.calls().len();
        self.world.clock.sleep(OUTAGE).await;
        pass(&self.world, SOON).await;
        for ticket in &self.tickets {
            let dispatch = load(&self.world, ticket).await;
            assert!(matches!(dispatch.state, State::Accepted(_)), "{:?}", dispatch.state);
        }
        assert!(
            self.world.routee.calls().len() > calls_before,
            "nobody was phoned again"
        );
        change(&self.world, &self.tickets[2], "resolve").await;
        assert!(self.world.settle(Duration::from_hours(1)).await);
        let audit = audit(&self.world, &self.tickets).await.unwrap();
        assert_eq!(audit.breaches, []);
    }
}

/// A ticket for this person only, who has two days to accept it.
fn only(person: usize, policy: &serde_json::Value) -> serde_json::Value {
    let mut body = brief(4, policy);
    let chosen = body["employees"][person].clone();
    body["employees"] = json!([chosen]);
    body["policy"]["expires_after"] = json!(172_800);
    body["policy"]["retry_delay"] = json!(30);
    body
}

#[tokio::test(start_paused = true)]
async fn the_table_fails_for_six_hours() {
    for fault in [Fault::InternalError, Fault::Throttled, Fault::LostRequest] {
        let night = Night::begin().await;
        let rule = Rule::new(fault).service(Service::DynamoDb).during(night.outage());
        night.world.aws.faults().plan(rule);
        night.live().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_takes_nothing_for_six_hours() {
    let night = Night::begin().await;
    let rule = Rule::new(Fault::InternalError)
        .service(Service::Sqs)
        .during(night.outage());
    night.world.aws.faults().plan(rule);
    night.live().await;
}

#[tokio::test(start_paused = true)]
async fn the_provider_fails_for_six_hours() {
    for fault in [
        Fault::Refused,
        Fault::Throttled,
        Fault::InternalError,
        Fault::LostRequest,
    ] {
        let night = Night::begin().await;
        let rule = Rule::new(fault).service(Service::Http).function("dialer");
        night.world.aws.faults().plan(rule.during(night.outage()));
        night.live().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_dialer_crashes_at_its_start_for_six_hours() {
    let night = Night::begin().await;
    night.world.aws.faults().die_during("dialer", night.outage());
    night.live().await;
}

/// The first never picks up, the second accepts.
async fn two_people() -> World {
    World::start(Options {
        phones: phones([
            Script::always(Behaviour::NeverPicksUp),
            Script::always(Behaviour::presses("1", When::OptionsSay(1))),
        ]),
        ..Options::default()
    })
    .await
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_takes_no_call_uses_up_no_attempt_and_no_round() {
    for fault in [
        Fault::Refused,
        Fault::Throttled,
        Fault::InternalError,
        Fault::LostRequest,
    ] {
        no_attempt_is_used_up(fault).await;
    }
}

async fn no_attempt_is_used_up(fault: Fault) {
    let world = two_people().await;
    // Routee's token is at hand, so that it is the call that fails, and nobody can tell whether it was placed.
    let before = create(&world, &only(1, &json!({}))).await;
    assert!(world.settle(Duration::from_hours(1)).await);
    let calls_before = world.routee.calls().len();
    let now = world.clock.now();
    let outage = now..now.plus_millis(i64::try_from(OUTAGE.as_millis()).unwrap());
    let rule = Rule::new(fault).service(Service::Http).function("dialer");
    world.aws.faults().plan(rule.during(outage));
    let policy = json!({ "attempts": 2, "max_rounds": 1 });
    let ticket = create(&world, &brief(2, &policy)).await;
    world.clock.sleep(OUTAGE).await;
    assert!(!load(&world, &ticket).await.state.is_over(), "{fault:?}");
    assert_eq!(world.routee.calls().len(), calls_before);
    pass(&world, SOON).await;
    assert_eq!(load(&world, &ticket).await.state.name(), "Accepted", "{fault:?}");
    assert!(audit(&world, &[before, ticket]).await.unwrap().breaches.is_empty());
}

/// Routee takes calls, but neither tells of them nor answers when it is asked.
#[tokio::test(start_paused = true)]
async fn a_provider_that_takes_calls_and_tells_nothing_holds_nobody_up_for_long() {
    let world = two_people().await;
    world.routee.change_faults(|faults| faults.status.lose_for_good = 1.0);
    let now = world.clock.now();
    let asked = Rule::new(Fault::InternalError).service(Service::Http).operation("GET");
    world.aws.faults().plan(asked.during(now..now.plus_seconds(86_400)));
    let ticket = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
    pass(&world, SOON).await;
    assert_eq!(world.routee.calls().len(), 2);
    let dispatch = load(&world, &ticket).await;
    assert_eq!(dispatch.state.name(), "Accepted");
}

/// Everything that writes meets others at the same items again and again.
#[tokio::test(start_paused = true)]
async fn a_conflict_is_no_failure() {
    for fault in [Fault::Conflict, Fault::InProgress] {
        let world = two_people().await;
        // Every second request, if it is a write.
        for write in 0..200 {
            world
                .aws
                .faults()
                .plan(Rule::new(fault).service(Service::DynamoDb).skip(write));
        }
        let ticket = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
        assert!(world.settle(Duration::from_hours(1)).await);
        assert_eq!(load(&world, &ticket).await.state.name(), "Accepted");
        assert_eq!(world.routee.calls().len(), 2);
        let sent = world.aws.sqs().queue("dialing").unwrap().history();
        let tried: Vec<_> = sent
            .iter()
            .filter(|message| message.body.contains("\"again\""))
            .collect();
        assert!(tried.is_empty(), "{tried:?}");
    }
}

/// The secrets cannot be read: nothing of a batch can be consumed.
#[tokio::test(start_paused = true)]
async fn a_batch_without_secrets_is_sent_again_with_growing_pauses() {
    let world = World::start(Options::default()).await.unwrap();
    let sqs = world.aws.sqs();
    let queue = sqs.create_queue_with_dlq("batch", Duration::from_mins(1), 1_000);
    let (_, client) = aws::clients(&world.aws, &aws::retries());
    let outbox = Outbox {
        queue: Queue::new(client.clone(), queue.url()),
        dead_letters: Queue::new(client, queue.dlq().unwrap().url()),
        clock: world.clock.clone(),
    };
    let message = json!({
        "tenant": "main", "id": "dsp_00000000000000000000000000000007", "version": 1,
        "sent_at": "2026-11-23T00:00:00Z", "due_at": "2026-11-23T00:00:00Z", "work": "notify", "entry": "x",
    });
    let mut body = message.to_string();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let event = json!({ "Records": [{ "messageId": "m-1", "body": body }] });
        let event: SqsEvent = serde_json::from_value(event).unwrap();
        let answer = outbox.send_back::<Message>(&event, &"no secrets").await;
        assert!(answer.batch_item_failures.is_empty());
        let sent = queue.messages();
        let [sent] = sent.as_slice() else { unreachable!() };
        pauses.push(sent.visible_at.since(sent.sent_at).as_secs());
        body = queue.lose(&sent.id).unwrap();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [{ "messageId": "m-1", "body": "{" }] })).unwrap();
    outbox.send_back::<Message>(&event, &"no secrets").await;
    assert_eq!((queue.messages().len(), queue.dlq().unwrap().messages().len()), (0, 1));
}

/// A timer's next hop was taken by the queue, and nobody heard that it was.
#[tokio::test(start_paused = true)]
async fn a_message_that_could_not_be_sent_is_not_sent_once_more_beside_the_one_that_comes_back() {
    let world = World::start(Options::default()).await.unwrap();
    let queue = world.aws.sqs().queue("dialing").unwrap();
    // As often as the SDK tries.
    let unheard = Rule::new(Fault::LostAnswer).service(Service::Sqs).function("dialer");
    world.aws.faults().plan(unheard.times(patience::TRIES));
    let timer = json!({
        "tenant": "main", "id": "dsp_00000000000000000000000000000007", "version": 1,
        "sent_at": world.clock.now(), "due_at": world.clock.now().plus_seconds(7_200), "work": "resume",
        "wait": "0000000000000007",
    });
    let event = json!({ "Records": [{ "messageId": "m-1", "body": timer.to_string() }] });
    let answer = world
        .work_off("dialer", serde_json::from_value(event).unwrap())
        .await
        .unwrap();
    let failed: Vec<_> = answer
        .batch_item_failures
        .iter()
        .map(|one| one.item_identifier.as_str())
        .collect();
    assert_eq!(failed, ["m-1"]);
    assert_eq!(queue.history().len(), patience::TRIES as usize);
}

/// The `notifications` queue refuses, never answers, or takes what it does not answer for.
#[tokio::test(start_paused = true)]
async fn no_phone_waits_for_webhooks_that_cannot_be_sent() {
    for fault in [Fault::Refused, Fault::LostRequest, Fault::LostAnswer] {
        let night = Night::begin().await;
        let rule = Rule::new(fault).service(Service::Sqs).target("notifications");
        night.world.aws.faults().plan(rule.during(night.outage()));
        // While it lasts: somebody is phoned, and accepts.
        pass(&night.world, SOON).await;
        for ticket in &night.tickets {
            let dispatch = load(&night.world, ticket).await;
            assert!(
                matches!(dispatch.state, State::Accepted(_)),
                "{fault:?}: {:?}",
                dispatch.state
            );
        }
        // Afterwards everybody hears of it.
        night.world.clock.sleep(OUTAGE).await;
        pass(&night.world, SOON).await;
        for ticket in &night.tickets {
            let dispatch = load(&night.world, ticket).await;
            let all = webhooks::told(&night.world.store, &dispatch, None).await.unwrap();
            assert!(!all.told.is_empty());
            for one in all.told {
                let delivery = one.delivery.unwrap();
                assert_eq!(delivery.outcome, Outcome::Delivered, "{fault:?}: {delivery:?}");
            }
        }
        let audit = audit(&night.world, &night.tickets).await.unwrap();
        assert_eq!(audit.breaches, [], "{fault:?}");
    }
}
