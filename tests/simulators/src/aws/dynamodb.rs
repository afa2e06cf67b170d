//! DynamoDB: the embedded engine behind the SDK's protocol.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dynoxide::actions::batch_get_item::BatchGetItemRequest;
use dynoxide::actions::batch_write_item::BatchWriteItemRequest;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::describe_time_to_live::DescribeTimeToLiveRequest;
use dynoxide::actions::get_item::GetItemRequest;
use dynoxide::actions::list_tables::ListTablesRequest;
use dynoxide::actions::put_item::PutItemRequest;
use dynoxide::actions::query::QueryRequest;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::actions::transact_write_items::{TransactWriteItem, TransactWriteItemsRequest};
use dynoxide::actions::update_item::UpdateItemRequest;
use dynoxide::actions::update_table::UpdateTableRequest;
use dynoxide::actions::update_time_to_live::UpdateTimeToLiveRequest;
use dynoxide::{AttributeValue, Database, DynoxideError};
use patchbay::clock::Clock;
use patchbay::store::PARTITION_KEY;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::faults::Fault;
use super::recorder::Service;
use super::sdk::{Answer, Backend, Prepared};

/// An embedded DynamoDB. Cheap to clone; clones share their tables.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
    meter: Arc<Mutex<Option<BTreeMap<String, f64>>>>,
}

impl DynamoDb {
    /// Empty, in memory; items expire by `clock`.
    pub fn in_memory(clock: Clock) -> Result<Self, DynoxideError> {
        Database::memory_with_clock(Arc::new(TableClock(clock))).map(Self::of)
    }

    /// In the file at `path`, which is made if need be. Items expire by the system's clock.
    pub fn in_file(path: &str) -> Result<Self, DynoxideError> {
        Database::new(path).map(Self::of)
    }

    fn of(database: Database) -> Self {
        Self {
            database,
            meter: Arc::default(),
        }
    }

    /// The engine itself, past the log and the faults: for looking at tables after a run.
    pub const fn engine(&self) -> &Database {
        &self.database
    }

    /// Deletes the items whose time to live is over, as DynamoDB does now and then, and says how many.
    pub fn delete_expired(&self) -> Result<usize, DynoxideError> {
        self.database.sweep_ttl()
    }

    /// Counts from now on, and from nothing, the units that requests are billed by.
    pub fn meter(&self) {
        *self.metered() = Some(BTreeMap::new());
    }

    /// The units counted so far: `read`, `write`, and those that an index is written with under its name.
    pub fn units(&self) -> BTreeMap<String, f64> {
        self.metered().clone().unwrap_or_default()
    }

