//! Receivers that misbehave in every way that HTTP allows, on real sockets: once there is a status line, it decides.

use std::time::Duration;

use patchbay::dispatch::delivery::{Delivery, Outcome};
use patchbay::http::HttpClient;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{START, World, accepted, message, notice, world};

/// What a receiver does once it has read the request.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Writes this and closes.
    Says(&'static str),
    /// Writes this and then the same over and over, slowly.
    Trickles(&'static str, &'static str),
    /// Writes this and then as much as anybody takes.
    Floods(&'static str),
    /// Writes this and breaks the connection.
    Resets(&'static str),
    /// Writes this after so many seconds.
    Waits(u64, &'static str),
}

async fn answer(mut socket: TcpStream, then: Then) -> std::io::Result<()> {
    let mut read = [0; 8192];
    let _ = socket.read(&mut read).await?;
    match then {
        Then::Says(text) => socket.write_all(text.as_bytes()).await,
        Then::Trickles(text, more) => {
            socket.write_all(text.as_bytes()).await?;
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                socket.write_all(more.as_bytes()).await?;
            }
        }
        Then::Floods(text) => {
            socket.write_all(text.as_bytes()).await?;
            loop {
                socket.write_all(&[b'x'; 8_192]).await?;
            }
        }
        Then::Resets(text) => {
            socket.write_all(text.as_bytes()).await?;
            // The status must have arrived before the connection breaks.
            tokio::time::sleep(Duration::from_millis(200)).await;
            socket.set_zero_linger()
        }
        Then::Waits(seconds, text) => {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            socket.write_all(text.as_bytes()).await
        }
    }
}

async fn server(then: Then) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket, then));
        }
    });
    port
}

/// A notifier of the real client, with a webhook for this URL.
fn telling(url: String) -> World {
    let mut world = world(vec![accepted()], &[]);
    let outbound = Outbound::on_demand(Targets::any(), notifier::POST_TIMEOUT).opening_only();
    world.deps.http = HttpClient::new(outbound);
    world.deps.targets = Targets::any();
    world.deps.store.dispatch.brief.webhook.as_mut().expect("a webhook").url = url;
    world
}

/// What comes of one try.
async fn tried(scheme: &str, then: Then) -> (Delivery, Duration) {
    let port = server(then).await;
    let world = telling(format!("{scheme}://127.0.0.1:{port}/hook"));
    let begun = std::time::Instant::now();
    let failed = world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    assert!(failed.is_empty(), "{then:?}");
    (world.delivery(&accepted()), begun.elapsed())
}

#[tokio::test]
async fn a_status_line_decides_whatever_comes_after_it() {
    let delivered = [
        Then::Says("HTTP/1.1 204 No Content\r\n\r\n"),
        Then::Says("HTTP/1.0 200 OK\r\n\r\nhello"),
        Then::Says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        // Shorter than announced, or no length at all, or chunks that are none.
        Then::Says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
        Then::Says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nrubbish"),
        Then::Says("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope"),
        Then::Trickles("HTTP/1.1 200 OK\r\n\r\n", "x"),
        Then::Trickles(
            "HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
        ),
        Then::Floods("HTTP/1.1 200 OK\r\n\r\n"),
        Then::Floods("HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n"),
        Then::Resets("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
    ];
    for then in delivered {
        let (delivery, took) = tried("http", then).await;
        assert_eq!(delivery.outcome, Outcome::Delivered, "{then:?}: {delivery:?}");
        assert!(took < notifier::POST_TIMEOUT, "{then:?} took {took:?}");
    }
    for (then, expected) in [
        (Then::Trickles("HTTP/1.1 410 Gone\r\n\r\n", "x"), "410 Gone: x"),
        (
            Then::Resets("HTTP/1.1 410 Gone\r\ncontent-length: 5\r\n\r\n"),
            "410 Gone",
        ),
    ] {
        let (delivery, _) = tried("http", then).await;
        assert_eq!(delivery.outcome, Outcome::GivenUp, "{then:?}: {delivery:?}");
        assert!(delivery.answer.starts_with(expected), "{delivery:?}");
    }
}

#[tokio::test]
async fn a_failure_says_what_it_was_and_is_tried_again() {
    for (scheme, then, expected) in [
        ("http", Then::Says(""), "no answer"),
        ("http", Then::Says("SSH-2.0-OpenSSH_9.9\r\n"), "no answer"),
        ("http", Then::Says("HTTP/1.1 099 Odd\r\n\r\n"), "no answer"),
        ("http", Then::Says("HTTP/1.1 999 Odd\r\n\r\n"), "999"),
        (
            "http",
            Then::Says("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
            "101",
        ),
        ("http", Then::Floods("HTTP/1.1 200 OK\r\nx: "), "no answer"),
        (
            "http",
            Then::Says("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
            "302 Found, and redirects are not followed",
        ),
        (
            "http",
            Then::Trickles("HTTP/1.1 500 Internal Server Error\r\n\r\n", "\u{0}oh\n"),
            "500 Internal Server Error: oh",
        ),
        (
            "https",
            Then::Says("HTTP/1.1 200 OK\r\n\r\n"),
            "the connection was never made",
        ),
    ] {
        let (delivery, _) = tried(scheme, then).await;
        assert!(
            matches!(delivery.outcome, Outcome::Retrying { .. }),
            "{then:?}: {delivery:?}"
        );
        assert!(delivery.answer.starts_with(expected), "{then:?}: {delivery:?}");
    }
}

#[tokio::test]
async fn a_busy_receiver_names_the_date_and_its_body_does_not_matter() {
    let head = "HTTP/1.1 429 Too Many Requests\r\nretry-after: Fri, 15 Jan 2027 08:20:00 GMT\r\n\r\n";
    let (delivery, _) = tried("http", Then::Trickles(head, "x")).await;
    let Outcome::Retrying { next_at } = delivery.outcome else {
        panic!("{delivery:?}")
    };
    let seconds = next_at.since(START).as_secs();
    assert!((1_200..=1_210).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_receiver_that_is_not_done_in_time_has_not_answered() {
    let late = [
        Then::Waits(20, "HTTP/1.1 200 OK\r\n\r\n"),
        Then::Trickles("HTTP/1.1 200 OK\r\n", "x-slow: 1\r\n"),
    ];
    let [(first, took), (second, also_took)] = {
        let (first, second) = tokio::join!(tried("http", late[0]), tried("http", late[1]));
        [first, second]
    };
    for (delivery, took) in [(first, took), (second, also_took)] {
        assert!(matches!(delivery.outcome, Outcome::Retrying { .. }), "{delivery:?}");
        assert!(delivery.answer.starts_with("no answer"), "{delivery:?}");
        assert!(took >= notifier::POST_TIMEOUT, "{took:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let world = telling(format!("http://127.0.0.1:{port}/hook?key=hidden"));
    world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    let delivery = world.delivery(&accepted());
    assert!(
        delivery.answer.starts_with("the connection was never made"),
        "{delivery:?}"
    );
    assert!(!delivery.answer.contains("hidden"), "{delivery:?}");
}
