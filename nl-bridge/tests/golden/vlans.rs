//! The commands of `bridge vlan`, `bridge vni` and `bridge mst`, ours for each, and where the two differ on purpose: for the test
//! that asks iproute2, and for the one that reads what it once said from `vlans.hex`.

use std::collections::BTreeMap;
use std::time::Duration;

use nl_bridge::mst::{Mst, MstEntry, StpState};
use nl_bridge::tunnel::{TunnelEntry, TunnelVerb, Tunnels};
use nl_bridge::vlan_db::{McastRouter, VlanDb, VlanDbEntry, VlanDbFilter, VlanDbGlobal, VlanDbVerb};
use nl_bridge::vni::{VniEntry, VniFilter, VniVerb, Vnis};
use nl_bridge::{VlanRange, VniRange};
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_core::{Connection, Pending, Request};
use nl_testkit::oracle::{Attr, BytesOracle, Field, Mismatch, Shape};

/// Where the commands' requests are kept.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/vlans.hex");

/// The numbers of the interfaces in the commands.
pub(crate) type Indexes = BTreeMap<String, u32>;

/// A line of `bridge`, ours for it, and where they differ on purpose.
pub(crate) struct Line {
    pub(crate) command: &'static str,
    /// Ours from the codec.
    pub(crate) codec: fn(&Indexes) -> Request,
    /// Ours from the handle.
    pub(crate) handle: fn(Connection) -> Pending<()>,
    pub(crate) on_purpose: &'static [(&'static str, &'static str)],
}

impl Line {
    /// Ours as it is sent.
    pub(crate) fn request(&self, indexes: &Indexes) -> nl_core::Result<Vec<u8>> {
        let request = (self.codec)(indexes);
        let flags = if is_list(request.kind()) { NLM_F_DUMP } else { NLM_F_ACK };
        Ok(request.with_flags(flags).encoded()?.to_vec())
    }

    /// Compares ours with what iproute2 made of the command.
    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        let shape = match ours.get(4) {
            Some(17..=19) => &LINK,
            Some(114) => &VLAN_LIST,
            Some(112..=113) => &VLAN,
            _ => &TUNNEL,
        };
        BytesOracle::new(shape).except(self.on_purpose).compare(ours, theirs)
    }
}

fn is_list(kind: u16) -> bool {
    matches!(kind, 18 | 114 | 122)
}

/// Requests of these types are compared.
pub(crate) fn is_ours(kind: u16, payload: &[u8]) -> bool {
    matches!(kind, 17 | 19 | 112..=114 | 120..=122) || (kind == 18 && is_bridge_dump(payload))
}

/// The list of the bridge family, and not the questions for a name before it.
fn is_bridge_dump(payload: &[u8]) -> bool {
    payload.first() == Some(&7)
}

fn vlans(text: &str) -> VlanRange {
    text.parse().unwrap()
}

fn vnis(text: &str) -> VniRange {
    text.parse().unwrap()
}

fn done<T: Send + 'static>(pending: Pending<T>) -> Pending<()> {
    Pending::new(async move { pending.await.map(drop) })
}

/// `set!("p1", "10", .state(…))`: the same calls on the codec's entry and on the handle's.
macro_rules! set {
    ($command:literal, $dev:literal, $vlans:literal, $($calls:tt)*) => {
        Line {
            command: $command,
            codec: |at| VlanDbEntry::new(at[$dev], vlans($vlans)) $($calls)* .request(VlanDbVerb::Set),
            handle: |conn| done(VlanDb::new(conn).entry($dev, vlans($vlans)) $($calls)* .set()),
            on_purpose: &[],
        }
    };
}

macro_rules! global {
    ($command:literal, $vlans:literal, $($calls:tt)*) => {
        Line {
            command: $command,
            codec: |at| VlanDbGlobal::new(at["br0"], vlans($vlans)) $($calls)* .request(),
            handle: |conn| done(VlanDb::new(conn).global("br0", vlans($vlans)) $($calls)* .set()),
            on_purpose: &[],
        }
    };
}

macro_rules! tunnel {
    ($verb:ident $method:ident, $command:literal, $vlans:literal, $vnis:literal) => {
        Line {
            command: $command,
            codec: |at| TunnelEntry::new(at["vx0"], vlans($vlans), vnis($vnis)).request(TunnelVerb::$verb),
            handle: |conn| done(Tunnels::new(conn).entry("vx0", vlans($vlans), vnis($vnis)).$method()),
            on_purpose: &[],
        }
    };
}

macro_rules! vni {
    ($verb:ident $method:ident, $command:literal, $vnis:literal, $($calls:tt)*) => {
        Line {
            command: $command,
            codec: |at| VniEntry::new(at["vf0"], vnis($vnis)) $($calls)* .request(VniVerb::$verb),
            handle: |conn| done(Vnis::new(conn).entry("vf0", vnis($vnis)) $($calls)* .$method()),
            on_purpose: &[],
        }
    };
}

