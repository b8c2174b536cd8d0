use super::codec::{LinkFlags, list_request, request};
use super::config::{LinkConfig, echoed};
use super::kind::LinkKind;
use super::verb::LinkVerb;
use super::{AddrGenMode, Link};
use crate::addr::{Dev, HwAddr, Name};
use crate::connection::Connection;
use crate::dump::Dump;
use crate::error::{Ack, Errno, Error, KernelError, Result, Since};
use crate::message::RawMessage;
use crate::netns::Netns;
use crate::pending::Pending;
use crate::protocol::Protocol;
use crate::request::Request;

/// The network devices of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::link::{Dummy, Links};
/// use nl_core::{Connection, Protocol};
///
/// # async fn example() -> nl_core::Result<()> {
/// let links = Links::new(Connection::open(Protocol::Route)?);
/// let link = links.device("lo1").kind(Dummy::new()).mtu(9000).alt_name("loopback-of-tenant-1").up().add().await?;
/// println!("{} is number {}", link.name, link.index);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Links {
    conn: Connection,
}

impl Links {
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

    /// One device, to be created, changed, deleted or read.
    pub fn device(&self, dev: impl Into<Dev>) -> DeviceEntry {
        DeviceEntry { links: self.clone(), config: LinkConfig::new(dev), removed_alt_names: Vec::new() }
    }

    /// All devices, or those that match, to be listed.
    pub fn devices(&self) -> Devices {
        Devices { links: self.clone(), master: None, kind: None, up: None, group: None, stats: false }
    }
}

/// One device to be created, changed, deleted or read. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct DeviceEntry {
    links: Links,
    config: LinkConfig,
    removed_alt_names: Vec<Name>,
}

/// Options that are kept in a field of the configuration.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $type:ty) => $field:ident;)+) => {$(
        $(#[$doc])*
        pub fn $name(mut self, $arg: $type) -> Self {
            self.config.$field = Some($arg.into());
            self
        }
    )+};
}

/// Options that are flags.
macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident($($on:ident)?) => $flag:ident $value:expr;)+) => {$(
        $(#[$doc])*
        pub fn $name(mut self $(, $on: bool)?) -> Self {
            self.config = self.config.flag(LinkFlags::$flag, $value);
            self
        }
    )+};
}

impl DeviceEntry {
    options! {
        /// On top of this device (`link`).
        link(dev: impl Into<Dev>) => link;
        /// The namespace of the device given as [`link`](Self::link), by its number in this one (`link-netnsid`).
        link_netnsid(id: i32) => link_netnsid;
        /// A port of this device (`master`).
        master(dev: impl Into<Dev>) => master;
        /// The largest packet in bytes (`mtu`).
        mtu(bytes: u32) => mtu;
        /// The hardware address (`address`).
        address(address: impl Into<HwAddr>) => address;
        /// The hardware address of broadcasts (`broadcast`).
        broadcast(address: impl Into<HwAddr>) => broadcast;
        /// The group (`group`).
        group(group: u32) => group;
        /// The length of the transmit queue in packets (`txqueuelen`).
        tx_queue_len(packets: u32) => tx_queue_len;
        /// How many transmit queues a new device gets, 1 to 4096 (`numtxqueues`).
        num_tx_queues(queues: u32) => num_tx_queues;
        /// How many receive queues a new device gets, 1 to 4096 (`numrxqueues`).
        num_rx_queues(queues: u32) => num_rx_queues;
        /// The index of a new device (`index`).
        index(index: u32) => index;
        /// A description, up to 255 bytes (`alias`). An empty one removes it.
        alias(alias: impl Into<String>) => alias;
        /// How it makes its IPv6 link-local address (`addrgenmode`).
        addr_gen_mode(mode: AddrGenMode) => addr_gen_mode;
        /// Held down by a protocol, or not (`protodown`). Only some drivers can: macvlan, VXLAN, and hardware.
        protocol_down(on: bool) => protocol_down;
        /// The namespace it moves to, or is created in (`netns`).
        netns(netns: Netns) => netns;
        /// A new name, up to 15 bytes (`name`).
        rename(name: impl Into<Name>) => rename;
    }

    flags! {
        /// Administratively up.
        up() => UP true;
        /// Administratively down.
        down() => UP false;
        /// Resolving addresses or not (`arp`).
        arp(on) => NOARP !on;
        /// Carrying multicast or not (`multicast`).
        multicast(on) => MULTICAST on;
        /// Receiving all multicast packets or not (`allmulticast`).
        all_multicast(on) => ALLMULTI on;
        /// Receiving all packets or not (`promisc`).
        promisc(on) => PROMISC on;
    }

