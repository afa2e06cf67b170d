//! A conditional change of an item, built up part by part.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::super::StoreError;
use super::super::items::Item;

/// An `UpdateItem` to be. Every name is written as `#name`, every value as `:value`, and each must be declared.
#[derive(Debug, Default)]
pub(super) struct Change {
    sets: Vec<String>,
    removes: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

/// What came of a change.
pub(super) enum Changed {
    /// It was made: the item as it is now.
    Yes(Item),
    /// A condition was not met: the item as it is, empty when there is none.
    No(Item),
}

impl Change {
    /// What is set, as `#name = expression`.
    pub(super) fn set(&mut self, what: impl Into<String>) {
        self.sets.push(what.into());
    }

    /// What is removed.
    pub(super) fn remove(&mut self, what: impl Into<String>) {
        self.removes.push(what.into());
    }

    /// What must be so, beside everything else that must.
    pub(super) fn only_if(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }

    /// The attribute that `placeholder` stands for.
    pub(super) fn name(&mut self, placeholder: impl Into<String>, attribute: impl Into<String>) {
        self.names.insert(placeholder.into(), attribute.into());
    }

    /// The value that `placeholder` stands for.
    pub(super) fn value(&mut self, placeholder: &str, value: AttributeValue) {
        self.values.insert(placeholder.to_owned(), value);
    }

    pub(super) async fn send(self, client: &Client, table: &str, key: Item) -> Result<Changed, StoreError> {
        let parts = [("SET", &self.sets), ("REMOVE", &self.removes)];
        let parts = parts.into_iter().filter(|(_, what)| !what.is_empty());
        let expression: Vec<String> = parts
            .map(|(clause, what)| format!("{clause} {}", what.join(", ")))
            .collect();
        let conditions: Vec<String> = self.conditions.iter().map(|one| format!("({one})")).collect();
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
            Ok(output) => return Ok(Changed::Yes(output.attributes.unwrap_or_default())),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Changed::No(failed.item().cloned().unwrap_or_default()))
            }
            _ => Err(StoreError::request("UpdateItem", &error)),
        }
    }
}
