//! The form that starts a conversation.

use patchbay::conversation::Contact;
use patchbay::conversation::event::MAX_TEXT_CHARS;
use patchbay::conversation::widget::{Language, Topic, Widget};
use patchbay::field::FieldError;
use patchbay::phone::{CallingCode, PhoneNumber};
use serde::{Deserialize, Serialize};

use super::texts::{text, texts};

const MAX_NAME_CHARS: usize = 100;
/// The longest address that a mail server has to accept (RFC 5321, section 4.5.3.1.3, without the brackets).
const MAX_EMAIL_BYTES: usize = 254;
/// Digits of a phone number that no numbering plan confirms. The platforms document shorter ones than any country has.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 6..=15;
/// Bytes of an id that a page chooses. It is a secret: repeating the start of a conversation returns its token.
const ID_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// The form as the page sends it. Everything is a text here, so that all wrong fields can be named at once.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Form {
    /// What makes a repeat recognizable.
    pub(super) id: String,
    /// Tag of the page's language.
    pub(super) language: String,
    topic: String,
    name: String,
    email: String,
    phone: String,
    text: String,
}

/// A valid form.
#[derive(Debug)]
pub(super) struct CheckedForm<'a> {
    pub(super) topic: &'a Topic,
    pub(super) language: Language,
    pub(super) name: &'a str,
    pub(super) email: &'a str,
    /// In E.164, if the visitor stated one.
    pub(super) phone: Option<String>,
    pub(super) text: &'a str,
}

impl Form {
    /// Checks the form. Errors are in the visitor's language.
    ///
    /// # Errors
    /// Every wrong field.
    pub(super) fn check<'a>(
        &'a self,
        widget: &'a Widget,
        home: Option<&CallingCode>,
    ) -> Result<CheckedForm<'a>, Vec<FieldError>> {
        let language = widget.language([self.language.as_str()]);
        let mut errors = Vec::new();
        let mut wrong = |field: &str, error: &str| errors.push(FieldError::new(field, text(texts(language), error)));
        let (name, email, message) = (self.name.trim(), self.email.trim(), self.text.trim());
        let topic = widget.topic(&self.topic);
        if topic.is_none() {
            wrong("topic", "error_topic");
        }
        if name.is_empty() || name.contains(char::is_control) {
            wrong("name", "error_missing");
        } else if name.chars().count() > MAX_NAME_CHARS {
            wrong("name", "error_long");
        }
        if !is_email(email) {
            wrong("email", "error_email");
        }
        let phone = match self.phone.trim() {
            "" if widget.phone_required => Err("error_missing"),
            "" => Ok(None),
            text => phone_number(text, home).map(Some).ok_or("error_phone"),
        };
        let phone = phone.map_err(|error| wrong("phone", error)).ok().flatten();
        if let Some(error) = text_error(message) {
            wrong("text", error);
        }
        if let Some(error) = id_error(&self.id) {
            errors.push(error);
        }
        match topic {
            Some(topic) if errors.is_empty() => Ok(CheckedForm {
                topic,
                language,
                name,
                email,
                phone,
                text: message,
            }),
            _ => Err(errors),
        }
    }
}

impl CheckedForm<'_> {
    /// The visitor, as the bot sees them.
    pub(super) fn contact(&self) -> Contact {
        Contact {
            id: None,
            name: Some(self.name.to_owned()),
            email: Some(self.email.to_owned()),
            phone: self.phone.clone(),
            language: Some(self.language.tag().to_owned()),
        }
    }
}

/// The name of the error in a message's text.
pub(super) fn text_error(message: &str) -> Option<&'static str> {
    if message.trim().is_empty() {
        Some("error_missing")
    } else if message.chars().count() > MAX_TEXT_CHARS {
        Some("error_long")
    } else {
        None
    }
}

/// The error in an id that a page chose.
pub(super) fn id_error(id: &str) -> Option<FieldError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_valid = ID_BYTES.contains(&id.len()) && id.bytes().all(allowed);
    let (min, max) = (ID_BYTES.start(), ID_BYTES.end());
    (!is_valid).then(|| {
        let detail = format!("must have {min} to {max} random characters of a-z, A-Z, 0-9, - and _");
        FieldError::new("id", detail)
    })
}

/// Whether mail may be sent to this address. Only delivery could prove it.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | ',' | ';' | '"');
    let labels: Vec<&str> = domain.split('.').collect();
    text.len() <= MAX_EMAIL_BYTES
        && !local.is_empty()
        && !local.contains('@')
        && text.chars().all(allowed)
        && labels.len() > 1
        && labels.iter().all(|label| !label.is_empty())
}

