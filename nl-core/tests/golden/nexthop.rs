//! Commands of `ip nexthop`, ours for each, and where the two differ on purpose: for the test that asks iproute2, and for the one
//! that reads what it once said from `nexthop.hex`.

use std::collections::BTreeMap;
use std::time::Duration;

use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_core::nexthop::{
    BucketFilter, Nexthop, NexthopBuckets, NexthopEntries, NexthopEntry, NexthopFilter, NexthopVerb,
    Nexthops, RTM_DELNEXTHOP, RTM_GETNEXTHOP, RTM_GETNEXTHOPBUCKET, RTM_NEWNEXTHOP,
};
use nl_core::route::RouteProtocol;
use nl_testkit::oracle::{Attr, BytesOracle, Field, Mismatch, Shape};

/// A line of `ip`, ours for it, and where they differ on purpose.
pub(crate) struct Line {
    pub(crate) command: &'static str,
    pub(crate) ours: Ours,
    on_purpose: &'static [(&'static str, &'static str)],
}

/// The numbers of the interfaces in the commands.
pub(crate) type Indexes = BTreeMap<String, u32>;

pub(crate) enum Ours {
    Entry {
        verb: NexthopVerb,
        id: u32,
        dev: Option<&'static str>,
        codec: fn(Nexthop) -> Nexthop,
        handle: fn(NexthopEntry) -> NexthopEntry,
    },
    Get(u32),
    Show {
        codec: fn(&mut NexthopFilter, &Indexes),
        handle: fn(NexthopEntries) -> NexthopEntries,
    },
    Buckets {
        codec: fn(&mut BucketFilter, &Indexes),
        handle: fn(NexthopBuckets) -> NexthopBuckets,
    },
}

impl Ours {
    /// Ours as it is sent.
    pub(crate) fn request(&self, indexes: &Indexes) -> nl_core::Result<Vec<u8>> {
        let mut request = match self {
            Self::Entry { verb, id, dev, codec, .. } => {
                let mut hop = Nexthop::new(*id);
                hop.oif = dev.map(|dev| indexes[dev]);
                codec(hop).request(*verb).with_flags(NLM_F_ACK)
            }
            Self::Get(id) => Nexthop::get_request(*id, false, false).with_flags(NLM_F_ACK),
            Self::Show { codec, .. } => {
                let mut filter = NexthopFilter::default();
                codec(&mut filter, indexes);
                filter.list_request().with_flags(NLM_F_DUMP)
            }
            Self::Buckets { codec, .. } => {
                let mut filter = BucketFilter::default();
                codec(&mut filter, indexes);
                filter.list_request().with_flags(NLM_F_DUMP)
            }
        };
        Ok(request.encoded()?.to_vec())
    }

    pub(crate) async fn send(&self, nexthops: &Nexthops) -> nl_core::Result<()> {
        match self {
            Self::Entry { verb, id, dev, handle, .. } => {
                let mut entry = nexthops.entry(*id);
                if let Some(dev) = dev {
                    entry = entry.dev(*dev);
                }
                let entry = handle(entry);
                match verb {
                    NexthopVerb::Add => entry.add(),
                    NexthopVerb::Delete => entry.delete(),
                    _ => entry.replace(),
                }
                .await
                .map(drop)
            }
            Self::Get(id) => nexthops.entry(*id).get().await.map(drop),
            Self::Show { handle, .. } => {
                handle(nexthops.entries()).list().await?.collect_all().await.map(drop)
            }
            Self::Buckets { handle, .. } => {
                handle(nexthops.buckets()).list().await?.collect_all().await.map(drop)
            }
        }
    }
}

impl Line {
    /// Compares ours with what iproute2 made of the command.
    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        let oracle = || BytesOracle::new(&NEXTHOP).except(self.on_purpose);
        // Later releases of iproute2 ask for no statistics with `NHA_OP_FLAGS` (14) of 0, which means the same.
        let without = oracle().except(&[("attribute 14", "an older iproute2 leaves it out too")]);
        oracle().compare(ours, theirs).or_else(|mismatch| without.compare(ours, theirs).map_err(|_| mismatch))
    }
}

/// `entry!(Add, 1, Some("d0"), .onlink())`: the same calls on the codec's nexthop and on the handle's.
macro_rules! entry {
    ($verb:ident, $id:literal, $dev:expr, $($calls:tt)*) => {
        Ours::Entry {
            verb: NexthopVerb::$verb,
            id: $id,
            dev: $dev,
            codec: |hop| hop $($calls)*,
            handle: |hop| hop $($calls)*,
        }
    };
}

macro_rules! ip {
    ($addr:literal) => {
        $addr.parse().unwrap()
    };
}

