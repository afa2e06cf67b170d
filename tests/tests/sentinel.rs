//! Messages are lost at every stage of a ticket, and the sentinel makes it go on.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{brief, change, cost, create, load, pass, phone, phones, purge, settle};
use http::StatusCode;
use patchbay::clock::Timestamp;
use patchbay::dispatch::{Dispatch, Phase, State, pending_work};
use patchbay::http::{HttpClient, Request, SendHttp, Sending};
use patchbay::ids::DispatchKey;
use patchbay::store::Postponed;
use patchbay_simulators::audit::{Breach, audit};
use patchbay_simulators::aws::{Entry, Fault, Rule, Service};
use patchbay_simulators::phones::{Behaviour, Phones, Script, When};
use patchbay_simulators::routee::{CreateFault, Faults, WebhookFaults};
use patchbay_simulators::world::{HEARTBEAT_URL, Options, TABLE, World};
use sentinel::Report;
use serde_json::{Value, json};

/// Somebody who waits for heartbeats, and answers them so.
struct Listener(StatusCode);

impl SendHttp for Listener {
    fn send(&self, _: Request) -> Sending<'_> {
        let mut answer = http::Response::new(Bytes::new());
        *answer.status_mut() = self.0;
        Box::pin(async { Ok(answer) })
    }
}

/// A world in which the sentinel looks as often as it says, and somebody listens to its heartbeats.
async fn watched(phones: Phones, sentinel: Option<Duration>) -> World {
    let options = Options {
        phones,
        sentinel,
        heartbeat: Some(HttpClient::new(Listener(StatusCode::OK))),
        ..Options::default()
    };
    World::start(options).await.unwrap()
}

/// A world in which the sentinel looks only when it is told to.
async fn world<const N: usize>(scripts: [Script; N]) -> World {
    watched(phones(scripts), None).await
}

/// The heartbeats so far.
fn beats(world: &World) -> Vec<Timestamp> {
    let log = world.aws.recorder().log();
    let beats = log.iter().filter(|entry| entry.target == HEARTBEAT_URL);
    beats.map(|entry| entry.at).collect()
}

/// Lets a minute pass, and the sentinel look.
async fn minute(world: &World) -> Report {
    pass(world, 60).await;
    world.look(Value::Null).await.unwrap()
}

/// The messages that the sentinel has sent, by its requests.
fn requests_to_the_queue(world: &World) -> usize {
    let of_the_sentinel = |entry: &Entry| &*entry.function == "sentinel";
    world
        .aws
        .recorder()
        .count(|entry| of_the_sentinel(entry) && entry.service == Service::Sqs)
}

/// Lets time pass until the dispatch is such, for an hour at most.
async fn until_it_is(world: &World, key: &DispatchKey, such: impl Fn(&Dispatch) -> bool) -> Dispatch {
    for _ in 0..36_000 {
        let dispatch = load(world, key).await;
        if such(&dispatch) {
            return dispatch;
        }
        world.clock.sleep(Duration::from_millis(100)).await;
    }
    unreachable!("it never came to that: {:?}", load(world, key).await.state)
}

