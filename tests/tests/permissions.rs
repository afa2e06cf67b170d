//! The template allows every function exactly the requests that it makes to table and queues: each action, and for the
//! table each kind of partition (`dynamodb:LeadingKeys`). A missing permission fails a test, and so does an unused one.
//! That the deployed roles allow what the template declares is checked by `tests/e2e/run`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;
#[path = "common/template.rs"]
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{
    ask, change, create, dispatch_body, get, keys_event, pass, rings, send, settle, status_event, webhook, world,
};
use patchbay::voice::Provider;
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::chat::{ApiFault, Endpoint};
use patchbay_simulators::messages::Habit;
use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::twilio::PaymentInput;
use patchbay_simulators::world::{PUBLIC_URL, World};
use serde_json::{Value, json};

/// The actions or partitions by function and resource.
type Permissions = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Actions that Lambda performs with a function's role, or that happen before a request is handled: they do not occur
/// in this process, but in `tests/e2e/run`, with the real functions.
const NOT_SIMULATED: [&str; 4] = ["DeleteMessage", "GetParameters", "GetQueueAttributes", "ReceiveMessage"];

/// The permissions in the template, without [`NOT_SIMULATED`], and without that for a dead-letter queue to which Lambda
/// itself sends the events that a function failed to handle.
fn allowed() -> Permissions {
    let mut permissions = Permissions::new();
    for function in template::functions() {
        let resources = permissions.entry(function.name.clone()).or_default();
        for statement in template::statements(&function) {
            let actions = template::several(&statement["Action"]);
            let actions = actions
                .iter()
                .map(|action| action.as_str().unwrap().split_once(':').unwrap());
            let actions: Vec<_> = actions.filter(|(_, action)| !NOT_SIMULATED.contains(action)).collect();
            let dead_letters = &function.properties["DeadLetterQueue"]["TargetArn"];
            let targets = template::several(&statement["Resource"]);
            let targets: Vec<_> = targets.into_iter().filter(|target| target != dead_letters).collect();
            for (&(service, action), resource) in iproduct(&actions, &targets) {
                match (service, name_of(resource)) {
                    ("dynamodb", name) if name == "table" => {
                        let condition = statement["Condition"].as_object().unwrap();
                        assert_eq!(condition.len(), 1, "{statement}");
                        let partitions = &condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
                        let partitions = template::several(partitions);
                        let partitions = partitions
                            .iter()
                            .map(|partition| partition.as_str().unwrap().to_owned());
                        resources
                            .entry(format!("table {action}"))
                            .or_default()
                            .extend(partitions);
                    }
                    ("dynamodb" | "sqs", name) => {
                        resources.entry(name).or_default().insert(action.to_owned());
                    }
                    ("ses", _) => assert_eq!((function.name.as_str(), action), ("messenger", "SendEmail")),
                    _ => assert!(["logs", "kms"].contains(&service), "{}: {statement}", function.name),
                }
            }
        }
    }
    permissions
}

/// Every pair of an action and a resource.
fn iproduct<'a, A, B>(actions: &'a [A], resources: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    actions
        .iter()
        .flat_map(move |action| resources.iter().map(move |resource| (action, resource)))
}

/// The name of a table, an index or a queue by its ARN in the template: the same that [`resource`] returns.
fn name_of(arn: &Value) -> String {
    // With a condition: as if it held.
    if let Some(arn) = arn["Fn::If"].get(1) {
        return name_of(arn);
    }
    if let Some(index) = arn["Fn::Sub"]
        .as_str()
        .and_then(|text| text.strip_prefix("${Table.Arn}/index/"))
    {
        return if index == "by_day" {
            "index".to_owned()
        } else {
            format!("index-{index}")
        };
    }
    let Some(id) = arn["Fn::GetAtt"].as_str().and_then(|text| text.strip_suffix(".Arn")) else {
        return String::new();
    };
    let queue = &template::resources()[id]["Properties"]["QueueName"]["Fn::Sub"];
    let queue = queue.as_str().and_then(|name| name.strip_prefix("${AWS::StackName}-"));
    queue.unwrap_or("table").to_owned()
}

