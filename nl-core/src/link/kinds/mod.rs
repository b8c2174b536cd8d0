mod bond;
mod macvlan;
mod plain;
mod veth;
mod vlan;

pub use bond::{Bond, BondMode, BondPort, BondPortState, BondTargets};
pub use macvlan::{IpVlan, IpVlanFlags, IpVlanMode, MacVlan, MacVlanMode};
pub use plain::{Dummy, Ifb, Vrf};
pub use veth::Veth;
pub use vlan::{QosMap, Vlan, VlanFlagChange, VlanFlags, VlanProtocol};
