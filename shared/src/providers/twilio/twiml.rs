//! `TwiML`: the documents that tell Twilio what to do with a call.
//!
//! The types cover only verbs and attributes of the contract (CONTRACT.md 3 and 4.1).

use std::fmt::{self, Write as _};

use crate::dispatch::employee::Language;
use crate::dispatch::texts::tag;
use crate::speech;

/// Most characters of one `<Say>`. Twilio's limit for the voices that we use is 3000 (CONTRACT.md 3).
const MAX_SPOKEN: usize = 2_900;
/// Most URL-encoded bytes of one `<Say>`. Above 4500 Twilio logs warning 13521, "too long" (CONTRACT.md 3); how much it
/// then speaks is undocumented.
const MAX_SPOKEN_ENCODED: usize = 4_400;

/// A `TwiML` document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Twiml(pub Vec<Verb>);

/// One step of a document. After the last step Twilio hangs up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Speaks a text.
    Say(Say),
    /// Stays silent for this many seconds, at least 1.
    Pause(u32),
    /// Waits for keys.
    Gather(Gather),
    /// Calls a number and connects the calls.
    Dial(Dial),
    /// Continues with the document at this URL.
    Redirect(String),
    /// Hangs up.
    Hangup,
    /// Takes a payment.
    Pay(Box<Pay>),
    /// Rejects the incoming call.
    Reject {
        /// Whether the caller hears a busy tone.
        busy: bool,
    },
}

/// A text and the voice that speaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// Twilio's name of the voice.
    pub voice: &'static str,
    /// The language, such as `en-US`.
    pub language: &'static str,
    /// The text, before [`speech`] prepares it. A text that is too long for one `<Say>` is cut.
    pub text: String,
}

/// A wait for keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// URL to which Twilio posts the keys.
    pub action: String,
    /// Number of keys after which Twilio posts them.
    pub digits: u32,
    /// Seconds to wait after the nested steps, and between keys.
    pub timeout: u32,
    /// What is heard while Twilio waits for keys.
    pub nested: Vec<Sound>,
}

/// A step inside a [`Gather`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Speaks a text.
    Say(Say),
    /// Stays silent for this many seconds, at least 1.
    Pause(u32),
}

impl Sound {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say(say) => say.write(f),
            Self::Pause(seconds) => write!(f, r#"<Pause length="{}"/>"#, seconds.max(&1)),
        }
    }
}

/// A call to another number. It shows the caller's own number, because the next agent looks up the context by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// The number to call.
    pub number: String,
    /// URL of the next document, requested when that call is over.
    pub action: String,
    /// Ring time-out in seconds.
    pub timeout: u32,
}

/// A payment by card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pay {
    /// URL to which Twilio posts the result.
    pub action: String,
    /// Name of the pay connector.
    pub connector: String,
    /// Amount in US dollars, such as `42.00`; `None` tokenizes the card instead.
    pub charge: Option<String>,
    /// Description that the processor shows.
    pub description: String,
    /// Attempts of the caller, 1 to 3.
    pub max_attempts: u8,
    /// Seconds to wait between keys.
    pub timeout: u32,
    /// Language of Twilio's own prompts.
    pub language: &'static str,
    /// Prompts that replace Twilio's own.
    pub prompts: Vec<Prompt>,
    /// Parameters for the connector, as pairs of name and value.
    pub parameters: Vec<(&'static str, String)>,
}

/// A prompt at one step of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The step, such as `payment-card-number`.
    pub step: &'static str,
    /// The attempts with this prompt, such as `2 3`.
    pub attempts: &'static str,
    /// The text and its voice.
    pub say: Say,
}

impl fmt::Display for Twiml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The XML declaration must come first.
        f.write_str(r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#)?;
        self.0.iter().try_for_each(|verb| verb.write(f))?;
        f.write_str("</Response>")
    }
}

