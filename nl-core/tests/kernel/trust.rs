//! Whoever has `CAP_NET_ADMIN` over a namespace can send to any socket in it and write what he likes into the message,
//! but not the kernel's address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::TryStreamExt;
use nl_core::connection::{Connection, Protocol};
use nl_core::error::Errno;
use nl_core::link::Link;
use nl_core::message::NLMSG_DONE;
use nl_core::monitor::Monitor;
use nl_testkit::{Lab, Node, Result, eventually, within};

use crate::support::{RTM_NEWLINK, RTNLGRP_LINK, Raw, SOON, message, new_link, ports, route};

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

/// The kernel refuses whatever another socket sends to that of a connection, a list or a batch.
#[nl_testkit::test(needs(link = "bridge"))]
async fn nobody_but_the_kernel_can_send_to_a_connection_a_list_or_a_batch(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let links = conn.links().collect_all().await?;
    conn.batch([new_link("d0", "bridge")]).summarize(1).await?.into_result()?;
    let mut reading = conn.links();
    reading.try_next().await?;
    // The connection's, and the one that list, batch and list used in turn.
    let targets = ports(&node, 2).await;
    node.open(move || {
        let raw = Raw::open();
        for port in targets {
            for seq in 0..8 {
                let refusal = [&(-1_i32).to_ne_bytes()[..], &[0; 16]].concat();
                let forgeries = [
                    message(NLMSG_ERROR, 0, seq, &refusal),
                    message(NLMSG_DONE, 2, seq, &0_i32.to_ne_bytes()),
                    message(NLMSG_OVERRUN, 0, seq, &[0; 4]),
                    forged_link(seq),
                    forged_loss(),
                ];
                for bytes in forgeries {
                    assert_eq!(raw.try_send(port, &bytes), Err(Errno::new(libc::ECONNREFUSED)));
                }
            }
        }
    })
    .await;
    assert_eq!(reading.try_fold(1, |count, _| async move { Ok(count + 1) }).await?, links.len() + 1);
    assert_eq!(conn.link("d0").await?.name, "d0");
    Ok(())
}

/// Refusals of every request that could be under way, as fast as they can be sent, at a socket that was handed in and takes
/// them from anybody.
#[nl_testkit::test(needs(link = "bridge"))]
async fn a_connection_over_a_foreign_socket_believes_only_the_kernel(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::builder(Protocol::Route).sockets_from(Raw::open_fd).open()).await?;
    let port = port_beside(&node, &[]).await;
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
            // The forger can fill the buffer, which is reported; he cannot answer.
            Err(error) => assert!(error.is_overrun(), "{error}"),
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn a_list_over_a_foreign_socket_believes_only_the_kernel(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::builder(Protocol::Route).sockets_from(Raw::open_fd).open()).await?;
    let own = port_beside(&node, &[]).await;
    // The node's thread opens the sockets.
    let list = || {
        let conn = conn.clone();
        node.run(move || async move { conn.links().collect_all().await })
    };
    let links = list().await?;
    let idle = port_beside(&node, &[own]).await;
    let forged = (0..8)
        .flat_map(|seq| [forged_link(seq), message(NLMSG_DONE, 2, seq, &0_i32.to_ne_bytes()), forged_loss()]);
    forge(&node, idle, forged.collect()).await;
    assert_eq!(list().await?, links);
    assert_eq!(port_beside(&node, &[own]).await, idle, "it was not used again");
    Ok(())
}

#[nl_testkit::test]
async fn behind_a_full_buffer_no_answer_is_lost_in_silence(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = node.open(|| Connection::builder(Protocol::Route).sockets_from(Raw::open_fd).open()).await?;
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
    assert!(lost <= 1, "the buffer overflowed once and {lost} requests were reported");
    Ok(())
}
