use nl_core::error::{Ack, Errno};
use nl_core::link::{Link, LinkConfig, LinkVerb, Links};
use nl_core::{Dev, Error, Pending, Result};

use super::codec::MacsecDevice;
use super::event::MacsecLink;
use crate::channel::Channel;
use crate::mode::Offload;
use crate::sci::Sci;

/// `ARPHRD_ETHER`
const ETHERNET: u16 = 1;

/// One MACsec device, to be made, changed, deleted or read. The verb comes last and returns a [`Pending`].
///
/// ```no_run
/// use nl_macsec::device::MacsecDevice;
///
/// # async fn example(macsec: nl_macsec::Macsec) -> nl_core::Result<()> {
/// // ip link add link eth0 name macsec0 type macsec encrypt on replay on window 64
/// let options = MacsecDevice::new().encrypt(true).replay(64);
/// macsec.device("macsec0").on("eth0").up().add(options).await?;
/// # Ok(())
/// # }
/// ```
/// For the other options of a device, such as its MTU, use [`Links`] with the kind [`MacsecDevice`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct MacsecDeviceEntry {
    channel: Channel,
    dev: Dev,
    parent: Option<Dev>,
    up: bool,
}

impl MacsecDeviceEntry {
    pub(crate) fn new(channel: Channel, dev: Dev) -> Self {
        Self { channel, dev, parent: None, up: false }
    }

    /// On top of this Ethernet device (`link`).
    pub fn on(mut self, parent: impl Into<Dev>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Administratively up.
    pub fn up(mut self) -> Self {
        self.up = true;
        self
    }

    /// Makes the device and returns it as the kernel made it.
    ///
    /// Equivalent: `ip link add link PARENT name DEV type macsec …`. Needs `CAP_NET_ADMIN` in the user namespace that owns the
    /// network namespace; what is then done with channels and associations needs it in the initial one.
    ///
    /// # Errors
    /// Bad options, before the kernel is asked; no device below; `EBUSY` ([`is_busy`](Error::is_busy)) for an SCI that is in use
    /// on the device below, or if that is a port of another device; `EEXIST` for the name; `EINVAL` if it is not an Ethernet device;
    /// a kernel without MACsec ([`Unsupported`](nl_core::error::ErrorKind::Unsupported)).
    #[expect(clippy::should_implement_trait, reason = "the verb of each object that is made")]
    pub fn add(self, options: MacsecDevice) -> Pending<Link> {
        Pending::new(async move {
            let links = self.links()?;
            let mut entry = links.device(&self.dev).kind(options.clone());
            if let Some(parent) = &self.parent {
                entry = entry.link(parent);
            }
            if self.up {
                entry = entry.up();
            }
            match entry.add().await {
                Ok(link) => Ok(link),
                Err(error) => Err(self.explain_add(&links, &options, error).await),
            }
        })
    }

    /// Changes the options that are given of the device that is there.
    ///
    /// The kernel reports the change to others only while the device is up.
    ///
    /// Equivalent: `ip link set DEV type macsec …`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device, or one of another kind; an option that is set when the device is made; options that exclude what the device
    /// has; each before the kernel is asked.
    pub fn change(self, options: MacsecDevice) -> Pending<Ack> {
        Pending::new(async move {
            let links = self.links()?;
            let mut config = LinkConfig::new(self.dev.clone()).kind(options.clone());
            if self.up {
                config = config.flag(nl_core::link::LinkFlags::UP, true);
            }
            // Before anything is looked up, so that bad input is called that.
            let mut request = config.request(LinkVerb::Change);
            let named = |error: Error| error.naming(self.dev.index().unwrap_or(0), &self.dev);
            request.encoded().map_err(named)?;
            let (_, current) = self.read(&links).await.map_err(|error| named(request.not_sent(error)))?;
            let whole = current.changed_by(&options);
            if let Err(why) = whole.check_as_whole(true) {
                return Err(named(request.not_sent(why.into())));
            }
            let mut entry = links.device(&self.dev).kind(options);
            if self.up {
                entry = entry.up();
            }
            entry.change().await
        })
    }

    /// Deletes the device with its channels and associations.
    ///
    /// Equivalent: `ip link delete DEV type macsec`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// No such device ([`is_not_found`](Error::is_not_found)), or one of another kind, which is left alone.
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(async move {
            let links = self.links()?;
            let index = match self.read(&links).await {
                Ok((link, _)) => link.index,
                Err(error) => {
                    let request = LinkConfig::new(self.dev.clone()).request(LinkVerb::Delete);
                    return Err(request.not_sent(error).naming(self.dev.index().unwrap_or(0), &self.dev));
                }
            };
            links.device(index).delete().await.map_err(|error| error.naming(index, &self.dev))
        })
    }

