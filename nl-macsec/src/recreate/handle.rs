use std::net::IpAddr;
use std::time::{Duration, Instant};

use nl_core::address::{Address, AddressVerb, Addresses};
use nl_core::link::{Link, LinkConfig, LinkVerb, Links};
use nl_core::{Dev, Error, Pending, Result};

use crate::association::An;
use crate::channel::Channel;
use crate::cipher::CipherSuite;
use crate::device::MacsecDevice;
use crate::key::{KeyId, Salt, SecretKey, Ssci};
use crate::ledger;
use crate::rx_sa::RxSaEntry;
use crate::rx_sc::RxScEntry;
use crate::sa::SaConfig;
use crate::sci::Sci;
use crate::secy::{Secy, read_one};
use crate::tx_sa::TxSaEntry;
use crate::verb::Verb;

/// `IFA_PROTO` of the addresses that the kernel makes itself when a device comes up.
const KERNEL_LINK_LOCAL: u8 = 3;

/// A device that is created again with another cipher suite. See the [module](super) for what is restored.
#[derive(Debug)]
#[must_use = "nothing happens before a verb"]
pub struct RecreateEntry {
    channel: Channel,
    dev: Dev,
    suite: CipherSuite,
    sa: SaConfig,
    peer_sscis: Vec<(Sci, Ssci)>,
    allow_reuse: bool,
}

/// The result of creating a device again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recreated {
    /// The device, as it is now.
    pub link: Link,
    /// For how long nothing passed at this end.
    pub outage: Duration,
}

/// All that has to be restored.
struct Before {
    link: Link,
    options: MacsecDevice,
    secy: Secy,
    addresses: Vec<Address>,
}

impl RecreateEntry {
    pub(crate) fn new(channel: Channel, dev: Dev, suite: CipherSuite) -> Self {
        let sa = SaConfig::new(0).next_pn(1).active(true);
        Self { channel, dev, suite, sa, peer_sscis: Vec::new(), allow_reuse: false }
    }

    /// The key, for both directions.
    pub fn key(mut self, key: &SecretKey) -> Self {
        self.sa = self.sa.key(key);
        self
    }

    /// Its identifier.
    pub fn key_id(mut self, id: impl Into<KeyId>) -> Self {
        self.sa = self.sa.key_id(id);
        self
    }

    /// The number of the associations; 0 unless set.
    pub fn an(mut self, an: impl Into<An>) -> Self {
        self.sa.an = an.into();
        self
    }

    /// The first packet number that is sent; 1 unless set.
    pub fn next_pn(mut self, number: u64) -> Self {
        self.sa = self.sa.next_pn(number);
        self
    }

    /// The short SCI of this end, for extended packet numbers.
    pub fn ssci(mut self, ssci: impl Into<Ssci>) -> Self {
        self.sa = self.sa.ssci(ssci);
        self
    }

    /// The salt, for extended packet numbers.
    pub fn salt(mut self, salt: &Salt) -> Self {
        self.sa = self.sa.salt(salt);
        self
    }

    /// The short SCI of another end, for extended packet numbers: one for each channel.
    pub fn peer_ssci(mut self, sci: Sci, ssci: impl Into<Ssci>) -> Self {
        self.peer_sscis.push((sci, ssci.into()));
        self
    }

    /// Installs the key although one with this identifier was used up to a higher packet number by this process. **Only for another key
    /// with the same identifier:** a packet number that is used twice with one key breaks the encryption.
    pub fn allow_reuse(mut self) -> Self {
        self.allow_reuse = true;
        self
    }

    /// Deletes the device and makes it again.
    ///
    /// Dropped or failing behind the deletion, it leaves what was made until then: the error says at which step.
    ///
    /// Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// A key that is missing or does not fit, a packet number that this process has used with it, a device that is offloaded or has others on top of it, each before anything is
    /// changed; what a step says.
    pub fn run(self) -> Pending<Recreated> {
        Pending::new(async move {
            let before = self.read().await.map_err(|error| self.during(error))?;
            self.check(&before).map_err(|error| self.during(error))?;
            let links = Links::new(self.channel.route()?.clone());
            let began = Instant::now();
            links
                .device(before.link.index)
                .delete()
                .await
                .map_err(|error| error.naming(before.link.index, &self.dev))?;
            self.make(&links, &before).await?;
            let outage = began.elapsed();
            let link = links.device(before.link.index).get().await?;
            Ok(Recreated { link, outage })
        })
    }

    async fn read(&self) -> Result<Before> {
        let route = self.channel.route()?;
        let (link, options) = self.channel.device(route, &self.dev).await?;
        let secy = read_one(&self.channel, &self.dev).await?;
        let addresses =
            Addresses::new(route.clone()).entries().dev(link.index).list().await?.collect_all().await?;
        let others = Links::new(route.clone()).devices().list().await?.collect_all().await?;
        let on_top =
            others.iter().find(|other| other.link == Some(link.index) && other.link_netnsid.is_none());
        if let Some(other) = on_top {
            let why = format!("{} is on top of it and would be deleted with it", other.name);
            return Err(Error::usage(why));
        }
        Ok(Before { link, options, secy, addresses })
    }

