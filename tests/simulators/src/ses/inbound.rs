//! Mail that customers send to us, as a receipt rule hands it over (ses/CONTRACT.md 6).

use serde_json::{Value, json};

use super::Ses;
use super::mailboxes::Reply;
use super::records::{Email, Mail};

impl Ses {
    /// The receiver of a mail answers it. The reply goes to `Reply-To`.
    pub(super) async fn reply(&self, email: &Email, from: &str, reply: &Reply) {
        let Some(to) = email.reply_to.first() else {
            self.lock()
                .unexpected
                .push("a reply to a mail without Reply-To".to_owned());
            return;
        };
        let (now, receiver, mail, opt_out) = {
            let now = self.now();
            let mut state = self.lock();
            let id = state.rng.uuid().replace('-', "");
            let headers = headers(email, (from, to), reply, &id);
            let event = self.inbound_event(&id, (from, to), &headers, now);
            let mail = Mail {
                raw: raw(&headers, email, reply),
                from: from.to_owned(),
                to: to.clone(),
                event,
                at: now,
                opts_out: reply.opts_out,
                id,
            };
            let opt_out = reply.opts_out.then(|| state.opt_out(from, now));
            state.mails.push(mail.clone());
            (now, state.receiver.clone(), mail, opt_out)
        };
        let Some(receiver) = receiver else {
            self.lock()
                .unexpected
                .push(format!("mail came in at {now}, but no function receives it"));
            return;
        };
        if let (true, Some(opt_out)) = (receiver(mail.event).await, opt_out) {
            let now = self.now();
            self.lock().opt_out_is_known(opt_out, now);
        }
    }

    fn inbound_event(
        &self,
        id: &str,
        (from, to): (&str, &str),
        headers: &[(String, String)],
        at: patchbay::clock::Timestamp,
    ) -> Value {
        let header = |name: &str| {
            let mut headers = headers.iter();
            headers
                .find(|(header, _)| header == name)
                .map(|(_, value)| value.as_str())
        };
        let all: Vec<Value> = headers
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let pass = json!({ "status": "PASS" });
        let dmarc = if self.0.switches.replies_prove_sender {
            "PASS"
        } else {
            "GRAY"
        };
        json!({ "Records": [{
            "eventSource": "aws:ses",
            "eventVersion": "1.0",
            "ses": {
                "mail": {
                    "timestamp": at.to_string(),
                    "source": from,
                    "messageId": id,
                    "destination": [to],
                    "headersTruncated": false,
                    "headers": all,
                    "commonHeaders": {
                        "returnPath": from,
                        "from": [header("From")],
                        "date": header("Date"),
                        "to": [to],
                        "messageId": header("Message-ID"),
                        "subject": header("Subject"),
                    },
                },
                "receipt": {
                    "timestamp": at.to_string(),
                    "processingTimeMillis": 340,
                    "recipients": [to],
                    "spamVerdict": pass,
                    "virusVerdict": pass,
                    "spfVerdict": pass,
                    "dkimVerdict": pass,
                    "dmarcVerdict": { "status": dmarc },
                    "action": { "type": "Lambda", "invocationType": "Event" },
                },
            },
        }] })
    }
}

fn headers(email: &Email, (from, to): (&str, &str), reply: &Reply, id: &str) -> Vec<(String, String)> {
    let domain = from.rsplit_once('@').map_or("example.net", |(_, domain)| domain);
    let mut headers = vec![
        ("Return-Path", format!("<{from}>")),
        ("From", format!("Ana Roe <{from}>")),
        ("To", to.to_owned()),
        ("Subject", format!("Re: {}", email.subject)),
        ("Message-ID", format!("<{id}@mail.{domain}>")),
        ("In-Reply-To", format!("<{}@{}.amazonses.com>", email.id, super::REGION)),
        ("Content-Type", "text/plain; charset=UTF-8".to_owned()),
    ];
    if reply.is_automatic {
        headers.push(("Auto-Submitted", "auto-replied".to_owned()));
    }
    let headers = headers.into_iter();
    headers.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The MIME object: the reply above the quoted mail.
fn raw(headers: &[(String, String)], email: &Email, reply: &Reply) -> String {
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}"));
    let text = reply.text.replace('\n', "\r\n");
    let intro = format!("On {}, {} wrote:", email.at, email.from);
    let quote = email.text.lines().map(|line| format!("> {line}"));
    let body = [String::new(), text, String::new(), intro].into_iter().chain(quote);
    let lines: Vec<String> = headers.chain(body).collect();
    lines.join("\r\n") + "\r\n"
}
