//! What we send against what `ip` sends for the same words, byte for byte.

use nl_testkit::oracle::{Blessing, Sent};
use nl_testkit::{Lab, Node, Result};

use crate::golden::{Indexes, Line, Table};
use crate::support::route;

/// Needs nothing but the right to trace a child: iproute2's requests are read from it, ours come from the codec.
async fn codec_against_iproute2(lab: Lab, table: Table) -> Result {
    let (node, indexes) = world(&lab).await?;
    let mut blessing = Blessing::new(table.file, &lab.iproute2_version().await?).numbers(&indexes);
    let mut wrong = Vec::new();
    for line in &table.lines {
        let command = format!("ip {}", line.command);
        let (_, theirs) = node.requests_of(&command).await?;
        wrong.extend(differs(&table, line, (line.codec)(&indexes).encoded()?, &theirs));
        for request in about(&table, &theirs) {
            blessing.add(&command, &request.message);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// Both go through the kernel, ours from the handle, and nlmon sees both.
async fn handle_against_iproute2(lab: Lab, table: Table) -> Result {
    let (node, _) = world(&lab).await?;
    let conn = route(&node).await;
    let mut recording = node.record().await?;
    let mut wrong = Vec::new();
    for line in &table.lines {
        recording.take()?;
        // Whether the kernel takes it is the business of other tests; that it was asked is seen below.
        let _ = (line.handle)(conn.clone()).await;
        let ours = recording.take()?;
        let _ = node.command(format!("ip {}", line.command).split_whitespace()).await;
        let theirs = recording.take()?;
        let [ours] = &about(&table, &ours)[..] else {
            wrong.push(format!("`{}`: ours is not one request: {ours:?}", line.command));
            continue;
        };
        wrong.extend(differs(&table, line, &ours.message, &theirs));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn differs(table: &Table, line: &Line, ours: &[u8], theirs: &[Sent]) -> Option<String> {
    let [theirs] = &about(table, theirs)[..] else {
        return Some(format!("`{}`: iproute2 sent not one request: {theirs:?}", line.command));
    };
    let mismatch = table.compare(line, ours, &theirs.message).err()?;
    Some(format!("`{}`: {mismatch}", line.command))
}

fn about<'a>(table: &Table, sent: &'a [Sent]) -> Vec<&'a Sent> {
    sent.iter().filter(|sent| sent.protocol == 0 && table.kinds.contains(&sent.kind())).collect()
}

/// `lo` and the bridges `d0` and `d1`, up.
async fn world(lab: &Lab) -> Result<(Node, Indexes)> {
    let node = lab.node("a").await?;
    let mut indexes = Indexes::new();
    for name in ["d0", "d1"] {
        node.add_link(name, "bridge").await?;
        node.up(name).await?;
    }
    for name in ["lo", "d0", "d1"] {
        indexes.insert(name.to_owned(), node.index_of(name).await?);
    }
    Ok((node, indexes))
}

#[cfg(feature = "address")]
mod address {
    use super::*;
    use crate::golden::address::table;

    #[nl_testkit::test(needs(tool = "ip", link = "bridge"))]
    async fn address_codec_makes_the_requests_of_iproute2(lab: Lab) -> Result {
        codec_against_iproute2(lab, table()).await
    }

    #[nl_testkit::test(needs(link = "nlmon", tool = "ip", link = "bridge"))]
    async fn address_handle_sends_the_requests_of_iproute2(lab: Lab) -> Result {
        handle_against_iproute2(lab, table()).await
    }
}

#[cfg(feature = "rule")]
mod rule {
    use super::*;
    use crate::golden::rule::table;

    #[nl_testkit::test(needs(tool = "ip", link = "bridge"))]
    async fn rule_codec_makes_the_requests_of_iproute2(lab: Lab) -> Result {
        codec_against_iproute2(lab, table()).await
    }

    #[nl_testkit::test(needs(link = "nlmon", tool = "ip", link = "bridge"))]
    async fn rule_handle_sends_the_requests_of_iproute2(lab: Lab) -> Result {
        handle_against_iproute2(lab, table()).await
    }
}

#[cfg(feature = "neighbour")]
mod neighbour {
    use super::*;
    use crate::golden::neighbour::table;

    #[nl_testkit::test(needs(tool = "ip", link = "bridge"))]
    async fn neighbour_codec_makes_the_requests_of_iproute2(lab: Lab) -> Result {
        codec_against_iproute2(lab, table()).await
    }

    #[nl_testkit::test(needs(link = "nlmon", tool = "ip", link = "bridge"))]
    async fn neighbour_handle_sends_the_requests_of_iproute2(lab: Lab) -> Result {
        handle_against_iproute2(lab, table()).await
    }
}
