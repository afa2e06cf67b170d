//! A builder for a conditional `UpdateItem`.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::super::StoreError;
use super::super::items::Item;

/// A conditional `UpdateItem`. Expressions write every name as `#name` and every value as `:value`; each must be
/// declared.
#[derive(Debug, Default)]
pub(super) struct ConditionalUpdate {
    sets: Vec<String>,
    removes: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

/// Result of a conditional update.
pub(super) enum UpdateResult {
    /// The update was made. Contains the new item.
    Updated(Item),
    /// A condition was not met. Contains the current item, which is empty if there is none.
    ConditionFailed(Item),
}

impl ConditionalUpdate {
    /// Adds an assignment, as `#name = expression`.
    pub(super) fn set(&mut self, assignment: impl Into<String>) {
        self.sets.push(assignment.into());
    }

    /// Removes an attribute.
    pub(super) fn remove(&mut self, path: impl Into<String>) {
        self.removes.push(path.into());
    }

    /// Adds a condition. All conditions must be met.
    pub(super) fn only_if(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }

    /// Declares the attribute name of `placeholder`.
    pub(super) fn name(&mut self, placeholder: impl Into<String>, attribute: impl Into<String>) {
        self.names.insert(placeholder.into(), attribute.into());
    }

    /// Declares the value of `placeholder`.
    pub(super) fn value(&mut self, placeholder: &str, value: AttributeValue) {
        self.values.insert(placeholder.to_owned(), value);
    }

    pub(super) async fn send(self, client: &Client, table: &str, key: Item) -> Result<UpdateResult, StoreError> {
        let parts = [("SET", &self.sets), ("REMOVE", &self.removes)];
        let parts = parts.into_iter().filter(|(_, parts)| !parts.is_empty());
        let expression: Vec<String> = parts
            .map(|(clause, parts)| format!("{clause} {}", parts.join(", ")))
            .collect();
        let conditions: Vec<String> = self
            .conditions
            .iter()
            .map(|condition| format!("({condition})"))
            .collect();
        let result = client
            .update_item()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(expression.join(" "))
            .condition_expression(conditions.join(" AND "))
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values((!self.values.is_empty()).then_some(self.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match result {
            Ok(output) => return Ok(UpdateResult::Updated(output.attributes.unwrap_or_default())),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(UpdateResult::ConditionFailed(
                failed.item().cloned().unwrap_or_default(),
            )),
            _ => Err(StoreError::request("UpdateItem", &error)),
        }
    }
}
