use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;

use super::names::*;
use super::{VlanDbEntry, VlanDbGlobal};
use crate::header::BrVlanMsg;
use crate::types::VlanId;

/// Which VLANs to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VlanDbFilter {
    /// Of this port or bridge; filtered by the kernel.
    pub index: Option<u32>,
    /// This VLAN; filtered while reading.
    pub vlan: Option<VlanId>,
    /// As the kernel merges them, without counters.
    pub merged: bool,
}

impl VlanDbFilter {
    /// The request that lists VLANs.
    #[must_use]
    pub fn list_request(&self) -> Request {
        self.list(if self.merged { 0 } else { BRIDGE_VLANDB_DUMPF_STATS }, |message| {
            list_words("list vlan", message)
        })
    }

    /// The request that lists global options.
    #[must_use]
    pub fn global_list_request(&self) -> Request {
        self.list(BRIDGE_VLANDB_DUMPF_GLOBAL, |message| list_words("list global vlan", message))
    }

    fn list(&self, flags: u32, describe: nl_core::Describe) -> Request {
        let header = BrVlanMsg::new(self.index.unwrap_or(0));
        let mut request = Request::new(RTM_GETVLAN, &LIST_NAMES, describe).with_header(&header);
        request.attrs().u32(BRIDGE_VLANDB_DUMP_FLAGS, flags);
        request
    }

    /// Whether an entry passes what the kernel does not filter.
    #[must_use]
    pub fn matches(&self, entry: &VlanDbEntry) -> bool {
        self.index.is_none_or(|index| entry.index == index)
            && self.vlan.is_none_or(|vlan| entry.vlans.contains(vlan))
    }

    /// Whether global options pass what the kernel does not filter.
    #[must_use]
    pub fn matches_global(&self, global: &VlanDbGlobal) -> bool {
        self.index.is_none_or(|index| global.index == index)
            && self.vlan.is_none_or(|vlan| global.vlans.contains(vlan))
    }
}

fn list_words(verb: &str, message: MessageRef<'_>) -> String {
    match message.header::<BrVlanMsg>() {
        Ok((header, _)) if header.index != 0 => format!("{verb} dev #{}", header.index),
        _ => verb.into(),
    }
}

/// What a message of [`RTNLGRP_BRVLAN`] reports.
///
/// ```no_run
/// use futures_util::TryStreamExt;
/// use nl_bridge::vlan_db::{RTNLGRP_BRVLAN, VlanDbEvent};
///
/// # async fn example(conn: nl_core::Connection) -> nl_core::Result<()> {
/// let mut events = conn.monitor().group(RTNLGRP_BRVLAN).open(VlanDbEvent::decode)?;
/// while let Some(event) = events.try_next().await? {
///     match event {
///         VlanDbEvent::New(entries) => entries.iter().for_each(|entry| println!("+ {entry}")),
///         VlanDbEvent::Deleted(entries) => entries.iter().for_each(|entry| println!("- {entry}")),
///         VlanDbEvent::Global(globals) => globals.iter().for_each(|global| println!("= {global}")),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum VlanDbEvent {
    /// These VLANs were removed.
    Deleted(Vec<VlanDbEntry>),
    /// These options of whole bridges are as given.
    Global(Vec<VlanDbGlobal>),
    /// These VLANs are there, with these options.
    New(Vec<VlanDbEntry>),
}

impl VlanDbEvent {
    /// Reads a message; `None` for one of another type or family.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        let (mut entries, mut globals) = (Vec::new(), Vec::new());
        match BrVlanMsg::of(message, &[RTM_NEWVLAN, RTM_DELVLAN]) {
            Err(DecodeError::Kind(_)) => return Ok(None),
            other => drop(other?),
        }
        VlanDbEntry::decode(message, &mut entries)?;
        if message.kind() == RTM_DELVLAN {
            return Ok(Some(Self::Deleted(entries)));
        }
        VlanDbGlobal::decode(message, &mut globals)?;
        Ok(Some(if globals.is_empty() { Self::New(entries) } else { Self::Global(globals) }))
    }
}
