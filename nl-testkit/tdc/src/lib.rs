//! The kernel's own tests of traffic control (`tools/testing/selftests/tc-testing`), run against a library.
//!
//! # What it does
//!
//! A [`Case`] is one entry of the kernel's JSON: commands that prepare, one command under test with the exit code it must
//! have, and what `tc` must show afterwards. [`run`] prepares with iproute2 in a node and hands the command under test
//! to a function, which maps the words of `tc` onto the library and says how it ended; [`with_tc`] runs the real program
//! instead. The cases are the kernel's and are not kept here: [`fetch`] takes them from a Debian source package into
//! a [cache](cache_dir), once.
//!
//! # Example
//!
//! ```no_run
//! # async fn example(node: nl_testkit::Node) -> nl_testkit::Result {
//! use nl_testkit_tdc::{self as tdc, Command, Ran};
//!
//! async fn ours(_node: nl_testkit::Node, command: Command) -> Ran {
//!     match command.tc().as_deref() {
//!         // ["qdisc", "add", "dev", dev, "handle", handle, "root", "htb", ..] => the library does it
//!         _ => Ran::NotApplicable("the library has no such command".to_owned()),
//!     }
//! }
//!
//! let cases = tdc::cached("qdiscs/htb.json")?.unwrap_or_default();
//! let table = tdc::run(&node, &cases, ours).await?;
//! assert_eq!(table.failed(), 0, "{table}");
//! # Ok(())
//! # }
//! ```
//!
//! # Permissions and namespaces
//!
//! Those of [nl-testkit](nl_testkit): no root is needed, and a case changes nothing outside its node. Cases that add or delete actions by
//! themselves need the initial user namespace, so that their tests declare `host_root`; elsewhere they fail, because the real `tc`
//! is refused too, which would look like what the case expects.
//!
//! # Features
//!
//! None.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod case;
mod machine;
mod packet;
mod privilege;
mod run;
mod source;

pub use crate::{
    case::{Case, Command, Packets, Step},
    run::{Ran, Row, Table, Verdict, control, run, run_whole, with_tc},
    source::{cache_dir, cached, fetch, keep, newest},
};
