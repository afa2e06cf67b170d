use std::time::Duration;

use patchbay::ids::DispatchId;
use patchbay_simulators::aws::sqs::Queue;
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use super::*;
use crate::testing::{clients, deployment, json_of, text_of, world};

const BOTH: [Source; 2] = [Source::Dialing, Source::Notifications];

fn queue(world: &World, name: &str) -> Queue {
    world.aws.sqs().queue(name).expect(name)
}

/// Lets the functions give up so many messages that they cannot read.
async fn poison(world: &World, name: &str, count: usize) {
    for number in 0..count {
        queue(world, name).put(format!("poison {number} for +12025550101"), Duration::ZERO);
    }
    world.clock.sleep(Duration::from_hours(1)).await;
    assert_eq!(queue(world, &format!("{name}-dlq")).depth(), count);
}

/// A message of ours, as if the dialer had given it up.
fn dial(id: u128) -> String {
    json!({
        "tenant": "main", "id": DispatchId::new(id), "version": 1, "sent_at": "2026-11-23T00:00:00Z",
        "due_at": "2026-11-23T00:00:00Z", "work": "dial", "attempt": "000003-01-0000000000000007",
    })
    .to_string()
}

async fn listed(world: &World) -> Vec<Value> {
    let clients = clients(world);
    let document = json_of(async |output| list::list(&clients, &deployment(), &BOTH, 100, output).await).await;
    document["dead_letters"].as_array().expect("a list").clone()
}

fn wanted(limit: Option<u32>, dry_run: bool) -> redrive::Redrive {
    redrive::Redrive {
        limit,
        dry_run,
        wait: 60,
    }
}

