//! `struct mptcp_info` and `struct tcp_info`, which sock_diag and `getsockopt(2)` share.

use bitflags::bitflags;
use nl_core::attr::DecodeError;

use crate::Token;

bitflags! {
    /// State of an MPTCP connection: `MPTCP_INFO_FLAG_*`. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct InfoFlags: u32 {
        /// It fell back to plain TCP.
        const FALLBACK = 1 << 0;
        /// The peer's key was received.
        const REMOTE_KEY_RECEIVED = 1 << 1;
        const _ = !0;
    }
}

/// The statistics of an MPTCP connection: `struct mptcp_info` of [`include/uapi/linux/mptcp.h`].
/// Fields that an older kernel does not have are `None`. The limits (`*_max`) are those of the kernel's path manager. They are 0 on a
/// connection of the userspace path manager, and on listeners since Linux 6.12 at the latest.
///
/// [`include/uapi/linux/mptcp.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/mptcp.h?h=v6.12
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MptcpInfo {
    /// Subflows besides the initial one.
    pub extra_subflows: u8,
    /// Addresses announced to the peer.
    pub add_addr_signal: u8,
    /// Addresses that the peer announced and that were accepted.
    pub add_addr_accepted: u8,
    /// Limit of extra subflows.
    pub subflows_max: u8,
    /// Endpoints with the signal flag.
    pub add_addr_signal_max: u8,
    /// Limit of announced addresses that are accepted.
    pub add_addr_accepted_max: u8,
    /// Fallback, and whether the peer's key is known.
    pub flags: InfoFlags,
    /// The connection's token; 0 on a listener.
    pub token: Token,
    /// The data sequence number after the last byte that the program wrote.
    pub write_seq: u64,
    /// The first data sequence number the peer has not acknowledged.
    pub snd_una: u64,
    /// The next data sequence number expected from the peer.
    pub rcv_nxt: u64,
    /// Local addresses used for extra subflows.
    pub local_addr_used: u8,
    /// Endpoints with the subflow flag.
    pub local_addr_max: u8,
    /// Whether data is protected by MPTCP checksums.
    pub csum_enabled: bool,
    /// Retransmissions at the MPTCP level: of data that was sent on another subflow before. Linux 6.5.
    pub retransmits: Option<u32>,
    /// Bytes retransmitted at the MPTCP level. Linux 6.5.
    pub bytes_retrans: Option<u64>,
    /// Bytes sent, without retransmissions. Linux 6.5.
    pub bytes_sent: Option<u64>,
    /// Bytes received in order. Linux 6.5.
    pub bytes_received: Option<u64>,
    /// Bytes the peer acknowledged. Linux 6.5.
    pub bytes_acked: Option<u64>,
    /// Subflows, including the initial one if it still exists. Linux 6.8.
    pub subflows_total: Option<u8>,
    /// Endpoints with the laminar flag. Linux 6.18; 0 before.
    pub endp_laminar_max: Option<u8>,
    /// Endpoints with the fullmesh flag. Linux 7; 0 before.
    pub endp_fullmesh_max: Option<u8>,
    /// Milliseconds since data was sent. Linux 6.10.
    pub last_data_sent: Option<u32>,
    /// Milliseconds since data was received. Linux 6.10.
    pub last_data_recv: Option<u32>,
    /// Milliseconds since an acknowledgement was received. Linux 6.10.
    pub last_ack_recv: Option<u32>,
}

impl MptcpInfo {
    /// The size up to Linux 6.4.
    const LEAST: usize = 48;
    /// The size with the byte counters.
    const WITH_BYTES: usize = 80;

    /// Whether the connection fell back to plain TCP.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.flags.contains(InfoFlags::FALLBACK)
    }

    /// Decodes the structure of any kernel since 6.1. Unknown fields at its end are ignored.
    ///
    /// # Errors
    /// Fewer than 48 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let c = Structure::new("mptcp_info", bytes, Self::LEAST)?;
        Ok(Self {
            extra_subflows: c.u8(0),
            add_addr_signal: c.u8(1),
            add_addr_accepted: c.u8(2),
            subflows_max: c.u8(3),
            add_addr_signal_max: c.u8(4),
            add_addr_accepted_max: c.u8(5),
            flags: InfoFlags::from_bits_retain(c.u32(8)),
            token: Token::new(c.u32(12)),
            write_seq: c.u64(16),
            snd_una: c.u64(24),
            rcv_nxt: c.u64(32),
            local_addr_used: c.u8(40),
            local_addr_max: c.u8(41),
            csum_enabled: c.u8(42) != 0,
            // Padding before Linux 6.5.
            retransmits: c.get(44).filter(|_| bytes.len() >= Self::WITH_BYTES).map(u32::from_ne_bytes),
            bytes_retrans: c.get(48).map(u64::from_ne_bytes),
            bytes_sent: c.get(56).map(u64::from_ne_bytes),
            bytes_received: c.get(64).map(u64::from_ne_bytes),
            bytes_acked: c.get(72).map(u64::from_ne_bytes),
            subflows_total: c.get(80).map(u8::from_ne_bytes),
            endp_laminar_max: c.get(81).map(u8::from_ne_bytes),
            endp_fullmesh_max: c.get(82).map(u8::from_ne_bytes),
            last_data_sent: c.get(84).map(u32::from_ne_bytes),
            last_data_recv: c.get(88).map(u32::from_ne_bytes),
            last_ack_recv: c.get(92).map(u32::from_ne_bytes),
        })
    }
}

