//! The API for dispatches: create, read, list, cancel, resolve, preview.
