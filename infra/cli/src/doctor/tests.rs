//! Checks of a whole deployment: each fault is reported under its check name, with a fix.

mod calls;
mod chat;
mod fixes;
mod running;
mod smoke;

use std::time::Duration;

use clap::Parser;
use patchbay::voice::Provider;
use patchbay_simulators::aws::sqs::QueueSettings;
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::world::World;
use serde_json::Value;

use super::*;
use crate::output::Format;
use crate::template;
use crate::testing::{Account, clients_in, world};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn options(arguments: &[&str]) -> Options {
    Line::parse_from(["doctor"].iter().chain(arguments)).options
}

async fn findings(world: &World, account: &Account) -> Vec<Finding> {
    findings_with(world, account, &[]).await
}

async fn findings_with(world: &World, account: &Account, arguments: &[&str]) -> Vec<Finding> {
    run_checks(&clients_in(world, account), &options(arguments), &ProgressBar::hidden()).await
}

/// Runs all checks, for the check of the documented permissions.
pub(crate) async fn run_all(world: &World, account: &Account) {
    findings(world, account).await;
}

/// Runs all checks and the smoke test, for the check of the documented permissions.
pub(crate) async fn run_all_with_smoke(world: &World, account: &Account) {
    findings_with(world, account, &["--smoke"]).await;
}

/// The findings that are not ok: check, level, message and fix.
async fn problems(world: &World, account: &Account) -> Vec<(&'static str, Level, String, String)> {
    let mut found = findings(world, account).await;
    // The table of the world has no deletion protection; filtered here once instead of in every test.
    found.retain(|finding| finding.level != Level::Ok && finding.check != "table.protection");
    let into_problem = |finding: Finding| {
        let fix = finding.fix.expect("every problem has a fix");
        (finding.check, finding.level, finding.message, fix)
    };
    found.into_iter().map(into_problem).collect()
}

