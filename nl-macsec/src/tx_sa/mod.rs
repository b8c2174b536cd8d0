//! Associations that send: up to four of a device, each with a key. One of them, the encoding association, is in use.
//!
//! Kernel: `MACSEC_CMD_*_TXSA` and `MACSEC_SA_ATTR_*` of [`include/uapi/linux/if_macsec.h`]. Linux 4.6; extended packet numbers since
//! 5.7. Equivalent: `ip macsec … tx sa`.
//!
//! [`include/uapi/linux/if_macsec.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_macsec.h?h=v6.18

mod codec;
mod handle;

pub use codec::{TxSa, TxSaState};
pub use handle::TxSaEntry;