    /// What would fail half way.
    fn check(&self, before: &Before) -> Result<()> {
        self.sa.check(self.suite, Verb::Add, true)?;
        if before.secy.offload != crate::mode::Offload::Off {
            return Err(Error::usage("it is offloaded: set_offload(Offload::Off) before"));
        }
        if self.suite.is_xpn() {
            for channel in &before.secy.rx_scs {
                if self.ssci_of(channel.sci).is_none() {
                    let why = format!("{} needs the short SCI of {}: peer_ssci()", self.suite, channel.sci);
                    return Err(Error::usage(why));
                }
            }
        }
        self.config(before).request(LinkVerb::Add).encoded()?;
        ledger::remember(&before.secy);
        if let (Some(key_id), Some(next_pn)) = (self.sa.key_id, self.sa.next_pn) {
            match self.allow_reuse {
                true => ledger::forget(before.secy.sci, key_id),
                false => ledger::check(before.secy.sci, key_id, next_pn)?,
            }
        }
        Ok(())
    }

    /// The device as it was, with the new suite.
    fn config(&self, before: &Before) -> LinkConfig {
        let (old, link) = (&before.options, &before.link);
        let mut options = MacsecDevice::new().cipher(self.suite).encoding_sa(self.sa.an);
        // The kernel takes an SCI only together with frames that carry it; `tagging` turns that off afterwards.
        options = options.sci(before.secy.sci);
        options.icv_len = old.icv_len;
        options.validation = old.validation;
        (options.encrypt, options.protect) = (old.encrypt, old.protect);
        if let (Some(true), Some(window)) = (old.replay_protect, old.window) {
            options = options.replay(window);
        }
        let mut config = LinkConfig::new(link.name.clone()).kind(options);
        config.index = Some(link.index);
        config.link = link.link.map(Dev::Index);
        config.link_netnsid = link.link_netnsid;
        config.address = link.address;
        config.group = Some(link.group);
        config.tx_queue_len = Some(link.tx_queue_len);
        config.master = link.master.map(Dev::Index);
        config
    }

    /// What a new device with an SCI cannot have: frames without it.
    fn tagging(before: &Before) -> Option<MacsecDevice> {
        let old = &before.options;
        let mut options = MacsecDevice::new();
        (options.include_sci, options.end_station, options.scb) = (old.include_sci, old.end_station, old.scb);
        (old.include_sci == Some(false)).then_some(options)
    }

    async fn make(&self, links: &Links, before: &Before) -> Result<()> {
        let (link, secy) = (&before.link, &before.secy);
        links.connection().acknowledged(self.config(before).request(LinkVerb::Add)).await?;
        let dev = || Dev::Index(link.index);
        for channel in secy.rx_scs.iter().rev() {
            let sci = channel.sci;
            let entry = RxScEntry::new(self.channel.clone(), dev(), sci);
            entry.active(channel.active).add().await?;
            let mut sa =
                RxSaEntry::new(self.channel.clone(), dev(), sci, self.sa.an).with(self.sa.duplicate());
            // Any number from the first on.
            sa = sa.next_pn(1);
            if let Some(ssci) = self.ssci_of(sci) {
                sa = sa.ssci(ssci);
            }
            sa.add().await?;
        }
        TxSaEntry::new(self.channel.clone(), dev(), self.sa.an).with(self.sa.duplicate()).add().await?;
        if let (Some(key_id), Some(next_pn)) = (self.sa.key_id, self.sa.next_pn) {
            ledger::added(secy.sci, key_id, next_pn);
        }
        // The kernel overwrites the MTU of a MACsec device that is being made.
        let mut later = links.device(link.index).mtu(link.mtu);
        if let Some(alias) = &link.alias {
            later = later.alias(alias.clone());
        }
        for name in &link.alt_names {
            later = later.alt_name(&**name);
        }
        if let Some(options) = Self::tagging(before) {
            later = later.kind(options);
        }
        if link.is_up() {
            later = later.up();
        }
        later.change().await?;
        for address in &before.addresses {
            let by_kernel = address.proto == Some(KERNEL_LINK_LOCAL) || is_link_local(address);
            if !by_kernel {
                links.connection().acknowledged(address.request(AddressVerb::Replace)).await?;
            }
        }
        Ok(())
    }

    fn ssci_of(&self, sci: Sci) -> Option<Ssci> {
        self.peer_sscis.iter().find(|(of, _)| *of == sci).map(|(_, ssci)| *ssci)
    }

    fn during(&self, error: Error) -> Error {
        error.during(|| format!("recreate macsec {} with {}", self.dev, self.suite))
    }
}

/// Made by the kernel when the device comes up.
fn is_link_local(address: &Address) -> bool {
    matches!(address.local, IpAddr::V6(address) if address.is_unicast_link_local())
}
