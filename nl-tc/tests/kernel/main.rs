//! Classes and qdiscs on a real kernel, checked with iproute2.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod action;
#[cfg(test)]
mod action_traffic;
mod bpf;
mod bytes;
mod cancelled;
mod errors;
mod every_change;
mod faults;
mod filter;
mod listing;
mod oracle;
mod races;
#[cfg(test)]
mod random_trees;
#[cfg(test)]
mod random_words;
mod reports;
mod scale;
mod setups;
mod size_table;
mod statistics;
#[cfg(test)]
mod storm;
mod support;
mod table_classes;
mod table_hfsc;
mod table_htb;
mod table_later;
mod table_qdiscs;
#[cfg(test)]
#[path = "../tables/mod.rs"]
mod tables;
mod tdc;
mod traffic;
mod tree;
mod tree_filters;
#[cfg(test)]
mod tree_traffic;
mod verbs;
mod watch;
#[cfg(test)]
mod wish;
#[cfg(test)]
mod written_back;

nl_testkit::main!();
