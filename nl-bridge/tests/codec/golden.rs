//! Bytes that a 7.2 kernel accepted or sent, little-endian as captured. Interfaces: br0 is 3, its port p0 is 5, the
//! VXLAN device vu0 (VNI 100, UDP port 4791) is 8.

use std::time::Duration;

use nl_bridge::fdb::{FdbEntry, FdbFilter, FdbFlags, FdbFlagsExt, FdbNotify, FdbState, FdbVerb};
use nl_core::Request;
use nl_core::message::{MessageRef, NLM_F_ACK};

use crate::{MAC, bytes, unhex};

/// `bridge fdb add 02:00:00:00:00:01 dev p0 master static vlan 10 activity_notify`
pub(crate) const ADD_STATIC: &str = "3c0000001c00050601000000000000000700000005000000400004000a0002000200000000010000\
                                     060005000a0000000c000e800500010001000000";
/// `bridge fdb add 02:00:00:00:00:02 dev vu0 self permanent dst 192.0.2.1 port 1234 vni 200`
pub(crate) const ADD_VXLAN: &str = "400000001c00050601000000000000000700000008000000c00002000a0002000200000000020000\
                                    08000100c00002010600060004d2000008000700c8000000";
/// `bridge fdb flush dev br0 dynamic`
pub(crate) const FLUSH: &str = "240000001d000502010000000000000007000000030000000000020006001000c0000000";
/// The entry of `ADD_STATIC` in the dump of p0.
pub(crate) const DUMP_STATIC: &str = "600000001c00020001000000000000000700000005000000400000000a000200020000000001000\
                                      0080009000300000008000f00000000001400030000000000000000000000000000000000060005000a0000000c\
                                      000e800500010001000000";
/// The entry of `ADD_VXLAN` in the dump of vu0, made with `NUD_PERMANENT` alone.
pub(crate) const DUMP_VXLAN: &str = "540000001c00020001000000000000000700000008000000800002010a0002000200000000020000\
                                     08000100c00002010600060004d2000008000700c800000014000300000000000100000001000000\
                                     00000000";

/// As captured: acknowledged, with sequence number 1.
fn sent(request: Request) -> Vec<u8> {
    let mut bytes = request.with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
    bytes[8] = 1;
    bytes
}

fn decoded(hex: &str) -> FdbEntry {
    FdbEntry::decode(MessageRef::parse(&unhex(hex)).unwrap()).unwrap()
}

#[test]
fn adding_a_static_entry_with_activity_tracking_has_the_bytes_the_kernel_took() {
    let entry = FdbEntry::new(MAC, 5).master().static_().vlan(10).activity_notify();
    assert_eq!(sent(entry.request(FdbVerb::Add)), unhex(ADD_STATIC));
}

/// On purpose not the bytes of iproute2, which sends two state bits (`0x42`, and `0xc0` for `local`): a bridge compares
/// the state by equality with one bit, so that each identical change of iproute2's makes an event.
#[test]
fn a_bridge_is_sent_one_state_bit() {
    for (entry, state) in [
        (FdbEntry::new(MAC, 5).master().permanent(), 0x80),
        (FdbEntry::new(MAC, 5).master().static_(), 0x40),
        (FdbEntry::new(MAC, 5).master().dynamic(), 0x02),
    ] {
        assert_eq!(bytes(&entry, FdbVerb::Add)[24..26], [state, 0], "{entry}");
    }
}

/// As it is read between ageing out and being collected.
#[test]
fn an_entry_that_has_aged_out_is_written_back_as_dynamic() {
    let mut bytes = unhex(DUMP_STATIC);
    bytes[24] = 0x04;
    let entry = FdbEntry::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
    assert_eq!(crate::bytes(&entry, FdbVerb::Replace)[24..26], [0x02, 0]);
}

/// There iproute2's `0x42` is needed: a VXLAN device refuses `NOARP` alone.
#[test]
fn a_static_entry_of_a_vxlan_device_is_sent_with_two_state_bits() {
    let entry = FdbEntry::new(MAC, 8).static_().dst("192.0.2.1".parse().unwrap());
    assert_eq!(bytes(&entry, FdbVerb::Add)[24..26], [0x42, 0]);
}

/// As iproute2 sends it, because the device keeps both bits: `bridge fdb flush nostatic` would remove an entry with one.
#[test]
fn a_permanent_entry_of_a_vxlan_device_is_sent_with_two_state_bits() {
    let remote = FdbEntry::new(MAC, 8).dst("192.0.2.1".parse().unwrap());
    for entry in [remote, FdbEntry::new(MAC, 8).nexthop(10)] {
        assert_eq!(bytes(&entry, FdbVerb::Add)[24..26], [0xc0, 0], "{entry}");
    }
    // A plain device's address filter knows nothing but permanent entries.
    assert_eq!(bytes(&FdbEntry::new(MAC, 8), FdbVerb::Add)[24..26], [0x80, 0]);
}

#[test]
fn adding_a_vxlan_remote_has_the_bytes_the_kernel_took() {
    let entry = FdbEntry::new([2, 0, 0, 0, 0, 2].into(), 8)
        .self_()
        .permanent()
        .dst("192.0.2.1".parse().unwrap())
        .port(1234)
        .vni(200);
    assert_eq!(sent(entry.request(FdbVerb::Add)), unhex(ADD_VXLAN));
}

