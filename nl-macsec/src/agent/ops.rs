use std::fmt;

use nl_core::error::Since;
use nl_core::link::Links;
use nl_core::{Dev, Error, Pending, Protocol, Result};

use super::features;
use crate::association::An;
use crate::device::MacsecDevice;
use crate::key::KeyId;
use crate::macsec::Macsec;
use crate::sa::SaConfig;
use crate::sci::Sci;

/// What a key agent asks of the data plane of one port. Each operation is a [`Pending`], so the trait can be used as `dyn SecyOps`.
///
/// Associations are created inactive and enabled later, as the key server orders it.
pub trait SecyOps: fmt::Debug + Send + Sync {
    /// Creates the SecY with these options, not enabled, and returns its SCI.
    fn create_secy(&self, options: MacsecDevice) -> Pending<Sci>;

    /// Changes the options that are given: protection, encryption, validation, replay protection, what is in the tag.
    fn change_secy(&self, options: MacsecDevice) -> Pending<()>;

    /// Deletes the SecY with its channels and associations.
    fn delete_secy(&self) -> Pending<()>;

    /// Creates the channel of a peer.
    fn create_rx_sc(&self, sci: Sci) -> Pending<()>;

    /// Deletes the channel of a peer with its associations.
    fn delete_rx_sc(&self, sci: Sci) -> Pending<()>;

    /// Creates an association that receives.
    fn create_rx_sa(&self, sci: Sci, sa: SaConfig) -> Pending<()>;

    /// Accepts frames of the association.
    fn enable_rx_sa(&self, sci: Sci, an: An) -> Pending<()>;

    /// Accepts no more frames of the association.
    fn disable_rx_sa(&self, sci: Sci, an: An) -> Pending<()>;

    /// Accepts no frames of the association below this packet number, as the sender says of itself. Takes effect with replay protection.
    fn set_lowest_pn(&self, sci: Sci, an: An, number: u64) -> Pending<()>;

    /// Deletes an association that receives, an enabled one too.
    fn delete_rx_sa(&self, sci: Sci, an: An) -> Pending<()>;

    /// Creates an association that sends.
    fn create_tx_sa(&self, sa: SaConfig) -> Pending<()>;

    /// Sends with the association from now on.
    fn enable_tx_sa(&self, an: An) -> Pending<()>;

    /// Sends no more with the association.
    fn disable_tx_sa(&self, an: An) -> Pending<()>;

    /// Deletes an association that sends, an enabled one too.
    fn delete_tx_sa(&self, an: An) -> Pending<()>;

    /// Opens or closes the port: whether anything is sent and received.
    fn set_enabled(&self, yes: bool) -> Pending<()>;

    /// Leaves this many bytes of each frame in clear text: 0, 30 or 50.
    fn set_confidentiality_offset(&self, bytes: u8) -> Pending<()>;

    /// Whether the device below can encrypt in its MAC.
    fn can_offload(&self) -> Pending<bool>;

    /// The packet numbers of all associations.
    fn packet_numbers(&self) -> Pending<Vec<PacketNumber>>;
}

/// The packet number of an association.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PacketNumber {
    /// The sender, for an association that receives; `None` for one that sends.
    pub from: Option<Sci>,
    /// The association.
    pub an: An,
    /// Its key.
    pub key_id: KeyId,
    /// The next packet number that is sent, or the one behind the newest that was received; 0 when all were used.
    pub next_pn: u64,
}

/// A MACsec device of the kernel as the data plane of a port.
#[derive(Clone, Debug)]
pub struct KernelSecy {
    macsec: Macsec,
    dev: Dev,
    parent: Dev,
}

impl KernelSecy {
    /// The device `dev` on top of `parent`. It need not exist.
    #[must_use]
    pub fn new(macsec: Macsec, dev: impl Into<Dev>, parent: impl Into<Dev>) -> Self {
        Self { macsec, dev: dev.into(), parent: parent.into() }
    }

    /// The operations beyond those of the trait.
    #[must_use]
    pub const fn macsec(&self) -> &Macsec {
        &self.macsec
    }

    fn links(&self) -> Result<Links> {
        Ok(Links::new(self.macsec.connection().sibling(Protocol::Route)?))
    }
}

impl SecyOps for KernelSecy {
    /// Creates the device, which is not enabled.
    ///
    /// Equivalent: `ip link add`. Needs `CAP_NET_ADMIN`.
    fn create_secy(&self, options: MacsecDevice) -> Pending<Sci> {
        let add = self.macsec.device(&self.dev).on(&self.parent).add(options);
        let dev = self.dev.clone();
        Pending::new(async move {
            let link = add.await?;
            let options = link.kind::<MacsecDevice>().and_then(std::result::Result::ok);
            let missing = || Error::usage(format!("{dev} was made without an SCI"));
            options.and_then(|options| options.sci).ok_or_else(missing)
        })
    }

    /// Changes the options that are given.
    ///
    /// Equivalent: `ip link set DEV type macsec`. Needs `CAP_NET_ADMIN`.
    fn change_secy(&self, options: MacsecDevice) -> Pending<()> {
        done(self.macsec.device(&self.dev).change(options))
    }

