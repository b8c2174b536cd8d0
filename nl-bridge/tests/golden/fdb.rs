//! The commands of `bridge fdb`, ours for each, and where the two differ on purpose: for the test that asks iproute2, and
//! for the one that reads what it once said from `fdb.hex`.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use nl_bridge::fdb::{
    Entries, Entry, Fdb, FdbEntry, FdbFilter, FdbFlags, FdbState, FdbVerb, RTM_DELNEIGH, RTM_GETNEIGH,
    RTM_NEWNEIGH,
};
use nl_core::MacAddr;
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_testkit::oracle::{Attr, BytesOracle, Field, Mismatch, Shape};

/// A line of `bridge`, ours for it, and where they differ on purpose.
pub(crate) struct Line {
    pub(crate) command: &'static str,
    pub(crate) ours: Ours,
    on_purpose: &'static [(&'static str, &'static str)],
}

pub(crate) enum Ours {
    Entry {
        verb: FdbVerb,
        mac: MacAddr,
        dev: &'static str,
        codec: fn(FdbEntry, &Indexes) -> FdbEntry,
        handle: fn(Entry) -> Entry,
    },
    Flush {
        codec: fn(&mut FdbFilter, &Indexes),
        handle: fn(Entries) -> Entries,
    },
    Show {
        codec: fn(&mut FdbFilter, &Indexes),
        handle: fn(Entries) -> Entries,
    },
}

/// The numbers of the interfaces in the commands.
pub(crate) type Indexes = BTreeMap<String, u32>;

impl Ours {
    /// Ours as it is sent.
    pub(crate) fn request(&self, indexes: &Indexes) -> nl_core::Result<Vec<u8>> {
        let mut filter = FdbFilter::default();
        let mut request = match self {
            Self::Entry { verb, mac, dev, codec, .. } => {
                codec(FdbEntry::new(*mac, indexes[*dev]), indexes).request(*verb).with_flags(NLM_F_ACK)
            }
            Self::Flush { codec, .. } => {
                codec(&mut filter, indexes);
                filter.flush_request().with_flags(NLM_F_ACK)
            }
            Self::Show { codec, .. } => {
                codec(&mut filter, indexes);
                filter.list_request().with_flags(NLM_F_DUMP)
            }
        };
        Ok(request.encoded()?.to_vec())
    }

    pub(crate) async fn send(&self, fdb: &Fdb) -> nl_core::Result<()> {
        match self {
            Self::Entry { verb, mac, dev, handle, .. } => {
                let entry = handle(fdb.entry(*mac, *dev));
                match verb {
                    FdbVerb::Add => entry.add().await.map(drop),
                    FdbVerb::Append => entry.append().await.map(drop),
                    FdbVerb::Delete => entry.delete().await.map(drop),
                    FdbVerb::Get => entry.get().await.map(drop),
                    _ => entry.replace().await.map(drop),
                }
            }
            Self::Flush { handle, .. } => handle(fdb.entries()).flush().await.map(drop),
            Self::Show { handle, .. } => {
                handle(fdb.entries()).list().await?.try_collect::<Vec<_>>().await.map(drop)
            }
        }
    }
}

impl Line {
    /// Compares ours with what iproute2 made of the command.
    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        BytesOracle::new(&FDB).except(self.on_purpose).compare(ours, theirs)
    }
}