impl Verb {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say(say) => say.write(f),
            Self::Pause(seconds) => Sound::Pause(*seconds).write(f),
            Self::Gather(gather) => gather.write(f),
            Self::Dial(dial) => dial.write(f),
            Self::Redirect(url) => write!(f, r#"<Redirect method="POST">{}</Redirect>"#, Escaped(url)),
            Self::Hangup => f.write_str("<Hangup/>"),
            Self::Pay(pay) => pay.write(f),
            Self::Reject { busy: true } => f.write_str(r#"<Reject reason="busy"/>"#),
            Self::Reject { busy: false } => f.write_str(r#"<Reject reason="rejected"/>"#),
        }
    }
}

impl Say {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spoken = Language::ALL
            .into_iter()
            .find(|language| tag(*language) == self.language);
        let text = cut_to_limit(&speech::spoken(&self.text, spoken.unwrap_or_default()));
        // Twilio logs a warning for an empty <Say>.
        if !text.chars().any(is_xml) {
            return Ok(());
        }
        let (voice, language, text) = (Escaped(self.voice), Escaped(self.language), Escaped(&text));
        write!(f, r#"<Say voice="{voice}" language="{language}">{text}</Say>"#)
    }
}

/// `text`, cut to what one `<Say>` may have.
fn cut_to_limit(text: &str) -> String {
    let mut encoded = 0;
    let fits = |c: &char| {
        // In form encoding a letter, digit or space is one byte; any other byte becomes three.
        encoded += if c.is_ascii_alphanumeric() || *c == ' ' {
            1
        } else {
            3 * c.len_utf8()
        };
        encoded <= MAX_SPOKEN_ENCODED
    };
    text.trim().chars().take(MAX_SPOKEN).take_while(fits).collect()
}

impl Gather {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, digits, timeout) = (Escaped(&self.action), self.digits.max(1), self.timeout.max(1));
        write!(
            f,
            r#"<Gather input="dtmf" numDigits="{digits}" finishOnKey="" timeout="{timeout}" method="POST" action="{action}">"#
        )?;
        self.nested.iter().try_for_each(|sound| sound.write(f))?;
        f.write_str("</Gather>")
    }
}

impl Dial {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, number, timeout) = (Escaped(&self.action), Escaped(&self.number), self.timeout.max(1));
        write!(
            f,
            r#"<Dial action="{action}" method="POST" timeout="{timeout}"><Number>{number}</Number></Dial>"#
        )
    }
}

