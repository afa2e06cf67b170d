//! Conversations, the connection, bot documents and opt-outs in the table.

use std::collections::BTreeMap;

use patchbay::chat::Platform;
use patchbay::conversation::{Conversation, ConversationKey, Entry, Fact, Holder};
use patchbay::ids::Tenant;
use patchbay::store::{
    ChatConnection, ConversationSummary, DeleteDocumentResult, DocumentKey, DocumentKind, OptOutChange, OptOutSource,
    Precondition, PutDocumentResult, VersionCommit,
};
use patchbay_simulators::aws::Service;
use patchbay_simulators::world::World;

use crate::common::{pass, phone, world};

fn tenant(name: &str) -> Tenant {
    name.parse().unwrap()
}

fn key(id: &str) -> ConversationKey {
    ConversationKey {
        tenant: tenant("main"),
        id: id.parse().unwrap(),
    }
}

/// The next version of a conversation.
fn next(conversation: &Conversation, world: &World) -> Conversation {
    Conversation {
        version: conversation.version + 1,
        updated_at: world.clock.now(),
        ..conversation.clone()
    }
}

fn first(world: &World, id: &str) -> Conversation {
    next(&Conversation::new(key(id), world.clock.now()), world)
}

fn entry(conversation: &Conversation, index: u8, world: &World) -> Entry {
    Entry {
        id: format!("{:010}-{index:03}", conversation.version),
        at: world.clock.now(),
        fact: Fact::WaitedTooLong,
    }
}

async fn commit(world: &World, next: &Conversation, entries: &[Entry]) -> VersionCommit<Conversation> {
    let now = world.clock.now();
    world.store.commit_version(next, entries, now).await.unwrap()
}

/// Requests to DynamoDB so far.
fn requests(world: &World) -> usize {
    world
        .aws
        .recorder()
        .count(|request| request.service == Service::DynamoDb)
}

#[tokio::test(start_paused = true)]
async fn a_committed_conversation_is_read_back() {
    let world = world([]).await;
    assert_eq!(
        world.store.load_subject::<Conversation>(&key("1201")).await.unwrap(),
        None
    );
    let one = first(&world, "1201");
    assert_eq!(commit(&world, &one, &[]).await, VersionCommit::Committed);
    assert_eq!(world.store.load_subject(&key("1201")).await.unwrap(), Some(one.clone()));
    let two = Conversation {
        holder: Holder::Human,
        ..next(&one, &world)
    };
    let entries = [entry(&two, 0, &world)];
    assert_eq!(commit(&world, &two, &entries).await, VersionCommit::Committed);
    assert_eq!(world.store.load_subject(&key("1201")).await.unwrap(), Some(two));
}

#[tokio::test(start_paused = true)]
async fn a_commit_costs_one_request_with_and_without_entries() {
    let world = world([]).await;
    let one = first(&world, "1201");
    let two = next(&one, &world);
    let before = requests(&world);
    commit(&world, &one, &[entry(&one, 0, &world), entry(&one, 1, &world)]).await;
    assert_eq!(requests(&world), before + 1);
    commit(&world, &two, &[]).await;
    assert_eq!(requests(&world), before + 2);
}

