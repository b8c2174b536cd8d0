use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use nl_core::Result;

use crate::Token;
use crate::diag::{self, SockDiag};

/// What a connection carried, of those that a policy [watches](super::Plan::watch).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Bytes the program sent, without retransmissions. Before Linux 6.5 the sum of the subflows that are open.
    pub bytes_sent: u64,
    /// Bytes received in order. Before Linux 6.5 the sum of the subflows that are open.
    pub bytes_received: u64,
    /// Retransmissions over another subflow. Before Linux 6.5 those of TCP, of the subflows that are open.
    pub retransmits: u32,
}

/// What a subflow carried, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubflowCounters {
    /// Bytes sent, with retransmissions.
    pub bytes_sent: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Retransmitted segments.
    pub retransmits: u32,
    /// The smoothed round-trip time.
    pub rtt: Duration,
    /// The least round-trip time that was measured.
    pub min_rtt: Duration,
}

/// The counters of a connection, and those of its subflows by their ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) connection: Counters,
    pub(super) subflows: Vec<(SocketAddr, SocketAddr, SubflowCounters)>,
}

/// Reads the counters of these connections. Those that do not exist any more are left out.
pub(super) async fn read(diag: SockDiag, wanted: BTreeSet<Token>) -> Result<BTreeMap<Token, Counted>> {
    let mut all = BTreeMap::new();
    for token in &wanted {
        match diag.socket(*token).await {
            Ok(socket) => drop(all.insert(*token, (socket, Counted::default()))),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    // The kernel has no look-up of the subflows of a connection.
    let mut subflows = diag.subflows().states(diag::States::ESTABLISHED | diag::States::CLOSE_WAIT).list();
    while let Some(subflow) = poll_fn(|cx| Pin::new(&mut subflows).poll_next(cx)).await {
        let subflow = subflow?;
        let Some(tcp) = subflow.tcp else { continue };
        let Some((_, counted)) = subflow.token().and_then(|token| all.get_mut(&token)) else { continue };
        let counters = SubflowCounters {
            bytes_sent: tcp.bytes_sent,
            bytes_received: tcp.bytes_received,
            retransmits: tcp.total_retrans,
            rtt: Duration::from_micros(tcp.rtt.into()),
            min_rtt: Duration::from_micros(tcp.min_rtt.into()),
        };
        counted.subflows.push((subflow.socket.local, subflow.socket.remote, counters));
    }
    let whole = |(token, (socket, mut counted)): (Token, (diag::MptcpSocket, Counted))| {
        let each = || counted.subflows.iter().map(|(.., counters)| counters);
        counted.connection = Counters {
            bytes_sent: socket.bytes_sent().unwrap_or_else(|| each().map(|c| c.bytes_sent).sum()),
            bytes_received: socket.bytes_received().unwrap_or_else(|| each().map(|c| c.bytes_received).sum()),
            retransmits: socket.retransmits().unwrap_or_else(|| each().map(|c| c.retransmits).sum()),
        };
        (token, counted)
    };
    Ok(all.into_iter().map(whole).collect())
}
