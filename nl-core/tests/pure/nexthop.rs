//! The codec of nexthops without a kernel: iproute2's bytes, arbitrary values, arbitrary bytes, every refusal.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use nl_core::attr::{AttrBuf, NLA_F_NESTED};
use nl_core::message::{FixedHeader, MessageRef, NLM_F_ACK};
use nl_core::nexthop::{
    BucketFilter, GroupKind, Nexthop, NexthopBucket, NexthopEvent, NexthopFamily, NexthopFilter, NexthopVerb,
    NhMsg, RTM_DELNEXTHOP, RTM_NEWNEXTHOP, RTM_NEWNEXTHOPBUCKET,
};
use nl_core::route::{RawEncap, RouteFlags, RouteProtocol};
use nl_testkit::oracle::{BytesOracle, Golden};
use proptest::option;
use proptest::prelude::*;

use crate::golden::nexthop::{FILE, NEXTHOP, Ours, lines};

const VERBS: [NexthopVerb; 3] = [NexthopVerb::Add, NexthopVerb::Delete, NexthopVerb::Replace];

fn golden() -> Golden {
    Golden::read(&fs::read_to_string(FILE).unwrap()).unwrap()
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the file is of a little-endian machine")]
fn nexthop_requests_equal_those_iproute2_sent() {
    let golden = golden();
    let mut wrong = Vec::new();
    for line in lines() {
        let ours = line.ours.request(&golden.numbers).unwrap();
        let command = format!("ip {}", line.command);
        match golden.request(&command) {
            Some(theirs) => {
                wrong.extend(line.compare(&ours, theirs).err().map(|e| format!("`{command}`: {e}")));
            }
            None => {
                wrong.push(format!("`{command}` is not in {FILE}; write it again with NL_TESTKIT_BLESS=1"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<_> = lines().iter().map(|line| format!("ip {}", line.command)).collect();
    let kept: BTreeSet<_> = golden.requests.iter().map(|request| request.command.clone()).collect();
    assert_eq!(kept, known, "a command in {FILE} that is tested nowhere");
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the file is of a little-endian machine")]
fn nexthops_iproute2_sent_are_read_without_loss() {
    let golden = golden();
    for line in lines() {
        let Ours::Entry { verb, .. } = line.ours else { continue };
        let command = format!("ip {}", line.command);
        let theirs = golden.request(&command).unwrap();
        let hop = Nexthop::decode(MessageRef::parse(theirs).unwrap()).unwrap();
        // What was read, sent again, is what was read from.
        let again = hop.request(verb).with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
        BytesOracle::new(&NEXTHOP).check(&command, &again, theirs);
    }
}

/// A nexthop or group that is never refused.
fn nexthop() -> impl Strategy<Value = Nexthop> {
    let head = (1..=u32::MAX, any::<u8>(), any::<u32>(), 0..4u8, any::<bool>());
    let path = (any::<(u32, u128)>(), any::<bool>(), 1..1000u32, option::of(1..12u16));
    let group = (prop::collection::btree_map(1..1000u32, 1..=u16::MAX, 1..5), option::of(any::<u16>()));
    let res =
        (option::of(1..=u16::MAX), option::of(any::<u32>()), option::of(any::<u32>()), option::of(0..2u32));
    (head, path, group, res).prop_map(|(head, path, group, res)| {
        let mut hop = Nexthop::new(head.0).protocol(RouteProtocol(head.1));
        let cleared = RouteFlags::from_bits_retain(0x2000_f179);
        hop.flags = RouteFlags::from_bits_retain(head.2) - cleared;
        let gateway: IpAddr = if path.1 { IpAddr::V4(path.0.0.into()) } else { IpAddr::V6(path.0.1.into()) };
        hop.family = if path.1 { NexthopFamily::Ipv4 } else { NexthopFamily::Ipv6 };
        match head.3 {
            0 => {
                hop = hop.group(group.0);
                hop.family = NexthopFamily::Unspec;
                hop.group_kind = group.1.map(GroupKind::from);
                hop.hw_stats = res.3;
                if hop.group_kind == Some(GroupKind::Resilient) || head.4 {
                    let time = |ticks: u32| Duration::from_millis(u64::from(ticks) * 10);
                    hop = hop.resilient(res.0.unwrap_or(1));
                    if let Some(timer) = res.1 {
                        hop = hop.idle_timer(time(timer));
                    }
                    if let Some(timer) = res.2 {
                        hop = hop.unbalanced_timer(time(timer));
                    }
                }
            }
            1 => {
                hop = hop.blackhole();
                hop.flags -= RouteFlags::ONLINK;
            }
            2 => hop = hop.via(gateway).fdb(),
            _ => {
                hop = hop.via(gateway).oif(path.2);
                if let Some(kind) = path.3 {
                    hop = hop.with_raw_encap(RawEncap::new(kind, vec![5, 0, 1, 0, 7, 0, 0, 0]));
                }
            }
        }
        hop
    })
}

fn check(data: &[u8]) {
    for kind in [RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_NEWNEXTHOPBUCKET] {
        let message = MessageRef::from_parts(kind, 0, data);
        if let Ok(bucket) = NexthopBucket::decode(message) {
            let _ = (bucket.to_string(), bucket.key());
        }
        let Ok(event) = NexthopEvent::decode(message) else { continue };
        let hop = event.nexthop();
        let _ = (hop.to_string(), hop.clone().without_ages().key(), Nexthop::is_nexthop(message));
        for verb in VERBS {
            let mut request = hop.request(verb);
            if let Ok(bytes) = request.encoded() {
                Nexthop::decode(MessageRef::parse(bytes).unwrap()).unwrap();
            }
        }
    }
}

proptest! {
    #[test]
    fn nexthop_reads_back_as_it_was_written(hop in nexthop()) {
        for verb in [NexthopVerb::Add, NexthopVerb::Replace] {
            let bytes = hop.request(verb).encoded().unwrap().to_vec();
            prop_assert_eq!(&Nexthop::decode(MessageRef::parse(&bytes).unwrap()).unwrap(), &hop);
        }
        let bytes = hop.request(NexthopVerb::Delete).encoded().unwrap().to_vec();
        let deleted = Nexthop::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
        prop_assert_eq!(deleted, Nexthop::new(hop.id));
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        check(&data);
    }

    /// Attributes with sane lengths, so that every one of them is reached.
    #[test]
    fn arbitrary_attributes_never_panic(
        header in any::<[u8; 8]>(),
        attrs in prop::collection::vec((0..20u16, any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..12),
    ) {
        let mut data = header.to_vec();
        for (kind, nested, value) in attrs {
            data.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            data.extend((kind | u16::from(nested) << 15).to_ne_bytes());
            data.extend(&value);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        check(&data);
    }
}

#[test]
fn bad_nexthops_are_refused_with_the_limit_in_the_text() {
    let gw = || IpAddr::from([192, 0, 2, 1]);
    let hop = || Nexthop::new(1);
    let none: [u32; 0] = [];
    for (hop, limit) in [
        (Nexthop::new(0).oif(1), "the first one is 1"),
        (hop().oif(0), "the first one is 1"),
        (hop().oif(1 << 31), "the largest is 2147483647"),
        (hop(), "needs a device"),
        (hop().via(gw()), "needs a device"),
        (hop().ipv6().via(gw()).oif(1), "of another family"),
        (hop().oif(1).onlink(), "about a gateway"),
        (hop().blackhole().oif(1), "a blackhole has no gateway"),
        (hop().blackhole().fdb(), "a blackhole has no gateway"),
        (hop().fdb().via(gw()).oif(1), "no device"),
        (hop().fdb(), "needs a gateway"),
        (hop().group(none), "at least one"),
        (hop().group([0]), "the first one is 1"),
        (hop().group([1, 2, 1]), "twice"),
        (hop().group([(1, 0)]), "weight 0; 1 to 65535"),
        (hop().group([1]).oif(1), "a group has no gateway"),
        (hop().group([1]).blackhole(), "a group has no gateway"),
        (hop().group([1]).ipv4(), "no family of its own"),
        (hop().oif(1).resilient(5), "are for groups"),
        (hop().oif(1).hw_stats(true), "are for groups"),
        (hop().group([1]).resilient(0), "1 to 65535"),
        (hop().group([1]).idle_timer(Duration::from_millis(15)), "a multiple of 10ms"),
        (hop().group([1]).unbalanced_timer(Duration::from_secs(1 << 33)), "a multiple of 10ms up to"),
    ] {
        let error = hop.request(NexthopVerb::Replace).encoded().map(drop).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(limit), "{error}");
        assert!(error.to_string().starts_with("replace nexthop"), "{error}");
    }
    // The kernel chooses a number.
    assert!(Nexthop::new(0).oif(1).request(NexthopVerb::Add).encoded().is_ok());
    for mut request in [
        Nexthop::new(0).request(NexthopVerb::Delete),
        Nexthop::get_request(0, false, false),
        {
            let mut filter = NexthopFilter::default();
            filter.oif = Some(0);
            filter.list_request()
        },
        {
            let mut filter = NexthopFilter::default();
            filter.ids = Some(std::ops::RangeInclusive::new(2, 1));
            filter.list_request()
        },
        {
            let mut filter = BucketFilter::default();
            filter.group = Some(0);
            filter.list_request()
        },
    ] {
        assert!(request.encoded().map(drop).unwrap_err().is_usage());
    }
}

#[test]
fn filter_by_numbers_takes_both_ends() {
    let mut filter = NexthopFilter::default();
    filter.ids = Some(10..=20);
    filter.list_request().encoded().unwrap();
    let matching: Vec<_> = (8..23).filter(|id| filter.matches(&Nexthop::new(*id))).collect();
    assert_eq!(matching, (10..=20).collect::<Vec<_>>());
}

/// Counters are of 32 bits where they fit, and of 64 where not.
#[test]
fn counters_of_members_are_read() {
    let mut out = Vec::new();
    NhMsg::default().write(&mut out);
    let mut buf = AttrBuf::new();
    let mut w = buf.writer();
    w.u32(1, 10);
    let mut stats = w.nested(15 | NLA_F_NESTED);
    stats.nested(1).u32(1, 1).u32(2, 7);
    stats.nested(1).u32(1, 2).u64(2, 1 << 40).u32(3, 9);
    drop(stats);
    w.u32(16, 1).u32(17, 0);
    out.extend(buf.finish().unwrap());
    let hop = Nexthop::decode(MessageRef::from_parts(RTM_NEWNEXTHOP, 0, &out)).unwrap();
    let read: Vec<_> = hop.stats.iter().map(|stats| (stats.id, stats.packets, stats.hw_packets)).collect();
    assert_eq!(read, [(1, 7, None), (2, 1 << 40, Some(9))]);
    assert_eq!((hop.hw_stats, hop.hw_stats_used), (Some(1), Some(0)));
    assert_eq!(hop.without_ages().stats, []);
}
