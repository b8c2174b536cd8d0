//! What is refused before the kernel is asked, with the limit in the text. Why: see the kernel tests of the same names.

use nl_bridge::fdb::{FdbEntry, FdbFilter, FdbFlagsExt, FdbNotify, FdbState, FdbVerb};
use nl_core::MacAddr;
use nl_core::Request;

use crate::{GROUP, MAC};

/// The text of a refusal, without the operation in front.
fn refusal(mut request: Request) -> String {
    let error = request.encoded().map(<[u8]>::len).unwrap_err();
    assert!(error.is_usage(), "{error}");
    let operation = format!("{}: ", error.operation().unwrap());
    error.to_string().strip_prefix(&operation).unwrap().to_owned()
}

#[track_caller]
fn refused(verb: FdbVerb, entry: FdbEntry, text: &str) {
    assert_eq!(refusal(entry.request(verb)), text, "{verb} {entry}");
}

const WRITES: [FdbVerb; 3] = [FdbVerb::Add, FdbVerb::Append, FdbVerb::Replace];
const ALL: [FdbVerb; 5] = [FdbVerb::Add, FdbVerb::Append, FdbVerb::Delete, FdbVerb::Get, FdbVerb::Replace];

fn on_port() -> FdbEntry {
    FdbEntry::new(MAC, 5).master().static_()
}

fn on_vxlan() -> FdbEntry {
    FdbEntry::new(MacAddr::ZERO, 8).dst("192.0.2.1".parse().unwrap())
}

#[test]
fn interface_index_0() {
    for verb in ALL {
        refused(verb, FdbEntry::new(MAC, 0), "interface index 0; the first one is 1");
    }
}

#[test]
fn vlan_out_of_range() {
    for verb in ALL {
        for vlan in [0, 4095, u16::MAX] {
            let text = format!("vlan {vlan}; 1 to 4094 are possible");
            refused(verb, on_port().vlan(vlan), &text);
        }
    }
    for vlan in [1, 4094] {
        on_port().vlan(vlan).request(FdbVerb::Add).encoded().unwrap();
    }
}

#[test]
fn vni_over_24_bits() {
    for verb in ALL {
        refused(verb, on_vxlan().vni(1 << 24), "vni 16777216; 0 to 16777215 are possible");
        refused(verb, on_vxlan().src_vni(u32::MAX), "src_vni 4294967295; 0 to 16777215 are possible");
    }
    on_vxlan().vni(0xff_ffff).src_vni(0).request(FdbVerb::Add).encoded().unwrap();
}

/// The kernel keeps 0 and does not show it, so the entry is not found when it is deleted as it is shown.
#[test]
fn port_0() {
    for verb in ALL {
        refused(verb, on_vxlan().port(0), "port 0; 1 to 65535 are possible");
    }
    let mut filter = FdbFilter::default();
    (filter.index, filter.port) = (Some(8), Some(0));
    assert_eq!(refusal(filter.flush_request()), "port 0; 1 to 65535 are possible");
    assert_eq!(refusal(filter.list_request()), "port 0; 1 to 65535 are possible");
    on_vxlan().port(1).request(FdbVerb::Add).encoded().unwrap();
}

/// To the kernel they select nothing, so a deletion would remove every remote.
#[test]
fn port_vni_and_via_without_dst() {
    let entry = || FdbEntry::new(MAC, 8);
    let mut via = entry();
    via.via = Some(3);
    for entry in [entry().port(1), entry().vni(1), via] {
        for verb in [FdbVerb::Add, FdbVerb::Delete, FdbVerb::Replace] {
            refused(verb, entry.clone(), "port, vni and via say more about a remote: give its dst");
        }
    }
}

#[test]
fn deleting_the_unspecified_remote_of_many() {
    for dst in ["0.0.0.0", "::"] {
        let entry = FdbEntry::new(MacAddr::ZERO, 8).dst(dst.parse().unwrap());
        let text = "without an address the kernel would remove every remote: leave dst out to mean that";
        refused(FdbVerb::Delete, entry, text);
        // The only one there is.
        FdbEntry::new(MAC, 8).dst(dst.parse().unwrap()).request(FdbVerb::Delete).encoded().unwrap();
    }
}

