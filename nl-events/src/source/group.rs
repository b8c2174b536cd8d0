use super::Source;

/// A multicast group of `NETLINK_ROUTE`, by name.
/// Each converts to a [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RtnetlinkGroup {
    /// Forwarding database entries: see [`Source::FDB`].
    #[cfg(feature = "fdb")]
    BridgeFdb,
}

impl RtnetlinkGroup {
    /// The source of the group's events.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            #[cfg(feature = "fdb")]
            Self::BridgeFdb => Source::FDB,
        }
    }

    /// The number of the group (`enum rtnetlink_groups` in `include/uapi/linux/rtnetlink.h`).
    #[must_use]
    pub const fn number(self) -> u32 {
        self.source().group()
    }
}

impl From<RtnetlinkGroup> for Source {
    fn from(group: RtnetlinkGroup) -> Self {
        group.source()
    }
}
