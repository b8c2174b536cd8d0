//! The names in traffic control messages, by kind.

use nl_tc::action::{RTM_DELACTION, RTM_GETACTION, RTM_NEWACTION};
use nl_tc::{
    RTM_DELQDISC, RTM_DELTCLASS, RTM_DELTFILTER, RTM_GETQDISC, RTM_GETTCLASS, RTM_GETTFILTER, RTM_NEWQDISC,
    RTM_NEWTCLASS, RTM_NEWTFILTER,
};
use nl_testkit::oracle::{Attr, Field, Shape};

/// The shape of a message about a class, qdisc or filter of this kind.
pub(crate) fn of(kind: &str) -> &'static Shape {
    match kind {
        "action" => &ACTIONS,
        "cake" => &CAKE,
        "cbs" => &CBS,
        "codel" => &CODEL,
        "drr" => &DRR,
        "etf" => &ETF,
        "ets" => &ETS,
        "flower" => &FLOWER,
        "fq" => &FQ,
        "fq_codel" => &FQ_CODEL,
        "fq_pie" => &FQ_PIE,
        "fw" => &FW,
        "hfsc" => &HFSC_CLASS,
        "htb" => &HTB,
        "matchall" => &MATCHALL,
        "netem" => &NETEM,
        "pie" => &PIE,
        "qfq" => &QFQ,
        "red" => &RED,
        "sfq" => &SFQ,
        "taprio" => &TAPRIO,
        "tbf" => &TBF,
        "u32" => &U32,
        // The options of an HFSC qdisc are no attributes either.
        _ => &PLAIN,
    }
}

/// A message of the kernel with these options.
macro_rules! shape {
    ($options:expr) => {
        Shape::new(
            "tcmsg",
            &[
                Field::new("family", 1),
                Field::new("pad", 3),
                Field::new("ifindex", 4),
                Field::new("handle", 4),
                Field::new("parent", 4),
                Field::new("info", 4),
            ],
        )
        .kinds(KINDS)
        .attrs(&[
            Attr::new(1, "TCA_KIND"),
            $options,
            Attr::new(5, "TCA_RATE").fields(&[Field::new("interval", 1), Field::new("ewma_log", 1)]),
            Attr::nest(8, "TCA_STAB", STAB),
            Attr::new(10, "TCA_DUMP_INVISIBLE"),
            Attr::new(13, "TCA_INGRESS_BLOCK"),
            Attr::new(14, "TCA_EGRESS_BLOCK"),
        ])
    };
}

// include/uapi/linux/pkt_sched.h
const PLAIN: Shape = shape!(Attr::new(2, "TCA_OPTIONS"));
const DRR: Shape = shape!(Attr::nest(2, "TCA_OPTIONS", &[Attr::new(1, "TCA_DRR_QUANTUM")]));
const QFQ: Shape =
    shape!(Attr::nest(2, "TCA_OPTIONS", &[Attr::new(1, "TCA_QFQ_WEIGHT"), Attr::new(2, "TCA_QFQ_LMAX")]));
