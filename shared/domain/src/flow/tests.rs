//! A second job, as small as one can be: a chat bot that answers with messages, or hands over to a person. What is held
//! here for it holds for every reply; what a chain of links is, its own tests hold.

use serde::de::MapAccess;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::template::{Kind, Scope};
use super::*;

/// What the bot says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Says {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    options: Vec<Choice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hand_over: Option<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    title: String,
    value: Value,
}

/// The same, written out.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    text: Option<String>,
    options: Vec<(String, Value)>,
    hand_over: Option<Value>,
}

/// Teams that there are, and those that somebody is handed to.
#[derive(Debug)]
struct Teams<'a> {
    known: &'a [String],
    named: Vec<&'a str>,
}

impl Reply for Says {
    type Written = Said;
    type Notes<'a> = Teams<'a>;
    const FIELDS: &'static [&'static str] = &["text", "options", "hand_over"];

    fn read<'de, A: MapAccess<'de>>(&mut self, field: &str, access: &mut A) -> Result<(), A::Error> {
        match field {
            "text" => self.text = access.next_value()?,
            "options" => self.options = access.next_value()?,
            _ => self.hand_over = access.next_value()?,
        }
        Ok(())
    }

    fn check<'a>(&'a self, at: At<'_>, checker: &mut Checker<'a, Self>) {
        if let Some(text) = &self.text {
            checker.template(Kind::Speech, text, &source::field(at.path, "text"), at.names);
        }
        for (index, option) in self.options.iter().enumerate() {
            let path = source::element(&source::field(at.path, "options"), index);
            checker.template(Kind::Speech, &option.title, &source::field(&path, "title"), at.names);
            checker.data(&option.value, &source::field(&path, "value"), at.names);
        }
        if let Some(team) = &self.hand_over {
            let path = source::field(at.path, "hand_over");
            let name = team.get("team").and_then(Value::as_str).unwrap_or_default();
            if !checker.notes.known.iter().any(|known| known == name) {
                checker.wrong(&path, "is no team");
            }
            checker.notes.named.push(name);
            checker.data(team, &path, at.names);
        }
        if at.is_of_rule && *self == Self::default() {
            checker.wrong(at.path, "says nothing");
        }
    }

    fn write(&self, pen: &Pen<'_>) -> Result<Said, Trouble> {
        let text = self.text.as_ref().map(|text| pen.field("text", Kind::Speech, text));
        let options = self.options.iter().map(|option| {
            let title = pen.field("options", Kind::Speech, &option.title)?;
            let value = pen.data(&option.value);
            Ok((title, value.map_err(|error| Trouble::new(pen.at("options"), &error))?))
        });
        let team = self.hand_over.as_ref().map(|team| pen.data(team)).transpose();
        Ok(Said {
            text: text.transpose()?,
            options: options.collect::<Result<_, Trouble>>()?,
            hand_over: team.map_err(|error| Trouble::new(pen.at("hand_over"), &error))?,
        })
    }
}

/// The bot: what it does with a message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bot {
    #[serde(default)]
    teams: Vec<String>,
    on_message: Vec<Rule<Says>>,
}

impl Document for Bot {
    type Reply = Says;

    fn notes(&self) -> Teams<'_> {
        Teams {
            known: &self.teams,
            named: Vec::new(),
        }
    }

    fn check<'a>(&'a self, checker: &mut Checker<'a, Says>) {
        let names = Names::default()
            .fields("message", ["text", "count"], "a message has")
            .plain("visitor");
        checker.rules(&self.on_message, "on_message", &names);
        if checker.notes.named.is_empty() {
            checker.wrong("on_message", "nobody is ever handed to a person");
        }
    }
}

const BOT: &str = "\
teams: [sales, repairs]
on_message:
  - when: message.text == 'person'
    text: One moment.
    hand_over: {team: repairs, of: '{{ visitor }}'}
  - fetch:
      - name: order
        method: POST
        url: https://api.example.org/orders/{{ message.text }}
        json: {count: '{{ message.count }}', note: 'no {{ message.count }}'}
        on:
          not_found: {text: There is no such order.}
          failed: {text: 'I cannot look.', options: [{title: Again, value: {retry: true}}]}
    let: [{name: total, value: fetch.order.json.total}]
    rules:
      - when: total > 100
        text: That is much.
        hand_over: {team: sales}
      - text: It costs {{ total }}.
        options:
          - {title: 'Pay {{ total }}', value: '{{ fetch.order.json }}'}
          - {title: No, value: 3.0}
";

fn bot() -> Compiled<Bot> {
    match Compiled::read(BOT) {
        Ok(bot) => bot,
        Err(issues) => panic!("{issues:?}"),
    }
}

fn asked(bot: &Compiled<Bot>, text: &str, found: &Findings) -> Result<Answered<Said>, Stop> {
    let mut scope = Scope::default();
    scope.set("message", json!({ "text": text, "count": 2.0 }));
    scope.set("visitor", u64::MAX);
    let run = Run {
        templates: bot.templates(),
        found,
    };
    run.rules(&bot.document().on_message, "on_message".into(), scope)
}

