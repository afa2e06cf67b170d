//! An inbound call: fetches documents and executes them verb by verb until the call ends.

use std::time::Duration;

use patchbay::clock::Clock;
use roxmltree::{Document, Node};

use super::document::{faults, text_of};
use super::records::{CallRecord, Callee, CallerScript, Dial};
use super::{ACCOUNT, OUR_NUMBER, Switches, Twilio, pay};

/// Documents after which a call counts as an endless loop.
const MAX_DOCUMENTS: usize = 20;
/// Speaking rate of the simulated voice.
const MILLIS_PER_CHAR: u64 = 60;
/// What the caller hears after an application error.
const APPLICATION_ERROR: &str = "An application error has occurred.";

type Fields = Vec<(String, String)>;

/// What follows a verb.
pub(super) enum NextStep {
    /// The next verb.
    Next,
    /// Another document.
    Fetch(String, Fields),
    /// The end of the call.
    Over,
}

/// A call in progress.
pub(super) struct Call<'a> {
    pub(super) twilio: &'a Twilio,
    pub(super) script: CallerScript,
    pub(super) record: CallRecord,
    pub(super) pay_attempts: usize,
    gathers: usize,
    end_status_sent: bool,
    /// The voice webhook of the number.
    number_url: String,
}

impl<'a> Call<'a> {
    pub(super) fn new(twilio: &'a Twilio, sid: String, script: CallerScript) -> Self {
        Self {
            twilio,
            script,
            record: CallRecord {
                sid,
                ..CallRecord::default()
            },
            pay_attempts: 0,
            gathers: 0,
            end_status_sent: false,
            number_url: String::new(),
        }
    }

    pub(super) async fn run(mut self, url: &str) -> CallRecord {
        url.clone_into(&mut self.number_url);
        if self.script.overtaken {
            return self.overtaken(url).await;
        }
        let mut next = (url.to_owned(), vec![]);
        for _ in 0..MAX_DOCUMENTS {
            match self.document(&next.0, &next.1).await {
                NextStep::Fetch(url, fields) => next = (url, fields),
                NextStep::Next | NextStep::Over => {
                    if self.switches().status_callback {
                        self.send_end_status().await;
                    }
                    return self.record;
                }
            }
        }
        self.record.failures.push("the call is an endless loop".to_owned());
        self.record
    }

    /// Plays a call that ends before its voice webhook arrives.
    async fn overtaken(mut self, url: &str) -> CallRecord {
        self.send_end_status().await;
        self.clock().sleep(Duration::from_secs(2)).await;
        let answer = self.request(url, &[], "ringing").await;
        self.record.failures.extend(faults(&answer));
        self.record
    }

    pub(super) fn switches(&self) -> Switches {
        self.twilio.switches()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.twilio.0.clock
    }

    async fn document(&mut self, url: &str, fields: &[(String, String)]) -> NextStep {
        let answer = self.request(url, fields, "in-progress").await;
        let found = faults(&answer);
        if !found.is_empty() {
            self.record.failures.extend(found);
            self.record.heard.push(APPLICATION_ERROR.to_owned());
            return NextStep::Over;
        }
        let Ok(document) = Document::parse(&answer.body) else {
            return NextStep::Over;
        };
        for verb in document.root_element().children().filter(Node::is_element) {
            match self.verb(verb, url).await {
                NextStep::Next => {}
                next => return next,
            }
        }
        NextStep::Over
    }

    pub(super) async fn request(
        &mut self,
        url: &str,
        fields: &[(String, String)],
        status: &str,
    ) -> super::RequestRecord {
        let mut form = self.common(status);
        form.extend(fields.iter().cloned());
        let answer = self.twilio.post(url, &form).await;
        self.record.requests.push(answer.clone());
        if self.switches().sends_twice {
            let again = self.twilio.post(url, &form).await;
            let found = faults(&again);
            self.record
                .failures
                .extend(found.into_iter().map(|fault| format!("duplicate request: {fault}")));
        }
        answer
    }

