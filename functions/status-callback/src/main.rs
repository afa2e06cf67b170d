//! Routee's status callbacks: what became of a call.

fn main() {}
