//! Outages of six hours: afterwards every dispatch continues automatically, and no attempt has two calls.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::ops::Range;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use common::{change, create, dispatch_body, load, pass, phones, rings};
use patchbay::clock::Timestamp;
use patchbay::dispatch::State;
use patchbay::dispatch::work::Message;
use patchbay::ids::DispatchKey;
use patchbay::outbox::Outbox;
use patchbay::queue::Queue;
use patchbay::timeouts;
use patchbay::webhook::DeliveryStatus;
use patchbay::webhooks;
use patchbay_simulators::audit::audit;
use patchbay_simulators::aws::{self, Fault, Rule, Service};
use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::world::{Options, World};
use serde_json::json;

const OUTAGE: Duration = Duration::from_hours(6);
/// Seconds after an outage within which calls continue: the longest retry pause is a minute, a call whose status is
/// unknown is given up after some minutes, and then phones have to ring.
const RECOVERY_SECONDS: u64 = 1_200;

/// A module of tests, one for each fault, so that they run on all cores.
macro_rules! for_each_fault {
    ($module:ident: $assert:ident($($name:ident: $fault:ident,)+);) => {
        mod $module {
            use patchbay_simulators::aws::Fault;

            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::$assert(Fault::$fault).await;
                }
            )+
        }
    };
}

/// Four dispatches: one whose first phone rings, one that waits for its next round, one that is due to be reopened
/// soon, and one that was just created.
struct Scenario {
    world: World,
    tickets: Vec<DispatchKey>,
}

impl Scenario {
    async fn begin() -> Self {
        let accepts = || Behavior::presses("1", When::OptionsSay(1));
        let world = World::start(Options {
            phones: phones([
                Script::from(Behavior::NeverPicksUp).then(accepts()),
                Script::from(Behavior::presses("2", When::OptionsSay(1))).then(accepts()),
                Script::always(accepts()),
                Script::always(accepts()),
            ]),
            ..Options::default()
        })
        .await
        .unwrap();
        // Rejected by its only employee, who is called again in the next round.
        let waiting = create(&world, &ticket_for(1, &json!({ "round_pause": 600 }))).await;
        let accepted = create(&world, &ticket_for(2, &json!({ "resolve_within": 900 }))).await;
        pass(&world, 120).await;
        assert!(matches!(load(&world, &waiting).await.state, State::Waiting(_)));
        assert!(matches!(load(&world, &accepted).await.state, State::Accepted(_)));
        let ringing = create(&world, &ticket_for(0, &json!({}))).await;
        rings(&world, 0, 0).await;
        let new = create(&world, &ticket_for(3, &json!({}))).await;
        Self {
            world,
            tickets: vec![ringing, waiting, accepted, new],
        }
    }

    fn outage(&self) -> Range<Timestamp> {
        self.outage_of(OUTAGE)
    }

    fn outage_of(&self, duration: Duration) -> Range<Timestamp> {
        let now = self.world.clock.now();
        now..now.plus_millis(i64::try_from(duration.as_millis()).unwrap())
    }

    /// Waits until the outage is over, and checks that every dispatch is accepted.
    async fn run(self) {
        let calls_before = self.world.routee.calls().len();
        self.world.clock.sleep(OUTAGE).await;
        pass(&self.world, RECOVERY_SECONDS).await;
        for ticket in &self.tickets {
            let dispatch = load(&self.world, ticket).await;
            assert!(matches!(dispatch.state, State::Accepted(_)), "{:?}", dispatch.state);
        }
        assert!(
            self.world.routee.calls().len() > calls_before,
            "no calls after the outage"
        );
        change(&self.world, &self.tickets[2], "resolve").await;
        assert!(self.world.settle(Duration::from_hours(1)).await);
        let audit = audit(&self.world, &self.tickets).await.unwrap();
        assert_eq!(audit.breaches, []);
    }
}

/// A dispatch for this employee only, which expires after two days.
fn ticket_for(person: usize, policy: &serde_json::Value) -> serde_json::Value {
    let mut body = dispatch_body(4, policy);
    let chosen = body["employees"][person].clone();
    body["employees"] = json!([chosen]);
    body["policy"]["expires_after"] = json!(172_800);
    body["policy"]["retry_delay"] = json!(30);
    body
}

