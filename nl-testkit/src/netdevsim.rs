//! Simulated network cards, for what only hardware does: offloads, devlink, ethtool.

use std::{
    fmt, fs, io,
    path::Path,
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use futures_util::TryStreamExt;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use crate::{Node, Result};

/// A simulated network card of one port, made by [`Node::add_netdevsim`]; dropping it takes the card away.
#[derive(Debug)]
#[must_use = "the card goes away when this is dropped"]
pub struct Netdevsim {
    device: Device,
    name: String,
}

impl Netdevsim {
    /// The name of the card on its bus, `netdevsim7`: devlink knows it as `netdevsim/netdevsim7`.
    #[must_use]
    pub fn device(&self) -> String {
        self.device.to_string()
    }

    /// The name of its interface.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Node {
    /// Adds a simulated network card (netdevsim) with one port, an interface of this node that stays down.
    ///
    /// It takes on the work that drivers of real cards do: MACsec, IPsec and TLS offload, ethtool's settings, devlink. Keep
    /// what is returned: the card and its interface end with it.
    ///
    /// The test needs `netdevsim`, and with it runs as real root. No kernel of Debian has the module; the lane
    /// `vm-offload` of `cargo testkit` brings one along.
    ///
    /// ```no_run
    /// # use nl_testkit::{Lab, Result};
    /// #[nl_testkit::test(needs(netdevsim, link = "macsec", tool = "ip"))]
    /// async fn macsec_is_left_to_the_card(lab: Lab) -> Result {
    ///     let node = lab.node("a").await?;
    ///     let card = node.add_netdevsim("card0").await?;
    ///     node.ip("link add link card0 name macsec0 type macsec offload mac").await;
    ///     let shown = node.json("ip -d -j link show macsec0").await;
    ///     assert_eq!(shown[0]["linkinfo"]["info_data"]["offload"], "mac");
    ///     drop(card);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// As `echo "7 1" > /sys/bus/netdevsim/new_device` and `ip link set eth0 name card0`. The kernel frees no card by itself:
    /// after SIGKILL it is in the machine's first namespace.
    ///
    /// # Errors
    ///
    /// When the kernel has no netdevsim, the caller is not real root, or the name is taken.
    pub async fn add_netdevsim(&self, name: &str) -> Result<Netdevsim> {
        // A card is born in the namespace of the thread that asks for it.
        let made = self.open(Device::new).await;
        let device = made.map_err(|error| self.error("add a netdevsim card", error))?;
        let what = format!("find the port of {device}");
        let links = self.routes().link().get().execute().try_collect::<Vec<_>>().await;
        let links = links.map_err(|error| self.error(&what, error))?;
        let bus_name = device.to_string();
        let port = links.iter().find(|link| is_port(link, &bus_name));
        let index = port.ok_or_else(|| self.error(&what, "there is none"))?.header.index;
        let request = LinkMessageBuilder::<LinkUnspec>::new().index(index).name(name.to_owned()).build();
        let renamed = self.routes().link().set(request).execute().await;
        renamed.map_err(|error| self.error(&format!("name the port of {device} \"{name}\""), error))?;
        Ok(Netdevsim { device, name: name.to_owned() })
    }
}

/// A device on the bus; dropping it takes it away.
#[derive(Debug)]
pub(crate) struct Device {
    id: u32,
    gone: bool,
}

impl Device {
    /// Whether the module is there.
    pub(crate) fn is_supported() -> bool {
        Path::new(BUS).is_dir()
    }

    /// Makes a device with one port in the network namespace of the calling thread.
    pub(crate) fn new() -> io::Result<Self> {
        let id = Self::free_id().ok_or_else(|| io::Error::other("no number is free"))?;
        fs::write(format!("{BUS}/new_device"), format!("{id} 1"))?;
        Ok(Self { id, gone: false })
    }

    /// Takes it away; what the kernel says against it is the error.
    pub(crate) fn delete(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        if self.gone {
            return Ok(());
        }
        self.gone = true;
        fs::write(format!("{BUS}/del_device"), self.id.to_string())
    }

    /// A number no other process takes: the bus is one for the whole machine, and a number taken twice makes the kernel
    /// complain of itself.
    fn free_id() -> Option<u32> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut tries = (0..EACH).map(|_| {
            let own = NEXT.fetch_add(1, Ordering::Relaxed) % EACH;
            // Numbers of processes have at most 22 bits, those of devices 31.
            process::id() * EACH + own
        });
        tries.find(|id| !Path::new(&format!("{BUS}/devices/netdevsim{id}")).exists())
    }
}

impl Drop for Device {
    #[expect(clippy::panic, reason = "a card that stays is left behind by the test")]
    fn drop(&mut self) {
        match self.end() {
            Err(error) if thread::panicking() => eprintln!("{self} stays: {error}"),
            Err(error) => panic!("{self} cannot be taken away: {error}"),
            Ok(()) => {}
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "netdevsim{}", self.id)
    }
}

fn is_port(link: &LinkMessage, device: &str) -> bool {
    link.attributes
        .iter()
        .any(|attribute| matches!(attribute, LinkAttribute::ParentDevName(name) if name == device))
}

const BUS: &str = "/sys/bus/netdevsim";
/// How many one process may have at a time.
const EACH: u32 = 256;