impl Pay {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"<Pay input="dtmf" action="{}" paymentMethod="credit-card" paymentConnector="{}" timeout="{}" maxAttempts="{}" language="{}""#,
            Escaped(&self.action),
            Escaped(&self.connector),
            self.timeout.max(1),
            self.max_attempts.clamp(1, 3),
            Escaped(self.language),
        )?;
        match &self.charge {
            Some(amount) => write!(f, r#" chargeAmount="{}" currency="usd""#, Escaped(amount))?,
            None => f.write_str(r#" tokenType="reusable""#)?,
        }
        write!(f, r#" description="{}">"#, Escaped(&self.description))?;
        for Prompt { step, attempts, say } in &self.prompts {
            write!(f, r#"<Prompt for="{}" attempt="{}">"#, Escaped(step), Escaped(attempts))?;
            say.write(f)?;
            f.write_str("</Prompt>")?;
        }
        for (name, value) in &self.parameters {
            write!(f, r#"<Parameter name="{}" value="{}"/>"#, Escaped(name), Escaped(value))?;
        }
        f.write_str("</Pay>")
    }
}

/// Escapes a text for XML content, or for an attribute in double quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                '\n' | '\r' | '\t' => f.write_char(' ')?,
                c if is_xml(c) => f.write_char(c)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether the character is allowed in XML 1.0. Control characters are excluded too: they carry no text.
fn is_xml(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Say {
        Say {
            voice: "Polly.Joanna-Neural",
            language: "en-US",
            text: text.into(),
        }
    }

    #[test]
    fn every_verb_matches_the_contract() {
        let pay = Pay {
            action: "https://a.example/p?x=1&y=2".into(),
            connector: "Default".into(),
            charge: Some("42.00".into()),
            description: "Two \"seats\"".into(),
            max_attempts: 9,
            timeout: 10,
            language: "en-US",
            prompts: vec![Prompt {
                step: "payment-card-number",
                attempts: "2 3",
                say: say("Again"),
            }],
            parameters: vec![("customer_id", "c<1>".into())],
        };
        let token = Pay {
            charge: None,
            prompts: vec![],
            parameters: vec![],
            ..pay.clone()
        };
        let gather = Gather {
            action: "https://a.example/k".into(),
            digits: 1,
            timeout: 10,
            nested: vec![Sound::Say(say("1 or 2?")), Sound::Pause(2)],
        };
        let dial = Dial {
            number: "+12025550177".into(),
            action: "https://a.example/h".into(),
            timeout: 30,
        };
        let twiml = Twiml(vec![
            Verb::Say(say("Tom & Ann's <b>")),
            Verb::Pause(0),
            Verb::Gather(gather),
            Verb::Pay(Box::new(pay)),
            Verb::Pay(Box::new(token)),
            Verb::Dial(dial),
            Verb::Redirect("https://a.example/?a&b".into()),
            Verb::Reject { busy: true },
            Verb::Reject { busy: false },
            Verb::Hangup,
        ]);
        let expected = [
            r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#,
            r#"<Say voice="Polly.Joanna-Neural" language="en-US">Tom and Ann&apos;s</Say>"#,
            r#"<Pause length="1"/>"#,
            r#"<Gather input="dtmf" numDigits="1" finishOnKey="" timeout="10" method="POST" action="https://a.example/k">"#,
            r#"<Say voice="Polly.Joanna-Neural" language="en-US">1 or 2?</Say><Pause length="2"/></Gather>"#,
            r#"<Pay input="dtmf" action="https://a.example/p?x=1&amp;y=2" paymentMethod="credit-card" paymentConnector="Default""#,
            r#" timeout="10" maxAttempts="3" language="en-US" chargeAmount="42.00" currency="usd" description="Two &quot;seats&quot;">"#,
            r#"<Prompt for="payment-card-number" attempt="2 3"><Say voice="Polly.Joanna-Neural" language="en-US">Again</Say></Prompt>"#,
            r#"<Parameter name="customer_id" value="c&lt;1&gt;"/></Pay>"#,
            r#"<Pay input="dtmf" action="https://a.example/p?x=1&amp;y=2" paymentMethod="credit-card" paymentConnector="Default""#,
            r#" timeout="10" maxAttempts="3" language="en-US" tokenType="reusable" description="Two &quot;seats&quot;"></Pay>"#,
            r#"<Dial action="https://a.example/h" method="POST" timeout="30"><Number>+12025550177</Number></Dial>"#,
            r#"<Redirect method="POST">https://a.example/?a&amp;b</Redirect>"#,
            r#"<Reject reason="busy"/><Reject reason="rejected"/><Hangup/></Response>"#,
        ];
        assert_eq!(twiml.to_string(), expected.concat());
    }

    #[test]
    fn say_drops_invalid_characters_and_empty_texts_and_cuts_long_ones() {
        let rendered = |text: &str| Twiml(vec![Verb::Say(say(text))]).to_string();
        assert!(rendered("a\u{0}\u{8}b\u{1b}c\u{FFFE}\nd\u{85}").contains(">a b c d</Say>"));
        for empty in ["", "  \n", "\u{0}"] {
            assert!(rendered(empty).ends_with("<Response></Response>"), "{empty:?}");
        }
        // Limited by characters, and by URL-encoded bytes.
        for (letter, most) in [("z", 2_900), ("ä", 4_400 / 6), ("座", 4_400 / 9)] {
            assert_eq!(
                rendered(&letter.repeat(5_000)).matches(letter).count(),
                most,
                "{letter}"
            );
        }
    }
}
