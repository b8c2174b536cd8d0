use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError};
use nl_core::check::Invalid;
use nl_core::error::Names;

use super::cake::CakeConfig;
use crate::TcVerb;
use crate::config::Config;

/// [Cake](CakeConfig) on every queue of a device, which share one rate (`tc qdisc … cake_mq`). Linux 7.0 and newer.
///
/// ```
/// use nl_tc::Rate;
/// use nl_tc::leaf::{CakeConfig, CakeMqConfig};
///
/// // tc qdisc add … root cake_mq bandwidth 1gbit
/// let qdisc = CakeMqConfig(CakeConfig::new().bandwidth(Rate::gbit(1)));
/// assert_eq!(nl_tc::qdisc::QdiscConfig::from(qdisc).to_string(), "cake_mq bandwidth 1Gbit");
/// ```
///
/// It has the options of cake but `autorate-ingress`, and stands at the root of a device with several queues. The qdiscs of the queues
/// are the kernel's and cannot be replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CakeMqConfig(pub CakeConfig);

impl Config for CakeMqConfig {
    const NAMES: &'static Names = CakeConfig::NAMES;

    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(CakeConfig::decode(options)?.map(Self))
    }

    fn encode(&self, w: &mut AttrWriter<'_>, verb: TcVerb) {
        self.0.encode(w, verb);
    }

    fn check(&self, verb: TcVerb) -> Result<(), Invalid> {
        let autorate = self.0.autorate == Some(true);
        Invalid::when(autorate, "autorate-ingress, which cake_mq does not have")?;
        self.0.check(verb)
    }

    fn as_read_back(&self, current: &Self) -> Self {
        Self(self.0.as_read_back(&current.0))
    }

    fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_options(f)
    }
}
