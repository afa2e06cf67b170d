//! The second part of the demo: many tickets at once, mixed phones, webhooks that come twice and late, functions that
//! are killed on the way.

use std::time::{Duration, Instant};

use anyhow::bail;
use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use patchbay::phone::PhoneNumber;
use patchbay_simulators::audit::{Audit, audit};
use patchbay_simulators::aws::End;
use patchbay_simulators::phones::{Behaviour, Phones, Script, When};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::routee::Faults;
use patchbay_simulators::world::{Options, World};
use serde_json::{Value, json};

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
pub(crate) async fn weather(seed: u64, tickets: u16) -> anyhow::Result<Audit> {
    println!(
        "{}",
        style(format!("A storm: {tickets} tickets at once, {} people", TEAM.len())).bold()
    );
    println!(
        "  {}",
        style("webhooks lost, late and twice; one in fifty invocations killed; one call a second").dim()
    );
    let began = Instant::now();
    let mut rng = Rng::new(seed);
    let world = World::start(Options {
        seed,
        phones: phones(&mut rng)?,
        ..Options::default()
    })
    .await?;
    let start = world.clock.now();
    world
        .routee
        .change_faults(|faults| *faults = Faults::random(&mut rng, 0.03));
    let bar = ProgressBar::new(u64::from(tickets)).with_style(ProgressStyle::with_template(
        "  {bar:40.green/dim} {pos:>3}/{len} tickets  {msg}",
    )?);
    let mut keys = Vec::new();
    for number in 0..tickets {
        keys.push(key_of(&create(&world, &request(number, &mut rng)).await?)?);
    }
    world.aws.faults().set_crash_rate(KILLED_PER_MILLE, 6);
    let mut open = keys.clone();
    while !(open.is_empty() && world.is_quiet()) {
        let passed = world.clock.now().since(start);
        if passed > LIMIT {
            break;
        }
        world.clock.sleep(LOOK_EVERY).await;
        let mut still_open = Vec::with_capacity(open.len());
        for key in open {
            if world
                .store
                .load(&key)
                .await?
                .is_some_and(|dispatch| !dispatch.state.is_over())
            {
                still_open.push(key);
            }
        }
        open = still_open;
        bar.set_position(u64::try_from(keys.len() - open.len())?);
        bar.set_message(format!(
            "{} calls, {} min of storm",
            world.routee.calls().len(),
            passed.as_secs() / 60
        ));
    }
    let passed = world.clock.now().since(start);
    bar.finish();
    let audit = audit(&world, &keys).await?;
    if audit.calls == 0 {
        bail!("nobody was phoned");
    }
    summary(&world, &audit, passed, began.elapsed());
    Ok(audit)
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

fn summary(world: &World, audit: &Audit, passed: Duration, real: Duration) {
    let states: Vec<String> = audit
        .states
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let killed = world
        .aws
        .recorder()
        .runs()
        .iter()
        .filter(|i| i.end == Some(End::Crashed))
        .count();
    let invocations = world.aws.recorder().runs().len();
    println!("  {}", style(states.join(", ")).bold());
    println!(
        "  first call after {} (median), accepted after {} (median)",
        seconds(median(&audit.millis_to_first_call)),
        seconds(median(&audit.millis_to_accept)),
    );
    println!(
        "  {} calls, {invocations} invocations, {killed} of them killed half-way",
        audit.calls
    );
    println!(
        "  {} min of storm in {:.1} s",
        passed.as_secs() / 60,
        real.as_secs_f64(),
    );
}

fn median(sorted: &[i64]) -> Option<i64> {
    sorted.get(sorted.len() / 2).copied()
}

fn seconds(millis: Option<i64>) -> String {
    millis.map_or_else(|| "never".to_owned(), |millis| format!("{} s", millis / 1000))
}