#[tokio::test(start_paused = true)]
async fn dispatches_survive_six_hours_without_the_table() {
    for fault in [Fault::InternalError, Fault::Throttled, Fault::LostRequest] {
        let scenario = Scenario::begin().await;
        let rule = Rule::new(fault).service(Service::DynamoDb).during(scenario.outage());
        scenario.world.aws.faults().plan(rule);
        scenario.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn dispatches_survive_six_hours_without_sqs() {
    let scenario = Scenario::begin().await;
    let rule = Rule::new(Fault::InternalError)
        .service(Service::Sqs)
        .during(scenario.outage());
    scenario.world.aws.faults().plan(rule);
    scenario.run().await;
}

async fn assert_survive_without_the_provider(fault: Fault) {
    let scenario = Scenario::begin().await;
    let rule = Rule::new(fault).service(Service::Http).function("dialer");
    scenario.world.aws.faults().plan(rule.during(scenario.outage()));
    scenario.run().await;
}

for_each_fault! {
    dispatches_survive_six_hours_without_the_provider: assert_survive_without_the_provider(
        refused: Refused, throttled: Throttled, internal_error: InternalError, lost_request: LostRequest,
    );
}

#[tokio::test(start_paused = true)]
async fn dispatches_survive_six_hours_of_a_crashing_dialer() {
    let scenario = Scenario::begin().await;
    scenario.world.aws.faults().crash_during("dialer", scenario.outage());
    scenario.run().await;
}

/// A world with two employees: the first never picks up, the second accepts.
async fn two_people() -> World {
    World::start(Options {
        phones: phones([
            Script::always(Behavior::NeverPicksUp),
            Script::always(Behavior::presses("1", When::OptionsSay(1))),
        ]),
        ..Options::default()
    })
    .await
    .unwrap()
}

for_each_fault! {
    a_provider_without_calls_uses_up_no_attempt_and_no_round: assert_no_attempt_is_used_up(
        refused: Refused, throttled: Throttled, internal_error: InternalError, lost_request: LostRequest,
    );
}

async fn assert_no_attempt_is_used_up(fault: Fault) {
    let world = two_people().await;
    // An earlier call caches Routee's token, so that the request for the call itself fails, and it is unknown whether
    // the call was placed.
    let before = create(&world, &ticket_for(1, &json!({}))).await;
    assert!(world.settle(Duration::from_hours(1)).await);
    let calls_before = world.routee.calls().len();
    let now = world.clock.now();
    let outage = now..now.plus_millis(i64::try_from(OUTAGE.as_millis()).unwrap());
    let rule = Rule::new(fault).service(Service::Http).function("dialer");
    world.aws.faults().plan(rule.during(outage));
    let policy = json!({ "attempts": 2, "max_rounds": 1 });
    let ticket = create(&world, &dispatch_body(2, &policy)).await;
    world.clock.sleep(OUTAGE).await;
    assert!(!load(&world, &ticket).await.state.is_over(), "{fault:?}");
    assert_eq!(world.routee.calls().len(), calls_before);
    pass(&world, RECOVERY_SECONDS).await;
    assert_eq!(load(&world, &ticket).await.state.name(), "Accepted", "{fault:?}");
    assert!(audit(&world, &[before, ticket]).await.unwrap().breaches.is_empty());
}

/// Routee places calls, but sends no statuses and answers no queries.
#[tokio::test(start_paused = true)]
async fn calls_without_a_status_delay_the_next_call_only_briefly() {
    let world = two_people().await;
    world.routee.change_faults(|faults| faults.status.lose_for_good = 1.0);
    let now = world.clock.now();
    let queries = Rule::new(Fault::InternalError).service(Service::Http).operation("GET");
    world.aws.faults().plan(queries.during(now..now.plus_seconds(86_400)));
    let ticket = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    pass(&world, RECOVERY_SECONDS).await;
    assert_eq!(world.routee.calls().len(), 2);
    let dispatch = load(&world, &ticket).await;
    assert_eq!(dispatch.state.name(), "Accepted");
}

/// Writes conflict with other transactions on the same items again and again.
#[tokio::test(start_paused = true)]
async fn a_transaction_conflict_is_not_a_failure() {
    for fault in [Fault::Conflict, Fault::InProgress] {
        let world = two_people().await;
        // Every second request, if it is a write.
        for write in 0..200 {
            world
                .aws
                .faults()
                .plan(Rule::new(fault).service(Service::DynamoDb).skip(write));
        }
        let ticket = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
        assert!(world.settle(Duration::from_hours(1)).await);
        assert_eq!(load(&world, &ticket).await.state.name(), "Accepted");
        assert_eq!(world.routee.calls().len(), 2);
        let sent = world.aws.sqs().queue("dialing").unwrap().history();
        let retries: Vec<_> = sent
            .iter()
            .filter(|message| message.body.contains("\"again\""))
            .collect();
        assert!(retries.is_empty(), "{retries:?}");
    }
}

/// The secrets cannot be read, so no message of a batch can be consumed.
#[tokio::test(start_paused = true)]
async fn a_batch_without_secrets_is_retried_with_backoff() {
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
        let answer = outbox.retry_batch::<Message>(&event, &"no secrets").await;
        assert!(answer.batch_item_failures.is_empty());
        let sent = queue.messages();
        let [sent] = sent.as_slice() else { unreachable!() };
        pauses.push(sent.visible_at.since(sent.sent_at).as_secs());
        body = queue.lose(&sent.id).unwrap();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [{ "messageId": "m-1", "body": "{" }] })).unwrap();
    outbox.retry_batch::<Message>(&event, &"no secrets").await;
    assert_eq!((queue.messages().len(), queue.dlq().unwrap().messages().len()), (0, 1));
}

