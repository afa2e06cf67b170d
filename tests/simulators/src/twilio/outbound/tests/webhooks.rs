//! Status callbacks: content, order, signatures and retries.

use super::*;

async fn received_of(switches: Switches, behavior: Behavior) -> Vec<Received> {
    let world = World::new(switches, behavior);
    let twiml = twiml();
    world.play(&call(&twiml)).await;
    world.received_at(STATUS_URL)
}

fn fields<'a>(received: &'a [Received], name: &str) -> Vec<&'a str> {
    received.iter().filter_map(|received| received.field(name)).collect()
}

#[tokio::test(start_paused = true)]
async fn callbacks_have_the_fields_of_the_contract() {
    let received = received_of(Switches::default(), Behavior::silent(5)).await;
    assert_eq!(fields(&received, "SequenceNumber"), ["0", "1", "2", "3"]);
    assert_eq!(fields(&received, "CallbackSource"), ["call-progress-events"; 4]);
    assert!(fields(&received, "Timestamp")[0].starts_with("Mon, 05 Jan 2026 09:00:0"));
    assert_eq!(fields(&received, "CallDuration"), ["32"]);
    assert_eq!(fields(&received, "Duration"), ["1"], "minutes");
    assert_eq!(fields(&received, "SipResponseCode"), ["200"]);
    assert_eq!(fields(&received, "To"), [NUMBER; 4]);
    assert_eq!(fields(&received, "Direction"), ["outbound-api"; 4]);
    assert_eq!(fields(&received, "ErrorCode"), Vec::<&str>::new());
    let failed = received_of(Switches::default(), Behavior::Fails).await;
    assert_eq!(fields(&failed, "SipResponseCode"), ["404"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_callback_includes_an_error_or_not() {
    for (failed_has_error, count) in [(true, 1), (false, 0)] {
        let switches = switches(|calls| calls.failed_has_error = failed_has_error);
        let received = received_of(switches, Behavior::Fails).await;
        assert_eq!(fields(&received, "ErrorCode").len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn sequence_numbers_count_sent_callbacks_or_all_events_or_nothing() {
    for (sequence, numbers) in [
        (Sequence::Sent, ["0", "1", "2"]),
        (Sequence::Events, ["1", "2", "3"]),
        (Sequence::Nothing, ["0", "0", "0"]),
    ] {
        let switches = switches(|calls| {
            calls.sequence = sequence;
            calls.initiated_is_called_back = false;
        });
        let received = received_of(switches, Behavior::silent(5)).await;
        assert_eq!(fields(&received, "SequenceNumber"), numbers);
        assert_eq!(fields(&received, "CallStatus"), ["ringing", "in-progress", "completed"]);
    }
}

#[tokio::test(start_paused = true)]
async fn callbacks_overtake_one_another_with_jitter() {
    let twiml = twiml();
    let overtakes = |jitter: Duration| {
        let twiml = twiml.clone();
        async move {
            for seed in 0..20 {
                let switches = switches(|calls| calls.callback_jitter = jitter);
                let world = World::seeded(switches, Behavior::Busy, seed);
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
async fn callbacks_are_signed_with_the_auth_token_or_the_shared_key_and_with_or_without_the_port() {
    for (shared_key, port_is_signed) in [(false, true), (true, false), (true, true)] {
        let switches = Switches {
            port_is_signed,
            shared_key,
            ..Switches::default()
        };
        assert_eq!(
            received_of(switches, Behavior::Busy).await.len(),
            3,
            "the receiver verifies signatures"
        );
    }
}

/// The tries of one callback to a URL with this fragment, all with this response.
async fn tries(fragment: &str, switches: Switches, reply: Option<Reply>) -> Vec<Received> {
    let world = World::new(switches, Behavior::Busy);
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
async fn a_callback_is_retried_as_its_fragment_specifies() {
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
    let ignoring = switches(|calls| calls.overrides_honored = false);
    assert_eq!(
        tries("#rc=3&rp=5xx", ignoring, Some(Reply::status(503))).await.len(),
        1,
        "the fragment is ignored"
    );
}

#[tokio::test(start_paused = true)]
async fn all_tries_have_the_same_token_or_different_ones() {
    for (token_varies, same) in [(false, true), (true, false)] {
        let received = tries("", switches(|calls| calls.token_varies = token_varies), None).await;
        assert_eq!(received.len(), 2);
        assert!(!received[0].token.is_empty());
        assert_eq!(received[0].token == received[1].token, same);
    }
}