    /// Of this kind, with these options (`type`).
    pub fn kind(mut self, kind: impl LinkKind) -> Self {
        self.config = self.config.kind(kind);
        self
    }

    /// With these options as a port of its master (`type bridge_slave` and the like).
    pub fn port(mut self, port: impl LinkKind) -> Self {
        self.config = self.config.port(port);
        self
    }

    /// No longer a port (`nomaster`).
    pub fn no_master(mut self) -> Self {
        self.config.master = Some(Dev::Index(0));
        self
    }

    /// With this alternative name too, up to 127 bytes (`altname`).
    pub fn alt_name(mut self, name: impl Into<Name>) -> Self {
        self.config.alt_names.push(name.into());
        self
    }

    /// Without this alternative name; for [`change`](Self::change).
    pub fn remove_alt_name(mut self, name: impl Into<Name>) -> Self {
        self.removed_alt_names.push(name.into());
        self
    }

    /// Creates the device and returns it as the kernel reports it; fails if its name is taken.
    ///
    /// Alias, address generation, protocol down and alternative names are further requests, because the kernel silently drops
    /// them from the request that creates a device. If one of them is refused, the device is deleted again. If the operation is
    /// dropped in between, the device stays without them.
    ///
    /// Equivalent: `ip link add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)); a kind that this kernel does not have
    /// ([`Unsupported`](crate::error::ErrorKind::Unsupported)); no such link or master; an MTU beyond the device's limit; an
    /// invalid name, before the kernel is asked.
    pub fn add(self) -> Pending<Link> {
        Pending::new(async move { self.links.add(self.config).await })
    }

    /// The options so far.
    #[must_use]
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// Changes the existing device. Only what is set changes.
    ///
    /// Equivalent: `ip link set`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device ([`is_not_found`](Error::is_not_found)); the device is of another kind, or not a port of such a master; what the
    /// kernel says about the change; [`Unsupported`](crate::error::ErrorKind::Unsupported) for an option that the kernel ignored
    /// because it is too old, while what else was set is in effect.
    pub fn change(mut self) -> Pending<Ack> {
        Pending::new(async move {
            let removed = std::mem::take(&mut self.removed_alt_names);
            self.links.change(self.config, removed).await
        })
    }

    /// Creates the device, or changes the existing one. An option that can only be set at creation is refused for an existing
    /// device.
    ///
    /// Equivalent: `ip link add`, or `ip link set` if the device exists. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) but for `EEXIST`; the device is of another kind.
    pub fn replace(self) -> Pending<Ack> {
        Pending::new(async move {
            match self.links.add(self.config.clone()).await {
                Ok(_) => Ok(Ack::default()),
                Err(error) if error.is_exists() => self.links.change(self.config, Vec::new()).await,
                Err(error) => Err(error),
            }
        })
    }

    /// Deletes the device.
    ///
    /// Equivalent: `ip link delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device ([`is_not_found`](Error::is_not_found)); `EOPNOTSUPP` for hardware.
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(async move {
            let conn = &self.links.conn;
            conn.require(Protocol::Route, "links")?;
            self.config.dev.check()?;
            let deleted = conn.acknowledged(self.config.request(LinkVerb::Delete)).await;
            deleted.map_err(|error| name_dev(error, &self.config.dev))
        })
    }

    /// Reads the device, with its counters.
    ///
    /// Equivalent: `ip -s link show dev DEV`. Needs no privilege.
    ///
    /// # Errors
    /// No such device ([`is_not_found`](Error::is_not_found)).
    pub fn get(self) -> Pending<Link> {
        Pending::new(async move {
            let conn = &self.links.conn;
            conn.require(Protocol::Route, "links")?;
            self.config.dev.check()?;
            conn.answered(request(&self.config.dev, true), Link::decode).await
        })
    }
}

