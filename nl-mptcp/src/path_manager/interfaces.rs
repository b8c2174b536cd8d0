//! The interfaces of the namespace and their addresses, from the watches of nl-core.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use nl_core::address::{Address, AddressWatch};
use nl_core::link::{Link, LinkFlags, LinkWatch};
use nl_core::watch::Change;
use nl_core::{Connection, Error, Result};

use super::machine::Input;
use super::table::{AddressKind, Interface};

/// Two watches, of which each keeps its own table correct.
pub(super) struct Interfaces {
    links: LinkWatch,
    addresses: AddressWatch,
    links_synced: bool,
    addresses_synced: bool,
    /// Both have been synced. Until then nothing is reported: the tables are read as a whole.
    begun: bool,
    link_overruns: u64,
    address_overruns: u64,
    /// A watch has lost events, and that is not reported yet.
    lost: bool,
    inputs: VecDeque<Input>,
}

/// What the watches report.
pub(super) enum Step {
    /// A watch has ended, and its error was reported.
    Ended,
    Failed(Error),
    Input(Input),
    /// A watch lost events, and lists its table again. The differences follow as inputs, and then `Synced`.
    Lost,
    Synced,
}

impl Interfaces {
    pub(super) async fn open(route: &Connection, receive_buffer: Option<usize>) -> Result<Self> {
        let (mut links, mut addresses) = (LinkWatch::builder(route), AddressWatch::builder(route));
        if let Some(bytes) = receive_buffer {
            (links, addresses) = (links.receive_buffer(bytes), addresses.receive_buffer(bytes));
        }
        let (links, addresses) = (links.open().await?, addresses.open().await?);
        Ok(Self {
            links,
            addresses,
            links_synced: false,
            addresses_synced: false,
            begun: false,
            link_overruns: 0,
            address_overruns: 0,
            lost: false,
            inputs: VecDeque::new(),
        })
    }

    /// Whether both tables are the kernel's, as far as is known.
    pub(super) fn is_synced(&self) -> bool {
        self.links_synced && self.addresses_synced
    }

    pub(super) fn overruns(&self) -> u64 {
        self.links.overruns() + self.addresses.overruns()
    }

    /// Lists both tables again.
    pub(super) fn resync(&mut self) {
        self.links.resync();
        self.addresses.resync();
        (self.links_synced, self.addresses_synced) = (false, false);
    }

    /// Both tables after the inputs so far.
    pub(super) fn table(&self) -> BTreeMap<u32, Interface> {
        let new = |link: &Link| Interface {
            index: link.index,
            name: link.name.to_string(),
            up: is_up(link),
            addresses: BTreeMap::new(),
        };
        let mut table: BTreeMap<_, _> = self.links.entries().map(|link| (link.index, new(link))).collect();
        for address in self.addresses.entries() {
            if let Some(interface) = table.get_mut(&address.index) {
                interface.addresses.insert(address.local, kind(address));
            }
        }
        table
    }

