//! Faults of the APIs and of webhooks.

use super::*;
use crate::exchange::Outage;

#[tokio::test(start_paused = true)]
async fn every_fault_of_a_create_has_its_class_and_its_effect() {
    use CreateFault::{
        InternalError, Malformed, NoAnswer, NoMoney, NotSent, Refused, TooManyRequests, Unauthorized, Unavailable,
        WebhookFirst,
    };
    for (fault, expected, count) in [
        (TooManyRequests, "later Some(30)", 0),
        (Refused(21_211), "refused BadRecipient", 0),
        (NoMoney, "refused OutOfMoney", 0),
        (InternalError { sent: true }, "unclear", 1),
        (InternalError { sent: false }, "unclear", 0),
        (Unavailable { sent: true }, "unclear", 1),
        (Unavailable { sent: false }, "unclear", 0),
        (NoAnswer { sent: true }, "unclear", 1),
        (NoAnswer { sent: false }, "unclear", 0),
        (NotSent, "later None", 0),
        (Malformed, "unclear", 1),
        (WebhookFirst, "sent", 1),
    ] {
        for provider in BOTH {
            let retry_after = Some(30);
            let net = Net::with(
                Habit::arrives(),
                Switches {
                    retry_after,
                    ..switches()
                },
                1,
            );
            net.messages.fail_next_create(fault);
            assert_eq!(class(&net.send(provider, 1).await), expected, "{provider:?} {fault:?}");
            assert_eq!(net.messages.messages().len(), count, "{provider:?} {fault:?}");
            net.settle().await;
            let delivered = net.overall(provider, 1) == MessageStatus::Delivered;
            assert_eq!(delivered, count == 1, "its callbacks prove that it was sent");
            assert_eq!(class(&net.send(provider, 2).await), "sent", "only one request fails");
        }
    }
    let net = Net::new(Habit::arrives());
    net.messages.fail_next_create(Unauthorized);
    assert_eq!(class(&net.send(Provider::Twilio, 1).await), "later None");
    // Routee's client gets a new token, and repeats what was certainly not done.
    net.messages.fail_next_create(Unauthorized);
    assert_eq!(class(&net.send(Provider::Routee, 2).await), "sent");
    assert_eq!(net.messages.messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn first_callback_overtakes_the_response() {
    let net = Net::new(Habit::arrives());
    net.messages.fail_next_create(CreateFault::WebhookFirst);
    let before = net.clock.now();
    net.send(Provider::Twilio, 1).await.expect("sent");
    assert!(net.clock.now().since(before) > Duration::from_secs(2));
    assert_eq!(net.names(Provider::Twilio, 1), ["sent", "delivered"]);
}

#[tokio::test(start_paused = true)]
async fn unclear_message_is_found_again() {
    let net = Net::new(Habit::arrives());
    let from = Sender::parse(Channel::Sms, OURS).expect("a sender");
    let (to, content) = (number(CUSTOMER), Content::Text(TEXT.to_owned()));
    let message = OutgoingMessage {
        from: &from,
        to: &to,
        content: &content,
        status_url: attempt(1),
        validity_seconds: None,
    };
    let account = net.twilio();
    net.messages.fail_next_create(CreateFault::NoAnswer { sent: true });
    let before = net.clock.now();
    account.send(&message).await.expect_err("unclear");
    let found = account.find_unclear(&message, before, net.clock.now(), |_| false).await;
    let id = found.expect("an answer").expect("a message").id;
    assert_eq!(id, net.messages.messages()[0].id);
    let known = |other: &str| other == id;
    let found = account.find_unclear(&message, before, net.clock.now(), known).await;
    assert_eq!(found, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn lookups_fail_as_planned() {
    for provider in BOTH {
        let net = Net::new(Habit::arrives());
        let sent = net.send(provider, 1).await.expect("sent");
        let account = net.account(provider);
        net.messages.fail_next_read(ReadFault::NotFound);
        assert_eq!(account.look_up(&sent.id).await, Ok(None));
        for fault in [
            ReadFault::InternalError,
            ReadFault::TooManyRequests,
            ReadFault::Malformed,
            ReadFault::NoAnswer,
            ReadFault::NotSent,
        ] {
            net.messages.fail_next_read(fault);
            assert!(account.look_up(&sent.id).await.is_err(), "{fault:?}");
        }
        assert!(account.look_up(&sent.id).await.is_ok_and(|status| status.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn message_may_be_missing_from_lookups_at_first() {
    for provider in BOTH {
        let appears_after = Duration::from_secs(4);
        let net = Net::with(
            Habit::arrives(),
            Switches {
                appears_after,
                ..switches()
            },
            1,
        );
        let sent = net.send(provider, 1).await.expect("sent");
        assert_eq!(net.account(provider).look_up(&sent.id).await, Ok(None));
        net.clock.sleep(appears_after).await;
        assert_ne!(net.account(provider).look_up(&sent.id).await, Ok(None));
    }
}

#[tokio::test(start_paused = true)]
async fn lost_callback_is_retried_and_one_lost_for_good_is_not() {
    for provider in BOTH {
        let net = Net::new(Habit::arrives());
        net.messages
            .fail_next_webhook(Target::Status(Status::Delivered), WebhookFault::Lose);
        net.send(provider, 1).await.expect("sent");
        net.settle().await;
        assert_eq!(net.overall(provider, 1), MessageStatus::Delivered, "{provider:?}");

        net.messages
            .fail_next_webhook(Target::Status(Status::Delivered), WebhookFault::LoseForGood);
        net.send(provider, 2).await.expect("sent");
        net.settle().await;
        assert_eq!(net.overall(provider, 2), MessageStatus::Sent);
    }
}

#[tokio::test(start_paused = true)]
async fn callback_whose_response_is_lost_comes_again() {
    for provider in BOTH {
        let net = Net::new(Habit::arrives());
        net.messages
            .fail_next_webhook(Target::AnyStatus, WebhookFault::LoseAnswer);
        net.send(provider, 1).await.expect("sent");
        net.settle().await;
        let mut names = net.names(provider, 1);
        for name in &mut names {
            name.make_ascii_lowercase();
        }
        names.sort();
        assert_eq!(names, ["delivered", "sent", "sent"]);
    }
}

#[tokio::test(start_paused = true)]
async fn callbacks_are_duplicated_delayed_and_swapped() {
    for provider in BOTH {
        let net = Net::new(Habit::arrives());
        let of = |fault| net.messages.fail_next_webhook(Target::Status(Status::Sent), fault);
        of(WebhookFault::Duplicate(Duration::from_secs(40)));
        net.send(provider, 1).await.expect("sent");
        net.settle().await;
        of(WebhookFault::Delay(Duration::from_mins(1)));
        net.send(provider, 2).await.expect("sent");
        net.settle().await;
        of(WebhookFault::Reorder);
        net.send(provider, 3).await.expect("sent");
        net.settle().await;
        let names = |nth| {
            let names = net.names(provider, nth).into_iter();
            names.map(|name| name.to_lowercase()).collect::<Vec<_>>()
        };
        assert_eq!(names(1), ["sent", "delivered", "sent"], "{provider:?}");
        assert_eq!(names(2), ["delivered", "sent"], "{provider:?}");
        assert_eq!(names(3), ["delivered", "sent"], "{provider:?}");
        for nth in 1..=3 {
            assert_eq!(net.overall(provider, nth), MessageStatus::Delivered);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn duplicate_of_an_answer_has_the_same_id() {
    for provider in BOTH {
        let net = Net::new(Habit::answers("Yes", 5));
        let duplicate = WebhookFault::Duplicate(Duration::from_secs(5));
        net.messages.fail_next_webhook(Target::Incoming, duplicate);
        net.send(provider, 1).await.expect("sent");
        net.settle().await;
        let incoming = net.incoming(provider);
        assert_eq!(incoming.len(), 2);
        assert_eq!(incoming[0], incoming[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_retried_when_patchbay_fails() {
    for provider in BOTH {
        let net = Net::new(Habit::arrives());
        *net.receiver.statuses.lock().expect("a lock") = vec![500, 503];
        net.send(provider, 1).await.expect("sent");
        net.settle().await;
        assert_eq!(net.overall(provider, 1), MessageStatus::Delivered);
        let sent = net
            .names(provider, 1)
            .iter()
            .filter(|name| name.to_lowercase() == "sent")
            .count();
        assert!(sent >= 2, "{provider:?} {sent}");
        assert_eq!(net.messages.unexpected(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn refused_webhook_is_unexpected() {
    let net = Net::new(Habit::arrives());
    *net.receiver.statuses.lock().expect("a lock") = vec![404];
    net.send(Provider::Twilio, 1).await.expect("sent");
    net.settle().await;
    let expected = Unexpected::Answer {
        url: attempt(1),
        what: "404".to_owned(),
    };
    assert_eq!(net.messages.unexpected(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn outage_has_no_effect() {
    for (outage, expected) in [(Outage::Errors, "unclear"), (Outage::Hangs, "unclear")] {
        for provider in BOTH {
            let net = Net::new(Habit::arrives());
            net.messages.change_faults(|faults| faults.outage = Some(outage));
            assert_eq!(class(&net.send(provider, 1).await), expected);
            assert_eq!(net.messages.messages(), []);
            net.messages.change_faults(|faults| faults.outage = None);
            assert_eq!(class(&net.send(provider, 2).await), "sent");
        }
    }
}
