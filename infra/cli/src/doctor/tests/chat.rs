//! The chat bot: it is optional, and each fault is reported.

use patchbay::ids::Tenant;
use patchbay_simulators::chat::{ApiFault, Endpoint};

use super::*;

fn main_tenant() -> Tenant {
    "main".parse().expect("a tenant")
}

/// The finding of this check.
async fn finding(world: &World, account: &Account, check: &str) -> Finding {
    let found = findings(world, account)
        .await
        .into_iter()
        .find(|finding| finding.check == check);
    found.unwrap_or_else(|| panic!("no {check}"))
}

#[tokio::test(start_paused = true)]
async fn a_stack_without_a_chat_platform_is_healthy() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        for function in ["patchbay-bot", "patchbay-responder"] {
            state.functions.remove(function);
        }
    });
    assert_eq!(problems(&world, &account).await, []);
    let found = findings(&world, &account).await;
    let of_chat = found.iter().filter(|finding| {
        let check = finding.check;
        check.contains("chat") || check.contains("conversations") || check == "api.bot" || check == "api.bots"
    });
    assert_eq!(of_chat.count(), 0, "{found:#?}");
    let message = &finding(&world, &account, "function.bot").await.message;
    assert!(message.contains("ChatPlatform"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn only_one_of_the_two_functions_fails() {
    for (function, check) in [("patchbay-bot", "responder"), ("patchbay-responder", "bot")] {
        let (world, account) = (world().await, Account::default());
        account.change(|state| drop(state.functions.remove(function)));
        let found = finding(&world, &account, "settings.chat").await;
        assert_eq!(found.level, Level::Fail);
        assert!(
            found.message.contains(&format!("only {check} is deployed")),
            "{found:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_setting_of_the_platform_is_named() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        let responder = state.functions.get_mut("patchbay-responder").expect("there");
        responder["Environment"]["Variables"]["PATCHBAY_SANGOMA_TENANT_DOMAIN"] = Value::from("");
    });
    assert_only(
        &problems(&world, &account).await,
        "settings.chat",
        Level::Fail,
        "PATCHBAY_SANGOMA_TENANT_DOMAIN",
        "samconfig.toml",
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_rejects_the_credentials_or_is_down_fails() {
    let (world, account) = (world().await, Account::default());
    world.chat.set_credentials("another", "secret");
    assert_only(
        &problems(&world, &account).await,
        "chat",
        Level::Fail,
        "sangoma does not list its inboxes",
        "patchbay doctor",
    );
    let world = super::world().await;
    for _ in 0..2 {
        world.chat.fail_next(Endpoint::SetUp, ApiFault::Unavailable);
    }
    let found = finding(&world, &account, "chat").await;
    assert_eq!(found.level, Level::Fail, "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_checked_against_the_documents_and_the_url() {
    let (world, account) = (world().await, Account::default());
    world.put_bot("support", "{}").await.expect("a bot");
    let found = finding(&world, &account, "chat.connection").await;
    assert_eq!(found.level, Level::Ok);
    assert!(found.message.contains("inbox 7 is answered by support"), "{found:?}");

    let mut connection = world
        .store
        .connection(&main_tenant())
        .await
        .expect("a table")
        .expect("a connection");
    connection
        .inboxes
        .insert("8".parse().expect("an id"), "gone".parse().expect("a name"));
    world
        .store
        .put_connection(&main_tenant(), &connection)
        .await
        .expect("a table");
    assert_only(
        &problems(&world, &account).await,
        "chat.connection",
        Level::Fail,
        "does not exist: gone",
        "patchbay bot push gone FILE",
    );

    connection.inboxes.remove(&"8".parse().expect("an id"));
    connection.bot_url = "https://elsewhere.example.org/sangoma/bot/x".to_owned();
    world
        .store
        .put_connection(&main_tenant(), &connection)
        .await
        .expect("a table");
    assert_only(
        &problems(&world, &account).await,
        "chat.connection",
        Level::Warn,
        "another URL",
        "patchbay bot connect",
    );
}

#[tokio::test(start_paused = true)]
async fn unsigned_events_that_are_accepted_although_secrets_are_configured_fail() {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        state.parameters.insert(
            "/patchbay/chat-secrets".to_owned(),
            ("SecureString", "one,two".to_owned()),
        );
        let bot = state.functions.get_mut("patchbay-bot").expect("there");
        bot["Environment"]["Variables"]["PATCHBAY_CHAT_SECRETS_PARAM"] = Value::from("/patchbay/chat-secrets");
    });
    // The world's function has no secret.
    assert_only(
        &problems(&world, &account).await,
        "api.bot",
        Level::Fail,
        "accepts unsigned events",
        "bot loads changed keys within 5 min",
    );
}
