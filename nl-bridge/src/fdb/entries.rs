use std::collections::HashMap;
use std::net::IpAddr;

use nl_core::addr::Dev;
use nl_core::attr::{Attrs, DecodeError};
use nl_core::connection::Connection;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, Error, Result, Since};
use nl_core::link::Link;
use nl_core::{MacAddr, Pending, Protocol};

use super::codec::FdbEntry;
use super::filter::{Defaults, FdbFilter};
use super::flags::{FdbFlags, FdbState};

// `include/uapi/linux/if_link.h`
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_PORT: u16 = 15;

/// All entries, or those that match. The verb comes last and returns a [`Pending`].
///
/// ```no_run
/// # async fn example(fdb: nl_bridge::fdb::Fdb) -> nl_core::Result<()> {
/// // bridge fdb flush dev vxlan100 dst 192.0.2.7 nopermanent
/// fdb.entries().dev("vxlan100").dst("192.0.2.7".parse().unwrap()).no_permanent().flush().await?;
/// # Ok(())
/// # }
/// ```
///
/// Options select together: an entry must match all of them. Two that exclude each other, such as
/// [`permanent`](Self::permanent) and [`no_permanent`](Self::no_permanent), are refused.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entries {
    conn: Connection,
    bridge: Option<Dev>,
    dev: Option<Dev>,
    filter: FdbFilter,
    own_addresses: bool,
    /// Which of the tables that a port has: the bridge's, its own.
    tables: FdbFlags,
    is_contradiction: bool,
}

impl Entries {
    pub(super) fn new(conn: Connection) -> Self {
        Self {
            conn,
            bridge: None,
            dev: None,
            filter: FdbFilter::default(),
            own_addresses: false,
            tables: FdbFlags::empty(),
            is_contradiction: false,
        }
    }

    /// Of this bridge (`br`): its table. A list also shows what its ports have in tables of their own, as `bridge fdb show br`
    /// does, unless [`master`](Self::master) is given. Filtered by the kernel.
    pub fn bridge(mut self, bridge: impl Into<Dev>) -> Self {
        self.bridge = Some(bridge.into());
        self
    }

    /// On this device (`dev`, `brport`): behind this port, on this VXLAN device, or the bridge's own entries if it is a bridge.
    /// Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// In the table of the bridge above the device (`master`). When listing, filtered while reading.
    pub fn master(mut self) -> Self {
        self.tables |= FdbFlags::MASTER;
        self
    }

    /// In the device's own table (`self`). When listing, filtered while reading.
    ///
    /// Without this and [`master`](Self::master), a list shows both, and a flush is of a VXLAN device's own table, and of the
    /// bridge's for other ports. With both, both are flushed, the bridge's first.
    pub fn self_(mut self) -> Self {
        self.tables |= FdbFlags::SELF;
        self
    }

    /// In this VLAN, 1 to 4094. When listing, filtered while reading.
    pub fn vlan(mut self, vlan: u16) -> Self {
        self.filter.vlan = Some(vlan);
        self
    }

    /// With this address. Filtered while reading; not for flushing.
    pub fn mac(mut self, mac: MacAddr) -> Self {
        self.filter.mac = Some(mac);
        self
    }

    /// VXLAN: behind this remote endpoint (`dst`). When listing, filtered while reading.
    pub fn dst(mut self, dst: IpAddr) -> Self {
        self.filter.dst = Some(dst);
        self
    }

    /// VXLAN: sent to this UDP port, 1 to 65535 (`port`). When listing, filtered while reading.
    pub fn port(mut self, port: u16) -> Self {
        self.filter.port = Some(port);
        self
    }

    /// VXLAN: sent with this VNI, 0 to 16777215 (`vni`). When listing, filtered while reading. To a flush 0 would mean every VNI,
    /// so it is refused.
    pub fn vni(mut self, vni: u32) -> Self {
        self.filter.vni = Some(vni);
        self
    }

    /// VXLAN: belonging to this VNI, 0 to 16777215, which is the device's except in metadata mode (`src_vni`). When listing,
    /// filtered while reading. To a flush 0 would mean every VNI, so it is refused.
    pub fn src_vni(mut self, vni: u32) -> Self {
        self.filter.src_vni = Some(vni);
        self
    }

