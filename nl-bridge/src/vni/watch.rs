use nl_core::attr::DecodeError;
use nl_core::link::RTNLGRP_LINK;
use nl_core::message::MessageRef;
use nl_core::watch::{Entry, Event, Source};
use nl_core::{Protocol, Request, watch_of};

use super::{RTNLGRP_TUNNEL, VniEntry, VniEvent, VniFilter};
use crate::follow::is_of_device;
use crate::ranges::VniRange;

watch_of! {
    /// The VNI filters of all VXLAN devices of a namespace, watched, one VNI at a time.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// use nl_bridge::vni::VniWatch;
    /// use nl_core::watch::Change;
    /// use nl_core::{Connection, Protocol};
    ///
    /// # async fn example() -> nl_core::Result<()> {
    /// let mut watch = VniWatch::open(&Connection::open(Protocol::Route)?).await?;
    /// while let Some(change) = watch.try_next().await? {
    ///     match change {
    ///         Change::Added(entry) => println!("+ {entry}"),
    ///         Change::Changed { after, .. } => println!("~ {after}"),
    ///         Change::Deleted(entry) => println!("- {entry}"),
    ///         Change::Synced => println!("= {} VNIs", watch.len()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # What is followed
    /// The kernel has an event for each VNI that is added, gets another group or is removed, also with its device. It has none for
    /// a VXLAN device that moves to another namespace and takes its filter along; the watch lists the filters again after each
    /// event of a VXLAN device, and when any device is deleted, because a list that is read meanwhile can lack another one's VNIs.
    ///
    /// Counters are not read, so [`stats`](VniEntry#structfield.stats) is `None`.
    VniWatch, VniWatchBuilder: Filters of VniEntry;
    /// Equivalent: `bridge vni show` and `bridge monitor vni` together. Needs no privilege.
    open
}

impl Entry for VniEntry {
    type Key = (u32, u32);

    fn key(&self) -> Self::Key {
        (self.index, self.vnis.first())
    }
}

#[derive(Clone, Copy, Debug)]
struct Filters;

impl Source for Filters {
    type Entry = VniEntry;
    const PROTOCOL: Protocol = Protocol::Route;
    const ENTRIES: &'static str = "VNIs";
    const LISTS_SEVERAL: bool = true;

    fn groups(&self) -> Vec<u32> {
        vec![RTNLGRP_LINK, RTNLGRP_TUNNEL]
    }

    fn decode_event(&self, message: MessageRef<'_>) -> Result<Option<Event<VniEntry>>, DecodeError> {
        let (mut entries, is_new) = match VniEvent::decode(message)? {
            Some(VniEvent::New(entries)) => (entries, true),
            Some(VniEvent::Deleted(entries)) => (entries, false),
            None => return Ok(is_of_device(message, &["vxlan"])?.then_some(Event::Unreported)),
        };
        let single = entries.pop().filter(|entry| entries.is_empty() && entry.vnis.is_single());
        Ok(Some(match single {
            Some(entry) if is_new => Event::New(entry),
            Some(entry) => Event::Deleted(entry),
            // The kernel sends none of several.
            None => Event::Unreported,
        }))
    }

    fn list(&self) -> Request {
        VniFilter::default().list_request()
    }

    fn decode_entry(&self, message: MessageRef<'_>) -> Result<Option<VniEntry>, DecodeError> {
        let mut entries = Vec::new();
        self.decode_entries(message, &mut entries)?;
        Ok(entries.pop())
    }

    /// A list has VNIs in a row with the same group as one entry.
    fn decode_entries(
        &self,
        message: MessageRef<'_>,
        entries: &mut Vec<VniEntry>,
    ) -> Result<(), DecodeError> {
        let mut found = Vec::new();
        VniEntry::decode(message, &mut found)?;
        for entry in found {
            let single = |vni| VniRange::read(vni, vni).map(|vnis| VniEntry { vnis, ..entry.clone() });
            entries.extend(entry.vnis.iter().filter_map(single));
        }
        Ok(())
    }

    /// The kernel can be asked for no single VNI.
    fn question(&self, _: &VniEntry) -> Option<Request> {
        None
    }
}
