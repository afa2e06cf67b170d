//! Works off the `calls` queue: places calls, watches them, ends waits.

fn main() {}
