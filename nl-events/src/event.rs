#[cfg(feature = "fdb")]
use crate::fdb::FdbEvent;
#[cfg(feature = "mptcp")]
use crate::mptcp::MptcpEvent;

/// An event of the network.
///
/// Each source is a Cargo feature. Events of sources that are not compiled in are not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NetworkEvent {
    /// Of the forwarding database of a bridge or of a VXLAN device.
    #[cfg(feature = "fdb")]
    Fdb(FdbEvent),
    /// Of a Multipath TCP connection.
    #[cfg(feature = "mptcp")]
    Mptcp(MptcpEvent),
}
