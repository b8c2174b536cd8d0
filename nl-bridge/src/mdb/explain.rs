use nl_core::error::{Errno, Error};

/// Says which setting forbids what was asked.
pub(super) fn explain(error: Error) -> Error {
    let Some(kernel) = error.kernel() else { return error };
    let hint = match kernel.ext_ack.message.as_deref() {
        Some(text) => HINTS.iter().find(|(part, _)| text.contains(part)).map(|(_, hint)| *hint),
        None if kernel.errno == Errno::E2BIG => Some(FULL),
        None => None,
    };
    match hint {
        Some(hint) => error.hinted(hint),
        None => error,
    }
}

/// `br_multicast_new_group` in `net/bridge/br_multicast.c`.
const FULL: &str = "the bridge has mcast_hash_max groups, at which the kernel turns mcast_snooping off: \
                    raise mcast_hash_max, and set mcast_snooping 1";

/// What the kernel says, in `net/bridge/br_mdb.c`, and what to change.
const HINTS: &[(&str, &str)] = &[
    ("Bridge device is not running", "bring the bridge up"),
    ("Bridge's multicast processing is disabled", "set mcast_snooping 1 on the bridge"),
    ("Port is in disabled state", "bring the port up, or make the entry permanent()"),
    (
        "Cannot add an entry without a vlan when vlan snooping is enabled",
        "give the VLAN, or set mcast_vlan_snooping 0 on the bridge",
    ),
    ("Vlan is not configured", "no port of the bridge is in the VLAN: add it to the port"),
    ("Vlan's multicast processing is disabled", "set mcast_snooping 1 of the VLAN, a global option"),
    ("Flags are not allowed for host groups", "the host's own entry is always temp"),
];
