//! Web chats on our own page, to which a link in a message leads.

use bytes::Bytes;
use patchbay::interaction::{Interaction, Sender};
use patchbay::web::widget::ChatInvitation;
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::chat::{ApiFault, Endpoint};
use patchbay_simulators::messages::{Body, Habit, Mobiles};
use patchbay_simulators::phones::Phones;
use patchbay_simulators::ses::{self, Mailboxes};
use patchbay_simulators::world::{InteractionOptions, PUBLIC_URL, World};
use serde_json::{Value, json};

use crate::common::{Answer, ask, callbacks, pass, phone, request, send, settle};
use crate::{ANA, MAIL, contact, load, outcomes, put_skill, state, world};

/// A customer who reads and does not answer, and a chat page.
async fn chatting(link_by: &str) -> World {
    let options = InteractionOptions {
        mobiles: Mobiles::new().with(phone(ANA), Habit::arrives()),
        mailboxes: Mailboxes::new().with(MAIL, ses::Habit::arrives()),
        ..InteractionOptions::default()
    };
    let world = world(options, Phones::new()).await;
    world
        .put_bot(
            "shop",
            "faq: { entries: [{ name: hours, questions: [When are you open?], answer: From nine to five. }] }",
        )
        .await
        .unwrap();
    let widget = json!({ "title": "Questions?", "topics": [{ "name": "orders", "title": "Orders", "inbox": "9" }] });
    world.put_widget(serde_json::from_value(widget).unwrap()).await.unwrap();
    let agent = json!({
        "name": "Leo",
        "prompt": { "initial_message": "Hi {{firstName}}, your order is on its way." },
        "channels": {
            "sms": { "over": "twilio", "from": "+12025550100" },
            "email": { "over": "ses", "from": "leo@example.org" },
            "webchat": { "over": "sangoma", "from": "orders" },
        },
    });
    assert_eq!(ask(&world, "PUT", "/v1/agents/leo", &agent).await.status, 200);
    let webchat = json!({ "link_by": link_by, "text": "Chat with us, {{firstName}}: {{link}}" });
    let then = if link_by == "sms" { "email" } else { "sms" };
    put_skill(
        &world,
        json!({ "webchat": webchat, "answer_minutes": 60, "then": [then] }),
    )
    .await;
    world
}

/// The links that customers got.
fn links(world: &World) -> Vec<String> {
    let texts = world.messages.messages().into_iter().map(|message| match message.body {
        Body::Text(text) => text,
        Body::Template { .. } => String::new(),
    });
    let mails = world.ses.emails().into_iter().map(|email| email.text);
    let texts = texts.chain(mails).filter(|text| text.contains("/chat/"));
    texts
        .map(|text| {
            let link = text.trim().strip_prefix("Chat with us, Ana: ").unwrap();
            link.strip_prefix(PUBLIC_URL).unwrap().to_owned()
        })
        .collect()
}

/// What the customer wrote.
fn answers(interaction: &Interaction) -> Vec<&str> {
    let thread = interaction.thread.iter();
    let answers = thread.filter(|message| message.by == Sender::Customer);
    answers.map(|message| message.text.as_str()).collect()
}

async fn ask_page(world: &World, method: &str, link: &str, body: Option<&Value>) -> Answer {
    let (page, token) = link.split_once('#').unwrap();
    let builder = request(method, &format!("{page}/messages")).header("authorization", format!("Bearer {token}"));
    let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
    send(
        world,
        builder.header("content-type", "application/json").body(body).unwrap(),
    )
    .await
}

