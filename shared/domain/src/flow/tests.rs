//! A minimal second application of the rule engine: a chat bot that answers with messages or hands over to a person.
//! These tests hold for every reply; the tests of task chains cover what is specific to them.

use serde::de::MapAccess;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::template::{Kind, Scope, Templates};
use super::*;

/// The reply of the bot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BotReply {
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

/// The rendered reply.
#[derive(Clone, Debug, Default, PartialEq)]
struct RenderedBotReply {
    text: Option<String>,
    options: Vec<(String, Value)>,
    hand_over: Option<Value>,
}

/// The teams of the bot, and those that some rule hands over to.
#[derive(Debug)]
struct Teams<'a> {
    known: &'a [String],
    assigned: Vec<&'a str>,
}

impl Reply for BotReply {
    type Rendered = RenderedBotReply;
    type Scratch<'a> = Teams<'a>;
    const FIELDS: &'static [&'static str] = &["text", "options", "hand_over"];

    fn read_field<'de, A: MapAccess<'de>>(&mut self, field: &str, access: &mut A) -> Result<(), A::Error> {
        match field {
            "text" => self.text = access.next_value()?,
            "options" => self.options = access.next_value()?,
            _ => self.hand_over = access.next_value()?,
        }
        Ok(())
    }

    fn check<'a>(&'a self, site: ReplySite<'_>, checker: &mut Checker<'a, Self>) {
        if let Some(text) = &self.text {
            checker.template(Kind::Speech, text, &source::field(site.path, "text"), site.names);
        }
        for (index, option) in self.options.iter().enumerate() {
            let path = source::element(&source::field(site.path, "options"), index);
            checker.template(Kind::Speech, &option.title, &source::field(&path, "title"), site.names);
            checker.data(&option.value, &source::field(&path, "value"), site.names);
        }
        if let Some(team) = &self.hand_over {
            let path = source::field(site.path, "hand_over");
            let name = team.get("team").and_then(Value::as_str).unwrap_or_default();
            if !checker.scratch.known.iter().any(|known| known == name) {
                checker.report(&path, "is not a team");
            }
            checker.scratch.assigned.push(name);
            checker.data(team, &path, site.names);
        }
        if site.in_rule && *self == Self::default() {
            checker.report(site.path, "has no content");
        }
    }

    fn render(&self, renderer: &Renderer<'_>) -> Result<RenderedBotReply, RuleError> {
        let text = self
            .text
            .as_ref()
            .map(|text| renderer.render_field("text", Kind::Speech, text));
        let options = self.options.iter().map(|option| {
            let title = renderer.render_field("options", Kind::Speech, &option.title)?;
            let value = renderer.render_data(&option.value);
            Ok((
                title,
                value.map_err(|error| RuleError::new(renderer.field_path("options"), &error))?,
            ))
        });
        let team = self
            .hand_over
            .as_ref()
            .map(|team| renderer.render_data(team))
            .transpose();
        Ok(RenderedBotReply {
            text: text.transpose()?,
            options: options.collect::<Result<_, RuleError>>()?,
            hand_over: team.map_err(|error| RuleError::new(renderer.field_path("hand_over"), &error))?,
        })
    }
}

/// The document of the bot: how it answers a message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bot {
    #[serde(default)]
    teams: Vec<String>,
    on_message: Vec<Rule<BotReply>>,
}

impl Document for Bot {
    type Reply = BotReply;
    type Prepared = usize;

