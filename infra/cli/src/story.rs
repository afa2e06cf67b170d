//! The first part of the demo: one ticket and four people, told as it happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use console::style;
use http::header::AUTHORIZATION;
use patchbay::clock::Timestamp;
use patchbay::dispatch::Fact;
use patchbay::ids::DispatchKey;
use patchbay_simulators::audit::{Audit, audit};
use patchbay_simulators::exchange::{Happening, Outage, PhoneEvent};
use patchbay_simulators::phones::Phones;
use patchbay_simulators::world::{Options, PUBLIC_URL, TOKEN, World};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::habits::Habits;
use crate::phoning::Phoning;
use crate::screen::{COLUMNS, Screen, minutes, shortened};
use crate::timeline;

/// Who is phoned, and what they do.
const CAST: [(&str, &str, &str); 4] = [
    ("Anna", "+12025550101", "never picks up"),
    ("Ben", "+12025550102", "picks up after 6 s and says nothing"),
    ("Carla", "+12025550103", "picks up after 5 s, presses 2 at the options"),
    (
        "Dimitri",
        "+12025550104",
        "picks up after 5 s, presses 1 at the options",
    ),
];

const TICKET: &str = "Pump four at the north plant has stopped. The tank is nearly full.";
/// What a line of the telephone begins with: time, name and `hears`.
const BEFORE_WORDS: usize = 24;
/// A ticket of this story is done well within this time.
const LIMIT: Duration = Duration::from_hours(1);
/// How often it is looked what has happened.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Plays the story; somebody who watches is left the time to read.
pub(crate) async fn tell(seed: u64, phoning: Phoning, screen: &Screen) -> anyhow::Result<Audit> {
    let world = World::start(Options {
        seed,
        phones: phones()?,
        providers: phoning.providers().to_vec(),
        ..Options::default()
    })
    .await?;
    let unit = style("(times are minutes and seconds since it came in)").dim();
    screen.line(format!("{} {unit}", style("One ticket, four people").bold()));
    for (name, number, habit) in CAST {
        screen.line(format!("  {name:<8} {number}  {}", style(habit).dim()));
    }
    screen.line("");
    let teller = Arc::new(Teller::new(world.clock.now(), screen));
    let listener = Arc::clone(&teller);
    world.exchange.subscribe(move |event| listener.on_the_line(event));

    let created = create(&world, &request()).await?;
    let key = key_of(&created)?;
    let plan = style("if nobody picks up:").dim();
    teller.say(teller.start, &format!("{plan} {}", outlook(&created, teller.start)));
    follow(&world, &key, phoning, &teller).await?;
    let audit = audit(&world, std::slice::from_ref(&key)).await?;
    screen.line("");
    screen.line(format!(
        "  {} calls in {}, {} webhooks to the requester, {} requests to DynamoDB and SQS",
        audit.calls,
        minutes(teller.told_until()),
        world.notifications().len(),
        world.aws.recorder().count(|request| request.run.is_some()),
    ));
    Ok(audit)
}

fn phones() -> anyhow::Result<Phones> {
    let lines = CAST.map(|(_, number, habit)| format!("{number} {habit}"));
    Ok(Habits::named("the people of the demo", &lines.join("\n"))?.phones())
}

