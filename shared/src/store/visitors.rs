//! Visitors of a chat page: their requests that must have their effect on the platform at most once, how many there are,
//! and which customers of the platform they are.
//!
//! A request is recorded before the platform is called, and its result afterwards. So a page may repeat a request whose
//! answer was lost: it is recognized by the id that the page chose.

use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use serde::{Deserialize, Serialize};

use super::commit::{failed, refused};
use super::items::{DOC, Item, PARTITION_KEY, json, key, number, read_doc, text};
use super::retry::all_transient;
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::conversation::PlatformId;
use crate::ids::Tenant;
use crate::secret::sha256_hex;

/// Sort key of a request.
const REQUEST: &str = "R";
/// How long a request is kept, in seconds: longer than the token of a visitor, or the link of an agent, is valid.
const KEPT_SECONDS: i64 = 9 * 86_400;
/// Sort key of a customer.
const CONTACT: &str = "CONTACT";
/// How long a customer is remembered after their last conversation, in seconds.
const CONTACT_SECONDS: i64 = 400 * 86_400;
/// Attribute with the name of the state, for conditions.
const STATE: &str = "state";
const FAILED: &str = "failed";

/// Which request it is.
#[derive(Clone, Copy, Debug)]
pub struct VisitorRequestKey<'a> {
    /// The tenant of the page.
    pub tenant: &'a Tenant,
    /// The conversation in which a message is sent; none for a request that starts one.
    pub conversation: Option<&'a PlatformId>,
    /// The id that the page chose.
    pub id: &'a str,
}

/// A request of a visitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorRequest {
    /// Hash of its content: another request must not use the same id.
    pub fingerprint: String,
    /// When it was last begun.
    pub at: Timestamp,
    /// How far it is.
    #[serde(flatten)]
    pub state: VisitorRequestState,
}

/// A visitor as a customer of the platform, which refuses a second one with the same e-mail address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorContact {
    /// The platform's id.
    pub id: PlatformId,
    /// The inbox in which they wrote first.
    pub inbox: PlatformId,
    /// What identifies them in that inbox, if the platform told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// How far a visitor's request is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum VisitorRequestState {
    /// Being carried out, unless its function died.
    Begun,
    /// Certainly without effect: it may be begun again.
    Failed,
    /// Carried out.
    Done {
        /// The platform's id of the conversation or message, if it told one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<PlatformId>,
    },
    /// It is unknown whether it was carried out. It is never begun again.
    Unclear,
}

impl VisitorRequestState {
    const fn name(&self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Failed => FAILED,
            Self::Done { .. } => "done",
            Self::Unclear => "unclear",
        }
    }
}

/// The result of beginning a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisitorRequestBegin {
    /// It may be carried out.
    Begun,
    /// It was begun before.
    Earlier(VisitorRequest),
    /// Too many requests were begun within this minute. A later one may succeed after so many seconds.
    OverLimit {
        /// Seconds until the next minute begins.
        retry_after: u16,
    },
}

impl VisitorRequestKey<'_> {
    fn item(&self) -> Item {
        // Hashed, because the id is a secret of the visitor: repeating the start of a conversation returns its token.
        let conversation = self.conversation.map_or("", PlatformId::as_str);
        let hash = sha256_hex(format!("{conversation}\n{}", self.id).as_bytes());
        key(format!("T#{}#W#{hash}", self.tenant), REQUEST)
    }

    /// The key of the count of its minute: of the messages in a conversation, or of the starts of the tenant.
    fn count(&self, now: Timestamp) -> Item {
        let counted = match self.conversation {
            Some(conversation) => sha256_hex(conversation.as_str().as_bytes()),
            None => "STARTS".to_owned(),
        };
        let minute = now.seconds() / 60;
        key(format!("T#{}#W#{counted}", self.tenant), &format!("N#{minute}"))
    }
}

