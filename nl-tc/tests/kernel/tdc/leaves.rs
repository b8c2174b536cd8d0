//! The options of kinds with many parameters: netem, sfq, mqprio and taprio.

use std::time::Duration;

use nl_tc::leaf::{
    MqprioConfig, NetemConfig, NetemDistribution, NetemLoss, NetemSlot, SfqConfig, TaprioConfig, TaprioEntry,
    TrafficClasses,
};
use nl_tc::qdisc::QdiscConfig;
use nl_tc::{Probability, Rate, Size};

use super::words::{Stop, Words, each, unknown};

/// The configuration; `None` for another kind.
pub(super) fn qdisc(kind: &str, words: &mut Words<'_>) -> Result<Option<QdiscConfig>, Stop> {
    Ok(Some(match kind {
        "mqprio" => mqprio(words)?.into(),
        "netem" => each(words, NetemConfig::new(), netem)?.into(),
        "sfq" => each(words, SfqConfig::new(), |config, word, words| {
            Ok(match word {
                "depth" => config.depth(words.parse(word)?),
                "divisor" => config.divisor(words.parse(word)?),
                "flows" => config.flows(words.parse(word)?),
                "headdrop" => config.headdrop(true),
                "limit" => config.limit(words.parse(word)?),
                "perturb" => config.perturb(Duration::from_secs(words.parse(word)?)),
                "quantum" => config.quantum(words.parse::<Size>(word)?),
                _ => return unknown("sfq", word),
            })
        })?
        .into(),
        "taprio" => taprio(words)?.into(),
        _ => return Ok(None),
    }))
}

fn netem(config: NetemConfig, word: &str, words: &mut Words<'_>) -> Result<NetemConfig, Stop> {
    Ok(match word {
        "corrupt" => config.corrupt(words.parse(word)?),
        "delay" => {
            let config = config.delay(words.time(word)?);
            match has_number(words) {
                true => config.jitter(words.time(word)?),
                false => config,
            }
        }
        "distribution" => config.distribution(distribution(words)?),
        "duplicate" => config.duplicate(words.parse(word)?),
        "gap" => config.gap(words.parse(word)?),
        "limit" => config.limit(words.parse(word)?),
        "loss" => config.loss(loss(words)?),
        "rate" => config.rate(words.parse::<Rate>(word)?),
        "reorder" => config.reorder(words.parse(word)?),
        "slot" if words.peek() == Some("distribution") => {
            words.next();
            let distribution = distribution(words)?;
            config.slot(NetemSlot::spread(nanos(words)?, nanos(words)?)).slot_distribution(distribution)
        }
        "slot" => {
            let min = nanos(words)?;
            let max = if has_number(words) { nanos(words)? } else { min };
            let mut slot = NetemSlot::between(min, max);
            while let Some(word @ ("packets" | "bytes")) = words.peek() {
                words.next();
                let number = words.parse(word)?;
                if word == "packets" { slot.max_packets = number } else { slot.max_bytes = number }
            }
            config.slot(slot)
        }
        _ => return unknown("netem", word),
    })
}

/// `[random] PERCENT`, `state PERCENT` or `gemodel PERCENT`, with the rest as `tc` completes it.
fn loss(words: &mut Words<'_>) -> Result<NetemLoss, Stop> {
    let rest = |p: Probability| Probability(u32::MAX - p.0);
    let model = words.peek().filter(|word| ["gemodel", "random", "state"].contains(word));
    if model.is_some() {
        words.next();
    }
    let p: Probability = words.parse("loss")?;
    if has_number(words) {
        return Err(Stop::NotOurs("loss with more numbers was not thought of".to_owned()));
    }
    Ok(match model {
        Some("state") => NetemLoss::State {
            p13: p,
            p31: rest(p),
            p32: Probability::NEVER,
            p23: Probability::ALWAYS,
            p14: Probability::NEVER,
        },
        Some("gemodel") => {
            NetemLoss::GilbertElliott { p, r: rest(p), bad: Probability::ALWAYS, good: Probability::NEVER }
        }
        _ => NetemLoss::random(p),
    })
}

