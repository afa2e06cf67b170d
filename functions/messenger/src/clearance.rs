//! Whether a customer may be contacted now. Decided at the moment of sending: what was true when the interaction was
//! created may be wrong hours later.

use patchbay::clock::Timestamp;
use patchbay::interaction::{Channel, Clearance, Content, Interaction, Leg};
use patchbay::outreach::skill::Skill;
use patchbay::phone::PhoneNumber;
use patchbay::providers::ses::EmailAddress;
use patchbay::store::{Address, DocumentKey, DocumentKind, Priority, SlotReservation};

use crate::{Deps, Failure};

/// How long after a customer's message any text may be sent to them over `WhatsApp` (twilio/CONTRACT.md 5.3), with five
/// minutes to spare for the way.
const WINDOW_SECONDS: u32 = 24 * 3_600 - 300;

/// Over how many of its slots the calls are spread that wait for a provider's pace.
const WAITING_SHARDS: u8 = 60;

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
    let invalid = |what: &str, error: String| format!("the customer's {what} is invalid: {error}");
    match leg.channel {
        Channel::Call | Channel::Sms | Channel::Whatsapp => match PhoneNumber::parse(&leg.to) {
            Ok(phone) => Ok(vec![Address::Phone(phone)]),
            Err(error) => Err(invalid("phone number", error.to_string())),
        },
        Channel::Email => match EmailAddress::parse(&leg.to) {
            Ok(email) => Ok(vec![Address::Email(email)]),
            Err(error) => Err(invalid("e-mail address", error.to_string())),
        },
        Channel::Webchat => {
            let customer = &interaction.parties.customer;
            let phone = PhoneNumber::parse(&customer.phone).ok().map(Address::Phone);
            let email = EmailAddress::parse(&customer.email).ok().map(Address::Email);
            Ok(phone.into_iter().chain(email).collect())
        }
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
    let Some(skill) = skill(deps, interaction).await? else {
        return Ok(denied("the skill no longer exists, so its hours are unknown"));
    };
    match hours(&skill, interaction, addresses, now) {
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

async fn is_opted_out(deps: &Deps, interaction: &Interaction, addresses: &[Address]) -> Result<bool, Failure> {
    for address in addresses {
        if deps
            .interactions
            .store
            .is_opted_out(&interaction.key.tenant, address)
            .await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Waits for the pace of the provider that places a call. Calls to employees come first: somebody waits for those.
async fn pace(deps: &Deps, interaction: &Interaction, leg: &Leg, now: Timestamp) -> Result<Clearance, Failure> {
    let Some(account) = deps.back_ends.caller(leg) else {
        return Ok(Clearance::Granted);
    };
    let (store, provider) = (&deps.interactions.store, account.provider().as_str());
    let interval = account.call_interval();
    // Spread: those that wait for the same slot must not all come back at the same time.
    let spread = i64::from(interaction.key.id.shard(WAITING_SHARDS)) * interval.max(1_000);
    let later = |at: Timestamp| Clearance::Later {
        at: at.plus_millis(spread),
        reason: format!("other calls over {provider} come first"),
    };
    let at = match store.reserve_slot(provider, interval, Priority::Retry, now).await? {
        SlotReservation::Reserved(at) => at,
        SlotReservation::RetryAt(at) => return Ok(later(at)),
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

/// The skill as it is now: hours that were changed hold for what was planned before.
async fn skill(deps: &Deps, interaction: &Interaction) -> Result<Option<Skill>, Failure> {
    let Ok(name) = interaction.parties.skill.parse() else {
        return Ok(None);
    };
    let key = DocumentKey {
        tenant: interaction.key.tenant.clone(),
        kind: DocumentKind::Skill,
        name,
    };
    let Some(stored) = deps.interactions.store.document(&key).await? else {
        return Ok(None);
    };
    let document = serde_json::from_str(&stored.document).unwrap_or_default();
    Ok(Skill::from_stored(&document).ok())
}

/// Whether it is a permitted hour.
fn hours(skill: &Skill, interaction: &Interaction, addresses: &[Address], now: Timestamp) -> Clearance {
    let Some(hours) = &skill.hours else {
        return Clearance::Granted;
    };
    // The receiver of an e-mail is where their phone is.
    let phone = addresses.iter().find_map(|address| match address {
        Address::Phone(phone) => Some(phone.clone()),
        Address::Email(_) => PhoneNumber::parse(&interaction.parties.customer.phone).ok(),
    });
    let window = match hours.window(phone.as_ref()) {
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
