//! Twilio behind the seam: its words for a script, a call, and what comes of one.

use super::{Call, EndError, Ended, LookError, PlaceError, Spoken, Trace};
use crate::clock::Timestamp;
use crate::dispatch::employee::{Gender, Language};
use crate::dispatch::script::{Line, Script, Step};
use crate::dispatch::texts::tag;
use crate::dispatch::{CallReport, CallStatus, Sighting};
use crate::phone::PhoneNumber;
use crate::providers::twilio::calls::{ApiError, CreateCall, CreateError, Document, EndAction, MAX_INLINE, Twilio};
use crate::providers::twilio::status;
use crate::providers::twilio::twiml::{Gather, Say, Sound, Twiml, Verb};
use crate::providers::twilio::webhook::Form;

/// In the query of the URL at which keys are told: the call was picked up, and nothing has been said yet.
pub const BEGIN: &str = "begin";
/// How Twilio asks our URLs (`twilio.md` 6): a connection that is not made or lost, and an answer that says that it is our
/// fault, are no reason to give a key up. Three times 3.5 s for the answer and 1 s to connect are less than the 15 s that
/// Twilio has in all. Whoever presses a key waits so long at the most, and mostly not at all.
const TRIES: &str = "#ct=1000&rt=3500&rc=2&rp=ct,rt,5xx";

/// By how much Twilio's clock may be behind ours, in milliseconds.
const SKEW_MILLIS: i64 = 15_000;

/// An account with Twilio.
#[derive(Clone, Debug)]
pub struct TwilioAccount {
    /// Its API.
    pub client: Twilio,
    /// The number that calls come from.
    pub from: String,
    /// Milliseconds from one call to the next that it allows.
    pub call_interval: i64,
}

/// What is not read: a form without the fields that tell something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a status of a call nor a verdict about who picked up")]
pub(super) struct NoReport;

pub(super) fn keys(body: &[u8]) -> String {
    status::keys(&Form::parse(body))
}

pub(super) fn report(body: &[u8]) -> Result<CallReport, NoReport> {
    status::report(&Form::parse(body)).ok_or(NoReport)
}

/// An empty document: of JSON Twilio warns, whatever it says (`twilio.md` 2.2).
pub(super) fn acknowledged() -> Spoken {
    document(&Twiml::default())
}

pub(super) fn says(script: Script, keys_url: &str) -> Spoken {
    document(&twiml(script, &with_tries(keys_url)))
}

fn document(twiml: &Twiml) -> Spoken {
    Spoken {
        media_type: "text/xml; charset=utf-8",
        body: twiml.to_string(),
    }
}

fn with_tries(url: &str) -> String {
    format!("{url}{TRIES}")
}

/// The voice that speaks, and the language that it is told to speak.
///
/// Neural ones where there are two. The Spanish of Latin America is that of the United States here: Twilio knows no language
/// of that name, and has two neural voices for this one.
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

fn say(line: Line) -> Say {
    let (voice, language) = voice(line.language, line.gender);
    Say {
        voice,
        language,
        text: line.text,
    }
}

/// `script` as a document whose keys are told at `keys_url`. One that listens does so from its first moment to its last:
/// Twilio hears only the keys that a `<Gather>` waits for. A key interrupts whatever is said there.
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
    // It waits for keys once everything has been said: the silence at the end is that.
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
        meanwhile: sounds,
    })])
}

impl TwilioAccount {
    pub(super) async fn place(&self, call: Call<'_>) -> Result<String, PlaceError> {
        let Call {
            to,
            script,
            keys_url,
            status_url,
            ring_timeout,
            max_duration,
            ends_on_machine,
        } = call;
        let status_url = with_tries(&status_url);
        let twiml = twiml(script, &with_tries(&keys_url)).to_string();
        let document = if twiml.len() <= MAX_INLINE {
            Document::Inline(twiml)
        } else {
            Document::At(with_tries(&format!("{keys_url}?{BEGIN}=1")))
        };
        let request = CreateCall {
            from: &self.from,
            to,
            document,
            machine_url: ends_on_machine.then(|| status_url.clone()),
            status_url,
            ring_timeout,
            time_limit: max_duration,
        };
        self.client.create(request).await.map_err(|error| match error {
            CreateError::NotPlaced { why, detail } => PlaceError::NotPlaced { why, detail },
            CreateError::Unclear { detail } => PlaceError::Unclear { detail },
        })
    }

    pub(super) async fn end(&self, trace: &Trace) -> Result<Ended, EndError> {
        let Some(call_id) = trace.call_ids.last() else {
            return Ok(Ended::NotYet);
        };
        let speaks = trace.legs.iter().any(|(_, status)| *status == CallStatus::InProgress);
        let action = if speaks { EndAction::Complete } else { EndAction::Cancel };
        let ended = self.client.end_call(call_id, action).await;
        ended.map(|()| Ended::Over).map_err(|error| EndError(error.to_string()))
    }

    pub(super) async fn look(&self, call_id: &str) -> Result<Sighting, LookError> {
        let call = self.client.call(call_id).await.map_err(not_seen)?;
        Ok(call.ending().map_or(Sighting::Live, |ending| Sighting::Over {
            ending,
            // Twilio does not keep them: a key is told once, by webhook, or the person heard that it was not taken.
            keys: String::new(),
            machine: call.machine,
        }))
    }

    pub(super) async fn search(
        &self,
        to: &PhoneNumber,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Sighting, LookError> {
        let calls = self.client.calls_to(to).await.map_err(not_seen)?;
        // One whose time cannot be read may be it, and Twilio's clock may be behind ours; its times have no fractions.
        let from = from.plus_millis(-SKEW_MILLIS);
        let between = |at: Timestamp| (from..=until).contains(&at);
        let is_live = calls
            .iter()
            .any(|call| call.ending().is_none() && call.created_at.is_none_or(between));
        Ok(if is_live { Sighting::Live } else { Sighting::Nothing })
    }
}

fn not_seen(error: ApiError) -> LookError {
    LookError {
        passes: error.passes,
        detail: error.detail,
    }
}

#[cfg(test)]
mod tests;
