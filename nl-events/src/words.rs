use std::fmt::{self, Display};

use crate::event::NetworkEvent;

impl NetworkEvent {
    /// The kind of the event in one word, as `ip monitor label` and `bridge monitor label` print it: `LINK`, `ROUTE`, `VLAN`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            #[cfg(feature = "address")]
            Self::Address(_) => "ADDR",
            #[cfg(feature = "family")]
            Self::Family(_) => "FAMILY",
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => "FDB",
            #[cfg(feature = "link")]
            Self::Link(_) => "LINK",
            #[cfg(feature = "macsec")]
            Self::Macsec(_) => "MACSEC",
            #[cfg(feature = "mdb")]
            Self::Mdb(_) => "MDB",
            #[cfg(feature = "mptcp")]
            Self::Mptcp(_) => "MPTCP",
            #[cfg(feature = "nsid")]
            Self::Namespace(_) => "NSID",
            #[cfg(feature = "neighbour")]
            Self::Neighbour(_) => "NEIGH",
            #[cfg(feature = "nexthop")]
            Self::Nexthop(_) => "NEXTHOP",
            #[cfg(feature = "settings")]
            Self::Port(_) => "PORT",
            Self::Raw(_) => "RAW",
            #[cfg(feature = "route")]
            Self::Route(_) => "ROUTE",
            #[cfg(feature = "rule")]
            Self::Rule(_) => "RULE",
            #[cfg(feature = "tc")]
            Self::Tc(event) => tc_label(event),
            #[cfg(feature = "vlan_db")]
            Self::Vlan(_) => "VLAN",
            #[cfg(feature = "vni")]
            Self::Vni(_) => "VNI",
        }
    }
}

/// In the words of `ip monitor`, `bridge monitor` and `tc monitor`, with `#5` for interface 5: one line, or one for each entry where a
/// message has several. `Deleted` stands in front of what is gone.
impl Display for NetworkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "address")]
            Self::Address(event) => match event {
                nl_core::address::AddressEvent::Deleted(old) => deleted(f, old),
                nl_core::address::AddressEvent::New(new) => new.fmt(f),
                other => fmt::Debug::fmt(other, f),
            },
            #[cfg(feature = "family")]
            Self::Family(event) => event.fmt(f),
            #[cfg(feature = "fdb")]
            Self::Fdb(event) => event.fmt(f),
            #[cfg(feature = "link")]
            Self::Link(event) => link(f, event),
            #[cfg(feature = "macsec")]
            Self::Macsec(event) => event.fmt(f),
            #[cfg(feature = "mdb")]
            Self::Mdb(event) => mdb(f, event),
            #[cfg(feature = "mptcp")]
            Self::Mptcp(event) => event.fmt(f),
            #[cfg(feature = "nsid")]
            Self::Namespace(event) => event.fmt(f),
            #[cfg(feature = "neighbour")]
            Self::Neighbour(event) => match event {
                nl_core::neighbour::NeighbourEvent::Deleted(old) => deleted(f, old),
                nl_core::neighbour::NeighbourEvent::New(new) => new.fmt(f),
                other => fmt::Debug::fmt(other, f),
            },
            #[cfg(feature = "nexthop")]
            Self::Nexthop(event) => match event {
                nl_core::nexthop::NexthopEvent::Deleted(old) => deleted(f, old),
                nl_core::nexthop::NexthopEvent::New(new) => new.fmt(f),
            },
            #[cfg(feature = "settings")]
            Self::Port(event) => match event {
                nl_bridge::settings::PortEvent::Deleted(old) => deleted(f, old),
                nl_bridge::settings::PortEvent::New(new) => new.fmt(f),
                other => fmt::Debug::fmt(other, f),
            },
            Self::Raw(event) => event.fmt(f),
            #[cfg(feature = "route")]
            Self::Route(event) => match event {
                nl_core::route::RouteEvent::Deleted(old) => deleted(f, old),
                nl_core::route::RouteEvent::New(new) => new.fmt(f),
            },
            #[cfg(feature = "rule")]
            Self::Rule(event) => match event {
                nl_core::rule::RuleEvent::Deleted(old) => deleted(f, old),
                nl_core::rule::RuleEvent::New(new) => new.fmt(f),
                other => fmt::Debug::fmt(other, f),
            },
            #[cfg(feature = "tc")]
            Self::Tc(event) => tc(f, event),
            #[cfg(feature = "vlan_db")]
            Self::Vlan(event) => match event {
                nl_bridge::vlan_db::VlanDbEvent::Deleted(old) => lines(f, DELETED, old),
                nl_bridge::vlan_db::VlanDbEvent::Global(options) => lines(f, "", options),
                nl_bridge::vlan_db::VlanDbEvent::New(new) => lines(f, "", new),
                other => fmt::Debug::fmt(other, f),
            },
            #[cfg(feature = "vni")]
            Self::Vni(event) => match event {
                nl_bridge::vni::VniEvent::Deleted(old) => lines(f, DELETED, old),
                nl_bridge::vni::VniEvent::New(new) => lines(f, "", new),
                other => fmt::Debug::fmt(other, f),
            },
        }
    }
}

