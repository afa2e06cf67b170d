//! What the provider calls back: statuses, with retries, and events, whose reply it waits for (section 5).

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use patchbay::clock::Timestamp;
use patchbay::http::{Request, SendError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use url::form_urlencoded;

use super::Routee;
use super::faults::Target;
use super::records::{Status, WebhookKind, WebhookOutcome, WebhookRecord};
use super::state::price;
use super::switches::Strategy;
use crate::exchange::CallId;
use crate::hand::later_by;
use crate::journal::JournalError;
use crate::mishaps::{AttemptFate, Fate, take_planned};

/// When an unanswered status is sent again, in seconds after the first attempt (5.7).
const RETRIES: [u64; 12] = [30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

/// How long after its successor an overtaken webhook leaves.
const OVERTAKEN_BY: Duration = Duration::from_millis(150);

/// Where the journal has webhooks that are sent until they are taken.
const SECTION: &str = "routee/webhook";

/// A webhook, ready to be sent.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) call: CallId,
    pub(super) kind: WebhookKind,
    url: String,
    body: String,
    form: bool,
    retried: bool,
}

/// How an attempt ended.
enum Attempted {
    /// With 200 and this body.
    Accepted(String),
    /// With anything else.
    Refused,
    /// With nothing, as far as the provider can see.
    Silent,
}

impl Routee {
    /// Tells a status, if the request wanted to be told. `last` says that no further one follows.
    pub(super) fn call_back(&self, call: CallId, at: Timestamp, status: Status, last: bool) {
        let switches = &self.0.switches;
        let envelope = {
            let state = self.lock();
            let Some(leg) = state.leg(call) else { return };
            let Some(callback) = &leg.callback else { return };
            let wanted = match callback.strategy {
                Strategy::OnChange => status != Status::Queued || switches.queued_is_called_back,
                Strategy::OnCompletion => last,
            };
            if !wanted {
                return;
            }
            let mut body = json!({
                "messageId": leg.record.message_id,
                "conversationTrackingId": leg.record.tracking_id,
                "to": leg.record.to,
                "from": leg.from,
                "status": { "name": status.as_str(), "updatedDate": self.date(at) },
                "direction": "Outbound",
                "originatingService": "Voice",
                "respectQuietHours": false,
            });
            if (last || switches.duration_before_final)
                && let Some(map) = body.as_object_mut()
            {
                let seconds = leg.seconds(at);
                map.insert("duration".to_owned(), seconds.into());
                map.insert("price".to_owned(), price(seconds).into());
            }
            let body = self.written(body).to_string();
            let (kind, url) = (WebhookKind::Status(status), callback.url.clone());
            Envelope {
                call,
                kind,
                url,
                body,
                form: false,
                retried: true,
            }
        };
        // Nobody waits for the reply to a status.
        drop(self.leave(envelope, last));
    }

    /// The COLLECT event for these keys.
    pub(super) fn collect_event(&self, call: CallId, url: String, tones: &str, retried: bool) -> Option<Envelope> {
        let state = self.lock();
        let leg = state.leg(call)?;
        let (from, to) = if self.0.switches.collect_swaps_numbers {
            (leg.record.to.as_str(), leg.from.as_str())
        } else {
            (leg.from.as_str(), leg.record.to.as_str())
        };
        let fields = [
            ("messageId", leg.record.message_id.as_str()),
            ("conversationTrackingId", leg.record.tracking_id.as_str()),
            ("from", from),
            ("to", to),
            ("collectedTones", tones),
        ];
        let form = self.0.switches.collect_as_form;
        let body = if form {
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs(fields)
                .finish()
        } else {
            fields.into_iter().collect::<Value>().to_string()
        };
        Some(Envelope {
            call,
            kind: WebhookKind::Collect,
            url,
            body,
            form,
            retried,
        })
    }

    /// The question for a plan: to the dial plan URL, or to the URL for machines (5.5, 5.6).
    pub(super) fn plan_question(&self, call: CallId, kind: WebhookKind, url: String) -> Option<Envelope> {
        let state = self.lock();
        let leg = state.leg(call)?;
        let body = json!({
            "messageId": leg.record.message_id,
            "conversationTrackingId": leg.record.tracking_id,
            "from": leg.from,
            "to": leg.record.to,
        });
        Some(Envelope {
            call,
            kind,
            url,
            body: body.to_string(),
            form: false,
            retried: false,
        })
    }

    /// Sends an event and waits for the reply: its body, if it is a 200 that comes in time.
    pub(super) async fn ask(&self, envelope: Envelope) -> Option<String> {
        let deadline = self.0.switches.reply_deadline;
        let reply = self.leave(envelope, false);
        // In this order always: chance must not decide between the two when both are ready.
        tokio::select! {
            biased;
            Ok(reply) = reply => reply,
            () = self.0.clock.sleep(deadline) => None,
        }
    }

    /// Sends an event whose reply does not matter.
    pub(super) fn tell(&self, envelope: Envelope) {
        drop(self.leave(envelope, false));
    }

    /// A webhook leaves, and with it those that it was to overtake. The receiver gets the first attempt's reply; it is
    /// closed when there is none.
    fn leave(&self, envelope: Envelope, last: bool) -> oneshot::Receiver<Option<String>> {
        let (answer, reply) = oneshot::channel();
        let fate = self.fate(envelope.kind);
        if fate.lost_for_good {
            self.record(&envelope, 1, WebhookOutcome::Lost);
            return reply;
        }
        let held = {
            let mut state = self.lock();
            let Some(leg) = state.leg_mut(envelope.call) else {
                return reply;
            };
            // Nothing comes after the last one that could overtake it.
            if fate.held && !last && leg.record.ended_at.is_none() {
                leg.held.push(envelope);
                return reply;
            }
            std::mem::take(&mut leg.held)
        };
        if let Some(after) = fate.duplicate {
            self.post(envelope.clone(), fate.delay + after, AttemptFate::default(), None);
        }
        self.post(envelope, fate.delay, fate.first, Some(answer));
        for overtaken in held {
            self.post(overtaken, fate.delay + OVERTAKEN_BY, AttemptFate::default(), None);
        }
        reply
    }

    /// Begins to deliver a webhook.
    fn post(
        &self,
        envelope: Envelope,
        delay: Duration,
        first: AttemptFate,
        answer: Option<oneshot::Sender<Option<String>>>,
    ) {
        let entry = {
            let mut state = self.lock();
            state.posted += 1;
            format!("{:020}", state.posted)
        };
        let journal = self.lock().journal.clone();
        if envelope.retried {
            journal.put(SECTION, &entry, &envelope);
        }
        let routee = self.clone();
        tokio::spawn(async move {
            routee.deliver(envelope, delay, first, answer).await;
            journal.remove(SECTION, &entry);
        });
    }

    /// Goes on with the webhooks that were not taken when the process before this one ended.
    pub(super) fn post_the_rest(&self) -> Result<(), JournalError> {
        let journal = self.lock().journal.clone();
        let rest = journal.all::<Envelope>(SECTION)?;
        let newest = rest.last().and_then(|(entry, _)| entry.parse().ok());
        self.lock().posted = newest.unwrap_or_default();
        for (entry, envelope) in rest {
            self.post(envelope, Duration::ZERO, AttemptFate::default(), None);
            journal.remove(SECTION, &entry);
        }
        Ok(())
    }

    /// No further webhook of this call follows: those that wait for one leave now.
    pub(super) fn release(&self, call: CallId) {
        let held = self
            .lock()
            .leg_mut(call)
            .map(|leg| std::mem::take(&mut leg.held))
            .unwrap_or_default();
        for envelope in held {
            self.post(envelope, OVERTAKEN_BY, AttemptFate::default(), None);
        }
    }

    fn fate(&self, kind: WebhookKind) -> Fate {
        let mut guard = self.lock();
        let state = &mut *guard;
        let fits = |target: Target| match kind {
            WebhookKind::Status(status) => target == Target::AnyStatus || target == Target::Status(status),
            WebhookKind::Collect => target == Target::Collect,
            WebhookKind::Machine | WebhookKind::DialPlan => false,
        };
        if let Some(fault) = take_planned(&mut state.scripted_webhooks, |target| fits(*target)) {
            return fault.into();
        }
        match kind {
            WebhookKind::Status(_) => state.faults.status.draw(&mut state.rng),
            WebhookKind::Collect => state.faults.collect.draw(&mut state.rng),
            WebhookKind::Machine | WebhookKind::DialPlan => Fate::default(),
        }
    }

    async fn deliver(
        &self,
        envelope: Envelope,
        delay: Duration,
        first: AttemptFate,
        answer: Option<oneshot::Sender<Option<String>>>,
    ) {
        self.0.clock.sleep(delay).await;
        let start = self.now();
        let mut answer = answer;
        let mut fate = first;
        let mut retries = RETRIES.iter();
        for attempt in 1.. {
            let attempted = self.attempt(&envelope, attempt, fate).await;
            let accepted = matches!(attempted, Attempted::Accepted(_));
            // The receiver may have stopped waiting; that is its affair.
            if let Some(answer) = answer.take() {
                let _ = match attempted {
                    Attempted::Accepted(body) => answer.send(Some(body)),
                    Attempted::Refused => answer.send(None),
                    Attempted::Silent => Ok(()),
                };
            }
            let retry = retries.next().filter(|_| envelope.retried && !accepted);
            let Some(seconds) = retry else { return };
            let after = Duration::from_secs(*seconds).mul_f64(self.0.switches.retry_scale.max(0.0));
            self.0.clock.sleep_until(later_by(start, after)).await;
            fate = self.fate_of_retry(envelope.kind);
        }
    }

    fn fate_of_retry(&self, kind: WebhookKind) -> AttemptFate {
        let mut guard = self.lock();
        let state = &mut *guard;
        match kind {
            WebhookKind::Status(_) => state.faults.status.draw_attempt(&mut state.rng),
            _ => state.faults.collect.draw_attempt(&mut state.rng),
        }
    }

    async fn attempt(&self, envelope: &Envelope, attempt: u32, fate: AttemptFate) -> Attempted {
        let deadline = match envelope.kind {
            WebhookKind::Status(_) => self.0.switches.status_deadline,
            _ => self.0.switches.reply_deadline,
        };
        if fate.lost {
            self.record(envelope, attempt, WebhookOutcome::Lost);
            self.0.clock.sleep(deadline).await;
            return Attempted::Silent;
        }
        let record = self.record(envelope, attempt, WebhookOutcome::Pending);
        let sent = tokio::select! {
            biased;
            sent = self.send_webhook(envelope) => Some(sent),
            () = self.0.clock.sleep(deadline) => None,
        };
        let (outcome, attempted) = match sent {
            _ if fate.answer_lost => (WebhookOutcome::AnswerLost, Attempted::Silent),
            None | Some(Err(SendError::NoAnswer(_))) => (WebhookOutcome::TimedOut, Attempted::Silent),
            Some(Err(error)) => (WebhookOutcome::NotDelivered(error.to_string()), Attempted::Refused),
            Some(Ok((200, body))) => (WebhookOutcome::Answered(200), Attempted::Accepted(body)),
            Some(Ok((status, _))) => (WebhookOutcome::Answered(status), Attempted::Refused),
        };
        if let Some(record) = self.lock().webhooks.get_mut(record) {
            record.outcome = outcome;
        }
        attempted
    }

    async fn send_webhook(&self, envelope: &Envelope) -> Result<(u16, String), SendError> {
        let Some(client) = self.lock().client.clone() else {
            return Err(SendError::NotSent("nobody receives webhooks".to_owned()));
        };
        let content_type = if envelope.form {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        };
        let request: Request = http::Request::post(&envelope.url)
            .header(CONTENT_TYPE, content_type)
            .body(Bytes::from(envelope.body.clone()))
            .map_err(|error| SendError::NotSent(error.to_string()))?;
        let response = client.send(request).await?;
        Ok((
            response.status().as_u16(),
            String::from_utf8_lossy(response.body()).into_owned(),
        ))
    }

    fn record(&self, envelope: &Envelope, attempt: u32, outcome: WebhookOutcome) -> usize {
        let at = self.now();
        let mut state = self.lock();
        state.webhooks.push(WebhookRecord {
            at,
            call: envelope.call,
            kind: envelope.kind,
            url: envelope.url.clone(),
            body: envelope.body.clone(),
            attempt,
            outcome,
        });
        state.webhooks.len() - 1
    }
}
