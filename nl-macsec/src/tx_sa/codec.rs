use std::fmt;

use nl_core::Request;
use nl_core::check::check_index;

use crate::association::An;
use crate::cipher::CipherSuite;
use crate::key::{KeyId, Ssci};
use crate::message::{
    CMD_ADD_TXSA, CMD_DEL_TXSA, CMD_UPD_TXSA, MACSEC_ATTR_IFINDEX, MACSEC_ATTR_SA_CONFIG, request,
};
use crate::sa::{SaConfig, read_association};
use crate::stats::TxSaStats;
use crate::verb::Verb;

/// An association that sends, of the device with an index.
///
/// ```
/// use nl_macsec::tx_sa::TxSa;
/// use nl_macsec::{CipherSuite, KeyId, SaConfig, SecretKey, Verb};
///
/// let key = SecretKey::new(&[7; 16])?;
/// let sa = SaConfig::new(0).next_pn(1).key(&key).key_id("01".parse::<KeyId>()?).active(true);
/// // The family has another number in each running kernel.
/// let request = TxSa::new(5, sa).request(28, CipherSuite::GcmAes128, Verb::Add);
/// assert_eq!(request.describe(), "add macsec #5 tx sa 0 pn 1 key 01000000000000000000000000000000 on");
/// assert!(request.is_sensitive());
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TxSa {
    /// The device.
    pub index: u32,
    /// The association.
    pub sa: SaConfig,
}

impl TxSa {
    /// This association of this device.
    #[must_use]
    pub const fn new(index: u32, sa: SaConfig) -> Self {
        Self { index, sa }
    }

    /// The request that does this with the association of a device with this cipher suite, where the [family](crate::FAMILY) has the
    /// number `family`. One that the kernel would refuse is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, family: u16, suite: CipherSuite, verb: Verb) -> Request {
        build(self.index, &self.sa, family, suite, verb)
    }
}

pub(super) fn build(index: u32, sa: &SaConfig, family: u16, suite: CipherSuite, verb: Verb) -> Request {
    let command = match verb {
        Verb::Add => CMD_ADD_TXSA,
        Verb::Delete => CMD_DEL_TXSA,
        Verb::Update => CMD_UPD_TXSA,
    };
    let mut request = request(family, command);
    if sa.is_secret() {
        request = request.sensitive();
    }
    let mut attrs = request.attrs();
    // Without the mark of a nest, as iproute2 sends them; no kernel asks for it.
    attrs.u32(MACSEC_ATTR_IFINDEX, index);
    sa.encode(&mut attrs.nested_unmarked(MACSEC_ATTR_SA_CONFIG), suite, verb);
    request.invalid_if(check_index(index)).invalid_if(sa.check(suite, verb, true))
}

/// An association that sends, as the kernel reports it. Keys are never reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TxSaState {
    /// Which of the four it is.
    pub an: An,
    /// Whether it can send. The kernel clears it when the packet numbers are used up.
    pub active: bool,
    /// The next packet number that is sent.
    pub next_pn: u64,
    /// The identifier of the key.
    pub key_id: KeyId,
    /// The short SCI, with extended packet numbers.
    pub ssci: Option<Ssci>,
    /// What it has sent.
    pub stats: TxSaStats,
}

read_association!(TxSaState);

/// A line of `ip macsec show`.
impl fmt::Display for TxSaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.active { "on" } else { "off" };
        write!(f, "{}: PN {}, state {state},", self.an, self.next_pn)?;
        if let Some(ssci) = self.ssci {
            write!(f, " SSCI {ssci},")?;
        }
        write!(f, " key {}", self.key_id)
    }
}
