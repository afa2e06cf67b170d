//! `patchbay demo`: one ticket, a storm of tickets and a paying caller, run on virtual time by the deployed handlers.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use console::style;

use crate::provider_choice::ProviderChoice;
use crate::screen::Screen;
use crate::{caller, storm, story};

/// Options of `patchbay demo`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seed of everything random: the same seed gives the same demo
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Number of tickets in the storm
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    tickets: u16,
    /// Provider that phones employees; with `both`, Routee fails halfway through the first ticket
    #[arg(long, value_enum, default_value_t)]
    provider: ProviderChoice,
    /// Do not pause between lines
    #[arg(long)]
    fast: bool,
}

/// Plays all three parts. Fails when a ticket is lost, accepted twice or dialed twice.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let screen = Screen::new(io::stdout(), !options.fast && console::user_attended());
    let breaches = play(options.seed, options.tickets, options.provider, &screen)?;
    print_result(&breaches, began.elapsed(), &screen);
    screen.check()?;
    Ok(if breaches.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Plays all three parts and returns the invariants that were violated.
fn play(seed: u64, tickets: u16, choice: ProviderChoice, screen: &Screen) -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async {
        let story = story::run(seed, choice, screen).await?;
        screen.line("");
        let storm_result = storm::run(seed, tickets, choice, screen).await?;
        screen.line("");
        caller::run(seed, screen).await?;
        screen.line("");
        let breaches = story.breaches.iter().chain(&storm_result.breaches);
        Ok(breaches.map(ToString::to_string).collect())
    })
}

/// Prints the violated invariants and the last line: the verdict and the real time that the demo took.
fn print_result(breaches: &[String], elapsed: Duration, screen: &Screen) {
    let cross = style("✗ ").red().bold().to_string();
    for breach in breaches {
        screen.entry(&cross, breach);
    }
    if breaches.is_empty() {
        let text = format!(
            "nothing lost, nothing accepted twice, nobody dialed twice; played in {:.1} s",
            elapsed.as_secs_f64()
        );
        screen.entry(&style("✓ ").green().bold().to_string(), text);
    } else {
        screen.entry(&cross, format!("{} violated invariants", breaches.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::screen::COLUMNS;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const TICKETS: u16 = 12;

    /// The output of the whole demo, with a fixed duration of 2.34 s.
    fn rendered(seed: u64) -> String {
        rendered_over(seed, ProviderChoice::Routee)
    }

    fn rendered_over(seed: u64, choice: ProviderChoice) -> String {
        console::set_colors_enabled(false);
        let buffer = Buffer::default();
        let screen = Screen::new(buffer.clone(), false);
        let breaches = play(seed, TICKETS, choice, &screen).expect("a demo");
        print_result(&breaches, Duration::from_millis(2_340), &screen);
        screen.check().expect("a write to a buffer");
        let bytes = buffer.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }

    /// The number before the first `unit` in `text`.
    #[track_caller]
    fn number_before(text: &str, unit: &str) -> usize {
        let (before, _) = text.split_once(unit).expect(unit);
        let number = before.split_whitespace().next_back().expect("a figure");
        number.parse().expect(number)
    }

    #[test]
    fn demo_fits_the_screen_and_its_numbers_agree() {
        let demo = rendered(7);
        for line in demo.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        assert!(!demo.contains("UTC"), "a clock time:\n{demo}");
        let parts: Vec<&str> = demo.split("\n\n").collect();
        let [_, story, total, many, caller, end] = parts[..] else {
            panic!("{} parts:\n{demo}", parts.len())
        };
        story_agrees(story, total);
        storm_agrees(many);
        let declined = caller.find("  card       the first card is declined").expect(caller);
        let accepted = caller.find("  card       the second card is accepted\n").expect(caller);
        assert!(declined < accepted, "{caller}");
        assert!(end.ends_with("; played in 2.3 s\n"), "{end}");
        assert_eq!(demo.matches(" s\n").count(), 1, "real time is shown once:\n{demo}");
    }

    #[track_caller]
    fn story_agrees(story: &str, total: &str) {
        let plan = story.replace("\n       ", " ");
        let plan = plan.lines().next().expect("a plan");
        assert!(plan.starts_with("00:00  if nobody picks up: Anna ×3, "), "{plan}");
        assert!(
            plan.ends_with(" ends 09:00, then again from the top at 14:00"),
            "{plan}"
        );
        assert_eq!(
            number_before(total, " calls in "),
            story.matches("☎ rings").count(),
            "{total}"
        );
        assert_eq!(number_before(total, " webhooks"), story.matches('▶').count(), "{total}");
        let last = story.lines().last().expect("a line").get(..5).expect("a time");
        assert!(total.contains(&format!(" calls in {last}, ")), "{last}: {total}");
        let times = story.lines().filter(|line| !line.starts_with(' '));
        let times: Vec<&str> = times.map(|line| line.get(..5).expect("a time")).collect();
        assert!(times.is_sorted(), "{times:?}");
    }

    #[track_caller]
    fn storm_agrees(storm: &str) {
        assert_eq!(
            number_before(storm, " tickets at once"),
            usize::from(TICKETS),
            "{storm}"
        );
        let states = storm.lines().nth(2).expect("states").trim();
        let known = states.strip_prefix("all ").is_some();
        let counts = states
            .split(", ")
            .filter_map(|state| state.split(' ').next()?.parse::<u16>().ok());
        assert!(known || counts.sum::<u16>() == TICKETS, "{states}");
        assert!(number_before(storm, " calls in ") >= usize::from(TICKETS), "{storm}");
        let killed = number_before(storm, " of them killed");
        assert!(killed < number_before(storm, " invocations"), "{storm}");
    }

    #[test]
    fn same_seed_gives_the_same_demo() {
        assert_eq!(rendered(3), rendered(3));
    }

    #[test]
    fn twilio_takes_over_when_routee_hangs_and_the_demo_shows_the_reason() {
        let demo = rendered_over(7, ProviderChoice::Both);
        for line in demo.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        let parts: Vec<&str> = demo.split("\n\n").collect();
        let [_, story, total, _, _, end] = parts[..] else {
            panic!("{} parts:\n{demo}", parts.len())
        };
        story_agrees(story, total);
        let flat = story.replace("\n       ", " ");
        let (before, after) = flat.split_once("Routee stops answering").expect(&flat);
        assert!(
            before.contains("over routee") && !before.contains("over twilio"),
            "{flat}"
        );
        assert!(after.contains("over twilio, because routee "), "{flat}");
        assert!(after.contains("Dimitri"), "{flat}");
        assert!(story.contains("pressed 1: accepted"), "{story}");
        assert!(end.contains("nothing lost, nothing accepted twice"), "{demo}");
    }

    #[test]
    fn demo_runs_with_twilio_alone() {
        let demo = rendered_over(7, ProviderChoice::Twilio);
        assert!(demo.contains("over twilio") && !demo.contains("over routee"), "{demo}");
        assert!(demo.contains("nothing lost, nothing accepted twice"), "{demo}");
    }

    #[test]
    fn violated_invariants_are_listed_and_counted() {
        console::set_colors_enabled(false);
        let buffer = Buffer::default();
        let breaches = ["a ticket is lost".to_owned(), "x ".repeat(120)];
        print_result(&breaches, Duration::ZERO, &Screen::new(buffer.clone(), false));
        let text = String::from_utf8(buffer.0.lock().expect("not poisoned").clone()).expect("text");
        assert!(text.starts_with("✗ a ticket is lost\n✗ x x "), "{text}");
        assert!(text.ends_with("\n✗ 2 violated invariants\n"), "{text}");
    }
}
