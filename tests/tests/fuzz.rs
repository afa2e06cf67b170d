//! Randomly mutated requests to every route: none crashes a function, none is answered with a server error, and no
//! answer exposes internals. `PATCHBAY_FUZZ=n` sends n of them instead of 50,000.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "common/seeds.rs"]
mod seeds;

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{text, world};
use patchbay::access::{Scope, TokenRecord};
use patchbay::ids::Tenant;
use patchbay::web::auth::token_hash;
use patchbay_simulators::phones::{Behavior, Script};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::world::World;
use serde_json::{Map, Value, json};

const REQUESTS: u64 = 50_000;
/// Every world gets so many requests: the data that they leave behind slows everything down.
const REQUESTS_PER_WORLD: u64 = 1_000;
/// The token in the events of `tests/events`.
const TOKEN: &str = "pb_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Implementation details that an answer must not contain.
const INTERNALS: [&str; 17] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "struct ",
    "tuple ",
    "newtype",
    "variant identifier",
    "untagged",
    "panicked",
    "unwrap",
    "serde",
    "lambda_http",
    "dynamodb",
    "::",
    "u8",
    "u64",
    "i64",
];

/// The events of API Gateway that are mutated.
fn corpus() -> Vec<Value> {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/events"));
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let events = files
        .iter()
        .map(|file| serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap());
    events.filter(|event| event.get("routeKey").is_some()).collect()
}

fn pick<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    let at = usize::try_from(rng.below(all.len() as u64)).unwrap();
    all.get(at).unwrap()
}

/// Texts that often break parsers.
fn odd_text(rng: &mut Rng) -> String {
    let odd = [
        "",
        " ",
        "0",
        "-1",
        "1e999",
        "null",
        "true",
        "../..",
        "%",
        "%2F",
        "%00",
        "%ff",
        "\u{0}",
        "\u{feff}",
        "\u{202e}x",
        "<b>&amp;#039;",
        "{{ 7 * 7 }}",
        "'; drop",
        "+44 (0)20 7946 0104",
        "+1202555\u{1f600}",
        "dsp_",
        "msg_0",
        "[",
        "a:99999",
        "*",
        "?<",
        "2026-13-45T99:99:99Z",
        "١٢٣",
        "é\u{301}",
        "\"",
        "\\",
        "a.b.c.d",
    ];
    match rng.below(10) {
        0 => "x".repeat(usize::try_from(rng.below(5_000)).unwrap()),
        1 => "\u{1f600}".repeat(usize::try_from(rng.below(300)).unwrap()),
        _ => (*pick(rng, &odd)).to_owned(),
    }
}

fn odd_value(rng: &mut Rng, depth: u8) -> Value {
    match rng.below(if depth > 3 { 8 } else { 11 }) {
        0 => Value::Null,
        1 => json!(rng.below(2) == 0),
        2 => json!(rng.bits()),
        3 => json!(-1),
        4 => json!(1.5e300),
        5 => json!(3.0),
        6 | 7 => json!(odd_text(rng)),
        8 => json!([odd_value(rng, depth + 1), odd_value(rng, depth + 1)]),
        9 => json!({ odd_text(rng): odd_value(rng, depth + 1) }),
        _ => (0..rng.below(60)).fold(Value::Null, |inner, _| json!([inner])),
    }
}

/// Changes a random part of a value.
fn mutate(rng: &mut Rng, value: &mut Value, depth: u8) {
    let deeper = depth < 6 && rng.below(4) > 0;
    match value {
        Value::Object(fields) if !fields.is_empty() && deeper => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = pick(rng, &names).clone();
            match rng.below(6) {
                0 => drop(fields.remove(&name)),
                1 => drop(fields.insert(odd_text(rng), odd_value(rng, depth))),
                _ => mutate(rng, fields.get_mut(&name).unwrap(), depth + 1),
            }
        }
        Value::Array(elements) if !elements.is_empty() && deeper => {
            let at = usize::try_from(rng.below(elements.len() as u64)).unwrap();
            match rng.below(5) {
                0 => drop(elements.remove(at)),
                1 => {
                    let again = elements.get(at).unwrap().clone();
                    elements.push(again);
                }
                _ => mutate(rng, elements.get_mut(at).unwrap(), depth + 1),
            }
        }
        other => *other = odd_value(rng, depth),
    }
}

fn bytes_of(event: &Value) -> Vec<u8> {
    let body = text(event, "/body");
    if event.get("isBase64Encoded") == Some(&Value::Bool(true)) {
        STANDARD.decode(body).unwrap_or_default()
    } else {
        body.as_bytes().to_vec()
    }
}

