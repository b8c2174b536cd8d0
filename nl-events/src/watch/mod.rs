//! What every watch shares: an exact copy of a kernel table that is told of changes and finds out what it missed.
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
