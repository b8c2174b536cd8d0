//! The packets that each mode makes, taken apart by hand.

use std::net::Ipv6Addr;

use nl_srv6::encap::{Seg6, Seg6Mode};
use nl_srv6::srh::Srh;
use nl_testkit::{EthFrame, Lab, Result};

use crate::commands::{addr, segments};
use crate::support::{SOON, ipv6, network, routes};

/// What a routing header says: length field, segments left, last entry, and the segments as they stand.
fn header(bytes: &[u8]) -> (u8, u8, u8, Vec<Ipv6Addr>) {
    assert_eq!(bytes[2], 4, "the routing type");
    let last = bytes[4];
    let list = bytes[8..].chunks_exact(16).take(usize::from(last) + 1);
    let list = list.map(|bytes| Ipv6Addr::from(*bytes.first_chunk::<16>().unwrap())).collect();
    (bytes[1], bytes[3], last, list)
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 120)]
async fn each_mode_puts_its_segments_into_packets(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let routes = routes(&net.a).await?;
    let mut capture = net.b.capture("a").await?;
    let customer = addr("2001:db8:2::1");
    let modes =
        [Seg6Mode::Inline, Seg6Mode::Encap, Seg6Mode::EncapRed, Seg6Mode::L2Encap, Seg6Mode::L2EncapRed];
    for mode in modes {
        for count in 1..=3_u16 {
            let seg6 = Seg6::new(mode, segments(count));
            routes.entry("2001:db8:2::/64".parse()?, &seg6).dev("b").replace().await?;
            net.send("[2001:db8:2::1]:5000", 1).await;
            let is_ours = |frame: &EthFrame| {
                ipv6(frame).is_some_and(|(to, next, _)| to == segments(1)[0] && [41, 43, 143].contains(&next))
            };
            let frame = capture.expect(is_ours, SOON).await;
            let (_, next, rest) = ipv6(&frame).unwrap();
            let n = u8::try_from(count)?;
            let mut wire = segments(count);
            let (inner, skipped) = match mode {
                Seg6Mode::Inline => {
                    wire.push(customer);
                    (17, 0)
                }
                Seg6Mode::EncapRed => (41, 1),
                Seg6Mode::L2EncapRed => (143, 1),
                Seg6Mode::L2Encap => (143, 0),
                _ => (41, 0),
            };
            let wire: Vec<_> = wire.into_iter().skip(skipped).rev().collect();
            let what = format!("{seg6}");
            if wire.is_empty() {
                assert_eq!(next, inner, "{what}: no routing header");
                continue;
            }
            assert_eq!((next, rest[0]), (43, inner), "{what}");
            let entries = u8::try_from(wire.len())?;
            let left = if mode == Seg6Mode::Inline { n } else { n - 1 };
            assert_eq!(header(rest), (2 * entries, left, entries - 1, wire.clone()), "{what}");
            // Ours reads the same.
            let (srh, _) = Srh::parse(rest)?;
            assert_eq!((srh.segments_left, srh.segments), (left, wire.into_iter().rev().collect()), "{what}");
        }
    }
    Ok(())
}

/// The source address of outer headers: of one route, and of the namespace.
#[nl_testkit::test(needs(vm, host_root, kernel = "7.1", link = "veth", tool = "ip"), timeout = 60)]
async fn source_of_a_route_is_in_its_packets(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let mut capture = net.b.capture("a").await?;
    let seg6 = Seg6::encap(segments(1)).source(addr("2001:db8:77::a"));
    routes(&net.a).await?.entry("2001:db8:2::/64".parse()?, &seg6).dev("b").add().await?;
    net.send("[2001:db8:2::1]:5000", 1).await;
    let frame = capture.expect(|frame| ipv6(frame).is_some_and(|(_, next, _)| next == 43), SOON).await;
    assert_eq!(frame.payload[8..24], addr("2001:db8:77::a").octets());
    Ok(())
}

#[nl_testkit::test(needs(vm, host_root, link = "veth", tool = "ip"), timeout = 60)]
async fn source_of_the_namespace_is_in_its_packets(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let mut capture = net.b.capture("a").await?;
    let source = nl_srv6::tunnel_source::TunnelSource::new(crate::support::generic(&net.a).await?);
    assert_eq!(source.get().await?, None);
    source.set(addr("2001:db8:77::a")).await?;
    assert_eq!(source.get().await?, Some(addr("2001:db8:77::a")));
    assert!(net.a.ip("sr tunsrc show").await.contains("2001:db8:77::a"));
    let seg6 = Seg6::encap(segments(1));
    routes(&net.a).await?.entry("2001:db8:2::/64".parse()?, &seg6).dev("b").add().await?;
    net.send("[2001:db8:2::1]:5000", 1).await;
    let frame = capture.expect(|frame| ipv6(frame).is_some_and(|(_, next, _)| next == 43), SOON).await;
    assert_eq!(frame.payload[8..24], addr("2001:db8:77::a").octets());

    net.a.ip("sr tunsrc set 2001:db8:77::b").await;
    assert_eq!(source.get().await?, Some(addr("2001:db8:77::b")));
    source.clear().await?;
    assert_eq!(source.get().await?, None);
    Ok(())
}
