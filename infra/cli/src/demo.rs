//! `patchbay demo`: the main job, played on virtual time by the deployed handlers.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use console::style;

use crate::phoning::Phoning;
use crate::screen::Screen;
use crate::{caller, storm, story};

/// Options for the demo.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Everything that happens by chance follows from this number
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Tickets in the storm
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    tickets: u16,
    /// Who phones employees; with both, Routee stops answering in the middle of the story
    #[arg(long, value_enum, default_value_t)]
    provider: Phoning,
    /// Do not slow down for a reader
    #[arg(long)]
    fast: bool,
}

/// Plays all three parts. Fails when a ticket is lost, accepted twice or dialled twice.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let screen = Screen::new(io::stdout(), !options.fast && console::user_attended());
    let breaches = play(options.seed, options.tickets, options.provider, &screen)?;
    judge(&breaches, began.elapsed(), &screen);
    screen.check()?;
    Ok(if breaches.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What must not happen, but did.
fn play(seed: u64, tickets: u16, phoning: Phoning, screen: &Screen) -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let told = story::tell(seed, phoning, screen).await?;
        screen.line("");
        let weathered = storm::weather(seed, tickets, phoning, screen).await?;
        screen.line("");
        caller::follow(seed, screen).await?;
        screen.line("");
        let breaches = told.breaches.iter().chain(&weathered.breaches);
        Ok(breaches.map(ToString::to_string).collect())
    })
}

/// The last line: what came of it, and how long it took whoever watched.
fn judge(breaches: &[String], took: Duration, screen: &Screen) {
    let cross = style("✗ ").red().bold().to_string();
    for breach in breaches {
        screen.entry(&cross, breach);
    }
    if breaches.is_empty() {
        let text = format!(
            "nothing lost, nothing accepted twice, nobody dialled twice; played in {:.1} s",
            took.as_secs_f64()
        );
        screen.entry(&style("✓ ").green().bold().to_string(), text);
    } else {
        screen.entry(&cross, format!("{} things that must not happen", breaches.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::screen::COLUMNS;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const TICKETS: u16 = 12;

    /// The whole demo, as if it had taken this long to play.
    fn rendered(seed: u64) -> String {
        rendered_over(seed, Phoning::Routee)
    }

    fn rendered_over(seed: u64, phoning: Phoning) -> String {
        console::set_colors_enabled(false);
        let page = Page::default();
        let screen = Screen::new(page.clone(), false);
        let breaches = play(seed, TICKETS, phoning, &screen).expect("a demo");
        judge(&breaches, Duration::from_millis(2_340), &screen);
        screen.check().expect("a page takes everything");
        let bytes = page.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }

    /// The figure before `unit` in the line that has `unit` in it.
    #[track_caller]
    fn figure(text: &str, unit: &str) -> usize {
        let (before, _) = text.split_once(unit).expect(unit);
        let figure = before.split_whitespace().next_back().expect("a figure");
        figure.parse().expect(figure)
    }

    #[test]
    fn the_demo_fits_its_screen_and_no_figure_contradicts_another() {
        let demo = rendered(7);
        for line in demo.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        assert!(!demo.contains("UTC"), "a clock time:\n{demo}");
        let parts: Vec<&str> = demo.split("\n\n").collect();
        let [_, story, total, weather, caller, end] = parts[..] else {
            panic!("{} parts:\n{demo}", parts.len())
        };
        story_agrees(story, total);
        storm_agrees(weather);
        let declined = caller.find("  card       the first one is declined").expect(caller);
        let taken = caller.find("  card       another one is taken\n").expect(caller);
        assert!(declined < taken, "{caller}");
        assert!(end.ends_with("; played in 2.3 s\n"), "{end}");
        assert_eq!(
            demo.matches(" s\n").count(),
            1,
            "seconds of real time, told once:\n{demo}"
        );
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
        assert_eq!(figure(total, " calls in "), story.matches("☎ rings").count(), "{total}");
        assert_eq!(figure(total, " webhooks"), story.matches('▶').count(), "{total}");
        let last = story.lines().last().expect("a line").get(..5).expect("a time");
        assert!(total.contains(&format!(" calls in {last}, ")), "{last}: {total}");
        let times = story.lines().filter(|line| !line.starts_with(' '));
        let times: Vec<&str> = times.map(|line| line.get(..5).expect("a time")).collect();
        assert!(times.is_sorted(), "{times:?}");
    }

    #[track_caller]
    fn storm_agrees(storm: &str) {
        assert_eq!(figure(storm, " tickets at once"), usize::from(TICKETS), "{storm}");
        let states = storm.lines().nth(2).expect("states").trim();
        let known = states.strip_prefix("all of them ").is_some();
        let counts = states
            .split(", ")
            .filter_map(|state| state.split(' ').next()?.parse::<u16>().ok());
        assert!(known || counts.sum::<u16>() == TICKETS, "{states}");
        assert!(figure(storm, " calls in ") >= usize::from(TICKETS), "{storm}");
        let killed = figure(storm, " of them killed");
        assert!(killed < figure(storm, " invocations"), "{storm}");
    }

    #[test]
    fn the_demo_is_the_same_at_any_hour_and_speed() {
        assert_eq!(rendered(3), rendered(3));
    }

    #[test]
    fn when_routee_stops_answering_twilio_takes_over_and_the_demo_says_why() {
        let demo = rendered_over(7, Phoning::Both);
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
    fn twilio_alone_plays_the_demo_too() {
        let demo = rendered_over(7, Phoning::Twilio);
        assert!(demo.contains("over twilio") && !demo.contains("over routee"), "{demo}");
        assert!(demo.contains("nothing lost, nothing accepted twice"), "{demo}");
    }

    #[test]
    fn what_must_not_happen_is_told_and_counted() {
        console::set_colors_enabled(false);
        let page = Page::default();
        let breaches = ["a ticket is lost".to_owned(), "x ".repeat(120)];
        judge(&breaches, Duration::ZERO, &Screen::new(page.clone(), false));
        let text = String::from_utf8(page.0.lock().expect("not poisoned").clone()).expect("text");
        assert!(text.starts_with("✗ a ticket is lost\n✗ x x "), "{text}");
        assert!(text.ends_with("\n✗ 2 things that must not happen\n"), "{text}");
    }
}
