//! The time of a `patchbay local`, which may run faster than ours.

use anyhow::Context as _;
use bytes::Bytes;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::HttpClient;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a local server tells its time.
pub(crate) const PATH: &str = "/simulated/clock";

#[derive(Serialize, Deserialize)]
struct Told {
    now: Timestamp,
    /// How many times as fast as real time it runs.
    speed: f64,
}

/// What a local server says.
pub(crate) fn told(clock: &Clock, speed: f64) -> Value {
    serde_json::to_value(Told {
        now: clock.now(),
        speed,
    })
    .unwrap_or_default()
}

/// A clock that shows what the local server's at `url` shows. Must be made inside a runtime.
pub(crate) async fn of(http: &HttpClient, url: &str) -> anyhow::Result<Clock> {
    let request = http::Request::get(format!("{}{PATH}", url.trim_end_matches('/')));
    let request = request.body(Bytes::new()).with_context(|| format!("{url} is no URL"))?;
    let answer = http.send(request).await;
    let answer = answer.with_context(|| format!("no patchbay local answers at {url}"))?;
    let told: Told =
        serde_json::from_slice(answer.body()).with_context(|| format!("what answers at {url} is no patchbay local"))?;
    Ok(Clock::starting_at(told.now, told.speed))
}
