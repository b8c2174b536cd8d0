// What is sent for each command of `ip mptcp`: the table that the kernel test compares with iproute2, and the codec test with
// what iproute2 sent then. Written with `NL_TESTKIT_BLESS=1`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use nl_core::Request;
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_mptcp::FAMILY;
use nl_mptcp::endpoint::{Endpoint, EndpointFlags, EndpointVerb};
use nl_mptcp::limits::Limits;
use nl_testkit::oracle::{Attr, BytesOracle, Field, Mismatch, Shape};

pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pm.hex");

/// The number of the family, under its name, and of the interface `eth0`.
pub(crate) type Numbers = BTreeMap<String, u32>;

/// A line of `ip mptcp`, the codec's request for it, and where they differ on purpose.
pub(crate) struct Line {
    pub(crate) command: &'static str,
    codec: fn(u16, u32) -> Request,
    is_list: bool,
    on_purpose: &'static [(&'static str, &'static str)],
}

impl Line {
    /// The codec's request, as it is sent.
    pub(crate) fn request(&self, numbers: &Numbers) -> nl_core::Result<Vec<u8>> {
        let family = u16::try_from(numbers[FAMILY]).unwrap();
        let request = (self.codec)(family, numbers["eth0"]);
        let flags = if self.is_list { NLM_F_DUMP } else { NLM_F_ACK };
        Ok(request.with_flags(flags).encoded()?.to_vec())
    }

    pub(crate) fn compare(&self, ours: &[u8], theirs: &[u8]) -> Result<(), Mismatch> {
        BytesOracle::new(&PATH_MANAGER).except(self.on_purpose).compare(ours, theirs)
    }
}

pub(crate) fn lines() -> Vec<Line> {
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

pub(crate) const V4: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(crate) const V4_THERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 7);

pub(crate) fn v6() -> IpAddr {
    "2001:db8::1".parse().unwrap()
}

fn v4() -> Endpoint {
    Endpoint::new(V4.into())
}

fn there() -> Endpoint {
    Endpoint::new(V4_THERE.into())
}

const VERDICT: &[(&str, &str)] = &[(
    "nlmsg_flags",
    "each request of ours asks for a verdict (NLM_F_ACK), so that a lost answer is noticed",
)];

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