#[test]
fn flushing_the_dynamic_entries_has_the_bytes_the_kernel_took() {
    let mut filter = FdbFilter::default();
    filter.bridge = Some(3);
    filter.state = Some((FdbState::PERMANENT | FdbState::NOARP, FdbState::empty()));
    assert_eq!(sent(filter.flush_request()), unhex(FLUSH));
}

#[test]
fn a_flush_that_spares_own_addresses_takes_what_was_added_and_what_is_not_permanent() {
    let mut filter = FdbFilter::default();
    filter.bridge = Some(3);
    // Without masks: everything.
    assert_eq!(filter.flush_request().encoded().unwrap().len(), 28);
    let requests: Vec<_> = filter
        .sparing_own_addresses()
        .iter()
        .map(|part| part.flush_request().encoded().unwrap().to_vec())
        .collect();
    let [added, others] = &requests[..] else { panic!("{requests:?}") };
    // NUD_PERMANENT and NTF_USE (and NTF_SELF) in the header; NDA_NDM_STATE_MASK = NUD_PERMANENT, NDA_NDM_FLAGS_MASK = NTF_USE.
    assert_eq!(added[24..], [0x80, 0, 3, 0, 6, 0, 16, 0, 0x80, 0, 0, 0, 5, 0, 17, 0, 1, 0, 0, 0]);
    // The same mask, and the state without it.
    assert_eq!(others[24..], [0, 0, 2, 0, 6, 0, 16, 0, 0x80, 0, 0, 0]);
}

/// What selects no address that nobody added needs one request.
#[test]
fn a_flush_that_cannot_touch_own_addresses_is_one_request() {
    let permanent = FdbState::PERMANENT;
    let filter = |state: Option<(FdbState, FdbState)>, flags: Option<(FdbFlags, FdbFlags)>| {
        let mut filter = FdbFilter::default();
        (filter.bridge, filter.state, filter.flags) = (Some(3), state, flags);
        filter
    };
    let both = |flag: FdbFlags| Some((flag, flag));
    for filter in [
        filter(Some((permanent, FdbState::empty())), None),
        filter(Some((permanent | FdbState::NOARP, FdbState::NOARP)), None),
        filter(None, both(FdbFlags::EXT_LEARNED)),
        filter(Some((permanent, permanent)), both(FdbFlags::STICKY)),
    ] {
        assert_eq!(filter.sparing_own_addresses(), std::slice::from_ref(&filter));
    }
    let added = &filter(Some((permanent, permanent)), None).sparing_own_addresses()[..];
    assert_eq!(added, [filter(Some((permanent, permanent)), both(FdbFlags::USE))]);
    assert_eq!(filter(None, Some((FdbFlags::STICKY, FdbFlags::empty()))).sparing_own_addresses().len(), 2);
}

#[test]
fn the_kernels_static_entry_reads_as_it_was_made() {
    let mut expected = FdbEntry::new(MAC, 5).static_().vlan(10);
    expected.master = Some(3);
    expected.flags_ext = Some(FdbFlagsExt::empty());
    expected.notify = Some(FdbNotify::ACTIVITY);
    expected.ages = Some(Default::default());
    let entry = decoded(DUMP_STATIC);
    assert_eq!(entry, expected);
    assert_eq!(entry.to_string(), "02:00:00:00:00:01 dev #5 vlan 10 activity_notify master #3 static");
}

#[test]
fn the_kernels_vxlan_entry_reads_as_it_was_made() {
    let mut expected = FdbEntry::new([2, 0, 0, 0, 0, 2].into(), 8)
        .self_()
        .dst("192.0.2.1".parse().unwrap())
        .port(1234)
        .vni(200);
    expected.ndm_type = 1;
    let mut entry = decoded(DUMP_VXLAN);
    let ages = entry.ages.take().unwrap();
    assert_eq!(entry, expected);
    let tick = Duration::from_millis(10);
    assert_eq!((ages.confirmed, ages.used, ages.updated, ages.references), (Duration::ZERO, tick, tick, 0));
}

#[test]
fn an_entry_that_was_read_goes_back_to_the_table_it_was_in() {
    let back = bytes(&decoded(DUMP_STATIC), FdbVerb::Replace);
    let mut expected = unhex(ADD_STATIC);
    // Replace instead of add, sequence number 0.
    (expected[6], expected[7], expected[8]) = (0x01, 0x05, 0);
    assert_eq!(back, expected);
    let back = bytes(&decoded(DUMP_VXLAN), FdbVerb::Replace);
    let mut expected = unhex(ADD_VXLAN);
    (expected[6], expected[7], expected[8]) = (0x01, 0x05, 0);
    assert_eq!(back, expected);
}

/// What a VXLAN default destination and iproute2's static entries have: two state bits at once.
#[test]
fn combined_states_are_distinguished() {
    for (state, permanent, fixed, dynamic) in [
        (0x82, true, false, false),
        (0xc0, true, false, false),
        (0x42, false, true, false),
        (0x40, false, true, false),
        (0x02, false, false, true),
        (0x04, false, false, true),
    ] {
        let mut bytes = unhex(DUMP_STATIC);
        bytes[24] = state;
        let entry = FdbEntry::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
        let told = (entry.is_permanent(), entry.is_static(), entry.is_dynamic());
        assert_eq!(told, (permanent, fixed, dynamic), "{state:#x}");
        assert_eq!(entry.state.bits(), u16::from(state));
    }
}
