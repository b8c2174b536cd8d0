//! Channels that are received: one for each sender on the segment, by its SCI.
//!
//! Kernel: `MACSEC_CMD_*_RXSC` and `MACSEC_RXSC_ATTR_*` of [`include/uapi/linux/if_macsec.h`]. Linux 4.6. Equivalent:
//! `ip macsec … rx`.
//!
//! [`include/uapi/linux/if_macsec.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_macsec.h?h=v6.18

mod codec;
mod handle;

pub use codec::{RxSc, RxScState};
pub use handle::RxScEntry;
