//! Values of forms.

mod date;
pub(super) mod value;

pub(super) use value::Limit;