/// The name of the resource that a recorded request is addressed to.
fn resource(service: Service, target: &str) -> String {
    match (service, target.split_once("/index/")) {
        (Service::DynamoDb, Some((_, "by_day"))) => "index".to_owned(),
        (Service::DynamoDb, Some((_, index))) => format!("index-{index}"),
        (Service::DynamoDb, None) => "table".to_owned(),
        // The names in the template.
        _ => target.replace("-dlq", "-dead-letters"),
    }
}

/// The kinds of partitions of the table, as patterns of a policy.
const PARTITIONS: [&str; 22] = [
    "PACE#*",
    "TOKEN#*",
    "TURN",
    "T#*#A#*",
    "T#*#B",
    "T#*#C",
    "T#*#CHAT",
    "T#*#D#*",
    "T#*#G",
    "T#*#H#*",
    "T#*#I#*",
    "T#*#K#*",
    "T#*#L#*",
    "T#*#LIMITS",
    "T#*#M#*",
    "T#*#O#*",
    "T#*#S",
    "T#*#TOKENS",
    "T#*#U#*",
    "T#*#V#*",
    "T#*#W#*",
    "T#*#X#*",
];

/// Whether `text` matches `pattern`, in which `*` matches any characters: IAM's `StringLike`.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| is_like(after, rest)))),
    }
}

/// The kind of a partition; the partition itself if it is of none or several.
fn kind(partition: &str) -> String {
    let kinds = PARTITIONS.iter().filter(|kind| is_like(kind, partition));
    match kinds.collect::<Vec<_>>()[..] {
        [one] => (*one).to_owned(),
        _ => partition.to_owned(),
    }
}

/// A customer is forgotten while the messenger writes what is remembered of what they answered.
async fn forgotten_meanwhile(world: &World, customer: String) {
    pass(world, 10).await;
    let lost = Rule::new(Fault::LostAnswer).service(Service::DynamoDb);
    world
        .aws
        .faults()
        .plan(lost.function("messenger").operation("UpdateItem"));
    let incoming = common::our_callbacks().incoming_message_url(Provider::Routee, &"main".parse().unwrap());
    let message = json!({
        "messageId": "0c0ffee0-0000-4000-8000-000000000009", "from": "+12025550148", "to": "+12025550100",
        "message": "Yes", "parts": 1, "originatingService": "Sms", "direction": "Inbound",
        "receivedDate": "2026-01-05T09:10:11Z",
    });
    assert_eq!(send(world, webhook(&incoming, message.to_string())).await.status, 200);
    // The messenger waits for the answer, which never comes.
    world.clock.sleep(Duration::from_millis(500)).await;
    let forgotten = ask(world, "DELETE", &format!("/v1/customers/{customer}"), &Value::Null).await;
    assert_eq!(forgotten.status, 204, "{forgotten:?}");
    pass(world, 30).await;
    let by = json!({ "caller": "+12025550148" });
    let context = ask(world, "POST", "/voice/api/v1/twilio/get-context", &by).await;
    assert!(!context.json.to_string().contains("Interaction"), "{context:?}");
}

/// Adds the requests of a world's functions.
fn add_requests(permissions: &mut Permissions, world: &World) {
    for entry in world.aws.recorder().log() {
        if entry.service == Service::Http || entry.function.is_empty() {
            continue;
        }
        // A batch needs the permission for the single action, and a transaction for each of its actions.
        let single = entry.operation.trim_end_matches("Batch").to_owned();
        let actions = match entry.parts.as_slice() {
            [] => vec![single],
            parts => parts.iter().map(|&part| part.to_owned()).collect(),
        };
        let resources = permissions.entry(entry.function.to_string()).or_default();
        let name = resource(entry.service, &entry.target);
        if name == "table" {
            assert!(!entry.keys.is_empty(), "{entry:?}");
            for (action, partition) in &entry.keys {
                let partitions = resources.entry(format!("table {action}")).or_default();
                partitions.insert(kind(partition));
                if !entry.parts.is_empty() {
                    // AWS does not document whether it checks each item of a transaction for its own action, or each
                    // action for all items.
                    partitions.extend(entry.keys.iter().map(|(_, partition)| kind(partition)));
                }
            }
        } else {
            resources.entry(name).or_default().extend(actions);
        }
    }
}

