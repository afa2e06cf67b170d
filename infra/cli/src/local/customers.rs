//! The customers of `patchbay local`: what happens to messages and e-mails to them, and what they answer.

use patchbay::phone::{PhoneNumber, PhoneNumberError};
use patchbay_simulators::messages::{self, Mobiles};
use patchbay_simulators::ses::{self, Mailboxes};

/// Number, and what its owner does with SMS and `WhatsApp` messages.
type Mobile = (&'static str, &'static str, fn() -> messages::Habit);
/// Address, and what becomes of e-mail to it.
type Mailbox = (&'static str, &'static str, fn() -> ses::Habit);

const MOBILES: [Mobile; 4] = [
    ("+12025550150", r#"answers "Yes, thank you." after 20 s"#, || {
        messages::Habit::answers("Yes, thank you.", 20)
    }),
    ("+12025550151", "cannot be reached", messages::Habit::unreachable),
    ("+12025550152", "answers STOP after 10 s", || messages::Habit::stops(10)),
    ("+12025550153", "has opted out at Twilio", messages::Habit::opted_out),
];

const MAILBOXES: [Mailbox; 2] = [
    ("yes@example.org", "gets e-mail", ses::Habit::arrives),
    ("bounce@example.org", "does not exist", ses::Habit::bounces),
];

/// The mobile phones.
pub(super) fn mobiles() -> Result<Mobiles, PhoneNumberError> {
    MOBILES.iter().try_fold(Mobiles::new(), |mobiles, (number, _, habit)| {
        Ok(mobiles.with(PhoneNumber::from_e164(number)?, habit()))
    })
}

/// The mailboxes.
pub(super) fn mailboxes() -> Mailboxes {
    MAILBOXES
        .iter()
        .fold(Mailboxes::new(), |mailboxes, (address, _, habit)| {
            mailboxes.with(address, habit())
        })
}

/// One line for each customer.
pub(super) fn lines() -> impl Iterator<Item = String> {
    let mobiles = MOBILES.iter().map(|(number, what, _)| format!("{number} {what}"));
    mobiles.chain(MAILBOXES.iter().map(|(address, what, _)| format!("{address} {what}")))
}