/// No kernel keeps it on an FDB entry.
#[test]
fn protocol() {
    for mut entry in [on_port(), on_vxlan()] {
        entry.protocol = Some(186);
        for verb in [FdbVerb::Add, FdbVerb::Append, FdbVerb::Replace] {
            if entry.mac.is_zero() || verb != FdbVerb::Append {
                refused(verb, entry.clone(), "protocol: the kernel keeps none on FDB entries");
            }
        }
        entry.request(FdbVerb::Delete).encoded().unwrap();
    }
}

/// 0 is no filter to the kernel, so everything would be flushed.
#[test]
fn flushing_by_vni_0_or_nexthop_0() {
    type Edit = fn(&mut FdbFilter);
    let edits: [(Edit, &str); 3] = [
        (|f| f.vni = Some(0), "vni 0; 1 to 16777215 are possible"),
        (|f| f.src_vni = Some(0), "src_vni 0; 1 to 16777215 are possible"),
        (|f| f.nexthop = Some(0), "nexthop id 0; 1 to 4294967295 are possible"),
    ];
    for (edit, text) in edits {
        let mut filter = FdbFilter::default();
        filter.index = Some(8);
        edit(&mut filter);
        assert_eq!(refusal(filter.flush_request()), text);
    }
    let mut filter = FdbFilter::default();
    filter.vni = Some(0);
    filter.list_request().encoded().unwrap();
}

#[test]
fn zero_mac_on_a_bridge() {
    let entry = FdbEntry::new(MacAddr::ZERO, 5).master().static_();
    for verb in ALL {
        refused(verb, entry.clone(), "a bridge takes no all-zero MAC address");
    }
}

#[test]
fn vxlan_attributes_for_a_bridge() {
    let dst = "2001:db8::1".parse().unwrap();
    let mut via = on_port();
    via.via = Some(3);
    for entry in [
        on_port().dst(dst),
        on_port().port(1),
        on_port().vni(1),
        on_port().src_vni(1),
        on_port().nexthop(1),
        via,
    ] {
        for verb in ALL {
            let text =
                "dst, port, vni, src_vni, via and nexthop belong to the device's own table: add self_()";
            refused(verb, entry.clone(), text);
        }
    }
}

#[test]
fn looking_up_by_a_remote() {
    let mut via = FdbEntry::new(MAC, 8);
    via.via = Some(3);
    let entry = || FdbEntry::new(MAC, 8);
    for entry in
        [entry().dst("192.0.2.1".parse().unwrap()), entry().port(1), entry().vni(1), entry().nexthop(1), via]
    {
        let text = "get() finds an entry by MAC address, vlan and src_vni: leave dst, port, vni, via and nexthop out";
        refused(FdbVerb::Get, entry, text);
    }
}

#[test]
fn no_state() {
    let mut entry = on_port();
    entry.state = FdbState::empty();
    for verb in WRITES {
        refused(verb, entry.clone(), "a state is needed: permanent(), static_() or dynamic()");
    }
}

#[test]
fn sticky_and_extern_learn_in_a_bridge() {
    for verb in [FdbVerb::Add, FdbVerb::Replace] {
        let entry = FdbEntry::new(MAC, 5).master().dynamic().extern_learn().sticky();
        refused(verb, entry, "a bridge keeps no sticky on an extern_learn entry: use static_() in its place");
    }
}

#[test]
fn sticky_and_permanent() {
    for verb in WRITES {
        let entry = FdbEntry::new(MAC, 5).master().sticky();
        refused(verb, entry, "sticky entries are static_() or dynamic(), never permanent()");
    }
}

#[test]
fn locked() {
    let mut entry = on_port();
    entry.flags_ext = Some(FdbFlagsExt::LOCKED | FdbFlagsExt::MANAGED);
    for verb in WRITES {
        refused(verb, entry.clone(), "the locked flag is the kernel's to set");
    }
}