    /// Reads the device and its options as MACsec.
    ///
    /// Equivalent: `ip -d link show dev DEV`. Needs no privilege.
    ///
    /// # Errors
    /// No such device ([`is_not_found`](Error::is_not_found)), or one of another kind.
    pub fn get(self) -> Pending<(Link, MacsecDevice)> {
        Pending::new(async move { self.read(&self.links()?).await })
    }

    fn links(&self) -> Result<Links> {
        Ok(Links::new(self.channel.route()?.clone()))
    }

    async fn read(&self, links: &Links) -> Result<(Link, MacsecDevice)> {
        self.channel.device(links.connection(), &self.dev).await
    }

    /// Says what the kernel does not: it has no text for any of these.
    async fn explain_add(&self, links: &Links, options: &MacsecDevice, error: Error) -> Error {
        let Some(parent) = &self.parent else { return error };
        let Ok(parent_link) = links.connection().link(parent).await else { return error };
        let hint = match error.errno() {
            Some(Errno::EINVAL) if parent_link.link_type != ETHERNET => {
                format!("{parent} is not an Ethernet device")
            }
            Some(Errno::EBUSY) => match self.busy(links, &parent_link, options).await {
                Some(hint) => hint,
                None => return error,
            },
            Some(Errno::EOPNOTSUPP) if options.offload.is_some_and(|mode| mode != Offload::Off) => {
                format!("{parent} cannot offload MACsec in this mode")
            }
            _ => return error,
        };
        error.hinted(hint)
    }

    /// What is in the way on the device below.
    async fn busy(&self, links: &Links, parent: &Link, options: &MacsecDevice) -> Option<String> {
        let sci =
            options.sci.or_else(|| Some(Sci::new(parent.mac()?, options.port.map_or(1, |port| port.0))));
        let others = links.devices().kind("macsec").list().await.ok()?.collect_all().await.ok()?;
        let holder = others.iter().find(|other| {
            let own = other.kind::<MacsecDevice>().and_then(Result::ok).and_then(|device| device.sci);
            other.link == Some(parent.index) && own.is_some() && own == sci
        });
        if let (Some(holder), Some(sci)) = (holder, sci) {
            return Some(format!(
                "{} on {} has the SCI {sci} already: choose another port",
                holder.name, parent.name
            ));
        }
        let master = parent.port_kind.as_ref()?;
        Some(format!("{} is a port of a {master}, which takes its frames", parent.name))
    }
}

/// All MACsec devices as those of the network, with their options. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct MacsecDevices {
    channel: Channel,
}

impl MacsecDevices {
    pub(crate) const fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Lists them. One list of devices is read, and generic netlink is not used.
    ///
    /// ```no_run
    /// # async fn example(macsec: nl_macsec::Macsec) -> nl_core::Result<()> {
    /// // ip -d link show type macsec
    /// for device in macsec.devices().list().await? {
    ///     println!("{device}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    /// Channels, associations and counters are [listed elsewhere](crate::Macsec::secys). Offload is among the options since Linux 6.3.
    ///
    /// Equivalent: `ip -d link show type macsec`. Needs no privilege.
    ///
    /// # Errors
    /// The list changed while it was read and did not come to rest, see [`nl_core::dump`].
    pub fn list(self) -> Pending<Vec<MacsecLink>> {
        Pending::new(async move {
            let links = Links::new(self.channel.route()?.clone());
            let links = links.devices().kind("macsec").list().await?.collect_all().await?;
            let during = |error: Error| error.during(|| "list macsec devices".into());
            let mut devices = Vec::with_capacity(links.len());
            for link in links {
                devices.extend(MacsecLink::of(link).map_err(|error| during(error.into()))?);
            }
            Ok(devices)
        })
    }
}
