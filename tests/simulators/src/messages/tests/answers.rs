//! What customers write back, and what the audit says about it.

use patchbay::opt_out::OptOutWord;

use super::*;

#[tokio::test(start_paused = true)]
async fn customer_answers_after_the_arrival() {
    for provider in BOTH {
        let net = Net::new(Habit::arrives_after(60).and(Answer::new("Yes, please", 30)));
        net.send(provider, 1).await.expect("sent");
        net.settle().await;
        let incoming = net.incoming(provider);
        assert_eq!(incoming.len(), 1, "{provider:?}");
        assert_eq!(
            (incoming[0].text.as_str(), incoming[0].channel),
            ("Yes, please", Channel::Sms)
        );
        assert_eq!(incoming[0].from.as_str(), CUSTOMER);
        assert_eq!(incoming[0].to.as_ref().map(PhoneNumber::as_str), Some(OURS));
        let delivered = net.messages.messages()[0].delivered_at().expect("a time");
        let answered = net.messages.incoming()[0].at;
        assert_eq!(answered.since(delivered), Duration::from_secs(30));
        assert!(net.messages.incoming()[0].accepted_at.is_some());
        assert_eq!(net.messages.unexpected(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn customer_who_answers_twice_sends_two_messages() {
    let net = Net::new(Habit::answers_twice("Yes", 5));
    net.send(Provider::Twilio, 1).await.expect("sent");
    net.settle().await;
    let ids: BTreeSet<String> = net.incoming(Provider::Twilio).into_iter().map(|one| one.id).collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_a_lost_message_or_a_name() {
    let net = Net::new(
        Habit::unreachable()
            .and(Answer::new("Yes", 5))
            .then(Habit::answers("Yes", 5)),
    );
    net.send(Provider::Routee, 1).await.expect("sent");
    let name = Sender::parse(Channel::Sms, "Example").expect("a sender");
    let text = Content::Text(TEXT.to_owned());
    net.send_from(Provider::Routee, &name, &text, 2).await.expect("sent");
    net.settle().await;
    assert_eq!(net.overall(Provider::Routee, 2), MessageStatus::Delivered);
    assert_eq!(net.messages.incoming(), []);
}

#[tokio::test(start_paused = true)]
async fn after_stop_twilio_refuses_and_routee_does_not() {
    for (provider, expected) in [(Provider::Twilio, "refused OptedOut"), (Provider::Routee, "sent")] {
        let net = Net::new(Habit::stops(10).then(Habit::arrives()));
        net.send(provider, 1).await.expect("sent");
        net.settle().await;
        let word = net.incoming(provider)[0].opt_out_word();
        assert_eq!(word, Some(OptOutWord::Stop));
        assert_eq!(class(&net.send(provider, 2).await), expected);
        let late = net.messages.audit().after_opt_out(Duration::ZERO).len();
        assert_eq!(late, usize::from(expected == "sent"));
    }
}

#[tokio::test(start_paused = true)]
async fn twilio_leaves_the_words_to_us_if_the_switch_says_so() {
    let handles_opt_out = false;
    let net = Net::with(
        Habit::stops(10),
        Switches {
            handles_opt_out,
            ..switches()
        },
        1,
    );
    net.send(Provider::Twilio, 1).await.expect("sent");
    net.settle().await;
    assert_eq!(class(&net.send(Provider::Twilio, 2).await), "sent");
    assert_eq!(net.messages.audit().after_opt_out(Duration::ZERO).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn start_lifts_the_opt_out() {
    let net = Net::new(Habit::stops(10).then(Habit::arrives()));
    net.send(Provider::Twilio, 1).await.expect("sent");
    net.settle().await;
    net.messages
        .write(Provider::Twilio, Channel::Sms, CUSTOMER, OURS, Answer::new("start", 0));
    net.settle().await;
    assert_eq!(class(&net.send(Provider::Twilio, 2).await), "sent");
    assert!(net.messages.audit().after_opt_out(Duration::ZERO).is_empty());
}

#[tokio::test(start_paused = true)]
async fn opt_out_that_nobody_accepted_is_not_known() {
    let net = Net::new(Habit::stops(10).then(Habit::arrives()));
    net.messages
        .fail_next_webhook(Target::Incoming, WebhookFault::LoseForGood);
    net.send(Provider::Routee, 1).await.expect("sent");
    net.settle().await;
    net.send(Provider::Routee, 2).await.expect("sent");
    let audit = net.messages.audit();
    assert_eq!(audit.opt_outs.len(), 1);
    assert!(audit.after_opt_out(Duration::ZERO).is_empty());
}

#[tokio::test(start_paused = true)]
async fn refusal_by_the_provider_makes_an_opt_out_known() {
    let net = Net::new(Habit::opted_out().then(Habit::arrives()));
    net.send(Provider::Twilio, 1).await.expect_err("refused");
    net.clock.sleep(Duration::from_secs(5)).await;
    net.send(Provider::Routee, 2).await.expect("sent");
    let audit = net.messages.audit();
    assert_eq!(audit.after_opt_out(Duration::ZERO).len(), 1);
    assert!(
        audit.after_opt_out(Duration::from_mins(1)).is_empty(),
        "within the grace"
    );
}

#[tokio::test(start_paused = true)]
async fn audit_counts_the_messages_of_each_attempt() {
    let net = Net::new(Habit::arrives());
    for nth in [1, 2, 2, 3] {
        net.send(Provider::Twilio, nth).await.expect("sent");
    }
    net.send(Provider::Routee, 3).await.expect("sent");
    let audit = net.messages.audit();
    assert_eq!(audit.attempts().len(), 3);
    assert_eq!(audit.sent_twice(), [attempt(2), attempt(3)], "also over two providers");
    assert!(audit.without_attempt().is_empty());
    assert_eq!(audit.to(CUSTOMER).len(), 5);
    let night = audit.outside_hours(|to, at| to != CUSTOMER || at.time_of_day().as_str() >= "10:00:00");
    assert_eq!(night.len(), 5);
    assert!(
        audit
            .outside_hours(|_, at| at.to_string().starts_with("2026-01-05"))
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn message_without_a_status_url_is_noticed() {
    let net = Net::new(Habit::arrives());
    net.messages
        .write(Provider::Twilio, Channel::Sms, CUSTOMER, OURS, Answer::new("Hello", 0));
    net.settle().await;
    let record = net.messages.requests();
    assert_eq!(record, [], "writing to us is no request");
    let body = format!("To={}&From={}&Body=Hi", "%2B12025550143", "%2B12025550100");
    let authorization = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("{}:{}", API_KEY.0, API_KEY.1),
    );
    let request = http::Request::post(format!(
        "https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    ))
    .header("authorization", format!("Basic {authorization}"))
    .body(body.into())
    .expect("a request");
    net.messages.respond(request).await.expect("a response");
    net.settle().await;
    assert_eq!(net.messages.audit().without_attempt().len(), 1);
}
