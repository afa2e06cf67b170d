//! The table.

use patchbay::store::{Setup, Store, StoreError};

use super::finding::Finding;
use super::functions::Settings;
use super::unknown;
use crate::aws::Clients;

const KEYS: [&str; 2] = ["pk", "sk"];
const INDEX_KEYS: [&str; 2] = ["day_pk", "day_sk"];
const EXPIRES: &str = "expires";

pub(super) async fn check(clients: &Clients, settings: &Settings) -> Vec<Finding> {
    let Some(table) = &settings.table else {
        return vec![unknown("table", "the table's name", settings)];
    };
    let store = clients.store(table);
    let setup = match store.setup().await {
        Ok(Some(setup)) => setup,
        Ok(None) => {
            let what = format!("there is no table {table}");
            return vec![Finding::fail("table", what, "sam build && sam deploy")];
        }
        Err(error) => return vec![unreadable("table", "describe-table", table, &error)],
    };
    vec![
        keys(table, &setup),
        time_to_live(&store, table).await,
        recovery(&store, table).await,
        protection(table, &setup),
    ]
}

fn unreadable(check: &'static str, command: &str, table: &str, error: &StoreError) -> Finding {
    let mend = format!("aws dynamodb {command} --table-name {table}    # is the right missing?");
    Finding::fail(check, error.to_string(), mend)
}

fn keys(table: &str, setup: &Setup) -> Finding {
    let index = setup.index_keys.as_deref().unwrap_or_default();
    if setup.keys == KEYS && index == INDEX_KEYS {
        return Finding::ok("table", format!("{table} has its keys and its index"));
    }
    let what = format!(
        "{table} is keyed by {} and its index by_day by {}, not by pk, sk and day_pk, day_sk",
        words(&setup.keys),
        words(index)
    );
    Finding::fail("table", what, "is it the right table? else: sam build && sam deploy")
}

fn words(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

async fn time_to_live(store: &Store, table: &str) -> Finding {
    let check = "table.ttl";
    let mend = format!(
        "aws dynamodb update-time-to-live --table-name {table} --time-to-live-specification \
         Enabled=true,AttributeName={EXPIRES}"
    );
    match store.time_to_live().await {
        Ok(Some(attribute)) if attribute == EXPIRES => Finding::ok(check, "old dispatches are forgotten"),
        Ok(Some(attribute)) => Finding::fail(check, format!("items expire by {attribute}, not by {EXPIRES}"), mend),
        Ok(None) => Finding::fail(
            check,
            "nothing is ever forgotten: the table grows, and keeps numbers",
            mend,
        ),
        Err(error) => unreadable(check, "describe-time-to-live", table, &error),
    }
}

async fn recovery(store: &Store, table: &str) -> Finding {
    let check = "table.recovery";
    let mend = format!(
        "aws dynamodb update-continuous-backups --table-name {table} --point-in-time-recovery-specification \
         PointInTimeRecoveryEnabled=true"
    );
    match store.point_in_time_recovery().await {
        Ok(true) => Finding::ok(check, "can be had back as it was at any second of the last 35 days"),
        Ok(false) => Finding::warn(check, "what is deleted by accident is gone", mend),
        Err(error) => unreadable(check, "describe-continuous-backups", table, &error),
    }
}

fn protection(table: &str, setup: &Setup) -> Finding {
    let check = "table.protection";
    if setup.deletion_protection {
        return Finding::ok(check, "is not deleted by a slip");
    }
    let mend = format!(
        "aws dynamodb update-table --table-name {table} --deletion-protection-enabled    # and DeletionProtection=true \
         at the next deployment"
    );
    Finding::warn(check, "may be deleted by a slip", mend)
}
