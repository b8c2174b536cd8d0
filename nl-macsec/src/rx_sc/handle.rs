use nl_core::error::{Ack, Errno};
use nl_core::{Dev, Error, Pending, Result};

use super::codec::{RxSc, RxScState};
use crate::channel::{Channel, NO_OFFLOAD, PRIVILEGE, Target, not_found};
use crate::sci::Sci;
use crate::secy::{read_all, read_one};
use crate::verb::Verb;

/// A channel that is received, to be added, updated, deleted or read. The verb comes last and returns a [`Pending`].
///
/// ```no_run
/// use nl_macsec::{Macsec, Sci};
///
/// # async fn example(macsec: Macsec) -> nl_core::Result<()> {
/// // ip macsec add macsec0 rx port 1 address 02:00:00:00:00:02
/// macsec.rx_sc("macsec0", Sci::new("02:00:00:00:00:02".parse()?, 1)).add().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct RxScEntry {
    channel: Channel,
    dev: Dev,
    config: RxSc,
}

impl RxScEntry {
    pub(crate) fn new(channel: Channel, dev: Dev, sci: Sci) -> Self {
        Self { channel, dev, config: RxSc::new(0, sci) }
    }

    /// Whether frames of it are accepted (`on`, `off`). The kernel adds channels active unless this is `false`.
    pub fn active(mut self, yes: bool) -> Self {
        self.config = self.config.active(yes);
        self
    }

    /// Adds the channel, without associations.
    ///
    /// Equivalent: `ip macsec add DEV rx sci SCI`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// `EEXIST` ([`is_exists`](Error::is_exists)) if this device has a channel with the SCI, or another MACsec device on the same
    /// device below; no such device ([`is_not_found`](Error::is_not_found)).
    pub fn add(self) -> Pending<Ack> {
        Pending::new(async move { self.run(Verb::Add).await })
    }

    /// Changes whether frames of it are accepted.
    ///
    /// Equivalent: `ip macsec set DEV rx sci SCI`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// No such channel or device ([`is_not_found`](Error::is_not_found)); nothing to change, before the kernel is asked.
    pub fn update(self) -> Pending<Ack> {
        Pending::new(async move { self.run(Verb::Update).await })
    }

    /// Deletes the channel with its associations, active ones too.
    ///
    /// Equivalent: `ip macsec del DEV rx sci SCI`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// No such channel or device ([`is_not_found`](Error::is_not_found)).
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(async move { self.run(Verb::Delete).await })
    }

    /// Reads the channel with its associations. The kernel has no request for one: all devices are read.
    ///
    /// Equivalent: `ip -s macsec show DEV`. Needs no privilege.
    ///
    /// # Errors
    /// No such channel or device ([`is_not_found`](Error::is_not_found)).
    pub fn get(self) -> Pending<RxScState> {
        Pending::new(async move {
            let sci = self.config.sci;
            let operation = || format!("get macsec {} rx sci {sci}", self.dev);
            let secy = read_one(&self.channel, &self.dev).await.map_err(|error| error.during(operation))?;
            let found = secy.rx_scs.into_iter().find(|channel| channel.sci == sci);
            found.ok_or_else(|| not_found().during(operation))
        })
    }

    async fn run(&self, verb: Verb) -> Result<Ack> {
        let encode = |family, target: Target| {
            RxSc { index: target.index, ..self.config.clone() }.request(family, verb)
        };
        match self.channel.acknowledged(&self.dev, encode).await {
            Ok(ack) => Ok(ack),
            Err(error) => Err(self.explain(verb, error).await),
        }
    }

    /// Says what the kernel does not: it has no text for any of these.
    async fn explain(&self, verb: Verb, error: Error) -> Error {
        let sci = self.config.sci;
        let hint = match (verb, error.kernel().map(|kernel| kernel.errno)) {
            (_, Some(Errno::EPERM)) => PRIVILEGE.into(),
            (Verb::Add, Some(Errno::EEXIST)) => self.holder().await,
            (_, Some(Errno::ENODEV)) => match read_one(&self.channel, &self.dev).await {
                Ok(secy) if secy.rx_scs.iter().all(|channel| channel.sci != sci) => {
                    format!("the device has no channel with the SCI {sci}")
                }
                _ => return error,
            },
            (_, Some(Errno::EOPNOTSUPP)) => NO_OFFLOAD.into(),
            _ => return error,
        };
        error.hinted(hint)
    }

    /// Which device has a channel with this SCI.
    async fn holder(&self) -> String {
        let has_it = async || {
            let listing = read_all(&self.channel).await.ok()?;
            let mut with = listing.secys.iter().filter(|secy| secy.rx_sc(self.config.sci).is_some());
            let names = self.channel.route().ok()?.link_names().await.ok()?;
            with.find_map(|secy| names.get(&secy.index).cloned())
        };
        match has_it().await {
            Some(name) => format!(
                "{name} has a channel with this SCI; it can be on one device of those on the same device below"
            ),
            None => "another MACsec device on the same device below has a channel with this SCI".into(),
        }
    }
}
