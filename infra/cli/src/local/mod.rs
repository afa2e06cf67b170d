//! `patchbay local`: the API, the simulated providers and what operator commands ask, on one port; for curl, for a bot
//! under development, and for a user's own tests.

mod answer;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use clap::Args;
use patchbay::clock::Clock;
use patchbay::http::{HttpClient, Request, SendError, SendHttp, Sending};
use patchbay::secret::Randomness;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use patchbay_simulators::exchange::{Happening, PhoneEvent};
use patchbay_simulators::twilio::outbound::{API_KEY, OUR_NUMBERS};
use patchbay_simulators::twilio::{ACCOUNT, AUTH_TOKEN};
use patchbay_simulators::world::{Options as WorldOptions, ROUTEE_APPLICATION, TABLE, TOKEN, WEBHOOK_KEY, World};
use tracing::Level;

use crate::account::{Account, Places};
use crate::habits::{self, Habits};
use crate::link::is_loopback;
use crate::phoning::Phoning;
use answer::{SIMULATED, SIMULATED_CALL, Served, answer};

/// Options of the local server.
#[derive(Debug, Args)]
#[command(after_long_help = habits::FORMAT)]
pub(crate) struct Options {
    /// Port on 127.0.0.1; 0 takes one that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// How many times as fast as real time the clock runs
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Who phones employees; either may be switched off while this runs, as it is printed at the start
    #[arg(long, value_enum, default_value_t)]
    provider: Phoning,
    /// File that says what the phones do, one a line; see below
    #[arg(long)]
    phones: Option<PathBuf>,
    /// File in which everything is kept: what is under way goes on after Ctrl-C, and after a kill
    #[arg(long)]
    data: Option<PathBuf>,
    /// Everything that happens by chance follows from this number; without it, from the system's randomness
    #[arg(long)]
    seed: Option<u64>,
}

