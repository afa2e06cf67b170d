//! Twilio's Messages API: create, fetch and list (twilio/CONTRACT.md 5.1, 5.2).

use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::http::Request;
use patchbay::messaging::Channel;
use patchbay::messaging::segments::segments;
use patchbay::phone::PhoneNumber;
use patchbay::providers::twilio::webhook::Form;
use serde_json::{Value, json};

use super::api::{Reply, twilio_error};
use super::habits::Delivery;
use super::lifecycle::Callback;
use super::records::{Body, Failure, Incoming, Message, Status, Unexpected};
use super::{Messages, SERVICE};
use crate::exchange::Provider;
use crate::script_runner::later_by;
use crate::twilio::ACCOUNT;
use crate::twilio::outbound::{page_link, rfc_2822};

const WHATSAPP: &str = "whatsapp:";
/// The fields of a create request that have an effect here.
const KNOWN: [&str; 8] = [
    "To",
    "From",
    "MessagingServiceSid",
    "Body",
    "ContentSid",
    "ContentVariables",
    "StatusCallback",
    "ValidityPeriod",
];
/// A parameter is wrong, and Twilio's documentation names no code for it.
const BAD_REQUEST: u32 = 20_001;
const MAX_BODY_CHARS: usize = 1_600;
const MAX_URL_CHARS: usize = 4_000;
const PAGE_SIZE: usize = 50;

/// A valid create request.
struct Order {
    channel: Channel,
    from: String,
    shown_from: String,
    to: PhoneNumber,
    body: Body,
    status_url: Option<String>,
    validity: Duration,
}

