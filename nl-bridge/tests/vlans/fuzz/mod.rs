//! What the fuzz targets check.

#[path = "../../../fuzz/mst.rs"]
pub(crate) mod mst;
#[path = "../../../fuzz/tunnel.rs"]
pub(crate) mod tunnel;
#[path = "../../../fuzz/vlan_db.rs"]
pub(crate) mod vlan_db;
#[path = "../../../fuzz/vni.rs"]
pub(crate) mod vni;
