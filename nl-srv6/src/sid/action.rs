use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use nl_core::Dev;
use nl_core::check::{Invalid, within};

use super::flavors::FlavorOps;
use crate::srh::Srh;

/// What a node does with packets to one of its segments (`SEG6_LOCAL_ACTION_*`). In kernel order.
///
/// Required things are in the variant. Packets that do not fit an action are dropped, and counted as errors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum SidAction {
    /// On to the next segment (`End`). Flavours: PSP, NEXT-C-SID.
    End,
    /// On to the next segment through a router (`End.X`). Flavour: NEXT-C-SID.
    EndX {
        /// The router (`SEG6_LOCAL_NH6`). A link-local one is looked for on the device that the packet came through, unless an
        /// output device is given (Linux 6.17).
        nh6: Ipv6Addr,
    },
    /// On to the next segment, looked up in a table (`End.T`).
    EndT {
        /// The table, from 1 on (`SEG6_LOCAL_TABLE`).
        table: u32,
    },
    /// The inner Ethernet frame is sent out of a device (`End.DX2`).
    EndDx2 {
        /// The device: Ethernet, up, with a large enough MTU (`SEG6_LOCAL_OIF`).
        #[cfg_attr(feature = "serde", serde(serialize_with = "text", deserialize_with = "super::read::dev"))]
        oif: Dev,
    },
    /// The inner IPv6 packet is sent to a router (`End.DX6`).
    EndDx6 {
        /// The router; `::` for the packet's own destination (`SEG6_LOCAL_NH6`).
        nh6: Ipv6Addr,
    },
    /// The inner IPv4 packet is sent to a router (`End.DX4`).
    EndDx4 {
        /// The router; `0.0.0.0` for the packet's own destination (`SEG6_LOCAL_NH4`).
        nh4: Ipv4Addr,
    },
    /// The inner IPv6 packet is looked up in a table (`End.DT6`).
    EndDt6 {
        /// The table, plain or of a VRF.
        table: DecapTable,
    },
    /// The inner IPv4 packet is looked up in the table of a VRF (`End.DT4`). Linux 5.11.
    EndDt4 {
        /// The VRF's table, from 1 on (`SEG6_LOCAL_VRFTABLE`).
        vrf_table: u32,
    },
    /// A second header is inserted with these segments (`End.B6`), up to 126 of them.
    EndB6 {
        /// The segments (`SEG6_LOCAL_SRH`). The slot in which the kernel puts the current destination is added.
        srh: Srh,
    },
    /// On to the next segment, in an outer packet with these segments (`End.B6.Encaps`).
    EndB6Encaps {
        /// The segments (`SEG6_LOCAL_SRH`).
        srh: Srh,
    },
    /// A BPF program decides (`End.BPF`).
    EndBpf {
        /// The program (`SEG6_LOCAL_BPF`).
        program: BpfProgram,
    },
    /// The inner IPv4 or IPv6 packet is looked up in the table of a VRF (`End.DT46`). Linux 5.14.
    EndDt46 {
        /// The VRF's table, from 1 on (`SEG6_LOCAL_VRFTABLE`).
        vrf_table: u32,
    },
    /// A number that this crate has no name for.
    Other(u32),
}

/// Which table the inner packet of [`EndDt6`](SidAction::EndDt6) is looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DecapTable {
    /// A table, from 1 on (`SEG6_LOCAL_TABLE`).
    Table(u32),
    /// The table of a VRF, from 1 on (`SEG6_LOCAL_VRFTABLE`). The packet then comes from the VRF, as on its ports. Linux 5.11.
    Vrf(u32),
}

/// The program of [`EndBpf`](SidAction::EndBpf).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct BpfProgram {
    /// A descriptor of a program of type `LWT_SEG6LOCAL`, open until the request is sent; when read, the number of the program.
    pub prog: u32,
    /// Its name in lists.
    pub name: String,
    /// Whether it was read: the number of a program is no descriptor, so it cannot be written back.
    pub is_read: bool,
}

impl BpfProgram {
    /// The program behind this descriptor.
    #[must_use]
    pub fn new(fd: u32, name: impl Into<String>) -> Self {
        Self { prog: fd, name: name.into(), is_read: false }
    }
}