    fn scratch(&self) -> Teams<'_> {
        Teams {
            known: &self.teams,
            assigned: Vec::new(),
        }
    }

    fn check<'a>(&'a self, checker: &mut Checker<'a, BotReply>) {
        let names = Names::default()
            .fields("message", ["text", "count"], "a message has")
            .value("visitor");
        checker.rules(&self.on_message, "on_message", &names);
        if checker.scratch.assigned.is_empty() {
            checker.report("on_message", "no rule hands over to a person");
        }
    }

    fn prepare(&self, _: &Templates, is_stored: bool, issues: &mut Vec<Issue>) -> usize {
        if self.teams.len() > 2 && !is_stored {
            issues.push(Issue::new("teams[2]", "is one team too many"));
        }
        self.teams.len()
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

fn bot() -> CompiledDocument<Bot> {
    match CompiledDocument::read(BOT) {
        Ok(bot) => bot,
        Err(issues) => panic!("{issues:?}"),
    }
}

fn evaluate(
    bot: &CompiledDocument<Bot>,
    text: &str,
    fetched: &FetchResults,
) -> Result<Evaluated<RenderedBotReply>, EvalError> {
    let mut scope = Scope::default();
    scope.set("message", json!({ "text": text, "count": 2.0 }));
    scope.set("visitor", u64::MAX);
    let evaluator = Evaluator {
        templates: bot.templates(),
        fetched,
    };
    evaluator.eval_rules(&bot.document().on_message, "on_message".into(), scope)
}

fn fetched(status: u16, json: Value) -> FetchResults {
    let path = "on_message[1].fetch[0]".to_owned();
    [(path, FetchResult::from_response(status, Some(json), None))].into()
}

#[test]
fn rules_work_for_any_reply_type() {
    let bot = bot();
    let evaluated = evaluate(&bot, "person", &FetchResults::new()).expect("an answer");
    assert_eq!(evaluated.path, "on_message[0]");
    assert_eq!(evaluated.reply.text.as_deref(), Some("One moment."));
    let handed = json!({ "team": "repairs", "of": u64::MAX });
    assert_eq!(evaluated.reply.hand_over, Some(handed));

    let Err(EvalError::FetchNeeded(request)) = evaluate(&bot, "a/b", &FetchResults::new()) else {
        panic!("no request is needed")
    };
    assert_eq!(request.path, "on_message[1].fetch[0]");
    assert_eq!(request.url, "https://api.example.org/orders/a%2Fb");
    assert_eq!(request.body, Some(json!({ "count": 2, "note": "no 2" })));

    for (status, by) in [
        (404, "on_message[1].fetch[0].on.not_found"),
        (500, "on_message[1].fetch[0].on.failed"),
        (200, "on_message[1].rules[0]"),
    ] {
        let evaluated = evaluate(&bot, "x", &fetched(status, json!({ "total": 100.5 }))).expect("an answer");
        assert_eq!(evaluated.path, by);
    }
    let Err(EvalError::Failed(error)) = evaluate(&bot, "x", &fetched(200, json!({}))) else {
        panic!("the template renders")
    };
    assert_eq!(error.path, "on_message[1].rules[1].text");
}

#[test]
fn value_is_unchanged_in_the_reply() {
    let order = json!({
        "total": 42.0, "exact": u64::MAX, "low": i64::MIN, "huge": 1e300, "half": 0.1, "text": "3.0", "cut": "\u{fffd}",
        "odd": "q\"\\\n\u{1}", "list": [1.0, [2.5, null]], "none": null,
    });
    let evaluated = evaluate(&bot(), "x", &fetched(200, order.clone())).expect("an answer");
    assert_eq!(evaluated.reply.text.as_deref(), Some("It costs 42."));
    let mut whole = order;
    whole["total"] = json!(42);
    whole["list"] = json!([1, [2.5, null]]);
    let rendered: Vec<String> = evaluated
        .reply
        .options
        .iter()
        .map(|(_, value)| value.to_string())
        .collect();
    assert_eq!(
        rendered,
        [whole.to_string(), "3.0".to_owned()],
        "a literal of the document is unchanged"
    );
}

#[test]
fn issue_of_a_reply_has_path_and_position() {
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
            "5:5: on_message[0].hand_over: is not a team",
        ),
        (
            "visitor",
            "visitors",
            "`visitors` is undefined; available: message, fetch, visitor",
        ),
        (
            "message.text == ",
            "message.txt == ",
            "`message.txt` is undefined; a message has: text, count",
        ),
        (
            "costs {{ total }}",
            "costs {{ totals }}",
            "available: message, fetch, visitor, total",
        ),
        (
            "name: total,",
            "name: message,",
            "is already the name of something else",
        ),
        ("name: total,", "name: fetch,", "is already the name of something else"),
        (
            "    rules:\n",
            "    text: Hm.\n    rules:\n",
            "a rule has either `rules` or an answer, not both",
        ),
        (
            "    text: One moment.\n    hand_over: {team: repairs, of: '{{ visitor }}'}\n",
            "",
            "3:5: on_message[0]: has no content",
        ),
    ] {
        assert_eq!(BOT.matches(old).count(), 1, "{old}");
        let issues = CompiledDocument::<Bot>::read(&BOT.replace(old, new)).expect_err(new);
        let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
        assert!(
            issues.iter().any(|issue| issue.contains(expected)),
            "{expected}\n{issues:#?}"
        );
    }
}

