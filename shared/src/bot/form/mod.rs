//! Values of forms.

mod date;
#[cfg(test)]
mod tests;
pub(super) mod value;
