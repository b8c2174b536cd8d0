use nl_core::addr::Dev;
use nl_core::check::Invalid;
use nl_core::connection::Connection;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, Error, Result, Since};
use nl_core::{Pending, Protocol};

use super::codec::list_request;
use super::stats;
use super::{DeviceVlanStats, DeviceVlans, VlanChange, VlanFlags, VlanMember, VlanTarget, VlanVerb};
use crate::{Checked, VlanId, VlanRange};

/// The VLANs of the ports and bridges of the connection's namespace (`bridge vlan`). Cheap to clone.
///
/// ```no_run
/// use nl_bridge::vlan::Vlans;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let vlans = Vlans::new(Connection::open(Protocol::Route)?);
/// // bridge vlan add dev swp1 vid 10 pvid untagged
/// vlans.entry("swp1", 10).pvid().untagged().add().await?;
/// // bridge vlan del dev swp1 vid 4-6
/// vlans.entry("swp1", 4..=6).delete().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Vlans {
    conn: Connection,
}

impl Vlans {
    /// Over this connection, which must be one to [`Protocol::Route`].
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// VLANs of one device, to be added or deleted: one such as `10`, a range such as `10..=20`, or a
    /// [`VlanRange`](crate::VlanRange).
    pub fn entry(&self, dev: impl Into<Dev>, vlans: impl Into<Checked<VlanRange>>) -> VlanEntry {
        let entry =
            VlanEntry { vlans: self.clone(), dev: dev.into(), change: VlanChange::new(0), invalid: None };
        entry.vlans(vlans)
    }

    /// All devices with VLANs, or those that match, to be listed.
    pub fn devices(&self) -> VlanDevices {
        VlanDevices { vlans: self.clone(), bridge: None, dev: None, vlan: None }
    }
}

/// VLANs of one device to be added or deleted. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct VlanEntry {
    vlans: Vlans,
    dev: Dev,
    change: VlanChange,
    invalid: Option<Invalid>,
}

impl VlanEntry {
    /// And these VLANs. [`pvid`](Self::pvid) and [`untagged`](Self::untagged) are about those that were named last.
    pub fn vlans(mut self, vlans: impl Into<Checked<VlanRange>>) -> Self {
        match vlans.into().check() {
            Ok(vlans) => self.change.members.push(VlanMember::new(vlans)),
            Err(why) => self.invalid = self.invalid.or(Some(why)),
        }
        self
    }

    /// And these, with the flags they have; what is only read of them is left out.
    pub fn members(mut self, members: impl IntoIterator<Item = VlanMember>) -> Self {
        self.change.members.extend(members.into_iter().map(VlanMember::written));
        self
    }

    /// Untagged frames that arrive are in the VLAN named last (`pvid`), and in no other any more.
    pub fn pvid(self) -> Self {
        self.flag(VlanFlags::PVID)
    }

    /// Frames of the VLANs named last leave without a tag (`untagged`).
    pub fn untagged(self) -> Self {
        self.flag(VlanFlags::UNTAGGED)
    }

    /// The VLANs of the bridge itself, or those that the port's own driver keeps (`self`).
    pub fn self_(mut self) -> Self {
        self.change.target |= VlanTarget::SELF;
        self
    }

    /// The VLANs of the port in its bridge (`master`); also if nothing is said. Needed beside [`self_`](Self::self_) only.
    pub fn master(mut self) -> Self {
        self.change.target |= VlanTarget::MASTER;
        self
    }

    /// Puts the device into the VLANs. In those that it is in, it gets exactly these flags.
    ///
    /// Equivalent: `bridge vlan add`, which takes one range at a time. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device ([`is_not_found`](Error::is_not_found)); it is neither a bridge nor a port of one; bad input, before the kernel is
    /// asked: VLANs outside of 1 to 4094, a reversed range, one that overlaps another, a range as PVID;
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) on a kernel without `CONFIG_BRIDGE_VLAN_FILTERING`.
    pub fn add(self) -> Pending<Ack> {
        self.change(VlanVerb::Add)
    }

    /// Takes the device out of the VLANs. VLANs that it is not in are no error.
    ///
    /// Equivalent: `bridge vlan del`, which takes one range at a time. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn delete(self) -> Pending<Ack> {
        self.change(VlanVerb::Delete)
    }

    fn flag(mut self, flag: VlanFlags) -> Self {
        if let Some(last) = self.change.members.last_mut() {
            last.flags |= flag;
        }
        self
    }

    fn change(mut self, verb: VlanVerb) -> Pending<Ack> {
        Pending::new(async move {
            let conn = self.vlans.conn.clone();
            conn.require(Protocol::Route, "VLANs")?;
            let found = conn.link_index(&self.dev).await;
            self.change.index = *found.as_ref().unwrap_or(&0);
            let outcome = match found {
                Ok(_) => match self.invalid.take() {
                    None => conn.acknowledged(self.change.request(verb)).await,
                    Some(why) => Err(self.change.request(verb).not_sent(why.into())),
                },
                Err(error) => Err(self.change.request(verb).not_sent(error)),
            };
            match outcome {
                Ok(ack) => Ok(ack),
                Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => {
                    Err(self.explain(self.why_not(verb, error).await))
                }
                Err(error) => Err(self.explain(error)),
            }
        })
    }

    /// Finds out what the kernel means, which says the same to everything that it cannot do.
    async fn why_not(&self, verb: VlanVerb, error: Error) -> Error {
        let Ok(link) = self.vlans.conn.link(self.change.index).await else { return error };
        let is_self = self.change.target.contains(VlanTarget::SELF);
        let why = match (link.is_kind("bridge"), link.is_port_of("bridge")) {
            (true, false) if !is_self => format!("{} is a bridge: add self_() for its own VLANs", self.dev),
            (true, _) => String::new(),
            (false, true) if is_self => return error,
            (false, true) => String::new(),
            (false, false) => format!("{} is neither a bridge nor a port of one", self.dev),
        };
        match why.is_empty() {
            true => error.or_unsupported(
                |_| true,
                "VLANs of bridges",
                Since::option("CONFIG_BRIDGE_VLAN_FILTERING"),
            ),
            false => self.change.request(verb).not_sent(Error::usage(why)),
        }
    }

    fn explain(&self, error: Error) -> Error {
        error.naming(self.change.index, &self.dev)
    }
}

