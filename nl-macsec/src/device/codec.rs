use nl_core::check::{Invalid, opt_within, within};
use nl_core::link::{Be16, LinkVerb};
use nl_core::link_kind;

use crate::association::An;
use crate::cipher::CipherSuite;
use crate::mode::{Offload, Validation};
use crate::sci::Sci;

/// With extended packet numbers, half of the numbers of which the kernel reconstructs the upper part.
const XPN_WINDOW_MAX: u32 = (1 << 30) - 1;

link_kind! {
    /// A MACsec device on top of an Ethernet device (`type macsec`). Needs a `link`.
    ///
    /// ```
    /// use nl_core::link::LinkConfig;
    /// use nl_macsec::CipherSuite;
    /// use nl_macsec::device::MacsecDevice;
    ///
    /// let options = MacsecDevice::new().cipher(CipherSuite::GcmAesXpn256).encrypt(true).replay(64);
    /// assert_eq!(options.to_string(), "macsec cipher GCM-AES-XPN-256 encrypt on replay on window 64");
    /// // ip link add link eth0 name macsec0 type macsec cipher gcm-aes-xpn-256 encrypt on replay on window 64
    /// let device = LinkConfig::new("macsec0").kind(options);
    /// ```
    /// The SCI, the port, the cipher suite, the length of the ICV, and offload are set when the device is made. A change of them
    /// is refused. Everything else can be changed while the device is in use.
    ///
    /// The kernel sets the MTU of a new device to that of the device below less 16 bytes and the ICV, whatever is asked for: change it
    /// afterwards.
    ///
    /// Header: `IFLA_MACSEC_*` in `include/uapi/linux/if_link.h`. Linux 4.6.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct MacsecDevice("macsec") {
        /// The SCI of what is sent; the address of the device with port 1 unless this or [`port`](Self::port) is set. Not changed
        /// by a later change of the address. Only when the device is made.
        sci: Sci = IFLA_MACSEC_SCI(1) "sci";
        /// The port of the SCI, in place of 1. The kernel reports it in the SCI only. Only when the device is made.
        port: Be16 = IFLA_MACSEC_PORT(2) "port";
        /// The cipher suite; GCM-AES-128 unless set. Only when the device is made.
        cipher: CipherSuite = IFLA_MACSEC_CIPHER_SUITE(4) "cipher";
        /// The length of the integrity check value in bytes: 8 or 12 to 16; 16 unless set. Only when the device is made.
        icv_len: u8 = IFLA_MACSEC_ICV_LEN(3) "icvlen";
        /// The association that encrypts what is sent, 0 to 3; 0 unless set.
        encoding_sa: An = IFLA_MACSEC_ENCODING_SA(6) "encodingsa";
        /// What happens to frames that cannot be verified; strict unless set.
        validation: Validation = IFLA_MACSEC_VALIDATION(13) "validate";
        /// Whether what is sent is encrypted, not only authenticated. **Off unless set.**
        encrypt: bool = IFLA_MACSEC_ENCRYPT(7) "encrypt";
        /// Whether what is sent is authenticated; without it frames leave without a tag. On unless set.
        protect: bool = IFLA_MACSEC_PROTECT(8) "protect";
        /// Whether frames carry the SCI; on unless set. A new device with an [SCI](Self::sci) of its own always has it on; a change may
        /// turn it off.
        include_sci: bool = IFLA_MACSEC_INC_SCI(9) "send_sci";
        /// Whether the sender is an end station, whose SCI follows from the address of the frame; off unless set. Excludes the SCI
        /// in frames: with `include_sci(false)`.
        end_station: bool = IFLA_MACSEC_ES(10) "end_station";
        /// Whether the sender is the single copy broadcast channel of a passive optical network; off unless set. Excludes the SCI
        /// in frames: with `include_sci(false)`.
        scb: bool = IFLA_MACSEC_SCB(11) "scb";
        /// Whether received frames with an old packet number are dropped; off unless set. With a [`window`](Self::window), which
        /// the kernel requires each time: see [`replay`](Self::replay).
        replay_protect: bool = IFLA_MACSEC_REPLAY_PROTECT(12) "replay";
        /// By how much a packet number may be older than the newest and still be accepted; 0 for strict order. Up to 2³⁰−1 with
        /// extended packet numbers. The kernel keeps no list of the numbers that came: a frame that is sent again within the window is
        /// delivered again. It reports the window only with replay protection.
        window: u32 = IFLA_MACSEC_WINDOW(5) "window";
        /// Who encrypts. Only when the device is made; [`SecyEntry::set_offload`](crate::secy::SecyEntry::set_offload) changes it
        /// later.
        offload: Offload = IFLA_MACSEC_OFFLOAD(15) "offload";
    }
    needs_link = true;
    check = check;
}