/// The queue accepted a timer's next message, but its answer was lost.
#[tokio::test(start_paused = true)]
async fn a_message_whose_sending_is_uncertain_is_left_to_its_redelivery() {
    let world = World::start(Options::default()).await.unwrap();
    let queue = world.aws.sqs().queue("dialing").unwrap();
    // For all retries of the SDK.
    let lost_answers = Rule::new(Fault::LostAnswer).service(Service::Sqs).function("dialer");
    world.aws.faults().plan(lost_answers.times(timeouts::MAX_ATTEMPTS));
    let timer = json!({
        "tenant": "main", "id": "dsp_00000000000000000000000000000007", "version": 1,
        "sent_at": world.clock.now(), "due_at": world.clock.now().plus_seconds(7_200), "work": "resume",
        "wait": "0000000000000007",
    });
    let event = json!({ "Records": [{ "messageId": "m-1", "body": timer.to_string() }] });
    let answer = world
        .consume("dialer", serde_json::from_value(event).unwrap())
        .await
        .unwrap();
    let failed: Vec<_> = answer
        .batch_item_failures
        .iter()
        .map(|one| one.item_identifier.as_str())
        .collect();
    assert_eq!(failed, ["m-1"]);
    assert_eq!(queue.history().len(), timeouts::MAX_ATTEMPTS as usize);
}

/// The queue `notifications` refuses messages, does not answer, or accepts messages without an answer.
async fn assert_calls_do_not_wait_for_webhooks(fault: Fault) {
    // Of the three only one lasts so long: after an hour the pauses between the retries do not grow any more.
    let outage = if fault == Fault::Refused {
        OUTAGE
    } else {
        Duration::from_hours(1)
    };
    let scenario = Scenario::begin().await;
    let rule = Rule::new(fault).service(Service::Sqs).target("notifications");
    scenario
        .world
        .aws
        .faults()
        .plan(rule.during(scenario.outage_of(outage)));
    // During the outage employees are called, and accept.
    pass(&scenario.world, RECOVERY_SECONDS).await;
    for ticket in &scenario.tickets {
        let dispatch = load(&scenario.world, ticket).await;
        assert!(
            matches!(dispatch.state, State::Accepted(_)),
            "{fault:?}: {:?}",
            dispatch.state
        );
    }
    // After the outage all webhooks are delivered.
    scenario.world.clock.sleep(outage).await;
    pass(&scenario.world, RECOVERY_SECONDS).await;
    for ticket in &scenario.tickets {
        let dispatch = load(&scenario.world, ticket).await;
        let all = webhooks::events(&scenario.world.store, &dispatch, None).await.unwrap();
        assert!(!all.events.is_empty());
        for one in all.events {
            let delivery = one.delivery.unwrap();
            assert_eq!(delivery.outcome, DeliveryStatus::Delivered, "{fault:?}: {delivery:?}");
        }
    }
    let audit = audit(&scenario.world, &scenario.tickets).await.unwrap();
    assert_eq!(audit.breaches, [], "{fault:?}");
}

for_each_fault! {
    calls_do_not_wait_for_webhooks_that_cannot_be_sent: assert_calls_do_not_wait_for_webhooks(
        refused: Refused, lost_request: LostRequest, lost_answer: LostAnswer,
    );
}