fn request_item(of: &VisitorRequestKey<'_>, request: &VisitorRequest) -> Result<Item, StoreError> {
    let mut item = of.item();
    item.insert(STATE.into(), text(request.state.name()));
    item.insert("expires".into(), number(request.at.seconds() + KEPT_SECONDS));
    item.insert(DOC.into(), json(request)?);
    Ok(item)
}

impl Store {
    /// Records that a visitor's request begins, unless it was begun before and did not certainly fail, or `limit`
    /// requests were begun within this minute. One request.
    pub async fn begin_visitor_request(
        &self,
        of: &VisitorRequestKey<'_>,
        request: &VisitorRequest,
        limit: u32,
    ) -> Result<VisitorRequestBegin, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(request_item(of, request)?))
            .condition_expression("attribute_not_exists(#pk) OR #state = :failed")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#state", STATE)
            .expression_attribute_values(":failed", text(FAILED))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let count = Update::builder()
            .table_name(&self.table)
            .set_key(Some(of.count(request.at)))
            .update_expression("SET #expires = :expires ADD #count :one")
            .condition_expression("attribute_not_exists(#count) OR #count < :limit")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":expires", number(request.at.seconds() + 600))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":limit", number(limit));
        let writes = vec![
            TransactWriteItem::builder().put(put.build()?).build(),
            TransactWriteItem::builder().update(count.build()?).build(),
        ];
        match self.write_all(writes).await? {
            Ok(()) => Ok(VisitorRequestBegin::Begun),
            Err(reasons) => not_begun(&reasons, request.at),
        }
    }

    /// A visitor's request (a consistent read), if it was begun. One request.
    pub async fn visitor_request(&self, of: &VisitorRequestKey<'_>) -> Result<Option<VisitorRequest>, StoreError> {
        let item = self.get(of.item()).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Replaces the record of a visitor's request, for one whose result is known. One request.
    pub async fn put_visitor_request(
        &self,
        of: &VisitorRequestKey<'_>,
        request: &VisitorRequest,
    ) -> Result<(), StoreError> {
        self.put(request_item(of, request)?).await
    }

    /// The customer with this e-mail address (a consistent read), if a visitor with it has written before. One request.
    pub async fn visitor_contact(&self, tenant: &Tenant, email: &str) -> Result<Option<VisitorContact>, StoreError> {
        let item = self.get(contact_key(tenant, email)).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Remembers the customer with this e-mail address. One request.
    pub async fn put_visitor_contact(
        &self,
        tenant: &Tenant,
        email: &str,
        contact: &VisitorContact,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut item = contact_key(tenant, email);
        item.insert("expires".into(), number(now.seconds() + CONTACT_SECONDS));
        item.insert(DOC.into(), json(contact)?);
        self.put(item).await
    }

    /// Forgets the customer with this e-mail address: the platform no longer knows them. One request.
    pub async fn delete_visitor_contact(&self, tenant: &Tenant, email: &str) -> Result<(), StoreError> {
        self.delete(contact_key(tenant, email)).await
    }
}

/// Hashed, so that no address appears in a key.
fn contact_key(tenant: &Tenant, email: &str) -> Item {
    let hash = sha256_hex(email.to_lowercase().as_bytes());
    key(format!("T#{tenant}#W#{hash}"), CONTACT)
}

fn not_begun(reasons: &[CancellationReason], now: Timestamp) -> Result<VisitorRequestBegin, StoreError> {
    if let Some(reason) = reasons.first().filter(|reason| failed(reason)) {
        let item = reason.item();
        let item = item.ok_or_else(|| StoreError::item("DynamoDB did not return the visitor's request"))?;
        return Ok(VisitorRequestBegin::Earlier(read_doc(item)?));
    }
    if reasons.iter().any(failed) {
        let seconds = 60 - now.seconds().rem_euclid(60);
        let retry_after = u16::try_from(seconds).unwrap_or(60);
        return Ok(VisitorRequestBegin::OverLimit { retry_after });
    }
    if all_transient(reasons) {
        // Many requests at the same moment.
        return Ok(VisitorRequestBegin::OverLimit { retry_after: 1 });
    }
    Err(refused(reasons))
}
