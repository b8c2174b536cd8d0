use std::time::Duration;

use nl_core::attr::{Attr, DecodeError};
use nl_core::attr_names;
use nl_core::message::MessageRef;

use super::codec::{BrPortMsg, ENTRY_LEN, RTM_DELMDB, RTM_GETMDB, RTM_NEWMDB};
use super::{MdbEntry, MdbMode, MdbSource};
use crate::time::of_ticks;

/// A port behind which a multicast router is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MdbRouter {
    /// The port.
    pub port: u32,
    /// Why: the number of `MDB_RTR_TYPE_*`.
    pub kind: Option<u8>,
    /// The VLAN, where multicast is snooped for each.
    pub vlan: Option<u16>,
    /// How long it counts without a query.
    pub timer: Option<Duration>,
}

/// Entries of the database of one bridge or VXLAN device, as far as one message has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MdbTable {
    /// The bridge or VXLAN device.
    pub dev: u32,
    /// The entries. Those with a group of a protocol that this crate does not know are left out.
    pub entries: Vec<MdbEntry>,
    /// The ports behind which routers are.
    pub routers: Vec<MdbRouter>,
}

impl MdbTable {
    /// Reads an `RTM_NEWMDB`, `RTM_DELMDB` or `RTM_GETMDB` message: an answer, an event, or a part of a list.
    ///
    /// # Errors
    /// The message is of another type, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        // A list comes under the number of the question.
        if !matches!(message.kind(), RTM_NEWMDB | RTM_DELMDB | RTM_GETMDB) {
            return Err(DecodeError::Kind(message.kind()));
        }
        // The kernel leaves the family out of a list.
        let (header, attrs) = message.header::<BrPortMsg>()?;
        let mut table = Self { dev: header.index, ..Self::default() };
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                MDBA_MDB => {
                    for group in attr.attrs() {
                        for info in group?.attrs() {
                            table.entries.extend(read_entry(table.dev, info?)?);
                        }
                    }
                }
                MDBA_ROUTER => {
                    for port in attr.attrs() {
                        table.routers.push(read_router(port?)?);
                    }
                }
                _ => {}
            }
        }
        Ok(table)
    }
}

/// The multicast group of MDB entries (`include/uapi/linux/rtnetlink.h`).
pub const RTNLGRP_MDB: u32 = 26;

/// A change of a multicast database, as the kernel reports it in [`RTNLGRP_MDB`] (`bridge monitor mdb`).
///
/// ```
/// use nl_bridge::mdb::{MdbEvent, RTNLGRP_MDB};
///
/// # fn example(conn: nl_core::Connection) -> nl_core::Result<()> {
/// let events = conn.monitor().group(RTNLGRP_MDB).open(MdbEvent::decode)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum MdbEvent {
    /// These entries and routers are gone.
    Deleted(MdbTable),
    /// These entries and routers exist, with these properties.
    New(MdbTable),
}

impl MdbEvent {
    /// Reads a message; `None` for one of another type or family.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        if !matches!(message.kind(), RTM_NEWMDB | RTM_DELMDB) {
            return Ok(None);
        }
        match MdbTable::decode(message) {
            Err(DecodeError::Kind(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(table) if message.kind() == RTM_DELMDB => Ok(Some(Self::Deleted(table))),
            Ok(table) => Ok(Some(Self::New(table))),
        }
    }
}

