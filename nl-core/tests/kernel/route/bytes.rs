//! What we send against what `ip route` sends for the same words, byte for byte.

use nl_core::route::{RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE};
use nl_testkit::oracle::{Blessing, Sent};
use nl_testkit::{Lab, Node, Result};

use super::support::world;
use crate::golden::route::{FILE, Indexes, Line, lines};

/// Needs nothing but the right to trace a child: iproute2's requests are read from it, ours come from the codec.
#[nl_testkit::test(needs(tool = "ip", link = "veth"), timeout = 60)]
async fn route_codec_makes_the_requests_of_iproute2(lab: Lab) -> Result {
    let (node, _) = world(&lab).await?;
    let indexes = indexes(&node).await?;
    let mut blessing = Blessing::new(FILE, &lab.iproute2_version().await?).numbers(&indexes);
    let mut wrong = Vec::new();
    for line in lines() {
        let (_, theirs) = node.requests_of(&format!("ip {}", line.command)).await?;
        wrong.extend(differs(&line, &line.ours.request(&indexes)?, &theirs));
        for request in of_routes(&theirs) {
            blessing.add(&format!("ip {}", line.command), &request.message);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// Both go through the kernel, ours from the handle, and nlmon sees both.
#[nl_testkit::test(needs(link = "nlmon", tool = "ip", link = "veth"), timeout = 60)]
async fn route_handle_sends_the_requests_of_iproute2(lab: Lab) -> Result {
    let (node, routes) = world(&lab).await?;
    let mut recording = node.record().await?;
    let mut wrong = Vec::new();
    for line in lines() {
        recording.take()?;
        // Whether the kernel takes it is the business of other tests; that it was asked is seen below.
        let _ = line.ours.send(&routes).await;
        let ours = recording.take()?;
        let _ = node.command(format!("ip {}", line.command).split_whitespace()).await;
        let theirs = recording.take()?;
        let [ours] = &of_routes(&ours)[..] else {
            wrong.push(format!("`{}`: ours is not one request: {ours:?}", line.command));
            continue;
        };
        wrong.extend(differs(&line, &ours.message, &theirs));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn differs(line: &Line, ours: &[u8], theirs: &[Sent]) -> Option<String> {
    let [theirs] = &of_routes(theirs)[..] else {
        return Some(format!("`{}`: iproute2 sent not one request: {theirs:?}", line.command));
    };
    let mismatch = line.compare(ours, &theirs.message).err()?;
    Some(format!("`{}`: {mismatch}", line.command))
}

fn of_routes(sent: &[Sent]) -> Vec<&Sent> {
    let is_route = |sent: &&Sent| {
        sent.protocol == 0 && [RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE].contains(&sent.kind())
    };
    sent.iter().filter(is_route).collect()
}

async fn indexes(node: &Node) -> Result<Indexes> {
    let mut indexes = Indexes::new();
    for name in ["lo", "d0", "d1"] {
        indexes.insert(name.to_owned(), node.index_of(name).await?);
    }
    Ok(indexes)
}
