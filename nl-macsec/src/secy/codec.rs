use std::fmt;

use nl_core::Request;
use nl_core::attr::{Attr, Attrs, DecodeError};
use nl_core::check::{check_index, within};
use nl_core::message::{GenlHeader, MessageRef};

use crate::association::An;
use crate::cipher::CipherSuite;
use crate::message::{
    CMD_GET_TXSC, CMD_UPD_OFFLOAD, MACSEC_ATTR_IFINDEX, MACSEC_ATTR_OFFLOAD, MACSEC_ATTR_RXSC_LIST,
    MACSEC_ATTR_SECY, MACSEC_ATTR_SECY_STATS, MACSEC_ATTR_TXSA_LIST, MACSEC_ATTR_TXSC_STATS,
    MACSEC_OFFLOAD_ATTR_TYPE, fill_list, request,
};
use crate::mode::{Offload, Validation};
use crate::rx_sc::RxScState;
use crate::sci::Sci;
use crate::stats::{SecyStats, TxScStats};
use crate::tx_sa::TxSaState;

// `enum macsec_secy_attrs`, which differs from the attributes of the device
const MACSEC_SECY_ATTR_SCI: u16 = 1;
const MACSEC_SECY_ATTR_ENCODING_SA: u16 = 2;
const MACSEC_SECY_ATTR_WINDOW: u16 = 3;
const MACSEC_SECY_ATTR_CIPHER_SUITE: u16 = 4;
const MACSEC_SECY_ATTR_ICV_LEN: u16 = 5;
const MACSEC_SECY_ATTR_PROTECT: u16 = 6;
const MACSEC_SECY_ATTR_REPLAY: u16 = 7;
const MACSEC_SECY_ATTR_OPER: u16 = 8;
const MACSEC_SECY_ATTR_VALIDATE: u16 = 9;
const MACSEC_SECY_ATTR_ENCRYPT: u16 = 10;
const MACSEC_SECY_ATTR_INC_SCI: u16 = 11;
const MACSEC_SECY_ATTR_ES: u16 = 12;
const MACSEC_SECY_ATTR_SCB: u16 = 13;

/// A device (SecY) with its channels, associations and counters, as the kernel reports it.
///
/// Keys and salts are never reported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Secy {
    /// The device.
    pub index: u32,
    /// The SCI of what is sent.
    pub sci: Sci,
    /// The cipher suite.
    pub cipher: CipherSuite,
    /// The length of the integrity check value in bytes.
    pub icv_len: u8,
    /// The association that encrypts what is sent.
    pub encoding_sa: An,
    /// Whether the device can send: false if the encoding association is missing or inactive. The kernel notices a missing one only
    /// when something is sent, so a new device is operational.
    pub operational: bool,
    /// What happens to frames that cannot be verified.
    pub validation: Validation,
    /// Whether what is sent is encrypted.
    pub encrypt: bool,
    /// Whether what is sent is authenticated.
    pub protect: bool,
    /// Whether frames carry the SCI.
    pub include_sci: bool,
    /// Whether the sender is an end station.
    pub end_station: bool,
    /// Whether the sender is a single copy broadcast channel.
    pub scb: bool,
    /// Whether received frames with an old packet number are dropped.
    pub replay_protect: bool,
    /// By how much a packet number may be older than the newest; reported with replay protection only.
    pub window: Option<u32>,
    /// Who encrypts.
    pub offload: Offload,
    /// Counters of the device.
    pub stats: SecyStats,
    /// Counters of what is sent.
    pub tx_stats: TxScStats,
    /// The associations that send, by number.
    pub tx_sas: Vec<TxSaState>,
    /// The channels that are received, the newest first.
    pub rx_scs: Vec<RxScState>,
}

