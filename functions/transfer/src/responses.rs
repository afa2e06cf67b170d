//! `TwiML` responses: what callers hear, and which verb follows.

use patchbay::context::{ContextData, Price, Purchase, TransactionType};
use patchbay::dispatch::employee::Language;
use patchbay::providers::twilio::twiml::{Dial, Pay, Prompt, Say, Twiml, Verb};
use patchbay::speech;
use patchbay::web::transfer::TransferCall;

use crate::Deps;

/// Maximum characters of a name, of a spoken description, and of the description that the processor shows.
const MAX_NAME: usize = 80;
const MAX_DESCRIPTION: usize = 600;
const MAX_STATEMENT: usize = 150;
/// Seconds to wait for the next key: people read the digits off their cards.
const KEY_TIMEOUT: u32 = 10;
/// Seconds to let the next agent's phone ring.
const RING_TIMEOUT: u32 = 30;

/// A Twilio voice and its language.
#[derive(Clone, Copy, Debug)]
struct Voice {
    voice: &'static str,
    language: &'static str,
}

/// Personas and their Twilio voices. The first one is the documented default, used for every unknown persona.
const PERSONAS: [(&str, Voice); 4] = [
    ("english-jessica", voice("Polly.Joanna-Neural", "en-US")),
    ("english-matthew", voice("Polly.Matthew-Neural", "en-US")),
    ("british-amy", voice("Polly.Amy-Neural", "en-GB")),
    ("british-brian", voice("Polly.Brian-Neural", "en-GB")),
];

const fn voice(voice: &'static str, language: &'static str) -> Voice {
    Voice { voice, language }
}

impl Voice {
    fn for_persona(persona: &str) -> Self {
        let [(_, first), ..] = PERSONAS;
        let named = PERSONAS
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(persona));
        named.map_or(first, |(_, voice)| voice)
    }

    fn say(self, text: impl Into<String>) -> Say {
        Say {
            voice: self.voice,
            language: self.language,
            text: text.into(),
        }
    }
}

/// The persona if it has a voice, else the default. Persona names are carried in URLs, so an agent's text must not
/// pass.
pub(crate) fn supported_persona(persona: &str) -> &'static str {
    let [(first, _), ..] = PERSONAS;
    let named = PERSONAS
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(persona));
    named.map_or(first, |(name, _)| name)
}

/// Says `text` and ends the call.
fn farewell(voice: Voice, text: &str) -> Twiml {
    Twiml(vec![Verb::Say(voice.say(text)), Verb::Hangup])
}

/// The reference is invalid: the number's webhook URL is wrong, or was signed with a retired key.
pub(crate) fn not_set_up() -> Twiml {
    farewell(
        Voice::for_persona(""),
        "Sorry, this number is not set up correctly. Goodbye.",
    )
}

/// The caller's number is withheld or unusable.
pub(crate) fn no_number() -> Twiml {
    let text = "Sorry, we could not see the number that you are calling from, so we cannot tell what this call is \
        about. Please call again with your number shown. Goodbye.";
    farewell(Voice::for_persona(""), text)
}

/// The caller has no context, or it has expired.
pub(crate) fn no_context() -> Twiml {
    let text = "Sorry, there is no payment waiting for the number that you are calling from. Goodbye.";
    farewell(Voice::for_persona(""), text)
}

/// DynamoDB is unavailable, so the caller's context is unknown.
pub(crate) fn unavailable() -> Twiml {
    let text = "Sorry, we cannot take your payment at the moment. You have not been charged. Please try again later. \
        Goodbye.";
    farewell(Voice::for_persona(""), text)
}

/// DynamoDB became unavailable before the payment.
pub(crate) const PAYMENT_UNAVAILABLE: &str =
    "Sorry, we cannot take your payment at the moment. You have not been charged.";
/// The purchase is already paid.
pub(crate) const ALREADY_PAID: &str = "This has been paid already. Thank you.";

/// There is nothing to pay: the caller is only connected to the next agent.
pub(crate) const NOTHING_TO_PAY: &str = "Hello. There is nothing to pay.";

/// Another call from the same number is paying.
pub(crate) const OTHER_CALL_PAYING: &str = "A payment was begun in another call. If that was interrupted, please call \
    again in half an hour. You have not been charged in this call.";

