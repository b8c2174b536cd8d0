//! Arbitrary values survive the wire; arbitrary bytes never panic.

use std::net::IpAddr;
use std::time::Duration;

use nl_bridge::mst::{MstEntry, StpState};
use nl_bridge::tunnel::{TunnelEntry, TunnelVerb};
use nl_bridge::vlan_db::{McastRouter, VlanDbEntry, VlanDbEvent, VlanDbGlobal, VlanDbVerb, VlanInfo};
use nl_bridge::vni::{VniEntry, VniEvent, VniVerb};
use nl_bridge::{VlanRange, VniRange};
use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::{MessageRef, Messages};
use proptest::option;
use proptest::prelude::*;

fn index() -> impl Strategy<Value = u32> {
    1..=0x7fff_ffff_u32
}

fn some_vlans() -> impl Strategy<Value = VlanRange> {
    (1..=4094_u16, 1..=4094_u16).prop_map(|(a, b)| VlanRange::new(a.min(b), a.max(b)).unwrap())
}

fn some_vnis() -> impl Strategy<Value = VniRange> {
    (1..=0xff_ffff_u32, 0..5000_u32).prop_map(|(a, n)| VniRange::new(a, (a + n).min(0xff_ffff)).unwrap())
}

fn time() -> impl Strategy<Value = Duration> {
    (100..=8_640_000_u64).prop_map(|ticks| Duration::from_millis(ticks * 10))
}

fn some_entry() -> impl Strategy<Value = VlanDbEntry> {
    let options = (option::of(0..=4_u8), option::of(0..=3_u8), option::of(any::<u32>()));
    let switches = (option::of(any::<bool>()), option::of(any::<bool>()));
    (index(), some_vlans(), options, switches).prop_map(|(index, vlans, options, switches)| {
        let mut entry = VlanDbEntry::new(index, vlans);
        entry.state = options.0.map(StpState::from);
        entry.mcast_router = options.1.map(McastRouter::from);
        entry.mcast_max_groups = options.2;
        (entry.neigh_suppress, entry.neigh_forward_grat) = switches;
        entry
    })
}

fn some_global() -> impl Strategy<Value = VlanDbGlobal> {
    let switches =
        (option::of(any::<bool>()), option::of(any::<bool>()), option::of(2..=3_u8), option::of(1..=2_u8));
    let numbers = (option::of(any::<u32>()), option::of(any::<u32>()), 0..=4095_u16);
    let times = prop::collection::vec(option::of(time()), 6);
    (index(), some_vlans(), switches, numbers, times).prop_map(|(index, vlans, switches, numbers, times)| {
        let mut global = VlanDbGlobal::new(index, vlans).msti(numbers.2);
        (global.mcast_snooping, global.mcast_querier) = (switches.0, switches.1);
        (global.mcast_igmp_version, global.mcast_mld_version) = (switches.2, switches.3);
        (global.mcast_last_member_count, global.mcast_startup_query_count) = (numbers.0, numbers.1);
        (global.mcast_last_member_interval, global.mcast_membership_interval) = (times[0], times[1]);
        (global.mcast_querier_interval, global.mcast_query_interval) = (times[2], times[3]);
        (global.mcast_query_response_interval, global.mcast_startup_query_interval) = (times[4], times[5]);
        global
    })
}

