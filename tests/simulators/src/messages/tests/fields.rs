//! The fields are exactly those of the examples of the contracts.

use bytes::Bytes;
use serde_json::json;

use super::*;

/// Fields that the simulator adds because the provider may add any.
const NEW: [&str; 1] = ["SomethingNew"];

fn fixture(path: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/src/providers");
    std::fs::read_to_string(root.join(path)).expect(path)
}

fn json_fixture(path: &str) -> Value {
    serde_json::from_str(&fixture(path)).expect("JSON")
}

/// The names of all fields, with those of nested objects.
fn names(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, inner) in value.as_object().into_iter().flatten() {
        names.insert(name.clone());
        names.extend(self::names(inner).into_iter().map(|inner| format!("{name}.{inner}")));
    }
    names
}

fn form_names(form: &str) -> BTreeSet<String> {
    let fields = url::form_urlencoded::parse(form.trim().as_bytes()).map(|(name, _)| name.into_owned());
    fields.filter(|name| !NEW.contains(&name.as_str())).collect()
}

async fn raw(net: &Net, method: &str, path: &str, body: String) -> (u16, Value) {
    let (user, password) = API_KEY;
    let authorization =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{user}:{password}"));
    let request = http::Request::builder()
        .method(method)
        .uri(format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}{path}"))
        .header("authorization", format!("Basic {authorization}"))
        .body(body.into())
        .expect("a request");
    let response = net.messages.respond(request).await.expect("a response");
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    (response.status().as_u16(), body)
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

#[tokio::test(start_paused = true)]
async fn twilio_creates_and_shows_what_the_contract_documents() {
    let net = Net::new(Habit::unreachable());
    let fields = [
        ("To", CUSTOMER),
        ("From", OURS),
        ("Body", TEXT),
        ("StatusCallback", &attempt(1)),
    ];
    let (status, created) = raw(&net, "POST", "/Messages.json", form(&fields)).await;
    assert_eq!(status, 201);
    assert_eq!(
        names(&created),
        names(&json_fixture("twilio/fixtures/message-created.json"))
    );
    assert_eq!(created["status"], json!("queued"));
    net.settle().await;
    let sid = created["sid"].as_str().expect("a SID");
    let (status, fetched) = raw(&net, "GET", &format!("/Messages/{sid}.json"), String::new()).await;
    assert_eq!((status, &fetched["status"]), (200, &json!("undelivered")));
    assert_eq!(names(&fetched), names(&created));
    assert_eq!(fetched["error_code"], json!(30_003));
    let callback = net.received().pop().expect("a callback");
    assert!(callback.has_signature);
    let expected = form_names(&fixture("twilio/fixtures/message-status.form"));
    assert_eq!(form_names(&callback.body), expected);
    assert_eq!(net.messages.unexpected(), []);
}

#[tokio::test(start_paused = true)]
async fn routee_creates_and_reports_what_the_contract_documents() {
    let net = Net::new(Habit::unreachable().then(Habit::answers("Thanks", 5)));
    let sent = net.send(Provider::Routee, 1).await.expect("sent");
    net.settle().await;
    net.send(Provider::Routee, 2).await.expect("sent");
    net.settle().await;
    assert_eq!((sent.parts, sent.status), (Some(1), MessageStatus::Queued));
    let received = net.received();
    let body = |at: usize| -> Value { serde_json::from_str(&received[at].body).expect("JSON") };
    assert!(received.iter().all(|received| !received.has_signature));
    // Sent, undelivered; sent, delivered, an answer.
    assert_eq!(names(&body(1)), names(&json_fixture("routee/fixtures/sms-status.json")));
    assert_eq!(
        names(&body(4)),
        names(&json_fixture("routee/fixtures/sms-incoming.json"))
    );
    assert_eq!(received.len(), 5);
    assert_eq!(net.messages.unexpected(), []);
}

#[tokio::test(start_paused = true)]
async fn twilio_refuses_what_the_contract_says() {
    let net = Net::new(Habit::arrives());
    let long = "x".repeat(1_601);
    let (to, from, body) = (("To", CUSTOMER), ("From", OURS), ("Body", TEXT));
    let template = ("ContentSid", "HX0000000000000000000000000000000a");
    for (fields, code) in [
        (vec![("To", "202"), from, body], 21_211),
        (vec![("To", OURS), from, body], 21_211),
        (vec![from, body], 21_211),
        (vec![to, body], 21_603),
        (vec![to, ("From", "Example!"), body], 21_212),
        (vec![to, ("From", "+12025550177"), body], 21_606),
        (vec![to, ("From", "whatsapp:+12025550100"), body], 21_612),
        (
            vec![("To", "whatsapp:+12025550143"), ("From", "whatsapp:+12025550177"), body],
            63_007,
        ),
        (
            vec![to, ("MessagingServiceSid", "MG00000000000000000000000000000009"), body],
            21_703,
        ),
        (vec![to, from], 21_602),
        (vec![to, from, ("Body", &long)], 21_617),
        (vec![to, from, body, ("ContentVariables", "{}")], 21_654),
        (vec![to, from, template, ("ContentVariables", "{1}")], 21_656),
        (
            vec![to, from, body, ("StatusCallback", "https://my_host.example.org/")],
            21_609,
        ),
        (vec![to, from, body, ("ValidityPeriod", "36001")], 20_001),
    ] {
        let (status, answer) = raw(&net, "POST", "/Messages.json", form(&fields)).await;
        assert_eq!((status, &answer["code"]), (400, &json!(code)), "{fields:?}");
    }
    assert_eq!(net.messages.messages(), []);
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_and_wrong_credentials_are_noticed() {
    let net = Net::new(Habit::arrives());
    let fields = [("To", CUSTOMER), ("From", OURS), ("Body", TEXT), ("Flash", "1")];
    raw(&net, "POST", "/Messages.json", form(&fields)).await;
    assert_eq!(net.messages.unexpected(), [Unexpected::Field("Flash".to_owned())]);
    for path in ["/2010-04-01/Accounts/AC1/Messages.json", "/sms"] {
        let request = http::Request::post(format!("https://provider.example.org{path}"));
        let request = request.body(Bytes::default()).expect("a request");
        let response = net.messages.respond(request).await.expect("a response");
        assert_eq!(response.status().as_u16(), 401, "{path}");
    }
    assert_eq!(net.messages.messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn list_has_pages_and_both_directions() {
    let net = Net::new(Habit::answers("Thanks", 5));
    for nth in 1..=3 {
        net.send(Provider::Twilio, nth).await.expect("sent");
        net.settle().await;
    }
    let list = |query: &str| {
        let path = format!("/Messages.json?{query}");
        let net = &net;
        async move { raw(net, "GET", &path, String::new()).await.1 }
    };
    let count = |page: &Value| page["messages"].as_array().expect("a list").len();
    assert_eq!(count(&list("").await), 6);
    let page = list("To=%2B12025550143&PageSize=2").await;
    assert_eq!((count(&page), page["next_page_uri"].is_string()), (2, true));
    let first = page["messages"][0]["sid"].as_str().expect("a SID");
    assert_eq!(first, net.messages.messages()[2].id, "the newest first");
    // The link to the next page keeps the filters.
    let (_, query) = page["next_page_uri"]
        .as_str()
        .and_then(|uri| uri.split_once('?'))
        .expect("a link");
    let page = list(query).await;
    assert_eq!((count(&page), page["next_page_uri"].is_null()), (1, true));
    let received = list("From=%2B12025550143").await;
    assert_eq!(received["messages"][0]["direction"], json!("inbound"));
}
