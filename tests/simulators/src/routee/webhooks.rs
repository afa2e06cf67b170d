//! Webhooks: statuses, which are retried, and events, whose reply the provider waits for (5).

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
use crate::journal::JournalError;
use crate::script_runner::later_by;
use crate::webhook_faults::{AttemptFaults, DrawnFaults, take_planned};

/// The retry schedule of statuses, in seconds after the first attempt (5.7).
const RETRIES: [u64; 12] = [30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

/// How long after its successor a reordered webhook is sent.
const OVERTAKEN_BY: Duration = Duration::from_millis(150);

/// The journal section of webhooks that are retried until they are accepted.
const SECTION: &str = "routee/webhook";

/// A webhook to send.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OutgoingWebhook {
    pub(super) call: CallId,
    pub(super) kind: WebhookKind,
    url: String,
    body: String,
    form: bool,
    retried: bool,
}

/// How an attempt ended.
enum AttemptResult {
    /// 200 with this body.
    Accepted(String),
    /// Any other response, or a failed connection.
    Refused,
    /// No response, from the provider's point of view.
    Silent,
}

impl Routee {
    /// Sends a status callback if the request asked for it. `last` means that no other status follows.
    pub(super) fn send_status(&self, call: CallId, at: Timestamp, status: Status, last: bool) {
        let switches = &self.0.switches;
        let webhook = {
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
            let body = self.to_wire(body).to_string();
            let (kind, url) = (WebhookKind::Status(status), callback.url.clone());
            OutgoingWebhook {
                call,
                kind,
                url,
                body,
                form: false,
                retried: true,
            }
        };
        // The reply to a status is ignored.
        drop(self.send(webhook, last));
    }

    /// A COLLECT event with these keys.
    pub(super) fn collect_event(
        &self,
        call: CallId,
        url: String,
        tones: &str,
        retried: bool,
    ) -> Option<OutgoingWebhook> {
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
        Some(OutgoingWebhook {
            call,
            kind: WebhookKind::Collect,
            url,
            body,
            form,
            retried,
        })
    }

    /// The request for a plan to the dial plan URL or the machine URL (5.5, 5.6).
    pub(super) fn plan_request(&self, call: CallId, kind: WebhookKind, url: String) -> Option<OutgoingWebhook> {
        let state = self.lock();
        let leg = state.leg(call)?;
        let body = json!({
            "messageId": leg.record.message_id,
            "conversationTrackingId": leg.record.tracking_id,
            "from": leg.from,
            "to": leg.record.to,
        });
        Some(OutgoingWebhook {
            call,
            kind,
            url,
            body: body.to_string(),
            form: false,
            retried: false,
        })
    }

    /// Sends an event and returns the body of the reply if it is a 200 and arrives before the deadline.
    pub(super) async fn send_and_wait(&self, webhook: OutgoingWebhook) -> Option<String> {
        let deadline = self.0.switches.reply_deadline;
        let reply = self.send(webhook, false);
        // Biased: if both are ready, the choice must not be random, or a seed would not replay.
        tokio::select! {
            biased;
            Ok(reply) = reply => reply,
            () = self.0.clock.sleep(deadline) => None,
        }
    }

    /// Sends an event and ignores its reply.
    pub(super) fn send_event(&self, webhook: OutgoingWebhook) {
        drop(self.send(webhook, false));
    }

    /// Sends a webhook, followed by those that it was to overtake. The receiver gets the reply to the first attempt;
    /// the channel is closed if there is none.
    fn send(&self, webhook: OutgoingWebhook, last: bool) -> oneshot::Receiver<Option<String>> {
        let (answer, reply) = oneshot::channel();
        let drawn = self.draw_faults(webhook.kind);
        if drawn.lost_for_good {
            self.record(&webhook, 1, WebhookOutcome::Lost);
            return reply;
        }
        let held = {
            let mut state = self.lock();
            let Some(leg) = state.leg_mut(webhook.call) else {
                return reply;
            };
            // No later webhook can overtake the last one.
            if drawn.reordered && !last && leg.record.ended_at.is_none() {
                leg.held.push(webhook);
                return reply;
            }
            std::mem::take(&mut leg.held)
        };
        if let Some(after) = drawn.duplicate {
            self.start_delivery(webhook.clone(), drawn.delay + after, AttemptFaults::default(), None);
        }
        self.start_delivery(webhook, drawn.delay, drawn.first, Some(answer));
        for overtaken in held {
            self.start_delivery(overtaken, drawn.delay + OVERTAKEN_BY, AttemptFaults::default(), None);
        }
        reply
    }

    /// Starts the delivery of a webhook.
    fn start_delivery(
        &self,
        webhook: OutgoingWebhook,
        delay: Duration,
        first: AttemptFaults,
        answer: Option<oneshot::Sender<Option<String>>>,
    ) {
        let entry = {
            let mut state = self.lock();
            state.posted += 1;
            format!("{:020}", state.posted)
        };
        let journal = self.lock().journal.clone();
        if webhook.retried {
            journal.put(SECTION, &entry, &webhook);
        }
        let routee = self.clone();
        tokio::spawn(async move {
            routee.deliver(webhook, delay, first, answer).await;
            journal.remove(SECTION, &entry);
        });
    }