const ETS: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_ETS_NBANDS"),
        Attr::new(2, "TCA_ETS_NSTRICT"),
        Attr::nest(3, "TCA_ETS_QUANTA", &[Attr::new(4, "TCA_ETS_QUANTA_BAND")]),
        Attr::new(4, "TCA_ETS_QUANTA_BAND"),
        Attr::nest(5, "TCA_ETS_PRIOMAP", &[Attr::new(6, "TCA_ETS_PRIOMAP_BAND")]),
    ]
));
const HFSC_CLASS: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_HFSC_RSC").fields(CURVE),
        Attr::new(2, "TCA_HFSC_FSC").fields(CURVE),
        Attr::new(3, "TCA_HFSC_USC").fields(CURVE),
    ]
));
const HTB: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_HTB_PARMS").fields(&[
            Field::new("rate.cell_log", 1),
            Field::new("rate.linklayer", 1),
            Field::new("rate.overhead", 2),
            Field::new("rate.cell_align", 2),
            Field::new("rate.mpu", 2),
            Field::new("rate.rate", 4),
            Field::new("ceil.cell_log", 1),
            Field::new("ceil.linklayer", 1),
            Field::new("ceil.overhead", 2),
            Field::new("ceil.cell_align", 2),
            Field::new("ceil.mpu", 2),
            Field::new("ceil.rate", 4),
            Field::new("buffer", 4),
            Field::new("cbuffer", 4),
            Field::new("quantum", 4),
            Field::new("level", 4),
            Field::new("prio", 4),
        ]),
        Attr::new(2, "TCA_HTB_INIT").fields(&[
            Field::new("version", 4),
            Field::new("rate2quantum", 4),
            Field::new("defcls", 4),
            Field::new("debug", 4),
            Field::new("direct_pkts", 4),
        ]),
        Attr::new(3, "TCA_HTB_CTAB"),
        Attr::new(4, "TCA_HTB_RTAB"),
        Attr::new(5, "TCA_HTB_DIRECT_QLEN"),
        Attr::new(6, "TCA_HTB_RATE64"),
        Attr::new(7, "TCA_HTB_CEIL64"),
        Attr::new(9, "TCA_HTB_OFFLOAD"),
    ]
));
const TBF: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_TBF_PARMS").fields(&[
            Field::new("rate.cell_log", 1),
            Field::new("rate.linklayer", 1),
            Field::new("rate.overhead", 2),
            Field::new("rate.cell_align", 2),
            Field::new("rate.mpu", 2),
            Field::new("rate.rate", 4),
            Field::new("peakrate.cell_log", 1),
            Field::new("peakrate.linklayer", 1),
            Field::new("peakrate.overhead", 2),
            Field::new("peakrate.cell_align", 2),
            Field::new("peakrate.mpu", 2),
            Field::new("peakrate.rate", 4),
            Field::new("limit", 4),
            Field::new("buffer", 4),
            Field::new("mtu", 4),
        ]),
        Attr::new(2, "TCA_TBF_RTAB"),
        Attr::new(3, "TCA_TBF_PTAB"),
        Attr::new(4, "TCA_TBF_RATE64"),
        Attr::new(5, "TCA_TBF_PRATE64"),
        Attr::new(6, "TCA_TBF_BURST"),
        Attr::new(7, "TCA_TBF_PBURST"),
    ]
));
const FQ_CODEL: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_FQ_CODEL_TARGET"),
        Attr::new(2, "TCA_FQ_CODEL_LIMIT"),
        Attr::new(3, "TCA_FQ_CODEL_INTERVAL"),
        Attr::new(4, "TCA_FQ_CODEL_ECN"),
        Attr::new(5, "TCA_FQ_CODEL_FLOWS"),
        Attr::new(6, "TCA_FQ_CODEL_QUANTUM"),
        Attr::new(7, "TCA_FQ_CODEL_CE_THRESHOLD"),
        Attr::new(8, "TCA_FQ_CODEL_DROP_BATCH_SIZE"),
        Attr::new(9, "TCA_FQ_CODEL_MEMORY_LIMIT"),
        Attr::new(10, "TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR"),
        Attr::new(11, "TCA_FQ_CODEL_CE_THRESHOLD_MASK"),
    ]
));
const CAKE: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(2, "TCA_CAKE_BASE_RATE64"),
        Attr::new(3, "TCA_CAKE_DIFFSERV_MODE"),
        Attr::new(4, "TCA_CAKE_ATM"),
        Attr::new(5, "TCA_CAKE_FLOW_MODE"),
        Attr::new(6, "TCA_CAKE_OVERHEAD"),
        Attr::new(7, "TCA_CAKE_RTT"),
        Attr::new(8, "TCA_CAKE_TARGET"),
        Attr::new(9, "TCA_CAKE_AUTORATE"),
        Attr::new(10, "TCA_CAKE_MEMORY"),
        Attr::new(11, "TCA_CAKE_NAT"),
        Attr::new(12, "TCA_CAKE_RAW"),
        Attr::new(13, "TCA_CAKE_WASH"),
        Attr::new(14, "TCA_CAKE_MPU"),
        Attr::new(15, "TCA_CAKE_INGRESS"),
        Attr::new(16, "TCA_CAKE_ACK_FILTER"),
        Attr::new(17, "TCA_CAKE_SPLIT_GSO"),
        Attr::new(18, "TCA_CAKE_FWMARK"),
    ]
));
const FQ: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_FQ_PLIMIT"),
        Attr::new(2, "TCA_FQ_FLOW_PLIMIT"),
        Attr::new(3, "TCA_FQ_QUANTUM"),
        Attr::new(4, "TCA_FQ_INITIAL_QUANTUM"),
        Attr::new(5, "TCA_FQ_RATE_ENABLE"),
        Attr::new(6, "TCA_FQ_FLOW_DEFAULT_RATE"),
        Attr::new(7, "TCA_FQ_FLOW_MAX_RATE"),
        Attr::new(8, "TCA_FQ_BUCKETS_LOG"),
        Attr::new(9, "TCA_FQ_FLOW_REFILL_DELAY"),
        Attr::new(10, "TCA_FQ_ORPHAN_MASK"),
        Attr::new(11, "TCA_FQ_LOW_RATE_THRESHOLD"),
        Attr::new(12, "TCA_FQ_CE_THRESHOLD"),
        Attr::new(13, "TCA_FQ_TIMER_SLACK"),
        Attr::new(14, "TCA_FQ_HORIZON"),
        Attr::new(15, "TCA_FQ_HORIZON_DROP"),
        Attr::new(16, "TCA_FQ_PRIOMAP"),
        Attr::new(17, "TCA_FQ_WEIGHTS"),
    ]
));
const CODEL: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_CODEL_TARGET"),
        Attr::new(2, "TCA_CODEL_LIMIT"),
        Attr::new(3, "TCA_CODEL_INTERVAL"),
        Attr::new(4, "TCA_CODEL_ECN"),
        Attr::new(5, "TCA_CODEL_CE_THRESHOLD"),
    ]
));
const PIE: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_PIE_TARGET"),
        Attr::new(2, "TCA_PIE_LIMIT"),
        Attr::new(3, "TCA_PIE_TUPDATE"),
        Attr::new(4, "TCA_PIE_ALPHA"),
        Attr::new(5, "TCA_PIE_BETA"),
        Attr::new(6, "TCA_PIE_ECN"),
        Attr::new(7, "TCA_PIE_BYTEMODE"),
        Attr::new(8, "TCA_PIE_DQ_RATE_ESTIMATOR"),
    ]
));
const FQ_PIE: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_FQ_PIE_LIMIT"),
        Attr::new(2, "TCA_FQ_PIE_FLOWS"),
        Attr::new(3, "TCA_FQ_PIE_TARGET"),
        Attr::new(4, "TCA_FQ_PIE_TUPDATE"),
        Attr::new(5, "TCA_FQ_PIE_ALPHA"),
        Attr::new(6, "TCA_FQ_PIE_BETA"),
        Attr::new(7, "TCA_FQ_PIE_QUANTUM"),
        Attr::new(8, "TCA_FQ_PIE_MEMORY_LIMIT"),
        Attr::new(9, "TCA_FQ_PIE_ECN_PROB"),
        Attr::new(10, "TCA_FQ_PIE_ECN"),
        Attr::new(11, "TCA_FQ_PIE_BYTEMODE"),
        Attr::new(12, "TCA_FQ_PIE_DQ_RATE_ESTIMATOR"),
    ]
));
const RED: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_RED_PARMS").fields(&[
            Field::new("limit", 4),
            Field::new("qth_min", 4),
            Field::new("qth_max", 4),
            Field::new("Wlog", 1),
            Field::new("Plog", 1),
            Field::new("Scell_log", 1),
            Field::new("flags", 1),
        ]),
        Attr::new(2, "TCA_RED_STAB"),
        Attr::new(3, "TCA_RED_MAX_P"),
        Attr::new(4, "TCA_RED_FLAGS").fields(&[Field::new("value", 4), Field::new("selector", 4)]),
        Attr::new(5, "TCA_RED_EARLY_DROP_BLOCK"),
        Attr::new(6, "TCA_RED_MARK_BLOCK"),
    ]
));
const CBS: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[Attr::new(1, "TCA_CBS_PARMS").fields(&[
        Field::new("offload", 1),
        Field::new("pad", 3),
        Field::new("hicredit", 4),
        Field::new("locredit", 4),
        Field::new("idleslope", 4),
        Field::new("sendslope", 4),
    ])]
));
const ETF: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[Attr::new(1, "TCA_ETF_PARMS").fields(&[
        Field::new("delta", 4),
        Field::new("clockid", 4),
        Field::new("flags", 4),
    ])]
));
const TAPRIO: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_TAPRIO_ATTR_PRIOMAP"),
        Attr::nest(
            2,
            "TCA_TAPRIO_ATTR_SCHED_ENTRY_LIST",
            &[Attr::nest(
                1,
                "TCA_TAPRIO_SCHED_ENTRY",
                &[
                    Attr::new(2, "TCA_TAPRIO_SCHED_ENTRY_CMD"),
                    Attr::new(3, "TCA_TAPRIO_SCHED_ENTRY_GATE_MASK"),
                    Attr::new(4, "TCA_TAPRIO_SCHED_ENTRY_INTERVAL"),
                ]
            )]
        ),
        Attr::new(3, "TCA_TAPRIO_ATTR_SCHED_BASE_TIME"),
        Attr::new(5, "TCA_TAPRIO_ATTR_SCHED_CLOCKID"),
        Attr::new(8, "TCA_TAPRIO_ATTR_SCHED_CYCLE_TIME"),
        Attr::new(9, "TCA_TAPRIO_ATTR_SCHED_CYCLE_TIME_EXTENSION"),
        Attr::new(10, "TCA_TAPRIO_ATTR_FLAGS"),
        Attr::new(11, "TCA_TAPRIO_ATTR_TXTIME_DELAY"),
    ]
));
const SFQ: Shape = shape!(Attr::new(2, "TCA_OPTIONS").fields(&[
    Field::new("quantum", 4),
    Field::new("perturb_period", 4),
    Field::new("limit", 4),
    Field::new("divisor", 4),
    Field::new("flows", 4),
    Field::new("depth", 4),
    Field::new("headdrop", 4),
    Field::new("red.limit", 4),
    Field::new("red.qth_min", 4),
    Field::new("red.qth_max", 4),
    Field::new("red.Wlog", 1),
    Field::new("red.Plog", 1),
    Field::new("red.Scell_log", 1),
    Field::new("red.flags", 1),
    Field::new("red.max_P", 4),
    Field::new("stats", 24),
]));
const NETEM: Shape = shape!(
    Attr::nest(
        2,
        "TCA_OPTIONS",
        &[
            Attr::new(1, "TCA_NETEM_CORR").fields(&[
                Field::new("delay_corr", 4),
                Field::new("loss_corr", 4),
                Field::new("dup_corr", 4),
            ]),
            Attr::new(3, "TCA_NETEM_REORDER")
                .fields(&[Field::new("probability", 4), Field::new("correlation", 4)]),
            Attr::new(4, "TCA_NETEM_CORRUPT")
                .fields(&[Field::new("probability", 4), Field::new("correlation", 4)]),
            Attr::nest(
                5,
                "TCA_NETEM_LOSS",
                &[
                    Attr::new(1, "NETEM_LOSS_GI").fields(&[
                        Field::new("p13", 4),
                        Field::new("p31", 4),
                        Field::new("p32", 4),
                        Field::new("p14", 4),
                        Field::new("p23", 4),
                    ]),
                    Attr::new(2, "NETEM_LOSS_GE").fields(&[
                        Field::new("p", 4),
                        Field::new("r", 4),
                        Field::new("h", 4),
                        Field::new("k1", 4),
                    ]),
                ],
            ),
            Attr::new(6, "TCA_NETEM_RATE").fields(&[
                Field::new("rate", 4),
                Field::new("packet_overhead", 4),
                Field::new("cell_size", 4),
                Field::new("cell_overhead", 4),
            ]),
            Attr::new(7, "TCA_NETEM_ECN"),
            Attr::new(8, "TCA_NETEM_RATE64"),
            Attr::new(10, "TCA_NETEM_LATENCY64"),
            Attr::new(11, "TCA_NETEM_JITTER64"),
            Attr::new(12, "TCA_NETEM_SLOT").fields(&[
                Field::new("min_delay", 8),
                Field::new("max_delay", 8),
                Field::new("max_packets", 4),
                Field::new("max_bytes", 4),
                Field::new("dist_delay", 8),
                Field::new("dist_jitter", 8),
            ]),
            Attr::new(14, "TCA_NETEM_PRNG_SEED"),
        ]
    )
    .fields(&[
        Field::new("latency", 4),
        Field::new("limit", 4),
        Field::new("loss", 4),
        Field::new("gap", 4),
        Field::new("duplicate", 4),
        Field::new("jitter", 4),
    ])
);

