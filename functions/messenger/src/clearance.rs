//! Whether a customer may be contacted now. Decided at the moment of sending: what was true when the interaction was
//! created may be wrong hours later.

use patchbay::clock::Timestamp;
use patchbay::interaction::{Channel, Clearance, Content, Interaction, Leg};
use patchbay::outreach::receiver;
use patchbay::outreach::skill::Skill;
use patchbay::phone::PhoneNumber;
use patchbay::store::{Address, DocumentKey, DocumentKind, Priority, SHARE, SlotReservation};

use crate::{Deps, Failure};

/// How long after a customer's message any text may be sent to them over `WhatsApp` (twilio/CONTRACT.md 5.3), with five
/// minutes to spare for the way.
const WINDOW_SECONDS: u32 = 24 * 3_600 - 300;

/// After how many seconds a skill is read again that cannot be used.
const REPAIR_SECONDS: u32 = 300;

/// Over how many of its slots the calls are spread that wait for a provider's pace.
const WAITING_SHARDS: u8 = 60;

/// Longest wait for a slot inside the invocation.
const LONGEST_WAIT_MILLIS: i64 = 3_000;

/// Whether any text may be sent over `WhatsApp`, or only a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhatsAppWindow {
    /// The customer wrote less than 24 hours ago.
    Open,
    /// They did not.
    Closed,
}

impl WhatsAppWindow {
    /// The window after the customer's last message.
    pub(crate) fn new(last_received_at: Option<Timestamp>, now: Timestamp) -> Self {
        match last_received_at {
            Some(at) if now < at.plus_seconds(WINDOW_SECONDS) => Self::Open,
            _ => Self::Closed,
        }
    }
}

