//! The options of each kind, from the words of `tc` to the configuration of the crate.

use nl_tc::class::ClassConfig;
use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::ets::{EtsClassConfig, EtsConfig};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig, ServiceCurve};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{BfifoConfig, Clsact, FqCodelConfig, Ingress, PfifoConfig, TbfConfig};
use nl_tc::qdisc::QdiscConfig;
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::{LinkLayer, Overhead, Rate, Size};

use super::words::{Stop, Words, each, unknown};
use super::{later, leaves};

/// `tc qdisc … KIND OPTIONS`.
pub(super) fn qdisc(kind: &str, mut words: Words<'_>) -> Result<QdiscConfig, Stop> {
    let words = &mut words;
    let other = match later::qdisc(kind, words)? {
        None => leaves::qdisc(kind, words)?,
        config => config,
    };
    if let Some(config) = other {
        return match words.next() {
            None => Ok(config),
            Some(word) => unknown(kind, word),
        };
    }
    let config = match kind {
        "bfifo" => each(words, BfifoConfig::new(), |config, word, words| match word {
            "limit" => Ok(config.limit(words.parse::<Size>(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "clsact" => Clsact.into(),
        "drr" => DrrConfig::new().into(),
        "ets" => ets(words)?.into(),
        "fq_codel" => each(words, FqCodelConfig::new(), fq_codel)?.into(),
        "hfsc" => each(words, HfscConfig::new(), |config, word, words| match word {
            "def" | "default" => Ok(config.default_class(words.minor(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "htb" => each(words, HtbConfig::new(), |config, word, words| match word {
            "default" => Ok(config.default_class(words.minor(word)?)),
            "direct_qlen" => Ok(config.direct_qlen(words.parse(word)?)),
            "offload" => Ok(config.offload(true)),
            "r2q" => Ok(config.r2q(words.parse(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "ingress" => Ingress.into(),
        "pfifo" => each(words, PfifoConfig::new(), |config, word, words| match word {
            "limit" => Ok(config.limit(words.parse(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "qfq" => QfqConfig::new().into(),
        "tbf" => tbf(words)?.into(),
        // Kinds that the crate does not know can be added without options, if the kernel needs none.
        _ if words.peek().is_none() => QdiscConfig::Other { kind: kind.to_owned(), options: None },
        _ => return Err(Stop::NotOurs(format!("nl-tc has no options of {kind}"))),
    };
    match words.next() {
        None => Ok(config),
        Some(word) => unknown(kind, word),
    }
}

/// `tc class … KIND OPTIONS`.
pub(super) fn class(kind: &str, mut words: Words<'_>) -> Result<ClassConfig, Stop> {
    let words = &mut words;
    Ok(match kind {
        "drr" => each(words, DrrClassConfig::new(), |config, word, words| match word {
            "quantum" => Ok(config.quantum(words.parse::<Size>(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "ets" => each(words, EtsClassConfig::default(), |_, word, words| match word {
            "quantum" => Ok(EtsClassConfig::new(words.parse::<Size>(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "hfsc" => each(words, HfscClassConfig::new(), |config, word, words| {
            let given = curve(words)?;
            match word {
                "rt" => Ok(config.real_time(given)),
                "ls" => Ok(config.link_share(given)),
                "sc" => Ok(config.service(given)),
                "ul" => Ok(config.upper_limit(given)),
                _ => unknown(kind, word),
            }
        })?
        .into(),
        "htb" => each(words, HtbClassConfig::new(Rate::ZERO), htb)?.into(),
        "qfq" => each(words, QfqClassConfig::new(1), |mut config, word, words| match word {
            "weight" => {
                config.weight = words.parse(word)?;
                Ok(config)
            }
            "maxpkt" => Ok(config.maxpkt(words.parse::<Size>(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        _ => return Err(Stop::NotOurs(format!("nl-tc has no classes of {kind}"))),
    })
}

fn ets(words: &mut Words<'_>) -> Result<EtsConfig, Stop> {
    let mut bands = None;
    let config = each(words, EtsConfig::new(0), |config, word, words| match word {
        "bands" => {
            bands = Some(words.parse(word)?);
            Ok(config)
        }
        "priomap" => Ok(config.priomap(words.numbers::<u8>(word)?)),
        "quanta" => Ok(config.quanta(words.numbers::<u32>(word)?)),
        "strict" => Ok(config.strict(words.parse(word)?)),
        _ => unknown("ets", word),
    })?;
    // As in `tc`.
    let named = u8::try_from(config.quanta.len()).unwrap_or(u8::MAX).saturating_add(config.strict);
    let mut all = EtsConfig::new(bands.unwrap_or(named));
    (all.strict, all.quanta, all.priomap) = (config.strict, config.quanta, config.priomap);
    Ok(all)
}

fn fq_codel(config: FqCodelConfig, word: &str, words: &mut Words<'_>) -> Result<FqCodelConfig, Stop> {
    Ok(match word {
        "ce_threshold" => config.ce_threshold(words.time(word)?),
        "drop_batch" => config.drop_batch(words.parse(word)?),
        "ecn" => config.ecn(true),
        "flows" => config.flows(words.parse(word)?),
        "interval" => config.interval(words.time(word)?),
        "limit" => config.limit(words.parse(word)?),
        "memory_limit" => config.memory_limit(words.parse::<Size>(word)?),
        "noecn" => config.ecn(false),
        "quantum" => config.quantum(words.parse::<Size>(word)?),
        "target" => config.target(words.time(word)?),
        _ => return unknown("fq_codel", word),
    })
}

fn htb(mut config: HtbClassConfig, word: &str, words: &mut Words<'_>) -> Result<HtbClassConfig, Stop> {
    Ok(match word {
        "burst" => config.burst(words.parse::<Size>(word)?),
        "cburst" => config.cburst(words.parse::<Size>(word)?),
        "ceil" => config.ceil(words.parse(word)?),
        "mpu" => config.mpu(words.parse(word)?),
        "mtu" => config.mtu(words.parse(word)?),
        "overhead" => config.overhead(words.parse(word)?),
        "prio" => config.prio(words.parse(word)?),
        "quantum" => config.quantum(words.parse::<Size>(word)?),
        "rate" => {
            config.rate = words.parse(word)?;
            config
        }
        _ => return unknown("htb", word),
    })
}

fn tbf(words: &mut Words<'_>) -> Result<TbfConfig, Stop> {
    let (mut rate, mut burst, mut peak) = (Rate::ZERO, Size(0), None);
    let (mut latency, mut limit, mut smallest) = (None, None, Size(0));
    let mut overhead = Overhead::default();
    while let Some(word) = words.next() {
        match word {
            "burst" => burst = words.parse(word)?,
            "latency" => latency = Some(words.time(word)?),
            "limit" => limit = Some(words.parse::<Size>(word)?),
            "linklayer" => {
                overhead.link_layer = match words.next() {
                    Some("ethernet") => LinkLayer::Ethernet,
                    Some("atm" | "adsl") => LinkLayer::Atm,
                    other => return Err(Stop::NoValue(format!("linklayer {other:?}"))),
                };
            }
            "minburst" | "mtu" => smallest = words.parse(word)?,
            "mpu" => overhead.mpu = words.parse(word)?,
            "overhead" => overhead.bytes = words.parse(word)?,
            "peakrate" => peak = Some(words.parse(word)?),
            "rate" => rate = words.parse(word)?,
            _ => return unknown("tbf", word),
        }
    }
    let mut config = TbfConfig::new(rate, burst).overhead(overhead);
    if let Some(latency) = latency {
        config = config.latency(latency);
    }
    if let Some(limit) = limit {
        config = config.limit(limit);
    }
    Ok(match peak {
        Some(peak) => config.peak_rate(peak, smallest),
        None => config,
    })
}

/// `[m1 RATE] [d TIME] m2 RATE` or `[umax SIZE] [dmax TIME] rate RATE`.
fn curve(words: &mut Words<'_>) -> Result<ServiceCurve, Stop> {
    let (mut m1, mut d, mut m2) = (Rate::ZERO, Default::default(), Rate::ZERO);
    let (mut umax, mut is_delay) = (Size(0), false);
    while let Some(word) = words.peek().filter(|word| CURVE.contains(word)) {
        words.next();
        match word {
            "m1" => m1 = words.parse(word)?,
            "d" | "dmax" => d = words.time(word)?,
            "umax" => umax = words.parse(word)?,
            _ => m2 = words.parse(word)?,
        }
        is_delay |= ["umax", "dmax"].contains(&word);
    }
    Ok(if is_delay { ServiceCurve::delay(umax, d, m2) } else { ServiceCurve::two_piece(m1, d, m2) })
}

const CURVE: &[&str] = &["d", "dmax", "m1", "m2", "rate", "umax"];