    /// The fields that all requests of a call have (twilio/CONTRACT.md 2.1).
    fn common(&self, status: &str) -> Fields {
        let from = self.script.from.as_str();
        [
            ("AccountSid", ACCOUNT),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &self.record.sid),
            ("CallStatus", status),
            ("Called", OUR_NUMBER),
            ("Caller", from),
            ("CallerName", ""),
            ("Direction", "inbound"),
            ("From", from),
            ("FromCity", "WASHINGTON & CO"),
            ("SomethingNew", "100% +ü"),
            ("To", OUR_NUMBER),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    async fn verb(&mut self, verb: Node<'_, '_>, url: &str) -> NextStep {
        match verb.tag_name().name() {
            "Say" => self.say(verb).await,
            "Play" => self.record.heard.push(format!("[{}]", text_of(verb))),
            "Pause" => self.clock().sleep(seconds(verb, "length", 1)).await,
            "Gather" => return self.gather(verb, url).await,
            "Dial" => return self.dial(verb).await,
            "Redirect" => return NextStep::Fetch(text_of(verb), vec![]),
            "Pay" => return pay::pay(self, verb, url).await,
            // Hangup, Reject.
            _ => return NextStep::Over,
        }
        NextStep::Next
    }

    pub(super) async fn say(&mut self, say: Node<'_, '_>) {
        let text = text_of(say);
        let millis = u64::try_from(text.len()).unwrap_or(0) * MILLIS_PER_CHAR;
        self.clock().sleep(Duration::from_millis(millis)).await;
        self.record.heard.push(text);
    }

    async fn gather(&mut self, gather: Node<'_, '_>, url: &str) -> NextStep {
        for nested in gather.children().filter(Node::is_element) {
            match nested.tag_name().name() {
                "Say" => self.say(nested).await,
                "Pause" => self.clock().sleep(seconds(nested, "length", 1)).await,
                _ => {}
            }
        }
        let keys = self.script.keys.get(self.gathers).cloned().unwrap_or_default();
        self.gathers += 1;
        if keys.is_empty() {
            self.clock().sleep(seconds(gather, "timeout", 5)).await;
            return NextStep::Next;
        }
        let action = gather.attribute("action").unwrap_or(url).to_owned();
        NextStep::Fetch(action, vec![("Digits".to_owned(), keys)])
    }

    async fn dial(&mut self, dial: Node<'_, '_>) -> NextStep {
        let number = dial
            .children()
            .find(Node::is_element)
            .map_or_else(|| text_of(dial), text_of);
        let ring = seconds(dial, "timeout", 30);
        let (status, took) = match self.script.callee {
            Callee::Answers(seconds) => ("completed", Duration::from_secs(u64::from(seconds) + 3)),
            Callee::Busy => ("busy", Duration::from_secs(2)),
            Callee::NeverPicksUp => ("no-answer", ring),
            Callee::Fails => ("failed", Duration::from_secs(1)),
        };
        self.clock().sleep(took).await;
        // The default is the number of the original caller (protegee/CONTRACT.md 6.1).
        let caller_id = dial.attribute("callerId").unwrap_or(&self.script.from).to_owned();
        self.record.dials.push(Dial {
            number,
            caller_id,
            status,
        });
        let Some(action) = dial.attribute("action") else {
            return NextStep::Next;
        };
        let fields = [
            ("DialCallStatus", status),
            ("DialCallSid", "CA000000000000000000000000000000ff"),
            ("DialCallDuration", "60"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        NextStep::Fetch(action.to_owned(), fields.to_vec())
    }

    /// Sends the status callback of the number, at most once.
    pub(super) async fn send_end_status(&mut self) {
        if self.end_status_sent {
            return;
        }
        self.end_status_sent = true;
        let fields = [("CallDuration", "61"), ("CallbackSource", "call-progress-events")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let url = self.number_url.clone();
        let answer = self.request(&url, &fields, "completed").await;
        self.record.failures.extend(faults(&answer));
    }
}

/// An attribute in seconds.
fn seconds(node: Node<'_, '_>, name: &str, default: u64) -> Duration {
    let seconds = node.attribute(name).and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(default))
}
