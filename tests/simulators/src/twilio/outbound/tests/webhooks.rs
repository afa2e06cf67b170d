//! Callbacks: what is in them, and how they are sent.

use super::*;

async fn received_of(switches: Switches, behaviour: Behaviour) -> Vec<Received> {
    let world = World::new(switches, behaviour);
    let twiml = twiml();
    world.play(&call(&twiml)).await;
    world.received_at(STATUS_URL)
}

fn fields<'a>(received: &'a [Received], name: &str) -> Vec<&'a str> {
    received.iter().filter_map(|received| received.field(name)).collect()
}

#[tokio::test(start_paused = true)]
async fn callbacks_say_what_the_contract_has() {
    let received = received_of(Switches::default(), Behaviour::silent(5)).await;
    assert_eq!(fields(&received, "SequenceNumber"), ["0", "1", "2", "3"]);
    assert_eq!(fields(&received, "CallbackSource"), ["call-progress-events"; 4]);
    assert!(fields(&received, "Timestamp")[0].starts_with("Mon, 05 Jan 2026 09:00:0"));
    assert_eq!(fields(&received, "CallDuration"), ["32"]);
    assert_eq!(fields(&received, "Duration"), ["1"], "minutes");
    assert_eq!(fields(&received, "SipResponseCode"), ["200"]);
    assert_eq!(fields(&received, "To"), [NUMBER; 4]);
    assert_eq!(fields(&received, "Direction"), ["outbound-api"; 4]);
    assert_eq!(fields(&received, "ErrorCode"), Vec::<&str>::new());
    let failed = received_of(Switches::default(), Behaviour::Fails).await;
    assert_eq!(fields(&failed, "SipResponseCode"), ["404"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_why_or_not() {
    for (failed_says_why, count) in [(true, 1), (false, 0)] {
        let switches = switches(|calls| calls.failed_says_why = failed_says_why);
        let received = received_of(switches, Behaviour::Fails).await;
        assert_eq!(fields(&received, "ErrorCode").len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sequence_counts_what_was_sent_or_all_events_or_nothing() {
    for (sequence, numbers) in [
        (Sequence::Sent, ["0", "1", "2"]),
        (Sequence::Events, ["1", "2", "3"]),
        (Sequence::Nothing, ["0", "0", "0"]),
    ] {
        let switches = switches(|calls| {
            calls.sequence = sequence;
            calls.initiated_is_told = false;
        });
        let received = received_of(switches, Behaviour::silent(5)).await;
        assert_eq!(fields(&received, "SequenceNumber"), numbers);
        assert_eq!(fields(&received, "CallStatus"), ["ringing", "in-progress", "completed"]);
    }
}

#[tokio::test(start_paused = true)]
async fn callbacks_may_overtake_one_another() {
    let twiml = twiml();
    let overtakes = |scatter: Duration| {
        let twiml = twiml.clone();
        async move {
            for seed in 0..20 {
                let switches = switches(|calls| calls.callbacks_scatter = scatter);
                let world = World::seeded(switches, Behaviour::Busy, seed);
                world.play(&call(&twiml)).await;
                if world.statuses() != ["initiated", "ringing", "busy"] {
                    return true;
                }
            }
            false
        }
    };
    assert!(overtakes(Duration::from_secs(2)).await);
    assert!(!overtakes(Duration::ZERO).await);
}

#[tokio::test(start_paused = true)]
async fn callbacks_are_signed_with_the_token_or_the_shared_key_and_perhaps_the_port() {
    for (shared_key, port_is_signed) in [(false, true), (true, false), (true, true)] {
        let switches = Switches {
            port_is_signed,
            shared_key,
            ..Switches::default()
        };
        assert_eq!(
            received_of(switches, Behaviour::Busy).await.len(),
            3,
            "the receiver checks"
        );
    }
}

/// How often each callback to a URL with this fragment came, when nothing but this is ever answered.
async fn tries(fragment: &str, switches: Switches, reply: Option<Reply>) -> Vec<Received> {
    let world = World::new(switches, Behaviour::Busy);
    world.answer(move |_| reply.clone());
    let (twiml, url) = (twiml(), format!("{STATUS_URL}{fragment}"));
    let fields = [("StatusCallback", url.as_str()), ("StatusCallbackEvent", "completed")];
    world.play(&with(&call(&twiml), &fields)).await;
    world.pass(60.0).await;
    let received = world.received_at(STATUS_URL);
    let webhooks = world.twilio.webhooks();
    assert_eq!(webhooks.last().map(|webhook| webhook.tries), Some(received.len()));
    received
}

#[tokio::test(start_paused = true)]
async fn a_callback_is_tried_again_as_its_fragment_says() {
    let usual = Switches::default;
    for (fragment, reply, count) in [
        ("", None, 2),
        ("", Some(Reply::status(500)), 1),
        ("", Some(Reply::status(204)), 1),
        ("#rc=3&rp=5xx", Some(Reply::status(503)), 4),
        ("#rc=3&rp=5xx", Some(Reply::status(404)), 1),
        ("#rc=2&rp=all", Some(Reply::status(404)), 3),
        ("#rc=0", None, 1),
        ("#rc=2&rp=rt&rt=2000", Some(Reply::status(204).late(3)), 3),
        ("#rc=5&rp=rt&rt=4000", Some(Reply::status(204).late(20)), 4),
    ] {
        assert_eq!(tries(fragment, usual(), reply).await.len(), count, "{fragment}");
    }
    let deaf = switches(|calls| calls.overrides_honoured = false);
    assert_eq!(
        tries("#rc=3&rp=5xx", deaf, Some(Reply::status(503))).await.len(),
        1,
        "if it is honoured"
    );
}

#[tokio::test(start_paused = true)]
async fn tries_have_one_token_or_each_its_own() {
    for (token_varies, same) in [(false, true), (true, false)] {
        let received = tries("", switches(|calls| calls.token_varies = token_varies), None).await;
        assert_eq!(received.len(), 2);
        assert!(!received[0].token.is_empty());
        assert_eq!(received[0].token == received[1].token, same);
    }
}
