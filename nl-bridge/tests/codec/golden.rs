//! Bytes that a 7.2 kernel accepted or sent, little-endian as captured. Interfaces: br0 is 3, its port p0 is 5, the
//! VXLAN device vu0 (VNI 100, UDP port 4791) is 8.

use std::time::Duration;

use nl_bridge::fdb::{FdbEntry, FdbFilter, FdbFlagsExt, FdbNotify, FdbState, FdbVerb};
use nl_core::Request;
use nl_core::message::{MessageRef, NLM_F_ACK};

use crate::{MAC, bytes, unhex};

/// `bridge fdb add 02:00:00:00:00:01 dev p0 master static vlan 10 activity_notify`
pub(crate) const ADD_STATIC: &str = "3c0000001c00050601000000000000000700000005000000400004000a0002000200000000010000\
                                     060005000a0000000c000e800500010001000000";
/// `bridge fdb add 02:00:00:00:00:02 dev vu0 self permanent dst 192.0.2.1 port 1234 vni 200`
pub(crate) const ADD_VXLAN: &str = "400000001c00050601000000000000000700000008000000800002000a0002000200000000020000\
                                    08000100c00002010600060004d2000008000700c8000000";
/// `bridge fdb flush dev br0 dynamic`
pub(crate) const FLUSH: &str = "240000001d000502010000000000000007000000030000000000020006001000c0000000";
/// The entry of `ADD_STATIC` in the dump of p0.
pub(crate) const DUMP_STATIC: &str = "600000001c00020001000000000000000700000005000000400000000a000200020000000001000\
                                      0080009000300000008000f00000000001400030000000000000000000000000000000000060005000a0000000c\
                                      000e800500010001000000";
/// The entry of `ADD_VXLAN` in the dump of vu0.
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
fn a_flush_of_everything_spares_local_entries() {
    let mut filter = FdbFilter::default();
    filter.bridge = Some(3);
    let bytes = filter.flush_request().encoded().unwrap().to_vec();
    // NDA_NDM_STATE_MASK = NUD_PERMANENT, and ndm_state without it.
    assert_eq!((&bytes[24..26], &bytes[28..34]), (&[0, 0][..], &[6, 0, 16, 0, 0x80, 0][..]));
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
    assert_eq!(entry.to_string(), "02:00:00:00:00:01 dev #5 vlan 10 master #3 activity_notify static");
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
fn combined_states_are_told_apart() {
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
