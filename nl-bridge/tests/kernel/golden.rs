//! What the codec sends for bridges, ports, VXLAN devices and multicast groups against what `ip` and `bridge` send, byte for byte.

use nl_testkit::oracle::{Blessing, Mismatch, Sent};
use nl_testkit::{Lab, Node, Result};

use crate::mdb_commands::Indexes;
use crate::{mdb_commands, settings_commands};

/// iproute2's requests are read from it, ours come from the codec.
#[nl_testkit::test(needs(link = "bridge", link = "veth", link = "vxlan", iproute2 = "7.3"), timeout = 90)]
async fn the_codec_makes_the_requests_of_bridge_mdb(lab: Lab) -> Result {
    let (node, indexes) = world(&lab, &["br0", "port1", "port2", "vx0"]).await?;
    let mut blessing = Blessing::new(mdb_commands::FILE, &lab.iproute2_version().await?).numbers(&indexes);
    let mut wrong = Vec::new();
    for line in mdb_commands::lines() {
        let command = format!("bridge {}", line.command);
        let theirs = one_of(&node, &command, mdb_commands::is_ours).await?;
        wrong.extend(in_words(&command, line.compare(&line.request(&indexes)?, &theirs)));
        blessing.add(&command, &theirs);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// The same for devices.
#[nl_testkit::test(needs(link = "bridge", link = "veth", link = "vxlan", iproute2 = "7.3"), timeout = 120)]
async fn the_codec_makes_the_requests_of_ip_link_and_bridge_link(lab: Lab) -> Result {
    let (node, indexes) = world(&lab, &["br0", "port1", "port2"]).await?;
    let mut blessing =
        Blessing::new(settings_commands::FILE, &lab.iproute2_version().await?).numbers(&indexes);
    let mut wrong = Vec::new();
    for line in settings_commands::lines() {
        let theirs = one_of(&node, line.command, settings_commands::is_ours).await?;
        wrong.extend(in_words(line.command, line.compare(&line.request(&indexes)?, &theirs)));
        blessing.add(line.command, &theirs);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// The one request of the types that are compared. Whether the kernel takes it is the business of other tests.
async fn one_of(node: &Node, command: &str, is_ours: fn(u16) -> bool) -> Result<Vec<u8>> {
    let (_, sent) = node.requests_of(command).await?;
    let mut found = sent.into_iter().filter(|sent: &Sent| sent.protocol == 0 && is_ours(sent.kind()));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.message),
        (one, other) => Err(format!("`{command}` sent not one request: {one:?} {other:?}").into()),
    }
}

fn in_words(command: &str, compared: std::result::Result<(), Mismatch>) -> Option<String> {
    Some(format!("`{command}`: {}", compared.err()?))
}

/// `br0` with the ports `port1` and `port2`, and the VXLAN device `vx0` in metadata mode beside it; the numbers of some.
async fn world(lab: &Lab, names: &[&str]) -> Result<(Node, Indexes)> {
    lab.quiet();
    let node = lab.bridge("br0", 2).await?.node().clone();
    node.add_vxlan("vx0", nl_testkit::Vxlan::external().vni_filter()).await?;
    let mut indexes = Indexes::new();
    for name in names {
        indexes.insert((*name).to_owned(), node.index_of(name).await?);
    }
    Ok((node, indexes))
}
