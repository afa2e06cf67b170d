//! Implements the provider-neutral interface for Twilio.

use super::{CallHistory, EndError, EndOutcome, LookupError, OutboundCall, PlaceError, ProviderResponse};
use crate::clock::Timestamp;
use crate::dispatch::employee::{Gender, Language};
use crate::dispatch::script::{Script, SpokenLine, Step};
use crate::dispatch::texts::tag;
use crate::dispatch::{CallLookup, CallReport, CallStatus};
use crate::phone::PhoneNumber;
use crate::providers::twilio::calls::{ApiError, CallDocument, CreateCall, CreateError, EndAction, MAX_INLINE, Twilio};
use crate::providers::twilio::status;
use crate::providers::twilio::twiml::{Gather, Say, Sound, Twiml, Verb};
use crate::providers::twilio::webhook::Form;

/// Query parameter of the keys URL. It marks the request for the first document, when the call was picked up and
/// nothing has been said yet.
pub const BEGIN_PARAM: &str = "begin";
/// How Twilio requests our URLs, as a URL fragment (twilio/CONTRACT.md 6). It retries twice if the connection fails or
/// times out and if we respond with 5xx, so that no key press is lost. Three tries of 3.5 s for the response and 1 s to
/// connect stay below Twilio's total of 15 s. That is the longest wait after a key press; normally there is none.
const RETRY_FRAGMENT: &str = "#ct=1000&rt=3500&rc=2&rp=ct,rt,5xx";

/// How far Twilio's clock may be behind ours, in milliseconds.
const SKEW_MILLIS: i64 = 15_000;

/// An account with Twilio.
#[derive(Clone, Debug)]
pub struct TwilioAccount {
    /// Client of the API.
    pub client: Twilio,
    /// The phone number that calls come from.
    pub from: String,
    /// Minimum interval between two calls, in milliseconds.
    pub call_interval: i64,
}

/// The form is neither a status callback nor a machine detection result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a call status nor a machine detection result")]
pub(super) struct NoReport;

pub(super) fn keys(body: &[u8]) -> String {
    status::keys(&Form::parse(body))
}

pub(super) fn report(body: &[u8]) -> Result<CallReport, NoReport> {
    status::parse_report(&Form::parse(body)).ok_or(NoReport)
}

/// An empty document. For JSON of any content Twilio logs a warning (twilio/CONTRACT.md 2.2).
pub(super) fn acknowledge() -> ProviderResponse {
    document(&Twiml::default())
}

pub(super) fn render(script: Script, keys_url: &str) -> ProviderResponse {
    document(&twiml(script, &with_retry_fragment(keys_url)))
}

fn document(twiml: &Twiml) -> ProviderResponse {
    ProviderResponse {
        media_type: "text/xml; charset=utf-8",
        body: twiml.to_string(),
    }
}

fn with_retry_fragment(url: &str) -> String {
    format!("{url}{RETRY_FRAGMENT}")
}

/// The voice for a language and gender, and Twilio's tag of the language.
///
/// Neural voices are used where both genders have one. Latin American Spanish maps to `es-US`: Twilio has no `es-LA`,
/// and `es-US` has two neural voices.
const fn voice(language: Language, gender: Gender) -> (&'static str, &'static str) {
    let (female, male) = match language {
        Language::EnUs => ("Polly.Joanna-Neural", "Polly.Matthew-Neural"),
        Language::DeDe => ("Polly.Vicki-Neural", "Polly.Daniel-Neural"),
        Language::FrFr => ("Polly.Lea-Neural", "Polly.Remi-Neural"),
        Language::ItIt => ("Polly.Bianca-Neural", "Polly.Adriano-Neural"),
        Language::PtBr => ("Polly.Camila-Neural", "Polly.Thiago-Neural"),
        Language::EsEs => ("Polly.Lucia-Neural", "Polly.Sergio-Neural"),
        Language::EsLa => ("Polly.Lupe-Neural", "Polly.Pedro-Neural"),
        Language::EnGb => ("Polly.Amy-Neural", "Polly.Brian-Neural"),
        Language::ElGr => ("Google.el-GR-Wavenet-A", "Google.el-GR-Wavenet-B"),
        Language::BgBg => ("Google.bg-BG-Standard-A", "Google.bg-BG-Standard-B"),
        Language::PlPl => ("Polly.Ola-Neural", "Polly.Jacek"),
        Language::HuHu => ("Google.hu-HU-Wavenet-A", "Google.hu-HU-Standard-B"),
        Language::SvSe => ("Polly.Elin-Neural", "Google.sv-SE-Wavenet-C"),
        Language::RuRu => ("Polly.Tatyana", "Polly.Maxim"),
    };
    let voice = match gender {
        Gender::Female => female,
        Gender::Male => male,
    };
    let language = match language {
        Language::EsLa => "es-US",
        other => tag(other),
    };
    (voice, language)
}

