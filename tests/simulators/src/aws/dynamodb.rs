//! DynamoDB: an embedded engine behind the SDK's protocol.

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
use super::sdk::{Backend, PreparedRequest, ServiceResponse};

/// An embedded DynamoDB. Cheap to clone; clones share their tables.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
    meter: Arc<Mutex<Option<BTreeMap<String, f64>>>>,
}

impl DynamoDb {
    /// An empty database in memory. Items expire by `clock`.
    pub fn in_memory(clock: Clock) -> Result<Self, DynoxideError> {
        Database::memory_with_clock(Arc::new(TableClock(clock))).map(Self::new)
    }

    /// A database in the file at `path`, which is created if it does not exist. Items expire by the system's clock.
    pub fn in_file(path: &str) -> Result<Self, DynoxideError> {
        Database::new(path).map(Self::new)
    }

    fn new(database: Database) -> Self {
        Self {
            database,
            meter: Arc::default(),
        }
    }

    /// The engine itself, without log and faults: for assertions on tables.
    pub const fn engine(&self) -> &Database {
        &self.database
    }

    /// Deletes the expired items, as DynamoDB does from time to time. Returns how many.
    pub fn delete_expired(&self) -> Result<usize, DynoxideError> {
        self.database.sweep_ttl()
    }

    /// Starts to count, from zero, the capacity units by which requests are billed.
    pub fn start_metering(&self) {
        *self.lock_meter() = Some(BTreeMap::new());
    }

    /// The capacity units since [`Self::start_metering`]: `read`, `write`, and by the name of each index its write
    /// units.
    pub fn consumed_units(&self) -> BTreeMap<String, f64> {
        self.lock_meter().clone().unwrap_or_default()
    }

