//! Webhooks: status callbacks, results of machine detection, and requests for documents (twilio/CONTRACT.md 2, 6).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::super::posting::{self, OutgoingRequest};
use super::super::{ACCOUNT, RequestRecord, Twilio};
use super::api::rfc_2822;
use super::order::Event;
use super::records::{OutboundCall, Status, Webhook, WebhookKind};
use super::switches::Sequence;
use crate::exchange::{CallId, EndedBy};
use crate::journal::JournalError;
use crate::webhook_faults::{DrawnFaults, take_planned};

/// How long after its successor a reordered callback is sent.
const OVERTAKEN_BY: Duration = Duration::from_millis(150);
/// Time-out of a request for a document, regardless of the fragment.
const DOCUMENT_DEADLINE: Duration = Duration::from_secs(15);
/// The maximum number of tries: five retries.
const MOST_TRIES: usize = 6;

/// The journal section of callbacks in delivery.
const SECTION: &str = "twilio/webhook";

pub(super) type Fields = Vec<(String, String)>;

/// A webhook to send.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OutgoingWebhook {
    pub(super) call: CallId,
    pub(super) kind: WebhookKind,
    url: String,
    form: Fields,
    /// The idempotency token, the same for all tries and duplicates.
    token: String,
}

/// The event of a status.
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

/// Twilio's warning about the response to a status callback (2.2), if any: it accepts 204, or 200 with a document. Lost
/// responses and 5xx are no warning, because our handler did not produce them.
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
    (!is_fine).then(|| format!("invalid response to a status callback: {status} {content_type}"))
}

impl Twilio {
    /// The fields that all requests of a call have (2.1).
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

