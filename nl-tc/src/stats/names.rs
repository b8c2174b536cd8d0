use nl_core::attr_names;

// `include/uapi/linux/gen_stats.h`
attr_names! { pub(crate) NAMES {
    TCA_STATS_BASIC = 1,
    TCA_STATS_RATE_EST = 2,
    TCA_STATS_QUEUE = 3,
    TCA_STATS_APP = 4,
    TCA_STATS_RATE_EST64 = 5,
    TCA_STATS_PKT64 = 8,
} }
