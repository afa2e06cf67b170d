//! What has to be done to connect a tenant, decided before anything is done.

use std::collections::BTreeMap;

use anyhow::ensure;
use patchbay::chat::Platform;
use patchbay::clock::Timestamp;
use patchbay::conversation::PlatformId;
use patchbay::ids::DocumentName;
use patchbay::store::ChatConnection;
use serde::Serialize;

/// What the operator wants.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) platform: Platform,
    /// The bot's name at the platform.
    pub(super) name: String,
    pub(super) bot_url: String,
    pub(super) events_url: String,
    pub(super) inboxes: Vec<(PlatformId, DocumentName)>,
    /// Whether a widget of their own needs the account's events.
    pub(super) has_widget: bool,
    /// A bot that exists at the platform.
    pub(super) bot_id: Option<PlatformId>,
    /// Whether the webhook exists at the platform.
    pub(super) is_registered: bool,
    /// Whether to create again what is recorded as created.
    pub(super) again: bool,
}

/// Something to do at the platform, and to record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Action {
    /// Create the bot.
    CreateBot,
    /// Record a bot that exists at the platform.
    UseBot { bot: PlatformId },
    /// Let the bot answer an inbox. The platform allows to repeat it, so it is done each time: a run that was
    /// interrupted may have recorded the inbox before the bot was assigned to it.
    Assign { inbox: PlatformId, document: DocumentName },
    /// Register the webhook for the account's events.
    Register,
    /// Record that this webhook is registered.
    UseRegistered,
}

/// What has to be done.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// What is recorded so far for this platform.
    pub(super) recorded: Option<ChatConnection>,
    pub(super) actions: Vec<Action>,
    /// What the operator has to know: mostly what stays at the platform, since it cannot be removed from here.
    pub(super) notes: Vec<String>,
}

/// Plans how to get from what is recorded to what is wanted.
///
/// # Errors
/// When something recorded would have to be created again, and that was not asked for.
pub(super) fn make_plan(recorded: Option<ChatConnection>, wanted: &Wanted) -> anyhow::Result<Plan> {
    let mut notes = Vec::new();
    let (recorded, elsewhere) = match recorded {
        Some(recorded) if recorded.platform == wanted.platform => (Some(recorded), None),
        other => (None, other),
    };
    notes.extend(elsewhere.as_ref().map(bot_stays));
    let bot = plan_bot(recorded.as_ref(), wanted)?;
    if bot.is_some() {
        let other = recorded
            .as_ref()
            .filter(|recorded| wanted.bot_id.as_ref() != Some(&recorded.bot_id));
        notes.extend(other.map(bot_stays));
    }
    let mut actions: Vec<Action> = bot.into_iter().collect();
    actions.extend(plan_inboxes(recorded.as_ref(), wanted)?);
    let old = recorded.as_ref().and_then(|recorded| recorded.events_url.as_deref());
    if let Some(action) = plan_events(old, wanted)? {
        let stays = |url: &str| {
            let platform = wanted.platform;
            format!(
                "the webhook to {url} stays at {platform}, and is refused there once its key is no longer valid: remove it in the settings of {platform}"
            )
        };
        notes.extend(old.filter(|url| *url != wanted.events_url).map(stays));
        actions.push(action);
    } else if old.is_some_and(|url| url != wanted.events_url) {
        notes.push("the URL of the widget's webhook has changed: register it again, with --widget --again".to_owned());
    }
    Ok(Plan {
        recorded,
        actions,
        notes,
    })
}

/// What to do about the bot; none if it is as recorded.
fn plan_bot(recorded: Option<&ChatConnection>, wanted: &Wanted) -> anyhow::Result<Option<Action>> {
    let is_same_url = |recorded: &ChatConnection| recorded.bot_url == wanted.bot_url;
    if let Some(bot) = &wanted.bot_id {
        let is_recorded = recorded.is_some_and(|recorded| recorded.bot_id == *bot && is_same_url(recorded));
        return Ok((!is_recorded).then(|| Action::UseBot { bot: bot.clone() }));
    }
    let Some(recorded) = recorded.filter(|_| !wanted.again) else {
        return Ok(Some(Action::CreateBot));
    };
    ensure!(
        is_same_url(recorded),
        "the bot {} at {} posts its events to another URL than that of this deployment (its domain or its reference key \
         has changed), and the platform has no call to change it. Either set the bot's URL in the settings of the \
         platform (patchbay url bot prints it) and pass --bot-id {}, or create another bot with --again",
        recorded.bot_id,
        recorded.platform,
        recorded.bot_id
    );
    Ok(None)
}

