//! The commands of `bridge mdb`, and ours for each: for the test that asks iproute2, and for the one that reads what it once said
//! from `mdb.hex`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nl_bridge::mdb::{MdbEntry, MdbFilter, MdbMode, MdbVerb};
use nl_core::message::NLM_F_ACK;
use nl_core::{MacAddr, Request};
use nl_testkit::oracle::{Attr, BytesOracle, Field, Mismatch, Shape};

/// Where the commands' requests are kept.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/mdb.hex");

/// The numbers of the interfaces in the commands.
pub(crate) type Indexes = BTreeMap<String, u32>;

/// A line of `bridge`, and ours for it.
pub(crate) struct Line {
    pub(crate) command: &'static str,
    codec: fn(&Indexes) -> Request,
}

impl Line {
    /// Ours as it is sent.
    pub(crate) fn request(&self, indexes: &Indexes) -> nl_core::Result<Vec<u8>> {
        let request = (self.codec)(indexes);
        // A question is answered with an entry, or refused.
        let flags = if request.kind() == RTM_GETMDB { 0 } else { NLM_F_ACK };
        Ok(request.with_flags(flags).encoded()?.to_vec())
    }

    /// Compares ours with what iproute2 made of the command.
    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        BytesOracle::new(&MDB).compare(ours, theirs)
    }
}

/// Requests of these types are compared.
pub(crate) fn is_ours(kind: u16) -> bool {
    matches!(kind, RTM_NEWMDB | RTM_DELMDB | RTM_GETMDB)
}

