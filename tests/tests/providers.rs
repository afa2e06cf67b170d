//! Failover between two voice providers, in worlds with everything between the request and the phone.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::{PEOPLE, ask, change, create, dispatch_body, load, our_callbacks, pass, phones, send, story, text};
use patchbay::clock::Timestamp;
use patchbay::dispatch::health::{FAILURES, PROBE_SECONDS};
use patchbay::dispatch::limits::CallLimits;
use patchbay::dispatch::{Entry, Fact, State};
use patchbay::ids::DispatchKey;
use patchbay_simulators::audit::audit;
use patchbay_simulators::aws::{Fault, RequestRecord, Rule, Service};
use patchbay_simulators::exchange::{PlacedCall, Provider};
use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::world::{Notification, Options, World};
use serde_json::{Value, json};

const BOTH: [Provider; 2] = [Provider::Routee, Provider::Twilio];
/// The host at which calls are placed. Tokens come from another one.
const ROUTEE: &str = "connect.routee.net";
const TWILIO: &str = "api.twilio.com";

fn accepts() -> Script {
    Script::always(Behavior::presses("1", When::OptionsSay(1)))
}

async fn world<const N: usize>(providers: &[Provider], scripts: [Script; N]) -> World {
    let options = Options {
        phones: phones(scripts),
        providers: providers.to_vec(),
        sentinel: None,
        ..Options::default()
    };
    World::start(options).await.unwrap()
}

/// Starts an outage: for `duration`, requests of the dialer to `host` fail with `fault`.
fn start_outage(world: &World, host: &str, fault: Fault, duration: Duration) {
    let now = world.clock.now();
    let until = now.plus_millis(i64::try_from(duration.as_millis()).unwrap());
    let rule = Rule::new(fault).service(Service::Http).function("dialer").target(host);
    world.aws.faults().plan(rule.during(now..until));
}

/// Provider and number of every call, in the order of creation.
fn placed(world: &World) -> Vec<(Provider, String)> {
    let mut calls: Vec<PlacedCall> = world.calls();
    calls.sort_by_key(|call| call.created_at);
    calls.into_iter().map(|call| (call.provider, call.to)).collect()
}

async fn is_accepted(world: &World, key: &DispatchKey) -> bool {
    matches!(load(world, key).await.state, State::Accepted(_))
}

/// How many requests for a call were sent to Routee.
fn routee_call_requests(world: &World) -> usize {
    let is_call =
        |request: &RequestRecord| request.service == Service::Http && request.target.contains("/voice/conversation");
    world.aws.recorder().count(is_call)
}

