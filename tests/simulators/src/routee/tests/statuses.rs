//! Statuses and their callbacks.

use super::*;

async fn last_status(switches: Switches, behavior: Behavior) -> (World, CallRecord) {
    let world = World::new(switches, behavior).await;
    let call = world.play(published()).await;
    (world, call)
}

#[tokio::test(start_paused = true)]
async fn a_status_callback_has_the_documented_fields() {
    let (world, call) = last_status(Switches::default(), Behavior::silent(5)).await;
    let last = world
        .received()
        .into_iter()
        .rfind(|received| received.url == STATUS_URL)
        .expect("one");
    assert_eq!(last.content_type, "application/json");
    assert_eq!(
        last.json(),
        json!({
            "messageId": call.message_id,
            "conversationTrackingId": call.tracking_id,
            "to": NUMBER,
            "from": "302100000000",
            "status": { "name": "Completed", "updatedDate": last.json()["status"]["updatedDate"] },
            "direction": "Outbound",
            "originatingService": "Voice",
            "respectQuietHours": false,
            "duration": 31,
            "price": 0.031,
        })
    );
    let date = last.json()["status"]["updatedDate"].as_str().and_then(Timestamp::parse);
    assert_eq!(date, call.ended_at);
}

#[tokio::test(start_paused = true)]
async fn queued_causes_a_callback_or_not() {
    for queued_is_called_back in [true, false] {
        let switches = Switches {
            queued_is_called_back,
            ..Switches::default()
        };
        let (world, _) = last_status(switches, Behavior::Busy).await;
        assert_eq!(world.statuses()[0] == "Queued", queued_is_called_back);
        assert_eq!(world.statuses().last().map(String::as_str), Some("Busy"));
    }
}

