//! Watches of a simulated kernel that loses events, refuses and fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests panic with context")]

mod absence;
mod cancelled;
#[cfg(all(feature = "family", feature = "mptcp"))]
mod family;
mod faulty;
mod overrun;
mod reports;
mod runtimes;
mod support;
