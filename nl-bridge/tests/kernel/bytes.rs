//! What we send against what `bridge fdb` sends for the same words, byte for byte.

#[path = "../golden/fdb.rs"]
mod commands;

use nl_bridge::fdb::{FdbFilter, FdbFlags, FdbState};
use nl_core::message::NLM_F_ACK;
use nl_testkit::oracle::{Blessing, BytesOracle, Sent};
use nl_testkit::{Lab, Node, Result, Vxlan};

use self::commands::{FDB, FILE, Indexes, Line, lines};
use crate::support::{RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH};

/// Needs nothing but the right to trace a child: iproute2's requests are read from it, ours come from the codec.
#[nl_testkit::test(needs(tool = "bridge", link = "bridge", link = "vxlan"), timeout = 60)]
async fn the_codec_makes_the_requests_of_iproute2(lab: Lab) -> Result {
    let (node, indexes) = world(&lab).await?;
    let mut blessing = Blessing::new(FILE, &lab.iproute2_version().await?).numbers(&indexes);
    let mut wrong = Vec::new();
    for line in lines() {
        let (_, theirs) = node.requests_of(&format!("bridge {}", line.command)).await?;
        wrong.extend(differs(&line, &line.ours.request(&indexes)?, &theirs));
        for request in of_the_fdb(&theirs) {
            blessing.add(&format!("bridge {}", line.command), &request.message);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// Both go through the kernel, ours from the handle, and nlmon sees both.
#[nl_testkit::test(needs(link = "nlmon", tool = "bridge", link = "bridge", link = "vxlan"), timeout = 60)]
async fn the_handle_sends_the_requests_of_iproute2(lab: Lab) -> Result {
    let (node, _) = world(&lab).await?;
    let fdb = crate::support::open(&node).await?;
    let mut recording = node.record().await?;
    let mut wrong = Vec::new();
    for line in lines() {
        recording.take()?;
        // Whether the kernel takes it is the business of other tests; that it was asked is seen below.
        let _ = line.ours.send(&fdb).await;
        let ours = recording.take()?;
        let _ = node.command(format!("bridge {}", line.command).split_whitespace()).await;
        let theirs = recording.take()?;
        let [ours] = &of_the_fdb(&ours)[..] else {
            wrong.push(format!("`{}`: ours is not one request: {ours:?}", line.command));
            continue;
        };
        wrong.extend(differs(&line, &ours.message, &theirs));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

type Edit = fn(&mut FdbFilter);

const NOARP: FdbState = FdbState::NOARP;
const PERMANENT: FdbState = FdbState::PERMANENT;
const NOTHING: FdbState = FdbState::empty();

/// What iproute2 can say of a VXLAN device since 6.7; the tools that the file of golden bytes is made with cannot.
const FLUSHES: &[(&str, Edit)] = &[
    ("", |_| ()),
    ("vni 3000", |f| f.vni = Some(3000)),
    ("src_vni 3000", |f| f.src_vni = Some(3000)),
    ("port 1234", |f| f.port = Some(1234)),
    ("dst 192.0.2.1", |f| f.dst = Some([192, 0, 2, 1].into())),
    ("dst 2001:db8::1", |f| f.dst = Some("2001:db8::1".parse().unwrap())),
    ("nhid 10", |f| f.nexthop = Some(10)),
    ("permanent", |f| f.state = Some((PERMANENT, PERMANENT))),
    ("nopermanent", |f| f.state = Some((PERMANENT, NOTHING))),
    ("static", |f| f.state = Some((NOARP | PERMANENT, NOARP))),
    ("nostatic", |f| f.state = Some((NOARP, NOTHING))),
    ("dynamic", |f| f.state = Some((NOARP | PERMANENT, NOTHING))),
    ("nodynamic", |f| f.state = Some((NOARP, NOARP))),
    ("router", |f| add(f, FdbFlags::ROUTER, FdbFlags::ROUTER)),
    ("norouter extern_learn", |f| {
        add(f, FdbFlags::ROUTER | FdbFlags::EXT_LEARNED, FdbFlags::EXT_LEARNED);
    }),
    ("vni 3000 port 1234 dst 192.0.2.1 src_vni 7 nhid 10 nopermanent norouter", |f| {
        (f.vni, f.port, f.src_vni, f.nexthop) = (Some(3000), Some(1234), Some(7), Some(10));
        f.dst = Some([192, 0, 2, 1].into());
        f.state = Some((PERMANENT, NOTHING));
        add(f, FdbFlags::ROUTER, FdbFlags::empty());
    }),
];

fn add(filter: &mut FdbFilter, mask: FdbFlags, value: FdbFlags) {
    filter.flags = Some((FdbFlags::SELF | mask, FdbFlags::SELF | value));
}

#[nl_testkit::test(needs(tool = "bridge", link = "bridge", link = "vxlan", iproute2 = "6.7"), timeout = 60)]
async fn a_flush_of_a_vxlan_device_is_the_request_of_iproute2(lab: Lab) -> Result {
    let (node, indexes) = world(&lab).await?;
    let mut wrong = Vec::new();
    for (words, edit) in FLUSHES {
        let line = format!("bridge fdb flush dev vx0 self {words}");
        let mut filter = FdbFilter::default();
        filter.index = Some(indexes["vx0"]);
        filter.flags = Some((FdbFlags::SELF, FdbFlags::SELF));
        edit(&mut filter);
        let ours = filter.flush_request().with_flags(NLM_F_ACK).encoded()?.to_vec();
        let (_, sent) = node.requests_of(line.trim_end()).await?;
        let [theirs] = &of_the_fdb(&sent)[..] else {
            wrong.push(format!("`{line}`: iproute2 sent not one request: {sent:?}"));
            continue;
        };
        let compared = BytesOracle::new(&FDB).compare(&ours, &theirs.message);
        wrong.extend(compared.err().map(|mismatch| format!("`{line}`: {mismatch}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn differs(line: &Line, ours: &[u8], theirs: &[Sent]) -> Option<String> {
    let [theirs] = &of_the_fdb(theirs)[..] else {
        return Some(format!("`{}`: iproute2 sent not one request: {theirs:?}", line.command));
    };
    let mismatch = line.compare(ours, &theirs.message).err()?;
    Some(format!("`{}`: {mismatch}", line.command))
}

fn of_the_fdb(sent: &[Sent]) -> Vec<&Sent> {
    let is_fdb = |sent: &&Sent| {
        sent.protocol == 0
            && [RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH].contains(&sent.kind())
            && sent.message.get(16) == Some(&7)
    };
    sent.iter().filter(is_fdb).collect()
}

/// `br0` with the ports `port1`, `port2` and `vx0` (VNI 100), and `vm0` in metadata mode beside it.
async fn world(lab: &Lab) -> Result<(Node, Indexes)> {
    lab.quiet();
    let bridge = lab.bridge("br0", 2).await?;
    let node = bridge.node().clone();
    node.add_vxlan("vx0", Vxlan::vni(100)).await?;
    node.set_master("vx0", "br0").await?;
    node.add_vxlan("vm0", Vxlan::external().port(4790)).await?;
    let mut indexes = Indexes::new();
    for name in ["br0", "port1", "port2", "vx0", "vm0"] {
        indexes.insert(name.to_owned(), node.index_of(name).await?);
    }
    Ok((node, indexes))
}