/// Employees with different behavior, a webhook that is retried, unreadable messages, a dispatch that is reopened.
async fn a_night_of_calls() -> World {
    let world = world([
        Behavior::NeverPicksUp.then(Behavior::Busy).then(Behavior::silent(1)),
        Script::always(Behavior::presses("2", When::OptionsSay(1))),
        Script::always(Behavior::presses("71", When::OptionsSay(1))),
    ])
    .await;
    // One webhook has to be retried.
    let refused = Rule::new(Fault::Refused).service(Service::Http).function("notifier");
    world.aws.faults().plan(refused);
    let mut tickets = Vec::new();
    for _ in 0..4 {
        tickets.push(create(&world, &dispatch_body(3, &json!({ "resolve_within": 600 }))).await);
    }
    // A message that neither dialer nor notifier can parse.
    for queue in ["dialing", "notifications"] {
        world.aws.sqs().queue(queue).unwrap().put("{", Duration::ZERO);
    }
    pass(&world, 3_600).await;
    for ticket in tickets {
        change(&world, &ticket, "resolve").await;
    }
    settle(&world).await;
    world
}

/// A receiver that subscribed to all events, and does not answer for a while.
async fn a_silent_receiver() -> World {
    let world = world([Script::always(Behavior::silent(3))]).await;
    let faults = world.aws.faults();
    faults.set_timeout(Duration::from_secs(30));
    let silent = Rule::new(Fault::LostRequest)
        .service(Service::Http)
        .function("notifier");
    faults.plan(silent.times(4));
    let mut body = dispatch_body(1, &json!({ "attempts": 2, "max_rounds": 1 }));
    body["webhook"]["strategy"] = json!("OnStatus");
    let key = create(&world, &body).await;
    settle(&world).await;
    let webhooks = get(&world, &format!("/v1/dispatches/{}/webhooks", key.id)).await;
    let webhook = webhooks.text("/webhooks/0/id");
    ask(
        &world,
        "POST",
        &format!("/v1/dispatches/{}/webhooks/{webhook}/resend", key.id),
        &Value::Null,
    )
    .await;
    settle(&world).await;
    world
}

/// Every request of the dispatch API, while a phone rings.
async fn every_request() -> World {
    let world = world([Script::always(Behavior::Interactive)]).await;
    ask(&world, "POST", "/v1/dispatches/preview", &dispatch_body(1, &json!({}))).await;
    let [first, second] = [
        create(&world, &dispatch_body(1, &json!({}))).await,
        create(&world, &dispatch_body(1, &json!({}))).await,
    ];
    rings(&world, 0, 0).await;
    pass(&world, 1).await;
    get(&world, &format!("/v1/dispatches/{}", first.id)).await;
    get(&world, "/v1/dispatches").await;
    change(&world, &first, "cancel").await;
    pass(&world, 5).await;
    change(&world, &second, "resolve").await;
    settle(&world).await;
    world
}

/// A key and a final status, while DynamoDB is unavailable.
async fn an_outage() -> World {
    let world = world([Script::always(Behavior::Interactive)]).await;
    create(&world, &dispatch_body(1, &json!({}))).await;
    let call = rings(&world, 0, 0).await;
    let rule = Rule::new(Fault::InternalError).service(Service::DynamoDb);
    world.aws.faults().plan(rule.times(u32::MAX));
    let status = webhook(
        call.status_url.as_deref().unwrap(),
        status_event("NoAnswer").to_string(),
    );
    send(&world, status).await;
    let key = webhook(call.collect_url.as_deref().unwrap(), keys_event("1").to_string());
    send(&world, key).await;
    world.aws.faults().clear();
    settle(&world).await;
    world
}

