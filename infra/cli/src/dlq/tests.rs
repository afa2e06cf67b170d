use std::time::Duration;

use patchbay::ids::DispatchId;
use patchbay_simulators::aws::sqs::Queue;
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use super::*;
use crate::testing::{clients, conversations_queue, deployment, interactions_queue, json_of, text_of, world};

fn optional(conversations: Option<String>, interactions: Option<String>) -> OptionalQueues {
    [
        (Source::Conversations, conversations),
        (Source::Interactions, interactions),
    ]
}

/// All queues of a world with a chat platform.
fn all() -> Vec<SourceQueue> {
    chosen(None, &deployment(), optional(Some(conversations_queue()), None)).expect("queues")
}

fn only_dialing() -> Vec<SourceQueue> {
    chosen(Some(Source::Dialing), &deployment(), optional(None, None)).expect("a queue")
}

fn queue(world: &World, name: &str) -> Queue {
    world.aws.sqs().queue(name).expect(name)
}

/// Puts `count` unreadable messages into a queue and waits until they are dead letters.
async fn poison(world: &World, name: &str, count: usize) {
    for number in 0..count {
        queue(world, name).put(format!("poison {number} for +12025550101"), Duration::ZERO);
    }
    world.clock.sleep(Duration::from_hours(1)).await;
    assert_eq!(queue(world, &format!("{name}-dlq")).depth(), count);
}

/// The body of a valid dial message.
fn dial(id: u128) -> String {
    json!({
        "tenant": "main", "id": DispatchId::new(id), "version": 1, "sent_at": "2026-11-23T00:00:00Z",
        "due_at": "2026-11-23T00:00:00Z", "work": "dial", "attempt": "000003-01-0000000000000007",
    })
    .to_string()
}

async fn listed(world: &World) -> Vec<Value> {
    let clients = clients(world);
    let document = json_of(async |output| list::list(&clients, &deployment(), &all(), 100, output).await).await;
    document["dead_letters"].as_array().expect("a list").clone()
}

fn redrive_options(limit: Option<u32>, dry_run: bool) -> redrive::Redrive {
    redrive::Redrive {
        limit,
        dry_run,
        wait: 60,
    }
}

