//! Checks of the DynamoDB table.

use patchbay::store::{Store, StoreError, TableSetup};

use super::finding::Finding;
use super::fix::{FixCommands, shell_word};
use super::functions::Settings;
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
    let (store, fixes) = (clients.store(table), &settings.fixes);
    let setup = match store.setup().await {
        Ok(Some(setup)) => setup,
        Ok(None) => {
            let message = format!("the table {table} does not exist");
            return vec![Finding::fail("table", message, fixes.deploy())];
        }
        Err(error) => return vec![unreadable("table", "describe-table", fixes, table, &error)],
    };
    vec![
        keys(fixes, table, &setup),
        time_to_live(&store, fixes, table).await,
        check_recovery(&store, fixes, table).await,
        check_protection(fixes, table, &setup),
    ]
}

fn unreadable(check: &'static str, command: &str, fixes: &FixCommands, table: &str, error: &StoreError) -> Finding {
    let fix = fixes.aws(&format!(
        "dynamodb {command} --table-name {}    # is the permission missing?",
        shell_word(table)
    ));
    Finding::fail(check, error.to_string(), fix)
}

pub(super) fn keys(fixes: &FixCommands, table: &str, setup: &TableSetup) -> Finding {
    let index_keys = |keys: &Option<Vec<String>>| keys.clone().unwrap_or_default();
    let parts = [
        (table.to_owned(), setup.keys.clone(), KEYS),
        (
            format!("the index by_day of {table}"),
            index_keys(&setup.index_keys),
            DAY_KEYS,
        ),
        (
            format!("the index by_due of {table}"),
            index_keys(&setup.due_keys),
            DUE_KEYS,
        ),
    ];
    let wrong = parts.iter().find(|(_, keys, expected)| keys != expected);
    let Some((part, keys, expected)) = wrong else {
        return Finding::ok("table", format!("{table} has the expected keys and indexes"));
    };
    let message = format!(
        "{part} has the keys {}, expected {}",
        join_names(keys),
        expected.join(", ")
    );
    Finding::fail(
        "table",
        message,
        format!("is this the right table? if it is: {}", fixes.deploy()),
    )
}

fn join_names(names: &[String]) -> String {
    if names.is_empty() {
        "(none)".to_owned()
    } else {
        names.join(", ")
    }
}

async fn time_to_live(store: &Store, fixes: &FixCommands, table: &str) -> Finding {
    let check = "table.ttl";
    let fix = fixes.aws(&format!(
        "dynamodb update-time-to-live --table-name {} --time-to-live-specification \
         Enabled=true,AttributeName={EXPIRES}",
        shell_word(table)
    ));
    match store.time_to_live().await {
        Ok(Some(attribute)) if attribute == EXPIRES => Finding::ok(check, "expired items are deleted"),
        Ok(Some(attribute)) => Finding::fail(
            check,
            format!("items expire by the attribute {attribute}, expected {EXPIRES}"),
            fix,
        ),
        Ok(None) => Finding::fail(check, "nothing expires: the table grows and keeps phone numbers", fix),
        Err(error) => unreadable(check, "describe-time-to-live", fixes, table, &error),
    }
}

async fn check_recovery(store: &Store, fixes: &FixCommands, table: &str) -> Finding {
    let check = "table.recovery";
    let fix = fixes.aws(&format!(
        "dynamodb update-continuous-backups --table-name {} --point-in-time-recovery-specification \
         PointInTimeRecoveryEnabled=true",
        shell_word(table)
    ));
    match store.point_in_time_recovery().await {
        Ok(true) => Finding::ok(check, "can be restored to any second of the last 35 days"),
        Ok(false) => Finding::warn(
            check,
            "point-in-time recovery is off: accidental deletions cannot be undone",
            fix,
        ),
        Err(error) => unreadable(check, "describe-continuous-backups", fixes, table, &error),
    }
}

fn check_protection(fixes: &FixCommands, table: &str, setup: &TableSetup) -> Finding {
    let check = "table.protection";
    if setup.deletion_protection {
        return Finding::ok(check, "protected against deletion");
    }
    let fix = fixes.aws(&format!(
        "dynamodb update-table --table-name {} --deletion-protection-enabled    # and set DeletionProtection=true in \
         the next deployment",
        shell_word(table)
    ));
    Finding::warn(check, "deletion protection is off", fix)
}