#[tokio::test(start_paused = true)]
async fn an_outdated_commit_writes_nothing_and_returns_the_current_state() {
    let world = world([]).await;
    let one = first(&world, "1201");
    let two = next(&one, &world);
    commit(&world, &one, &[]).await;
    commit(&world, &two, &[]).await;
    for outdated in [&one, &two] {
        for entries in [vec![], vec![entry(outdated, 0, &world)]] {
            let result = commit(&world, outdated, &entries).await;
            assert_eq!(result, VersionCommit::Conflict(Some(Box::new(two.clone()))));
        }
    }
    let timeline = world
        .store
        .timeline_of::<Conversation>(&key("1201"), None, 10)
        .await
        .unwrap();
    assert_eq!(timeline.entries, []);
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_a_conversation_that_has_expired_is_a_conflict() {
    let world = world([]).await;
    let two = next(&first(&world, "1201"), &world);
    for entries in [vec![], vec![entry(&two, 0, &world)]] {
        assert_eq!(commit(&world, &two, &entries).await, VersionCommit::Conflict(None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeline_is_read_page_by_page_in_order() {
    let world = world([]).await;
    let mut conversation = Conversation::new(key("1201"), world.clock.now());
    let mut written = Vec::new();
    for _ in 0..3 {
        conversation = next(&conversation, &world);
        let entries = [0, 1].map(|index| entry(&conversation, index, &world));
        commit(&world, &conversation, &entries).await;
        written.extend(entries);
    }
    let (mut read, mut cursor) = (Vec::new(), None);
    loop {
        let key = key("1201");
        let page = world
            .store
            .timeline_of::<Conversation>(&key, cursor.as_deref(), 4)
            .await
            .unwrap();
        read.extend(page.entries);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(read, written);
}

#[tokio::test(start_paused = true)]
async fn conversations_are_listed_by_day_newest_first_with_their_holder() {
    let world = world([]).await;
    for id in ["1201", "1202", "x-9"] {
        commit(&world, &first(&world, id), &[]).await;
        pass(&world, 1).await;
    }
    let handed_over = Conversation {
        holder: Holder::Waiting,
        holder_since: world.clock.now(),
        ..next(
            &world
                .store
                .load_subject::<Conversation>(&key("1202"))
                .await
                .unwrap()
                .unwrap(),
            &world,
        )
    };
    commit(&world, &handed_over, &[]).await;
    let day = world.clock.now().day();
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = world
            .store
            .list_day::<ConversationSummary>(&tenant("main"), &day, cursor.as_deref(), 2)
            .await
            .unwrap();
        listed.extend(page.lines);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let shown: Vec<(&str, &str)> = listed.iter().map(|line| (line.id.as_str(), &*line.holder)).collect();
    assert_eq!(shown, [("x-9", "bot"), ("1202", "waiting"), ("1201", "bot")]);
    assert_eq!(listed[1].holder_since, handed_over.holder_since.to_string());
    let other = tenant("other");
    let others = world
        .store
        .list_day::<ConversationSummary>(&other, &day, None, 10)
        .await;
    assert_eq!(others.unwrap().lines, []);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_replaced_as_a_whole() {
    let world = world([]).await;
    let main = tenant("main");
    assert_eq!(world.store.connection(&main).await.unwrap(), None);
    let mut connection = ChatConnection {
        platform: Platform::Sangoma,
        bot_id: "3".parse().unwrap(),
        name: "Acme bot".to_owned(),
        inboxes: BTreeMap::from([("7".parse().unwrap(), "shop".parse().unwrap())]),
        bot_url: "https://hooks.example.org/sangoma/bot/x".to_owned(),
        events_url: None,
        widget: None,
        updated_at: world.clock.now(),
    };
    for inboxes in [connection.inboxes.clone(), BTreeMap::new()] {
        connection.inboxes = inboxes;
        world.store.put_connection(&main, &connection).await.unwrap();
        assert_eq!(world.store.connection(&main).await.unwrap().as_ref(), Some(&connection));
    }
    assert_eq!(world.store.connection(&tenant("other")).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_opt_out_counts_for_one_number_of_one_tenant_until_it_is_removed() {
    let world = world([]).await;
    let (main, number) = (tenant("main"), phone("+12025550143"));
    let is_opted_out = async |tenant: &Tenant, number: &str| {
        let found = world.store.is_opted_out(tenant, &phone(number)).await;
        found.unwrap()
    };
    assert!(!is_opted_out(&main, "+12025550143").await);
    for _ in 0..2 {
        world
            .store
            .change_opt_out(
                &main,
                &number,
                &OptOutChange::opt_out(OptOutSource::Api, world.clock.now()),
            )
            .await
            .unwrap();
        assert!(is_opted_out(&main, "+1 (202) 555-0143").await);
        assert!(!is_opted_out(&main, "+12025550144").await);
        assert!(!is_opted_out(&tenant("other"), "+12025550143").await);
    }
    for _ in 0..2 {
        world
            .store
            .change_opt_out(&main, &number, &OptOutChange::end(OptOutSource::Api, world.clock.now()))
            .await
            .unwrap();
        assert!(!is_opted_out(&main, "+12025550143").await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bot_and_a_chain_of_one_name_are_two_documents() {
    let world = world([]).await;
    let of = |kind| DocumentKey {
        tenant: tenant("main"),
        kind,
        name: "shop".parse().unwrap(),
    };
    let (bot, chain) = (of(DocumentKind::Bot), of(DocumentKind::Chain));
    for (key, document) in [(&bot, r#"{"bot":1}"#), (&chain, r#"{"chain":1}"#)] {
        let now = world.clock.now();
        let put = world.store.put_document(key, document, Precondition::Absent, now).await;
        assert!(matches!(put.unwrap(), PutDocumentResult::Stored { created: true, .. }));
    }
    for (key, document) in [(&bot, r#"{"bot":1}"#), (&chain, r#"{"chain":1}"#)] {
        assert_eq!(world.store.document(key).await.unwrap().unwrap().document, document);
        let listed = world
            .store
            .list_documents(&key.tenant, key.kind, None, 10)
            .await
            .unwrap();
        let names: Vec<&str> = listed.documents.iter().map(|line| &*line.name).collect();
        assert_eq!(names, ["shop"]);
    }
    let deleted = world.store.delete_document(&bot, None).await.unwrap();
    assert_eq!(deleted, DeleteDocumentResult::Deleted);
    assert!(world.store.document(&chain).await.unwrap().is_some());
}
