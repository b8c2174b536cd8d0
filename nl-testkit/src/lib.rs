//! Private networks for testing netlink programs.
//!
//! # What it does
//!
//! A [`Lab`] hands out [`Node`]s: anonymous network namespaces, each with a thread and a tokio runtime of its own.
//! Topologies ([`Lab::wire`], [`Lab::bridge`]) come up, addressed and with a carrier in milliseconds, without root
//! and without touching the machine's own network. A test declares what it needs from the kernel; where the need is
//! unmet the test is *skipped with a reason*, or fails if the lane promised it, and never passes by accident. When
//! a body ends the kit checks that it left no sockets, tasks, namespaces or processes behind.
//!
//! # Example
//!
//! `Cargo.toml`:
//!
//! ```toml
//! [[test]]
//! name = "kernel"
//! harness = false
//! ```
//!
//! `tests/kernel.rs`:
//!
//! ```no_run
//! use nl_testkit::{Lab, Result};
//!
//! nl_testkit::main!();
//!
//! #[nl_testkit::test(needs(link = "bridge", tool = "bridge"))]
//! async fn a_port_shows_up_in_the_bridge(lab: Lab) -> Result {
//!     let bridge = lab.bridge("br0", 2).await?;
//!     let links = bridge.node().json("bridge -j link show").await;
//!     assert_eq!(links.as_array().map(Vec::len), Some(2));
//!     Ok(())
//! }
//! ```
//!
//! # On other kernels
//!
//! ```sh
//! cargo install nl-testkit-runner
//! testkit host                     # the kernel tests here, as an ordinary user, and as root where you are root
//! testkit vm --kernel 6.1,6.12,7   # on three kernels of Debian, or a bzImage of yours, in virtual machines
//! testkit merge ledgers/           # what several machines wrote down: a test that ran nowhere fails
//! ```
//!
//! A virtual machine holds iproute2, a shell with small tools, the kernel's modules of networking, and what your `lanes/guest.txt` lists.
//!
//! # Permissions and namespaces
//!
//! The test binary re-executes itself into a user, a network and a mount namespace before any thread exists, so
//! no root is needed; tests with `needs(host_root)` run in plain namespaces when the caller is really root. A socket
//! belongs to the namespace of the thread that made it: make it with [`Node::open`] or [`Node::run`]. Children
//! are killed with their parent and namespaces have no names on the machine, so even SIGKILL leaves nothing but what a
//! child of a test started itself: a daemon lives on, and its namespace with it, until somebody ends it.
//!
//! # Threads
//!
//! The body of a test and each node have a thread of their own with a *current-thread* runtime of tokio. Futures given to [`Node::run`] are
//! made and polled on the node's thread and need not be `Send`; `tokio::spawn` and `spawn_local` put tasks there. What blocks that thread
//! blocks the node, and `block_in_place` panics on it. A program that brings a runtime with threads of its own makes it in
//! [`Node::open`]: threads are born in the namespace of the thread that starts them.
//!
//! # Features
//!
//! `fault-socket` adds `fault::PeerSocket`, with which rtnetlink and whatever else is built on netlink-proto run under fault injection.
//!
//! # Environment
//!
//! `NL_TESTKIT_LANE` names the lane, `NL_TESTKIT_PROMISES` a file with what it promises (by
//! default `lanes/LANE.txt` in the package's folder or the nearest above),
//! `NL_TESTKIT_LEDGER` a file that gets one JSON line per test,
//! `NL_TESTKIT_ONLY=netdevsim` leaves out tests that do not declare that need, `NL_TESTKIT_MODE` is `auto`, `user`,
//! `user-only`, `root` or `root-only`, `NL_TESTKIT_PATIENCE` multiplies every deadline (for emulated machines), and
//! `NL_TESTKIT_KEEP=1` holds a failed test's namespaces open.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]
#![deny(missing_docs)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[expect(unsafe_code, reason = "an allocator has no safe interface in std")]
pub mod alloc;
pub mod bpf;
mod cache;
pub mod cancel;
mod cmd;
pub mod corpus;
mod distribution;
mod empty_root;
pub mod fault;
mod frame;
mod harness;
mod idle;
mod kernel;
mod lab;
mod leak;
mod link;
mod native;
mod need;
mod netdevsim;
mod node;
pub mod oracle;
pub mod race;
mod record;
pub mod sandbox;
mod scaled;
mod socket;
#[expect(unsafe_code, reason = "namespaces, mounts and packet sockets have no safe interface in std")]
mod sys;
mod topology;
mod version;
mod wait;

pub use nl_testkit_macros::test;
/// The crate whose values [`Node::json`] returns and [`oracle::Shows::is`] takes.
pub use serde_json;

pub use crate::{
    cache::cache_dir,
    cmd::Output,
    distribution::netem_distribution,
    empty_root::in_empty_root,
    frame::{Capture, EthFrame},
    kernel::{assert_older_than, by_kernel, kernel_version},
    lab::Lab,
    link::{Counters, Vxlan},
    native::native_iproute2,
    need::{Need, Probe, ProbeTable, probe},
    netdevsim::Netdevsim,
    node::Node,
    scaled::scaled,
    socket::{NetlinkSocket, squeeze},
    topology::Bridge,
    wait::{eventually, panic_of, patient, within},
};

/// Any error; what the topology helpers return and what a test body may return.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of a test body or of a step in one; `Result` alone is what a test returns.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// Defines the `main` of a kernel test binary: `nl_testkit::main!();` at the top of `tests/kernel.rs`.
///
/// The target needs `harness = false` in its Cargo.toml. Where that is forgotten, cargo's own harness runs in its place and knows of no
/// kernel test; there is one test then, which fails and says so.
#[macro_export]
macro_rules! main {
    () => {
        // Without cargo's harness the attribute leaves nothing of it.
        #[test]
        fn harness_is_not_false() {
            ::std::panic!(
                "no kernel test runs: this test target needs `harness = false` in its [[test]] section of Cargo.toml"
            );
        }

        fn main() -> ::std::process::ExitCode {
            $crate::__private::main(&$crate::__private::Binary {
                package: ::std::env!("CARGO_PKG_NAME"),
                name: ::std::env!("CARGO_CRATE_NAME"),
            })
        }
    };
}

/// What the macros expand to; not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use inventory::submit;

    pub use crate::harness::{Binary, Body, TestCase, Verdict, main};
}
