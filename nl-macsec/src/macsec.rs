use nl_core::{Connection, Dev};

use crate::association::An;
use crate::channel::Channel;
use crate::device::{MacsecDeviceEntry, MacsecDevices};
use crate::rx_sa::RxSaEntry;
use crate::rx_sc::RxScEntry;
use crate::sci::Sci;
use crate::secy::{SecyEntry, Secys};
use crate::tx_sa::TxSaEntry;

/// MACsec of a namespace. Cheap to clone.
///
/// ```no_run
/// use nl_core::{Connection, Protocol};
/// use nl_macsec::Macsec;
///
/// # async fn example() -> nl_core::Result<()> {
/// let macsec = Macsec::new(Connection::open(Protocol::Generic)?);
/// for secy in macsec.secys().list().await? {
///     println!("{secy}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Macsec {
    channel: Channel,
}

impl Macsec {
    /// Over this netlink connection, which must be one to [`Protocol::Generic`](nl_core::Protocol::Generic). A connection to
    /// [`Protocol::Route`](nl_core::Protocol::Route) beside it is opened when it is first needed.
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { channel: Channel::new(conn) }
    }

    /// The netlink connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.channel.connection()
    }

    /// A device as one of the network, to be made, changed, deleted or read.
    pub fn device(&self, dev: impl Into<Dev>) -> MacsecDeviceEntry {
        MacsecDeviceEntry::new(self.channel.clone(), dev.into())
    }

    /// All devices as those of the network, with their options, to be listed.
    pub fn devices(&self) -> MacsecDevices {
        MacsecDevices::new(self.channel.clone())
    }

    /// A device with its channels and associations, to be read; its encoding association and its offload, to be set.
    pub fn secy(&self, dev: impl Into<Dev>) -> SecyEntry {
        SecyEntry::new(self.channel.clone(), dev.into())
    }

    /// All devices with their channels and associations, to be listed.
    pub fn secys(&self) -> Secys {
        Secys::new(self.channel.clone())
    }

    /// An association that sends.
    pub fn tx_sa(&self, dev: impl Into<Dev>, an: impl Into<An>) -> TxSaEntry {
        TxSaEntry::new(self.channel.clone(), dev.into(), an.into())
    }

    /// A channel that is received, by the SCI of its sender.
    pub fn rx_sc(&self, dev: impl Into<Dev>, sci: Sci) -> RxScEntry {
        RxScEntry::new(self.channel.clone(), dev.into(), sci)
    }

    /// A device that is created again with another cipher suite.
    #[cfg(feature = "recreate")]
    pub fn recreate(&self, dev: impl Into<Dev>, suite: crate::CipherSuite) -> crate::recreate::RecreateEntry {
        crate::recreate::RecreateEntry::new(self.channel.clone(), dev.into(), suite)
    }

    /// The next key of a device, to be installed and used.
    #[cfg(feature = "rotate")]
    pub fn rotate(&self, dev: impl Into<Dev>) -> crate::rotate::RotateEntry {
        crate::rotate::RotateEntry::new(self.channel.clone(), dev.into())
    }

    /// The packet numbers of what a device sends, to be watched.
    #[cfg(feature = "rotate")]
    pub fn packet_numbers(&self, dev: impl Into<Dev>) -> crate::rotate::PacketNumberWatch {
        crate::rotate::PacketNumberWatch::new(self.channel.clone(), dev.into())
    }

    /// An association of a channel that is received.
    pub fn rx_sa(&self, dev: impl Into<Dev>, sci: Sci, an: impl Into<An>) -> RxSaEntry {
        RxSaEntry::new(self.channel.clone(), dev.into(), sci, an.into())
    }
}