type Refusal = (u32, &'static str);

/// Splits an address into its channel and its number.
fn address(text: &str) -> (Channel, &str) {
    match text.strip_prefix(WHATSAPP) {
        Some(number) => (Channel::WhatsApp, number),
        None => (Channel::Sms, text),
    }
}

/// How a number is written on a channel.
pub(super) fn written(channel: Channel, number: &str) -> String {
    match channel {
        Channel::WhatsApp => format!("{WHATSAPP}{number}"),
        Channel::Sms => number.to_owned(),
    }
}

impl Messages {
    /// `POST /Messages.json`: checks the request, and returns what sends the message.
    pub(super) fn create_message(&self, request: &Request) -> Result<impl FnOnce(Duration) -> Reply, Reply> {
        let form = Form::parse(request.body());
        let refused = |(code, message): Refusal| twilio_error(400, code, message);
        let order = self.read_order(&form).map_err(refused)?;
        self.check_receiver(&order).map_err(refused)?;
        Ok(move |starts_after| self.send_order(order, starts_after))
    }

    fn read_order(&self, form: &Form) -> Result<Order, Refusal> {
        for (name, _) in form.fields().filter(|(name, _)| !KNOWN.contains(name)) {
            self.lock().unexpected.push(Unexpected::Field(name.to_owned()));
        }
        let (channel, to) = address(form.get("To").unwrap_or_default());
        let to = PhoneNumber::from_e164(to).map_err(|_| (21_211, "Invalid 'To' phone number"))?;
        let (from, shown_from) = self.sender(form, channel)?;
        if shown_from == to.as_str() {
            return Err((21_211, "'To' and 'From' are the same"));
        }
        let status_url = form.get("StatusCallback").map(str::to_owned);
        let is_url = |url: &String| {
            let host = url::Url::parse(url)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned));
            url.chars().count() <= MAX_URL_CHARS && host.is_some_and(|host| !host.contains('_'))
        };
        if status_url.as_ref().is_some_and(|url| !is_url(url)) {
            return Err((21_609, "Invalid 'StatusCallback' URL"));
        }
        let validity = form.get("ValidityPeriod").map_or(Ok(36_000), str::parse);
        let validity = validity.ok().filter(|seconds| (1..=36_000).contains(seconds));
        Ok(Order {
            channel,
            from,
            shown_from,
            to,
            body: content(form)?,
            status_url,
            validity: Duration::from_secs(validity.ok_or((BAD_REQUEST, "Invalid 'ValidityPeriod'"))?),
        })
    }

    /// The sender as it is written, and the number that the receiver sees.
    fn sender(&self, form: &Form, channel: Channel) -> Result<(String, String), Refusal> {
        let state = self.lock();
        match (form.get("From"), form.get("MessagingServiceSid")) {
            (None, None) => Err((21_603, "A 'From' number is required")),
            (_, Some(SERVICE)) => {
                let picked = state.senders.first().cloned();
                let picked = picked.ok_or((21_703, "The messaging service has no sender"))?;
                Ok((SERVICE.to_owned(), picked))
            }
            (_, Some(_)) => Err((21_703, "The messaging service has no sender")),
            (Some(from), None) => {
                let (own_channel, number) = address(from);
                if own_channel != channel {
                    return Err((21_612, "'To' and 'From' are on different channels"));
                }
                match (state.senders.iter().any(|sender| sender == number), channel) {
                    (true, _) => Ok((number.to_owned(), number.to_owned())),
                    (false, Channel::WhatsApp) => Err((63_007, "No such channel")),
                    (false, Channel::Sms) if PhoneNumber::from_e164(number).is_err() => {
                        Err((21_212, "Invalid 'From' phone number"))
                    }
                    (false, Channel::Sms) => Err((21_606, "The 'From' number cannot send messages")),
                }
            }
        }
    }

    /// Refuses receivers that Twilio knows to get nothing.
    fn check_receiver(&self, order: &Order) -> Result<(), Refusal> {
        let now = self.now();
        let mut state = self.lock();
        let to = order.to.as_str();
        let delivery = state.next_habit(&order.to).delivery;
        let has_stopped = state.refused.contains(&(order.shown_from.clone(), to.to_owned()));
        if delivery == Delivery::OptedOut && !state.opt_outs.iter().any(|opt_out| opt_out.number == to) {
            state.opt_out(to, now);
        }
        if order.channel == Channel::Sms && (delivery == Delivery::OptedOut || has_stopped) {
            state.opt_out_is_known(to, now, now);
            return Err((21_610, "The recipient has opted out"));
        }
        if order.channel == Channel::Sms && delivery == Delivery::Landline {
            return Err((21_614, "'To' is not a mobile number"));
        }
        Ok(())
    }

    fn send_order(&self, order: Order, starts_after: Duration) -> Reply {
        let now = self.now();
        let is_service = order.from == SERVICE;
        let first = match (is_service, self.0.switches.created_is_sending) {
            (true, _) => Status::Accepted,
            (false, true) => Status::Sending,
            (false, false) => Status::Queued,
        };
        let parts = match &order.body {
            Body::Text(text) => segments(text).parts.max(1),
            Body::Template { .. } => 1,
        };
        let status_url = order.status_url.as_deref();
        let mut state = self.lock();
        let message = Message {
            provider: Provider::Twilio,
            channel: order.channel,
            id: format!("SM{}", state.rng.uuid().replace('-', "")),
            from: order.from,
            shown_from: order.shown_from,
            to: order.to.as_str().to_owned(),
            body: order.body,
            parts,
            status_url: status_url.map(|url| url.split('#').next().unwrap_or_default().to_owned()),
            at: now,
            statuses: vec![(now, first)],
            failure: None,
            last_part_lost: false,
        };
        let index = state.add(message.clone(), &order.to);
        drop(state);
        let callback = order.status_url.map(|url| Callback { url, only_final: false });
        self.start(index, callback, starts_after, order.validity);
        Reply::Json(201, message_json(&message, true))
    }

    /// `GET /Messages/{sid}.json`.
    pub(super) fn fetch_message(&self, sid: &str) -> Reply {
        let all = self.visible_messages();
        let found = all
            .into_iter()
            .find(|(_, json)| json.get("sid").is_some_and(|id| id == sid));
        match found {
            Some((_, message)) => Reply::Json(200, message),
            None => self.not_found(Provider::Twilio),
        }
    }

    /// `GET /Messages.json`, newest first. Of the filters, only the addresses have an effect.
    pub(super) fn list_messages(&self, request: &Request) -> Reply {
        let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
        let known = ["To", "From", "PageSize", "Page", "PageToken"];
        for (name, _) in query.fields().filter(|(name, _)| !known.contains(name)) {
            self.lock().unexpected.push(Unexpected::Field(name.to_owned()));
        }
        let number = |name: &str, default: usize| query.get(name).map_or(Ok(default), str::parse::<usize>);
        let (Ok(size), Ok(page)) = (number("PageSize", PAGE_SIZE), number("Page", 0)) else {
            return twilio_error(400, BAD_REQUEST, "PageSize and Page must be numbers");
        };
        if !(1..=1_000).contains(&size) {
            return twilio_error(400, BAD_REQUEST, "PageSize must be from 1 to 1000");
        }
        let is = |json: &Value, name: &str, field: &str| {
            query
                .get(name)
                .is_none_or(|wanted| json.get(field).and_then(Value::as_str) == Some(wanted))
        };
        let mut found = self.visible_messages();
        found.retain(|(_, json)| is(json, "To", "to") && is(json, "From", "from"));
        found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let start = page.saturating_mul(size);
        let messages: Vec<&Value> = found.iter().skip(start).take(size).map(|(_, json)| json).collect();
        let link = |page: usize| page_link("Messages", &query, size, page);
        Reply::Json(
            200,
            json!({
                "messages": messages,
                "first_page_uri": link(0),
                "next_page_uri": (start.saturating_add(size) < found.len()).then(|| link(page + 1)),
                "previous_page_uri": page.checked_sub(1).map(link),
                "page": page,
                "page_size": size,
                "start": start,
                "end": start.saturating_add(messages.len()).saturating_sub(1),
                "uri": link(page),
            }),
        )
    }

    /// All messages that Twilio shows by now, sent and received.
    fn visible_messages(&self) -> Vec<(Timestamp, Value)> {
        let appears_after = self.0.switches.appears_after;
        let now = self.now();
        let is_visible = |at: Timestamp| later_by(at, appears_after) <= now;
        let state = self.lock();
        let sent = state.messages.iter();
        let sent = sent
            .filter(|message| message.provider == Provider::Twilio && is_visible(message.at))
            .map(|message| (message.at, message_json(message, false)));
        let received = state.incoming.iter();
        let received = received
            .filter(|incoming| incoming.provider == Provider::Twilio && is_visible(incoming.at))
            .map(|incoming| (incoming.at, incoming_json(incoming)));
        sent.chain(received).collect()
    }
}

