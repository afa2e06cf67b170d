//! A simulator of the order lookup of `ShipStation` V1: `GET /orders`, `/shipments`, `/fulfillments`.
//!
//! It follows the contract (agent4/CONTRACT.md 5): `orderNumber` matches a prefix, responses are paged, every response
//! contains the rate limit (40 requests per minute), and timestamps are Pacific time without a time zone.

mod pacific;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{Request, Response, ResponseFuture, SendError, SendHttp};
use serde_json::{Value, json};

pub use pacific::pacific;

/// The host that it serves.
pub const HOST: &str = "ssapi.shipstation.com";
/// Requests per minute.
pub const LIMIT: u32 = 40;
const WINDOW_MILLIS: i64 = 60_000;
const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 500;

/// How it responds to requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// Responds normally.
    #[default]
    Well,
    /// Responds normally after this delay.
    Slow(Duration),
    /// Accepts the request and never responds.
    Silent,
    /// Refuses connections.
    Unreachable,
    /// Responds with this status and no order.
    Status(u16),
    /// Responds with 200 and a body that is not JSON.
    Garbage,
    /// Responds with 429, regardless of the number of requests.
    Limited,
    /// Leaks the credentials: the order's status contains the `Authorization` header and the credentials.
    Echoes,
}

/// A received request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// When it arrived.
    pub at: Timestamp,
    /// Path and query.
    pub target: String,
}

#[derive(Debug)]
struct State {
    credentials: String,
    mode: ResponseMode,
    orders: Vec<Value>,
    shipments: Vec<Value>,
    fulfillments: Vec<Value>,
    requests: Vec<ReceivedRequest>,
    window: i64,
    used: u32,
}

/// A simulated `ShipStation`. Clones share the same state.
#[derive(Clone)]
pub struct ShipStation {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for ShipStation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShipStation")
    }
}

impl ShipStation {
    /// An empty shop whose API accepts these credentials, `key:secret`.
    pub fn new(clock: Clock, credentials: &str) -> Self {
        let state = State {
            credentials: credentials.to_owned(),
            mode: ResponseMode::default(),
            orders: Vec::new(),
            shipments: Vec::new(),
            fulfillments: Vec::new(),
            requests: Vec::new(),
            window: 0,
            used: 0,
        };
        Self {
            clock,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Changes how it responds to future requests.
    pub fn set_mode(&self, mode: ResponseMode) {
        self.lock().mode = mode;
    }

    /// Adds an order with this number and status. `fields` overwrite the other fields, most of which are null:
    /// `ShipStation` sends null for missing values.
    pub fn add_order(&self, number: &str, status: &str, fields: &Value) {
        let now = pacific(self.clock.now());
        let mut order = json!({
            "orderId": 94_113_592, "orderNumber": number, "orderKey": null, "orderDate": now, "createDate": now,
            "modifyDate": now, "paymentDate": null, "shipByDate": null, "orderStatus": status, "customerId": null,
            "customerUsername": null, "customerEmail": null, "billTo": null, "shipTo": null, "items": [],
            "orderTotal": 0.0, "amountPaid": null, "customerNotes": null, "internalNotes": "never read this out",
            "carrierCode": null, "serviceCode": null, "shipDate": null, "holdUntilDate": null, "advancedOptions": null,
            "tagIds": null, "externallyFulfilled": false,
        });
        merge(&mut order, fields);
        self.lock().orders.push(order);
    }

    /// Adds a purchased shipping label.
    pub fn add_shipment(&self, number: &str, tracking: &str, fields: &Value) {
        let mut shipment = json!({
            "shipmentId": 33_974_374, "orderId": 94_113_592, "orderNumber": number, "trackingNumber": tracking,
            "carrierCode": "ups", "serviceCode": "ups_ground", "shipDate": pacific(self.clock.now()), "voided": false,
            "voidDate": null, "isReturnLabel": false,
        });
        merge(&mut shipment, fields);
        self.lock().shipments.push(shipment);
    }

    /// Adds a fulfillment: an order that was manually marked as shipped.
    pub fn add_fulfillment(&self, number: &str, tracking: &str, fields: &Value) {
        let mut fulfillment = json!({
            "fulfillmentId": 33_974_375, "orderNumber": number, "trackingNumber": tracking, "carrierCode": "usps",
            "shipDate": pacific(self.clock.now()), "deliveryDate": null, "voided": null,
        });
        merge(&mut fulfillment, fields);
        self.lock().fulfillments.push(fulfillment);
    }

    /// All received requests, in order.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request) -> Result<Response, SendError> {
        let now = self.clock.now();
        let mode = {
            let mut state = self.lock();
            state.requests.push(ReceivedRequest {
                at: now,
                target: request
                    .uri()
                    .path_and_query()
                    .map_or_else(String::new, ToString::to_string),
            });
            state.mode
        };
        match mode {
            ResponseMode::Unreachable => return Err(SendError::NotSent("connection refused".into())),
            ResponseMode::Silent => std::future::pending::<()>().await,
            ResponseMode::Slow(delay) => self.clock.sleep(delay).await,
            _ => {}
        }
        let mut state = self.lock();
        if let Some(refused) = state.refused(&request) {
            return Ok(refused);
        }
        if state.window + WINDOW_MILLIS <= now.millis() {
            state.window = now.millis();
            state.used = 0;
        }
        let reset = (state.window + WINDOW_MILLIS - now.millis())
            .max(0)
            .unsigned_abs()
            .div_ceil(1_000);
        if state.used >= LIMIT || mode == ResponseMode::Limited {
            let response = json_answer(
                StatusCode::TOO_MANY_REQUESTS,
                &json!({ "message": "Too Many Requests" }),
            );
            return Ok(limits(response, 0, reset));
        }
        state.used += 1;
        let left = LIMIT - state.used;
        Ok(limits(state.found(&request, mode), left, reset))
    }
}

impl SendHttp for ShipStation {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.answer(request))
    }
}

