//! What an operator has to repair: nothing is lost meanwhile, and nobody is contacted twice.

use patchbay::interaction::{Entry, Fact, Interaction};
use patchbay_simulators::elemente::Fault;
use patchbay_simulators::messages::{CreateFault, Habit, Mobiles};
use patchbay_simulators::phones::Phones;
use patchbay_simulators::ses::{self, Mailboxes, SendFault};
use patchbay_simulators::world::{InteractionOptions, World};
use serde_json::{Value, json};

use crate::common::{ask, pass, phone, settle};
use crate::{ANA, MAIL, contact, load, outcomes, put_agent, put_skill, state, world};

const HOURS: u64 = 3_600;

/// A customer to whom everything arrives.
async fn reachable() -> World {
    let interactions = InteractionOptions {
        mobiles: Mobiles::new().with(phone(ANA), Habit::arrives()),
        mailboxes: Mailboxes::new().with(MAIL, ses::Habit::arrives()),
        ..InteractionOptions::default()
    };
    world(interactions, Phones::new()).await
}

async fn facts(world: &World, id: &str) -> Vec<Fact> {
    let key = load(world, id).await.key;
    let timeline = world.store.timeline_of::<Interaction>(&key, None, 500).await.unwrap();
    let fact = |entry: Entry| entry.fact;
    timeline.entries.into_iter().map(fact).collect()
}

