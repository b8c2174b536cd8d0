//! What we send against what `ip` sends for the same words, byte for byte.

use nl_core::Connection;
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_core::nexthop::Nexthops;
use nl_core::route::RTM_NEWROUTE;
use nl_srv6::hmac::HmacKey;
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::Sids;
use nl_srv6::tunnel_source;
use nl_testkit::oracle::{Attr, Blessing, BytesOracle, Field, Sent, Shape};
use nl_testkit::{Lab, Node, Result};

use crate::commands::{FILE, Indexes, Ours, RTM_NEWNEXTHOP, lines};
use crate::support::{generic, world};

/// Needs nothing but the right to trace a child: iproute2's requests are read from it, ours come from the codec.
#[nl_testkit::test(needs(tool = "ip", link = "veth"), timeout = 60)]
async fn the_codec_makes_the_requests_of_iproute2(lab: Lab) -> Result {
    let (node, _) = world(&lab).await?;
    let indexes = indexes(&node).await?;
    let mut blessing = Blessing::new(FILE, &lab.iproute2_version().await?).numbers(&indexes);
    let mut wrong = Vec::new();
    for line in lines() {
        let (_, theirs) = node.requests_of(&format!("ip {}", line.command)).await?;
        let mut ours = line.ours.request(&indexes).with_flags(NLM_F_ACK);
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

/// `ip sr`, but for the secret of a key, which iproute2 reads from a terminal.
#[nl_testkit::test(needs(tool = "ip", genl = "SEG6"), timeout = 60)]
async fn requests_of_the_namespace_equal_those_of_iproute2(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let family = generic(&node).await?.family(nl_srv6::FAMILY).await?.id;
    let source = "2001:db8::1".parse()?;
    let commands = [
        ("sr tunsrc set 2001:db8::1", tunnel_source::set_request(family, Some(source)).with_flags(NLM_F_ACK)),
        ("sr tunsrc set ::", tunnel_source::set_request(family, None).with_flags(NLM_F_ACK)),
        ("sr tunsrc show", tunnel_source::get_request(family)),
        ("sr hmac show", HmacKey::list_request(family).with_flags(NLM_F_DUMP)),
    ];
    for (command, mut ours) in commands {
        let (_, sent) = node.requests_of(&format!("ip {command}")).await?;
        let of_the_family = sent.iter().filter(|sent| sent.protocol == 16 && sent.kind() == family);
        let theirs: Vec<_> = of_the_family.collect();
        assert_eq!(theirs.len(), 1, "`{command}`: {sent:?}");
        let compared = BytesOracle::new(&SEG6).compare(ours.encoded()?, &theirs[0].message);
        compared.map_err(|mismatch| format!("`{command}`: {mismatch}"))?;
    }
    Ok(())
}

// include/uapi/linux/seg6_genl.h
const SEG6: Shape =
    Shape::new("genlmsghdr", &[Field::new("cmd", 1), Field::new("version", 1), Field::new("reserved", 2)])
        .attrs(&[Attr::new(1, "SEG6_ATTR_DST")]);

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
