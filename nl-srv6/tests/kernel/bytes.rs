//! What we send against what `ip` sends for the same words, byte for byte.

use nl_core::Connection;
use nl_core::nexthop::Nexthops;
use nl_core::route::RTM_NEWROUTE;
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::Sids;
use nl_testkit::oracle::{Blessing, Sent};
use nl_testkit::{Lab, Node, Result};

use crate::commands::{FILE, Indexes, Ours, RTM_NEWNEXTHOP, lines};
use crate::support::world;

/// Needs nothing but the right to trace a child: iproute2's requests are read from it, ours come from the codec.
#[nl_testkit::test(needs(tool = "ip", link = "veth"), timeout = 60)]
async fn the_codec_makes_the_requests_of_iproute2(lab: Lab) -> Result {
    let (node, _) = world(&lab).await?;
    let indexes = indexes(&node).await?;
    let mut blessing = Blessing::new(FILE, &lab.iproute2_version().await?).numbers(&indexes);
    let mut wrong = Vec::new();
    for line in lines() {
        let (_, theirs) = node.requests_of(&format!("ip {}", line.command)).await?;
        let mut ours = line.ours.request(&indexes).with_flags(nl_core::message::NLM_F_ACK);
        match &made(&theirs)[..] {
            [theirs] => {
                let compared = line.compare(ours.encoded()?, &theirs.message);
                wrong.extend(compared.err().map(|mismatch| format!("`{}`: {mismatch}", line.command)));
                blessing.add(&format!("ip {}", line.command), &theirs.message);
            }
            theirs => wrong.push(format!("`{}`: iproute2 sent not one request: {theirs:?}", line.command)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// Both go through the kernel, ours from the handle, and nlmon sees both.
#[nl_testkit::test(needs(link = "nlmon", tool = "ip", link = "veth"), timeout = 120)]
async fn the_handle_sends_the_requests_of_iproute2(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let mut recording = node.record().await?;
    let mut wrong = Vec::new();
    for line in lines() {
        recording.take()?;
        // Whether the kernel takes it is the business of other tests; that it was asked is seen below.
        let _ = send(&conn, &line.ours).await;
        let ours = recording.take()?;
        let _ = node.command(format!("ip {}", line.command).split_whitespace()).await;
        let theirs = recording.take()?;
        match (&made(&ours)[..], &made(&theirs)[..]) {
            ([ours], [theirs]) => {
                let compared = line.compare(&ours.message, &theirs.message);
                wrong.extend(compared.err().map(|mismatch| format!("`{}`: {mismatch}", line.command)));
            }
            sent => wrong.push(format!("`{}`: not one request each: {sent:?}", line.command)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn send(conn: &Connection, ours: &Ours) -> nl_core::Result<()> {
    match ours {
        Ours::Seg6(prefix, seg6) => {
            let routes = Srv6Routes::new(conn.clone());
            routes.entry(prefix.parse()?, seg6).dev("d0").unchecked().add().await.map(drop)
        }
        Ours::Sid(prefix, local) => {
            let mut entry = Sids::new(conn.clone()).entry(prefix.parse()?, local.action.clone()).dev("d0");
            if let Some(flavors) = local.flavors {
                entry = entry.flavors(flavors);
            }
            if local.counters.is_some() {
                entry = entry.counters();
            }
            entry.unchecked().add().await.map(drop)
        }
        Ours::Nexthop(id, seg6) => {
            Nexthops::new(conn.clone()).entry(*id).ipv6().dev("d0").encap(seg6).add().await.map(drop)
        }
    }
}

fn made(sent: &[Sent]) -> Vec<&Sent> {
    let is_made = |sent: &&Sent| sent.protocol == 0 && [RTM_NEWROUTE, RTM_NEWNEXTHOP].contains(&sent.kind());
    sent.iter().filter(is_made).collect()
}

async fn indexes(node: &Node) -> Result<Indexes> {
    let mut indexes = Indexes::new();
    for name in ["d0", "d1"] {
        indexes.insert(name.to_owned(), node.index_of(name).await?);
    }
    Ok(indexes)
}
