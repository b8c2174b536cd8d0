//! Commands of `ip`, ours for each, and where the two differ on purpose: for the tests that ask iproute2, and for the one that reads
//! what it once said from `seg6.hex`.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use nl_core::nexthop::{Nexthop, NexthopVerb};
use nl_core::route::{RTM_NEWROUTE, Route, RouteVerb};
use nl_core::{Dev, Request};
use nl_srv6::encap::Seg6;
use nl_srv6::sid::{DecapTable, Flavors, Seg6Local, SidAction};
use nl_srv6::srh::Srh;
use nl_testkit::oracle::{Attr, BytesOracle, Field, Mismatch, Shape};

/// The numbers of the interfaces in the commands.
pub(crate) type Indexes = BTreeMap<String, u32>;

pub(crate) const RTM_NEWNEXTHOP: u16 = 104;
/// Where the commands' requests are kept.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/seg6.hex");

/// A line of `ip` and ours for it.
pub(crate) struct Line {
    pub(crate) command: String,
    pub(crate) ours: Ours,
}

pub(crate) enum Ours {
    Seg6(&'static str, Seg6),
    Sid(&'static str, Seg6Local),
    Nexthop(u32, Seg6),
}

pub(crate) fn addr(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// `fcbb:0:1::`, `fcbb:0:2::` and so on.
pub(crate) fn segments(count: u16) -> Vec<Ipv6Addr> {
    (1..=count).map(|number| Ipv6Addr::new(0xfcbb, 0, number, 0, 0, 0, 0, 0)).collect()
}

impl Ours {
    /// Ours as it is sent, on the device `d0`.
    pub(crate) fn request(&self, indexes: &Indexes) -> Request {
        let route = |prefix: &str| Route::new(prefix.parse().unwrap()).oif(indexes["d0"]);
        match self {
            Self::Seg6(prefix, seg6) => route(prefix).with_encap(seg6).request(RouteVerb::Add),
            Self::Sid(prefix, local) => {
                let mut local = local.clone();
                if let SidAction::EndDx2 { oif } = &mut local.action {
                    *oif = Dev::Index(indexes["d1"]);
                }
                route(prefix).with_encap(&local).request(RouteVerb::Add)
            }
            Self::Nexthop(id, seg6) => {
                Nexthop::new(*id).ipv6().oif(indexes["d0"]).with_encap(seg6).request(NexthopVerb::Add)
            }
        }
    }
}

impl Line {
    /// Compares ours with what iproute2 made of the command.
    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        let shape = if matches!(self.ours, Ours::Nexthop(..)) { &NEXTHOP } else { &ROUTE };
        let oracle = || BytesOracle::new(shape);
        // What stood on its stack before, so it is not there always.
        let padded = oracle().except(&[("RTA_ENCAP_TYPE.padding", "iproute2 leaves it as it was")]);
        oracle().compare(ours, theirs).or_else(|mismatch| padded.compare(ours, theirs).map_err(|_| mismatch))
    }
}

/// Every mode and every action that iproute2 6.1 has words for.
pub(crate) fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    let mut seg6 = |prefix: &'static str, ours: Seg6, words: &str| {
        let family = if prefix.contains(':') { "-6 " } else { "" };
        let command = format!("{family}route add {prefix} encap {words} dev d0");
        lines.push(Line { command, ours: Ours::Seg6(prefix, ours) });
    };
    const TO: &str = "2001:db8:2::/48";
    seg6(TO, Seg6::inline(segments(1)), "seg6 mode inline segs fcbb:0:1::");
    seg6(TO, Seg6::inline(segments(2)), "seg6 mode inline segs fcbb:0:1::,fcbb:0:2::");
    seg6(TO, Seg6::encap(segments(1)), "seg6 mode encap segs fcbb:0:1::");
    seg6(TO, Seg6::encap(segments(3)), "seg6 mode encap segs fcbb:0:1::,fcbb:0:2::,fcbb:0:3::");
    seg6(TO, Seg6::encap_red(segments(2)), "seg6 mode encap.red segs fcbb:0:1::,fcbb:0:2::");
    seg6(TO, Seg6::l2encap(segments(1)), "seg6 mode l2encap segs fcbb:0:1::");
    seg6(TO, Seg6::l2encap_red(segments(2)), "seg6 mode l2encap.red segs fcbb:0:1::,fcbb:0:2::");
    seg6(TO, Seg6::encap(segments(2)).hmac(42), "seg6 mode encap segs fcbb:0:1::,fcbb:0:2:: hmac 42");
    seg6(TO, Seg6::inline(segments(2)).hmac(42), "seg6 mode inline segs fcbb:0:1::,fcbb:0:2:: hmac 42");
    seg6("198.51.100.0/24", Seg6::encap(segments(1)), "seg6 mode encap segs fcbb:0:1::");

