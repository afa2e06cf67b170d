//! `patchbay local`: the API, the simulated providers and the AWS services that operator commands use, on one port. For
//! curl, for a bot under development, and for your own tests.

mod answer;
mod customers;
mod inbox;
mod origin;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use patchbay::clock::Clock;
use patchbay::http::{HttpClient, Request, ResponseFuture, SendError, SendHttp};
use patchbay::secret::Randomness;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use patchbay_simulators::chat::Switches;
use patchbay_simulators::exchange::{PhoneEvent, PhoneEventKind};
use patchbay_simulators::twilio::outbound::{API_KEY, OUR_NUMBERS};
use patchbay_simulators::twilio::{ACCOUNT, AUTH_TOKEN};
use patchbay_simulators::world::{
    ChatOptions, ELEMENTE_CREDENTIALS, InteractionOptions, Options as WorldOptions, ROUTEE_APPLICATION, TABLE, TOKEN,
    WEBHOOK_KEY, World,
};
use tracing::Level;

use crate::account::{Account, Locations};
use crate::api::is_loopback;
use crate::phone_scripts::{self, PhoneScripts};
use crate::provider_choice::ProviderChoice;
use answer::{SIMULATED, SIMULATED_CALL, SIMULATED_CHAT, SIMULATED_ELEMENTE, ServerState, handle};

/// Options of `patchbay local`.
#[derive(Debug, Args)]
#[command(after_long_help = phone_scripts::FORMAT)]
pub(crate) struct Options {
    /// Port on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Speed of the clock as a multiple of real time, from 0.1 to 1000
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Provider that phones employees; the startup message shows how to simulate an outage
    #[arg(long, value_enum, default_value_t)]
    provider: ProviderChoice,
    /// File with phone scripts, one phone a line; see below for the format
    #[arg(long)]
    phones: Option<PathBuf>,
    /// Database file; work in progress continues after a restart, even after a crash or `kill -9`
    #[arg(long)]
    data: Option<PathBuf>,
    /// Seed of everything random; default: a random seed, printed at startup
    #[arg(long)]
    seed: Option<u64>,
    /// Secret with which the chat platform signs its events, and without whose signature they are refused; default:
    /// events are not signed
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    chat_secret: Option<String>,
}

