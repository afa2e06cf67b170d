//! Parses and validates the fields of a create request (twilio/CONTRACT.md 1.2).

use std::ops::RangeInclusive;

use patchbay::phone::PhoneNumber;
use patchbay::providers::twilio::webhook::Form;
use serde::{Deserialize, Serialize};
use url::Url;

use super::super::Switches;
use super::switches::{BadEvent, TwimlCounted};

/// Fields with an effect.
const KNOWN: [&str; 21] = [
    "To",
    "From",
    "Url",
    "Twiml",
    "Method",
    "FallbackUrl",
    "FallbackMethod",
    "StatusCallback",
    "StatusCallbackMethod",
    "StatusCallbackEvent",
    "Timeout",
    "TimeLimit",
    "MachineDetection",
    "MachineDetectionTimeout",
    "MachineDetectionSpeechThreshold",
    "MachineDetectionSpeechEndThreshold",
    "MachineDetectionSilenceTimeout",
    "AsyncAmd",
    "AsyncAmdStatusCallback",
    "AsyncAmdStatusCallbackMethod",
    "CallReason",
];
/// Maximum length of the URL of a status callback.
const LONGEST_URL: usize = 4_000;
/// The code of errors that have none in the contract.
pub(super) const BAD_REQUEST: u32 = 20_001;

/// A valid create request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) to: String,
    pub(super) from: String,
    pub(super) source: Source,
    pub(super) fallback_url: Option<String>,
    pub(super) status_url: Option<String>,
    pub(super) events: Vec<Event>,
    pub(super) ring_seconds: u32,
    pub(super) talk_seconds: Option<u32>,
    pub(super) detection: Option<Detection>,
}

/// The source of the first document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Source {
    Inline(String),
    /// Fetched when the call is answered.
    At(String),
}

/// An event of a call that may cause a status callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Event {
    Initiated,
    Ringing,
    Answered,
    Completed,
}

impl Event {
    fn named(name: &str) -> Option<Self> {
        match name {
            "initiated" => Some(Self::Initiated),
            "ringing" => Some(Self::Ringing),
            "answered" => Some(Self::Answered),
            "completed" => Some(Self::Completed),
            _ => None,
        }
    }
}

/// The parameters of machine detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Detection {
    /// `DetectMessageEnd`.
    pub(super) at_message_end: bool,
    pub(super) seconds: u32,
    /// Whether documents run without waiting for the result.
    pub(super) is_async: bool,
    pub(super) callback: Option<String>,
}

/// The error code and message of a rejected request.
pub(super) type Refusal = (u32, String);

fn refuse<T>(code: u32, message: impl Into<String>) -> Result<T, Refusal> {
    Err((code, message.into()))
}

