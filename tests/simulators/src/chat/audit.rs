//! Checks the record of an installation: every message of a customer is answered once or reaches people, nobody is
//! answered by a bot after a person took over, and nothing is posted twice.
//!
//! It sees only what the platform sees, so it must be given what the bot's document says ([`Texts`]).

mod replay;

use std::fmt;
use std::time::Duration;

use patchbay::clock::Timestamp;

use self::replay::Replay;
use super::Chat;
use super::records::{Cause, ChangeKind, ConversationRecord, EventRecord, Message, RequestRecord};

/// What the audit needs to know about the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// Hand-over messages. Like all texts here, it is enough that a message contains one.
    pub hand_over: Vec<String>,
    /// Other messages that are no answers: that a person has joined, that nobody is free.
    pub notices: Vec<String>,
    /// Messages that say that the conversation is back with the bot.
    pub ended: Vec<String>,
    /// The words with which people return a conversation to the bot.
    pub give_back: Vec<String>,
    /// Whether every answer contains the messages that it answers. Otherwise [`Audit::answers`] has no meaning.
    pub answers_quote: bool,
    /// How long after the last sign of a person the conversation returns to the bot.
    pub give_back_after: Option<Duration>,
    /// Times at which a conversation was returned to the bot through patchbay's API.
    pub returned: Vec<(u64, Timestamp)>,
    /// How long after it was notified the bot may still act on what it knew before.
    pub grace: Duration,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            hand_over: Vec::new(),
            notices: Vec::new(),
            ended: Vec::new(),
            give_back: Vec::new(),
            answers_quote: true,
            give_back_after: None,
            returned: Vec::new(),
            grace: Duration::from_secs(15),
        }
    }
}

impl Texts {
    /// Whether a message of the bot answers the customer.
    fn is_answer(&self, message: &str) -> bool {
        let others = [&self.hand_over, &self.notices, &self.ended];
        !others.into_iter().any(|texts| contains_any(message, texts))
    }
}

/// How often a customer's message was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// The conversation.
    pub conversation: u64,
    /// The customer's message.
    pub message: u64,
    /// Messages of the bot that contain it.
    pub times: usize,
    /// Requests for such messages, including those that failed.
    pub attempts: usize,
}

/// A hand-over, as far as the platform sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The conversation.
    pub conversation: u64,
    /// When its first message was posted, or the conversation delivered, whichever was first.
    pub at: Timestamp,
    /// Hand-over messages.
    pub messages: usize,
    /// Requests to deliver the conversation, including those that failed.
    pub deliveries: usize,
}

/// A violated invariant. The first number is the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The bot has the conversation, and did not answer this message.
    Unanswered(u64, u64),
    /// More answers contain this message than the customer wrote it.
    AnsweredTwice(u64, u64),
    /// The bot's message was posted although a person had taken over.
    PostAfterTakeover(u64, u64),
    /// The bot's message was posted although the conversation waited for a person.
    PostWhileWaiting(u64, u64),
    /// The hand-over has this many messages.
    HandOverMessages(u64, usize),
    /// The conversation was delivered to people without a message to the customer.
    NoHandOverMessage(u64),
    /// The two messages of the bot have the same text, and nobody wrote between them.
    PostedTwice(u64, u64, u64),
    /// The conversation ends with this message of the customer, and nobody is going to answer it.
    Silence(u64, u64),
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered(id, message) => write!(f, "{id}: message {message} was not answered"),
            Self::AnsweredTwice(id, message) => write!(f, "{id}: message {message} was answered twice"),
            Self::PostAfterTakeover(id, message) => write!(f, "{id}: message {message} was posted after a takeover"),
            Self::PostWhileWaiting(id, message) => {
                write!(
                    f,
                    "{id}: message {message} was posted while the customer waited for a person"
                )
            }
            Self::HandOverMessages(id, count) => write!(f, "{id}: a hand-over has {count} messages"),
            Self::NoHandOverMessage(id) => write!(f, "{id}: a hand-over has no message"),
            Self::PostedTwice(id, first, second) => {
                write!(f, "{id}: messages {first} and {second} are one, posted twice")
            }
            Self::Silence(id, message) => write!(f, "{id}: ends in silence after message {message}"),
        }
    }
}

/// The result of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// For every message of a customer that has a text, how often it was answered.
    pub answers: Vec<Answers>,
    /// All hand-overs.
    pub hand_overs: Vec<HandOver>,
    /// The number of messages that bots posted.
    pub posts: usize,
    /// The invariants that were violated.
    pub breaches: Vec<Breach>,
}

impl Audit {
    /// How often a customer's message was answered.
    pub fn times(&self, message: u64) -> usize {
        let found = self.answers.iter().find(|answers| answers.message == message);
        found.map_or(0, |answers| answers.times)
    }
}

