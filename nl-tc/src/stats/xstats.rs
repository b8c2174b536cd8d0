use nl_core::attr::{Attrs, DecodeError, Fields};

use super::cake::CakeStats;
use super::names::TCA_STATS_APP;

/// As in `htb::qdisc`, which is compiled with its feature only.
const TCA_HTB_INIT: u16 = 2;

/// The counters of one kind, in addition to those that all kinds have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum XStats {
    /// A cake qdisc.
    Cake(CakeStats),
    /// A codel qdisc.
    Codel(CodelStats),
    /// A DRR class.
    Drr(DrrStats),
    /// An fq qdisc.
    Fq(FqStats),
    /// An fq_codel qdisc.
    FqCodel(FqCodelStats),
    /// A flow of an fq_codel qdisc, which the kernel lists as a class.
    FqCodelFlow(FqCodelFlowStats),
    /// An fq_pie qdisc.
    FqPie(FqPieStats),
    /// An HFSC class.
    Hfsc(HfscStats),
    /// An HTB class.
    Htb(HtbStats),
    /// An HTB qdisc.
    HtbQdisc(HtbQdiscStats),
    /// Another kind, as bytes.
    Other(Vec<u8>),
    /// A pie qdisc.
    Pie(PieStats),
    /// A QFQ class.
    Qfq(QfqStats),
    /// A red qdisc.
    Red(RedStats),
    /// An SFQ qdisc.
    Sfq(SfqStats),
    /// A flow of an SFQ qdisc, which the kernel lists as a class.
    SfqFlow(SfqFlowStats),
}

macro_rules! stats {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ident,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$about])* pub $field: $type,)+
        }

        impl $name {
            /// Reads the fields in the order of the C structure.
            fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                let mut f = Fields::of_attr(TCA_STATS_APP, bytes);
                Ok(Self { $($field: f.$type()?),+ })
            }
        }
    )+};
}

// `include/uapi/linux/pkt_sched.h`
stats! {
    /// `struct tc_codel_xstats`.
    CodelStats {
        /// The largest packet, in bytes.
        maxpacket: u32,
        /// Drops since the delay exceeded the target.
        count: u32,
        /// The value of `count` in the last period of drops.
        lastcount: u32,
        /// The delay of the last packet, in microseconds.
        ldelay: u32,
        /// Microseconds until the next drop.
        drop_next: i32,
        /// Packets dropped because the queue was full.
        drop_overlimit: u32,
        /// Packets marked instead of dropped.
        ecn_mark: u32,
        /// 1 while packets are dropped.
        dropping: u32,
        /// Packets marked above `ce_threshold`.
        ce_mark: u32,
    }
    /// `struct tc_drr_stats`.
    DrrStats {
        /// Bytes that the class can still send in this round. 0 while its queue is empty.
        deficit: u32,
    }
    /// `struct tc_fq_codel_qd_stats`.
    FqCodelStats {
        /// The largest packet, in bytes.
        maxpacket: u32,
        /// Packets dropped because the queue was full.
        drop_overlimit: u32,
        /// Packets marked instead of dropped.
        ecn_mark: u32,
        /// How often a flow became active.
        new_flow_count: u32,
        /// New flows at the moment.
        new_flows_len: u32,
        /// Old flows at the moment.
        old_flows_len: u32,
        /// Packets marked above `ce_threshold`.
        ce_mark: u32,
        /// Memory in use, in bytes.
        memory_usage: u32,
        /// Packets dropped because of the memory limit.
        drop_overmemory: u32,
    }
    /// `struct tc_fq_codel_cl_stats`.
    FqCodelFlowStats {
        /// Bytes that the flow can still send in this round.
        deficit: i32,
        /// The delay of the last packet, in microseconds.
        ldelay: u32,
        /// Drops since the delay exceeded the target.
        count: u32,
        /// The value of `count` in the last period of drops.
        lastcount: u32,
        /// 1 while packets are dropped.
        dropping: u32,
        /// Microseconds until the next drop.
        drop_next: i32,
    }
    /// `struct tc_fq_qd_stats`, as of Linux 6.1.
    FqStats {
        /// Idle flows that were removed.
        gc_flows: u64,
        /// Packets of the highest priority.
        highprio_packets: u64,
        /// Always 0.
        tcp_retrans: u64,
        /// How often a flow had to wait for its rate.
        throttled: u64,
        /// Packets dropped because the queue of their flow was full.
        flows_plimit: u64,
        /// Packets too long for their rate.
        pkts_too_long: u64,
        /// Packets without memory for their flow.
        allocation_errors: u64,
        /// Nanoseconds until the next packet of a waiting flow.
        time_next_delayed_flow: i64,
        /// Flows.
        flows: u32,
        /// Flows without packets.
        inactive_flows: u32,
        /// Flows that wait for their rate.
        throttled_flows: u32,
        /// How late the timer is, in nanoseconds.
        unthrottle_latency_ns: u32,
        /// Packets marked above `ce_threshold`.
        ce_mark: u64,
        /// Packets dropped beyond the horizon.
        horizon_drops: u64,
        /// Packets beyond the horizon that were sent earlier.
        horizon_caps: u64,
    }
    /// `struct tc_fq_pie_xstats`.
    FqPieStats {
        /// Packets enqueued.
        packets_in: u32,
        /// Packets dropped to keep the delay.
        dropped: u32,
        /// Packets dropped because the queue was full.
        overlimit: u32,
        /// Packets dropped because of the memory limit.
        overmemory: u32,
        /// Packets marked instead of dropped.
        ecn_mark: u32,
        /// How often a flow became active.
        new_flow_count: u32,
        /// New flows at the moment.
        new_flows_len: u32,
        /// Old flows at the moment.
        old_flows_len: u32,
        /// Memory in use, in bytes.
        memory_usage: u32,
    }
    /// `struct tc_hfsc_stats`.
    HfscStats {
        /// Bytes sent.
        work: u64,
        /// Bytes sent by the real-time curve.
        rtwork: u64,
        /// How often the class became active.
        period: u32,
        /// 0 for a leaf.
        level: u32,
    }
    /// `struct tc_htb_xstats`.
    HtbStats {
        /// Packets sent at the class's own rate.
        lends: u32,
        /// Packets sent with tokens of the parent.
        borrows: u32,
        /// Always 0.
        giants: u32,
        /// Tokens of the rate bucket, in ticks of 64 ns. Can be negative.
        tokens: i32,
        /// Tokens of the ceil bucket, in ticks of 64 ns. Can be negative.
        ctokens: i32,
    }
    /// `struct tc_pie_xstats`.
    PieStats {
        /// The probability of a drop, in 2⁶⁴ steps.
        prob: u64,
        /// The delay, in microseconds.
        delay: u32,
        /// The rate at which packets leave, in bytes per second, with `dq_rate_estimator`.
        avg_dq_rate: u32,
        /// 1 while that rate is measured.
        dq_rate_estimating: u32,
        /// Packets enqueued.
        packets_in: u32,
        /// Packets dropped to keep the delay.
        dropped: u32,
        /// Packets dropped because the queue was full.
        overlimit: u32,
        /// The longest queue, in packets.
        maxq: u32,
        /// Packets marked instead of dropped.
        ecn_mark: u32,
    }
    /// `struct tc_qfq_stats`.
    QfqStats {
        /// The weight.
        weight: u32,
        /// The maximum packet size, in bytes.
        lmax: u32,
    }
    /// `struct tc_red_xstats`.
    RedStats {
        /// Packets dropped early.
        early: u32,
        /// Packets dropped because the queue was full.
        pdrop: u32,
        /// Always 0 in newer kernels.
        other: u32,
        /// Packets marked instead of dropped.
        marked: u32,
    }
    /// `struct tc_sfqred_stats`.
    SfqStats {
        /// Early drops.
        prob_drop: u32,
        /// Early drops above the upper threshold.
        forced_drop: u32,
        /// Early marks.
        prob_mark: u32,
        /// Early marks above the upper threshold.
        forced_mark: u32,
        /// Early marks at the head.
        prob_mark_head: u32,
        /// Early marks at the head above the upper threshold.
        forced_mark_head: u32,
    }
    /// `struct tc_sfq_xstats`.
    SfqFlowStats {
        /// Bytes that the flow can still send in this round.
        allot: i32,
    }
}

