//! Associations that receive: up to four of a channel, each with a key.
//!
//! Kernel: `MACSEC_CMD_*_RXSA` and `MACSEC_SA_ATTR_*` of [`include/uapi/linux/if_macsec.h`]. Linux 4.6; extended packet numbers since
//! 5.7. Equivalent: `ip macsec … rx … sa`.
//!
//! [`include/uapi/linux/if_macsec.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_macsec.h?h=v6.18

mod codec;
mod handle;

pub use codec::{RxSa, RxSaState};
pub use handle::RxSaEntry;
