use patchbay::chat::{ChatConfig, Platform};
use patchbay::http::HttpClient;
use patchbay::secret::Secret;
use patchbay::store::Precondition;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::reference::ReferenceSigner;
use patchbay_simulators::chat::{
    ApiFault, CHATWOOT_ACCOUNT, CHATWOOT_BOT_TOKEN, CHATWOOT_URL, CHATWOOT_USER_TOKEN, CREDENTIALS, Chat, Endpoint,
    SANGOMA_URL, Switches, TENANT_DOMAIN,
};
use patchbay_simulators::world::{PUBLIC_URL, REFERENCE_KEY, World};
use serde_json::{Value, json};

use super::*;
use crate::output::Format;
use crate::testing::{Account, clients_in, world};

const KEY: &str = "another key that is good enough for a machine";

/// A deployment and a chat platform.
struct Scene {
    world: World,
    chat: Chat,
    tenant: Tenant,
}

impl Scene {
    async fn new() -> Self {
        let world = world().await;
        let chat = Chat::new(world.clock.clone(), Switches::default(), 1);
        let scene = Self {
            world,
            chat,
            tenant: "main".parse().expect("a tenant"),
        };
        for name in ["shop", "support"] {
            scene.push(name).await;
        }
        scene
    }

    async fn push(&self, name: &str) {
        let key = DocumentKey {
            tenant: self.tenant.clone(),
            kind: DocumentKind::Bot,
            name: name.parse().expect("a name"),
        };
        let now = self.world.clock.now();
        let put = self.world.store.put_document(&key, "{}", Precondition::Any, now).await;
        put.expect("written");
    }

    fn access(&self, platform: Platform, key: &str) -> PlatformAccess {
        let chatwoot_account = CHATWOOT_ACCOUNT.to_string();
        let variable = |name: &'static str| {
            let value = match name {
                "PATCHBAY_CHAT_PLATFORM" => platform.name(),
                "PATCHBAY_SANGOMA_TENANT_DOMAIN" => TENANT_DOMAIN,
                "PATCHBAY_SANGOMA_API_URL" => SANGOMA_URL,
                "PATCHBAY_CHATWOOT_URL" => CHATWOOT_URL,
                "PATCHBAY_CHATWOOT_ACCOUNT" => &chatwoot_account,
                _ => return None,
            };
            Some(value.to_owned())
        };
        let config = ChatConfig::from_variables(HttpClient::new(self.chat.clone()), variable).expect("settings");
        let credentials = match platform {
            Platform::Sangoma => format!("{}:{}", CREDENTIALS.0, CREDENTIALS.1),
            Platform::Chatwoot => format!("{CHATWOOT_BOT_TOKEN},{CHATWOOT_USER_TOKEN}"),
        };
        PlatformAccess {
            client: config.client(&Secret::new(credentials)).expect("a client"),
            urls: CallbackUrls::new(PUBLIC_URL, ReferenceSigner::new(Secret::new(key), None)),
        }
    }

    /// Runs the command against Sangoma, with the answers of a person if there are any.
    async fn run(&self, line: &str, answers: Option<&str>) -> Result<Value, String> {
        self.run_at(&self.access(Platform::Sangoma, REFERENCE_KEY), line, answers)
            .await
    }

    async fn run_at(&self, platform: &PlatformAccess, line: &str, answers: Option<&str>) -> Result<Value, String> {
        let connector = Connector {
            store: &self.world.store,
            clock: &self.world.clock,
            platform,
            tenant: &self.tenant,
            wishes: &wishes(line).expect(line),
        };
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, Format::Json);
        let mut answers = answers.map(str::as_bytes);
        let person = answers.as_mut().map(|answers| answers as &mut dyn BufRead);
        let done = connector.connect(person, &mut output).await;
        done.map_err(|error| format!("{error:#}"))?;
        Ok(serde_json::from_slice(&buffer).expect("one document"))
    }

    async fn recorded(&self) -> Option<ChatConnection> {
        self.world.store.connection(&self.tenant).await.expect("an answer")
    }

    /// The bot of each inbox at the platform.
    fn assigned(&self) -> Vec<(u64, Option<u64>)> {
        let inboxes = self.chat.inboxes();
        inboxes.into_iter().map(|inbox| (inbox.id, inbox.bot)).collect()
    }
}

#[derive(Debug, clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    wishes: Wishes,
}

