//! Lists of calls.

use super::*;

async fn sids(world: &World, query: &[(&str, &str)]) -> Vec<String> {
    let (status, body) = world.get(&format!("Calls.json?{}", form(query))).await;
    assert_eq!(status, 200, "{body}");
    let calls = body["calls"].as_array().expect("calls");
    calls
        .iter()
        .map(|call| call["sid"].as_str().expect("a SID").to_owned())
        .collect()
}

/// Two calls to busy numbers, the first one at 09:00, and their SIDs.
async fn two_calls(switches: Switches) -> (World, Vec<String>) {
    let world = World::new(switches, Behavior::Busy);
    let twiml = twiml();
    let first = world.order(&call(&twiml)).await;
    world.until_over().await;
    let second = world.order(&with(&call(&twiml), &[("To", OTHER)])).await;
    world.until_over().await;
    (world, vec![first, second])
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_by_number_status_and_time() {
    let (world, all) = two_calls(Switches::default()).await;
    let newest_first: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(sids(&world, &[]).await, newest_first);
    assert_eq!(sids(&world, &[("To", NUMBER)]).await, all[..1]);
    assert_eq!(sids(&world, &[("From", "+12025550155")]).await, Vec::<String>::new());
    assert_eq!(sids(&world, &[("Status", "busy")]).await.len(), 2);
    assert_eq!(sids(&world, &[("Status", "queued")]).await.len(), 0);
    for (name, value, found) in [
        ("StartTime>", "2026-01-05", 2),
        ("StartTime>", "2026-01-06", 0),
        ("StartTime<", "2026-01-05", 2),
        ("StartTime<", "2026-01-04", 0),
        ("StartTime", "2026-01-05", 2),
        ("EndTime>", "2026-01-05", 2),
        ("StartTime>", "2026-01-05T09:00:05Z", 1),
        ("StartTime<", "2026-01-05T09:00:05Z", 1),
    ] {
        assert_eq!(sids(&world, &[(name, value)]).await.len(), found, "{name}={value}");
    }
    assert_eq!(world.get("Calls.json?StartTime=yesterday").await.0, 400);
    assert_eq!(world.twilio.unexpected(), []);
    sids(&world, &[("StartTime>=", "2026-01-05")]).await;
    assert_eq!(world.twilio.unexpected().len(), 1, "an unknown filter is recorded");
}

#[tokio::test(start_paused = true)]
async fn time_filters_compare_the_time_or_only_the_day() {
    for (filters_by_day, found) in [(false, 0), (true, 2)] {
        let (world, _) = two_calls(switches(|calls| calls.filters_by_day = filters_by_day)).await;
        assert_eq!(
            sids(&world, &[("StartTime>", "2026-01-05T23:00:00Z")]).await.len(),
            found
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_start_time_of_a_queued_call_is_its_creation_or_missing() {
    let twiml = twiml();
    for (queued_start, found) in [(QueuedStart::Created, 1), (QueuedStart::Never, 0)] {
        let switches = switches(|calls| {
            calls.queued_start = queued_start;
            calls.call_interval = Duration::from_mins(1);
        });
        let world = World::new(switches, Behavior::Busy);
        world.order(&call(&twiml)).await;
        world.pass(5.0).await;
        let queued = world.order(&with(&call(&twiml), &[("To", OTHER)])).await;
        assert_eq!(sids(&world, &[("To", OTHER)]).await, [queued]);
        assert_eq!(
            sids(&world, &[("To", OTHER), ("StartTime>", "2026-01-05")]).await.len(),
            found
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_links_to_the_next() {
    let (world, all) = two_calls(Switches::default()).await;
    let (_, first) = world.get("Calls.json?PageSize=1&Status=busy").await;
    assert_eq!(first["calls"][0]["sid"], all[1].as_str());
    assert_eq!(first["previous_page_uri"], Value::Null);
    let next = first["next_page_uri"].as_str().expect("another page");
    let path = next.rsplit_once(&format!("{ACCOUNT}/")).expect("a path").1;
    let (_, second) = world.get(path).await;
    assert_eq!(second["calls"][0]["sid"], all[0].as_str());
    assert_eq!((&second["page"], &second["next_page_uri"]), (&1.into(), &Value::Null));
    assert_eq!(world.get("Calls.json?PageSize=1001").await.0, 400);
}
