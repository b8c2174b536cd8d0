//! Operations of several requests over a simulated kernel: with every fault of every answer, and dropped at every await point.

use std::net::IpAddr;
use std::time::Duration;

use nl_bridge::Vni;
use nl_bridge::doctor::Doctor;
use nl_bridge::fdb::{Fdb, FdbEntry, FdbVerb, RTM_GETNEIGH, RTM_NEWNEIGH};
use nl_bridge::leaf::{BridgeConfig, Leaf};
use nl_bridge::mdb::Mdb;
use nl_bridge::mst::{Mst, StpState};
use nl_bridge::settings::Ports;
use nl_bridge::tunnel::Tunnels;
use nl_bridge::vlan::Vlans;
use nl_bridge::vlan_db::VlanDb;
use nl_bridge::vni::{VniEntry, VniVerb, Vnis};
use nl_core::message::NLM_F_DUMP;
use nl_core::{Connection, MacAddr, Protocol};
use nl_testkit::fault::{
    Answer, Conversation, Operation, Played, each_at_every_await, each_with_every_fault, in_words,
};

use crate::MAC;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWTUNNEL: u16 = 120;
const RTM_GETTUNNEL: u16 = 122;
const BR0: u32 = 3;
const SWP1: u32 = 7;
const DEADLINE: Duration = Duration::from_secs(20);
/// Where there is a fault, an answer may not come.
const PATIENCE: Duration = Duration::from_millis(20);
/// Of a connection: its own, and those of lists and batches that are kept to be used again.
const SOCKETS: usize = 5;
const OTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);

/// A kernel with the bridge `br0`, its port `swp1` and two entries behind it, which carries out whatever it is asked.
fn kernel(request: &[u8]) -> Conversation {
    let short = |at: usize| u16::from_ne_bytes([request[at], request[at + 1]]);
    let (kind, is_dump) = (short(4), short(6) & NLM_F_DUMP == NLM_F_DUMP);
    let family = request[16];
    let index = u32::from_ne_bytes([request[20], request[21], request[22], request[23]]);
    let is_bridge = index == BR0 || request.windows(4).any(|bytes| bytes == b"br0\0");
    let objects = match kind {
        RTM_GETLINK if is_dump => vec![bridge(family), port(family)],
        RTM_GETLINK if is_bridge => vec![bridge(family)],
        RTM_GETLINK => vec![port(family)],
        RTM_GETNEIGH => [MAC, OTHER].map(entry).to_vec(),
        RTM_GETTUNNEL => {
            let mut vni = VniEntry::new(SWP1, Vni::new(100).unwrap()).request(VniVerb::Replace);
            vec![Answer::new(RTM_NEWTUNNEL, &vni.encoded().unwrap()[16..])]
        }
        _ => Vec::new(),
    };
    if is_dump {
        let entries = objects.into_iter().map(|object| object.answers(request).multi());
        return Conversation::of(entries.chain([Answer::done(0).answers(request)]));
    }
    let first = objects.into_iter().next().map(|object| object.answers(request));
    Conversation::of(first.into_iter().chain([Answer::ack(request)]))
}

/// `struct ifinfomsg` with an index, and IFLA_IFNAME.
fn link(family: u8, index: u32, name: &[u8]) -> Answer {
    Answer::new(RTM_NEWLINK, &[&[family, 0, 1, 0][..], &index.to_ne_bytes(), &[0; 8]].concat()).attr(3, name)
}

fn bridge(family: u8) -> Answer {
    link(family, BR0, b"br0\0").attr(18, &attr(1, b"bridge\0"))
}

fn port(family: u8) -> Answer {
    let learning = attr(8, &[0]);
    let info = [attr(1, b"veth\0"), attr(4, b"bridge\0"), attr(5, &learning)].concat();
    link(family, SWP1, b"swp1\0").attr(10, &BR0.to_ne_bytes()).attr(18, &info)
}

/// A nested attribute, padded.
fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `struct ndmsg`: family, index, state, flags, type. NDA_LLADDR, NDA_MASTER.
fn entry(mac: MacAddr) -> Answer {
    let header = [&[7, 0, 0, 0][..], &SWP1.to_ne_bytes(), &[0x40, 0, 0, 0]].concat();
    Answer::new(RTM_NEWNEIGH, &header).attr(2, &mac.octets()).attr(9, &BR0.to_ne_bytes())
}

fn group() -> IpAddr {
    "239.1.1.1".parse().unwrap()
}

