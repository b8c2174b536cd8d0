//! ETS, enhanced transmission selection: strict bands come first, and quanta divide the remaining bandwidth.
//!
//! ```
//! use nl_tc::ets::EtsConfig;
//!
//! // tc qdisc add … ets strict 2 quanta 3000 1500
//! let qdisc = EtsConfig::new(4).strict(2).quanta([3000, 1500]);
//! ```
//!
//! The classes `X:1` to `X:n` are the bands of the qdisc. They cannot be added or deleted, only [changed](EtsClassConfig).

mod class;
mod qdisc;

pub use class::EtsClassConfig;
pub use qdisc::EtsConfig;
