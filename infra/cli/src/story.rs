//! The first part of the demo: one ticket and four people, told as it happens.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use console::style;
use http::header::AUTHORIZATION;
use patchbay::clock::Timestamp;
use patchbay::ids::DispatchKey;
use patchbay::phone::PhoneNumber;
use patchbay_simulators::audit::{Audit, audit};
use patchbay_simulators::phones::{Behaviour, Phones, When};
use patchbay_simulators::routee::{Happening, PhoneEvent};
use patchbay_simulators::world::{Options, PUBLIC_URL, TOKEN, World};
use serde_json::{Value, json};

use crate::timeline;

/// Who is phoned, and what they do.
const CAST: [(&str, &str, &str); 4] = [
    ("Anna", "+12025550101", "never picks up"),
    ("Ben", "+12025550102", "picks up and says nothing"),
    ("Carla", "+12025550103", "presses 2"),
    ("Dimitri", "+12025550104", "presses 1"),
];

const TICKET: &str = "Pump four at the north plant has stopped. The tank will overflow in forty minutes.";
/// Longest text of what is said that is shown, in characters.
const SHOWN_CHARS: usize = 86;
/// A ticket of this story is done well within this time.
const LIMIT: Duration = Duration::from_hours(1);

/// Plays the story; with `slow` it leaves a reader the time to read.
pub(crate) async fn tell(seed: u64, slow: bool) -> anyhow::Result<Audit> {
    let world = World::start(Options {
        seed,
        phones: phones()?,
        ..Options::default()
    })
    .await?;
    println!("{}", style("One ticket, four people").bold());
    for (name, number, habit) in CAST {
        println!("  {name:<8} {number}  {}", style(habit).dim());
    }
    println!();
    let teller = Arc::new(Teller::new(world.clock.now(), slow));
    let listener = Arc::clone(&teller);
    world.routee.subscribe(move |event| listener.on_the_line(event));

    let created = create(&world, &request()).await?;
    let key = key_of(&created)?;
    let summary = created
        .pointer("/plan/summary")
        .and_then(Value::as_str)
        .unwrap_or_default();
    teller.say(
        world.clock.now(),
        &format!("{} {summary}", style("the plan, if nobody picks up:").dim()),
    );
    follow(&world, &key, &teller).await?;
    let audit = audit(&world, std::slice::from_ref(&key)).await?;
    let told = world.notifications().len();
    println!();
    println!(
        "  {} calls in {}, {told} webhooks to the requester, {} requests to DynamoDB and SQS",
        audit.calls,
        minutes(world.clock.now().since(teller.start)),
        world.aws.recorder().count(|request| request.run.is_some()),
    );
    Ok(audit)
}

fn phones() -> anyhow::Result<Phones> {
    let behaviours = [
        Behaviour::NeverPicksUp,
        Behaviour::silent(6),
        Behaviour::presses("2", When::OptionsSay(1)),
        Behaviour::presses("1", When::OptionsSay(1)),
    ];
    let mut phones = Phones::new();
    for ((_, number, _), behaviour) in CAST.into_iter().zip(behaviours) {
        phones.set(PhoneNumber::parse(number)?, behaviour);
    }
    Ok(phones)
}

fn request() -> Value {
    let employee =
        |(name, number, _): (&str, &str, &str)| json!({ "id": name.to_lowercase(), "name": name, "phone": number });
    json!({
        "ticket": { "reference": "INC-4711", "text": TICKET },
        "employees": CAST.map(employee),
        "webhook": { "url": "https://requester.example.org/hook" },
    })
}

/// Creates a dispatch through the API.
pub(crate) async fn create(world: &World, body: &Value) -> anyhow::Result<Value> {
    let request = http::Request::post(format!("{PUBLIC_URL}/v1/dispatches"))
        .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))?;
    let response = world.send(request).await?;
    let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if response.status() != http::StatusCode::CREATED {
        bail!("the dispatch was refused: {} {answer}", response.status());
    }
    Ok(answer)
}

/// The key of a dispatch as the API shows it.
pub(crate) fn key_of(dispatch: &Value) -> anyhow::Result<DispatchKey> {
    let id = dispatch
        .get("id")
        .and_then(Value::as_str)
        .context("an answer without an id")?;
    Ok(DispatchKey {
        tenant: "main".parse()?,
        id: id.parse()?,
    })
}

/// Tells the timeline of a dispatch until all is quiet.
async fn follow(world: &World, key: &DispatchKey, teller: &Teller) -> anyhow::Result<()> {
    let end = world.clock.now().plus_millis(i64::try_from(LIMIT.as_millis())?);
    let mut told = Vec::new();
    while world.clock.now() < end {
        world.clock.sleep(Duration::from_millis(500)).await;
        let dispatch = world.store.load(key).await?.context("the dispatch is gone")?;
        for entry in world.store.timeline(key, None, 500).await?.entries {
            if told.contains(&entry.id) {
                continue;
            }
            if entry.fact.status().is_some() {
                teller.say(entry.at, &timeline::told(&entry.fact, &dispatch));
            }
            told.push(entry.id);
        }
        if world.is_quiet() {
            return Ok(());
        }
    }
    bail!("the story did not end within {} s", LIMIT.as_secs())
}

/// Writes lines, with the time since the beginning in front.
struct Teller {
    start: Timestamp,
    slow: bool,
    names: BTreeMap<&'static str, &'static str>,
    last: Mutex<Timestamp>,
}

impl Teller {
    fn new(start: Timestamp, slow: bool) -> Self {
        let names = CAST.into_iter().map(|(name, number, _)| (number, name)).collect();
        Self {
            start,
            slow,
            names,
            last: Mutex::new(start),
        }
    }

    fn say(&self, at: Timestamp, line: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.slow {
            // A minute of the story takes at most a third of a second to tell.
            let pause = at.since(*last).as_secs_f64() * 0.02;
            std::thread::sleep(Duration::from_secs_f64(pause.clamp(0.05, 0.33)));
        }
        *last = at.max(*last);
        println!("{}  {line}", style(minutes(at.since(self.start))).dim());
    }

    fn on_the_line(&self, event: &PhoneEvent) {
        let name = self.names.get(event.to.as_str()).copied().unwrap_or("somebody");
        let what = match &event.what {
            Happening::Ringing => "☎  rings".to_owned(),
            Happening::Answered { .. } => "picks up".to_owned(),
            Happening::Says { text } => format!("hears {}", style(shown(text)).italic().cyan()),
            Happening::Key { key } => format!("presses {}", style(key).bold()),
            Happening::Ended { status, .. } => style(format!("call over ({status:?})")).dim().to_string(),
            _ => return,
        };
        let mut line = String::new();
        let _ = write!(line, "    {name:<8} {what}");
        self.say(event.at, &line);
    }
}

/// A text that fits on a line.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() {
        format!("“{short}…”")
    } else {
        format!("“{short}”")
    }
}

/// Minutes and seconds.
fn minutes(time: Duration) -> String {
    format!("{:02}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}
