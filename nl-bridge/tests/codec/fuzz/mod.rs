//! What the fuzz targets check.

#[cfg(all(feature = "settings", feature = "vxlan"))]
#[path = "../../../fuzz/kind.rs"]
mod kind;
#[cfg(feature = "mdb")]
#[path = "../../../fuzz/mdb.rs"]
pub(crate) mod mdb;
#[cfg(all(feature = "settings", feature = "vxlan"))]
#[path = "../../../fuzz/settings.rs"]
pub(crate) mod settings;
#[cfg(feature = "vlan")]
#[path = "../../../fuzz/vlan.rs"]
pub(crate) mod vlan;
#[cfg(all(feature = "settings", feature = "vxlan"))]
#[path = "../../../fuzz/vxlan.rs"]
pub(crate) mod vxlan;