/// The addresses over which a leg reaches the customer, which were accepted as the requester wrote them. For a web chat,
/// which has none, those that are known of them.
pub(crate) fn addresses(interaction: &Interaction, leg: &Leg) -> Result<Vec<Address>, String> {
    match receiver::address(leg) {
        Ok(Some(address)) => Ok(vec![address]),
        Ok(None) => Ok(receiver::known(interaction).collect()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a customer may be contacted over this leg now.
pub(crate) async fn clearance(
    deps: &Deps,
    interaction: &Interaction,
    leg: &Leg,
    addresses: &Result<Vec<Address>, String>,
    window: WhatsAppWindow,
    now: Timestamp,
) -> Result<Clearance, Failure> {
    let addresses = match addresses {
        Ok(addresses) => addresses,
        Err(reason) => return Ok(denied(reason)),
    };
    if is_opted_out(deps, interaction, addresses).await? {
        return Ok(Clearance::OptedOut);
    }
    let is_text = !matches!(leg.content, Content::Template { .. });
    if leg.channel == Channel::Whatsapp && leg.back_end == "twilio" && is_text && window == WhatsAppWindow::Closed {
        return Ok(denied(
            "over WhatsApp a text may be sent only within 24 hours of the customer's last message, and the skill has no template",
        ));
    }
    match hours(deps, interaction, addresses, now).await? {
        Clearance::Granted => {}
        other => return Ok(other),
    }
    let paced = pace(deps, interaction, leg, now).await?;
    // A STOP may have come during the wait for a slot.
    if deps.interactions.clock.now() > now && is_opted_out(deps, interaction, addresses).await? {
        return Ok(Clearance::OptedOut);
    }
    Ok(paced)
}

/// Whether the customer has opted out over any channel: an opt-out by SMS holds for their e-mail address, too, as far as
/// the interaction knows both.
async fn is_opted_out(deps: &Deps, interaction: &Interaction, addresses: &[Address]) -> Result<bool, Failure> {
    let others = receiver::known(interaction).filter(|other| !addresses.contains(other));
    for address in addresses.iter().cloned().chain(others) {
        let (store, tenant) = (&deps.interactions.store, &interaction.key.tenant);
        if store.is_opted_out(tenant, &address).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Waits for the pace of the provider that places a call. Calls to employees come first: somebody waits for those. But not
/// without end: while they leave no slot, one in [`SHARE`] is for customers.
async fn pace(deps: &Deps, interaction: &Interaction, leg: &Leg, now: Timestamp) -> Result<Clearance, Failure> {
    let Some(account) = deps.back_ends.caller(leg) else {
        return Ok(Clearance::Granted);
    };
    let (store, provider) = (&deps.interactions.store, account.provider().as_str());
    let interval = account.call_interval();
    // Spread: those that wait for the same slot must not all come back at the same time.
    let spread = i64::from(interaction.key.id.shard(WAITING_SHARDS)) * interval.max(1_000);
    let later = |at: Timestamp| Clearance::Held {
        at: at.plus_millis(spread),
        reason: format!("other calls over {provider} come first"),
    };
    let at = match store.reserve_slot(provider, interval, Priority::Retry, now).await? {
        SlotReservation::Reserved(at) => at,
        SlotReservation::RetryAt(at) => {
            let shared = store.reserve_share(provider, interval, now).await?;
            // Urgent calls have all slots that are near.
            let Some(shared) = shared.filter(|shared| *shared <= now.plus_millis(LONGEST_WAIT_MILLIS)) else {
                return Ok(later(at.min(now.plus_millis(interval.saturating_mul(SHARE)))));
            };
            deps.interactions.clock.sleep_until(shared).await;
            return Ok(Clearance::Granted);
        }
    };
    deps.interactions.clock.sleep_until(at).await;
    // An urgent call may have taken the slot during the wait.
    if at > now && store.is_slot_taken(provider, at).await? {
        return Ok(later(deps.interactions.clock.now()));
    }
    Ok(Clearance::Granted)
}

fn denied(reason: &str) -> Clearance {
    Clearance::Denied {
        reason: reason.to_owned(),
    }
}

/// The skill as it is now: hours that were changed hold for what was planned before. Or why it cannot be read. It was
/// there when the interaction was created, so an operator can repair what was deleted or broken.
async fn skill(deps: &Deps, interaction: &Interaction) -> Result<Result<Skill, String>, Failure> {
    let missing = || Err("the skill does not exist any more, so its hours are unknown".to_owned());
    let Ok(name) = interaction.parties.skill.parse() else {
        return Ok(missing());
    };
    let key = DocumentKey {
        tenant: interaction.key.tenant.clone(),
        kind: DocumentKind::Skill,
        name,
    };
    let Some(stored) = deps.interactions.store.document(&key).await? else {
        return Ok(missing());
    };
    let document = serde_json::from_str(&stored.document).unwrap_or_default();
    Ok(Skill::from_stored(&document).map_err(|issues| {
        let first = issues.first().map(ToString::to_string).unwrap_or_default();
        format!("the skill is invalid, so its hours are unknown: {first}")
    }))
}

/// Whether it is a permitted hour.
async fn hours(
    deps: &Deps,
    interaction: &Interaction,
    addresses: &[Address],
    now: Timestamp,
) -> Result<Clearance, Failure> {
    if interaction.plan.hours_bypass.is_some() {
        return Ok(Clearance::Granted);
    }
    match skill(deps, interaction).await? {
        Ok(skill) => Ok(hours_of(&skill, interaction, addresses, now)),
        Err(reason) => {
            let name = &interaction.parties.skill;
            tracing::error!(
                skill = name,
                reason,
                "the hours of a skill are unknown: what is planned waits for the skill"
            );
            let at = now.plus_seconds(REPAIR_SECONDS);
            Ok(Clearance::Held { at, reason })
        }
    }
}

fn hours_of(skill: &Skill, interaction: &Interaction, addresses: &[Address], now: Timestamp) -> Clearance {
    let Some(hours) = &skill.hours else {
        return Clearance::Granted;
    };
    // The receiver of an e-mail is where their phone is.
    let phone = addresses.iter().find_map(|address| match address {
        Address::Phone(phone) => Some(phone.clone()),
        Address::Email(_) => PhoneNumber::parse(&interaction.parties.customer.phone).ok(),
    });
    let window = match hours.window(phone.as_ref(), interaction.plan.time_zone.as_deref()) {
        Ok(window) => window,
        Err(error) => return denied(&error.to_string()),
    };
    match window.next_open(now) {
        Some(at) if at <= now => Clearance::Granted,
        Some(at) => Clearance::Later {
            at,
            reason: "outside of the skill's hours".to_owned(),
        },
        None => Clearance::NoHour {
            reason: "the skill's hours are never open in all time zones in which the customer may be".to_owned(),
        },
    }
}
