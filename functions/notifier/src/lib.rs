//! Works off the `notifications` queue: tells requesters what happened.
