//! `patchbay local`: the API and the simulated Routee on one port, for curl and for a user's own tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use clap::Args;
use http::{Request, Response, StatusCode};
use patchbay::clock::Clock;
use patchbay::http::{HttpClient, SendError};
use patchbay::phone::PhoneNumber;
use patchbay::providers::twilio::webhook::Form;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use patchbay_simulators::phones::{Behaviour, Phones, When};
use patchbay_simulators::routee::{Happening, PhoneEvent};
use patchbay_simulators::twilio::{AUTH_TOKEN, AtPay, Script};
use patchbay_simulators::world::{Options as WorldOptions, TOKEN, World};

/// Largest request body that reaches a handler; the handlers refuse less themselves.
const MAX_BODY: usize = 1 << 20;

/// Where a call to our number at the simulated Twilio is asked for.
const SIMULATED_CALL: &str = "/simulated/twilio/call";

/// What can be said about the local server.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// How many times as fast as real time the clock runs
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// File in which the table is kept; without it everything is forgotten at the end
    #[arg(long)]
    data: Option<String>,
    /// Everything that happens by chance follows from this number
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// Who has ordered something at the simulated `ShipStation`.
const CUSTOMER: &str = "+12025550143";

/// The phones that answer by themselves, by the last two digits.
const HABITS: [(&str, &str); 6] = [
    ("+12025550101", "never picks up"),
    ("+12025550102", "picks up and says nothing"),
    ("+12025550103", "presses 2"),
    ("+12025550104", "presses 1"),
    ("+12025550105", "is busy"),
    ("+12025550106", "presses 7, then 1"),
];

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(serve(options))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(
        options.speed >= 0.1 && options.speed <= 1_000.0,
        "--speed must be from 0.1 to 1000"
    );
    let requester = Outbound::new(Targets::any(), Duration::from_secs(10)).context("no HTTP client")?;
    let world = World::start(WorldOptions {
        start: Clock::system().now(),
        speed: options.speed,
        seed: options.seed,
        phones: phones()?,
        data: options.data.clone(),
        back_ends: Some(HttpClient::new(requester.clone())),
        requester: Some(HttpClient::new(requester)),
        ..WorldOptions::default()
    })
    .await?;
    world.routee.subscribe(print);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    println!(
        "patchbay listens on http://{} ({}x real time)",
        listener.local_addr()?,
        options.speed
    );
    println!("token: {TOKEN}");
    for (number, status) in [("QX-1009", "shipped"), ("QX-2000", "awaiting_shipment")] {
        let owner = serde_json::json!({ "billTo": { "phone": CUSTOMER } });
        world.shipstation.add_order(number, status, &owner);
        println!("order: {number} {status}, of {CUSTOMER}, at the simulated ShipStation");
    }
    world
        .shipstation
        .add_shipment("QX-1009", "1Z-999", &serde_json::json!({}));
    for (number, habit) in HABITS {
        println!("phone: {number} {habit}");
    }
    println!("Twilio: {} (auth token {AUTH_TOKEN})", world.transfer_url()?);
    println!("caller: POST {SIMULATED_CALL}?from=%2B12025550143&pays=card (or declined, star, hangs-up, nothing)");
    let router = Router::new().fallback(answer).with_state(Arc::new(world));
    axum::serve(listener, router)
        .with_graceful_shutdown(async {
            // Whether or not a signal could be waited for, there is nothing to tidy up.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}

fn phones() -> anyhow::Result<Phones> {
    let behaviours = [
        Behaviour::NeverPicksUp,
        Behaviour::silent(4),
        Behaviour::presses("2", When::OptionsSay(1)),
        Behaviour::presses("1", When::OptionsSay(1)),
        Behaviour::Busy,
        Behaviour::presses("7", When::OptionsSay(1)).and(
            When::OptionsSay(2),
            patchbay_simulators::phones::Deed::Press("1".into()),
        ),
    ];
    let mut phones = Phones::new();
    for ((number, _), behaviour) in HABITS.into_iter().zip(behaviours) {
        phones.set(PhoneNumber::parse(number)?, behaviour);
    }
    Ok(phones)
}

/// Whatever comes: Routee's own paths go to the simulator, everything else to the API.
async fn answer(State(world): State<Arc<World>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let path = parts.uri.path();
    if path == SIMULATED_CALL {
        return simulated_call(&world, parts.uri.query().unwrap_or_default()).await;
    }
    // `/voice/api/` is where voice agents find us.
    let is_routee = !path.starts_with("/voice/api/")
        && ["/oauth/", "/voice/", "/accounts/"]
            .iter()
            .any(|prefix| path.starts_with(prefix));
    let client = if is_routee {
        HttpClient::new(world.routee.clone())
    } else {
        world.api()
    };
    match client.send(Request::from_parts(parts, body)).await {
        Ok(response) => response.map(Body::from),
        Err(SendError::NotSent(_) | SendError::Forbidden(_) | SendError::NoAnswer(_)) => {
            status(StatusCode::BAD_GATEWAY)
        }
    }
}

/// A caller comes to our number at the simulated Twilio; the answer, when the call is over, is what was heard in it.
async fn simulated_call(world: &World, query: &str) -> Response<Body> {
    let fields = Form::parse(query.as_bytes());
    let pays = match fields.get("pays").unwrap_or("card") {
        "card" => AtPay::Card("4242424242424242"),
        "declined" => AtPay::Declined,
        "star" => AtPay::Star,
        "hangs-up" => AtPay::HangsUp,
        "nothing" => AtPay::Nothing,
        _ => return status(StatusCode::BAD_REQUEST),
    };
    let Ok(url) = world.transfer_url() else {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let script = Script::new(fields.get("from").unwrap_or("anonymous"), [pays]);
    let record = world.twilio.call(&url, script).await;
    let dialled = record.dialled.iter().map(|dialled| dialled.number.as_str());
    let body = serde_json::json!({
        "call": record.sid,
        "heard": record.heard,
        "dialled": dialled.collect::<Vec<_>>(),
        "failures": record.failures,
    });
    Response::new(Body::from(body.to_string()))
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// Shows on the terminal what happens on the lines.
fn print(event: &PhoneEvent) {
    let what = match &event.what {
        Happening::Ringing => "rings".to_owned(),
        Happening::Answered { .. } => "picked up".to_owned(),
        Happening::Says { text } => format!("hears: {text}"),
        Happening::Key { key } => format!("presses {key}"),
        Happening::Ended { status, .. } => format!("call over ({status:?})"),
        _ => return,
    };
    println!("{}  {}  {what}", event.at.time_of_day(), event.to);
}