bitflags! {
    /// Options of a TCP connection: `TCPI_OPT_*`. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TcpOptions: u8 {
        /// Timestamps.
        const TIMESTAMPS = 1 << 0;
        /// Selective acknowledgements.
        const SACK = 1 << 1;
        /// Window scaling.
        const WSCALE = 1 << 2;
        /// Explicit congestion notification.
        const ECN = 1 << 3;
        /// ECN was seen from the peer.
        const ECN_SEEN = 1 << 4;
        /// The peer's SYN came with data that was acknowledged.
        const SYN_DATA = 1 << 5;
        /// Timestamps in microseconds. Linux 6.7.
        const USEC_TS = 1 << 6;
        /// Fast open from the child's side. Linux 6.13.
        const TFO_CHILD = 1 << 7;
    }
}

/// The statistics of a TCP connection, here a subflow: `struct tcp_info` of [`include/uapi/linux/tcp.h`].
/// Times are in microseconds unless stated otherwise, rates in bytes per second. Fields that an older kernel does not have are `None`.
///
/// [`include/uapi/linux/tcp.h`]: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/tcp.h?h=v6.12
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TcpInfo {
    /// TCP state as a number.
    pub state: u8,
    /// Congestion avoidance state (`TCP_CA_*`).
    pub ca_state: u8,
    /// Consecutive retransmissions of the oldest unacknowledged segment.
    pub retransmits: u8,
    /// Unanswered window probes.
    pub probes: u8,
    /// The number of times the retransmission timeout was doubled.
    pub backoff: u8,
    /// Options in use.
    pub options: TcpOptions,
    /// Window scale of the peer.
    pub snd_wscale: u8,
    /// Window scale of this end.
    pub rcv_wscale: u8,
    /// The delivery rate was measured while the program had too little to send.
    pub delivery_rate_app_limited: bool,
    /// Retransmission timeout.
    pub rto: u32,
    /// Delayed acknowledgement timeout.
    pub ato: u32,
    /// Maximum segment size when sending, in bytes.
    pub snd_mss: u32,
    /// Maximum segment size seen from the peer, in bytes.
    pub rcv_mss: u32,
    /// Unacknowledged segments; on a listener, connections waiting to be accepted.
    pub unacked: u32,
    /// Selectively acknowledged segments; on a listener, the limit of waiting connections.
    pub sacked: u32,
    /// Segments considered lost.
    pub lost: u32,
    /// Segments retransmitted and not acknowledged.
    pub retrans: u32,
    /// Milliseconds since data was sent.
    pub last_data_sent: u32,
    /// Milliseconds since data was received.
    pub last_data_recv: u32,
    /// Milliseconds since an acknowledgement was received.
    pub last_ack_recv: u32,
    /// Path MTU in bytes.
    pub pmtu: u32,
    /// Slow start threshold of the receiving side, in bytes.
    pub rcv_ssthresh: u32,
    /// Smoothed round-trip time.
    pub rtt: u32,
    /// Its variation.
    pub rttvar: u32,
    /// Slow start threshold, in segments.
    pub snd_ssthresh: u32,
    /// Congestion window, in segments.
    pub snd_cwnd: u32,
    /// Maximum segment size announced, in bytes.
    pub advmss: u32,
    /// The reordering tolerance, in segments.
    pub reordering: u32,
    /// Round-trip time as seen by the receiving side.
    pub rcv_rtt: u32,
    /// Advertised receive space, in bytes.
    pub rcv_space: u32,
    /// Segments retransmitted since the start.
    pub total_retrans: u32,
    /// Pacing rate; all bits set when there is none.
    pub pacing_rate: u64,
    /// The maximum pacing rate.
    pub max_pacing_rate: u64,
    /// Bytes the peer acknowledged.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Segments sent.
    pub segs_out: u32,
    /// Segments received.
    pub segs_in: u32,
    /// Bytes written by the program and not sent.
    pub notsent_bytes: u32,
    /// Least round-trip time.
    pub min_rtt: u32,
    /// Segments with data received.
    pub data_segs_in: u32,
    /// Segments with data sent.
    pub data_segs_out: u32,
    /// The measured delivery rate.
    pub delivery_rate: u64,
    /// Time with outstanding data.
    pub busy_time: u64,
    /// Time limited by the peer's window.
    pub rwnd_limited: u64,
    /// Time limited by the send buffer.
    pub sndbuf_limited: u64,
    /// Segments delivered, retransmissions included.
    pub delivered: u32,
    /// Segments delivered with an ECN mark.
    pub delivered_ce: u32,
    /// Bytes sent, retransmissions included.
    pub bytes_sent: u64,
    /// Bytes retransmitted.
    pub bytes_retrans: u64,
    /// Duplicate selective acknowledgements.
    pub dsack_dups: u32,
    /// Reordering events.
    pub reord_seen: u32,
    /// Segments received out of order.
    pub rcv_ooopack: u32,
    /// The peer's window, in bytes.
    pub snd_wnd: u32,
    /// This end's window, in bytes. Linux 6.2.
    pub rcv_wnd: Option<u32>,
    /// Changes of the transmit hash. Linux 6.2.
    pub rehash: Option<u32>,
    /// Retransmission timeouts. Linux 6.7.
    pub total_rto: Option<u16>,
    /// Recoveries from retransmission timeouts. Linux 6.7.
    pub total_rto_recoveries: Option<u16>,
    /// Milliseconds spent in such recoveries. Linux 6.7.
    pub total_rto_time: Option<u32>,
}

