//! What is called back: statuses, verdicts of machine detection, and requests for documents (`twilio.md` 2, 6).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::super::posting::{self, Letter};
use super::super::{ACCOUNT, RequestRecord, Twilio};
use super::api::rfc_2822;
use super::order::Event;
use super::records::{OutboundCall, Status, Webhook, WebhookKind};
use super::switches::Sequence;
use crate::exchange::{CallId, EndedBy};
use crate::journal::JournalError;
use crate::mishaps::{Fate, take_planned};

/// How long after its successor an overtaken callback leaves.
const OVERTAKEN_BY: Duration = Duration::from_millis(150);
/// The longest that anybody waits for a document, whatever a fragment says.
const DOCUMENT_DEADLINE: Duration = Duration::from_secs(15);
/// More tries than there can be.
const MOST_TRIES: usize = 6;

/// Where the journal has callbacks that are on their way.
const SECTION: &str = "twilio/webhook";

pub(super) type Fields = Vec<(String, String)>;

/// A webhook, ready to be sent.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) call: CallId,
    pub(super) kind: WebhookKind,
    url: String,
    form: Fields,
    /// The same for all tries and duplicates.
    token: String,
}

/// The event that a status belongs to.
const fn event_of(status: Status) -> Option<Event> {
    match status {
        Status::Queued => None,
        Status::Initiated => Some(Event::Initiated),
        Status::Ringing => Some(Event::Ringing),
        Status::InProgress => Some(Event::Answered),
        _ => Some(Event::Completed),
    }
}

const fn sip_code(status: Status, by: EndedBy) -> u16 {
    match (status, by) {
        (Status::Completed, _) => 200,
        (Status::Busy, EndedBy::Employee) => 603,
        (Status::Busy, _) => 486,
        (Status::Failed, _) => 404,
        _ => 487,
    }
}

/// What Twilio warns of in an answer to a status callback (2.2): it takes 204, or 200 with a document. An answer that
/// never came, or says that something is broken here, is no answer of a handler.
fn warning(answer: &RequestRecord) -> Option<String> {
    let is_document = answer.content_type.starts_with("text/xml") && answer.body.contains("<Response");
    let is_fine = match answer.status {
        200 => is_document,
        0 | 204 | 500.. => true,
        _ => false,
    };
    let RequestRecord {
        status, content_type, ..
    } = answer;
    (!is_fine).then(|| format!("a status callback was answered with {status} {content_type}"))
}