/// The greeting, and the payment in the context.
pub(crate) fn pay(deps: &Deps, call: &TransferCall, context: &ContextData, purchase: &Purchase) -> Twiml {
    let voice = Voice::for_persona(&call.persona);
    let action = deps.callbacks.payment_url(call);
    // Converted to speech before truncation, so that no character reference or tag is cut in the middle.
    let truncate = |text: &str, limit| -> String { speech::spoken(text, Language::EnUs).chars().take(limit).collect() };
    let what = truncate(&purchase.description, MAX_DESCRIPTION);
    let (vendor, price) = (truncate(&purchase.vendor, MAX_NAME), purchase.price);
    let purpose = match purchase.transaction_type {
        TransactionType::Once => format!("You are about to pay {} to {vendor} for: {what}.", dollars(price)),
        TransactionType::Authorize => {
            format!("We are going to register your card for {vendor}, for: {what}. You are not charged now.")
        }
        TransactionType::Subscription => {
            format!(
                "We are going to register your card for your subscription at {vendor}: {what}. You are not charged now."
            )
        }
    };
    let greeting = match truncate(&context.full_name, MAX_NAME) {
        name if !name.contains(char::is_alphanumeric) => "Hello.".to_owned(),
        name => format!("Hello {name}."),
    };
    let explanation = "You can stop at any time with the star key.";
    let parameters = match purchase.customer_id.trim() {
        "" => vec![],
        id => vec![("customer_id", id.to_owned())],
    };
    let pay = Pay {
        action: action.clone(),
        connector: deps.pay.connector.clone(),
        charge: match purchase.transaction_type {
            TransactionType::Once => Some(price.charge_amount()),
            TransactionType::Authorize | TransactionType::Subscription => None,
        },
        description: truncate(&format!("{vendor}: {what}"), MAX_STATEMENT),
        max_attempts: deps.pay.max_attempts,
        timeout: KEY_TIMEOUT,
        language: voice.language,
        prompts: prompts(voice),
        parameters,
    };
    Twiml(vec![
        Verb::Say(voice.say(format!("{greeting} {purpose} {explanation}"))),
        Verb::Pay(Box::new(pay)),
        // After a failed payment Twilio either requests the action or continues here; its documentation says both.
        Verb::Redirect(action),
    ])
}

fn dollars(price: Price) -> String {
    format!("${}", price.charge_amount())
}

/// The prompt of each step, in the persona's voice.
fn prompts(voice: Voice) -> Vec<Prompt> {
    let steps = [
        ("payment-card-number", "Please enter the number of your card."),
        (
            "expiration-date",
            "Please enter the month and the year in which your card expires, with two digits each.",
        ),
        ("security-code", "Please enter the security code of your card."),
        (
            "postal-code",
            "Please enter the postal code of your billing address, then press pound.",
        ),
    ];
    let mut prompts: Vec<Prompt> = Vec::with_capacity(2 * steps.len() + 1);
    for (step, text) in steps {
        for (attempts, text) in [("1", text.to_owned()), ("2 3", format!("That did not work. {text}"))] {
            let say = voice.say(text);
            prompts.push(Prompt { step, attempts, say });
        }
    }
    prompts.push(Prompt {
        step: "payment-processing",
        attempts: "1 2 3",
        say: voice.say("One moment, please."),
    });
    prompts
}

/// Redirects to the next step without a word, with the outcome that could not be stored.
pub(crate) fn redirect(deps: &Deps, call: &TransferCall) -> Twiml {
    Twiml(vec![Verb::Redirect(deps.callbacks.hand_back_url(call))])
}

/// Says `text` and connects the caller to the next agent; says goodbye if there is none.
pub(crate) fn connect(deps: &Deps, call: &TransferCall, text: &str) -> Twiml {
    let voice = Voice::for_persona(&call.persona);
    let Some(callback) = &call.callback else {
        return farewell(voice, &format!("{text} Goodbye."));
    };
    let action = deps.callbacks.hand_back_url(call);
    Twiml(vec![
        Verb::Say(voice.say(format!("{text} You are now being connected."))),
        Verb::Dial(Dial {
            number: callback.as_str().to_owned(),
            action,
            timeout: RING_TIMEOUT,
        }),
    ])
}

/// The next agent could not be reached.
pub(crate) fn not_reached(call: &TransferCall) -> Twiml {
    let text = "Sorry, we could not connect you. Please call again. Goodbye.";
    farewell(Voice::for_persona(&call.persona), text)
}

/// Ends the call without a word.
pub(crate) fn hang_up() -> Twiml {
    Twiml(vec![Verb::Hangup])
}
