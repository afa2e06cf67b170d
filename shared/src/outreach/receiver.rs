//! Whom a leg reaches. What a requester wrote was accepted as it is, so it may be no possible address.

use crate::interaction::{Channel, Content, Interaction, Leg};
use crate::phone::{PhoneNumber, PhoneNumberError};
use crate::providers::ses::{EmailAddress, InvalidAddress};
use crate::store::Address;

/// Nobody can be reached at the address of a leg.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReceiver {
    /// It is to be a phone number.
    #[error("the customer's phone number is invalid: {0}")]
    Phone(PhoneNumberError),
    /// It is to be an e-mail address.
    #[error("the customer's e-mail address is invalid: {0}")]
    Email(InvalidAddress),
}

/// The phone that a leg calls or writes to.
///
/// # Errors
/// It is no phone number.
pub fn phone(leg: &Leg) -> Result<PhoneNumber, InvalidReceiver> {
    PhoneNumber::parse(&leg.to).map_err(InvalidReceiver::Phone)
}

/// The e-mail address that a leg writes to.
///
/// # Errors
/// It is no e-mail address.
pub fn email(leg: &Leg) -> Result<EmailAddress, InvalidReceiver> {
    EmailAddress::parse(&leg.to).map_err(InvalidReceiver::Email)
}

/// The address that a leg reaches, which for a link to a web chat is that of the message; `None` for a web chat without
/// one.
///
/// # Errors
/// The address is impossible.
pub fn address(leg: &Leg) -> Result<Option<Address>, InvalidReceiver> {
    let channel = match &leg.content {
        Content::ChatLink { by, .. } => *by,
        _ => leg.channel,
    };
    match channel {
        Channel::Call | Channel::Sms | Channel::Whatsapp => phone(leg).map(Address::Phone).map(Some),
        Channel::Email => email(leg).map(Address::Email).map(Some),
        Channel::Webchat => Ok(None),
    }
}

/// The addresses that are known of the customer of an interaction, as far as they are possible.
pub fn known(interaction: &Interaction) -> impl Iterator<Item = Address> {
    let customer = &interaction.parties.customer;
    let phone = PhoneNumber::parse(&customer.phone).ok().map(Address::Phone);
    let email = EmailAddress::parse(&customer.email).ok().map(Address::Email);
    phone.into_iter().chain(email)
}