fn distribution(words: &mut Words<'_>) -> Result<NetemDistribution, Stop> {
    match words.next() {
        Some("normal") => Ok(NetemDistribution::normal()),
        Some("pareto") => Ok(NetemDistribution::pareto()),
        Some("paretonormal") => Ok(NetemDistribution::paretonormal()),
        other => Err(Stop::NotOurs(format!("the distribution {other:?}"))),
    }
}

/// A time, in nanoseconds without a unit.
fn nanos(words: &mut Words<'_>) -> Result<Duration, Stop> {
    match words.peek().and_then(|text| text.parse().ok()) {
        Some(nanos) => {
            words.next();
            Ok(Duration::from_nanos(nanos))
        }
        None => words.time("slot"),
    }
}

fn has_number(words: &Words<'_>) -> bool {
    words.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

fn mqprio(words: &mut Words<'_>) -> Result<MqprioConfig, Stop> {
    let mut classes = Classes::default();
    let mut offload = true;
    while let Some(word) = words.next() {
        match word {
            "hw" => offload = words.parse::<u8>(word)? != 0,
            _ if classes.take(word, words)? => {}
            _ => return unknown("mqprio", word),
        }
    }
    Ok(MqprioConfig::new(classes.whole()).offload(offload))
}

fn taprio(words: &mut Words<'_>) -> Result<TaprioConfig, Stop> {
    let mut classes = Classes::default();
    let mut config = TaprioConfig::new(TrafficClasses::default());
    while let Some(word) = words.next() {
        match word {
            "base-time" => config.base_time = words.parse(word)?,
            "clockid" => match words.next() {
                Some("CLOCK_TAI") => config = config.clock(TaprioConfig::CLOCK_TAI),
                other => return Err(Stop::NotOurs(format!("the clock {other:?}"))),
            },
            "cycle-time" => config = config.cycle_time(Duration::from_nanos(words.parse(word)?)),
            "flags" => {
                let flags = words.next().unwrap_or_default();
                config = match flags {
                    "0x0" | "0" => config,
                    "0x1" | "1" => config.txtime_assist(true),
                    "0x2" | "2" => config.full_offload(true),
                    _ => return Err(Stop::NotOurs(format!("flags {flags}"))),
                };
            }
            "sched-entry" => {
                let command = words.next().unwrap_or_default();
                if command != "S" {
                    return Err(Stop::NotOurs(format!("sched-entry {command}")));
                }
                let gates = words.next().unwrap_or_default();
                let gates = u32::from_str_radix(gates, 16)
                    .map_err(|error| Stop::NoValue(format!("gates {gates}: {error}")))?;
                let interval = Duration::from_nanos(words.parse(word)?);
                config = config.entry(TaprioEntry { command: 0, gates, interval });
            }
            // In nanoseconds, as in `tc`.
            "txtime-delay" => config = config.txtime_delay(Duration::from_nanos(words.parse(word)?)),
            _ if classes.take(word, words)? => {}
            _ => return unknown("taprio", word),
        }
    }
    config.classes = classes.whole();
    Ok(config)
}

/// The traffic classes of mqprio and taprio.
#[derive(Debug, Default)]
struct Classes {
    count: u8,
    map: [u8; 16],
    queues: Vec<(u16, u16)>,
}

impl Classes {
    /// Whether the word was one of theirs.
    fn take(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, Stop> {
        match word {
            "map" => {
                let given = words.numbers::<u8>(word)?;
                if given.len() > self.map.len() {
                    return Err(Stop::NoValue(format!("{} times map", given.len())));
                }
                for (field, class) in self.map.iter_mut().zip(given) {
                    *field = class;
                }
            }
            "num_tc" => self.count = words.parse(word)?,
            "queues" => {
                while let Some((count, offset)) = words.peek().and_then(|word| word.split_once('@')) {
                    words.next();
                    let number = |text: &str| {
                        text.parse().map_err(|error| Stop::NoValue(format!("queues {text}: {error}")))
                    };
                    self.queues.push((number(count)?, number(offset)?));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn whole(self) -> TrafficClasses {
        TrafficClasses::new(self.count, self.map).queues(self.queues)
    }
}
