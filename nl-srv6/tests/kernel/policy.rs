//! Policies: what iproute2 shows of them, what is sent, and where packets go.

use std::net::{Ipv6Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

use nl_core::nexthop::{RTM_DELNEXTHOP, RTM_NEWNEXTHOP};
use nl_core::route::{RTM_DELROUTE, RTM_NEWROUTE, RouteProtocol};
use nl_srv6::encap::Seg6;
use nl_srv6::policy::{CandidatePath, Headend, Policy, PolicySet, SegmentList};
use nl_srv6::sid::{SidCounters, Sids};
use nl_testkit::oracle::Sent;
use nl_testkit::{Lab, Node, Result, assert_older_than, eventually, scaled};
use serde_json::{Value, json};

use crate::commands::{addr, segments};
use crate::support::{Network, SOON, is_plain, lines, network, open, shown, sids, world};

const OURS: RouteProtocol = RouteProtocol(200);
pub(crate) const TO: &str = "2001:db8:2::/64";
pub(crate) const TO_V4: &str = "10.2.0.0/24";
/// Packets that are sent at once.
const PORTION: u32 = 100;
pub(crate) const D1: &str = "fcbb:0:d:1::";
pub(crate) const D2: &str = "fcbb:0:d:2::";

pub(crate) fn path(preference: u32, lists: impl IntoIterator<Item = SegmentList>) -> CandidatePath {
    lists.into_iter().fold(CandidatePath::new(preference), CandidatePath::list)
}

fn list(number: u16) -> SegmentList {
    Seg6::encap(segments(number)).into()
}

fn policy(endpoint: &str) -> Policy {
    Policy::new(100, addr(endpoint)).prefix(TO.parse().unwrap()).prefix(TO_V4.parse().unwrap())
}

pub(crate) fn set(dev: &str) -> PolicySet {
    PolicySet::new(dev, 5000..=5099, OURS)
}

/// What was asked of the kernel that changes something.
fn changes(sent: Vec<Sent>) -> usize {
    let kinds = [RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_NEWROUTE, RTM_DELROUTE];
    sent.iter().filter(|sent| sent.protocol == 0 && kinds.contains(&sent.kind())).count()
}

async fn nexthops(node: &Node) -> Vec<Value> {
    node.json("ip -j nexthop show").await.as_array().cloned().unwrap_or_default()
}

#[nl_testkit::test(needs(vm, link = "nlmon", link = "veth", tool = "ip"), timeout = 60)]
async fn policy_applied_twice_sends_no_change_and_failover_sends_one(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let headend = Headend::new(conn);
    let mut set = set("d0").policy(
        policy("fcbb:0:d::")
            .path(path(200, [list(1).weight(3), list(2)]))
            .path(path(100, [list(3)]))
            .binding_sid("fcbb:0:a:b100::".parse()?),
    );
    let mut recording = node.record().await?;
    let plan = headend.apply(&set).await?;
    assert_eq!((changes(recording.take()?), plan.steps().len()), (11, 11), "{plan}");
    assert!(headend.apply(&set).await?.is_empty());
    assert_eq!(changes(recording.take()?), 0);

    // As iproute2 shows it.
    let shown_hops = nexthops(&node).await;
    let hop = |id: u32| shown_hops.iter().find(|hop| hop["id"] == id).unwrap();
    assert_eq!(hop(5006)["group"], json!([{ "id": 5000, "weight": 3 }, { "id": 5001 }]));
    let encap = |id: u32| hop(id)["encap"].clone();
    assert_eq!((&encap(5000)["encap_type"], &encap(5000)["mode"]), (&json!("seg6"), &json!("encap")));
    assert_eq!(encap(5003)["encap_type"], "seg6local");
    assert_eq!((&encap(5003)["action"], &hop(5000)["dev"]), (&json!("End.B6.Encaps"), &json!("d0")));
    for (prefix, id) in [(TO, 5006), (TO_V4, 5006), ("fcbb:0:a:b100::", 5007)] {
        let routes = shown(&node, prefix).await;
        assert_eq!(
            (routes.len(), &routes[0]["nhid"], &routes[0]["protocol"]),
            (1, &json!(id), &json!("200")),
            "{prefix}"
        );
    }

    // One group for the prefixes, one for the binding SID.
    recording.take()?;
    set.policies[0].paths[0].lists[0].is_valid = false;
    let plan = headend.apply(&set).await?;
    let text = plan.to_string();
    assert_eq!(
        text,
        "replace nexthop id 5006 group 5001 proto 200\nreplace nexthop id 5007 group 5004 proto 200\n"
    );
    assert_eq!(changes(recording.take()?), 2);
    set.policies[0].binding_sid = None;
    headend.apply(&set).await?;
    recording.take()?;
    set.policies[0].paths[0].lists[1].is_valid = false;
    assert_eq!(headend.apply(&set).await?.to_string(), "replace nexthop id 5006 group 5002 proto 200\n");
    assert_eq!(changes(recording.take()?), 1);
    drop(recording);

    headend.remove(&set).await?;
    assert_eq!(nexthops(&node).await, [] as [Value; 0]);
    assert_eq!(shown(&node, TO).await.len() + shown(&node, TO_V4).await.len(), 0);
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn sets_of_every_kind_converge_on_a_kernel(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let headend = Headend::new(conn);
    let base = || policy("fcbb:0:d::").path(path(100, [list(1), list(2).weight(256)]));
    let invalid = |mut policy: Policy| {
        policy.paths[0] = policy.paths[0].clone().valid(false);
        policy
    };
    let inline = Policy::new(1, addr("fcbb:0:e::"))
        .path(path(100, [Seg6::inline(segments(2)).into()]))
        .prefix("2001:db8:3::/64".parse()?)
        .binding_sid("fcbb:0:a:b1::".parse()?);
    let frames = Policy::new(2, addr("fcbb:0:e::"))
        .path(path(100, [Seg6::l2encap_red(segments(2)).into(), Seg6::l2encap(segments(1)).into()]))
        .prefix("2001:db8:4::/64".parse()?);
    let signed = Policy::new(3, addr("fcbb:0:e::"))
        .path(path(100, [Seg6::encap(segments(2)).hmac(42).into()]))
        .binding_sid("fcbb:0:a:b3::/128".parse()?);
    let sets = [
        set("d0").policy(base()),
        set("d0").policy(invalid(base()).drop_upon_invalid()),
        set("d0").policy(base()).policy(inline.clone()),
        set("d0").policy(invalid(base())).policy(inline).policy(frames).policy(signed.clone()),
        // Another device, table and metric.
        set("d1").policy(base().table(77).metric(9)).policy(signed.table(78)),
        set("d1").policy(base().id(5077)),
        // From one kind of group to the other, and to other buckets.
        set("d1").policy(base().resilient(512).binding_sid("fcbb:0:a:b4::".parse()?)),
        set("d1").policy(invalid(base()).resilient(512).drop_upon_invalid()),
        set("d1").policy(base().resilient(300)),
        set("d1").policy(base()),
        set("d1"),
    ];
    for set in sets {
        let plan = headend.apply(&set).await?;
        let again = headend.apply(&set).await?;
        assert!(again.is_empty(), "after\n{plan}there is still\n{again}");
        assert_eq!(again.groups(), plan.groups());
    }
    assert_eq!(nexthops(&node).await, [] as [Value; 0]);
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn what_others_made_is_left_unless_the_set_is_exact(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let headend = Headend::new(conn);
    lines(
        &node,
        &[
            "-6 nexthop add id 5001 via 2001:db8::9 dev d0",
            "-6 route add 2001:db8:7::/48 encap seg6 mode encap segs fcbb:0:1:: dev d0 proto static",
            "-6 route add 2001:db8:8::/48 nhid 5001 proto static",
            "-6 route add 2001:db8:9::/48 via 2001:db8::9 proto static",
        ],
    )
    .await;
    let theirs = async || {
        let mut count = 0;
        for prefix in ["2001:db8:7::/48", "2001:db8:8::/48", "2001:db8:9::/48"] {
            count += shown(&node, prefix).await.len();
        }
        count
    };
    let own = set("d0").policy(policy("fcbb:0:d::").path(path(100, [list(1)])));
    let plan = headend.apply(&own).await?;
    assert_eq!((plan.foreign_routes().len(), plan.foreign_nexthops().len()), (2, 1), "{plan}");
    assert!(headend.apply(&own).await?.is_empty());
    headend.remove(&own).await?;
    assert_eq!(theirs().await, 3);

    let exact = own.clone().exact();
    headend.apply(&exact).await?;
    assert!(headend.apply(&exact).await?.is_empty());
    // The route over the nexthop went with it; the one without segments is nobody's business here.
    assert_eq!((theirs().await, shown(&node, "2001:db8:9::/48").await.len()), (1, 1));

    // In the way.
    headend.remove(&exact).await?;
    for route in [
        format!("-6 route add {TO} via 2001:db8::9 proto static"),
        format!("route add {TO_V4} via 192.0.2.9 proto static"),
    ] {
        node.ip(&route).await;
        let error = headend.apply(&own).await.unwrap_err();
        let text = error.to_string();
        assert!(error.is_usage() && text.contains("by another program, of protocol static"), "{text}");
        assert!(text.starts_with("apply policies dev d0: policy color 100 endpoint fcbb:0:d::: "), "{text}");
        headend.apply(&exact).await?;
        assert!(headend.apply(&own).await?.is_empty());
        headend.remove(&own).await?;
    }
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn errors_of_policies_name_the_device_as_it_was_given(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let headend = Headend::new(conn);
    let of = |dev: &str| set(dev).policy(policy("fcbb:0:d::").path(path(100, [list(1)])));
    let error = headend.apply(&of("nodev")).await.unwrap_err();
    assert_eq!(error.to_string(), "apply policies dev nodev: No such device (ENODEV)");
    let error = headend.apply(&of("lo")).await.unwrap_err();
    assert!(error.is_usage() && error.to_string().starts_with("apply policies dev lo: dev lo: "), "{error}");
    node.ip("link set d1 down").await;
    let error = headend.apply(&of("d1")).await.unwrap_err();
    let asked = "add nexthop id 5000 encap seg6 mode encap segs fcbb:0:1:: dev d1 proto 200: Network is down (ENETDOWN)";
    assert!(error.to_string().starts_with(asked), "{error}");
    // Older kernels say so, newer ones do it.
    let mut heavy = of("d0");
    heavy.policies[0].paths[0].lists[0].weight = 300;
    match headend.apply(&heavy).await {
        Ok(_) => assert!(headend.apply(&heavy).await?.is_empty()),
        Err(error) => {
            assert!(error.is_unsupported() && error.to_string().contains("a weight over 256"), "{error}");
            assert_older_than(6_u32, 12_u32);
        }
    }
    // Before Linux 7.1 a source address of one list is taken and not used.
    let mut with_source = of("d0");
    let lists = &mut with_source.policies[0].paths[0].lists;
    lists[0].path = lists[0].path.clone().source(addr("2001:db8::fe"));
    match headend.apply(&with_source).await {
        Ok(_) => assert!(headend.apply(&with_source).await?.is_empty()),
        Err(error) => {
            assert!(error.is_unsupported() && error.to_string().contains("a source address"), "{error}");
            assert_older_than(7_u32, 1_u32);
        }
    }
    headend.remove(&of("d0")).await?;
    let refused = node
        .unprivileged(|| async {
            let conn = nl_core::Connection::open(nl_core::Protocol::Route).unwrap();
            let set = set("d0").policy(policy("fcbb:0:d::").path(path(100, [list(1)])));
            Headend::new(conn).apply(&set).await.map(drop).unwrap_err().is_permission()
        })
        .await?;
    assert!(refused);
    Ok(())
}

/// The kernel deletes nexthops, and the routes over them, when their device goes down.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn policy_is_there_again_when_its_device_is(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let headend = Headend::new(conn);
    let set = set("d0").policy(policy("fcbb:0:d::").path(path(100, [list(1), list(2)])));
    let plan = headend.apply(&set).await?;
    node.ip("link set d0 down").await;
    assert_eq!(nexthops(&node).await, [] as [Value; 0]);
    assert!(headend.apply(&set).await.unwrap_err().to_string().contains("ENETDOWN"));
    node.ip("link set d0 up").await;
    assert_eq!(headend.apply(&set).await?.steps(), plan.steps());
    assert_eq!((shown(&node, TO).await.len(), shown(&node, TO_V4).await.len()), (1, 1));
    Ok(())
}

/// Two SIDs at the last router, one for each segment list, so that their counters show which list was used.
pub(crate) async fn two_ways(net: &Network) -> Result<Sids> {
    let d = sids(&net.d).await?;
    for sid in [D1, D2] {
        d.end_dt6(sid.parse()?, 254).counters().dev("b").add().await?;
    }
    for policy in ["net.ipv6.fib_multipath_hash_policy", "net.ipv4.fib_multipath_hash_policy"] {
        net.a.sysctl(policy, "1").await?;
    }
    Ok(d)
}

pub(crate) fn through(sid: &str) -> SegmentList {
    Seg6::encap([addr(sid)]).into()
}

pub(crate) async fn counters(sids: &Sids, sid: &str) -> SidCounters {
    sids.sid(sid.parse().unwrap()).get().await.unwrap().local.counters.unwrap()
}

/// Waits until the two SIDs have counted this many packets in all, and returns the count of each.
pub(crate) async fn arrived(d: &Sids, count: u64) -> (u64, u64) {
    let all = async || {
        let (first, second) = (counters(d, D1).await, counters(d, D2).await);
        assert_eq!((first.errors, second.errors), (0, 0));
        (first.packets + second.packets >= count).then_some((first.packets, second.packets))
    };
    eventually(SOON, all, &format!("{count} packets")).await
}

/// Sends packets in portions, never more than two of which are under way.
///
/// A processor queues 1,000 packets of all its veth devices (`net.core.netdev_max_backlog`) and drops the
/// next ones, so that a machine with a slow processor loses some of a long burst.
async fn send_portions(net: &Network, d: &Sids, packets: u32) {
    let through = async || {
        let (first, second) = (counters(d, D1).await, counters(d, D2).await);
        first.packets + first.errors + second.packets + second.errors
    };
    let before = through().await;
    let mut sent = 0;
    while sent < packets {
        let portion = PORTION.min(packets - sent);
        net.send("[2001:db8:2::1]:5000", portion as usize).await;
        sent += portion;
        let least = before + u64::from(sent.saturating_sub(PORTION));
        let is_through = async || (through().await >= least).then_some(());
        eventually(SOON, is_through, &format!("{least} packets to be counted")).await;
    }
}

/// Sends one packet through, so that none of the next ones waits for a neighbour.
pub(crate) async fn learn_neighbours(net: &Network) -> Result {
    let mut capture = net.c2.capture("eth0").await?;
    net.send("[2001:db8:2::1]:5000", 1).await;
    capture.expect(is_plain, SOON).await;
    Ok(())
}

/// Sends one packet from each of this many source ports of the first customer, from `first` on.
pub(crate) async fn send_flows(net: &Network, first: u16, flows: u16) {
    let sent = net.c1.open(move || {
        (first..first + flows).try_for_each(|port| {
            let socket = UdpSocket::bind(("::", port))?;
            socket.send_to(b"customer", "[2001:db8:2::1]:5000").map(drop)
        })
    });
    sent.await.unwrap();
}

/// Sockets of the first customer with this number of ports, from this one on.
async fn flows_from(net: &Network, first: u16, flows: u16) -> Vec<UdpSocket> {
    let sockets = move || (first..first + flows).map(|port| UdpSocket::bind(("::", port))).collect();
    net.c1.open::<std::io::Result<Vec<_>>, _>(sockets).await.unwrap()
}

/// Sends one packet of each flow.
fn send_each(flows: &[UdpSocket]) {
    for socket in flows {
        socket.send_to(b"customer", "[2001:db8:2::1]:5000").unwrap();
    }
}

/// The policy that hashes ports is `fib_multipath_hash_policy` 1.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 240)]
async fn flows_are_shared_by_weight_and_follow_a_failover(lab: Lab) -> Result {
    let flows = scaled(10_000, 800);
    let net = network(&lab).await?;
    let d = two_ways(&net).await?;
    let headend = Headend::new(open(&net.a).await?);
    let mut set = set("b").policy(
        Policy::new(100, addr("fcbb:0:d::"))
            .path(path(200, [through(D1), through(D2).weight(3)]))
            .path(path(100, [through(D1)]))
            .prefix(TO.parse()?),
    );
    headend.apply(&set).await?;
    learn_neighbours(&net).await?;
    let (mut first, mut second) = (0, 0);
    for sent in (0..flows).step_by(PORTION as usize) {
        let portion = PORTION.min(flows - sent);
        send_flows(&net, u16::try_from(10_000 + sent)?, u16::try_from(portion)?).await;
        (first, second) = arrived(&d, u64::from(sent + portion) + 1).await;
    }
    assert_eq!(first + second, u64::from(flows) + 1);
    // Of 10,000 flows 70 to 80 %, which is eleven standard deviations; of fewer at least six.
    let share = f64::from(u32::try_from(second)?) / f64::from(flows);
    let deviation = (0.75 * 0.25 / f64::from(flows)).sqrt();
    let most = f64::max(0.05, 6.0 * deviation);
    assert!((share - 0.75).abs() <= most, "{share} of {flows} flows took the list of weight 3 of 4");

    set.policies[0].paths[0] = set.policies[0].paths[0].clone().valid(false);
    assert_eq!(headend.apply(&set).await?.steps().len(), 1);
    send_flows(&net, 30_000, 100).await;
    assert_eq!(arrived(&d, u64::from(flows) + 101).await, (first + 100, second));
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn prefixes_of_ipv4_take_the_policy_too(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let d = two_ways(&net).await?;
    d.end_dx4(D1.parse()?, [10, 2, 0, 1].into()).counters().dev("b").replace().await?;
    let headend = Headend::new(open(&net.a).await?);
    let set = set("b").policy(
        Policy::new(100, addr("fcbb:0:d::"))
            .path(path(200, [through(D1)]))
            .path(path(100, [through(D2)]))
            .prefix(TO_V4.parse()?),
    );
    headend.apply(&set).await?;
    let mut capture = net.c2.capture("eth0").await?;
    net.send("10.2.0.1:5000", 3).await;
    for _ in 0..3 {
        capture.expect(is_plain, SOON).await;
    }
    assert_eq!(arrived(&d, 3).await, (3, 0));
    Ok(())
}

/// While both paths forward, and the group is replaced all the time.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 300)]
async fn replacing_the_group_loses_no_packet(lab: Lab) -> Result {
    let packets = scaled(100_000, 3000);
    let net = network(&lab).await?;
    let d = two_ways(&net).await?;
    let headend = Headend::new(open(&net.a).await?);
    let mut set = set("b").policy(
        Policy::new(100, addr("fcbb:0:d::"))
            .path(path(200, [through(D1)]))
            .path(path(100, [through(D2)]))
            .prefix(TO.parse()?),
    );
    headend.apply(&set).await?;
    learn_neighbours(&net).await?;
    let is_sent = AtomicBool::new(false);
    let changes = async {
        let mut change = 0_u32;
        while change < 40 || !is_sent.load(Ordering::Relaxed) {
            set.policies[0].paths[0].lists[0].is_valid = change % 2 == 1;
            assert_eq!(headend.apply(&set).await?.steps().len(), 1);
            change += 1;
        }
        Result::Ok(change)
    };
    let sending = async {
        // In portions, so that both are under way together on one processor too.
        send_portions(&net, &d, packets).await;
        is_sent.store(true, Ordering::Relaxed);
    };
    let (changed, ()) = tokio::join!(changes, sending);
    let changed = changed?;
    let sent = u64::from(packets) + 1;
    let (first, second) = arrived(&d, sent).await;
    assert_eq!(first + second, sent, "after {changed} changes");
    assert!(first > 1 && second > 0, "{first} and {second}: one path took all");
    Ok(())
}

/// What is sent along a path that has failed is lost; nothing that is sent after the failover is.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 300)]
async fn failover_loses_what_was_sent_before_it_and_nothing_else(lab: Lab) -> Result {
    const IN_FLIGHT: usize = 50;
    let half = scaled(50_000, 1500);
    let net = network(&lab).await?;
    let d = two_ways(&net).await?;
    let headend = Headend::new(open(&net.a).await?);
    let mut set = set("b").policy(
        Policy::new(100, addr("fcbb:0:d::"))
            .path(path(200, [through(D1)]))
            .path(path(100, [through(D2)]))
            .prefix(TO.parse()?),
    );
    headend.apply(&set).await?;
    learn_neighbours(&net).await?;
    send_portions(&net, &d, half).await;
    assert_eq!(arrived(&d, u64::from(half) + 1).await, (u64::from(half) + 1, 0));

    // The last node drops what comes along the first list, and counts it.
    d.end_dx4(D1.parse()?, [10, 2, 0, 1].into()).counters().dev("b").replace().await?;
    net.send("[2001:db8:2::1]:5000", IN_FLIGHT).await;
    set.policies[0].paths[0].lists[0].is_valid = false;
    assert_eq!(headend.apply(&set).await?.steps().len(), 1);
    send_portions(&net, &d, half).await;
    let all = async || {
        let (lost, second) = (counters(&d, D1).await, counters(&d, D2).await);
        (lost.errors + second.packets >= IN_FLIGHT as u64 + u64::from(half)).then_some((lost, second))
    };
    let (lost, second) = eventually(SOON, all, "every packet to be counted").await;
    assert_eq!((lost.errors, lost.packets), (IN_FLIGHT as u64, 0));
    assert_eq!((second.packets, second.errors), (u64::from(half), 0));
    Ok(())
}

/// A flow keeps its list while that is valid, also when another list joins.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 120)]
async fn flows_of_a_resilient_policy_keep_their_list(lab: Lab) -> Result {
    const FLOWS: u16 = 200;
    let net = network(&lab).await?;
    let d = two_ways(&net).await?;
    let headend = Headend::new(open(&net.a).await?);
    let mut set = set("b").policy(
        Policy::new(100, addr("fcbb:0:d::"))
            .path(path(200, [through(D1), through(D2).valid(false)]))
            .prefix(TO.parse()?)
            .resilient(64),
    );
    let plan = headend.apply(&set).await?;
    let group = plan.groups()[0].id;
    // All of them: asking for one, iproute2 sends an attribute that Linux 6.1 does not know.
    let all = net.a.ip("nexthop show").await;
    let shown = all.lines().find(|line| line.starts_with(&format!("id {group} "))).unwrap_or(&all);
    assert!(shown.contains("type resilient") && shown.contains("buckets 64"), "{shown}");
    assert!(headend.apply(&set).await?.is_empty());
    learn_neighbours(&net).await?;
    let sockets = flows_from(&net, 10_000, FLOWS).await;
    send_each(&sockets);
    let flows = u64::from(FLOWS);
    assert_eq!(arrived(&d, flows + 1).await, (flows + 1, 0));

    // The buckets were used a moment ago, so none of them moves; the timer is two minutes.
    set.policies[0].paths[0].lists[1].is_valid = true;
    assert_eq!(headend.apply(&set).await?.steps().len(), 1);
    send_each(&sockets);
    let (first, second) = arrived(&d, 2 * flows + 1).await;
    assert_eq!(first + second, 2 * flows + 1);
    // Few of 64 buckets had none of the flows before.
    assert!(second <= flows / 4, "{second} of {flows} flows left their list");

    // A list that is no longer valid loses its flows at once.
    set.policies[0].paths[0].lists[0].is_valid = false;
    assert_eq!(headend.apply(&set).await?.steps().len(), 1);
    send_each(&sockets);
    assert_eq!(arrived(&d, 3 * flows + 1).await, (first, second + flows));
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn policy_without_a_valid_path_drops_or_lets_go(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let d = two_ways(&net).await?;
    // Without a policy packets go straight to the customer.
    net.a.ip(&format!("-6 route add {TO} via 2001:db8:ab::b metric 5000")).await;
    net.b.ip(&format!("-6 route add {TO} via 2001:db8:bd::d")).await;
    let headend = Headend::new(open(&net.a).await?);
    let valid = Policy::new(1, Ipv6Addr::UNSPECIFIED).path(path(1, [through(D1)])).prefix(TO.parse()?);
    let mut invalid = valid.clone();
    invalid.paths[0] = invalid.paths[0].clone().valid(false);
    let mut capture = net.c2.capture("eth0").await?;

    headend.apply(&set("b").policy(valid.clone())).await?;
    net.send("[2001:db8:2::1]:5000", 1).await;
    capture.expect(is_plain, SOON).await;
    assert_eq!(counters(&d, D1).await.packets, 1);

    headend.apply(&set("b").policy(invalid.clone())).await?;
    net.send("[2001:db8:2::1]:5001", 1).await;
    capture.expect(is_plain, SOON).await;
    assert_eq!(counters(&d, D1).await.packets, 1, "the packet took the other route");

    headend.apply(&set("b").policy(valid.clone())).await?;
    headend.apply(&set("b").policy(invalid.drop_upon_invalid())).await?;
    let mut dropped = net.a.capture("c").await?;
    net.send("[2001:db8:2::1]:5002", 1).await;
    dropped.expect(is_plain, SOON).await;
    headend.apply(&set("b").policy(valid)).await?;
    net.send("[2001:db8:2::1]:5003", 1).await;
    // The second one arrives first: the first was dropped.
    let frame = capture.expect(is_plain, SOON).await;
    assert_eq!(nl_testkit::oracle::traffic::udp(&frame).unwrap().destination, 5003);
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn binding_sid_leads_packets_into_the_policy(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let d = two_ways(&net).await?;
    // Where the customer's own header ends, behind that of the policy.
    d.end_dx6("fcbb:0:d:9::".parse()?, addr("2001:db8:2::1")).counters().dev("b").add().await?;
    let headend = Headend::new(open(&net.a).await?);
    let set = set("b").policy(
        Policy::new(100, addr("fcbb:0:d::"))
            .path(path(100, [through(D1), through(D2)]))
            .binding_sid("fcbb:0:a:b100::".parse()?),
    );
    headend.apply(&set).await?;
    let own = "-6 route add 2001:db8:2::/64 encap seg6 mode encap segs fcbb:0:a:b100::,fcbb:0:d:9:: dev eth0";
    net.c1.ip(own).await;
    let mut capture = net.c2.capture("eth0").await?;
    net.send("[2001:db8:2::1]:5000", 1).await;
    capture.expect(is_plain, SOON).await;
    assert_eq!(arrived(&d, 1).await.0 + arrived(&d, 1).await.1, 1);
    assert_eq!(counters(&d, "fcbb:0:d:9::").await.packets, 1);
    Ok(())
}