/// What an action has beside what it requires.
impl SidAction {
    /// The name in RFC 8986 and `ip route`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::End => "End",
            Self::EndX { .. } => "End.X",
            Self::EndT { .. } => "End.T",
            Self::EndDx2 { .. } => "End.DX2",
            Self::EndDx6 { .. } => "End.DX6",
            Self::EndDx4 { .. } => "End.DX4",
            Self::EndDt6 { .. } => "End.DT6",
            Self::EndDt4 { .. } => "End.DT4",
            Self::EndB6 { .. } => "End.B6",
            Self::EndB6Encaps { .. } => "End.B6.Encaps",
            Self::EndBpf { .. } => "End.BPF",
            Self::EndDt46 { .. } => "End.DT46",
            Self::Other(_) => "unknown",
        }
    }

    /// The number (`SEG6_LOCAL_ACTION_*`).
    #[must_use]
    pub const fn number(&self) -> u32 {
        match self {
            Self::End => 1,
            Self::EndX { .. } => 2,
            Self::EndT { .. } => 3,
            Self::EndDx2 { .. } => 4,
            Self::EndDx6 { .. } => 5,
            Self::EndDx4 { .. } => 6,
            Self::EndDt6 { .. } => 7,
            Self::EndDt4 { .. } => 8,
            Self::EndB6 { .. } => 9,
            Self::EndB6Encaps { .. } => 10,
            Self::EndBpf { .. } => 15,
            Self::EndDt46 { .. } => 16,
            Self::Other(number) => *number,
        }
    }

    /// The table of the VRF, if the action looks up in one.
    #[must_use]
    pub const fn vrf_table(&self) -> Option<u32> {
        match self {
            Self::EndDt4 { vrf_table } | Self::EndDt46 { vrf_table } => Some(*vrf_table),
            Self::EndDt6 { table: DecapTable::Vrf(table) } => Some(*table),
            _ => None,
        }
    }

    /// The flavours that Linux performs.
    pub(super) const fn flavors(&self) -> FlavorOps {
        match self {
            Self::End => FlavorOps::PSP.union(FlavorOps::NEXT_CSID),
            Self::EndX { .. } => FlavorOps::NEXT_CSID,
            _ => FlavorOps::empty(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        let table = |what: &str, number: u32| within(what, number, 1, u32::MAX);
        match self {
            Self::EndX { nh6 } if nh6.is_unspecified() || nh6.is_multicast() => {
                Err(format!("router {nh6} of End.X cannot be the address of a node").into())
            }
            Self::EndDx6 { nh6 } if nh6.is_multicast() => {
                Err(format!("router {nh6} of End.DX6 cannot be the address of a node").into())
            }
            Self::EndDx4 { nh4 } if nh4.is_multicast() || nh4.is_broadcast() => {
                Err(format!("router {nh4} of End.DX4 cannot be the address of a node").into())
            }
            Self::EndT { table: number } | Self::EndDt6 { table: DecapTable::Table(number) } => {
                table("table", *number)
            }
            Self::EndDt4 { vrf_table } | Self::EndDt46 { vrf_table } => table("VRF table", *vrf_table),
            Self::EndDt6 { table: DecapTable::Vrf(number) } => table("VRF table", *number),
            // A name is looked up, and checked then.
            Self::EndDx2 { oif: Dev::Index(index) } => nl_core::check::check_index(*index),
            Self::EndB6 { srh } => srh.check_list(srh.segments.len() + 1, srh.segments.len() + 1),
            Self::EndB6Encaps { srh } => srh.check(),
            Self::EndBpf { program } => program.check(),
            Self::Other(number @ 11..=14) => {
                Err(format!("action {number}, which the header names and no Linux implements").into())
            }
            Self::Other(number) => Err(format!("action {number}; 1 to 10, 15 and 16 are possible").into()),
            _ => Ok(()),
        }
    }
}

impl BpfProgram {
    fn check(&self) -> Result<(), Invalid> {
        Invalid::when(self.name.is_empty(), "a BPF program without a name, which the kernel does not take")?;
        if self.is_read {
            return Err(format!("BPF program {} was read; give a descriptor to write it", self.prog).into());
        }
        match i32::try_from(self.prog) {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(format!("descriptor {} of a BPF program; the largest is {}", self.prog, i32::MAX).into())
            }
        }
    }
}

/// The words of `ip route` behind `action`.
impl fmt::Display for SidAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(number) => return write!(f, "{number}"),
            action => f.write_str(action.name())?,
        }
        match self {
            Self::EndX { nh6 } | Self::EndDx6 { nh6 } => write!(f, " nh6 {nh6}"),
            Self::EndDx4 { nh4 } => write!(f, " nh4 {nh4}"),
            Self::EndT { table } | Self::EndDt6 { table: DecapTable::Table(table) } => {
                write!(f, " table {table}")
            }
            Self::EndDt6 { table: DecapTable::Vrf(table) }
            | Self::EndDt4 { vrf_table: table }
            | Self::EndDt46 { vrf_table: table } => write!(f, " vrftable {table}"),
            Self::EndDx2 { oif } => write!(f, " oif {oif}"),
            Self::EndB6 { srh } | Self::EndB6Encaps { srh } => write!(f, " srh {srh}"),
            Self::EndBpf { program } => write!(f, " endpoint {}", program.name),
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "serde")]
fn text<S: serde::Serializer>(dev: &Dev, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(dev)
}