async fn put_agent_of_elemente(world: &World) {
    let sender = json!({ "over": "elemente", "agent_id": "a-1", "skill_id": "s-1" });
    let mail = json!({ "over": "ses", "from": "leo@example.org" });
    let agent = json!({ "name": "Leo", "channels": { "call": sender, "sms": sender, "email": mail } });
    let answer = ask(world, "PUT", "/v1/agents/leo", &agent).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_wait_for_an_account_with_money_and_for_credentials() {
    for (over, fault) in [
        ("twilio", CreateFault::NoMoney),
        ("routee", CreateFault::NoMoney),
        ("twilio", CreateFault::Unauthorized),
    ] {
        let world = reachable().await;
        put_agent(&world, over).await;
        put_skill(&world, json!({})).await;
        world
            .messages
            .change_faults(|faults| faults.create = vec![(1.0, fault)]);
        let id = contact(&world, "sms", ANA, MAIL).await;
        pass(&world, 6 * HOURS).await;
        assert!(world.messages.messages().is_empty(), "{over} {fault:?}");
        assert_eq!(state(&load(&world, &id).await), "sending", "{over} {fault:?}");
        world.messages.change_faults(|faults| faults.create.clear());
        settle(&world).await;
        assert_eq!(state(&load(&world, &id).await), "completed", "{over} {fault:?}");
        assert_eq!(world.messages.messages().len(), 1, "{over} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn emails_wait_for_the_quota_and_for_a_verified_domain() {
    for fault in [SendFault::QuotaUsedUp, SendFault::MailFromNotVerified] {
        let world = reachable().await;
        put_skill(&world, json!({})).await;
        world.ses.change_faults(|faults| faults.send = vec![(1.0, fault)]);
        let id = contact(&world, "email", ANA, MAIL).await;
        pass(&world, 6 * HOURS).await;
        assert_eq!(state(&load(&world, &id).await), "sending", "{fault:?}");
        world.ses.change_faults(|faults| faults.send.clear());
        settle(&world).await;
        assert_eq!(state(&load(&world, &id).await), "completed", "{fault:?}");
        assert_eq!(world.ses.emails().len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_channel_does_not_wait_for_a_provider_that_is_down() {
    let world = reachable().await;
    put_skill(&world, json!({ "then": ["email"] })).await;
    world
        .messages
        .change_faults(|faults| faults.create = vec![(1.0, CreateFault::NoMoney)]);
    let id = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, HOURS).await;
    let interaction = load(&world, &id).await;
    assert_eq!(
        outcomes(&interaction),
        [("sms", "not_accepted"), ("email", "delivered")]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_waits_while_a_secret_is_malformed() {
    let world = reachable().await;
    put_skill(&world, json!({})).await;
    world.spoil_secrets(true);
    let id = contact(&world, "sms", ANA, MAIL).await;
    let mail = contact(&world, "email", ANA, MAIL).await;
    pass(&world, 6 * HOURS).await;
    assert_eq!(state(&load(&world, &id).await), "sending");
    assert_eq!(
        state(&load(&world, &mail).await),
        "completed",
        "the others send nevertheless"
    );
    world.spoil_secrets(false);
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "completed");
    assert_eq!(world.messages.messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_customer_is_not_contacted_again_because_a_back_end_cannot_be_asked() {
    let world = reachable().await;
    put_agent_of_elemente(&world).await;
    put_skill(&world, json!({ "then": ["email"] })).await;
    let id = contact(&world, "call", ANA, MAIL).await;
    pass(&world, 5).await;
    assert_eq!(state(&load(&world, &id).await), "sent");
    world.spoil_secrets(true);
    pass(&world, 6 * HOURS).await;
    assert!(world.ses.emails().is_empty(), "perhaps the call reached the customer");
    world.spoil_secrets(false);
    settle(&world).await;
    let interaction = load(&world, &id).await;
    assert_eq!(outcomes(&interaction), [("call", "talked_to")]);
    assert!(world.ses.emails().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_back_end_that_never_answers_again_does_not_keep_an_interaction_open() {
    let world = reachable().await;
    put_agent_of_elemente(&world).await;
    put_skill(&world, json!({ "then": ["email"] })).await;
    let id = contact(&world, "call", ANA, MAIL).await;
    pass(&world, 5).await;
    world.spoil_secrets(true);
    pass(&world, 25 * HOURS).await;
    assert_eq!(state(&load(&world, &id).await), "unclear");
    assert!(world.ses.emails().is_empty(), "too late");
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_waits_for_a_skill_that_was_deleted() {
    for is_repaired in [true, false] {
        let world = reachable().await;
        put_skill(&world, json!({})).await;
        let id = contact(&world, "sms", ANA, MAIL).await;
        let deleted = ask(&world, "DELETE", "/v1/skills/delivery", &Value::Null).await;
        assert_eq!(deleted.status, 204, "{deleted:?}");
        pass(&world, 6 * HOURS).await;
        assert_eq!(state(&load(&world, &id).await), "scheduled");
        let is_named = |fact: &Fact| matches!(fact, Fact::Postponed { reason, .. } if reason.starts_with("the skill"));
        assert!(facts(&world, &id).await.iter().any(is_named));
        if is_repaired {
            put_skill(&world, json!({})).await;
        }
        settle(&world).await;
        let expected = if is_repaired { ("completed", 1) } else { ("expired", 0) };
        let sent = world.messages.messages().len();
        assert_eq!((state(&load(&world, &id).await), sent), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_ended_at_once_is_ended_later() {
    for fails_for_good in [false, true] {
        let world = reachable().await;
        put_agent_of_elemente(&world).await;
        put_skill(&world, json!({})).await;
        let id = contact(&world, "call", ANA, MAIL).await;
        pass(&world, 2).await;
        world.spoil_secrets(fails_for_good);
        for _ in 0..3 {
            world.elemente.plan_fault(Fault::NotSent);
        }
        let canceled = json!({ "status": "canceled" });
        let answer = ask(&world, "PUT", &format!("/api/v1/calls/{id}"), &canceled).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        pass(&world, HOURS).await;
        let statuses = world.elemente.interactions().into_iter().map(|one| one.set_status);
        let statuses: Vec<_> = statuses.collect();
        let facts = facts(&world, &id).await;
        if fails_for_good {
            assert_eq!(statuses, [None]);
            assert!(matches!(facts.last(), Some(Fact::HangUpFailed { .. })), "{facts:?}");
        } else {
            assert_eq!(statuses, [Some("canceled".to_owned())]);
            assert!(matches!(facts.last(), Some(Fact::HungUp { .. })), "{facts:?}");
        }
    }
}
