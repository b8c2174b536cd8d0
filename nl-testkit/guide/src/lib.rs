//! The examples of the guide in `docs/`, compiled and run, and the pages of it that are made of the sources.
//!
//! The guide's blocks are documentation tests of this crate. Those that need no privilege run as they are; those that change a network
//! run inside [`private_network`], and the rest is compiled. `.ci/docs` does all of it, and builds the book.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod commands;
pub mod manuals;
mod sources;
mod text;
pub mod unsafe_blocks;

use nl_testkit::{Result, sandbox};

pub use crate::sources::root;

/// Every call in the table of commands: `cargo doc` fails if one of them does not exist.
///
#[doc = include_str!("../calls.md")]
pub mod calls {}

/// Runs an example in a network of its own, without root and without touching the machine's.
///
/// The program is executed once more inside new namespaces, so this must be the first call in `main`.
///
/// # Errors
/// User namespaces are forbidden here, or the example failed.
pub fn private_network<F>(example: F) -> Result
where
    F: AsyncFnOnce() -> Result,
{
    sandbox::enter()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(example())
}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/start.md")]
mod start {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/vlans.md")]
mod vlans {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/shaping.md")]
mod shaping {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/watching.md")]
mod watching {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/testing.md")]
mod testing {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/from/iproute2.md")]
mod from_iproute2 {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/from/rtnetlink.md")]
mod from_rtnetlink {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/from/nlink.md")]
mod from_nlink {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/from/vishvananda.md")]
mod from_vishvananda {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/from/pyroute2.md")]
mod from_pyroute2 {}
