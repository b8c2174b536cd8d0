//! MAC addresses behind other leaves, as EVPN has them.

mod codec;
mod handle;

pub use codec::RemoteMac;
pub use handle::RemoteMacEntry;
