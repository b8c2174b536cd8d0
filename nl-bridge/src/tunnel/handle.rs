use nl_core::addr::Dev;
use nl_core::batch::Batch;
use nl_core::check::Invalid;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, Error, Result};
use nl_core::{Connection, Pending, Protocol, Request};

use super::codec::{vlan_tunnel_request, vlans_request};
use super::plan::Port;
use super::ready::{Look, list, missing_vlans, missing_vnis, ranges};
use super::{TunnelEntry, TunnelVerb};
use crate::ranges::{Checked, VniRange};
use crate::types::{VlanId, VlanRange, Vni};
use crate::vlan_db::{VlanDb, VlanDbFilter};
use crate::vni::{VniEntry, VniVerb, Vnis};

/// The VLAN to VNI mappings of the ports in the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_bridge::tunnel::Tunnels;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let tunnels = Tunnels::new(Connection::open(Protocol::Route)?);
/// tunnels.entry("vx0", 20..=29, 10020..=10029).prepare().replace().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tunnels {
    conn: Connection,
}

impl Tunnels {
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

    /// One VLAN and one VNI, or ranges of the same length: `entry("vx0", 10, 10010)`, `entry("vx0", 20..=29, 10020..=10029)`.
    pub fn entry(
        &self,
        port: impl Into<Dev>,
        vlans: impl Into<Checked<VlanRange>>,
        vnis: impl Into<Checked<VniRange>>,
    ) -> BridgeVlanTunnelBuilder {
        BridgeVlanTunnelBuilder {
            conn: self.conn.clone(),
            dev: port.into(),
            vlans: vlans.into(),
            vnis: vnis.into(),
            prepare: false,
            entry: TunnelEntry::new(0, VlanId::MIN, Vni::default()),
        }
    }

    /// All mappings, or those that match.
    pub fn entries(&self) -> Entries {
        Entries { conn: self.conn.clone(), dev: None, vlan: None }
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order. See [`nl_core::batch`]. Devices are
    /// given by index here, and nothing is looked at before.
    pub fn batch<I>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I>>
    where
        I: IntoIterator<Item = (TunnelVerb, TunnelEntry)>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, entry)| entry.request(verb)))
    }
}

/// VLANs of a port, to be mapped to VNIs. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct BridgeVlanTunnelBuilder {
    conn: Connection,
    dev: Dev,
    vlans: Checked<VlanRange>,
    vnis: Checked<VniRange>,
    prepare: bool,
    entry: TunnelEntry,
}

impl BridgeVlanTunnelBuilder {
    /// Sets what [a mapping needs](super#what-a-mapping-needs) and what can be set: `vlan_tunnel on`, the VLANs on the port
    /// (tagged), and the VNIs in a filter. What is there is left alone; what was set stays if the mapping then fails.
    pub fn prepare(mut self) -> Self {
        self.prepare = true;
        self
    }

    /// Maps the VLANs, none of which may be mapped, to VNIs that no other VLAN of the port has.
    ///
    /// Equivalent: `bridge vlan add dev DEV vid VLAN tunnel_info id VNI`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// What is missing, before the kernel is asked; ranges of unequal lengths; `EEXIST` ([`is_exists`](Error::is_exists)) if a VLAN
    /// is mapped, also to the same VNI, or a VNI in use, with a [hint](Error::hint). Of a range the mappings before the one that
    /// is refused stay.
    pub fn add(mut self) -> Pending<Ack> {
        Pending::new(async move {
            let words = self.resolve("add", TunnelVerb::Add).await?;
            self.ready().await.map_err(|error| error.during(|| words.clone()))?;
            match self.conn.acknowledged(self.entry.request(TunnelVerb::Add)).await {
                Err(error) => Err(self.explain(error).await),
                done => done,
            }
        })
    }

    /// Maps the VLANs as given, whatever they are mapped to. Mappings that are as given are not touched, and twice is silent.
    ///
    /// All changes are one request: mappings that are others go, and then the new ones come.
    ///
    /// Needs `CAP_NET_ADMIN`. Linux 5.9.
    ///
    /// # Errors
    /// As [`add`](Self::add), but `EEXIST` only for a VNI of a VLAN that is not among those given.
    pub fn replace(mut self) -> Pending<Ack> {
        Pending::new(async move {
            let words = self.resolve("replace", TunnelVerb::Add).await?;
            let port = self.ready().await.map_err(|error| error.during(|| words.clone()))?;
            let Some(request) = port.replace(&self.entry) else { return Ok(Ack::default()) };
            match self.conn.acknowledged(request).await {
                Err(error) => Err(self.explain(error).await.during(|| words)),
                done => done,
            }
        })
    }

    /// Removes the mappings of the VLANs, whatever their VNIs are. The port stays in the VLANs.
    ///
    /// The kernel says success where there is no mapping.
    ///
    /// Equivalent: `bridge vlan del dev DEV vid VLAN tunnel_info id VNI`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EINVAL` without `vlan_tunnel on`, with a [hint](Error::hint): the port has no mappings then.
    pub fn delete(mut self) -> Pending<Ack> {
        Pending::new(async move {
            self.resolve("delete", TunnelVerb::Delete).await?;
            let done = self.conn.acknowledged(self.entry.request(TunnelVerb::Delete)).await;
            done.map_err(|error| {
                let off = error.kernel().is_some_and(|kernel| kernel.errno == Errno::EINVAL);
                let error = error.naming(self.entry.index, &self.dev);
                if off { error.hinted(OFF) } else { error }
            })
        })
    }