async fn redriven(world: &World, wanted: &redrive::Redrive) -> Value {
    let clients = clients(world);
    let document = json_of(async |output| {
        redrive::redrive(&clients, &deployment(), &[Source::Dialing], wanted, output)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(document["complete"], document["queues"][0]["complete"]);
    document["queues"][0].clone()
}

/// All that the command does.
pub(crate) async fn everything(world: &World) {
    for id in 0..2 {
        queue(world, "dialing-dlq").put(dial(id), Duration::ZERO);
    }
    world.aws.recorder().clear();
    assert_eq!(listed(world).await.len(), 2);
    redriven(world, &wanted(Some(1), false)).await;
    redriven(world, &wanted(None, false)).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_told_and_stays_where_it_is() {
    let world = world().await;
    queue(&world, "dialing-dlq").put(dial(7), Duration::ZERO);
    let notice = json!({
        "tenant": "main", "id": DispatchId::new(8), "entry": "000001-x", "first_at": "2026-11-23T00:00:00Z",
        "due_at": "2026-11-23T00:00:00Z", "failures": 255,
    });
    queue(&world, "notifications-dlq").put(notice.to_string(), Duration::ZERO);
    world.clock.sleep(Duration::from_mins(10)).await;
    let letters = listed(&world).await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    let fields = |letter: &Value, names: &[&str]| names.iter().map(|name| letter[*name].clone()).collect::<Vec<_>>();
    assert_eq!(
        fields(
            &letters[0],
            &["queue", "work", "dispatch", "attempt", "receives", "dispatch_status"]
        ),
        [
            json!("dialing"),
            json!("dial"),
            json!("dsp_00000000000000000000000000000007"),
            json!("000003-01-0000000000000007"),
            json!(1),
            Value::Null,
        ]
    );
    assert!(letters[0]["age_seconds"].as_u64().expect("an age") >= 600);
    assert_eq!(
        fields(&letters[1], &["queue", "work", "entry"]),
        [json!("notifications"), json!("notify"), json!("000001-x")]
    );
    // Both can be received at once again.
    for name in ["dialing-dlq", "notifications-dlq"] {
        assert_eq!(
            (queue(&world, name).depth(), queue(&world, name).in_flight()),
            (1, 0),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_cannot_be_read_nothing_is_shown() {
    let world = world().await;
    poison(&world, "dialing", 2).await;
    let letters = listed(&world).await;
    assert_eq!(letters.len(), 2);
    for letter in &letters {
        assert_eq!(letter["work"], "unreadable");
        let reason = letter["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("not a message of ours: "), "{reason}");
    }
    let clients = clients(&world);
    let told = text_of(async |output| list::list(&clients, &deployment(), &BOTH, 100, output).await).await;
    assert!(told.starts_with("QUEUE    WORK        DISPATCH"), "{told}");
    assert!(
        told.ends_with("2 dead letters; patchbay dlq redrive moves them back\n"),
        "{told}"
    );
    for text in [json!(letters).to_string(), told] {
        assert!(!text.contains("poison") && !text.contains("2025550101"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_at_many_shows_each_once_up_to_its_limit() {
    let world = world().await;
    for id in 0..25 {
        queue(&world, "dialing-dlq").put(dial(id), Duration::ZERO);
    }
    assert_eq!(listed(&world).await.len(), 25);
    let clients = clients(&world);
    let some = json_of(async |output| list::list(&clients, &deployment(), &BOTH, 12, output).await).await;
    assert_eq!(some["dead_letters"].as_array().map(Vec::len), Some(12));
    assert_eq!(queue(&world, "dialing-dlq").depth(), 25);
}

#[tokio::test(start_paused = true)]
async fn nothing_given_up_is_said_in_words() {
    let world = world().await;
    let clients = clients(&world);
    let told = text_of(async |output| list::list(&clients, &deployment(), &BOTH, 100, output).await).await;
    assert_eq!(told, "no dead letters\n");
    let told = text_of(async |output| {
        redrive::redrive(&clients, &deployment(), &BOTH, &wanted(None, false), output)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(told, "dialing: no dead letters\nnotifications: no dead letters\n");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_moves_nothing() {
    let world = world().await;
    queue(&world, "dialing-dlq").put(dial(7), Duration::ZERO);
    let moved = redriven(&world, &wanted(None, true)).await;
    assert_eq!((&moved["found"], &moved["moved"]), (&json!(1), &json!(0)));
    assert_eq!(queue(&world, "dialing-dlq").depth(), 1);
    let clients = clients(&world);
    let told = text_of(async |output| {
        redrive::redrive(&clients, &deployment(), &[Source::Dialing], &wanted(None, true), output)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(told, "dialing: 1 dead letter would be moved back\n");
}

#[tokio::test(start_paused = true)]
async fn sqs_moves_everything_back_by_itself() {
    let world = world().await;
    // Sent there by a function: SQS does not know from which queue they came.
    for id in 0..3 {
        queue(&world, "dialing-dlq").put(dial(id), Duration::ZERO);
    }
    let before = queue(&world, "dialing").history().len();
    let moved = redriven(&world, &wanted(None, false)).await;
    assert_eq!(
        moved,
        json!({ "queue": "dialing", "found": 3, "moved": 3, "by": "task", "complete": true })
    );
    assert!(queue(&world, "dialing-dlq").is_empty());
    assert_eq!(queue(&world, "dialing").history().len(), before + 3);
}

#[tokio::test(start_paused = true)]
async fn a_move_that_takes_longer_than_it_is_waited_for_is_not_complete() {
    let world = world().await;
    poison(&world, "dialing", 3).await;
    world.aws.sqs().keep_moving();
    let clients = clients(&world);
    let began = world.clock.now();
    let mut complete = true;
    let told = text_of(async |output| {
        complete = redrive::redrive(
            &clients,
            &deployment(),
            &[Source::Dialing],
            &wanted(None, false),
            output,
        )
        .await?;
        Ok(())
    })
    .await;
    assert!(!complete);
    assert_eq!(world.clock.now().since(began).as_secs(), 60);
    assert_eq!(
        told,
        "dialing: 3 dead letters moved back, not all within 60 s; SQS is still at it, `patchbay dlq list` shows what is \
         left\n"
    );
    assert_eq!(exit_code(complete), ExitCode::from(2));
    assert_eq!(exit_code(true), ExitCode::SUCCESS);
}

#[tokio::test(start_paused = true)]
async fn with_a_limit_so_many_are_moved_by_hand() {
    let world = world().await;
    for id in 0..15 {
        queue(&world, "dialing-dlq").put(dial(id), Duration::ZERO);
    }
    let moved = redriven(&world, &wanted(Some(12), false)).await;
    assert_eq!(
        moved,
        json!({ "queue": "dialing", "found": 15, "moved": 12, "by": "hand", "complete": true })
    );
    assert_eq!(queue(&world, "dialing-dlq").depth(), 3);
    assert_eq!(queue(&world, "dialing").history().len(), 12);
    // The dialer drops what belongs to no dispatch: nothing comes back.
    world.clock.sleep(Duration::from_hours(1)).await;
    assert_eq!(queue(&world, "dialing-dlq").depth(), 3);
    assert!(queue(&world, "dialing").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_again_meanwhile_is_not_moved_forever() {
    let world = world().await;
    poison(&world, "dialing", 2).await;
    let moved = redriven(&world, &wanted(Some(100), false)).await;
    assert_eq!((&moved["moved"], &moved["complete"]), (&json!(2), &json!(true)));
    world.clock.sleep(Duration::from_hours(1)).await;
    assert_eq!(queue(&world, "dialing-dlq").depth(), 2);
}