    // Not here: flavours, whose padding iproute2 does not set to zero.
    for (ours, words) in actions().into_iter().filter(|(ours, _)| ours.flavors.is_none()) {
        let command = format!("-6 route add fcbb:0:a::/48 encap seg6local action {words} dev d0");
        lines.push(Line { command, ours: Ours::Sid("fcbb:0:a::/48", ours) });
    }
    let command = "-6 nexthop add id 7 encap seg6 mode encap segs fcbb:0:1::,fcbb:0:2:: dev d0".to_owned();
    lines.push(Line { command, ours: Ours::Nexthop(7, Seg6::encap(segments(2))) });
    lines
}

/// Every action with the words behind `action`.
pub(crate) fn actions() -> Vec<(Seg6Local, &'static str)> {
    let local = Seg6Local::new;
    let srh = || Srh::new(segments(2));
    vec![
        (local(SidAction::End), "End"),
        (local(SidAction::End).counters(), "End count"),
        (local(SidAction::EndX { nh6: addr("2001:db8::9") }), "End.X nh6 2001:db8::9"),
        (local(SidAction::EndT { table: 300 }), "End.T table 300"),
        (local(SidAction::EndDx2 { oif: "d1".into() }), "End.DX2 oif d1"),
        (local(SidAction::EndDx6 { nh6: addr("2001:db8::9") }), "End.DX6 nh6 2001:db8::9"),
        (local(SidAction::EndDx4 { nh4: [192, 0, 2, 9].into() }), "End.DX4 nh4 192.0.2.9"),
        (local(SidAction::EndDt6 { table: DecapTable::Table(300) }), "End.DT6 table 300"),
        (local(SidAction::EndDt6 { table: DecapTable::Vrf(100) }), "End.DT6 vrftable 100"),
        (local(SidAction::EndDt4 { vrf_table: 100 }), "End.DT4 vrftable 100"),
        (local(SidAction::EndDt46 { vrf_table: 100 }).counters(), "End.DT46 vrftable 100 count"),
        (local(SidAction::EndB6 { srh: srh() }), "End.B6 srh segs fcbb:0:1::,fcbb:0:2::"),
        (local(SidAction::EndB6Encaps { srh: srh() }), "End.B6.Encaps srh segs fcbb:0:1::,fcbb:0:2::"),
        (
            local(SidAction::EndB6Encaps { srh: srh().hmac(42) }),
            "End.B6.Encaps srh segs fcbb:0:1::,fcbb:0:2:: hmac 42",
        ),
        (
            local(SidAction::End).flavors(Flavors::next_csid(32, 16)),
            "End flavors next-csid lblen 32 nflen 16",
        ),
    ]
}

// include/uapi/linux/rtnetlink.h
const ROUTE: Shape = Shape::new(
    "rtmsg",
    &[
        Field::new("family", 1),
        Field::new("dst_len", 1),
        Field::new("src_len", 1),
        Field::new("tos", 1),
        Field::new("table", 1),
        Field::new("protocol", 1),
        Field::new("scope", 1),
        Field::new("type", 1),
        Field::new("flags", 4),
    ],
)
.kinds(&[(RTM_NEWROUTE, "RTM_NEWROUTE")])
.attrs(&[
    Attr::new(1, "RTA_DST"),
    Attr::new(4, "RTA_OIF"),
    Attr::new(21, "RTA_ENCAP_TYPE"),
    Attr::nest(22, "RTA_ENCAP", &[]),
]);

// include/uapi/linux/nexthop.h
const NEXTHOP: Shape = Shape::new(
    "nhmsg",
    &[
        Field::new("family", 1),
        Field::new("scope", 1),
        Field::new("protocol", 1),
        Field::new("resvd", 1),
        Field::new("flags", 4),
    ],
)
.kinds(&[(RTM_NEWNEXTHOP, "RTM_NEWNEXTHOP")])
.attrs(&[
    Attr::new(1, "NHA_ID"),
    Attr::new(5, "NHA_OIF"),
    Attr::new(7, "NHA_ENCAP_TYPE"),
    Attr::nest(8, "NHA_ENCAP", &[]),
]);
