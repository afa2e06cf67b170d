//! What becomes of a message, as patchbay reads it.

use super::*;

#[tokio::test(start_paused = true)]
async fn message_arrives_and_can_be_looked_up() {
    for provider in BOTH {
        let net = Net::new(Habit::arrives());
        let sent = net.send(provider, 1).await.expect("sent");
        let account = net.account(provider);
        assert_eq!(
            account.look_up(&sent.id).await,
            Ok(Some(MessageStatus::Queued)),
            "{provider:?}"
        );
        net.settle().await;
        assert_eq!(account.look_up(&sent.id).await, Ok(Some(MessageStatus::Delivered)));
        assert_eq!(account.look_up("unknown").await, Ok(None));
        assert_eq!(net.overall(provider, 1), MessageStatus::Delivered);
        let reports = net.reports(provider, 1);
        assert!(
            reports
                .iter()
                .all(|report| report.message_id.as_deref() == Some(&sent.id))
        );
        assert_eq!(net.names(provider, 1).len(), 2, "sent and delivered");
    }
}

#[tokio::test(start_paused = true)]
async fn late_message_arrives_late() {
    let net = Net::new(Habit::arrives_after(3600));
    net.send(Provider::Twilio, 1).await.expect("sent");
    net.clock.sleep(Duration::from_mins(59)).await;
    assert_eq!(net.overall(Provider::Twilio, 1), MessageStatus::Sent);
    net.clock.sleep(Duration::from_mins(2)).await;
    assert_eq!(net.overall(Provider::Twilio, 1), MessageStatus::Delivered);
}