async fn say(world: &World, link: &str, id: &str, text: &str) -> Answer {
    ask_page(world, "POST", link, Some(&json!({ "id": id, "text": text }))).await
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_writes_in_the_chat_has_answered() {
    for link_by in ["sms", "email"] {
        let world = chatting(link_by).await;
        let id = contact(&world, "webchat", ANA, MAIL).await;
        pass(&world, 60).await;
        let [link] = links(&world).try_into().unwrap();
        // A scanner follows it, with its token and without.
        let page = link.split_once('#').unwrap().0;
        assert_eq!(
            send(&world, request("GET", page).body(Bytes::new()).unwrap())
                .await
                .status,
            200
        );
        let read = ask_page(&world, "GET", &link, None).await;
        assert_eq!(read.text("/initial_message"), "Hi Ana, your order is on its way.");
        pass(&world, 60).await;
        assert_eq!(
            state(&load(&world, &id).await),
            "sent",
            "only what the customer writes is an answer"
        );
        assert!(world.chat.conversations().is_empty());

        let written = say(&world, &link, "0123456789abcdef", "When are you open?").await;
        assert_eq!(written.status, 200, "{written:?}");
        // The page repeats what it got no answer to, and another device opens the same chat.
        assert_eq!(
            say(&world, &link, "0123456789abcdef", "When are you open?")
                .await
                .status,
            200
        );
        assert_eq!(say(&world, &link, "fedcba9876543210", "Thanks").await.status, 200);
        pass(&world, 60).await;
        let interaction = load(&world, &id).await;
        assert_eq!(state(&interaction), "open");
        assert_eq!(answers(&interaction), ["When are you open?", "Thanks"]);
        assert_eq!((world.chat.conversations().len(), world.chat.contacts().len()), (1, 1));
        let read = ask_page(&world, "GET", &link, None).await;
        assert!(read.json.to_string().contains("From nine to five."), "{read:?}");
        settle(&world).await;
        assert_eq!(state(&load(&world, &id).await), "completed");
        assert_eq!(
            world.messages.messages().len() + world.ses.emails().len(),
            1,
            "the plan goes on"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_nobody_follows_is_followed_by_the_next_channel() {
    let world = chatting("sms").await;
    let id = contact(&world, "webchat", ANA, MAIL).await;
    settle(&world).await;
    let interaction = load(&world, &id).await;
    assert_eq!(
        outcomes(&interaction),
        [("webchat", "no_answer"), ("email", "no_answer")]
    );
    assert!(
        world.chat.conversations().is_empty(),
        "the platform has a chat without a customer"
    );
}

#[tokio::test(start_paused = true)]
async fn a_link_is_valid_for_one_interaction_until_it_expires() {
    let world = chatting("sms").await;
    contact(&world, "webchat", ANA, MAIL).await;
    pass(&world, 60).await;
    let [link] = links(&world).try_into().unwrap();
    let (page, token) = link.split_once('#').unwrap();
    let invitation = ChatInvitation {
        interaction: patchbay::ids::InteractionKey {
            tenant: "main".parse().unwrap(),
            id: "0190a3c2-7b1e-7d4f-8a6b-2c3d4e5f6071".parse().unwrap(),
        },
        expires_at: world.aws.clock().now().plus_seconds(3_600),
    };
    let foreign = callbacks("another key").chat_link(&invitation);
    let gone = world.callbacks().chat_link(&invitation);
    let last = if token.ends_with('0') { "1" } else { "0" };
    let forged = format!("{page}#{}{last}", &token[..token.len() - 1]);
    for (link, status) in [
        (forged, 401),
        (format!("{page}#{}", foreign.split_once('#').unwrap().1), 401),
        (format!("{page}#{}", gone.split_once('#').unwrap().1), 404),
    ] {
        assert_eq!(
            say(&world, &link, "0123456789abcdef", "Hello").await.status,
            status,
            "{link}"
        );
    }
    // A day to expire, and a day to answer.
    pass(&world, 2 * 86_400).await;
    assert_eq!(say(&world, &link, "0123456789abcdef", "Hello").await.status, 401);
    assert!(world.chat.conversations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_although_the_platform_was_unreachable() {
    let world = chatting("sms").await;
    let id = contact(&world, "webchat", ANA, MAIL).await;
    pass(&world, 60).await;
    let [link] = links(&world).try_into().unwrap();
    world.chat.fail_next(Endpoint::Conversations, ApiFault::NotSent);
    world.chat.fail_next(Endpoint::Conversations, ApiFault::NotSent);
    assert_eq!(say(&world, &link, "0123456789abcdef", "Hello").await.status, 503);
    let first = say(&world, &link, "0123456789abcdef", "Hello").await;
    assert!(first.status == 200 || first.status == 503, "{first:?}");
    pass(&world, 60).await;
    assert_eq!(state(&load(&world, &id).await), "open");
    assert_eq!(say(&world, &link, "0123456789abcdef", "Hello").await.status, 200);
    pass(&world, 60).await;
    assert_eq!(answers(&load(&world, &id).await), ["Hello"]);
    assert_eq!((world.chat.conversations().len(), links(&world).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_chat_of_which_it_is_unclear_whether_it_began_is_begun_by_another_message_only() {
    for done in [false, true] {
        let world = chatting("sms").await;
        contact(&world, "webchat", ANA, MAIL).await;
        pass(&world, 60).await;
        let [link] = links(&world).try_into().unwrap();
        assert_eq!(say(&world, &link, "0123456789abcdef", "Hello").await.status, 200);
        settle(&world).await;

        // The platform knows the customer from the first link, so only the conversation has to be created.
        let id = contact(&world, "webchat", ANA, MAIL).await;
        pass(&world, 60).await;
        let [_, link] = links(&world).try_into().unwrap();
        world
            .chat
            .fail_next(Endpoint::Conversations, ApiFault::NoAnswer { done });
        for _ in 0..2 {
            let unclear = say(&world, &link, "0123456789abcdef", "Hello again").await;
            assert_eq!(unclear.status, 502, "{unclear:?}");
        }
        let unanswered = usize::from(done);
        assert_eq!(world.chat.conversations().len(), 1 + unanswered);
        let read = ask_page(&world, "GET", &link, None).await;
        assert_eq!(read.text("/initial_message"), "Hi Ana, your order is on its way.");
        assert_eq!(say(&world, &link, "fedcba9876543210", "Anybody?").await.status, 200);
        pass(&world, 60).await;
        let found = (world.chat.conversations().len(), world.chat.contacts().len());
        assert_eq!(found, (2 + unanswered, 1));
        let interaction = load(&world, &id).await;
        assert_eq!(state(&interaction), "open");
        assert_eq!(answers(&interaction), ["Hello again", "Anybody?"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_although_the_platform_refuses_a_second_contact() {
    let world = chatting("sms").await;
    let chat = world.chat.customer_opens(9).unwrap();
    world.chat.customer_is(chat, "Ana", Some(MAIL), None).unwrap();
    let id = contact(&world, "webchat", ANA, MAIL).await;
    pass(&world, 60).await;
    let [link] = links(&world).try_into().unwrap();
    let refused = say(&world, &link, "0123456789abcdef", "Hello").await;
    assert_eq!(refused.status, 422, "{refused:?}");
    pass(&world, 60).await;
    let interaction = load(&world, &id).await;
    assert_eq!((state(&interaction), answers(&interaction)), ("open", vec!["Hello"]));
    assert_eq!(world.chat.conversations().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_writes_stop_in_the_chat_has_opted_out() {
    for (link_by, address, has_begun) in [("sms", ANA, false), ("sms", ANA, true), ("email", MAIL, false)] {
        let world = chatting(link_by).await;
        let id = contact(&world, "webchat", ANA, MAIL).await;
        pass(&world, 60).await;
        let [link] = links(&world).try_into().unwrap();
        if has_begun {
            assert_eq!(say(&world, &link, "0123456789abcdef", "I can't stop").await.status, 200);
            pass(&world, 60).await;
            assert_eq!(state(&load(&world, &id).await), "open", "only the whole message counts");
        }
        // The page repeats what it got no answer to.
        for _ in 0..2 {
            let stopped = say(&world, &link, "fedcba9876543210", "Stopp!").await;
            assert_eq!(stopped.status, 200, "{stopped:?}");
        }
        let list = async |address: &str| {
            let path = format!("/v1/opt-outs/{}", address.replace('+', "%2B"));
            ask(&world, "GET", &path, &Value::Null).await
        };
        let listed = list(address).await;
        assert_eq!((listed.status, listed.text("/by")), (200, "chat"), "{listed:?}");
        assert_eq!(listed.text("/interaction"), id);
        assert_eq!(listed.json["changes"].as_array().unwrap().len(), 1);
        let other = if address == ANA { MAIL } else { ANA };
        assert_eq!(list(other).await.status, 404, "the link did not go there");
        settle(&world).await;
        let interaction = load(&world, &id).await;
        assert_eq!(state(&interaction), "opted_out");
        assert_eq!(answers(&interaction).last(), Some(&"Stopp!"));
        assert_eq!(
            world.messages.messages().len() + world.ses.emails().len(),
            1,
            "the plan goes on"
        );
        // Who was in a chat is heard there, too.
        assert_eq!(world.chat.conversations().len(), usize::from(has_begun));
    }
}

#[tokio::test(start_paused = true)]
async fn an_opt_out_in_the_chat_is_not_confirmed_before_it_is_stored() {
    let world = chatting("sms").await;
    let id = contact(&world, "webchat", ANA, MAIL).await;
    pass(&world, 60).await;
    let [link] = links(&world).try_into().unwrap();
    let failing = Rule::new(Fault::Throttled).service(Service::DynamoDb).function("bot");
    world
        .aws
        .faults()
        .plan(failing.operation("TransactWriteItems").times(20));
    assert_eq!(say(&world, &link, "0123456789abcdef", "STOP").await.status, 503);
    world.aws.faults().clear();
    assert_eq!(say(&world, &link, "0123456789abcdef", "STOP").await.status, 200);
    pass(&world, 60).await;
    assert_eq!(state(&load(&world, &id).await), "opted_out");
}

#[tokio::test(start_paused = true)]
async fn a_web_chat_needs_a_platform_a_text_and_the_addresses() {
    let world = chatting("sms").await;
    let body = json!({
        "agentId": "leo", "channel": "webchat", "skillId": "delivery",
        "customerOverride": { "firstName": "Ana" },
    });
    let refused = ask(&world, "POST", "/api/v1/calls", &body).await;
    let fields = refused.json["errors"].to_string();
    for field in ["customerOverride.phoneNumber", "customerOverride.email"] {
        assert!(fields.contains(field), "no {field} in {refused:?}");
    }
    put_skill(&world, json!({})).await;
    let with_addresses = json!({
        "agentId": "leo", "channel": "webchat", "skillId": "delivery",
        "customerOverride": { "firstName": "Ana", "phoneNumber": ANA, "email": MAIL },
    });
    let refused = ask(&world, "POST", "/api/v1/calls", &with_addresses).await;
    assert!(refused.json["errors"].to_string().contains("skillId"), "{refused:?}");

    let agent = json!({
        "name": "Leo", "prompt": { "initial_message": "Hi" },
        "channels": {
            "sms": { "over": "twilio", "from": "+12025550100" },
            "webchat": { "over": "chatwoot", "from": "orders" },
        },
    });
    assert_eq!(ask(&world, "PUT", "/v1/agents/leo", &agent).await.status, 200);
    put_skill(&world, json!({ "webchat": { "link_by": "sms", "text": "{{link}}" } })).await;
    let id = contact(&world, "webchat", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!(outcomes(&load(&world, &id).await), [("webchat", "refused")]);
    assert!(world.messages.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_who_has_opted_out_gets_a_link() {
    let world = chatting("sms").await;
    let id = contact(&world, "webchat", ANA, MAIL).await;
    let path = format!("/v1/opt-outs/{}", ANA.replace('+', "%2B"));
    assert!(ask(&world, "PUT", &path, &json!({})).await.status < 300);
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "opted_out");
    assert_eq!(links(&world).len(), 0);
}