const OPERATIONS: &[Operation<Connection>] = &[
    ("add an entry", |conn| in_words(Fdb::new(conn).entry(MAC, "swp1").master().static_().add())),
    ("read an entry", |conn| in_words(Fdb::new(conn).entry(MAC, "swp1").master().get())),
    ("delete an entry", |conn| in_words(Fdb::new(conn).entry(MAC, "swp1").master().delete())),
    ("list all entries", |conn| {
        in_words(async move { Fdb::new(conn).entries().list().await?.collect_all().await })
    }),
    ("list the entries of a port", |conn| {
        in_words(async move {
            Fdb::new(conn).entries().bridge("br0").dev("swp1").list().await?.collect_all().await
        })
    }),
    ("flush a port", |conn| in_words(Fdb::new(conn).entries().bridge("br0").dev("swp1").flush())),
    ("add entries in a batch", |conn| {
        in_words(async move {
            let changes = [MAC, OTHER].map(|mac| (FdbVerb::Add, FdbEntry::new(mac, SWP1).master().static_()));
            Fdb::new(conn).batch(changes).summarize(1).await?.into_result()
        })
    }),
    ("write a remote address", |conn| {
        let remote = Fdb::new(conn).remote_mac(MAC, "swp1").vlan(10);
        in_words(remote.dst("192.0.2.2".parse().unwrap()).replace())
    }),
    ("remove a remote address", |conn| in_words(Fdb::new(conn).remote_mac(MAC, "swp1").vlan(10).delete())),
    ("add a group", |conn| in_words(Mdb::new(conn).entry("br0", "swp1", group()).add())),
    ("delete a group", |conn| in_words(Mdb::new(conn).entry("br0", "swp1", group()).delete())),
    ("add a VLAN", |conn| in_words(Vlans::new(conn).entry("swp1", 10).add())),
    ("delete a VLAN", |conn| in_words(Vlans::new(conn).entry("swp1", 10).delete())),
    ("set a VLAN", |conn| in_words(VlanDb::new(conn).entry("swp1", 10).state(StpState::Blocking).set())),
    ("set a VLAN of a bridge", |conn| in_words(VlanDb::new(conn).global("br0", 10).msti(1).set())),
    ("set an MSTI", |conn| in_words(Mst::new(conn).entry("swp1", 1).set())),
    ("add a VNI", |conn| in_words(Vnis::new(conn).entry("swp1", 200).add())),
    ("list VNIs", |conn| {
        in_words(async move { Vnis::new(conn).entries().dev("swp1").list().await?.collect_all().await })
    }),
    ("delete a mapping", |conn| in_words(Tunnels::new(conn).entry("swp1", 10, 10010).delete())),
    ("set a port", |conn| in_words(Ports::new(conn).port("swp1").learning(false).set())),
    ("read a port", |conn| in_words(Ports::new(conn).port("swp1").get())),
    ("replace an entry", |conn| in_words(Fdb::new(conn).entry(MAC, "swp1").master().static_().replace())),
    ("append a remote", |conn| {
        let entry = Fdb::new(conn).entry(MacAddr::ZERO, "swp1");
        in_words(entry.dst("192.0.2.2".parse().unwrap()).append())
    }),
    ("replace a group", |conn| in_words(Mdb::new(conn).entry("br0", "swp1", group()).permanent().replace())),
    ("list groups", |conn| {
        in_words(async move { Mdb::new(conn).entries().dev("br0").list().await?.collect_all().await })
    }),
    ("flush groups", |conn| in_words(Mdb::new(conn).entries().dev("br0").flush())),
    ("list VLANs of devices", |conn| {
        in_words(async move { Vlans::new(conn).devices().dev("swp1").list().await?.collect_all().await })
    }),
    ("list counters of VLANs", |conn| {
        in_words(async move { Vlans::new(conn).devices().dev("swp1").stats().await?.collect_all().await })
    }),
    ("replace a VLAN", |conn| in_words(VlanDb::new(conn).entry("swp1", 10).replace())),
    ("delete a VLAN of the database", |conn| in_words(VlanDb::new(conn).entry("swp1", 10).delete())),
    ("list VLANs", |conn| {
        in_words(async move { VlanDb::new(conn).entries().dev("swp1").list().await?.collect_all().await })
    }),
    ("list VLANs of a bridge", |conn| {
        in_words(async move { VlanDb::new(conn).globals().bridge("br0").list().await?.collect_all().await })
    }),
    ("list MSTIs", |conn| {
        in_words(async move { Mst::new(conn).entries().dev("swp1").list().await?.collect_all().await })
    }),
    ("replace a VNI", |conn| in_words(Vnis::new(conn).entry("swp1", 200).replace())),
    ("delete a VNI", |conn| in_words(Vnis::new(conn).entry("swp1", 100).delete())),
    ("list mappings", |conn| {
        in_words(async move { Tunnels::new(conn).entries().dev("swp1").list().await?.collect_all().await })
    }),
    ("list ports", |conn| {
        in_words(async move { Ports::new(conn).ports().bridge("br0").list().await?.collect_all().await })
    }),
    ("read a leaf", |conn| in_words(Leaf::new(conn).snapshot())),
    ("examine a leaf", |conn| in_words(Doctor::new(conn).examine())),
    ("plan a leaf", |conn| {
        let another = BridgeConfig::new("br1").vlans(10);
        in_words(async move { Leaf::new(conn).plan(&another).await.map(|plan| plan.to_string()) })
    }),
];

fn connection(kernel: &Played) -> Connection {
    let patience = if kernel.has_fault() { PATIENCE } else { DEADLINE };
    let sockets = kernel.clone();
    let builder = Connection::builder(Protocol::Route).sockets_from(move || sockets.socket());
    builder.timeout(patience).open().unwrap()
}

#[tokio::test]
async fn operation_with_any_fault_ends_and_is_no_false_success() {
    // Attributes behind `struct ndmsg`.
    let headers = |kind| (kind == RTM_NEWNEIGH).then_some(12);
    each_with_every_fault(OPERATIONS, kernel, headers, DEADLINE, connection).await;
}

#[tokio::test]
async fn operation_dropped_at_any_await_leaves_the_connection_usable_and_nothing_else() {
    let works = async |conn: &Connection| assert_eq!(conn.link_index("swp1").await.unwrap(), SWP1);
    each_at_every_await(OPERATIONS, kernel, SOCKETS, DEADLINE, connection, works).await;
}