/// Asserts that there is exactly one problem, and that its message and fix contain these texts.
#[track_caller]
fn assert_only(
    problems: &[(&'static str, Level, String, String)],
    check: &str,
    level: Level,
    message: &str,
    fix: &str,
) {
    let [(found_check, found_level, found_message, found_fix)] = problems else {
        panic!("not exactly one problem: {problems:#?}")
    };
    assert_eq!((*found_check, *found_level), (check, level), "{problems:#?}");
    assert!(
        found_message.contains(message) && found_fix.contains(fix),
        "{problems:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_healthy_deployment_has_no_problems() {
    let world = world().await;
    assert_eq!(problems(&world, &Account::default()).await, []);
    let checks: Vec<&str> = findings(&world, &Account::default())
        .await
        .iter()
        .map(|finding| finding.check)
        .collect();
    let functions: Vec<String> = template::functions()
        .map(|function| format!("function.{}", function.name))
        .collect();
    assert!(functions.len() >= 10, "{functions:?}");
    let (function_checks, other_checks) = checks.split_at(functions.len());
    assert_eq!(function_checks, functions);
    assert_eq!(
        other_checks,
        [
            "concurrency.functions",
            "settings",
            "settings.providers",
            "settings.chat",
            "concurrency",
            "clock",
            "table",
            "table.ttl",
            "table.recovery",
            "table.protection",
            "queue.dialing",
            "queue.dialing.consumer",
            "queue.dialing.backlog",
            "queue.dialing.dead-letters",
            "queue.notifications",
            "queue.notifications.consumer",
            "queue.notifications.backlog",
            "queue.notifications.dead-letters",
            "queue.conversations",
            "queue.conversations.consumer",
            "queue.conversations.backlog",
            "queue.conversations.dead-letters",
            "secret.reference-keys",
            "secret.webhook-keys",
            "secret.routee-credentials",
            "secret.twilio-auth-tokens",
            "secret.sangoma-credentials",
            "api.dispatches",
            "api.set-context",
            "api.get-context",
            "api.links",
            "api.bots",
            "api.collect",
            "api.status",
            "api.chain",
            "api.transfer",
            "api.bot",
            "chat",
            "chat.connection",
            "routee",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn checks_write_nothing_send_nothing_and_place_no_call() {
    let world = world().await;
    world.aws.recorder().clear();
    findings(&world, &Account::default()).await;
    let changing = [
        "Put", "Update", "Delete", "Transact", "Batch", "Send", "Purge", "Start", "Change",
    ];
    let log = world.aws.recorder().log();
    assert!(log.len() > 8, "{log:?}");
    for entry in log {
        let changes = changing.iter().any(|verb| entry.operation.starts_with(verb));
        assert!(!changes, "{entry:?}");
    }
    assert!(world.routee.calls().is_empty());
    assert!(world.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_missing_function_fails() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| drop(state.functions.remove("patchbay-status-callback")));
    assert_only(
        &problems(&world, &account).await,
        "function.status-callback",
        Level::Fail,
        "the function patchbay-status-callback does not exist in eu-west-1",
        "sam build && sam deploy",
    );
}

#[tokio::test(start_paused = true)]
async fn checks_of_a_missing_stack_are_reported_as_not_made() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.functions.clear());
    let problems = problems(&world, &account).await;
    let failed: Vec<&str> = problems
        .iter()
        .filter(|(_, level, ..)| *level == Level::Fail)
        .map(|(check, ..)| *check)
        .collect();
    // All but the optional functions.
    assert_eq!(failed.len(), functions::always_deployed().count(), "{problems:#?}");
    assert_eq!(failed.len(), template::functions().count() - 6, "{problems:#?}");
    for check in ["table", "queue.dialing", "secret.webhook-keys", "api", "routee"] {
        assert!(
            problems
                .iter()
                .any(|(found_check, level, ..)| *found_check == check && *level == Level::Warn),
            "{check}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn functions_with_different_tables_fail() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let notifier = state.functions.get_mut("patchbay-notifier").expect("there");
        notifier["Environment"]["Variables"]["PATCHBAY_TABLE"] = Value::from("another");
    });
    assert_only(
        &problems(&world, &account).await,
        "settings",
        Level::Fail,
        "do not agree on PATCHBAY_TABLE",
        "sam deploy",
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_is_reported_with_its_offset() {
    let (world, account) = (world().await, Account::default());
    for (seconds, level) in [(31, Level::Warn), (300, Level::Fail)] {
        account.change(|state| state.clock_ahead_seconds = seconds);
        assert_only(
            &problems(&world, &account).await,
            "clock",
            level,
            &format!("{seconds} s behind"),
            "set-ntp",
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_table_and_an_unreadable_one_are_distinguished() {
    let (world, account) = (world().await, Account::default());
    let gone = findings_with(&world, &account, &["--table", "gone"]).await;
    let table_findings: Vec<&Finding> = gone
        .iter()
        .filter(|finding| finding.check.starts_with("table"))
        .collect();
    assert_eq!(table_findings.len(), 1, "{table_findings:?}");
    assert_eq!(
        (table_findings[0].level, table_findings[0].message.as_str()),
        (Level::Fail, "the table gone does not exist")
    );
    let rule = Rule::new(Fault::Refused)
        .service(Service::DynamoDb)
        .operation("DescribeTimeToLive");
    world.aws.faults().plan(rule.times(10));
    assert_only(
        &problems(&world, &account).await,
        "table.ttl",
        Level::Fail,
        "DynamoDB DescribeTimeToLive",
        "aws dynamodb describe-time-to-live --table-name patchbay",
    );
}

#[test]
fn a_table_without_the_by_due_index_fails() {
    let fixes = FixCommands::new(&options(&[]).target);
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let mut setup = patchbay::store::TableSetup {
        keys: names(["pk", "sk"]),
        index_keys: Some(names(["day_pk", "day_sk"])),
        due_keys: Some(names(["due_pk", "due_sk"])),
        deletion_protection: true,
    };
    assert_eq!(table::keys(&fixes, "patchbay", &setup).level, Level::Ok);
    setup.due_keys = None;
    let finding = table::keys(&fixes, "patchbay", &setup);
    assert_eq!(finding.level, Level::Fail);
    assert!(
        finding
            .message
            .contains("index by_due of patchbay has the keys (none), expected due_pk, due_sk"),
        "{finding:?}"
    );
    assert!(finding.fix.expect("a fix").contains("sam build && sam deploy"));
}

#[tokio::test(start_paused = true)]
async fn queue_settings_that_lose_or_duplicate_messages_are_reported() {
    let (world, account) = (world().await, Account::default());
    let mut settings = QueueSettings {
        redrive: Some(patchbay_simulators::aws::sqs::Redrive {
            queue: "dialing-dlq".into(),
            max_receive_count: 1_000,
        }),
        ..QueueSettings::default()
    };
    for (seconds, level) in [(29, Level::Fail), (59, Level::Warn)] {
        settings.visibility_timeout = Duration::from_secs(seconds);
        world.aws.sqs().create_queue("dialing", settings.clone());
        assert_only(
            &problems(&world, &account).await,
            "queue.dialing",
            level,
            &format!("visibility time-out {seconds} s, time-out of dialer 30 s"),
            "VisibilityTimeout=60",
        );
    }
    settings.delay = Duration::from_secs(5);
    world.aws.sqs().create_queue("dialing", settings.clone());
    assert_only(
        &problems(&world, &account).await,
        "queue.dialing",
        Level::Fail,
        "delays every message by 5 s",
        "DelaySeconds=0",
    );
    settings.delay = Duration::ZERO;
    settings.visibility_timeout = Duration::from_mins(1);
    if let Some(redrive) = &mut settings.redrive {
        redrive.max_receive_count = 5;
    }
    world.aws.sqs().create_queue("dialing", settings.clone());
    assert_only(
        &problems(&world, &account).await,
        "queue.dialing.dead-letters",
        Level::Warn,
        "maxReceiveCount is only 5",
        "sam deploy",
    );
    settings.redrive = None;
    world.aws.sqs().create_queue("dialing", settings);
    assert_only(
        &problems(&world, &account).await,
        "queue.dialing.dead-letters",
        Level::Fail,
        "and then lost",
        "sam deploy",
    );
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_a_warning_with_their_number() {
    let (world, account) = (world().await, Account::default());
    let dead = world.aws.sqs().queue("notifications-dlq").expect("there");
    dead.put("anything", Duration::ZERO);
    assert_only(
        &problems(&world, &account).await,
        "queue.notifications.dead-letters",
        Level::Warn,
        "1 dead letter in notifications-dlq",
        "patchbay dlq list --queue notifications",
    );
}

async fn with_parameter(name: &str, kind: &'static str, value: &str) -> Vec<(&'static str, Level, String, String)> {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        state
            .parameters
            .insert(format!("/patchbay/{name}"), (kind, value.to_owned()));
    });
    let problems = problems(&world, &account).await;
    assert!(
        value.len() < 8 || problems.iter().all(|problem| !format!("{problem:?}").contains(value)),
        "a secret is printed: {problems:#?}"
    );
    problems
}

#[tokio::test(start_paused = true)]
async fn a_malformed_webhook_key_fails() {
    for value in ["whsec_c2hvcnQ=", "0123456789abcdef0123456789abcdef", "a,b,c"] {
        assert_only(
            &with_parameter("webhook-keys", "SecureString", value).await,
            "secret.webhook-keys",
            Level::Fail,
            "/patchbay/webhook-keys is not a parameter with one",
            "--value \"whsec_$(openssl rand -base64 32)\"",
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_unencrypted_secret_is_a_warning() {
    assert_only(
        &with_parameter("webhook-keys", "String", patchbay_simulators::world::WEBHOOK_KEY).await,
        "secret.webhook-keys",
        Level::Warn,
        "is not encrypted",
        "aws ssm delete-parameter --name /patchbay/webhook-keys",
    );
}

#[tokio::test(start_paused = true)]
async fn two_keys_are_reported_as_a_rotation() {
    let (world, account) = (world().await, Account::default());
    let key = patchbay_simulators::world::REFERENCE_KEY;
    account.change(|state| {
        let both = format!("{key},an older key that was just as good");
        state
            .parameters
            .insert("/patchbay/reference-keys".into(), ("SecureString", both));
    });
    assert_eq!(problems(&world, &account).await, []);
    let found = findings(&world, &account).await;
    let keys = found
        .iter()
        .find(|finding| finding.check == "secret.reference-keys")
        .expect("checked");
    assert!(keys.message.contains("a rotation is in progress"), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reference_key_not_yet_loaded_by_the_functions_fails_at_every_webhook() {
    let key = "a key that no function has been given yet";
    let problems = with_parameter("reference-keys", "SecureString", key).await;
    let checks: Vec<(&str, Level)> = problems.iter().map(|(check, level, ..)| (*check, *level)).collect();
    assert_eq!(
        checks,
        ["api.collect", "api.status", "api.chain", "api.bot"].map(|check| (check, Level::Fail)),
        "{problems:#?}"
    );
    assert!(problems.iter().all(|(_, _, message, fix)| {
        message.contains("rejects references signed with the current key")
            && fix.contains("loads changed keys within 5 min")
    }));
}

#[tokio::test(start_paused = true)]
async fn an_auth_token_not_yet_loaded_by_the_function_fails() {
    assert_only(
        &with_parameter("twilio-auth-tokens", "SecureString", "another-auth-token").await,
        "api.transfer",
        Level::Fail,
        "rejects a signature with the current auth token",
        "sleep 300; patchbay doctor --stack patchbay    # transfer loads changed keys within 5 min",
    );
}

#[tokio::test(start_paused = true)]
async fn secrets_of_agent_platforms_are_checked_if_configured() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let function = state.functions.get_mut("patchbay-set-context").unwrap();
        function["Environment"]["Variables"]["PATCHBAY_VAPI_SECRETS_PARAM"] = "/patchbay/vapi-secrets".into();
        function["Environment"]["Variables"]["PATCHBAY_RETELL_KEYS_PARAM"] = "/patchbay/retell-keys".into();
        let secret = |value: &str| ("SecureString", value.to_owned());
        state
            .parameters
            .insert("/patchbay/vapi-secrets".to_owned(), secret("new,old"));
        state
            .parameters
            .insert("/patchbay/retell-keys".to_owned(), secret("key"));
    });
    assert_eq!(problems(&world, &account).await, []);
    let found = findings(&world, &account).await;
    let message = |check: &str| {
        found
            .iter()
            .find(|finding| finding.check == check)
            .map(|finding| finding.message.as_str())
    };
    assert!(message("secret.vapi-secrets").unwrap().contains("two keys"));
    assert!(message("secret.retell-keys").unwrap().contains("well-formed"));
    account.change(|state| drop(state.parameters.remove("/patchbay/retell-keys")));
    let problems = problems(&world, &account).await;
    assert!(
        problems.iter().any(|(check, ..)| *check == "secret.retell-keys"),
        "{problems:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deployment_without_transfer_is_healthy() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        state.functions.remove("patchbay-transfer");
        state.parameters.remove("/patchbay/twilio-auth-tokens");
        for function in state.functions.values_mut() {
            function["Environment"]["Variables"]["PATCHBAY_TWILIO_AUTH_TOKENS_PARAM"] = Value::from("");
        }
    });
    assert_eq!(problems(&world, &account).await, []);
    let found = findings(&world, &account).await;
    assert!(
        found
            .iter()
            .all(|finding| !finding.check.ends_with("transfer") || finding.message.contains("not deployed"))
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_rejected_by_routee_fail() {
    assert_only(
        &with_parameter("routee-credentials", "SecureString", "local-application:another-secret").await,
        "routee",
        Level::Fail,
        "the credentials are rejected (status 401)",
        "--name /patchbay/routee-credentials --value file:///dev/stdin    # the dialer loads them",
    );
}

/// A world and an account whose employees are phoned over both providers.
async fn both() -> (World, Account) {
    let providers = [Provider::Routee, Provider::Twilio];
    (world().await, Account::phoning_over(&providers))
}

#[tokio::test(start_paused = true)]
async fn only_the_providers_that_phone_employees_are_checked() {
    let checks = async |providers: &[Provider]| {
        let account = Account::phoning_over(providers);
        let world = world().await;
        assert_eq!(problems(&world, &account).await, [], "{providers:?}");
        let found = findings(&world, &account).await;
        assert!(world.calls().is_empty());
        let of_provider = [
            "secret.routee-credentials",
            "secret.twilio-credentials",
            "api.collect",
            "api.status",
        ];
        let of_provider = of_provider
            .into_iter()
            .chain(["api.twilio-collect", "api.twilio-status"]);
        let of_provider: Vec<&str> = of_provider.chain(["routee", "twilio", "twilio.balance"]).collect();
        let checks = found.iter().map(|finding| finding.check);
        checks.filter(|check| of_provider.contains(check)).collect::<Vec<_>>()
    };
    assert_eq!(
        checks(&[Provider::Routee]).await,
        ["secret.routee-credentials", "api.collect", "api.status", "routee"]
    );
    assert_eq!(
        checks(&[Provider::Twilio]).await,
        [
            "secret.twilio-credentials",
            "api.twilio-collect",
            "api.twilio-status",
            "twilio",
            "twilio.balance"
        ]
    );
    assert_eq!(checks(&[Provider::Twilio, Provider::Routee]).await.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn credentials_rejected_by_twilio_fail() {
    let (world, account) = both().await;
    world
        .twilio
        .set_api_key("SK00000000000000000000000000000009", "another");
    assert_only(
        &problems(&world, &account).await,
        "twilio",
        Level::Fail,
        "rejects the credentials: status 401",
        "--name /patchbay/twilio-credentials --value file:///dev/stdin    # the dialer loads them",
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_twilio_balance_fails_and_a_low_one_is_a_warning() {
    let (world, account) = both().await;
    for (balance, level, message) in [
        ("0.00", Level::Fail, "0.00 USD left: Twilio places no calls"),
        ("-3.10", Level::Fail, "-3.10 USD left: Twilio places no calls"),
        ("4.99", Level::Warn, "4.99 USD left, which is low"),
        ("NaN", Level::Warn, "NaN is not an amount"),
    ] {
        world.twilio.set_balance(balance);
        assert_only(
            &problems(&world, &account).await,
            "twilio.balance",
            level,
            message,
            "Billing",
        );
    }
    world.twilio.set_balance("5.00");
    assert_eq!(problems(&world, &account).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_function_without_twilios_auth_token_fails() {
    let (world, account) = both().await;
    account.change(|state| {
        let function = state.functions.get_mut("patchbay-collect-event").expect("there");
        function["Environment"]["Variables"]["PATCHBAY_TWILIO_AUTH_TOKENS_PARAM"] = Value::from("");
    });
    assert_only(
        &problems(&world, &account).await,
        "settings.providers",
        Level::Fail,
        "Twilio phones employees, but collect-event has no PATCHBAY_TWILIO_AUTH_TOKENS_PARAM",
        "set TwilioAuthTokensParam in samconfig.toml, then: sam build && sam deploy",
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_provider_fails() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        for function in state.functions.values_mut() {
            function["Environment"]["Variables"]["PATCHBAY_PROVIDERS"] = Value::from("routee,vonage");
        }
    });
    assert_only(
        &problems(&world, &account).await,
        "settings.providers",
        Level::Fail,
        "names an unknown provider",
        "set VoiceProviders in samconfig.toml",
    );
}

#[tokio::test(start_paused = true)]
async fn an_auth_token_not_yet_loaded_fails_at_every_twilio_webhook() {
    let (world, account) = both().await;
    account.change(|state| {
        let token = ("SecureString", "another-auth-token".to_owned());
        state.parameters.insert("/patchbay/twilio-auth-tokens".into(), token);
    });
    let problems = problems(&world, &account).await;
    let checks: Vec<&str> = problems.iter().map(|(check, ..)| *check).collect();
    assert_eq!(
        checks,
        ["api.twilio-collect", "api.twilio-status", "api.transfer"],
        "{problems:#?}"
    );
    assert!(problems.iter().all(|(_, level, message, _)| *level == Level::Fail
        && message.contains("rejects a signature with the current auth token")));
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_fails_and_the_check_that_needs_it_is_a_warning() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| drop(state.parameters.remove("/patchbay/routee-credentials")));
    let problems = problems(&world, &account).await;
    let checks: Vec<(&str, Level)> = problems.iter().map(|(check, level, ..)| (*check, *level)).collect();
    assert_eq!(
        checks,
        [("secret.routee-credentials", Level::Fail), ("routee", Level::Warn)]
    );
    assert!(
        problems[0]
            .2
            .contains("the parameter /patchbay/routee-credentials with Routee's credentials does not exist"),
        "{problems:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_public_url_of_another_service_fails() {
    let (world, account) = (world().await, Account::default());
    let elsewhere = ["--public-url", "https://hooks.example.org/elsewhere/"];
    let found = findings_with(&world, &account, &elsewhere).await;
    let api_findings: Vec<&Finding> = found
        .iter()
        .filter(|finding| finding.check.starts_with("api"))
        .collect();
    assert_eq!(api_findings.len(), 10);
    for finding in api_findings {
        assert_eq!(finding.level, Level::Fail, "{finding:?}");
        assert!(
            finding.message.contains("returned 404, not a response of the function"),
            "{finding:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_public_url_is_reported_once() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        for function in state.functions.values_mut() {
            function["Environment"]["Variables"]["PATCHBAY_PUBLIC_URL"] = Value::from("https://nobody.invalid");
        }
    });
    assert_only(
        &problems(&world, &account).await,
        "api.dispatches",
        Level::Fail,
        "https://nobody.invalid cannot be reached: could not connect",
        "curl -i https://nobody.invalid/v1/dispatches",
    );
}

#[tokio::test(start_paused = true)]
async fn text_report_is_aligned_and_json_fields_are_stable() {
    console::set_colors_enabled(false);
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.clock_ahead_seconds = 40);
    let (clients, options) = (clients_in(&world, &account), options(&[]));
    let findings = run_checks(&clients, &options, &ProgressBar::hidden()).await;
    let render = |format: Format| {
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, format);
        report(&options.target, &clients, &findings, &mut output).expect("a report");
        String::from_utf8(buffer).expect("text")
    };
    let text = render(Format::Text);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("patchbay in eu-west-1"));
    assert_eq!(
        lines.next(),
        Some("ok    function.dispatches               deployed, time-out 10 s")
    );
    assert!(
        text.contains("\nwarn  clock                             the clock of this machine is 40 s behind AWS\n"),
        "{text}"
    );
    assert!(
        text.contains("\n                                        → sudo timedatectl set-ntp true"),
        "{text}"
    );
    assert!(text.ends_with("\n2 warnings\n"), "{text}");
    let document: Value = serde_json::from_str(&render(Format::Json)).expect("JSON");
    assert_eq!(
        (&document["healthy"], &document["warnings"], &document["failures"]),
        (&Value::from(true), &Value::from(2), &Value::from(0))
    );
    assert_eq!(document["checks"][0]["level"], "ok");
    assert_eq!(document["checks"][0].get("fix"), None);
}
