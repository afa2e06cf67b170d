//! The second part of the demo: many tickets at once, mixed phone behaviors, webhooks lost, late and duplicated, and
//! functions killed mid-invocation.

use std::time::Duration;

use anyhow::bail;
use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use patchbay::clock::Timestamp;
use patchbay::ids::DispatchKey;
use patchbay::phone::PhoneNumber;
use patchbay_simulators::audit::{Audit, audit};
use patchbay_simulators::aws::InvocationEnd;
use patchbay_simulators::phones::{Behavior, Phones, Script, When};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::routee::Faults;
use patchbay_simulators::world::{Options, World};
use serde_json::{Value, json};

use crate::provider_choice::ProviderChoice;
use crate::screen::{Screen, format_minutes};
use crate::story::{create_dispatch, dispatch_key};

const TEAM: [&str; 12] = [
    "Ada", "Bo", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "Jo", "Kim", "Lou",
];
/// Number of employees of each ticket.
const EMPLOYEES_PER_TICKET: usize = 5;
/// Three rounds with their pauses end well within this time.
const TIME_LIMIT: Duration = Duration::from_hours(12);
/// How often the progress is polled.
const POLL_INTERVAL: Duration = Duration::from_secs(20);
/// Invocations killed, per thousand.
const KILLED_PER_MILLE: u16 = 20;

/// Runs the storm.
pub(crate) async fn run(seed: u64, tickets: u16, choice: ProviderChoice, screen: &Screen) -> anyhow::Result<Audit> {
    let title = format!("A storm: {tickets} tickets at once, {} employees", TEAM.len());
    screen.line(style(title).bold().to_string());
    let subtitle = "webhooks lost, late and duplicated; functions killed mid-invocation; one call per second";
    screen.line(format!("  {}", style(subtitle).dim()));
    let mut rng = Rng::new(seed);
    let world = World::start(Options {
        seed,
        phones: phones(&mut rng)?,
        providers: choice.providers().to_vec(),
        ..Options::default()
    })
    .await?;
    let start = world.clock.now();
    world
        .routee
        .change_faults(|faults| *faults = Faults::random(&mut rng, 0.03));
    let mut keys = Vec::new();
    for number in 0..tickets {
        keys.push(dispatch_key(
            &create_dispatch(&world, &request(number, &mut rng)).await?,
        )?);
    }
    world.aws.faults().set_crash_rate(KILLED_PER_MILLE, 6);
    run_until_quiet(&world, &keys, screen).await?;
    let audit = audit(&world, &keys).await?;
    if audit.calls == 0 {
        bail!("no call was placed");
    }
    print_summary(&world, &audit, start, screen);
    Ok(audit)
}

/// Lets time pass until all tickets are done and nothing is left to do, at most for [`TIME_LIMIT`].
async fn run_until_quiet(world: &World, keys: &[DispatchKey], screen: &Screen) -> anyhow::Result<()> {
    let start = world.clock.now();
    let bar = bar(keys.len(), screen)?;
    let mut open = keys.to_vec();
    while !(open.is_empty() && world.is_idle()) {
        screen.check()?;
        let passed = world.clock.now().since(start);
        if passed > TIME_LIMIT {
            break;
        }
        world.clock.sleep(POLL_INTERVAL).await;
        let mut still_open = Vec::with_capacity(open.len());
        for key in open {
            let dispatch = world.store.load(&key).await?;
            if dispatch.is_some_and(|dispatch| !dispatch.state.is_over()) {
                still_open.push(key);
            }
        }
        open = still_open;
        bar.set_position(u64::try_from(keys.len() - open.len())?);
        bar.set_message(format!(
            "{} calls in {}",
            world.routee.calls().len(),
            format_minutes(passed)
        ));
    }
    // The summary shows the final numbers.
    bar.finish_and_clear();
    Ok(())
}

fn bar(tickets: usize, screen: &Screen) -> anyhow::Result<ProgressBar> {
    if !screen.is_interactive() {
        return Ok(ProgressBar::hidden());
    }
    let template = "  {bar:40.green/dim} {pos:>3}/{len} tickets  {msg}";
    Ok(ProgressBar::new(u64::try_from(tickets)?).with_style(ProgressStyle::with_template(template)?))
}

/// Random scripts: each employee behaves differently from call to call.
fn phones(rng: &mut Rng) -> anyhow::Result<Phones> {
    let mut phones = Phones::new();
    for index in 0..TEAM.len() {
        let mut script = Script::always(random_behavior(rng));
        for _ in 0..8 {
            script = script.then(random_behavior(rng));
        }
        phones.set(PhoneNumber::parse(&phone_number(index))?, script);
    }
    Ok(phones)
}

/// Mostly a usual behavior, in one of ten cases an arbitrary one.
fn random_behavior(rng: &mut Rng) -> Behavior {
    let after = rng.between(Duration::from_secs(2), Duration::from_secs(20));
    match rng.below(10) {
        0 | 1 => Behavior::NeverPicksUp,
        2 => Behavior::Busy,
        3 => Behavior::presses("2", When::OptionsSay(1)),
        4 => Behavior::voicemail(after.as_secs()),
        5 => Behavior::random(rng),
        6 => Behavior::presses("1", When::Pause(3)),
        _ => Behavior::presses("1", When::OptionsSay(1)),
    }
}

fn phone_number(index: usize) -> String {
    format!("+120255501{:02}", index + 10)
}

fn request(number: u16, rng: &mut Rng) -> Value {
    let first = usize::try_from(rng.below(TEAM.len() as u64)).unwrap_or(0);
    let employees: Vec<Value> = (0..EMPLOYEES_PER_TICKET)
        .map(|step| (first + step) % TEAM.len())
        .filter_map(|index| {
            TEAM.get(index)
                .map(|name| json!({ "name": name, "phone": phone_number(index) }))
        })
        .collect();
    json!({
        "ticket": { "reference": format!("STORM-{number}"), "text": format!("Sensor {number} reports a fault.") },
        "employees": employees,
        "policy": { "max_rounds": 3 },
        "webhook": { "url": "https://requester.example.org/hook", "strategy": "OnCompletion" },
    })
}

fn print_summary(world: &World, audit: &Audit, start: Timestamp, screen: &Screen) {
    let states: Vec<String> = match audit.states.iter().next() {
        Some((state, _)) if audit.states.len() == 1 => vec![format!("all {state}")],
        _ => audit
            .states
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect(),
    };
    let runs = world.aws.recorder().runs();
    let killed = runs
        .iter()
        .filter(|run| run.end == Some(InvocationEnd::Crashed))
        .count();
    let ends = world.routee.calls().into_iter().filter_map(|call| call.ended_at);
    let last = ends.fold(start, Timestamp::max);
    screen.line(format!("  {}", style(states.join(", ")).bold()));
    screen.line(format!(
        "  first call after {}, accepted after {} (medians)",
        format_median(median(&audit.millis_to_first_call)),
        format_median(median(&audit.millis_to_accept)),
    ));
    screen.line(format!(
        "  {} calls in {}",
        audit.calls,
        format_minutes(last.since(start))
    ));
    screen.line(format!(
        "  {} invocations, {killed} of them killed mid-invocation",
        runs.len()
    ));
}

fn median(sorted: &[i64]) -> Option<i64> {
    sorted.get(sorted.len() / 2).copied()
}

fn format_median(millis: Option<i64>) -> String {
    let time = millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default()));
    time.map_or_else(|| "never".to_owned(), format_minutes)
}
