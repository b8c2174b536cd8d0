#[cfg(feature = "fdb")]
use crate::fdb::FdbEvent;
#[cfg(feature = "mptcp")]
use crate::mptcp::MptcpEvent;

/// An event of the network.
/// Each source is a Cargo feature. Only the events of compiled-in sources are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NetworkEvent {
    /// An event of the forwarding database of a bridge or a VXLAN device.
    #[cfg(feature = "fdb")]
    Fdb(FdbEvent),
    /// An event of a Multipath TCP connection.
    #[cfg(feature = "mptcp")]
    Mptcp(MptcpEvent),
}
