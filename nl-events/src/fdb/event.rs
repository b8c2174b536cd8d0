use std::fmt;

use nl_bridge::fdb::{FdbEntry, RTM_DELNEIGH};
use nl_core::attr::DecodeError;
use nl_core::message::MessageRef;

/// What the kernel reports about a forwarding database entry.
///
/// | kernel | meaning |
/// |---|---|
/// | [`New`](Self::New) | learned, added, moved to another port, changed, became inactive or active again |
/// | [`Deleted`](Self::Deleted) | aged out, deleted, flushed, or its port went down or left the bridge |
///
/// A move to another port is one `New` with the new port, without a `Deleted`. The kernel sends no event when an address is
/// seen again on its port. Up to Linux 6.12 a change addressed to the device itself (`self`) is sent a second time, as an
/// entry without bridge and remote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum FdbEvent {
    /// The entry exists, in this state (`RTM_NEWNEIGH`).
    New(FdbEntry),
    /// The entry was deleted; this was its last state (`RTM_DELNEIGH`).
    Deleted(FdbEntry),
}

impl FdbEvent {
    /// Decodes a message of `RTNLGRP_NEIGH`; `None` if it is not about the FDB.
    ///
    /// # Errors
    /// The message is malformed.
    #[inline]
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        if !FdbEntry::is_fdb(message) {
            return Ok(None);
        }
        let entry = FdbEntry::decode(message)?;
        Ok(Some(if message.kind() == RTM_DELNEIGH { Self::Deleted(entry) } else { Self::New(entry) }))
    }

    /// The entry it is about.
    #[must_use]
    pub fn entry(&self) -> &FdbEntry {
        match self {
            Self::New(entry) | Self::Deleted(entry) => entry,
        }
    }
}

/// A line as `bridge monitor fdb` prints it, with `#5` in place of the name of interface 5.
impl fmt::Display for FdbEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(entry) => fmt::Display::fmt(entry, f),
            Self::Deleted(entry) => write!(f, "Deleted {entry}"),
        }
    }
}