    fn metered(&self) -> MutexGuard<'_, Option<BTreeMap<String, f64>>> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that asks to be told what it costs, and the answer that is counted before it is given.
    fn prepare_metered(&self, operation: &str, kind: &'static str, body: &[u8]) -> Result<Prepared, Answer> {
        let rest = body.strip_prefix(b"{").unwrap_or(body);
        let body = [br#"{"ReturnConsumedCapacity":"INDEXES","#.as_slice(), rest].concat();
        let prepared = self.prepare_plainly(operation, &body)?;
        let (this, effect) = (self.clone(), prepared.effect);
        let counted = async move {
            let answer = effect.await;
            this.count(&answer.body, kind);
            answer
        };
        Ok(Prepared {
            effect: Box::pin(counted),
            ..prepared
        })
    }

    /// Counts what an answer says.
    fn count(&self, body: &[u8], kind: &'static str) {
        let mut meter = self.metered();
        let Some(units) = meter.as_mut() else { return };
        let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(told) = answer.get("ConsumedCapacity") else {
            return;
        };
        let all = told
            .as_array()
            .map_or_else(|| std::slice::from_ref(told), Vec::as_slice);
        let mut add = |name: &str, value: Option<&serde_json::Value>| {
            *units.entry(name.to_owned()).or_default() += value.and_then(serde_json::Value::as_f64).unwrap_or(0.0);
        };
        for one in all {
            add(kind, one.pointer("/Table/CapacityUnits"));
            let indexes = one.get("GlobalSecondaryIndexes").and_then(serde_json::Value::as_object);
            for (name, index) in indexes.into_iter().flatten() {
                add(if kind == "read" { kind } else { name }, index.get("CapacityUnits"));
            }
        }
    }

    fn prepared<Q, A>(
        &self,
        body: &[u8],
        target: impl FnOnce(&Q) -> String,
        operation: impl FnOnce(&Database, Q) -> dynoxide::Result<A> + Send + 'static,
    ) -> Result<Prepared, Answer>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize,
    {
        let request: Q = serde_json::from_slice(body).map_err(|error| failure(&unreadable(&error.to_string())))?;
        let target = target(&request);
        let database = self.database.clone();
        let effect = async move {
            match operation(&database, request) {
                Ok(answer) => match serde_json::to_vec(&answer) {
                    Ok(body) => Answer::ok(body),
                    Err(error) => failure(&DynoxideError::InternalServerError(error.to_string())),
                },
                Err(error) => failure(&error),
            }
        };
        Ok(Prepared {
            target,
            parts: Vec::new(),
            keys: Vec::new(),
            effect: Box::pin(effect),
        })
    }

    /// A request for items, with the partition keys that it names.
    fn keyed<Q, A>(
        &self,
        body: &[u8],
        asked: impl FnOnce(&Q) -> (String, Vec<(&'static str, String)>),
        operation: impl FnOnce(&Database, Q) -> dynoxide::Result<A> + Send + 'static,
    ) -> Result<Prepared, Answer>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize,
    {
        let mut keys = Vec::new();
        let target = |request: &Q| {
            let (target, named) = asked(request);
            keys = named;
            target
        };
        let prepared = self.prepared(body, target, operation)?;
        Ok(Prepared { keys, ..prepared })
    }

    fn prepare_plainly(&self, operation: &str, body: &[u8]) -> Result<Prepared, Answer> {
        match operation {
            "GetItem" => self.keyed(
                body,
                |r: &GetItemRequest| (r.table_name.clone(), named("GetItem", [&r.key])),
                Database::get_item,
            ),
            "PutItem" => self.keyed(
                body,
                |r: &PutItemRequest| (r.table_name.clone(), named("PutItem", [&r.item])),
                Database::put_item,
            ),
            "UpdateItem" => self.keyed(
                body,
                |r: &UpdateItemRequest| (r.table_name.clone(), named("UpdateItem", [&r.key])),
                Database::update_item,
            ),
            "DeleteItem" => self.keyed(
                body,
                |r: &DeleteItemRequest| (r.table_name.clone(), named("DeleteItem", [&r.key])),
                Database::delete_item,
            ),
            "Query" => self.keyed(body, |r| (queried(r), queried_key(r)), Database::query),
            "Scan" => self.prepared(body, |r: &ScanRequest| r.table_name.clone(), Database::scan),
            "TransactWriteItems" => {
                let tables = |request: &TransactWriteItemsRequest| {
                    let items = request.transact_items.iter().filter_map(part);
                    let keys = items.flat_map(|(action, item)| named(action, [item]));
                    (transaction_tables(request), keys.collect())
                };
                let prepared = self.keyed(body, tables, Database::transact_write_items)?;
                let parts = prepared.keys.iter().map(|(action, _)| *action).collect();
                Ok(Prepared { parts, ..prepared })
            }
            "BatchGetItem" => self.keyed(
                body,
                |r: &BatchGetItemRequest| {
                    let keys = r.request_items.values().flat_map(|items| &items.keys);
                    (batch_tables(&r.request_items), named("BatchGetItem", keys))
                },
                Database::batch_get_item,
            ),
            "BatchWriteItem" => self.prepared(
                body,
                |r: &BatchWriteItemRequest| batch_tables(&r.request_items),
                Database::batch_write_item,
            ),
            "CreateTable" => self.prepared(
                body,
                |r: &CreateTableRequest| r.table_name.clone(),
                Database::create_table,
            ),
            "DescribeTable" => self.prepared(
                body,
                |r: &DescribeTableRequest| r.table_name.clone(),
                Database::describe_table,
            ),
            "UpdateTable" => self.prepared(
                body,
                |r: &UpdateTableRequest| r.table_name.clone(),
                Database::update_table,
            ),
            "ListTables" => self.prepared(body, |_: &ListTablesRequest| String::new(), Database::list_tables),
            "UpdateTimeToLive" => self.prepared(
                body,
                |r: &UpdateTimeToLiveRequest| r.table_name.clone(),
                Database::update_time_to_live,
            ),
            "DescribeTimeToLive" => self.prepared(
                body,
                |r: &DescribeTimeToLiveRequest| r.table_name.clone(),
                Database::describe_time_to_live,
            ),
            "DescribeContinuousBackups" => Ok(recoverable(body)),
            _ => Err(error(
                400,
                "com.amazon.coral.service#UnknownOperationException",
                operation,
            )),
        }
    }
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynamoDb")
    }
}

impl Backend for DynamoDb {
    const SERVICE: Service = Service::DynamoDb;
    const TARGET_PREFIX: &'static str = "DynamoDB_20120810.";

    fn prepare(&self, operation: &str, body: &[u8]) -> Result<Prepared, Answer> {
        let kind = match operation {
            "GetItem" | "Query" | "Scan" | "BatchGetItem" => Some("read"),
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" | "BatchWriteItem" => Some("write"),
            _ => None,
        };
        let metered = self.metered().is_some();
        match kind {
            Some(kind) if metered => self.prepare_metered(operation, kind, body),
            _ => self.prepare_plainly(operation, body),
        }
    }

    fn fault(fault: Fault, operation: &str) -> Answer {
        const DYNAMODB: &str = "com.amazonaws.dynamodb.v20120810";
        let (status, kind, message) = match fault {
            Fault::Throttled => (
                400,
                "com.amazon.coral.availability#ThrottlingException".to_owned(),
                "Rate exceeded",
            ),
            Fault::Conflict if operation == "TransactWriteItems" => return conflict(),
            Fault::Conflict => (
                400,
                format!("{DYNAMODB}#TransactionConflictException"),
                "Transaction is ongoing for the item",
            ),
            Fault::InProgress => (
                400,
                format!("{DYNAMODB}#TransactionInProgressException"),
                "The transaction with the given request token is already in progress",
            ),
            _ => (500, format!("{DYNAMODB}#InternalServerError"), "Internal server error"),
        };
        error(status, &kind, message)
    }
}

/// The engine keeps no backups; the table that it stands for does, by the template.
fn recoverable(body: &[u8]) -> Prepared {
    let request: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let target = request.get("TableName").and_then(serde_json::Value::as_str);
    let target = target.unwrap_or_default().to_owned();
    let description = serde_json::json!({ "ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": "ENABLED" },
    }});
    let answer = Answer::ok(description.to_string().into_bytes());
    Prepared {
        target,
        parts: Vec::new(),
        keys: Vec::new(),
        effect: Box::pin(std::future::ready(answer)),
    }
}