/// A task chain from its upload to its deletion, with every request of its API.
async fn a_task_chain() -> World {
    let world = world([]).await;
    let document = include_str!("../events/links-test.json");
    let sample: Value = serde_json::from_str(document).unwrap();
    let sample: Value = serde_json::from_str(common::text(&sample, "/body")).unwrap();
    let chain = json!({ "links": [{
        "name": "order_start",
        "qualified_parameters": { "properties": { "order_number": { "type": "string" } } },
        "initial": [{ "content": "Ask, then call qualified." }],
        "qualified": [{ "content": "Thank you.", "remember": { "memory": "Was here." } }],
        "disqualified": [{}],
    }] });
    let written = ask(&world, "PUT", "/v1/links/orders", &chain).await;
    // The context of this caller has expired, but is not deleted yet.
    let context = json!({
        "caller": "+12025550143", "description": "Two seats", "price": "42.00", "vendor": "acme-stage", "ttl": 60,
    });
    let set = ask(&world, "POST", "/voice/api/v1/twilio/set-context", &context).await;
    assert_eq!(set.status, 200, "{set:?}");
    pass(&world, 61).await;
    get(&world, "/v1/links").await;
    get(&world, "/v1/links/orders").await;
    ask(&world, "POST", "/v1/links/orders/test", &sample).await;
    send(
        &world,
        webhook(
            written.text("/endpoint"),
            sample.pointer("/request").unwrap().to_string(),
        ),
    )
    .await;
    ask(&world, "DELETE", "/v1/links/orders", &Value::Null).await;
    world
}

/// A caller's context from the first set to its deletion; in between it expires.
async fn a_caller() -> World {
    let world = world([]).await;
    let context = json!({
        "caller": "+12025550143", "description": "Two seats", "price": "42.00", "vendor": "acme-stage", "ttl": 60,
        "call_id": "CA00000000000000000000000000000001",
    });
    for _ in 0..2 {
        ask(&world, "POST", "/voice/api/v1/twilio/set-context", &context).await;
        for by in [
            json!({ "caller": "+12025550143" }),
            json!({ "call_id": "CA00000000000000000000000000000001" }),
        ] {
            ask(&world, "POST", "/voice/api/v1/twilio/get-context", &by).await;
        }
        pass(&world, 61).await;
    }
    ask(&world, "DELETE", "/v1/contexts/+12025550143", &Value::Null).await;
    world
}

/// A caller who is transferred to us and pays.
async fn a_payment() -> World {
    let world = world([]).await;
    let context =
        json!({ "caller": "+12025550143", "description": "Two seats", "price": "42.00", "vendor": "acme-stage" });
    ask(&world, "POST", "/voice/api/v1/twilio/set-context", &context).await;
    let pays = patchbay_simulators::twilio::CallerScript::new("+12025550143", [PaymentInput::Card("4242424242424242")]);
    world.twilio.call(&world.transfer_url().unwrap(), pays).await;
    world
}