impl State {
    /// The response to a request that is rejected before the rate limit counts it.
    fn refused(&self, request: &Request) -> Option<Response> {
        let expected = format!("Basic {}", STANDARD.encode(&self.credentials));
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        if given != Some(expected.as_str()) {
            return Some(json_answer(
                StatusCode::UNAUTHORIZED,
                &json!({ "message": "Unauthorized" }),
            ));
        }
        if request.method() != Method::GET {
            return Some(json_answer(
                StatusCode::METHOD_NOT_ALLOWED,
                &json!({ "message": "Method not allowed" }),
            ));
        }
        None
    }

    fn found(&self, request: &Request, mode: ResponseMode) -> Response {
        match mode {
            ResponseMode::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return json_answer(status, &json!({ "message": "no" }));
            }
            ResponseMode::Garbage => return Response::new(Bytes::from_static(b"<html>moved</html>")),
            _ => {}
        }
        let (name, items) = match request.uri().path() {
            "/orders" => ("orders", &self.orders),
            "/shipments" => ("shipments", &self.shipments),
            "/fulfillments" => ("fulfillments", &self.fulfillments),
            _ => return json_answer(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" })),
        };
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let parameter = |name: &str| {
            query
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let begins = |item: &&Value| match parameter("orderNumber") {
            None => true,
            Some(prefix) => item["orderNumber"]
                .as_str()
                .is_some_and(|number| number.to_lowercase().starts_with(&prefix.to_lowercase())),
        };
        let mut matching: Vec<Value> = items.iter().filter(begins).cloned().collect();
        if mode == ResponseMode::Echoes {
            let header = request
                .headers()
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok());
            for item in &mut matching {
                item["orderStatus"] = json!(format!("{} {}", header.unwrap_or_default(), self.credentials));
            }
        }
        let number = |name: &str, default: usize| parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        let size = number("pageSize", DEFAULT_PAGE_SIZE).clamp(1, MAX_PAGE_SIZE);
        let page = number("page", 1).max(1);
        let total = matching.len();
        let items: Vec<Value> = matching.into_iter().skip((page - 1) * size).take(size).collect();
        let body = json!({ name: items, "total": total, "page": page, "pages": total.div_ceil(size) });
        json_answer(StatusCode::OK, &body)
    }
}

/// Overwrites the fields of `item` with those of `changes`.
fn merge(item: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().into_iter().flatten() {
        item[name.as_str()] = value.clone();
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn limits(mut response: Response, left: u32, reset: u64) -> Response {
    let headers = response.headers_mut();
    headers.insert("x-rate-limit-limit", LIMIT.into());
    headers.insert("x-rate-limit-remaining", left.into());
    headers.insert("x-rate-limit-reset", reset.into());
    response
}