    fn delete_secy(&self) -> Pending<()> {
        done(self.macsec.device(&self.dev).delete())
    }

    fn create_rx_sc(&self, sci: Sci) -> Pending<()> {
        done(self.macsec.rx_sc(&self.dev, sci).add())
    }

    fn delete_rx_sc(&self, sci: Sci) -> Pending<()> {
        done(self.macsec.rx_sc(&self.dev, sci).delete())
    }

    fn create_rx_sa(&self, sci: Sci, sa: SaConfig) -> Pending<()> {
        done(self.macsec.rx_sa(&self.dev, sci, sa.an).with(sa).add())
    }

    fn enable_rx_sa(&self, sci: Sci, an: An) -> Pending<()> {
        done(self.macsec.rx_sa(&self.dev, sci, an).active(true).update())
    }

    fn disable_rx_sa(&self, sci: Sci, an: An) -> Pending<()> {
        done(self.macsec.rx_sa(&self.dev, sci, an).active(false).update())
    }

    /// Accepts no frames of the association below this packet number.
    ///
    /// Equivalent: `ip macsec set DEV rx sci SCI sa AN pn NUMBER`.
    fn set_lowest_pn(&self, sci: Sci, an: An, number: u64) -> Pending<()> {
        done(self.macsec.rx_sa(&self.dev, sci, an).next_pn(number).update())
    }

    fn delete_rx_sa(&self, sci: Sci, an: An) -> Pending<()> {
        done(self.macsec.rx_sa(&self.dev, sci, an).remove())
    }

    fn create_tx_sa(&self, sa: SaConfig) -> Pending<()> {
        done(self.macsec.tx_sa(&self.dev, sa.an).with(sa).add())
    }

    /// Makes the association active, then the encoding one.
    fn enable_tx_sa(&self, an: An) -> Pending<()> {
        let active = self.macsec.tx_sa(&self.dev, an).active(true).update();
        let encoding = self.macsec.secy(&self.dev).set_encoding_sa(an);
        Pending::new(async move {
            active.await?;
            encoding.await.map(drop)
        })
    }

    fn disable_tx_sa(&self, an: An) -> Pending<()> {
        done(self.macsec.tx_sa(&self.dev, an).active(false).update())
    }

    fn delete_tx_sa(&self, an: An) -> Pending<()> {
        done(self.macsec.tx_sa(&self.dev, an).remove())
    }

    /// Opens or closes the port: sets the device up or down.
    ///
    /// Equivalent: `ip link set up`, `ip link set down`.
    fn set_enabled(&self, yes: bool) -> Pending<()> {
        let own = self.clone();
        Pending::new(async move {
            let device = own.links()?.device(&own.dev);
            let device = if yes { device.up() } else { device.down() };
            device.change().await.map(drop)
        })
    }

    /// No kernel has it, so anything but 0 is [`Unsupported`](nl_core::error::ErrorKind::Unsupported).
    fn set_confidentiality_offset(&self, bytes: u8) -> Pending<()> {
        let dev = self.dev.clone();
        Pending::new(async move {
            match bytes {
                0 => Ok(()),
                _ => {
                    let since =
                        Since::option("a kernel with confidentiality offsets, of which there is none");
                    let error =
                        Error::unsupported(format!("a confidentiality offset of {bytes} bytes"), since);
                    Err(error.during(|| format!("set confidentiality offset of macsec {dev}")))
                }
            }
        })
    }

    /// What the driver says by its feature `macsec-hw-offload`. A PHY that can is not found this way.
    ///
    /// Equivalent: `ethtool -k PARENT`. Needs no privilege.
    fn can_offload(&self) -> Pending<bool> {
        let own = self.clone();
        Pending::new(async move {
            let link = own.links()?.connection().link(&own.parent).await?;
            let conn = own.macsec.connection();
            let family = conn.family(features::FAMILY).await?.id;
            let request = features::request(family, link.index);
            let offload = conn.answered(request, features::decode).await;
            offload.map_err(|error| error.naming(link.index, &own.parent))
        })
    }

    fn packet_numbers(&self) -> Pending<Vec<PacketNumber>> {
        let get = self.macsec.secy(&self.dev).get();
        Pending::new(async move {
            let secy = get.await?;
            let tx = secy.tx_sas.iter().map(|sa| (None, sa.an, sa.key_id, sa.next_pn));
            let rx = secy.rx_scs.iter().flat_map(|channel| {
                channel.sas.iter().map(|sa| (Some(channel.sci), sa.an, sa.key_id, sa.next_pn))
            });
            let numbers = tx.chain(rx);
            Ok(numbers
                .map(|(from, an, key_id, next_pn)| PacketNumber { from, an, key_id, next_pn })
                .collect())
        })
    }
}

fn done<T: 'static>(operation: Pending<T>) -> Pending<()> {
    Pending::new(async move { operation.await.map(drop) })
}
