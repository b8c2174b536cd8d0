//! Links of a node: making, changing and reading them over rtnetlink.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd,
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt};
use netlink_packet_route::{
    address::{AddressAttribute, AddressFlags, AddressHeaderFlags},
    link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkMessage, State},
};
use rtnetlink::{
    LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVxlan, MulticastGroup, new_multicast_connection,
};
use tokio::time::timeout;

use crate::{Node, Result, wait::patient};

/// What a VXLAN device should be like, for [`Node::add_vxlan`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Vxlan {
    vni: Option<u32>,
    port: u16,
    learning: bool,
    local: Option<IpAddr>,
    vni_filter: bool,
}

impl Vxlan {
    /// A device for one network identifier, without a default destination.
    pub const fn vni(vni: u32) -> Self {
        Self { vni: Some(vni), port: 4789, learning: true, local: None, vni_filter: false }
    }

    /// A device that takes its network identifier from tunnel metadata (`external`).
    pub const fn external() -> Self {
        Self { vni: None, port: 4789, learning: true, local: None, vni_filter: false }
    }

    /// The UDP port, 4789 when not given.
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The address packets are sent from.
    pub const fn local(mut self, address: IpAddr) -> Self {
        self.local = Some(address);
        self
    }

    /// Does not learn addresses from what arrives.
    pub const fn nolearning(mut self) -> Self {
        self.learning = false;
        self
    }

    /// Accepts only listed network identifiers; for [`Vxlan::external`].
    pub const fn vni_filter(mut self) -> Self {
        self.vni_filter = true;
        self
    }
}

/// What went through an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

