//! The network of mobile phones for text messages, and the two APIs that reach it: Twilio's Messages and Routee's SMS.
//!
//! Both providers share it, because a customer has one phone, whichever provider writes to it. It follows the wire
//! contracts (twilio/CONTRACT.md 5, routee/CONTRACT.md 6). Where they are uncertain, [`Switches`] select the behavior.
//! It journals everything that was sent: [`Messages::audit`] answers whether something was sent twice, after an opt-out,
//! or at a wrong time.

mod api;
mod audit;
mod faults;
mod habits;
mod lifecycle;
mod records;
mod routee_sms;
mod state;
mod switches;
#[cfg(test)]
mod tests;
mod twilio_messages;
mod webhooks;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use patchbay::messaging::Channel;

pub use self::audit::Audit;
pub use self::faults::{CreateFault, Faults, ReadFault, Target};
pub use self::habits::{Answer, Delivery, Habit, Habits, Mobiles};
pub use self::records::{
    ApiRequest, Body, Failure, Incoming, Message, OptOut, Status, Unexpected, Webhook, WebhookKind,
};
use self::state::State;
pub use self::switches::{OutsideWindow, StatusCase, Switches, TrackedParts};
use crate::exchange::Provider;
use crate::routee::Routee;
use crate::twilio::Twilio;
use crate::twilio::outbound::OUR_NUMBERS;
pub use crate::webhook_faults::{WebhookFault, WebhookFaults};

/// The messaging service of the Twilio account. It sends from the first of [`OUR_NUMBERS`].
pub const SERVICE: &str = "MG00000000000000000000000000000001";

/// The simulated network. Clones share the same state.
///
/// As [`SendHttp`], it serves the messages of both providers, and leaves every other request to them: their clients need
/// no other HTTP client for tokens and calls.
#[derive(Clone)]
pub struct Messages(Arc<Core>);

struct Core {
    clock: Clock,
    switches: Switches,
    twilio: Twilio,
    routee: Routee,
    state: Mutex<State>,
}

impl Messages {
    /// A network that these two providers reach. They check credentials and tokens, and Twilio signs. Messages are tasks
    /// of the tokio runtime in which they are sent.
    pub fn new(
        clock: Clock,
        (twilio, routee): (Twilio, Routee),
        switches: Switches,
        mobiles: Mobiles,
        seed: u64,
    ) -> Self {
        let senders = OUR_NUMBERS.map(str::to_owned).to_vec();
        Self(Arc::new(Core {
            clock,
            switches,
            twilio,
            routee,
            state: Mutex::new(State::new(mobiles, senders, seed)),
        }))
    }

    /// Sets the client that delivers Routee's webhooks. Those of Twilio go through the client of [`Twilio`]. Without one,
    /// no webhook arrives.
    pub fn set_webhooks(&self, client: HttpClient) {
        self.lock().client = Some(client);
    }

    /// Sets the URL to which messages of customers are posted, for all our numbers at a provider.
    pub fn set_incoming_url(&self, provider: Provider, url: impl Into<String>) {
        self.lock().incoming_urls.insert(provider, url.into());
    }

    /// Replaces the numbers that may send, in E.164. Routee also accepts names.
    pub fn set_senders(&self, senders: impl IntoIterator<Item = String>) {
        self.lock().senders = senders.into_iter().collect();
    }

    /// Changes what happens to future messages. Messages on their way are not affected.
    pub fn change_mobiles(&self, change: impl FnOnce(&mut Mobiles)) {
        change(&mut self.lock().mobiles);
    }

    /// Changes the random faults and the state of outages.
    pub fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    /// Makes the next request to send a message fail. Several calls queue their faults.
    pub fn fail_next_create(&self, fault: CreateFault) {
        self.lock().scripted.create.push_back(fault);
    }

    /// Makes the next lookup or list fail. Several calls queue their faults.
    pub fn fail_next_read(&self, fault: ReadFault) {
        self.lock().scripted.read.push_back(fault);
    }

    /// Injects a fault into the next webhook that matches `target`. Several calls queue their faults.
    pub fn fail_next_webhook(&self, target: Target, fault: WebhookFault) {
        self.lock().scripted.webhooks.push((target, fault));
    }

    /// A customer writes to one of our numbers, both in E.164. This opens the 24 hours of `WhatsApp`.
    pub fn write(&self, provider: Provider, channel: Channel, from: &str, to: &str, answer: Answer) {
        self.start_writing(lifecycle::Letter {
            provider,
            channel,
            from: from.to_owned(),
            to: to.to_owned(),
            service: None,
            quotes: None,
            answer,
        });
    }

    /// Everything that was sent, and who had opted out.
    pub fn audit(&self) -> Audit {
        let state = self.lock();
        Audit {
            messages: state.messages.clone(),
            opt_outs: state.opt_outs.clone(),
            webhooks: state.webhooks.clone(),
        }
    }

    /// All messages that patchbay sent, in the order of sending.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().messages.clone()
    }

    /// All messages that customers wrote.
    pub fn incoming(&self) -> Vec<Incoming> {
        self.lock().incoming.clone()
    }

    /// All requests to the message APIs.
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.lock().requests.clone()
    }

    /// All webhooks that were sent.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.lock().webhooks.clone()
    }

    /// What no correct client causes, or no test has planned for.
    pub fn unexpected(&self) -> Vec<Unexpected> {
        self.lock().unexpected.clone()
    }

    /// Whether no message is on its way, and nobody is writing. Webhooks may still be retried.
    pub fn is_idle(&self) -> bool {
        self.lock().pending == 0
    }

    /// Whether a request is for the message API of a provider.
    pub fn serves<B>(request: &http::Request<B>) -> bool {
        api::Route::of(request.uri().path()).is_some()
    }

    /// Answers a request: those for messages here, all others by their provider.
    ///
    /// # Errors
    /// If the response is lost, or the connection fails.
    pub async fn respond(&self, request: Request) -> Result<Response, SendError> {
        if Self::serves(&request) {
            return self.handle(request).await;
        }
        if request.uri().path().starts_with(api::TWILIO_PREFIX) {
            return self.0.twilio.send(request).await;
        }
        self.0.routee.send(request).await
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendHttp for Messages {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.respond(request))
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Messages")
    }
}
