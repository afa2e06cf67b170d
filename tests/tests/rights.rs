//! What the functions ask of the table and the queues is exactly what the template allows them: each action, and of the
//! table each kind of partition (`dynamodb:LeadingKeys`). So a right that is missing fails a test, and so does one that
//! nobody needs. That the deployed roles allow what the template says is checked by `tests/e2e/run`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;
#[path = "common/template.rs"]
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{ask, brief, change, create, get, keys_event, pass, rings, send, settle, status_event, webhook, world};
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::phones::{Behaviour, Script, When};
use patchbay_simulators::twilio::AtPay;
use patchbay_simulators::world::World;
use serde_json::{Value, json};

/// By function, by resource, the actions.
type Rights = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Done by Lambda in a function's name, or before a request is handled: not seen in this process, but in the run with the
/// real functions.
const OUTSIDE: [&str; 4] = ["DeleteMessage", "GetParameters", "GetQueueAttributes", "ReceiveMessage"];

/// What the template allows and can be seen here.
fn allowed() -> Rights {
    let mut rights = Rights::new();
    for function in template::functions() {
        let resources = rights.entry(function.name.clone()).or_default();
        for statement in template::statements(&function) {
            let actions = template::several(&statement["Action"]);
            let actions = actions
                .iter()
                .map(|action| action.as_str().unwrap().split_once(':').unwrap());
            let actions: Vec<_> = actions.filter(|(_, action)| !OUTSIDE.contains(action)).collect();
            for (&(service, action), resource) in iproduct(&actions, &template::several(&statement["Resource"])) {
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
                    _ => assert!(["logs", "kms"].contains(&service), "{}: {statement}", function.name),
                }
            }
        }
    }
    rights
}

/// Every action on every resource.
fn iproduct<'a, A, B>(actions: &'a [A], resources: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    actions
        .iter()
        .flat_map(move |action| resources.iter().map(move |resource| (action, resource)))
}

/// The name of a table's, an index's or a queue's ARN in the template: that which [`resource`] has for it.
fn name_of(arn: &Value) -> String {
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

/// The name that a resource has in the list.
fn resource(service: Service, target: &str) -> String {
    match (service, target.split_once("/index/")) {
        (Service::DynamoDb, Some((_, "by_day"))) => "index".to_owned(),
        (Service::DynamoDb, Some((_, index))) => format!("index-{index}"),
        (Service::DynamoDb, None) => "table".to_owned(),
        // As the template names them.
        _ => target.replace("-dlq", "-dead-letters"),
    }
}

/// The kinds of partitions that the table has, as a policy says them.
const PARTITIONS: [&str; 12] = [
    "PACE#*",
    "TOKEN#*",
    "TURN",
    "T#*#A#*",
    "T#*#C",
    "T#*#D#*",
    "T#*#H#*",
    "T#*#K#*",
    "T#*#L#*",
    "T#*#LIMITS",
    "T#*#TOKENS",
    "T#*#X#*",
];

/// Whether `text` is like `pattern`, in which a star stands for anything: IAM's `StringLike`.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| is_like(after, rest)))),
    }
}

/// The kind of a partition; the partition itself when it is of none.
fn kind(partition: &str) -> String {
    let kinds = PARTITIONS.iter().filter(|kind| is_like(kind, partition));
    match kinds.collect::<Vec<_>>()[..] {
        [one] => (*one).to_owned(),
        _ => partition.to_owned(),
    }
}

/// Adds what the functions of a world asked for.
fn note(rights: &mut Rights, world: &World) {
    for entry in world.aws.recorder().log() {
        if entry.service == Service::Http || entry.function.is_empty() {
            continue;
        }
        // A batch needs the right to the single action; so does a transaction, to each of its own.
        let single = entry.operation.trim_end_matches("Batch").to_owned();
        let actions = match entry.parts.as_slice() {
            [] => vec![single],
            parts => parts.iter().map(|&part| part.to_owned()).collect(),
        };
        let resources = rights.entry(entry.function.to_string()).or_default();
        let name = resource(entry.service, &entry.target);
        if name == "table" {
            assert!(!entry.keys.is_empty(), "{entry:?}");
            for (action, partition) in &entry.keys {
                let partitions = resources.entry(format!("table {action}")).or_default();
                partitions.insert(kind(partition));
                if !entry.parts.is_empty() {
                    // AWS does not say whether it checks each item of a transaction by itself, or each action for all.
                    partitions.extend(entry.keys.iter().map(|(_, partition)| kind(partition)));
                }
            }
        } else {
            resources.entry(name).or_default().extend(actions);
        }
    }
}