impl Secy {
    /// Reads an answer to `MACSEC_CMD_GET_TXSC`.
    ///
    /// # Errors
    /// The message answers another command, is malformed, or lacks the device or its SCI.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let (header, attrs) = message.header::<GenlHeader>()?;
        if header.command != CMD_GET_TXSC {
            return Err(DecodeError::Kind(message.kind()));
        }
        let mut secy = Self::empty();
        let (mut has_index, mut has_sci) = (false, false);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                MACSEC_ATTR_IFINDEX => (secy.index, has_index) = (attr.u32()?, true),
                MACSEC_ATTR_SECY => has_sci |= secy.read_options(attr.attrs())?,
                MACSEC_ATTR_TXSC_STATS => secy.tx_stats.fill(attr.attrs())?,
                MACSEC_ATTR_SECY_STATS => secy.stats.fill(attr.attrs())?,
                MACSEC_ATTR_OFFLOAD => {
                    if let Some(mode) = attr.attrs().find(MACSEC_OFFLOAD_ATTR_TYPE)? {
                        secy.offload = mode.u8()?.into();
                    }
                }
                MACSEC_ATTR_TXSA_LIST => fill_list(&mut secy.tx_sas, attr, TxSaState::fill)?,
                MACSEC_ATTR_RXSC_LIST => fill_list(&mut secy.rx_scs, attr, RxScState::fill)?,
                _ => {}
            }
        }
        match (has_index, has_sci) {
            (false, _) => Err(DecodeError::Missing(MACSEC_ATTR_IFINDEX)),
            (_, false) => Err(DecodeError::Missing(MACSEC_ATTR_SECY)),
            _ => Ok(secy),
        }
    }

    /// Reads the options, and returns whether the SCI is among them.
    fn read_options(&mut self, attrs: Attrs<'_>) -> Result<bool, DecodeError> {
        let mut has_sci = false;
        let flag = |attr: Attr<'_>| attr.u8().map(|value| value != 0);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                MACSEC_SECY_ATTR_SCI => (self.sci, has_sci) = (Sci::read_attr(attr)?, true),
                MACSEC_SECY_ATTR_ENCODING_SA => self.encoding_sa = An::new(attr.u8()?),
                MACSEC_SECY_ATTR_WINDOW => self.window = Some(attr.u32()?),
                MACSEC_SECY_ATTR_CIPHER_SUITE => self.cipher = attr.u64()?.into(),
                MACSEC_SECY_ATTR_ICV_LEN => self.icv_len = attr.u8()?,
                MACSEC_SECY_ATTR_PROTECT => self.protect = flag(attr)?,
                MACSEC_SECY_ATTR_REPLAY => self.replay_protect = flag(attr)?,
                MACSEC_SECY_ATTR_OPER => self.operational = flag(attr)?,
                MACSEC_SECY_ATTR_VALIDATE => self.validation = attr.u8()?.into(),
                MACSEC_SECY_ATTR_ENCRYPT => self.encrypt = flag(attr)?,
                MACSEC_SECY_ATTR_INC_SCI => self.include_sci = flag(attr)?,
                MACSEC_SECY_ATTR_ES => self.end_station = flag(attr)?,
                MACSEC_SECY_ATTR_SCB => self.scb = flag(attr)?,
                _ => {}
            }
        }
        Ok(has_sci)
    }

    const fn empty() -> Self {
        Self {
            index: 0,
            sci: Sci::from_bytes([0; 8]),
            cipher: CipherSuite::GcmAes128,
            icv_len: 16,
            encoding_sa: An::new(0),
            operational: false,
            validation: Validation::Strict,
            encrypt: false,
            protect: false,
            include_sci: false,
            end_station: false,
            scb: false,
            replay_protect: false,
            window: None,
            offload: Offload::Off,
            stats: SecyStats::ZERO,
            tx_stats: TxScStats::ZERO,
            tx_sas: Vec::new(),
            rx_scs: Vec::new(),
        }
    }

    /// The association of this number that sends.
    #[must_use]
    pub fn tx_sa(&self, an: impl Into<An>) -> Option<&TxSaState> {
        let an = an.into();
        self.tx_sas.iter().find(|sa| sa.an == an)
    }

    /// The association that encrypts what is sent, if it exists.
    #[must_use]
    pub fn encoding(&self) -> Option<&TxSaState> {
        self.tx_sa(self.encoding_sa)
    }

    /// The channel of this sender.
    #[must_use]
    pub fn rx_sc(&self, sci: Sci) -> Option<&RxScState> {
        self.rx_scs.iter().find(|channel| channel.sci == sci)
    }

    /// The request that lists all devices, in a dump, where the [family](crate::FAMILY) has the number `family`.
    ///
    /// A device that does not fit the kernel's buffer ends the list early, without an error:
    /// [`Secys::list`](super::Secys::list) notices.
    #[must_use]
    pub fn list_request(family: u16) -> Request {
        request(family, CMD_GET_TXSC)
    }

    /// The request that sets who encrypts for the device of this index.
    #[must_use]
    pub fn offload_request(family: u16, index: u32, mode: Offload) -> Request {
        let mut request = request(family, CMD_UPD_OFFLOAD);
        let mut attrs = request.attrs();
        attrs.u32(MACSEC_ATTR_IFINDEX, index);
        attrs.nested_unmarked(MACSEC_ATTR_OFFLOAD).u8(MACSEC_OFFLOAD_ATTR_TYPE, mode.into());
        request.invalid_if(check_index(index)).invalid_if(within("offload", u8::from(mode), 0, 2))
    }
}

/// The lines of `ip macsec show`, with `#5` in place of the name of interface 5.
impl fmt::Display for Secy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |on: bool| if on { "on" } else { "off" };
        write!(f, "#{}: protect {} validate {}", self.index, word(self.protect), self.validation)?;
        write!(f, " encrypt {} send_sci {}", word(self.encrypt), word(self.include_sci))?;
        write!(f, " end_station {} scb {}", word(self.end_station), word(self.scb))?;
        write!(f, " replay {}", word(self.replay_protect))?;
        if let Some(window) = self.window {
            write!(f, " window {window}")?;
        }
        write!(f, "\n    cipher suite: {}, using ICV length {}", self.cipher, self.icv_len)?;
        write!(f, "\n    TXSC: {} on SA {}", self.sci, self.encoding_sa)?;
        self.tx_sas.iter().try_for_each(|sa| write!(f, "\n        {sa}"))?;
        self.rx_scs.iter().try_for_each(|channel| write!(f, "\n    {channel}"))?;
        write!(f, "\n    offload: {}", self.offload)
    }
}