/// Loses every message while a dispatch is such, and looks on: it goes on within ten minutes of its moment, all is well
/// but for the minutes in which it was found, and nobody was dialled twice in the end.
async fn goes_on(world: World, policy: &Value, such: impl Fn(&Dispatch) -> bool) {
    let key = create(&world, &brief(2, policy)).await;
    let left = until_it_is(&world, &key, such).await;
    purge(&world).await;
    let (work, moment) = pending_work(&left).unwrap();
    let mut stuck = Vec::new();
    let moved = loop {
        let report = minute(&world).await;
        let now = load(&world, &key).await;
        stuck.push(report.stuck);
        assert_eq!(beats(&world).last() == Some(&world.clock.now()), report.well);
        if now.version > left.version && report.well {
            break now;
        }
        assert!(world.clock.now() < moment.plus_seconds(600 + 60), "{work:?}: {stuck:?}");
    };
    assert_eq!(stuck.iter().sum::<u32>(), 1, "{work:?}: {stuck:?}");
    assert_eq!(requests_to_the_queue(&world), 1, "{work:?}");
    assert_ne!(moved.state, left.state, "{work:?}");
    world.routee.change_faults(|faults| *faults = Faults::default());
    if !moved.state.is_over() {
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
async fn a_planned_call_whose_message_is_lost_is_placed() {
    let world = world([Script::always(Behaviour::NeverPicksUp)]).await;
    goes_on(world, &json!({ "retry_delay": 60 }), |dispatch| {
        dispatch.progress.attempts == 2 && is_in(dispatch, |phase| *phase == Phase::Planned)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_of_which_nobody_knows_whether_it_was_placed_is_looked_after() {
    let world = world([Script::always(Behaviour::NeverPicksUp)]).await;
    world.routee.fail_next_create(CreateFault::NoAnswer { placed: false });
    goes_on(world, &json!({}), |dispatch| {
        is_in(dispatch, |phase| matches!(phase, Phase::Claimed { .. }))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_end_nobody_tells_is_looked_after() {
    let world = world([Script::always(Behaviour::silent(1))]).await;
    let lost = WebhookFaults {
        lose_for_good: 1.0,
        ..WebhookFaults::default()
    };
    world.routee.change_faults(|faults| {
        faults.status = lost.clone();
        faults.collect = lost;
    });
    goes_on(world, &json!({}), |dispatch| {
        is_in(dispatch, |phase| matches!(phase, Phase::Placed { .. }))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_over_without_a_key_is_followed_by_the_next() {
    let world = world([Script::always(Behaviour::silent(1))]).await;
    goes_on(world, &json!({}), |dispatch| {
        is_in(dispatch, |phase| matches!(phase, Phase::Ended { .. }))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_whose_message_is_lost_ends() {
    let world = world([Script::always(Behaviour::Busy), Script::always(Behaviour::Busy)]).await;
    goes_on(world, &json!({ "attempts": 1, "round_pause": 900 }), |dispatch| {
        matches!(dispatch.state, State::Waiting(_))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_accepted_ticket_that_nobody_resolves_is_opened_again() {
    let world = world([Script::always(Behaviour::presses("1", When::OptionsSay(1)))]).await;
    goes_on(world, &json!({ "resolve_within": 1_200 }), |dispatch| {
        matches!(dispatch.state, State::Accepted(_))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_all_is_well_a_look_costs_five_requests_and_a_heartbeat_a_minute() {
    let world = watched(phones([]), Some(Duration::from_mins(1))).await;
    pass(&world, 3_600 + 1).await;
    let beats = beats(&world);
    assert_eq!(beats.len(), 60);
    let apart = beats.windows(2).map(|two| two[1].since(two[0]).as_secs());
    assert!(
        apart.clone().all(|seconds| seconds == 60),
        "{:?}",
        apart.collect::<Vec<_>>()
    );
    // Four parts of the index, and what was sent again.
    assert_eq!(cost(&world, "sentinel"), (5, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_on_its_way_is_nothing_to_be_said() {
    let world = world([
        Script::always(Behaviour::NeverPicksUp),
        Script::always(Behaviour::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let policy = json!({ "attempts": 3, "retry_delay": 300, "resolve_within": 600 });
    create(&world, &brief(2, &policy)).await;
    for minute_number in 0..120 {
        let report = minute(&world).await;
        let well = Report {
            well: true,
            ..Report::default()
        };
        assert_eq!(report, well, "after {minute_number} minutes");
    }
    assert_eq!(beats(&world).len(), 120);
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
    world.aws.faults().calm();
    assert!(minute(&world).await.well);
    assert_eq!(beats(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_takes_nothing_is_not_well_and_nothing_is_lost() {
    let world = world([Script::always(Behaviour::presses("1", When::OptionsSay(1)))]).await;
    let key = create(&world, &brief(1, &json!({ "resolve_within": 600 }))).await;
    until_it_is(&world, &key, |dispatch| matches!(dispatch.state, State::Accepted(_))).await;
    purge(&world).await;
    let rule = Rule::new(Fault::Refused).service(Service::Sqs).function("sentinel");
    world.aws.faults().plan(rule.times(u32::MAX));
    pass(&world, 1_200).await;
    for _ in 0..3 {
        let report = minute(&world).await;
        assert_eq!((report.well, report.stuck, report.sent_again), (false, 1, 0));
    }
    assert_eq!(beats(&world), []);
    world.aws.faults().calm();
    assert_eq!(minute(&world).await.sent_again, 1);
    assert!(minute(&world).await.well);
    assert!(load(&world, &key).await.progress.live_from > 0, "it was opened again");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_is_not_taken_changes_nothing() {
    for status in [StatusCode::FOUND, StatusCode::INTERNAL_SERVER_ERROR] {
        let options = Options {
            sentinel: None,
            heartbeat: Some(HttpClient::new(Listener(status))),
            ..Options::default()
        };
        let world = World::start(options).await.unwrap();
        assert!(minute(&world).await.well);
        assert_eq!(beats(&world).len(), 1, "it is not tried again, nor followed");
    }
}

/// Every number that there is, and somebody there who accepts.
fn everybody() -> Phones {
    let mut phones = Phones::new();
    for person in 0..100 {
        let accepts = Script::always(Behaviour::presses("1", When::OptionsSay(1)));
        phones.set(phone(&number(person)), accepts);
    }
    phones
}

fn number(person: usize) -> String {
    format!("+120255501{person:02}")
}

/// A ticket for one of them.
fn ticket(number: &str) -> Value {
    let mut ticket = brief(1, &json!({}));
    *ticket.pointer_mut("/employees/0/phone").unwrap() = json!(number);
    ticket
}

/// All at once.
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
async fn a_storm_is_no_loss() {
    let mut ends = Vec::new();
    for is_watched in [false, true] {
        let world = watched(everybody(), None).await;
        let keys = storm(&world, 300).await;
        let (mut held, mut most) = (0, 0);
        while !world.is_quiet() {
            pass(&world, 60).await;
            if is_watched {
                let report = world.look(Value::Null).await.unwrap();
                assert!(report.well, "{report:?}");
                held += report.held;
                most = most.max(report.held);
            }
        }
        assert_eq!(requests_to_the_queue(&world), 0);
        assert_eq!(held > 0, is_watched, "nobody waited for long enough to be looked at");
        assert!(most <= 200, "{most} in one look");
        for key in &keys {
            assert_eq!(load(&world, key).await.state.name(), "Accepted");
        }
        assert_eq!(audit(&world, &keys).await.unwrap().breaches, []);
        ends.push((world.routee.calls().len(), backlog_end(&world).await));
    }
    assert_eq!(ends[0], ends[1], "as many calls, as many slots");
}

#[tokio::test(start_paused = true)]
async fn a_lost_call_does_not_wait_for_the_end_of_steady_load() {
    let world = watched(everybody(), None).await;
    stop_the_dialer(&world);
    let lost = create(&world, &ticket(&number(99))).await;
    pass(&world, 60).await;
    purge(&world).await;
    world.aws.faults().calm();
    let mut minutes = 0;
    while load(&world, &lost).await.version == 1 {
        // More than the provider takes.
        for person in 0..61 {
            create(&world, &ticket(&number(person))).await;
        }
        minute(&world).await;
        minutes += 1;
        assert!(minutes < 30, "it is never dialled");
    }
}

/// Lets every message to the dialer fail, as when it cannot be had.
fn stop_the_dialer(world: &World) {
    let rule = Rule::new(Fault::Refused).service(Service::DynamoDb).function("dialer");
    world.aws.faults().plan(rule.times(u32::MAX));
}

#[tokio::test(start_paused = true)]
async fn six_hours_without_a_dialer_cost_six_messages_a_ticket() {
    let world = world([Script::always(Behaviour::presses("1", When::OptionsSay(1)))]).await;
    stop_the_dialer(&world);
    let key = create(&world, &brief(1, &json!({}))).await;
    let (mut sent_at, mut was_stuck) = (Vec::new(), false);
    for minute_number in 1..=360 {
        let report = minute(&world).await;
        was_stuck |= report.stuck > 0;
        assert_eq!(
            (report.well, report.stuck),
            (!was_stuck, u32::from(was_stuck)),
            "it is not forgotten"
        );
        if report.sent_again > 0 {
            sent_at.push(minute_number);
        }
    }
    let first = sent_at[0];
    assert!(first <= 9, "{sent_at:?}");
    let after: Vec<u32> = sent_at.iter().map(|minute| minute - first).collect();
    assert_eq!(after, [0, 10, 30, 70, 150, 310]);

    world.aws.faults().calm();
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
async fn a_look_is_bounded_and_everybody_has_a_turn() {
    let world = watched(everybody(), None).await;
    stop_the_dialer(&world);
    storm(&world, 500).await;
    pass(&world, 600).await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        let report = minute(&world).await;
        sent.push(report.sent_again);
        assert!(report.sent_again <= 200 && report.stuck <= 300, "{report:?}");
        let run = world.aws.recorder().last("sentinel").unwrap();
        assert!(run.dynamodb <= 5 + 1 + 2 * 300 && run.sqs <= 30, "{run:?}");
    }
    assert_eq!(sent.iter().sum::<u32>(), 500, "{sent:?}");
    assert_eq!(sent[4], 0, "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_that_has_moved_is_not_postponed() {
    let world = world([]).await;
    stop_the_dialer(&world);
    let key = create(&world, &brief(1, &json!({}))).await;
    let unmoved = world.store.unmoved(&key).await.unwrap().unwrap();
    assert_eq!((unmoved.sent_again, unmoved.held), (0, 0));
    let later = world.clock.now().plus_seconds(600);
    for (why, expected) in [(Postponed::SentAgain, (1, 0)), (Postponed::Held, (1, 1))] {
        let unmoved = world.store.unmoved(&key).await.unwrap().unwrap();
        assert!(world.store.postpone(&unmoved, why, later).await.unwrap());
        let noted = world.store.unmoved(&key).await.unwrap().unwrap();
        assert_eq!((noted.sent_again, noted.held), expected);
        assert_eq!(noted.dispatch, unmoved.dispatch, "nothing else has changed");
    }
    change(&world, &key, "cancel").await;
    for why in [Postponed::SentAgain, Postponed::Held] {
        assert!(!world.store.postpone(&unmoved, why, later).await.unwrap());
    }
    let noted = world.store.unmoved(&key).await.unwrap().unwrap();
    assert_eq!((noted.sent_again, noted.held), (0, 0), "it begins anew");
    assert_eq!(world.store.sent_again(10).await.unwrap(), []);
    let ever = Timestamp::from_millis(i64::MAX);
    for shard in 0..4 {
        assert_eq!(world.store.due(shard, ever, 10).await.unwrap(), []);
    }
}

/// What another version wrote, or a hand in the console: it counts, and nobody waits behind it.
#[tokio::test(start_paused = true)]
async fn a_dispatch_that_cannot_be_read_is_said_and_keeps_nobody_from_being_looked_at() {
    let world = world([]).await;
    stop_the_dialer(&world);
    let key = create(&world, &brief(1, &json!({}))).await;
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
    let ever = Timestamp::from_millis(i64::MAX);
    let first_in_line = async || {
        let mut all = Vec::new();
        for shard in 0..4 {
            all.extend(world.store.due(shard, ever, 10).await.unwrap());
        }
        all
    };
    assert_eq!(first_in_line().await, [key]);
    let report = minute(&world).await;
    assert_eq!((report.well, report.stuck, report.sent_again), (false, 1, 0));
    assert_eq!(first_in_line().await, []);
    assert_eq!(minute(&world).await.stuck, 1, "it is still said");
}
