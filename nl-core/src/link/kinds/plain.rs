use crate::check::Invalid;
use crate::link::LinkVerb;
use crate::link_kind;

link_kind! {
    /// A device that drops every packet (`type dummy`), for addresses that belong to no wire. It has no options.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct Dummy("dummy") {}
}

impl Dummy {
    /// The kind, which has no options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

link_kind! {
    /// A device that packets are redirected to for traffic control (`type ifb`). It has no options.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct Ifb("ifb") {}
}

impl Ifb {
    /// The kind, which has no options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

link_kind! {
    /// A VRF (`type vrf`): its ports look routes up in its table.
    ///
    /// Header: `IFLA_VRF_*` in `include/uapi/linux/if_link.h`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct Vrf("vrf") {
        /// The routing table, from 1. It can be set only when the device is created.
        table: u32 = IFLA_VRF_TABLE(1) "table";
    }
    check = check_vrf;
}

impl Vrf {
    /// With this routing table.
    #[must_use]
    pub fn new(table: u32) -> Self {
        Self::default().table(table)
    }
}

fn check_vrf(vrf: &Vrf, verb: LinkVerb) -> Result<(), Invalid> {
    Invalid::when(vrf.table == Some(0), "table 0; a VRF has one from 1")?;
    Invalid::when(verb == LinkVerb::Add && vrf.table.is_none(), "a VRF needs a table")?;
    // The kernel has no change for a VRF and says EOPNOTSUPP.
    Invalid::when(verb == LinkVerb::Change && vrf.table.is_some(), "the table of a VRF cannot change")
}
