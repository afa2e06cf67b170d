//! Whether anything runs at all, and whether anybody may ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::lookup::Lookup;

/// What is said of a dialer that Lambda describes like this.
async fn with_dialer(fields: Value) -> Vec<(&'static str, Level, String, String)> {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let dialer = state.functions.get_mut("patchbay-dialer").expect("there");
        for (name, value) in fields.as_object().expect("fields") {
            dialer[name] = value.clone();
        }
    });
    complaints(&world, &account).await
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_active_and_up_to_date_is_fine() {
    let fields = json!({ "State": "Active", "StateReason": null, "LastUpdateStatus": "Successful" });
    assert_eq!(with_dialer(fields).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_cannot_be_called_is_a_failure_with_its_reason() {
    for (state, reason, mend) in [
        ("Failed", "the key is disabled", "sam build && sam deploy"),
        ("Pending", "it is being created", "wait a minute, then: patchbay doctor"),
        (
            "Inactive",
            "it is idle",
            "aws lambda invoke --function-name patchbay-dialer",
        ),
    ] {
        only(
            &with_dialer(json!({ "State": state, "StateReason": reason })).await,
            "function.dialer",
            Level::Fail,
            &format!("cannot be called, its state is {state}: {reason}"),
            mend,
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_not_what_was_deployed_last_is_told() {
    only(
        &with_dialer(json!({ "State": "Active", "LastUpdateStatus": "Failed" })).await,
        "function.dialer",
        Level::Fail,
        "its update is Failed",
        "sam build && sam deploy",
    );
    only(
        &with_dialer(json!({ "State": "Active", "LastUpdateStatus": "InProgress" })).await,
        "function.dialer",
        Level::Warn,
        "is being changed",
        "wait a minute",
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_switched_off_is_named() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        state.reserved.insert("patchbay-dialer".into(), 0);
        // As good as none.
        state.reserved.insert("patchbay-notifier".into(), 5);
    });
    only(
        &complaints(&world, &account).await,
        "concurrency.functions",
        Level::Fail,
        "switched off, by a reserved concurrency of 0: patchbay-dialer",
        "aws lambda delete-function-concurrency --function-name patchbay-dialer",
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_nobody_works_off_is_a_failure() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| drop(state.mappings.remove("patchbay-dialer")));
    only(
        &complaints(&world, &account).await,
        "queue.dialing.consumer",
        Level::Fail,
        "nothing hands the messages of dialing to patchbay-dialer",
        "aws lambda create-event-source-mapping --function-name patchbay-dialer --event-source-arn arn:aws:sqs:",
    );
}

#[tokio::test(start_paused = true)]
async fn messages_of_another_queue_are_no_messages_of_ours() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let mapping = &mut state.mappings.get_mut("patchbay-notifier").expect("there")[0];
        mapping["EventSourceArn"] = json!("arn:aws:sqs:eu-west-1:000000000000:old-notifications");
    });
    only(
        &complaints(&world, &account).await,
        "queue.notifications.consumer",
        Level::Fail,
        "nothing hands the messages of notifications to patchbay-notifier",
        "create-event-source-mapping",
    );
}

/// What is said when the dialer's mapping has these fields.
async fn with_mapping(fields: Value) -> Vec<(&'static str, Level, String, String)> {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let mapping = &mut state.mappings.get_mut("patchbay-dialer").expect("there")[0];
        for (name, value) in fields.as_object().expect("fields") {
            mapping[name] = value.clone();
        }
    });
    complaints(&world, &account).await
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_is_switched_off_is_switched_on_again() {
    for state in ["Disabled", "Disabling"] {
        only(
            &with_mapping(json!({ "State": state })).await,
            "queue.dialing.consumer",
            Level::Fail,
            &format!("its event source mapping is {state} (USER_INITIATED)"),
            "aws lambda update-event-source-mapping --enabled --uuid dialer-mapping",
        );
    }
    for state in ["Creating", "Enabling", "Updating"] {
        only(
            &with_mapping(json!({ "State": state })).await,
            "queue.dialing.consumer",
            Level::Warn,
            state,
            "wait a minute",
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_when_messages_are_handed_over_is_shown() {
    for result in ["OK", "No records processed"] {
        let complaints = with_mapping(json!({ "LastProcessingResult": result })).await;
        assert_eq!(complaints, [], "{result}");
    }
    only(
        &with_mapping(json!({ "LastProcessingResult": "PROBLEM: Function call failed" })).await,
        "queue.dialing.consumer",
        Level::Warn,
        "PROBLEM: Function call failed",
        "sam logs --tail --stack-name patchbay",
    );
}

#[tokio::test(start_paused = true)]
async fn many_messages_that_are_due_are_a_warning_and_timers_are_none() {
    let (world, account) = (world().await, Account::default());
    // A queue that nobody consumes in this world, whatever the account says.
    let url = "https://sqs.eu-west-1.amazonaws.com/000000000000/full";
    world.aws.sqs().create_queue("full", QueueSettings::default());
    let queue = world.aws.sqs().queue("full").expect("there");
    for _ in 0..200 {
        queue.put("later", Duration::from_mins(10));
    }
    let backlog = async || {
        let found = examined(&world, &account, &["--notifications-queue", url]).await;
        let mut found = found.into_iter();
        found
            .find(|finding| finding.check == "queue.notifications.backlog")
            .expect("checked")
    };
    assert_eq!(
        backlog().await,
        Finding::ok("queue.notifications.backlog", "0 messages are due")
    );
    for _ in 0..101 {
        queue.put("now", Duration::ZERO);
    }
    let told = backlog().await;
    assert_eq!(
        (told.level, told.what.as_str()),
        (Level::Warn, "101 messages are due: notifier does not keep up")
    );
    assert!(
        told.mend
            .expect("a mend")
            .starts_with("sam logs --tail --stack-name patchbay")
    );
}

#[tokio::test(start_paused = true)]
async fn an_account_in_which_ten_functions_may_run_at_a_time_is_warned_of() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.unreserved = 50);
    assert_eq!(complaints(&world, &account).await, []);
    account.change(|state| state.unreserved = 10);
    only(
        &complaints(&world, &account).await,
        "concurrency",
        Level::Warn,
        "only 10 functions",
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384",
    );
}

#[tokio::test(start_paused = true)]
async fn what_one_has_no_right_to_see_is_not_checked_and_no_failure() {
    for (action, checks) in [
        ("GetFunctionConcurrency", &["concurrency.functions"][..]),
        ("GetAccountSettings", &["concurrency"]),
        (
            "ListEventSourceMappings",
            &["queue.dialing.consumer", "queue.notifications.consumer"],
        ),
    ] {
        let (world, account) = (world().await, Account::default());
        account.change(|state| assert!(state.denied.insert(action)));
        let complaints = complaints(&world, &account).await;
        let of: Vec<&str> = complaints.iter().map(|(check, ..)| *check).collect();
        assert_eq!(of, checks);
        for (_, level, what, mend) in complaints {
            assert_eq!(level, Level::Warn);
            let right = format!("lambda:{action}");
            assert!(what.starts_with(&format!("not checked: {right} is refused")), "{what}");
            assert_eq!(mend, format!("allow {right} to whoever runs this"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn that_nobody_knows_us_is_said_once() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.knows_us = false);
    let found = findings(&world, &account).await;
    let checks: Vec<(&str, Level)> = found.iter().map(|finding| (finding.check, finding.level)).collect();
    // A clock that is wrong makes a stranger of everybody.
    assert_eq!(checks, [("aws", Level::Fail), ("clock", Level::Ok)]);
    assert!(found[0].what.contains("UnrecognizedClientException"), "{found:?}");
    assert_eq!(
        found[0].mend.as_deref(),
        Some("aws sts get-caller-identity    # must work first")
    );
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_network_is_said_once() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.reachable = false);
    let found = findings(&world, &account).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].check, found[0].level), ("aws", Level::Fail));
    assert!(found[0].what.contains("no route to host"), "{found:?}");
}

