//! Ready-made networks.

use futures_util::future::try_join_all;

use crate::{Lab, Node, Result};

/// A bridge with hosts on its ports, made by [`Lab::bridge`].
#[derive(Clone, Debug)]
pub struct Bridge {
    name: String,
    node: Node,
    hosts: Vec<Node>,
    ports: Vec<String>,
}

impl Bridge {
    /// The name of the bridge device.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node that holds the bridge and its ports.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// The nodes behind the ports, each with `eth0`; the first is behind the first port.
    #[must_use]
    pub fn hosts(&self) -> &[Node] {
        &self.hosts
    }

    /// The names of the ports: `port1`, `port2`, …
    #[must_use]
    pub fn ports(&self) -> &[String] {
        &self.ports
    }
}

impl Lab {
    /// Two nodes joined by a cable: `eth0` on each, up, with a carrier, addressed for IPv4 and IPv6.
    ///
    /// [`Node::ipv4`] and [`Node::ipv6`] return the addresses.
    ///
    /// # Errors
    ///
    /// When a name is taken or the kernel refuses a step.
    pub async fn wire(&self, first: &str, second: &str) -> Result<[Node; 2]> {
        let first = self.node(first).await?;
        let second = self.node(second).await?;
        first.add_veth("eth0", &second, "eth0").await?;
        let subnet = self.next_subnet();
        first.up("eth0").await?;
        second.up("eth0").await?;
        for (node, host) in [(&first, 1), (&second, 2)] {
            node.wait_carrier("eth0").await?;
            node.address("eth0", subnet, host, self.is_quiet()).await?;
        }
        Ok([first, second])
    }

    /// A bridge with `hosts` nodes on it, all up and in one subnet.
    ///
    /// The bridge device, called `name`, is in a node of the same name with ports `port1…`; the nodes `host1…` have
    /// `eth0`. No spanning tree runs, so the ports forward at once.
    ///
    /// # Errors
    ///
    /// When a name is taken or the kernel refuses a step.
    pub async fn bridge(&self, name: &str, hosts: u8) -> Result<Bridge> {
        self.bridge_of(name, hosts, false).await
    }

    /// Like [`Lab::bridge`], with VLAN filtering; the test needs `bridge_vlan_filtering`.
    ///
    /// # Errors
    ///
    /// When a name is taken or the kernel refuses a step.
    pub async fn vlan_bridge(&self, name: &str, hosts: u8) -> Result<Bridge> {
        self.bridge_of(name, hosts, true).await
    }

    async fn bridge_of(&self, name: &str, hosts: u8, vlans: bool) -> Result<Bridge> {
        let node = self.node(name).await?;
        if vlans {
            node.add_vlan_bridge(name).await?;
        } else {
            node.add_bridge(name).await?;
        }
        node.up(name).await?;
        let subnet = self.next_subnet();
        let mut bridge = Bridge { name: name.to_owned(), node, hosts: Vec::new(), ports: Vec::new() };
        for number in 1..=hosts {
            let host = self.node(&format!("host{number}")).await?;
            let port = format!("port{number}");
            bridge.node.add_veth(&port, &host, "eth0").await?;
            bridge.node.set_master(&port, name).await?;
            bridge.node.up(&port).await?;
            host.up("eth0").await?;
            bridge.hosts.push(host);
            bridge.ports.push(port);
        }
        try_join_all(bridge.hosts.iter().zip(1..).map(async |(host, number)| {
            host.wait_carrier("eth0").await?;
            host.address("eth0", subnet, number, self.is_quiet()).await
        }))
        .await?;
        try_join_all(bridge.ports.iter().map(|port| bridge.node.wait_carrier(port))).await?;
        if hosts > 0 {
            bridge.node.wait_carrier(name).await?;
        }
        Ok(bridge)
    }
}