async fn redriven(world: &World, options: &redrive::Redrive) -> Value {
    let clients = clients(world);
    let document = json_of(async |output| {
        redrive::redrive(&clients, &only_dialing(), options, output)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(document["complete"], document["queues"][0]["complete"]);
    document["queues"][0].clone()
}

/// Runs every subcommand, for the check of the documented permissions.
pub(crate) async fn run_all(world: &World) {
    for id in 0..2 {
        queue(world, "dialing-dlq").put(dial(id), Duration::ZERO);
    }
    world.aws.recorder().clear();
    assert_eq!(listed(world).await.len(), 2);
    redriven(world, &redrive_options(Some(1), false)).await;
    redriven(world, &redrive_options(None, false)).await;
}

#[tokio::test(start_paused = true)]
async fn list_describes_dead_letters_and_leaves_them_in_place() {
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
    // Both are visible again at once.
    for name in ["dialing-dlq", "notifications-dlq"] {
        assert_eq!(
            (queue(&world, name).depth(), queue(&world, name).in_flight()),
            (1, 0),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn list_describes_dead_letters_about_chats() {
    let world = world().await;
    let step = json!({
        "tenant": "main", "id": "1201", "version": 4, "sent_at": "2026-11-23T00:00:00Z",
        "due_at": "2026-11-23T00:00:00Z", "work": "step", "step": "0000000000000007",
    });
    queue(&world, "conversations-dlq").put(step.to_string(), Duration::ZERO);
    let letters = listed(&world).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let names = ["queue", "work", "conversation", "dispatch", "holder"];
    assert_eq!(
        names.map(|name| letters[0][name].clone()),
        [
            json!("conversations"),
            json!("step"),
            json!("1201"),
            Value::Null,
            Value::Null
        ]
    );
}

#[test]
fn a_dead_letter_about_an_interaction_is_described_without_its_text() {
    let id = "0192f3a1-7b6c-8d4e-8f2a-3b4c5d6e7f80";
    let body = json!({
        "tenant": "main", "id": id, "version": 4, "sent_at": "2026-11-23T00:00:00Z",
        "due_at": "2026-11-23T00:00:00Z", "work": "send", "attempt": "0000000000000007",
    });
    let message = |body: &str| aws_sdk_sqs::types::Message::builder().body(body).build();
    let letter = letter::DeadLetter::parse(Source::Interactions, &message(&body.to_string()));
    assert_eq!((letter.queue.name(), letter.work), ("interactions", "send"));
    assert_eq!(letter.subject_columns(), [id.to_owned(), "-".to_owned()]);
    let key = letter.interaction().expect("a key");
    assert_eq!(
        (key.tenant.to_string(), key.id.to_string()),
        ("main".to_owned(), id.to_owned())
    );
    assert_eq!((letter.dispatch(), letter.conversation()), (None, None));
    let unreadable = letter::DeadLetter::parse(Source::Interactions, &message("Hello, Ana"));
    assert_eq!((unreadable.work, unreadable.interaction()), ("unreadable", None));
    assert!(!json!(unreadable).to_string().contains("Ana"), "{unreadable:?}");
}

#[test]
fn a_notice_about_an_interaction_is_described() {
    let id = "0192f3a1-7b6c-8d4e-8f2a-3b4c5d6e7f80";
    let notice = json!({
        "tenant": "main", "id": id, "entry": "0000000003-001", "first_at": "2026-11-23T00:00:00Z",
        "due_at": "2026-11-23T00:00:00Z", "failures": 255,
    });
    let work = json!({
        "tenant": "main", "id": id, "version": 3, "sent_at": "2026-11-23T00:00:00Z",
        "due_at": "2026-11-23T00:00:00Z", "work": "notify", "entry": "0000000003-001",
    });
    for (source, body) in [(Source::Notifications, notice), (Source::Interactions, work)] {
        let message = aws_sdk_sqs::types::Message::builder().body(body.to_string()).build();
        let letter = letter::DeadLetter::parse(source, &message);
        assert_eq!(letter.work, "notify");
        let key = letter.interaction().expect("a key");
        assert_eq!((key.id.to_string(), letter.dispatch()), (id.to_owned(), None));
        assert_eq!(json!(letter)["entry"], json!("0000000003-001"));
    }
}

#[test]
fn a_stack_without_an_optional_feature_does_not_have_its_queue() {
    let names = |choice, optional| {
        let queues = chosen(choice, &deployment(), optional).map_err(|error| error.to_string());
        queues.map(|queues| queues.into_iter().map(|queue| queue.source).collect::<Vec<_>>())
    };
    let none = || optional(None, None);
    assert_eq!(names(None, none()), Ok(vec![Source::Dialing, Source::Notifications]));
    for (source, parameter) in [
        (Source::Conversations, "ChatPlatform"),
        (Source::Interactions, "CallsApi"),
    ] {
        let error = names(Some(source), none()).expect_err("no queue");
        assert!(error.contains(parameter), "{error}");
    }
    let interactions = || optional(None, Some(interactions_queue()));
    let found = names(None, interactions());
    assert_eq!(
        found,
        Ok(vec![Source::Dialing, Source::Notifications, Source::Interactions])
    );
    assert_eq!(
        names(Some(Source::Interactions), interactions()),
        Ok(vec![Source::Interactions])
    );
}

#[tokio::test(start_paused = true)]
async fn list_shows_no_text_of_unreadable_messages() {
    let world = world().await;
    poison(&world, "dialing", 2).await;
    let letters = listed(&world).await;
    assert_eq!(letters.len(), 2);
    for letter in &letters {
        assert_eq!(letter["work"], "unreadable");
        let reason = letter["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("not a message of patchbay: "), "{reason}");
    }
    let clients = clients(&world);
    let text = text_of(async |output| list::list(&clients, &deployment(), &all(), 100, output).await).await;
    assert!(text.starts_with("QUEUE    WORK        SUBJECT"), "{text}");
    assert!(
        text.ends_with("2 dead letters; `patchbay dlq redrive` moves them back\n"),
        "{text}"
    );
    for text in [json!(letters).to_string(), text] {
        assert!(!text.contains("poison") && !text.contains("2025550101"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn list_shows_each_dead_letter_once_up_to_its_limit() {
    let world = world().await;
    for id in 0..25 {
        queue(&world, "dialing-dlq").put(dial(id), Duration::ZERO);
    }
    assert_eq!(listed(&world).await.len(), 25);
    let clients = clients(&world);
    let limited = json_of(async |output| list::list(&clients, &deployment(), &all(), 12, output).await).await;
    assert_eq!(limited["dead_letters"].as_array().map(Vec::len), Some(12));
    assert_eq!(queue(&world, "dialing-dlq").depth(), 25);
}

#[tokio::test(start_paused = true)]
async fn empty_queues_print_no_dead_letters() {
    let world = world().await;
    let clients = clients(&world);
    let text = text_of(async |output| list::list(&clients, &deployment(), &all(), 100, output).await).await;
    assert_eq!(text, "no dead letters\n");
    let text = text_of(async |output| {
        redrive::redrive(&clients, &all(), &redrive_options(None, false), output)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        text,
        "dialing: no dead letters\nnotifications: no dead letters\nconversations: no dead letters\n"
    );
}

#[tokio::test(start_paused = true)]
async fn dry_run_moves_nothing() {
    let world = world().await;
    queue(&world, "dialing-dlq").put(dial(7), Duration::ZERO);
    let moved = redriven(&world, &redrive_options(None, true)).await;
    assert_eq!((&moved["found"], &moved["moved"]), (&json!(1), &json!(0)));
    assert_eq!(queue(&world, "dialing-dlq").depth(), 1);
    let clients = clients(&world);
    let text = text_of(async |output| {
        redrive::redrive(&clients, &only_dialing(), &redrive_options(None, true), output)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(text, "dialing: 1 dead letter would be moved back\n");
}

#[tokio::test(start_paused = true)]
async fn redrive_without_a_limit_uses_a_message_move_task() {
    let world = world().await;
    // As if sent by a function: SQS does not know which queue they came from.
    for id in 0..3 {
        queue(&world, "dialing-dlq").put(dial(id), Duration::ZERO);
    }
    let before = queue(&world, "dialing").history().len();
    let moved = redriven(&world, &redrive_options(None, false)).await;
    assert_eq!(
        moved,
        json!({ "queue": "dialing", "found": 3, "moved": 3, "moved_by": "task", "complete": true })
    );
    assert!(queue(&world, "dialing-dlq").is_empty());
    assert_eq!(queue(&world, "dialing").history().len(), before + 3);
}

#[tokio::test(start_paused = true)]
async fn a_move_task_that_outlasts_wait_is_incomplete() {
    let world = world().await;
    poison(&world, "dialing", 3).await;
    world.aws.sqs().keep_move_tasks_running();
    let clients = clients(&world);
    let began = world.clock.now();
    let mut complete = true;
    let text = text_of(async |output| {
        complete = redrive::redrive(&clients, &only_dialing(), &redrive_options(None, false), output).await?;
        Ok(())
    })
    .await;
    assert!(!complete);
    assert_eq!(world.clock.now().since(began).as_secs(), 60);
    assert_eq!(
        text,
        "dialing: 3 dead letters moved back within 60 s, SQS continues; `patchbay dlq list` shows the rest\n"
    );
    assert_eq!(exit_code(complete), ExitCode::from(2));
    assert_eq!(exit_code(true), ExitCode::SUCCESS);
}

#[tokio::test(start_paused = true)]
async fn redrive_with_a_limit_moves_messages_one_by_one() {
    let world = world().await;
    for id in 0..15 {
        queue(&world, "dialing-dlq").put(dial(id), Duration::ZERO);
    }
    let moved = redriven(&world, &redrive_options(Some(12), false)).await;
    assert_eq!(
        moved,
        json!({ "queue": "dialing", "found": 15, "moved": 12, "moved_by": "command", "complete": true })
    );
    assert_eq!(queue(&world, "dialing-dlq").depth(), 3);
    assert_eq!(queue(&world, "dialing").history().len(), 12);
    // The dialer drops messages without a dispatch: none becomes a dead letter again.
    world.clock.sleep(Duration::from_hours(1)).await;
    assert_eq!(queue(&world, "dialing-dlq").depth(), 3);
    assert!(queue(&world, "dialing").is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_that_fail_again_are_not_moved_forever() {
    let world = world().await;
    poison(&world, "dialing", 2).await;
    let moved = redriven(&world, &redrive_options(Some(100), false)).await;
    assert_eq!((&moved["moved"], &moved["complete"]), (&json!(2), &json!(true)));
    world.clock.sleep(Duration::from_hours(1)).await;
    assert_eq!(queue(&world, "dialing-dlq").depth(), 2);
}
