use std::ops::RangeInclusive;

use nl_core::Dev;
use nl_core::route::RouteProtocol;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::set::PolicySet;
use super::types::Policy;

/// From the fields. What a [plan](PolicySet::plan) would refuse is refused, except what depends on the headend.
impl<'de> Deserialize<'de> for PolicySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Read {
            dev: Dev,
            ids: RangeInclusive<u32>,
            protocol: RouteProtocol,
            #[serde(default)]
            rule_priority: Option<u32>,
            #[serde(default)]
            policies: Vec<Policy>,
            #[serde(default)]
            is_exact: bool,
        }

        let Read { dev, ids, protocol, rule_priority, policies, is_exact } = Read::deserialize(deserializer)?;
        let set = Self { dev, ids, protocol, rule_priority, policies, is_exact };
        set.check().map_err(D::Error::custom)?;
        Ok(set)
    }
}
