//! What we send against what `ip mptcp` sends for the same words, byte for byte.

use std::net::{IpAddr, Ipv4Addr};

use nl_core::message::{NLM_F_ACK, NLM_F_DUMP, Request};
use nl_mptcp::endpoint::{Endpoint, EndpointFlags, EndpointVerb};
use nl_mptcp::limits::Limits;
use nl_mptcp::{AddressId, FAMILY, Mptcp};
use nl_testkit::oracle::{Attr, Blessing, BytesOracle, Field, Sent, Shape};
use nl_testkit::{Lab, Node, Result};

use crate::support::open;

/// Needs nothing but the right to trace a child: iproute2's requests are read from it, ours come from the codec.
#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn the_codec_makes_the_requests_of_iproute2(lab: Lab) -> Result {
    let (node, mptcp, index) = world(&lab).await?;
    let family = mptcp.netlink().family(FAMILY).await?.id;
    let mut wrong = Vec::new();
    let mut blessing = Blessing::new(GOLDEN, &lab.iproute2_version().await?);
    for line in lines() {
        let (_, theirs) = node.requests_of(&format!("ip mptcp {}", line.command)).await?;
        let mut request = (line.codec)(family, index);
        let flags = request.flags() | if line.is_list { NLM_F_DUMP } else { NLM_F_ACK };
        let mut ours = request.encoded()?.to_vec();
        ours[6..8].copy_from_slice(&flags.to_ne_bytes());
        wrong.extend(line.differs(&ours, &theirs, family));
        // As on a machine where the family and the interface have these numbers.
        let mut request = (line.codec)(0x20, 3);
        let mut golden = request.encoded()?.to_vec();
        golden[6..8].copy_from_slice(&flags.to_ne_bytes());
        blessing.add(&format!("ip mptcp {}", line.command), &golden);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    blessing.save()?;
    Ok(())
}

/// Both go through the kernel, ours from the handle, and nlmon sees both.
#[nl_testkit::test(needs(link = "nlmon", genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn the_handle_sends_the_requests_of_iproute2(lab: Lab) -> Result {
    let (node, mptcp, _) = world(&lab).await?;
    let family = mptcp.netlink().family(FAMILY).await?.id;
    let mut recording = node.record().await?;
    let mut wrong = Vec::new();
    for line in lines() {
        recording.take()?;
        // Whether the kernel takes it is the business of other tests; that it was asked is seen below.
        let _ = send(&mptcp, line.command).await;
        let ours = recording.take()?;
        let _ = node.command(format!("ip mptcp {}", line.command).split_whitespace()).await;
        let theirs = recording.take()?;
        // A change and a deletion by address read first.
        let Some(ours) = of_the_family(&ours, family).last().copied() else {
            wrong.push(format!("`{}`: ours sent nothing", line.command));
            continue;
        };
        wrong.extend(line.differs(&ours.message, &theirs, family));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn send(mptcp: &Mptcp, command: &str) -> nl_core::Result<()> {
    let id = AddressId::new;
    match command {
        "endpoint add 10.9.0.1" => mptcp.endpoint(V4).add().await.map(drop),
        "endpoint add 10.9.0.1 id 5 signal" => mptcp.endpoint(V4).id(5).signal().add().await.map(drop),
        "endpoint add 10.9.0.1 dev eth0 subflow backup" => {
            mptcp.endpoint(V4).dev("eth0").subflow().backup().add().await.map(drop)
        }
        "endpoint add 2001:db8::1 dev eth0 subflow fullmesh" => {
            mptcp.endpoint(v6()).dev("eth0").subflow().fullmesh().add().await.map(drop)
        }
        "endpoint add 127.0.0.1 port 4321 signal" => {
            mptcp.endpoint(Ipv4Addr::LOCALHOST).port(4321).signal().add().await.map(drop)
        }
        "endpoint change 10.9.0.7 backup" => mptcp.endpoint(V4_THERE).backup().change().await.map(drop),
        "endpoint change 10.9.0.7 nobackup" => mptcp.endpoint(V4_THERE).nobackup().change().await.map(drop),
        "endpoint change id 7 fullmesh" => mptcp.endpoint(id(7)).fullmesh().change().await.map(drop),
        "endpoint show" => mptcp.endpoints().list().await?.collect_all().await.map(drop),
        "endpoint show id 7" => mptcp.endpoint(id(7)).get().await.map(drop),
        "endpoint delete id 7" => mptcp.endpoint(id(7)).delete().await.map(drop),
        "endpoint delete id 0 10.9.0.1" => mptcp.endpoint(V4).drop_initial().await.map(drop),
        "endpoint flush" => mptcp.endpoints().flush().await.map(drop),
        "limits show" => mptcp.limits().get().await.map(drop),
        "limits set subflows 4" => mptcp.limits().subflows(4).set().await.map(drop),
        "limits set add_addr_accepted 2" => mptcp.limits().add_addr_accepted(2).set().await.map(drop),
        "limits set subflows 8 add_addr_accepted 8" => {
            mptcp.limits().subflows(8).add_addr_accepted(8).set().await.map(drop)
        }
        other => panic!("`{other}` is not told to the handle"),
    }
}

/// A line of `ip mptcp`, the codec's request for it, and where they differ on purpose.
struct Line {
    command: &'static str,
    codec: fn(u16, u32) -> Request,
    is_list: bool,
    on_purpose: &'static [(&'static str, &'static str)],
}

impl Line {
    fn differs(&self, ours: &[u8], theirs: &[Sent], family: u16) -> Option<String> {
        let [theirs] = &of_the_family(theirs, family)[..] else {
            return Some(format!("`{}`: iproute2 sent not one request: {theirs:?}", self.command));
        };
        let oracle = BytesOracle::new(&PATH_MANAGER).except(self.on_purpose);
        let mismatch = oracle.compare(ours, &theirs.message).err()?;
        Some(format!("`{}`: {mismatch}", self.command))
    }
}

fn of_the_family(sent: &[Sent], family: u16) -> Vec<&Sent> {
    sent.iter().filter(|sent| sent.protocol == 16 && sent.kind() == family).collect()
}

/// A node with `eth0` and an endpoint of id 7.
async fn world(lab: &Lab) -> Result<(Node, Mptcp, u32)> {
    let [node, _other] = lab.wire("a", "b").await?;
    node.up("lo").await?;
    node.ip("mptcp endpoint add 10.9.0.7 id 7 subflow").await;
    let index = node.index_of("eth0").await?;
    let mptcp = open(&node).await?;
    Ok((node, mptcp, index))
}

const V4: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const V4_THERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 7);

