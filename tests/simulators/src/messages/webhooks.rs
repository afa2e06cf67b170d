//! Webhooks: status callbacks and messages of customers. Twilio's are signed, and retried as the fragment of their URL
//! says; Routee's are retried until they get a 200 (twilio/CONTRACT.md 6, routee/CONTRACT.md 5.7).

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use patchbay::http::{Request, SendError};

use super::Messages;
use super::records::{Unexpected, Webhook, WebhookKind};
use crate::exchange::Provider;
use crate::script_runner::later_by;
use crate::twilio::posting::{OutgoingRequest, post};
use crate::webhook_faults::{AttemptFaults, DrawnFaults};

/// The retry schedule of Routee's webhooks, in seconds after the first attempt.
const RETRIES: [u64; 12] = [30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];
/// Routee's time-out for the response to a webhook.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long after its successor a reordered callback is sent.
const OVERTAKEN_BY: Duration = Duration::from_millis(150);
/// The maximum number of Twilio's tries: five retries.
const MOST_TRIES: usize = 6;

#[derive(Clone)]
pub(super) enum Payload {
    Form(Vec<(String, String)>),
    Json(String),
}

/// A webhook to send.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) provider: Provider,
    pub(super) kind: WebhookKind,
    /// The provider's id of the message.
    pub(super) id: String,
    pub(super) url: String,
    pub(super) payload: Payload,
    /// Twilio's idempotency token, the same for all tries and duplicates.
    pub(super) token: String,
    /// The index of the message, among those that were sent or those that came in.
    pub(super) index: usize,
}

impl Messages {
    /// Sends a webhook, followed by those that it was to overtake. `last` means that no later one follows.
    pub(super) fn send_webhook(&self, outgoing: Outgoing, last: bool) {
        let mut drawn = self.lock().webhook_faults(outgoing.kind);
        if drawn.lost_for_good {
            self.record(&outgoing, None);
            return;
        }
        let is_status = matches!(outgoing.kind, WebhookKind::Status(_));
        let jitter = self.0.switches.callback_jitter;
        if is_status && !jitter.is_zero() {
            drawn.delay += self.lock().rng.between(Duration::ZERO, jitter);
        }
        if is_status && drawn.reordered && !last {
            self.lock().held.entry(outgoing.index).or_default().push(outgoing);
            return;
        }
        let held = if is_status {
            self.lock().held.remove(&outgoing.index)
        } else {
            None
        };
        if let Some(after) = drawn.duplicate {
            self.deliver(outgoing.clone(), delayed(drawn.delay + after));
        }
        let after_it = delayed(drawn.delay + OVERTAKEN_BY);
        self.deliver(outgoing, drawn);
        for overtaken in held.unwrap_or_default() {
            self.deliver(overtaken, after_it);
        }
    }

    /// Sends the held callbacks of a message, because no later one follows.
    pub(super) fn send_held(&self, index: usize) {
        let held = self.lock().held.remove(&index);
        for outgoing in held.unwrap_or_default() {
            self.deliver(outgoing, delayed(OVERTAKEN_BY));
        }
    }

    fn deliver(&self, outgoing: Outgoing, drawn: DrawnFaults) {
        let this = self.clone();
        tokio::spawn(async move {
            this.0.clock.sleep(drawn.delay).await;
            match &outgoing.payload {
                Payload::Form(form) => this.post_form(&outgoing, form.clone(), drawn.first).await,
                Payload::Json(body) => this.post_json(&outgoing, body, drawn.first).await,
            }
        });
    }

    /// Twilio's way: one record, whatever the number of tries.
    async fn post_form(&self, outgoing: &Outgoing, form: Vec<(String, String)>, first: AttemptFaults) {
        let later: Vec<AttemptFaults> = (1..MOST_TRIES).map(|_| self.draw_attempt(outgoing.kind)).collect();
        let request = OutgoingRequest {
            url: outgoing.url.clone(),
            form,
            tokens: vec![outgoing.token.clone()],
            attempt_faults: std::iter::once(first).chain(later).collect(),
        };
        let record = self.record(outgoing, None);
        let (answer, _) = post(&self.0.twilio, &request).await;
        let status = (answer.status != 0).then_some(answer.status);
        self.set_answer(record, status);
        let is_reply = outgoing.kind == WebhookKind::Incoming && answer.status == 200;
        if is_reply && !answer.body.contains("<Response") {
            self.complain(outgoing, format!("no TwiML: {}", answer.content_type));
        }
        if is_reply && answer.body.contains("<Message") {
            self.complain(
                outgoing,
                "a reply in the response would be sent without a record of ours".to_owned(),
            );
        }
        if (300..500).contains(&answer.status) {
            self.complain(outgoing, answer.status.to_string());
        }
        if (200..300).contains(&answer.status) {
            self.accepted(outgoing);
        }
    }

