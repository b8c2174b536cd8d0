//! The kernel's own tests of SRv6 (`tools/testing/selftests/net`), and which of ours show the same.
//!
//! | kernel | what it shows | ours |
//! |---|---|---|
//! | `srv6_end_dt4_l3vpn_test.sh`, `srv6_end_dt6_l3vpn_test.sh`, `srv6_end_dt46_l3vpn_test.sh` | hosts of two tenants reach their own network and not that of the other | `end_to_end::decapsulating_actions_deliver_to_the_customer`, `tenants_with_the_same_addresses_stay_apart` |
//! | `srv6_end_flavors_test.sh` | PSP takes the header off before the last segment | `end_to_end::psp_takes_the_header_off_before_the_last_segment` |
//! | `srv6_end_next_csid_l3vpn_test.sh` | micro-SIDs through four routers, in one carrier and in two | `micro_sids_lead_through_four_nodes_in_one_carrier_and_in_two` |
//! | `srv6_end_x_next_csid_l3vpn_test.sh` | the same with `End.X` | `end_to_end::end_x_with_micro_sids_goes_through_its_router` |
//! | `srv6_hencap_red_l3vpn_test.sh` | the mode `encap.red` with one segment and with several | `end_to_end::each_mode_delivers_along_one_two_and_three_segments`, `wire::each_mode_puts_its_segments_into_packets` |
//! | `srv6_hl2encap_red_l2vpn_test.sh` | the mode `l2encap.red` with `End.DX2` | the same two, `end_to_end::frames_are_delivered_by_end_dx2` |
//! | `srv6_end_dx4_netfilter_test.sh`, `srv6_end_dx6_netfilter_test.sh` | netfilter sees inner packets, and they are delivered | `inner_packets_are_delivered_through_netfilter`, without a rule of netfilter |
//! | `bpf/prog_tests/lwt_seg6local.c` | programs that change headers, and `End.BPF` | `bpf::program_of_end_bpf_decides_about_packets`; what a program may do is not ours |
//! | `srv6_iptunnel_cache.sh` | packets of the host do not use what was looked up for forwarded ones | not ours: a cache inside the kernel that nothing of netlink is about |
//! | `lwt_dst_cache_ref_loop.sh` | routes into themselves leak no memory | the routes are found by `doctor::faults_are_found_and_gone_when_they_are_mended`; the leak takes `kmemleak` to see |

use nl_srv6::encap::Seg6;
use nl_srv6::usid::UsidBlock;
use nl_testkit::oracle::traffic;
use nl_testkit::{Lab, Node, Result, assert_older_than};

use crate::commands::addr;
use crate::support::{Network, SOON, add_vrf, is_plain, lines, network, routes, sids};

const RED: &str = "fcbb:0:d:1::";
const BLUE: &str = "fcbb:0:d:2::";

