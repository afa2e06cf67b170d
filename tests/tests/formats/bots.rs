//! Bot documents: a bot that was uploaded years ago must still answer.

use patchbay::bot::Bot;

use crate::fixtures::{json, text};

#[track_caller]
fn read(text: &str) -> Bot {
    match Bot::read(text) {
        Ok(bot) => bot,
        Err(issues) => panic!("the document is refused: {issues:?}"),
    }
}

#[test]
fn a_document_is_stored_as_in_its_fixture() {
    let stored = serde_json::to_value(read(&text("bots/every-field.yaml")).document()).unwrap();
    assert_eq!(stored, json("bots/every-field.json"), "it is stored as\n{stored:#}");
}

#[test]
fn a_stored_document_answers_and_is_stored_unchanged() {
    let stored = json("bots/every-field.json");
    let bot = match Bot::from_stored(&stored) {
        Ok(bot) => bot,
        Err(issues) => panic!("the stored document is refused: {issues:?}"),
    };
    assert_eq!(bot.document(), read(&text("bots/every-field.yaml")).document());
    assert_eq!(serde_json::to_value(bot.document()).unwrap(), stored);
    // A downloaded document can be uploaded again.
    assert_eq!(read(&stored.to_string()).document(), bot.document());
}