pub(crate) fn lines() -> Vec<Line> {
    let line = |command, ours| Line { command, ours, on_purpose: &[] };
    vec![
        line("nexthop add id 1 via 192.0.2.1 dev d0", entry!(Add, 1, Some("d0"), .via(ip!("192.0.2.1")))),
        line(
            "nexthop replace id 2 via 203.0.113.1 dev d1 onlink proto bgp",
            entry!(Replace, 2, Some("d1"), .via(ip!("203.0.113.1")).onlink().protocol(RouteProtocol::BGP)),
        ),
        line("nexthop add id 3 dev d0", entry!(Add, 3, Some("d0"),)),
        line("-6 nexthop add id 4 dev d0", entry!(Add, 4, Some("d0"), .ipv6())),
        line("nexthop add id 5 via 2001:db8::1 dev d0", entry!(Add, 5, Some("d0"), .via(ip!("2001:db8::1")))),
        line("nexthop add id 6 blackhole", entry!(Add, 6, None, .blackhole())),
        line("-6 nexthop add id 7 blackhole", entry!(Add, 7, None, .ipv6().blackhole())),
        line("nexthop add id 8 via 203.0.113.9 fdb", entry!(Add, 8, None, .via(ip!("203.0.113.9")).fdb())),
        line("nexthop add id 10 group 1/2", entry!(Add, 10, None, .group([1, 2]))),
        line("nexthop replace id 10 group 1,3/2,256", entry!(Replace, 10, None, .group([(1, 3), (2, 256)]))),
        line("nexthop add id 11 group 8 fdb", entry!(Add, 11, None, .group([8]).fdb())),
        line(
            "nexthop add id 12 group 1/2 type resilient buckets 32 idle_timer 10 unbalanced_timer 20",
            entry!(Add, 12, None, .group([1, 2]).resilient(32).idle_timer(Duration::from_secs(10))
                .unbalanced_timer(Duration::from_secs(20))),
        ),
        line("nexthop del id 10", entry!(Delete, 10, None,)),
        Line {
            command: "nexthop get id 1",
            ours: Ours::Get(1),
            on_purpose: &[(
                "nlmsg_flags",
                "each request of ours asks for a verdict (NLM_F_ACK), so that a lost answer is noticed",
            )],
        },
        line("nexthop show", Ours::Show { codec: |_, _| (), handle: |list| list }),
        line(
            "nexthop show dev d0",
            Ours::Show {
                codec: |filter, indexes| filter.oif = Some(indexes["d0"]),
                handle: |list| list.dev("d0"),
            },
        ),
        line(
            "nexthop show groups",
            Ours::Show { codec: |filter, _| filter.groups = true, handle: NexthopEntries::groups },
        ),
        line(
            "nexthop show fdb",
            Ours::Show { codec: |filter, _| filter.fdb = true, handle: NexthopEntries::fdb },
        ),
        line(
            "nexthop show master br0",
            Ours::Show {
                codec: |filter, indexes| filter.master = Some(indexes["br0"]),
                handle: |list| list.master("br0"),
            },
        ),
        line(
            "nexthop bucket show id 12",
            Ours::Buckets { codec: |filter, _| filter.group = Some(12), handle: |list| list.group(12) },
        ),
        line(
            "nexthop bucket show dev d0",
            Ours::Buckets {
                codec: |filter, indexes| filter.oif = Some(indexes["d0"]),
                handle: |list| list.dev("d0"),
            },
        ),
        line(
            "nexthop bucket show nhid 1",
            Ours::Buckets { codec: |filter, _| filter.nexthop = Some(1), handle: |list| list.member(1) },
        ),
    ]
}

/// Where the commands' requests are kept.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/nexthop.hex");

// include/uapi/linux/nexthop.h
pub(crate) const NEXTHOP: Shape = Shape::new(
    "nhmsg",
    &[
        Field::new("family", 1),
        Field::new("scope", 1),
        Field::new("protocol", 1),
        Field::new("resvd", 1),
        Field::new("flags", 4),
    ],
)
.kinds(&[
    (RTM_NEWNEXTHOP, "RTM_NEWNEXTHOP"),
    (RTM_DELNEXTHOP, "RTM_DELNEXTHOP"),
    (RTM_GETNEXTHOP, "RTM_GETNEXTHOP"),
    (RTM_GETNEXTHOPBUCKET, "RTM_GETNEXTHOPBUCKET"),
])
.attrs(&[
    Attr::new(1, "NHA_ID"),
    Attr::new(2, "NHA_GROUP"),
    Attr::new(3, "NHA_GROUP_TYPE"),
    Attr::new(4, "NHA_BLACKHOLE"),
    Attr::new(5, "NHA_OIF"),
    Attr::new(6, "NHA_GATEWAY"),
    Attr::new(7, "NHA_ENCAP_TYPE"),
    Attr::nest(8, "NHA_ENCAP", &[]),
    Attr::new(9, "NHA_GROUPS"),
    Attr::new(10, "NHA_MASTER"),
    Attr::new(11, "NHA_FDB"),
    Attr::nest(
        12,
        "NHA_RES_GROUP",
        &[
            Attr::new(1, "NHA_RES_GROUP_BUCKETS"),
            Attr::new(2, "NHA_RES_GROUP_IDLE_TIMER"),
            Attr::new(3, "NHA_RES_GROUP_UNBALANCED_TIMER"),
        ],
    ),
    Attr::nest(13, "NHA_RES_BUCKET", &[Attr::new(3, "NHA_RES_BUCKET_NH_ID")]),
]);
