//! What happens to a message after its creation, and what its receiver writes back.

use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::messaging::Channel;

use super::habits::{Answer, Delivery, Habit};
use super::records::{Body, Failure, Incoming, Message, Status, Unexpected, WebhookKind};
use super::switches::{OutsideWindow, Switches};
use super::twilio_messages::{common, status_form};
use super::webhooks::{Outgoing, Payload};
use super::{Messages, SERVICE};
use crate::exchange::Provider;
use crate::script_runner::later_by;

/// How long a free text may be sent over `WhatsApp` after the customer wrote.
const WINDOW: Duration = Duration::from_hours(24);
/// How long the network takes to notice that a message cannot arrive.
const NETWORK_NOTICES: Duration = Duration::from_secs(2);
/// Gap between two statuses that follow one another at once.
const STEP: Duration = Duration::from_millis(50);
/// The words that Twilio handles itself (twilio/CONTRACT.md 5.3).
const STOP_WORDS: [&str; 8] = [
    "STOP",
    "UNSUBSCRIBE",
    "END",
    "QUIT",
    "STOPALL",
    "REVOKE",
    "OPTOUT",
    "CANCEL",
];

/// Where and when status callbacks are sent.
#[derive(Clone)]
pub(super) struct Callback {
    pub(super) url: String,
    pub(super) only_final: bool,
}

/// A message that a customer is about to write.
pub(super) struct Letter {
    pub(super) provider: Provider,
    pub(super) channel: Channel,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) service: Option<String>,
    pub(super) quotes: Option<String>,
    pub(super) answer: Answer,
}

/// A status that a message will get.
struct Step {
    after: Duration,
    status: Status,
    failure: Option<Failure>,
}

impl Step {
    const fn new(after: Duration, status: Status) -> Self {
        Self {
            after,
            status,
            failure: None,
        }
    }

    const fn failing(after: Duration, status: Status, code: u32, detailed_status: &'static str) -> Self {
        Self {
            after,
            status,
            failure: Some(Failure { code, detailed_status }),
        }
    }
}

/// Counts a task as pending, until it is dropped.
struct Pending(Messages);

impl Drop for Pending {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.pending = state.pending.saturating_sub(1);
    }
}

impl Messages {
    /// Sends a message on its way.
    pub(super) fn start(&self, index: usize, callback: Option<Callback>, starts_after: Duration, validity: Duration) {
        let (this, pending) = (self.clone(), self.pending());
        tokio::spawn(async move {
            this.0.clock.sleep(starts_after).await;
            this.run(index, callback.as_ref(), validity).await;
            drop(pending);
        });
    }

    fn pending(&self) -> Pending {
        self.lock().pending += 1;
        Pending(self.clone())
    }

    async fn run(&self, index: usize, callback: Option<&Callback>, validity: Duration) {
        let (message, habit, is_in_window) = {
            let state = self.lock();
            let (Some(message), Some(habit)) = (state.messages.get(index), state.habits.get(index)) else {
                return;
            };
            let pair = (message.shown_from.clone(), message.to.clone());
            let opened = state.windows.get(&pair).copied();
            let is_open = opened.is_some_and(|opened| self.now() < later_by(opened, WINDOW));
            (message.clone(), habit.clone(), is_open)
        };
        let is_refused = message.channel == Channel::WhatsApp && !is_in_window && matches!(message.body, Body::Text(_));
        let steps = if is_refused {
            outside_window(&self.0.switches)
        } else {
            steps(&message, &habit, &self.0.switches, validity)
        };
        let count = steps.len();
        for (nth, step) in steps.into_iter().enumerate() {
            self.0.clock.sleep(step.after).await;
            self.advance(index, &step, callback, nth + 1 == count);
        }
        self.send_held(index);
        if !is_refused && arrives(&message, &habit) {
            self.start_answering(&message, habit.answers);
        }
    }

    fn advance(&self, index: usize, step: &Step, callback: Option<&Callback>, last: bool) {
        let now = self.now();
        let message = {
            let mut state = self.lock();
            let lost_part = state
                .habits
                .get(index)
                .is_some_and(|habit| habit.delivery == Delivery::LastPartLost);
            let Some(message) = state.messages.get_mut(index) else {
                return;
            };
            message.statuses.push((now, step.status));
            message.failure = step.failure.or(message.failure);
            message.last_part_lost = lost_part && message.parts > 1;
            message.clone()
        };
        let Some(callback) = callback else { return };
        if self.is_called_back(&message, step.status) && (step.status.is_final() || !callback.only_final) {
            self.send_status(index, &message, step.status, (callback, now), last);
        }
    }

