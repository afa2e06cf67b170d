//! Messages of customers.

use std::time::Duration;

use patchbay::ids::InteractionKey;
use patchbay::interaction::{self, Channel, Sender, Work};
use patchbay::outreach::inbound;
use patchbay::phone::PhoneNumber;
use patchbay::store::AddressHash;
use patchbay::voice::Provider;
use patchbay_simulators::aws::{Fault, Rule, Service};
use serde_json::{Value, json};
use tracing::Level;

use crate::common::our_callbacks;
use crate::lines::Lines;
use crate::{CUSTOMER, Line, OURS, Received, SENT_ID, asking, email_leg, end, leg, main_tenant, outcomes, sms};

/// The id of a message.
const ID: &str = "SM00000000000000000000000000000aaa";

fn phone() -> PhoneNumber {
    PhoneNumber::from_e164(CUSTOMER).unwrap()
}

impl Line {
    /// The customer writes over Twilio.
    async fn text(&self, id: &str, text: &str) -> Received {
        self.wrote(&[("MessageSid", id), ("From", CUSTOMER), ("To", OURS), ("Body", text)])
            .await
    }

    async fn wrote(&self, fields: &[(&str, &str)]) -> Received {
        let url = our_callbacks().incoming_message_url(Provider::Twilio, &main_tenant());
        self.twilio(&url, fields).await
    }

    async fn put_thread(&self, channel: Channel, key: &InteractionKey) {
        let now = self.world.clock.now();
        let store = &self.world.store;
        store
            .put_thread(&key.tenant, channel, Some(OURS), CUSTOMER, key, now)
            .await
            .unwrap();
    }

    /// Does the work of a message on the queue, as the messenger does.
    async fn take(&self, message: &Value) {
        let message: interaction::Message = serde_json::from_value(message.clone()).unwrap();
        let Work::Incoming { message: incoming } = &message.work else {
            unreachable!("not a message of a customer: {message:?}");
        };
        let tenant = &message.subject.tenant;
        inbound::take_incoming(&self.deps.interactions, tenant, incoming)
            .await
            .unwrap();
    }

