//! The variables of each platform.

use super::*;

fn read(variables: &[(&'static str, &'static str)]) -> Result<Settings, String> {
    let get = |name: &'static str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::read(get).map_err(|error| error.to_string())
}

const SANGOMA: [(&str, &str); 2] = [(PLATFORM, "sangoma"), (TENANT_DOMAIN, "acme.cx.sangoma.com")];
const CHATWOOT: [(&str, &str); 3] = [
    (PLATFORM, "chatwoot"),
    (CHATWOOT_URL, "https://chat.example.org"),
    (CHATWOOT_ACCOUNT, "12"),
];

#[test]
fn sangoma_has_defaults_for_paths_and_endpoints() {
    let Ok(Settings::Sangoma(settings)) = read(&SANGOMA) else {
        panic!("refused")
    };
    assert_eq!(settings.tenant_domain, "acme.cx.sangoma.com");
    assert_eq!(settings.generation, sangoma::Generation::New);
    assert_eq!(settings.endpoints, sangoma::Endpoints::default());

    let others = [
        (PATHS, "old"),
        (SANGOMA_AUTH_URL, "http://a"),
        (SANGOMA_API_URL, "http://b"),
    ];
    let Ok(Settings::Sangoma(settings)) = read(&[&SANGOMA[..], &others].concat()) else {
        panic!("refused")
    };
    assert_eq!(settings.generation, sangoma::Generation::Old);
    assert_eq!(
        (settings.endpoints.auth.as_str(), settings.endpoints.api.as_str()),
        ("http://a", "http://b")
    );
}

#[test]
fn chatwoot_needs_its_url_and_account() {
    let Ok(Settings::Chatwoot(settings)) = read(&CHATWOOT) else {
        panic!("refused")
    };
    assert_eq!(
        (settings.url.as_str(), settings.account.as_str()),
        ("https://chat.example.org", "12")
    );
}

#[test]
fn missing_and_invalid_variables_are_named() {
    let with = |base: &[(&'static str, &'static str)], name, value| {
        let kept = base.iter().copied().filter(|(known, _)| *known != name);
        let variables: Vec<_> = kept.chain([(name, value)]).collect();
        read(&variables).err().unwrap_or_default()
    };
    assert_eq!(
        read(&[]).err().unwrap_or_default(),
        "the environment variable PATCHBAY_CHAT_PLATFORM is not set"
    );
    assert_eq!(
        read(&SANGOMA[..1]).err().unwrap_or_default(),
        "the environment variable PATCHBAY_SANGOMA_TENANT_DOMAIN is not set"
    );
    assert_eq!(
        with(&[], PLATFORM, "none"),
        "PATCHBAY_CHAT_PLATFORM must be sangoma or chatwoot"
    );
    assert_eq!(
        with(&SANGOMA, PATHS, "newest"),
        "PATCHBAY_SANGOMA_PATHS must be new or old"
    );
    assert_eq!(
        with(&CHATWOOT, CHATWOOT_URL, "chat"),
        "PATCHBAY_CHATWOOT_URL must begin with https://"
    );
    for account in ["acme", "1/2", "-1"] {
        let expected = "PATCHBAY_CHATWOOT_ACCOUNT must be the number of the account";
        assert_eq!(with(&CHATWOOT, CHATWOOT_ACCOUNT, account), expected);
    }
}

#[test]
fn client_is_built_from_the_secret_of_its_platform() {
    let config = |variables: &[(&'static str, &'static str)]| ChatConfig {
        http: HttpClient::new(Outbound::lazy(Targets::any(), TIMEOUT)),
        settings: read(variables).expect("valid"),
    };
    let sangoma = config(&SANGOMA);
    assert_eq!(
        (sangoma.platform(), sangoma.secret()),
        (Platform::Sangoma, SANGOMA_CREDENTIALS_PARAM)
    );
    assert_eq!(
        sangoma
            .client(&Secret::new("id:secret"))
            .map(|client| client.platform())
            .ok(),
        Some(Platform::Sangoma)
    );
    let chatwoot = config(&CHATWOOT);
    assert_eq!(
        (chatwoot.platform(), chatwoot.secret()),
        (Platform::Chatwoot, CHATWOOT_TOKENS_PARAM)
    );
    assert_eq!(
        chatwoot
            .client(&Secret::new("token"))
            .map(|client| client.platform())
            .ok(),
        Some(Platform::Chatwoot)
    );
    let error = sangoma
        .client(&Secret::new("id"))
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        error.starts_with("PATCHBAY_SANGOMA_CREDENTIALS_PARAM must name"),
        "{error}"
    );
}
