//! Random behavior: replayed by its seed, and always within the contract.

use super::*;
use crate::rng::Rng;

/// A conversation with everybody in it, under random switches and faults. Returns the record as text.
async fn run(seed: u64) -> String {
    let mut rng = Rng::new(seed);
    let desk = Desk::new(Switches::random(&mut rng)).await;
    let faults = Faults::random(&mut rng, 0.2);
    desk.chat.change_faults(|current| *current = faults);
    desk.chat.subscribe(
        WEBHOOK_URL,
        &[EventName::MessageCreated, EventName::ConversationCreated],
    );
    desk.chat
        .put_to_work(Agent::new("jane.doe", Duration::from_secs(20), "Hello").who(Habit::Resolves));
    desk.chat.add_third_party(ThirdParty {
        at_most: 5,
        ..ThirdParty::loop_partner()
    });
    desk.chat.add_third_party(ThirdParty::other_bot());
    let texts = (0..5).map(|number| format!("message {number}"));
    let conversation = desk
        .chat
        .let_in(Customer::random(&mut rng, INBOX, texts))
        .expect("an inbox");
    for number in 0..5 {
        let _ = desk
            .try_post(
                "digital-interactions/messages/",
                desk.message(conversation, &format!("answer {number}")),
            )
            .await;
        desk.pass(10).await;
    }
    let body = json!({ "conversation_id": conversation });
    let _ = desk
        .try_post("digital-interactions/conversations/deliver-to-agent/", body)
        .await;
    desk.pass(3_600).await;
    assert!(desk.chat.is_idle(), "seed {seed}");
    assert!(desk.chat.unexpected().is_empty(), "seed {seed}");
    for event in desk.arrived() {
        assert!(event.body["event"].is_string(), "seed {seed}");
    }
    format!(
        "{:?}{:?}{:?}",
        desk.chat.messages(conversation),
        desk.chat.requests(),
        desk.chat.events()
    )
}

#[tokio::test(start_paused = true)]
async fn a_seed_replays_the_same_conversation() {
    for seed in 0..40 {
        assert_eq!(run(seed).await, run(seed).await, "seed {seed}");
    }
}

#[test]
fn random_switches_answer_every_question_in_every_way() {
    let all: Vec<Switches> = (0..300).map(|seed| Switches::random(&mut Rng::new(seed))).collect();
    let differs = |same: fn(&Switches, &Switches) -> bool| all.iter().any(|switches| !same(switches, &all[0]));
    assert!(differs(|a, b| a.answers == b.answers));
    assert!(differs(|a, b| a.echo == b.echo));
    assert!(differs(|a, b| a.echo_author == b.echo_author));
    assert!(differs(|a, b| a.human_reply == b.human_reply));
    assert!(differs(|a, b| a.token_lifetime == b.token_lifetime));
    let usual = Switches::default();
    assert!(
        all.iter()
            .all(|switches| switches.routes == usual.routes && switches.secret == usual.secret)
    );
    assert!(all.iter().all(|switches| switches.paths != Paths::Old));
}