/// What a transaction is answered that met another one.
fn conflict() -> Answer {
    let body = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]",
        "CancellationReasons": [{ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" }],
    });
    Answer {
        status: 400,
        body: body.to_string().into_bytes(),
        query_error: None,
    }
}

fn failure(error: &DynoxideError) -> Answer {
    Answer {
        status: error.status_code(),
        body: error.to_json().into_bytes(),
        query_error: None,
    }
}

fn error(status: u16, kind: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "__type": kind, "message": message }).to_string();
    Answer {
        status,
        body: body.into_bytes(),
        query_error: None,
    }
}

/// The engine's request types tell by a mark at the start of a message which error DynamoDB would answer.
fn unreadable(message: &str) -> DynoxideError {
    let plain = message
        .rfind(" at line ")
        .and_then(|at| message.get(..at))
        .unwrap_or(message);
    for mark in ["VALIDATION_REQUEST:", "VALIDATION_AS_READ:", "VALIDATION:"] {
        if let Some(reason) = plain.strip_prefix(mark) {
            return DynoxideError::ValidationException(reason.to_owned());
        }
    }
    let invalid = [
        "missing field",
        "unknown variant",
        "invalid type: null",
        "Supplied AttributeValue",
    ];
    if invalid.iter().any(|sign| plain.contains(sign)) {
        return DynoxideError::ValidationException(plain.to_owned());
    }
    let marks = ["SERIALIZATION_AS_READ:", "SERIALIZATION:"];
    let reason = marks.iter().find_map(|mark| plain.strip_prefix(mark)).unwrap_or(plain);
    DynoxideError::SerializationException(reason.to_owned())
}

