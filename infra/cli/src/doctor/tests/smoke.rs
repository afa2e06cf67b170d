//! A deployment is tried out, and looks afterwards as if nobody had been there.

use super::*;

async fn smoke(world: &World, account: &Account) -> Vec<Finding> {
    let found = examined(world, account, &["--smoke"]).await;
    found
        .into_iter()
        .filter(|finding| finding.check.starts_with("smoke"))
        .collect()
}

/// All that stands in the table.
async fn items(world: &World) -> Vec<String> {
    let (dynamodb, _) = patchbay_simulators::aws::clients(&world.aws, &patchbay_simulators::aws::retries());
    let table = dynamodb.scan().table_name("patchbay").send().await.expect("a table");
    let mut keys: Vec<String> = table.items().iter().map(|item| format!("{:?}", item["pk"])).collect();
    keys.sort();
    keys
}

#[tokio::test(start_paused = true)]
async fn everything_works_nobody_is_called_and_nothing_is_left() {
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
    // It really went through the notifier, to where keys come in.
    let told = world.notifications();
    let [webhook] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(webhook.json()["data"]["status"], "Cancelled");
    assert!(webhook.request.uri().path().starts_with("/routee/collect/smoke-"));
    // Also when what is still on its way has arrived.
    assert!(world.settle(Duration::from_hours(3)).await);
    assert_eq!(items(&world).await, before);
    assert_eq!(world.routee.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_work_is_told_and_nothing_is_left_of_that_either() {
    let world = world().await;
    let before = items(&world).await;
    // The notifier never gets to anything.
    let now = world.clock.now();
    world.aws.faults().die_during("notifier", now..now.plus_seconds(3_600));
    let found = smoke(&world, &Account::default()).await;
    let failed: Vec<&Finding> = found.iter().filter(|finding| finding.level == Level::Fail).collect();
    let [webhook] = failed.as_slice() else {
        panic!("{found:#?}")
    };
    assert_eq!(webhook.check, "smoke.webhook");
    assert!(webhook.what.contains("is Pending after 30 s"), "{webhook:?}");
    assert!(
        webhook.mend.as_deref().expect("a mend").starts_with("sam logs"),
        "{webhook:?}"
    );
    world.aws.faults().calm();
    assert!(world.settle(Duration::from_hours(3)).await);
    assert_eq!(items(&world).await, before);
}

#[tokio::test(start_paused = true)]
async fn errors_in_the_logs_of_that_time_are_a_warning_with_their_functions() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        state.errors.insert("/aws/lambda/patchbay-notifier".to_owned(), 2);
        state.errors.insert("/aws/lambda/another-dialer".to_owned(), 9);
    });
    let logs = smoke(&world, &account).await.pop().expect("the logs");
    assert_eq!((logs.check, logs.level), ("smoke.logs", Level::Warn));
    assert!(logs.what.ends_with(": notifier 2"), "{logs:?}");
    account.change(|state| assert!(state.denied.insert("FilterLogEvents")));
    let logs = smoke(&world, &account).await.pop().expect("the logs");
    assert!(
        logs.what.starts_with("not checked: logs:FilterLogEvents is refused"),
        "{logs:?}"
    );
}
