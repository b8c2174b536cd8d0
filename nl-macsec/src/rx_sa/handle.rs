use nl_core::error::{Ack, Errno};
use nl_core::{Dev, Error, Pending, Result};

use super::codec::{RxSaState, build};
use crate::association::An;
use crate::channel::{Channel, Target, not_found, refusal};
use crate::sa::{SaConfig, sa_options};
use crate::sci::Sci;
use crate::secy::read_one;
use crate::verb::Verb;

/// An association that receives, to be added, updated, deleted or read. The verb comes last and returns a [`Pending`].
///
/// ```no_run
/// use nl_macsec::{KeyId, Macsec, Sci, SecretKey};
///
/// # async fn example(macsec: Macsec, peer: Sci, key: SecretKey) -> nl_core::Result<()> {
/// // ip macsec add macsec0 rx sci SCI sa 0 on key 01 …
/// let id: KeyId = "01".parse()?;
/// macsec.rx_sa("macsec0", peer, 0).key(&key).key_id(id).active(true).add().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens before a verb"]
pub struct RxSaEntry {
    channel: Channel,
    dev: Dev,
    sci: Sci,
    config: SaConfig,
}

sa_options!(RxSaEntry[config]);

impl RxSaEntry {
    pub(crate) fn new(channel: Channel, dev: Dev, sci: Sci, an: An) -> Self {
        Self { channel, dev, sci, config: SaConfig::new(an) }
    }

    /// With all of this configuration, its number too, in place of what was set.
    pub fn with(mut self, config: SaConfig) -> Self {
        self.config = config;
        self
    }

    /// Adds the association. It is inactive unless [`active`](Self::active) is set.
    ///
    /// The channel must exist. Frames with a packet number below [`next_pn`](Self::next_pn) are taken for replayed ones, if the device has
    /// replay protection.
    ///
    /// Equivalent: `ip macsec add DEV rx sci SCI sa`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// What is missing, or does not fit the device's cipher suite, before the kernel is asked; `EBUSY`
    /// ([`is_busy`](Error::is_busy)) if the association exists; no such channel or device ([`is_not_found`](Error::is_not_found)).
    pub fn add(self) -> Pending<Ack> {
        Pending::new(async move { self.run(Verb::Add).await })
    }

    /// Changes the packet number, whether it is active, or both. What is not given does not change.
    ///
    /// A lower packet number accepts frames again that were received before.
    ///
    /// Equivalent: `ip macsec set DEV rx sci SCI sa`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// No such association, channel or device ([`is_not_found`](Error::is_not_found)); nothing to change, or a key, before the kernel is asked.
    pub fn update(self) -> Pending<Ack> {
        Pending::new(async move { self.run(Verb::Update).await })
    }

    /// Deletes the association, which must be inactive.
    ///
    /// Equivalent: `ip macsec del DEV rx sci SCI sa`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// `EBUSY` ([`is_busy`](Error::is_busy)) if it is active; no such association, channel or device
    /// ([`is_not_found`](Error::is_not_found)).
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(async move { self.run(Verb::Delete).await })
    }

    /// Makes the association inactive and deletes it: two requests.
    ///
    /// Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// No such association, channel or device ([`is_not_found`](Error::is_not_found)).
    pub fn remove(mut self) -> Pending<Ack> {
        Pending::new(async move {
            self.config = SaConfig::new(self.config.an).active(false);
            self.run(Verb::Update).await?;
            self.run(Verb::Delete).await
        })
    }

    /// Reads the association. The kernel has no request for one: all devices are read.
    ///
    /// Equivalent: `ip macsec show DEV`. Needs no privilege.
    ///
    /// # Errors
    /// No such association, channel or device ([`is_not_found`](Error::is_not_found)).
    pub fn get(self) -> Pending<RxSaState> {
        Pending::new(async move {
            let an = self.config.an;
            let operation = || format!("get macsec {} rx sci {} sa {an}", self.dev, self.sci);
            let secy = read_one(&self.channel, &self.dev).await.map_err(|error| error.during(operation))?;
            let channel = secy.rx_scs.into_iter().find(|channel| channel.sci == self.sci);
            let found = channel.and_then(|channel| channel.sas.into_iter().find(|sa| sa.an == an));
            found.ok_or_else(|| not_found().during(operation))
        })
    }

    async fn run(&self, verb: Verb) -> Result<Ack> {
        let encode =
            |family, target: Target| build(target.index, self.sci, &self.config, family, target.suite, verb);
        match self.channel.acknowledged(&self.dev, encode).await {
            Ok(ack) => Ok(ack),
            Err(error) => Err(self.explain(verb, error).await),
        }
    }

    /// Says what the kernel does not: it has no text for any of these.
    async fn explain(&self, verb: Verb, error: Error) -> Error {
        let an = self.config.an;
        let hint = match (refusal(&error, verb, an), error.kernel().map(|kernel| kernel.errno)) {
            (Some(hint), _) => hint,
            (None, Some(Errno::ENODEV)) => {
                let Ok(secy) = read_one(&self.channel, &self.dev).await else { return error };
                match secy.rx_scs.iter().find(|channel| channel.sci == self.sci) {
                    None => {
                        format!("the device has no channel with the SCI {}: add it with rx_sc()", self.sci)
                    }
                    Some(channel) if channel.sas.iter().all(|sa| sa.an != an) => {
                        format!("the channel has no association {an}")
                    }
                    Some(_) => return error,
                }
            }
            _ => return error,
        };
        error.hinted(hint)
    }
}