#[tokio::test(start_paused = true)]
async fn every_failure_has_its_reason() {
    for (delivery, twilio, routee) in [
        (
            Delivery::Unreachable(Duration::from_secs(9)),
            FailureReason::Unreachable,
            FailureReason::Unreachable,
        ),
        (
            Delivery::Unknown,
            FailureReason::BadRecipient,
            FailureReason::BadRecipient,
        ),
        (Delivery::Blocked, FailureReason::Blocked, FailureReason::Blocked),
        (Delivery::Expires, FailureReason::Expired, FailureReason::Expired),
        (
            Delivery::LastPartLost,
            FailureReason::Unreachable,
            FailureReason::Unreachable,
        ),
    ] {
        for (provider, expected) in [(Provider::Twilio, twilio), (Provider::Routee, routee)] {
            let net = Net::new(Habit::only(delivery));
            let sent = net.send(provider, 1).await.expect("sent");
            net.settle().await;
            assert_eq!(reason(&net.overall(provider, 1)), expected, "{delivery:?}");
            let looked_up = net.account(provider).look_up(&sent.id).await.expect("an answer");
            assert_eq!(reason(&looked_up.expect("a status")), expected, "{delivery:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn message_expires_at_its_time() {
    let net = Net::new(Habit::only(Delivery::Expires));
    net.send(Provider::Routee, 1).await.expect("sent");
    net.clock.sleep(Duration::from_secs(590)).await;
    assert_eq!(net.overall(Provider::Routee, 1), MessageStatus::Sent);
    net.clock.sleep(Duration::from_secs(20)).await;
    assert!(net.overall(Provider::Routee, 1).is_final());
}

#[tokio::test(start_paused = true)]
async fn numbers_that_get_nothing_are_refused_by_twilio_alone() {
    for (delivery, expected) in [
        (Delivery::OptedOut, "refused OptedOut"),
        (Delivery::Landline, "refused BadRecipient"),
    ] {
        let net = Net::new(Habit::only(delivery));
        assert_eq!(class(&net.send(Provider::Twilio, 1).await), expected);
        assert_eq!(net.messages.messages(), []);
        assert_eq!(class(&net.send(Provider::Routee, 2).await), "sent");
    }
}

#[tokio::test(start_paused = true)]
async fn routee_reports_every_part_of_a_long_message() {
    let net = Net::new(Habit::only(Delivery::LastPartLost));
    let from = Sender::parse(Channel::Sms, "Example").expect("a sender");
    let long = Content::Text("Käse ".repeat(60).replace('K', "ж"));
    let sent = net.send_from(Provider::Routee, &from, &long, 1).await.expect("sent");
    net.settle().await;
    let parts = sent.parts.expect("a count");
    assert!(parts > 2, "{parts}");
    let reports = net.reports(Provider::Routee, 1);
    let of_last = |name: &str| reports.iter().filter(|report| report.name == name).count();
    let parts = usize::try_from(parts).expect("a small number");
    assert_eq!(
        (of_last("Sent"), of_last("Delivered"), of_last("Undelivered")),
        (parts, parts - 1, 1)
    );
    assert_eq!(reason(&overall(&reports)), FailureReason::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn tracking_of_a_long_message_has_every_form() {
    for (tracked_parts, expected) in [
        (TrackedParts::List, Some(MessageStatus::Delivered)),
        (TrackedParts::Page, Some(MessageStatus::Delivered)),
        // One part of several says nothing about the others.
        (TrackedParts::Last, Some(MessageStatus::Queued)),
    ] {
        let net = Net::with(
            Habit::arrives(),
            Switches {
                tracked_parts,
                ..switches()
            },
            1,
        );
        let from = Sender::parse(Channel::Sms, OURS).expect("a sender");
        let long = Content::Text("x".repeat(400));
        let sent = net.send_from(Provider::Routee, &from, &long, 1).await.expect("sent");
        net.settle().await;
        assert_eq!(net.routee().look_up(&sent.id).await, Ok(expected), "{tracked_parts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn statuses_are_spelled_and_reported_as_the_switches_say() {
    let quiet = Switches {
        status_case: StatusCase::Upper,
        sent_is_called_back: false,
        ..switches()
    };
    let net = Net::with(Habit::arrives(), quiet.clone(), 1);
    net.send(Provider::Routee, 1).await.expect("sent");
    net.send(Provider::Twilio, 2).await.expect("sent");
    net.settle().await;
    assert_eq!(net.names(Provider::Routee, 1), ["DELIVERED"]);
    assert_eq!(net.names(Provider::Twilio, 2), ["delivered"]);
    let chatty = Switches {
        queued_is_called_back: true,
        ..switches()
    };
    let net = Net::with(Habit::arrives(), chatty, 1);
    net.send(Provider::Routee, 1).await.expect("sent");
    net.send(Provider::Twilio, 2).await.expect("sent");
    net.settle().await;
    assert_eq!(net.names(Provider::Routee, 1), ["Queued", "Sent", "Delivered"]);
    assert_eq!(
        net.names(Provider::Twilio, 2),
        ["queued", "sending", "sent", "delivered"]
    );
}

#[tokio::test(start_paused = true)]
async fn silent_network_leaves_the_message_sent() {
    let net = Net::new(Habit::only(Delivery::ArrivesUnreported).and(Answer::new("Got it", 5)));
    net.send(Provider::Twilio, 1).await.expect("sent");
    net.settle().await;
    assert_eq!(net.names(Provider::Twilio, 1), ["sent"]);
    assert_eq!(net.incoming(Provider::Twilio).len(), 1, "it arrived nevertheless");
}

#[tokio::test(start_paused = true)]
async fn number_without_habits_is_unexpected() {
    let net = Net::new(Habit::arrives());
    net.messages.change_mobiles(|mobiles| *mobiles = Mobiles::new());
    net.send(Provider::Twilio, 1).await.expect("sent");
    net.settle().await;
    assert_eq!(reason(&net.overall(Provider::Twilio, 1)), FailureReason::BadRecipient);
    assert_eq!(net.messages.unexpected(), [Unexpected::Number(CUSTOMER.to_owned())]);
}
