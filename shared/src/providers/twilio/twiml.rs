//! The documents that tell Twilio what to do with a call. Only the verbs and attributes that the contract has
//! (`twilio.md` 3 and 4.1) can be written.

use std::fmt::{self, Write as _};

use crate::dispatch::employee::Language;
use crate::dispatch::texts::tag;
use crate::speech;

/// Most characters that one `<Say>` speaks: 3000 for the voices that we use (`twilio.md` 3).
const MAX_SPOKEN: usize = 2_900;
/// Most bytes of them in a URL: of more than 4500 Twilio warns that it is too long (`twilio.md` 3, 13521), whatever it
/// then speaks.
const MAX_SPOKEN_ENCODED: usize = 4_400;

/// A document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Twiml(pub Vec<Verb>);

/// One thing to do. Whatever comes after the last one: Twilio hangs up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Speak.
    Say(Say),
    /// Be silent for so many seconds, 1 or more.
    Pause(u32),
    /// Wait for keys.
    Gather(Gather),
    /// Call somebody and join the calls.
    Dial(Dial),
    /// Go on with the document at this URL.
    Redirect(String),
    /// Hang up.
    Hangup,
    /// Take a payment.
    Pay(Box<Pay>),
    /// Do not pick up; with `busy`, say that we are.
    Reject {
        /// Whether the caller hears that we are busy.
        busy: bool,
    },
}

/// A text and the voice that speaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// The voice, as Twilio calls it.
    pub voice: &'static str,
    /// The language, such as `en-US`.
    pub language: &'static str,
    /// What is said, once it has gone through [`speech`]. Longer texts than a `<Say>` may have are cut.
    pub text: String,
}

/// Keys that are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Where the keys go.
    pub action: String,
    /// How many keys are taken.
    pub digits: u32,
    /// Seconds of waiting after the last word, or from key to key.
    pub timeout: u32,
    /// What is said meanwhile, and how long nothing is.
    pub meanwhile: Vec<Sound>,
}

/// What can be heard while keys are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// A text.
    Say(Say),
    /// Nothing, for so many seconds, 1 or more.
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

/// Somebody to call. The caller's own number is shown, for the next agent finds the context by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// The number.
    pub number: String,
    /// Where Twilio goes on when that call is over.
    pub action: String,
    /// Seconds that it rings at most.
    pub timeout: u32,
}

/// A payment to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pay {
    /// Where the result goes.
    pub action: String,
    /// Name of the pay connector.
    pub connector: String,
    /// Dollars, such as `42.00`; none makes the card a token instead.
    pub charge: Option<String>,
    /// What it is for, as the processor shows it.
    pub description: String,
    /// How often the caller may try: 1 to 3.
    pub max_attempts: u8,
    /// Seconds from key to key.
    pub timeout: u32,
    /// The language of what Twilio says by itself.
    pub language: &'static str,
    /// What is said instead.
    pub prompts: Vec<Prompt>,
    /// What is handed to the connector.
    pub parameters: Vec<(&'static str, String)>,
}

/// What is said at one step of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The step, such as `payment-card-number`.
    pub step: &'static str,
    /// In which attempts, such as `2 3`.
    pub attempts: &'static str,
    /// What is said.
    pub say: Say,
}

impl fmt::Display for Twiml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing may stand before the declaration.
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
        let text = speakable(&speech::spoken(&self.text, spoken.unwrap_or_default()));
        // Twilio warns of an empty one.
        if !text.chars().any(is_xml) {
            return Ok(());
        }
        let (voice, language, text) = (Escaped(self.voice), Escaped(self.language), Escaped(&text));
        write!(f, r#"<Say voice="{voice}" language="{language}">{text}</Say>"#)
    }
}

/// The beginning of `text` that Twilio speaks.
fn speakable(text: &str) -> String {
    let mut encoded = 0;
    let fits = |c: &char| {
        // As a form has it: letters, digits and blanks are one byte, every byte of anything else is three.
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
        self.meanwhile.iter().try_for_each(|sound| sound.write(f))?;
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

/// A text inside XML, or inside an attribute in double quotes.
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

/// Whether XML 1.0 can have this character, and nobody would miss it otherwise.
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
    fn every_verb_is_written_as_the_contract_has_it() {
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
            meanwhile: vec![Sound::Say(say("1 or 2?")), Sound::Pause(2)],
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
    fn what_xml_cannot_have_is_left_out_and_nothing_empty_or_endless_is_said() {
        let shown = |text: &str| Twiml(vec![Verb::Say(say(text))]).to_string();
        assert!(shown("a\u{0}\u{8}b\u{1b}c\u{FFFE}\nd\u{85}").contains(">a b c d</Say>"));
        for empty in ["", "  \n", "\u{0}"] {
            assert!(shown(empty).ends_with("<Response></Response>"), "{empty:?}");
        }
        // By characters, and by what they are in a URL.
        for (letter, most) in [("z", 2_900), ("ä", 4_400 / 6), ("座", 4_400 / 9)] {
            assert_eq!(shown(&letter.repeat(5_000)).matches(letter).count(), most, "{letter}");
        }
    }
}
