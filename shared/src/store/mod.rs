//! The DynamoDB table. Only this module knows its layout.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | dispatch, versioned | `T#{tenant}#D#{dispatch}` | `D` |
//! | its timeline, one item per entry | same | `E#{entry}` |
//! | the delivery of the webhook about an entry | same | `W#{entry}` |
//! | an unresponsive receiver of webhooks | `T#{tenant}#H#{host}` | `H` |
//! | the lock for probing these receivers | `TURN` | `H` |
//! | the lease on an employee's phone, and its recent calls | `T#{tenant}#L#{hash of the number}` | `L` |
//! | limits on calls to one number | `T#{tenant}#LIMITS` | `LIMITS` |
//! | pacing slots and health of a provider | `PACE#{provider}` | `P` |
//! | task chain, versioned | `T#{tenant}#C` | `C#{chain}` |
//! | bot document, versioned | `T#{tenant}#B` | `B#{bot}` |
//! | the connection to a chat platform | `T#{tenant}#CHAT` | `CHAT` |
//! | conversation, versioned | `T#{tenant}#V#{conversation}` | `V` |
//! | its timeline, one item per entry | same | `E#{entry}` |
//! | interaction, versioned | `T#{tenant}#I#{interaction}` | `I` |
//! | its timeline, one item per entry | same | `E#{entry}` |
//! | customer | `T#{tenant}#U#{customer}` | `U` |
//! | their interactions | same | `I#{interaction}` |
//! | their phone number and e-mail address | `T#{tenant}#U#{hash of the address}` | `ADDRESS` |
//! | a request of a chat page's visitor | `T#{tenant}#W#{hash of conversation and request}` | `R` |
//! | a visitor as a customer of the platform | `T#{tenant}#W#{hash of the e-mail address}` | `CONTACT` |
//! | how many requests there were in a minute | `T#{tenant}#W#STARTS`, `T#{tenant}#W#{hash of the conversation}` | `N#{minute}` |
//! | the newest interaction that wrote to a customer over a channel | `T#{tenant}#M#{hash of channel and address}` | the hash of our sender, or `ANY` |
//! | an address that must not be contacted | `T#{tenant}#O#{hash of the address}` | `O` |
//! | the state of a caller's last call to a chain | `T#{tenant}#A#{hash of chain and number}` | `A` |
//! | the context of a caller | `T#{tenant}#X#{hash of the number}` | `X` |
//! | API token | `TOKEN#{SHA-256 of the secret}` | `T` |
//! | its entry in the list of tokens | `T#{tenant}#TOKENS` | the SHA-256 |
//!
//! The index `by_day` (`day_pk` = `T#{tenant}#D#{day}`, `day_sk` = `{created_at}#{dispatch}`) lists dispatches, and
//! conversations and interactions in the same way (`V` and `I` in place of `D`). It also finds a context by the call in which it was set
//! (`day_pk` = `T#{tenant}#K#{hash of the call}`).
//!
//! The index `by_due` (`due_pk` = `DUE#0` to `DUE#3`, `due_sk` = the due time, rounded up to 5 minutes) contains the
//! unfinished dispatches, and in the same way the conversations (`DUE#V#0` to `DUE#V#3`) and interactions (`DUE#I#0` to
//! `DUE#I#3`) in which something is left to do (`due.rs`).

mod calls;
mod commit;
mod connection;
mod context;
mod conversations;
mod customers;
mod deliveries;
mod documents;
mod due;
mod erase;
mod error;
mod interactions;
mod items;
mod lease;
mod list;
mod opt_outs;
mod pacing;
mod read;
mod retry;
mod setup;
mod threads;
mod token;
mod versioned;
mod visitors;
mod write;

use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::Client;

pub use calls::{CALL_WINDOW_SECONDS, SavedCall};
pub use commit::CommitResult;
pub use connection::ChatConnection;
pub use context::{CallEnd, OutcomeWrite, PaymentAdmission};
pub use conversations::ConversationSummary;
pub use customers::{CustomerId, CustomerInteraction, StoredCustomer};
pub use deliveries::{NoticeSubject, NoticedEntry, ProbeClaim, UnresponsiveReceiver};
pub use documents::{
    DeleteDocumentResult, DocumentKey, DocumentKind, DocumentLookup, DocumentPage, DocumentSummary, Precondition,
    PutDocumentResult, StoredDocument,
};
pub use due::{DUE_SHARDS, Due, PostponeReason, Resent, Subject};
pub use error::StoreError;
pub use interactions::InteractionSummary;
pub use items::{INDEX_BY_DAY, INDEX_BY_DUE, PARTITION_KEY, SORT_KEY};
pub use lease::PhoneStatus;
pub use list::{DispatchSummary, ListItem, Page};
pub use opt_outs::{
    Address, AddressHash, InvalidAddressHash, InvalidOptOutAddress, OptOut, OptOutChange, OptOutRecord, OptOutSource,
};
pub use pacing::{Priority, SHARE, SlotReservation, VersionedProviderState};
pub use read::TimelinePage;
pub use retry::{client, with_retries};
pub use setup::TableSetup;
pub use threads::{Thread, Written};
pub use token::TokenEntry;
pub use versioned::{Listing, VersionCommit, Versioned};
pub use visitors::{VisitorContact, VisitorRequest, VisitorRequestBegin, VisitorRequestKey, VisitorRequestState};

/// How long a dispatch and its timeline are kept after their last change.
pub const RETENTION_SECONDS: i64 = 90 * 86_400;

/// The table.
#[derive(Clone, Debug)]
pub struct Store {
    client: Arc<LazyLock<Client, MakeClient>>,
    table: String,
}

type MakeClient = Box<dyn FnOnce() -> Client + Send>;

impl Store {
    /// The table with this name, accessed with `client`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self::on_demand(|| client, table)
    }

    /// The table with this name, accessed with a client that is created for the first request. Creating the client
    /// takes a tenth of a cold start, and a request with a forged reference never needs it.
    pub fn on_demand(client: impl FnOnce() -> Client + Send + 'static, table: impl Into<String>) -> Self {
        Self {
            client: Arc::new(LazyLock::new(Box::new(client))),
            table: table.into(),
        }
    }
}
