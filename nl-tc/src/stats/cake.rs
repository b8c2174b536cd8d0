use nl_core::attr::{Attrs, DecodeError};

use crate::Rate;

/// The counters of a cake qdisc (`TCA_CAKE_STATS_*`, `include/uapi/linux/pkt_sched.h`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CakeStats {
    /// The rate that `autorate-ingress` estimates.
    pub capacity: Rate,
    /// The limit of the memory, in bytes.
    pub memory_limit: u32,
    /// The most memory that was in use, in bytes.
    pub memory_used: u32,
    /// The average offset of the network header, in bytes.
    pub average_network_offset: u32,
    /// The shortest packet, in bytes.
    pub min_len: u32,
    /// The longest packet, in bytes.
    pub max_len: u32,
    /// The size of the shortest packet on the line, in bytes.
    pub min_adjusted_len: u32,
    /// The size of the longest packet on the line, in bytes.
    pub max_adjusted_len: u32,
    /// The tins, in order.
    pub tins: Vec<CakeTin>,
}

macro_rules! tin {
    ($($(#[$doc:meta])* $field:ident: $type:ident = $number:literal,)+) => {
        /// The counters of a tin (`TCA_CAKE_TIN_STATS_*`).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct CakeTin {
            $($(#[$doc])* pub $field: $type,)+
        }

        impl CakeTin {
            fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
                let mut tin = Self::default();
                for attr in attrs {
                    let attr = attr?;
                    match attr.kind() {
                        $($number => tin.$field = attr.$type()?,)+
                        _ => {}
                    }
                }
                Ok(tin)
            }
        }
    };
}

tin! {
    /// Packets sent.
    packets: u32 = 2,
    /// Bytes sent.
    bytes: u64 = 3,
    /// Packets dropped.
    dropped_packets: u32 = 4,
    /// Bytes dropped.
    dropped_bytes: u64 = 5,
    /// Acknowledgements dropped.
    dropped_acks: u32 = 6,
    /// Bytes of acknowledgements dropped.
    dropped_ack_bytes: u64 = 7,
    /// Packets marked.
    marked_packets: u32 = 8,
    /// Bytes marked.
    marked_bytes: u64 = 9,
    /// Packets in the queue.
    backlog_packets: u32 = 10,
    /// Bytes in the queue.
    backlog_bytes: u32 = 11,
    /// The rate up to which the tin is served first, in bytes per second.
    threshold: u64 = 12,
    /// The acceptable standing delay, in microseconds.
    target_us: u32 = 13,
    /// The time over which the delay is measured, in microseconds.
    interval_us: u32 = 14,
    /// Flows found in another place of their set.
    indirect_hits: u32 = 15,
    /// Flows that were new.
    misses: u32 = 16,
    /// Flows that share a queue.
    collisions: u32 = 17,
    /// The peak of the delay, in microseconds.
    peak_delay_us: u32 = 18,
    /// The average delay, in microseconds.
    average_delay_us: u32 = 19,
    /// The delay of sparse flows, in microseconds.
    base_delay_us: u32 = 20,
    /// Sparse flows.
    sparse_flows: u32 = 21,
    /// Bulk flows.
    bulk_flows: u32 = 22,
    /// Flows that do not respond to drops.
    unresponsive_flows: u32 = 23,
    /// The longest packet, in bytes.
    max_len: u32 = 24,
    /// The bytes that a flow sends per round.
    quantum: u32 = 25,
}

impl CakeStats {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut stats = Self::default();
        for attr in Attrs::new(bytes) {
            let attr = attr?;
            match attr.kind() {
                TCA_CAKE_STATS_CAPACITY_ESTIMATE64 => stats.capacity = Rate::bps(attr.u64()?),
                TCA_CAKE_STATS_MEMORY_LIMIT => stats.memory_limit = attr.u32()?,
                TCA_CAKE_STATS_MEMORY_USED => stats.memory_used = attr.u32()?,
                TCA_CAKE_STATS_AVG_NETOFF => stats.average_network_offset = attr.u32()?,
                TCA_CAKE_STATS_MIN_NETLEN => stats.min_len = attr.u32()?,
                TCA_CAKE_STATS_MAX_NETLEN => stats.max_len = attr.u32()?,
                TCA_CAKE_STATS_MIN_ADJLEN => stats.min_adjusted_len = attr.u32()?,
                TCA_CAKE_STATS_MAX_ADJLEN => stats.max_adjusted_len = attr.u32()?,
                TCA_CAKE_STATS_TIN_STATS => {
                    for tin in attr.attrs() {
                        stats.tins.push(CakeTin::decode(tin?.attrs())?);
                    }
                }
                _ => {}
            }
        }
        Ok(stats)
    }
}

// `include/uapi/linux/pkt_sched.h`
const TCA_CAKE_STATS_CAPACITY_ESTIMATE64: u16 = 2;
const TCA_CAKE_STATS_MEMORY_LIMIT: u16 = 3;
const TCA_CAKE_STATS_MEMORY_USED: u16 = 4;
const TCA_CAKE_STATS_AVG_NETOFF: u16 = 5;
const TCA_CAKE_STATS_MIN_NETLEN: u16 = 6;
const TCA_CAKE_STATS_MAX_NETLEN: u16 = 7;
const TCA_CAKE_STATS_MIN_ADJLEN: u16 = 8;
const TCA_CAKE_STATS_MAX_ADJLEN: u16 = 9;
const TCA_CAKE_STATS_TIN_STATS: u16 = 10;
