//! What several kinds of filters share.

use nl_core::check::Invalid;
#[cfg(not(feature = "action"))]
use nl_core::error::AttrName;

use crate::TcHandle;

/// The names in a list of actions.
#[cfg(feature = "action")]
pub(super) use crate::action::LIST as ACTIONS;
#[cfg(not(feature = "action"))]
pub(super) const ACTIONS: &[AttrName] = &[];

// `TCA_CLS_FLAGS_*`, `include/uapi/linux/pkt_cls.h`
const SKIP_HW: u32 = 1;
const SKIP_SW: u32 = 1 << 1;
const IN_HW: u32 = 1 << 2;
const NOT_IN_HW: u32 = 1 << 3;
/// The flags that the kernel reports and refuses in a request.
pub(super) const REPORTED: u32 = IN_HW | NOT_IN_HW;

/// Where a filter is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Offload {
    /// In the kernel, and in the hardware if it can.
    #[default]
    Both,
    /// Only in the kernel (`skip_hw`).
    SkipHw,
    /// Only in the hardware, which must be able to (`skip_sw`).
    SkipSw,
}

impl Offload {
    /// `None` for flags that this type does not hold. Whether the filter is in the hardware is only reported: the kernel refuses it in a
    /// request.
    pub(super) const fn from_flags(flags: u32) -> Option<Self> {
        match flags & !REPORTED {
            0 => Some(Self::Both),
            SKIP_HW => Some(Self::SkipHw),
            SKIP_SW => Some(Self::SkipSw),
            _ => None,
        }
    }

    /// The flags of a request, unless they are none.
    pub(super) const fn flags(self) -> Option<u32> {
        match self {
            Self::Both => None,
            Self::SkipHw => Some(SKIP_HW),
            Self::SkipSw => Some(SKIP_SW),
        }
    }

    /// The word of `tc`, with a space in front.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Both => "",
            Self::SkipHw => " skip_hw",
            Self::SkipSw => " skip_sw",
        }
    }
}

/// Refuses what is no class. A filter with actions needs none.
pub(super) fn check_class(classid: TcHandle, has_actions: bool) -> Result<(), Invalid> {
    if classid.is_none() && has_actions {
        return Ok(());
    }
    match classid.minor() == 0 || classid.is_root() {
        true => Err(format!("classid {classid}; a classid like 1:10 is needed").into()),
        false => Ok(()),
    }
}