impl Links {
    async fn add(&self, mut config: LinkConfig) -> Result<Link> {
        self.conn.require(Protocol::Route, "links")?;
        let named = match self.conn.resolve(config.devs()).await {
            Ok(named) => named,
            Err((error, named)) => return Err(named.explain(config.request(LinkVerb::Add).not_sent(error))),
        };
        // Checked with all that is in it, so that bad input makes no device.
        config.request(LinkVerb::Add).encoded().map_err(|error| named.explain(error))?;
        let whole = config.clone();
        let mut later = config.later();
        let alt_names = std::mem::take(&mut config.alt_names);
        let request = echoed(config.request(LinkVerb::Add));
        let link = self.make(request, &config).await.map_err(|error| {
            let unknown = |kernel: &KernelError| {
                let text = kernel.ext_ack.message.as_deref().unwrap_or_default();
                kernel.errno == Errno::EOPNOTSUPP && text.starts_with("Unknown device type")
            };
            let error = explained(error, &whole);
            named.explain(error.or_unsupported(unknown, "this kind of device", Since::option("its module")))
        })?;
        if let Some(later) = &mut later {
            later.dev = Dev::Index(link.index);
        }
        let finished = match self.finish(&link, later, alt_names, &config).await {
            Ok(()) => match self.there(&config) {
                Ok(there) => confirm(&there, &whole, LinkVerb::Add, link.index).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match finished.map_err(|error| named.explain(explained(error, &whole))) {
            Ok(()) => Ok(link),
            Err(error) => {
                // Nothing of it stays. It may be deleted already.
                let there = self.there(&config).map(Self::new);
                let _ = there.unwrap_or_else(|_| self.clone()).device(link.index).delete().await;
                Err(error)
            }
        }
    }

    /// Sends the request, and returns the device as the kernel made it.
    async fn make(&self, request: Request, config: &LinkConfig) -> Result<Link> {
        let reply = self.conn.exchange(request).await?;
        let messages = reply.messages.iter().map(RawMessage::as_ref);
        match messages.map(Link::decode).find_map(Result::ok) {
            Some(link) => Ok(link),
            // Before Linux 6.2 the kernel does not send it.
            None => self.there(config)?.link(&config.dev).await,
        }
    }

    /// The connection to where the device is made.
    fn there(&self, config: &LinkConfig) -> Result<Connection> {
        match &config.netns {
            Some(netns) => Connection::builder(Protocol::Route).netns(netns).open(),
            None => Ok(self.conn.clone()),
        }
    }

    /// What a new device needs in further requests.
    async fn finish(
        &self,
        link: &Link,
        later: Option<LinkConfig>,
        alt_names: Vec<Name>,
        config: &LinkConfig,
    ) -> Result<()> {
        if later.is_none() && alt_names.is_empty() {
            return Ok(());
        }
        let conn = self.there(config)?;
        if let Some(mut later) = later {
            if let Some(kind) = later.port_kind_name() {
                check_port(&conn.link(link.index).await?, kind, &config.dev)?;
            }
            let flags = later.flags_later();
            conn.acknowledged(later.request(LinkVerb::Change)).await?;
            if let Some(flags) = flags {
                conn.acknowledged(flags.request(LinkVerb::Change)).await?;
            }
        }
        if !alt_names.is_empty() {
            let mut names = LinkConfig::new(link.index);
            names.alt_names = alt_names;
            conn.acknowledged(names.alt_names_request(true)).await?;
        }
        Ok(())
    }

    async fn change(&self, mut config: LinkConfig, removed: Vec<Name>) -> Result<Ack> {
        self.conn.require(Protocol::Route, "links")?;
        let own = config.dev.clone();
        let named = match self.conn.resolve(config.all_devs()).await {
            Ok(named) => named,
            Err((error, named)) => {
                let error = config.request(LinkVerb::Change).not_sent(error);
                return Err(name_dev(named.explain(error), &own));
            }
        };
        let whole = config.clone();
        let port = config.port_later();
        let index = config.dev.index().unwrap_or(0);
        if config.kind_name().is_some() || config.port_kind_name().is_some() {
            let link = self.conn.link(index).await.map_err(|error| named.explain(error))?;
            let checked = check_kind(&link, &config, &own);
            checked.map_err(|error| named.explain(whole.request(LinkVerb::Change).not_sent(error)))?;
        }
        let alt_names = std::mem::take(&mut config.alt_names);
        let mut ack = Ack::default();
        let mut requests = Vec::new();
        for (names, add) in [(removed, false), (alt_names, true)] {
            if !names.is_empty() {
                let mut of = LinkConfig::new(config.dev.clone());
                of.alt_names = names;
                requests.push(of.alt_names_request(add));
            }
        }
        // The name may change and the device may leave the namespace, so this comes last.
        let flags = config.flags_later();
        if requests.is_empty() || !config.is_unset() {
            requests.push(config.request(LinkVerb::Change));
        }
        requests.extend(flags.map(|flags| flags.request(LinkVerb::Change)));
        let mut port_request = port.as_ref().map(|port| port.request(LinkVerb::Change));
        for request in requests.iter_mut().chain(&mut port_request) {
            request.encoded().map_err(|error| named.explain(error))?;
        }
        let explain = |error| named.explain(explained(error, &whole));
        for request in requests {
            ack = self.conn.acknowledged(request).await.map_err(explain)?;
        }
        if let (Some(request), Some(kind)) = (port_request, whole.port_kind_name()) {
            let link = self.conn.link(index).await.map_err(explain)?;
            let checked = check_port(&link, kind, &own);
            checked.map_err(|error| named.explain(request.not_sent(error)))?;
            ack = self.conn.acknowledged(request).await.map_err(explain)?;
        }
        if whole.netns.is_none() {
            confirm(&self.conn, &whole, LinkVerb::Change, index).await.map_err(explain)?;
        }
        Ok(ack)
    }
}

/// Refuses options of another kind than the device is. Without options the kernel says success to any kind, and it drops those of
/// a port if there is no master.
fn check_kind(link: &Link, config: &LinkConfig, own: &Dev) -> Result<()> {
    if let Some(kind) = config.kind_name().filter(|kind| !link.is_kind(kind)) {
        let is = link.kind_name.as_deref().unwrap_or("plain device");
        return Err(Error::usage(format!("{own} is {}, not {}", with_article(is), with_article(kind))));
    }
    config.port_kind_name().map_or(Ok(()), |kind| check_port(link, kind, own))
}

fn check_port(link: &Link, kind: &str, own: &Dev) -> Result<()> {
    match link.is_port_of(kind) {
        true => Ok(()),
        false => Err(Error::usage(format!("{own} is not a port of {}", with_article(kind)))),
    }
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// Says so where a refusal means that the kernel is too old, and otherwise what to change.
fn explained(error: Error, config: &LinkConfig) -> Error {
    let Some(kernel) = error.kernel() else { return error };
    match (config.refused(kernel), config.hint(kernel)) {
        (Some((what, since)), _) => error.or_unsupported(|_| true, what, since),
        (None, Some(hint)) => error.hinted(hint),
        (None, None) => error,
    }
}

/// Finds out what the kernel silently ignored, where that is possible.
async fn confirm(conn: &Connection, config: &LinkConfig, verb: LinkVerb, index: u32) -> Result<()> {
    if let Some((request, what, since)) = config.probe(index) {
        match conn.acknowledged(request).await {
            Ok(_) => return Err(config.request(verb).not_sent(Error::unsupported(what, since))),
            Err(error) if error.errno() == Some(Errno::ERANGE) => {}
            Err(error) => return Err(error),
        }
    }
    if config.ignored(None)?.is_none() {
        return Ok(());
    }
    match config.ignored(Some(&conn.link(index).await?))? {
        None => Ok(()),
        Some((what, since)) => Err(config.request(verb).not_sent(Error::unsupported(what, since))),
    }
}

fn name_dev(error: Error, dev: &Dev) -> Error {
    error.naming(dev.index().unwrap_or(0), dev)
}

/// All devices, or those that match. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Devices {
    links: Links,
    master: Option<Dev>,
    kind: Option<Name>,
    up: Option<bool>,
    group: Option<u32>,
    stats: bool,
}

impl Devices {
    /// Ports of this device (`master`). Filtered by the kernel.
    pub fn master(mut self, dev: impl Into<Dev>) -> Self {
        self.master = Some(dev.into());
        self
    }

    /// Of this kind, such as `bridge` (`type`). Filtered by the kernel.
    pub fn kind(mut self, kind: impl Into<Name>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Those that are administratively up, or those that are down. Filtered while reading.
    pub fn up(mut self, yes: bool) -> Self {
        self.up = Some(yes);
        self
    }

    /// In this group (`group`). Filtered while reading.
    pub fn group(mut self, group: u32) -> Self {
        self.group = Some(group);
        self
    }

    /// With their counters, which cost the kernel most of the time of a list.
    pub fn with_stats(mut self) -> Self {
        self.stats = true;
        self
    }

    /// Lists them: a stream in constant memory.
    ///
    /// Equivalent: `ip link show`. Needs no privilege.
    ///
    /// # Errors
    /// No such master.
    pub fn list(self) -> Pending<Dump<Link>> {
        Pending::new(async move {
            let conn = &self.links.conn;
            conn.require(Protocol::Route, "links")?;
            let master = match &self.master {
                Some(master) => Some(conn.link_index(master).await?),
                None => None,
            };
            let request = list_request(master, self.kind.as_deref(), self.stats);
            Ok(conn.dump_matching(request, Link::decode, move |link: &Link| {
                // A kernel that does not know the kind ignores the filter.
                self.kind.as_ref().is_none_or(|kind| link.is_kind(kind))
                    && master.is_none_or(|master| link.master == Some(master))
                    && self.up.is_none_or(|up| link.is_up() == up)
                    && self.group.is_none_or(|group| link.group == group)
            }))
        })
    }
}
