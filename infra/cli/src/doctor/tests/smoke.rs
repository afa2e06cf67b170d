//! The smoke test: it works end to end, and leaves nothing behind.

use super::*;

async fn smoke(world: &World, account: &Account) -> Vec<Finding> {
    let found = findings_with(world, account, &["--smoke"]).await;
    found
        .into_iter()
        .filter(|finding| finding.check.starts_with("smoke"))
        .collect()
}

/// The partition keys of all items in the table.
async fn items(world: &World) -> Vec<String> {
    let (dynamodb, _) = patchbay_simulators::aws::clients(&world.aws, &patchbay_simulators::aws::retries());
    let table = dynamodb.scan().table_name("patchbay").send().await.expect("a table");
    let mut keys: Vec<String> = table.items().iter().map(|item| format!("{:?}", item["pk"])).collect();
    keys.sort();
    keys
}

#[tokio::test(start_paused = true)]
async fn smoke_test_passes_places_no_call_and_leaves_nothing_behind() {
    let world = world().await;
    let before = items(&world).await;
    let found = smoke(&world, &Account::default()).await;
    assert!(found.iter().all(|finding| finding.level == Level::Ok), "{found:#?}");
    let checks: Vec<&str> = found.iter().map(|finding| finding.check).collect();
    assert_eq!(
        checks,
        [
            "smoke.latency",
            "smoke.odd",
            "smoke.context",
            "smoke.preview",
            "smoke.forged",
            "smoke.webhook",
            "smoke.traces",
            "smoke.logs",
        ]
    );
    // The notifier really sent the webhook to the collect route.
    let webhooks = world.notifications();
    let [webhook] = webhooks.as_slice() else {
        panic!("{webhooks:?}")
    };
    assert_eq!(webhook.json()["data"]["status"], "Cancelled");
    assert!(webhook.request.uri().path().starts_with("/routee/collect/smoke-"));
    // Nor does a message in flight create anything later.
    assert!(world.settle(Duration::from_hours(3)).await);
    assert_eq!(items(&world).await, before);
    assert_eq!(world.routee.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_smoke_test_names_the_step_and_leaves_nothing_behind() {
    let world = world().await;
    let before = items(&world).await;
    // The notifier dies in every invocation.
    let now = world.clock.now();
    world
        .aws
        .faults()
        .crash_during("notifier", now..now.plus_seconds(3_600));
    let found = smoke(&world, &Account::default()).await;
    let failed: Vec<&Finding> = found.iter().filter(|finding| finding.level == Level::Fail).collect();
    let [webhook] = failed.as_slice() else {
        panic!("{found:#?}")
    };
    assert_eq!(webhook.check, "smoke.webhook");
    assert!(webhook.message.contains("is Pending after 30 s"), "{webhook:?}");
    assert!(
        webhook.fix.as_deref().expect("a fix").starts_with("sam logs"),
        "{webhook:?}"
    );
    world.aws.faults().clear();
    assert!(world.settle(Duration::from_hours(3)).await);
    assert_eq!(items(&world).await, before);
}

#[tokio::test(start_paused = true)]
async fn errors_in_the_logs_are_a_warning_that_names_the_function() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        state.errors.insert("/aws/lambda/patchbay-notifier".to_owned(), 2);
        state.errors.insert("/aws/lambda/another-dialer".to_owned(), 9);
    });
    let logs = smoke(&world, &account).await.pop().expect("the logs");
    assert_eq!((logs.check, logs.level), ("smoke.logs", Level::Warn));
    assert!(logs.message.ends_with(": notifier 2"), "{logs:?}");
    account.change(|state| assert!(state.denied.insert("FilterLogEvents")));
    let logs = smoke(&world, &account).await.pop().expect("the logs");
    assert!(
        logs.message.starts_with("not checked: logs:FilterLogEvents failed"),
        "{logs:?}"
    );
}
