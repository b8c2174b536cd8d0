//! The MPTCP counters of a namespace: the `MPTcpExt` lines of `/proc/net/netstat`, as `nstat` shows them.
//!
//! ```no_run
//! use nl_mptcp::mib::Mib;
//!
//! # fn example() -> nl_core::Result<()> {
//! let mib = Mib::read()?;
//! println!("{:?} connections tried, {:?} joins refused", mib.mp_capable_syn_tx, mib.mp_join_rejected);
//! for (name, value) in mib.iter().filter(|(_, value)| *value != 0) {
//!     println!("MPTcpExt{name} {value}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Kernel: `net/mptcp/mib.h`, `net/mptcp/mib.c`.

use std::fs;

use nl_core::attr::DecodeError;
use nl_core::error::{Error, Result, Since};

/// The calling thread's namespace may differ from that of the process.
const NETSTAT: &str = "/proc/thread-self/net/netstat";
const PREFIX: &str = "MPTcpExt:";

macro_rules! counters {
    ($($name:literal $field:ident $about:literal,)+) => {
        /// The counters. Those that the running kernel does not have are `None`; unknown ones are in [`other`](Self::other).
        /// All but `MPCurrEstab` only increase. They are 0 until the namespace has its first MPTCP socket.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct Mib {
            $(
                #[doc = concat!("`", $name, "`: ", $about)]
                pub $field: Option<u64>,
            )+
            /// Unknown counters, by the kernel's names.
            pub other: Vec<(String, u64)>,
        }

        impl Mib {
            /// The counters that the kernel has, by the kernel's names.
            pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
                let known = [$(($name, self.$field)),+].into_iter();
                let known = known.filter_map(|(name, value)| Some((name, value?)));
                known.chain(self.other.iter().map(|(name, value)| (name.as_str(), *value)))
            }

            fn set(&mut self, name: &str, value: u64) {
                match name {
                    $($name => self.$field = Some(value),)+
                    _ => self.other.push((name.to_owned(), value)),
                }
            }
        }
    };
}

impl Mib {
    /// Reads the counters of the calling thread's namespace.
    ///
    /// In another namespace: [`Netns::run`](../../nl_core/netns/struct.Netns.html#method.run) with this function. Equivalent:
    /// `nstat -a -z`, without its history. Needs no privilege.
    ///
    /// # Errors
    /// [`Unsupported`](nl_core::error::ErrorKind::Unsupported) on a kernel without MPTCP; `/proc` is not mounted.
    pub fn read() -> Result<Self> {
        let named = |error: Error| error.during(|| format!("read MPTCP counters from {NETSTAT}"));
        let text = fs::read_to_string(NETSTAT).map_err(|error| named(error.into()))?;
        match Self::parse(&text) {
            Ok(Some(mib)) => Ok(mib),
            Ok(None) => Err(named(Error::unsupported("MPTCP", Since::linux(5, 6).with("CONFIG_MPTCP")))),
            Err(error) => Err(named(error.into())),
        }
    }

    /// Parses the text of `/proc/net/netstat`; `None` if it has no MPTCP counters.
    ///
    /// # Errors
    /// Names without values, values that are not numbers, or a duplicate name.
    pub fn parse(text: &str) -> std::result::Result<Option<Self>, DecodeError> {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(PREFIX));
        let Some(names) = lines.next() else { return Ok(None) };
        let mut values = lines.next().unwrap_or_default().split_whitespace();
        let mut mib = Self::default();
        for name in names.split_whitespace() {
            let value = values.next().ok_or(DecodeError::Unreadable("an MPTCP counter without a value"))?;
            let value = value
                .parse()
                .map_err(|_| DecodeError::Unreadable("an MPTCP counter that is not a number"))?;
            // A duplicate name is ambiguous.
            if mib.iter().any(|(known, _)| known == name) {
                return Err(DecodeError::Unreadable("a duplicate MPTCP counter"));
            }
            mib.set(name, value);
        }
        match values.next() {
            None => Ok(Some(mib)),
            Some(_) => Err(DecodeError::Unreadable("an MPTCP counter without a name")),
        }
    }

    /// The increase of each counter since `earlier`; counters that `earlier` lacks count from 0.
    /// `MPCurrEstab` is the current value, because it is a gauge.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before: std::collections::HashMap<_, _> = earlier.iter().collect();
        let mut out = Self::default();
        for (name, value) in self.iter() {
            let before = before.get(name).copied().filter(|_| name != "MPCurrEstab").unwrap_or(0);
            out.set(name, value.wrapping_sub(before));
        }
        out
    }
}