/// Who has ordered something at the simulated `ShipStation`.
const CUSTOMER: &str = "+12025550143";

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    // What goes wrong inside is seen on the terminal; what functions log in normal operation is not.
    let logs = tracing_subscriber::fmt()
        .with_max_level(Level::WARN)
        .with_writer(std::io::stderr)
        .finish();
    let _logs = tracing::subscriber::set_default(logs);
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
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let url = format!("http://{}", listener.local_addr()?);
    let seed = match options.seed {
        Some(seed) => seed,
        None => Randomness::default().bits().context("the system has no randomness")?,
    };
    let habits = Habits::of(options.phones.as_deref())?;
    let _alone = options.data.as_deref().map(lock).transpose()?;
    let served = Arc::new(start(options, &url, seed, &habits).await?);
    introduce(options, &url, seed, &served.world, &habits)?;
    let router = Router::new().fallback(answer).with_state(served);
    axum::serve(listener, router)
        .with_graceful_shutdown(async {
            // Whether or not a signal could be waited for, there is nothing to tidy up.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}

/// Keeps a second server away from a file: two would consume the same messages and dial twice. The system gives the lock
/// back however the process ends. Beside the file, because the database has locks of its own on it.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.with_added_extension("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.try_lock()
        .with_context(|| format!("another patchbay local is using {}", data.display()))?;
    Ok(file)
}

async fn start(options: &Options, url: &str, seed: u64, habits: &Habits) -> anyhow::Result<Served> {
    let outbound = Outbound::new(Targets::any(), Duration::from_secs(10)).context("no HTTP client")?;
    let outbound = HttpClient::new(outbound);
    let requester = Outbound::new(Targets::any(), notifier::POST_TIMEOUT).context("no HTTP client")?;
    let requester = HttpClient::new(requester.opening_only());
    let data = options.data.as_deref().map(|path| {
        let path = path
            .to_str()
            .with_context(|| format!("{} is no UTF-8", path.display()))?;
        anyhow::Ok(path.to_owned())
    });
    let world = World::start(WorldOptions {
        start: Clock::system().now(),
        speed: options.speed,
        seed,
        phones: habits.phones(),
        providers: options.provider.providers().to_vec(),
        data: data.transpose()?,
        public_url: url.to_owned(),
        elsewhere: Some(HttpClient::new(LoopbackOnly(outbound.clone()))),
        back_ends: Some(outbound.clone()),
        requester: Some(requester),
        ..WorldOptions::default()
    })
    .await?;
    world.exchange.subscribe(print);
    for (number, status) in [("QX-1009", "shipped"), ("QX-2000", "awaiting_shipment")] {
        let owner = serde_json::json!({ "billTo": { "phone": CUSTOMER } });
        world.shipstation.add_order(number, status, &owner);
    }
    world
        .shipstation
        .add_shipment("QX-1009", "1Z-999", &serde_json::json!({}));
    let queue = |name: &str| world.aws.sqs().queue(name).map(|queue| queue.url()).unwrap_or_default();
    let account = Account::deployed(&Places {
        public_url: url,
        table: TABLE,
        dialing_queue: &queue("dialing"),
        notifications_queue: &queue("notifications"),
        providers_url: url,
        providers: options.provider.providers(),
    });
    Ok(Served {
        world,
        account,
        speed: options.speed,
    })
}

/// Everything that somebody needs who is about to try it.
fn introduce(options: &Options, url: &str, seed: u64, world: &World, habits: &Habits) -> anyhow::Result<()> {
    let (application, secret) = ROUTEE_APPLICATION;
    println!(
        "patchbay listens on {url}, at {} times real time; Ctrl-C ends it",
        options.speed
    );
    let lines = [
        ("API", format!("{url}/v1/dispatches")),
        ("token", TOKEN.to_owned()),
        (
            "webhook key",
            format!("{WEBHOOK_KEY} (signs with the real time at any speed)"),
        ),
        ("Routee", format!("{url}/voice/conversation")),
        ("", format!("application {application}, secret {secret}")),
        ("Twilio", world.transfer_url()?),
        ("", format!("auth token {AUTH_TOKEN}; to call this number:")),
        ("", format!("POST {url}{SIMULATED_CALL}?from=%2B12025550143&pays=card")),
        (
            "",
            "(pays: card, declined, star, hangs-up, nothing; url: a voice webhook of yours)".to_owned(),
        ),
        (
            "",
            format!(
                "to place calls from {}, with API key {}, secret {}:",
                OUR_NUMBERS[0], API_KEY.0, API_KEY.1
            ),
        ),
        ("", format!("POST {url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json")),
        (
            "outages",
            format!("POST {url}{SIMULATED}routee/down, …/up, and likewise twilio"),
        ),
        (
            "ShipStation",
            format!("order QX-1009 shipped, QX-2000 awaiting shipment, of {CUSTOMER}"),
        ),
        (
            "commands",
            format!("patchbay dispatch list --local {url}; so do token, limits, dlq, doctor and url"),
        ),
        ("seed", format!("{seed} (--seed {seed} has the same chances again)")),
    ];
    for (name, what) in lines {
        println!("  {name:<12} {what}");
    }
    if let Some(path) = &options.data {
        println!("  {:<12} {}: {}", "data", path.display(), under_way(world));
    }
    for sentence in habits.sentences() {
        println!("  {:<12} {sentence}", "phone");
    }
    println!("  {:<12} any other number is never picked up", "");
    Ok(())
}

/// What goes on from before.
fn under_way(world: &World) -> String {
    let messages: usize = ["dialing", "notifications"]
        .iter()
        .filter_map(|name| world.aws.sqs().queue(name))
        .map(|queue| queue.messages().len())
        .sum();
    let calls = world.calls().into_iter().filter(|call| call.ended_at.is_none());
    match (messages, calls.count()) {
        (0, 0) => "nothing is under way".to_owned(),
        (messages, calls) => format!("{messages} messages and {calls} calls go on"),
    }
}

/// The way of the simulated providers to webhooks that are not this server's: a bot under development on the same
/// machine. They never call anybody on the internet.
#[derive(Debug)]
struct LoopbackOnly(HttpClient);

impl SendHttp for LoopbackOnly {
    fn send(&self, request: Request) -> Sending<'_> {
        let url = request.uri().clone();
        Box::pin(async move {
            let sent = if is_loopback(url.host().unwrap_or_default()) {
                self.0.send(request).await
            } else {
                Err(SendError::NotSent(
                    "the simulated providers call URLs on this machine only".into(),
                ))
            };
            if let Err(error) = &sent {
                eprintln!("a provider's webhook to {url} was not delivered: {error}");
            }
            sent
        })
    }
}

/// Shows on the terminal what happens on the lines.
fn print(event: &PhoneEvent) {
    let what = match &event.what {
        Happening::Ringing => format!("rings, over {}", event.provider.as_str()),
        Happening::Answered { .. } => "picked up".to_owned(),
        Happening::Says { text } => format!("hears: {text}"),
        Happening::Key { key } => format!("presses {key}"),
        Happening::Ended { status, .. } => format!("call over ({status})"),
        _ => return,
    };
    println!("{}  {}  {what}", event.at.time_of_day(), event.to);
}
