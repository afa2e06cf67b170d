//! Customers, agents and other bots with a script.

use std::time::Duration;

use super::Chat;
use super::people::ActionError;
use super::platform::NewMessage;
use super::records::{Author, Message, MessageKind, Status};
use crate::rng::Rng;
use crate::script_runner::later_by;

/// How often a customer looks for an answer.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a customer does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// Writes a message.
    Text(String),
    /// Sends an attachment, with a text if it is not empty.
    Attachment(String),
    /// Clicks a choice, or writes it if it is not offered.
    Click(String),
    /// Waits.
    Pause(Duration),
    /// Waits for a message that is younger than the customer's last one, but at most this long.
    Wait(Duration),
}

/// A customer with a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The inbox.
    pub inbox: u64,
    /// What the customer does, in order.
    pub script: Vec<Says>,
}

impl Customer {
    /// A customer who opens the widget of this inbox and writes nothing.
    pub const fn new(inbox: u64) -> Self {
        Self {
            inbox,
            script: Vec::new(),
        }
    }

    /// Then does this.
    #[must_use]
    pub fn then(mut self, next: Says) -> Self {
        self.script.push(next);
        self
    }

    /// Then writes this.
    #[must_use]
    pub fn writes(self, text: &str) -> Self {
        self.then(Says::Text(text.to_owned()))
    }

    /// Then writes these messages, `gap` apart.
    #[must_use]
    pub fn bursts(self, texts: &[&str], gap: Duration) -> Self {
        let mut texts = texts.iter();
        let first = texts.next().map(|text| Says::Text((*text).to_owned()));
        let rest = texts.flat_map(|text| [Says::Pause(gap), Says::Text((*text).to_owned())]);
        let script = first.into_iter().chain(rest);
        script.fold(self, Self::then)
    }

    /// Then waits.
    #[must_use]
    pub fn pauses(self, duration: Duration) -> Self {
        self.then(Says::Pause(duration))
    }

    /// Then waits for an answer, but at most this long.
    #[must_use]
    pub fn waits(self, at_most: Duration) -> Self {
        self.then(Says::Wait(at_most))
    }

    /// A customer who writes these texts, some of them in bursts, and waits for some answers.
    pub fn random(rng: &mut Rng, inbox: u64, texts: impl IntoIterator<Item = String>) -> Self {
        let mut customer = Self::new(inbox);
        for text in texts {
            let pause = match rng.below(4) {
                0 => Says::Pause(rng.between(Duration::from_millis(100), Duration::from_secs(2))),
                1 => Says::Pause(rng.between(Duration::from_secs(2), Duration::from_secs(90))),
                _ => Says::Wait(rng.between(Duration::from_secs(5), Duration::from_mins(1))),
            };
            customer = customer.then(Says::Text(text)).then(pause);
        }
        customer
    }
}

/// How a person leaves a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Does not.
    Stays,
    /// Returns it to the bot with this word in a private note.
    GivesBack(String),
    /// Returns it to the bot with this word in a public message.
    GivesBackPublicly(String),
    /// Resolves it.
    Resolves,
}

/// A person of the team who takes care of conversations that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Their name.
    pub name: String,
    /// How long a conversation waits for them.
    pub after: Duration,
    /// Whether they assign it to themselves before they answer.
    pub takes: bool,
    /// What they answer, in order.
    pub answers: Vec<String>,
    /// The pause before each answer after the first, and before they leave.
    pub pause: Duration,
    /// How they leave.
    pub then: Habit,
}

impl Agent {
    /// A person who takes a waiting conversation after this time, answers once, and stays.
    pub fn new(name: &str, after: Duration, answer: &str) -> Self {
        Self {
            name: name.to_owned(),
            after,
            takes: true,
            answers: vec![answer.to_owned()],
            pause: Duration::from_secs(20),
            then: Habit::Stays,
        }
    }

    /// The same person, who leaves in this way.
    #[must_use]
    pub fn who(mut self, then: Habit) -> Self {
        self.then = then;
        self
    }

    /// Takes care of one conversation.
    pub(super) async fn serve(self, chat: &Chat, conversation: u64) {
        chat.0.clock.sleep(self.after).await;
        let still_waits =
            |record: super::ConversationRecord| record.status == Status::Open && record.assignee.is_none();
        if !chat.conversation(conversation).is_some_and(still_waits) {
            return;
        }
        if let Err(error) = self.work(chat, conversation).await {
            tracing::warn!(conversation, %error, "a simulated agent stops");
        }
    }

    async fn work(&self, chat: &Chat, conversation: u64) -> Result<(), ActionError> {
        if self.takes {
            chat.agent_takes(conversation, &self.name)?;
        }
        for (index, answer) in self.answers.iter().enumerate() {
            if index > 0 {
                chat.0.clock.sleep(self.pause).await;
            }
            chat.agent_replies(conversation, &self.name, answer)?;
        }
        if self.then == Habit::Stays {
            return Ok(());
        }
        chat.0.clock.sleep(self.pause).await;
        match &self.then {
            Habit::Stays => Ok(()),
            Habit::GivesBack(word) => chat.agent_notes(conversation, &self.name, word).map(drop),
            Habit::GivesBackPublicly(word) => chat.agent_replies(conversation, &self.name, word).map(drop),
            Habit::Resolves => chat.agent_resolves(conversation, &self.name),
        }
    }
}

/// What a third party responds to, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Responds {
    /// As the customer's bot, to every message to the customer: with a bot that answers every message, a loop.
    ToOutgoing,
    /// As the customer's auto-responder, to messages to the customer, but at most once in this time.
    OncePer(Duration),
    /// As another bot of the platform, to every message of the customer.
    ToIncoming,
}

