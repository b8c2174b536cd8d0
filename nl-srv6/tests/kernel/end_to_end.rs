//! Packets of one customer reach the other along segments, and counters say how many.

use nl_srv6::encap::Seg6;
use nl_srv6::sid::{SidAction, SidCounters, SidEntry, SidSampler, Sids};
use nl_srv6::usid::UsidBlock;
use nl_testkit::{EthFrame, Lab, Result, eventually};

use crate::commands::addr;
use crate::support::{Network, SOON, add_vrf, ipv6, is_plain, network, routes, sids};

const B: &str = "fcbb:0:b::/128";
const D: &str = "fcbb:0:d:1::";
const V6: &str = "[2001:db8:2::1]:5000";
const V4: &str = "10.2.0.1:5000";

/// Puts the customers' networks behind these segments.
async fn steer(net: &Network, seg6: &Seg6) -> Result {
    let routes = routes(&net.a).await?;
    for prefix in ["2001:db8:2::/64", "10.2.0.0/24"] {
        routes.entry(prefix.parse()?, seg6).dev("b").replace().await?;
    }
    Ok(())
}

async fn counters(sids: &Sids, sid: &str) -> SidCounters {
    sids.sid(sid.parse().unwrap()).get().await.unwrap().local.counters.unwrap()
}

/// Sends three packets, sees them arrive, and compares the counters.
async fn arrives(net: &Network, d: &Sids, sid: &str, to: &str) -> Result {
    let mut capture = net.c2.capture("eth0").await?;
    let before = counters(d, sid).await;
    net.send(to, 3).await;
    for _ in 0..3 {
        capture.expect(is_plain, SOON).await;
    }
    let after = counters(d, sid).await;
    assert_eq!((after.packets - before.packets, after.errors), (3, 0), "{sid} {to}");
    assert!(after.bytes > before.bytes);
    Ok(())
}

/// Puts the port of the second customer into a VRF with table 100.
async fn customer_in_vrf(net: &Network) -> Result {
    add_vrf(&net.d).await?;
    net.d.ip("link set c master red").await;
    // The kernel takes addresses of IPv6 away from a port that changes its VRF.
    net.d.ip("address replace 2001:db8:2::d/64 dev c nodad").await;
    net.d.sysctl("net.ipv4.conf.red.rp_filter", "0").await
}