/// Parses a form, and notes fields without effect.
pub(super) struct Reader<'a> {
    form: &'a Form,
    switches: &'a Switches,
    pub(super) ignored: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(form: &'a Form, switches: &'a Switches) -> Self {
        Self {
            form,
            switches,
            ignored: Vec::new(),
        }
    }

    pub(super) fn read(&mut self, numbers: &[String]) -> Result<Order, Refusal> {
        self.note_fields(&KNOWN, &["StatusCallbackEvent"]);
        let (to, from) = self.numbers(numbers)?;
        let source = self.source()?;
        let fallback_url = self.url("FallbackUrl", 21_205)?;
        let (status_url, events) = self.callbacks()?;
        let ring_seconds = self.integer("Timeout", &(1..=600), 21_208)?.unwrap_or(60);
        let talk_seconds = self.integer("TimeLimit", &(1..=86_400), BAD_REQUEST)?;
        let detection = self.detection()?;
        for name in [
            "Method",
            "FallbackMethod",
            "StatusCallbackMethod",
            "AsyncAmdStatusCallbackMethod",
        ] {
            self.method(name)?;
        }
        Ok(Order {
            to,
            from,
            source,
            fallback_url,
            status_url,
            events,
            ring_seconds,
            talk_seconds,
            detection,
        })
    }

    /// Notes unknown, mis-cased and repeated fields.
    pub(super) fn note_fields(&mut self, known: &[&str], repeatable: &[&str]) {
        let mut seen: Vec<&str> = Vec::new();
        for (name, _) in self.form.fields() {
            if !known.contains(&name) {
                self.ignored.push(format!("{name}: unknown field, no effect"));
            } else if seen.contains(&name) && !repeatable.contains(&name) {
                self.ignored.push(format!("{name}: repeated"));
            }
            seen.push(name);
        }
    }

    fn numbers(&self, ours: &[String]) -> Result<(String, String), Refusal> {
        let is_number = |text: &str| PhoneNumber::parse(text).is_ok_and(|number| number.as_str() == text);
        let Some(to) = self.form.get("To") else {
            return refuse(21_201, "No 'To' number is specified");
        };
        let Some(from) = self.form.get("From") else {
            return refuse(21_213, "No 'From' number is specified");
        };
        if !is_number(to) || to == from {
            return refuse(
                21_211,
                format!("The phone number you are attempting to call, {to}, is not valid."),
            );
        }
        if !is_number(from) {
            return refuse(
                21_212,
                format!("The source phone number provided, {from}, is not valid."),
            );
        }
        if !ours.iter().any(|number| number == from) {
            return refuse(
                21_210,
                format!("The source phone number provided, {from}, is not yet verified."),
            );
        }
        Ok((to.to_owned(), from.to_owned()))
    }

    fn source(&mut self) -> Result<Source, Refusal> {
        let twiml = self.form.get("Twiml").map(str::to_owned);
        if let Some(url) = self.url("Url", 21_205)? {
            if twiml.is_some() {
                self.ignored.push("Twiml: ignored because Url is set".to_owned());
            }
            return Ok(Source::At(url));
        }
        match twiml {
            Some(twiml) => self.inline(twiml),
            None => refuse(21_205, "Url parameter is required."),
        }
    }

    /// Inline `TwiML` within the maximum length.
    pub(super) fn inline(&self, twiml: String) -> Result<Source, Refusal> {
        let switches = &self.switches.calls;
        let length = match switches.twiml_counted {
            TwimlCounted::Characters => twiml.chars().count(),
            TwimlCounted::Bytes => twiml.len(),
        };
        if length > switches.twiml_limit {
            return refuse(
                BAD_REQUEST,
                format!("Twiml may not be longer than {}", switches.twiml_limit),
            );
        }
        Ok(Source::Inline(twiml))
    }

    fn callbacks(&mut self) -> Result<(Option<String>, Vec<Event>), Refusal> {
        let status_url = self.url("StatusCallback", 21_609)?;
        let is_bad = |url: &String| url.len() > LONGEST_URL || host_of(url).contains('_');
        if status_url.as_ref().is_some_and(is_bad) {
            return refuse(21_609, "The 'StatusCallback' URL is not valid");
        }
        let named: Vec<&str> = self
            .form
            .fields()
            .filter(|(name, _)| *name == "StatusCallbackEvent")
            .map(|(_, value)| value)
            .collect();
        if status_url.is_none() && !named.is_empty() {
            self.ignored
                .push("StatusCallbackEvent: without StatusCallback".to_owned());
        }
        if named.is_empty() {
            return Ok((status_url, vec![Event::Completed]));
        }
        let mut events = Vec::new();
        for name in named {
            match Event::named(name) {
                Some(event) => events.push(event),
                None if self.switches.calls.bad_event == BadEvent::Refused => {
                    return refuse(21_626, format!("Invalid StatusCallbackEvents: {name}"));
                }
                None => self
                    .ignored
                    .push(format!("StatusCallbackEvent: unknown event {name:?} (21626)")),
            }
        }
        Ok((status_url, events))
    }

    fn detection(&mut self) -> Result<Option<Detection>, Refusal> {
        let at_message_end = match self.form.get("MachineDetection") {
            None => {
                self.note_unused_detection();
                return Ok(None);
            }
            Some("Enable") => false,
            Some("DetectMessageEnd") => true,
            Some(other) => return refuse(21_234, format!("MachineDetection {other:?} is not valid")),
        };
        let longest = self.switches.calls.longest_detection;
        let seconds = self.integer("MachineDetectionTimeout", &(3..=longest), 21_234)?;
        self.integer("MachineDetectionSpeechThreshold", &(1_000..=6_000), 21_234)?;
        self.integer("MachineDetectionSpeechEndThreshold", &(500..=5_000), 21_234)?;
        self.integer("MachineDetectionSilenceTimeout", &(2_000..=10_000), 21_234)?;
        let is_async = match self.form.get("AsyncAmd") {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return refuse(21_234, format!("AsyncAmd {other:?} is not valid")),
        };
        let callback = self.url("AsyncAmdStatusCallback", 21_234)?;
        if is_async && callback.is_none() {
            self.ignored
                .push("AsyncAmd: without AsyncAmdStatusCallback (21262)".to_owned());
        }
        if !is_async && callback.is_some() {
            self.ignored.push("AsyncAmdStatusCallback: without AsyncAmd".to_owned());
        }
        Ok(Some(Detection {
            at_message_end,
            seconds: seconds.unwrap_or(30),
            is_async,
            callback: callback.filter(|_| is_async),
        }))
    }

    fn note_unused_detection(&mut self) {
        let fields = self.form.fields().map(|(name, _)| name);
        let idle = fields.filter(|name| name.starts_with("AsyncAmd") || name.starts_with("MachineDetection"));
        let idle: Vec<String> = idle
            .map(|name| format!("{name}: without MachineDetection (21263)"))
            .collect();
        self.ignored.extend(idle);
    }

    /// A field with an absolute URL.
    pub(super) fn url(&self, name: &str, code: u32) -> Result<Option<String>, Refusal> {
        let Some(text) = self.form.get(name) else {
            return Ok(None);
        };
        let is_valid = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if is_valid {
            Ok(Some(text.to_owned()))
        } else {
            refuse(code, format!("{name} is not a valid URL: {text}"))
        }
    }

    /// An integer field in a range.
    pub(super) fn integer(&self, name: &str, range: &RangeInclusive<u32>, code: u32) -> Result<Option<u32>, Refusal> {
        let Some(text) = self.form.get(name) else {
            return Ok(None);
        };
        match text.parse::<u32>().ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => refuse(
                code,
                format!("{name} must be from {} to {}, not {text}", range.start(), range.end()),
            ),
        }
    }

    fn method(&mut self, name: &str) -> Result<(), Refusal> {
        match self.form.get(name) {
            None | Some("POST") => Ok(()),
            Some("GET") => {
                self.ignored.push(format!("{name}: the simulator only supports POST"));
                Ok(())
            }
            Some(other) => refuse(BAD_REQUEST, format!("{name} {other:?} is not valid")),
        }
    }
}

fn host_of(url: &str) -> String {
    let url = Url::parse(url).ok();
    url.and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default()
}
