//! The providers that phone employees: their credentials, and the money behind them. No call is placed.

use patchbay::phone::PhoneNumber;
use patchbay::providers::routee::{Routee, TokenError};
use patchbay::providers::twilio::calls::{ApiError, Balance, Twilio};
use patchbay::voice::Provider;

use super::finding::Finding;
use super::functions::Settings;
use super::mend::Value;
use super::secrets::Secrets;
use crate::aws::Clients;

/// A number for fiction: calls to it are looked for, and there are none.
const NOBODY: &str = "+12025550199";
/// Below this, in the currency of the account, its money is low: some hundred calls, fewer where calls are dear.
const LOW_BALANCE: f64 = 5.0;
/// What ends an operator's wait for new credentials.
const SOON: &str = "    # the dialer takes them within 5 min";

pub(super) async fn check(clients: &Clients, settings: &Settings, secrets: Secrets) -> Vec<Finding> {
    let mut findings = Vec::new();
    for provider in &settings.providers {
        match provider {
            Provider::Routee => findings.push(routee(clients, settings, &secrets).await),
            Provider::Twilio => findings.extend(twilio(clients, settings, &secrets).await),
        }
    }
    findings
}

/// A token is fetched, and nothing is done with it.
async fn routee(clients: &Clients, settings: &Settings, secrets: &Secrets) -> Finding {
    let check = "routee";
    let Some(credentials) = secrets.credentials.clone() else {
        let what = "not checked: its credentials are not known";
        return Finding::warn(check, what, "mend secret.routee-credentials, see above");
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
        Ok(()) => Finding::ok(check, format!("{auth} takes the credentials; no call was placed")),
        Err(error @ TokenError::Rejected { .. }) => {
            let value = Value::Known("APPLICATION_ID:APPLICATION_SECRET");
            let put = settings.mends.put_secret(parameter, value, "--overwrite ");
            Finding::fail(check, error.to_string(), format!("{put}{SOON}"))
        }
        Err(error) => Finding::fail(check, error.to_string(), format!("curl -i {auth}/oauth/token")),
    }
}

/// The balance is asked for; where there is none of its own, as in a subaccount, the list of calls proves the credentials.
async fn twilio(clients: &Clients, settings: &Settings, secrets: &Secrets) -> Vec<Finding> {
    let check = "twilio";
    let Some(credentials) = &secrets.twilio_credentials else {
        let what = "not checked: its credentials are not known";
        return vec![Finding::warn(check, what, "mend secret.twilio-credentials, see above")];
    };
    let twilio = Twilio::new(clients.http.clone(), credentials, &settings.twilio);
    let taken = || {
        Finding::ok(
            check,
            format!("{} takes the credentials; no call was placed", settings.twilio),
        )
    };
    let unknown = match twilio.balance().await {
        Ok(balance) => return vec![taken(), money(&balance)],
        Err(error) => error,
    };
    let calls = match PhoneNumber::parse(NOBODY) {
        Ok(nobody) => twilio.calls_to(&nobody).await,
        Err(_) => return vec![refused(settings, &unknown)],
    };
    match calls {
        Ok(_) => {
            let what = format!("its balance is not told, as of a subaccount, or by a key without the right: {unknown}");
            vec![taken(), Finding::ok("twilio.balance", what)]
        }
        Err(error) => vec![refused(settings, &error)],
    }
}

fn refused(settings: &Settings, error: &ApiError) -> Finding {
    let what = format!("{} does not take the credentials: {error}", settings.twilio);
    // A status is all that tells it from a provider that is down.
    if ["status 401", "status 403", "status 404"]
        .iter()
        .any(|status| error.detail.starts_with(status))
    {
        let parameter = settings.twilio_credentials.as_deref().unwrap_or_default();
        let value = Value::Known("ACCOUNT_SID:API_KEY_SID:API_KEY_SECRET");
        let put = settings.mends.put_secret(parameter, value, "--overwrite ");
        return Finding::fail("twilio", what, format!("{put}{SOON}"));
    }
    let what = format!(
        "{} does not say whether it takes the credentials: {error}",
        settings.twilio
    );
    Finding::fail("twilio", what, format!("curl -i {}/2010-04-01", settings.twilio))
}

fn money(balance: &Balance) -> Finding {
    let check = "twilio.balance";
    let Balance { balance, currency } = balance;
    let mend = "add money in Twilio's console, under Billing, and switch on auto recharge";
    match balance.trim().parse::<f64>() {
        Ok(left) if left <= 0.0 => {
            let what = format!("the account has {balance} {currency} left: no call is placed over Twilio");
            Finding::fail(check, what, mend)
        }
        Ok(left) if left < LOW_BALANCE => Finding::warn(
            check,
            format!("the account has {balance} {currency} left, which is low"),
            mend,
        ),
        Ok(left) if left.is_finite() => Finding::ok(check, format!("the account has {balance} {currency} left")),
        _ => Finding::warn(
            check,
            format!("not checked: {balance} is no amount"),
            "look at Billing in Twilio's console",
        ),
    }
}
