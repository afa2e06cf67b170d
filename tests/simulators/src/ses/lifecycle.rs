//! What happens to a mail after it was accepted.

use std::time::Duration;

use bytes::Bytes;
use patchbay::http::Request;
use serde_json::{Value, json};

use super::Ses;
use super::events::{self, Event};
use super::mailboxes::{Fate, Habit};
use super::records::{Click, Email};
use super::switches::OneClickForm;

/// How long a server takes to refuse a mail.
const SERVER_NOTICES: Duration = Duration::from_secs(2);
/// How long SES tries before it gives up.
const GIVES_UP_AFTER: Duration = Duration::from_hours(12);
/// The only field that a mail program posts.
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
const BOUNDARY: &str = "simulated-boundary";

/// Counts a task as pending, until it is dropped.
pub(super) struct Pending(Ses);

impl Drop for Pending {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.pending = state.pending.saturating_sub(1);
    }
}

impl Ses {
    pub(super) fn pending(&self) -> Pending {
        self.lock().pending += 1;
        Pending(self.clone())
    }

    /// Sends a mail on its way to all its recipients.
    pub(super) fn start(&self, index: usize, starts_after: Duration) {
        let (this, pending) = (self.clone(), self.pending());
        tokio::spawn(async move {
            this.0
                .clock
                .sleep(starts_after + this.0.switches.send_event_after)
                .await;
            let email = this.lock().emails.get(index).cloned();
            if let Some(email) = email {
                this.happens(index, "Send", "send", json!({}));
                for to in &email.to {
                    this.run(index, &email, to).await;
                }
            }
            drop(pending);
        });
    }

    fn happens(&self, index: usize, kind: &'static str, object: &'static str, details: Value) {
        let event = Event {
            kind,
            object,
            details,
            opt_out: None,
        };
        self.publish(index, event);
    }

    async fn run(&self, index: usize, email: &Email, to: &str) {
        let clock = &self.0.clock;
        let (habit, is_suppressed) = {
            let key = self.suppression_key(to);
            let mut state = self.lock();
            (state.habit(to), state.suppressed.contains_key(&key))
        };
        if is_suppressed {
            clock.sleep(SERVER_NOTICES).await;
            self.bounces(index, to, ("Permanent", "OnAccountSuppressionList"));
            return;
        }
        if let Some(delay) = habit.delayed_by {
            self.happens(index, "DeliveryDelay", "deliveryDelay", events::delay(to, self.now()));
            clock.sleep(delay).await;
        }
        match habit.fate {
            Fate::Vanishes => {}
            Fate::Rejected => self.happens(index, "Reject", "reject", json!({ "reason": "Bad content" })),
            Fate::BouncesPermanently(sub_type) => {
                clock.sleep(SERVER_NOTICES).await;
                self.bounces(index, to, ("Permanent", sub_type));
                self.suppress_if_on(to, "BOUNCE");
            }
            Fate::BouncesTransiently(sub_type) => {
                clock.sleep(GIVES_UP_AFTER).await;
                self.bounces(index, to, ("Transient", sub_type));
            }
            Fate::Arrives(after) => {
                clock.sleep(after).await;
                let details = events::delivery(to, self.now(), email.at);
                self.happens(index, "Delivery", "delivery", details);
                self.arrived(index, email, to, habit);
            }
        }
    }

    fn bounces(&self, index: usize, to: &str, kind: (&str, &str)) {
        let feedback = self.lock().rng.uuid();
        let details = events::bounce(to, self.now(), kind, &feedback);
        self.happens(index, "Bounce", "bounce", details);
    }

    fn suppress_if_on(&self, to: &str, reason: &str) {
        if self.0.switches.suppresses {
            let key = self.suppression_key(to);
            self.lock().suppressed.insert(key, reason.to_owned());
        }
    }

    /// Starts what the owner of the mailbox does, each in its time.
    fn arrived(&self, index: usize, email: &Email, to: &str, habit: Habit) {
        let url = email.one_click_url().map(str::to_owned);
        if let Some(url) = url.clone().filter(|_| habit.is_scanned) {
            self.later(Duration::ZERO, move |ses| async move { ses.click(&url, false).await });
        }
        if let (Some(url), Some(after)) = (url, habit.opts_out_after) {
            let to = to.to_owned();
            self.later(after, move |ses| async move {
                let opt_out = {
                    let now = ses.now();
                    ses.lock().opt_out(&to, now)
                };
                if ses.click(&url, true).await {
                    let now = ses.now();
                    ses.lock().opt_out_is_known(opt_out, now);
                }
            });
        }
        if let Some(after) = habit.bounces_after {
            let to = to.to_owned();
            self.later(after, move |ses| async move {
                ses.bounces(index, &to, ("Transient", "General"));
            });
        }
        if let Some((after, feedback_type)) = habit.complains {
            let to = to.to_owned();
            self.later(
                after,
                move |ses| async move { ses.complains(index, &to, feedback_type) },
            );
        }
        for reply in habit.replies {
            let (email, to) = (email.clone(), to.to_owned());
            self.later(
                reply.after,
                move |ses| async move { ses.reply(&email, &to, &reply).await },
            );
        }
    }

    fn complains(&self, index: usize, to: &str, feedback_type: &'static str) {
        let (now, feedback) = (self.now(), self.lock().rng.uuid());
        let is_complaint = feedback_type != "not-spam";
        let opt_out = is_complaint.then(|| self.lock().opt_out(to, now));
        if is_complaint {
            self.suppress_if_on(to, "COMPLAINT");
        }
        let event = Event {
            kind: "Complaint",
            object: "complaint",
            details: events::complaint(to, now, feedback_type, &feedback),
            opt_out,
        };
        self.publish(index, event);
    }

    /// Requests the URL of the opt-out button: a mail program posts, a scanner fetches. Whether it was accepted.
    async fn click(&self, url: &str, is_post: bool) -> bool {
        let at = self.now();
        let client = self.lock().client.clone();
        let sent = match (client, self.click_request(url, is_post)) {
            (Some(client), Ok(request)) => client.send(request).await.ok(),
            _ => None,
        };
        let answer = sent.map(|response| response.status().as_u16());
        self.lock().clicks.push(Click {
            at,
            is_post,
            url: url.to_owned(),
            answer,
        });
        // A redirect is no success: mail programs do not follow it.
        answer.is_some_and(|status| (200..300).contains(&status))
    }

    fn click_request(&self, url: &str, is_post: bool) -> Result<Request, http::Error> {
        if !is_post {
            return http::Request::get(url).body(Bytes::new());
        }
        let (content_type, body) = match self.0.switches.one_click {
            OneClickForm::UrlEncoded => ("application/x-www-form-urlencoded".to_owned(), ONE_CLICK.to_owned()),
            OneClickForm::Multipart => (
                format!("multipart/form-data; boundary={BOUNDARY}"),
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\n\
                     One-Click\r\n--{BOUNDARY}--\r\n"
                ),
            ),
        };
        http::Request::post(url)
            .header("content-type", content_type)
            .body(Bytes::from(body))
    }

    /// Does something later, and counts it as pending until it is done.
    fn later<F>(&self, after: Duration, what: impl FnOnce(Self) -> F + Send + 'static)
    where
        F: Future<Output: Send> + Send,
    {
        let (this, pending) = (self.clone(), self.pending());
        tokio::spawn(async move {
            this.0.clock.sleep(after).await;
            what(this.clone()).await;
            drop(pending);
        });
    }
}
