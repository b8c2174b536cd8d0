//! The list of all multicast groups, without a kernel.

use nl_events::Source;
use nl_events::source::groups::ALL;

/// The variants of `NetworkEvent` that are events of `NETLINK_ROUTE`.
const VARIANTS: [&str; 15] = [
    "Address",
    "Fdb",
    "Link",
    "Macsec",
    "Mdb",
    "Namespace",
    "Neighbour",
    "Nexthop",
    "Port",
    "Raw",
    "Route",
    "Rule",
    "Tc",
    "Vlan",
    "Vni",
];

#[test]
fn numbers_are_in_order_without_a_gap() {
    assert!(ALL.iter().map(|group| group.number).eq(1..=39));
}

#[test]
fn every_variant_covers_a_group_and_no_other_is_named() {
    let named: Vec<_> = ALL.iter().flat_map(|group| group.variants).copied().collect();
    for variant in VARIANTS {
        assert!(named.contains(&variant), "{variant} covers no group");
    }
    for name in named {
        assert!(VARIANTS.contains(&name), "{name} is no variant");
    }
    // Neither is one missing here.
    let enumeration = include_str!("../src/event.rs");
    let declared = enumeration.lines().filter_map(|line| {
        line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase))?.split('(').next()
    });
    let declared: Vec<_> = declared.filter(|variant| !matches!(*variant, "Family" | "Mptcp")).collect();
    assert_eq!(declared, VARIANTS);
}

#[test]
fn documentation_has_a_row_for_each_group() {
    let docs = include_str!("../src/source/groups.rs");
    for group in ALL {
        let start = format!("//! | {} | `{}` | ", group.number, group.name);
        let row = docs.lines().find_map(|line| line.strip_prefix(&start));
        let Some(row) = row else { panic!("{} has no row", group.name) };
        for variant in group.variants {
            assert!(row.contains(&format!("`{variant}`")), "{}: {row}", group.name);
        }
        assert_eq!(group.variants.is_empty(), row.starts_with("none: "), "{}: {row}", group.name);
        assert_eq!(group.is_typed(), !row.contains("`Raw`"), "{}: {row}", group.name);
    }
    assert_eq!(
        docs.lines().filter(|line| line.starts_with("//! | ") && line.contains("RTNLGRP_")).count(),
        ALL.len()
    );
}

/// The header of the machine may be older than the list.
#[test]
fn list_has_every_group_of_the_header_of_the_machine() {
    let Ok(header) = std::fs::read_to_string("/usr/include/linux/rtnetlink.h") else { return };
    let body = header.split("enum rtnetlink_groups {").nth(1).unwrap().split("__RTNLGRP_MAX").next().unwrap();
    let names: Vec<_> = body.lines().filter_map(|line| line.trim().strip_suffix(',')).collect();
    assert!(names.len() > 30, "{names:?}");
    for (number, name) in (0..).zip(names) {
        if number > 0 {
            let group = ALL.iter().find(|group| group.number == number);
            assert_eq!(group.map(|group| group.name), Some(name), "group {number}");
        }
    }
}

#[cfg(all(feature = "fdb", feature = "link", feature = "neighbour", feature = "nsid", feature = "tc"))]
#[test]
fn source_has_the_number_of_its_group() {
    let number = |variant: &str| {
        ALL.iter().find(|group| group.variants.first() == Some(&variant)).map(|group| group.number)
    };
    for (variant, source) in [
        ("Tc", Source::CLASS),
        ("Tc", Source::FILTER),
        ("Tc", Source::QDISC),
        ("Fdb", Source::FDB),
        ("Fdb", Source::NEIGHBOUR),
        ("Link", Source::LINK),
        ("Namespace", Source::NAMESPACE),
    ] {
        assert_eq!(number(variant), Some(source.group()), "{variant}");
    }
}

#[test]
fn raw_source_takes_what_no_other_source_decodes() {
    use nl_core::message::MessageRef;
    use nl_events::NetworkEvent;

    let source = Source::raw(12);
    assert_eq!(source.group(), 12);
    let message = MessageRef::from_parts(16, 0, &[10, 0, 0, 0]);
    let Some(NetworkEvent::Raw(event)) = source.decode(message).unwrap() else { panic!("no event") };
    assert_eq!((event.kind, event.payload.as_slice()), (16, message.payload()));
    assert_eq!(event.message().payload(), message.payload());
    // Control messages are no events.
    assert_eq!(source.decode(MessageRef::from_parts(3, 0, &[])).unwrap(), None);
}
