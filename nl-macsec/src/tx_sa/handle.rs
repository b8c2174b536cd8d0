use nl_core::error::{Ack, Errno};
use nl_core::{Dev, Error, Pending, Result};

use super::codec::{TxSaState, build};
use crate::association::An;
use crate::channel::{Channel, Target, not_found, refusal};
use crate::sa::{SaConfig, sa_options};
use crate::secy::read_one;
use crate::verb::Verb;

/// An association that sends, to be added, updated, deleted or read. The verb comes last and returns a [`Pending`].
///
/// ```no_run
/// use nl_macsec::{KeyId, Macsec, SecretKey};
///
/// # async fn example(macsec: Macsec, key: SecretKey) -> nl_core::Result<()> {
/// // ip macsec add macsec0 tx sa 0 pn 1 on key 01 …
/// let id: KeyId = "01".parse()?;
/// macsec.tx_sa("macsec0", 0).key(&key).key_id(id).next_pn(1).active(true).add().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens before a verb"]
pub struct TxSaEntry {
    channel: Channel,
    dev: Dev,
    config: SaConfig,
}

sa_options!(TxSaEntry[config]);

impl TxSaEntry {
    pub(crate) fn new(channel: Channel, dev: Dev, an: An) -> Self {
        Self { channel, dev, config: SaConfig::new(an) }
    }

    /// With all of this configuration, its number too, in place of what was set.
    pub fn with(mut self, config: SaConfig) -> Self {
        self.config = config;
        self
    }

    /// Adds the association. It is inactive unless [`active`](Self::active) is set.
    ///
    /// An association that is the encoding one and active is used at once.
    ///
    /// Equivalent: `ip macsec add DEV tx sa`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// What is missing, or does not fit the device's cipher suite, before the kernel is asked; `EBUSY`
    /// ([`is_busy`](Error::is_busy)) if the association exists; no such device ([`is_not_found`](Error::is_not_found)).
    pub fn add(self) -> Pending<Ack> {
        Pending::new(async move { self.run(Verb::Add).await })
    }

    /// Changes the packet number, whether it is active, or both. What is not given does not change.
    ///
    /// A lower packet number with the same key repeats packet numbers, which breaks the encryption: never set one.
    ///
    /// Equivalent: `ip macsec set DEV tx sa`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// No such association or device ([`is_not_found`](Error::is_not_found)); nothing to change, or a key, before the kernel is asked.
    pub fn update(self) -> Pending<Ack> {
        Pending::new(async move { self.run(Verb::Update).await })
    }

    /// Deletes the association, which must be inactive.
    ///
    /// Equivalent: `ip macsec del DEV tx sa`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// `EBUSY` ([`is_busy`](Error::is_busy)) if it is active; no such association or device
    /// ([`is_not_found`](Error::is_not_found)).
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(async move { self.run(Verb::Delete).await })
    }

    /// Makes the association inactive and deletes it: two requests.
    ///
    /// Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// No such association or device ([`is_not_found`](Error::is_not_found)).
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
    /// No such association or device ([`is_not_found`](Error::is_not_found)).
    pub fn get(self) -> Pending<TxSaState> {
        Pending::new(async move {
            let an = self.config.an;
            let operation = || format!("get macsec {} tx sa {an}", self.dev);
            let secy = read_one(&self.channel, &self.dev).await.map_err(|error| error.during(operation))?;
            let found = secy.tx_sas.into_iter().find(|sa| sa.an == an);
            found.ok_or_else(|| not_found().during(operation))
        })
    }

    async fn run(&self, verb: Verb) -> Result<Ack> {
        let encode = |family, target: Target| build(target.index, &self.config, family, target.suite, verb);
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
            (None, Some(Errno::ENODEV)) if verb != Verb::Add => {
                match read_one(&self.channel, &self.dev).await {
                    Ok(secy) if secy.tx_sas.iter().all(|sa| sa.an != an) => {
                        format!("the device has no association {an} that sends")
                    }
                    _ => return error,
                }
            }
            _ => return error,
        };
        error.hinted(hint)
    }
}
