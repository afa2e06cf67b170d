//! Tests that cross functions live beside this file, in `tests/`.