fn say(line: SpokenLine) -> Say {
    let (voice, language) = voice(line.language, line.gender);
    Say {
        voice,
        language,
        text: line.text,
    }
}

/// Renders `script` as a document whose keys are posted to `keys_url`. A script that listens becomes one `<Gather>`
/// from start to end, because Twilio reports only keys that a `<Gather>` waits for. A key interrupts any text inside
/// it.
fn twiml(script: Script, keys_url: &str) -> Twiml {
    let listens = script.steps.contains(&Step::Listen);
    let sound = |step| match step {
        Step::Say { line, .. } => Some(Sound::Say(say(line))),
        Step::Silence { seconds } => Some(Sound::Pause(seconds)),
        Step::Listen => None,
    };
    let mut sounds: Vec<Sound> = script.steps.into_iter().filter_map(sound).collect();
    if !listens {
        let verb = |sound| match sound {
            Sound::Say(say) => Verb::Say(say),
            Sound::Pause(seconds) => Verb::Pause(seconds),
        };
        return Twiml(sounds.into_iter().map(verb).collect());
    }
    // <Gather> waits for keys after its last nested step. A silence at the end of the script becomes that time-out.
    let timeout = match sounds.last() {
        Some(Sound::Pause(seconds)) => *seconds,
        _ => 1,
    };
    if matches!(sounds.last(), Some(Sound::Pause(_))) {
        sounds.pop();
    }
    Twiml(vec![Verb::Gather(Gather {
        action: keys_url.to_owned(),
        digits: 1,
        timeout,
        nested: sounds,
    })])
}

impl TwilioAccount {
    pub(super) async fn place(&self, call: OutboundCall<'_>) -> Result<String, PlaceError> {
        let OutboundCall {
            to,
            script,
            keys_url,
            status_url,
            ring_timeout,
            max_duration,
            hang_up_on_machine,
        } = call;
        let status_url = with_retry_fragment(&status_url);
        let twiml = twiml(script, &with_retry_fragment(&keys_url)).to_string();
        let document = if twiml.len() <= MAX_INLINE {
            CallDocument::Inline(twiml)
        } else {
            CallDocument::Url(with_retry_fragment(&format!("{keys_url}?{BEGIN_PARAM}=1")))
        };
        let request = CreateCall {
            from: &self.from,
            to,
            document,
            machine_detection_url: hang_up_on_machine.then(|| status_url.clone()),
            status_url,
            ring_timeout,
            time_limit: max_duration,
        };
        self.client.create(request).await.map_err(|error| match error {
            CreateError::NotPlaced { reason, detail } => PlaceError::NotPlaced { reason, detail },
            CreateError::Unclear { detail } => PlaceError::Unclear { detail },
        })
    }

    pub(super) async fn end(&self, history: &CallHistory) -> Result<EndOutcome, EndError> {
        let Some(call_id) = history.call_ids.last() else {
            return Ok(EndOutcome::NoCallId);
        };
        let is_answered = history.legs.iter().any(|(_, status)| *status == CallStatus::InProgress);
        let action = if is_answered {
            EndAction::Complete
        } else {
            EndAction::Cancel
        };
        let ended = self.client.end_call(call_id, action).await;
        ended
            .map(|()| EndOutcome::Over)
            .map_err(|error| EndError(error.to_string()))
    }

    pub(super) async fn look_up(&self, call_id: &str) -> Result<CallLookup, LookupError> {
        let call = self.client.call(call_id).await.map_err(lookup_error)?;
        Ok(call.ending().map_or(CallLookup::Live, |ending| CallLookup::Over {
            ending,
            // Twilio does not store keys. It reports a key once, by webhook; if that failed, the employee heard an
            // error.
            keys: String::new(),
            machine: call.machine,
        }))
    }

    pub(super) async fn search(
        &self,
        to: &PhoneNumber,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<CallLookup, LookupError> {
        let calls = self.client.calls_to(to).await.map_err(lookup_error)?;
        // A call without a readable time counts, because it may be the one. Twilio's clock may be behind ours, and its
        // times have no fractions.
        let from = from.plus_millis(-SKEW_MILLIS);
        let between = |at: Timestamp| (from..=until).contains(&at);
        let is_live = calls
            .iter()
            .any(|call| call.ending().is_none() && call.created_at.is_none_or(between));
        Ok(if is_live { CallLookup::Live } else { CallLookup::Unknown })
    }
}

fn lookup_error(error: ApiError) -> LookupError {
    LookupError {
        is_transient: error.is_transient,
        detail: error.detail,
    }
}

#[cfg(test)]
mod tests;