/// Assigns every inbox, recorded or wanted.
fn plan_inboxes(recorded: Option<&ChatConnection>, wanted: &Wanted) -> anyhow::Result<Vec<Action>> {
    let mut inboxes = recorded.map(|recorded| recorded.inboxes.clone()).unwrap_or_default();
    for (index, (inbox, document)) in wanted.inboxes.iter().enumerate() {
        let is_repeated = wanted.inboxes.iter().skip(index + 1).any(|(other, _)| other == inbox);
        ensure!(!is_repeated, "the inbox {inbox} is given twice");
        inboxes.insert(inbox.clone(), document.clone());
    }
    let assign = |(inbox, document)| Action::Assign { inbox, document };
    Ok(inboxes.into_iter().map(assign).collect())
}

/// What to do about the webhook; none if it is as recorded, or not wanted.
fn plan_events(recorded: Option<&str>, wanted: &Wanted) -> anyhow::Result<Option<Action>> {
    if !wanted.has_widget {
        return Ok(None);
    }
    let is_recorded = recorded == Some(wanted.events_url.as_str());
    if wanted.is_registered {
        return Ok((!is_recorded).then_some(Action::UseRegistered));
    }
    if wanted.again || recorded.is_none() {
        return Ok(Some(Action::Register));
    }
    ensure!(
        is_recorded,
        "the webhook of the widget is registered with another URL than that of this deployment (its domain or its \
         reference key has changed). Either change it in the settings of the platform (patchbay url chat-events prints \
         the URL) and pass --registered, or register another one with --again"
    );
    Ok(None)
}

fn bot_stays(recorded: &ChatConnection) -> String {
    let ChatConnection {
        bot_id, name, platform, ..
    } = recorded;
    format!(
        "the bot {bot_id} ({name}) stays at {platform}, since it cannot be removed from here: remove it in the settings of {platform}"
    )
}

