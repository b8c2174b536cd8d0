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
const IN_HW: u32 = 1 << 2;
const NOT_IN_HW: u32 = 1 << 3;

/// Whether these flags only say where the filter is carried out. The kernel sets them, and refuses them in a request.
pub(super) const fn is_status(flags: u32) -> bool {
    flags & !(IN_HW | NOT_IN_HW) == 0
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