/// What the message says.
fn content(form: &Form) -> Result<Body, Refusal> {
    if let Some(id) = form.get("ContentSid") {
        let variables = form.get("ContentVariables").unwrap_or("{}");
        let parsed: Result<serde_json::Map<String, Value>, _> = serde_json::from_str(variables);
        if !parsed.is_ok_and(|variables| variables.len() <= 100) {
            return Err((21_656, "Invalid 'ContentVariables'"));
        }
        return Ok(Body::Template {
            id: id.to_owned(),
            variables: variables.to_owned(),
        });
    }
    if form.get("ContentVariables").is_some() {
        return Err((21_654, "'ContentVariables' without 'ContentSid'"));
    }
    match form.get("Body") {
        None | Some("") => Err((21_602, "A message body is required")),
        Some(text) if text.chars().count() > MAX_BODY_CHARS => Err((21_617, "The message body is too long")),
        Some(text) => Ok(Body::Text(text.to_owned())),
    }
}

/// A message as the API shows it. In the response to its creation, a messaging service has not picked a number yet.
fn message_json(message: &Message, is_new: bool) -> Value {
    let is_service = message.from == SERVICE;
    let updated = message.statuses.last().map_or(message.at, |(at, _)| *at);
    let mut statuses = message.statuses.iter();
    let sent = statuses
        .find(|(_, status)| *status == Status::Sent)
        .map(|(at, _)| rfc_2822(*at));
    let body = match &message.body {
        Body::Text(text) => text.as_str(),
        Body::Template { .. } => "",
    };
    let parts = if is_service && is_new { 0 } else { message.parts };
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{}", message.id);
    json!({
        "sid": message.id,
        "account_sid": ACCOUNT,
        "messaging_service_sid": is_service.then_some(SERVICE),
        "api_version": "2010-04-01",
        "to": written(message.channel, &message.to),
        "from": (!(is_service && is_new)).then(|| written(message.channel, &message.shown_from)),
        "body": body,
        "status": message.status().as_str(),
        "direction": "outbound-api",
        "num_segments": parts.to_string(),
        "num_media": "0",
        "price": null,
        "price_unit": null,
        "error_code": message.failure.map(|failure| failure.code),
        "error_message": null,
        "date_created": rfc_2822(message.at),
        "date_updated": rfc_2822(updated),
        "date_sent": sent,
        "uri": format!("{path}.json"),
        "subresource_uris": { "media": format!("{path}/Media.json") },
    })
}

