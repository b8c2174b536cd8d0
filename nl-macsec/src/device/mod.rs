//! MACsec devices: made, changed, deleted and read back (`ip link … type macsec`).
//!
//! [`MacsecDevice`] is a kind of device for [`nl_core::link`], which also lists devices and watches them.
//! [`MacsecDeviceEntry`] makes and changes devices and says more about a refusal than the kernel does, [`MacsecDevices`] lists them with
//! their options. [`MacsecEvent`] is what the kernel
//! reports when one appears, changes or goes; nl-events, feature `macsec`, has a stream of them.
//!
//! Kernel: `IFLA_MACSEC_*` of [`include/uapi/linux/if_link.h`], `drivers/net/macsec.c`. Linux 4.6. Equivalent:
//! `ip link add link … type macsec`.
//!
//! [`include/uapi/linux/if_link.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_link.h?h=v6.18

mod codec;
mod event;
mod handle;

pub use codec::MacsecDevice;
pub use event::{MacsecEvent, MacsecLink};
pub use handle::{MacsecDeviceEntry, MacsecDevices};