impl Node {
    /// Adds a bridge; it stays down until [`up`](Self::up).
    ///
    /// Its ports are in no VLAN: by default kernels with VLAN filtering put them in VLAN 1, and whatever is entered
    /// without a VLAN is there twice.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub async fn add_bridge(&self, name: &str) -> Result {
        self.add("bridge", name, LinkBridge::new(name).vlan_default_pvid(0).build()).await
    }

    /// Adds a bridge with VLAN filtering; the test needs `bridge_vlan_filtering`.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, as one without VLAN filtering does.
    pub async fn add_vlan_bridge(&self, name: &str) -> Result {
        self.add("bridge", name, LinkBridge::new(name).vlan_filtering(true).build()).await
    }

    /// Adds a device of a kind that needs no parameters, such as `dummy` or `ifb`.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub async fn add_link(&self, name: &str, kind: &str) -> Result {
        let builder = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Other(kind.to_owned()));
        self.add(kind, name, builder.name(name).build()).await
    }

    /// Adds a VXLAN device; it stays down until [`up`](Self::up).
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub async fn add_vxlan(&self, name: &str, vxlan: Vxlan) -> Result {
        let mut builder =
            LinkMessageBuilder::<LinkVxlan>::new(name).port(vxlan.port).learning(vxlan.learning);
        builder = match vxlan.vni {
            Some(vni) => builder.id(vni),
            None => builder.collect_metadata(true),
        };
        builder = match vxlan.local {
            Some(IpAddr::V4(address)) => builder.local(address),
            Some(IpAddr::V6(address)) => builder.local6(address),
            None => builder,
        };
        if vxlan.vni_filter {
            builder = builder.vnifilter(true);
        }
        self.add("vxlan", name, builder.build()).await
    }

    /// Adds a veth pair: one end here, the other in `peer` (which may be this node); both stay down.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub async fn add_veth(&self, name: &str, peer: &Node, peer_name: &str) -> Result {
        let far = LinkMessageBuilder::<LinkUnspec>::new()
            .name(peer_name)
            .setns_by_fd(peer.netns_fd().as_raw_fd())
            .build();
        let request = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth).name(name);
        let request = request.set_info_data(InfoData::Veth(InfoVeth::Peer(far)));
        self.add("veth", name, request.build()).await
    }

    /// Puts an interface under a bridge or another master.
    ///
    /// # Errors
    ///
    /// When either does not exist or the kernel refuses.
    pub async fn set_master(&self, name: &str, master: &str) -> Result {
        let master = self.index_of(master).await?;
        self.change("set master of", name, |builder| builder.controller(master)).await
    }

    /// Sets an interface up; does not wait for the carrier ([`wait_carrier`](Self::wait_carrier) does).
    ///
    /// # Errors
    ///
    /// When there is no such interface or the kernel refuses.
    pub async fn up(&self, name: &str) -> Result {
        self.change("set up", name, LinkMessageBuilder::up).await
    }

    /// Sets an interface down.
    ///
    /// # Errors
    ///
    /// When there is no such interface.
    pub async fn down(&self, name: &str) -> Result {
        self.change("set down", name, LinkMessageBuilder::down).await
    }

    /// Sets the hardware address of an interface.
    ///
    /// # Errors
    ///
    /// When there is no such interface or the kernel refuses.
    pub async fn set_mac(&self, name: &str, mac: [u8; 6]) -> Result {
        self.change("set the address of", name, |builder| builder.address(mac.to_vec())).await
    }

    /// Deletes an interface, and with a veth its other end.
    ///
    /// # Errors
    ///
    /// When there is no such interface or the kernel refuses.
    pub async fn delete_link(&self, name: &str) -> Result {
        let index = self.index_of(name).await?;
        let deleted = self.routes().link().del(index).execute().await;
        deleted.map_err(|error| self.error(&format!("delete \"{name}\""), error))
    }

    /// Adds an address without waiting for duplicate address detection.
    ///
    /// # Errors
    ///
    /// When there is no such interface or the kernel refuses.
    pub async fn add_address(&self, name: &str, address: IpAddr, prefix: u8) -> Result {
        let index = self.index_of(name).await?;
        let mut request = self.routes().address().add(index, address, prefix);
        if address.is_ipv6() {
            let message = request.message_mut();
            message.header.flags |= AddressHeaderFlags::Nodad;
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        let added = request.execute().await;
        added.map_err(|error| self.error(&format!("add {address}/{prefix} to \"{name}\""), error))
    }

    /// The index of an interface.
    ///
    /// # Errors
    ///
    /// When there is no such interface.
    pub async fn index_of(&self, name: &str) -> Result<u32> {
        Ok(self.link(name).await?.header.index)
    }

    /// The hardware address of an interface.
    ///
    /// # Errors
    ///
    /// When there is no such interface or it has no Ethernet address.
    pub async fn mac_of(&self, name: &str) -> Result<[u8; 6]> {
        let link = self.link(name).await?;
        let address = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(bytes) => <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            _ => None,
        });
        address.ok_or_else(|| self.error(&format!("read the address of \"{name}\""), "it has none"))
    }

    /// What an interface has counted so far.
    ///
    /// # Errors
    ///
    /// When there is no such interface.
    pub async fn counters(&self, name: &str) -> Result<Counters> {
        let link = self.link(name).await?;
        let counters = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Stats64(stats) => Some(Counters {
                rx_bytes: stats.rx_bytes,
                rx_packets: stats.rx_packets,
                tx_bytes: stats.tx_bytes,
                tx_packets: stats.tx_packets,
            }),
            _ => None,
        });
        counters.ok_or_else(|| self.error(&format!("read the counters of \"{name}\""), "it has none"))
    }

    /// The names of all interfaces, in the order of their indexes.
    ///
    /// # Errors
    ///
    /// When the dump fails.
    pub async fn links(&self) -> Result<Vec<String>> {
        let dump = self.routes().link().get().execute().try_collect::<Vec<_>>().await;
        let links = dump.map_err(|error| self.error("list links", error))?;
        Ok(links.iter().filter_map(name_of).map(str::to_owned).collect())
    }

    /// Waits, at most five seconds, until an interface is up and has a carrier.
    ///
    /// # Errors
    ///
    /// When the time is up, or there is no such interface.
    pub async fn wait_carrier(&self, name: &str) -> Result {
        let what = format!("wait for the carrier of \"{name}\"");
        let name = name.to_owned();
        let check = move |routes| {
            let name = name.clone();
            async move { has_carrier(&routes, &name).await }
        };
        self.wait_until(&what, MulticastGroup::Link, check).await
    }

    /// Addresses an interface that is up in a subnet of the lab; `host` is the last byte.
    pub(crate) async fn address(&self, name: &str, subnet: u8, host: u8, quiet: bool) -> Result {
        let v4 = Ipv4Addr::new(10, subnet, 0, host);
        self.add_address(name, v4.into(), 24).await?;
        let mut v6 = None;
        if !quiet {
            let address = Ipv6Addr::new(0xfd00, subnet.into(), 0, 0, 0, 0, 0, host.into());
            // A kernel or machine without IPv6 still makes a useful wire.
            if self.sysctl_read("net.ipv6.conf.all.disable_ipv6").await.is_ok_and(|value| value == "0") {
                self.add_address(name, address.into(), 64).await?;
                self.wait_addresses(name).await?;
                v6 = Some(address);
            }
        }
        self.remember_address(name, v4, v6);
        Ok(())
    }

    /// Waits until no IPv6 address of the interface is tentative: until then it answers no neighbour's question.
    async fn wait_addresses(&self, name: &str) -> Result {
        let index = self.index_of(name).await?;
        let what = format!("wait for the addresses of \"{name}\"");
        self.wait_until(&what, MulticastGroup::Ipv6Ifaddr, move |routes| is_settled(routes, index)).await
    }

    /// Asks again after every notification of the group until the answer is yes.
    async fn wait_until<F, Fut>(&self, what: &str, group: MulticastGroup, check: F) -> Result
    where
        F: Fn(rtnetlink::Handle) -> Fut + Send + 'static,
        Fut: Future<Output = Result<bool>> + 'static,
    {
        let routes = self.routes();
        let waited = self
            .run(move || async move {
                let (connection, _handle, mut events) = new_multicast_connection(&[group])?;
                let driver = Aborting(tokio::task::spawn_local(connection));
                let wait = async {
                    // Subscribed first, then asked: a change in between is an event.
                    while !check(routes.clone()).await? {
                        if events.next().await.is_none() {
                            return Err("the event socket closed".into());
                        }
                    }
                    Ok(())
                };
                let deadline = patient(EVENT_DEADLINE);
                let result = timeout(deadline, wait).await;
                drop(driver);
                result.unwrap_or_else(|_| Err(format!("not after {deadline:?}").into()))
            })
            .await;
        waited.map_err(|error: crate::Error| self.error(what, error))
    }

    async fn add(&self, kind: &str, name: &str, request: LinkMessage) -> Result {
        let added = self.routes().link().add(request).execute().await;
        added.map_err(|error| self.error(&format!("add {kind} \"{name}\""), error))
    }

    async fn change<F>(&self, what: &str, name: &str, change: F) -> Result
    where
        F: FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    {
        let index = self.index_of(name).await?;
        let request = change(LinkMessageBuilder::<LinkUnspec>::new().index(index)).build();
        let changed = self.routes().link().set(request).execute().await;
        changed.map_err(|error| self.error(&format!("{what} \"{name}\""), error))
    }

    async fn link(&self, name: &str) -> Result<LinkMessage> {
        let found = find(&self.routes(), name).await;
        found.map_err(|error| self.error(&format!("find link \"{name}\""), error))
    }
}

/// A task that ends when its owner goes away.
struct Aborting(tokio::task::JoinHandle<()>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn find(routes: &rtnetlink::Handle, name: &str) -> Result<LinkMessage> {
    let mut answer = Box::pin(routes.link().get().match_name(name).execute());
    let link = answer.try_next().await?;
    Ok(link.ok_or_else(|| NotFound(name.to_owned()))?)
}

async fn has_carrier(routes: &rtnetlink::Handle, name: &str) -> Result<bool> {
    let link = find(routes, name).await?;
    Ok(link.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::OperState(State::Up))))
}

async fn is_settled(routes: rtnetlink::Handle, index: u32) -> Result<bool> {
    let addresses: Vec<_> =
        routes.address().get().set_link_index_filter(index).execute().try_collect().await?;
    let tentative = addresses.iter().flat_map(|address| &address.attributes).any(|attribute| {
        matches!(attribute, AddressAttribute::Flags(flags) if flags.contains(AddressFlags::Tentative))
    });
    Ok(!tentative)
}

fn name_of(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

#[derive(Debug)]
struct NotFound(String);

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no \"{}\"", self.0)
    }
}

impl std::error::Error for NotFound {}

const EVENT_DEADLINE: Duration = Duration::from_secs(5);
