//! The tables: how each is filled and listed through this project's crates.

use std::net::Ipv4Addr;

use futures_util::TryStreamExt as _;
use nl_bridge::fdb::{Fdb, FdbEntry, FdbVerb};
use nl_core::link::{LinkConfig, LinkVerb, Veth};
use nl_core::route::{Route, RouteVerb, Routes};
use nl_core::{Connection, IpPrefix, MacAddr};
use nl_tc::class::Class;
use nl_tc::htb::HtbClassConfig;
use nl_tc::{Rate, Tc, TcHandle, TcVerb};
use nl_testkit::{Node, Result};

/// A table of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Links,
    Routes,
    Fdb,
    Classes,
}

/// The kernel's own table, which `ip route` shows with `table 1000`.
const ROUTES: u32 = 1000;

impl Table {
    pub(crate) const ALL: [Self; 4] = [Self::Links, Self::Routes, Self::Fdb, Self::Classes];

    /// As an option of the program names it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Routes => "routes",
            Self::Fdb => "fdb",
            Self::Classes => "classes",
        }
    }

    /// What is in it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fdb => "FDB entries",
            other => other.word(),
        }
    }

    pub(crate) const fn largest(self) -> u32 {
        match self {
            Self::Links | Self::Classes => 10_000,
            Self::Routes => 1_000_000,
            Self::Fdb => 200_000,
        }
    }

    /// 100, 200, 500, 1000 and so on, up to this one.
    pub(crate) fn sizes(largest: u32) -> Vec<u32> {
        let decades = (2..9).map(|exponent| 10_u32.pow(exponent));
        let sizes = decades.flat_map(|decade| [decade, decade * 2, decade * 5]);
        sizes.take_while(|size| *size <= largest).collect()
    }

    /// What must be there before, and the index of the device that has the table.
    pub(crate) async fn prepare(self, node: &Node) -> Result<u32> {
        for line in ["link add d0 type veth peer name p0", "link set d0 up", "link set p0 up"] {
            node.ip(line).await;
        }
        match self {
            Self::Links | Self::Routes => {}
            Self::Fdb => {
                node.ip("link add br0 up type bridge vlan_default_pvid 0").await;
                node.ip("link set d0 master br0").await;
            }
            Self::Classes => drop(node.tc("qdisc add dev d0 root handle 1: htb").await),
        }
        node.index_of("d0").await
    }

    /// Adds what is missing from one size to another.
    pub(crate) async fn grow(self, conn: &Connection, index: u32, from: u32, to: u32) -> Result<()> {
        let conn = conn.clone();
        match self {
            Self::Links => {
                // A pair each.
                let pairs = (from / 2..to / 2).map(|number| {
                    let pair = Veth::new(format!("b{number}"));
                    LinkConfig::new(format!("a{number}")).kind(pair).request(LinkVerb::Add)
                });
                conn.batch(pairs).summarize(1).await?.into_result()?;
            }
            Self::Routes => {
                let routes = (from..to).map(move |number| {
                    let prefix = IpPrefix::host(Ipv4Addr::from(0x0a00_0000 + number).into());
                    (RouteVerb::Add, Route::new(prefix).oif(index).table(ROUTES))
                });
                Routes::new(conn).batch(routes).summarize(1).await?.into_result()?;
            }
            Self::Fdb => {
                let entries = (from..to).map(move |number| {
                    let [a, b, c, d] = number.to_be_bytes();
                    let entry = FdbEntry::new(MacAddr::new([2, 0x77, a, b, c, d]), index);
                    (FdbVerb::Add, entry.master().static_())
                });
                Fdb::new(conn).batch(entries).summarize(1).await?.into_result()?;
            }
            Self::Classes => {
                let first = u16::try_from(from + 1)?;
                let classes = (first..=u16::try_from(to)?).map(move |minor| {
                    let config = HtbClassConfig::new(Rate::kbit(1000 + u64::from(minor))).quantum(2000_u32);
                    (TcVerb::Add, Class::new(index, TcHandle::new(1, minor), config))
                });
                Tc::new(conn).batch(classes).summarize(1).await?.into_result()?;
            }
        }
        Ok(())
    }

    /// Streams the table, and returns how many entries it has.
    pub(crate) async fn count(self, conn: &Connection, index: u32) -> Result<u32> {
        let conn = conn.clone();
        let mut count = 0;
        match self {
            Self::Links => {
                let mut links = conn.links();
                while links.try_next().await?.is_some() {
                    count += 1;
                }
            }
            Self::Routes => {
                let mut routes = Routes::new(conn).entries().table(ROUTES).list().await?;
                while routes.try_next().await?.is_some() {
                    count += 1;
                }
            }
            Self::Fdb => {
                let mut entries = Fdb::new(conn).entries().bridge("br0").static_().list().await?;
                while entries.try_next().await?.is_some() {
                    count += 1;
                }
            }
            Self::Classes => {
                let mut classes = Tc::new(conn).classes(index).list().await?;
                while classes.try_next().await?.is_some() {
                    count += 1;
                }
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_three_to_a_decade_and_end_with_the_largest() {
        assert_eq!(Table::sizes(2000), [100, 200, 500, 1000, 2000]);
        for table in Table::ALL {
            assert_eq!(Table::sizes(table.largest()).last(), Some(&table.largest()), "{table:?}");
            assert_eq!(Table::sizes(table.largest() / 10).last(), Some(&(table.largest() / 10)), "{table:?}");
        }
    }
}