/// `entry!(Add, MAC, "port1", .master().static_())`: the same calls on the codec's entry and on the handle's.
macro_rules! entry {
    ($verb:ident, $mac:expr, $dev:literal, $($calls:tt)*) => {
        Ours::Entry {
            verb: FdbVerb::$verb,
            mac: $mac,
            dev: $dev,
            codec: |entry, _| entry $($calls)*,
            handle: |entry| entry $($calls)*,
        }
    };
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn lines() -> Vec<Line> {
    let line = |command, ours, on_purpose| Line { command, ours, on_purpose };
    let group = MacAddr::new([1, 0, 0x5e, 0x7f, 0, 1]);
    vec![
        line(
            "fdb add 02:00:00:00:00:01 dev port1 master static",
            entry!(Add, MAC, "port1", .master().static_()),
            ONE_BIT,
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev port1 master dynamic",
            entry!(Add, MAC, "port1", .master().dynamic()),
            &[],
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev port1 master local",
            entry!(Add, MAC, "port1", .master().permanent()),
            ONE_BIT,
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev port1 master static vlan 10",
            entry!(Add, MAC, "port1", .master().static_().vlan(10)),
            ONE_BIT,
        ),
        line(
            "fdb replace 02:00:00:00:00:01 dev port1 master dynamic vlan 4094",
            entry!(Replace, MAC, "port1", .master().dynamic().vlan(4094)),
            &[],
        ),
        line(
            "fdb replace 02:00:00:00:00:01 dev port2 master static sticky",
            entry!(Replace, MAC, "port2", .master().static_().sticky()),
            ONE_BIT,
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev port2 master dynamic extern_learn",
            entry!(Add, MAC, "port2", .master().dynamic().extern_learn()),
            &[],
        ),
        line(
            "fdb replace 02:00:00:00:00:01 dev port1 master dynamic use",
            entry!(Replace, MAC, "port1", .master().dynamic().use_()),
            &[],
        ),
        line("fdb add 02:00:00:00:00:01 dev port1", entry!(Add, MAC, "port1", .self_()), NOT_BOTH),
        line(
            "fdb add 02:00:00:00:00:01 dev br0 self local",
            entry!(Add, MAC, "br0", .self_().permanent()),
            ONE_BIT,
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev port1 self master static",
            entry!(Add, MAC, "port1", .self_().master().static_()),
            &[],
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev vx0 self static dst 192.0.2.1",
            entry!(Add, MAC, "vx0", .self_().static_().dst(V4.parse().unwrap())),
            &[],
        ),
        line(
            "fdb replace 02:00:00:00:00:01 dev vx0 self dynamic dst 192.0.2.1 port 1234 vni 200",
            entry!(Replace, MAC, "vx0", .self_().dynamic().dst(V4.parse().unwrap()).port(1234).vni(200)),
            &[],
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev vx0 self dynamic dst 2001:db8::1",
            entry!(Add, MAC, "vx0", .self_().dynamic().dst(V6.parse().unwrap())),
            &[],
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev vx0 self dst 192.0.2.1 via port1",
            Ours::Entry {
                verb: FdbVerb::Add,
                mac: MAC,
                dev: "vx0",
                codec: |entry, indexes| {
                    let mut entry = entry.self_().dst(V4.parse().unwrap());
                    entry.via = Some(indexes["port1"]);
                    entry
                },
                handle: |entry| entry.self_().dst(V4.parse().unwrap()).via("port1"),
            },
            &[],
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev vm0 self static dst 192.0.2.1 src_vni 300 vni 16777215",
            entry!(Add, MAC, "vm0", .self_().static_().dst(V4.parse().unwrap()).src_vni(300).vni(0xff_ffff)),
            &[],
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev vx0 self static nhid 10",
            entry!(Add, MAC, "vx0", .self_().static_().nexthop(10)),
            &[],
        ),
        line(
            "fdb add 02:00:00:00:00:01 dev vx0 self static dst 192.0.2.1 router",
            entry!(Add, MAC, "vx0", .self_().static_().dst(V4.parse().unwrap()).router()),
            &[],
        ),
        line(
            "fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.1",
            entry!(Append, MacAddr::ZERO, "vx0", .dst(V4.parse().unwrap())),
            &[],
        ),
        line(
            "fdb append 01:00:5e:7f:00:01 dev vx0 self static dst 2001:db8::1 vni 7",
            entry!(Append, group, "vx0", .self_().static_().dst(V6.parse().unwrap()).vni(7)),
            &[],
        ),
        line("fdb del 02:00:00:00:00:01 dev port1 master", entry!(Delete, MAC, "port1", .master()), NO_STATE),
        line(
            "fdb del 02:00:00:00:00:01 dev port1 master vlan 10",
            entry!(Delete, MAC, "port1", .master().vlan(10)),
            NO_STATE,
        ),
        line(
            "fdb del 02:00:00:00:00:01 dev vx0 dst 192.0.2.1 port 1234 vni 200",
            entry!(Delete, MAC, "vx0", .dst(V4.parse().unwrap()).port(1234).vni(200)),
            &[],
        ),
        line("fdb get 02:00:00:00:00:01 dev port1 master", entry!(Get, MAC, "port1", .master()), VERDICT),
        line(
            "fdb get 02:00:00:00:00:01 dev port1 master vlan 10",
            entry!(Get, MAC, "port1", .master().vlan(10)),
            VERDICT,
        ),
        line(
            "fdb get 02:00:00:00:00:01 dev vm0 self vni 300",
            entry!(Get, MAC, "vm0", .self_().src_vni(300)),
            VERDICT,
        ),
        line(
            "fdb flush dev br0 self",
            Ours::Flush {
                codec: |filter, indexes| filter.bridge = Some(indexes["br0"]),
                handle: |entries| entries.bridge("br0").own_addresses(),
            },
            &[],
        ),
        line(
            "fdb flush dev br0 self dynamic",
            Ours::Flush {
                codec: |filter, indexes| {
                    filter.bridge = Some(indexes["br0"]);
                    filter.state = Some((FdbState::NOARP | FdbState::PERMANENT, FdbState::empty()));
                },
                handle: |entries| entries.bridge("br0").dynamic(),
            },
            &[],
        ),
        line(
            "fdb flush dev br0 brport port1 vlan 10 self static",
            Ours::Flush {
                codec: |filter, indexes| {
                    filter.bridge = Some(indexes["br0"]);
                    filter.index = Some(indexes["port1"]);
                    filter.vlan = Some(10);
                    filter.state = Some((FdbState::NOARP | FdbState::PERMANENT, FdbState::NOARP));
                },
                handle: |entries| entries.bridge("br0").dev("port1").vlan(10).static_(),
            },
            &[],
        ),
        line(
            "fdb flush dev port1 master nopermanent extern_learn nosticky",
            Ours::Flush {
                codec: |filter, indexes| {
                    filter.index = Some(indexes["port1"]);
                    filter.state = Some((FdbState::PERMANENT, FdbState::empty()));
                    filter.flags = Some((
                        FdbFlags::EXT_LEARNED | FdbFlags::STICKY | FdbFlags::MASTER,
                        FdbFlags::EXT_LEARNED | FdbFlags::MASTER,
                    ));
                },
                handle: |entries| entries.dev("port1").no_permanent().extern_learn(true).sticky(false),
            },
            &[],
        ),
        line(
            "fdb flush dev vx0 self permanent",
            Ours::Flush {
                codec: |filter, indexes| {
                    filter.index = Some(indexes["vx0"]);
                    filter.state = Some((FdbState::PERMANENT, FdbState::PERMANENT));
                    filter.flags = Some((FdbFlags::SELF, FdbFlags::SELF));
                },
                handle: |entries| entries.dev("vx0").permanent(),
            },
            &[],
        ),
        line("fdb show", Ours::Show { codec: |_, _| (), handle: |entries| entries }, &[]),
        line(
            "fdb show br br0",
            Ours::Show {
                codec: |filter, indexes| filter.bridge = Some(indexes["br0"]),
                handle: |entries| entries.bridge("br0"),
            },
            &[],
        ),
        line(
            "fdb show dev port1",
            Ours::Show {
                codec: |filter, indexes| filter.index = Some(indexes["port1"]),
                handle: |entries| entries.dev("port1"),
            },
            &[],
        ),
        line(
            "fdb show br br0 brport port1",
            Ours::Show {
                codec: |filter, indexes| {
                    filter.bridge = Some(indexes["br0"]);
                    filter.index = Some(indexes["port1"]);
                },
                handle: |entries| entries.bridge("br0").dev("port1"),
            },
            &[],
        ),
    ]
}

const ONE_BIT: &[(&str, &str)] = &[(
    "ndmsg.state",
    "a bridge compares the state by equality with one bit: with two, each repetition is an event",
)];
const NOT_BOTH: &[(&str, &str)] =
    &[("ndmsg.state", "NUD_NOARP beside NUD_PERMANENT says nothing more, and would be read back as static")];
const NO_STATE: &[(&str, &str)] =
    &[("ndmsg.state", "a deletion is by address; NUD_PERMANENT is what the list of a plain device asks for")];
const VERDICT: &[(&str, &str)] = &[(
    "nlmsg_flags",
    "each request of ours asks for a verdict (NLM_F_ACK), so that a lost answer is noticed",
)];

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";
/// Where the commands' requests are kept.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/fdb.hex");

// include/uapi/linux/neighbour.h
pub(crate) const FDB: Shape = Shape::new(
    "ndmsg",
    &[
        Field::new("family", 1),
        Field::new("pad", 3),
        Field::new("ifindex", 4),
        Field::new("state", 2),
        Field::new("flags", 1),
        Field::new("type", 1),
    ],
)
.kinds(&[(RTM_NEWNEIGH, "RTM_NEWNEIGH"), (RTM_DELNEIGH, "RTM_DELNEIGH"), (RTM_GETNEIGH, "RTM_GETNEIGH")])
.attrs(&[
    Attr::new(1, "NDA_DST"),
    Attr::new(2, "NDA_LLADDR"),
    Attr::new(5, "NDA_VLAN"),
    Attr::new(6, "NDA_PORT"),
    Attr::new(7, "NDA_VNI"),
    Attr::new(8, "NDA_IFINDEX"),
    Attr::new(9, "NDA_MASTER"),
    Attr::new(11, "NDA_SRC_VNI"),
    Attr::new(13, "NDA_NH_ID"),
    Attr::nest(
        14,
        "NDA_FDB_EXT_ATTRS",
        &[Attr::new(1, "NFEA_ACTIVITY_NOTIFY"), Attr::new(2, "NFEA_DONT_REFRESH")],
    ),
    Attr::new(15, "NDA_FLAGS_EXT"),
    Attr::new(16, "NDA_NDM_STATE_MASK"),
    Attr::new(17, "NDA_NDM_FLAGS_MASK"),
]);
