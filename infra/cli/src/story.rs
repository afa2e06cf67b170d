//! The first part of the demo: one ticket and four employees, printed live.

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
use patchbay_simulators::exchange::{Outage, PhoneEvent, PhoneEventKind};
use patchbay_simulators::phones::Phones;
use patchbay_simulators::world::{Options, PUBLIC_URL, TOKEN, World};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::phone_scripts::PhoneScripts;
use crate::provider_choice::ProviderChoice;
use crate::screen::{COLUMNS, Screen, format_minutes, truncate};
use crate::timeline;

/// Name, number and phone behavior of each employee.
const EMPLOYEES: [(&str, &str, &str); 4] = [
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
/// Columns in front of a spoken text: time, name and `hears`.
const BEFORE_WORDS: usize = 24;
/// The ticket is done well within this time.
const TIME_LIMIT: Duration = Duration::from_hours(1);
/// How often the timeline is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Runs the story, with pauses for reading if the screen is interactive.
pub(crate) async fn run(seed: u64, choice: ProviderChoice, screen: &Screen) -> anyhow::Result<Audit> {
    let world = World::start(Options {
        seed,
        phones: phones()?,
        providers: choice.providers().to_vec(),
        ..Options::default()
    })
    .await?;
    let unit = style("(times are MM:SS since the ticket came in)").dim();
    screen.line(format!("{} {unit}", style("One ticket, four employees").bold()));
    for (name, number, behavior) in EMPLOYEES {
        screen.line(format!("  {name:<8} {number}  {}", style(behavior).dim()));
    }
    screen.line("");
    let printer = Arc::new(StoryPrinter::new(world.clock.now(), screen));
    let subscriber = Arc::clone(&printer);
    world
        .exchange
        .subscribe(move |event| subscriber.print_phone_event(event));

    let created = create_dispatch(&world, &request()).await?;
    let key = dispatch_key(&created)?;
    let plan = style("if nobody picks up:").dim();
    printer.print(
        printer.start,
        &format!("{plan} {}", format_plan(&created, printer.start)),
    );
    follow(&world, &key, choice, &printer).await?;
    let audit = audit(&world, std::slice::from_ref(&key)).await?;
    screen.line("");
    screen.line(format!(
        "  {} calls in {}, {} webhooks to the requester, {} requests to DynamoDB and SQS",
        audit.calls,
        format_minutes(printer.elapsed()),
        world.notifications().len(),
        world.aws.recorder().count(|request| request.run.is_some()),
    ));
    Ok(audit)
}

fn phones() -> anyhow::Result<Phones> {
    let lines = EMPLOYEES.map(|(_, number, behavior)| format!("{number} {behavior}"));
    Ok(PhoneScripts::parse("the phones of the demo", &lines.join("\n"))?.phones())
}

/// The plan summary of the API, with its clock times replaced by times since `start`.
fn format_plan(dispatch: &Value, start: Timestamp) -> String {
    let field = |name: &str| dispatch.pointer(&format!("/plan/{name}")).and_then(Value::as_str);
    let moments = ["round_ends_at", "resumes_at", "expires_at"];
    let moments = moments.iter().filter_map(|name| Timestamp::parse(field(name)?));
    moments.fold(field("summary").unwrap_or_default().to_owned(), |text, at| {
        text.replace(&format!("{} UTC", at.time_of_day()), &format_minutes(at.since(start)))
    })
}

fn request() -> Value {
    let employee =
        |(name, number, _): (&str, &str, &str)| json!({ "id": name.to_lowercase(), "name": name, "phone": number });
    json!({
        "ticket": { "reference": "INC-4711", "text": TICKET },
        "employees": EMPLOYEES.map(employee),
        "webhook": { "url": "https://requester.example.org/hook" },
    })
}

/// Creates a dispatch through the API.
pub(crate) async fn create_dispatch(world: &World, body: &Value) -> anyhow::Result<Value> {
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

/// The key of a dispatch in an API response.
pub(crate) fn dispatch_key(dispatch: &Value) -> anyhow::Result<DispatchKey> {
    let id = dispatch
        .get("id")
        .and_then(Value::as_str)
        .context("the response has no id")?;
    Ok(DispatchKey {
        tenant: "main".parse()?,
        id: id.parse()?,
    })
}

/// Prints the timeline of a dispatch until nothing is left to do.
async fn follow(
    world: &World,
    key: &DispatchKey,
    choice: ProviderChoice,
    printer: &StoryPrinter,
) -> anyhow::Result<()> {
    let end = world.clock.now().plus_millis(i64::try_from(TIME_LIMIT.as_millis())?);
    let mut known_ids = Vec::new();
    let mut to_fail = choice == ProviderChoice::Both;
    while world.clock.now() < end {
        printer.screen.check()?;
        // Polls at once when a call is created, so that its provider is known_ids before the phone rings.
        let _ = tokio::time::timeout(POLL_INTERVAL, printer.created.notified()).await;
        if to_fail && second_call_ended(world) {
            to_fail = false;
            world.routee.change_faults(|faults| faults.outage = Some(Outage::Hangs));
            let failure = style("✗ Routee stops answering").red().bold();
            printer.print(world.clock.now(), &failure.to_string());
        }
        let dispatch = world.store.load(key).await?.context("the dispatch no longer exists")?;
        for entry in world.store.timeline(key, None, 500).await?.entries {
            if known_ids.contains(&entry.id) {
                continue;
            }
            if entry.fact.status().is_some() || matches!(entry.fact, Fact::Dialing { .. }) {
                printer.print(entry.at, &timeline::format_fact(&entry.fact, &dispatch));
            }
            known_ids.push(entry.id);
        }
        if world.is_idle() {
            return Ok(());
        }
    }
    bail!("the story did not end within {} s", TIME_LIMIT.as_secs())
}

/// Whether a call to the second employee has ended: with both providers, Routee fails at that point.
fn second_call_ended(world: &World) -> bool {
    let [_, (_, second, _), ..] = EMPLOYEES;
    world
        .calls()
        .iter()
        .any(|call| call.to == second && call.ended_at.is_some())
}

/// Prints lines with the time since the start in front.
struct StoryPrinter {
    start: Timestamp,
    screen: Screen,
    names: BTreeMap<&'static str, &'static str>,
    last: Mutex<Timestamp>,
    /// Notified when a call is created.
    created: Notify,
}

impl StoryPrinter {
    fn new(start: Timestamp, screen: &Screen) -> Self {
        let names = EMPLOYEES.into_iter().map(|(name, number, _)| (number, name)).collect();
        Self {
            start,
            screen: screen.clone(),
            names,
            last: Mutex::new(start),
            created: Notify::new(),
        }
    }

    fn print(&self, at: Timestamp, line: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.screen.is_interactive() {
            // One virtual second takes 20 ms, a pause at most a third of a second.
            let pause = at.since(*last).as_secs_f64() * 0.02;
            std::thread::sleep(Duration::from_secs_f64(pause.clamp(0.05, 0.33)));
        }
        *last = at.max(*last);
        let time = format_minutes(at.since(self.start));
        self.screen.entry(&format!("{}  ", style(time).dim()), line);
    }

    /// Virtual time of the last printed line.
    fn elapsed(&self) -> Duration {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.since(self.start)
    }

    fn print_phone_event(&self, event: &PhoneEvent) {
        let name = self.names.get(event.to.as_str()).copied().unwrap_or("unknown");
        let what = match &event.kind {
            PhoneEventKind::Created => {
                self.created.notify_one();
                return;
            }
            PhoneEventKind::Ringing => "☎ rings".to_owned(),
            PhoneEventKind::Answered { .. } => "picks up".to_owned(),
            PhoneEventKind::Says { text } => format!("hears {}", style(quote(text)).italic().cyan()),
            PhoneEventKind::Key { key } => format!("presses {}", style(key).bold()),
            PhoneEventKind::Ended { status, .. } => style(format!("call over ({status})")).dim().to_string(),
            _ => return,
        };
        self.print(event.at, &format!("  {name:<8} {what}"));
    }
}

/// A text in quotes, truncated to fit on a line.
fn quote(text: &str) -> String {
    format!("“{}”", truncate(text, COLUMNS - BEFORE_WORDS - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_times_are_shown_since_the_start() {
        let at = |text: &str| Timestamp::parse(text).expect(text);
        let dispatch = json!({ "plan": {
            "summary": "Anna ×3, ends 23:59:10 UTC, then again from the top at 00:04:10 UTC",
            "round_ends_at": "2026-11-22T23:59:10.250Z",
            "resumes_at": "2026-11-23T00:04:10.250Z",
            "expires_at": "2026-11-23T23:50:00.000Z",
        } });
        let plan = format_plan(&dispatch, at("2026-11-22T23:50:00Z"));
        assert_eq!(plan, "Anna ×3, ends 09:10, then again from the top at 14:10");
        assert_eq!(format_plan(&json!({}), at("2026-11-22T23:50:00Z")), "");
    }

    #[test]
    fn a_spoken_text_of_any_length_fits_on_a_line() {
        for text in ["short".to_owned(), "é".repeat(COLUMNS), "word ".repeat(1_000)] {
            let line = format!("{:BEFORE_WORDS$}{}", "", quote(&text));
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        assert_eq!(quote(TICKET), format!("“{TICKET}”"));
    }
}
