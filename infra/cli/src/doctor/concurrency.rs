//! Check of the account's Lambda concurrency.

use super::finding::Finding;
use super::functions::Settings;
use crate::aws::Clients;

/// Sufficient for a few tickets at a time, each with its calls, statuses and keys, and for two queues with five
/// invocations each.
const ENOUGH: u32 = 50;

/// Checks the concurrency that the account leaves to functions without a reservation, such as ours.
pub(super) async fn check(clients: &Clients, settings: &Settings) -> Finding {
    let check = "concurrency";
    let count = match clients.lookup.unreserved_concurrency().await {
        Ok(count) => count,
        Err(error) => return Finding::not_checked(check, &error),
    };
    if count >= ENOUGH {
        return Finding::ok(check, format!("{count} concurrent executions in the account"));
    }
    let message = format!(
        "only {count} concurrent executions in the account (a new account has 10): keys that employees press are lost \
         when functions are throttled"
    );
    let fix = settings.fixes.aws(
        "service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value \
         1000    # quota 'Concurrent executions'",
    );
    Finding::warn(check, message, fix)
}