/// A third party: neither a customer nor an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThirdParty {
    /// The name under which it writes.
    pub name: String,
    /// The inbox whose conversations it takes part in; `None` for all.
    pub inbox: Option<u64>,
    /// What it responds to, and how.
    pub responds: Responds,
    /// What it writes, followed by the ordinal of the response in its conversation.
    pub text: String,
    /// How long after the message it responds.
    pub after: Duration,
    /// How often at most in one conversation.
    pub at_most: usize,
}

impl ThirdParty {
    /// A bot of the customer that answers every message to the customer, up to 500 times.
    pub fn loop_partner() -> Self {
        Self {
            name: "loop partner".to_owned(),
            inbox: None,
            responds: Responds::ToOutgoing,
            text: "I am a bot, too. Tell me more".to_owned(),
            after: Duration::from_secs(1),
            at_most: 500,
        }
    }

    /// An auto-responder of the customer, at most once an hour.
    pub fn auto_responder() -> Self {
        Self {
            name: "auto-responder".to_owned(),
            responds: Responds::OncePer(Duration::from_hours(1)),
            text: "I am out of office".to_owned(),
            ..Self::loop_partner()
        }
    }

    /// Another bot of the platform that answers every message of the customer.
    pub fn other_bot() -> Self {
        Self {
            name: "other bot".to_owned(),
            responds: Responds::ToIncoming,
            text: "Thank you for your message".to_owned(),
            ..Self::loop_partner()
        }
    }

    /// Whether it may respond to a message.
    pub(super) fn responds_to(&self, message: &NewMessage) -> bool {
        let is_own = matches!(&message.author, Author::Other(name) if *name == self.name);
        let kind = match self.responds {
            Responds::ToOutgoing | Responds::OncePer(_) => MessageKind::Outgoing,
            Responds::ToIncoming => MessageKind::Incoming,
        };
        !is_own && !message.private && message.kind == kind
    }

    /// Responds to a message, unless it did so too often.
    pub(super) async fn respond(self, chat: &Chat, conversation: u64) {
        chat.0.clock.sleep(self.after).await;
        let now = chat.now();
        let own = |message: &Message| matches!(&message.author, Author::Other(name) if *name == self.name);
        let earlier: Vec<Message> = chat.messages(conversation).into_iter().filter(own).collect();
        let is_too_early = match (self.responds, earlier.last()) {
            (Responds::OncePer(period), Some(last)) => now < later_by(last.at, period),
            _ => false,
        };
        let inbox = chat.conversation(conversation).map(|record| record.inbox);
        let is_elsewhere = self.inbox.is_some() && self.inbox != inbox;
        if earlier.len() >= self.at_most || is_too_early || is_elsewhere {
            return;
        }
        let kind = match self.responds {
            Responds::ToOutgoing | Responds::OncePer(_) => MessageKind::Incoming,
            Responds::ToIncoming => MessageKind::Outgoing,
        };
        let text = format!("{} {}", self.text, earlier.len() + 1);
        let message = NewMessage::text(conversation, Author::Other(self.name.clone()), kind, &text);
        if let Err(error) = chat.change(|platform| platform.add(&message)) {
            tracing::debug!(conversation, %error, "a simulated third party stops");
        }
    }
}

impl Chat {
    /// A customer begins a conversation and follows their script. Returns the conversation.
    ///
    /// # Errors
    /// When there is no such inbox.
    pub fn let_in(&self, customer: Customer) -> Result<u64, ActionError> {
        let conversation = self.customer_opens(customer.inbox)?;
        let chat = self.clone();
        self.spawn(async move {
            for next in &customer.script {
                if let Err(error) = chat.follow_script(conversation, next).await {
                    tracing::warn!(conversation, %error, "a simulated customer stops");
                    return;
                }
            }
        });
        Ok(conversation)
    }

    async fn follow_script(&self, conversation: u64, next: &Says) -> Result<(), ActionError> {
        match next {
            Says::Text(text) => self.customer_writes(conversation, text).map(drop),
            Says::Attachment(caption) => self.customer_sends_attachment(conversation, caption).map(drop),
            Says::Click(choice) => self.customer_clicks(conversation, choice).map(drop),
            Says::Pause(duration) => {
                self.0.clock.sleep(*duration).await;
                Ok(())
            }
            Says::Wait(at_most) => {
                self.wait_for_answer(conversation, *at_most).await;
                Ok(())
            }
        }
    }

    /// Waits until the last message to or from the customer is not the customer's, but at most this long.
    async fn wait_for_answer(&self, conversation: u64, at_most: Duration) {
        let end = later_by(self.now(), at_most);
        while self.now() < end && !self.is_answered(conversation) {
            self.0.clock.sleep(LOOK_EVERY).await;
        }
    }

    fn is_answered(&self, conversation: u64) -> bool {
        let state = self.lock();
        let messages = state.conversation(conversation).map(|found| &found.messages);
        let last = messages.and_then(|messages| messages.iter().rev().find(|message| message.is_public()));
        last.is_none_or(|message| message.kind == MessageKind::Outgoing)
    }

    /// From now on this person takes care of conversations that begin to wait; several people take turns. They are
    /// logged in.
    pub fn put_to_work(&self, agent: Agent) {
        self.set_logged_in(&agent.name, true);
        self.lock().agents_at_work.push(agent);
    }

    /// From now on this third party responds to messages.
    pub fn add_third_party(&self, party: ThirdParty) {
        self.lock().third_parties.push(party);
    }
}
