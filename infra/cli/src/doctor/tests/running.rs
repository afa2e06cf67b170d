//! Checks of whether the functions run, and of access to AWS.

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

/// The problems if the dialer's configuration has these fields.
async fn with_dialer(fields: Value) -> Vec<(&'static str, Level, String, String)> {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let dialer = state.functions.get_mut("patchbay-dialer").expect("there");
        for (name, value) in fields.as_object().expect("fields") {
            dialer[name] = value.clone();
        }
    });
    problems(&world, &account).await
}

#[tokio::test(start_paused = true)]
async fn an_active_and_updated_function_is_ok() {
    let fields = json!({ "State": "Active", "StateReason": null, "LastUpdateStatus": "Successful" });
    assert_eq!(with_dialer(fields).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_cannot_be_invoked_fails_with_its_reason() {
    for (state, reason, fix) in [
        ("Failed", "the key is disabled", "sam build && sam deploy"),
        ("Pending", "it is being created", "wait a minute, then: patchbay doctor"),
        (
            "Inactive",
            "it is idle",
            "aws lambda invoke --function-name patchbay-dialer",
        ),
    ] {
        assert_only(
            &with_dialer(json!({ "State": state, "StateReason": reason })).await,
            "function.dialer",
            Level::Fail,
            &format!("cannot be invoked: its state is {state}: {reason}"),
            fix,
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_update_fails_and_one_in_progress_is_a_warning() {
    assert_only(
        &with_dialer(json!({ "State": "Active", "LastUpdateStatus": "Failed" })).await,
        "function.dialer",
        Level::Fail,
        "its update is Failed",
        "sam build && sam deploy",
    );
    assert_only(
        &with_dialer(json!({ "State": "Active", "LastUpdateStatus": "InProgress" })).await,
        "function.dialer",
        Level::Warn,
        "an update is in progress",
        "wait a minute",
    );
}

#[tokio::test(start_paused = true)]
async fn a_disabled_function_fails() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        state.reserved.insert("patchbay-dialer".into(), 0);
        // Low, but the function can run.
        state.reserved.insert("patchbay-notifier".into(), 5);
    });
    assert_only(
        &problems(&world, &account).await,
        "concurrency.functions",
        Level::Fail,
        "disabled by a reserved concurrency of 0: patchbay-dialer",
        "aws lambda delete-function-concurrency --function-name patchbay-dialer",
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_without_a_consumer_fails() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| drop(state.mappings.remove("patchbay-dialer")));
    assert_only(
        &problems(&world, &account).await,
        "queue.dialing.consumer",
        Level::Fail,
        "no event source mapping from dialing to patchbay-dialer",
        "aws lambda create-event-source-mapping --function-name patchbay-dialer --event-source-arn arn:aws:sqs:",
    );
}

#[tokio::test(start_paused = true)]
async fn a_mapping_of_another_queue_does_not_count() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let mapping = &mut state.mappings.get_mut("patchbay-notifier").expect("there")[0];
        mapping["EventSourceArn"] = json!("arn:aws:sqs:eu-west-1:000000000000:old-notifications");
    });
    assert_only(
        &problems(&world, &account).await,
        "queue.notifications.consumer",
        Level::Fail,
        "no event source mapping from notifications to patchbay-notifier",
        "create-event-source-mapping",
    );
}

/// The problems if the dialer's event source mapping has these fields.
async fn with_mapping(fields: Value) -> Vec<(&'static str, Level, String, String)> {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let mapping = &mut state.mappings.get_mut("patchbay-dialer").expect("there")[0];
        for (name, value) in fields.as_object().expect("fields") {
            mapping[name] = value.clone();
        }
    });
    problems(&world, &account).await
}