#[test]
fn nexthop_and_remote() {
    let entry = || FdbEntry::new(MAC, 8).nexthop(10);
    let mut via = entry();
    via.via = Some(3);
    for entry in [entry().dst("192.0.2.1".parse().unwrap()), entry().port(1), entry().vni(1), via] {
        for verb in [FdbVerb::Add, FdbVerb::Replace] {
            let text = "a nexthop replaces dst, port, vni and via: give one or the other";
            refused(verb, entry.clone(), text);
        }
    }
}

#[test]
fn nexthop_0_and_via_0() {
    let mut via = on_vxlan();
    via.via = Some(0);
    for verb in [FdbVerb::Add, FdbVerb::Append, FdbVerb::Delete, FdbVerb::Replace] {
        refused(verb, FdbEntry::new(MAC, 8).nexthop(0), "nexthop id 0; the first one is 1");
        refused(verb, via.clone(), "via index 0; the first one is 1");
    }
}

#[test]
fn impossible_activity_notification() {
    for bits in [2, 4, 5, 0xff] {
        let mut entry = on_port();
        entry.notify = Some(FdbNotify::from_bits_retain(bits));
        for verb in WRITES {
            let text = "activity notification is ACTIVITY, alone or with INACTIVE";
            refused(verb, entry.clone(), text);
        }
    }
    for bits in [0, 1, 3] {
        let mut entry = on_port();
        entry.notify = Some(FdbNotify::from_bits_retain(bits));
        entry.request(FdbVerb::Add).encoded().unwrap();
    }
}

#[test]
fn activity_notification_on_a_vxlan_device() {
    let entry = FdbEntry::new(MAC, 8).dst("192.0.2.1".parse().unwrap());
    for entry in [entry.clone().activity_notify(), entry.norefresh()] {
        refused(FdbVerb::Add, entry, "activity tracking is a bridge's: add master()");
    }
}

#[test]
fn replacing_where_there_are_many_remotes() {
    for mac in [MacAddr::ZERO, GROUP, MacAddr::BROADCAST] {
        let mut entry = on_vxlan();
        entry.mac = mac;
        let text = "entries for a group or all-zero MAC address have many remotes: append() and delete()";
        refused(FdbVerb::Replace, entry, text);
    }
}

#[test]
fn appending_where_there_is_one() {
    let unicast = FdbEntry::new(MAC, 8).dst("192.0.2.1".parse().unwrap());
    let bridge = FdbEntry::new(GROUP, 5).master().static_();
    for entry in [unicast, bridge] {
        let text = "append() adds a remote to a group or all-zero MAC address of a VXLAN device: add() or replace() this entry";
        refused(FdbVerb::Append, entry, text);
    }
}

#[test]
fn flushing_nothing_in_particular_or_by_mac_or_in_no_vlan() {
    assert_eq!(refusal(FdbFilter::default().flush_request()), "a flush needs a bridge or a device");
    let mut filter = FdbFilter::default();
    filter.bridge = Some(3);
    filter.mac = Some(MAC);
    let text = "a flush cannot select by MAC address: delete the entry";
    assert_eq!(refusal(filter.flush_request()), text);
    filter.mac = None;
    filter.vlan = Some(4095);
    assert_eq!(refusal(filter.flush_request()), "vlan 4095; 1 to 4094 are possible");
    assert_eq!(refusal(filter.list_request()), "vlan 4095; 1 to 4094 are possible");
}

/// The header has a state, which the caller did not give.
#[test]
fn a_refusal_of_a_look_up_or_a_deletion_names_no_state() {
    for (verb, word) in [(FdbVerb::Get, "get"), (FdbVerb::Delete, "delete")] {
        let error = FdbEntry::new(MAC, 5).vlan(0).request(verb).encoded().map(<[u8]>::len).unwrap_err();
        let text = format!("{word} fdb {MAC} dev #5 vlan 0 self: vlan 0; 1 to 4094 are possible");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_refusal_names_the_operation_and_the_object() {
    let error = on_port().vlan(4095).request(FdbVerb::Replace).encoded().map(<[u8]>::len).unwrap_err();
    assert_eq!(
        error.to_string(),
        "replace fdb 02:00:00:00:00:01 dev #5 vlan 4095 master static: vlan 4095; 1 to 4094 are possible"
    );
}
