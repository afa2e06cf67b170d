//! The functions that contact customers: they are optional, and each fault is reported.

use super::*;

/// A world with the queue of a stack that has the API for calls.
async fn world_with_queue() -> World {
    let world = world().await;
    let sqs = world.aws.sqs();
    if sqs.queue("interactions").is_none() {
        let settings = QueueSettings {
            visibility_timeout: Duration::from_mins(1),
            ..QueueSettings::default()
        };
        sqs.create_queue("interactions", settings);
    }
    world
}

/// The finding of this check, with an account that has the API for calls after this change.
async fn finding(check: &str, change: impl FnOnce(&mut crate::testing::State)) -> Option<Finding> {
    let (world, account) = (world_with_queue().await, Account::contacting_customers());
    account.change(change);
    let found = findings(&world, &account).await;
    found.into_iter().find(|finding| finding.check == check)
}

/// Empties a variable of a function.
fn empty(state: &mut crate::testing::State, function: &str, variable: &str) {
    let function = state.functions.get_mut(&format!("patchbay-{function}")).expect("there");
    function["Environment"]["Variables"][variable] = Value::from("");
}

#[tokio::test(start_paused = true)]
async fn a_stack_without_the_api_for_calls_is_healthy() {
    let (world, account) = (world().await, Account::default());
    let found = findings(&world, &account).await;
    let of_calls = found
        .iter()
        .filter(|finding| finding.check.contains("interactions") || finding.check.rsplit('.').next() == Some("calls"));
    let of_calls: Vec<_> = of_calls
        .map(|finding| (finding.check, finding.message.as_str()))
        .collect();
    assert_eq!(of_calls, [("function.calls", "not deployed: CallsApi is off")]);
}

#[tokio::test(start_paused = true)]
async fn the_back_ends_and_the_queue_are_reported() {
    let (world, account) = (world_with_queue().await, Account::contacting_customers());
    let found = findings(&world, &account).await;
    let finding = |check: &str| found.iter().find(|finding| finding.check == check).expect(check);
    let settings = finding("settings.calls");
    assert_eq!(
        (settings.level, settings.message.as_str()),
        (
            Level::Ok,
            "customers can be contacted over Twilio, Routee, Amazon SES, Elemente"
        )
    );
    for check in [
        "queue.interactions.consumer",
        "queue.interactions.backlog",
        "secret.elemente-credentials",
        // Twilio phones no employees here.
        "secret.twilio-credentials",
        "twilio",
    ] {
        assert_eq!(finding(check).level, Level::Ok, "{:?}", finding(check));
    }
    assert!(found.iter().any(|finding| finding.check == "api.calls"), "{found:#?}");
}

#[tokio::test(start_paused = true)]
async fn each_missing_function_is_named() {
    for function in crate::template::CALLS_FUNCTIONS {
        let found = finding("settings.calls", |state| {
            state.functions.remove(&format!("patchbay-{function}")).expect("there");
        });
        let found = found.await.expect("a finding");
        assert_eq!(found.level, Level::Fail);
        assert!(
            found.message.contains(&format!("{function} is not deployed")),
            "{found:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_can_contact_nobody_is_a_warning() {
    let found = finding("settings.calls", |state| {
        for variable in [
            "PATCHBAY_TWILIO_CREDENTIALS_PARAM",
            "PATCHBAY_ROUTEE_CREDENTIALS_PARAM",
            "PATCHBAY_SES_CONFIGURATION_SET",
            "PATCHBAY_ELEMENTE_CREDENTIALS_PARAM",
        ] {
            empty(state, "messenger", variable);
        }
    });
    let found = found.await.expect("a finding");
    assert_eq!(found.level, Level::Warn, "{found:?}");
    let fix = found.fix.expect("a fix");
    assert!(
        fix.contains("CallsProviders") && fix.contains("samconfig.toml"),
        "{fix}"
    );
}

#[tokio::test(start_paused = true)]
async fn messages_over_twilio_without_its_auth_tokens_fail() {
    let found = finding("settings.calls", |state| {
        empty(state, "message-event", "PATCHBAY_TWILIO_AUTH_TOKENS_PARAM");
    });
    let found = found.await.expect("a finding");
    assert_eq!(found.level, Level::Fail, "{found:?}");
    assert!(found.message.contains("PATCHBAY_TWILIO_AUTH_TOKENS_PARAM"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_messenger_without_a_mapping_fails() {
    let found = finding("queue.interactions.consumer", |state| {
        state.mappings.remove("patchbay-messenger").expect("there");
    });
    let found = found.await.expect("a finding");
    assert_eq!(found.level, Level::Fail, "{found:?}");
    assert!(
        found
            .message
            .contains("no event source mapping from interactions to patchbay-messenger"),
        "{found:?}"
    );
}