/// Waits until the world is idle, and checks that there were no breaches and no unexpected requests.
async fn assert_no_breaches(world: &World, keys: &[DispatchKey]) {
    assert!(world.settle(Duration::from_hours(3)).await);
    let audit = audit(world, keys).await.unwrap();
    assert_eq!(audit.breaches, []);
    assert_eq!(world.twilio.unexpected(), []);
    for call in world.twilio.calls() {
        assert_eq!(call.failures, Vec::<String>::new());
    }
    assert_eq!(world.routee.unexpected(), []);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_is_accepted_over_either_provider() {
    for provider in BOTH {
        let world = world(
            &[provider],
            [Behavior::presses("2", When::OptionsSay(1)).into(), accepts()],
        )
        .await;
        let key = create(&world, &dispatch_body(2, &json!({}))).await;
        pass(&world, 180).await;
        assert!(
            is_accepted(&world, &key).await,
            "{provider:?}: {:#?}",
            story(&world, &key).await
        );
        let calls: Vec<Provider> = placed(&world).into_iter().map(|(provider, _)| provider).collect();
        assert_eq!(calls, [provider, provider]);
        let heard: Vec<String> = world
            .calls()
            .into_iter()
            .flat_map(|call| call.heard)
            .map(|(_, text)| text)
            .collect();
        assert!(heard.iter().any(|text| text == common::TICKET), "{heard:?}");
        assert!(heard.iter().any(|text| text.contains("accepted")), "{heard:?}");
        assert_no_breaches(&world, &[key]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_provider_delays_a_call_by_less_than_five_seconds() {
    let world = world(&BOTH, [accepts()]).await;
    start_outage(&world, ROUTEE, Fault::Refused, Duration::from_hours(1));
    let begins = world.clock.now();
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    pass(&world, 120).await;
    assert!(is_accepted(&world, &key).await, "{:#?}", story(&world, &key).await);
    let call = world.calls().remove(0);
    assert_eq!(call.provider, Provider::Twilio);
    assert!(
        call.created_at.since(begins) < Duration::from_secs(5),
        "{begins} {}",
        call.created_at
    );
    let story = story(&world, &key).await;
    assert!(
        story.contains(&"Phoning Anna over twilio, because routee postponed the call".to_owned()),
        "{story:#?}"
    );
    assert_no_breaches(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn errors_and_timeouts_of_a_provider_move_the_next_call_to_the_other() {
    for (fault, host, other) in [
        (Fault::InternalError, ROUTEE, Provider::Twilio),
        (Fault::LostRequest, ROUTEE, Provider::Twilio),
        (Fault::LostRequest, TWILIO, Provider::Routee),
    ] {
        let order = if host == ROUTEE {
            BOTH
        } else {
            [Provider::Twilio, Provider::Routee]
        };
        let world = world(&order, [accepts(), accepts()]).await;
        start_outage(&world, host, fault, Duration::from_hours(3));
        let key = create(&world, &dispatch_body(2, &json!({ "retry_delay": 5 }))).await;
        pass(&world, 400).await;
        let story = story(&world, &key).await;
        assert!(is_accepted(&world, &key).await, "{fault:?} {host}: {story:#?}");
        assert!(story.iter().any(|line| line.starts_with("It is unclear")), "{story:#?}");
        assert!(
            story.iter().any(|line| line.contains("could not report the outcome")),
            "{story:#?}"
        );
        assert!(placed(&world).iter().all(|(provider, _)| *provider == other));
        assert_no_breaches(&world, &[key]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unclear_call_is_waited_for_no_longer_than_it_may_last() {
    let world = world(&BOTH, [accepts()]).await;
    start_outage(&world, ROUTEE, Fault::LostRequest, Duration::from_hours(1));
    let mut body = dispatch_body(1, &json!({ "retry_delay": 5, "max_duration": 90 }));
    body["ticket"]["text"] = json!("The tank of pump four overflows. ".repeat(30));
    let key = create(&world, &body).await;
    // The call may ring for 25 s and last for 90 s. Then it is looked up three times.
    pass(&world, 25 + 90 + 10 + 2 * 15 + 5 + 20).await;
    let lines = story(&world, &key).await;
    assert!(
        lines.iter().any(|line| line.starts_with("Phoning Anna over twilio")),
        "{lines:#?}"
    );
    assert_no_breaches(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_create_response_was_lost_is_waited_for_and_accepts() {
    let world = world(&BOTH, [accepts()]).await;
    // Routee places the call, but its answer is lost.
    let rule = Rule::new(Fault::LostAnswer)
        .service(Service::Http)
        .function("dialer")
        .target("/voice/conversation");
    world.aws.faults().plan(rule);
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    pass(&world, 120).await;
    assert!(is_accepted(&world, &key).await, "{:#?}", story(&world, &key).await);
    assert_eq!(placed(&world), [(Provider::Routee, PEOPLE[0].2.to_owned())]);
    assert_no_breaches(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn dispatches_share_provider_health_and_one_probe_restores_it() {
    let world = world(&BOTH, [accepts(), accepts(), accepts(), accepts()]).await;
    start_outage(&world, ROUTEE, Fault::LostRequest, Duration::from_mins(30));
    let ticket = |person: usize| {
        let mut body = dispatch_body(4, &json!({ "retry_delay": 5 }));
        let chosen = body["employees"][person].clone();
        body["employees"] = json!([chosen]);
        body
    };
    let mut keys = Vec::new();
    for person in 0..3 {
        keys.push(create(&world, &ticket(person)).await);
        pass(&world, 3).await;
    }
    pass(&world, 20).await;
    // Three failed calls within five minutes: from now on Routee is skipped.
    let late = create(&world, &ticket(3)).await;
    pass(&world, 2).await;
    let line = "Phoning Dora over twilio, because routee is down".to_owned();
    let lines = story(&world, &late).await;
    assert!(lines.contains(&line), "{lines:#?}");
    keys.push(late);
    pass(&world, 600).await;
    for key in &keys {
        assert!(is_accepted(&world, key).await, "{:#?}", story(&world, key).await);
    }
    let before = routee_call_requests(&world);
    // While Routee is down, a call probes it from time to time. After the outage one successful probe is enough.
    pass(&world, 1_800).await;
    let probe = create(&world, &ticket(0)).await;
    pass(&world, 60).await;
    keys.push(probe.clone());
    assert!(is_accepted(&world, &probe).await, "{:#?}", story(&world, &probe).await);
    assert_eq!(routee_call_requests(&world), before + 1);
    let next = create(&world, &ticket(1)).await;
    pass(&world, 60).await;
    let lines = story(&world, &next).await;
    assert!(lines.contains(&"Phoning Ben over routee".to_owned()), "{lines:#?}");
    keys.push(next);
    assert_no_breaches(&world, &keys).await;
}

#[tokio::test(start_paused = true)]
async fn only_one_of_two_simultaneous_calls_probes_a_provider() {
    let world = world(&BOTH, [accepts(), accepts()]).await;
    let routee = Provider::Routee.name();
    for _ in 0..FAILURES {
        let known = world.store.provider_state(&routee).await.unwrap();
        let health = known.value.health.with_failure(world.clock.now());
        assert!(world.store.record_health(&known, &health).await.unwrap());
    }
    start_outage(&world, ROUTEE, Fault::LostRequest, Duration::from_hours(1));
    pass(&world, u64::from(PROBE_SECONDS) + 1).await;
    let mut keys = Vec::new();
    for person in 0..2 {
        let mut body = dispatch_body(2, &json!({ "retry_delay": 5 }));
        let chosen = body["employees"][person].clone();
        body["employees"] = json!([chosen]);
        keys.push(create(&world, &body).await);
    }
    pass(&world, 10).await;
    assert_eq!(routee_call_requests(&world), 1);
    pass(&world, 400).await;
    for key in &keys {
        assert!(is_accepted(&world, key).await, "{:#?}", story(&world, key).await);
    }
    assert_no_breaches(&world, &keys).await;
}

#[tokio::test(start_paused = true)]
async fn the_policy_decides_about_voicemail_and_the_webhook_has_the_reason() {
    for (provider, machine, expected) in [
        (Provider::Routee, "hang_up", "voicemail"),
        (Provider::Twilio, "hang_up", "voicemail"),
        // Routee's tracking always reports voicemail.
        (Provider::Routee, "ignore", "voicemail"),
        (Provider::Twilio, "ignore", "no_key"),
    ] {
        let world = world(&[provider], [Behavior::voicemail(5).into()]).await;
        let policy = json!({ "on_voicemail": machine, "attempts": 1, "max_rounds": 1 });
        let key = create(&world, &dispatch_body(1, &policy)).await;
        pass(&world, 300).await;
        let webhooks: Vec<Value> = world.notifications().iter().map(Notification::json).collect();
        let reasons: Vec<&str> = webhooks
            .iter()
            .map(|webhook| text(webhook, "/data/reason"))
            .filter(|reason| !reason.is_empty())
            .collect();
        assert_eq!(
            reasons,
            [expected],
            "{provider:?} {machine}: {:#?}",
            story(&world, &key).await
        );
        assert_no_breaches(&world, &[key]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_too_long_is_fetched_when_the_call_is_picked_up() {
    let world = world(&[Provider::Twilio], [accepts()]).await;
    let mut body = dispatch_body(
        1,
        &json!({ "repeat_content": "all", "repeats": 5, "max_duration": 600 }),
    );
    body["ticket"]["text"] = json!("The tank of pump four overflows & nobody is there. ".repeat(19));
    let key = create(&world, &body).await;
    pass(&world, 300).await;
    assert!(is_accepted(&world, &key).await, "{:#?}", story(&world, &key).await);
    let request = world
        .twilio
        .requests()
        .into_iter()
        .find(|request| request.method == "POST")
        .unwrap();
    assert!(
        request.body.contains("Url=") && !request.body.contains("Twiml="),
        "{}",
        request.body
    );
    assert_no_breaches(&world, &[key]).await;
}

/// A call can be picked up after the dispatch has moved on to the next one, and a key in it still counts. So it must
/// hear the ticket while the dispatch is open, and not that it is closed.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_picked_up_late_hears_the_ticket_while_it_is_open() {
    let world = world(
        &[Provider::Twilio],
        [Behavior::NeverPicksUp.into(), Behavior::Interactive.into()],
    )
    .await;
    let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    let first = load(&world, &key).await.attempt().unwrap().id;
    let url = our_callbacks().keys_url(Provider::Twilio, &key, first, 0);
    let url = format!("{url}?begin=1");
    let form = [("CallSid", "CA1"), ("CallStatus", "in-progress")];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    pass(&world, 40).await;
    assert_eq!(load(&world, &key).await.attempt().unwrap().id.employee, 1);
    let heard = world.twilio.post(&url, &form).await;
    assert!(
        heard.body.contains("Pump four has stopped") && heard.body.contains("<Gather"),
        "{heard:?}"
    );
    change(&world, &key, "cancel").await;
    let heard = world.twilio.post(&url, &form).await;
    assert!(
        !heard.body.contains("Pump four") && !heard.body.contains("<Gather"),
        "{heard:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_number_is_not_called_more_often_than_its_tenant_allows() {
    let world = world(&BOTH, [Behavior::NeverPicksUp.into(), Behavior::NeverPicksUp.into()]).await;
    let limits = CallLimits {
        per_hour: Some(2),
        per_day: None,
    };
    world
        .store
        .set_call_limits(&"main".parse().unwrap(), &limits)
        .await
        .unwrap();
    let policy = json!({ "attempts": 3, "max_rounds": 1, "retry_delay": 5, "expires_after": 3_000 });
    let key = create(&world, &dispatch_body(2, &policy)).await;
    assert!(world.settle(Duration::from_hours(2)).await);
    let count = |number: &str| placed(&world).into_iter().filter(|(_, to)| to == number).count();
    assert_eq!((count(PEOPLE[0].2), count(PEOPLE[1].2)), (2, 2));
    let story = story(&world, &key).await;
    let skipped = "Anna is skipped: hourly call limit reached until";
    assert!(story.iter().any(|line| line.starts_with(skipped)), "{story:#?}");
    assert_no_breaches(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn an_urgent_dispatch_is_called_before_those_that_wait_for_a_slot() {
    let options = Options {
        phones: phones([accepts(), accepts(), accepts(), accepts()]),
        call_interval: 10_000,
        sentinel: None,
        ..Options::default()
    };
    let world = World::start(options).await.unwrap();
    let ticket = |person: usize, priority: &str| {
        let mut body = dispatch_body(4, &json!({}));
        let chosen = body["employees"][person].clone();
        body["employees"] = json!([chosen]);
        body["priority"] = json!(priority);
        body
    };
    let begins = world.clock.now();
    let mut keys = Vec::new();
    for (person, priority) in [(0, "normal"), (1, "normal"), (2, "normal"), (3, "urgent")] {
        keys.push(create(&world, &ticket(person, priority)).await);
        pass(&world, 1).await;
    }
    pass(&world, 120).await;
    let order: Vec<String> = placed(&world).into_iter().map(|(_, to)| to).collect();
    assert_eq!(order[..2], [PEOPLE[0].2, PEOPLE[3].2], "{order:?}");
    assert_eq!(order.len(), 4);
    let mut calls = world.calls();
    calls.sort_by_key(|call| call.created_at);
    for pair in calls.windows(2) {
        let apart = pair[1].created_at.since(pair[0].created_at);
        assert!(apart >= Duration::from_millis(9_900), "{apart:?} after {begins}");
    }
    // No request was repeated: a provider that receives requests too fast would postpone calls, which would also space
    // them out.
    assert_eq!(routee_call_requests(&world), 4);
    assert_no_breaches(&world, &keys).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_at_one_provider_moves_calls_to_the_other() {
    let world = world(&BOTH, [accepts(), accepts(), accepts(), accepts()]).await;
    world
        .store
        .reserve_slot("routee", 30_000, patchbay::store::Priority::First, world.clock.now())
        .await
        .unwrap();
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    pass(&world, 60).await;
    let story = story(&world, &key).await;
    assert!(
        story.contains(&"Phoning Anna over twilio, because routee has too many calls waiting".to_owned()),
        "{story:#?}"
    );
    assert_no_breaches(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn webhooks_without_twilios_signature_change_nothing() {
    let world = world(&[Provider::Twilio], [Behavior::Interactive.into()]).await;
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    pass(&world, 5).await;
    let call = world.calls().remove(0);
    let status_url = call.status_url.unwrap();
    let status_url = status_url.split('#').next().unwrap();
    let before = load(&world, &key).await;
    for (url, status) in [
        (status_url.to_owned(), 403),
        // Routee's unsigned webhooks are no way around Twilio's signature.
        (status_url.replace("/twilio/", "/routee/"), 404),
    ] {
        let post = common::request("POST", &url).header("content-type", "application/x-www-form-urlencoded");
        let answer = send(
            &world,
            post.body("CallSid=CA1&CallStatus=completed&Digits=1".into()).unwrap(),
        )
        .await;
        assert_eq!(answer.status, status, "{url}: {answer:?}");
        let post =
            common::request("POST", &url.replace("/status/", "/collect/")).header("x-twilio-signature", "made up");
        let answer = send(&world, post.body("Digits=1".into()).unwrap()).await;
        assert_eq!(answer.status, status, "{url}: {answer:?}");
    }
    assert_eq!(load(&world, &key).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_policy_names_only_configured_providers() {
    let world = world(&[Provider::Twilio], [accepts()]).await;
    for (providers, fields) in [
        (json!(["routee"]), vec!["policy.providers[0]"]),
        (json!(["twilio", "nobody", "twilio"]), vec!["policy.providers[2]"]),
        (json!(["twilio", "nobody"]), vec!["policy.providers[1]"]),
    ] {
        let body = dispatch_body(1, &json!({ "providers": providers }));
        let answer = ask(&world, "POST", "/v1/dispatches", &body).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), fields, "{providers}");
    }
    let body = dispatch_body(1, &json!({ "providers": ["twilio"] }));
    assert_eq!(ask(&world, "POST", "/v1/dispatches", &body).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn the_policy_decides_what_is_repeated() {
    for provider in BOTH {
        for (repeat, times) in [("options", 1), ("all", 2)] {
            let world = world(&[provider], [Behavior::silent(3).into()]).await;
            let policy = json!({ "repeat_content": repeat, "attempts": 1, "max_rounds": 1 });
            let key = create(&world, &dispatch_body(1, &policy)).await;
            assert!(world.settle(Duration::from_hours(1)).await);
            let call = world.calls().remove(0);
            let said = call.heard.iter().filter(|(_, text)| text == common::TICKET).count();
            assert_eq!(said, times, "{provider:?} {repeat}: {:?}", call.heard);
            let times: Vec<Timestamp> = call.heard.iter().map(|(at, _)| *at).collect();
            assert!(times.is_sorted());
            assert!(!story(&world, &key).await.is_empty());
        }
    }
}

/// The tests above check sentences of the timeline; this one checks the fields behind them.
#[tokio::test(start_paused = true)]
async fn the_timeline_has_the_provider_as_a_field() {
    let world = world(&BOTH, [accepts()]).await;
    start_outage(&world, ROUTEE, Fault::Refused, Duration::from_hours(1));
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    pass(&world, 60).await;
    let page = world.store.timeline(&key, None, 500).await.unwrap();
    let dialing = |entry: &Entry| match &entry.fact {
        Fact::Dialing {
            provider, instead_of, ..
        } => Some((provider.to_string(), instead_of.clone())),
        _ => None,
    };
    let dialing: Vec<_> = page.entries.iter().filter_map(dialing).collect();
    let (provider, instead_of) = dialing.last().unwrap();
    assert_eq!(provider, "twilio");
    assert_eq!(
        instead_of
            .as_ref()
            .map(|instead| instead.provider.to_string())
            .as_deref(),
        Some("routee")
    );
    let shown = common::get(&world, &format!("/v1/dispatches/{}", key.id)).await.json;
    let lines = common::list(&shown, "/timeline");
    let line = lines.iter().rfind(|line| line["event"] == "dialing").unwrap();
    assert_eq!(
        (line["provider"].clone(), line["instead_of"].clone()),
        (json!("twilio"), json!({ "provider": "routee", "reason": "postponed" }))
    );
}
