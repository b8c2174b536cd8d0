//! Devices with all that belongs to them: options, channels, associations and counters.
//!
//! The kernel lists all devices at once. It cannot be asked for one, and reports no change of channels and associations by an
//! event.
//!
//! # Complete lists
//! The state of a device has to fit one buffer of the kernel, which is as large as the largest receive buffer that the socket has
//! used, up to 32 KiB. A device that does not fit ends the list, as if it and those behind it did not exist. [`Secys::list`]
//! compares the list with the devices of kind `macsec` and asks again on a socket that has used a large buffer. What is missing
//! then is an error that names it. A device with 60 channels of four associations each fits; one with 63 does not, and no request
//! reads it.
//!
//! A device that is added or deleted while the list is read, in whichever namespace, interrupts it, and it is read again; changes of
//! channels and associations do not. A list that is interrupted [each time](nl_core::dump::MAX_RESTARTS) is
//! [`Interrupted`](nl_core::error::ErrorKind::Interrupted).
//!
//! Kernel: `MACSEC_CMD_GET_TXSC`, `MACSEC_CMD_UPD_OFFLOAD` and `MACSEC_SECY_ATTR_*` of [`include/uapi/linux/if_macsec.h`]. Linux 4.6.
//! Equivalent: `ip -s macsec show`, `ip macsec offload`.
//!
//! [`include/uapi/linux/if_macsec.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/if_macsec.h?h=v6.18

mod codec;
mod handle;
mod read;
mod sampler;

pub use codec::Secy;
pub use handle::{SecyEntry, Secys};
pub use read::{Listing, MissingSecy};
pub(crate) use read::{read_all, read_one};
pub use sampler::{RxSaRates, RxScRates, SecyRates, SecySampler, TxSaRates};
