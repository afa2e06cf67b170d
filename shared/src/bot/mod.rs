//! Bots, defined by documents: what a bot answers to a customer, and when it hands over to people. Pure: no I/O, no
//! clock. The rule engine is [`crate::flow`].
