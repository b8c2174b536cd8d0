use std::fmt;

use nl_core::message::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};

// `include/uapi/linux/rtnetlink.h`

/// An entry that is there; also the request that makes one.
pub const RTM_NEWNEIGH: u16 = 28;
/// An entry that is gone; also the request that removes one.
pub const RTM_DELNEIGH: u16 = 29;
/// The request that reads entries.
pub const RTM_GETNEIGH: u16 = 30;
/// The multicast group of neighbours. FDB events come in it too, with the family `AF_BRIDGE`.
pub const RTNLGRP_NEIGH: u32 = 3;

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FdbVerb {
    /// Make it; fails if it is there.
    ///
    /// The kernel does not keep to that for externally learned entries and those with `FdbFlags::USE`: there `Add` is
    /// `Replace`.
    Add,
    /// Add a remote to a group or all-zero MAC address of a VXLAN device.
    Append,
    /// Remove it. On a VXLAN device with a remote that the entry does not have, the kernel removes nothing and
    /// says success: give the port and the VNI of the remote too, where they are not the device's.
    Delete,
    /// Read it.
    Get,
    /// Make it, or change the one that is there.
    Replace,
}

impl FdbVerb {
    pub(super) const fn message(self) -> u16 {
        match self {
            Self::Add | Self::Append | Self::Replace => RTM_NEWNEIGH,
            Self::Delete => RTM_DELNEIGH,
            Self::Get => RTM_GETNEIGH,
        }
    }

    pub(super) const fn nlm_flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Append => NLM_F_CREATE | NLM_F_APPEND,
            Self::Replace => NLM_F_CREATE | NLM_F_REPLACE,
            Self::Delete | Self::Get => 0,
        }
    }

    pub(super) const fn writes(self) -> bool {
        matches!(self, Self::Add | Self::Append | Self::Replace)
    }
}

/// The word of `bridge fdb` for it, but for `delete`.
impl fmt::Display for FdbVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Append => "append",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Replace => "replace",
        })
    }
}
