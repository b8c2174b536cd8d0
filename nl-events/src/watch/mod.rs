//! What every watch shares: an exact copy of a kernel table, updated by events, that resynchronises after lost ones.
//!
//! - `table` holds the entries.
//! - `machine` decides what is listed, asked for and reported. It does no I/O.
//! - `driver` does the I/O for it.
//!
//! A family adds an [`Entry`] and a [`Source`].

mod driver;
mod machine;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use driver::{Driver, Source};
pub(crate) use machine::{Change, Event};
pub(crate) use table::{Entry, Keyed};
