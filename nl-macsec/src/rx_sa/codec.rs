use std::fmt;

use nl_core::Request;
use nl_core::check::check_index;

use crate::association::An;
use crate::cipher::CipherSuite;
use crate::key::{KeyId, Ssci};
use crate::message::{
    CMD_ADD_RXSA, CMD_DEL_RXSA, CMD_UPD_RXSA, MACSEC_ATTR_IFINDEX, MACSEC_ATTR_RXSC_CONFIG,
    MACSEC_ATTR_SA_CONFIG, MACSEC_RXSC_ATTR_SCI, request,
};
use crate::sa::{SaConfig, read_association};
use crate::sci::Sci;
use crate::stats::RxSaStats;
use crate::verb::Verb;

/// An association that receives, of a channel of the device with an index.
///
/// ```
/// use nl_macsec::rx_sa::RxSa;
/// use nl_macsec::{CipherSuite, KeyId, SaConfig, SecretKey, Verb};
///
/// let key = SecretKey::new(&[7; 16])?;
/// let sa = SaConfig::new(0).key(&key).key_id("01".parse::<KeyId>()?).active(true);
/// // The family has another number in each running kernel.
/// let request = RxSa::new(5, "1ceddeadbeef04d2".parse()?, sa).request(28, CipherSuite::GcmAes128, Verb::Add);
/// assert_eq!(request.describe(), "add macsec #5 rx sci 1ceddeadbeef04d2 sa 0 key 01000000000000000000000000000000 on");
/// assert!(request.is_sensitive());
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RxSa {
    /// The device.
    pub index: u32,
    /// The channel.
    pub sci: Sci,
    /// The association.
    pub sa: SaConfig,
}

impl RxSa {
    /// This association of this channel of this device.
    #[must_use]
    pub const fn new(index: u32, sci: Sci, sa: SaConfig) -> Self {
        Self { index, sci, sa }
    }

    /// The request that does this with the association of a device with this cipher suite, where the [family](crate::FAMILY) has the
    /// number `family`. One that the kernel would refuse is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, family: u16, suite: CipherSuite, verb: Verb) -> Request {
        build(self.index, self.sci, &self.sa, family, suite, verb)
    }
}

pub(super) fn build(
    index: u32,
    sci: Sci,
    sa: &SaConfig,
    family: u16,
    suite: CipherSuite,
    verb: Verb,
) -> Request {
    let command = match verb {
        Verb::Add => CMD_ADD_RXSA,
        Verb::Delete => CMD_DEL_RXSA,
        Verb::Update => CMD_UPD_RXSA,
    };
    let mut request = request(family, command);
    if sa.is_secret() {
        request = request.sensitive();
    }
    let mut attrs = request.attrs();
    // Without the mark of a nest, as iproute2 sends them; no kernel asks for it.
    attrs.u32(MACSEC_ATTR_IFINDEX, index);
    attrs.nested_unmarked(MACSEC_ATTR_RXSC_CONFIG).bytes(MACSEC_RXSC_ATTR_SCI, &sci.bytes());
    sa.encode(&mut attrs.nested_unmarked(MACSEC_ATTR_SA_CONFIG), suite, verb);
    request.invalid_if(check_index(index)).invalid_if(sa.check(suite, verb, false))
}

/// An association that receives, as the kernel reports it. Keys are never reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RxSaState {
    /// Which of the four it is.
    pub an: An,
    /// Whether frames of it are accepted.
    pub active: bool,
    /// The packet number behind the newest that was received.
    pub next_pn: u64,
    /// The identifier of the key.
    pub key_id: KeyId,
    /// The short SCI of the sender, with extended packet numbers.
    pub ssci: Option<Ssci>,
    /// What it has received.
    pub stats: RxSaStats,
}

read_association!(RxSaState);

/// A line of `ip macsec show`.
impl fmt::Display for RxSaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.active { "on" } else { "off" };
        write!(f, "{}: PN {}, state {state},", self.an, self.next_pn)?;
        if let Some(ssci) = self.ssci {
            write!(f, " SSCI {ssci},")?;
        }
        write!(f, " key {}", self.key_id)
    }
}
