//! The part of the store that the notifier uses.

use std::future::Future;

use patchbay::clock::Timestamp;
use patchbay::dispatch::Entry;
use patchbay::ids::{AttemptId, DispatchKey, Tenant};
use patchbay::message::Failure;
use patchbay::store::{NoticeSubject, ProbeClaim, Store, StoreError, UnresponsiveReceiver};
use patchbay::webhook::{Delivery, Notice};

/// Reads the subjects of notices; stores deliveries and unresponsive receivers. The methods are those of [`Store`].
#[expect(missing_docs, reason = "the methods are those of the store")]
pub trait Table: Sync {
    /// Why something could not be read or written.
    type Error: Failure + Send;

    fn subject(&self, notice: &Notice) -> impl Future<Output = Result<NoticeSubject, Self::Error>> + Send;

    fn statuses(
        &self,
        dispatch: &DispatchKey,
        attempt: AttemptId,
    ) -> impl Future<Output = Result<Vec<Entry>, Self::Error>> + Send;

    fn put_delivery(
        &self,
        notice: &Notice,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn unresponsive_receiver(
        &self,
        tenant: &Tenant,
        host: &str,
    ) -> impl Future<Output = Result<Option<UnresponsiveReceiver>, Self::Error>> + Send;

    fn record_no_answer(
        &self,
        tenant: &Tenant,
        host: &str,
        reason: &str,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> impl Future<Output = Result<UnresponsiveReceiver, Self::Error>> + Send;

    fn claim_probe(
        &self,
        tenant: &Tenant,
        host: &str,
        seen: &UnresponsiveReceiver,
        retry_at: Timestamp,
    ) -> impl Future<Output = Result<ProbeClaim, Self::Error>> + Send;

    fn acquire_probe_lock(
        &self,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<Option<Timestamp>, Self::Error>> + Send;

    fn release_probe_lock(
        &self,
        until: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn clear_unresponsive(&self, tenant: &Tenant, host: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl Table for Store {
    type Error = StoreError;

    async fn subject(&self, notice: &Notice) -> Result<NoticeSubject, StoreError> {
        Self::subject(self, &notice.subject, &notice.entry).await
    }

    async fn statuses(&self, dispatch: &DispatchKey, attempt: AttemptId) -> Result<Vec<Entry>, StoreError> {
        Self::statuses(self, dispatch, attempt).await
    }

    async fn put_delivery(&self, notice: &Notice, delivery: &Delivery) -> Result<(), StoreError> {
        Self::put_delivery(self, &notice.subject, &notice.entry, delivery).await
    }

    async fn unresponsive_receiver(
        &self,
        tenant: &Tenant,
        host: &str,
    ) -> Result<Option<UnresponsiveReceiver>, StoreError> {
        Self::unresponsive_receiver(self, tenant, host).await
    }

    async fn record_no_answer(
        &self,
        tenant: &Tenant,
        host: &str,
        reason: &str,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> Result<UnresponsiveReceiver, StoreError> {
        Self::record_no_answer(self, tenant, host, reason, now, retry_at).await
    }

    async fn claim_probe(
        &self,
        tenant: &Tenant,
        host: &str,
        seen: &UnresponsiveReceiver,
        retry_at: Timestamp,
    ) -> Result<ProbeClaim, StoreError> {
        Self::claim_probe(self, tenant, host, seen, retry_at).await
    }

    async fn acquire_probe_lock(&self, now: Timestamp, until: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Self::acquire_probe_lock(self, now, until).await
    }

    async fn release_probe_lock(&self, until: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        Self::release_probe_lock(self, until, now).await
    }

    async fn clear_unresponsive(&self, tenant: &Tenant, host: &str) -> Result<(), StoreError> {
        Self::clear_unresponsive(self, tenant, host).await
    }
}
