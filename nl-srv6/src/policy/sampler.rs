use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use super::hash::HashMap;
use super::plan::GroupUse;
use super::selections::{ListSelections, PolicySelections};

/// Computes rates from readings of [`Headend::selections`](super::Headend::selections).
///
/// ```no_run
/// use std::time::{Duration, Instant};
///
/// use nl_srv6::policy::{Headend, PolicySet, SelectionSampler};
///
/// # async fn example(headend: Headend, set: PolicySet) -> nl_core::Result<()> {
/// let mut sampler = SelectionSampler::new();
/// loop {
///     for rate in sampler.sample(Instant::now(), &headend.selections(&set).await?) {
///         println!("color {} by {:?}: {:.0} packets/s", rate.color, rate.segments, rate.per_second);
///     }
///     tokio::time::sleep(Duration::from_secs(5)).await;
/// }
/// # }
/// ```
///
/// # When counters restart
/// The counters of a group begin at 0 when it is replaced, as by a failover or another weight. The sampler notices that when a counter
/// falls; it then uses only what was counted since, and sets [`SelectionRate::restarted`]. If more was counted already than before, that
/// is not seen: [`forget`](Self::forget) the policies after an [`apply`](super::Headend::apply) whose plan has steps.
#[derive(Clone, Debug, Default)]
pub struct SelectionSampler {
    last: HashMap<(u32, u32), Reading>,
}

/// A reading of the list with a nexthop id in the group with another one. Ids are used again for other lists.
#[derive(Clone, Debug)]
struct Reading {
    at: Instant,
    segments: Vec<Ipv6Addr>,
    selections: u64,
}

/// How often the kernel chose a segment list between two readings.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SelectionRate {
    /// The color of the policy.
    pub color: u32,
    /// The endpoint of the policy.
    pub endpoint: Ipv6Addr,
    /// What the group is for.
    pub usage: GroupUse,
    /// The segments of the list, the first hop first; none for the blackhole of a policy that drops packets.
    pub segments: Vec<Ipv6Addr>,
    /// Its weight.
    pub weight: u16,
    /// The time between the readings.
    pub over: Duration,
    /// How often it was chosen: once for each packet that was routed.
    pub selections: u64,
    /// The same per second.
    pub per_second: f64,
    /// The counters restarted between the readings. Counts from before the restart are missing.
    pub restarted: bool,
}

impl SelectionSampler {
    /// A sampler without readings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reading of all policies and returns the rates since the last one. Lists that are missing from it are forgotten.
    ///
    /// A list has no rate in its first reading, in one that is not later than the last, and where the kernel did not say how often it was
    /// chosen.
    pub fn sample(&mut self, at: Instant, all: &[PolicySelections]) -> Vec<SelectionRate> {
        let mut before = std::mem::take(&mut self.last);
        let mut rates = Vec::new();
        for policy in all {
            for list in &policy.lists {
                let Some(selections) = list.selections else { continue };
                let key = (policy.id, list.nexthop);
                let reading = Reading { at, segments: list.segments.clone(), selections };
                let last = before.remove(&key).filter(|last| last.segments == reading.segments);
                let kept = match last {
                    Some(last) if last.at >= at => last,
                    last => {
                        rates.extend(last.map(|last| rate(policy, list, &last, &reading)));
                        reading
                    }
                };
                self.last.insert(key, kept);
            }
        }
        rates
    }

    /// Forgets all readings: the next one is the first.
    pub fn forget(&mut self) {
        self.last.clear();
    }
}

fn rate(policy: &PolicySelections, list: &ListSelections, last: &Reading, now: &Reading) -> SelectionRate {
    let over = now.at.saturating_duration_since(last.at);
    let restarted = now.selections < last.selections;
    let selections = if restarted { now.selections } else { now.selections - last.selections };
    #[expect(clippy::cast_precision_loss, reason = "15 digits are enough for a rate")]
    let per_second = selections as f64 / over.as_secs_f64();
    SelectionRate {
        color: policy.color,
        endpoint: policy.endpoint,
        usage: policy.usage,
        segments: list.segments.clone(),
        weight: list.weight,
        over,
        selections,
        per_second,
        restarted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    type List = (u32, u16, Option<u64>);

    fn reading(lists: &[List]) -> Vec<PolicySelections> {
        let list = |&(nexthop, segment, selections): &List| ListSelections {
            nexthop,
            segments: vec![Ipv6Addr::new(0xfcbb, 0, segment, 0, 0, 0, 0, 0)],
            weight: 1,
            selections,
        };
        vec![PolicySelections {
            color: 100,
            endpoint: Ipv6Addr::LOCALHOST,
            usage: GroupUse::Steering,
            id: 5004,
            lists: lists.iter().map(list).collect(),
        }]
    }

    #[test]
    fn rates_are_of_what_was_counted_between_two_readings() {
        let (mut sampler, start) = (SelectionSampler::new(), Instant::now());
        let mut rates = |seconds: u32, lists: &[List]| -> Vec<(u16, u64, bool)> {
            let all = sampler.sample(start + SECOND * seconds, &reading(lists));
            all.iter().map(|rate| (rate.segments[0].segments()[2], rate.selections, rate.restarted)).collect()
        };
        assert_eq!(rates(0, &[(1, 0xb, Some(10)), (2, 0xc, None)]), []);
        assert_eq!(rates(2, &[(1, 0xb, Some(30)), (2, 0xc, Some(5))]), [(0xb, 20, false)]);
        // The same time again has no rate, and what was counted is in the next one.
        assert_eq!(rates(2, &[(1, 0xb, Some(40)), (2, 0xc, Some(6))]), []);
        assert_eq!(rates(3, &[(1, 0xb, Some(41)), (2, 0xc, Some(6))]), [(0xb, 11, false), (0xc, 1, false)]);
        // The group was replaced.
        assert_eq!(rates(4, &[(1, 0xb, Some(7)), (2, 0xc, Some(9))]), [(0xb, 7, true), (0xc, 3, false)]);
        // The nexthop id has another list, and one is missing.
        assert_eq!(rates(5, &[(1, 0xd, Some(100))]), []);
        assert_eq!(rates(6, &[(1, 0xd, Some(101)), (2, 0xc, Some(50))]), [(0xd, 1, false)]);
        let all = sampler.sample(start + SECOND * 8, &reading(&[(1, 0xd, Some(105))]));
        assert_eq!((all[0].per_second, all[0].over), (2.0, SECOND * 2));
        sampler.forget();
        assert_eq!(sampler.sample(start + SECOND * 9, &reading(&[(1, 0xd, Some(105))])), []);
    }
}