fn odd_body(rng: &mut Rng, mut body: Vec<u8>) -> Vec<u8> {
    match rng.below(12) {
        0 => Vec::new(),
        1 => odd_value(rng, 0).to_string().into_bytes(),
        2 => {
            let cut = usize::try_from(rng.below(body.len() as u64 + 1)).unwrap();
            body.truncate(cut);
            body
        }
        3 => {
            for _ in 0..=rng.below(4) {
                let at = usize::try_from(rng.below(body.len() as u64 + 1)).unwrap();
                body.insert(at, u8::try_from(rng.below(256)).unwrap());
            }
            body
        }
        4 => String::from_utf8_lossy(&body)
            .replace(r#"":""#, r#"":"\ud83d"#)
            .into_bytes(),
        5 => [b"\xef\xbb\xbf".as_slice(), &body].concat(),
        _ => match serde_json::from_slice::<Value>(&body) {
            Ok(mut json) => {
                for _ in 0..=rng.below(3) {
                    mutate(rng, &mut json, 0);
                }
                json.to_string().into_bytes()
            }
            Err(_) => format!("{}&{}={}", String::from_utf8_lossy(&body), odd_text(rng), odd_text(rng)).into_bytes(),
        },
    }
}

fn set(event: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).and_then(Value::as_object_mut);
    drop(parent.map(|parent: &mut Map<String, Value>| parent.insert(name.to_owned(), value)));
}

/// A copy of an event with random changes.
fn odd_event(rng: &mut Rng, event: &Value) -> Value {
    let mut event = event.clone();
    if rng.below(4) > 0 {
        let body = odd_body(rng, bytes_of(&event));
        match String::from_utf8(body) {
            Ok(body) if rng.below(4) > 0 => {
                set(&mut event, "/body", json!(body));
                set(&mut event, "/isBase64Encoded", json!(false));
            }
            body => {
                let body = body.map_or_else(std::string::FromUtf8Error::into_bytes, String::into_bytes);
                set(&mut event, "/body", json!(STANDARD.encode(body)));
                set(&mut event, "/isBase64Encoded", json!(true));
            }
        }
    }
    if rng.below(5) == 0 {
        let path = text(&event, "/rawPath").to_owned();
        let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let at = usize::try_from(rng.below(segments.len() as u64)).unwrap();
        if let Some(segment) = segments.get_mut(at) {
            *segment = odd_text(rng);
        }
        set(&mut event, "/rawPath", json!(segments.join("/")));
    }
    if rng.below(5) == 0 {
        let names = [
            "cursor",
            "limit",
            "timeline_cursor",
            "api_token",
            "new",
            "replace",
            "again",
            "x",
        ];
        let query = format!(
            "{}={}&{}",
            pick(rng, &names),
            odd_text(rng),
            text(&event, "/rawQueryString")
        );
        set(&mut event, "/rawQueryString", json!(query));
    }
    if rng.below(5) == 0 {
        let names = [
            "host",
            "content-type",
            "authorization",
            "x-forwarded-proto",
            "x-forwarded-port",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "x-twilio-signature",
            "content-length",
            "cookie",
            "x-odd",
        ];
        let name = *pick(rng, &names);
        set(&mut event, &format!("/headers/{name}"), json!(odd_text(rng)));
    }
    if rng.below(10) == 0 {
        let method = *pick(
            rng,
            &["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "POST", "odd", ""],
        );
        set(&mut event, "/requestContext/http/method", json!(method));
    }
    event
}

async fn new_world() -> World {
    let world = world([Script::always(Behavior::NeverPicksUp)]).await;
    let tenant: Tenant = "example".parse().unwrap();
    let record = TokenRecord {
        tenant,
        scopes: Scope::ALL.into(),
        expires_at: None,
        revoked: false,
    };
    world.store.put_token(&token_hash(TOKEN), &record).await.unwrap();
    world
}

/// Sends requests to a new world. Returns how many of them succeeded.
async fn send(events: &[Value], world_number: u64, count: u64) -> u64 {
    let mut rng = Rng::new(0x000f_022e + world_number);
    let world = new_world().await;
    let mut succeeded = 0;
    for number in 0..count {
        let original = pick(&mut rng, events);
        let event = odd_event(&mut rng, original).to_string();
        // An invalid event never reaches a function.
        let Ok(response) = world.invoke(&event).await else {
            continue;
        };
        let answer = String::from_utf8_lossy(response.body()).to_lowercase();
        assert!(
            response.status().as_u16() < 500,
            "{world_number} {number}: {} {answer}\n{event}",
            response.status()
        );
        succeeded += u64::from(response.status().is_success());
        if response.status().is_client_error() {
            let internal = INTERNALS
                .iter()
                .find(|internal| answer.contains(*internal) && !event.to_lowercase().contains(*internal));
            assert_eq!(internal, None, "{world_number} {number}: {answer}\n{event}");
        }
    }
    succeeded
}

#[test]
fn no_request_crashes_a_function_or_exposes_internals() {
    let count = std::env::var("PATCHBAY_FUZZ")
        .ok()
        .map_or(REQUESTS, |count| count.parse().unwrap());
    let events = corpus();
    assert!(events.len() > 20, "{}", events.len());
    let results = seeds::play_all(0..count.div_ceil(REQUESTS_PER_WORLD), |world_number| {
        let requests = REQUESTS_PER_WORLD.min(count - world_number * REQUESTS_PER_WORLD);
        seeds::on_virtual_time(send(&events, world_number, requests))
    });
    // The panic of a world has been printed.
    let worlds = results.len();
    let succeeded: Vec<u64> = results.into_iter().filter_map(|(_, succeeded)| succeeded).collect();
    assert_eq!(succeeded.len(), worlds);
    // Some requests must succeed, or only the input validation would be tested.
    let succeeded: u64 = succeeded.iter().sum();
    assert!(succeeded * 20 > count, "{succeeded}");
}
