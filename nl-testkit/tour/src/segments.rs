//! Flows over two lists of segments by their weights, a failover in one request, and a list that leads nowhere.

use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use nl_core::route::{RouteProtocol, Routes};
use nl_core::{Connection, IpPrefix, Protocol};
use nl_srv6::doctor::Doctor;
use nl_srv6::encap::Seg6;
use nl_srv6::policy::{CandidatePath, Headend, Plan, Policy, PolicySet, SegmentList};
use nl_srv6::sid::Sids;
use nl_testkit::{Lab, Node, Result};

use crate::story::{Story, has};

const NETWORK: &str = "2001:db8:2::/64";
const SERVER: &str = "2001:db8:2::1";
const SIDS: [&str; 2] = ["fcbb:0:b:1::", "fcbb:0:b:2::"];
const FLOWS: usize = 400;

pub(crate) async fn chapter(lab: &Lab, story: &mut Story) -> Result {
    let [host, head, tail] = wires(lab).await?;
    let conn = head.open(|| Connection::open(Protocol::Route)).await?;
    let sids = Sids::new(tail.open(|| Connection::open(Protocol::Route)).await?);
    for sid in SIDS {
        match sids.end_dt6(sid.parse()?, 254).counters().dev("head").add().await {
            Ok(_) => {}
            Err(error) if error.is_unsupported() => {
                story.leave_out(&error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let headend = Headend::new(conn.clone());
    let (both, second) = (policies(true)?, policies(false)?);

    story.step("Two lists of segments, three quarters for the first (ip nexthop add, ip -6 route add):");
    print(story, &headend.apply(&both).await?);
    // One goes first and learns the neighbours.
    send(&host, 1).await?;
    counted(&sids, 1, story.deadline).await?;
    send(&host, FLOWS - 1).await?;
    let counts = counted(&sids, FLOWS as u64, story.deadline).await?;
    show(story, counts);
    let share = counts[0] as f64 / FLOWS as f64;
    story.prove_with_iproute2(
        "three quarters of the flows take the list of weight 3, as the counters of its SID say",
        counts[0] + counts[1] == FLOWS as u64 && (0.65..=0.85).contains(&share),
        group(&head, "group 5000,3/5001").await,
    );

    story.step("The first list is lost:");
    let plan = headend.apply(&second).await?;
    print(story, &plan);
    send(&host, FLOWS).await?;
    let after = counted(&sids, 2 * FLOWS as u64, story.deadline).await?;
    show(story, after);
    story.prove_with_iproute2(
        "one request, and all flows take the other list, none lost",
        plan.steps().len() == 1 && after == [counts[0], counts[1] + FLOWS as u64],
        group(&head, "group 5001").await,
    );

    story.step("A list that leads nowhere, and what the doctor says of it:");
    let nowhere = Seg6::encap(["fcff::1".parse()?]);
    Routes::new(conn.clone()).entry("2001:db8:3::/64".parse()?).dev("tail").encap(&nowhere).add().await?;
    let findings = Doctor::new(conn).examine().await?;
    for finding in &findings {
        story.show(finding.to_string().replace('\n', "\n     "));
    }
    let nowhere = "no route leads to the first segment fcff::1";
    let found = matches!(findings.as_slice(), [one] if one.to_string().contains(nowhere));
    story.prove("the doctor names the list that leads nowhere, and nothing else", found);

    let again = headend.apply(&second).await?;
    headend.remove(&second).await?;
    let gone = if has("ip") { Some(head.ip("nexthop show").await.trim().is_empty()) } else { None };
    story.prove_with_iproute2(
        "applying the same again sends nothing; removing it leaves nothing",
        again.is_empty(),
        gone,
    );
    Ok(())
}

/// Two lists that share the flows, of which the first may be lost, and one to fall back on.
fn policies(first_is_valid: bool) -> Result<PolicySet> {
    let list = |sid: &str| Ok::<_, nl_testkit::Error>(SegmentList::new(Seg6::encap([sid.parse()?])));
    let first = list(SIDS[0])?.weight(3).valid(first_is_valid);
    let policy = Policy::new(100, "fcbb:0:b::".parse()?)
        .path(CandidatePath::new(200).list(first).list(list(SIDS[1])?))
        .path(CandidatePath::new(100).list(list(SIDS[1])?))
        .prefix(NETWORK.parse()?);
    Ok(PolicySet::new("tail", 5000..=5099, RouteProtocol(200)).policy(policy))
}

/// A host, two routers and a server in a row. Only the last router knows the server's network.
async fn wires(lab: &Lab) -> Result<[Node; 3]> {
    let (host, head) = (lab.node("host").await?, lab.node("head").await?);
    let (tail, server) = (lab.node("tail").await?, lab.node("server").await?);
    host.add_veth("eth0", &head, "host").await?;
    head.add_veth("tail", &tail, "head").await?;
    tail.add_veth("server", &server, "eth0").await?;
    for router in [&head, &tail] {
        router.sysctl("net.ipv6.conf.all.forwarding", "1").await?;
    }
    // By ports too.
    head.sysctl("net.ipv6.fib_multipath_hash_policy", "1").await?;
    let ends = [
        (&host, "eth0", "2001:db8:1::1"),
        (&head, "host", "2001:db8:1::a"),
        (&head, "tail", "2001:db8:ab::a"),
        (&tail, "head", "2001:db8:ab::b"),
        (&tail, "server", "2001:db8:2::b"),
        (&server, "eth0", SERVER),
    ];
    for (node, link, _) in ends {
        node.up(link).await?;
    }
    for (node, link, address) in ends {
        node.wait_carrier(link).await?;
        node.add_address(link, address.parse::<Ipv6Addr>()?.into(), 64).await?;
    }
    for (node, to, via) in [(&host, "::/0", "2001:db8:1::a"), (&head, "fcbb::/32", "2001:db8:ab::b")] {
        let routes = Routes::new(node.open(|| Connection::open(Protocol::Route)).await?);
        let (to, via): (IpPrefix, IpAddr) = (to.parse()?, via.parse()?);
        routes.entry(to).via(via).add().await?;
    }
    Ok([host, head, tail])
}

/// One packet of each flow.
async fn send(host: &Node, flows: usize) -> Result {
    let sent = host.open(move || {
        (0..flows).try_for_each(|_| {
            let socket = UdpSocket::bind("[::]:0")?;
            socket.send_to(b"flow", format!("[{SERVER}]:9")).map(drop)
        })
    });
    Ok(sent.await?)
}

/// Packets at each SID, when all have arrived or the time is up.
async fn counted(sids: &Sids, packets: u64, deadline: Duration) -> Result<[u64; 2]> {
    let end = Instant::now() + deadline;
    loop {
        let mut counts = [0; 2];
        for (count, sid) in counts.iter_mut().zip(SIDS) {
            let counters = sids.sid(sid.parse()?).get().await?.local.counters;
            *count = counters.map_or(0, |counters| counters.packets);
        }
        if counts.iter().sum::<u64>() >= packets || Instant::now() >= end {
            return Ok(counts);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether iproute2 shows such a group; `None` if it is missing.
async fn group(head: &Node, words: &str) -> Option<bool> {
    if !has("ip") {
        return None;
    }
    let shown = head.ip("nexthop show").await;
    Some(shown.lines().any(|line| line.contains(&format!("{words} "))))
}

fn show(story: &mut Story, counts: [u64; 2]) {
    for (sid, count) in SIDS.iter().zip(counts) {
        story.show(format!("{sid} {count} packets"));
    }
}

/// The steps, with the name of the device.
fn print(story: &mut Story, plan: &Plan) {
    for line in plan.to_string().lines() {
        let words: Vec<&str> =
            line.split(' ').map(|word| if word.starts_with('#') { "tail" } else { word }).collect();
        story.show(words.join(" "));
    }
}