impl Twilio {
    /// The fields of every request about a call (2.1).
    fn common(record: &OutboundCall, status: Status) -> Fields {
        [
            ("AccountSid", ACCOUNT),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &record.sid),
            ("CallStatus", status.as_str()),
            ("Called", &record.to),
            ("CalledCity", ""),
            ("Caller", &record.from),
            ("Direction", "outbound-api"),
            ("From", &record.from),
            ("FromCity", "WASHINGTON & CO"),
            ("SomethingNew", "100% +ü"),
            ("To", &record.to),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Tells a status, if the request wanted to be told.
    pub(super) fn call_back(&self, call: CallId, status: Status, by: EndedBy) {
        let (now, switches) = (self.now(), self.switches().calls);
        let envelope = {
            let mut state = self.out();
            let Some(leg) = state.leg_mut(call) else { return };
            let (Some(url), Some(event)) = (leg.order.status_url.clone(), event_of(status)) else {
                return;
            };
            let wanted = leg.order.events.contains(&event);
            if !wanted || (status == Status::Initiated && !switches.initiated_is_told) {
                return;
            }
            let number = match switches.sequence {
                Sequence::Sent => leg.sent,
                Sequence::Events => event as u32,
                Sequence::Nothing => 0,
            };
            leg.sent += 1;
            let mut form = Self::common(&leg.record, status);
            let mut add = |name: &str, value: String| form.push((name.to_owned(), value));
            add("Timestamp", rfc_2822(now));
            add("CallbackSource", "call-progress-events".to_owned());
            add("SequenceNumber", number.to_string());
            if status.is_final() {
                let seconds = leg.record.seconds(now);
                add("CallDuration", seconds.to_string());
                add("Duration", seconds.div_ceil(60).to_string());
                add("SipResponseCode", sip_code(status, by).to_string());
            }
            if status == Status::Failed && switches.failed_says_why {
                add("ErrorCode", "32017".to_owned());
                add("ErrorMessage", "The carrier did not take the call".to_owned());
            }
            if let Some(who) = leg
                .record
                .answered_by
                .clone()
                .filter(|_| switches.answered_by_on_callbacks)
            {
                add("AnsweredBy", who);
            }
            state.keep(call);
            let token = state.rng.uuid();
            Envelope {
                call,
                kind: WebhookKind::Status(status),
                url,
                form,
                token,
            }
        };
        self.tell(envelope, status.is_final());
    }

    /// Tells the verdict of machine detection (2.3).
    pub(super) fn tell_verdict(&self, call: CallId, who: &str, after: Duration) {
        let envelope = {
            let mut state = self.out();
            let token = state.rng.uuid();
            let Some(leg) = state.leg(call) else { return };
            let detection = leg.order.detection.as_ref();
            let Some(url) = detection.and_then(|detection| detection.callback.clone()) else {
                return;
            };
            let form = [
                ("AccountSid", ACCOUNT.to_owned()),
                ("AnsweredBy", who.to_owned()),
                ("CallSid", leg.record.sid.clone()),
                ("MachineDetectionDuration", after.as_millis().to_string()),
            ];
            Envelope {
                call,
                kind: WebhookKind::Detection,
                url,
                form: form.map(|(name, value)| (name.to_owned(), value)).to_vec(),
                token,
            }
        };
        self.tell(envelope, false);
    }

    /// Requests a document, and gives the answer: that there is none, when it does not come in time.
    pub(super) fn ask(&self, call: CallId, url: &str, fields: Fields) -> oneshot::Receiver<RequestRecord> {
        let (answer, reply) = oneshot::channel();
        let form = {
            let state = self.out();
            let Some(leg) = state.leg(call) else { return reply };
            let status = leg.record.status();
            let mut form = Self::common(&leg.record, status);
            form.extend(fields);
            form
        };
        let envelope = Envelope {
            call,
            kind: WebhookKind::Document,
            url: url.to_owned(),
            form,
            token: self.out().rng.uuid(),
        };
        let fate = self.fate(envelope.kind);
        let (url, form) = (envelope.url.clone(), envelope.form.clone());
        let (came, comes) = oneshot::channel();
        if fate.lost_for_good {
            self.record(&envelope);
        } else {
            if let Some(after) = fate.duplicate {
                self.deliver(
                    envelope.clone(),
                    Fate {
                        delay: fate.delay + after,
                        ..Fate::default()
                    },
                    None,
                );
            }
            self.deliver(envelope, fate, Some(came));
        }
        let twilio = self.clone();
        tokio::spawn(async move {
            // In this order always: chance must not decide between the two when both are ready.
            let record = tokio::select! {
                biased;
                Ok(record) = comes => record,
                () = twilio.0.clock.sleep(DOCUMENT_DEADLINE) => RequestRecord {
                    url,
                    form,
                    status: 0,
                    content_type: String::new(),
                    body: String::new(),
                    took: DOCUMENT_DEADLINE,
                },
            };
            // The call may be over.
            let _ = answer.send(record);
        });
        reply
    }

    /// A callback leaves, and with it those that it was to overtake.
    fn tell(&self, envelope: Envelope, last: bool) {
        let mut fate = self.fate(envelope.kind);
        if fate.lost_for_good {
            self.record(&envelope);
            return;
        }
        let scatter = self.switches().calls.callbacks_scatter;
        if !scatter.is_zero() {
            fate.delay += self.out().rng.between(Duration::ZERO, scatter);
        }
        let held = {
            let mut state = self.out();
            let Some(leg) = state.leg_mut(envelope.call) else {
                return;
            };
            // Nothing comes after the last one that could overtake it.
            if fate.held && !last && leg.record.ended_at.is_none() {
                leg.held.push(envelope);
                return;
            }
            std::mem::take(&mut leg.held)
        };
        let delayed = |delay| Fate {
            delay,
            ..Fate::default()
        };
        if let Some(after) = fate.duplicate {
            self.deliver(envelope.clone(), delayed(fate.delay + after), None);
        }
        let after_it = delayed(fate.delay + OVERTAKEN_BY);
        self.deliver(envelope, fate, None);
        for overtaken in held {
            self.deliver(overtaken, after_it, None);
        }
    }

    /// No further callback of this call follows: those that wait for one leave now.
    pub(super) fn release(&self, call: CallId) {
        let held = self.out().leg_mut(call).map(|leg| std::mem::take(&mut leg.held));
        for envelope in held.unwrap_or_default() {
            let delay = OVERTAKEN_BY;
            self.deliver(
                envelope,
                Fate {
                    delay,
                    ..Fate::default()
                },
                None,
            );
        }
    }

    fn fate(&self, kind: WebhookKind) -> Fate {
        let mut guard = self.out();
        let state = &mut *guard;
        if let Some(fault) = take_planned(&mut state.scripted_webhooks, |target| target.fits(kind)) {
            return fault.into();
        }
        let faults = match kind {
            WebhookKind::Status(_) => &state.faults.status,
            WebhookKind::Document => &state.faults.documents,
            WebhookKind::Detection => &state.faults.detection,
        };
        faults.draw(&mut state.rng)
    }

    /// Begins to deliver a webhook.
    fn deliver(&self, envelope: Envelope, fate: Fate, answer: Option<oneshot::Sender<RequestRecord>>) {
        let (journal, entry) = {
            let mut state = self.out();
            state.posted += 1;
            (state.journal.clone(), format!("{:020}", state.posted))
        };
        // A document has nobody to be spoken to when this process is gone.
        let is_kept = envelope.kind != WebhookKind::Document;
        if is_kept {
            journal.put(SECTION, &entry, &envelope);
        }
        let letter = self.letter(&envelope, fate);
        let twilio = self.clone();
        tokio::spawn(async move {
            twilio.0.clock.sleep(fate.delay).await;
            let place = twilio.record(&envelope);
            let (record, tries) = posting::post(&twilio, &letter).await;
            if let Some(webhook) = twilio.out().webhooks.get_mut(place) {
                webhook.tries = tries;
                webhook.status = (record.status != 0).then_some(record.status);
            }
            if let (WebhookKind::Status(_), Some(fault)) = (envelope.kind, warning(&record))
                && let Some(leg) = twilio.out().leg_mut(envelope.call)
            {
                leg.record.failures.push(fault);
            }
            if let Some(answer) = answer {
                // Nobody may wait for it any more.
                let _ = answer.send(record);
            }
            if is_kept {
                journal.remove(SECTION, &entry);
            }
        });
    }

    /// The same token for the whole delivery and its duplicates, unless a switch says otherwise.
    fn letter(&self, envelope: &Envelope, fate: Fate) -> Letter {
        let varies = self.switches().calls.token_varies;
        let mut state = self.out();
        let tokens = if varies {
            (0..MOST_TRIES).map(|_| state.rng.uuid()).collect()
        } else {
            vec![envelope.token.clone()]
        };
        let faults = match envelope.kind {
            WebhookKind::Status(_) => state.faults.status.clone(),
            WebhookKind::Document => state.faults.documents.clone(),
            WebhookKind::Detection => state.faults.detection.clone(),
        };
        let later = (1..MOST_TRIES).map(|_| faults.draw_attempt(&mut state.rng));
        let fates = std::iter::once(fate.first).chain(later).collect();
        Letter {
            url: envelope.url.clone(),
            form: envelope.form.clone(),
            tokens,
            fates,
        }
    }

    /// Goes on with the callbacks that were on their way when the process before this one ended.
    pub(super) fn post_the_rest(&self) -> Result<(), JournalError> {
        let journal = self.out().journal.clone();
        let rest = journal.all::<Envelope>(SECTION)?;
        let newest = rest.last().and_then(|(entry, _)| entry.parse().ok());
        self.out().posted = newest.unwrap_or_default();
        for (entry, envelope) in rest {
            self.deliver(envelope, Fate::default(), None);
            journal.remove(SECTION, &entry);
        }
        Ok(())
    }

    fn record(&self, envelope: &Envelope) -> usize {
        let at = self.now();
        let mut state = self.out();
        state.webhooks.push(Webhook {
            at,
            call: envelope.call,
            kind: envelope.kind,
            url: envelope.url.clone(),
            form: envelope.form.clone(),
            tries: 0,
            status: None,
        });
        state.webhooks.len() - 1
    }
}