/// All devices with VLANs, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct VlanDevices {
    vlans: Vlans,
    bridge: Option<Dev>,
    dev: Option<Dev>,
    vlan: Option<u16>,
}

impl VlanDevices {
    /// This bridge, and its ports. Filtered while reading.
    pub fn bridge(mut self, dev: impl Into<Dev>) -> Self {
        self.bridge = Some(dev.into());
        self
    }

    /// This device (`dev`). Filtered while reading; of statistics, by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Those in this VLAN, 1 to 4094, and of their VLANs this one (`vid`). Filtered while reading.
    pub fn vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }

    /// Lists the devices with their VLANs, in ranges: a stream in constant memory. Ports without VLANs are listed too, unless a VLAN is
    /// given. What a device's driver keeps is an item of its own, and left out without VLANs.
    ///
    /// Equivalent: `bridge -compressvlans vlan show`. Needs no privilege.
    ///
    /// # Errors
    /// No such device; a VLAN outside of 1 to 4094.
    pub fn list(self) -> Pending<Dump<DeviceVlans>> {
        Pending::new(async move {
            let [bridge, dev] = self.indexes("list vlans").await?;
            let vlan = self.vlan_id("list vlans")?;
            let conn = &self.vlans.conn;
            Ok(conn.dump(list_request(), move |message| {
                let mut device = DeviceVlans::decode(message)?;
                if bridge.is_some_and(|bridge| device.index != bridge && device.master != Some(bridge))
                    || dev.is_some_and(|dev| device.index != dev)
                    || (device.of_driver && device.members.is_empty())
                {
                    return Ok(None);
                }
                if let Some(vlan) = vlan {
                    device.members = device.get(vlan).into_iter().collect();
                    return Ok((!device.members.is_empty()).then_some(device));
                }
                Ok(Some(device))
            }))
        })
    }

    /// Lists what was counted in each VLAN: a stream in constant memory, in which a device with many VLANs comes in parts.
    ///
    /// The bridge counts with [`vlan_stats_enabled`](crate::settings::Bridge::vlan_stats_enabled()), and for each port with
    /// [`vlan_stats_per_port`](crate::settings::Bridge::vlan_stats_per_port()); without, a port shows what the bridge counted.
    ///
    /// Equivalent: `bridge -s vlan show`. Needs no privilege.
    ///
    /// # Errors
    /// No such device; `dev` is neither a bridge nor a port of one; a VLAN outside of 1 to 4094.
    pub fn stats(self) -> Pending<Dump<DeviceVlanStats>> {
        Pending::new(async move {
            let what = "list vlan statistics";
            let [bridge, dev] = self.indexes(what).await?;
            let vlan = self.vlan_id(what)?;
            let conn = &self.vlans.conn;
            let mut ports = Vec::new();
            if let Some(bridge) = bridge {
                // A message does not say whose port it is about.
                let links = conn.links().collect_all().await?;
                ports.extend(links.iter().filter(|link| link.master == Some(bridge)).map(|link| link.index));
                ports.push(bridge);
            }
            Ok(conn.dump(stats::list_request(dev), move |message| {
                let mut device = DeviceVlanStats::decode(message)?;
                device.vlans.retain(|stats| vlan.is_none_or(|vlan| stats.vlan == vlan));
                let wanted = bridge.is_none() || ports.contains(&device.index);
                Ok((wanted && !device.vlans.is_empty()).then_some(device))
            }))
        })
    }

    async fn indexes(&self, what: &str) -> Result<[Option<u32>; 2]> {
        self.vlans.conn.require(Protocol::Route, "VLANs")?;
        let mut indexes = [None, None];
        for (index, dev) in indexes.iter_mut().zip([&self.bridge, &self.dev]) {
            if let Some(dev) = dev {
                let found = self.vlans.conn.link_index(dev).await;
                *index = Some(found.map_err(|error| error.during(|| format!("{what} dev {dev}")))?);
            }
        }
        Ok(indexes)
    }

    fn vlan_id(&self, what: &str) -> Result<Option<VlanId>> {
        let vlan = self.vlan.map(VlanId::new).transpose();
        vlan.map_err(|why| Error::from(why).during(|| what.to_owned()))
    }
}