macro_rules! mst {
    ($command:literal, $msti:literal, $state:ident) => {
        Line {
            command: $command,
            codec: |at| MstEntry::new(at["p1"], $msti).state(StpState::$state).request(),
            handle: |conn| done(Mst::new(conn).entry("p1", $msti).state(StpState::$state).set()),
            on_purpose: &[],
        }
    };
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn lines() -> Vec<Line> {
    vec![
        set!("vlan set vid 10 dev p1 state disabled", "p1", "10", .state(StpState::Disabled)),
        set!("vlan set vid 10 dev p1 state listening", "p1", "10", .state(StpState::Listening)),
        set!("vlan set vid 10-12 dev p1 state learning", "p1", "10-12", .state(StpState::Learning)),
        set!("vlan set vid 10 dev p1 state forwarding", "p1", "10", .state(StpState::Forwarding)),
        set!("vlan set vid 12 dev p1 state blocking", "p1", "12", .state(StpState::Blocking)),
        set!("vlan set vid 10 dev p1 mcast_router 2", "p1", "10", .mcast_router(McastRouter::Permanent)),
        set!("vlan set vid 10 dev p1 mcast_max_groups 7", "p1", "10", .mcast_max_groups(7)),
        set!("vlan set vid 10-11 dev p1 neigh_suppress on", "p1", "10-11", .neigh_suppress(true)),
        set!("vlan set vid 10 dev p1 neigh_suppress off", "p1", "10", .neigh_suppress(false)),
        set!(
            "vlan set vid 10 dev p1 state forwarding mcast_router 1 mcast_max_groups 0 neigh_suppress on",
            "p1", "10",
            .state(StpState::Forwarding).mcast_router(McastRouter::Learn).mcast_max_groups(0).neigh_suppress(true)
        ),
        global!("vlan global set vid 10 dev br0 mcast_snooping 0", "10", .mcast_snooping(false)),
        global!("vlan global set vid 10-12 dev br0 mcast_querier 1", "10-12", .mcast_querier(true)),
        global!("vlan global set vid 10 dev br0 mcast_igmp_version 3", "10", .mcast_igmp_version(3)),
        global!("vlan global set vid 10 dev br0 mcast_mld_version 2", "10", .mcast_mld_version(2)),
        global!("vlan global set vid 10 dev br0 mcast_last_member_count 9", "10", .mcast_last_member_count(9)),
        global!("vlan global set vid 10 dev br0 mcast_startup_query_count 9", "10", .mcast_startup_query_count(9)),
        global!(
            "vlan global set vid 10 dev br0 mcast_last_member_interval 204", "10",
            .mcast_last_member_interval(Duration::from_millis(2040))
        ),
        global!(
            "vlan global set vid 10 dev br0 mcast_membership_interval 30000", "10",
            .mcast_membership_interval(Duration::from_secs(300))
        ),
        global!(
            "vlan global set vid 10 dev br0 mcast_querier_interval 30000", "10",
            .mcast_querier_interval(Duration::from_secs(300))
        ),
        global!(
            "vlan global set vid 10 dev br0 mcast_query_interval 100", "10",
            .mcast_query_interval(Duration::from_secs(1))
        ),
        global!(
            "vlan global set vid 10 dev br0 mcast_query_response_interval 500", "10",
            .mcast_query_response_interval(Duration::from_secs(5))
        ),
        global!(
            "vlan global set vid 10 dev br0 mcast_startup_query_interval 2000", "10",
            .mcast_startup_query_interval(Duration::from_secs(20))
        ),
        global!("vlan global set vid 10 dev br0 msti 4094", "10", .msti(4094)),
        tunnel!(Add add, "vlan add dev vx0 vid 10 tunnel_info id 10010", "10", "10010"),
        tunnel!(Add add, "vlan add dev vx0 vid 20-29 tunnel_info id 10020-10029", "20-29", "10020-10029"),
        tunnel!(Delete delete, "vlan del dev vx0 vid 10 tunnel_info id 10010", "10", "10010"),
        tunnel!(Delete delete, "vlan del dev vx0 vid 20-29 tunnel_info id 10020-10029", "20-29", "10020-10029"),
        vni!(Replace replace, "vni add vni 100 dev vf0", "100",),
        vni!(Replace replace, "vni add vni 200-205 dev vf0", "200-205",),
        vni!(Replace replace, "vni add vni 300 remote 192.0.2.9 dev vf0", "300", .group("192.0.2.9".parse().unwrap())),
        vni!(
            Replace replace, "vni add vni 301 remote 2001:db8::9 dev vf0", "301",
            .group("2001:db8::9".parse().unwrap())
        ),
        vni!(Replace replace, "vni add vni 302 group 239.0.0.1 dev vf0", "302", .group("239.0.0.1".parse().unwrap())),
        vni!(Delete delete, "vni del vni 100 dev vf0", "100",),
        vni!(Delete delete, "vni del vni 200-205 dev vf0", "200-205",),
        mst!("mst set dev p1 msti 2 state blocking", 2, Blocking),
        mst!("mst set dev p1 msti 4095 state learning", 4095, Learning),
        Line {
            command: "vni show dev vf0",
            codec: |at| {
                let mut filter = VniFilter::default();
                filter.index = Some(at["vf0"]);
                filter.list_request()
            },
            handle: |conn| list(Vnis::new(conn).entries().dev("vf0").list()),
            on_purpose: &[],
        },
        Line {
            command: "-s vni show dev vf0",
            codec: |at| {
                let mut filter = VniFilter::default();
                (filter.index, filter.stats) = (Some(at["vf0"]), true);
                filter.list_request()
            },
            handle: |conn| list(Vnis::new(conn).entries().dev("vf0").stats().list()),
            on_purpose: &[],
        },
        Line {
            command: "vlan global show",
            codec: |_| VlanDbFilter::default().global_list_request(),
            handle: |conn| list(VlanDb::new(conn).globals().list()),
            on_purpose: &[],
        },
        Line {
            command: "-s -d vlan show",
            codec: |_| VlanDbFilter::default().list_request(),
            handle: |conn| list(VlanDb::new(conn).entries().list()),
            on_purpose: &[],
        },
        Line {
            command: "mst show",
            codec: |_| nl_bridge::mst::list_request(),
            handle: |conn| list(Mst::new(conn).entries().list()),
            on_purpose: &[],
        },
    ]
}

fn list<T: Send + 'static>(list: Pending<nl_core::dump::Dump<T>>) -> Pending<()> {
    Pending::new(async move { list.await?.collect_all().await.map(drop) })
}