#[tokio::test(start_paused = true)]
async fn a_disabled_mapping_fails_and_one_in_transition_is_a_warning() {
    for state in ["Disabled", "Disabling"] {
        assert_only(
            &with_mapping(json!({ "State": state })).await,
            "queue.dialing.consumer",
            Level::Fail,
            &format!("its event source mapping is {state} (USER_INITIATED)"),
            "aws lambda update-event-source-mapping --enabled --uuid dialer-mapping",
        );
    }
    for state in ["Creating", "Enabling", "Updating"] {
        assert_only(
            &with_mapping(json!({ "State": state })).await,
            "queue.dialing.consumer",
            Level::Warn,
            state,
            "wait a minute",
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_problem_of_a_mapping_is_a_warning() {
    for result in ["OK", "No records processed"] {
        let problems = with_mapping(json!({ "LastProcessingResult": result })).await;
        assert_eq!(problems, [], "{result}");
    }
    assert_only(
        &with_mapping(json!({ "LastProcessingResult": "PROBLEM: Function call failed" })).await,
        "queue.dialing.consumer",
        Level::Warn,
        "PROBLEM: Function call failed",
        "sam logs --tail --stack-name patchbay",
    );
}

#[tokio::test(start_paused = true)]
async fn many_due_messages_are_a_warning_and_timers_do_not_count() {
    let (world, account) = (world().await, Account::default());
    // A queue without a consumer in this world, whatever the account lists.
    let url = "https://sqs.eu-west-1.amazonaws.com/000000000000/full";
    world.aws.sqs().create_queue("full", QueueSettings::default());
    let queue = world.aws.sqs().queue("full").expect("there");
    for _ in 0..200 {
        queue.put("later", Duration::from_mins(10));
    }
    let backlog = async || {
        let found = findings_with(&world, &account, &["--notifications-queue", url]).await;
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
    let warning = backlog().await;
    assert_eq!(
        (warning.level, warning.message.as_str()),
        (Level::Warn, "101 messages are due: notifier does not keep up")
    );
    assert!(
        warning
            .fix
            .expect("a fix")
            .starts_with("sam logs --tail --stack-name patchbay")
    );
}

#[tokio::test(start_paused = true)]
async fn an_account_with_ten_concurrent_executions_is_a_warning() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.unreserved = 50);
    assert_eq!(problems(&world, &account).await, []);
    account.change(|state| state.unreserved = 10);
    assert_only(
        &problems(&world, &account).await,
        "concurrency",
        Level::Warn,
        "only 10 concurrent executions",
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384",
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_a_warning() {
    for (action, checks) in [
        ("GetFunctionConcurrency", &["concurrency.functions"][..]),
        ("GetAccountSettings", &["concurrency"]),
        (
            "ListEventSourceMappings",
            &[
                "queue.dialing.consumer",
                "queue.notifications.consumer",
                "queue.conversations.consumer",
            ],
        ),
    ] {
        let (world, account) = (world().await, Account::default());
        account.change(|state| assert!(state.denied.insert(action)));
        let problems = problems(&world, &account).await;
        let problem_checks: Vec<&str> = problems.iter().map(|(check, ..)| *check).collect();
        assert_eq!(problem_checks, checks);
        for (_, level, message, fix) in problems {
            assert_eq!(level, Level::Warn);
            let permission = format!("lambda:{action}");
            assert!(
                message.starts_with(&format!("not checked: {permission} failed")),
                "{message}"
            );
            assert_eq!(
                fix,
                format!("allow {permission} to the identity that runs this command")
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_credentials_are_reported_once() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.credentials_valid = false);
    let found = findings(&world, &account).await;
    let checks: Vec<(&str, Level)> = found.iter().map(|finding| (finding.check, finding.level)).collect();
    // The clock is checked as well: with a wrong clock AWS rejects every signature.
    assert_eq!(checks, [("aws", Level::Fail), ("clock", Level::Ok)]);
    assert!(found[0].message.contains("UnrecognizedClientException"), "{found:?}");
    assert_eq!(
        found[0].fix.as_deref(),
        Some("aws sts get-caller-identity    # must work first")
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_network_is_reported_once() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.reachable = false);
    let found = findings(&world, &account).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].check, found[0].level), ("aws", Level::Fail));
    assert!(found[0].message.contains("no route to host"), "{found:?}");
}

/// The findings with this credentials provider, and how often it was called.
async fn with_credentials(
    provide: impl Fn() -> Result<Credentials, CredentialsError> + Send + Sync + 'static,
) -> (Vec<Finding>, usize) {
    let (world, account) = (world().await, Account::default());
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let provider = provide_credentials_fn(move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(provide())
    });
    let mut clients = clients_in(&world, &account);
    let provider = SharedCredentialsProvider::new(provider);
    clients.lookup = Lookup::new(clients.http.clone(), "eu-west-1", None, provider, world.clock.clone());
    let found = run_checks(&clients, &options(&[]), &ProgressBar::hidden()).await;
    (found, calls.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn missing_credentials_are_reported_once() {
    let (found, _) = with_credentials(|| Err(CredentialsError::not_loaded("searched\nhere and\nthere"))).await;
    let warning = "no access to AWS in eu-west-1: credentials: none found in the environment, the profile, the container \
                   or the instance";
    let fix = "aws sts get-caller-identity    # must work first";
    assert_eq!(found, [Finding::fail("aws", warning, fix)]);
    let (found, _) = with_credentials(|| Err(CredentialsError::provider_error("the session\nis over"))).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.ends_with("the session is over"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn credentials_are_loaded_once_for_all_requests() {
    let credentials = || Ok(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"));
    let (found, provided) = with_credentials(credentials).await;
    assert!(found.len() > 30, "{found:?}");
    assert_eq!(provided, 1);
}

#[tokio::test(start_paused = true)]
async fn throttled_requests_are_retried() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.throttled = 12);
    assert_eq!(problems(&world, &account).await, []);
    account.change(|state| state.throttled = usize::MAX);
    let problems = problems(&world, &account).await;
    let (check, level, message, _) = &problems[0];
    assert_eq!((*check, *level), ("function.dispatches", Level::Fail));
    assert!(message.contains("(429 TooManyRequestsException)"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn lookups_run_concurrently() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.delay = Duration::from_secs(29));
    let began = Instant::now();
    let found = findings(&world, &account).await;
    let took = began.elapsed();
    assert!(found.iter().all(|finding| finding.level != Level::Fail), "{found:?}");
    assert!(account.requested_actions().len() > 4);
    assert!(took < Duration::from_secs(4 * 29), "{took:?}");
}
