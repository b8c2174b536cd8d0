//! Whoever has `CAP_NET_ADMIN` over a namespace can send to any socket in it and write what he likes into the message,
//! but not the kernel's address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::TryStreamExt;
use futures_util::future::join_all;
use nl_core::connection::Protocol;
use nl_core::link::Link;
use nl_core::message::NLMSG_DONE;
use nl_core::monitor::Monitor;
use nl_testkit::{Lab, Node, Result, eventually, within};

use crate::support::{
    RTM_NEWLINK, RTNLGRP_LINK, Raw, SOON, link_names, many_links, message, new_link, ports, route,
};

const NLMSG_ERROR: u16 = 2;
const NLMSG_OVERRUN: u16 = 4;
/// How many requests are made while somebody forges answers to them.
const REQUESTS: u32 = 64;

/// An `RTM_NEWLINK` about a device that is not.
fn forged_link(seq: u32) -> Vec<u8> {
    let mut request = new_link("forged", "bridge");
    message(RTM_NEWLINK, 0, seq, &request.encoded().unwrap()[16..])
}

/// What stands for `ENOBUFS` where something else plays the kernel; on a netlink socket it is what it looks like, nothing.
fn forged_loss() -> Vec<u8> {
    [u32::MAX.to_ne_bytes(), libc::ENOBUFS.to_ne_bytes()].concat()
}

/// The port of the only socket in the node beside `known`.
async fn port_beside(node: &Node, known: &[u32]) -> u32 {
    let mut ports = ports(node, known.len() + 1).await;
    ports.retain(|port| !known.contains(port));
    ports[0]
}

/// Sends messages to `port` from another socket, and makes sure that they arrived.
async fn forge(node: &Node, port: u32, messages: Vec<Vec<u8>>) {
    node.open(move || messages.iter().for_each(|bytes| Raw::open().forge(port, bytes))).await;
    let arrived = || async {
        let sockets = node.netlink_sockets().await;
        sockets.iter().any(|socket| socket.portid == port && socket.receive_queue > 0).then_some(())
    };
    eventually(SOON, arrived, "the forgeries in the other's queue").await;
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_monitor_believes_only_the_kernel(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut monitor = node
        .open(|| {
            let builder = Monitor::builder(Protocol::Route).group(RTNLGRP_LINK);
            builder.open(|message| Link::decode(message).map(|link| Some(link.name)))
        })
        .await?;
    let port = port_beside(&node, &[]).await;
    forge(&node, port, vec![forged_link(0), forged_loss(), forged_link(1)]).await;
    node.ip("link add real type bridge").await;
    assert_eq!(within(SOON, monitor.try_next(), "an event").await?.unwrap(), "real");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn a_dump_believes_only_the_kernel(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    many_links(&route(&node).await, "d", 400).await;
    let own = port_beside(&node, &[]).await;
    let mut links = conn.links();
    let mut names = vec![links.try_next().await?.unwrap().name];
    let port = port_beside(&node, &[own]).await;
    let done = |seq| message(NLMSG_DONE, 2, seq, &0_i32.to_ne_bytes());
    let refusal = |seq| message(NLMSG_ERROR, 0, seq, &[&(-1_i32).to_ne_bytes()[..], &[0; 16]].concat());
    let ends = vec![done(0), done(1), refusal(0), refusal(1), forged_loss()];
    forge(&node, port, [vec![forged_link(0), forged_link(1)], ends].concat()).await;
    while let Some(link) = links.try_next().await? {
        names.push(link.name);
    }
    names.sort();
    assert_eq!(names, link_names(&node).await);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn a_connection_believes_only_the_kernel(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let port = port_beside(&node, &[]).await;
    // Refusals of every request that could be under way, as fast as they can be sent.
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let forger = {
        let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
        let netns = nl_core::netns::Netns::fd(node.netns_fd())?;
        std::thread::spawn(move || {
            netns.run(|| {
                let raw = Raw::open();
                let refusal = [&(-1_i32).to_ne_bytes()[..], &[0; 16]].concat();
                for seq in (0..REQUESTS).cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                    if raw.try_forge(port, &message(NLMSG_ERROR, 0, seq, &refusal)) {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
    };
    let started = || async { (sent.load(Ordering::Relaxed) > u64::from(REQUESTS)).then_some(()) };
    eventually(SOON, started, "the first forgeries").await;
    let mut outcomes = Vec::new();
    for _ in 0..REQUESTS {
        outcomes.push(within(SOON, conn.link("lo"), "an answer").await);
    }
    stop.store(true, Ordering::Relaxed);
    forger.join().unwrap()?;
    for outcome in outcomes {
        match outcome {
            Ok(link) => assert_eq!(link.name, "lo"),
            // The forger can fill the buffer, which is told; he cannot answer.
            Err(error) => assert!(error.is_overrun(), "{error}"),
        }
    }
    Ok(())
}

#[nl_testkit::test]
async fn a_forged_notice_of_loss_fails_no_request(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let port = port_beside(&node, &[]).await;
    let forgeries = vec![forged_loss(), message(NLMSG_OVERRUN, 0, 0, &[0; 4])];
    forge(&node, port, forgeries).await;
    // More than a task can make before others get a turn.
    let requests = (0..130).map(|_| conn.link("lo"));
    let outcomes = within(SOON, join_all(requests), "the outcomes").await;
    let lost = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(lost, 0, "of {} requests", outcomes.len());
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn a_dump_ignores_what_was_forged_while_its_socket_was_idle(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let own = port_beside(&node, &[]).await;
    let links = conn.links().collect_all().await?;
    let idle = port_beside(&node, &[own]).await;
    let forged = (0..8)
        .flat_map(|seq| [forged_link(seq), message(NLMSG_DONE, 2, seq, &0_i32.to_ne_bytes()), forged_loss()]);
    forge(&node, idle, forged.collect()).await;
    assert_eq!(conn.links().collect_all().await?, links);
    assert_eq!(port_beside(&node, &[own]).await, idle, "it was not used again");
    Ok(())
}

#[nl_testkit::test]
async fn behind_a_full_buffer_no_answer_is_lost_in_silence(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let port = port_beside(&node, &[]).await;
    let outcomes = node
        .run(move || async move {
            let raw = Raw::open();
            let mut sent = 0;
            while raw.try_forge(port, &message(NLMSG_ERROR, 0, 9999, &[0; 20])) {
                sent += 1;
            }
            assert!(sent > 200, "{sent} messages fill the buffer");
            let mut outcomes = Vec::new();
            for _ in 0..20 {
                outcomes.push(within(SOON, conn.link("lo"), "an outcome").await);
            }
            outcomes
        })
        .await;
    let lost = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert!(
        outcomes.iter().all(|o| o.as_ref().map_or_else(nl_core::Error::is_overrun, |_| true)),
        "{outcomes:?}"
    );
    assert!(lost <= 1, "the buffer overflowed once and {lost} requests were told");
    Ok(())
}