fn wishes(line: &str) -> Result<Wishes, String> {
    let words = ["connect"].into_iter().chain(line.split_whitespace());
    let parsed = <CommandLine as clap::Parser>::try_parse_from(words);
    parsed.map(|parsed| parsed.wishes).map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_bot_is_created_once_and_answers_its_inboxes() {
    let scene = Scene::new().await;
    let report = scene.run("--name Acme --inbox 7=shop", None).await.expect("connected");
    let [bot] = &scene.chat.bots()[..] else {
        panic!("not one bot")
    };
    assert_eq!(scene.assigned(), [(7, Some(bot.id)), (8, None), (9, None)]);
    let expected = scene
        .access(Platform::Sangoma, REFERENCE_KEY)
        .urls
        .bot_url(Platform::Sangoma, &scene.tenant);
    assert_eq!(
        (bot.name.as_str(), bot.outgoing_url.as_str()),
        ("Acme", expected.as_str())
    );
    assert_eq!(report["connection"]["bot_id"], bot.id.to_string());
    assert_eq!(report["connection"]["inboxes"], json!({ "7": "shop" }));

    let report = scene.run("--inbox 8=support", None).await.expect("connected");
    assert_eq!(scene.chat.bots().len(), 1);
    assert_eq!(scene.assigned(), [(7, Some(bot.id)), (8, Some(bot.id)), (9, None)]);
    assert_eq!(report["connection"]["inboxes"], json!({ "7": "shop", "8": "support" }));
    assert_eq!(report["notes"], json!([]));
    assert!(scene.chat.webhooks().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_widget_has_its_webhook_registered_once() {
    let scene = Scene::new().await;
    for _ in 0..2 {
        scene.run("--inbox 9=shop --widget", None).await.expect("connected");
    }
    let [webhook] = &scene.chat.webhooks()[..] else {
        panic!("not one webhook")
    };
    assert_eq!(webhook.subscriptions, ["conversation_created", "message_created"]);
    assert_eq!(
        scene.recorded().await.expect("a record").events_url.as_ref(),
        Some(&webhook.url)
    );
}

#[tokio::test(start_paused = true)]
async fn another_reference_key_needs_another_bot_and_the_old_one_is_named() {
    let scene = Scene::new().await;
    scene.run("--inbox 7=shop", None).await.expect("connected");
    let rotated = scene.access(Platform::Sangoma, KEY);
    let error = scene.run_at(&rotated, "", None).await.expect_err("another URL");
    assert!(error.contains("--again"), "{error}");
    assert_eq!(scene.chat.bots().len(), 1);
    let report = scene.run_at(&rotated, "--again", None).await.expect("connected");
    let bots = scene.chat.bots();
    assert_eq!(bots.len(), 2);
    assert_eq!(scene.assigned()[0], (7, Some(bots[1].id)));
    let note = report["notes"][0].as_str().expect("a note");
    assert!(
        note.starts_with(&format!("the bot {} (patchbay) stays", bots[0].id)),
        "{note}"
    );
    let recorded = scene.recorded().await.expect("a record");
    assert_eq!(recorded.bot_id.as_str(), bots[1].id.to_string());
    assert_eq!(recorded.inboxes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unclear_creation_is_not_repeated_and_its_bot_can_be_adopted() {
    let scene = Scene::new().await;
    scene.chat.fail_next(Endpoint::Bots, ApiFault::NoAnswer { done: true });
    let error = scene.run("--inbox 7=shop", None).await.expect_err("no answer");
    assert!(error.contains("--bot-id"), "{error}");
    assert_eq!((scene.chat.bots().len(), scene.recorded().await), (1, None));
    let bot = scene.chat.bots()[0].id;
    scene
        .run(&format!("--bot-id {bot} --inbox 7=shop"), None)
        .await
        .expect("connected");
    assert_eq!(scene.chat.bots().len(), 1);
    assert_eq!(scene.assigned()[0], (7, Some(bot)));
}

#[tokio::test(start_paused = true)]
async fn a_bot_whose_inbox_could_not_be_assigned_is_recorded() {
    let scene = Scene::new().await;
    scene
        .chat
        .fail_next(Endpoint::Assign, ApiFault::InternalError { done: false });
    let error = scene.run("--inbox 7=shop", None).await.expect_err("not assigned");
    assert!(error.contains("run this again"), "{error}");
    scene.run("--inbox 7=shop", None).await.expect("connected");
    assert_eq!(scene.chat.bots().len(), 1);
    assert_eq!(scene.assigned()[0].1, Some(scene.chat.bots()[0].id));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_inbox_or_document_is_refused_before_anything_is_done() {
    let scene = Scene::new().await;
    for (line, expected) in [
        (
            "--inbox 6=shop",
            "the platform has no inbox 6; it has 7 (Shop chat, Channel::WebWidget), 8",
        ),
        ("--inbox 7=typo", "there is no bot document typo"),
        ("--inbox 7=shop --inbox 7=support", "the inbox 7 is given twice"),
    ] {
        let error = scene.run(line, None).await.expect_err(line);
        assert!(error.contains(expected), "{line}: {error}");
    }
    assert!(scene.chat.bots().is_empty());
    assert_eq!(scene.recorded().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_does_nothing() {
    let scene = Scene::new().await;
    let report = scene
        .run("--dry-run --widget --inbox 7=shop", None)
        .await
        .expect("a plan");
    assert_eq!(
        report["actions"],
        json!([
            { "do": "create_bot" },
            { "do": "assign", "inbox": "7", "document": "shop" },
            { "do": "register" },
        ])
    );
    assert!(scene.chat.bots().is_empty() && scene.chat.webhooks().is_empty());
    assert_eq!(scene.recorded().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_person_is_asked_which_document_answers_which_inbox() {
    let scene = Scene::new().await;
    let answers = "Not A Name\nshop\n\n\n";
    let report = scene.run("", Some(answers)).await.expect("connected");
    assert_eq!(report["connection"]["inboxes"], json!({ "7": "shop" }));
    let report = scene.run("", Some("\nsupport\n")).await.expect("connected");
    assert_eq!(report["connection"]["inboxes"], json!({ "7": "shop", "8": "support" }));
    assert_eq!(scene.chat.bots().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn chatwoot_is_connected_with_the_same_command() {
    let scene = Scene::new().await;
    let chatwoot = scene.access(Platform::Chatwoot, REFERENCE_KEY);
    let report = scene
        .run_at(&chatwoot, "--inbox 8=shop --widget", None)
        .await
        .expect("connected");
    assert_eq!(report["connection"]["platform"], "chatwoot");
    assert_eq!(scene.assigned()[1].1, Some(scene.chat.bots()[0].id));
    assert_eq!(scene.chat.webhooks().len(), 1);
}

/// Runs the command in a deployment, for the check of the documented permissions.
pub(crate) async fn run_all(world: &World, account: &Account) {
    let tenant = "main".parse().expect("a tenant");
    world.put_bot("shop", "{}").await.expect("a bot");
    world.aws.recorder().clear();
    let platform = platform::access(&clients_in(world, account), "patchbay")
        .await
        .expect("access");
    let connector = Connector {
        store: &world.store,
        clock: &world.clock,
        platform: &platform,
        tenant: &tenant,
        wishes: &wishes("--inbox 7=shop").expect("wishes"),
    };
    let mut buffer = Vec::new();
    let connected = connector
        .connect(None, &mut Output::new(&mut buffer, Format::Text))
        .await;
    connected.expect("connected");
}

#[tokio::test(start_paused = true)]
async fn the_bot_of_a_deployment_is_the_one_that_its_functions_know() {
    let world = world().await;
    run_all(&world, &Account::default()).await;
    assert_eq!(
        world.chat.bots().len(),
        1,
        "the recorded bot has the URL that the command expects"
    );
    let conversation = world.chat.customer_opens(7).expect("a conversation");
    world.chat.customer_writes(conversation, "hello").expect("a message");
    world.clock.sleep(std::time::Duration::from_secs(10)).await;
    assert!(!world.chat.posts_of_bot().is_empty());
}

#[test]
fn an_invalid_wish_is_rejected_with_the_reason() {
    for (line, expected) in [
        ("--inbox 7", "expected ID=DOCUMENT"),
        ("--inbox 7=Shop", "document name"),
        ("--inbox a/b=shop", "id of a chat platform"),
        ("--bot-id 3 --again", "cannot be used with"),
        ("--registered", "--widget"),
    ] {
        let error = wishes(line).expect_err(line);
        assert!(error.contains(expected), "{line}: {error}");
    }
}
