//! Counters of devices, channels and associations. They are part of what [`secy`](crate::secy) lists.
//! [`SecySampler`](crate::secy::SecySampler) makes rates of them.
//!
//! Kernel: `MACSEC_*_STATS_ATTR_*` of `include/uapi/linux/if_macsec.h`. Needs no privilege. With offload the counters are those
//! of the driver, and 0 where it has none. Equivalent: `ip -s macsec show`.

mod codec;

pub use codec::{RxSaStats, RxScStats, SecyStats, TxSaStats, TxScStats};