    /// Resends webhooks that were not accepted when the previous process ended.
    pub(super) fn restore_webhooks(&self) -> Result<(), JournalError> {
        let journal = self.lock().journal.clone();
        let rest = journal.all::<OutgoingWebhook>(SECTION)?;
        let newest = rest.last().and_then(|(entry, _)| entry.parse().ok());
        self.lock().posted = newest.unwrap_or_default();
        for (entry, webhook) in rest {
            self.start_delivery(webhook, Duration::ZERO, AttemptFaults::default(), None);
            journal.remove(SECTION, &entry);
        }
        Ok(())
    }

    /// Sends the held webhooks of a call, because no later webhook follows.
    pub(super) fn send_held(&self, call: CallId) {
        let held = self
            .lock()
            .leg_mut(call)
            .map(|leg| std::mem::take(&mut leg.held))
            .unwrap_or_default();
        for webhook in held {
            self.start_delivery(webhook, OVERTAKEN_BY, AttemptFaults::default(), None);
        }
    }

    fn draw_faults(&self, kind: WebhookKind) -> DrawnFaults {
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
            WebhookKind::Machine | WebhookKind::DialPlan => DrawnFaults::default(),
        }
    }

    async fn deliver(
        &self,
        webhook: OutgoingWebhook,
        delay: Duration,
        first: AttemptFaults,
        answer: Option<oneshot::Sender<Option<String>>>,
    ) {
        self.0.clock.sleep(delay).await;
        let start = self.now();
        let mut answer = answer;
        let mut drawn = first;
        let mut retries = RETRIES.iter();
        for attempt in 1.. {
            let result = self.attempt(&webhook, attempt, drawn).await;
            let accepted = matches!(result, AttemptResult::Accepted(_));
            // The receiver may have stopped waiting.
            if let Some(answer) = answer.take() {
                let _ = match result {
                    AttemptResult::Accepted(body) => answer.send(Some(body)),
                    AttemptResult::Refused => answer.send(None),
                    AttemptResult::Silent => Ok(()),
                };
            }
            let retry = retries.next().filter(|_| webhook.retried && !accepted);
            let Some(seconds) = retry else { return };
            let after = Duration::from_secs(*seconds).mul_f64(self.0.switches.retry_scale.max(0.0));
            self.0.clock.sleep_until(later_by(start, after)).await;
            drawn = self.draw_retry_faults(webhook.kind);
        }
    }

    fn draw_retry_faults(&self, kind: WebhookKind) -> AttemptFaults {
        let mut guard = self.lock();
        let state = &mut *guard;
        match kind {
            WebhookKind::Status(_) => state.faults.status.draw_attempt(&mut state.rng),
            _ => state.faults.collect.draw_attempt(&mut state.rng),
        }
    }

    async fn attempt(&self, webhook: &OutgoingWebhook, attempt: u32, drawn: AttemptFaults) -> AttemptResult {
        let deadline = match webhook.kind {
            WebhookKind::Status(_) => self.0.switches.status_deadline,
            _ => self.0.switches.reply_deadline,
        };
        if drawn.lost {
            self.record(webhook, attempt, WebhookOutcome::Lost);
            self.0.clock.sleep(deadline).await;
            return AttemptResult::Silent;
        }
        let record = self.record(webhook, attempt, WebhookOutcome::Pending);
        let sent = tokio::select! {
            biased;
            sent = self.send_webhook(webhook) => Some(sent),
            () = self.0.clock.sleep(deadline) => None,
        };
        let (outcome, result) = match sent {
            _ if drawn.answer_lost => (WebhookOutcome::AnswerLost, AttemptResult::Silent),
            None | Some(Err(SendError::NoResponse(_))) => (WebhookOutcome::TimedOut, AttemptResult::Silent),
            Some(Err(error)) => (WebhookOutcome::NotDelivered(error.to_string()), AttemptResult::Refused),
            Some(Ok((200, body))) => (WebhookOutcome::Answered(200), AttemptResult::Accepted(body)),
            Some(Ok((status, _))) => (WebhookOutcome::Answered(status), AttemptResult::Refused),
        };
        if let Some(record) = self.lock().webhooks.get_mut(record) {
            record.outcome = outcome;
        }
        result
    }

    async fn send_webhook(&self, webhook: &OutgoingWebhook) -> Result<(u16, String), SendError> {
        let Some(client) = self.lock().client.clone() else {
            return Err(SendError::NotSent("no webhook client is configured".to_owned()));
        };
        let content_type = if webhook.form {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        };
        let request: Request = http::Request::post(&webhook.url)
            .header(CONTENT_TYPE, content_type)
            .body(Bytes::from(webhook.body.clone()))
            .map_err(|error| SendError::NotSent(error.to_string()))?;
        let response = client.send(request).await?;
        Ok((
            response.status().as_u16(),
            String::from_utf8_lossy(response.body()).into_owned(),
        ))
    }

    fn record(&self, webhook: &OutgoingWebhook, attempt: u32, outcome: WebhookOutcome) -> usize {
        let at = self.now();
        let mut state = self.lock();
        state.webhooks.push(WebhookRecord {
            at,
            call: webhook.call,
            kind: webhook.kind,
            url: webhook.url.clone(),
            body: webhook.body.clone(),
            attempt,
            outcome,
        });
        state.webhooks.len() - 1
    }
}
