//! The operations of the simulated Elemente.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use patchbay::clock::Timestamp;
use patchbay::http::{Request, Response};
use serde_json::{Map, Value, json};

use super::State;
use super::object::Interaction;
use super::switches::{CreatedStatus, DateRangeForm, ErrorBody, IdForm, ListForm, Precedence, UnknownVariable};

const CALLS: &str = "/api/v1/calls";
const CHANNELS: [&str; 5] = ["call", "sms", "whatsapp", "email", "webchat"];
const CREATE: [&str; 8] = [
    "agentId",
    "agentOverride",
    "channel",
    "skillId",
    "customerOverride",
    "customerName",
    "customerPhone",
    "customerEmail",
];
const UPDATE: [&str; 3] = ["note", "agentId", "status"];

impl State {
    pub(super) fn respond(&mut self, request: &Request, now: Timestamp) -> Response {
        let expected = format!("Basic {}", STANDARD.encode(&self.credentials));
        let given = request.headers().get(header::AUTHORIZATION);
        if given.and_then(|value| value.to_str().ok()) != Some(expected.as_str()) {
            return self.unauthorized();
        }
        let Some(rest) = request.uri().path().strip_prefix(CALLS) else {
            return self.error(404, "Not Found");
        };
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        match (request.method(), rest.strip_prefix('/')) {
            (&Method::POST, None) if rest.is_empty() => self.create(&body, now),
            (&Method::GET, None) if rest.is_empty() => self.list(request.uri().query().unwrap_or_default(), now),
            (&Method::GET, Some(id)) => self.get(id, now),
            (&Method::PUT, Some(id)) => self.update(id, &body, now),
            _ => self.error(404, "Not Found"),
        }
    }