    /// Routee's way: until there is a 200.
    async fn post_json(&self, outgoing: &Outgoing, body: &str, first: AttemptFaults) {
        let start = self.now();
        let mut drawn = first;
        let retries = RETRIES.iter().take(self.0.switches.retries);
        for wait in retries.map(Some).chain(std::iter::once(None)) {
            if self.try_json(outgoing, body, drawn).await == Some(200) {
                self.accepted(outgoing);
                return;
            }
            let Some(seconds) = wait else { return };
            let again = later_by(start, Duration::from_secs(*seconds));
            self.0.clock.sleep_until(again).await;
            drawn = self.draw_attempt(outgoing.kind);
        }
    }

    /// The status that Routee sees.
    async fn try_json(&self, outgoing: &Outgoing, body: &str, drawn: AttemptFaults) -> Option<u16> {
        let record = self.record(outgoing, None);
        if drawn.lost {
            self.0.clock.sleep(DEADLINE).await;
            return None;
        }
        // Biased: if both are ready, the choice must not be random, or a seed would not replay.
        let sent = tokio::select! {
            biased;
            sent = self.send_json(&outgoing.url, body) => sent.ok(),
            () = self.0.clock.sleep(DEADLINE) => None,
        };
        let status = sent.filter(|_| !drawn.answer_lost);
        self.set_answer(record, status);
        if let Some(status) = status.filter(|status| !matches!(status, 200 | 500..)) {
            self.complain(outgoing, status.to_string());
        }
        status
    }

    async fn send_json(&self, url: &str, body: &str) -> Result<u16, SendError> {
        let Some(client) = self.lock().client.clone() else {
            return Err(SendError::NotSent("no webhook client is configured".to_owned()));
        };
        let request: Request = http::Request::post(url)
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_owned()))
            .map_err(|error| SendError::NotSent(error.to_string()))?;
        Ok(client.send(request).await?.status().as_u16())
    }

    /// Patchbay accepted a webhook.
    fn accepted(&self, outgoing: &Outgoing) {
        if outgoing.kind != WebhookKind::Incoming {
            return;
        }
        let now = self.now();
        let mut state = self.lock();
        let Some(incoming) = state.incoming.get_mut(outgoing.index) else {
            return;
        };
        incoming.accepted_at.get_or_insert(now);
        let (from, at, opts_out) = (incoming.from.clone(), incoming.at, incoming.opts_out);
        if opts_out {
            state.opt_out_is_known(&from, at, now);
        }
    }

    fn draw_attempt(&self, kind: WebhookKind) -> AttemptFaults {
        let mut guard = self.lock();
        let state = &mut *guard;
        match kind {
            WebhookKind::Status(_) => state.faults.status.draw_attempt(&mut state.rng),
            WebhookKind::Incoming => state.faults.incoming.draw_attempt(&mut state.rng),
        }
    }

    fn record(&self, outgoing: &Outgoing, answer: Option<u16>) -> usize {
        let body = match &outgoing.payload {
            Payload::Form(form) => url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(form)
                .finish(),
            Payload::Json(body) => body.clone(),
        };
        let webhook = Webhook {
            at: self.now(),
            provider: outgoing.provider,
            kind: outgoing.kind,
            id: outgoing.id.clone(),
            url: outgoing.url.split('#').next().unwrap_or_default().to_owned(),
            body,
            answer,
        };
        let mut state = self.lock();
        state.webhooks.push(webhook);
        state.webhooks.len() - 1
    }

    fn set_answer(&self, record: usize, status: Option<u16>) {
        if let Some(webhook) = self.lock().webhooks.get_mut(record) {
            webhook.answer = status;
        }
    }

    fn complain(&self, outgoing: &Outgoing, what: String) {
        let url = outgoing.url.split('#').next().unwrap_or_default().to_owned();
        self.lock().unexpected.push(Unexpected::Answer { url, what });
    }
}

fn delayed(delay: Duration) -> DrawnFaults {
    DrawnFaults {
        delay,
        ..DrawnFaults::default()
    }
}
