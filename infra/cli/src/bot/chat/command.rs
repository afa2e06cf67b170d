//! The lines that a person types: what the customer writes, and commands that play everybody else.

use serde_json::Value;

/// Help for the commands.
pub(super) const HELP: &str = "\
TEXT                      the customer writes; //TEXT writes a text that begins with /
/file [TEXT]              the customer sends a file, with a text or without
/agent TEXT               a person of the team writes to the customer
/note TEXT                a person writes a note that the customer does not see, such as a give-back word
/assign                   a person takes the conversation on the platform, without a word
/person                   hands the conversation to people, as the API does
/bot                      returns the conversation to the bot, as the API does
/resolve                  the conversation is resolved on the platform
/wait TIME                time passes: 90s, 5m, 2h
/answer NAME [STATUS] JSON  what the back end answers to the lookup NAME from now on; without JSON: nothing
/state                    who holds the conversation, and what the bot remembers of it
/reset                    a new conversation
/quit                     the end, as is the end of input";

/// Longest time that a line lets pass.
const MAX_WAIT_SECONDS: u32 = 90 * 86_400;

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    /// The customer writes.
    Customer(String),
    /// The customer sends a file.
    File(String),
    /// A person of the team writes to the customer.
    Agent(String),
    /// A person writes a note that the customer does not see.
    Note(String),
    /// A person is assigned on the platform.
    Assign,
    /// The API hands the conversation to people.
    HandOver,
    /// The API returns the conversation to the bot.
    GiveBack,
    /// The conversation is resolved on the platform.
    Resolve,
    /// These seconds pass.
    Wait(u32),
    /// What a back end answers from now on.
    Answer {
        fetch: String,
        response: Option<BackEndAnswer>,
    },
    /// Show the state.
    State,
    /// Begin a new conversation.
    Reset,
    /// Show the commands.
    Help,
    /// End.
    Quit,
}

/// What a back end answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BackEndAnswer {
    pub(super) status: u16,
    pub(super) json: Value,
}

impl BackEndAnswer {
    /// Parses `[STATUS] JSON`: 200 without a status, and no body with a status alone.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let status = first.parse().ok().filter(|status| (100..600).contains(status));
        let (status, json) = match status {
            Some(status) => (status, rest.trim()),
            None => (200, text),
        };
        let json = if json.is_empty() { "null" } else { json };
        let json = serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))?;
        Ok(Self { status, json })
    }
}

impl Input {
    /// Parses a line that is not empty.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
            return Ok(Self::Customer(line.strip_prefix('/').unwrap_or(line).to_owned()));
        };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        let alone = |input: Self| {
            let nothing_more = rest.is_empty().then_some(input);
            nothing_more.ok_or_else(|| format!("/{name} stands alone"))
        };
        let with_text = |input: fn(String) -> Self| {
            let text = Some(rest).filter(|text| !text.is_empty());
            text.map(|text| input(text.to_owned()))
                .ok_or_else(|| format!("/{name} needs a text"))
        };
        match name {
            "file" => Ok(Self::File(rest.to_owned())),
            "agent" => with_text(Self::Agent),
            "note" => with_text(Self::Note),
            "assign" => alone(Self::Assign),
            "person" => alone(Self::HandOver),
            "bot" => alone(Self::GiveBack),
            "resolve" => alone(Self::Resolve),
            "wait" => seconds(rest).map(Self::Wait),
            "answer" => answer(rest),
            "state" => alone(Self::State),
            "reset" => alone(Self::Reset),
            "help" => alone(Self::Help),
            "quit" => alone(Self::Quit),
            _ => Err(format!("no command /{name}: /help shows all; //{name} is a text")),
        }
    }
}

/// Parses a time: a number of seconds, or one with a unit.
fn seconds(text: &str) -> Result<u32, String> {
    let invalid = || "expected a time such as 90s, 5m or 2h, of at most 90 days".to_owned();
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    let unit = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        _ => return Err(invalid()),
    };
    let count: u32 = digits.parse().map_err(|_| invalid())?;
    let seconds = count.checked_mul(unit).filter(|seconds| *seconds <= MAX_WAIT_SECONDS);
    seconds.ok_or_else(invalid)
}

fn answer(text: &str) -> Result<Input, String> {
    let (fetch, response) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if fetch.is_empty() {
        return Err("expected the name of a lookup of the document".to_owned());
    }
    let response = Some(response.trim()).filter(|response| !response.is_empty());
    Ok(Input::Answer {
        fetch: fetch.to_owned(),
        response: response.map(BackEndAnswer::parse).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_what_the_customer_writes_unless_it_begins_with_a_slash() {
        let written = |text: &str| Ok(Input::Customer(text.to_owned()));
        for (line, text) in [
            ("hello", "hello"),
            ("  two words ", "two words"),
            ("1/2", "1/2"),
            ("//agent x", "/agent x"),
        ] {
            assert_eq!(Input::parse(line), written(text), "{line}");
        }
    }

    #[test]
    fn commands_play_everybody_else() {
        for (line, expected) in [
            ("/agent I am here", Input::Agent("I am here".to_owned())),
            ("/note /bot", Input::Note("/bot".to_owned())),
            ("/file", Input::File(String::new())),
            ("/file my invoice", Input::File("my invoice".to_owned())),
            ("/assign", Input::Assign),
            ("/person", Input::HandOver),
            ("/bot ", Input::GiveBack),
            ("/wait 90", Input::Wait(90)),
            ("/wait 5m", Input::Wait(300)),
            ("/wait 2h", Input::Wait(7_200)),
        ] {
            assert_eq!(Input::parse(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn a_back_end_answers_json_a_status_or_nothing() {
        let response = |status, json| Some(BackEndAnswer { status, json });
        for (line, expected) in [
            (
                "/answer order {\"state\": \"sent\"}",
                response(200, json!({ "state": "sent" })),
            ),
            ("/answer order 404", response(404, Value::Null)),
            (
                "/answer order 503 {\"retry\": true}",
                response(503, json!({ "retry": true })),
            ),
            ("/answer order", None),
        ] {
            let fetch = "order".to_owned();
            assert_eq!(
                Input::parse(line),
                Ok(Input::Answer {
                    fetch,
                    response: expected
                }),
                "{line}"
            );
        }
    }

    #[test]
    fn an_invalid_command_is_reported() {
        for (line, expected) in [
            ("/agent", "needs a text"),
            ("/bot please", "stands alone"),
            ("/fly", "no command /fly"),
            ("/", "no command /"),
            ("/wait soon", "expected a time"),
            ("/wait 5ms", "expected a time"),
            ("/wait 99999999h", "expected a time"),
            ("/answer", "expected the name"),
            ("/answer order {", "not JSON"),
        ] {
            let error = Input::parse(line).expect_err(line);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
