//! Authentication, lookups and unknown paths.

use super::*;

fn as_user(user: &str, password: &str, account: &str) -> Request {
    let credentials = STANDARD.encode(format!("{user}:{password}"));
    http::Request::get(format!(
        "https://api.twilio.com/2010-04-01/Accounts/{account}/Balance.json"
    ))
    .header("authorization", format!("Basic {credentials}"))
    .body(Bytes::new())
    .expect("a request")
}

#[tokio::test(start_paused = true)]
async fn only_the_auth_token_and_the_api_key_are_accepted() {
    let world = World::new(Switches::default(), Behavior::Busy);
    let other = "AC00000000000000000000000000000002";
    for (user, password, account, status) in [
        (ACCOUNT, AUTH_TOKEN, ACCOUNT, 200),
        (API_KEY.0, API_KEY.1, ACCOUNT, 200),
        (ACCOUNT, API_KEY.1, ACCOUNT, 401),
        (API_KEY.0, AUTH_TOKEN, ACCOUNT, 401),
        (ACCOUNT, "", ACCOUNT, 401),
        (other, AUTH_TOKEN, other, 401),
    ] {
        let (answered, body) = world.raw(as_user(user, password, account)).await.expect("an answer");
        assert_eq!(answered, status, "{user} {account}");
        assert_eq!(body["code"] == 20_003, status == 401);
    }
    world.twilio.set_token("another-token");
    assert_eq!(world.get("Balance.json").await.0, 401);
    world.twilio.set_api_key("SK2", "another");
    assert_eq!(
        world
            .raw(as_user("SK2", "another", ACCOUNT))
            .await
            .expect("an answer")
            .0,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn the_balance_is_a_string() {
    let world = World::new(Switches::default(), Behavior::Busy);
    world.twilio.set_balance("0.42");
    let (_, body) = world.get("Balance.json").await;
    assert_eq!(
        (&body["balance"], &body["account_sid"]),
        (&"0.42".into(), &ACCOUNT.into())
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_calls_are_not_found_and_unknown_paths_are_recorded() {
    let world = World::new(Switches::default(), Behavior::Busy);
    let (status, body) = world.get("Calls/CA00000000000000000000000000000a01.json").await;
    assert_eq!((status, &body["code"]), (404, &20_404.into()));
    assert_eq!(world.twilio.unexpected(), []);
    for path in ["calls.json", "Calls", "Messages.json"] {
        assert_eq!(world.get(path).await.0, 404, "{path}");
    }
    assert_eq!(world.twilio.unexpected().len(), 3);
    assert_eq!(world.twilio.requests().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_api_finds_a_call_and_shows_its_end_immediately_or_later() {
    let twiml = twiml();
    for (seconds, found) in [(0, 200), (5, 404)] {
        let world = World::new(
            switches(|calls| calls.appears_after = Duration::from_secs(seconds)),
            Behavior::Busy,
        );
        let sid = world.order(&call(&twiml)).await;
        let path = format!("Calls/{sid}.json");
        assert_eq!(world.get(&path).await.0, found);
        assert_eq!(
            world.get("Calls.json").await.1["calls"].as_array().map(Vec::len),
            Some(usize::from(found == 200))
        );
        world.pass(5.0).await;
        assert_eq!(world.get(&path).await.0, 200);
    }
    for (seconds, shown) in [(0, "busy"), (15, "ringing")] {
        let world = World::new(
            switches(|calls| calls.status_lag = Duration::from_secs(seconds)),
            Behavior::Busy,
        );
        let sid = world.order(&call(&twiml)).await;
        world.until(Status::Busy).await;
        let path = format!("Calls/{sid}.json");
        assert_eq!(world.get(&path).await.1["status"], shown);
        world.pass(15.0).await;
        assert_eq!(world.get(&path).await.1["status"], "busy");
    }
}

#[tokio::test(start_paused = true)]
async fn an_initiated_call_is_shown_as_queued_or_ringing() {
    let twiml = twiml();
    for status in [Status::Queued, Status::Ringing] {
        let world = World::new(switches(|calls| calls.initiated_shows_as = status), Behavior::Busy);
        let sid = world.order(&call(&twiml)).await;
        world.until(Status::Initiated).await;
        assert_eq!(
            world.get(&format!("Calls/{sid}.json")).await.1["status"],
            status.as_str()
        );
    }
}