fn line(command: &'static str, codec: fn(&Indexes) -> Request) -> Line {
    Line { command, codec }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `entry!(Add, "br0", "port1", ip("239.1.1.1"), .permanent())`: an entry's request.
macro_rules! entry {
    ($verb:ident, $dev:literal, $port:literal, $group:expr, $($calls:tt)*) => {
        |at| MdbEntry::new(at[$dev], at[$port], $group) $($calls)* .request(MdbVerb::$verb)
    };
}

pub(crate) fn lines() -> Vec<Line> {
    vec![
        line("mdb add dev br0 port port1 grp 239.1.1.1 temp", entry!(Add, "br0", "port1", ip("239.1.1.1"),)),
        line(
            "mdb add dev br0 port port1 grp 239.1.1.1 permanent vid 10",
            entry!(Add, "br0", "port1", ip("239.1.1.1"), .permanent().vlan(10)),
        ),
        line(
            "mdb add dev br0 port port1 grp ff0e::1 src 2001:db8::1 permanent",
            entry!(Add, "br0", "port1", ip("ff0e::1"), .permanent().source(ip("2001:db8::1"))),
        ),
        line(
            "mdb add dev br0 port port1 grp 01:02:03:04:05:06 permanent vid 10",
            entry!(Add, "br0", "port1", MacAddr::new([1, 2, 3, 4, 5, 6]), .permanent().vlan(10)),
        ),
        line(
            "mdb add dev br0 port br0 grp 239.1.1.1 temp",
            entry!(Add, "br0", "br0", ip("239.1.1.1"), .temp()),
        ),
        line(
            "mdb add dev vx0 port vx0 grp 239.1.1.1 permanent dst 192.0.2.1 dst_port 44 vni 5 src_vni 6 via port1",
            |at| {
                let mut entry = MdbEntry::new(at["vx0"], at["vx0"], ip("239.1.1.1")).permanent();
                entry = entry.dst(ip("192.0.2.1")).dst_port(44).vni(5).src_vni(6);
                entry.via = Some(at["port1"]);
                entry.request(MdbVerb::Add)
            },
        ),
        line(
            "mdb add dev vx0 port vx0 grp ff0e::1 permanent dst 2001:db8::7 src_vni 100",
            entry!(Add, "vx0", "vx0", ip("ff0e::1"), .permanent().dst(ip("2001:db8::7")).src_vni(100)),
        ),
        line(
            "mdb replace dev br0 port port1 grp 239.1.1.1 permanent filter_mode include source_list \
             192.0.2.1,192.0.2.2 proto zebra vid 10",
            |at| {
                let entry = MdbEntry::new(at["br0"], at["port1"], ip("239.1.1.1")).permanent().vlan(10);
                let sources = [ip("192.0.2.1"), ip("192.0.2.2")];
                entry.mode(MdbMode::Include).sources(sources).protocol(11).request(MdbVerb::Replace)
            },
        ),
        line(
            "mdb replace dev br0 port port1 grp ff0e::1 temp filter_mode exclude source_list 2001:db8::1 proto static",
            |at| {
                let entry = MdbEntry::new(at["br0"], at["port1"], ip("ff0e::1")).mode(MdbMode::Exclude);
                entry.sources([ip("2001:db8::1")]).protocol(4).request(MdbVerb::Replace)
            },
        ),
        line(
            "mdb replace dev br0 port port1 grp 239.1.1.1 permanent filter_mode exclude",
            entry!(Replace, "br0", "port1", ip("239.1.1.1"), .permanent().mode(MdbMode::Exclude)),
        ),
        line(
            "mdb del dev br0 port port1 grp 239.1.1.1 vid 10",
            entry!(Delete, "br0", "port1", ip("239.1.1.1"), .vlan(10)),
        ),
        line(
            "mdb del dev br0 port port1 grp 239.1.1.1 src 192.0.2.1",
            entry!(Delete, "br0", "port1", ip("239.1.1.1"), .source(ip("192.0.2.1"))),
        ),
        line(
            "mdb del dev vx0 port vx0 grp 239.1.1.1 dst 192.0.2.1 src_vni 100",
            entry!(Delete, "vx0", "vx0", ip("239.1.1.1"), .dst(ip("192.0.2.1")).src_vni(100)),
        ),
        line("mdb get dev br0 grp 239.1.1.1 vid 10", entry!(Get, "br0", "port1", ip("239.1.1.1"), .vlan(10))),
        line(
            "mdb get dev br0 grp ff0e::1 src 2001:db8::1",
            entry!(Get, "br0", "port1", ip("ff0e::1"), .source(ip("2001:db8::1"))),
        ),
        line("mdb flush dev br0", |at| {
            let mut filter = MdbFilter::default();
            filter.dev = Some(at["br0"]);
            filter.flush_request()
        }),
        line("mdb flush dev br0 port port1 vid 10 proto zebra permanent", |at| {
            let mut filter = MdbFilter::default();
            (filter.dev, filter.port, filter.vlan) = (Some(at["br0"]), Some(at["port1"]), Some(10));
            (filter.protocol, filter.permanent) = (Some(11), Some(true));
            filter.flush_request()
        }),
        line("mdb flush dev vx0 nopermanent dst 192.0.2.1 dst_port 44 vni 5 src_vni 6", |at| {
            let mut filter = MdbFilter::default();
            (filter.dev, filter.permanent, filter.dst) =
                (Some(at["vx0"]), Some(false), Some(ip("192.0.2.1")));
            (filter.dst_port, filter.vni, filter.src_vni) = (Some(44), Some(5), Some(6));
            filter.flush_request()
        }),
    ]
}

// include/uapi/linux/rtnetlink.h, include/uapi/linux/if_bridge.h
const RTM_NEWMDB: u16 = 84;
const RTM_DELMDB: u16 = 85;
const RTM_GETMDB: u16 = 86;

pub(crate) const MDB: Shape =
    Shape::new("br_port_msg", &[Field::new("family", 1), Field::new("pad", 3), Field::new("ifindex", 4)])
        .kinds(&[(RTM_NEWMDB, "RTM_NEWMDB"), (RTM_DELMDB, "RTM_DELMDB"), (RTM_GETMDB, "RTM_GETMDB")])
        .attrs(&[Attr::new(1, "MDBA_SET_ENTRY"), Attr::nest(2, "MDBA_SET_ENTRY_ATTRS", &[])]);
