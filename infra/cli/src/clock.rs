//! The clock of a `patchbay local`, which may run faster than real time.

use anyhow::Context as _;
use bytes::Bytes;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::HttpClient;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Path at which a local server reports its time.
pub(crate) const PATH: &str = "/simulated/clock";

#[derive(Serialize, Deserialize)]
struct ClockReport {
    now: Timestamp,
    /// Multiple of real time at which the clock runs.
    speed: f64,
}

/// The response of a local server.
pub(crate) fn report(clock: &Clock, speed: f64) -> Value {
    serde_json::to_value(ClockReport {
        now: clock.now(),
        speed,
    })
    .unwrap_or_default()
}

/// A clock in step with that of the local server at `url`. Must be called inside a Tokio runtime.
pub(crate) async fn connect(http: &HttpClient, url: &str) -> anyhow::Result<Clock> {
    let request = http::Request::get(format!("{}{PATH}", url.trim_end_matches('/')));
    let request = request
        .body(Bytes::new())
        .with_context(|| format!("{url} is not a URL"))?;
    let response = http.send(request).await;
    let response = response.with_context(|| format!("no patchbay local answers at {url}"))?;
    let report: ClockReport = serde_json::from_slice(response.body())
        .with_context(|| format!("the server at {url} is not a patchbay local"))?;
    Ok(Clock::starting_at(report.now, report.speed))
}