/// The plan ahead as the API puts it, its clock times told as times since `start`.
fn outlook(dispatch: &Value, start: Timestamp) -> String {
    let field = |name: &str| dispatch.pointer(&format!("/plan/{name}")).and_then(Value::as_str);
    let moments = ["round_ends_at", "resumes_at", "expires_at"];
    let moments = moments.iter().filter_map(|name| Timestamp::parse(field(name)?));
    moments.fold(field("summary").unwrap_or_default().to_owned(), |text, at| {
        text.replace(&format!("{} UTC", at.time_of_day()), &minutes(at.since(start)))
    })
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
async fn follow(world: &World, key: &DispatchKey, phoning: Phoning, teller: &Teller) -> anyhow::Result<()> {
    let end = world.clock.now().plus_millis(i64::try_from(LIMIT.as_millis())?);
    let mut told = Vec::new();
    let mut to_fail = phoning == Phoning::Both;
    while world.clock.now() < end {
        teller.screen.check()?;
        // Sooner when a call was created: over which provider it goes is told before the phone rings.
        let _ = tokio::time::timeout(LOOK_EVERY, teller.created.notified()).await;
        if to_fail && is_half_way(world) {
            to_fail = false;
            world.routee.change_faults(|faults| faults.outage = Some(Outage::Hangs));
            let failure = style("✗ Routee stops answering").red().bold();
            teller.say(world.clock.now(), &failure.to_string());
        }
        let dispatch = world.store.load(key).await?.context("the dispatch is gone")?;
        for entry in world.store.timeline(key, None, 500).await?.entries {
            if told.contains(&entry.id) {
                continue;
            }
            if entry.fact.status().is_some() || matches!(entry.fact, Fact::Dialling { .. }) {
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

/// Whether the second of the people has put the phone down: in the story, Routee fails then.
fn is_half_way(world: &World) -> bool {
    let [_, (_, second, _), ..] = CAST;
    world
        .calls()
        .iter()
        .any(|call| call.to == second && call.ended_at.is_some())
}

/// Writes lines, with the time since the beginning in front.
struct Teller {
    start: Timestamp,
    screen: Screen,
    names: BTreeMap<&'static str, &'static str>,
    last: Mutex<Timestamp>,
    /// Somebody is being phoned.
    created: Notify,
}

impl Teller {
    fn new(start: Timestamp, screen: &Screen) -> Self {
        let names = CAST.into_iter().map(|(name, number, _)| (number, name)).collect();
        Self {
            start,
            screen: screen.clone(),
            names,
            last: Mutex::new(start),
            created: Notify::new(),
        }
    }

    fn say(&self, at: Timestamp, line: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.screen.is_watched() {
            // A minute of the story takes at most a third of a second to tell.
            let pause = at.since(*last).as_secs_f64() * 0.02;
            std::thread::sleep(Duration::from_secs_f64(pause.clamp(0.05, 0.33)));
        }
        *last = at.max(*last);
        let time = minutes(at.since(self.start));
        self.screen.entry(&format!("{}  ", style(time).dim()), line);
    }

    /// How long the story is that was told so far.
    fn told_until(&self) -> Duration {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.since(self.start)
    }

    fn on_the_line(&self, event: &PhoneEvent) {
        let name = self.names.get(event.to.as_str()).copied().unwrap_or("somebody");
        let what = match &event.what {
            Happening::Created => {
                self.created.notify_one();
                return;
            }
            Happening::Ringing => "☎ rings".to_owned(),
            Happening::Answered { .. } => "picks up".to_owned(),
            Happening::Says { text } => format!("hears {}", style(quoted(text)).italic().cyan()),
            Happening::Key { key } => format!("presses {}", style(key).bold()),
            Happening::Ended { status, .. } => style(format!("call over ({status})")).dim().to_string(),
            _ => return,
        };
        self.say(event.at, &format!("  {name:<8} {what}"));
    }
}

/// A text in quotes that fits on a line.
fn quoted(text: &str) -> String {
    format!("“{}”", shortened(text, COLUMNS - BEFORE_WORDS - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_told_in_times_since_the_beginning() {
        let at = |text: &str| Timestamp::parse(text).expect(text);
        let dispatch = json!({ "plan": {
            "summary": "Anna ×3, ends 23:59:10 UTC, then again from the top at 00:04:10 UTC",
            "round_ends_at": "2026-11-22T23:59:10.250Z",
            "resumes_at": "2026-11-23T00:04:10.250Z",
            "expires_at": "2026-11-23T23:50:00.000Z",
        } });
        let told = outlook(&dispatch, at("2026-11-22T23:50:00Z"));
        assert_eq!(told, "Anna ×3, ends 09:10, then again from the top at 14:10");
        assert_eq!(outlook(&json!({}), at("2026-11-22T23:50:00Z")), "");
    }

    #[test]
    fn what_is_heard_fits_on_a_line_however_long_it_is() {
        for text in ["short".to_owned(), "é".repeat(COLUMNS), "word ".repeat(1_000)] {
            let line = format!("{:BEFORE_WORDS$}{}", "", quoted(&text));
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        assert_eq!(quoted(TICKET), format!("“{TICKET}”"));
    }
}
