mod mends;
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
    examined(world, account, &[]).await
}

async fn examined(world: &World, account: &Account, arguments: &[&str]) -> Vec<Finding> {
    examine(&clients_in(world, account), &options(arguments), &ProgressBar::hidden()).await
}

/// All that the command does.
pub(crate) async fn everything(world: &World, account: &Account) {
    findings(world, account).await;
}

/// All that it does when it tries the deployment out.
pub(crate) async fn everything_and_smoke(world: &World, account: &Account) {
    examined(world, account, &["--smoke"]).await;
}

/// What is not as it should be: check, level, and what is said of it.
async fn complaints(world: &World, account: &Account) -> Vec<(&'static str, Level, String, String)> {
    let mut found = findings(world, account).await;
    // The world's table has no protection; said once here instead of in every test.
    found.retain(|finding| finding.level != Level::Ok && finding.check != "table.protection");
    let whole = |finding: Finding| {
        let mend = finding.mend.expect("whatever is wrong can be mended");
        (finding.check, finding.level, finding.what, mend)
    };
    found.into_iter().map(whole).collect()
}

/// That exactly this is wrong, and that both texts contain what they must.
#[track_caller]
fn only(complaints: &[(&'static str, Level, String, String)], check: &str, level: Level, what: &str, mend: &str) {
    let [(of, at, says, mends)] = complaints else {
        panic!("not one complaint: {complaints:#?}")
    };
    assert_eq!((*of, *at), (check, level), "{complaints:#?}");
    assert!(says.contains(what) && mends.contains(mend), "{complaints:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_as_it_should_be_has_nothing_to_mend() {
    let world = world().await;
    assert_eq!(complaints(&world, &Account::default()).await, []);
    let checks: Vec<&str> = findings(&world, &Account::default())
        .await
        .iter()
        .map(|finding| finding.check)
        .collect();
    let functions: Vec<String> = template::functions()
        .map(|function| format!("function.{}", function.name))
        .collect();
    assert!(functions.len() >= 10, "{functions:?}");
    let (of_functions, others) = checks.split_at(functions.len());
    assert_eq!(of_functions, functions);
    assert_eq!(
        others,
        [
            "concurrency.functions",
            "settings",
            "settings.providers",
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
            "secret.reference-keys",
            "secret.webhook-keys",
            "secret.routee-credentials",
            "secret.twilio-auth-tokens",
            "api.dispatches",
            "api.set-context",
            "api.get-context",
            "api.links",
            "api.collect",
            "api.status",
            "api.chain",
            "api.transfer",
            "routee",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_examination_writes_nothing_sends_nothing_and_calls_nobody() {
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
    assert!(world.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_missing_is_named() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| drop(state.functions.remove("patchbay-status-callback")));
    only(
        &complaints(&world, &account).await,
        "function.status-callback",
        Level::Fail,
        "there is no function patchbay-status-callback in eu-west-1",
        "sam build && sam deploy",
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_stack_that_is_not_there_everything_else_is_said_not_to_be_checked() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.functions.clear());
    let complaints = complaints(&world, &account).await;
    let failed: Vec<&str> = complaints
        .iter()
        .filter(|(_, level, ..)| *level == Level::Fail)
        .map(|(check, ..)| *check)
        .collect();
    // All but the one that need not be there.
    assert_eq!(failed.len(), template::functions().count() - 1, "{complaints:#?}");
    for check in ["table", "queue.dialing", "secret.webhook-keys", "api", "routee"] {
        assert!(
            complaints
                .iter()
                .any(|(of, level, ..)| *of == check && *level == Level::Warn),
            "{check}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn functions_that_go_by_different_tables_are_found_out() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let notifier = state.functions.get_mut("patchbay-notifier").expect("there");
        notifier["Environment"]["Variables"]["PATCHBAY_TABLE"] = Value::from("another");
    });
    only(
        &complaints(&world, &account).await,
        "settings",
        Level::Fail,
        "do not agree on PATCHBAY_TABLE",
        "sam deploy",
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_told_by_how_much() {
    let (world, account) = (world().await, Account::default());
    for (seconds, level) in [(31, Level::Warn), (300, Level::Fail)] {
        account.change(|state| state.ahead_seconds = seconds);
        only(
            &complaints(&world, &account).await,
            "clock",
            level,
            &format!("{seconds} s behind"),
            "set-ntp",
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_not_there_is_told_from_one_that_cannot_be_read() {
    let (world, account) = (world().await, Account::default());
    let gone = examined(&world, &account, &["--table", "gone"]).await;
    let of_table: Vec<&Finding> = gone
        .iter()
        .filter(|finding| finding.check.starts_with("table"))
        .collect();
    assert_eq!(of_table.len(), 1, "{of_table:?}");
    assert_eq!(
        (of_table[0].level, of_table[0].what.as_str()),
        (Level::Fail, "there is no table gone")
    );
    let rule = Rule::new(Fault::Refused)
        .service(Service::DynamoDb)
        .operation("DescribeTimeToLive");
    world.aws.faults().plan(rule.times(10));
    only(
        &complaints(&world, &account).await,
        "table.ttl",
        Level::Fail,
        "DynamoDB DescribeTimeToLive",
        "aws dynamodb describe-time-to-live --table-name patchbay",
    );
}

#[test]
fn a_table_of_an_earlier_version_lacks_the_index_for_what_is_due() {
    let mends = Mends::of(&options(&[]).target);
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let mut setup = patchbay::store::Setup {
        keys: names(["pk", "sk"]),
        index_keys: Some(names(["day_pk", "day_sk"])),
        due_keys: Some(names(["due_pk", "due_sk"])),
        deletion_protection: true,
    };
    assert_eq!(table::keys(&mends, "patchbay", &setup).level, Level::Ok);
    setup.due_keys = None;
    let finding = table::keys(&mends, "patchbay", &setup);
    assert_eq!(finding.level, Level::Fail);
    assert!(
        finding
            .what
            .contains("index by_due of patchbay is keyed by nothing, not by due_pk, due_sk"),
        "{finding:?}"
    );
    assert!(finding.mend.expect("a mend").contains("sam build && sam deploy"));
}

#[tokio::test(start_paused = true)]
async fn a_queue_whose_messages_come_again_too_soon_is_found_out() {
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
        only(
            &complaints(&world, &account).await,
            "queue.dialing",
            level,
            &format!("hides messages for {seconds} s, dialer may run 30 s"),
            "VisibilityTimeout=60",
        );
    }
    settings.delay = Duration::from_secs(5);
    world.aws.sqs().create_queue("dialing", settings.clone());
    only(
        &complaints(&world, &account).await,
        "queue.dialing",
        Level::Fail,
        "every message waits for 5 s",
        "DelaySeconds=0",
    );
    settings.delay = Duration::ZERO;
    settings.visibility_timeout = Duration::from_mins(1);
    if let Some(redrive) = &mut settings.redrive {
        redrive.max_receive_count = 5;
    }
    world.aws.sqs().create_queue("dialing", settings.clone());
    only(
        &complaints(&world, &account).await,
        "queue.dialing.dead-letters",
        Level::Warn,
        "5 receives lead to dialing-dlq",
        "sam deploy",
    );
    settings.redrive = None;
    world.aws.sqs().create_queue("dialing", settings);
    only(
        &complaints(&world, &account).await,
        "queue.dialing.dead-letters",
        Level::Fail,
        "and then lost",
        "sam deploy",
    );
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_counted() {
    let (world, account) = (world().await, Account::default());
    let dead = world.aws.sqs().queue("notifications-dlq").expect("there");
    dead.put("anything", Duration::ZERO);
    only(
        &complaints(&world, &account).await,
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
    let complaints = complaints(&world, &account).await;
    assert!(
        value.len() < 8
            || complaints
                .iter()
                .all(|complaint| !format!("{complaint:?}").contains(value)),
        "a secret is shown: {complaints:#?}"
    );
    complaints
}

#[tokio::test(start_paused = true)]
async fn a_webhook_key_of_the_wrong_form_is_refused() {
    for value in ["whsec_c2hvcnQ=", "0123456789abcdef0123456789abcdef", "a,b,c"] {
        only(
            &with_parameter("webhook-keys", "SecureString", value).await,
            "secret.webhook-keys",
            Level::Fail,
            "/patchbay/webhook-keys is not a parameter with one",
            "--value \"whsec_$(openssl rand -base64 32)\"",
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_not_encrypted_is_a_warning() {
    only(
        &with_parameter("webhook-keys", "String", patchbay_simulators::world::WEBHOOK_KEY).await,
        "secret.webhook-keys",
        Level::Warn,
        "is not encrypted",
        "aws ssm delete-parameter --name /patchbay/webhook-keys",
    );
}

#[tokio::test(start_paused = true)]
async fn two_keys_are_a_rotation_under_way() {
    let (world, account) = (world().await, Account::default());
    let key = patchbay_simulators::world::REFERENCE_KEY;
    account.change(|state| {
        let both = format!("{key},an older key that was just as good");
        state
            .parameters
            .insert("/patchbay/reference-keys".into(), ("SecureString", both));
    });
    assert_eq!(complaints(&world, &account).await, []);
    let found = findings(&world, &account).await;
    let keys = found
        .iter()
        .find(|finding| finding.check == "secret.reference-keys")
        .expect("checked");
    assert!(keys.what.contains("a rotation is under way"), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_functions_do_not_use_yet_is_told_at_every_webhook() {
    let key = "a key that no function has been given yet";
    let complaints = with_parameter("reference-keys", "SecureString", key).await;
    let checks: Vec<(&str, Level)> = complaints.iter().map(|(check, level, ..)| (*check, *level)).collect();
    assert_eq!(
        checks,
        ["api.collect", "api.status", "api.chain"].map(|check| (check, Level::Fail)),
        "{complaints:#?}"
    );
    assert!(complaints.iter().all(
        |(_, _, what, mend)| what.contains("refuses references made with the present key")
            && mend.contains("takes changed keys within 5 min")
    ));
}

#[tokio::test(start_paused = true)]
async fn an_auth_token_that_the_function_does_not_use_yet_is_told() {
    only(
        &with_parameter("twilio-auth-tokens", "SecureString", "another-auth-token").await,
        "api.transfer",
        Level::Fail,
        "refuses what the present auth token signed",
        "sleep 300; patchbay doctor --stack patchbay    # transfer takes changed keys within 5 min",
    );
}

#[tokio::test(start_paused = true)]
async fn the_secrets_of_agents_platforms_are_looked_at_where_they_are_configured() {
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
    assert_eq!(complaints(&world, &account).await, []);
    let found = findings(&world, &account).await;
    let what = |check: &str| {
        found
            .iter()
            .find(|finding| finding.check == check)
            .map(|finding| finding.what.as_str())
    };
    assert!(what("secret.vapi-secrets").unwrap().contains("two keys"));
    assert!(what("secret.retell-keys").unwrap().contains("well-formed"));
    account.change(|state| drop(state.parameters.remove("/patchbay/retell-keys")));
    let complaints = complaints(&world, &account).await;
    assert!(
        complaints.iter().any(|(check, ..)| *check == "secret.retell-keys"),
        "{complaints:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deployment_without_transfers_lacks_nothing() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        state.functions.remove("patchbay-transfer");
        state.parameters.remove("/patchbay/twilio-auth-tokens");
        for function in state.functions.values_mut() {
            function["Environment"]["Variables"]["PATCHBAY_TWILIO_AUTH_TOKENS_PARAM"] = Value::from("");
        }
    });
    assert_eq!(complaints(&world, &account).await, []);
    let found = findings(&world, &account).await;
    assert!(
        found
            .iter()
            .all(|finding| !finding.check.ends_with("transfer") || finding.what.contains("not deployed"))
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_that_routee_does_not_take_are_told() {
    only(
        &with_parameter("routee-credentials", "SecureString", "local-application:another-secret").await,
        "routee",
        Level::Fail,
        "the credentials are turned away (status 401)",
        "--name /patchbay/routee-credentials --value file:///dev/stdin    # the dialer takes them",
    );
}

/// A world and an account whose employees are phoned over both providers.
async fn both() -> (World, Account) {
    let providers = [Provider::Routee, Provider::Twilio];
    (world().await, Account::phoning_over(&providers))
}

#[tokio::test(start_paused = true)]
async fn each_provider_that_phones_is_checked_and_only_those() {
    let checks = async |providers: &[Provider]| {
        let account = Account::phoning_over(providers);
        let world = world().await;
        assert_eq!(complaints(&world, &account).await, [], "{providers:?}");
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
async fn credentials_that_twilio_does_not_take_are_told() {
    let (world, account) = both().await;
    world
        .twilio
        .set_api_key("SK00000000000000000000000000000009", "another");
    only(
        &complaints(&world, &account).await,
        "twilio",
        Level::Fail,
        "does not take the credentials: status 401",
        "--name /patchbay/twilio-credentials --value file:///dev/stdin    # the dialer takes them",
    );
}

#[tokio::test(start_paused = true)]
async fn an_account_at_twilio_without_money_is_told_and_one_with_little_is_warned_of() {
    let (world, account) = both().await;
    for (balance, level, what) in [
        ("0.00", Level::Fail, "has 0.00 USD left: no call"),
        ("-3.10", Level::Fail, "has -3.10 USD left: no call"),
        ("4.99", Level::Warn, "has 4.99 USD left, which is low"),
        ("NaN", Level::Warn, "NaN is no amount"),
    ] {
        world.twilio.set_balance(balance);
        only(
            &complaints(&world, &account).await,
            "twilio.balance",
            level,
            what,
            "Billing",
        );
    }
    world.twilio.set_balance("5.00");
    assert_eq!(complaints(&world, &account).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_cannot_tell_twilio_from_others_is_told() {
    let (world, account) = both().await;
    account.change(|state| {
        let function = state.functions.get_mut("patchbay-collect-event").expect("there");
        function["Environment"]["Variables"]["PATCHBAY_TWILIO_AUTH_TOKENS_PARAM"] = Value::from("");
    });
    only(
        &complaints(&world, &account).await,
        "settings.providers",
        Level::Fail,
        "Twilio phones, and collect-event has no PATCHBAY_TWILIO_AUTH_TOKENS_PARAM",
        "set TwilioAuthTokensParam in samconfig.toml, then: sam build && sam deploy",
    );
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_there_is_not_is_told() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        for function in state.functions.values_mut() {
            function["Environment"]["Variables"]["PATCHBAY_PROVIDERS"] = Value::from("routee,vonage");
        }
    });
    only(
        &complaints(&world, &account).await,
        "settings.providers",
        Level::Fail,
        "names a provider that there is not",
        "set VoiceProviders in samconfig.toml",
    );
}

#[tokio::test(start_paused = true)]
async fn an_auth_token_that_the_webhooks_of_calls_do_not_use_yet_is_told_at_each() {
    let (world, account) = both().await;
    account.change(|state| {
        let token = ("SecureString", "another-auth-token".to_owned());
        state.parameters.insert("/patchbay/twilio-auth-tokens".into(), token);
    });
    let complaints = complaints(&world, &account).await;
    let checks: Vec<&str> = complaints.iter().map(|(check, ..)| *check).collect();
    assert_eq!(
        checks,
        ["api.twilio-collect", "api.twilio-status", "api.transfer"],
        "{complaints:#?}"
    );
    assert!(
        complaints
            .iter()
            .all(|(_, level, what, _)| *level == Level::Fail && what.contains("refuses what the present auth token"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_missing_is_one_complaint_and_what_hangs_on_it_another() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| drop(state.parameters.remove("/patchbay/routee-credentials")));
    let complaints = complaints(&world, &account).await;
    let checks: Vec<(&str, Level)> = complaints.iter().map(|(check, level, ..)| (*check, *level)).collect();
    assert_eq!(
        checks,
        [("secret.routee-credentials", Level::Fail), ("routee", Level::Warn)]
    );
    assert!(
        complaints[0]
            .2
            .contains("there is no parameter /patchbay/routee-credentials"),
        "{complaints:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_public_url_that_leads_elsewhere_is_found_out() {
    let (world, account) = (world().await, Account::default());
    let elsewhere = ["--public-url", "https://hooks.example.org/elsewhere/"];
    let found = examined(&world, &account, &elsewhere).await;
    let of_api: Vec<&Finding> = found
        .iter()
        .filter(|finding| finding.check.starts_with("api"))
        .collect();
    assert_eq!(of_api.len(), 8);
    for finding in of_api {
        assert_eq!(finding.level, Level::Fail, "{finding:?}");
        assert!(
            finding.what.contains("answered with 404, and not by the function"),
            "{finding:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_public_url_that_cannot_be_reached_is_said_once() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        for function in state.functions.values_mut() {
            function["Environment"]["Variables"]["PATCHBAY_PUBLIC_URL"] = Value::from("https://nobody.invalid");
        }
    });
    only(
        &complaints(&world, &account).await,
        "api.dispatches",
        Level::Fail,
        "https://nobody.invalid cannot be reached: the connection was never made",
        "curl -i https://nobody.invalid/v1/dispatches",
    );
}

#[tokio::test(start_paused = true)]
async fn the_report_is_aligned_for_people_and_stable_for_programs() {
    console::set_colors_enabled(false);
    let (world, account) = (world().await, Account::default());
    account.change(|state| state.ahead_seconds = 40);
    let (clients, options) = (clients_in(&world, &account), options(&[]));
    let findings = examine(&clients, &options, &ProgressBar::hidden()).await;
    let said = |format: Format| {
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, format);
        tell(&options.target, &clients, &findings, &mut output).expect("told");
        String::from_utf8(buffer).expect("text")
    };
    let text = said(Format::Text);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("patchbay in eu-west-1"));
    assert_eq!(
        lines.next(),
        Some("ok    function.dispatches               deployed, may run 10 s")
    );
    assert!(
        text.contains("\nwarn  clock                             this machine's clock is 40 s behind AWS's\n"),
        "{text}"
    );
    assert!(
        text.contains("\n                                        → sudo timedatectl set-ntp true"),
        "{text}"
    );
    assert!(text.ends_with("\n2 warnings\n"), "{text}");
    let document: Value = serde_json::from_str(&said(Format::Json)).expect("JSON");
    assert_eq!(
        (&document["healthy"], &document["warnings"], &document["failures"]),
        (&Value::from(true), &Value::from(2), &Value::from(0))
    );
    assert_eq!(document["checks"][0]["level"], "ok");
    assert_eq!(document["checks"][0].get("mend"), None);
}
