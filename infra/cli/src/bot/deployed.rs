//! Bot documents at a deployment.

use patchbay::bot::Document;

use crate::documents::deployed::{Collection, check};

/// The bots of a deployment.
pub(super) const BOTS: Collection = Collection {
    kind: "bot",
    kinds: "bots",
    check: check::<Document>,
    takes_effect: "in effect from the next message on",
    without: "nobody answers its inboxes until another bot does",
};

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::ExitCode;

    use patchbay::ids::DocumentName;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::testing::{api, api_with, token_from_stdin};
    use crate::output::{Format, Output};

    const FILE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../functions/responder/examples/opening-hours.yaml"
    );

    fn name() -> DocumentName {
        "shop".parse().expect("a name")
    }

    fn output_of(format: Format, act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> String {
        console::set_colors_enabled(false);
        let mut buffer = Vec::new();
        let code = act(&mut Output::new(&mut buffer, format)).expect("it works");
        assert_eq!(code, ExitCode::SUCCESS);
        String::from_utf8(buffer).expect("text")
    }

    fn json_of(act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> Value {
        serde_json::from_str(&output_of(Format::Json, act)).expect("one document")
    }

    #[test]
    fn push_writes_the_document_on_condition_of_its_version() {
        let (deployment, request) = api(&json!({ "bot": "shop", "version": 3 }));
        let report = json_of(|output| BOTS.push(&name(), Path::new(FILE), Some(2), &deployment, output));
        assert_eq!(report, json!({ "bot": "shop", "version": 3 }));
        let request = request.join().expect("a request");
        assert!(request.starts_with("PUT /v1/bots/shop "), "{request}");
        assert!(request.contains("if-match: \"2\"\r\n"), "{request}");
    }

    #[test]
    fn a_document_with_errors_is_not_sent() {
        let file = crate::documents::testing::TempFile::new("bot.yaml", Some("nonsense: 1\n"));
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, Format::Json);
        let code = BOTS
            .push(&name(), &file.0, None, &token_from_stdin(), &mut output)
            .expect("a report");
        assert_eq!(code, ExitCode::FAILURE);
        let report: Value = serde_json::from_slice(&buffer).expect("one document");
        assert_eq!(report["issues"].as_array().expect("a list").len(), 1, "{report}");
    }

    #[test]
    fn list_follows_the_pages() {
        let bot = json!({ "bot": "shop", "version": 3, "updated_at": "2026-11-23T20:15:00.000Z" });
        let (deployment, request) = api(&json!({ "bots": [bot], "next_cursor": null }));
        let shown = output_of(Format::Text, |output| BOTS.list(&deployment, output));
        assert_eq!(
            shown,
            "BOT   VERSION  WRITTEN\n\
             shop  3        2026-11-23 20:15:00\n"
        );
        let request = request.join().expect("a request");
        assert!(request.starts_with("GET /v1/bots?limit=200 "), "{request}");
    }

    #[test]
    fn show_prints_the_document_and_json_its_version_too() {
        let answer = json!({ "bot": "shop", "version": 3, "document": { "faq": {} }, "warnings": [] });
        let (deployment, _request) = api(&answer);
        let shown = output_of(Format::Text, |output| BOTS.show(&name(), None, &deployment, output));
        assert_eq!(shown, "{\n  \"faq\": {}\n}\n");
        let (deployment, _request) = api(&answer);
        assert_eq!(json_of(|output| BOTS.show(&name(), None, &deployment, output)), answer);
    }

    #[test]
    fn delete_names_a_bot_that_does_not_exist() {
        let (deployment, request) = api_with("204 No Content", &json!(""));
        let report = json_of(|output| BOTS.delete(&name(), None, &deployment, output));
        assert_eq!(report, json!({ "bot": "shop", "deleted": true }));
        assert!(request.join().expect("a request").starts_with("DELETE /v1/bots/shop "));
        let problem = json!({ "title": "The resource does not exist", "detail": "no resource exists at this path" });
        let (deployment, _request) = api_with("404 Not Found", &problem);
        let mut buffer = Vec::new();
        let error = BOTS
            .delete(&name(), None, &deployment, &mut Output::new(&mut buffer, Format::Text))
            .expect_err("none");
        assert!(error.to_string().contains("does not exist"), "{error}");
    }
}
