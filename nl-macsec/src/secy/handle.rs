use nl_core::error::{Ack, Errno};
use nl_core::link::Links;
use nl_core::{Dev, Error, Pending, Result};

use super::codec::Secy;
use super::read::{Listing, read_all, read_one};
use crate::association::An;
use crate::channel::{Channel, PRIVILEGE, Target};
use crate::device::MacsecDevice;
use crate::mode::Offload;

/// One MACsec device with its channels and associations. The verb comes last and returns a [`Pending`].
///
/// ```no_run
/// # async fn example(macsec: nl_macsec::Macsec) -> nl_core::Result<()> {
/// // ip -s macsec show macsec0
/// let secy = macsec.secy("macsec0").get().await?;
/// for channel in &secy.rx_scs {
///     println!("{} from {}, {} of them forged", channel.stats.packets_ok, channel.sci, channel.stats.packets_not_valid);
/// }
/// # Ok(())
/// # }
/// ```
/// The device itself is made, changed and deleted with [`Macsec::device`](crate::Macsec::device).
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct SecyEntry {
    channel: Channel,
    dev: Dev,
}

impl SecyEntry {
    pub(crate) fn new(channel: Channel, dev: Dev) -> Self {
        Self { channel, dev }
    }

    /// Reads the device. The kernel has no request for one: all devices are read.
    ///
    /// Equivalent: `ip -s macsec show DEV`. Needs no privilege.
    ///
    /// # Errors
    /// No such device ([`is_not_found`](Error::is_not_found)), or one of another kind; `EMSGSIZE` if the kernel cannot report it, see
    /// [complete lists](super#complete-lists); devices that come and go all the time ([`is_interrupted`](Error::is_interrupted)); a
    /// kernel without MACsec ([`Unsupported`](nl_core::error::ErrorKind::Unsupported)).
    pub fn get(self) -> Pending<Secy> {
        Pending::new(async move {
            let secy = read_one(&self.channel, &self.dev).await;
            secy.map_err(|error| error.during(|| format!("get macsec {}", self.dev)))
        })
    }

    /// Sets which association encrypts what is sent. It takes effect at once, for the next frame.
    ///
    /// Equivalent: `ip link set DEV type macsec encodingsa AN`. Needs `CAP_NET_ADMIN` in the user namespace that owns the network
    /// namespace.
    ///
    /// # Errors
    /// A number over 3, before the kernel is asked; no such device ([`is_not_found`](Error::is_not_found)), or one of another kind.
    /// That the association exists is not checked: without it nothing can be sent.
    pub fn set_encoding_sa(self, an: impl Into<An>) -> Pending<Ack> {
        let options = MacsecDevice::new().encoding_sa(an.into());
        Pending::new(async move {
            Links::new(self.channel.route()?.clone()).device(&self.dev).kind(options).change().await
        })
    }

    /// Sets who encrypts. The device has to be down and must not have channels or associations.
    ///
    /// Equivalent: `ip macsec offload DEV MODE`. Needs `CAP_NET_ADMIN` in the initial user namespace. Linux 5.6; offload to the MAC
    /// since 5.9.
    ///
    /// # Errors
    /// `EBUSY` ([`is_busy`](Error::is_busy)) if it is up or not empty; `EOPNOTSUPP` ([`is_unsupported`](Error::is_unsupported)) if
    /// the device below cannot; the kernel never falls back to encrypting itself.
    pub fn set_offload(self, mode: Offload) -> Pending<Ack> {
        Pending::new(async move {
            let encode = |family, target: Target| Secy::offload_request(family, target.index, mode);
            match self.channel.acknowledged(&self.dev, encode).await {
                Ok(ack) => Ok(ack),
                Err(error) => Err(self.explain(error, mode).await),
            }
        })
    }

    async fn explain(&self, error: Error, mode: Offload) -> Error {
        let hint = match error.kernel().map(|kernel| kernel.errno) {
            Some(Errno::EPERM) => PRIVILEGE.into(),
            Some(Errno::EOPNOTSUPP) => {
                format!(
                    "the device below cannot offload MACsec ({mode}), and the kernel does not encrypt in its place"
                )
            }
            Some(Errno::EBUSY) => match self.in_the_way().await {
                Ok(Some(why)) => why,
                _ => return error,
            },
            _ => return error,
        };
        error.hinted(hint)
    }

    async fn in_the_way(&self) -> Result<Option<String>> {
        let link = self.channel.route()?.link(&self.dev).await?;
        if link.is_up() {
            return Ok(Some("offload is changed while the device is down".into()));
        }
        let secy = read_one(&self.channel, &self.dev).await?;
        let (channels, associations) = (secy.rx_scs.len(), secy.tx_sas.len());
        Ok((channels + associations > 0).then(|| {
            format!(
                "offload is changed while the device is empty: it has {channels} channels that are received and {associations} \
                 associations that send"
            )
        }))
    }
}

/// All MACsec devices. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct Secys {
    channel: Channel,
}

impl Secys {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Lists them, all or none: see [complete lists](super#complete-lists).
    ///
    /// Equivalent: `ip -s macsec show`, which shows an incomplete list without an error. Needs no privilege.
    ///
    /// # Errors
    /// `EMSGSIZE` with the names of the devices that the kernel left out; devices that come and go all the time
    /// ([`is_interrupted`](Error::is_interrupted)); a kernel without MACsec
    /// ([`Unsupported`](nl_core::error::ErrorKind::Unsupported)).
    pub fn list(self) -> Pending<Vec<Secy>> {
        Pending::new(async move { read_all(&self.channel).await?.into_result() })
    }

    /// Lists those that the kernel reports, and names those that it leaves out.
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// As [`list`](Self::list), but for devices that are left out.
    pub fn list_readable(self) -> Pending<Listing> {
        Pending::new(async move { read_all(&self.channel).await })
    }
}