impl Action {
    /// The connection after the action. `bot` is the bot that it uses from now on.
    pub(super) fn apply(
        &self,
        connection: Option<ChatConnection>,
        bot: PlatformId,
        wanted: &Wanted,
        now: Timestamp,
    ) -> ChatConnection {
        let before = connection.unwrap_or_else(|| ChatConnection {
            platform: wanted.platform,
            bot_id: bot.clone(),
            name: wanted.name.clone(),
            inboxes: BTreeMap::new(),
            bot_url: wanted.bot_url.clone(),
            events_url: None,
            widget: None,
            updated_at: now,
        });
        let mut next = ChatConnection {
            bot_id: bot,
            updated_at: now,
            ..before
        };
        match self {
            Self::CreateBot | Self::UseBot { .. } => {
                next.name.clone_from(&wanted.name);
                next.bot_url.clone_from(&wanted.bot_url);
            }
            Self::Assign { inbox, document } => {
                next.inboxes.insert(inbox.clone(), document.clone());
            }
            Self::Register | Self::UseRegistered => next.events_url = Some(wanted.events_url.clone()),
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://hooks.example.org/sangoma/bot/new";

    fn id(text: &str) -> PlatformId {
        text.parse().expect("an id")
    }

    fn document(text: &str) -> DocumentName {
        text.parse().expect("a name")
    }

    fn wanted() -> Wanted {
        Wanted {
            platform: Platform::Sangoma,
            name: "Acme bot".to_owned(),
            bot_url: URL.to_owned(),
            events_url: "https://hooks.example.org/sangoma/events/new".to_owned(),
            inboxes: vec![(id("7"), document("shop"))],
            has_widget: false,
            bot_id: None,
            is_registered: false,
            again: false,
        }
    }

    fn recorded() -> ChatConnection {
        ChatConnection {
            platform: Platform::Sangoma,
            bot_id: id("3"),
            name: "Acme bot".to_owned(),
            inboxes: [(id("8"), document("support"))].into(),
            bot_url: URL.to_owned(),
            events_url: None,
            widget: None,
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn assign(inbox: &str, name: &str) -> Action {
        Action::Assign {
            inbox: id(inbox),
            document: document(name),
        }
    }

    fn actions(recorded: Option<ChatConnection>, wanted: &Wanted) -> Vec<Action> {
        make_plan(recorded, wanted).expect("a plan").actions
    }

    #[test]
    fn a_recorded_bot_is_not_created_again_and_every_inbox_is_assigned() {
        assert_eq!(actions(None, &wanted()), [Action::CreateBot, assign("7", "shop")]);
        assert_eq!(
            actions(Some(recorded()), &wanted()),
            [assign("7", "shop"), assign("8", "support")]
        );
        let other = Wanted {
            inboxes: vec![(id("8"), document("shop"))],
            ..wanted()
        };
        assert_eq!(actions(Some(recorded()), &other), [assign("8", "shop")]);
    }

    #[test]
    fn a_changed_url_needs_another_bot_or_one_whose_url_was_changed() {
        let old = ChatConnection {
            bot_url: "https://hooks.example.org/sangoma/bot/old".to_owned(),
            ..recorded()
        };
        let error = make_plan(Some(old.clone()), &wanted()).expect_err("the URL has changed");
        assert!(error.to_string().contains("--bot-id 3"), "{error}");
        let again = Wanted {
            again: true,
            ..wanted()
        };
        let plan = make_plan(Some(old.clone()), &again).expect("a plan");
        assert_eq!(plan.actions.first(), Some(&Action::CreateBot));
        assert!(
            plan.notes[0].starts_with("the bot 3 (Acme bot) stays at sangoma"),
            "{:?}",
            plan.notes
        );
        let adopted = Wanted {
            bot_id: Some(id("3")),
            ..wanted()
        };
        let plan = make_plan(Some(old), &adopted).expect("a plan");
        assert_eq!(plan.actions.first(), Some(&Action::UseBot { bot: id("3") }));
        assert_eq!(plan.notes, Vec::<String>::new());
        assert_eq!(actions(Some(recorded()), &adopted)[0], assign("7", "shop"));
    }

    #[test]
    fn a_bot_at_another_platform_is_left_there_with_its_inboxes() {
        let elsewhere = ChatConnection {
            platform: Platform::Chatwoot,
            ..recorded()
        };
        let plan = make_plan(Some(elsewhere), &wanted()).expect("a plan");
        assert_eq!(plan.actions, [Action::CreateBot, assign("7", "shop")]);
        assert!(plan.notes[0].contains("stays at chatwoot"), "{:?}", plan.notes);
        assert_eq!(plan.recorded, None);
    }

    #[test]
    fn the_webhook_is_registered_once_and_only_for_a_widget() {
        let widget = Wanted {
            has_widget: true,
            inboxes: Vec::new(),
            ..wanted()
        };
        let with_url = |url: &str| ChatConnection {
            events_url: Some(url.to_owned()),
            inboxes: BTreeMap::new(),
            ..recorded()
        };
        let current = with_url(&widget.events_url);
        let old = with_url("https://hooks.example.org/sangoma/events/old");
        assert_eq!(actions(None, &widget), [Action::CreateBot, Action::Register]);
        assert_eq!(actions(Some(current), &widget), []);
        let error = make_plan(Some(old.clone()), &widget).expect_err("the URL has changed");
        assert!(error.to_string().contains("--registered"), "{error}");
        let registered = Wanted {
            is_registered: true,
            ..widget
        };
        assert_eq!(actions(Some(old.clone()), &registered), [Action::UseRegistered]);
        let without = Wanted {
            has_widget: false,
            ..registered
        };
        let plan = make_plan(Some(old), &without).expect("a plan");
        assert_eq!(plan.actions, []);
        assert!(plan.notes[0].contains("--widget --again"), "{:?}", plan.notes);
    }

    #[test]
    fn an_inbox_has_one_document() {
        let twice = Wanted {
            inboxes: vec![(id("7"), document("shop")), (id("7"), document("support"))],
            ..wanted()
        };
        let error = make_plan(None, &twice).expect_err("twice");
        assert_eq!(error.to_string(), "the inbox 7 is given twice");
    }

    #[test]
    fn each_action_changes_the_record() {
        let now = Timestamp::from_millis(1);
        let wanted = wanted();
        let created = Action::CreateBot.apply(None, id("4"), &wanted, now);
        assert_eq!((&created.bot_id, created.bot_url.as_str()), (&id("4"), URL));
        let assigned = assign("7", "shop").apply(Some(created), id("4"), &wanted, now);
        assert_eq!(assigned.inboxes, [(id("7"), document("shop"))].into());
        let registered = Action::Register.apply(Some(assigned.clone()), id("4"), &wanted, now);
        assert_eq!(registered.events_url.as_deref(), Some(wanted.events_url.as_str()));
        assert_eq!(registered.inboxes, assigned.inboxes);
    }
}