    fn create(&mut self, body: &Value, now: Timestamp) -> Response {
        if let Err(message) = self.check_create(body) {
            return self.error(400, &message);
        }
        let (id, customer_id) = (self.new_id(), self.new_id());
        let text = |pointer: &str| {
            body.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (first, last) = (text("/customerOverride/firstName"), text("/customerOverride/lastName"));
        let customer_name = self.preferred(format!("{first} {last}").trim().to_owned(), text("/customerName"));
        let customer_phone = self.preferred(text("/customerOverride/phoneNumber"), text("/customerPhone"));
        let customer_email = self.preferred(text("/customerOverride/email"), text("/customerEmail"));
        let known = self.interactions.iter().find(|earlier| {
            let same = |a: &str, b: &str| !a.is_empty() && a == b;
            same(&earlier.customer_phone, &customer_phone) || same(&earlier.customer_email, &customer_email)
        });
        let customer_id = known
            .filter(|_| self.switches.customers_are_reused)
            .map_or(customer_id, |earlier| earlier.customer_id.clone());
        let keep_unknown = self.switches.unknown_variable == UnknownVariable::Kept;
        let interaction = Interaction {
            id,
            created_at: now,
            channel: text("/channel"),
            agent_id: text("/agentId"),
            skill_id: text("/skillId"),
            agent_phone: text("/agentOverride/phone"),
            customer_id,
            customer_name,
            customer_phone,
            customer_email,
            initial_message: filled(&text("/agentOverride/prompt/initialMessage"), body, keep_unknown).0,
            prompt: filled(&text("/agentOverride/prompt/prompt"), body, keep_unknown).0,
            note: String::new(),
            set_status: None,
            script: self.scripts.pop_front().unwrap_or_else(|| self.script.clone()),
            messages: Vec::new(),
        };
        let status = match self.switches.created_status {
            CreatedStatus::Ok => StatusCode::OK,
            CreatedStatus::Created => StatusCode::CREATED,
        };
        let object = interaction.object(&self.switches, now);
        self.interactions.push(interaction);
        json_answer(status, &object)
    }

    fn check_create(&self, body: &Value) -> Result<(), String> {
        let fields = self.object_with(body, &CREATE)?;
        for name in ["agentId", "channel", "skillId"] {
            if !fields.get(name).is_some_and(Value::is_string) {
                return Err(format!("{name} must be a string"));
            }
        }
        if !CHANNELS.iter().any(|channel| body["channel"] == *channel) {
            return Err("channel must be one of the following values".to_owned());
        }
        let has_customer = ["customerPhone", "customerEmail"]
            .iter()
            .any(|name| body[name].is_string());
        let is_optional = self.switches.override_is_optional && has_customer;
        if !body["customerOverride"].is_object() && !is_optional {
            return Err("customerOverride should not be empty".to_owned());
        }
        if self.switches.unknown_variable == UnknownVariable::Refused {
            for name in ["initialMessage", "prompt"] {
                let text = body
                    .pointer(&format!("/agentOverride/prompt/{name}"))
                    .and_then(Value::as_str);
                if let (_, Some(unknown)) = filled(text.unwrap_or_default(), body, false) {
                    return Err(format!("unknown variable {unknown}"));
                }
            }
        }
        Ok(())
    }

    fn object_with<'a>(&self, body: &'a Value, known: &[&str]) -> Result<&'a Map<String, Value>, String> {
        let fields = body.as_object().ok_or("the body must be an object")?;
        let unknown = fields.keys().find(|name| !known.contains(&name.as_str()));
        match unknown {
            Some(name) if self.switches.unknown_fields_are_refused => Err(format!("property {name} should not exist")),
            _ => Ok(fields),
        }
    }

    fn preferred(&self, overriding: String, given: String) -> String {
        let (first, second) = match self.switches.precedence {
            Precedence::Override => (overriding, given),
            Precedence::Given => (given, overriding),
        };
        if first.is_empty() { second } else { first }
    }

    fn new_id(&mut self) -> String {
        match self.switches.ids {
            IdForm::Uuid => self.rng.uuid(),
            IdForm::Digits | IdForm::Number => self.rng.below(1 << 40).to_string(),
        }
    }

    fn get(&self, id: &str, now: Timestamp) -> Response {
        let interaction = self.interactions.iter().find(|interaction| interaction.id == id);
        match interaction {
            Some(interaction) => json_answer(StatusCode::OK, &interaction.object(&self.switches, now)),
            None => self.error(404, "Not Found"),
        }
    }

    fn update(&mut self, id: &str, body: &Value, now: Timestamp) -> Response {
        if let Err(message) = self.object_with(body, &UPDATE) {
            return self.error(400, &message);
        }
        if !self.switches.note_is_optional && !body["note"].is_string() {
            return self.error(400, "note must be a string");
        }
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        if let Some(interaction) = self.interactions.iter_mut().find(|interaction| interaction.id == id) {
            interaction.note = text("note").unwrap_or_default();
            interaction.set_status = text("status").or(interaction.set_status.take());
            if let Some(agent) = text("agentId") {
                interaction.agent_id = agent;
            }
        }
        self.get(id, now)
    }

    fn list(&self, query: &str, now: Timestamp) -> Response {
        let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let parameter = |name: &str| {
            query
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let (from, to) = match self.switches.date_range {
            DateRangeForm::Json => {
                let range: Value = serde_json::from_str(parameter("dateRange").unwrap_or_default()).unwrap_or_default();
                let day = |name: &str| range.get(name)?.as_str().map(str::to_owned);
                (day("from"), day("to"))
            }
            DateRangeForm::Brackets => {
                let day = |name: &str| parameter(name).map(str::to_owned);
                (day("dateRange[from]"), day("dateRange[to]"))
            }
            DateRangeForm::Exploded => {
                let day = |name: &str| parameter(name).map(str::to_owned);
                (day("from"), day("to"))
            }
        };
        let hours = parameter("hrs").and_then(|text| text.parse::<f64>().ok());
        let selected = self.interactions.iter().filter(|interaction| {
            // `YYYY-MM-DD` sorts by time.
            let day: String = interaction.created_at.to_string().chars().take(10).collect();
            from.as_ref().is_none_or(|from| *from <= day)
                && to.as_ref().is_none_or(|to| day <= *to)
                && hours.is_none_or(|hours| now.since(interaction.created_at).as_secs_f64() <= hours * 3_600.0)
                && parameter("status").is_none_or(|word| interaction.status(&self.switches, now) == word)
                && parameter("channel").is_none_or(|channel| interaction.channel == channel)
        });
        let mut objects: Vec<Value> = selected
            .map(|interaction| interaction.object(&self.switches, now))
            .collect();
        let body = match self.switches.list {
            ListForm::Array => Value::Array(objects),
            ListForm::One => objects.pop().unwrap_or_else(|| json!({})),
        };
        json_answer(StatusCode::OK, &body)
    }

    /// The status is not documented; HTTP demands the header with it.
    fn unauthorized(&self) -> Response {
        let mut response = self.error(401, "Unauthorized");
        let scheme = header::HeaderValue::from_static("Basic");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        response
    }

    pub(super) fn error(&self, status: u16, message: &str) -> Response {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reason = status.canonical_reason().unwrap_or_default();
        match self.switches.error_body {
            ErrorBody::Object => {
                let body = json!({ "statusCode": status.as_u16(), "message": message, "error": reason });
                json_answer(status, &body)
            }
            ErrorBody::List => {
                let body = json!({ "statusCode": status.as_u16(), "message": [message], "error": reason });
                json_answer(status, &body)
            }
            ErrorBody::Empty => answer(status, String::new()),
            ErrorBody::Html => answer(status, format!("<html><body>{reason}</body></html>")),
        }
    }
}

/// The text with the variables of the request filled in, and the first unknown variable. Unknown ones are blank, or
/// kept with their braces.
fn filled(text: &str, body: &Value, keep_unknown: bool) -> (String, Option<String>) {
    let (mut done, mut rest, mut unknown) = (String::new(), text, None);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        done.push_str(before);
        rest = after;
        if let Some(value) = variable(name, body) {
            done.push_str(&value);
            continue;
        }
        if keep_unknown {
            done.extend(["{{", name, "}}"]);
        }
        unknown.get_or_insert_with(|| name.to_owned());
    }
    done.push_str(rest);
    (done, unknown)
}

fn variable(name: &str, body: &Value) -> Option<String> {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let pointer = match name {
        "firstName" => "/customerOverride/firstName",
        "aiName" => "/agentOverride/name",
        _ => {
            let fields = body.pointer("/customerOverride/customFields")?.as_array()?;
            let field = fields.iter().find(|field| field["name"] == name)?;
            return field.get("value").map(plain);
        }
    };
    body.pointer(pointer).map(plain)
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = answer(status, body.to_string());
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn answer(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
}
