//! MPTCP's counters of a namespace: the `MPTcpExt` lines of `/proc/net/netstat`, as `nstat` shows them.
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

/// Of the calling thread's namespace, which need not be the process's.
const NETSTAT: &str = "/proc/thread-self/net/netstat";
const PREFIX: &str = "MPTcpExt:";

macro_rules! counters {
    ($($name:literal $field:ident $about:literal,)+) => {
        /// The counters. One that the running kernel does not have is `None`; one that this crate does not know is in
        /// [`other`](Self::other).
        ///
        /// Nearly all of them only rise, and all are 0 before the namespace has its first MPTCP socket.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct Mib {
            $(
                #[doc = concat!("`", $name, "`: ", $about)]
                pub $field: Option<u64>,
            )+
            /// Counters this crate does not know, by the kernel's names.
            pub other: Vec<(String, u64)>,
        }

        impl Mib {
            /// The counters that the kernel has, with its names for them.
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

    /// Reads the text of `/proc/net/netstat`; `None` if there is nothing about MPTCP in it.
    ///
    /// # Errors
    /// Names without values, values that are no numbers, or a name that is there twice.
    pub fn parse(text: &str) -> std::result::Result<Option<Self>, DecodeError> {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(PREFIX));
        let Some(names) = lines.next() else { return Ok(None) };
        let mut values = lines.next().unwrap_or_default().split_whitespace();
        let mut mib = Self::default();
        for name in names.split_whitespace() {
            let value = values.next().ok_or(DecodeError::Unreadable("an MPTCP counter without a value"))?;
            let value =
                value.parse().map_err(|_| DecodeError::Unreadable("an MPTCP counter that is no number"))?;
            // Which of two would be the counter?
            if mib.iter().any(|(known, _)| known == name) {
                return Err(DecodeError::Unreadable("an MPTCP counter that is there twice"));
            }
            mib.set(name, value);
        }
        match values.next() {
            None => Ok(Some(mib)),
            Some(_) => Err(DecodeError::Unreadable("an MPTCP counter without a name")),
        }
    }

    /// How many of each were counted since `earlier`; counters that were not there then count from 0.
    ///
    /// `MPCurrEstab` is what it is now, for it counts what there is and not what happened.
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
    "MPCapableSYNRX" mp_capable_syn_rx "connections that a peer asked for with MPTCP.",
    "MPCapableSYNTX" mp_capable_syn_tx "connections asked for with MPTCP.",
    "MPCapableSYNACKRX" mp_capable_syn_ack_rx "of those, granted by the peer.",
    "MPCapableACKRX" mp_capable_ack_rx "connections of peers that completed the handshake.",
    "MPCapableFallbackACK" mp_capable_fallback_ack "fell back to TCP as the third packet of the handshake had no MPTCP.",
    "MPCapableFallbackSYNACK" mp_capable_fallback_syn_ack "fell back to TCP as the peer's answer had no MPTCP.",
    "MPCapableSYNTXDrop" mp_capable_syn_tx_drop "fell back to TCP as packets with MPTCP were not answered.",
    "MPCapableSYNTXDisabled" mp_capable_syn_tx_disabled "asked for with plain TCP, as MPTCP did not get through before.",
    "MPCapableEndpAttempt" mp_capable_endp_attempt "connections tried to an address announced with a port, which is for joins only.",
    "MPFallbackTokenInit" mp_fallback_token_init "fell back to TCP as no token was free.",
    "MPTCPRetrans" mptcp_retrans "data sent again on another subflow.",
    "MPJoinNoTokenFound" mp_join_no_token_found "joins with a token that no connection has.",
    "MPJoinSynRx" mp_join_syn_rx "joins asked for by peers.",
    "MPJoinSynBackupRx" mp_join_syn_backup_rx "of those, as backup.",
    "MPJoinSynAckRx" mp_join_syn_ack_rx "joins granted by peers.",
    "MPJoinSynAckBackupRx" mp_join_syn_ack_backup_rx "of those, as backup.",
    "MPJoinSynAckHMacFailure" mp_join_syn_ack_hmac_failure "joins given up as the peer's answer proved nothing.",
    "MPJoinAckRx" mp_join_ack_rx "joins of peers that completed the handshake.",
    "MPJoinAckHMacFailure" mp_join_ack_hmac_failure "joins refused as the peer's third packet proved nothing.",
    "MPJoinRejected" mp_join_rejected "joins refused by the path manager.",
    "MPJoinSynTx" mp_join_syn_tx "joins asked for.",
    "MPJoinSynTxCreatSkErr" mp_join_syn_tx_creat_sk_err "joins that failed as no socket could be made.",
    "MPJoinSynTxBindErr" mp_join_syn_tx_bind_err "joins that failed as the local address could not be used.",
    "MPJoinSynTxConnectErr" mp_join_syn_tx_connect_err "joins that failed as the connection could not be begun.",
    "DSSNotMatching" dss_not_matching "packets whose mapping is another than the one before for the same bytes.",
    "DSSCorruptionFallback" dss_corruption_fallback "fell back to TCP as a mapping was wrong.",
    "DSSCorruptionReset" dss_corruption_reset "subflows reset as a mapping was wrong.",
    "InfiniteMapTx" infinite_map_tx "infinite mappings sent, which end MPTCP.",
    "InfiniteMapRx" infinite_map_rx "infinite mappings received.",
    "DSSNoMatchTCP" dss_no_match_tcp "mappings that do not fit the subflow's sequence numbers.",
    "DataCsumErr" data_csum_err "wrong data checksums.",
    "OFOQueueTail" ofo_queue_tail "data out of order, put at the end of the queue.",
    "OFOQueue" ofo_queue "data out of order, put into the queue.",
    "OFOMerge" ofo_merge "of those, merged with what was there.",
    "NoDSSInWindow" no_dss_in_window "packets with data outside the window.",
    "DuplicateData" duplicate_data "data received twice.",
    "AddAddr" add_addr "addresses announced by peers.",
    "AddAddrTx" add_addr_tx "addresses announced.",
    "AddAddrTxDrop" add_addr_tx_drop "announcements not sent.",
    "EchoAdd" echo_add "confirmed by peers.",
    "EchoAddTx" echo_add_tx "confirmations sent.",
    "EchoAddTxDrop" echo_add_tx_drop "confirmations not sent.",
    "PortAdd" port_add "addresses announced by peers with a port.",
    "AddAddrDrop" add_addr_drop "announcements of peers passed over.",
    "MPJoinPortSynRx" mp_join_port_syn_rx "joins asked for by peers at another port.",
    "MPJoinPortSynAckRx" mp_join_port_syn_ack_rx "joins granted by peers at another port.",
    "MPJoinPortAckRx" mp_join_port_ack_rx "joins of peers at another port that completed the handshake.",
    "MismatchPortSynRx" mismatch_port_syn_rx "joins asked for at a port that was not announced.",
    "MismatchPortAckRx" mismatch_port_ack_rx "third packets of joins at a port that was not announced.",
    "RmAddr" rm_addr "addresses withdrawn by peers.",
    "RmAddrDrop" rm_addr_drop "withdrawals of peers passed over.",
    "RmAddrTx" rm_addr_tx "addresses withdrawn.",
    "RmAddrTxDrop" rm_addr_tx_drop "withdrawals not sent.",
    "RmSubflow" rm_subflow "subflows removed with their address.",
    "MPPrioTx" mp_prio_tx "changes between backup and regular, sent.",
    "MPPrioRx" mp_prio_rx "the same, received.",
    "MPFailTx" mp_fail_tx "wrong checksums told to peers.",
    "MPFailRx" mp_fail_rx "the same, told by peers.",
    "MPFastcloseTx" mp_fastclose_tx "connections ended abruptly.",
    "MPFastcloseRx" mp_fastclose_rx "the same, by peers.",
    "MPRstTx" mp_rst_tx "subflows reset.",
    "MPRstRx" mp_rst_rx "the same, by peers.",
    "RcvPruned" rcv_pruned "data dropped for want of memory. Gone since Linux 6.18 at the latest.",
    "SubflowStale" subflow_stale "subflows taken out of use as they do not get on.",
    "SubflowRecover" subflow_recover "of those, taken into use again.",
    "SndWndShared" snd_wnd_shared "times a subflow's send window was widened by that of another.",
    "RcvWndShared" rcv_wnd_shared "times a subflow's receive window was widened by that of another.",
    "RcvWndConflictUpdate" rcv_wnd_conflict_update "such widening that met another one and was done again.",
    "RcvWndConflict" rcv_wnd_conflict "such widening that met another one.",
    "MPCurrEstab" mp_curr_estab "connections that are established now.",
    "Blackhole" blackhole "times MPTCP was turned off for a while, as it does not get through.",
    "MPCapableDataFallback" mp_capable_data_fallback "fell back to TCP as the first data had no MPTCP.",
    "MD5SigFallback" md5_sig_fallback "fell back to TCP because of TCP-MD5 or TCP-AO.",
    "DssFallback" dss_fallback "fell back to TCP as data had no mapping.",
    "SimultConnectFallback" simult_connect_fallback "fell back to TCP as both ends connected at once.",
    "FallbackFailed" fallback_failed "could not fall back any more, and were reset.",
    "WinProbe" win_probe "window probes sent.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_is_there_twice_is_refused() {
        for name in ["MPRstRx", "MPSomethingNew"] {
            let text = format!("MPTcpExt: {name} {name}\nMPTcpExt: 1 2\n");
            assert!(matches!(Mib::parse(&text), Err(DecodeError::Unreadable(_))), "{name}");
            let text = format!("MPTcpExt: {name}\nMPTcpExt: 1\n");
            assert_eq!(Mib::parse(&text).unwrap().unwrap().iter().collect::<Vec<_>>(), [(name, 1)]);
        }
    }
}