async fn steer(net: &Network, sid: &str) -> Result {
    let routes = routes(&net.a).await?;
    for prefix in ["2001:db8:2::/64", "10.2.0.0/24"] {
        routes.entry(prefix.parse()?, &Seg6::encap([addr(sid)])).dev("b").replace().await?;
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 120)]
async fn tenants_with_the_same_addresses_stay_apart(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let other = lab.node("c3").await?;
    net.d.add_veth("e", &other, "eth0").await?;
    for (node, link) in [(&net.d, "e"), (&other, "eth0")] {
        node.up(link).await?;
        node.sysctl(&format!("net.ipv4.conf.{link}.rp_filter"), "0").await?;
    }
    net.d.wait_carrier("e").await?;
    add_vrf(&net.d).await?;
    lines(&net.d, &["link add blue type vrf table 200", "link set blue up"]).await;
    for (port, vrf) in [("c", "red"), ("e", "blue")] {
        net.d.ip(&format!("link set {port} master {vrf}")).await;
        // The kernel takes addresses of IPv6 away from a port that changes its VRF.
        net.d.ip(&format!("address replace 2001:db8:2::d/64 dev {port} nodad")).await;
        net.d.ip(&format!("address replace 10.2.0.254/24 dev {port}")).await;
        net.d.sysctl(&format!("net.ipv4.conf.{vrf}.rp_filter"), "0").await?;
    }
    lines(&other, &["address add 2001:db8:2::1/64 dev eth0 nodad", "address add 10.2.0.1/24 dev eth0"]).await;
    let d = sids(&net.d).await?;
    d.end_dt46(RED.parse()?, 100).add().await?;
    d.end_dt46(BLUE.parse()?, 200).add().await?;

    let mut captures = [net.c2.capture("eth0").await?, other.capture("eth0").await?];
    let mut port = 5000;
    for to in ["[2001:db8:2::1]", "10.2.0.1"] {
        for (tenant, sid) in [(0, RED), (1, BLUE), (0, RED)] {
            steer(&net, sid).await?;
            port += 1;
            net.send(&format!("{to}:{port}"), 1).await;
            // The next packet that this tenant sees: what was sent to the other one it has not seen.
            let frame = captures[tenant].expect(is_plain, SOON).await;
            assert_eq!(traffic::udp(&frame).unwrap().destination, port, "{to} {sid}");
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn inner_packets_are_delivered_through_netfilter(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let d = sids(&net.d).await?;
    let mut capture = net.c2.capture("eth0").await?;
    steer(&net, RED).await?;
    for hooks in [false, true] {
        // An older kernel has the switch only beside connection tracking. It is never turned off again.
        const SWITCH: &str = "net.netfilter.nf_hooks_lwtunnel";
        match net.d.sysctl_read(SWITCH).await {
            Ok(_) if hooks => net.d.sysctl(SWITCH, "1").await?,
            Err(_) if hooks => {
                assert_older_than(6_u32, 11_u32);
                continue;
            }
            _ => {}
        }
        d.end_dx6(RED.parse()?, addr("2001:db8:2::1")).dev("b").replace().await?;
        net.send("[2001:db8:2::1]:5000", 1).await;
        capture.expect(is_plain, SOON).await;
        d.end_dx4(RED.parse()?, [10, 2, 0, 1].into()).dev("b").replace().await?;
        net.send("10.2.0.1:5000", 1).await;
        capture.expect(is_plain, SOON).await;
    }
    Ok(())
}

/// `c1` - `r1` - `r2` - `r3` - `r4` - `c2`, where each knows its neighbours only.
struct Line {
    c1: Node,
    routers: [Node; 4],
    c2: Node,
}

async fn line(lab: &Lab) -> Result<Line> {
    let c1 = lab.node("c1").await?;
    let routers =
        [lab.node("r1").await?, lab.node("r2").await?, lab.node("r3").await?, lab.node("r4").await?];
    let c2 = lab.node("c2").await?;
    let [r1, r2, r3, r4] = &routers;
    let cables = [(&c1, r1), (r1, r2), (r2, r3), (r3, r4), (r4, &c2)];
    for (number, (left, right)) in (0..).zip(cables) {
        let near = if number == 0 { "eth0" } else { "right" };
        let far = if number == 4 { "eth0" } else { "left" };
        left.add_veth(near, right, far).await?;
        left.up(near).await?;
        right.up(far).await?;
        left.wait_carrier(near).await?;
        left.ip(&format!("address add 2001:db8:{number}::1/64 dev {near} nodad")).await;
        right.ip(&format!("address add 2001:db8:{number}::2/64 dev {far} nodad")).await;
    }
    for router in &routers {
        router.sysctl("net.ipv6.conf.all.forwarding", "1").await?;
    }
    c1.ip("-6 route add default via 2001:db8:0::2").await;
    Ok(Line { c1, routers, c2 })
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 120)]
async fn micro_sids_lead_through_four_nodes_in_one_carrier_and_in_two(lab: Lab) -> Result {
    let Line { c1, routers, c2 } = line(&lab).await?;
    let mut capture = c2.capture("eth0").await?;
    let mut sent = 0;
    for (prefix, carriers) in [("fcbb::/32", 1), ("fcbb::/96", 2)] {
        let block = UsidBlock::new(prefix.parse()?, 16)?;
        let path = [block.sid(2)?, block.sid(3)?, block.sid(4)?, block.sid(0xd46)?];
        let packed = block.pack(&path)?;
        assert_eq!(packed.len(), carriers, "{packed:?}");
        let (block_bits, sid_bits) = (block.block_bits(), block.sid_bits());
        // Each of the first three routers leads to the next one's locator.
        for (at, router) in routers.iter().take(3).enumerate() {
            let next = block.locator(path[at])?;
            router.ip(&format!("-6 route add {next} via 2001:db8:{}::2", at + 1)).await;
        }
        for (at, sid) in [(1, path[0]), (2, path[1])] {
            let node = sids(&routers[at]).await?;
            node.end(block.locator(sid)?)
                .next_csid(block_bits, sid_bits)
                .counters()
                .dev("left")
                .add()
                .await?;
        }
        // The node and its function, which arrive as one.
        let last = block.pack(&path[2..])?[0];
        let function = nl_core::IpPrefix::new(last.into(), block_bits + 2 * sid_bits)?;
        let r4 = sids(&routers[3]).await?;
        r4.end_dt6(function, 254).counters().dev("left").add().await?;
        let seg6 = if carriers == 1 { Seg6::encap_red(packed) } else { Seg6::encap(packed) };
        routes(&routers[0]).await?.entry("2001:db8:4::/64".parse()?, &seg6).dev("right").replace().await?;

        let to_send = move || {
            let socket = std::net::UdpSocket::bind("[::]:0")?;
            (0..3).try_for_each(|_| socket.send_to(b"customer", "[2001:db8:4::2]:5000").map(drop))
        };
        c1.open::<std::io::Result<()>, _>(to_send).await?;
        for _ in 0..3 {
            capture.expect(is_plain, SOON).await;
        }
        sent += 3;
        for (at, sid) in [(1, block.locator(path[0])?), (2, block.locator(path[1])?), (3, function)] {
            let counters = sids(&routers[at]).await?.sid(sid).get().await?.local.counters.unwrap();
            assert_eq!((counters.packets, counters.errors), (3, 0), "{sid} after {sent} packets");
        }
    }
    Ok(())
}