    /// VXLAN: behind this FDB nexthop group (`nhid`). When listing, filtered while reading.
    pub fn nexthop(mut self, id: u32) -> Self {
        self.filter.nexthop = Some(id);
        self
    }

    /// Those that age (`dynamic`). When listing, filtered while reading.
    pub fn dynamic(self) -> Self {
        self.state(FdbState::NOARP | FdbState::PERMANENT, FdbState::empty())
    }

    /// Those that have `NUD_NOARP` (`nodynamic`): static ones and permanent ones. The default destination of a VXLAN device is
    /// not among them. When listing, filtered while reading.
    pub fn no_dynamic(self) -> Self {
        self.state(FdbState::NOARP, FdbState::NOARP)
    }

    /// Those that are forwarded to and do not age (`static`). When listing, filtered while reading.
    pub fn static_(self) -> Self {
        self.state(FdbState::NOARP | FdbState::PERMANENT, FdbState::NOARP)
    }

    /// Those that lack `NUD_NOARP` (`nostatic`): those that age, and the default destination of a VXLAN device. When listing,
    /// filtered while reading.
    pub fn no_static(self) -> Self {
        self.state(FdbState::NOARP, FdbState::empty())
    }

    /// Those that are permanent (`permanent`): on a bridge, addresses of itself and of its ports. When listing, filtered while
    /// reading.
    pub fn permanent(self) -> Self {
        self.state(FdbState::PERMANENT, FdbState::PERMANENT)
    }

    /// Those that are not permanent (`nopermanent`). When listing, filtered while reading.
    pub fn no_permanent(self) -> Self {
        self.state(FdbState::PERMANENT, FdbState::empty())
    }

    /// Those that a control plane put there, or those that it did not (`extern_learn`, `noextern_learn`). When listing, filtered
    /// while reading.
    pub fn extern_learn(self, yes: bool) -> Self {
        self.flag(FdbFlags::EXT_LEARNED, yes)
    }

    /// Those that stick to their port, or those that do not (`sticky`, `nosticky`). Not for flushing a VXLAN device. When
    /// listing, filtered while reading.
    pub fn sticky(self, yes: bool) -> Self {
        self.flag(FdbFlags::STICKY, yes)
    }

    /// VXLAN: those whose remote is a router, or those whose remote is not (`router`, `norouter`). Not for flushing a bridge. When
    /// listing, filtered while reading.
    pub fn router(self, yes: bool) -> Self {
        self.flag(FdbFlags::ROUTER, yes)
    }

    /// A flush of a bridge also removes the bridge's own addresses, as `bridge fdb flush` does: those of the bridge and of its
    /// ports that nobody added. Without them the bridge no longer answers. For [`flush`](Self::flush) only.
    pub fn own_addresses(mut self) -> Self {
        self.own_addresses = true;
        self
    }

    /// Lists them: a stream in constant memory.
    ///
    /// Equivalent: `bridge fdb show`. Needs no privilege.
    ///
    /// The kernel does not notice when the table changes while it is listed: entries may then be missed or shown twice.
    /// Together with events it is exact: nl-events has a watch that does this.
    ///
    /// # Errors
    /// No such device; `bridge` is not a bridge, or `dev` not a port of it; bad input.
    pub fn list(self) -> Pending<Dump<FdbEntry>> {
        Pending::new(
            async move { self.try_list().await.map_err(|error| error.during(|| self.describe("list"))) },
        )
    }

    async fn try_list(&self) -> Result<Dump<FdbEntry>> {
        self.check()?;
        let filter = self.indexed().await?;
        let devices = if filter.needs_defaults() { self.defaults().await? } else { HashMap::new() };
        let filtered = filter.bridge.or(filter.index).is_some();
        let (request, tables) = (filter.list_request(), self.tables);
        let mut entries = self.conn.dump(request, move |message| {
            let entry = FdbEntry::decode(message)?;
            let table = if entry.is_bridge() { FdbFlags::MASTER } else { FdbFlags::SELF };
            let in_table = tables.is_empty() || tables.contains(table);
            let passes = in_table && filter.matches_on(&entry, devices.get(&entry.index).copied());
            Ok(passes.then_some(entry))
        });
        // The kernel answers an impossible filter with an empty list.
        if filtered && !entries.has_entries().await {
            self.look_up().await?;
        }
        Ok(entries)
    }

