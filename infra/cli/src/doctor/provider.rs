//! The provider's credentials: a token is fetched, and nothing is done with it.

use patchbay::providers::routee::{Routee, TokenError};

use super::finding::Finding;
use super::functions::Settings;
use super::mend::Value;
use super::secrets::Secrets;
use crate::aws::Clients;

pub(super) async fn check(clients: &Clients, settings: &Settings, secrets: Secrets) -> Vec<Finding> {
    let check = "routee";
    let Some(credentials) = secrets.credentials else {
        let what = "not checked: its credentials are not known";
        return vec![Finding::warn(check, what, "mend secret.routee-credentials, see above")];
    };
    let auth = settings.routee.auth.clone();
    let routee = Routee::new(
        clients.http.clone(),
        clients.clock.clone(),
        credentials,
        settings.routee.clone(),
    );
    let parameter = settings.routee_credentials.as_deref().unwrap_or_default();
    vec![match routee.authenticate().await {
        Ok(()) => Finding::ok(check, format!("{auth} takes the credentials; no call was placed")),
        Err(error @ TokenError::Rejected { .. }) => {
            let value = Value::Known("APPLICATION_ID:APPLICATION_SECRET");
            let put = settings.mends.put_secret(parameter, value, "--overwrite ");
            let mend = format!("{put}    # the dialer takes them within 5 min");
            Finding::fail(check, error.to_string(), mend)
        }
        Err(error) => Finding::fail(check, error.to_string(), format!("curl -i {auth}/oauth/token")),
    }]
}
