//! Watches: an exact copy of a kernel table, updated by events, that resynchronises after lost ones.
//!
//! A [`Watch`] is a stream of [`Change`]s: first the entries that exist, then what changes. A family of tables adds an [`Entry`]
//! and a [`Source`]:
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use nl_core::attr::DecodeError;
//! use nl_core::message::{IfInfoMsg, MessageRef};
//! use nl_core::Request;
//! use nl_core::watch::{Change, Entry, Event, Source, Watch};
//! use nl_core::{Connection, Error, Protocol};
//!
//! const RTNLGRP_LINK: u32 = 1;
//! const RTM_NEWLINK: u16 = 16;
//! const RTM_DELLINK: u16 = 17;
//! const RTM_GETLINK: u16 = 18;
//!
//! /// The flags of a device.
//! #[derive(Clone, Debug, PartialEq)]
//! struct Flags {
//!     index: u32,
//!     flags: u32,
//! }
//!
//! impl Entry for Flags {
//!     type Key = u32;
//!
//!     fn key(&self) -> u32 {
//!         self.index
//!     }
//! }
//!
//! #[derive(Clone)]
//! struct Devices;
//!
//! impl Source for Devices {
//!     type Entry = Flags;
//!     const PROTOCOL: Protocol = Protocol::Route;
//!     const ENTRIES: &'static str = "devices";
//!
//!     fn groups(&self) -> Vec<u32> {
//!         vec![RTNLGRP_LINK]
//!     }
//!
//!     fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Flags>>, DecodeError> {
//!         Ok(match (message.kind(), self.decode_entry(message)?) {
//!             (RTM_NEWLINK, Some(link)) => Some(Event::New(link)),
//!             (RTM_DELLINK, Some(link)) => Some(Event::Deleted(link)),
//!             _ => None,
//!         })
//!     }
//!
//!     fn list(&self) -> Request {
//!         Request::unnamed(RTM_GETLINK).with_header(&IfInfoMsg::default())
//!     }
//!
//!     fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Flags>, DecodeError> {
//!         let (header, _) = message.header::<IfInfoMsg>()?;
//!         // Messages of other families are about a device as a bridge or IPv6 has it.
//!         Ok((header.family == 0).then_some(Flags { index: header.index, flags: header.flags }))
//!     }
//!
//!     fn question(&self, entry: &Flags) -> Option<Request> {
//!         let header = IfInfoMsg { index: entry.index, ..IfInfoMsg::default() };
//!         Some(Request::unnamed(RTM_GETLINK).with_header(&header))
//!     }
//! }
//!
//! # async fn example() -> nl_core::Result<()> {
//! let conn = Connection::open(Protocol::Route)?;
//! let mut watch = Watch::open(&conn, Devices)?;
//! while let Some(change) = watch.next().await {
//!     match change? {
//!         Change::Added(link) => println!("+ {link:?}"),
//!         Change::Changed { after, .. } => println!("~ {after:?}"),
//!         Change::Deleted(link) => println!("- {link:?}"),
//!         Change::Synced => println!("= {} devices", watch.len()),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Under feature `blocking`, `for change in &mut watch` waits without a runtime.
//!
//! # How a watch stays correct
//! - It listens before it lists the table, and replays the events that arrived meanwhile over the list.
//! - When the kernel drops events (`ENOBUFS`), the watch first reads the receive buffer empty, because until then the kernel
//!   goes on dropping and reports it only once. Then it lists the table on another socket and reports the differences.
//! - The kernel resumes many lists by counting entries, so a list skips entries when others are deleted meanwhile. An entry
//!   that a list lacks is therefore reported as deleted only after the kernel has said that it does not exist
//!   ([`Source::question`]). A listing during which something was deleted is repeated, because it may also lack an entry that is
//!   new.
//! - Some lists lose entries a moment after the event. The watch waits that long before it lists ([`Source::SETTLING`]).
//! - Only a refusal by the kernel means that an entry or a table does not exist. An error of a socket never does.
//! - Entries are compared as whole values, so a change of any field is reported, except of what [`Entry::normalized`] removes.
//! - [`Change::Synced`] is reported after a listing during which nothing was lost or deleted.
//!
//! - Some changes have no event of their own: the routes of a device that goes down vanish silently. A source follows what does
//!   have an event ([`Event::Unreported`]), and the table is listed again, at most a third of the time.
//! - Where a key belongs to several entries, [`Entry::is_same`] tells them apart.
//! - What a caller knows to have changed without any event is found by [`Watch::resync`].
//!
//! # Namespaces
//! A watch holds the namespace of its connection open, as every netlink socket does: the devices in it live as long as the
//! watch, also if the name and the processes of the namespace are gone. Drop the watch to let the namespace go.
//!
//! # Watches that are there
//! With the features of the objects: `link::LinkWatch`, `address::AddressWatch`, `neighbour::NeighbourWatch`,
//! `route::RouteWatch`, `rule::RuleWatch`, `nexthop::NexthopWatch` and `nsid::NsidWatch`. [`Mirror`] is what all of them can do. Other crates make theirs with [`watch_of!`](crate::watch_of).
//!
//! # Tables that do not fit
//! A program that keeps several tables in step can use the parts: a [`Feed`] reads events and recovers from lost ones, and a
//! [`Backoff`] says how long to rest before everything is listed again.

mod backoff;
mod driver;
mod family;
mod feed;
mod machine;
mod mirror;
mod source;
mod table;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use driver::{Watch, WatchBuilder};
pub use family::watch_of;
pub use feed::{Feed, Input};
pub use machine::{Change, Event};
pub use mirror::Mirror;
pub use source::Source;
pub use table::Entry;
