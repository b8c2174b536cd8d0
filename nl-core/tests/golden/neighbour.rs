use futures_util::TryStreamExt;
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_core::neighbour::{
    LinkAddr, Neighbour, NeighbourEntry, NeighbourFilter, NeighbourState, NeighbourVerb, Neighbours,
    RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH,
};
use nl_core::{IpFamily, Pending};
use nl_testkit::oracle::{Attr, Field, Shape};

use super::{Line, Table};

/// `line!("neigh add …", Add, "192.0.2.7", { .proxy() }, EXCEPT)`: the same calls on the codec's entry and on the handle's.
macro_rules! line {
    ($command:literal, $verb:ident, $dst:literal, { $($calls:tt)* }, $on_purpose:expr) => {
        Line {
            command: $command,
            codec: |indexes| {
                let neighbour = Neighbour::new($dst.parse().unwrap(), indexes["d0"]) $($calls)*;
                neighbour.request(NeighbourVerb::$verb).with_flags(NLM_F_ACK)
            },
            handle: |conn| {
                let entry: NeighbourEntry = Neighbours::new(conn).entry($dst.parse().unwrap(), "d0") $($calls)*;
                Pending::new(async move {
                    match NeighbourVerb::$verb {
                        NeighbourVerb::Add => entry.add().await.map(drop),
                        NeighbourVerb::Change => entry.change().await.map(drop),
                        NeighbourVerb::Delete => entry.delete().await.map(drop),
                        NeighbourVerb::Get => entry.get().await.map(drop),
                        _ => entry.replace().await.map(drop),
                    }
                })
            },
            on_purpose: $on_purpose,
        }
    };
}

fn mac(text: &str) -> LinkAddr {
    text.parse().unwrap()
}

pub(crate) fn table() -> Table {
    let list = Line {
        command: "-6 neigh show dev d0",
        codec: |indexes| {
            let mut filter = NeighbourFilter::default();
            (filter.index, filter.family) = (Some(indexes["d0"]), Some(IpFamily::V6));
            filter.list_request().with_flags(NLM_F_DUMP)
        },
        handle: |conn| {
            let entries = Neighbours::new(conn).entries().dev("d0").family(IpFamily::V6);
            Pending::new(async move { entries.list().await?.try_collect::<Vec<_>>().await.map(drop) })
        },
        on_purpose: &[],
    };
    let proxies = Line {
        command: "neigh show proxy dev d0",
        codec: |indexes| {
            let mut filter = NeighbourFilter::default();
            (filter.index, filter.proxy) = (Some(indexes["d0"]), true);
            filter.list_request().with_flags(NLM_F_DUMP)
        },
        handle: |conn| {
            let entries = Neighbours::new(conn).entries().dev("d0").proxy();
            Pending::new(async move { entries.list().await?.try_collect::<Vec<_>>().await.map(drop) })
        },
        on_purpose: &[],
    };
    let lines = vec![
        line!("neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 dev d0", Add, "192.0.2.7", {
            .lladdr(mac("02:00:00:00:00:01"))
        }, &[]),
        line!("neigh change 192.0.2.7 lladdr 02:00:00:00:00:02 dev d0 nud reachable protocol 5", Change, "192.0.2.7", {
            .lladdr(mac("02:00:00:00:00:02")).state(NeighbourState::REACHABLE).protocol(5)
        }, &[]),
        line!("neigh replace 192.0.2.8 lladdr 02:00:00:00:00:02 dev d0 nud stale extern_learn", Replace, "192.0.2.8", {
            .lladdr(mac("02:00:00:00:00:02")).state(NeighbourState::STALE).extern_learn()
        }, &[]),
        line!("neigh replace 192.0.2.9 dev d0 managed", Replace, "192.0.2.9", { .managed() }, &[]),
        line!("neigh replace 192.0.2.9 dev d0 use", Replace, "192.0.2.9", { .use_() }, &[]),
        line!("neigh add 192.0.2.10 dev d0 nud none", Add, "192.0.2.10", { .state(NeighbourState::empty()) }, &[]),
        line!("neigh add 2001:db8::7 lladdr 02:00:00:00:00:01 dev d0 router nud noarp", Add, "2001:db8::7", {
            .lladdr(mac("02:00:00:00:00:01")).router().state(NeighbourState::NOARP)
        }, &[]),
        line!("neigh add proxy 192.0.2.50 dev d0", Add, "192.0.2.50", { .proxy() }, &[]),
        line!("neigh add proxy 2001:db8::50 dev d0 router", Add, "2001:db8::50", { .proxy().router() }, &[]),
        line!("neigh get 192.0.2.7 dev d0", Get, "192.0.2.7", {}, VERDICT),
        line!("neigh del 192.0.2.7 dev d0", Delete, "192.0.2.7", {}, NO_STATE),
        line!("neigh del proxy 192.0.2.50 dev d0", Delete, "192.0.2.50", { .proxy() }, NO_STATE),
        list,
        proxies,
    ];
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/neighbour.hex");
    Table { shape: &SHAPE, file, kinds: &[RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH], lines }
}

const VERDICT: &[(&str, &str)] = &[(
    "nlmsg_flags",
    "each request of ours asks for a verdict (NLM_F_ACK), so that a lost answer is noticed",
)];
const NO_STATE: &[(&str, &str)] =
    &[("ndmsg.state", "a deletion is by address, whatever state the entry is in")];

// include/uapi/linux/neighbour.h
const SHAPE: Shape = Shape::new(
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
    Attr::new(8, "NDA_IFINDEX"),
    Attr::new(9, "NDA_MASTER"),
    Attr::new(12, "NDA_PROTOCOL"),
    Attr::new(15, "NDA_FLAGS_EXT"),
]);