    /// Takes one step.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            if std::mem::take(&mut self.lost) {
                return Poll::Ready(Step::Lost);
            }
            if let Some(input) = self.inputs.pop_front() {
                return Poll::Ready(Step::Input(input));
            }
            // Links first: addresses belong to them.
            let polled = match self.poll_links(cx) {
                Poll::Pending => self.poll_addresses(cx),
                ready => ready,
            };
            match polled {
                Poll::Ready(Some(step)) => return Poll::Ready(step),
                Poll::Ready(None) => {}
                Poll::Pending if self.lost => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_links(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        let change = Pin::new(&mut self.links).poll_next(cx);
        // Before the change, which may be that it is synced again.
        let overruns = self.links.overruns();
        if std::mem::replace(&mut self.link_overruns, overruns) != overruns {
            (self.links_synced, self.lost) = (false, true);
        }
        let Some(change) = ready!(change) else { return Poll::Ready(Some(Step::Ended)) };
        match change {
            Err(error) => return Poll::Ready(Some(Step::Failed(error))),
            Ok(Change::Synced) => {
                self.links_synced = true;
                return Poll::Ready(Some(self.synced()));
            }
            Ok(_) if !self.begun => {}
            Ok(Change::Added(link)) => {
                self.push(&link);
                // An address may have come before its link.
                let of_link = |address: &&Address| address.index == link.index;
                self.inputs.extend(self.addresses.entries().filter(of_link).map(present));
            }
            Ok(Change::Changed { after: link, .. }) => self.push(&link),
            Ok(Change::Deleted(link)) => self.inputs.push_back(Input::LinkDeleted { index: link.index }),
        }
        Poll::Ready(None)
    }

    fn poll_addresses(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        let change = Pin::new(&mut self.addresses).poll_next(cx);
        let overruns = self.addresses.overruns();
        if std::mem::replace(&mut self.address_overruns, overruns) != overruns {
            (self.addresses_synced, self.lost) = (false, true);
        }
        let Some(change) = ready!(change) else { return Poll::Ready(Some(Step::Ended)) };
        match change {
            Err(error) => return Poll::Ready(Some(Step::Failed(error))),
            Ok(Change::Synced) => {
                self.addresses_synced = true;
                return Poll::Ready(Some(self.synced()));
            }
            Ok(_) if !self.begun => {}
            Ok(Change::Added(address) | Change::Changed { after: address, .. }) => {
                self.inputs.push_back(present(&address));
            }
            Ok(Change::Deleted(address)) => {
                // The same address may be there with another length of its network, or another peer.
                let (index, address) = (address.index, address.local);
                let other = self.addresses.entries().find(|a| a.index == index && a.local == address);
                self.inputs.push_back(Input::Address { index, address, kind: other.map(kind) });
            }
        }
        Poll::Ready(None)
    }

    fn synced(&mut self) -> Step {
        self.begun |= self.is_synced();
        Step::Synced
    }

    fn push(&mut self, link: &Link) {
        let (index, name, up) = (link.index, link.name.to_string(), is_up(link));
        self.inputs.push_back(Input::Link { index, name, up });
    }
}

fn is_up(link: &Link) -> bool {
    link.flags.contains(LinkFlags::UP | LinkFlags::RUNNING)
}

fn kind(address: &Address) -> AddressKind {
    AddressKind { scope: address.scope.into(), flags: address.flags.bits() }
}

fn present(address: &Address) -> Input {
    Input::Address { index: address.index, address: address.local, kind: Some(kind(address)) }
}

#[cfg(test)]
mod tests {
    use nl_core::address::{AddressFlags, AddressScope};

    use super::*;

    #[test]
    fn tentative_and_link_local_addresses_are_not_usable() {
        let mut address = Address::new("2001:db8::1/64".parse().unwrap(), 7);
        assert_eq!(kind(&address), AddressKind { scope: 0, flags: 0 });
        assert!(kind(&address).is_usable());
        address.flags = AddressFlags::TENTATIVE | AddressFlags::NOPREFIXROUTE;
        assert_eq!(kind(&address).flags, 0x240);
        assert!(!kind(&address).is_usable());
        (address.flags, address.scope) = (AddressFlags::empty(), AddressScope::Link);
        assert_eq!(kind(&address).scope, 253);
        assert!(!kind(&address).is_usable());
    }

    /// `ip address add 10.0.0.1 peer 10.0.0.9 dev ppp0` (index 7): the address of this side is the local one.
    #[test]
    fn address_of_this_side_is_that_of_the_interface() {
        let mut address = Address::new("10.0.0.1/32".parse().unwrap(), 7);
        address.peer = Some("10.0.0.9".parse().unwrap());
        let Input::Address { index: 7, address, kind: Some(_) } = present(&address) else { panic!() };
        assert_eq!(address.to_string(), "10.0.0.1");
    }
}