    /// Sends a status callback if the request asked for it.
    pub(super) fn send_status(&self, call: CallId, status: Status, by: EndedBy) {
        let (now, switches) = (self.now(), self.switches().calls);
        let webhook = {
            let mut state = self.outbound();
            let Some(leg) = state.leg_mut(call) else { return };
            let (Some(url), Some(event)) = (leg.order.status_url.clone(), event_of(status)) else {
                return;
            };
            let wanted = leg.order.events.contains(&event);
            if !wanted || (status == Status::Initiated && !switches.initiated_is_called_back) {
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
            if status == Status::Failed && switches.failed_has_error {
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
            state.store(call);
            let token = state.rng.uuid();
            OutgoingWebhook {
                call,
                kind: WebhookKind::Status(status),
                url,
                form,
                token,
            }
        };
        self.send(webhook, status.is_final());
    }

    /// Sends the result of machine detection (2.3).
    pub(super) fn send_detection(&self, call: CallId, who: &str, after: Duration) {
        let webhook = {
            let mut state = self.outbound();
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
            OutgoingWebhook {
                call,
                kind: WebhookKind::Detection,
                url,
                form: form.map(|(name, value)| (name.to_owned(), value)).to_vec(),
                token,
            }
        };
        self.send(webhook, false);
    }

    /// Requests a document. The receiver gets the response, or a record with status 0 after the time-out.
    pub(super) fn request_document(&self, call: CallId, url: &str, fields: Fields) -> oneshot::Receiver<RequestRecord> {
        let (answer, reply) = oneshot::channel();
        let form = {
            let state = self.outbound();
            let Some(leg) = state.leg(call) else { return reply };
            let status = leg.record.status();
            let mut form = Self::common(&leg.record, status);
            form.extend(fields);
            form
        };
        let webhook = OutgoingWebhook {
            call,
            kind: WebhookKind::Document,
            url: url.to_owned(),
            form,
            token: self.outbound().rng.uuid(),
        };
        let drawn = self.draw_faults(webhook.kind);
        let (url, form) = (webhook.url.clone(), webhook.form.clone());
        let (response, received) = oneshot::channel();
        if drawn.lost_for_good {
            self.record(&webhook);
        } else {
            if let Some(after) = drawn.duplicate {
                self.deliver(
                    webhook.clone(),
                    DrawnFaults {
                        delay: drawn.delay + after,
                        ..DrawnFaults::default()
                    },
                    None,
                );
            }
            self.deliver(webhook, drawn, Some(response));
        }
        let twilio = self.clone();
        tokio::spawn(async move {
            // Biased: if both are ready, the choice must not be random, or a seed would not replay.
            let record = tokio::select! {
                biased;
                Ok(record) = received => record,
                () = twilio.0.clock.sleep(DOCUMENT_DEADLINE) => RequestRecord {
                    url,
                    form,
                    status: 0,
                    content_type: String::new(),
                    body: String::new(),
                    took: DOCUMENT_DEADLINE,
                },
            };
            // The call may have ended.
            let _ = answer.send(record);
        });
        reply
    }

    /// Sends a callback, followed by those that it was to overtake.
    fn send(&self, webhook: OutgoingWebhook, last: bool) {
        let mut drawn = self.draw_faults(webhook.kind);
        if drawn.lost_for_good {
            self.record(&webhook);
            return;
        }
        let jitter = self.switches().calls.callback_jitter;
        if !jitter.is_zero() {
            drawn.delay += self.outbound().rng.between(Duration::ZERO, jitter);
        }
        let held = {
            let mut state = self.outbound();
            let Some(leg) = state.leg_mut(webhook.call) else {
                return;
            };
            // No later callback can overtake the last one.
            if drawn.reordered && !last && leg.record.ended_at.is_none() {
                leg.held.push(webhook);
                return;
            }
            std::mem::take(&mut leg.held)
        };
        let delayed = |delay| DrawnFaults {
            delay,
            ..DrawnFaults::default()
        };
        if let Some(after) = drawn.duplicate {
            self.deliver(webhook.clone(), delayed(drawn.delay + after), None);
        }
        let after_it = delayed(drawn.delay + OVERTAKEN_BY);
        self.deliver(webhook, drawn, None);
        for overtaken in held {
            self.deliver(overtaken, after_it, None);
        }
    }

    /// Sends the held callbacks of a call, because no later callback follows.
    pub(super) fn send_held(&self, call: CallId) {
        let held = self.outbound().leg_mut(call).map(|leg| std::mem::take(&mut leg.held));
        for webhook in held.unwrap_or_default() {
            let delay = OVERTAKEN_BY;
            self.deliver(
                webhook,
                DrawnFaults {
                    delay,
                    ..DrawnFaults::default()
                },
                None,
            );
        }
    }

    fn draw_faults(&self, kind: WebhookKind) -> DrawnFaults {
        let mut guard = self.outbound();
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

    /// Starts the delivery of a webhook.
    fn deliver(&self, webhook: OutgoingWebhook, drawn: DrawnFaults, answer: Option<oneshot::Sender<RequestRecord>>) {
        let (journal, entry) = {
            let mut state = self.outbound();
            state.posted += 1;
            (state.journal.clone(), format!("{:020}", state.posted))
        };
        // Requests for documents are not restored: after a restart, no one is on the line to hear the document.
        let is_stored = webhook.kind != WebhookKind::Document;
        if is_stored {
            journal.put(SECTION, &entry, &webhook);
        }
        let outgoing = self.outgoing_request(&webhook, drawn);
        let twilio = self.clone();
        tokio::spawn(async move {
            twilio.0.clock.sleep(drawn.delay).await;
            let index = twilio.record(&webhook);
            let (record, tries) = posting::post(&twilio, &outgoing).await;
            if let Some(webhook) = twilio.outbound().webhooks.get_mut(index) {
                webhook.tries = tries;
                webhook.status = (record.status != 0).then_some(record.status);
            }
            if let (WebhookKind::Status(_), Some(fault)) = (webhook.kind, warning(&record))
                && let Some(leg) = twilio.outbound().leg_mut(webhook.call)
            {
                leg.record.failures.push(fault);
            }
            if let Some(answer) = answer {
                // The receiver may have stopped waiting.
                let _ = answer.send(record);
            }
            if is_stored {
                journal.remove(SECTION, &entry);
            }
        });
    }

    /// The webhook with its tokens and faults. All tries and duplicates have the same token, unless the switch varies
    /// it.
    fn outgoing_request(&self, webhook: &OutgoingWebhook, drawn: DrawnFaults) -> OutgoingRequest {
        let varies = self.switches().calls.token_varies;
        let mut state = self.outbound();
        let tokens = if varies {
            (0..MOST_TRIES).map(|_| state.rng.uuid()).collect()
        } else {
            vec![webhook.token.clone()]
        };
        let faults = match webhook.kind {
            WebhookKind::Status(_) => state.faults.status.clone(),
            WebhookKind::Document => state.faults.documents.clone(),
            WebhookKind::Detection => state.faults.detection.clone(),
        };
        let later = (1..MOST_TRIES).map(|_| faults.draw_attempt(&mut state.rng));
        let attempt_faults = std::iter::once(drawn.first).chain(later).collect();
        OutgoingRequest {
            url: webhook.url.clone(),
            form: webhook.form.clone(),
            tokens,
            attempt_faults,
        }
    }

    /// Resends callbacks that were in delivery when the previous process ended.
    pub(super) fn restore_webhooks(&self) -> Result<(), JournalError> {
        let journal = self.outbound().journal.clone();
        let rest = journal.all::<OutgoingWebhook>(SECTION)?;
        let newest = rest.last().and_then(|(entry, _)| entry.parse().ok());
        self.outbound().posted = newest.unwrap_or_default();
        for (entry, webhook) in rest {
            self.deliver(webhook, DrawnFaults::default(), None);
            journal.remove(SECTION, &entry);
        }
        Ok(())
    }

    fn record(&self, webhook: &OutgoingWebhook) -> usize {
        let at = self.now();
        let mut state = self.outbound();
        state.webhooks.push(Webhook {
            at,
            call: webhook.call,
            kind: webhook.kind,
            url: webhook.url.clone(),
            form: webhook.form.clone(),
            tries: 0,
            status: None,
        });
        state.webhooks.len() - 1
    }
}