/// What is read of a request.
fn read<T>(
    mut request: Request,
    decode: fn(MessageRef<'_>, &mut Vec<T>) -> Result<(), DecodeError>,
) -> Vec<T> {
    let (bytes, mut out) = (request.encoded().unwrap().to_vec(), Vec::new());
    decode(MessageRef::parse(&bytes).unwrap(), &mut out).unwrap();
    out
}

proptest! {
    #[test]
    fn options_of_vlans_read_back_as_they_were_written(entry in some_entry(), untagged: bool) {
        let mut entry = entry;
        if untagged {
            entry = entry.untagged();
        }
        let replaced = read(entry.request(VlanDbVerb::Replace), VlanDbEntry::decode);
        prop_assert_eq!(&replaced, std::slice::from_ref(&entry));
        let gone = read(entry.request(VlanDbVerb::Delete), VlanDbEntry::decode);
        prop_assert_eq!(gone, [VlanDbEntry::new(entry.index, entry.vlans)]);
        let entry = entry.state(StpState::Blocking);
        let mut expected = entry.clone();
        expected.info = VlanInfo::ONLY_OPTS;
        prop_assert_eq!(read(entry.request(VlanDbVerb::Set), VlanDbEntry::decode), [expected]);
    }

    #[test]
    fn global_options_read_back_as_they_were_written(global in some_global()) {
        prop_assert_eq!(read(global.request(), VlanDbGlobal::decode), [global]);
    }

    #[test]
    fn tunnels_read_back_as_they_were_written(index in index(), vlans in some_vlans(), first in 0..=0xff_f000_u32) {
        let last = first + u32::try_from(vlans.len()).unwrap() - 1;
        let entry = TunnelEntry::new(index, vlans, VniRange::new(first, last).unwrap());
        for verb in [TunnelVerb::Add, TunnelVerb::Delete] {
            prop_assert_eq!(read(entry.request(verb), TunnelEntry::decode_link), [entry]);
        }
    }

    #[test]
    fn vnis_read_back_as_they_were_written(index in index(), vnis in some_vnis(), group in option::of(any::<IpAddr>())) {
        let mut entry = VniEntry::new(index, vnis);
        entry.group = group.filter(|group| !group.is_unspecified());
        prop_assert_eq!(read(entry.request(VniVerb::Replace), VniEntry::decode), [entry.clone()]);
        entry.group = None;
        prop_assert_eq!(read(entry.request(VniVerb::Delete), VniEntry::decode), [entry]);
    }

    #[test]
    fn states_of_mstis_read_back_as_they_were_written(index in index(), msti in 1..=4095_u16, state in 0..=4_u8) {
        let entry = MstEntry::new(index, msti).state(state.into());
        prop_assert_eq!(read(entry.request(), MstEntry::decode), [entry]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        check(&data);
    }

    /// Attributes with sane lengths two levels deep, so that every one of them is reached.
    #[test]
    fn arbitrary_attributes_never_panic(
        header in any::<[u8; 15]>(),
        long: bool,
        nests in prop::collection::vec((0..28_u16, prop::collection::vec((0..20_u16, prop::collection::vec(any::<u8>(), 0..24)), 0..8)), 0..5),
    ) {
        let mut data = vec![7];
        data.extend(&header[..if long { 15 } else { 7 }]);
        for (kind, attrs) in nests {
            let mut inner = Vec::new();
            for (kind, value) in attrs {
                inner.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
                inner.extend(kind.to_ne_bytes());
                inner.extend(&value);
                inner.resize(inner.len().next_multiple_of(4), 0);
            }
            data.extend(u16::try_from(4 + inner.len()).unwrap().to_ne_bytes());
            data.extend((kind | 0x8000).to_ne_bytes());
            data.extend(&inner);
        }
        check(&data);
    }
}

/// What must hold for any bytes: what is read can be shown, and is written or refused.
fn check(data: &[u8]) {
    for message in Messages::new(data).map_while(Result::ok) {
        check_message(message);
    }
    for kind in [16, 17, 19, 112, 113, 120, 121] {
        check_message(MessageRef::from_parts(kind, 0, data));
    }
}

fn check_message(message: MessageRef<'_>) {
    let sendable = |mut request: Request| match request.encoded() {
        Ok(bytes) => assert!(MessageRef::parse(bytes).is_ok()),
        Err(error) => assert!(error.is_usage(), "{error}"),
    };
    let (mut entries, mut globals) = (Vec::new(), Vec::new());
    let _ = (VlanDbEntry::decode(message, &mut entries), VlanDbGlobal::decode(message, &mut globals));
    for entry in &entries {
        assert!(!entry.to_string().is_empty());
        for verb in [VlanDbVerb::Delete, VlanDbVerb::Replace, VlanDbVerb::Set] {
            sendable(entry.request(verb));
        }
        let _ = TunnelEntry::of(entry);
    }
    for global in &globals {
        assert!(!global.to_string().is_empty());
        sendable(global.request());
    }
    let mut tunnels = Vec::new();
    let _ = (TunnelEntry::decode(message, &mut tunnels), TunnelEntry::decode_link(message, &mut tunnels));
    for entry in &tunnels {
        assert!(!entry.to_string().is_empty());
        sendable(entry.request(TunnelVerb::Add));
    }
    let (mut vnis, mut mst) = (Vec::new(), Vec::new());
    let _ = (VniEntry::decode(message, &mut vnis), MstEntry::decode(message, &mut mst));
    for entry in &vnis {
        assert!(!entry.to_string().is_empty());
        sendable(entry.request(VniVerb::Replace));
    }
    for entry in &mst {
        assert!(!entry.to_string().is_empty());
        sendable(entry.request());
    }
    let _ = (VlanDbEvent::decode(message), VniEvent::decode(message));
}
