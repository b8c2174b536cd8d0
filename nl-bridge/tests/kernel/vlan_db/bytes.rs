//! What we send against what `bridge` sends for the same words, byte for byte.

#[path = "../../golden/vlans.rs"]
mod commands;

use nl_testkit::oracle::{Blessing, Sent};
use nl_testkit::{Lab, Node, Result};

use self::commands::{FILE, Indexes, Line, is_ours, lines};
use super::support::{route, tunnels};

/// iproute2's requests are read from it, ours come from the codec.
#[nl_testkit::test(needs(bridge_vlan_filtering, link = "vxlan", iproute2 = "6.10"), timeout = 60)]
async fn the_codec_makes_the_requests_of_bridge_vlan(lab: Lab) -> Result {
    let (node, indexes) = world(&lab).await?;
    let mut blessing = Blessing::new(FILE, &lab.iproute2_version().await?).numbers(&indexes);
    let mut wrong = Vec::new();
    for line in lines() {
        let command = format!("bridge {}", line.command);
        let (_, theirs) = node.requests_of(&command).await?;
        wrong.extend(differs(&line, &line.request(&indexes)?, &theirs));
        for request in ours(&theirs) {
            blessing.add(&command, &request.message);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// Both go through the kernel, ours from the handle, and nlmon sees both.
#[nl_testkit::test(
    needs(link = "nlmon", bridge_vlan_filtering, link = "vxlan", iproute2 = "6.10"),
    timeout = 120
)]
async fn the_handle_sends_the_requests_of_bridge_vlan(lab: Lab) -> Result {
    let (node, _) = world(&lab).await?;
    let conn = route(&node).await;
    let mut recording = node.record().await?;
    let mut wrong = Vec::new();
    for line in lines() {
        recording.take()?;
        // Whether the kernel takes it is the business of other tests; that it was asked is seen below.
        let _ = (line.handle)(conn.clone()).await;
        let sent = recording.take()?;
        let _ = node.command(format!("bridge {}", line.command).split_whitespace()).await;
        let theirs = recording.take()?;
        // What is looked at before comes first.
        let Some(own) = ours(&sent).pop() else {
            wrong.push(format!("`{}`: ours sent nothing: {sent:?}", line.command));
            continue;
        };
        wrong.extend(differs(&line, &own.message, &theirs));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn differs(line: &Line, own: &[u8], theirs: &[Sent]) -> Option<String> {
    let theirs = ours(theirs);
    let [theirs] = &theirs[..] else {
        return Some(format!("`{}`: iproute2 sent not one request: {theirs:?}", line.command));
    };
    let mismatch = line.compare(own, &theirs.message).err()?;
    Some(format!("`{}`: {mismatch}", line.command))
}

fn ours(sent: &[Sent]) -> Vec<&Sent> {
    let is =
        |sent: &&Sent| sent.protocol == 0 && is_ours(sent.kind(), sent.message.get(16..).unwrap_or_default());
    sent.iter().filter(is).collect()
}

/// What the commands are about, ready for each of them.
async fn world(lab: &Lab) -> Result<(Node, Indexes)> {
    let node = tunnels(lab).await?;
    node.ip("link set br0 type bridge mcast_vlan_snooping 1").await;
    node.bridge("vlan add dev p1 vid 10-12").await;
    let mut indexes = Indexes::new();
    for name in ["br0", "p1", "vx0", "vf0"] {
        indexes.insert(name.to_owned(), node.index_of(name).await?);
    }
    Ok((node, indexes))
}
