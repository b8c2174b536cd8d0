//! Statistics of classes and qdiscs, and rates from two readings.

mod cake;
mod counters;
mod estimator;
mod names;
mod sampler;
mod xstats;

pub use cake::{CakeStats, CakeTin};
pub(crate) use counters::StatsAttrs;
pub use counters::{Measured, Stats};
pub use estimator::Estimator;
pub(crate) use names::NAMES;
pub use sampler::{Rates, Sampler};
pub use xstats::{
    CodelStats, DrrStats, FqCodelFlowStats, FqCodelStats, FqPieStats, FqStats, HfscStats, HtbQdiscStats,
    HtbStats, PieStats, QfqStats, RedStats, SfqFlowStats, SfqStats, XStats,
};