/// `direct_pkts` of `struct tc_htb_glob`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HtbQdiscStats {
    /// Packets that matched no class and were sent unshaped. Wraps at 2³².
    pub direct_packets: u32,
}

impl XStats {
    #[inline]
    pub(crate) fn decode_class(kind: &str, bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            _ if bytes.is_empty() => return Ok(None),
            "drr" => Self::Drr(DrrStats::decode(bytes)?),
            "fq_codel" => return Self::fq_codel(bytes),
            "hfsc" => Self::Hfsc(HfscStats::decode(bytes)?),
            "htb" => Self::Htb(HtbStats::decode(bytes)?),
            "qfq" => Self::Qfq(QfqStats::decode(bytes)?),
            "sfq" => Self::SfqFlow(SfqFlowStats::decode(bytes)?),
            _ => Self::Other(bytes.to_vec()),
        }))
    }

    /// HTB reports its counters inside its options.
    pub(crate) fn decode_qdisc(
        kind: &str,
        bytes: &[u8],
        options: &[u8],
    ) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            "htb" => {
                let init =
                    Attrs::new(options).find(TCA_HTB_INIT)?.ok_or(DecodeError::Missing(TCA_HTB_INIT))?;
                let mut f = init.fields();
                // Version, r2q, default class, debug.
                f.skip(16)?;
                Self::HtbQdisc(HtbQdiscStats { direct_packets: f.u32()? })
            }
            _ if bytes.is_empty() => return Ok(None),
            "cake" => Self::Cake(CakeStats::decode(bytes)?),
            "codel" => Self::Codel(CodelStats::decode(bytes)?),
            "fq" => Self::Fq(FqStats::decode(bytes)?),
            "fq_codel" => return Self::fq_codel(bytes),
            "fq_pie" => Self::FqPie(FqPieStats::decode(bytes)?),
            "pie" => Self::Pie(PieStats::decode(bytes)?),
            "red" => Self::Red(RedStats::decode(bytes)?),
            "sfq" => Self::Sfq(SfqStats::decode(bytes)?),
            _ => Self::Other(bytes.to_vec()),
        }))
    }

    /// `struct tc_fq_codel_xstats`: a number selects one of two structures.
    fn fq_codel(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut f = Fields::of_attr(TCA_STATS_APP, bytes);
        let which = f.u32()?;
        Ok(Some(match which {
            0 => Self::FqCodel(FqCodelStats::decode(f.rest())?),
            1 => Self::FqCodelFlow(FqCodelFlowStats::decode(f.rest())?),
            _ => Self::Other(bytes.to_vec()),
        }))
    }
}