#[cfg(any(
    feature = "address",
    feature = "link",
    feature = "mdb",
    feature = "neighbour",
    feature = "nexthop",
    feature = "route",
    feature = "rule",
    feature = "settings",
    feature = "tc",
    feature = "vlan_db",
    feature = "vni"
))]
const DELETED: &str = "Deleted ";

#[cfg(any(
    feature = "address",
    feature = "neighbour",
    feature = "nexthop",
    feature = "route",
    feature = "rule",
    feature = "settings",
    feature = "tc"
))]
fn deleted(f: &mut fmt::Formatter<'_>, old: &dyn Display) -> fmt::Result {
    write!(f, "{DELETED}{old}")
}

/// A line for each entry.
#[cfg(any(feature = "mdb", feature = "tc", feature = "vlan_db", feature = "vni"))]
fn lines<T: Display>(
    f: &mut fmt::Formatter<'_>,
    before: &str,
    entries: impl IntoIterator<Item = T>,
) -> fmt::Result {
    for (number, entry) in entries.into_iter().enumerate() {
        let end = if number == 0 { "" } else { "\n" };
        write!(f, "{end}{before}{entry}")?;
    }
    Ok(())
}

/// As `ip monitor link` begins.
#[cfg(feature = "link")]
fn link(f: &mut fmt::Formatter<'_>, event: &nl_core::link::LinkEvent) -> fmt::Result {
    let link = event.link();
    if matches!(event, nl_core::link::LinkEvent::Deleted(_)) {
        f.write_str(DELETED)?;
    }
    write!(f, "{}: {}", link.index, link.name)?;
    link.link.map_or(Ok(()), |lower| write!(f, "@#{lower}"))?;
    let flags = link.flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>().join(",");
    write!(f, ": <{flags}> mtu {}", link.mtu)?;
    link.master.map_or(Ok(()), |master| write!(f, " master #{master}"))?;
    write!(f, " state {}", format!("{:?}", link.oper_state).to_uppercase())?;
    link.kind_name.as_ref().map_or(Ok(()), |kind| write!(f, " {kind}"))?;
    link.address.map_or(Ok(()), |address| write!(f, " address {address}"))?;
    link.new_netnsid.map_or(Ok(()), |id| write!(f, " new-nsid {id}"))
}

#[cfg(feature = "mdb")]
fn mdb(f: &mut fmt::Formatter<'_>, event: &nl_bridge::mdb::MdbEvent) -> fmt::Result {
    let (before, table) = match event {
        nl_bridge::mdb::MdbEvent::Deleted(table) => (DELETED, table),
        nl_bridge::mdb::MdbEvent::New(table) => ("", table),
        other => return fmt::Debug::fmt(other, f),
    };
    let entries = table.entries.iter().map(ToString::to_string);
    let routers = table.routers.iter().map(|router| {
        let vlan = router.vlan.map_or(String::new(), |vlan| format!(" vid {vlan}"));
        format!("router port dev #{}{vlan} master #{}", router.port, table.dev)
    });
    lines(f, before, entries.chain(routers))
}

#[cfg(feature = "tc")]
const fn tc_label(event: &nl_tc::TcEvent) -> &'static str {
    use nl_tc::TcEvent;

    match event {
        TcEvent::DeletedClass(_) | TcEvent::NewClass(_) => "CLASS",
        TcEvent::DeletedFilter(_) | TcEvent::NewFilter(_) => "FILTER",
        TcEvent::DeletedQdisc(_) | TcEvent::NewQdisc(_) => "QDISC",
        _ => "ACTION",
    }
}

#[cfg(feature = "tc")]
fn tc(f: &mut fmt::Formatter<'_>, event: &nl_tc::TcEvent) -> fmt::Result {
    use nl_tc::TcEvent;

    match event {
        TcEvent::DeletedActions(old) => lines(f, DELETED, old),
        TcEvent::DeletedClass(old) => deleted(f, old),
        TcEvent::DeletedFilter(old) => deleted(f, old),
        TcEvent::DeletedQdisc(old) => deleted(f, old),
        TcEvent::NewActions(new) => lines(f, "", new),
        TcEvent::NewClass(new) => new.fmt(f),
        TcEvent::NewFilter(new) => new.fmt(f),
        TcEvent::NewQdisc(new) => new.fmt(f),
        other => fmt::Debug::fmt(other, f),
    }
}
