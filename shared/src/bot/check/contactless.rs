//! Finds texts that fail for a customer of whom the platform knows nothing: the most frequent mistake, and one that its
//! author does not see, because a test customer has a name.

use crate::bot::document::{Document, Greeting, Say, Text};
use crate::bot::scope;
use crate::conversation::Contact;
use crate::flow::Issue;
use crate::flow::source::{element, field};
use crate::flow::template::{Kind, Scope, Templates};

pub(super) fn check(document: &Document, templates: &Templates, issues: &mut Vec<Issue>) {
    let unknown = scope::sample_scope(document, &Contact::default());
    let known = scope::sample_scope(document, &known_contact());
    let renders = |source: &str, scope: &Scope| templates.render(Kind::Message, source, scope).is_ok();
    for (path, text) in unconditional_texts(document) {
        let sources = text.sources();
        let depends =
            |source: &&str| source.contains("contact") && renders(source, &known) && !renders(source, &unknown);
        if sources.iter().any(depends) {
            let detail = "fails for a customer whose name, e-mail, phone or language is unknown: use such as \
                          `contact.name | default('you')`";
            issues.push(Issue::new(path, detail));
        }
    }
}

fn known_contact() -> Contact {
    let known = || Some("known".to_owned());
    Contact {
        id: None,
        name: known(),
        email: known(),
        phone: known(),
        language: known(),
    }
}

/// The texts that are said without a condition that their author could have set.
fn unconditional_texts(document: &Document) -> Vec<(String, &Text)> {
    let mut texts: Vec<(String, &Text)> = Vec::new();
    if let Some(Greeting::Text(greeting)) = &document.greeting {
        texts.push(("greeting".to_owned(), greeting));
    }
    let hand_over = &document.hand_over;
    let single = [
        (document.stop.as_ref().and_then(|stop| stop.text.as_ref()), "stop.text"),
        (
            document.restart.as_ref().and_then(|restart| restart.text.as_ref()),
            "restart.text",
        ),
        (document.attachments.as_ref(), "attachments"),
        (document.unknown.text.as_ref(), "unknown.text"),
        (document.fallback.as_ref(), "fallback"),
        (hand_over.text.as_ref(), "hand_over.text"),
        (hand_over.wait_text.as_ref(), "hand_over.wait_text"),
        (hand_over.joined.as_ref(), "hand_over.joined"),
        (hand_over.ended.as_ref(), "hand_over.ended"),
        (
            hand_over.outside_hours.as_ref().map(|outside| &outside.text),
            "hand_over.outside_hours.text",
        ),
    ];
    texts.extend(
        single
            .into_iter()
            .filter_map(|(text, path)| Some((path.to_owned(), text?))),
    );
    let replaced = document.texts.named().into_iter();
    texts.extend(replaced.filter_map(|(text, name)| Some((field("texts", name), text?))));
    for (index, entry) in document.faq.entries.iter().enumerate() {
        let path = field(&element("faq.entries", index), "answer");
        let answers = entry.answer.iter().flat_map(Say::texts);
        texts.extend(answers.map(|text| (path.clone(), text)));
    }
    for (name, form) in &document.forms {
        let fields = field(&field("forms", name), "fields");
        let asked = form.fields.iter().enumerate();
        texts.extend(asked.map(|(index, item)| (field(&element(&fields, index), "ask"), &item.ask)));
    }
    texts
}
