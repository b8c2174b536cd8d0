use nl_core::addr::Dev;
use nl_core::connection::Connection;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Error, Result};
use nl_core::link::{Link, LinkKind};
use nl_core::{Pending, Protocol};

use super::codec::list_request;
use super::{BackupPort, BridgePort, HwMode, Port, PortChange, PortTarget};
use crate::state::{McastRouter, StpState};

/// The ports of the bridges of the connection's namespace (`bridge link`). Cheap to clone.
///
/// ```no_run
/// use futures_util::TryStreamExt;
/// use nl_bridge::settings::Ports;
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let ports = Ports::new(Connection::open(Protocol::Route)?);
/// // bridge link set dev swp1 learning off
/// ports.port("swp1").learning(false).set().await?;
/// // bridge link show master br0
/// let mut list = ports.ports().bridge("br0").list().await?;
/// while let Some(port) = list.try_next().await? {
///     println!("{} is {:?}", port.name, port.options.state);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Ports {
    conn: Connection,
}

impl Ports {
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

    /// One port, to be changed or read.
    pub fn port(&self, dev: impl Into<Dev>) -> PortEntry {
        PortEntry { ports: self.clone(), dev: dev.into(), change: PortChange::new(0, BridgePort::new()) }
    }

    /// All ports, or those that match, to be listed.
    pub fn ports(&self) -> PortList {
        PortList { ports: self.clone(), bridge: None, dev: None }
    }
}

/// One port to be changed or read. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct PortEntry {
    ports: Ports,
    dev: Dev,
    change: PortChange,
}

/// The options of [`BridgePort`].
macro_rules! options {
    ($($name:ident($type:ty))+) => {$(
        #[doc = concat!("[`BridgePort::", stringify!($name), "`](BridgePort::", stringify!($name), "()).")]
        pub fn $name(mut self, value: impl Into<$type>) -> Self {
            self.change.options = self.change.options.$name(value);
            self
        }
    )+};
}

impl PortEntry {
    options! {
        state(StpState) priority(u16) cost(u32) guard(bool) hairpin(bool) fastleave(bool) root_block(bool) learning(bool)
        learning_sync(bool) flood(bool) proxy_arp(bool) proxy_arp_wifi(bool) mcast_router(McastRouter) mcast_flood(bool)
        bcast_flood(bool) mcast_to_unicast(bool) mcast_max_groups(u32) mcast_eht_hosts_limit(u32) group_fwd_mask(u16)
        neigh_suppress(bool) neigh_vlan_suppress(bool) neigh_forward_grat(bool) vlan_tunnel(bool) isolated(bool)
        locked(bool) mab(bool) backup_port(BackupPort) backup_nhid(u32)
    }

    /// [`BridgePort::no_backup_port`].
    pub fn no_backup_port(mut self) -> Self {
        self.change.options = self.change.options.no_backup_port();
        self
    }

    /// All that is set in these options, and nothing of what was set before.
    pub fn options(mut self, options: BridgePort) -> Self {
        self.change.options = options;
        self
    }

    /// The bridge's settings of the port (`master`); also if nothing is said. Needed beside [`self_`](Self::self_) only.
    pub fn master(mut self) -> Self {
        self.change.target |= PortTarget::MASTER;
        self
    }

    /// The settings that the port's own driver keeps (`self`), as switch chips have them.
    pub fn self_(mut self) -> Self {
        self.change.target |= PortTarget::SELF;
        self
    }

    /// How the card forwards between its virtual functions (`hwmode`). Needs [`self_`](Self::self_).
    pub fn hw_mode(mut self, mode: HwMode) -> Self {
        self.change.hw_mode = Some(mode);
        self
    }

