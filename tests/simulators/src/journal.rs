//! Durable state of the simulated services, which must survive a `kill -9`: queued messages, calls, webhooks in
//! delivery, and the time.
//!
//! It is a table in the same database file as patchbay's own table. Every entry is written before its effect becomes
//! visible. An in-memory world has no journal.

use dynoxide::Database;
use patchbay::clock::{Clock, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const TABLE: &str = "patchbay-simulators";
/// Entries per page of [`Journal::all`]. The engine also limits pages by size.
const PAGE: usize = 500;

/// Why a journal cannot be opened or read.
#[derive(Debug, thiserror::Error)]
#[error("journal: {0}")]
pub struct JournalError(String);

impl JournalError {
    /// A section contains entries in a format that this version does not write.
    pub(crate) fn other_version(section: &str) -> Self {
        Self(format!("{section} was written by another version"))
    }
}

/// A journal, or none (the default). Clones write to the same one.
#[derive(Clone, Default)]
pub struct Journal(Option<Database>);

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal")
    }
}

impl Journal {
    /// Opens the journal in this database and creates its table if necessary.
    ///
    /// # Errors
    /// If the table cannot be listed or created.
    pub fn open(database: Database) -> Result<Self, JournalError> {
        let failed = |error: dynoxide::DynoxideError| JournalError(error.to_string());
        let tables = database.list_tables(request(json!({}))?).map_err(failed)?;
        if !tables.table_names.iter().any(|name| name == TABLE) {
            let made = database.create_table(request(json!({
                "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    { "AttributeName": "pk", "AttributeType": "S" },
                    { "AttributeName": "name", "AttributeType": "S" },
                ],
                "KeySchema": [
                    { "AttributeName": "pk", "KeyType": "HASH" },
                    { "AttributeName": "name", "KeyType": "RANGE" },
                ],
            }))?);
            made.map_err(failed)?;
        }
        Ok(Self(Some(database)))
    }

    /// Writes an entry, and replaces an existing one of that name.
    pub(crate) fn put(&self, section: &str, name: &str, entry: &impl Serialize) {
        let Some(database) = &self.0 else { return };
        let written = serde_json::to_string(entry)
            .map_err(|error| JournalError(error.to_string()))
            .and_then(|entry| {
                let item = json!({ "pk": { "S": section }, "name": { "S": name }, "entry": { "S": entry } });
                request(json!({ "TableName": TABLE, "Item": item }))
            })
            .and_then(|put| database.put_item(put).map_err(|error| JournalError(error.to_string())));
        if let Err(error) = written {
            tracing::error!(section, name, %error, "cannot write a journal entry: it will be missing after a restart");
        }
    }

    /// Removes an entry if it exists.
    pub(crate) fn remove(&self, section: &str, name: &str) {
        let Some(database) = &self.0 else { return };
        let key = json!({ "pk": { "S": section }, "name": { "S": name } });
        let removed = request(json!({ "TableName": TABLE, "Key": key })).and_then(|delete| {
            database
                .delete_item(delete)
                .map_err(|error| JournalError(error.to_string()))
        });
        if let Err(error) = removed {
            tracing::error!(section, name, %error, "cannot remove a journal entry: it will reappear after a restart");
        }
    }

    /// All entries of a section, sorted by name.
    pub(crate) fn all<T: DeserializeOwned>(&self, section: &str) -> Result<Vec<(String, T)>, JournalError> {
        let Some(database) = &self.0 else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        let mut after = Value::Null;
        loop {
            let mut query = json!({
                "TableName": TABLE, "Limit": PAGE,
                "KeyConditionExpression": "pk = :section",
                "ExpressionAttributeValues": { ":section": { "S": section } },
            });
            if let (Some(query), false) = (query.as_object_mut(), after.is_null()) {
                query.insert("ExclusiveStartKey".to_owned(), after);
            }
            let found = database
                .query(request(query)?)
                .map_err(|error| JournalError(error.to_string()))?;
            let page = serde_json::to_value(&found).map_err(|error| JournalError(error.to_string()))?;
            let items = page.get("Items").and_then(Value::as_array);
            for item in items.into_iter().flatten() {
                let text = |field: &str| item.get(field)?.get("S")?.as_str();
                let (Some(name), Some(entry)) = (text("name"), text("entry")) else {
                    continue;
                };
                let entry = serde_json::from_str(entry).map_err(|_| JournalError::other_version(section))?;
                entries.push((name.to_owned(), entry));
            }
            match page.get("LastEvaluatedKey") {
                Some(last) if !last.is_null() => after = last.clone(),
                _ => return Ok(entries),
            }
        }
    }

    /// Counts a start and returns how many there were before.
    pub(crate) fn count_start(&self) -> Result<u64, JournalError> {
        let before = self.all::<u64>("world")?;
        let starts = before
            .iter()
            .find(|(name, _)| name == "starts")
            .map_or(0, |(_, starts)| *starts);
        self.put("world", "starts", &(starts + 1));
        Ok(starts)
    }

    /// The origins of the API in earlier processes. Also adds `origin` for later ones.
    pub(crate) fn origins(&self, origin: &str) -> Result<Vec<String>, JournalError> {
        let origins = self.all::<()>("origin")?;
        self.put("origin", origin, &());
        Ok(origins.into_iter().map(|(origin, ())| origin).collect())
    }

    /// A time that no clock on this journal has passed.
    pub(crate) fn time(&self) -> Result<Option<Timestamp>, JournalError> {
        let times = self.all::<Timestamp>("clock")?;
        Ok(times.first().map(|(_, time)| *time))
    }

    /// Keeps [`Journal::time`] ahead of `clock` until the future is dropped. The next process starts its clock there,
    /// so that times stored before a kill are never in its future.
    pub(crate) async fn keep_time(self, clock: Clock, speed: f64) {
        const EVERY: std::time::Duration = std::time::Duration::from_millis(500);
        let ahead = EVERY.mul_f64(2.0 * speed);
        let ahead = i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX);
        loop {
            self.put("clock", "ahead", &clock.now().plus_millis(ahead));
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// A request to the engine, from its JSON wire form.
fn request<T: DeserializeOwned>(json: Value) -> Result<T, JournalError> {
    serde_json::from_value(json).map_err(|error| JournalError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_in_order_across_pages() {
        let journal = Journal::open(Database::memory().expect("a database")).expect("a journal");
        for number in (0..1_234).rev() {
            journal.put(
                "queue",
                &format!("{number:06}"),
                &json!({ "number": number, "text": "x".repeat(100) }),
            );
        }
        journal.put("call", "000001", &"another section");
        journal.remove("queue", "000007");
        journal.remove("queue", "never written");
        let all: Vec<(String, Value)> = journal.all("queue").expect("entries");
        let numbers: Vec<u64> = all.iter().filter_map(|(_, entry)| entry["number"].as_u64()).collect();
        assert_eq!(numbers, (0..1_234).filter(|number| *number != 7).collect::<Vec<_>>());
    }

    #[test]
    fn starts_are_counted() {
        let journal = Journal::open(Database::memory().expect("a database")).expect("a journal");
        let counts: Vec<u64> = (0..3).map(|_| journal.count_start().expect("a count")).collect();
        assert_eq!(counts, [0, 1, 2]);
        assert_eq!(Journal::default().count_start().expect("a count"), 0);
    }
}
