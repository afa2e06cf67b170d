//! Tests of the notifier with an in-memory store, queue and receiver.

// `cfg(test)` is always true here; it tells clippy that these are tests.
#[cfg(test)]
mod failing;
#[cfg(test)]
mod handle;
#[cfg(test)]
mod interactions;
#[cfg(test)]
mod misbehaving;
#[cfg(test)]
mod payload;
#[cfg(test)]
mod silent;
#[cfg(test)]
mod support;
