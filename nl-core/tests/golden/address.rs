use futures_util::TryStreamExt;
use nl_core::address::{
    Address, AddressEntry, AddressFilter, AddressScope, AddressVerb, Addresses, Lifetime, RTM_DELADDR,
    RTM_GETADDR, RTM_NEWADDR,
};
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP};
use nl_core::{IpFamily, Pending};
use nl_testkit::oracle::{Attr, Field, Shape};

use super::{Line, Table};

/// `line!("addr add …", Add, "192.0.2.1/24", "d0", .label("d0:1"))`: the same calls on the codec's address and on the handle's.
macro_rules! line {
    ($command:literal, $verb:ident, $prefix:literal, $dev:literal $(, $($calls:tt)*)?) => {
        Line {
            command: $command,
            codec: |indexes| {
                let address = Address::new($prefix.parse().unwrap(), indexes[$dev]) $($($calls)*)?;
                address.request(AddressVerb::$verb).with_flags(NLM_F_ACK)
            },
            handle: |conn| {
                let entry: AddressEntry =
                    Addresses::new(conn).entry($prefix.parse().unwrap(), $dev) $($($calls)*)?;
                Pending::new(async move {
                    match AddressVerb::$verb {
                        AddressVerb::Add => entry.add().await.map(drop),
                        AddressVerb::Delete => entry.delete().await.map(drop),
                        _ => entry.replace().await.map(drop),
                    }
                })
            },
            on_purpose: &[],
        }
    };
}

pub(crate) fn table() -> Table {
    let list = Line {
        command: "-4 addr show dev d0",
        codec: |indexes| {
            let mut filter = AddressFilter::default();
            (filter.index, filter.family) = (Some(indexes["d0"]), Some(IpFamily::V4));
            filter.list_request().with_flags(NLM_F_DUMP)
        },
        handle: |conn| {
            let entries = Addresses::new(conn).entries().dev("d0").family(IpFamily::V4);
            Pending::new(async move { entries.list().await?.try_collect::<Vec<_>>().await.map(drop) })
        },
        on_purpose: &[],
    };
    let lines = vec![
        line!("addr add 192.0.2.1/24 dev d0", Add, "192.0.2.1/24", "d0"),
        line!("addr add 192.0.2.9 dev d0", Add, "192.0.2.9", "d0"),
        line!("addr add 127.0.0.9/8 dev lo", Add, "127.0.0.9/8", "lo"),
        line!(
            "addr add 192.0.2.2/24 dev d0 broadcast + label d0:1",
            Add,
            "192.0.2.2/24",
            "d0",
            .default_broadcast().label("d0:1")
        ),
        line!(
            "addr add 192.0.2.2/25 dev d0 broadcast 192.0.2.77 scope link metric 77",
            Add,
            "192.0.2.2/25",
            "d0",
            .broadcast("192.0.2.77".parse().unwrap()).scope(AddressScope::Link).metric(77)
        ),
        line!(
            "addr add 192.0.2.3 peer 198.51.100.3/31 dev d0",
            Add,
            "192.0.2.3",
            "d0",
            .peer("198.51.100.3/31".parse().unwrap())
        ),
        line!(
            "addr replace 192.0.2.1/24 dev d0 valid_lft 100 preferred_lft 50 noprefixroute",
            Replace,
            "192.0.2.1/24",
            "d0",
            .valid_lft(std::time::Duration::from_secs(100))
                .preferred_lft(std::time::Duration::from_secs(50))
                .noprefixroute()
        ),
        line!(
            "addr replace 192.0.2.1/24 dev d0 valid_lft forever preferred_lft 0",
            Replace,
            "192.0.2.1/24",
            "d0",
            .valid_lft(Lifetime::Forever).preferred_lft(std::time::Duration::ZERO)
        ),
        line!("addr add 239.1.1.1/32 dev d0 autojoin", Add, "239.1.1.1/32", "d0", .autojoin()),
        line!("addr add 2001:db8::1/64 dev d0 nodad home", Add, "2001:db8::1/64", "d0", .nodad().home()),
        line!(
            "addr add 2001:db8:1::1/64 dev d0 mngtmpaddr optimistic noprefixroute",
            Add,
            "2001:db8:1::1/64",
            "d0",
            .mngtmpaddr().optimistic().noprefixroute()
        ),
        line!(
            "addr add 2001:db8:2::1 peer 2001:db8:2::2/128 dev d0",
            Add,
            "2001:db8:2::1",
            "d0",
            .peer("2001:db8:2::2/128".parse().unwrap())
        ),
        line!("addr del 192.0.2.1/24 dev d0", Delete, "192.0.2.1/24", "d0"),
        line!("addr del 192.0.2.2/24 dev d0 label d0:1", Delete, "192.0.2.2/24", "d0", .label("d0:1")),
        line!(
            "addr del 192.0.2.3 peer 198.51.100.3/31 dev d0",
            Delete,
            "192.0.2.3",
            "d0",
            .peer("198.51.100.3/31".parse().unwrap())
        ),
        line!("addr del 2001:db8::1/64 dev d0", Delete, "2001:db8::1/64", "d0"),
        list,
    ];
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/address.hex");
    Table { shape: &SHAPE, file, kinds: &[RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR], lines }
}

// include/uapi/linux/if_addr.h
const SHAPE: Shape = Shape::new(
    "ifaddrmsg",
    &[
        Field::new("family", 1),
        Field::new("prefixlen", 1),
        Field::new("flags", 1),
        Field::new("scope", 1),
        Field::new("index", 4),
    ],
)
.kinds(&[(RTM_NEWADDR, "RTM_NEWADDR"), (RTM_DELADDR, "RTM_DELADDR"), (RTM_GETADDR, "RTM_GETADDR")])
.attrs(&[
    Attr::new(1, "IFA_ADDRESS"),
    Attr::new(2, "IFA_LOCAL"),
    Attr::new(3, "IFA_LABEL"),
    Attr::new(4, "IFA_BROADCAST"),
    Attr::new(6, "IFA_CACHEINFO"),
    Attr::new(8, "IFA_FLAGS"),
    Attr::new(9, "IFA_RT_PRIORITY"),
    Attr::new(11, "IFA_PROTO"),
]);