    /// Changes what was set, and nothing else.
    ///
    /// Equivalent: `bridge link set`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device ([`is_not_found`](Error::is_not_found)); it is not a port; bad input, before the kernel is asked;
    /// `EBUSY` for a state while the kernel runs the spanning tree, and `ENETDOWN` for one of a port that is down, with
    /// a [hint](Error::hint);
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) for an option that the kernel ignored, while the others are in
    /// effect.
    pub fn set(self) -> Pending<Ack> {
        Pending::new(async move { self.change().await })
    }

    /// Reads the port.
    ///
    /// Equivalent: `bridge -d link show dev DEV`. Needs no privilege.
    ///
    /// # Errors
    /// No such device ([`is_not_found`](Error::is_not_found)); it is not a port.
    pub fn get(self) -> Pending<Port> {
        Pending::new(async move {
            let during = |error: Error| error.during(|| format!("get port {}", self.dev));
            self.ports.conn.require(Protocol::Route, "ports")?;
            let link = self.ports.conn.link(&self.dev).await.map_err(during)?;
            self.port_of(&link).map_err(during)
        })
    }

    async fn change(mut self) -> Result<Ack> {
        let conn = self.ports.conn.clone();
        conn.require(Protocol::Route, "ports")?;
        let own = self.dev.clone();
        // An index of 0 stands for no backup port.
        let mut devs = vec![&mut self.dev];
        devs.extend(self.change.options.devs());
        let named = match conn.resolve(devs).await {
            Ok(named) => named,
            Err((error, named)) => {
                self.change.index = self.dev.index().unwrap_or(0);
                return Err(named.explain(self.change.request().not_sent(error)));
            }
        };
        self.change.index = self.dev.index().unwrap_or(0);
        let ack = conn.acknowledged(self.change.request()).await;
        let explain = |error: Error| named.explain(error);
        let ack = match ack {
            Ok(ack) => ack,
            Err(error) if error.is_unsupported() && self.change.is_for_bridge() => {
                // Also what the kernel says of a device that is not a port.
                let link = conn.link(self.change.index).await.map_err(explain)?;
                return Err(match link.is_port_of(BridgePort::KIND) {
                    true => explain(error),
                    false => explain(self.change.request().not_sent(no_port(&own))),
                });
            }
            Err(error) if self.change.is_for_bridge() => {
                let hint = error.kernel().and_then(|kernel| self.change.options.hint(kernel));
                return Err(explain(match hint {
                    Some(hint) => error.hinted(hint),
                    None => error,
                }));
            }
            Err(error) => return Err(explain(error)),
        };
        if self.change.is_for_bridge() && self.change.options.ignored(&BridgePort::new()).is_some() {
            let link = conn.link(self.change.index).await.map_err(explain)?;
            let now = self.port_of(&link).map_err(explain)?.options;
            if let Some((what, since)) = self.change.options.ignored(&now) {
                return Err(explain(self.change.request().not_sent(Error::unsupported(what, since))));
            }
        }
        Ok(ack)
    }

    fn port_of(&self, link: &Link) -> Result<Port> {
        Port::of_link(link)?.ok_or_else(|| no_port(&self.dev))
    }
}

fn no_port(dev: &Dev) -> Error {
    Error::usage(format!("{dev} is not a port of a bridge"))
}

/// All ports, or those that match. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct PortList {
    ports: Ports,
    bridge: Option<Dev>,
    dev: Option<Dev>,
}

impl PortList {
    /// Of this bridge (`master`). Filtered while reading.
    pub fn bridge(mut self, dev: impl Into<Dev>) -> Self {
        self.bridge = Some(dev.into());
        self
    }

    /// This device (`dev`). Filtered while reading.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Lists them: a stream in constant memory.
    ///
    /// Equivalent: `bridge -d link show`. Needs no privilege.
    ///
    /// # Errors
    /// No such device.
    pub fn list(self) -> Pending<Dump<Port>> {
        Pending::new(async move {
            let conn = &self.ports.conn;
            conn.require(Protocol::Route, "ports")?;
            let mut indexes = [None, None];
            for (index, dev) in indexes.iter_mut().zip([&self.bridge, &self.dev]) {
                if let Some(dev) = dev {
                    let found = conn.link_index(dev).await;
                    *index = Some(found.map_err(|error| error.during(|| format!("list ports {dev}")))?);
                }
            }
            let [master, index] = indexes;
            Ok(conn.dump(list_request(), move |message| {
                Ok(Port::decode(message)?.filter(|port| {
                    master.is_none_or(|master| port.master == master)
                        && index.is_none_or(|index| port.index == index)
                }))
            }))
        })
    }
}