/// `MDBA_MDB_ENTRY_INFO`: the structure, and attributes behind it.
fn read_entry(dev: u32, info: Attr<'_>) -> Result<Option<MdbEntry>, DecodeError> {
    let mut fields = info.fields();
    let fixed = fields.array::<ENTRY_LEN>()?;
    let entry = MdbEntry::read_fixed(dev, nl_core::attr::Fields::named("br_mdb_entry", &fixed))?;
    let Some(mut entry) = entry else { return Ok(None) };
    for attr in nl_core::attr::Attrs::new(fields.rest()) {
        let attr = attr?;
        match attr.kind() {
            MDBA_MDB_EATTR_TIMER => entry.timer = Some(of_ticks(attr.u32()?.into())),
            MDBA_MDB_EATTR_SRC_LIST => entry.sources = read_sources(attr)?,
            MDBA_MDB_EATTR_GROUP_MODE => entry.mode = Some(MdbMode::from(attr.u8()?)),
            MDBA_MDB_EATTR_SOURCE => entry.source = Some(attr.ip()?),
            MDBA_MDB_EATTR_RTPROT => entry.protocol = Some(attr.u8()?),
            MDBA_MDB_EATTR_DST => entry.dst = Some(attr.ip()?),
            MDBA_MDB_EATTR_DST_PORT => entry.dst_port = Some(attr.u16()?),
            MDBA_MDB_EATTR_VNI => entry.vni = Some(attr.u32()?),
            MDBA_MDB_EATTR_IFINDEX => entry.via = Some(attr.u32()?),
            MDBA_MDB_EATTR_SRC_VNI => entry.src_vni = Some(attr.u32()?),
            _ => {}
        }
    }
    Ok(Some(entry))
}

fn read_sources(list: Attr<'_>) -> Result<Vec<MdbSource>, DecodeError> {
    let mut sources = Vec::new();
    for entry in list.attrs() {
        let (mut addr, mut timer) = (None, None);
        for attr in entry?.attrs() {
            let attr = attr?;
            match attr.kind() {
                MDBA_MDB_SRCATTR_ADDRESS => addr = Some(attr.ip()?),
                MDBA_MDB_SRCATTR_TIMER => timer = Some(of_ticks(attr.u32()?.into())),
                _ => {}
            }
        }
        sources.extend(addr.map(|addr| MdbSource { addr, timer }));
    }
    Ok(sources)
}

/// `MDBA_ROUTER_PORT`: an index, and attributes behind it.
fn read_router(port: Attr<'_>) -> Result<MdbRouter, DecodeError> {
    let mut fields = port.fields();
    let mut router = MdbRouter { port: fields.u32()?, ..MdbRouter::default() };
    for attr in nl_core::attr::Attrs::new(fields.rest()) {
        let attr = attr?;
        match attr.kind() {
            MDBA_ROUTER_PATTR_TIMER => router.timer = Some(of_ticks(attr.u32()?.into())),
            MDBA_ROUTER_PATTR_TYPE => router.kind = Some(attr.u8()?),
            MDBA_ROUTER_PATTR_VID => router.vlan = Some(attr.u16()?),
            _ => {}
        }
    }
    Ok(router)
}

const MDBA_MDB: u16 = 1;
const MDBA_ROUTER: u16 = 2;

attr_names! { EATTRS {
    MDBA_MDB_EATTR_TIMER = 1,
    MDBA_MDB_EATTR_SRC_LIST = 2 in SRCATTRS,
    MDBA_MDB_EATTR_GROUP_MODE = 3,
    MDBA_MDB_EATTR_SOURCE = 4,
    MDBA_MDB_EATTR_RTPROT = 5,
    MDBA_MDB_EATTR_DST = 6,
    MDBA_MDB_EATTR_DST_PORT = 7,
    MDBA_MDB_EATTR_VNI = 8,
    MDBA_MDB_EATTR_IFINDEX = 9,
    MDBA_MDB_EATTR_SRC_VNI = 10,
} }

attr_names! { SRCATTRS {
    MDBA_MDB_SRCATTR_ADDRESS = 1,
    MDBA_MDB_SRCATTR_TIMER = 2,
} }

attr_names! { PATTRS {
    MDBA_ROUTER_PATTR_TIMER = 1,
    MDBA_ROUTER_PATTR_TYPE = 2,
    MDBA_ROUTER_PATTR_VID = 5,
} }
