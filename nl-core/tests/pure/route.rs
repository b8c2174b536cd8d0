//! The codec of routes without a kernel: iproute2's bytes, arbitrary values, arbitrary bytes, every refusal.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use nl_core::IpPrefix;
use nl_core::attr::{AttrBuf, Attrs, RawAttrs};
use nl_core::message::{FixedHeader, MessageRef, NLM_F_ACK};
use nl_core::route::{
    HopFlags, Lookup, Metrics, NextHop, RTM_DELROUTE, RTM_NEWROUTE, RawEncap, Realms, Route, RouteCache,
    RouteEvent, RouteFeatures, RouteFlags, RoutePref, RouteProtocol, RouteScope, RouteType, RouteVerb, RtMsg,
};
use nl_testkit::oracle::{BytesOracle, Golden};
use proptest::option;
use proptest::prelude::*;

use crate::golden::route::{FILE, Ours, ROUTE, lines};

const VERBS: [RouteVerb; 6] = [
    RouteVerb::Add,
    RouteVerb::Append,
    RouteVerb::Change,
    RouteVerb::Delete,
    RouteVerb::Prepend,
    RouteVerb::Replace,
];

fn golden() -> Golden {
    Golden::read(&fs::read_to_string(FILE).unwrap()).unwrap()
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the file is of a little-endian machine")]
fn route_requests_equal_those_iproute2_sent() {
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
fn routes_iproute2_sent_are_read_without_loss() {
    let golden = golden();
    let mut read = 0;
    for line in lines() {
        let Ours::Entry { verb, .. } = line.ours else { continue };
        let command = format!("ip {}", line.command);
        let theirs = golden.request(&command).unwrap();
        let route = Route::decode(MessageRef::parse(theirs).unwrap()).unwrap();
        // What was read, sent again, is what was read from.
        let again = route.request(verb).with_flags(NLM_F_ACK).encoded().unwrap().to_vec();
        BytesOracle::new(&ROUTE).check(&command, &again, theirs);
        read += 1;
    }
    assert!(read > 20, "only {read} routes");
}

fn addr(is_ipv4: bool) -> impl Strategy<Value = IpAddr> {
    any::<(u32, u128)>().prop_map(move |(v4, v6)| match is_ipv4 {
        true => IpAddr::V4((v4 | 1).into()),
        false => IpAddr::V6((v6 | 1).into()),
    })
}

fn prefix(is_ipv4: bool) -> impl Strategy<Value = IpPrefix> {
    (any::<(u32, u128)>(), 0..=128u8).prop_map(move |((v4, v6), len)| match is_ipv4 {
        true => {
            let len = len % 33;
            let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            IpPrefix::new(IpAddr::V4((v4 & mask).into()), len).unwrap()
        }
        false => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            IpPrefix::new(IpAddr::V6((v6 & mask).into()), len).unwrap()
        }
    })
}

fn raw() -> impl Strategy<Value = RawAttrs> {
    prop::collection::vec((100..200u16, prop::collection::vec(any::<u8>(), 0..9)), 0..3).prop_map(|list| {
        let mut buf = AttrBuf::new();
        for (kind, value) in &list {
            buf.writer().bytes(*kind, value);
        }
        let bytes = buf.finish().unwrap();
        let mut raw = RawAttrs::default();
        Attrs::new(&bytes).for_each(|attr| raw.push(attr.unwrap()));
        raw
    })
}

fn encap() -> impl Strategy<Value = RawEncap> {
    (1..12u16, raw()).prop_map(|(kind, attrs)| {
        let mut buf = AttrBuf::new();
        attrs.write(&mut buf.writer());
        RawEncap::new(kind, buf.finish().unwrap())
    })
}

fn metrics() -> impl Strategy<Value = Metrics> {
    let some = || option::of(any::<u32>());
    let first =
        (any::<u32>(), option::of(0..=65520u32), some(), some(), some(), option::of(0..=65495u32), some());
    let times = (some(), some(), some(), option::of("[a-z_]{1,15}"));
    let rest =
        (option::of(0..=255u32), some(), some(), some(), option::of(0..=1u32), option::of(0..=1u32), raw());
    (first, times, rest).prop_map(|(first, times, rest)| {
        let mut metrics = Metrics::default();
        (metrics.lock, metrics.mtu, metrics.window, metrics.ssthresh) = (first.0, first.1, first.2, first.3);
        (metrics.cwnd, metrics.advmss, metrics.reordering) = (first.4, first.5, first.6);
        metrics.rtt = times.0.map(|units| Duration::from_micros(125) * units);
        metrics.rttvar = times.1.map(|units| Duration::from_micros(250) * units);
        metrics.rto_min = times.2.map(|units| Duration::from_millis(units.into()));
        metrics.cc_algo = times.3.map(Into::into);
        (metrics.hoplimit, metrics.initcwnd, metrics.initrwnd) = (rest.0, rest.1, rest.2);
        metrics.features = rest.3.map(RouteFeatures::from_bits_retain);
        (metrics.quickack, metrics.fastopen_no_cookie, metrics.unknown) = (rest.4, rest.5, rest.6);
        metrics
    })
}

fn hop(is_ipv4: bool) -> impl Strategy<Value = NextHop> {
    let gateway = if is_ipv4 { any::<bool>().boxed() } else { Just(false).boxed() };
    let gateway = gateway.prop_flat_map(addr);
    let realms = option::of(any::<u32>().prop_map(Realms::from));
    (gateway, 1..=256u16, 0..=255u8, option::of(1..1000u32), option::of(encap()), raw(), realms).prop_map(
        move |(gateway, weight, flags, dev, encap, unknown, realms)| {
            let mut hop = NextHop::via(gateway).weight(weight);
            hop.flags = HopFlags::from_bits_retain(flags)
                & !(HopFlags::DEAD
                    | HopFlags::OFFLOAD
                    | HopFlags::LINKDOWN
                    | HopFlags::UNRESOLVED
                    | HopFlags::TRAP);
            hop.dev = dev.map(Into::into);
            hop.unknown = unknown;
            hop.realms = realms.filter(|_| is_ipv4);
            match encap {
                Some(encap) => hop.with_raw_encap(encap),
                None => hop,
            }
        },
    )
}

/// A route that is never refused.
fn route() -> impl Strategy<Value = Route> {
    any::<bool>().prop_flat_map(|is_ipv4| {
        let head = (prefix(is_ipv4), 1..=u32::MAX, any::<u8>(), any::<u8>(), any::<u8>(), any::<u32>());
        let path =
            (addr(is_ipv4), 1..1000u32, prop::collection::vec(hop(is_ipv4), 1..4), 1..=u32::MAX, 0..4u8);
        let rest = (
            option::of(addr(is_ipv4)),
            option::of(1..=u32::MAX),
            option::of(metrics()),
            option::of(any::<u32>()),
            option::of(any::<u32>()),
            option::of(any::<u8>()),
            raw(),
            option::of(encap()),
            option::of(any::<u8>()),
        );
        (head, path, rest).prop_map(move |(head, path, rest)| {
            let mut route = Route::new(head.0).table(head.1).protocol(RouteProtocol(head.2 | 1));
            route.kind = RouteType::from(head.3.max(1));
            route.scope = RouteScope::from(if is_ipv4 { head.4 & 0x7f } else { 0 });
            let cleared = RouteFlags::from_bits_retain(0x2000_ff79);
            route.flags = RouteFlags::from_bits_retain(head.5) - cleared;
            if !route.kind.is_reject() {
                match path.4 {
                    0 => route.nexthops = path.2,
                    1 => route.nexthop_id = Some(path.3),
                    _ => {
                        route = route.via(path.0).oif(path.1);
                        if let Some(encap) = rest.7 {
                            route = route.with_raw_encap(encap);
                        }
                    }
                }
            }
            (route.prefsrc, route.priority, route.metrics) = (rest.0, rest.1, rest.2.map(Box::new));
            (route.unknown, route.ttl_propagate) = (rest.6, rest.8);
            if is_ipv4 {
                route.realms = rest.3.map(Realms::from);
                route.tos = head.4 & 0xfc;
            } else {
                (route.expires, route.pref) = (rest.4, rest.5.map(RoutePref::from));
            }
            route
        })
    })
}

fn check(data: &[u8]) {
    for kind in [RTM_NEWROUTE, RTM_DELROUTE] {
        let message = MessageRef::from_parts(kind, 0, data);
        let Ok(event) = RouteEvent::decode(message) else { continue };
        let route = event.route();
        let _ = (route.to_string(), route.key(), Route::is_route(message));
        for verb in VERBS {
            let mut request = route.request(verb);
            if let Ok(bytes) = request.encoded() {
                Route::decode(MessageRef::parse(bytes).unwrap()).unwrap();
            }
        }
    }
}

proptest! {
    #[test]
    fn route_reads_back_as_it_was_written(route in route()) {
        for verb in VERBS {
            let bytes = route.request(verb).encoded().unwrap().to_vec();
            prop_assert_eq!(&Route::decode(MessageRef::parse(&bytes).unwrap()).unwrap(), &route);
            let mut read = Route::new("192.0.2.1/32".parse().unwrap());
            read.read(MessageRef::parse(&bytes).unwrap()).unwrap();
            prop_assert_eq!(&read, &route);
        }
    }

    /// As in a list whose routes are read one after another into one place.
    #[test]
    fn route_read_in_the_place_of_another_leaves_nothing_of_it(
        routes in prop::collection::vec((route(), prop::collection::vec(any::<u8>(), 0..80)), 2..5),
    ) {
        let mut place = Route::new("192.0.2.1/32".parse().unwrap());
        for (route, cut) in routes {
            let bytes = route.request(RouteVerb::Add).encoded().unwrap().to_vec();
            let message = MessageRef::parse(&bytes).unwrap();
            place.read(message).unwrap();
            prop_assert_eq!(&place, &route);
            prop_assert_eq!(format!("{place:?}"), format!("{:?}", Route::decode(message).unwrap()));
            // What cannot be read leaves nothing either: the attributes of this route, and an impossible one.
            let mut broken = bytes.clone();
            broken.extend_from_slice(&[3, 0, 1, 0]);
            broken.extend_from_slice(&cut);
            let len = u32::try_from(broken.len()).unwrap();
            broken.splice(..4, len.to_ne_bytes());
            place.read(MessageRef::parse(&broken).unwrap()).unwrap_err();
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(data: Vec<u8>) {
        check(&data);
    }

    /// Attributes with sane lengths, so that every one of them is reached.
    #[test]
    fn arbitrary_attributes_never_panic(
        family in prop_oneof![Just(2u8), Just(10u8), any::<u8>()],
        header in any::<[u8; 11]>(),
        attrs in prop::collection::vec((0..34u16, any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..12),
    ) {
        let mut data = vec![family];
        data.extend(header);
        for (kind, nested, value) in attrs {
            data.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            data.extend((kind | u16::from(nested) << 15).to_ne_bytes());
            data.extend(&value);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        check(&data);
    }
}

fn refusal(route: &Route, verb: RouteVerb) -> Option<String> {
    let error = route.request(verb).encoded().map(drop).err()?;
    assert!(error.is_usage(), "{error}");
    Some(error.to_string())
}

#[test]
fn bad_routes_are_refused_with_the_limit_in_the_text() {
    let v4 = || Route::new("198.51.100.0/24".parse().unwrap());
    let v6 = || Route::new("2001:db8:1::/48".parse().unwrap());
    let (gw4, gw6) = (|| IpAddr::from([192, 0, 2, 1]), || IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
    let hop = || NextHop::via(gw4());
    let long = "sixteen_bytes_ab";
    assert_eq!(long.len(), 16);
    for (route, limit) in [
        (Route::new("198.51.100.1/24".parse().unwrap()), "the network is 198.51.100.0/24"),
        (Route::new("2001:db8::1/64".parse().unwrap()), "the network is 2001:db8::/64"),
        (v4().table(0), "the first one is 1"),
        (v4().oif(0), "the first one is 1"),
        (v4().oif(1 << 31), "the largest is 2147483647"),
        (v4().nexthop(hop().weight(0)), "weight 0; 1 to 256"),
        (v4().nexthop(hop().weight(257)), "weight 257; 1 to 256"),
        (v4().nexthops([]), "no nexthops are given"),
        (v4().nexthop(hop().dev("eth0")), "device eth0 by name"),
        (v4().nexthop(hop()).via(gw4()), "nexthops stand in place"),
        (v4().nexthop(hop()).nhid(1), "a nexthop id stands in place"),
        (v4().nhid(1).via(gw4()), "a nexthop id stands in place"),
        (v4().nhid(0), "the first one is 1"),
        (v4().cc_algo(long), "has 16 bytes; 1 to 15"),
        (v4().cc_algo(""), "has 0 bytes; 1 to 15"),
        (v4().mtu(65521), "0 to 65520"),
        (v4().advmss(65496), "0 to 65495"),
        (v4().hoplimit(256), "0 to 255"),
        (v4().quickack(2), "0 to 1"),
        (v4().rtt(Duration::from_micros(126)), "a multiple of 125µs"),
        (v4().rto_min(Duration::from_secs(1 << 33)), "a multiple of 1ms up to"),
        (v4().src(gw6()), "of another family"),
        (v4().source("198.51.100.0/24".parse().unwrap()), "for IPv6"),
        (v4().expires(5), "for IPv6"),
        (v4().pref(RoutePref::High), "for IPv6"),
        (v4().tos(3), "the two lowest bits"),
        (v4().blackhole().via(gw4()), "drops packets"),
        (v4().blackhole().oif(1), "drops packets"),
        (v4().via(IpAddr::from([0, 0, 0, 0])), "cannot be the address of a router"),
        (v6().via(gw4()), "an IPv6 address is possible"),
        (v6().nexthop(hop()), "an IPv6 address is possible"),
        (v6().nexthop(NextHop::on(5)), "needs a gateway"),
        (v6().source("198.51.100.0/24".parse().unwrap()), "an IPv6 prefix"),
        (v6().realms(Realms { from: 0, to: 1 }), "for IPv4"),
        (v6().tos(4), "for IPv4"),
        (v6().scope(RouteScope::Link), "for IPv4"),
        (v6().metric(0), "1024"),
    ] {
        let text = refusal(&route, RouteVerb::Add).unwrap_or_else(|| panic!("{route} was taken"));
        assert!(text.contains(limit), "{text}");
        assert!(text.starts_with("add route"), "{text}");
    }
    let mut looked_up = v4();
    looked_up.looked_up = Some(Box::default());
    assert!(refusal(&looked_up, RouteVerb::Replace).unwrap().contains("belong to lookups"));
    assert_eq!(refusal(&looked_up, RouteVerb::Delete), None);
    assert_eq!(refusal(&v6().metric(0), RouteVerb::Delete), None);
}

#[test]
fn bad_lookups_are_refused_with_the_limit_in_the_text() {
    let v4 = || Lookup::new(IpAddr::from([192, 0, 2, 1]));
    let v6 = || Lookup::new("2001:db8::1".parse().unwrap());
    for (lookup, limit) in [
        (v4().oif(0), "the first one is 1"),
        (v4().from("::1".parse().unwrap()), "another family"),
        (v4().ip_proto(89), "1, 6, 17 and 58"),
        (v4().flowlabel(1), "for IPv6"),
        (v6().flowlabel(1 << 20), "0 to 1048575"),
    ] {
        let error = lookup.request().encoded().map(drop).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(limit), "{error}");
    }
    assert!(v6().flowlabel(0xf_ffff).request().encoded().is_ok());
}

/// `ip route add 198.51.100.0/24 via 192.0.2.1 dev d0 mtu lock 1400` and `ip -6 route add 2001:db8:1::/48 via 2001:db8::1 dev d0
/// expires 600`, in dumps of 6.18.
#[test]
#[cfg(target_endian = "little")]
fn routes_of_the_kernel_read_as_they_were_made() {
    let ticks = |expires: i32| {
        let mut bytes = vec![0; 32];
        bytes[8..12].copy_from_slice(&expires.to_ne_bytes());
        bytes
    };
    let mut out = Vec::new();
    RtMsg { family: 10, dst_len: 48, table: 254, protocol: 3, kind: 1, ..RtMsg::default() }.write(&mut out);
    let mut buf = AttrBuf::new();
    buf.writer()
        .u32(15, 254)
        .ip(1, "2001:db8:1::".parse().unwrap())
        .u32(6, 1024)
        .ip(5, "2001:db8::1".parse().unwrap())
        .u32(4, 3)
        .bytes(12, &ticks(59_950))
        .u8(20, 0);
    out.extend(buf.finish().unwrap());
    let route = Route::decode(MessageRef::from_parts(RTM_NEWROUTE, 0, &out)).unwrap();
    let text = "2001:db8:1::/48 via 2001:db8::1 dev #3 proto boot metric 1024 expires 600sec pref medium";
    assert_eq!(route.to_string(), text);
    assert_eq!(route.cache.map(|cache: RouteCache| cache.expires), Some(59_950));
    assert_eq!(route.without_ages().expires, None);
}

#[test]
fn messages_of_other_kinds_and_families_are_refused() {
    let mut out = Vec::new();
    RtMsg { family: 128, ..RtMsg::default() }.write(&mut out);
    let multicast = MessageRef::from_parts(RTM_NEWROUTE, 0, &out);
    assert!(!Route::is_route(multicast));
    assert_eq!(Route::decode(multicast).unwrap_err().to_string(), "message type 24 was not expected here");
    let mut long = Vec::new();
    RtMsg { family: 2, dst_len: 33, ..RtMsg::default() }.write(&mut long);
    let error = Route::decode(MessageRef::from_parts(RTM_NEWROUTE, 0, &long)).unwrap_err();
    assert_eq!(error.to_string(), "attribute 1: a prefix longer than the address");
    assert!(Route::decode(MessageRef::from_parts(16, 0, &long)).is_err());
}

#[test]
fn numbers_have_the_words_of_iproute2() {
    assert_eq!(RouteType::from(6).to_string(), "blackhole");
    assert_eq!(RouteType::from(77).to_string(), "77");
    assert_eq!(RouteScope::from(253).to_string(), "link");
    assert_eq!(RouteProtocol(186).to_string(), "bgp");
    for number in 0..=u8::MAX {
        assert_eq!(u8::from(RouteType::from(number)), number);
        assert_eq!(u8::from(RouteScope::from(number)), number);
        assert_eq!(u8::from(RoutePref::from(number)), number);
    }
}
