//! The people who are phoned.

use serde::{Deserialize, Serialize};

use crate::phone::PhoneNumber;
use crate::timestamp::Timestamp;

/// Most employees that one dispatch may list: a decision that passes over everybody twice still fits into one
/// transaction (100 items).
pub const MAX_EMPLOYEES: usize = 40;

/// A language that every voice provider speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "a language tag says what it is")]
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
    /// All of them, in the contract's order.
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

/// A voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the provider's two voices")]
pub enum Gender {
    Male,
    Female,
}

/// A stretch of time during which an employee is on duty: from `from` until just before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    /// First moment.
    pub from: Timestamp,
    /// First moment after it.
    pub until: Timestamp,
}

/// Hours of every day in which an employee is not phoned, on a clock that is `utc_offset_minutes` ahead of UTC.
/// `from` later than `until` spans midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct QuietHours {
    /// First quiet minute of the day, 0 to 1439.
    pub from_minute: u16,
    /// First minute of the day that is not quiet, 0 to 1439.
    pub until_minute: u16,
    /// Minutes that the employee's clock is ahead of UTC, -720 to 840.
    pub utc_offset_minutes: i16,
}

/// Somebody who can be phoned. Copied into the dispatch, so that a change of the roster never disturbs a running one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Employee {
    /// The requester's own name for this person, given back in every notification; unique in the dispatch.
    pub id: String,
    /// What the person is called, in timelines and in "Anna has it".
    pub name: String,
    /// Where the person is phoned.
    pub phone: PhoneNumber,
    /// Language of the texts around the ticket, and of the voice.
    pub language: Option<Language>,
    /// Voice that reads the ticket.
    pub voice: Option<Gender>,
    /// When the person is on duty; empty means always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_duty: Vec<Duty>,
    /// When the person is not to be woken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The person wants no calls at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opted_out: bool,
    /// Nobody has shown yet that the number is this person's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
}