impl TcpInfo {
    /// The size in Linux 6.1.
    const LEAST: usize = 232;

    /// Decodes the structure of any kernel since 6.1. Unknown fields at its end are ignored.
    ///
    /// # Errors
    /// Fewer than 232 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let c = Structure::new("tcp_info", bytes, Self::LEAST)?;
        let (snd_wscale, rcv_wscale) = halves(c.u8(6));
        Ok(Self {
            state: c.u8(0),
            ca_state: c.u8(1),
            retransmits: c.u8(2),
            probes: c.u8(3),
            backoff: c.u8(4),
            options: TcpOptions::from_bits_retain(c.u8(5)),
            snd_wscale,
            rcv_wscale,
            delivery_rate_app_limited: c.u8(7) & FIRST_BIT != 0,
            rto: c.u32(8),
            ato: c.u32(12),
            snd_mss: c.u32(16),
            rcv_mss: c.u32(20),
            unacked: c.u32(24),
            sacked: c.u32(28),
            lost: c.u32(32),
            retrans: c.u32(36),
            // 40 and 48 are unused.
            last_data_sent: c.u32(44),
            last_data_recv: c.u32(52),
            last_ack_recv: c.u32(56),
            pmtu: c.u32(60),
            rcv_ssthresh: c.u32(64),
            rtt: c.u32(68),
            rttvar: c.u32(72),
            snd_ssthresh: c.u32(76),
            snd_cwnd: c.u32(80),
            advmss: c.u32(84),
            reordering: c.u32(88),
            rcv_rtt: c.u32(92),
            rcv_space: c.u32(96),
            total_retrans: c.u32(100),
            pacing_rate: c.u64(104),
            max_pacing_rate: c.u64(112),
            bytes_acked: c.u64(120),
            bytes_received: c.u64(128),
            segs_out: c.u32(136),
            segs_in: c.u32(140),
            notsent_bytes: c.u32(144),
            min_rtt: c.u32(148),
            data_segs_in: c.u32(152),
            data_segs_out: c.u32(156),
            delivery_rate: c.u64(160),
            busy_time: c.u64(168),
            rwnd_limited: c.u64(176),
            sndbuf_limited: c.u64(184),
            delivered: c.u32(192),
            delivered_ce: c.u32(196),
            bytes_sent: c.u64(200),
            bytes_retrans: c.u64(208),
            dsack_dups: c.u32(216),
            reord_seen: c.u32(220),
            rcv_ooopack: c.u32(224),
            snd_wnd: c.u32(228),
            rcv_wnd: c.get(232).map(u32::from_ne_bytes),
            rehash: c.get(236).map(u32::from_ne_bytes),
            total_rto: c.get(240).map(u16::from_ne_bytes),
            total_rto_recoveries: c.get(242).map(u16::from_ne_bytes),
            total_rto_time: c.get(244).map(u32::from_ne_bytes),
        })
    }
}

/// A C structure whose first bytes are always present.
#[derive(Clone, Copy)]
struct Structure<'a>(&'a [u8]);

impl<'a> Structure<'a> {
    fn new(what: &'static str, bytes: &'a [u8], least: usize) -> Result<Self, DecodeError> {
        match bytes.len() {
            got if got < least => Err(DecodeError::Short { what, needed: least, got }),
            _ => Ok(Self(bytes)),
        }
    }

    #[inline]
    fn get<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }

    /// A field in the part that is always present.
    #[inline]
    fn u8(self, at: usize) -> u8 {
        self.get(at).map_or(0, u8::from_ne_bytes)
    }

    #[inline]
    fn u32(self, at: usize) -> u32 {
        self.get(at).map_or(0, u32::from_ne_bytes)
    }

    #[inline]
    fn u64(self, at: usize) -> u64 {
        self.get(at).map_or(0, u64::from_ne_bytes)
    }
}

/// Two C bit fields of four bits, in the order of the machine.
const fn halves(byte: u8) -> (u8, u8) {
    if cfg!(target_endian = "big") { (byte >> 4, byte & 15) } else { (byte & 15, byte >> 4) }
}

const FIRST_BIT: u8 = if cfg!(target_endian = "big") { 0x80 } else { 1 };

serialize_bits!(InfoFlags, TcpOptions);
