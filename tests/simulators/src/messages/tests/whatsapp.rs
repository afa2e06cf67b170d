//! `WhatsApp`, and messaging services.

use patchbay::opt_out::OptOutWord;

use super::*;

fn whatsapp() -> Sender {
    Sender::parse(Channel::WhatsApp, OURS).expect("a sender")
}

fn text() -> Content {
    Content::Text(TEXT.to_owned())
}

fn template() -> Content {
    Content::Template {
        id: "HX0000000000000000000000000000000a".parse().expect("a template"),
        variables: [("1".to_owned(), "Ann".to_owned())].into(),
    }
}

#[tokio::test(start_paused = true)]
async fn outside_of_24_hours_only_a_template_arrives() {
    for (outside_window, name) in [
        (OutsideWindow::Undelivered, "undelivered"),
        (OutsideWindow::Failed, "failed"),
    ] {
        let net = Net::with(
            Habit::arrives().reads(60),
            Switches {
                outside_window,
                ..switches()
            },
            1,
        );
        let sent = net.send_from(Provider::Twilio, &whatsapp(), &text(), 1).await;
        assert_eq!(class(&sent), "sent", "the failure comes later");
        net.send_from(Provider::Twilio, &whatsapp(), &template(), 2)
            .await
            .expect("sent");
        net.settle().await;
        assert_eq!(net.names(Provider::Twilio, 1), [name]);
        assert_eq!(reason(&net.overall(Provider::Twilio, 1)), FailureReason::WindowClosed);
        assert_eq!(net.names(Provider::Twilio, 2), ["sent", "delivered", "read"]);
        assert_eq!(net.messages.unexpected(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn customer_who_writes_opens_24_hours() {
    let net = Net::new(Habit::arrives());
    net.messages.write(
        Provider::Twilio,
        Channel::WhatsApp,
        CUSTOMER,
        OURS,
        Answer::new("Hi", 0),
    );
    net.settle().await;
    let incoming = net.incoming(Provider::Twilio);
    assert_eq!(
        (incoming[0].channel, incoming[0].from.as_str()),
        (Channel::WhatsApp, CUSTOMER)
    );
    net.send_from(Provider::Twilio, &whatsapp(), &text(), 1)
        .await
        .expect("sent");
    net.settle().await;
    assert_eq!(net.overall(Provider::Twilio, 1), MessageStatus::Delivered);
    net.clock.sleep(Duration::from_hours(24)).await;
    net.send_from(Provider::Twilio, &whatsapp(), &text(), 2)
        .await
        .expect("sent");
    net.settle().await;
    assert_eq!(reason(&net.overall(Provider::Twilio, 2)), FailureReason::WindowClosed);
}

#[tokio::test(start_paused = true)]
async fn reply_may_quote_the_message() {
    let net = Net::new(Habit::arrives().and(Answer::new("That one", 5).quoting()));
    let sent = net
        .send_from(Provider::Twilio, &whatsapp(), &template(), 1)
        .await
        .expect("sent");
    net.settle().await;
    assert_eq!(net.incoming(Provider::Twilio)[0].replied_to, Some(sent.id));
}

#[tokio::test(start_paused = true)]
async fn sender_whom_the_owner_blocked_stays_sent() {
    let habit = Habit::only(Delivery::ArrivesUnreported).and(Answer::new("Yes", 5));
    let net = Net::new(habit);
    net.send_from(Provider::Twilio, &whatsapp(), &template(), 1)
        .await
        .expect("sent");
    net.settle().await;
    assert_eq!(net.names(Provider::Twilio, 1), ["sent"]);
    assert_eq!(net.messages.incoming(), []);
}

#[tokio::test(start_paused = true)]
async fn service_accepts_first_and_picks_a_number() {
    let net = Net::new(Habit::answers("Yes", 5));
    let service = Sender::parse(Channel::Sms, SERVICE).expect("a sender");
    let sent = net
        .send_from(Provider::Twilio, &service, &text(), 1)
        .await
        .expect("sent");
    assert_eq!((sent.status, sent.parts), (MessageStatus::Queued, None));
    net.settle().await;
    assert_eq!(net.names(Provider::Twilio, 1), ["queued", "sent", "delivered"]);
    let incoming = net.incoming(Provider::Twilio);
    assert_eq!(incoming[0].to.as_ref().map(PhoneNumber::as_str), Some(OURS));
}

#[tokio::test(start_paused = true)]
async fn advanced_opt_out_marks_the_word() {
    for advanced_opt_out in [true, false] {
        let net = Net::with(
            Habit::stops(5),
            Switches {
                advanced_opt_out,
                ..switches()
            },
            1,
        );
        let service = Sender::parse(Channel::Sms, SERVICE).expect("a sender");
        net.send_from(Provider::Twilio, &service, &text(), 1)
            .await
            .expect("sent");
        net.settle().await;
        let expected = advanced_opt_out.then_some(OptOutWord::Stop);
        assert_eq!(net.incoming(Provider::Twilio)[0].handled_opt_out, expected);
    }
}
