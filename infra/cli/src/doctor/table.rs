//! The table.

use patchbay::store::{Setup, Store, StoreError};

use super::finding::Finding;
use super::functions::Settings;
use super::mend::{Mends, word};
use super::unknown;
use crate::aws::Clients;

const KEYS: [&str; 2] = ["pk", "sk"];
const DAY_KEYS: [&str; 2] = ["day_pk", "day_sk"];
const DUE_KEYS: [&str; 2] = ["due_pk", "due_sk"];
const EXPIRES: &str = "expires";

pub(super) async fn check(clients: &Clients, settings: &Settings) -> Vec<Finding> {
    let Some(table) = &settings.table else {
        return vec![unknown("table", "the table's name", settings)];
    };
    let (store, mends) = (clients.store(table), &settings.mends);
    let setup = match store.setup().await {
        Ok(Some(setup)) => setup,
        Ok(None) => {
            let what = format!("there is no table {table}");
            return vec![Finding::fail("table", what, mends.deploy())];
        }
        Err(error) => return vec![unreadable("table", "describe-table", mends, table, &error)],
    };
    vec![
        keys(mends, table, &setup),
        time_to_live(&store, mends, table).await,
        recovery(&store, mends, table).await,
        protection(mends, table, &setup),
    ]
}

fn unreadable(check: &'static str, command: &str, mends: &Mends, table: &str, error: &StoreError) -> Finding {
    let mend = mends.aws(&format!(
        "dynamodb {command} --table-name {}    # is the right missing?",
        word(table)
    ));
    Finding::fail(check, error.to_string(), mend)
}

pub(super) fn keys(mends: &Mends, table: &str, setup: &Setup) -> Finding {
    let of_index = |keys: &Option<Vec<String>>| keys.clone().unwrap_or_default();
    let parts = [
        (table.to_owned(), setup.keys.clone(), KEYS),
        (
            format!("the index by_day of {table}"),
            of_index(&setup.index_keys),
            DAY_KEYS,
        ),
        (
            format!("the index by_due of {table}"),
            of_index(&setup.due_keys),
            DUE_KEYS,
        ),
    ];
    let wrong = parts.iter().find(|(_, keys, expected)| keys != expected);
    let Some((part, keys, expected)) = wrong else {
        return Finding::ok("table", format!("{table} has its keys and its indexes"));
    };
    let what = format!("{part} is keyed by {}, not by {}", words(keys), expected.join(", "));
    Finding::fail(
        "table",
        what,
        format!("is it the right table? else: {}", mends.deploy()),
    )
}

fn words(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

async fn time_to_live(store: &Store, mends: &Mends, table: &str) -> Finding {
    let check = "table.ttl";
    let mend = mends.aws(&format!(
        "dynamodb update-time-to-live --table-name {} --time-to-live-specification Enabled=true,AttributeName={EXPIRES}",
        word(table)
    ));
    match store.time_to_live().await {
        Ok(Some(attribute)) if attribute == EXPIRES => Finding::ok(check, "old dispatches are forgotten"),
        Ok(Some(attribute)) => Finding::fail(check, format!("items expire by {attribute}, not by {EXPIRES}"), mend),
        Ok(None) => Finding::fail(
            check,
            "nothing is ever forgotten: the table grows, and keeps numbers",
            mend,
        ),
        Err(error) => unreadable(check, "describe-time-to-live", mends, table, &error),
    }
}

async fn recovery(store: &Store, mends: &Mends, table: &str) -> Finding {
    let check = "table.recovery";
    let mend = mends.aws(&format!(
        "dynamodb update-continuous-backups --table-name {} --point-in-time-recovery-specification \
         PointInTimeRecoveryEnabled=true",
        word(table)
    ));
    match store.point_in_time_recovery().await {
        Ok(true) => Finding::ok(check, "can be had back as it was at any second of the last 35 days"),
        Ok(false) => Finding::warn(check, "what is deleted by accident is gone", mend),
        Err(error) => unreadable(check, "describe-continuous-backups", mends, table, &error),
    }
}

fn protection(mends: &Mends, table: &str, setup: &Setup) -> Finding {
    let check = "table.protection";
    if setup.deletion_protection {
        return Finding::ok(check, "is not deleted by a slip");
    }
    let mend = mends.aws(&format!(
        "dynamodb update-table --table-name {} --deletion-protection-enabled    # and DeletionProtection=true at the \
         next deployment",
        word(table)
    ));
    Finding::warn(check, "may be deleted by a slip", mend)
}