// include/uapi/linux/if_bridge.h, include/uapi/linux/if_link.h

const LINK: Shape = Shape::new(
    "ifinfomsg",
    &[
        Field::new("family", 1),
        Field::new("pad", 1),
        Field::new("type", 2),
        Field::new("index", 4),
        Field::new("flags", 4),
        Field::new("change", 4),
    ],
)
.attrs(&[
    Attr::nest(
        26,
        "IFLA_AF_SPEC",
        &[
            Attr::new(2, "IFLA_BRIDGE_VLAN_INFO"),
            Attr::nest(
                3,
                "IFLA_BRIDGE_VLAN_TUNNEL_INFO",
                &[Attr::new(1, "ID"), Attr::new(2, "VID"), Attr::new(3, "FLAGS")],
            ),
            Attr::nest(
                6,
                "IFLA_BRIDGE_MST",
                &[Attr::nest(1, "ENTRY", &[Attr::new(1, "MSTI"), Attr::new(2, "STATE")])],
            ),
        ],
    ),
    Attr::new(29, "IFLA_EXT_MASK"),
]);

const VLAN: Shape = Shape::new(
    "br_vlan_msg",
    &[
        Field::new("family", 1),
        Field::new("reserved1", 1),
        Field::new("reserved2", 2),
        Field::new("ifindex", 4),
    ],
)
.attrs(&[
    Attr::nest(
        1,
        "BRIDGE_VLANDB_ENTRY",
        &[
            Attr::new(1, "INFO"),
            Attr::new(2, "RANGE"),
            Attr::new(3, "STATE"),
            Attr::new(6, "MCAST_ROUTER"),
            Attr::new(8, "MCAST_MAX_GROUPS"),
            Attr::new(9, "NEIGH_SUPPRESS"),
        ],
    ),
    Attr::nest(
        2,
        "BRIDGE_VLANDB_GLOBAL_OPTIONS",
        &[Attr::new(1, "ID"), Attr::new(2, "RANGE"), Attr::new(18, "MSTI")],
    ),
]);

const VLAN_LIST: Shape = Shape::new(
    "br_vlan_msg",
    &[
        Field::new("family", 1),
        Field::new("reserved1", 1),
        Field::new("reserved2", 2),
        Field::new("ifindex", 4),
    ],
)
.attrs(&[Attr::new(1, "BRIDGE_VLANDB_DUMP_FLAGS")]);

const TUNNEL: Shape = Shape::new(
    "tunnel_msg",
    &[Field::new("family", 1), Field::new("flags", 1), Field::new("reserved2", 2), Field::new("ifindex", 4)],
)
.attrs(&[Attr::nest(
    1,
    "VXLAN_VNIFILTER_ENTRY",
    &[Attr::new(1, "START"), Attr::new(2, "END"), Attr::new(3, "GROUP"), Attr::new(4, "GROUP6")],
)]);