    fn lock_meter(&self) -> MutexGuard<'_, Option<BTreeMap<String, f64>>> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `ReturnConsumedCapacity` to a request, and counts the units that its response reports.
    fn prepare_metered(
        &self,
        operation: &str,
        unit: &'static str,
        body: &[u8],
    ) -> Result<PreparedRequest, ServiceResponse> {
        let rest = body.strip_prefix(b"{").unwrap_or(body);
        let body = [br#"{"ReturnConsumedCapacity":"INDEXES","#.as_slice(), rest].concat();
        let prepared = self.prepare_unmetered(operation, &body)?;
        let (this, effect) = (self.clone(), prepared.effect);
        let counted = async move {
            let answer = effect.await;
            this.count(&answer.body, unit);
            answer
        };
        Ok(PreparedRequest {
            effect: Box::pin(counted),
            ..prepared
        })
    }

    /// Counts the units that a response reports.
    fn count(&self, body: &[u8], unit: &'static str) {
        let mut meter = self.lock_meter();
        let Some(units) = meter.as_mut() else { return };
        let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(consumed) = answer.get("ConsumedCapacity") else {
            return;
        };
        let all = consumed
            .as_array()
            .map_or_else(|| std::slice::from_ref(consumed), Vec::as_slice);
        let mut add = |name: &str, value: Option<&serde_json::Value>| {
            *units.entry(name.to_owned()).or_default() += value.and_then(serde_json::Value::as_f64).unwrap_or(0.0);
        };
        for one in all {
            add(unit, one.pointer("/Table/CapacityUnits"));
            let indexes = one.get("GlobalSecondaryIndexes").and_then(serde_json::Value::as_object);
            for (name, index) in indexes.into_iter().flatten() {
                add(if unit == "read" { unit } else { name }, index.get("CapacityUnits"));
            }
        }
    }

    fn prepare_request<Q, A>(
        &self,
        body: &[u8],
        target: impl FnOnce(&Q) -> String,
        operation: impl FnOnce(&Database, Q) -> dynoxide::Result<A> + Send + 'static,
    ) -> Result<PreparedRequest, ServiceResponse>
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
                    Ok(body) => ServiceResponse::ok(body),
                    Err(error) => failure(&DynoxideError::InternalServerError(error.to_string())),
                },
                Err(error) => failure(&error),
            }
        };
        Ok(PreparedRequest {
            target,
            parts: Vec::new(),
            keys: Vec::new(),
            effect: Box::pin(effect),
        })
    }

    /// Like [`Self::prepare_request`], with the partition keys of the items that the request names.
    fn prepare_keyed_request<Q, A>(
        &self,
        body: &[u8],
        target_and_keys: impl FnOnce(&Q) -> (String, Vec<(&'static str, String)>),
        operation: impl FnOnce(&Database, Q) -> dynoxide::Result<A> + Send + 'static,
    ) -> Result<PreparedRequest, ServiceResponse>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize,
    {
        let mut keys = Vec::new();
        let target = |request: &Q| {
            let (target, item_keys) = target_and_keys(request);
            keys = item_keys;
            target
        };
        let prepared = self.prepare_request(body, target, operation)?;
        Ok(PreparedRequest { keys, ..prepared })
    }

    fn prepare_unmetered(&self, operation: &str, body: &[u8]) -> Result<PreparedRequest, ServiceResponse> {
        match operation {
            "GetItem" => self.prepare_keyed_request(
                body,
                |r: &GetItemRequest| (r.table_name.clone(), item_keys("GetItem", [&r.key])),
                Database::get_item,
            ),
            "PutItem" => self.prepare_keyed_request(
                body,
                |r: &PutItemRequest| (r.table_name.clone(), item_keys("PutItem", [&r.item])),
                Database::put_item,
            ),
            "UpdateItem" => self.prepare_keyed_request(
                body,
                |r: &UpdateItemRequest| (r.table_name.clone(), item_keys("UpdateItem", [&r.key])),
                Database::update_item,
            ),
            "DeleteItem" => self.prepare_keyed_request(
                body,
                |r: &DeleteItemRequest| (r.table_name.clone(), item_keys("DeleteItem", [&r.key])),
                Database::delete_item,
            ),
            "Query" => self.prepare_keyed_request(body, |r| (query_target(r), query_keys(r)), Database::query),
            "Scan" => self.prepare_request(body, |r: &ScanRequest| r.table_name.clone(), Database::scan),
            "TransactWriteItems" => {
                let tables = |request: &TransactWriteItemsRequest| {
                    let items = request.transact_items.iter().filter_map(transaction_part);
                    let keys = items.flat_map(|(action, item)| item_keys(action, [item]));
                    (transaction_tables(request), keys.collect())
                };
                let prepared = self.prepare_keyed_request(body, tables, Database::transact_write_items)?;
                let parts = prepared.keys.iter().map(|(action, _)| *action).collect();
                Ok(PreparedRequest { parts, ..prepared })
            }
            "BatchGetItem" => self.prepare_keyed_request(
                body,
                |r: &BatchGetItemRequest| {
                    let keys = r.request_items.values().flat_map(|items| &items.keys);
                    (batch_tables(&r.request_items), item_keys("BatchGetItem", keys))
                },
                Database::batch_get_item,
            ),
            "BatchWriteItem" => self.prepare_request(
                body,
                |r: &BatchWriteItemRequest| batch_tables(&r.request_items),
                Database::batch_write_item,
            ),
            "CreateTable" => self.prepare_request(
                body,
                |r: &CreateTableRequest| r.table_name.clone(),
                Database::create_table,
            ),
            "DescribeTable" => self.prepare_request(
                body,
                |r: &DescribeTableRequest| r.table_name.clone(),
                Database::describe_table,
            ),
            "UpdateTable" => self.prepare_request(
                body,
                |r: &UpdateTableRequest| r.table_name.clone(),
                Database::update_table,
            ),
            "ListTables" => self.prepare_request(body, |_: &ListTablesRequest| String::new(), Database::list_tables),
            "UpdateTimeToLive" => self.prepare_request(
                body,
                |r: &UpdateTimeToLiveRequest| r.table_name.clone(),
                Database::update_time_to_live,
            ),
            "DescribeTimeToLive" => self.prepare_request(
                body,
                |r: &DescribeTimeToLiveRequest| r.table_name.clone(),
                Database::describe_time_to_live,
            ),
            "DescribeContinuousBackups" => Ok(describe_backups(body)),
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

    fn prepare(&self, operation: &str, body: &[u8]) -> Result<PreparedRequest, ServiceResponse> {
        let unit = match operation {
            "GetItem" | "Query" | "Scan" | "BatchGetItem" => Some("read"),
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" | "BatchWriteItem" => Some("write"),
            _ => None,
        };
        let is_metered = self.lock_meter().is_some();
        match unit {
            Some(unit) if is_metered => self.prepare_metered(operation, unit, body),
            _ => self.prepare_unmetered(operation, body),
        }
    }

    fn fault(fault: Fault, operation: &str) -> ServiceResponse {
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

/// The engine has no backups. The response is that of the deployed table, for which the template enables them.
fn describe_backups(body: &[u8]) -> PreparedRequest {
    let request: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let target = request.get("TableName").and_then(serde_json::Value::as_str);
    let target = target.unwrap_or_default().to_owned();
    let description = serde_json::json!({ "ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": "ENABLED" },
    }});
    let answer = ServiceResponse::ok(description.to_string().into_bytes());
    PreparedRequest {
        target,
        parts: Vec::new(),
        keys: Vec::new(),
        effect: Box::pin(std::future::ready(answer)),
    }
}

/// The response to a transaction that conflicts with another one.
fn conflict() -> ServiceResponse {
    let body = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]",
        "CancellationReasons": [{ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" }],
    });
    ServiceResponse {
        status: 400,
        body: body.to_string().into_bytes(),
        query_error: None,
    }
}

fn failure(error: &DynoxideError) -> ServiceResponse {
    ServiceResponse {
        status: error.status_code(),
        body: error.to_json().into_bytes(),
        query_error: None,
    }
}

fn error(status: u16, kind: &str, message: &str) -> ServiceResponse {
    let body = serde_json::json!({ "__type": kind, "message": message }).to_string();
    ServiceResponse {
        status,
        body: body.into_bytes(),
        query_error: None,
    }
}

/// The error with which DynamoDB answers an invalid request. The engine's request types encode it as a prefix of their
/// message.
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

/// The table of a query, or `table/index/name`.
fn query_target(request: &QueryRequest) -> String {
    match &request.index_name {
        Some(index) => format!("{}/index/{index}", request.table_name),
        None => request.table_name.clone(),
    }
}

/// Attributes of an item, including its key.
type Attributes = HashMap<String, AttributeValue>;

/// The action with the partition key of each item. The engine refuses an item without one.
fn item_keys<'a>(action: &'static str, items: impl IntoIterator<Item = &'a Attributes>) -> Vec<(&'static str, String)> {
    let key = |item: &Attributes| match item.get(PARTITION_KEY) {
        Some(AttributeValue::S(key)) => (action, key.clone()),
        _ => (action, String::new()),
    };
    items.into_iter().map(key).collect()
}

/// The partition that a query reads: the value of `:pk`, which all our queries use.
fn query_keys(request: &QueryRequest) -> Vec<(&'static str, String)> {
    let values = request.expression_attribute_values.as_ref();
    match values.and_then(|values| values.get(":pk")) {
        Some(AttributeValue::S(key)) => vec![("Query", key.clone())],
        _ => vec![("Query", String::new())],
    }
}

/// The operation of one part of a transaction, and its item.
fn transaction_part(item: &TransactWriteItem) -> Option<(&'static str, &Attributes)> {
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
    join_sorted(request.transact_items.iter().filter_map(table).collect())
}

fn batch_tables<T>(tables: &HashMap<String, T>) -> String {
    join_sorted(tables.keys().cloned().collect())
}

/// Sorted, so that the log of a run does not depend on the order of a hash map.
fn join_sorted(tables: BTreeSet<String>) -> String {
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
