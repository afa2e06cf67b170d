//! What is said around a ticket, in every language of the provider.

use super::employee::Language;

/// The language's tag on the wire, such as `en-US`.
pub const fn tag(language: Language) -> &'static str {
    match language {
        Language::EnUs => "en-US",
        Language::DeDe => "de-DE",
        Language::FrFr => "fr-FR",
        Language::ItIt => "it-IT",
        Language::PtBr => "pt-BR",
        Language::EsEs => "es-ES",
        Language::EsLa => "es-LA",
        Language::EnGb => "en-GB",
        Language::ElGr => "el-GR",
        Language::BgBg => "bg-BG",
        Language::PlPl => "pl-PL",
        Language::HuHu => "hu-HU",
        Language::SvSe => "sv-SE",
        Language::RuRu => "ru-RU",
    }
}
