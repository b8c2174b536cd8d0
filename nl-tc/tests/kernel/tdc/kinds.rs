//! The options of each kind, from the words of `tc` to the configuration of the crate.

use nl_tc::class::ClassConfig;
use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::ets::{EtsClassConfig, EtsConfig};
use nl_tc::filter::{FilterConfig, Matchall, U32, U32Key};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig, ServiceCurve};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{
    BfifoConfig, Clsact, FqCodelConfig, Ingress, NetemConfig, PfifoConfig, SfqConfig, TbfConfig,
};
use nl_tc::qdisc::QdiscConfig;
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::{Rate, Size, TcHandle};

use super::words::{Stop, Words};

/// `tc qdisc … KIND OPTIONS`.
pub(super) fn qdisc(kind: &str, mut words: Words<'_>) -> Result<QdiscConfig, Stop> {
    let words = &mut words;
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
        "netem" => each(words, NetemConfig::new(), |config, word, words| match word {
            "delay" => Ok(config.delay(words.time(word)?)),
            "duplicate" => Ok(config.duplicate(words.parse(word)?)),
            "limit" => Ok(config.limit(words.parse(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "pfifo" => each(words, PfifoConfig::new(), |config, word, words| match word {
            "limit" => Ok(config.limit(words.parse(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "qfq" => QfqConfig::new().into(),
        "sfq" => each(words, SfqConfig::new(), |config, word, words| match word {
            "limit" => Ok(config.limit(words.parse(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "tbf" => tbf(words)?.into(),
        // Kinds that the crate does not know can be added without options, if the kernel needs none.
        _ if words.peek().is_none() && kind != "cbs" => {
            QdiscConfig::Other { kind: kind.to_owned(), options: None }
        }
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

/// `tc filter … KIND OPTIONS`.
pub(super) fn filter(kind: &str, mut words: Words<'_>) -> Result<FilterConfig, Stop> {
    let (mut class, mut keys) = (None, Vec::new());
    while let Some(word) = words.next() {
        match (kind, word) {
            ("matchall" | "u32", "classid" | "flowid") => class = Some(words.parse::<TcHandle>(word)?),
            ("u32", "match") => keys.push(key(&mut words)?),
            ("matchall" | "u32", _) => {
                return Err(Stop::NotOurs(format!("nl-tc has no {word} of {kind} filters")));
            }
            _ => return Err(Stop::NotOurs(format!("nl-tc has no {kind} filters"))),
        }
    }
    let class = class.ok_or_else(|| Stop::NotOurs("nl-tc has no filters without a class".to_owned()))?;
    Ok(if kind == "u32" { U32::new(class, keys).into() } else { Matchall::new(class).into() })
}

/// The key after `match`.
fn key(words: &mut Words<'_>) -> Result<U32Key, Stop> {
    let rest = [words.next(), words.next(), words.next()];
    match rest {
        [Some("ip"), Some("protocol"), Some(number)] if words.next() == Some("0xff") => {
            let number: u8 = number.parse().map_err(|_| Stop::NoValue(format!("protocol {number}")))?;
            Ok(U32Key::at(8, u32::from(number) << 16, 0xff << 16))
        }
        [Some("ip"), Some("dst"), Some(prefix)] => {
            let address = prefix.strip_suffix("/32").unwrap_or(prefix).parse().ok();
            let address = address.ok_or_else(|| Stop::NoValue(format!("dst {prefix}")))?;
            let to = U32::to(address, TcHandle::NONE).keys;
            to.into_iter().next().ok_or_else(|| Stop::NoValue("no key".to_owned()))
        }
        other => Err(Stop::NotOurs(format!("a u32 match not thought of: {other:?}"))),
    }
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
    while let Some(word) = words.next() {
        match word {
            "burst" => burst = words.parse(word)?,
            "latency" => latency = Some(words.time(word)?),
            "limit" => limit = Some(words.parse::<Size>(word)?),
            "minburst" | "mtu" => smallest = words.parse(word)?,
            "peakrate" => peak = Some(words.parse(word)?),
            "rate" => rate = words.parse(word)?,
            _ => return unknown("tbf", word),
        }
    }
    let mut config = TbfConfig::new(rate, burst);
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

/// Calls a function for each word.
fn each<C>(
    words: &mut Words<'_>,
    mut config: C,
    mut take: impl FnMut(C, &str, &mut Words<'_>) -> Result<C, Stop>,
) -> Result<C, Stop> {
    while let Some(word) = words.next() {
        config = take(config, word, words)?;
    }
    Ok(config)
}

fn unknown<T>(kind: &str, word: &str) -> Result<T, Stop> {
    Err(Stop::NotOurs(format!("nl-tc has no {word} of {kind}, or it was not thought of")))
}
