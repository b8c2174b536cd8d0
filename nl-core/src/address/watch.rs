use std::borrow::Cow;

use super::filter::{AddressEvent, AddressFilter};
use super::{Address, AddressKey, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};
use crate::attr::DecodeError;
use crate::link::{RTNLGRP_LINK, barrier, is_loss};
use crate::message::MessageRef;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::watch::{Entry, Event, Source, watch_of};

watch_of! {
    /// The IP addresses of a namespace, watched.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_core::address::AddressWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = AddressWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(address) => println!("+ {address}"),
    ///         Change::Changed { after, .. } => println!("~ {after}"),
    ///         Change::Deleted(address) => println!("- {address}"),
    ///         Change::Synced => println!("= {} addresses", watch.len()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Limited lifetimes count down, and are no change. Of a device that goes down and keeps its IPv6 addresses
    /// (`keep_addr_on_down`) they become tentative without an event; the watch lists them again.
    AddressWatch, AddressWatchBuilder: AddressSource of Address;
    /// Equivalent: `ip address show` and `ip monitor address` together. Needs no privilege.
    open
}

impl Entry for Address {
    type Key = AddressKey;

    fn key(&self) -> AddressKey {
        self.key()
    }

    fn normalized(&self) -> Cow<'_, Self> {
        Cow::Owned(self.clone().without_ages())
    }
}

#[derive(Clone, Copy, Debug)]
struct AddressSource;

impl Source for AddressSource {
    type Entry = Address;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "addresses";

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<Address>>, DecodeError> {
        Ok(match AddressEvent::decode(message)? {
            Some(AddressEvent::New(address)) => Some(Event::New(address)),
            Some(AddressEvent::Deleted(address)) => Some(Event::Deleted(address)),
            None => is_loss(message)?.then_some(Event::Unreported),
        })
    }

    fn barrier(&self) -> Option<Request> {
        Some(barrier())
    }

    fn list(&self) -> Request {
        AddressFilter::default().list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<Address>, DecodeError> {
        Address::decode_ip(message)
    }

    /// The kernel finds a single IPv6 address, but no single IPv4 address.
    fn question(&self, _: &Address) -> Option<Request> {
        None
    }
}
