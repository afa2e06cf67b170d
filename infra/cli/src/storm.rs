//! The second part of the demo: many tickets at once, mixed phones, webhooks that come twice and late, functions that
//! are killed on the way.

use std::time::Duration;

use anyhow::bail;
use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use patchbay::clock::Timestamp;
use patchbay::ids::DispatchKey;
use patchbay::phone::PhoneNumber;
use patchbay_simulators::audit::{Audit, audit};
use patchbay_simulators::aws::End;
use patchbay_simulators::phones::{Behaviour, Phones, Script, When};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::routee::Faults;
use patchbay_simulators::world::{Options, World};
use serde_json::{Value, json};

use crate::phoning::Phoning;
use crate::screen::{Screen, minutes};
use crate::story::{create, key_of};

const TEAM: [&str; 12] = [
    "Ada", "Bo", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "Jo", "Kim", "Lou",
];
/// Employees on each ticket's list.
const LIST: usize = 5;
/// All tickets are done within this time: three rounds with their pauses.
const LIMIT: Duration = Duration::from_hours(12);
/// How often it is looked how far the storm is.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// Of a thousand invocations, how many are killed.
const KILLED_PER_MILLE: u16 = 20;

/// Lets a storm pass.
pub(crate) async fn weather(seed: u64, tickets: u16, phoning: Phoning, screen: &Screen) -> anyhow::Result<Audit> {
    let title = format!("A storm: {tickets} tickets at once, {} people", TEAM.len());
    screen.line(style(title).bold().to_string());
    let subtitle = "webhooks lost, late and twice; functions killed half-way; one call a second";
    screen.line(format!("  {}", style(subtitle).dim()));
    let mut rng = Rng::new(seed);
    let world = World::start(Options {
        seed,
        phones: phones(&mut rng)?,
        providers: phoning.providers().to_vec(),
        ..Options::default()
    })
    .await?;
    let start = world.clock.now();
    world
        .routee
        .change_faults(|faults| *faults = Faults::random(&mut rng, 0.03));
    let mut keys = Vec::new();
    for number in 0..tickets {
        keys.push(key_of(&create(&world, &request(number, &mut rng)).await?)?);
    }
    world.aws.faults().set_crash_rate(KILLED_PER_MILLE, 6);
    pass(&world, &keys, screen).await?;
    let audit = audit(&world, &keys).await?;
    if audit.calls == 0 {
        bail!("nobody was phoned");
    }
    summary(&world, &audit, start, screen);
    Ok(audit)
}

/// Lets time pass until all tickets are done and all is quiet.
async fn pass(world: &World, keys: &[DispatchKey], screen: &Screen) -> anyhow::Result<()> {
    let start = world.clock.now();
    let bar = bar(keys.len(), screen)?;
    let mut open = keys.to_vec();
    while !(open.is_empty() && world.is_quiet()) {
        screen.check()?;
        let passed = world.clock.now().since(start);
        if passed > LIMIT {
            break;
        }
        world.clock.sleep(LOOK_EVERY).await;
        let mut still_open = Vec::with_capacity(open.len());
        for key in open {
            let dispatch = world.store.load(&key).await?;
            if dispatch.is_some_and(|dispatch| !dispatch.state.is_over()) {
                still_open.push(key);
            }
        }
        open = still_open;
        bar.set_position(u64::try_from(keys.len() - open.len())?);
        bar.set_message(format!("{} calls in {}", world.routee.calls().len(), minutes(passed)));
    }
    // What it showed last is in the summary.
    bar.finish_and_clear();
    Ok(())
}

fn bar(tickets: usize, screen: &Screen) -> anyhow::Result<ProgressBar> {
    if !screen.is_watched() {
        return Ok(ProgressBar::hidden());
    }
    let template = "  {bar:40.green/dim} {pos:>3}/{len} tickets  {msg}";
    Ok(ProgressBar::new(u64::try_from(tickets)?).with_style(ProgressStyle::with_template(template)?))
}

/// Everybody has habits of their own, and is not always in the same mood.
fn phones(rng: &mut Rng) -> anyhow::Result<Phones> {
    let mut phones = Phones::new();
    for index in 0..TEAM.len() {
        let mut script = Script::always(mood(rng));
        for _ in 0..8 {
            script = script.then(mood(rng));
        }
        phones.set(PhoneNumber::parse(&number_of(index))?, script);
    }
    Ok(phones)
}

/// People mostly do one of the usual things, and now and then something odd.
fn mood(rng: &mut Rng) -> Behaviour {
    let after = rng.between(Duration::from_secs(2), Duration::from_secs(20));
    match rng.below(10) {
        0 | 1 => Behaviour::NeverPicksUp,
        2 => Behaviour::Busy,
        3 => Behaviour::presses("2", When::OptionsSay(1)),
        4 => Behaviour::voicemail(after.as_secs()),
        5 => Behaviour::random(rng),
        6 => Behaviour::presses("1", When::Pause(3)),
        _ => Behaviour::presses("1", When::OptionsSay(1)),
    }
}

fn number_of(index: usize) -> String {
    format!("+120255501{:02}", index + 10)
}

fn request(number: u16, rng: &mut Rng) -> Value {
    let first = usize::try_from(rng.below(TEAM.len() as u64)).unwrap_or(0);
    let employees: Vec<Value> = (0..LIST)
        .map(|step| (first + step) % TEAM.len())
        .filter_map(|index| {
            TEAM.get(index)
                .map(|name| json!({ "name": name, "phone": number_of(index) }))
        })
        .collect();
    json!({
        "ticket": { "reference": format!("STORM-{number}"), "text": format!("Sensor {number} reports a fault.") },
        "employees": employees,
        "policy": { "max_rounds": 3 },
        "webhook": { "url": "https://requester.example.org/hook", "strategy": "OnCompletion" },
    })
}

fn summary(world: &World, audit: &Audit, start: Timestamp, screen: &Screen) {
    let states: Vec<String> = match audit.states.iter().next() {
        Some((state, _)) if audit.states.len() == 1 => vec![format!("all of them {state}")],
        _ => audit
            .states
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect(),
    };
    let runs = world.aws.recorder().runs();
    let killed = runs.iter().filter(|run| run.end == Some(End::Crashed)).count();
    let ends = world.routee.calls().into_iter().filter_map(|call| call.ended_at);
    let last = ends.fold(start, Timestamp::max);
    screen.line(format!("  {}", style(states.join(", ")).bold()));
    screen.line(format!(
        "  first call after {}, accepted after {} (medians)",
        told(median(&audit.millis_to_first_call)),
        told(median(&audit.millis_to_accept)),
    ));
    screen.line(format!("  {} calls in {}", audit.calls, minutes(last.since(start))));
    screen.line(format!(
        "  {} invocations, {killed} of them killed half-way",
        runs.len()
    ));
}

fn median(sorted: &[i64]) -> Option<i64> {
    sorted.get(sorted.len() / 2).copied()
}

fn told(millis: Option<i64>) -> String {
    let time = millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default()));
    time.map_or_else(|| "never".to_owned(), minutes)
}