// include/uapi/linux/pkt_cls.h
const MATCHALL: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_MATCHALL_CLASSID"),
        Attr::nest(2, "TCA_MATCHALL_ACT", LIST),
        Attr::new(3, "TCA_MATCHALL_FLAGS"),
    ]
));
const FW: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[Attr::new(1, "TCA_FW_CLASSID"), Attr::nest(4, "TCA_FW_ACT", LIST), Attr::new(5, "TCA_FW_MASK")]
));
const FLOWER: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_FLOWER_CLASSID"),
        Attr::nest(3, "TCA_FLOWER_ACT", LIST),
        Attr::new(22, "TCA_FLOWER_FLAGS"),
        Attr::new(36, "TCA_FLOWER_KEY_TCP_DST_MASK"),
        Attr::new(38, "TCA_FLOWER_KEY_UDP_DST_MASK"),
    ]
));
/// Actions that filters share.
const ACTIONS: Shape = Shape::new("tcamsg", &[Field::new("family", 1), Field::new("pad", 3)])
    .kinds(&[
        (RTM_NEWACTION, "RTM_NEWACTION"),
        (RTM_DELACTION, "RTM_DELACTION"),
        (RTM_GETACTION, "RTM_GETACTION"),
    ])
    .attrs(&[Attr::nest(1, "TCA_ACT_TAB", LIST)]);
