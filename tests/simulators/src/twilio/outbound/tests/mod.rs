//! The simulator of calls to employees, seen through its API and its webhooks.