    /// Checks the input, looks the device up, and returns the operation in words.
    async fn resolve(&mut self, verb: &str, kind: TunnelVerb) -> Result<String> {
        let named = |error: Error, dev: &Dev| error.during(|| format!("{verb} tunnel dev {dev}"));
        let invalid = |why: Invalid| named(why.into(), &self.dev);
        let (vlans, vnis) = (self.vlans.check().map_err(invalid)?, self.vnis.check().map_err(invalid)?);
        (self.entry.vlans, self.entry.vnis) = (vlans, vnis);
        self.conn.require(Protocol::Route, "tunnels").map_err(|error| named(error, &self.dev))?;
        let found = self.conn.link_index(&self.dev).await;
        let words = |entry: &TunnelEntry| {
            format!("{verb} tunnel vid {} dev {} tunnel_info id {}", entry.vlans, self.dev, entry.vnis)
        };
        self.entry.index = found.map_err(|error| error.during(|| words(&self.entry)))?;
        let words = words(&self.entry);
        self.entry.request(kind).encoded().map_err(|error| error.during(|| words.clone()))?;
        Ok(words)
    }

    /// Looks whether all is there that a mapping needs, sets what is missing if that is wanted, and returns the port's VLANs.
    async fn ready(&self) -> Result<Port> {
        let link = self.conn.link(self.entry.index).await?;
        let look = Look::new(&link);
        let mut faults = look.faults;
        if !faults.is_empty() {
            return Err(Error::usage(faults.join("; ")));
        }
        let mut port = self.port().await?;
        let vlans = missing_vlans(&port, &self.entry);
        let untagged = ranges(port.untagged(&self.entry));
        if !untagged.is_empty() {
            return Err(Error::usage(format!(
                "vlan {0} is untagged on the port, and its frames would get no VNI (bridge vlan add dev {1} vid {0})",
                list(&untagged),
                link.name
            )));
        }
        let vnis = match look.vni_filter {
            true => missing_vnis(&self.filter().await?, &self.entry),
            false => Vec::new(),
        };
        if self.prepare {
            if !look.vlan_tunnel {
                self.conn.acknowledged(vlan_tunnel_request(self.entry.index)).await?;
            }
            if !vlans.is_empty() {
                self.conn.acknowledged(vlans_request(self.entry.index, &vlans)).await?;
                port = self.port().await?;
            }
            for vnis in vnis {
                let entry = VniEntry::new(self.entry.index, vnis);
                self.conn.acknowledged(entry.request(VniVerb::Replace)).await?;
            }
            return Ok(port);
        }
        if !look.vlan_tunnel {
            faults.push(OFF.into());
        }
        if !vlans.is_empty() {
            faults.push(format!(
                "the port is not in vlan {0} (bridge vlan add dev {1} vid {0})",
                list(&vlans),
                link.name
            ));
        }
        if !vnis.is_empty() {
            faults.push(format!(
                "the VNI filter lacks vni {0} (bridge vni add vni {0} dev {1})",
                list(&vnis),
                link.name
            ));
        }
        if faults.is_empty() { Ok(port) } else { Err(Error::usage(faults.join("; "))) }
    }

    async fn port(&self) -> Result<Port> {
        let db = VlanDb::new(self.conn.clone());
        Ok(Port::new(&db.entries().dev(self.entry.index).list().await?.collect_all().await?))
    }

    async fn filter(&self) -> Result<Vec<VniEntry>> {
        let vnis = Vnis::new(self.conn.clone());
        vnis.entries().dev(self.entry.index).list().await?.collect_all().await
    }

    /// Names the device as it was given, and what is in the way.
    async fn explain(&self, error: Error) -> Error {
        let error = error.naming(self.entry.index, &self.dev);
        if !error.is_exists() {
            return error;
        }
        match self.port().await.ok().and_then(|port| port.conflict(&self.entry)) {
            Some(conflict) => error.hinted(conflict),
            None => error,
        }
    }
}

const OFF: &str = "vlan_tunnel is off on the port (bridge link set dev DEV vlan_tunnel on)";

/// All mappings, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Entries {
    conn: Connection,
    dev: Option<Dev>,
    vlan: Option<u16>,
}

impl Entries {
    /// Of this port (`dev`). Filtered by the kernel.
    pub fn dev(mut self, port: impl Into<Dev>) -> Self {
        self.dev = Some(port.into());
        self
    }

    /// Of this VLAN, 1 to 4094 (`vid`). Filtered while reading.
    pub fn vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }

    /// Lists them, those in a row as one: a stream in constant memory. A row that the kernel lists in two messages is two.
    ///
    /// Equivalent: `bridge vlan tunnelshow`. Needs no privilege.
    ///
    /// # Errors
    /// No such device.
    pub fn list(self) -> Pending<Dump<TunnelEntry>> {
        Pending::new(async move {
            let filter = self.filter().await.map_err(|error| error.during(|| self.describe()))?;
            let mut found = Vec::new();
            Ok(self.conn.dump_each(filter.list_request(), move |message, entries| {
                let outcome = TunnelEntry::decode(message, &mut found);
                entries.extend(found.drain(..).filter(|entry: &TunnelEntry| {
                    filter.index.is_none_or(|index| entry.index == index)
                        && filter.vlan.is_none_or(|vlan| entry.vlans.contains(vlan))
                }));
                outcome
            }))
        })
    }

    async fn filter(&self) -> Result<VlanDbFilter> {
        self.conn.require(Protocol::Route, "tunnels")?;
        let mut filter =
            VlanDbFilter { vlan: self.vlan.map(VlanId::new).transpose()?, ..VlanDbFilter::default() };
        if let Some(dev) = &self.dev {
            filter.index = Some(self.conn.link_index(dev).await?);
        }
        Ok(filter)
    }

    fn describe(&self) -> String {
        self.dev.as_ref().map_or_else(|| "list tunnels".to_owned(), |dev| format!("list tunnels dev {dev}"))
    }
}
