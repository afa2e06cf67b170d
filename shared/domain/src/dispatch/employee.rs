//! Employees: the people who are phoned.

use serde::{Deserialize, Serialize};

use crate::phone::PhoneNumber;
use crate::timestamp::Timestamp;

/// Maximum number of employees in a dispatch: a decision that skips every employee twice still fits into one DynamoDB
/// transaction (100 items).
pub const MAX_EMPLOYEES: usize = 40;

/// A language that every voice provider speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant is named after its language tag")]
pub enum Language {
    #[default]
    #[serde(rename = "en-US")]
    EnUs,
    #[serde(rename = "de-DE")]
    DeDe,
    #[serde(rename = "fr-FR")]
    FrFr,
    #[serde(rename = "it-IT")]
    ItIt,
    #[serde(rename = "pt-BR")]
    PtBr,
    #[serde(rename = "es-ES")]
    EsEs,
    #[serde(rename = "es-LA")]
    EsLa,
    #[serde(rename = "en-GB")]
    EnGb,
    #[serde(rename = "el-GR")]
    ElGr,
    #[serde(rename = "bg-BG")]
    BgBg,
    #[serde(rename = "pl-PL")]
    PlPl,
    #[serde(rename = "hu-HU")]
    HuHu,
    #[serde(rename = "sv-SE")]
    SvSe,
    #[serde(rename = "ru-RU")]
    RuRu,
}

impl Language {
    /// All languages, in the order of the provider's contract.
    pub const ALL: [Self; 14] = [
        Self::EnUs,
        Self::DeDe,
        Self::FrFr,
        Self::ItIt,
        Self::PtBr,
        Self::EsEs,
        Self::EsLa,
        Self::EnGb,
        Self::ElGr,
        Self::BgBg,
        Self::PlPl,
        Self::HuHu,
        Self::SvSe,
        Self::RuRu,
    ];
}

/// The gender of a voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the provider's two voices")]
pub enum Gender {
    Male,
    Female,
}

/// A period in which an employee is on duty, from `from` until just before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Duty {
    /// Start of the period, inclusive.
    pub from: Timestamp,
    /// End of the period, exclusive.
    pub until: Timestamp,
}

/// Daily hours in which an employee is not phoned, on a clock that is `utc_offset_minutes` ahead of UTC. A `from` later
/// than `until` spans midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct QuietHours {
    /// First quiet minute of the day, 0 to 1439.
    pub from_minute: u16,
    /// First minute of the day that is not quiet, 0 to 1439.
    pub until_minute: u16,
    /// Minutes that the employee's clock is ahead of UTC, -720 to 840.
    pub utc_offset_minutes: i16,
}

/// A person who can be phoned. Copied into the dispatch, so a change of the roster never affects a running dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Employee {
    /// The requester's id for this person, part of every notification; unique in the dispatch.
    pub id: String,
    /// The person's name, in timelines and in "Anna has already accepted this ticket".
    pub name: String,
    /// The number that is called.
    pub phone: PhoneNumber,
    /// Language of the texts around the ticket, and of the voice.
    pub language: Option<Language>,
    /// Voice that reads the ticket.
    pub voice: Option<Gender>,
    /// Periods in which the person is on duty; empty means always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_duty: Vec<Duty>,
    /// Daily hours in which the person is not phoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The person wants no calls at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opted_out: bool,
    /// It has not been verified that the number belongs to this person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
}
