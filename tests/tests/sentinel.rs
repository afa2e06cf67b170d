//! Messages are lost at every stage of a dispatch, and the sentinel sends them again.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{change, cost, create, dispatch_body, load, pass, phone, phones, purge, settle};
use http::StatusCode;
use patchbay::clock::Timestamp;
use patchbay::dispatch::{Dispatch, Phase, State, pending_work};
use patchbay::http::{HttpClient, Request, ResponseFuture, SendHttp};
use patchbay::ids::{DispatchKey, InteractionId, InteractionKey};
use patchbay::interaction::{self, Agent, Channel, Content, Customer, Leg, NewInteraction, Parties, Plan};
use patchbay::ledger::Interactions;
use patchbay::queue::Queue;
use patchbay::secret::Randomness;
use patchbay::store::PostponeReason;
use patchbay_simulators::audit::{Breach, audit};
use patchbay_simulators::aws::sqs::QueueSettings;
use patchbay_simulators::aws::{Fault, RequestRecord, Rule, Service, function_clients};
use patchbay_simulators::phones::{Behavior, Phones, Script, When};
use patchbay_simulators::routee::{CreateFault, Faults, WebhookFaults};
use patchbay_simulators::world::{HEARTBEAT_URL, Options, TABLE, World};
use sentinel::{Counts, Report};
use serde_json::{Value, json};

/// A receiver of heartbeats that answers with this status.
struct HeartbeatReceiver(StatusCode);

impl SendHttp for HeartbeatReceiver {
    fn send(&self, _: Request) -> ResponseFuture<'_> {
        let mut answer = http::Response::new(Bytes::new());
        *answer.status_mut() = self.0;
        Box::pin(async { Ok(answer) })
    }
}

/// A world whose sentinel runs at this interval, with a receiver of its heartbeats.
async fn watched(phones: Phones, sentinel: Option<Duration>) -> World {
    let options = Options {
        phones,
        sentinel,
        heartbeat: Some(HttpClient::new(HeartbeatReceiver(StatusCode::OK))),
        ..Options::default()
    };
    World::start(options).await.unwrap()
}

/// A world whose sentinel runs only when the test invokes it.
async fn world<const N: usize>(scripts: [Script; N]) -> World {
    watched(phones(scripts), None).await
}

/// The times of the heartbeats so far.
fn heartbeats(world: &World) -> Vec<Timestamp> {
    let log = world.aws.recorder().log();
    let heartbeats = log.iter().filter(|entry| entry.target == HEARTBEAT_URL);
    heartbeats.map(|entry| entry.at).collect()
}

/// Lets a minute pass, and runs the sentinel.
async fn minute(world: &World) -> Report {
    pass(world, 60).await;
    world.run_sentinel(Value::Null).await.unwrap()
}

/// The number of requests that the sentinel made to SQS.
fn requests_to_the_queue(world: &World) -> usize {
    let is_by_sentinel = |entry: &RequestRecord| &*entry.function == "sentinel";
    world
        .aws
        .recorder()
        .count(|entry| is_by_sentinel(entry) && entry.service == Service::Sqs)
}

/// Lets time pass until the dispatch matches, for an hour at most.
async fn wait_until(world: &World, key: &DispatchKey, matches: impl Fn(&Dispatch) -> bool) -> Dispatch {
    for _ in 0..36_000 {
        let dispatch = load(world, key).await;
        if matches(&dispatch) {
            return dispatch;
        }
        world.clock.sleep(Duration::from_millis(100)).await;
    }
    unreachable!("the dispatch never matched: {:?}", load(world, key).await.state)
}

/// Loses all messages once a dispatch matches, and checks that it continues within ten minutes of the time at which its
/// message was due, that the sentinel reports it as stuck once and otherwise that all is well, and that there are no
/// breaches.
async fn assert_continues(world: World, policy: &Value, matches: impl Fn(&Dispatch) -> bool) {
    let key = create(&world, &dispatch_body(2, policy)).await;
    let before = wait_until(&world, &key, matches).await;
    purge(&world, "dialing").await;
    let (work, moment) = pending_work(&before).unwrap();
    let mut stuck = Vec::new();
    let after = loop {
        let report = minute(&world).await;
        let now = load(&world, &key).await;
        stuck.push(report.dispatches.stuck);
        assert_eq!(heartbeats(&world).last() == Some(&world.clock.now()), report.well);
        if now.version > before.version && report.well {
            break now;
        }
        assert!(world.clock.now() < moment.plus_seconds(600 + 60), "{work:?}: {stuck:?}");
    };
    assert_eq!(stuck.iter().sum::<u32>(), 1, "{work:?}: {stuck:?}");
    assert_eq!(requests_to_the_queue(&world), 1, "{work:?}");
    assert_ne!(after.state, before.state, "{work:?}");
    world.routee.change_faults(|faults| *faults = Faults::default());
    if !after.state.is_over() {
        change(&world, &key, "resolve").await;
    }
    settle(&world).await;
    let audit = audit(&world, &[key]).await.unwrap();
    assert_eq!(audit.breaches, [], "{work:?}");
}