async fn each(net: &Network, d: &Sids, make: impl Fn(&Sids) -> SidEntry, to: &[&str]) -> Result {
    make(d).counters().replace().await?;
    for to in to {
        arrives(net, d, D, to).await?;
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 120)]
async fn decapsulating_actions_deliver_to_the_customer(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let (b, d) = (sids(&net.b).await?, sids(&net.d).await?);
    b.end(B.parse()?).counters().dev("a").add().await?;
    steer(&net, &Seg6::encap([addr("fcbb:0:b::"), addr(D)])).await?;
    let to = D.parse()?;
    each(&net, &d, |d| d.end_dx6(to, addr("2001:db8:2::1")).dev("b"), &[V6]).await?;
    each(&net, &d, |d| d.end_dx6(to, addr("::")).dev("b"), &[V6]).await?;
    each(&net, &d, |d| d.end_dx4(to, [10, 2, 0, 1].into()).dev("b"), &[V4]).await?;
    each(&net, &d, |d| d.end_dx4(to, [0, 0, 0, 0].into()).dev("b"), &[V4]).await?;
    each(&net, &d, |d| d.end_dt6(to, 254).dev("b"), &[V6]).await?;
    assert_eq!(counters(&b, B).await.packets, 3 * 5);

    d.sid(to).delete().await?;
    customer_in_vrf(&net).await?;
    each(&net, &d, |d| d.end_dt6_vrf(to, 100), &[V6]).await?;
    each(&net, &d, |d| d.end_dt4(to, 100), &[V4]).await?;
    each(&net, &d, |d| d.end_dt46(to, 100), &[V6, V4]).await?;
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn frames_are_delivered_by_end_dx2(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let d = sids(&net.d).await?;
    d.end_dx2(D.parse()?, "c").counters().dev("b").add().await?;
    steer(&net, &Seg6::l2encap_red([addr(D)])).await?;
    arrives(&net, &d, D, V6).await
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn actions_that_go_on_reach_the_last_segment(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let (b, d) = (sids(&net.b).await?, sids(&net.d).await?);
    d.end_dx6(D.parse()?, addr("2001:db8:2::1")).counters().dev("b").add().await?;
    net.b.ip("-6 route add fcbb:0:d::/48 via 2001:db8:bd::d table 300").await;
    steer(&net, &Seg6::encap([addr("fcbb:0:b::"), addr(D)])).await?;
    b.end_x(B.parse()?, addr("2001:db8:bd::d")).counters().dev("a").add().await?;
    arrives(&net, &d, D, V6).await?;
    b.end_t(B.parse()?, 300).counters().dev("a").replace().await?;
    arrives(&net, &d, D, V6).await?;
    assert_eq!(counters(&b, B).await.packets, 3);

    // A binding SID: the outer list ends at d, which goes on with the inner one.
    d.end("fcbb:0:d:2::".parse()?).counters().dev("b").add().await?;
    d.end_dt6("fcbb:0:d:3::".parse()?, 254).counters().dev("b").add().await?;
    b.end_b6_encaps(B.parse()?, [addr("fcbb:0:d:3::")]).counters().dev("a").replace().await?;
    arrives(&net, &d, D, V6).await?;
    assert_eq!(counters(&d, "fcbb:0:d:3::").await.packets, 3);
    b.end_b6(B.parse()?, [addr("fcbb:0:d:2::")]).counters().dev("a").replace().await?;
    net.send(V6, 1).await;
    let through = async || (counters(&d, "fcbb:0:d:2::").await.packets > 0).then_some(());
    eventually(SOON, through, "a packet with a second header at d").await;
    Ok(())
}

#[nl_testkit::test(needs(vm, kernel = "6.3", link = "veth", tool = "ip"), timeout = 60)]
async fn psp_takes_the_header_off_before_the_last_segment(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let b = sids(&net.b).await?;
    // No SID at d, so that nobody changes the packet that is looked at.
    let mut capture = net.d.capture("b").await?;
    steer(&net, &Seg6::encap([addr("fcbb:0:b::"), addr(D)])).await?;
    let to_d =
        |frame: &EthFrame| ipv6(frame).is_some_and(|(to, next, _)| to == addr(D) && [41, 43].contains(&next));
    b.end(B.parse()?).dev("a").add().await?;
    net.send(V6, 1).await;
    assert_eq!(ipv6(&capture.expect(to_d, SOON).await).unwrap().1, 43);
    b.end(B.parse()?).psp().dev("a").replace().await?;
    net.send(V6, 1).await;
    assert_eq!(ipv6(&capture.expect(to_d, SOON).await).unwrap().1, 41);
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 60)]
async fn one_carrier_of_micro_sids_leads_through_two_nodes(lab: Lab) -> Result {
    let net = network(&lab).await?;
    customer_in_vrf(&net).await?;
    let block = UsidBlock::new("fcbb::/32".parse()?, 16)?;
    let path = [block.sid(0xb)?, block.sid(0xd)?, block.sid(0xd46)?];
    let carriers = block.pack(&path)?;
    assert_eq!(carriers, [addr("fcbb:0:b:d:d46::")]);

    let (b, d) = (sids(&net.b).await?, sids(&net.d).await?);
    let (block_bits, sid_bits) = (block.block_bits(), block.sid_bits());
    b.end(block.locator(path[0])?).next_csid(block_bits, sid_bits).counters().dev("a").add().await?;
    // Node and function of d in one: a longer prefix that decapsulates.
    let function = "fcbb:0:d:d46::/64";
    d.end_dt46(function.parse()?, 100).counters().add().await?;

    let mut capture = net.b.capture("a").await?;
    steer(&net, &Seg6::encap_red(carriers.clone())).await?;
    for to in [V6, V4] {
        arrives(&net, &d, function, to).await?;
    }
    assert_eq!(counters(&b, "fcbb:0:b::/48").await.packets, 6);
    // One carrier needs no routing header.
    let frame =
        capture.expect(|frame| ipv6(frame).is_some_and(|(_, next, _)| [4, 41].contains(&next)), SOON).await;
    assert!(block.holds(ipv6(&frame).unwrap().0));
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 60)]
async fn second_carrier_is_taken_out_of_the_routing_header(lab: Lab) -> Result {
    let net = network(&lab).await?;
    customer_in_vrf(&net).await?;
    // Two micro-SIDs fit behind this block.
    let block = UsidBlock::new("fcbb::/96".parse()?, 16)?;
    let path = [block.sid(0xb)?, block.sid(0xd)?, block.sid(0xd46)?];
    let carriers = block.pack(&path)?;
    assert_eq!(carriers, [addr("fcbb::b:d"), addr("fcbb::d46:0")]);

    let (b, d) = (sids(&net.b).await?, sids(&net.d).await?);
    let locators: Vec<_> =
        path.iter().map(|sid| block.locator(*sid)).collect::<std::result::Result<_, _>>()?;
    net.b.ip(&format!("-6 route add {} via 2001:db8:bd::d", locators[1])).await;
    b.end(locators[0]).next_csid(96, 16).counters().dev("a").add().await?;
    d.end(locators[1]).next_csid(96, 16).counters().dev("b").add().await?;
    d.end_dt46(locators[2], 100).counters().add().await?;
    steer(&net, &Seg6::encap(carriers)).await?;
    let function = locators[2].to_string();
    for to in [V6, V4] {
        arrives(&net, &d, &function, to).await?;
    }
    for (sids, locator) in [(&b, locators[0]), (&d, locators[1])] {
        let counters = counters(sids, &locator.to_string()).await;
        assert_eq!((counters.packets, counters.errors), (6, 0), "{locator}");
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, kernel = "6.6", link = "veth", tool = "ip"), timeout = 60)]
async fn end_x_with_micro_sids_goes_through_its_router(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let (b, d) = (sids(&net.b).await?, sids(&net.d).await?);
    // Without this route only End.X leads on.
    net.b.ip("-6 route del fcbb:0:d::/48").await;
    b.end_x("fcbb:0:b::/48".parse()?, addr("2001:db8:bd::d"))
        .next_csid(32, 16)
        .counters()
        .dev("a")
        .add()
        .await?;
    d.end_dx6("fcbb:0:d::/48".parse()?, addr("2001:db8:2::1")).counters().dev("b").add().await?;
    steer(&net, &Seg6::encap_red([addr("fcbb:0:b:d::")])).await?;
    arrives(&net, &d, "fcbb:0:d::/48", V6).await?;
    assert_eq!(counters(&b, "fcbb:0:b::/48").await.packets, 3);
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn each_mode_delivers_along_one_two_and_three_segments(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let (b, d) = (sids(&net.b).await?, sids(&net.d).await?);
    b.end(B.parse()?).counters().dev("a").add().await?;
    d.end("fcbb:0:d:e::".parse()?).counters().dev("b").add().await?;
    d.end_dt6(D.parse()?, 254).counters().dev("b").add().await?;
    for path in [&[D][..], &["fcbb:0:b::", D], &["fcbb:0:b::", "fcbb:0:d:e::", D]] {
        let segments = || path.iter().map(|segment| addr(segment));
        for seg6 in [Seg6::encap(segments()), Seg6::encap_red(segments())] {
            steer(&net, &seg6).await?;
            arrives(&net, &d, D, V6).await?;
        }
    }
    assert_eq!((counters(&b, B).await.packets, counters(&d, "fcbb:0:d:e::").await.packets), (12, 6));

    // Frames, at the same lengths.
    d.end_dx2(D.parse()?, "c").counters().dev("b").replace().await?;
    for path in [&[D][..], &["fcbb:0:b::", D], &["fcbb:0:b::", "fcbb:0:d:e::", D]] {
        let segments = || path.iter().map(|segment| addr(segment));
        for seg6 in [Seg6::l2encap(segments()), Seg6::l2encap_red(segments())] {
            steer(&net, &seg6).await?;
            arrives(&net, &d, D, V6).await?;
        }
    }
    // Inline the customer's own address is the last segment.
    for path in [&["fcbb:0:b::"][..], &["fcbb:0:b::", "fcbb:0:d:e::"]] {
        let mut capture = net.c2.capture("eth0").await?;
        let seg6 = Seg6::inline(path.iter().map(|segment| addr(segment)));
        routes(&net.a).await?.entry("2001:db8:2::/64".parse()?, &seg6).dev("b").replace().await?;
        net.b.ip("-6 route replace 2001:db8:2::/64 via 2001:db8:bd::d").await;
        net.send(V6, 1).await;
        let to_customer = |frame: &EthFrame| {
            ipv6(frame).is_some_and(|(to, next, _)| to == addr("2001:db8:2::1") && next == 43)
        };
        capture.expect(to_customer, SOON).await;
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn packets_that_do_not_fit_are_counted_as_errors(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let d = sids(&net.d).await?;
    // IPv4 at a SID for IPv6.
    d.end_dx6(D.parse()?, addr("2001:db8:2::1")).counters().dev("b").add().await?;
    steer(&net, &Seg6::encap([addr(D)])).await?;
    let mut sampler = SidSampler::new();
    let start = std::time::Instant::now();
    assert_eq!(sampler.sample(D, start, &counters(&d, D).await), None);
    net.send(V4, 2).await;
    let errors = async || {
        let counters = counters(&d, D).await;
        (counters.errors == 2).then_some(counters)
    };
    let counters = eventually(SOON, errors, "two errors").await;
    assert_eq!((counters.packets, counters.bytes), (0, 0));
    let rates = sampler.sample(D, std::time::Instant::now(), &counters).unwrap();
    assert_eq!((rates.errors, rates.packets, rates.restarted), (2, 0, false));
    let sid = d.sid(D.parse()?).get().await?;
    assert!(matches!(sid.local.action, SidAction::EndDx6 { .. }));
    Ok(())
}