const U32: Shape = shape!(Attr::nest(
    2,
    "TCA_OPTIONS",
    &[
        Attr::new(1, "TCA_U32_CLASSID"),
        Attr::new(5, "TCA_U32_SEL").fields(&[
            Field::new("flags", 1),
            Field::new("offshift", 1),
            Field::new("nkeys", 1),
            Field::new("pad", 1),
            Field::new("offmask", 2),
            Field::new("off", 2),
            Field::new("offoff", 2),
            Field::new("hoff", 2),
            Field::new("hmask", 4),
            Field::new("keys[0].mask", 4),
            Field::new("keys[0].val", 4),
            Field::new("keys[0].off", 4),
            Field::new("keys[0].offmask", 4),
        ]),
        Attr::nest(7, "TCA_U32_ACT", LIST),
    ]
));

const LIST: &[Attr] = &[Attr::nest(1, "1", ACTION), Attr::nest(2, "2", ACTION)];
const ACTION: &[Attr] = &[
    Attr::new(1, "TCA_ACT_KIND"),
    // Named by their numbers, which are other options in each kind.
    Attr::nest(2, "TCA_ACT_OPTIONS", &[]),
    Attr::new(3, "TCA_ACT_INDEX"),
    Attr::new(6, "TCA_ACT_COOKIE"),
    Attr::new(7, "TCA_ACT_FLAGS"),
    Attr::new(8, "TCA_ACT_HW_STATS"),
];
const CURVE: &[Field] = &[Field::new("m1", 4), Field::new("d", 4), Field::new("m2", 4)];
const STAB: &[Attr] = &[
    Attr::new(1, "TCA_STAB_BASE").fields(&[
        Field::new("cell_log", 1),
        Field::new("size_log", 1),
        Field::new("cell_align", 2),
        Field::new("overhead", 4),
        Field::new("linklayer", 4),
        Field::new("mpu", 4),
        Field::new("mtu", 4),
        Field::new("tsize", 4),
    ]),
    Attr::new(2, "TCA_STAB_DATA"),
];
const KINDS: &[(u16, &str)] = &[
    (RTM_NEWQDISC, "RTM_NEWQDISC"),
    (RTM_DELQDISC, "RTM_DELQDISC"),
    (RTM_GETQDISC, "RTM_GETQDISC"),
    (RTM_NEWTCLASS, "RTM_NEWTCLASS"),
    (RTM_DELTCLASS, "RTM_DELTCLASS"),
    (RTM_GETTCLASS, "RTM_GETTCLASS"),
    (RTM_NEWTFILTER, "RTM_NEWTFILTER"),
    (RTM_DELTFILTER, "RTM_DELTFILTER"),
    (RTM_GETTFILTER, "RTM_GETTFILTER"),
];