counters! {
    "MPCapableSYNRX" mp_capable_syn_rx "connections that peers requested with MPTCP.",
    "MPCapableSYNTX" mp_capable_syn_tx "connections requested with MPTCP.",
    "MPCapableSYNACKRX" mp_capable_syn_ack_rx "of those, accepted by the peer.",
    "MPCapableACKRX" mp_capable_ack_rx "connections from peers that completed the handshake.",
    "MPCapableFallbackACK" mp_capable_fallback_ack "fallbacks to TCP: the third packet of the handshake had no MPTCP option.",
    "MPCapableFallbackSYNACK" mp_capable_fallback_syn_ack "fallbacks to TCP: the peer's SYN+ACK had no MPTCP option.",
    "MPCapableSYNTXDrop" mp_capable_syn_tx_drop "fallbacks to TCP: SYN packets with MPTCP were not answered.",
    "MPCapableSYNTXDisabled" mp_capable_syn_tx_disabled "connections requested with plain TCP, because the network dropped MPTCP before.",
    "MPCapableEndpAttempt" mp_capable_endp_attempt "connections requested to an announced port, which accepts only joins.",
    "MPFallbackTokenInit" mp_fallback_token_init "fallbacks to TCP: no free token.",
    "MPTCPRetrans" mptcp_retrans "data retransmitted on another subflow.",
    "MPJoinNoTokenFound" mp_join_no_token_found "joins with an unknown token.",
    "MPJoinSynRx" mp_join_syn_rx "joins requested by peers.",
    "MPJoinSynBackupRx" mp_join_syn_backup_rx "of those, as backup.",
    "MPJoinSynAckRx" mp_join_syn_ack_rx "joins accepted by peers.",
    "MPJoinSynAckBackupRx" mp_join_syn_ack_backup_rx "of those, as backup.",
    "MPJoinSynAckHMacFailure" mp_join_syn_ack_hmac_failure "joins aborted: wrong HMAC in the peer's SYN+ACK.",
    "MPJoinAckRx" mp_join_ack_rx "joins from peers that completed the handshake.",
    "MPJoinAckHMacFailure" mp_join_ack_hmac_failure "joins refused: wrong HMAC in the peer's ACK.",
    "MPJoinRejected" mp_join_rejected "joins refused by the path manager.",
    "MPJoinSynTx" mp_join_syn_tx "joins requested.",
    "MPJoinSynTxCreatSkErr" mp_join_syn_tx_creat_sk_err "joins that failed: no socket could be created.",
    "MPJoinSynTxBindErr" mp_join_syn_tx_bind_err "joins that failed: the local address could not be bound.",
    "MPJoinSynTxConnectErr" mp_join_syn_tx_connect_err "joins that failed to connect.",
    "DSSNotMatching" dss_not_matching "packets whose mapping differs from an earlier one for the same bytes.",
    "DSSCorruptionFallback" dss_corruption_fallback "fallbacks to TCP: corrupt mapping.",
    "DSSCorruptionReset" dss_corruption_reset "subflows reset: corrupt mapping.",
    "InfiniteMapTx" infinite_map_tx "infinite mappings sent, which end MPTCP.",
    "InfiniteMapRx" infinite_map_rx "infinite mappings received.",
    "DSSNoMatchTCP" dss_no_match_tcp "mappings that do not fit the subflow's sequence numbers.",
    "DataCsumErr" data_csum_err "wrong data checksums.",
    "OFOQueueTail" ofo_queue_tail "out-of-order data appended to the queue.",
    "OFOQueue" ofo_queue "out-of-order data inserted into the queue.",
    "OFOMerge" ofo_merge "of those, merged with queued data.",
    "NoDSSInWindow" no_dss_in_window "packets with data outside the window.",
    "DuplicateData" duplicate_data "data received twice.",
    "AddAddr" add_addr "addresses announced by peers.",
    "AddAddrTx" add_addr_tx "addresses announced.",
    "AddAddrTxDrop" add_addr_tx_drop "announcements not sent.",
    "EchoAdd" echo_add "echoes received.",
    "EchoAddTx" echo_add_tx "echoes sent.",
    "EchoAddTxDrop" echo_add_tx_drop "echoes not sent.",
    "PortAdd" port_add "addresses announced by peers with a port.",
    "AddAddrDrop" add_addr_drop "announcements of peers dropped.",
    "MPJoinPortSynRx" mp_join_port_syn_rx "joins requested by peers on another port.",
    "MPJoinPortSynAckRx" mp_join_port_syn_ack_rx "joins accepted by peers on another port.",
    "MPJoinPortAckRx" mp_join_port_ack_rx "joins from peers on another port that completed the handshake.",
    "MismatchPortSynRx" mismatch_port_syn_rx "joins requested on a port that was not announced.",
    "MismatchPortAckRx" mismatch_port_ack_rx "third packets of joins on a port that was not announced.",
    "RmAddr" rm_addr "addresses withdrawn by peers.",
    "RmAddrDrop" rm_addr_drop "withdrawals of peers dropped.",
    "RmAddrTx" rm_addr_tx "addresses withdrawn.",
    "RmAddrTxDrop" rm_addr_tx_drop "withdrawals not sent.",
    "RmSubflow" rm_subflow "subflows removed with their address.",
    "MPPrioTx" mp_prio_tx "`MP_PRIO` sent: changes between backup and regular.",
    "MPPrioRx" mp_prio_rx "`MP_PRIO` received.",
    "MPFailTx" mp_fail_tx "`MP_FAIL` sent: wrong checksums reported to peers.",
    "MPFailRx" mp_fail_rx "`MP_FAIL` received.",
    "MPFastcloseTx" mp_fastclose_tx "`MP_FASTCLOSE` sent: connections aborted.",
    "MPFastcloseRx" mp_fastclose_rx "`MP_FASTCLOSE` received.",
    "MPRstTx" mp_rst_tx "`MP_TCPRST` sent: subflows reset.",
    "MPRstRx" mp_rst_rx "`MP_TCPRST` received.",
    "RcvPruned" rcv_pruned "data dropped for lack of memory. Removed in Linux 6.18 at the latest.",
    "SubflowStale" subflow_stale "subflows marked stale.",
    "SubflowRecover" subflow_recover "of those, recovered.",
    "SndWndShared" snd_wnd_shared "times a subflow's send window was widened by that of another.",
    "RcvWndShared" rcv_wnd_shared "times a subflow's receive window was widened by that of another.",
    "RcvWndConflictUpdate" rcv_wnd_conflict_update "such changes that conflicted with another one and were retried.",
    "RcvWndConflict" rcv_wnd_conflict "such changes that conflicted with another one.",
    "MPCurrEstab" mp_curr_estab "connections that are established now.",
    "Blackhole" blackhole "times MPTCP was disabled for a period, because the network drops it.",
    "MPCapableDataFallback" mp_capable_data_fallback "fallbacks to TCP: the first data had no MPTCP option.",
    "MD5SigFallback" md5_sig_fallback "fallbacks to TCP: TCP-MD5 or TCP-AO.",
    "DssFallback" dss_fallback "fallbacks to TCP: data without a mapping.",
    "SimultConnectFallback" simult_connect_fallback "fallbacks to TCP: simultaneous connect.",
    "FallbackFailed" fallback_failed "fallbacks that were no longer possible; the connection was reset.",
    "WinProbe" win_probe "window probes sent.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_counter_is_refused() {
        for name in ["MPRstRx", "MPSomethingNew"] {
            let text = format!("MPTcpExt: {name} {name}\nMPTcpExt: 1 2\n");
            assert!(matches!(Mib::parse(&text), Err(DecodeError::Unreadable(_))), "{name}");
            let text = format!("MPTcpExt: {name}\nMPTcpExt: 1\n");
            assert_eq!(Mib::parse(&text).unwrap().unwrap().iter().collect::<Vec<_>>(), [(name, 1)]);
        }
    }
}
