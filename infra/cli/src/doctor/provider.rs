//! Checks of the providers that phone employees or contact customers: credentials and balance. No call is placed.

use patchbay::phone::PhoneNumber;
use patchbay::providers::routee::{Routee, TokenError};
use patchbay::providers::twilio::calls::{ApiError, Balance, Twilio};
use patchbay::voice::Provider;

use super::finding::Finding;
use super::fix::SecretSource;
use super::functions::Settings;
use super::secrets::Secrets;
use crate::aws::Clients;

/// A fictional number. The check lists the calls to it; there are none.
const UNUSED_NUMBER: &str = "+12025550199";
/// A lower balance is a warning. In the account's currency: enough for some hundred calls, fewer where they are
/// expensive.
const LOW_BALANCE: f64 = 5.0;
/// Appended to commands that set new credentials.
const TAKES_EFFECT: &str = "    # the dialer loads them within 5 min";

pub(super) async fn check(clients: &Clients, settings: &Settings, secrets: Secrets) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_other = |provider: &Provider| {
        let credentials = match provider {
            Provider::Routee => &settings.routee_credentials,
            Provider::Twilio => &settings.twilio_credentials,
        };
        credentials.is_some() && !settings.phones_over(*provider)
    };
    let others = Provider::ALL.into_iter().filter(is_other);
    for provider in settings.providers.iter().copied().chain(others) {
        match provider {
            Provider::Routee => findings.push(routee(clients, settings, &secrets).await),
            Provider::Twilio => findings.extend(twilio(clients, settings, &secrets).await),
        }
    }
    findings
}

/// Fetches an access token and discards it.
async fn routee(clients: &Clients, settings: &Settings, secrets: &Secrets) -> Finding {
    let check = "routee";
    let Some(credentials) = secrets.credentials.clone() else {
        let message = "not checked: the credentials are unknown";
        return Finding::warn(check, message, "fix secret.routee-credentials, see above");
    };
    let auth = settings.routee.auth.clone();
    let routee = Routee::new(
        clients.http.clone(),
        clients.clock.clone(),
        credentials,
        settings.routee.clone(),
    );
    let parameter = settings.routee_credentials.as_deref().unwrap_or_default();
    match routee.authenticate().await {
        Ok(()) => Finding::ok(check, format!("{auth} accepts the credentials; no call was placed")),
        Err(error @ TokenError::Rejected { .. }) => {
            let value = SecretSource::Prompted("APPLICATION_ID:APPLICATION_SECRET");
            let put = settings.fixes.put_secret(parameter, value, "--overwrite ");
            Finding::fail(check, error.to_string(), format!("{put}{TAKES_EFFECT}"))
        }
        Err(error) => Finding::fail(check, error.to_string(), format!("curl -i {auth}/oauth/token")),
    }
}

/// Requests the balance. If there is none, as for a subaccount, listing calls proves the credentials.
async fn twilio(clients: &Clients, settings: &Settings, secrets: &Secrets) -> Vec<Finding> {
    let check = "twilio";
    let Some(credentials) = &secrets.twilio_credentials else {
        let message = "not checked: the credentials are unknown";
        return vec![Finding::warn(
            check,
            message,
            "fix secret.twilio-credentials, see above",
        )];
    };
    let twilio = Twilio::new(clients.http.clone(), credentials, &settings.twilio);
    let accepted = || {
        Finding::ok(
            check,
            format!("{} accepts the credentials; no call was placed", settings.twilio),
        )
    };
    let balance_error = match twilio.balance().await {
        Ok(balance) => return vec![accepted(), check_balance(&balance)],
        Err(error) => error,
    };
    let calls = match PhoneNumber::parse(UNUSED_NUMBER) {
        Ok(number) => twilio.calls_to(&number).await,
        Err(_) => return vec![credentials_finding(settings, &balance_error)],
    };
    match calls {
        Ok(_) => {
            let message =
                format!("not available, as for a subaccount or a key without the permission: {balance_error}");
            vec![accepted(), Finding::ok("twilio.balance", message)]
        }
        Err(error) => vec![credentials_finding(settings, &error)],
    }
}

fn credentials_finding(settings: &Settings, error: &ApiError) -> Finding {
    let message = format!("{} rejects the credentials: {error}", settings.twilio);
    // Only the status distinguishes rejected credentials from a provider that is down.
    if ["status 401", "status 403", "status 404"]
        .iter()
        .any(|status| error.detail.starts_with(status))
    {
        let parameter = settings.twilio_credentials.as_deref().unwrap_or_default();
        let value = SecretSource::Prompted("ACCOUNT_SID:API_KEY_SID:API_KEY_SECRET");
        let put = settings.fixes.put_secret(parameter, value, "--overwrite ");
        return Finding::fail("twilio", message, format!("{put}{TAKES_EFFECT}"));
    }
    let message = format!(
        "{} did not answer whether the credentials are valid: {error}",
        settings.twilio
    );
    Finding::fail("twilio", message, format!("curl -i {}/2010-04-01", settings.twilio))
}

fn check_balance(balance: &Balance) -> Finding {
    let check = "twilio.balance";
    let Balance { balance, currency } = balance;
    let fix = "add funds in Twilio's console under Billing, and enable auto recharge";
    match balance.trim().parse::<f64>() {
        Ok(left) if left <= 0.0 => {
            let message = format!("{balance} {currency} left: Twilio places no calls");
            Finding::fail(check, message, fix)
        }
        Ok(left) if left < LOW_BALANCE => Finding::warn(check, format!("{balance} {currency} left, which is low"), fix),
        Ok(left) if left.is_finite() => Finding::ok(check, format!("{balance} {currency} left")),
        _ => Finding::warn(
            check,
            format!("not checked: the balance {balance} is not an amount"),
            "check Billing in Twilio's console",
        ),
    }
}