/// The customer whose orders the simulated `ShipStation` has.
const CUSTOMER: &str = "+12025550143";

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    // Warnings and errors of the functions show on the terminal; their info logs do not.
    let logs = tracing_subscriber::fmt()
        .with_max_level(Level::WARN)
        .with_writer(std::io::stderr)
        .finish();
    let _logs = tracing::subscriber::set_default(logs);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
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
        None => Randomness::default()
            .bits()
            .context("the system's random number generator failed")?,
    };
    let scripts = PhoneScripts::load(options.phones.as_deref())?;
    let _lock = options.data.as_deref().map(lock_data_file).transpose()?;
    let state = Arc::new(start(options, &url, seed, &scripts).await?);
    print_banner(options, &url, seed, &state.world, &scripts)?;
    let router = Router::new().fallback(handle).with_state(state);
    axum::serve(listener, router)
        .with_graceful_shutdown(async {
            // An error means that the signal cannot be awaited. There is nothing to clean up in either case.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}

/// Locks the data file against a second server: two would consume the same messages and dial twice. The operating
/// system releases the lock however the process ends. The lock is a separate file, as the database locks its own file.
fn lock_data_file(data: &Path) -> anyhow::Result<File> {
    let path = data.with_added_extension("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.try_lock()
        .with_context(|| format!("another patchbay local is using {}", data.display()))?;
    Ok(file)
}

async fn start(options: &Options, url: &str, seed: u64, scripts: &PhoneScripts) -> anyhow::Result<ServerState> {
    let outbound = Outbound::new(Targets::any(), Duration::from_secs(10)).context("cannot create an HTTP client")?;
    let outbound = HttpClient::new(outbound);
    let requester = Outbound::new(Targets::any(), notifier::POST_TIMEOUT).context("cannot create an HTTP client")?;
    let requester = HttpClient::new(requester.prefix_only());
    let data = options.data.as_deref().map(|path| {
        let path = path
            .to_str()
            .with_context(|| format!("the path {} is not valid UTF-8", path.display()))?;
        anyhow::Ok(path.to_owned())
    });
    let world = World::start(WorldOptions {
        start: Clock::system().now(),
        speed: options.speed,
        seed,
        phones: scripts.phones(),
        providers: options.provider.providers().to_vec(),
        data: data.transpose()?,
        public_url: url.to_owned(),
        other_hosts: Some(HttpClient::new(LoopbackOnly(outbound.clone()))),
        back_ends: Some(outbound.clone()),
        requester: Some(requester),
        chat: ChatOptions {
            switches: Switches {
                secret: options.chat_secret.clone(),
                ..Switches::default()
            },
            secret: options.chat_secret.clone(),
            ..ChatOptions::default()
        },
        interactions: InteractionOptions {
            mobiles: customers::mobiles()?,
            mailboxes: customers::mailboxes(),
            ..InteractionOptions::default()
        },
        ..WorldOptions::default()
    })
    .await?;
    world.exchange.subscribe(print_phone_event);
    for (number, status) in [("QX-1009", "shipped"), ("QX-2000", "awaiting_shipment")] {
        let owner = serde_json::json!({ "billTo": { "phone": CUSTOMER } });
        world.shipstation.add_order(number, status, &owner);
    }
    world
        .shipstation
        .add_shipment("QX-1009", "1Z-999", &serde_json::json!({}));
    let queue = |name: &str| world.aws.sqs().queue(name).map(|queue| queue.url()).unwrap_or_default();
    let interactions = world.aws.sqs().queue("interactions").map(|queue| queue.url());
    let account = Account::healthy(&Locations {
        public_url: url,
        table: TABLE,
        dialing_queue: &queue("dialing"),
        notifications_queue: &queue("notifications"),
        conversations_queue: &queue("conversations"),
        interactions_queue: interactions.as_deref(),
        providers_url: url,
        providers: options.provider.providers(),
        chat_secret: options.chat_secret.as_deref(),
    });
    Ok(ServerState {
        world,
        account,
        speed: options.speed,
    })
}

/// Prints everything needed to use the server: URLs, credentials and phones.
fn print_banner(options: &Options, url: &str, seed: u64, world: &World, scripts: &PhoneScripts) -> anyhow::Result<()> {
    let (application, secret) = ROUTEE_APPLICATION;
    println!(
        "patchbay listens on {url}, clock at {}x real time; stop with Ctrl-C",
        options.speed
    );
    let lines = [
        ("API", format!("{url}/v1/dispatches")),
        ("token", TOKEN.to_owned()),
        (
            "webhook key",
            format!("{WEBHOOK_KEY} (signatures carry the real time at any --speed)"),
        ),
        ("Routee", format!("{url}/voice/conversation")),
        ("", format!("application id {application}, secret {secret}")),
        ("Twilio", world.transfer_url()?),
        (
            "",
            format!("auth token {AUTH_TOKEN}; to simulate a call to this number:"),
        ),
        ("", format!("POST {url}{SIMULATED_CALL}?from=%2B12025550143&pays=card")),
        (
            "",
            "(pays: card, declined, star, hangs-up or nothing; url: your own voice webhook)".to_owned(),
        ),
        (
            "",
            format!(
                "to place calls from {} with API key {}, secret {}:",
                OUR_NUMBERS[0], API_KEY.0, API_KEY.1
            ),
        ),
        ("", format!("POST {url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json")),
        ("chat bots", format!("{url}/v1/bots")),
        (
            "",
            format!(
                "{url}{} is the simulated inbox: a page for people who answer",
                inbox::PATH
            ),
        ),
        ("", format!("GET {url}{SIMULATED_CHAT} shows the simulated chats")),
        (
            "",
            format!("POST {url}{SIMULATED_CHAT}/open with {{\"inbox\": 7}}, then …/write with conversation and text"),
        ),
        (
            "calls",
            format!("{url}/api/v1/calls, with {url}/v1/agents and …/v1/skills"),
        ),
        (
            "Elemente",
            format!("{url}{SIMULATED_ELEMENTE}/api/v1/calls, Basic {ELEMENTE_CREDENTIALS}"),
        ),
        (
            "outages",
            format!("POST {url}{SIMULATED}routee/down or …/up; the same for twilio"),
        ),
        (
            "ShipStation",
            format!("orders of {CUSTOMER}: QX-1009 (shipped), QX-2000 (awaiting shipment)"),
        ),
        (
            "commands",
            format!("patchbay dispatch list --local {url}; also token, limits, dlq, doctor and url"),
        ),
        ("seed", format!("{seed} (repeat with --seed {seed})")),
    ];
    for (name, text) in lines {
        println!("  {name:<12} {text}");
    }
    if let Some(path) = &options.data {
        println!("  {:<12} {}: {}", "data", path.display(), resumed_work(world));
    }
    for script in scripts.lines() {
        println!("  {:<12} {script}", "phone");
    }
    println!("  {:<12} any other number never picks up", "");
    for line in customers::lines() {
        println!("  {:<12} {line}", "customer");
    }
    println!("  {:<12} no other customer gets messages or e-mail", "");
    Ok(())
}

/// The work that continues from the data file.
fn resumed_work(world: &World) -> String {
    let messages: usize = ["dialing", "notifications", "conversations", "interactions"]
        .iter()
        .filter_map(|name| world.aws.sqs().queue(name))
        .map(|queue| queue.messages().len())
        .sum();
    let calls = world.calls().into_iter().filter(|call| call.ended_at.is_none());
    match (messages, calls.count()) {
        (0, 0) => "no work in progress".to_owned(),
        (messages, calls) => format!("{messages} queued messages and {calls} calls continue"),
    }
}

/// The HTTP client of the simulated providers for webhooks outside this server, such as a bot under development on the
/// same machine. It never sends to the internet.
#[derive(Debug)]
struct LoopbackOnly(HttpClient);

impl SendHttp for LoopbackOnly {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let url = request.uri().clone();
        Box::pin(async move {
            let sent = if is_loopback(url.host().unwrap_or_default()) {
                self.0.send(request).await
            } else {
                Err(SendError::NotSent(
                    "the simulated providers only send webhooks to this machine".into(),
                ))
            };
            if let Err(error) = &sent {
                eprintln!("cannot deliver a provider's webhook to {url}: {error}");
            }
            sent
        })
    }
}

/// Prints an event of a simulated call.
fn print_phone_event(event: &PhoneEvent) {
    let what = match &event.kind {
        PhoneEventKind::Ringing => format!("rings (over {})", event.provider.as_str()),
        PhoneEventKind::Answered { .. } => "picks up".to_owned(),
        PhoneEventKind::Says { text } => format!("hears: {text}"),
        PhoneEventKind::Key { key } => format!("presses {key}"),
        PhoneEventKind::Ended { status, .. } => format!("call over ({status})"),
        _ => return,
    };
    println!("{}  {}  {what}", event.at.time_of_day(), event.to);
}
