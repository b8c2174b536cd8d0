// What must hold for any bytes that are taken for VLANs of devices. Shared by the fuzz target and by the tests.

use nl_bridge::vlan::{DeviceVlanStats, DeviceVlans, VlanChange, VlanFlags, VlanMember, VlanVerb};
use nl_core::message::{MessageRef, Messages};

/// `RTM_NEWLINK`, `RTM_DELLINK`, `RTM_NEWVLAN`
const KINDS: [u16; 3] = [16, 17, 112];

/// Reads the bytes as a datagram, and as the payload of one message.
pub(crate) fn check(data: &[u8]) {
    for message in Messages::new(data).map_while(Result::ok) {
        check_message(message);
    }
    for kind in KINDS {
        check_message(MessageRef::from_parts(kind, 0, data));
    }
}

fn check_message(message: MessageRef<'_>) {
    if let Ok(device) = DeviceVlans::decode(message) {
        assert!(device.to_string().starts_with(&device.name.to_string()));
        let mut change = VlanChange::new(device.index);
        change.members.clone_from(&device.members);
        for verb in [VlanVerb::Add, VlanVerb::Delete] {
            match change.request(verb).encoded() {
                Err(error) => assert!(error.is_usage(), "{error}"),
                Ok(bytes) => assert_eq!(singles(&read_back(bytes)), singles(&device.members), "{device}"),
            }
        }
    }
    if let Ok(device) = DeviceVlanStats::decode(message) {
        assert!(device.vlans.iter().all(|stats| !stats.to_string().is_empty()));
    }
}

/// A request, read as if it were a list.
fn read_back(request: &[u8]) -> Vec<VlanMember> {
    let message = MessageRef::parse(request).unwrap_or_else(|error| panic!("our own request: {error}"));
    let listed = MessageRef::from_parts(16, 0, message.payload());
    DeviceVlans::decode(listed).unwrap_or_else(|error| panic!("our own request: {error}")).members
}

/// Each VLAN with its flags, in order.
fn singles(members: &[VlanMember]) -> Vec<(u16, VlanFlags)> {
    let one =
        |member: &VlanMember| member.vlans.iter().map(|vlan| (vlan.get(), member.flags)).collect::<Vec<_>>();
    let mut singles: Vec<_> = members.iter().flat_map(one).collect();
    singles.sort();
    singles
}