    /// Removes them, by the kernel, and spares the [bridge's own addresses](Self::own_addresses).
    ///
    /// Needs a [`bridge`](Self::bridge), or a [`dev`](Self::dev) that is a bridge, a port of one, or a VXLAN device. A VXLAN device
    /// also loses its default destination, unless the selection excludes it, as [`no_permanent`](Self::no_permanent) does.
    ///
    /// It is one request for each table. Where the bridge's own addresses are spared it is two: first the permanent entries that
    /// were added, then the others; if the second fails, the first has been carried out.
    ///
    /// Equivalent: `bridge fdb flush`, which unlike this removes the bridge's own addresses too. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) on a kernel too old: 5.19 for bridges, 6.7 for VXLAN devices; no such
    /// device; a selection by MAC address; bad input; `EINVAL` for a selection that the table does not know, such as the VLAN on
    /// a VXLAN device or the remote on a bridge.
    pub fn flush(self) -> Pending<Ack> {
        Pending::new(async move {
            self.try_flush().await.map_err(|error| error.during(|| self.describe("flush")))
        })
    }

    async fn try_flush(&self) -> Result<Ack> {
        self.check()?;
        if self.bridge.is_some() && !self.tables.is_empty() {
            return Err(Error::usage(
                "master() and self_() choose between tables of dev(); bridge() is one table",
            ));
        }
        let (filter, link) = self.look_up().await?;
        let mut ack = Ack::default();
        for (filter, is_bridge) in self.targets(filter, link.as_ref()) {
            let parts = match is_bridge && !self.own_addresses {
                true => filter.sparing_own_addresses(),
                false => vec![filter],
            };
            for part in parts {
                ack = self.conn.acknowledged(part.flush_request()).await.map_err(|error| {
                    // No release of the kernel flushes a device that has no such table.
                    let since = match link.as_ref() {
                        _ if is_bridge => Some(Since::linux(5, 19)),
                        Some(link) if is_kind(link, "vxlan") => Some(Since::linux(6, 7)),
                        _ => None,
                    };
                    let Some(since) = since else { return error };
                    let is_old = |kernel: &nl_core::error::KernelError| kernel.errno == Errno::EOPNOTSUPP;
                    error.or_unsupported(is_old, "bulk deletion of FDB entries", since)
                })?;
            }
        }
        Ok(ack)
    }

    /// The tables to flush, each as a filter, and whether it is a bridge's.
    fn targets(&self, mut filter: FdbFilter, link: Option<&Link>) -> Vec<(FdbFilter, bool)> {
        let Some(link) = link.filter(|_| filter.bridge.is_none()) else { return vec![(filter, true)] };
        let is_port = link.port_kind.as_deref() == Some("bridge");
        if is_kind(link, "bridge") && !self.tables.contains(FdbFlags::MASTER) {
            // What is on the bridge itself, not its whole table.
            filter.bridge = filter.index;
            return vec![(filter, true)];
        }
        let tables = match self.tables {
            given if !given.is_empty() => given,
            _ if is_port && !is_kind(link, "vxlan") => FdbFlags::MASTER,
            _ => FdbFlags::SELF,
        };
        [(FdbFlags::MASTER, is_port), (FdbFlags::SELF, false)]
            .into_iter()
            .filter(|(table, _)| tables.contains(*table))
            .map(|(table, is_bridge)| {
                let mut filter = filter.clone();
                let (mask, value) = filter.flags.unwrap_or_default();
                filter.flags = Some((mask | table, value | table));
                (filter, is_bridge)
            })
            .collect()
    }

    fn state(mut self, mask: FdbState, value: FdbState) -> Self {
        let (old_mask, old) = self.filter.state.unwrap_or_default();
        self.is_contradiction |= old & mask != value & old_mask;
        self.filter.state = Some((old_mask | mask, old | value));
        self
    }

