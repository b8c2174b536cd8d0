use nl_core::error::{Errno, Error, Since};

use super::names::{
    BRIDGE_VLANDB_ENTRY, BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS, BRIDGE_VLANDB_ENTRY_NEIGH_FORWARD_GRAT,
    BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS,
};

/// Says which setting forbids what was asked, or which kernel has it.
pub(crate) fn explain(error: Error) -> Error {
    if let Some((feature, since)) = unknown(&error) {
        return error.or_unsupported(|_| true, feature, since);
    }
    let text = error.kernel().and_then(|kernel| kernel.ext_ack.message.as_deref()).unwrap_or_default();
    for (part, hint) in HINTS {
        if text.contains(part) {
            return error.hinted(*hint);
        }
    }
    error
}

/// An option that the kernel does not know.
fn unknown(error: &Error) -> Option<(&'static str, Since)> {
    let kernel = error.kernel().filter(|kernel| kernel.errno == Errno::EINVAL)?;
    if kernel.ext_ack.message.as_deref() != Some("Unknown attribute type") {
        return None;
    }
    let mut kinds = error.attribute()?.kinds();
    match (kinds.next()?, kinds.next()?) {
        (BRIDGE_VLANDB_ENTRY, BRIDGE_VLANDB_ENTRY_MCAST_MAX_GROUPS) => {
            Some(("mcast_max_groups of a VLAN", Since::linux(6, 3)))
        }
        (BRIDGE_VLANDB_ENTRY, BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS) => {
            Some(("neigh_suppress of a VLAN", Since::linux(6, 4)))
        }
        (BRIDGE_VLANDB_ENTRY, BRIDGE_VLANDB_ENTRY_NEIGH_FORWARD_GRAT) => {
            Some(("neigh_forward_grat of a VLAN", Since::linux(7, 2)))
        }
        _ => None,
    }
}

const HINTS: &[(&str, &str)] = &[
    (
        "using kernel STP",
        "the kernel's spanning tree owns the states: set stp_state 0 on the bridge, or leave them to it",
    ),
    (
        "MST is enabled",
        "with mst_enabled 1 on the bridge a VLAN has the state of its MSTI: set that, or set mst_enabled 0",
    ),
    ("MST is disabled", "set mst_enabled 1 on the bridge, which takes ports without VLANs"),
    (
        "Multicast snooping disabled on this VLAN",
        "set mcast_vlan_snooping 1 on the bridge, and mcast_snooping 1 of the VLAN",
    ),
    ("can't process options", "the device is not in these VLANs: add them first, or use replace()"),
    ("can't process global options", "no port of the bridge is in these VLANs: add them to a port first"),
    ("for non-port vlans", "the option is one of ports; a bridge's own VLANs have none"),
    ("can only be set on bridge device", "global options belong to the bridge, not to a port"),
    ("can only be set on bridge ports", "the states of an MSTI belong to a port of a bridge"),
];
