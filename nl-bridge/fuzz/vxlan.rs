// What must hold for any bytes that are taken for VXLAN devices. Shared by the fuzz target and by the tests.

use nl_bridge::vxlan::Vxlan;

use super::kind;

/// Reads the bytes as options and as a datagram of devices.
pub(crate) fn check(data: &[u8]) {
    kind::check::<Vxlan>(data, |link| &link.kind_data);
}