    fn flag(mut self, flag: FdbFlags, yes: bool) -> Self {
        let (old_mask, old) = self.filter.flags.unwrap_or_default();
        let value = if yes { flag } else { FdbFlags::empty() };
        self.is_contradiction |= old & flag != value & old_mask;
        self.filter.flags = Some((old_mask | flag, old | value));
        self
    }

    fn check(&self) -> Result<()> {
        self.conn.require(Protocol::Route, "FDB entries")?;
        match self.is_contradiction {
            true => Err(Error::usage("the states or flags that are asked for exclude each other")),
            false => Ok(()),
        }
    }

    /// The filter with indexes.
    async fn indexed(&self) -> Result<FdbFilter> {
        let mut filter = self.filter.clone();
        for (dev, index) in [(&self.bridge, &mut filter.bridge), (&self.dev, &mut filter.index)] {
            if let Some(dev) = dev {
                *index = Some(match self.conn.known_index(dev)? {
                    Some(index) => index,
                    None => self.conn.link_index(dev).await?,
                });
            }
        }
        Ok(filter)
    }

    /// The filter with indexes, and the device it is about, if it is one that can have entries.
    async fn look_up(&self) -> Result<(FdbFilter, Option<Link>)> {
        let mut filter = self.filter.clone();
        let bridge = match &self.bridge {
            Some(bridge) => Some(self.conn.link(bridge).await?),
            None => None,
        };
        let dev = match &self.dev {
            Some(dev) => Some(self.conn.link(dev).await?),
            None => None,
        };
        if let Some(bridge) = &bridge {
            if !is_kind(bridge, "bridge") {
                let kind = bridge.kind_name.as_deref().unwrap_or("plain device");
                return Err(Error::usage(format!("{} is a {kind}, not a bridge", bridge.name)));
            }
            if let Some(dev) =
                dev.as_ref().filter(|dev| dev.index != bridge.index && dev.master != Some(bridge.index))
            {
                return Err(Error::usage(format!("{} is not a port of {}", dev.name, bridge.name)));
            }
        }
        filter.bridge = bridge.as_ref().map(|link| link.index);
        filter.index = dev.as_ref().map(|link| link.index);
        Ok((filter, dev.or(bridge)))
    }

    /// What entries lack that have the values of their VXLAN device.
    async fn defaults(&self) -> Result<HashMap<u32, Defaults>> {
        let links = match &self.dev {
            Some(dev) => vec![self.conn.link(dev).await?],
            None => self.conn.links().collect_all().await?,
        };
        let mut devices = HashMap::new();
        for link in links.iter().filter(|link| is_kind(link, "vxlan")) {
            devices.insert(link.index, defaults_of(link)?);
        }
        Ok(devices)
    }

    fn describe(&self, verb: &str) -> String {
        let filter = &self.filter;
        let mut text = format!("{verb} fdb");
        let mut put = |word: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!(" {word} {value}"));
            }
        };
        put("dev", self.dev.as_ref().map(ToString::to_string));
        put("br", self.bridge.as_ref().map(ToString::to_string));
        put("vlan", filter.vlan.map(|vlan| vlan.to_string()));
        put("dst", filter.dst.map(|dst| dst.to_string()));
        put("port", filter.port.map(|port| port.to_string()));
        put("vni", filter.vni.map(|vni| vni.to_string()));
        put("src_vni", filter.src_vni.map(|vni| vni.to_string()));
        put("nhid", filter.nexthop.map(|id| id.to_string()));
        text
    }
}

fn is_kind(link: &Link, kind: &str) -> bool {
    link.kind_name.as_deref() == Some(kind)
}

fn defaults_of(link: &Link) -> Result<Defaults, DecodeError> {
    let mut defaults = Defaults::default();
    for attr in Attrs::new(&link.kind_data) {
        let attr = attr?;
        match attr.kind() {
            IFLA_VXLAN_ID => defaults.vni = attr.u32()?,
            IFLA_VXLAN_PORT => defaults.port = attr.be16()?,
            _ => {}
        }
    }
    Ok(defaults)
}