#[tokio::test(start_paused = true)]
async fn on_completion_only_sends_the_final_status() {
    let mut order = published();
    order["callback"]["strategy"] = json!("OnCompletion");
    let world = World::new(Switches::default(), Behavior::silent(5)).await;
    world.play(order).await;
    assert_eq!(world.statuses(), ["Completed"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_strategy_gets_the_default() {
    let mut order = published();
    order["callback"] = json!({ "url": STATUS_URL });
    for (default_strategy, count) in [(Strategy::OnChange, 4), (Strategy::OnCompletion, 1)] {
        let world = World::new(
            Switches {
                default_strategy,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        world.play(order.clone()).await;
        assert_eq!(world.statuses().len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_callback_no_webhook_is_sent() {
    let mut order = published();
    order.as_object_mut().expect("an object").remove("callback");
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let call = world.play(order).await;
    assert_eq!(call.status_names(), ["Queued", "Initiated", "Ringing", "Busy"]);
    assert_eq!(world.received(), []);
}

#[tokio::test(start_paused = true)]
async fn ringing_ends_after_the_hangup_delay_or_the_limit_of_the_network() {
    for (hangup_delay, network_ring, expected) in [(Some(12), 45, 12), (None, 45, 45), (Some(60), 30, 30)] {
        let network_ring = Duration::from_secs(network_ring);
        let world = World::new(
            Switches {
                network_ring,
                ..Switches::default()
            },
            Behavior::NeverPicksUp,
        )
        .await;
        let mut order = published();
        order["hangupDelay"] = hangup_delay.into();
        let call = world.play(order).await;
        assert_eq!(
            (call.status(), call.ended_by),
            (Status::NoAnswer, Some(EndedBy::RingTimeout))
        );
        let rang_at = call
            .statuses
            .iter()
            .find(|(_, status)| *status == Status::Ringing)
            .expect("it rang")
            .0;
        assert_eq!(call.ended_at.expect("ended").since(rang_at).as_secs(), expected);
        assert_eq!(call.answered_at, None);
    }
}

#[tokio::test(start_paused = true)]
async fn picking_up_after_the_hangup_delay_is_too_late() {
    for (after, status) in [(11, Status::Completed), (12, Status::NoAnswer), (13, Status::NoAnswer)] {
        let world = World::new(Switches::default(), Behavior::silent(after)).await;
        let mut order = published();
        order["hangupDelay"] = json!(12);
        assert_eq!(world.play(order).await.status(), status, "{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_line_and_a_failing_network_have_their_own_statuses() {
    for (behavior, status) in [(Behavior::Busy, Status::Busy), (Behavior::Fails, Status::Failed)] {
        let (world, call) = last_status(Switches::default(), behavior).await;
        assert_eq!((call.status(), call.ended_by), (status, Some(EndedBy::Network)));
        assert_eq!(world.statuses(), ["Queued", "Initiated", "Ringing", status.as_str()]);
        assert_eq!(
            world.tones(),
            [] as [&str; 0],
            "an unanswered call has no COLLECT event"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_is_final_or_followed_by_another_status() {
    for (after_unknown, end) in [
        (None, ["Ringing", "Unknown"].as_slice()),
        (Some(Status::Failed), &["Unknown", "Failed"]),
        (Some(Status::Completed), &["Unknown", "Completed"]),
    ] {
        let (world, call) = last_status(
            Switches {
                after_unknown,
                ..Switches::default()
            },
            Behavior::GetsLost,
        )
        .await;
        assert!(
            world
                .statuses()
                .ends_with(&end.iter().map(ToString::to_string).collect::<Vec<_>>())
        );
        assert_eq!(call.status().as_str(), end[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_on_the_phone_is_no_answer_or_busy() {
    for after_phone_reject in [Status::NoAnswer, Status::Busy] {
        let switches = Switches {
            after_phone_reject,
            ..Switches::default()
        };
        let (_, call) = last_status(
            switches,
            Behavior::Rejects {
                after: Duration::from_secs(4),
            },
        )
        .await;
        assert_eq!(
            (call.status(), call.ended_by),
            (after_phone_reject, Some(EndedBy::Employee))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn max_duration_ends_a_call_with_the_configured_status() {
    for after_max_duration in [Status::Completed, Status::Failed] {
        let world = World::new(
            Switches {
                after_max_duration,
                ..Switches::default()
            },
            Behavior::silent(5),
        )
        .await;
        let mut order = published();
        order["maxDuration"] = json!(10);
        let call = world.play(order).await;
        assert_eq!(
            (call.status(), call.ended_by),
            (after_max_duration, Some(EndedBy::MaxDuration))
        );
        assert!((talk_time(&call) - 10.0).abs() < 0.01);
        assert_eq!(call.texts(), [TICKET, OPTIONS]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_plan_ends_at_the_limit_of_the_network() {
    let world = World::new(Switches::default(), Behavior::silent(1)).await;
    let mut endless = say(TICKET, false);
    endless["repeat"] = json!(-1);
    let call = world.play(call(&[endless])).await;
    assert!((talk_time(&call) - 3600.0).abs() < 0.01);
    assert_eq!(call.heard.len(), 1800);
}

#[tokio::test(start_paused = true)]
async fn repeat_plays_a_verb_that_many_more_times() {
    let world = World::new(Switches::default(), Behavior::silent(1)).await;
    let mut twice = say(TICKET, false);
    twice["repeat"] = json!(1);
    let play = json!({ "type": "PLAY", "fileURL": "https://example.org/gong.wav" });
    let call = world.play(call(&[twice, play])).await;
    assert_eq!(call.texts(), [TICKET, TICKET, "https://example.org/gong.wav"]);
    assert!((talk_time(&call) - 6.0).abs() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn dates_have_the_configured_fraction_digits() {
    let at = base().plus_millis(440);
    for (date_fraction, expected, full_second) in [
        (DateFraction::Trimmed, "2026-01-05T09:00:00.44Z", "2026-01-05T09:00:00Z"),
        (DateFraction::None, "2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z"),
        (DateFraction::One, "2026-01-05T09:00:00.4Z", "2026-01-05T09:00:00.0Z"),
        (DateFraction::Two, "2026-01-05T09:00:00.44Z", "2026-01-05T09:00:00.00Z"),
        (
            DateFraction::Three,
            "2026-01-05T09:00:00.440Z",
            "2026-01-05T09:00:00.000Z",
        ),
    ] {
        let world = World::new(
            Switches {
                date_fraction,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        assert_eq!(world.routee.date(at), expected);
        assert_eq!(world.routee.date(base()), full_second);
    }
}

#[tokio::test(start_paused = true)]
async fn duration_and_price_are_in_all_statuses_or_only_in_the_final_one() {
    for duration_before_final in [true, false] {
        let switches = Switches {
            duration_before_final,
            ..Switches::default()
        };
        let (world, _) = last_status(switches, Behavior::Busy).await;
        let received = world.received();
        let has_price: Vec<bool> = received
            .iter()
            .map(|received| received.json().get("price").is_some())
            .collect();
        let before = duration_before_final;
        assert_eq!(has_price, [before, before, before, true]);
    }
}
