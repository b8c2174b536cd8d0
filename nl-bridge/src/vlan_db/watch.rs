use std::borrow::Cow;

use nl_core::attr::DecodeError;
use nl_core::link::{RTM_DELLINK, RTM_NEWLINK, RTNLGRP_LINK};
use nl_core::message::{AF_BRIDGE, IfInfoMsg, MessageRef};
use nl_core::watch::{Entry, Event, Source};
use nl_core::{Protocol, Request, watch_of};

use super::{RTNLGRP_BRVLAN, VlanDbEntry, VlanDbEvent, VlanDbFilter, VlanInfo};
use crate::follow::is_of_device;

watch_of! {
    /// The VLANs of all ports and bridges of a namespace, watched, with their options and tunnel mappings, one VLAN of one device at
    /// a time.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_bridge::vlan_db::VlanWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = VlanWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(entry) => println!("+ {entry}"),
    ///         Change::Changed { after, .. } => println!("~ {after}"),
    ///         Change::Deleted(entry) => println!("- {entry}"),
    ///         Change::Synced => println!("= {} VLANs", watch.len()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # What is followed
    /// The kernel has an event for each change of a VLAN, and none for some of its consequences. The watch lists the VLANs again, at
    /// most a third of the time, after
    /// - an event of several VLANs, in which the kernel can hide differences between them;
    /// - an event with a PVID, because the VLAN that had it before has no event;
    /// - a change of global options, which moves VLANs to other MSTIs and so to other states;
    /// - an event of the bridge family about a port: `vlan_tunnel off` drops all mappings, and a VLAN that is deleted by
    ///   `RTM_DELVLAN` with the flag `BRIDGE_VLAN_INFO_MASTER` is deleted from the bridge too, with no other event;
    /// - the deletion of any device, because a list that is read meanwhile can lack another one's VLANs.
    ///
    /// **Not followed**, and reported with the next listing, for which [`resync`](Self::resync) asks:
    /// - the state of an MSTI of a port (`nl_bridge::mst`), which changes the states of VLANs;
    /// - `vlan_tunnel off` by `ip link set … type bridge_slave` on a port that is down, because the kernel reports no change of it.
    ///
    /// Counters and the number of multicast groups are those of the last message, and no change.
    VlanWatch, VlanWatchBuilder: Vlans of VlanDbEntry;
    /// Equivalent: `bridge -d vlan show` and `bridge monitor vlan` together. Needs no privilege.
    open
}

impl Entry for VlanDbEntry {
    type Key = (u32, u16);

    fn key(&self) -> Self::Key {
        (self.index, self.vlans.first().get())
    }

    fn normalized(&self) -> Cow<'_, Self> {
        if self.stats.is_none() && self.mcast_n_groups.is_none() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self { stats: None, mcast_n_groups: None, ..self.clone() })
    }
}

#[derive(Clone, Copy, Debug)]
struct Vlans;

impl Source for Vlans {
    type Entry = VlanDbEntry;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "VLANs";
    const LISTS_SEVERAL: bool = true;

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_BRVLAN]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<VlanDbEntry>>, DecodeError> {
        let single = |mut entries: Vec<VlanDbEntry>| match entries.pop() {
            Some(entry) if entries.is_empty() && entry.vlans.is_single() => Some(entry),
            _ => None,
        };
        Ok(match VlanDbEvent::decode(message)? {
            Some(VlanDbEvent::New(entries)) => {
                let plain = single(entries).filter(|entry| !entry.info.contains(VlanInfo::PVID));
                Some(plain.map_or(Event::Unreported, Event::New))
            }
            Some(VlanDbEvent::Deleted(entries)) => {
                Some(single(entries).map_or(Event::Unreported, Event::Deleted))
            }
            Some(VlanDbEvent::Global(_)) => Some(Event::Unreported),
            None if matches!(message.kind(), RTM_NEWLINK | RTM_DELLINK) => {
                let is_of_port = message.header::<IfInfoMsg>()?.0.family == AF_BRIDGE;
                (is_of_port || is_of_device(message, &[])?).then_some(Event::Unreported)
            }
            None => None,
        })
    }

    fn list(&self) -> Request {
        VlanDbFilter::default().list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<VlanDbEntry>, DecodeError> {
        let mut entries = Vec::new();
        self.decode_entries(message, &mut entries)?;
        Ok(entries.pop())
    }

    fn decode_entries(
        &self,
        message: MessageRef<'_>,
        entries: &mut Vec<VlanDbEntry>,
    ) -> Result<(), DecodeError> {
        VlanDbEntry::decode(message, entries)
    }

    /// The kernel can be asked for no single VLAN.
    fn question(&self, _: &VlanDbEntry) -> Option<Request> {
        None
    }
}