/// Everybody does something else, and one ticket is opened again.
async fn a_long_night() -> World {
    let world = world([
        Behaviour::NeverPicksUp.then(Behaviour::Busy).then(Behaviour::silent(1)),
        Script::always(Behaviour::presses("2", When::OptionsSay(1))),
        Script::always(Behaviour::presses("71", When::OptionsSay(1))),
    ])
    .await;
    // One webhook has to be sent again.
    let refused = Rule::new(Fault::Refused).service(Service::Http).function("notifier");
    world.aws.faults().plan(refused);
    let mut tickets = Vec::new();
    for _ in 0..4 {
        tickets.push(create(&world, &brief(3, &json!({ "resolve_within": 600 }))).await);
    }
    // Neither the dialer nor the notifier can do anything with it.
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

/// A requester who wants to hear of everything, and does not answer for a while.
async fn a_silent_receiver() -> World {
    let world = world([Script::always(Behaviour::silent(3))]).await;
    let faults = world.aws.faults();
    faults.set_timeout(Duration::from_secs(30));
    let silent = Rule::new(Fault::LostRequest)
        .service(Service::Http)
        .function("notifier");
    faults.plan(silent.times(4));
    let mut body = brief(1, &json!({ "attempts": 2, "max_rounds": 1 }));
    body["webhook"]["strategy"] = json!("OnStatus");
    let key = create(&world, &body).await;
    settle(&world).await;
    let told = get(&world, &format!("/v1/dispatches/{}/webhooks", key.id)).await;
    let webhook = told.text("/webhooks/0/id");
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

/// All that the API offers, while a phone rings.
async fn every_request() -> World {
    let world = world([Script::always(Behaviour::Interactive)]).await;
    ask(&world, "POST", "/v1/dispatches/preview", &brief(1, &json!({}))).await;
    let [first, second] = [
        create(&world, &brief(1, &json!({}))).await,
        create(&world, &brief(1, &json!({}))).await,
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

/// A key and a final status, while the table cannot be had.
async fn an_outage() -> World {
    let world = world([Script::always(Behaviour::Interactive)]).await;
    create(&world, &brief(1, &json!({}))).await;
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
    world.aws.faults().calm();
    settle(&world).await;
    world
}

/// A task chain from its upload to its end, and all that the API for it offers.
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
    // What an agent said of this caller has expired, and is still there.
    let said = json!({
        "caller": "+12025550143", "description": "Two seats", "price": "42.00", "vendor": "acme-stage", "ttl": 60,
    });
    let set = ask(&world, "POST", "/voice/api/v1/twilio/set-context", &said).await;
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

/// A caller's context, from the first set to the last trace of it; in between it expires.
async fn a_caller() -> World {
    let world = world([]).await;
    let said = json!({
        "caller": "+12025550143", "description": "Two seats", "price": "42.00", "vendor": "acme-stage", "ttl": 60,
        "call_id": "CA00000000000000000000000000000001",
    });
    for _ in 0..2 {
        ask(&world, "POST", "/voice/api/v1/twilio/set-context", &said).await;
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

/// A caller who is transferred to us, and pays.
async fn a_payment() -> World {
    let world = world([]).await;
    let said =
        json!({ "caller": "+12025550143", "description": "Two seats", "price": "42.00", "vendor": "acme-stage" });
    ask(&world, "POST", "/voice/api/v1/twilio/set-context", &said).await;
    let pays = patchbay_simulators::twilio::Script::new("+12025550143", [AtPay::Card("4242424242424242")]);
    world.twilio.call(&world.transfer_url().unwrap(), pays).await;
    world
}

/// A message that was lost, and the end of a backlog that is asked for before it is sent again.
async fn a_lost_message() -> World {
    let world = world([Script::always(Behaviour::NeverPicksUp)]).await;
    create(&world, &brief(1, &json!({ "attempts": 2, "retry_delay": 600 }))).await;
    pass(&world, 300).await;
    common::purge(&world).await;
    pass(&world, 1_200).await;
    let report = world.look(Value::Null).await.unwrap();
    assert_eq!(report.sent_again, 1, "{report:?}");
    world
}

#[tokio::test(start_paused = true)]
async fn functions_ask_for_what_the_template_allows_them_and_the_template_allows_nothing_else() {
    let mut rights = Rights::new();
    for world in [
        a_long_night().await,
        every_request().await,
        a_silent_receiver().await,
        an_outage().await,
        a_task_chain().await,
        a_caller().await,
        a_payment().await,
        a_lost_message().await,
    ] {
        note(&mut rights, &world);
    }
    let (asked, allowed) = (lines(&rights), lines(&allowed()));
    let missing: Vec<_> = asked.difference(&allowed).collect();
    let unused: Vec<_> = allowed.difference(&asked).collect();
    assert!(
        missing.is_empty() && unused.is_empty(),
        "infra/template.yaml does not allow {missing:#?}, and allows {unused:#?}, which nobody asks for"
    );
}

/// Rights, a text each.
fn lines(rights: &Rights) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (function, resources) in rights {
        for (resource, what) in resources {
            lines.extend(what.iter().map(|one| format!("{function}: {resource} {one}")));
        }
    }
    lines
}

#[test]
fn no_function_may_write_a_token_and_none_that_checks_none_may_read_one() {
    let tokens = ["TOKEN#0f", "T#main#TOKENS"];
    for (function, resources) in allowed() {
        for (action, allowed) in resources
            .iter()
            .filter_map(|(name, allowed)| Some((name.strip_prefix("table ")?, allowed)))
        {
            let of_tokens = tokens
                .iter()
                .any(|token| allowed.iter().any(|pattern| is_like(pattern, token)));
            let reads = action == "GetItem"
                && ["dispatches", "chain-link", "set-context", "get-context"].contains(&function.as_str());
            assert_eq!(of_tokens, reads, "{function}: {action} {allowed:?}");
        }
    }
}

/// Every text in a part of the template.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Statements of a role that allow `action`, however deep in a condition.
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
fn a_function_reads_the_secrets_that_its_variables_name_and_receives_from_its_own_queue() {
    let resources = template::resources();
    let mut secrets = 0;
    for (name, function) in template::of_type("AWS::Serverless::Function") {
        let properties = &function["Properties"];
        let role = texts(&properties["Role"]).concat();
        let role = &resources[role.trim_end_matches(".Arn")];

        let variables = properties["Environment"]["Variables"].as_object().unwrap();
        let of_secrets = variables.iter().filter(|(name, _)| name.ends_with("_PARAM"));
        let named: BTreeSet<String> = of_secrets
            .flat_map(|(_, value)| texts(value))
            // Of a condition only what it chooses.
            .filter(|text| !text.is_empty() && !text.starts_with("Phones"))
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
