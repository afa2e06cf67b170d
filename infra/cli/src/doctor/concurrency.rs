//! How many functions may run at a time.

use super::finding::Finding;
use super::functions::Settings;
use crate::aws::Clients;

/// A few tickets at a time, each with its calls, statuses and keys, and two queues of which each takes five.
const ENOUGH: u32 = 50;

/// What the account leaves to functions that have nothing reserved, as ours.
pub(super) async fn check(clients: &Clients, settings: &Settings) -> Finding {
    let check = "concurrency";
    let count = match clients.lookup.unreserved_concurrency().await {
        Ok(count) => count,
        Err(error) => return Finding::not_checked(check, &error),
    };
    if count >= ENOUGH {
        return Finding::ok(check, format!("{count} functions of the account may run at a time"));
    }
    let what = format!(
        "only {count} functions of the account may run at a time (a new one may run 10): keys that employees press are \
         lost when the functions are throttled"
    );
    let mend = settings.mends.aws(
        "service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value \
         1000    # the quota 'Concurrent executions'",
    );
    Finding::warn(check, what, mend)
}
