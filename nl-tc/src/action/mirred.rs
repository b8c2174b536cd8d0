use std::fmt;

use nl_core::Dev;
use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::{Invalid, check_index};

use super::common::Common;

/// Sends packets, or copies of them, through another device (`action mirred`).
///
/// ```
/// use nl_tc::action::{Action, Mirred};
///
/// // action mirred egress redirect dev ifb0
/// let action = Action::from(Mirred::redirect("ifb0"));
/// assert_eq!(action.to_string(), "action mirred egress redirect dev ifb0");
/// ```
///
/// Needs the module `act_mirred`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Mirred {
    /// Where the packets go.
    pub to: MirredTo,
    /// Whether copies are sent there, while the packets continue (`mirror`, and otherwise `redirect`).
    pub mirror: bool,
    /// Whether they are received on the device instead of sent (`ingress`, and otherwise `egress`).
    pub ingress: bool,
}

/// Where packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum MirredTo {
    /// To all devices of a shared block of filters but the one they came from. Linux 6.8 and newer (`blockid`).
    Block(u32),
    /// To one device (`dev`).
    Dev(Dev),
}

impl Mirred {
    /// Sends the packets out of this device instead.
    #[must_use]
    pub fn redirect(dev: impl Into<Dev>) -> Self {
        Self { to: MirredTo::Dev(dev.into()), mirror: false, ingress: false }
    }

    /// Sends copies of the packets out of this device.
    #[must_use]
    pub fn mirror(dev: impl Into<Dev>) -> Self {
        Self { mirror: true, ..Self::redirect(dev) }
    }

    /// Receives the packets on the device instead of sending them.
    #[must_use]
    pub fn ingress(mut self) -> Self {
        self.ingress = true;
        self
    }

    /// Sends them to the devices of a shared block of filters. Linux 6.8 and newer (`blockid`).
    #[must_use]
    pub fn block(mut self, block: u32) -> Self {
        self.to = MirredTo::Block(block);
        self
    }

    /// The device, for which a handle puts the index in place of the name.
    pub(super) fn dev_mut(&mut self) -> Option<&mut Dev> {
        match &mut self.to {
            MirredTo::Block(_) => None,
            MirredTo::Dev(dev) => Some(dev),
        }
    }

    pub(super) fn decode(options: Attrs<'_>) -> Result<Option<(Common, Self)>, DecodeError> {
        let (mut common, mut parms, mut block) = (Common::default(), None, None);
        for attr in options {
            let attr = attr?;
            match attr.kind() {
                TCA_MIRRED_PARMS => {
                    let mut f = attr.fields();
                    common.read(&mut f)?;
                    parms = Some((f.u32()?, f.u32()?));
                }
                TCA_MIRRED_BLOCKID => block = Some(attr.u32()?),
                TCA_MIRRED_TM => common.read_times(attr)?,
                TCA_MIRRED_PAD => {}
                _ => return Ok(None),
            }
        }
        let Some((how, index)) = parms else { return Ok(None) };
        let (mirror, ingress) = match how {
            EGRESS_REDIRECT => (false, false),
            EGRESS_MIRROR => (true, false),
            INGRESS_REDIRECT => (false, true),
            INGRESS_MIRROR => (true, true),
            _ => return Ok(None),
        };
        let to = block.map_or(MirredTo::Dev(Dev::Index(index)), MirredTo::Block);
        Ok(Some((common, Self { to, mirror, ingress })))
    }

    pub(super) fn encode(&self, common: &Common, w: &mut AttrWriter<'_>) {
        let how = match (self.ingress, self.mirror) {
            (false, false) => EGRESS_REDIRECT,
            (false, true) => EGRESS_MIRROR,
            (true, false) => INGRESS_REDIRECT,
            (true, true) => INGRESS_MIRROR,
        };
        let index = match &self.to {
            MirredTo::Block(_) => 0,
            // `check` refuses a name.
            MirredTo::Dev(dev) => dev.index().unwrap_or(0),
        };
        common.write(w, TCA_MIRRED_PARMS, &[how.to_ne_bytes(), index.to_ne_bytes()]);
        if let MirredTo::Block(block) = self.to {
            w.u32(TCA_MIRRED_BLOCKID, block);
        }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        match &self.to {
            MirredTo::Block(block) => Invalid::when(*block == 0, "blockid 0; 1 is the minimum"),
            MirredTo::Dev(Dev::Index(index)) => check_index(*index),
            MirredTo::Dev(name) => {
                Err(format!("device {name}; a handle looks its index up, which is needed here").into())
            }
        }
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.ingress { " ingress" } else { " egress" })?;
        f.write_str(if self.mirror { " mirror" } else { " redirect" })?;
        match &self.to {
            MirredTo::Block(block) => write!(f, " blockid {block}"),
            MirredTo::Dev(dev) => write!(f, " dev {dev}"),
        }
    }
}

const EGRESS_REDIRECT: u32 = 1;
const EGRESS_MIRROR: u32 = 2;
const INGRESS_REDIRECT: u32 = 3;
const INGRESS_MIRROR: u32 = 4;

// `include/uapi/linux/tc_act/tc_mirred.h`
attr_names! { pub(super) NAMES {
    TCA_MIRRED_TM = 1,
    TCA_MIRRED_PARMS = 2,
    TCA_MIRRED_PAD = 3,
    TCA_MIRRED_BLOCKID = 4,
} }
