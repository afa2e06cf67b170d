//! Receivers that misbehave in every way that HTTP allows, on real sockets: the status line decides once it has
//! arrived.

use std::time::Duration;

use patchbay::http::HttpClient;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use patchbay::webhook::{Delivery, DeliveryStatus};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{START, World, accepted, message, notice, world};

/// Behavior of a receiver after it has read the request.
#[derive(Clone, Copy, Debug)]
enum Behavior {
    /// Writes this and closes.
    Says(&'static str),
    /// Writes the first text, then the second one repeatedly, slowly.
    Trickles(&'static str, &'static str),
    /// Writes this, then data without end.
    Floods(&'static str),
    /// Writes this, then resets the connection.
    Resets(&'static str),
    /// Waits for this many seconds, then writes this.
    Waits(u64, &'static str),
}

async fn answer(mut socket: TcpStream, behavior: Behavior) -> std::io::Result<()> {
    let mut read = [0; 8192];
    let _ = socket.read(&mut read).await?;
    match behavior {
        Behavior::Says(text) => socket.write_all(text.as_bytes()).await,
        Behavior::Trickles(text, more) => {
            socket.write_all(text.as_bytes()).await?;
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                socket.write_all(more.as_bytes()).await?;
            }
        }
        Behavior::Floods(text) => {
            socket.write_all(text.as_bytes()).await?;
            loop {
                socket.write_all(&[b'x'; 8_192]).await?;
            }
        }
        Behavior::Resets(text) => {
            socket.write_all(text.as_bytes()).await?;
            // The status must have arrived before the connection breaks.
            tokio::time::sleep(Duration::from_millis(200)).await;
            socket.set_zero_linger()
        }
        Behavior::Waits(seconds, text) => {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            socket.write_all(text.as_bytes()).await
        }
    }
}

async fn server(behavior: Behavior) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket, behavior));
        }
    });
    port
}

/// A notifier with the real HTTP client, and a dispatch with a webhook to `url`.
fn world_with_url(url: String) -> World {
    let mut world = world(vec![accepted()], &[]);
    let outbound = Outbound::lazy(Targets::any(), notifier::POST_TIMEOUT).prefix_only();
    world.deps.http = HttpClient::new(outbound);
    world.deps.targets = Targets::any();
    world.deps.store.dispatch.spec.webhook.as_mut().expect("a webhook").url = url;
    world
}

/// Makes one attempt. Returns the delivery and the time that it took.
async fn attempt(scheme: &str, behavior: Behavior) -> (Delivery, Duration) {
    let port = server(behavior).await;
    let world = world_with_url(format!("{scheme}://127.0.0.1:{port}/hook"));
    let started = std::time::Instant::now();
    let failed = world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    assert!(failed.is_empty(), "{behavior:?}");
    (world.delivery(&accepted()), started.elapsed())
}

#[tokio::test]
async fn the_status_line_decides_whatever_follows_it() {
    let delivered = [
        Behavior::Says("HTTP/1.1 204 No Content\r\n\r\n"),
        Behavior::Says("HTTP/1.0 200 OK\r\n\r\nhello"),
        Behavior::Says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        // A body shorter than announced, of unknown length, or with invalid chunks.
        Behavior::Says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
        Behavior::Says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nrubbish"),
        Behavior::Says("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope"),
        Behavior::Trickles("HTTP/1.1 200 OK\r\n\r\n", "x"),
        Behavior::Trickles(
            "HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
        ),
        Behavior::Floods("HTTP/1.1 200 OK\r\n\r\n"),
        Behavior::Floods("HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n"),
        Behavior::Resets("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
    ];
    for behavior in delivered {
        let (delivery, took) = attempt("http", behavior).await;
        assert_eq!(
            delivery.outcome,
            DeliveryStatus::Delivered,
            "{behavior:?}: {delivery:?}"
        );
        assert!(took < notifier::POST_TIMEOUT, "{behavior:?} took {took:?}");
    }
    for (behavior, expected) in [
        (Behavior::Trickles("HTTP/1.1 410 Gone\r\n\r\n", "x"), "410 Gone: x"),
        (
            Behavior::Resets("HTTP/1.1 410 Gone\r\ncontent-length: 5\r\n\r\n"),
            "410 Gone",
        ),
    ] {
        let (delivery, _) = attempt("http", behavior).await;
        assert_eq!(delivery.outcome, DeliveryStatus::Failed, "{behavior:?}: {delivery:?}");
        assert!(delivery.answer.starts_with(expected), "{delivery:?}");
    }
}

#[tokio::test]
async fn a_failure_is_recorded_with_its_cause_and_retried() {
    for (scheme, behavior, expected) in [
        ("http", Behavior::Says(""), "no response"),
        ("http", Behavior::Says("SSH-2.0-OpenSSH_9.9\r\n"), "no response"),
        ("http", Behavior::Says("HTTP/1.1 099 Odd\r\n\r\n"), "no response"),
        ("http", Behavior::Says("HTTP/1.1 999 Odd\r\n\r\n"), "999"),
        (
            "http",
            Behavior::Says("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
            "101",
        ),
        ("http", Behavior::Floods("HTTP/1.1 200 OK\r\nx: "), "no response"),
        (
            "http",
            Behavior::Says("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
            "302 Found: redirects are not followed",
        ),
        (
            "http",
            Behavior::Trickles("HTTP/1.1 500 Internal Server Error\r\n\r\n", "\u{0}oh\n"),
            "500 Internal Server Error: oh",
        ),
        ("https", Behavior::Says("HTTP/1.1 200 OK\r\n\r\n"), "could not connect"),
    ] {
        let (delivery, _) = attempt(scheme, behavior).await;
        assert!(
            matches!(delivery.outcome, DeliveryStatus::Retrying { .. }),
            "{behavior:?}: {delivery:?}"
        );
        assert!(delivery.answer.starts_with(expected), "{behavior:?}: {delivery:?}");
    }
}

#[tokio::test]
async fn a_retry_after_date_is_honored_whatever_the_body() {
    let head = "HTTP/1.1 429 Too Many Requests\r\nretry-after: Fri, 15 Jan 2027 08:20:00 GMT\r\n\r\n";
    let (delivery, _) = attempt("http", Behavior::Trickles(head, "x")).await;
    let DeliveryStatus::Retrying { next_at } = delivery.outcome else {
        panic!("{delivery:?}")
    };
    let seconds = next_at.since(START).as_secs();
    assert!((1_200..=1_210).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_response_whose_head_is_late_counts_as_no_answer() {
    let late = [
        Behavior::Waits(20, "HTTP/1.1 200 OK\r\n\r\n"),
        Behavior::Trickles("HTTP/1.1 200 OK\r\n", "x-slow: 1\r\n"),
    ];
    let [(first, took), (second, also_took)] = {
        let (first, second) = tokio::join!(attempt("http", late[0]), attempt("http", late[1]));
        [first, second]
    };
    for (delivery, took) in [(first, took), (second, also_took)] {
        assert!(
            matches!(delivery.outcome, DeliveryStatus::Retrying { .. }),
            "{delivery:?}"
        );
        assert!(delivery.answer.starts_with("no response"), "{delivery:?}");
        assert!(took >= notifier::POST_TIMEOUT, "{took:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_counts_as_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let world = world_with_url(format!("http://127.0.0.1:{port}/hook?key=hidden"));
    world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    let delivery = world.delivery(&accepted());
    assert!(delivery.answer.starts_with("could not connect"), "{delivery:?}");
    assert!(!delivery.answer.contains("hidden"), "{delivery:?}");
}
