use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use nl_core::attr::DecodeError;
use nl_core::link::RTNLGRP_LINK;
use nl_core::message::MessageRef;
use nl_core::watch::{Entry, Event, Source};
use nl_core::{Protocol, Request, watch_of};

use super::{MdbEntry, MdbEvent, MdbFilter, MdbGroup, MdbState, MdbTable, RTNLGRP_MDB};
use crate::follow::is_of_device;

watch_of! {
    /// The multicast databases of all bridges and VXLAN devices of a namespace, watched.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_bridge::mdb::MdbWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = MdbWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(entry) => println!("+ {entry}"),
    ///         Change::Changed { after, .. } => println!("~ {after}"),
    ///         Change::Deleted(entry) => println!("- {entry}"),
    ///         Change::Synced => println!("= {} entries", watch.len()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # What is followed
    /// The kernel has an event for most changes. The watch lists the databases again, at most a third of the time, after
    /// - an event of a bridge or a VXLAN device: `mcast_igmp_version` and `mcast_mld_version` say whether lists of sources are
    ///   reported, a bridge that is deleted takes the host's own entries along, and a VXLAN device that moves to another namespace
    ///   takes all of its entries along;
    /// - the deletion of any device, because a list that is read meanwhile can lack the entries of another one;
    /// - the deletion of a port's entry that ages: on a port with `mcast_to_unicast` the kernel has one for each listener, and
    ///   does not say for which;
    /// - an event of an entry for one source that ages: the kernel changes the list of sources, and marks entries with
    ///   [`STAR_EXCL`](super::MdbFlags::STAR_EXCL), after it or without any.
    ///
    /// A deletion that is found by listing is reported after about 60 milliseconds.
    ///
    /// **Not followed**, and reported with the next listing, for which [`resync`](Self::resync) asks:
    /// - `mcast_igmp_version` and `mcast_mld_version` of a bridge that is down, because the kernel reports no change of its options;
    /// - whether hardware has an entry ([`OFFLOAD`](super::MdbFlags::OFFLOAD)).
    ///
    /// Timers are those of the last message, and no change. Ports behind which routers are ([`MdbRouter`](super::MdbRouter)) are
    /// not in the table; [`MdbEvent`] reports them.
    MdbWatch, MdbWatchBuilder: Databases of MdbEntry;
    /// Equivalent: `bridge -d mdb show` and `bridge monitor mdb` together. Needs no privilege.
    open
}

impl Entry for MdbEntry {
    /// Device, port, group, VLAN, source, and of VXLAN the VNI and the endpoint.
    type Key = (u32, u32, MdbGroup, Option<u16>, Option<IpAddr>, Option<u32>, Option<IpAddr>);

    fn key(&self) -> Self::Key {
        (self.dev, self.port, self.group, self.vlan, self.source, self.src_vni, self.dst)
    }

    fn normalized(&self) -> Cow<'_, Self> {
        let mut entry = self.clone();
        entry.timer = None;
        entry.sources.iter_mut().for_each(|source| source.timer = None);
        Cow::Owned(entry)
    }
}

#[derive(Clone, Copy, Debug)]
struct Databases;

impl Source for Databases {
    type Entry = MdbEntry;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "multicast entries";
    const LISTS_SEVERAL: bool = true;
    /// A bridge removes a group without ports from its list by a timer that is due at once.
    const SETTLING: Duration = Duration::from_millis(50);

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_MDB]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<MdbEntry>>, DecodeError> {
        let (table, is_new) = match MdbEvent::decode(message)? {
            Some(MdbEvent::New(table)) => (table, true),
            Some(MdbEvent::Deleted(table)) => (table, false),
            None => return Ok(is_of_device(message, &["bridge", "vxlan"])?.then_some(Event::Unreported)),
        };
        let mut entries = table.entries.into_iter();
        Ok(match (entries.next(), entries.next()) {
            // About a router, or of a protocol that there is no type for.
            (None, _) if is_new || !table.routers.is_empty() => None,
            (None, _) => Some(Event::DeletedElsewhere),
            (Some(entry), None) if is_new && is_exact(&entry, is_new) => Some(Event::New(entry)),
            (Some(entry), None) if is_exact(&entry, is_new) => Some(Event::Deleted(entry)),
            (Some(_), _) => Some(Event::Unreported),
        })
    }

    fn list(&self) -> Request {
        MdbFilter::default().list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<MdbEntry>, DecodeError> {
        MdbTable::decode(message).map(|table| table.entries.into_iter().next())
    }

    fn decode_entries(
        &self,
        message: MessageRef<'_>,
        entries: &mut Vec<MdbEntry>,
    ) -> Result<(), DecodeError> {
        entries.extend(MdbTable::decode(message)?.entries);
        Ok(())
    }

    /// The kernel can be asked for a group only, and not before Linux 6.7.
    fn question(&self, _: &MdbEntry) -> Option<Request> {
        None
    }
}

/// Whether an event is all that there is to know about what it reports.
fn is_exact(entry: &MdbEntry, is_new: bool) -> bool {
    let is_of_port = entry.port != entry.dev;
    entry.state == MdbState::Permanent || !is_of_port || (is_new && entry.source.is_none())
}