fn v6() -> IpAddr {
    "2001:db8::1".parse().unwrap()
}

fn v4() -> Endpoint {
    Endpoint::new(V4.into())
}

fn there() -> Endpoint {
    Endpoint::new(V4_THERE.into())
}

fn lines() -> Vec<Line> {
    use EndpointVerb::{Add, Change, Delete, Get};
    let line = |command, codec, on_purpose| Line { command, codec, is_list: false, on_purpose };
    vec![
        line("endpoint add 10.9.0.1", |family, _| v4().request(family, Add), &[]),
        line("endpoint add 10.9.0.1 id 5 signal", |family, _| v4().id(5).signal().request(family, Add), &[]),
        line(
            "endpoint add 10.9.0.1 dev eth0 subflow backup",
            |family, index| v4().index(index).subflow().backup().request(family, Add),
            &[],
        ),
        line(
            "endpoint add 2001:db8::1 dev eth0 subflow fullmesh",
            |family, index| Endpoint::new(v6()).index(index).subflow().fullmesh().request(family, Add),
            &[],
        ),
        line(
            "endpoint add 127.0.0.1 port 4321 signal",
            |family, _| Endpoint::new(Ipv4Addr::LOCALHOST.into()).port(4321).signal().request(family, Add),
            &[],
        ),
        line("endpoint change 10.9.0.7 backup", |family, _| there().backup().request(family, Change), &[]),
        line("endpoint change 10.9.0.7 nobackup", |family, _| there().request(family, Change), &[]),
        line(
            "endpoint change id 7 fullmesh",
            |family, _| there().id(7).flags(EndpointFlags::FULLMESH).request(family, Change),
            &[],
        ),
        Line { is_list: true, ..line("endpoint show", |family, _| Endpoint::list_request(family), &[]) },
        line("endpoint show id 7", |family, _| there().id(7).request(family, Get), VERDICT),
        line("endpoint delete id 7", |family, _| there().id(7).request(family, Delete), &[]),
        line("endpoint delete id 0 10.9.0.1", |family, _| v4().drop_initial_request(family), &[]),
        line("endpoint flush", |family, _| Endpoint::flush_request(family), &[]),
        line("limits show", |family, _| Limits::get_request(family), VERDICT),
        line("limits set subflows 4", |family, _| Limits::set_request(family, None, Some(4)), &[]),
        line("limits set add_addr_accepted 2", |family, _| Limits::set_request(family, Some(2), None), &[]),
        line(
            "limits set subflows 8 add_addr_accepted 8",
            |family, _| Limits::set_request(family, Some(8), Some(8)),
            &[],
        ),
    ]
}

const VERDICT: &[(&str, &str)] = &[(
    "nlmsg_flags",
    "each request of ours asks for a verdict (NLM_F_ACK), so that a lost answer is noticed",
)];

/// Written with `NL_TESTKIT_BLESS=1`.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/codec/iproute2.hex");

const ADDRESS: &[Attr] = &[
    Attr::new(1, "FAMILY"),
    Attr::new(2, "ID"),
    Attr::new(3, "ADDR4"),
    Attr::new(4, "ADDR6"),
    Attr::new(5, "PORT"),
    Attr::new(6, "FLAGS"),
    Attr::new(7, "IF_IDX"),
];

// include/uapi/linux/mptcp_pm.h
const PATH_MANAGER: Shape =
    Shape::new("genlmsghdr", &[Field::new("cmd", 1), Field::new("version", 1), Field::new("reserved", 2)])
        .attrs(&[
            Attr::nest(1, "ADDR", ADDRESS),
            Attr::new(2, "RCV_ADD_ADDRS"),
            Attr::new(3, "SUBFLOWS"),
            Attr::new(4, "TOKEN"),
            Attr::new(5, "LOC_ID"),
            Attr::nest(6, "ADDR_REMOTE", ADDRESS),
        ]);
