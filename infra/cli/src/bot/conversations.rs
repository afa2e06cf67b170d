//! `patchbay bot conversations`: what was said, and who answers the customer; through the API of a deployment.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use console::style;
use patchbay::conversation::PlatformId;
use serde_json::{Value, json};

use super::timeline;
use crate::api::{Api, ApiOptions, field, text};
use crate::aws::block_on;
use crate::output::Output;
use crate::timeline::{Days, load, moment};

/// Options of `patchbay bot conversations`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List conversations, newest first
    List {
        /// Maximum number of conversations
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Show a conversation: who answers, and its whole timeline
    Show {
        /// Its id at the platform
        id: PlatformId,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Hand a conversation to people, as its bot document plans it
    HandOver {
        /// Its id at the platform
        id: PlatformId,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Return a conversation to the bot
    GiveBack {
        /// Its id at the platform
        id: PlatformId,
        #[command(flatten)]
        api: ApiOptions,
    },
}

pub(super) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        match &options.command {
            Command::List { limit, api } => list(&api.connect()?, usize::from(*limit), output).await,
            Command::Show { id, api } => show(&api.connect()?, id, output).await,
            Command::HandOver { id, api } => change(&api.connect()?, id, "hand-over", output).await,
            Command::GiveBack { id, api } => change(&api.connect()?, id, "give-back", output).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn list(api: &Api, limit: usize, output: &mut Output<'_>) -> anyhow::Result<()> {
    let found = newest(api, limit).await?;
    if output.is_json() {
        return Ok(output.json(&json!({ "conversations": found }))?);
    }
    if found.is_empty() {
        return Ok(output.line("the deployment has no conversations")?);
    }
    let row = |conversation: &Value| {
        [
            text(conversation, "id").to_owned(),
            colored(text(conversation, "holder")),
            moment(text(conversation, "holder_since")),
            moment(text(conversation, "created_at")),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    Ok(output.table(["ID", "HOLDER", "SINCE", "CREATED"], &rows)?)
}

/// The newest conversations, page by page. A page may be short or empty, and still not be the last one.
async fn newest(api: &Api, limit: usize) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    while found.len() < limit {
        let size = (limit - found.len()).min(200);
        let page = api.get(&format!("/v1/conversations?limit={size}{cursor}")).await?;
        let lines = page.get("conversations").and_then(Value::as_array);
        found.extend(lines.into_iter().flatten().cloned());
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok(found)
}

async fn show(api: &Api, id: &PlatformId, output: &mut Output<'_>) -> anyhow::Result<()> {
    let conversation = load(api, &path(id)).await?;
    if output.is_json() {
        return Ok(output.json(&conversation)?);
    }
    print_header(&conversation, output)?;
    output.line("")?;
    let mut days = Days::default();
    for entry in field(&conversation, "timeline").as_array().into_iter().flatten() {
        let lines = match timeline::read(entry) {
            Some(entry) => timeline::lines(&entry),
            // Written by a newer version of patchbay.
            None => vec![timeline::note(text(entry, "fact"))],
        };
        days.print(entry, &lines, output)?;
    }
    Ok(())
}

/// Prints who the customer is, who answers, and what is under way.
fn print_header(conversation: &Value, output: &mut Output<'_>) -> anyhow::Result<()> {
    let contact = field(conversation, "contact");
    let details = ["name", "email", "phone"].map(|name| timeline::plain(text(contact, name)));
    let details: Vec<&str> = details
        .iter()
        .map(String::as_str)
        .filter(|detail| !detail.is_empty())
        .collect();
    let inbox = match text(conversation, "inbox") {
        "" => String::new(),
        inbox => format!(", inbox {inbox}"),
    };
    output.line(format!(
        "{}{inbox}  {}",
        style(text(conversation, "id")).bold(),
        details.join(", ")
    ))?;
    output.line(format!(
        "{} since {}",
        colored(text(conversation, "holder")),
        moment(text(conversation, "holder_since"))
    ))?;
    let steps = conversation.get("steps").and_then(Value::as_array);
    for step in steps.into_iter().flatten() {
        let tries = match field(step, "tries").as_u64() {
            None | Some(0) => String::new(),
            Some(tries) => format!(", failed so far: {tries}"),
        };
        output.line(format!("to be done: {}{tries}", text(step, "step")))?;
    }
    Ok(())
}

async fn change(api: &Api, id: &PlatformId, change: &str, output: &mut Output<'_>) -> anyhow::Result<()> {
    let conversation = api.post(&format!("{}/{change}", path(id)), &json!({})).await?;
    if output.is_json() {
        return Ok(output.json(&conversation)?);
    }
    let holder = colored(text(&conversation, "holder"));
    Ok(output.line(format!("{id}: {holder}"))?)
}

fn path(id: &PlatformId) -> String {
    format!("/v1/conversations/{id}")
}

fn colored(holder: &str) -> String {
    let words = style(holder);
    match holder {
        "bot" => words.green(),
        "human" => words.cyan(),
        _ => words.yellow(),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::testing::{api, api_of, api_with};
    use crate::testing::{json_of, text_of, world};

    fn id() -> PlatformId {
        "1201".parse().expect("an id")
    }

    /// A conversation that a person has taken over.
    fn conversation() -> Value {
        let at = "2026-11-23T20:15:00.000Z";
        json!({
            "id": "1201", "created_at": at, "updated_at": at, "inbox": "7", "holder": "human", "holder_since": at,
            "contact": { "name": "Ana", "phone": "+12025550143" }, "pending_messages": 0, "transcript": [],
            "steps": [{ "step": "deliver", "tries": 2 }],
            "timeline": [
                { "id": "1-0", "at": at, "fact": "customer_wrote", "message": "1", "holder": "bot", "text": "human" },
                { "id": "2-0", "at": "2026-11-24T06:00:00.000Z", "fact": "person_wrote", "message": "2", "by": "Jo", "text": "hello" },
                { "id": "3-0", "at": "2026-11-24T06:00:09.000Z", "fact": "invented_later" },
            ],
        })
    }

    #[tokio::test]
    async fn a_conversation_is_shown_day_by_day_with_facts_of_any_version() {
        let (deployment, request) = api(&conversation());
        let api = deployment.connect().expect("a client");
        let shown = text_of(async |output| show(&api, &id(), output).await).await;
        assert_eq!(
            shown,
            "1201, inbox 7  Ana, +12025550143\n\
             human since 2026-11-23 20:15:00\n\
             to be done: deliver, failed so far: 2\n\
             \n\
             2026-11-23\n  20:15:00  customer  human\n\
             2026-11-24\n  06:00:00  Jo        hello\n  06:00:09  · invented_later\n"
        );
        assert!(
            request
                .join()
                .expect("a request")
                .starts_with("GET /v1/conversations/1201 ")
        );
    }

    #[tokio::test]
    async fn json_output_is_the_whole_conversation() {
        let (deployment, _request) = api(&conversation());
        let api = deployment.connect().expect("a client");
        let shown = json_of(async |output| show(&api, &id(), output).await).await;
        assert_eq!(shown, conversation());
    }

    #[tokio::test]
    async fn conversations_are_listed_up_to_the_limit() {
        let at = "2026-11-23T20:15:00.000Z";
        let line = json!({ "id": "1201", "holder": "waiting", "holder_since": at, "created_at": at });
        let (deployment, request) = api(&json!({ "conversations": [line], "next_cursor": "x" }));
        let api = deployment.connect().expect("a client");
        let shown = text_of(async |output| list(&api, 1, output).await).await;
        assert_eq!(
            shown,
            "ID    HOLDER   SINCE                CREATED\n\
             1201  waiting  2026-11-23 20:15:00  2026-11-23 20:15:00\n"
        );
        assert!(
            request
                .join()
                .expect("a request")
                .starts_with("GET /v1/conversations?limit=1 ")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployed_conversation_is_handed_over_and_given_back() {
        let world = world().await;
        world.put_bot("shop", "{}").await.expect("a bot");
        let conversation = world.chat.customer_opens(7).expect("a conversation");
        world.chat.customer_writes(conversation, "hello").expect("a message");
        world.clock.sleep(Duration::from_secs(10)).await;
        let api = api_of(&world);
        let id: PlatformId = conversation.to_string().parse().expect("an id");
        let found = json_of(async |output| list(&api, 20, output).await).await;
        assert_eq!(found["conversations"][0]["id"], id.as_str());
        for (what, holder) in [("hand-over", "waiting"), ("give-back", "bot")] {
            text_of(async |output| change(&api, &id, what, output).await).await;
            world.clock.sleep(Duration::from_secs(10)).await;
            let shown = json_of(async |output| show(&api, &id, output).await).await;
            assert_eq!(shown["holder"], holder, "{what}");
        }
        let shown = text_of(async |output| show(&api, &id, output).await).await;
        for line in ["customer  hello", "▶ the bot answers again: requested through the API"] {
            assert!(shown.contains(line), "{line}:\n{shown}");
        }
    }

    #[tokio::test]
    async fn a_change_prints_who_holds_the_conversation_afterwards() {
        let (deployment, request) = api(&json!({ "id": "1201", "holder": "bot" }));
        let api = deployment.connect().expect("a client");
        let shown = text_of(async |output| change(&api, &id(), "give-back", output).await).await;
        assert_eq!(shown, "1201: bot\n");
        assert!(
            request
                .join()
                .expect("a request")
                .starts_with("POST /v1/conversations/1201/give-back ")
        );
        let problem = json!({ "title": "Conflict", "detail": "the holder of the conversation is `bot`" });
        let (deployment, _request) = api_with("409 Conflict", &problem);
        let api = deployment.connect().expect("a client");
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, crate::output::Format::Text);
        let error = change(&api, &id(), "give-back", &mut output)
            .await
            .expect_err("a conflict");
        assert!(error.to_string().contains("`bot`"), "{error}");
    }
}
