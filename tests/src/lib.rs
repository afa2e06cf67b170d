//! Tests that cross functions live next to this file, in `tests/`.