    fn is_called_back(&self, message: &Message, status: Status) -> bool {
        let switches = &self.0.switches;
        match status {
            Status::Accepted => false,
            // The callback that is documented for messaging services.
            Status::Queued if message.from == SERVICE => true,
            Status::Queued | Status::Sending => switches.queued_is_called_back,
            Status::Sent => switches.sent_is_called_back,
            _ => true,
        }
    }

    fn send_status(
        &self,
        index: usize,
        message: &Message,
        status: Status,
        (callback, at): (&Callback, Timestamp),
        last: bool,
    ) {
        let payloads = match message.provider {
            Provider::Twilio => vec![Payload::Form(status_form(message, status, at, &self.0.switches))],
            Provider::Routee => (1..=message.parts)
                .map(|part| Payload::Json(self.part_callback(message, part, status, at).to_string()))
                .collect(),
        };
        for payload in payloads {
            let outgoing = Outgoing {
                provider: message.provider,
                kind: WebhookKind::Status(status),
                id: message.id.clone(),
                url: callback.url.clone(),
                payload,
                token: self.lock().rng.uuid(),
                index,
            };
            self.send_webhook(outgoing, last);
        }
    }

    fn start_answering(&self, message: &Message, answers: Vec<Answer>) {
        // Nobody can answer to a name.
        if !message.shown_from.starts_with('+') {
            return;
        }
        for answer in answers {
            self.start_writing(Letter {
                provider: message.provider,
                channel: message.channel,
                from: message.to.clone(),
                to: message.shown_from.clone(),
                service: (message.from == SERVICE).then(|| SERVICE.to_owned()),
                quotes: (answer.quotes && message.channel == Channel::WhatsApp).then(|| message.id.clone()),
                answer,
            });
        }
    }

    pub(super) fn start_writing(&self, letter: Letter) {
        let (this, pending) = (self.clone(), self.pending());
        tokio::spawn(async move {
            this.0.clock.sleep(letter.answer.after).await;
            this.receive(letter);
            drop(pending);
        });
    }

    /// A message of a customer reaches the provider.
    fn receive(&self, letter: Letter) {
        let now = self.now();
        let word = opt_out_type(&letter.answer.text);
        let is_handled = letter.provider == Provider::Twilio && letter.channel == Channel::Sms;
        let (index, incoming, url, token) = {
            let mut state = self.lock();
            let digits = state.rng.uuid();
            let incoming = Incoming {
                provider: letter.provider,
                channel: letter.channel,
                id: match letter.provider {
                    Provider::Twilio => format!("SM{}", digits.replace('-', "")),
                    Provider::Routee => digits,
                },
                from: letter.from,
                to: letter.to,
                service: letter.service,
                text: letter.answer.text,
                opts_out: letter.answer.opts_out,
                quotes: letter.quotes,
                at: now,
                accepted_at: None,
            };
            let pair = (incoming.to.clone(), incoming.from.clone());
            if incoming.opts_out {
                state.opt_out(&incoming.from, now);
            }
            if word == Some("START") {
                state.refused.remove(&pair);
                state.lift_opt_outs(&incoming.from, now);
            }
            if word == Some("STOP") && is_handled && self.0.switches.handles_opt_out {
                state.refused.insert(pair.clone());
            }
            if incoming.channel == Channel::WhatsApp {
                state.windows.insert(pair, now);
            }
            state.incoming.push(incoming.clone());
            let url = state.incoming_urls.get(&incoming.provider).cloned();
            if url.is_none() {
                state.unexpected.push(Unexpected::NoIncomingUrl(incoming.provider));
            }
            let token = state.rng.uuid();
            (state.incoming.len() - 1, incoming, url, token)
        };
        let Some(url) = url else { return };
        let payload = match incoming.provider {
            Provider::Twilio => Payload::Form(self.incoming_form(&incoming)),
            Provider::Routee => Payload::Json(self.incoming_sms(&incoming).to_string()),
        };
        let outgoing = Outgoing {
            provider: incoming.provider,
            kind: WebhookKind::Incoming,
            id: incoming.id,
            url,
            payload,
            token,
            index,
        };
        self.send_webhook(outgoing, true);
    }