/// The number in E.164. A number that belongs to no numbering plan is accepted with its `+`: the platform decides.
fn phone_number(text: &str, home: Option<&CallingCode>) -> Option<String> {
    let planned = match home {
        Some(code) => PhoneNumber::parse_at_home(text, code),
        None => PhoneNumber::parse(text),
    };
    if let Ok(number) = planned {
        return Some(number.as_str().to_owned());
    }
    let digits = text.strip_prefix('+')?;
    let is_separator = |c: char| matches!(c, ' ' | '-' | '.' | '/' | '(' | ')');
    let digits: String = digits.chars().filter(|c| !is_separator(*c)).collect();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && PHONE_DIGITS.contains(&digits.len());
    is_number.then(|| format!("+{digits}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn widget(phone_required: bool) -> Widget {
        let topic = json!({ "name": "orders", "title": "Orders", "inbox": "7" });
        let value = json!({ "title": "Help", "topics": [topic], "phone_required": phone_required });
        serde_json::from_value(value).expect("settings")
    }

    fn valid() -> Value {
        json!({
            "id": "0123456789abcdef", "language": "en", "topic": "orders", "name": " Sam Roe ",
            "email": "sam@example.org", "phone": "+1 202 555 0143", "text": "Where is my order?\n",
        })
    }

    fn form(change: impl FnOnce(&mut Value)) -> Form {
        let mut value = valid();
        change(&mut value);
        serde_json::from_value(value).expect("a form")
    }

    fn errors(change: impl FnOnce(&mut Value)) -> Vec<(String, String)> {
        let (form, widget) = (form(change), widget(false));
        let errors = form.check(&widget, None).err().unwrap_or_default();
        errors.into_iter().map(|error| (error.field, error.detail)).collect()
    }

    fn wrong(change: impl FnOnce(&mut Value)) -> Vec<String> {
        errors(change).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn a_valid_form_is_trimmed_and_its_number_normalized() {
        let (form, widget) = (form(|_| {}), widget(true));
        let checked = form.check(&widget, None).expect("a valid form");
        assert_eq!((checked.name, checked.text), ("Sam Roe", "Where is my order?"));
        assert_eq!(checked.phone.as_deref(), Some("+12025550143"));
        assert_eq!(checked.contact().language.as_deref(), Some("en"));
    }

    #[test]
    fn all_wrong_fields_are_named_in_the_language_of_the_visitor() {
        let empty = |language: &'static str| {
            errors(move |value| *value = json!({ "id": "0123456789abcdef", "language": language }))
        };
        let fields: Vec<String> = empty("en").into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["topic", "name", "email", "text"]);
        assert_eq!(empty("de")[0].1, "Bitte wählen Sie ein Thema.");
        assert_eq!(empty("fr")[0].1, "Please choose a topic.");
        let (form, widget) = (form(|value| *value = json!({ "phone": "x" })), widget(true));
        let all = form.check(&widget, None);
        let fields: Vec<String> = all.expect_err("wrong").into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["topic", "name", "email", "phone", "text", "id"]);
    }

    #[test]
    fn limits_are_exact() {
        for (field, chars, limit) in [("name", "ä", MAX_NAME_CHARS), ("text", "🙂", MAX_TEXT_CHARS)] {
            assert_eq!(
                wrong(|value| value[field] = json!(chars.repeat(limit))),
                Vec::<String>::new()
            );
            assert_eq!(wrong(|value| value[field] = json!(chars.repeat(limit + 1))), [field]);
        }
        assert_eq!(wrong(|value| value["name"] = json!("a\u{7}b")), ["name"]);
        for id in ["", "short", &"x".repeat(65), "0123456789abcdé0", "0123456789/abcdef"] {
            assert_eq!(wrong(|value| value["id"] = json!(id)), ["id"], "{id}");
        }
    }

    #[test]
    fn an_address_needs_both_sides_and_a_domain_with_a_dot() {
        for good in ["a@b.co", "first.last+tag@mail.example.org", "用户@例子.example"] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.org", "x".repeat(MAX_EMAIL_BYTES));
        for bad in [
            "",
            "sam",
            "@example.org",
            "sam@",
            "sam@example",
            "sam@.org",
            "sam@example.",
            "sam roe@example.org",
            "a@b@example.org",
            "<sam@example.org>",
            "a@b.org,c@d.org",
            "a\u{0}@example.org",
            &long,
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn a_number_needs_a_country_code_unless_the_stack_has_a_home() {
        let home: CallingCode = "1".parse().expect("a calling code");
        for (text, home, expected) in [
            ("+1 (202) 555-0143", None, Some("+12025550143")),
            ("202 555 0143", Some(&home), Some("+12025550143")),
            // The documented sample of a platform has too few digits for its country.
            ("+15550100", None, Some("+15550100")),
            ("202 555 0143", None, None),
            ("+12", None, None),
            ("+1 202 555 0143 0143 0143", None, None),
            ("call me", None, None),
        ] {
            assert_eq!(phone_number(text, home).as_deref(), expected, "{text}");
        }
    }
}