fn incoming_json(incoming: &Incoming) -> Value {
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{}", incoming.id);
    json!({
        "sid": incoming.id,
        "account_sid": ACCOUNT,
        "messaging_service_sid": incoming.service,
        "api_version": "2010-04-01",
        "to": written(incoming.channel, &incoming.to),
        "from": written(incoming.channel, &incoming.from),
        "body": incoming.text,
        "status": "received",
        "direction": "inbound",
        "num_segments": "1",
        "num_media": "0",
        "price": null,
        "price_unit": null,
        "error_code": null,
        "error_message": null,
        "date_created": rfc_2822(incoming.at),
        "date_updated": rfc_2822(incoming.at),
        "date_sent": rfc_2822(incoming.at),
        "uri": format!("{path}.json"),
        "subresource_uris": { "media": format!("{path}/Media.json") },
    })
}

/// The fields of a status callback (twilio/CONTRACT.md 5.2).
pub(super) fn status_form(
    message: &Message,
    status: Status,
    at: Timestamp,
    switches: &super::Switches,
) -> Vec<(String, String)> {
    let word = status.as_str();
    let mut form = common(&message.id, word, message.channel, (&message.shown_from, &message.to));
    let mut add = |name: &str, value: String| form.push((name.to_owned(), value));
    add("MessageStatus", word.to_owned());
    if message.from == SERVICE {
        add("MessagingServiceSid", SERVICE.to_owned());
    }
    let is_failure = matches!(status, Status::Failed | Status::Undelivered);
    if let Some(Failure { code, .. }) = message.failure.filter(|_| is_failure) {
        add("ErrorCode", code.to_string());
        if switches.failed_has_message {
            add("ErrorMessage", "The message did not arrive".to_owned());
        }
        if message.channel == Channel::WhatsApp {
            add("ChannelStatusMessage", "The message did not arrive".to_owned());
        }
    }
    match message.channel {
        Channel::Sms if matches!(status, Status::Delivered | Status::Undelivered) => {
            add("RawDlrDoneDate", raw_date(at));
        }
        Channel::Sms => {}
        Channel::WhatsApp => {
            add("ChannelPrefix", "whatsapp".to_owned());
            add("ChannelInstallSid", "XE00000000000000000000000000000001".to_owned());
            add("StructuredMessage", "false".to_owned());
            let has_type = status == Status::Read || (status == Status::Delivered && switches.delivered_has_event_type);
            if has_type {
                add("EventType", word.to_uppercase());
            }
        }
    }
    form
}

/// The fields that a status callback and a message of a customer have in common.
pub(super) fn common(id: &str, status: &str, channel: Channel, (from, to): (&str, &str)) -> Vec<(String, String)> {
    [
        ("AccountSid", ACCOUNT.to_owned()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("From", written(channel, from)),
        ("To", written(channel, to)),
        ("MessageSid", id.to_owned()),
        ("SmsSid", id.to_owned()),
        ("SmsStatus", status.to_owned()),
        // Twilio may add parameters at any time.
        ("SomethingNew", "100% +ü".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// `YYMMDDhhmm`.
fn raw_date(at: Timestamp) -> String {
    let digits: String = at.to_the_second().chars().filter(char::is_ascii_digit).collect();
    digits.get(2..12).unwrap_or_default().to_owned()
}
