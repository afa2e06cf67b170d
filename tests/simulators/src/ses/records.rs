//! What the simulator records, and what a test wants to know about it.

use std::collections::BTreeMap;
use std::time::Duration;

use patchbay::clock::Timestamp;
use serde_json::Value;

use crate::script_runner::later_by;

/// A mail that patchbay sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The id of SES.
    pub id: String,
    /// The sender, with its name.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// Where replies go.
    pub reply_to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The text of the mail.
    pub text: String,
    /// The text as HTML.
    pub html: Option<String>,
    /// The headers that the request added, in its order.
    pub headers: Vec<(String, String)>,
    /// The tags. They identify the attempt.
    pub tags: BTreeMap<String, String>,
    /// The configuration set.
    pub configuration_set: Option<String>,
    /// When the request was accepted.
    pub at: Timestamp,
    /// Every published event, by its `eventType`, with the time at which it happened.
    pub events: Vec<(Timestamp, &'static str)>,
}

impl Email {
    /// The tags as one text, which is the same for every mail of an attempt.
    pub fn attempt(&self) -> String {
        let tags: Vec<String> = self
            .tags
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        tags.join(",")
    }

    /// A header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The URL of the opt-out button. A mail program shows none unless both headers are right.
    pub fn one_click_url(&self) -> Option<&str> {
        let url = self.header("List-Unsubscribe")?.strip_prefix('<')?.strip_suffix('>')?;
        let is_one = url.starts_with("https://") && !url.contains(['<', '>', ',']);
        let is_one_click = self.header("List-Unsubscribe-Post") == Some("List-Unsubscribe=One-Click");
        (is_one && is_one_click).then_some(url)
    }
}

/// A mail that a customer sent to us.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// The id of SES, which is also the end of its key in S3.
    pub id: String,
    /// Who wrote it.
    pub from: String,
    /// Where it was delivered.
    pub to: String,
    /// The MIME object.
    pub raw: String,
    /// The event that a receipt rule hands to a function.
    pub event: Value,
    /// When it came in.
    pub at: Timestamp,
    /// Whether it means that nothing may be sent any more.
    pub opts_out: bool,
}

/// A customer who wants no more mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// The customer's address.
    pub address: String,
    /// When they said so.
    pub at: Timestamp,
    /// When patchbay accepted the message about it.
    pub known_at: Option<Timestamp>,
}

/// A click on the opt-out button, or a link that a program followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Click {
    /// When the request was made.
    pub at: Timestamp,
    /// Whether it was posted. A program only fetches.
    pub is_post: bool,
    /// The URL.
    pub url: String,
    /// The status of the response; `None` if there was none.
    pub answer: Option<u16>,
}

/// A delivery of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// When it was delivered.
    pub at: Timestamp,
    /// The `eventType`.
    pub kind: &'static str,
    /// The mail.
    pub email: String,
    /// What was delivered, with its envelope.
    pub body: Value,
    /// Whether it was accepted.
    pub is_accepted: bool,
}

/// A request to the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// When it arrived.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The body.
    pub body: String,
    /// The status of the response; `None` if it was lost.
    pub status: Option<u16>,
}

/// Everything that was sent, in the order of sending.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The mails.
    pub emails: Vec<Email>,
    /// The customers who opted out.
    pub opt_outs: Vec<OptOut>,
}

impl Audit {
    /// The mails of each attempt, by [`Email::attempt`].
    pub fn attempts(&self) -> BTreeMap<String, Vec<&Email>> {
        let mut attempts: BTreeMap<String, Vec<&Email>> = BTreeMap::new();
        for email in &self.emails {
            attempts.entry(email.attempt()).or_default().push(email);
        }
        attempts
    }

    /// The attempts that sent more than one mail.
    pub fn sent_twice(&self) -> Vec<String> {
        let attempts = self.attempts().into_iter();
        attempts
            .filter(|(_, emails)| emails.len() > 1)
            .map(|(attempt, _)| attempt)
            .collect()
    }

    /// The mails that belong to no attempt, or whose events are not published: nobody would ever learn their
    /// outcome.
    pub fn without_attempt(&self) -> Vec<&Email> {
        let emails = self.emails.iter();
        emails
            .filter(|email| email.tags.is_empty() || email.configuration_set.is_none())
            .collect()
    }

    /// The mails to customers who had opted out, as patchbay knew for at least `grace`.
    pub fn after_opt_out(&self, grace: Duration) -> Vec<&Email> {
        let is_too_late = |email: &&Email| {
            self.opt_outs.iter().any(|opt_out| {
                let known = opt_out.known_at.map(|known| later_by(known, grace));
                let is_to = |to: &String| to.eq_ignore_ascii_case(&opt_out.address);
                email.to.iter().any(is_to) && known.is_some_and(|known| known < email.at)
            })
        };
        self.emails.iter().filter(is_too_late).collect()
    }

    /// The mails that were sent at a time that `is_allowed` refuses for one of their recipients.
    pub fn outside_hours(&self, is_allowed: impl Fn(&str, Timestamp) -> bool) -> Vec<&Email> {
        let emails = self.emails.iter();
        emails
            .filter(|email| email.to.iter().any(|to| !is_allowed(to, email.at)))
            .collect()
    }
}
