//! Two voice providers, and what happens when one of them is not there: whole worlds, with everything between the ticket and
//! the telephone.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::{PEOPLE, ask, brief, change, create, load, our_callbacks, pass, phones, send, story, text};
use patchbay::clock::Timestamp;
use patchbay::dispatch::health::{FAILURES, PROBE_SECONDS};
use patchbay::dispatch::limits::CallLimits;
use patchbay::dispatch::{Entry, Fact, State};
use patchbay::ids::DispatchKey;
use patchbay_simulators::audit::audit;
use patchbay_simulators::aws::{Entry as Sent, Fault, Rule, Service};
use patchbay_simulators::exchange::{PlacedCall, Provider};
use patchbay_simulators::phones::{Behaviour, Script, When};
use patchbay_simulators::world::{Notification, Options, World};
use serde_json::{Value, json};

const BOTH: [Provider; 2] = [Provider::Routee, Provider::Twilio];
/// Where calls are placed. Tokens come from elsewhere.
const ROUTEE: &str = "connect.routee.net";
const TWILIO: &str = "api.twilio.com";

fn accepts() -> Script {
    Script::always(Behaviour::presses("1", When::OptionsSay(1)))
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

/// From now on requests of ours to `host` fare like this, for so long.
fn breaks(world: &World, host: &str, fault: Fault, lasts: Duration) {
    let now = world.clock.now();
    let until = now.plus_millis(i64::try_from(lasts.as_millis()).unwrap());
    let rule = Rule::new(fault).service(Service::Http).function("dialer").target(host);
    world.aws.faults().plan(rule.during(now..until));
}

/// Over which providers calls were placed, in the order in which they were.
fn placed(world: &World) -> Vec<(Provider, String)> {
    let mut calls: Vec<PlacedCall> = world.calls();
    calls.sort_by_key(|call| call.created_at);
    calls.into_iter().map(|call| (call.provider, call.to)).collect()
}

async fn is_accepted(world: &World, key: &DispatchKey) -> bool {
    matches!(load(world, key).await.state, State::Accepted(_))
}

/// How often Routee was asked for a call.
fn asked_for_calls(world: &World) -> usize {
    let of_calls = |request: &Sent| request.service == Service::Http && request.target.contains("/voice/conversation");
    world.aws.recorder().count(of_calls)
}

/// Nothing that must never happen has happened.
async fn sound(world: &World, keys: &[DispatchKey]) {
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
async fn a_ticket_is_accepted_over_either_provider() {
    for provider in BOTH {
        let world = world(
            &[provider],
            [Behaviour::presses("2", When::OptionsSay(1)).into(), accepts()],
        )
        .await;
        let key = create(&world, &brief(2, &json!({}))).await;
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
        sound(&world, &[key]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_cannot_be_reached_costs_two_seconds() {
    let world = world(&BOTH, [accepts()]).await;
    breaks(&world, ROUTEE, Fault::Refused, Duration::from_hours(1));
    let begins = world.clock.now();
    let key = create(&world, &brief(1, &json!({}))).await;
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
        story.contains(&"Phoning Anna over twilio, because routee put off the call".to_owned()),
        "{story:#?}"
    );
    sound(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_provider_answers_with_errors_or_not_at_all_the_next_call_goes_over_the_other() {
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
        breaks(&world, host, fault, Duration::from_hours(3));
        let key = create(&world, &brief(2, &json!({ "retry_delay": 5 }))).await;
        pass(&world, 400).await;
        let story = story(&world, &key).await;
        assert!(is_accepted(&world, &key).await, "{fault:?} {host}: {story:#?}");
        assert!(story.iter().any(|line| line.starts_with("It is unclear")), "{story:#?}");
        assert!(
            story.iter().any(|line| line.contains("did not say what became")),
            "{story:#?}"
        );
        assert!(placed(&world).iter().all(|(provider, _)| *provider == other));
        sound(&world, &[key]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_ticket_is_not_waited_for_longer_than_its_call_may_last() {
    let world = world(&BOTH, [accepts()]).await;
    breaks(&world, ROUTEE, Fault::LostRequest, Duration::from_hours(1));
    let mut body = brief(1, &json!({ "retry_delay": 5, "max_duration": 90 }));
    body["ticket"]["text"] = json!("The tank of pump four overflows. ".repeat(30));
    let key = create(&world, &body).await;
    // It rings for 25 s and lasts for 90; then it is looked for three times.
    pass(&world, 25 + 90 + 10 + 2 * 15 + 5 + 20).await;
    let told = story(&world, &key).await;
    assert!(
        told.iter().any(|line| line.starts_with("Phoning Anna over twilio")),
        "{told:#?}"
    );
    sound(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_placed_unheard_is_waited_for_and_accepts() {
    let world = world(&BOTH, [accepts()]).await;
    // Routee takes the call, and its answer is lost.
    let rule = Rule::new(Fault::LostAnswer)
        .service(Service::Http)
        .function("dialer")
        .target("/voice/conversation");
    world.aws.faults().plan(rule);
    let key = create(&world, &brief(1, &json!({}))).await;
    pass(&world, 120).await;
    assert!(is_accepted(&world, &key).await, "{:#?}", story(&world, &key).await);
    assert_eq!(placed(&world), [(Provider::Routee, PEOPLE[0].2.to_owned())]);
    sound(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn what_some_tickets_find_out_spares_others_the_detour_and_one_call_finds_the_way_back() {
    let world = world(&BOTH, [accepts(), accepts(), accepts(), accepts()]).await;
    breaks(&world, ROUTEE, Fault::LostRequest, Duration::from_mins(30));
    let ticket = |person: usize| {
        let mut body = brief(4, &json!({ "retry_delay": 5 }));
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
    // Three calls in five minutes: from now on nobody asks it.
    let late = create(&world, &ticket(3)).await;
    pass(&world, 2).await;
    let line = "Phoning Dora over twilio, because routee is down".to_owned();
    let told = story(&world, &late).await;
    assert!(told.contains(&line), "{told:#?}");
    keys.push(late);
    pass(&world, 600).await;
    for key in &keys {
        assert!(is_accepted(&world, key).await, "{:#?}", story(&world, key).await);
    }
    let before = asked_for_calls(&world);
    // While it is down one call in a while is lost to finding out; afterwards one is enough to come back.
    pass(&world, 1_800).await;
    let probe = create(&world, &ticket(0)).await;
    pass(&world, 60).await;
    keys.push(probe.clone());
    assert!(is_accepted(&world, &probe).await, "{:#?}", story(&world, &probe).await);
    assert_eq!(asked_for_calls(&world), before + 1);
    let next = create(&world, &ticket(1)).await;
    pass(&world, 60).await;
    let told = story(&world, &next).await;
    assert!(told.contains(&"Phoning Ben over routee".to_owned()), "{told:#?}");
    keys.push(next);
    sound(&world, &keys).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_calls_at_the_same_moment_one_finds_out_whether_a_provider_is_back() {
    let world = world(&BOTH, [accepts(), accepts()]).await;
    let routee = Provider::Routee.name();
    for _ in 0..FAILURES {
        let known = world.store.standing(&routee).await.unwrap();
        let health = known.standing.health.failed(world.clock.now());
        assert!(world.store.note_health(&known, &health).await.unwrap());
    }
    breaks(&world, ROUTEE, Fault::LostRequest, Duration::from_hours(1));
    pass(&world, u64::from(PROBE_SECONDS) + 1).await;
    let mut keys = Vec::new();
    for person in 0..2 {
        let mut body = brief(2, &json!({ "retry_delay": 5 }));
        let chosen = body["employees"][person].clone();
        body["employees"] = json!([chosen]);
        keys.push(create(&world, &body).await);
    }
    pass(&world, 10).await;
    assert_eq!(asked_for_calls(&world), 1);
    pass(&world, 400).await;
    for key in &keys {
        assert!(is_accepted(&world, key).await, "{:#?}", story(&world, key).await);
    }
    sound(&world, &keys).await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_hung_up_on_where_the_policy_says_so_and_the_reason_is_told() {
    for (provider, machine, expected) in [
        (Provider::Routee, "hang_up", "voicemail"),
        (Provider::Twilio, "hang_up", "voicemail"),
        // Its tracking says so unasked.
        (Provider::Routee, "ignore", "voicemail"),
        (Provider::Twilio, "ignore", "no_key"),
    ] {
        let world = world(&[provider], [Behaviour::voicemail(5).into()]).await;
        let policy = json!({ "machine": machine, "attempts": 1, "max_rounds": 1 });
        let key = create(&world, &brief(1, &policy)).await;
        pass(&world, 300).await;
        let told: Vec<Value> = world.notifications().iter().map(Notification::json).collect();
        let reasons: Vec<&str> = told
            .iter()
            .map(|told| text(told, "/data/reason"))
            .filter(|reason| !reason.is_empty())
            .collect();
        assert_eq!(
            reasons,
            [expected],
            "{provider:?} {machine}: {:#?}",
            story(&world, &key).await
        );
        sound(&world, &[key]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_fits_into_no_document_is_asked_for_when_the_call_is_picked_up() {
    let world = world(&[Provider::Twilio], [accepts()]).await;
    let mut body = brief(1, &json!({ "repeat": "all", "repeats": 5, "max_duration": 600 }));
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
    sound(&world, &[key]).await;
}

/// A call can be picked up after the story has gone on from it, and a key in it still counts: then it is no news that the
/// ticket is closed, for it is not.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_picked_up_late_hears_how_the_ticket_stands_and_nothing_else() {
    let world = world(
        &[Provider::Twilio],
        [Behaviour::NeverPicksUp.into(), Behaviour::Interactive.into()],
    )
    .await;
    let key = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
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
async fn a_number_is_called_no_oftener_than_its_tenant_allows_and_others_get_their_turn() {
    let world = world(&BOTH, [Behaviour::NeverPicksUp.into(), Behaviour::NeverPicksUp.into()]).await;
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
    let key = create(&world, &brief(2, &policy)).await;
    assert!(world.settle(Duration::from_hours(2)).await);
    let count = |number: &str| placed(&world).into_iter().filter(|(_, to)| to == number).count();
    assert_eq!((count(PEOPLE[0].2), count(PEOPLE[1].2)), (2, 2));
    let story = story(&world, &key).await;
    let passed_over = "Anna is passed over: called as often in an hour as allowed until";
    assert!(story.iter().any(|line| line.starts_with(passed_over)), "{story:#?}");
    sound(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn an_urgent_ticket_goes_before_those_that_wait_for_a_slot() {
    let options = Options {
        phones: phones([accepts(), accepts(), accepts(), accepts()]),
        call_interval: 10_000,
        sentinel: None,
        ..Options::default()
    };
    let world = World::start(options).await.unwrap();
    let ticket = |person: usize, priority: &str| {
        let mut body = brief(4, &json!({}));
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
    // A provider that was asked too fast would have put one off, and the calls would lie apart all the same.
    assert_eq!(asked_for_calls(&world), 4);
    sound(&world, &keys).await;
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_tickets_is_spread_over_both() {
    let world = world(&BOTH, [accepts(), accepts(), accepts(), accepts()]).await;
    world
        .store
        .reserve_slot("routee", 30_000, patchbay::store::Priority::First, world.clock.now())
        .await
        .unwrap();
    let key = create(&world, &brief(1, &json!({}))).await;
    pass(&world, 60).await;
    let story = story(&world, &key).await;
    assert!(
        story.contains(&"Phoning Anna over twilio, because routee has too many calls waiting".to_owned()),
        "{story:#?}"
    );
    sound(&world, &[key]).await;
}

#[tokio::test(start_paused = true)]
async fn what_twilio_did_not_sign_changes_nothing() {
    let world = world(&[Provider::Twilio], [Behaviour::Interactive.into()]).await;
    let key = create(&world, &brief(1, &json!({}))).await;
    pass(&world, 5).await;
    let call = world.calls().remove(0);
    let status_url = call.status_url.unwrap();
    let status_url = status_url.split('#').next().unwrap();
    let before = load(&world, &key).await;
    for (url, status) in [
        (status_url.to_owned(), 403),
        // What need not be signed by one provider is no way around what must be by another.
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
async fn a_policy_names_only_providers_that_there_are() {
    let world = world(&[Provider::Twilio], [accepts()]).await;
    for (providers, fields) in [
        (json!(["routee"]), vec!["policy.providers[0]"]),
        (json!(["twilio", "nobody", "twilio"]), vec!["policy.providers[2]"]),
        (json!(["twilio", "nobody"]), vec!["policy.providers[1]"]),
    ] {
        let body = brief(1, &json!({ "providers": providers }));
        let answer = ask(&world, "POST", "/v1/dispatches", &body).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), fields, "{providers}");
    }
    let body = brief(1, &json!({ "providers": ["twilio"] }));
    assert_eq!(ask(&world, "POST", "/v1/dispatches", &body).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn the_ticket_is_said_again_where_the_policy_says_so() {
    for provider in BOTH {
        for (repeat, times) in [("options", 1), ("all", 2)] {
            let world = world(&[provider], [Behaviour::silent(3).into()]).await;
            let policy = json!({ "repeat": repeat, "attempts": 1, "max_rounds": 1 });
            let key = create(&world, &brief(1, &policy)).await;
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

/// The facts are what the sentences say; held here because tests above read sentences only.
#[tokio::test(start_paused = true)]
async fn the_timeline_names_the_provider_in_a_field_of_its_own() {
    let world = world(&BOTH, [accepts()]).await;
    breaks(&world, ROUTEE, Fault::Refused, Duration::from_hours(1));
    let key = create(&world, &brief(1, &json!({}))).await;
    pass(&world, 60).await;
    let page = world.store.timeline(&key, None, 500).await.unwrap();
    let dialled = |entry: &Entry| match &entry.fact {
        Fact::Dialling {
            provider, instead_of, ..
        } => Some((provider.to_string(), instead_of.clone())),
        _ => None,
    };
    let dialled: Vec<_> = page.entries.iter().filter_map(dialled).collect();
    let (provider, instead_of) = dialled.last().unwrap();
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
    let line = lines.iter().rfind(|line| line["event"] == "dialling").unwrap();
    assert_eq!(
        (line["provider"].clone(), line["instead_of"].clone()),
        (json!("twilio"), json!({ "provider": "routee", "why": "put_off" }))
    );
}
