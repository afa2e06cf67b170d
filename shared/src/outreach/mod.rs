//! Outreach: what interactions need besides their rules. The documents of agents and skills, customers, and the way to
//! providers and back.
//!
//! - [`agent`], [`skill`]: the documents. [`plan`]: what a request becomes with them.
//! - [`callbacks`]: the URLs to which providers report about an attempt. [`email_tags`]: what events about e-mails carry.
//! - [`reports`]: what the words of providers mean for an attempt.
//! - [`receiver`]: whom a leg reaches.
//! - [`inbound`]: applies what providers report and what customers write, with what it means for the opt-outs.

pub mod agent;
pub mod callbacks;
pub mod document;
pub mod email_tags;
pub mod extensions;
pub mod inbound;
pub mod plan;
pub mod receiver;
pub mod recording;
pub mod reports;
pub mod skill;