/// An examination with what this gives as credentials, and how often it was asked for them.
async fn with_credentials(
    given: impl Fn() -> Result<Credentials, CredentialsError> + Send + Sync + 'static,
) -> (Vec<Finding>, usize) {
    let (world, account) = (world().await, Account::default());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let provider = provide_credentials_fn(move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(given())
    });
    let mut clients = clients_in(&world, &account);
    let provider = SharedCredentialsProvider::new(provider);
    clients.lookup = Lookup::new(clients.http.clone(), "eu-west-1", None, provider, world.clock.clone());
    let found = examine(&clients, &options(&[]), &ProgressBar::hidden()).await;
    (found, asked.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn that_there_are_no_credentials_is_said_once() {
    let (found, _) = with_credentials(|| Err(CredentialsError::not_loaded("searched\nhere and\nthere"))).await;
    let told = "nothing can be asked in eu-west-1: credentials: there are none in the environment, the profile, the \
                container or the instance";
    let mend = "aws sts get-caller-identity    # must work first";
    assert_eq!(found, [Finding::fail("aws", told, mend)]);
    let (found, _) = with_credentials(|| Err(CredentialsError::provider_error("the session\nis over"))).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].what.ends_with("the session is over"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn credentials_are_fetched_once_for_all_requests() {
    let credentials = || Ok(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"));
    let (found, asked) = with_credentials(credentials).await;
    assert!(found.len() > 30, "{found:?}");
    assert_eq!(asked, 1);
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_much_asks_again() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.throttled = 12);
    assert_eq!(complaints(&world, &account).await, []);
    account.change(|state| state.throttled = usize::MAX);
    let complaints = complaints(&world, &account).await;
    let (check, level, what, _) = &complaints[0];
    assert_eq!((*check, *level), ("function.dispatches", Level::Fail));
    assert!(what.contains("(429 TooManyRequestsException)"), "{what}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_account_is_waited_for_thrice_not_for_every_question() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.delay = Duration::from_secs(29));
    let began = Instant::now();
    let found = findings(&world, &account).await;
    let took = began.elapsed();
    assert!(found.iter().all(|finding| finding.level != Level::Fail), "{found:?}");
    assert!(account.asked().len() > 4);
    assert!(took < Duration::from_secs(4 * 29), "{took:?}");
}