fn found(status: u16, json: Value) -> Findings {
    let path = "on_message[1].fetch[0]".to_owned();
    [(path, Found::answered(status, Some(json), None))].into()
}

#[test]
fn another_job_answers_by_the_same_rules() {
    let bot = bot();
    let answered = asked(&bot, "person", &Findings::new()).expect("an answer");
    assert_eq!(answered.by, "on_message[0]");
    assert_eq!(answered.reply.text.as_deref(), Some("One moment."));
    let handed = json!({ "team": "repairs", "of": u64::MAX });
    assert_eq!(answered.reply.hand_over, Some(handed));

    let Err(Stop::Fetch(lookup)) = asked(&bot, "a/b", &Findings::new()) else {
        panic!("nothing is looked up")
    };
    assert_eq!(lookup.path, "on_message[1].fetch[0]");
    assert_eq!(lookup.url, "https://api.example.org/orders/a%2Fb");
    assert_eq!(lookup.body, Some(json!({ "count": 2, "note": "no 2" })));

    for (status, by) in [
        (404, "on_message[1].fetch[0].on.not_found"),
        (500, "on_message[1].fetch[0].on.failed"),
        (200, "on_message[1].rules[0]"),
    ] {
        let answered = asked(&bot, "x", &found(status, json!({ "total": 100.5 }))).expect("an answer");
        assert_eq!(answered.by, by);
    }
    let Err(Stop::Trouble(trouble)) = asked(&bot, "x", &found(200, json!({}))) else {
        panic!("a hole")
    };
    assert_eq!(trouble.path, "on_message[1].rules[1].text");
}

#[test]
fn a_value_is_the_same_value_in_the_reply() {
    let order = json!({
        "total": 42.0, "exact": u64::MAX, "low": i64::MIN, "huge": 1e300, "half": 0.1, "text": "3.0", "cut": "\u{fffd}",
        "odd": "q\"\\\n\u{1}", "list": [1.0, [2.5, null]], "none": null,
    });
    let answered = asked(&bot(), "x", &found(200, order.clone())).expect("an answer");
    assert_eq!(answered.reply.text.as_deref(), Some("It costs 42."));
    let mut whole = order;
    whole["total"] = json!(42);
    whole["list"] = json!([1, [2.5, null]]);
    let written: Vec<String> = answered
        .reply
        .options
        .iter()
        .map(|(_, value)| value.to_string())
        .collect();
    assert_eq!(
        written,
        [whole.to_string(), "3.0".to_owned()],
        "what the document says stays as it says it"
    );
}

#[test]
fn what_is_wrong_with_a_reply_in_a_rule_is_told_with_its_place() {
    for (old, new, expected) in [
        (
            "text: One moment.",
            "txt: One moment.",
            "4:5: on_message[0].txt: unknown field `txt`, expected one of `when`, `fetch`, `let`, `rules`, `text`, `options`, \
             `hand_over`",
        ),
        (
            "text: One moment.",
            "text: [1]",
            "4:5: on_message[0].text: expected a string",
        ),
        (
            "title: No,",
            "titel: No,",
            "22:14: on_message[1].rules[1].options[1].titel: unknown field `titel`",
        ),
        (
            "{text: There is no",
            "{content: There is no",
            "on.not_found.content: unknown field `content`",
        ),
        (
            "team: repairs",
            "team: cleaning",
            "5:5: on_message[0].hand_over: is no team",
        ),
        (
            "visitor",
            "visitors",
            "`visitors` is undefined; there are: message, fetch, visitor",
        ),
        (
            "message.text == ",
            "message.txt == ",
            "`message.txt` is undefined; a message has: text, count",
        ),
        (
            "costs {{ total }}",
            "costs {{ totals }}",
            "there are: message, fetch, visitor, total",
        ),
        (
            "name: total,",
            "name: message,",
            "is the name of something else already",
        ),
        ("name: total,", "name: fetch,", "is the name of something else already"),
        (
            "    rules:\n",
            "    text: Hm.\n    rules:\n",
            "a rule has either `rules` or an answer of its own",
        ),
        (
            "    text: One moment.\n    hand_over: {team: repairs, of: '{{ visitor }}'}\n",
            "",
            "3:5: on_message[0]: says nothing",
        ),
    ] {
        assert_eq!(BOT.matches(old).count(), 1, "{old}");
        let issues = Compiled::<Bot>::read(&BOT.replace(old, new)).expect_err(new);
        let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
        assert!(
            issues.iter().any(|issue| issue.contains(expected)),
            "{expected}\n{issues:#?}"
        );
    }
}

#[test]
fn a_document_is_kept_as_it_was_written() {
    let bot = bot();
    let kept = serde_json::to_value(bot.document()).expect("JSON");
    let Value::Object(rule) = &kept["on_message"][1]["rules"][1] else {
        panic!("a rule")
    };
    assert!(rule.keys().eq(["options", "text"]), "{rule:?}");
    let again = Compiled::<Bot>::from_kept(&kept).expect("still sound");
    assert_eq!(again.document().on_message, bot.document().on_message);
}

#[test]
fn no_reply_takes_a_name_that_rules_have() {
    for own in Rule::<Says>::OWN {
        assert!(!Says::FIELDS.contains(own), "{own}");
    }
}