/// The table, and the index if one is asked.
fn queried(request: &QueryRequest) -> String {
    match &request.index_name {
        Some(index) => format!("{}/index/{index}", request.table_name),
        None => request.table_name.clone(),
    }
}

/// Attributes of an item, its key among them.
type Attributes = HashMap<String, AttributeValue>;

/// The action, with the partition key of each item. An item without one is refused by the engine.
fn named<'a>(action: &'static str, items: impl IntoIterator<Item = &'a Attributes>) -> Vec<(&'static str, String)> {
    let key = |item: &Attributes| match item.get(PARTITION_KEY) {
        Some(AttributeValue::S(key)) => (action, key.clone()),
        _ => (action, String::new()),
    };
    items.into_iter().map(key).collect()
}

/// The partition that a query looks into: by the name that every query of ours gives it.
fn queried_key(request: &QueryRequest) -> Vec<(&'static str, String)> {
    let values = request.expression_attribute_values.as_ref();
    match values.and_then(|values| values.get(":pk")) {
        Some(AttributeValue::S(key)) => vec![("Query", key.clone())],
        _ => vec![("Query", String::new())],
    }
}

/// The operation that is this part of a transaction, and its item.
fn part(item: &TransactWriteItem) -> Option<(&'static str, &Attributes)> {
    let put = item.put.as_ref().map(|put| ("PutItem", &put.item));
    let update = item.update.as_ref().map(|update| ("UpdateItem", &update.key));
    let delete = item.delete.as_ref().map(|delete| ("DeleteItem", &delete.key));
    let check = item.condition_check.as_ref();
    let check = check.map(|check| ("ConditionCheckItem", &check.key));
    put.or(update).or(delete).or(check)
}

fn transaction_tables(request: &TransactWriteItemsRequest) -> String {
    let table = |item: &TransactWriteItem| {
        let put = item.put.as_ref().map(|put| &put.table_name);
        let update = item.update.as_ref().map(|update| &update.table_name);
        let delete = item.delete.as_ref().map(|delete| &delete.table_name);
        let check = item.condition_check.as_ref().map(|check| &check.table_name);
        put.or(update).or(delete).or(check).cloned()
    };
    joined(request.transact_items.iter().filter_map(table).collect())
}

fn batch_tables<T>(tables: &HashMap<String, T>) -> String {
    joined(tables.keys().cloned().collect())
}

/// Sorted, so that the log of a run does not depend on the order of a hash map.
fn joined(tables: BTreeSet<String>) -> String {
    tables.into_iter().collect::<Vec<_>>().join(",")
}

struct TableClock(Clock);

impl dynoxide::storage_backend::Clock for TableClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().seconds()).unwrap_or(0)
    }

    fn now_unix_secs_f64(&self) -> f64 {
        std::time::Duration::from_millis(u64::try_from(self.0.now().millis()).unwrap_or(0)).as_secs_f64()
    }
}