fn is_in(dispatch: &Dispatch, phase: fn(&Phase) -> bool) -> bool {
    dispatch.attempt().is_some_and(|attempt| phase(&attempt.phase))
}

#[tokio::test(start_paused = true)]
async fn a_planned_call_is_placed_after_its_message_was_lost() {
    let world = world([Script::always(Behavior::NeverPicksUp)]).await;
    assert_continues(world, &json!({ "retry_delay": 60 }), |dispatch| {
        dispatch.progress.attempts == 2 && is_in(dispatch, |phase| *phase == Phase::Planned)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_claimed_call_is_looked_up_after_its_message_was_lost() {
    let world = world([Script::always(Behavior::NeverPicksUp)]).await;
    world.routee.fail_next_create(CreateFault::NoAnswer { placed: false });
    assert_continues(world, &json!({}), |dispatch| {
        is_in(dispatch, |phase| matches!(phase, Phase::Claimed { .. }))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_without_webhooks_is_looked_up_after_its_message_was_lost() {
    let world = world([Script::always(Behavior::silent(1))]).await;
    let lost = WebhookFaults {
        lose_for_good: 1.0,
        ..WebhookFaults::default()
    };
    world.routee.change_faults(|faults| {
        faults.status = lost.clone();
        faults.collect = lost;
    });
    assert_continues(world, &json!({}), |dispatch| {
        is_in(dispatch, |phase| matches!(phase, Phase::Placed { .. }))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_next_call_is_placed_after_the_message_of_an_ended_call_was_lost() {
    let world = world([Script::always(Behavior::silent(1))]).await;
    assert_continues(world, &json!({}), |dispatch| {
        is_in(dispatch, |phase| matches!(phase, Phase::Ended { .. }))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_after_its_message_was_lost() {
    let world = world([Script::always(Behavior::Busy), Script::always(Behavior::Busy)]).await;
    assert_continues(world, &json!({ "attempts": 1, "round_pause": 900 }), |dispatch| {
        matches!(dispatch.state, State::Waiting(_))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unresolved_dispatch_is_reopened_after_its_message_was_lost() {
    let world = world([Script::always(Behavior::presses("1", When::OptionsSay(1)))]).await;
    assert_continues(world, &json!({ "resolve_within": 1_200 }), |dispatch| {
        matches!(dispatch.state, State::Accepted(_))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_all_is_well_a_run_costs_fifteen_requests_and_a_heartbeat_a_minute() {
    let world = watched(phones([]), Some(Duration::from_mins(1))).await;
    pass(&world, 3_600 + 1).await;
    let heartbeats = heartbeats(&world);
    assert_eq!(heartbeats.len(), 60);
    let apart = heartbeats.windows(2).map(|two| two[1].since(two[0]).as_secs());
    assert!(
        apart.clone().all(|seconds| seconds == 60),
        "{:?}",
        apart.collect::<Vec<_>>()
    );
    // Four shards of the index, and what was sent again; for dispatches, conversations and interactions.
    assert_eq!(cost(&world, "sentinel"), (15, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_in_progress_is_not_reported() {
    let world = world([
        Script::always(Behavior::NeverPicksUp),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let policy = json!({ "attempts": 3, "retry_delay": 300, "resolve_within": 600 });
    create(&world, &dispatch_body(2, &policy)).await;
    for minute_number in 0..120 {
        let report = minute(&world).await;
        let well = Report {
            well: true,
            ..Report::default()
        };
        assert_eq!(report, well, "after {minute_number} minutes");
    }
    assert_eq!(heartbeats(&world).len(), 120);
}

#[tokio::test(start_paused = true)]
async fn without_the_table_there_is_no_heartbeat() {
    let world = world([]).await;
    assert!(minute(&world).await.well);
    let rule = Rule::new(Fault::Refused)
        .service(Service::DynamoDb)
        .function("sentinel");
    world.aws.faults().plan(rule.times(u32::MAX));
    for _ in 0..3 {
        assert_eq!(minute(&world).await, Report::default());
    }
    world.aws.faults().clear();
    assert!(minute(&world).await.well);
    assert_eq!(heartbeats(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_the_queue_there_is_no_heartbeat_and_nothing_is_lost() {
    let world = world([Script::always(Behavior::presses("1", When::OptionsSay(1)))]).await;
    let key = create(&world, &dispatch_body(1, &json!({ "resolve_within": 600 }))).await;
    wait_until(&world, &key, |dispatch| matches!(dispatch.state, State::Accepted(_))).await;
    purge(&world, "dialing").await;
    let rule = Rule::new(Fault::Refused).service(Service::Sqs).function("sentinel");
    world.aws.faults().plan(rule.times(u32::MAX));
    pass(&world, 1_200).await;
    for _ in 0..3 {
        let report = minute(&world).await;
        assert_eq!(
            (report.well, report.dispatches.stuck, report.dispatches.sent_again),
            (false, 1, 0)
        );
    }
    assert_eq!(heartbeats(&world), []);
    world.aws.faults().clear();
    assert_eq!(minute(&world).await.dispatches.sent_again, 1);
    assert!(minute(&world).await.well);
    assert!(load(&world, &key).await.progress.live_from > 0, "it was opened again");
}

#[tokio::test(start_paused = true)]
async fn a_refused_heartbeat_is_neither_retried_nor_redirected() {
    for status in [StatusCode::FOUND, StatusCode::INTERNAL_SERVER_ERROR] {
        let options = Options {
            sentinel: None,
            heartbeat: Some(HttpClient::new(HeartbeatReceiver(status))),
            ..Options::default()
        };
        let world = World::start(options).await.unwrap();
        assert!(minute(&world).await.well);
        assert_eq!(heartbeats(&world).len(), 1, "it is neither retried nor redirected");
    }
}

/// Phones for a hundred numbers, at each of which an employee accepts.
fn hundred_phones() -> Phones {
    let mut phones = Phones::new();
    for person in 0..100 {
        let accepts = Script::always(Behavior::presses("1", When::OptionsSay(1)));
        phones.set(phone(&number(person)), accepts);
    }
    phones
}

fn number(person: usize) -> String {
    format!("+120255501{person:02}")
}

/// A dispatch for the employee with this number.
fn ticket(number: &str) -> Value {
    let mut ticket = dispatch_body(1, &json!({}));
    *ticket.pointer_mut("/employees/0/phone").unwrap() = json!(number);
    ticket
}

/// Creates this many dispatches at once.
async fn storm(world: &World, tickets: usize) -> Vec<DispatchKey> {
    let mut keys = Vec::new();
    for person in 0..tickets {
        keys.push(create(world, &ticket(&number(person % 100))).await);
    }
    keys
}

async fn backlog_end(world: &World) -> Option<Timestamp> {
    world.store.backlog_end("routee").await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_slots_are_not_reported_as_stuck() {
    let mut ends = Vec::new();
    for is_watched in [false, true] {
        let world = watched(hundred_phones(), None).await;
        let keys = storm(&world, 300).await;
        let (mut held, mut most) = (0, 0);
        while !world.is_idle() {
            pass(&world, 60).await;
            if is_watched {
                let report = world.run_sentinel(Value::Null).await.unwrap();
                assert!(report.well, "{report:?}");
                held += report.dispatches.held;
                most = most.max(report.dispatches.held);
            }
        }
        assert_eq!(requests_to_the_queue(&world), 0);
        assert_eq!(held > 0, is_watched, "no dispatch waited long enough to be checked");
        assert!(most <= 200, "{most} in one run");
        for key in &keys {
            assert_eq!(load(&world, key).await.state.name(), "Accepted");
        }
        assert_eq!(audit(&world, &keys).await.unwrap().breaches, []);
        ends.push((world.routee.calls().len(), backlog_end(&world).await));
    }
    assert_eq!(ends[0], ends[1], "as many calls, as many slots");
}

#[tokio::test(start_paused = true)]
async fn a_lost_call_is_placed_while_the_load_stays_high() {
    let world = watched(hundred_phones(), None).await;
    stop_the_dialer(&world);
    let lost = create(&world, &ticket(&number(99))).await;
    pass(&world, 60).await;
    purge(&world, "dialing").await;
    world.aws.faults().clear();
    let mut minutes = 0;
    while load(&world, &lost).await.version == 1 {
        // More calls than the provider accepts in a minute.
        for person in 0..61 {
            create(&world, &ticket(&number(person))).await;
        }
        minute(&world).await;
        minutes += 1;
        assert!(minutes < 30, "it is never dialed");
    }
}

/// Lets every invocation of the dialer fail: DynamoDB refuses its requests.
fn stop_the_dialer(world: &World) {
    let rule = Rule::new(Fault::Refused).service(Service::DynamoDb).function("dialer");
    world.aws.faults().plan(rule.times(u32::MAX));
}

#[tokio::test(start_paused = true)]
async fn six_hours_without_a_dialer_cost_six_messages_per_dispatch() {
    let world = world([Script::always(Behavior::presses("1", When::OptionsSay(1)))]).await;
    stop_the_dialer(&world);
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    let (mut sent_at, mut was_stuck) = (Vec::new(), false);
    for minute_number in 1..=360 {
        let report = minute(&world).await;
        was_stuck |= report.dispatches.stuck > 0;
        assert_eq!(
            (report.well, report.dispatches.stuck),
            (!was_stuck, u32::from(was_stuck)),
            "it stays reported"
        );
        if report.dispatches.sent_again > 0 {
            sent_at.push(minute_number);
        }
    }
    let first = sent_at[0];
    assert!(first <= 9, "{sent_at:?}");
    let after: Vec<u32> = sent_at.iter().map(|minute| minute - first).collect();
    assert_eq!(after, [0, 10, 30, 70, 150, 310]);

    world.aws.faults().clear();
    while load(&world, &key).await.state.name() != "Accepted" {
        minute(&world).await;
        assert!(world.clock.now() < load(&world, &key).await.expires_at);
    }
    assert!(minute(&world).await.well);
    settle(&world).await;
    let mut audit = audit(&world, &[key]).await.unwrap();
    audit.breaches.retain(|breach| !matches!(breach, Breach::DeadLetter(_)));
    assert_eq!(audit.breaches, []);
    assert_eq!(world.routee.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_bounded_and_every_dispatch_gets_its_turn() {
    let world = watched(hundred_phones(), None).await;
    stop_the_dialer(&world);
    storm(&world, 500).await;
    pass(&world, 600).await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        let report = minute(&world).await;
        sent.push(report.dispatches.sent_again);
        assert!(
            report.dispatches.sent_again <= 200 && report.dispatches.stuck <= 300,
            "{report:?}"
        );
        let run = world.aws.recorder().last("sentinel").unwrap();
        assert!(run.dynamodb <= 10 + 1 + 2 * 300 && run.sqs <= 30, "{run:?}");
    }
    assert_eq!(sent.iter().sum::<u32>(), 500, "{sent:?}");
    assert_eq!(sent[4], 0, "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_that_has_changed_is_not_postponed() {
    let world = world([]).await;
    stop_the_dialer(&world);
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    let before = world.store.due_subject::<Dispatch>(&key).await.unwrap().unwrap();
    assert_eq!((before.sent_again, before.held), (0, 0));
    let later = world.clock.now().plus_seconds(600);
    for (reason, expected) in [
        (PostponeReason::Resent, (1, 0)),
        (PostponeReason::WaitingForSlot, (1, 1)),
    ] {
        let current = world.store.due_subject::<Dispatch>(&key).await.unwrap().unwrap();
        assert!(world.store.postpone(&current, reason, later).await.unwrap());
        let postponed = world.store.due_subject::<Dispatch>(&key).await.unwrap().unwrap();
        assert_eq!((postponed.sent_again, postponed.held), expected);
        assert_eq!(postponed.subject, current.subject, "nothing else has changed");
    }
    change(&world, &key, "cancel").await;
    for reason in [PostponeReason::Resent, PostponeReason::WaitingForSlot] {
        assert!(!world.store.postpone(&before, reason, later).await.unwrap());
    }
    let current = world.store.due_subject::<Dispatch>(&key).await.unwrap().unwrap();
    assert_eq!((current.sent_again, current.held), (0, 0), "the counts start again");
    assert_eq!(world.store.resent::<Dispatch>(10).await.unwrap(), []);
    let max = Timestamp::from_millis(i64::MAX);
    for shard in 0..4 {
        assert_eq!(world.store.due::<Dispatch>(shard, max, 10).await.unwrap(), []);
    }
}

/// Another version, or an operator in the console, wrote an item that cannot be parsed. It is reported, and does not
/// block other dispatches.
#[tokio::test(start_paused = true)]
async fn an_unreadable_dispatch_is_reported_and_blocks_no_other() {
    let world = world([]).await;
    stop_the_dialer(&world);
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    let broken = world.aws.dynamodb().engine().update_item(
        serde_json::from_value(json!({
            "TableName": TABLE,
            "Key": { "pk": { "S": format!("T#{}#D#{}", key.tenant, key.id) }, "sk": { "S": "D" } },
            "UpdateExpression": "SET doc = :doc",
            "ExpressionAttributeValues": { ":doc": { "S": "{}" } },
        }))
        .unwrap(),
    );
    broken.unwrap();
    pass(&world, 600).await;
    let max = Timestamp::from_millis(i64::MAX);
    let due = async || {
        let mut all = Vec::new();
        for shard in 0..4 {
            all.extend(world.store.due::<Dispatch>(shard, max, 10).await.unwrap());
        }
        all
    };
    assert_eq!(due().await, [key]);
    let report = minute(&world).await;
    assert_eq!(
        (report.well, report.dispatches.stuck, report.dispatches.sent_again),
        (false, 1, 0)
    );
    assert_eq!(due().await, []);
    assert_eq!(minute(&world).await.dispatches.stuck, 1, "it is still reported");
}

/// A plan that sends a text at once.
fn a_text(world: &World) -> NewInteraction {
    let leg = Leg {
        channel: Channel::Sms,
        back_end: "twilio".to_owned(),
        from: "+12025550100".to_owned(),
        to: "+12025550143".to_owned(),
        content: Content::Text {
            text: "Hello".to_owned(),
        },
        attempts: 1,
        retry_seconds: 60,
        outcome_seconds: 3_600,
        answer_seconds: None,
        is_polled: false,
    };
    NewInteraction {
        parties: Parties {
            agent: Agent {
                id: "leo".to_owned(),
                name: "Leo".to_owned(),
                phone: "+12025550100".to_owned(),
                email: String::new(),
            },
            skill: "delivery".to_owned(),
            customer: Customer::default(),
        },
        plan: Plan {
            legs: vec![leg],
            not_before: world.clock.now(),
            latest_at: world.clock.now().plus_seconds(86_400),
            remember: false,
            time_zone: None,
            hours_bypass: None,
        },
        note: String::new(),
        webhook: None,
        blank_variables: Vec::new(),
        unused_fields: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_interaction_whose_message_was_lost_gets_it_again() {
    let world = world([]).await;
    // A queue that no function consumes.
    let lost = world.aws.sqs().create_queue("unconsumed", QueueSettings::default());
    let (_, sqs) = function_clients(&world.aws);
    let queue = Queue::new(sqs.clone(), lost.url());
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let interactions = Interactions::new(store.clone(), queue.clone(), clock.clone(), Randomness::seeded(7));
    let key = InteractionKey {
        tenant: "main".parse().unwrap(),
        id: InteractionId::new(42),
    };
    let decision = interaction::create(key, a_text(&world), interactions.context().unwrap());
    interactions.create(decision.unwrap()).await.unwrap();
    assert_eq!(lost.depth(), 1);
    purge(&world, "unconsumed").await;
    pass(&world, 600).await;

    let deps = |interactions| sentinel::Deps {
        store: store.clone(),
        dialing: Queue::new(sqs.clone(), world.aws.sqs().queue("dialing").unwrap().url()),
        conversations: None,
        interactions,
        clock: clock.clone(),
        heartbeat: None,
    };
    // A stack without the API for calls does not look at interactions.
    let report = sentinel::handle(&deps(None), Value::Null).await;
    assert!(report.well, "{report:?}");
    let report = sentinel::handle(&deps(Some(queue.clone())), Value::Null).await;
    let found = Counts {
        stuck: 1,
        sent_again: 1,
        held: 0,
    };
    assert_eq!((report.well, report.interactions), (false, found), "{report:?}");
    let messages = lost.messages();
    let is_send = |body: &str| body.contains(r#""work":"send""#);
    assert!(messages.iter().all(|message| is_send(&message.body)), "{messages:?}");
    assert_eq!(messages.len(), 1, "{messages:?}");
    // It counts as stuck until it moves, but its message is not sent every minute.
    pass(&world, 60).await;
    let report = sentinel::handle(&deps(Some(queue)), Value::Null).await;
    assert_eq!(
        (report.interactions.stuck, report.interactions.sent_again),
        (1, 0),
        "{report:?}"
    );
    assert_eq!(lost.messages().len(), 1);
}
