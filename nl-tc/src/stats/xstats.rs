use nl_core::attr::{Attrs, DecodeError, Fields};

const TCA_STATS_APP: u16 = 4;
// `include/uapi/linux/pkt_sched.h`
const TCA_HTB_INIT: u16 = 2;

/// The counters that one kind has beside those that all have.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum AppStats {
    /// Of a DRR class.
    Drr(DrrStats),
    /// Of an fq_codel qdisc.
    FqCodel(FqCodelStats),
    /// Of a flow of an fq_codel qdisc, which is listed like a class.
    FqCodelFlow(FqCodelFlowStats),
    /// Of an HFSC class.
    Hfsc(HfscStats),
    /// Of an HTB class.
    Htb(HtbStats),
    /// Of an HTB qdisc.
    HtbQdisc(HtbQdiscStats),
    /// Of another kind, as bytes.
    Other(Vec<u8>),
    /// Of a QFQ class.
    Qfq(QfqStats),
    /// Of an SFQ qdisc.
    Sfq(SfqStats),
    /// Of a flow of an SFQ qdisc, which is listed like a class.
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
            /// The fields in the order of the C structure.
            fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
                let mut f = Fields::of_attr(TCA_STATS_APP, bytes);
                Ok(Self { $($field: f.$type()?),+ })
            }
        }
    )+};
}

// `include/uapi/linux/pkt_sched.h`
stats! {
    /// `struct tc_drr_stats`.
    DrrStats {
        /// Bytes the class may still send in this round; 0 while it has nothing to send.
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
        /// New flows now.
        new_flows_len: u32,
        /// Old flows now.
        old_flows_len: u32,
        /// Packets marked above `ce_threshold`.
        ce_mark: u32,
        /// Memory held, in bytes.
        memory_usage: u32,
        /// Packets dropped because memory was used up.
        drop_overmemory: u32,
    }
    /// `struct tc_fq_codel_cl_stats`.
    FqCodelFlowStats {
        /// Bytes the flow may still send in this round.
        deficit: i32,
        /// The delay of the last packet, in microseconds.
        ldelay: u32,
        /// Drops since the delay is too long.
        count: u32,
        /// The same in the time before.
        lastcount: u32,
        /// 1 while packets are dropped.
        dropping: u32,
        /// Microseconds until the next drop.
        drop_next: i32,
    }
    /// `struct tc_hfsc_stats`.
    HfscStats {
        /// Bytes sent.
        work: u64,
        /// Bytes of those sent by the real-time curve.
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
        /// Packets sent with the parent's tokens.
        borrows: u32,
        /// Always 0.
        giants: u32,
        /// What may be sent at `rate`, in ticks of 64 ns; negative while in debt.
        tokens: i32,
        /// What may be sent at `ceil`, in ticks of 64 ns; negative while in debt.
        ctokens: i32,
    }
    /// `struct tc_qfq_stats`.
    QfqStats {
        /// The weight.
        weight: u32,
        /// The longest packet, in bytes.
        lmax: u32,
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
        /// Bytes the flow may still send in this round.
        allot: i32,
    }
}

/// `direct_pkts` of `struct tc_htb_glob`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HtbQdiscStats {
    /// Packets that belonged to no class and went out unshaped; wraps at 2³².
    pub direct_packets: u32,
}

impl AppStats {
    #[inline]
    pub(crate) fn of_class(kind: &str, bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            _ if bytes.is_empty() => return Ok(None),
            "drr" => Self::Drr(DrrStats::read(bytes)?),
            "fq_codel" => return Self::fq_codel(bytes),
            "hfsc" => Self::Hfsc(HfscStats::read(bytes)?),
            "htb" => Self::Htb(HtbStats::read(bytes)?),
            "qfq" => Self::Qfq(QfqStats::read(bytes)?),
            "sfq" => Self::SfqFlow(SfqFlowStats::read(bytes)?),
            _ => Self::Other(bytes.to_vec()),
        }))
    }

    /// Of a qdisc; those of HTB come with its options.
    pub(crate) fn of_qdisc(kind: &str, bytes: &[u8], options: &[u8]) -> Result<Option<Self>, DecodeError> {
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
            "fq_codel" => return Self::fq_codel(bytes),
            "sfq" => Self::Sfq(SfqStats::read(bytes)?),
            _ => Self::Other(bytes.to_vec()),
        }))
    }

    /// `struct tc_fq_codel_xstats`: a number that says which of the two it is.
    fn fq_codel(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut f = Fields::of_attr(TCA_STATS_APP, bytes);
        let which = f.u32()?;
        Ok(Some(match which {
            0 => Self::FqCodel(FqCodelStats::read(f.rest())?),
            1 => Self::FqCodelFlow(FqCodelFlowStats::read(f.rest())?),
            _ => Self::Other(bytes.to_vec()),
        }))
    }
}
