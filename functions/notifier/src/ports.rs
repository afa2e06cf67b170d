//! What the notifier needs of the table, and nothing more.

use std::future::Future;

use patchbay::clock::Timestamp;
use patchbay::dispatch::Entry;
use patchbay::dispatch::delivery::Delivery;
use patchbay::dispatch::work::Notice;
use patchbay::ids::{AttemptId, DispatchKey, Tenant};
use patchbay::mail::Failure;
use patchbay::store::{NoticeSubject, Probe, Silence, Store, StoreError};

/// What notices are about, how deliveries stand, and which receivers do not answer. The methods are those of [`Store`].
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

    fn silence(&self, tenant: &Tenant, host: &str)
    -> impl Future<Output = Result<Option<Silence>, Self::Error>> + Send;

    fn note_silence(
        &self,
        tenant: &Tenant,
        host: &str,
        why: &str,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> impl Future<Output = Result<Silence, Self::Error>> + Send;

    fn take_probe(
        &self,
        tenant: &Tenant,
        host: &str,
        seen: &Silence,
        retry_at: Timestamp,
    ) -> impl Future<Output = Result<Probe, Self::Error>> + Send;

    fn take_turn(
        &self,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<Option<Timestamp>, Self::Error>> + Send;

    fn give_back_turn(&self, until: Timestamp, now: Timestamp) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn end_silence(&self, tenant: &Tenant, host: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl Table for Store {
    type Error = StoreError;

    async fn subject(&self, notice: &Notice) -> Result<NoticeSubject, StoreError> {
        Self::subject(self, &notice.dispatch, &notice.entry).await
    }

    async fn statuses(&self, dispatch: &DispatchKey, attempt: AttemptId) -> Result<Vec<Entry>, StoreError> {
        Self::statuses(self, dispatch, attempt).await
    }

    async fn put_delivery(&self, notice: &Notice, delivery: &Delivery) -> Result<(), StoreError> {
        Self::put_delivery(self, &notice.dispatch, &notice.entry, delivery).await
    }

    async fn silence(&self, tenant: &Tenant, host: &str) -> Result<Option<Silence>, StoreError> {
        Self::silence(self, tenant, host).await
    }

    async fn note_silence(
        &self,
        tenant: &Tenant,
        host: &str,
        why: &str,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> Result<Silence, StoreError> {
        Self::note_silence(self, tenant, host, why, now, retry_at).await
    }

    async fn take_probe(
        &self,
        tenant: &Tenant,
        host: &str,
        seen: &Silence,
        retry_at: Timestamp,
    ) -> Result<Probe, StoreError> {
        Self::take_probe(self, tenant, host, seen, retry_at).await
    }

    async fn take_turn(&self, now: Timestamp, until: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Self::take_turn(self, now, until).await
    }

    async fn give_back_turn(&self, until: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        Self::give_back_turn(self, until, now).await
    }

    async fn end_silence(&self, tenant: &Tenant, host: &str) -> Result<(), StoreError> {
        Self::end_silence(self, tenant, host).await
    }
}
