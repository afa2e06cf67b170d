//! The setup of the table, which `patchbay doctor` checks.

use aws_sdk_dynamodb::types::{
    ContinuousBackupsStatus, KeySchemaElement, KeyType, PointInTimeRecoveryStatus, TimeToLiveStatus,
};

use super::items::{INDEX_BY_DAY, INDEX_BY_DUE};
use super::{Store, StoreError};

/// The parts of the table's setup that patchbay depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSetup {
    /// Names of the partition key and the sort key.
    pub keys: Vec<String>,
    /// The keys of the index for lists by day; `None` if the index does not exist.
    pub index_keys: Option<Vec<String>>,
    /// The keys of the index of unfinished dispatches; `None` if the index does not exist.
    pub due_keys: Option<Vec<String>>,
    /// Whether DynamoDB refuses to delete the table.
    pub deletion_protection: bool,
}

impl Store {
    /// The setup of the table; `None` if the table does not exist. One request.
    pub async fn setup(&self) -> Result<Option<TableSetup>, StoreError> {
        let result = self.client.describe_table().table_name(&self.table).send().await;
        let output = match result {
            Ok(output) => output,
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::describe_table::DescribeTableError::is_resource_not_found_exception,
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(StoreError::request("DescribeTable", &error)),
        };
        let table = output
            .table()
            .ok_or_else(|| StoreError::item("the response to DescribeTable contains no table"))?;
        let index_keys = |name: &str| {
            let mut indexes = table.global_secondary_indexes().iter();
            let index = indexes.find(|index| index.index_name() == Some(name));
            index.map(|index| names(index.key_schema()))
        };
        Ok(Some(TableSetup {
            keys: names(table.key_schema()),
            index_keys: index_keys(INDEX_BY_DAY),
            due_keys: index_keys(INDEX_BY_DUE),
            deletion_protection: table.deletion_protection_enabled() == Some(true),
        }))
    }

    /// The attribute by which items expire; `None` if time to live is disabled. One request.
    pub async fn time_to_live(&self) -> Result<Option<String>, StoreError> {
        let result = self.client.describe_time_to_live().table_name(&self.table).send().await;
        let output = result.map_err(|error| StoreError::request("DescribeTimeToLive", &error))?;
        let on = [TimeToLiveStatus::Enabled, TimeToLiveStatus::Enabling];
        Ok(output
            .time_to_live_description
            .filter(|ttl| ttl.time_to_live_status().is_some_and(|status| on.contains(status)))
            .and_then(|ttl| ttl.attribute_name))
    }

    /// Whether point-in-time recovery is enabled. One request.
    pub async fn point_in_time_recovery(&self) -> Result<bool, StoreError> {
        let result = self
            .client
            .describe_continuous_backups()
            .table_name(&self.table)
            .send()
            .await;
        let output = result.map_err(|error| StoreError::request("DescribeContinuousBackups", &error))?;
        Ok(output
            .continuous_backups_description()
            .filter(|backups| *backups.continuous_backups_status() == ContinuousBackupsStatus::Enabled)
            .and_then(|backups| backups.point_in_time_recovery_description())
            .and_then(|recovery| recovery.point_in_time_recovery_status())
            .is_some_and(|status| *status == PointInTimeRecoveryStatus::Enabled))
    }
}

/// The names of the keys, the partition key first.
fn names(schema: &[KeySchemaElement]) -> Vec<String> {
    let of_type = |kind: KeyType| {
        schema
            .iter()
            .filter(move |key| *key.key_type() == kind)
            .map(|key| key.attribute_name().to_owned())
    };
    of_type(KeyType::Hash).chain(of_type(KeyType::Range)).collect()
}