    async fn routee(&self, body: &Value) -> Received {
        let url = our_callbacks().incoming_message_url(Provider::Routee, &main_tenant());
        self.post(&url, body).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_lands_in_its_interaction_once() {
    let line = Line::new().await;
    let (key, _) = line.sent(1, vec![asking(sms()), email_leg()]).await;
    line.put_thread(Channel::Sms, &key).await;
    let answer = line.text(ID, "Yes, at noon").await;
    assert_eq!(answer.status, 200);
    // Anything but an empty response would send a message.
    assert!(answer.body.ends_with("<Response></Response>"), "{answer:?}");
    let now = line.load(&key).await;
    assert_eq!((now.state.name(), outcomes(&now)), ("open", vec!["answered"]));
    let last = now.thread.last().unwrap();
    assert_eq!(
        (last.by, last.text.as_str(), last.id.as_str()),
        (Sender::Customer, "Yes, at noon", ID)
    );
    // Nothing of the plan is left.
    assert_eq!(now.attempt, None);
    assert_eq!(line.text(ID, "Yes, at noon").await.status, 200);
    assert_eq!(line.load(&key).await, now);
}

#[tokio::test(start_paused = true)]
async fn an_answer_over_routee_lands_there_too() {
    let line = Line::new().await;
    let (key, _) = line.sent(1, vec![asking(leg(Channel::Sms, "routee", CUSTOMER))]).await;
    line.put_thread(Channel::Sms, &key).await;
    let body = json!({ "messageId": ID, "from": CUSTOMER, "to": OURS, "message": " Yes ", "parts": 1 });
    assert_eq!(line.routee(&body).await.status, 200);
    let last = line.load(&key).await.thread.pop().unwrap();
    assert_eq!((last.by, last.text.as_str()), (Sender::Customer, "Yes"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_certain_message_belongs_to_its_attempt() {
    let line = Line::new().await;
    let (key, attempt) = line
        .sent(1, vec![asking(leg(Channel::Whatsapp, "twilio", CUSTOMER))])
        .await;
    line.put_thread(Channel::Whatsapp, &key).await;
    let (from, to) = (format!("whatsapp:{CUSTOMER}"), format!("whatsapp:{OURS}"));
    let mut fields = vec![
        ("MessageSid", ID),
        ("From", &*from),
        ("To", &*to),
        ("NumMedia", "2"),
        ("Body", ""),
    ];
    fields.push(("OriginalRepliedMessageSid", SENT_ID));
    assert_eq!(line.wrote(&fields).await.status, 200);
    let now = line.load(&key).await;
    assert_eq!(
        (now.past.first().unwrap().id, outcomes(&now)),
        (attempt, vec!["answered"])
    );
    assert_eq!(now.thread.last().unwrap().text, "[2 attached]");
}

#[tokio::test(start_paused = true)]
async fn an_opt_out_ends_the_interaction_and_goes_to_the_list() {
    let line = Line::new().await;
    let (key, _) = line.sent(1, vec![asking(sms()), email_leg()]).await;
    line.put_thread(Channel::Sms, &key).await;
    let answer = line.text(ID, "Please stop texting me!").await;
    assert!(answer.body.ends_with("<Response></Response>"), "{answer:?}");
    let now = line.load(&key).await;
    assert_eq!((end(&now), now.attempt), ("opted_out", None));
    assert!(line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn opt_out_words_count_without_an_interaction_and_an_ordinary_text_is_none() {
    let line = Line::new().await;
    assert_eq!(line.text("SM1", "bus stop at five").await.status, 200);
    assert!(!line.is_opted_out(CUSTOMER).await);
    assert_eq!(line.text("SM2", "STOP").await.status, 200);
    assert!(line.is_opted_out(CUSTOMER).await);
    // Neither a question nor a thank you undoes it.
    for (id, text) in [("SM3", "HELP"), ("SM4", "yes")] {
        line.text(id, text).await;
        assert!(line.is_opted_out(CUSTOMER).await, "{text}");
    }
    line.text("SM5", "START").await;
    assert!(!line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_read_in_a_text_counts() {
    let line = Line::new().await;
    let fields = [
        ("MessageSid", ID),
        ("From", CUSTOMER),
        ("To", OURS),
        ("Body", "HALT"),
        ("OptOutType", "STOP"),
    ];
    assert_eq!(line.wrote(&fields).await.status, 200);
    assert!(line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_start_does_not_undo_a_later_opt_out() {
    let line = Line::new().await;
    line.text("SM1", "STOP").await;
    line.text("SM2", "START").await;
    line.text("SM3", "STOP").await;
    line.text("SM2", "START").await;
    assert!(line.is_opted_out(CUSTOMER).await);
    line.text("SM4", "START").await;
    assert!(!line.is_opted_out(CUSTOMER).await);
    // Nor does a repeated STOP undo that.
    line.text("SM3", "STOP").await;
    assert!(!line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_could_not_be_stored_counts_when_it_is_repeated() {
    let line = Line::new().await;
    for operation in ["TransactWriteItems", "UpdateItem", "Query"] {
        line.text(&format!("STOP-{operation}"), "STOP").await;
        assert!(line.is_opted_out(CUSTOMER).await, "{operation}");
        let outage = Rule::new(Fault::InternalError).operation(operation).times(u32::MAX);
        line.world.aws.faults().plan(outage);
        line.text(&format!("START-{operation}"), "START").await;
        line.world.aws.faults().clear();
        line.text(&format!("START-{operation}"), "START").await;
        assert!(!line.is_opted_out(CUSTOMER).await, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_noted_in_its_thread_with_or_without_an_interaction() {
    let line = Line::new().await;
    let (from, to) = (format!("whatsapp:{CUSTOMER}"), format!("whatsapp:{OURS}"));
    let fields = [("MessageSid", ID), ("From", &*from), ("To", &*to), ("Body", "hi")];
    assert_eq!(line.wrote(&fields).await.status, 200);
    let store = &line.world.store;
    let thread = async |channel| {
        let thread = store.thread(&main_tenant(), channel, Some(OURS), CUSTOMER).await;
        thread.unwrap()
    };
    let found = thread(Channel::Whatsapp).await.unwrap();
    assert_eq!(
        (found.written, found.last_received_at),
        (vec![], Some(line.world.clock.now()))
    );
    // An SMS from the same number is another thread.
    assert_eq!(thread(Channel::Sms).await, None);
}

#[tokio::test(start_paused = true)]
async fn only_the_provider_delivers_messages_and_others_are_noticed() {
    let line = Line::new().await;
    let (lines, _guard) = Lines::capture(Level::WARN);
    let twilio = our_callbacks().incoming_message_url(Provider::Twilio, &main_tenant());
    let routee = our_callbacks().incoming_message_url(Provider::Routee, &main_tenant());
    let fields = [("MessageSid", ID), ("From", CUSTOMER), ("To", OURS), ("Body", "STOP")];
    let headers = json!({ "content-type": "application/x-www-form-urlencoded" });
    let unsigned = line
        .request("POST", &twilio, headers.clone(), crate::form(&fields))
        .await;
    assert_eq!(unsigned.status, 403);
    for url in [
        routee.replace("/routee/", "/twilio/"),
        twilio.replace("/twilio/", "/routee/"),
        routee.replace("main.", "other."),
    ] {
        assert_eq!(line.twilio(&url, &fields).await.status, 404, "{url}");
    }
    let refused = lines.take("could not be verified");
    let platforms: Vec<_> = refused.iter().map(|line| &line["fields"]["platform"]).collect();
    assert_eq!(platforms, ["twilio", "twilio", "routee", "routee"]);
    assert_eq!(line.request("GET", &routee, headers.clone(), "").await.status, 405);
    // Nothing that anybody has invented becomes the name of a platform.
    let invented = routee.replace("/routee/", "/invented/");
    assert_eq!(line.request("POST", &invented, headers, "").await.status, 404);
    assert_eq!(lines.take("could not be verified"), Vec::<Value>::new());
    assert!(!line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_can_read_is_acknowledged() {
    let line = Line::new().await;
    let short_code = [("MessageSid", ID), ("From", "12345"), ("To", OURS), ("Body", "STOP")];
    assert_eq!(line.wrote(&short_code).await.status, 200);
    assert_eq!(line.wrote(&[("From", CUSTOMER), ("Body", "STOP")]).await.status, 200);
    for body in [
        json!(null),
        json!([]),
        json!({ "messageId": 7 }),
        json!({ "from": CUSTOMER, "message": "STOP" }),
    ] {
        assert_eq!(line.routee(&body).await.status, 200, "{body}");
    }
    assert!(!line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_stored_is_saved_on_the_queue() {
    let line = Line::new().await;
    let (key, _) = line.sent(1, vec![asking(sms())]).await;
    line.put_thread(Channel::Sms, &key).await;
    let faults = line.world.aws.faults();
    let outage = Rule::new(Fault::InternalError).operation("TransactWriteItems");
    faults.plan(outage.times(u32::MAX));
    assert_eq!(line.text(ID, "Yes").await.status, 200);
    let queued = line.queued("incoming");
    assert_eq!(queued.len(), 1);
    assert!(queued[0].to_string().contains("\"text\":\"Yes\""), "{queued:?}");
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_of_dynamodb_a_message_is_saved_on_the_queue_in_time() {
    for fault in [
        Fault::Throttled,
        Fault::InternalError,
        Fault::LostRequest,
        Fault::LostAnswer,
    ] {
        let line = Line::new().await;
        let (key, _) = line.sent(1, vec![asking(sms()), email_leg()]).await;
        line.put_thread(Channel::Sms, &key).await;
        let faults = line.world.aws.faults();
        faults.plan(Rule::new(fault).service(Service::DynamoDb).times(u32::MAX));
        let before = line.world.clock.now();
        for (id, text) in [("SM1", "STOP"), ("SM2", "START"), ("SM3", "STOP")] {
            let at = line.world.clock.now();
            assert_eq!(line.text(id, text).await.status, 200, "{fault:?}");
            let millis = line.world.clock.now().since(at).as_millis();
            assert!(millis < 2_000, "{fault:?}: {millis} ms");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // Hours later, and in another order.
        tokio::time::advance(Duration::from_hours(3)).await;
        faults.clear();
        let queued = line.queued("incoming");
        assert_eq!(queued.len(), 3, "{fault:?}");
        for message in [2, 0, 1, 1].map(|index| &queued[index]) {
            line.take(message).await;
            assert!(line.is_opted_out(CUSTOMER).await, "{fault:?}: {message}");
        }
        assert_eq!(end(&line.load(&key).await), "opted_out");
        let record = line
            .world
            .store
            .opt_out_record(&main_tenant(), AddressHash::from(&phone()))
            .await;
        let opt_out = record.unwrap().opt_out.unwrap();
        assert!(opt_out.at.since(before) < Duration::from_secs(30), "{opt_out:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_table_and_queue_the_provider_is_asked_to_repeat_a_message_in_time() {
    let line = Line::new().await;
    let outage = Rule::new(Fault::LostRequest).times(u32::MAX);
    line.world.aws.faults().plan(outage);
    let before = line.world.clock.now();
    assert_eq!(line.text(ID, "STOP").await.status, 503);
    let millis = line.world.clock.now().since(before).as_millis();
    assert!(millis < 2_000, "{millis} ms");
    line.world.aws.faults().clear();
    assert_eq!(line.text(ID, "STOP").await.status, 200);
    assert!(line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_belongs_to_the_newest_interaction_that_waits_for_one() {
    let line = Line::new().await;
    let (waiting, _) = line.sent(1, vec![asking(sms()), email_leg()]).await;
    line.put_thread(Channel::Sms, &waiting).await;
    let (told, attempt) = line.sent(2, vec![sms()]).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    line.put_thread(Channel::Sms, &told).await;
    let url = our_callbacks().message_status_url(Provider::Twilio, &told, attempt);
    line.twilio(&url, &[("MessageSid", SENT_ID), ("MessageStatus", "delivered")])
        .await;
    assert_eq!(end(&line.load(&told).await), "completed");
    line.text("SM1", "yes").await;
    let now = line.load(&waiting).await;
    assert_eq!((now.state.name(), outcomes(&now)), ("open", vec!["answered"]));
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_a_certain_message_belongs_to_the_interaction_that_sent_it() {
    let line = Line::new().await;
    let whatsapp = || asking(leg(Channel::Whatsapp, "twilio", CUSTOMER));
    let (older, _) = line.sent(1, vec![whatsapp()]).await;
    line.put_thread(Channel::Whatsapp, &older).await;
    let (newer, _) = line.begun(2, vec![whatsapp()]).await;
    line.put_thread(Channel::Whatsapp, &newer).await;
    let (from, to) = (format!("whatsapp:{CUSTOMER}"), format!("whatsapp:{OURS}"));
    for (id, text, replied_to, expected) in [
        ("SM1", "to the older", SENT_ID, &older),
        ("SM2", "to none of ours", "SM00000000000000000000000000000fff", &newer),
    ] {
        let fields = [
            ("MessageSid", id),
            ("From", &*from),
            ("To", &*to),
            ("Body", text),
            ("OriginalRepliedMessageSid", replied_to),
        ];
        assert_eq!(line.wrote(&fields).await.status, 200);
        assert_eq!(line.load(expected).await.thread.last().unwrap().text, text);
    }
}