/// Audits all conversations of an installation where nothing more happens.
pub fn audit(chat: &Chat, texts: &Texts) -> Audit {
    let record = Record {
        texts,
        requests: chat.requests(),
        events: chat.events(),
    };
    let mut audit = Audit::default();
    for conversation in chat.conversations() {
        let messages = chat.messages(conversation.id);
        record.check_posts(&conversation, &messages, &mut audit);
        let answers = record.answers(&messages);
        let mut replay = Replay::new(&record, &conversation, &messages, &answers);
        replay.run();
        audit.hand_overs.append(&mut replay.hand_overs);
        audit.breaches.append(&mut replay.breaches);
        audit.answers.extend(answers);
    }
    audit
}

/// The part of the record that all conversations share.
struct Record<'a> {
    texts: &'a Texts,
    requests: Vec<RequestRecord>,
    events: Vec<EventRecord>,
}

impl Record<'_> {
    /// How often each message of the customer was answered.
    fn answers(&self, messages: &[Message]) -> Vec<Answers> {
        let written = messages
            .iter()
            .filter(|message| message.is_of_customer() && !message.text.is_empty());
        let answers = written.map(|message| {
            let posts = messages.iter().filter(|post| post.is_of_bot() && post.at >= message.at);
            let requests = self.posts_to(message.conversation);
            let quotes = |text: &str| quotes(text, &message.text);
            Answers {
                conversation: message.conversation,
                message: message.id,
                times: posts.filter(|post| quotes(&post.text)).count(),
                attempts: requests
                    .filter(|(request, text)| request.at >= message.at && quotes(text))
                    .count(),
            }
        });
        answers.collect()
    }

    /// The requests for messages to the customer of a conversation, each with the text.
    fn posts_to(&self, conversation: u64) -> impl Iterator<Item = (&RequestRecord, &str)> {
        self.requests.iter().filter_map(move |request| {
            let (id, text) = request.posts()?;
            (id == conversation).then_some((request, text))
        })
    }

    /// Whether the answer to the request for a post told the client that it was posted.
    fn is_confirmed(&self, post: &Message) -> bool {
        let request = post.request.and_then(|index| self.requests.get(index));
        request.is_some_and(RequestRecord::is_confirmed)
    }

    /// Finds messages that were posted twice.
    fn check_posts(&self, conversation: &ConversationRecord, messages: &[Message], audit: &mut Audit) {
        let posts: Vec<&Message> = messages.iter().filter(|message| message.is_of_bot()).collect();
        audit.posts += posts.len();
        for (index, first) in posts.iter().enumerate() {
            let mut later = posts.iter().skip(index + 1);
            let second = later.find(|second| second.text == first.text);
            let Some(second) = second.filter(|second| nobody_acted(conversation, messages, first, second)) else {
                continue;
            };
            // Two turns may have the same answer, and two returns the same message. A retry is none of these.
            let is_unique = self.texts.answers_quote && self.texts.is_answer(&first.text);
            if is_unique || !self.is_confirmed(first) {
                let breach = Breach::PostedTwice(first.conversation, first.id, second.id);
                audit.breaches.push(breach);
            }
        }
    }
}

/// Whether between two messages neither the customer nor a person of the team did anything.
fn nobody_acted(conversation: &ConversationRecord, messages: &[Message], first: &Message, second: &Message) -> bool {
    let mut written = messages
        .iter()
        .filter(|message| first.id < message.id && message.id < second.id);
    let mut changes = conversation
        .changes
        .iter()
        .filter(|change| first.at <= change.at && change.at <= second.at);
    let is_of_people = |kind: &ChangeKind| match kind {
        ChangeKind::Status { by, .. } => matches!(by, Cause::Human(_) | Cause::Customer),
        ChangeKind::Assigned(_) | ChangeKind::Unassigned => true,
    };
    written.all(Message::is_of_bot) && !changes.any(|change| is_of_people(&change.kind))
}

/// Whether `answer` contains `text` as whole words, regardless of white space.
fn quotes(answer: &str, text: &str) -> bool {
    let normal = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (answer, text) = (normal(answer), normal(text));
    if text.is_empty() {
        return false;
    }
    answer.match_indices(&text).any(|(start, found)| {
        let before = answer.get(..start).and_then(|before| before.chars().next_back());
        let after = answer.get(start + found.len()..).and_then(|after| after.chars().next());
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

/// Whether a message contains one of these texts.
fn contains_any(message: &str, texts: &[String]) -> bool {
    texts
        .iter()
        .any(|text| !text.is_empty() && message.contains(text.as_str()))
}
