//! States that the settings of a port and the VLAN database share.

use nl_core::attr_enum;

attr_enum! {
    /// The state that a spanning tree gives to a port, to a VLAN on it or to an MSTI of it (`BR_STATE_*`).
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum StpState: u8 {
        /// Neither learns nor forwards.
        Disabled = 0 "disabled",
        /// Neither learns nor forwards.
        Listening = 1 "listening",
        /// Learns addresses and does not forward.
        Learning = 2 "learning",
        /// Learns and forwards.
        Forwarding = 3 "forwarding",
        /// Neither learns nor forwards.
        Blocking = 4 "blocking",
    }
}

attr_enum! {
    /// Whether there is a multicast router behind a VLAN of a port or of the bridge (`MDB_RTR_TYPE_*`).
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum McastRouter: u8 {
        /// None: queries are ignored.
        Disabled = 0 "0",
        /// Where queries come from; the default.
        Learn = 1 "1",
        /// Always.
        Permanent = 2 "2",
        /// For now, as if a query had come; of ports only.
        Temporary = 3 "3",
    }
}