    fn incoming_form(&self, incoming: &Incoming) -> Vec<(String, String)> {
        let numbers = (incoming.from.as_str(), incoming.to.as_str());
        let mut form = common(&incoming.id, "received", incoming.channel, numbers);
        let mut add = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
        add("SmsMessageSid", &incoming.id);
        add("Body", &incoming.text);
        add("NumMedia", "0");
        add("NumSegments", "1");
        if let Some(service) = &incoming.service {
            add("MessagingServiceSid", service);
            if let Some(word) = opt_out_type(&incoming.text).filter(|_| self.0.switches.advanced_opt_out) {
                add("OptOutType", word);
            }
        }
        if incoming.channel == Channel::WhatsApp {
            add("ProfileName", "Ann");
            add("WaId", incoming.from.trim_start_matches('+'));
        } else {
            add("FromCountry", "US");
            add("FromCity", "");
        }
        if let Some(quoted) = &incoming.quotes {
            add("OriginalRepliedMessageSid", quoted);
            add("OriginalRepliedMessageSender", &format!("whatsapp:{}", incoming.to));
        }
        form
    }
}

/// The word that Twilio finds in a text: only if it is the whole text.
fn opt_out_type(text: &str) -> Option<&'static str> {
    let text = text.trim().to_uppercase();
    match text.as_str() {
        "START" => Some("START"),
        "HELP" => Some("HELP"),
        word if STOP_WORDS.contains(&word) => Some("STOP"),
        _ => None,
    }
}

/// Whether the phone shows the message.
fn arrives(message: &Message, habit: &Habit) -> bool {
    match habit.delivery {
        // Where the provider does not refuse it.
        Delivery::Arrives(_) | Delivery::OptedOut => true,
        // A sender that the owner blocked is silent on WhatsApp.
        Delivery::ArrivesUnreported => message.channel == Channel::Sms,
        _ => false,
    }
}

fn outside_window(switches: &Switches) -> Vec<Step> {
    let status = match switches.outside_window {
        OutsideWindow::Undelivered => Status::Undelivered,
        OutsideWindow::Failed => Status::Failed,
    };
    vec![Step::failing(NETWORK_NOTICES, status, 63_016, "")]
}

/// The statuses of a message after its creation.
fn steps(message: &Message, habit: &Habit, switches: &Switches, validity: Duration) -> Vec<Step> {
    let mut steps = vec![Step::new(STEP, Status::Queued)];
    if message.provider == Provider::Twilio {
        steps.push(Step::new(STEP, Status::Sending));
        let is_queued_already = message.from != SERVICE;
        if is_queued_already && !switches.queued_is_called_back {
            steps.remove(0);
        }
    }
    let undelivered = |after, code, why| Step::failing(after, Status::Undelivered, code, why);
    if matches!(habit.delivery, Delivery::Unknown | Delivery::Landline) && message.provider == Provider::Routee {
        steps.push(Step::failing(NETWORK_NOTICES, Status::Failed, 30_005, "Unknown Number"));
        return steps;
    }
    steps.push(Step::new(switches.sent_after, Status::Sent));
    let last = match habit.delivery {
        Delivery::Arrives(after) => Step::new(after, Status::Delivered),
        Delivery::OptedOut => Step::new(NETWORK_NOTICES, Status::Delivered),
        Delivery::ArrivesUnreported => return steps,
        Delivery::LastPartLost => undelivered(NETWORK_NOTICES, 30_003, "Undelivered on Handset"),
        Delivery::Unreachable(after) => undelivered(after, 30_003, "Undelivered on Handset"),
        Delivery::Expires => undelivered(validity, 30_036, "Expired"),
        Delivery::Unknown => undelivered(NETWORK_NOTICES, 30_005, "Unknown Number"),
        Delivery::Landline => undelivered(NETWORK_NOTICES, 30_006, "Unknown Number"),
        Delivery::Blocked => undelivered(NETWORK_NOTICES, 30_004, "Call Barred"),
    };
    let is_delivered = last.status == Status::Delivered;
    steps.push(last);
    if let (Channel::WhatsApp, Some(after), true) = (message.channel, habit.reads_after, is_delivered) {
        steps.push(Step::new(after, Status::Read));
    }
    steps
}