#[test]
fn stored_document_equals_the_uploaded_one() {
    let bot = bot();
    let stored = serde_json::to_value(bot.document()).expect("JSON");
    let Value::Object(rule) = &stored["on_message"][1]["rules"][1] else {
        panic!("a rule")
    };
    assert!(rule.keys().eq(["options", "text"]), "{rule:?}");
    let again = CompiledDocument::<Bot>::from_stored(&stored).expect("still valid");
    assert_eq!(again.document().on_message, bot.document().on_message);
}

#[test]
fn reply_fields_do_not_collide_with_common_fields() {
    for own in Rule::<BotReply>::COMMON_FIELDS {
        assert!(!BotReply::FIELDS.contains(own), "{own}");
    }
}

#[test]
fn document_is_prepared_once_and_may_still_be_refused_then() {
    assert_eq!(*bot().prepared(), 2);
    let crowded = BOT.replace("repairs]", "repairs, press]");
    let issues = CompiledDocument::<Bot>::read(&crowded).expect_err("three teams");
    assert_eq!(issues[0].to_string(), "1:25: teams[2]: is one team too many");
    let stored = source::Source::parse(&crowded).expect("YAML").value;
    let again = CompiledDocument::<Bot>::from_stored(&stored).expect("a stored document still answers");
    assert_eq!(*again.prepared(), 3);
}

/// The reply of an application that has one for when no rule matches, and time for long requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    #[serde(default)]
    word: String,
}

impl Reply for Word {
    type Rendered = String;
    type Scratch<'a> = ();
    const FIELDS: &'static [&'static str] = &["word"];
    const MAX_TIMEOUT_MS: u16 = 9_000;

    fn unmatched() -> Option<Self> {
        Some(Self {
            word: "none".to_owned(),
        })
    }

    fn read_field<'de, A: MapAccess<'de>>(&mut self, _: &str, access: &mut A) -> Result<(), A::Error> {
        self.word = access.next_value()?;
        Ok(())
    }

    fn check<'a>(&'a self, _: ReplySite<'_>, _: &mut Checker<'a, Self>) {}

    fn render(&self, renderer: &Renderer<'_>) -> Result<String, RuleError> {
        let language = renderer.scope().text("language").unwrap_or_default();
        Ok(format!("{} in {language}", self.word))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Words {
    rules: Vec<Rule<Word>>,
}

impl Document for Words {
    type Reply = Word;
    type Prepared = ();

    fn scratch(&self) {}

    fn check<'a>(&'a self, checker: &mut Checker<'a, Word>) {
        checker.rules(&self.rules, "rules", &Names::default().value("n"));
    }

    fn prepare(&self, _: &Templates, _: bool, _: &mut Vec<Issue>) {}
}

#[test]
fn application_may_have_a_reply_for_when_no_rule_matches() {
    let document = "rules:\n  - {when: n == 1, word: one}\n  - {when: n > 1, rules: [{when: n == 2, word: two}]}\n";
    let words = CompiledDocument::<Words>::read(document).expect("no rule has to match");
    for (n, expected) in [
        (1, ("one in en", "rules[0]")),
        (2, ("two in en", "rules[1].rules[0]")),
        (3, ("none in en", "rules[1].rules")),
        (0, ("none in en", "rules")),
    ] {
        let mut scope = Scope::default();
        scope.set("n", n);
        scope.set("language", "en");
        let evaluator = Evaluator {
            templates: words.templates(),
            fetched: &FetchResults::new(),
        };
        let evaluated = evaluator
            .eval_rules(&words.document().rules, "rules".into(), scope)
            .expect("a word");
        assert_eq!((evaluated.reply.as_str(), evaluated.path.as_str()), expected);
    }
}

#[test]
fn application_sets_the_longest_timeout() {
    let with = |millis: u16| {
        let fetch = format!("{{name: a, url: 'https://api.example.org/', timeout_ms: {millis}, on: {{failed: {{}}}}}}");
        CompiledDocument::<Words>::read(&format!("rules: [{{fetch: [{fetch}], word: x}}]"))
    };
    assert!(with(9_000).is_ok());
    let issues = with(9_001).expect_err("too long");
    assert!(issues[0].detail.contains("must be from 100 to 9000"), "{issues:?}");
}