/// Lost messages of a ticket, of a chat and of an interaction. Before the sentinel sends the one of a ticket again, it
/// reads the end of the provider's backlog.
async fn a_lost_message() -> World {
    let world = world([Script::always(Behavior::NeverPicksUp)]).await;
    create(&world, &dispatch_body(1, &json!({ "attempts": 2, "retry_delay": 600 }))).await;
    pass(&world, 300).await;
    common::purge(&world, "dialing").await;
    pass(&world, 1_200).await;
    let report = world.run_sentinel(Value::Null).await.unwrap();
    assert_eq!(report.dispatches.sent_again, 1, "{report:?}");
    world.put_bot("support", r#"{ "debounce_ms": 5000 }"#).await.unwrap();
    let chat = world.chat.customer_opens(7).unwrap();
    world.chat.customer_writes(chat, "Is anybody there?").unwrap();
    pass(&world, 3).await;
    common::purge(&world, "conversations").await;
    pass(&world, 1_200).await;
    let report = world.run_sentinel(Value::Null).await.unwrap();
    assert_eq!(report.conversations.sent_again, 1, "{report:?}");
    put_agent(&world).await;
    let ana = common::phone("+12025550143");
    world
        .messages
        .change_mobiles(|mobiles| mobiles.set(ana, Habit::arrives()));
    let customer = json!({ "firstName": "Ana", "phoneNumber": "+12025550143" });
    let body = json!({ "agentId": "leo", "skillId": "leo", "channel": "sms", "customerOverride": customer });
    assert_eq!(ask(&world, "POST", "/api/v1/calls", &body).await.status, 200);
    pass(&world, 60).await;
    common::purge(&world, "interactions").await;
    pass(&world, 5_400).await;
    let report = world.run_sentinel(Value::Null).await.unwrap();
    assert_eq!(report.interactions.sent_again, 1, "{report:?}");
    world
}

/// A bot that looks something up, remembers, phones the customer and employees, and hands over; with every request of the
/// API.
async fn a_chat() -> World {
    let world = world([Script::always(Behavior::presses("1", When::OptionsSay(1)))]).await;
    let document = json!({
        "debounce_ms": 0,
        "faq": { "entries": [
            { "name": "call", "questions": ["Please call me"], "call_me": "queue" },
            { "name": "team", "questions": ["Is anybody there?"], "call_me": "dispatch" },
            { "name": "bye", "questions": ["Goodbye"], "answer": "Goodbye.", "finish": true },
        ] },
        "hand_over": { "call": "dispatch" },
        "call": {
            "queue": "support_en",
            "dispatch": { "text": "A chat waits.", "employees": [{ "name": "Anna", "phone": common::PEOPLE[0].2 }] },
        },
    });
    ask(&world, "PUT", "/v1/bots/support", &document).await;
    world.put_bot("support", &document.to_string()).await.unwrap();
    let chat = world.chat.customer_opens(7).unwrap();
    let phone = Some("+12025550143");
    world
        .chat
        .customer_is(chat, "Sam Roe", Some("sam@example.org"), phone)
        .unwrap();
    let says = async |text: &str| {
        world.chat.customer_writes(chat, text).unwrap();
        settle(&world).await;
    };
    says("Please call me").await;
    says("Is anybody there?").await;
    let path = format!("/v1/conversations/{chat}");
    // The employee's phone rings when the chat no longer needs anybody.
    world.chat.customer_writes(chat, "I want to talk to a human").unwrap();
    pass(&world, 3).await;
    ask(&world, "POST", &format!("{path}/give-back"), &Value::Null).await;
    says("I want to talk to a human").await;
    for action in ["give-back", "hand-over", "give-back"] {
        ask(&world, "POST", &format!("{path}/{action}"), &Value::Null).await;
        settle(&world).await;
    }
    says("Goodbye").await;
    for path in ["/v1/bots", "/v1/bots/support", "/v1/conversations", &path] {
        let answer = get(&world, path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    for (path, name) in [("queue-calls", "queue"), ("agent-calls", "agent")] {
        let call = json!({ name: "support_en", "destination": "+12025550143" });
        ask(&world, "POST", &format!("/v1/chat/{path}"), &call).await;
    }
    let sample = json!({ "exchanges": [{ "say": "Goodbye" }] });
    ask(&world, "POST", "/v1/bots/support/test", &sample).await;
    ask(&world, "DELETE", "/v1/bots/support", &Value::Null).await;
    // A message that no version can read.
    world.aws.sqs().queue("conversations").unwrap().put("{", Duration::ZERO);
    pass(&world, 3_600).await;
    world
}

/// A visitor of our own chat page.
async fn a_visitor() -> World {
    let world = world([]).await;
    world.put_bot("support", "{}").await.unwrap();
    let tenant = "main".parse().unwrap();
    let mut connection = world.store.connection(&tenant).await.unwrap().unwrap();
    let widget = json!({ "title": "Help", "topics": [{ "name": "orders", "title": "Orders", "inbox": "9" }] });
    connection.widget = Some(serde_json::from_value(widget).unwrap());
    world.store.put_connection(&tenant, &connection).await.unwrap();
    let page = world.callbacks().widget_url(&tenant);
    let open = |method: &str, path: &str, token: &str, body: &Value| {
        let request = common::request(method, &format!("{page}{path}"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"));
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        send(&world, request.body(body.into()).unwrap())
    };
    open("GET", "", "", &Value::Null).await;
    let form = json!({
        "id": "0123456789abcdef", "topic": "orders", "name": "Sam Roe", "email": "sam@example.org", "text": "Hello",
    });
    let started = open("POST", "/conversations", "", &form).await;
    assert_eq!(started.status, 201, "{started:?}");
    let token = started.text("/token");
    let message = json!({ "id": "fedcba9876543210", "text": "Hello?" });
    assert_eq!(open("POST", "/messages", token, &message).await.status, 200);
    settle(&world).await;
    assert_eq!(open("GET", "/messages", token, &Value::Null).await.status, 200);
    // The platform does not know the visitor any more.
    world.chat.fail_next(Endpoint::Conversations, ApiFault::Refused(404));
    let mut again = form;
    again["id"] = json!("0123456789abcdff");
    assert_ne!(open("POST", "/conversations", "", &again).await.status, 201);
    world
}

/// A customer who got a link to our own chat page by e-mail, writes there, and opts out.
async fn an_invited_visitor() -> World {
    let world = world([]).await;
    world.put_bot("support", "{}").await.unwrap();
    let widget = json!({ "title": "Help", "topics": [{ "name": "orders", "title": "Orders", "inbox": "9" }] });
    world.put_widget(serde_json::from_value(widget).unwrap()).await.unwrap();
    let agent = json!({
        "name": "Leo",
        "prompt": { "initial_message": "Hi {{firstName}}." },
        "channels": {
            "email": { "over": "ses", "from": "leo@example.org" },
            "webchat": { "over": "sangoma", "from": "orders" },
        },
    });
    let webchat = json!({ "link_by": "email", "text": "{{link}}" });
    let skill = json!({ "name": "Delivery", "subject": "Your order", "webchat": webchat });
    ask(&world, "PUT", "/v1/agents/leo", &agent).await;
    ask(&world, "PUT", "/v1/skills/leo", &skill).await;
    let customer = json!({ "firstName": "Ana", "email": "ana@example.net" });
    let body = json!({ "agentId": "leo", "skillId": "leo", "channel": "webchat", "customerOverride": customer });
    let answer = ask(&world, "POST", "/api/v1/calls", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    pass(&world, 60).await;
    let email = world.ses.emails().pop().unwrap();
    let (page, token) = email.text.split_once('#').unwrap();
    let path = format!("{}/messages", page.strip_prefix(PUBLIC_URL).unwrap());
    for (id, text) in [("0123456789abcdef", "Hello"), ("fedcba9876543210", "STOP")] {
        let request = common::request("POST", &path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", token.trim()));
        let body = json!({ "id": id, "text": text }).to_string();
        assert_eq!(
            send(&world, request.body(body.into()).unwrap()).await.status,
            200,
            "{text}"
        );
        settle(&world).await;
    }
    world
}

/// Writes the documents of an agent and a skill, and reads them back.
async fn put_agent(world: &World) {
    let agent = json!({
        "name": "Leo",
        "prompt": { "initial_message": "Hi {{firstName}}, {{aiName}} here." },
        "channels": {
            "sms": { "over": "routee", "from": "+12025550100" },
            "call": { "over": "twilio", "from": "+12025550100" },
            "whatsapp": { "over": "twilio", "from": "+12025550100" },
            "email": { "over": "ses", "from": "leo@example.org" },
        },
    });
    let template = json!({ "template": "HX00000000000000000000000000000001" });
    let webhook = json!({ "url": "https://requester.example.org/hook", "strategy": "OnStatus" });
    let skill = json!({
        "name": "Delivery", "subject": "Your order", "answer_minutes": 60, "whatsapp": template, "webhook": webhook,
    });
    for (kind, document) in [("agents", &agent), ("skills", &skill)] {
        ask(world, "PUT", &format!("/v1/{kind}/leo"), document).await;
        for path in [format!("/v1/{kind}"), format!("/v1/{kind}/leo")] {
            assert_eq!(get(world, &path).await.status, 200, "{path}");
        }
    }
}

/// Customers who get messages and calls, answer, opt out and are forgotten; with every request of the API.
async fn contacted_customers() -> World {
    let world = world([]).await;
    put_agent(&world).await;
    let contact = async |channel: &str, phone: &str| {
        // Customers with the same address are one customer.
        let email = format!("{}@example.net", &phone[1..]);
        let customer = json!({ "firstName": "Ana", "phoneNumber": phone, "email": email });
        let body = json!({ "agentId": "leo", "skillId": "leo", "channel": channel, "customerOverride": customer });
        let answer = ask(&world, "POST", "/api/v1/calls", &body).await;
        assert_eq!(answer.status, 200, "{channel}: {answer:?}");
        (answer.text("/id").to_owned(), answer.text("/customerId").to_owned())
    };
    // The context of this customer expires, but is not deleted yet when they answer.
    let context = json!({ "caller": "+12025550143", "memory": "Sits in row F.", "ttl": 60 });
    ask(&world, "POST", "/voice/api/v1/twilio/set-context", &context).await;
    // Two calls at once: the second waits for its slot.
    contact("call", "+12025550144").await;
    contact("call", "+12025550145").await;
    contact("email", "+12025550146").await;
    // The provider says that the customer has opted out.
    let opted_out = common::phone("+12025550147");
    world
        .messages
        .change_mobiles(|mobiles| mobiles.set(opted_out, Habit::opted_out()));
    let mia = json!({
        "name": "Mia", "prompt": { "initial_message": "Hi." },
        "channels": { "sms": { "over": "twilio", "from": "+12025550100" } },
    });
    ask(&world, "PUT", "/v1/agents/mia", &mia).await;
    let body = json!({
        "agentId": "mia", "skillId": "leo", "channel": "sms", "customerPhone": "+12025550147",
    });
    assert_eq!(ask(&world, "POST", "/api/v1/calls", &body).await.status, 200);
    contact("whatsapp", "+12025550144").await;
    let (id, customer) = contact("sms", "+12025550143").await;
    pass(&world, 60).await;
    let incoming = common::our_callbacks().incoming_message_url(Provider::Routee, &"main".parse().unwrap());
    for (number, text) in ["Yes", "STOP", "START"].into_iter().enumerate() {
        let message = json!({
            "messageId": format!("0c0ffee0-0000-4000-8000-00000000000{number}"), "from": "+12025550143",
            "to": "+12025550100", "message": text, "parts": 1, "originatingService": "Sms", "direction": "Inbound",
            "receivedDate": "2026-01-05T09:10:11Z",
        });
        let answer = send(&world, webhook(&incoming, message.to_string())).await;
        assert_eq!(answer.status, 200, "{text}: {answer:?}");
    }
    for (id, text, fault) in [(4, "STOP", 0), (5, "START", u32::MAX)] {
        // The messenger applies what could not be stored at once.
        let outage = Rule::new(Fault::InternalError)
            .service(Service::DynamoDb)
            .function("message-event");
        world.aws.faults().plan(outage.times(fault));
        let message = json!({
            "messageId": format!("0c0ffee0-0000-4000-8000-00000000000{id}"), "from": "+12025550143",
            "to": "+12025550100", "message": text, "parts": 1, "originatingService": "Sms", "direction": "Inbound",
            "receivedDate": "2026-01-05T09:10:11Z",
        });
        let answer = send(&world, webhook(&incoming, message.to_string())).await;
        assert_eq!(answer.status, 200, "{text}: {answer:?}");
        world.aws.faults().clear();
        pass(&world, 60).await;
    }
    forgotten_meanwhile(&world, contact("sms", "+12025550148").await.1).await;
    for path in [
        "/api/v1/calls".to_owned(),
        format!("/api/v1/calls/{id}"),
        format!("/v1/interactions/{id}"),
    ] {
        assert_eq!(get(&world, &path).await.status, 200, "{path}");
    }
    let webhooks = get(&world, &format!("/v1/interactions/{id}/webhooks")).await;
    let sending_again = format!(
        "/v1/interactions/{id}/webhooks/{}/resend",
        webhooks.text("/webhooks/0/id")
    );
    let resent = ask(&world, "POST", &sending_again, &Value::Null).await;
    assert_eq!(resent.status, 202, "{sending_again}: {webhooks:?} {resent:?}");
    ask(
        &world,
        "PUT",
        &format!("/api/v1/calls/{id}"),
        &json!({ "note": "Call back." }),
    )
    .await;
    for method in ["PUT", "GET", "DELETE"] {
        ask(&world, method, "/v1/opt-outs/+12025550143", &Value::Null).await;
    }
    // A message that no version can read.
    world.aws.sqs().queue("interactions").unwrap().put("{", Duration::ZERO);
    pass(&world, 7_200).await;
    let forgotten = ask(&world, "DELETE", &format!("/v1/customers/{customer}"), &Value::Null).await;
    assert_eq!(forgotten.status, 204, "{forgotten:?}");
    for kind in ["agents", "skills"] {
        ask(&world, "DELETE", &format!("/v1/{kind}/leo"), &Value::Null).await;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn the_template_allows_what_functions_request_and_nothing_else() {
    let mut permissions = Permissions::new();
    for world in [
        a_night_of_calls().await,
        every_request().await,
        a_silent_receiver().await,
        an_outage().await,
        a_task_chain().await,
        a_caller().await,
        a_payment().await,
        a_lost_message().await,
        a_chat().await,
        a_visitor().await,
        an_invited_visitor().await,
        contacted_customers().await,
    ] {
        add_requests(&mut permissions, &world);
    }
    let (requested, allowed) = (lines(&permissions), lines(&allowed()));
    let missing: Vec<_> = requested.difference(&allowed).collect();
    let unused: Vec<_> = allowed.difference(&requested).collect();
    assert!(
        missing.is_empty() && unused.is_empty(),
        "infra/template.yaml does not allow {missing:#?}, and allows {unused:#?}, which no function requests"
    );
}

/// One line for each permission.
fn lines(permissions: &Permissions) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (function, resources) in permissions {
        for (resource, what) in resources {
            lines.extend(what.iter().map(|one| format!("{function}: {resource} {one}")));
        }
    }
    lines
}

#[test]
fn only_functions_that_check_tokens_may_read_them_and_none_may_write_them() {
    let tokens = ["TOKEN#0f", "T#main#TOKENS"];
    for (function, resources) in allowed() {
        for (action, allowed) in resources
            .iter()
            .filter_map(|(name, allowed)| Some((name.strip_prefix("table ")?, allowed)))
        {
            let includes_tokens = tokens
                .iter()
                .any(|token| allowed.iter().any(|pattern| is_like(pattern, token)));
            let checks = ["dispatches", "chain-link", "set-context", "get-context", "bot", "calls"];
            let reads = action == "GetItem" && checks.contains(&function.as_str());
            assert_eq!(includes_tokens, reads, "{function}: {action} {allowed:?}");
        }
    }
}

/// Every string in a part of the template.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The statements of a role that allow `action`, also within conditional parts.
fn allowing<'a>(value: &'a Value, action: &str, found: &mut Vec<&'a Value>) {
    if texts(&value["Action"]).contains(&action) {
        return found.push(value);
    }
    match value {
        Value::Array(all) => all.iter().for_each(|one| allowing(one, action, found)),
        Value::Object(fields) => fields.values().for_each(|one| allowing(one, action, found)),
        _ => {}
    }
}

#[test]
fn a_function_may_read_only_its_own_secrets_and_receive_only_from_its_own_queue() {
    let resources = template::resources();
    let mut secrets = 0;
    for (name, function) in template::of_type("AWS::Serverless::Function") {
        let properties = &function["Properties"];
        let role = texts(&properties["Role"]).concat();
        let role = &resources[role.trim_end_matches(".Arn")];

        let variables = properties["Environment"]["Variables"].as_object().unwrap();
        let secret_variables = variables.iter().filter(|(name, _)| name.ends_with("_PARAM"));
        let named: BTreeSet<String> = secret_variables
            .flat_map(|(_, value)| texts(value))
            // Of a condition, only the values: not its name, and not the empty alternative.
            .filter(|text| {
                !text.is_empty()
                    && !["PhonesOver", "ChatsOver", "CallsOver"]
                        .iter()
                        .any(|name| text.starts_with(name))
            })
            .map(str::to_owned)
            .collect();
        let mut statements = Vec::new();
        allowing(role, "ssm:GetParameters", &mut statements);
        let allowed = statements
            .into_iter()
            .flat_map(|statement| texts(&statement["Resource"]));
        let allowed: BTreeSet<String> = allowed
            .filter_map(|arn| arn.split_once(":parameter${")?.1.split_once('}'))
            .map(|(parameter, _)| parameter.to_owned())
            .collect();
        assert_eq!(allowed, named, "{name}");
        secrets += named.len();

        let events = properties["Events"].as_object().into_iter().flatten();
        let queues = events.filter(|(_, event)| event["Type"] == "SQS");
        let queues: BTreeSet<&str> = queues
            .flat_map(|(_, event)| texts(&event["Properties"]["Queue"]))
            .collect();
        let mut statements = Vec::new();
        allowing(role, "sqs:ReceiveMessage", &mut statements);
        let received = statements
            .into_iter()
            .flat_map(|statement| texts(&statement["Resource"]));
        assert_eq!(received.collect::<BTreeSet<_>>(), queues, "{name}");
    }
    assert!(secrets > 8, "{secrets}");
}