impl MacsecDevice {
    /// With the kernel's defaults: GCM-AES-128, authenticated, **not encrypted**, without replay protection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With replay protection: frames whose packet number is older than the newest by more than `window` are dropped.
    #[must_use]
    pub fn replay(self, window: u32) -> Self {
        self.replay_protect(true).window(window)
    }

    /// The same with what is set in `newer`: what a device is after a change.
    pub(crate) fn changed_by(&self, newer: &Self) -> Self {
        let own = self.clone();
        let newer = newer.clone();
        Self {
            sci: newer.sci.or(own.sci),
            port: newer.port.or(own.port),
            cipher: newer.cipher.or(own.cipher),
            icv_len: newer.icv_len.or(own.icv_len),
            encoding_sa: newer.encoding_sa.or(own.encoding_sa),
            validation: newer.validation.or(own.validation),
            encrypt: newer.encrypt.or(own.encrypt),
            protect: newer.protect.or(own.protect),
            include_sci: newer.include_sci.or(own.include_sci),
            end_station: newer.end_station.or(own.end_station),
            scb: newer.scb.or(own.scb),
            replay_protect: newer.replay_protect.or(own.replay_protect),
            window: newer.window.or(own.window),
            offload: newer.offload.or(own.offload),
        }
    }

    /// Refuses what a device cannot be. Unset options are those of `defaults`.
    pub(crate) fn check_as_whole(&self, includes_sci_unless_set: bool) -> Result<(), Invalid> {
        let is = |option: Option<bool>| option == Some(true);
        let suite = self.cipher.unwrap_or_default();
        if suite.is_xpn() {
            let why = "window with extended packet numbers";
            opt_within(why, self.window, 0, XPN_WINDOW_MAX)?;
        }
        Invalid::when(
            is(self.end_station) && is(self.scb),
            "an end station cannot be a single copy broadcast channel: end_station() and scb() exclude each other",
        )?;
        let includes_sci = self.include_sci.unwrap_or(includes_sci_unless_set);
        Invalid::when(
            includes_sci && (is(self.end_station) || is(self.scb)),
            "frames of an end station or a single copy broadcast channel carry no SCI: add include_sci(false)",
        )
    }
}

fn check(device: &MacsecDevice, verb: LinkVerb) -> Result<(), Invalid> {
    if let Some(an) = device.encoding_sa {
        an.check()?;
    }
    Invalid::when(
        device.replay_protect == Some(true) && device.window.is_none(),
        "replay protection without a window, which the kernel requires each time: replay(WINDOW)",
    )?;
    Invalid::when(
        device.window.is_some() && device.replay_protect != Some(true),
        "a window without replay protection, which would have no effect: replay(WINDOW)",
    )?;
    if let Some(Validation::Other(number)) = device.validation {
        within("validation", number, 0, 2)?;
    }
    if let Some(Offload::Other(number)) = device.offload {
        within("offload", number, 0, 2)?;
    }
    if verb == LinkVerb::Change {
        return check_change(device);
    }
    if let Some(suite) = device.cipher {
        suite.check_known()?;
    }
    match device.icv_len {
        None | Some(8 | 12..=16) => {}
        Some(len) => return Err(format!("icvlen {len}; 8 and 12 to 16 are possible").into()),
    }
    if let Some(sci) = device.sci {
        sci.check()?;
        Invalid::when(device.port.is_some(), "sci() and port(): the port is a part of the SCI")?;
        Invalid::when(
            device.include_sci == Some(false),
            "frames of a new device with an SCI of its own carry it: leave out include_sci(false), and change it afterwards",
        )?;
    }
    device.check_as_whole(true)
}

fn check_change(device: &MacsecDevice) -> Result<(), Invalid> {
    let made_with = [
        ("the SCI", device.sci.is_some()),
        ("the port", device.port.is_some()),
        ("the cipher suite", device.cipher.is_some()),
        ("the length of the ICV", device.icv_len.is_some()),
    ];
    if let Some((what, _)) = made_with.iter().find(|(_, is_set)| *is_set) {
        return Err(format!("{what} is set when a MACsec device is made and cannot be changed").into());
    }
    Invalid::when(
        device.offload.is_some(),
        "offload of a device that is there is changed with SecyEntry::set_offload(); Linux 6.1 ignores it here",
    )?;
    device.check_as_whole(false)
}
