//! The options of the kinds of qdiscs that came later.

use std::time::Duration;

use nl_tc::leaf::{
    CakeAckFilter, CakeAtm, CakeConfig, CakeDiffserv, CakeFlows, CakeMqConfig, CbsConfig, CodelConfig,
    EtfConfig, FqConfig, FqPieConfig, Mq, PieConfig, PrioConfig, RedAverage, RedConfig,
};
use nl_tc::qdisc::QdiscConfig;
use nl_tc::{Rate, Size};

use super::words::{Stop, Words, each, unknown};

/// The configuration; `None` for another kind.
pub(super) fn qdisc(kind: &str, words: &mut Words<'_>) -> Result<Option<QdiscConfig>, Stop> {
    Ok(Some(match kind {
        "cake" => each(words, CakeConfig::new(), cake)?.into(),
        "cake_mq" => CakeMqConfig(each(words, CakeConfig::new(), cake)?).into(),
        "cbs" => each(words, CbsConfig::new(), |config, word, words| match word {
            "hicredit" => Ok(config.hicredit(words.parse(word)?)),
            "idleslope" => Ok(config.idleslope(words.parse(word)?)),
            "locredit" => Ok(config.locredit(words.parse(word)?)),
            "sendslope" => Ok(config.sendslope(words.parse(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "codel" => each(words, CodelConfig::new(), |config, word, words| match word {
            "ce_threshold" => Ok(config.ce_threshold(words.time(word)?)),
            "ecn" => Ok(config.ecn(true)),
            "interval" => Ok(config.interval(words.time(word)?)),
            "limit" => Ok(config.limit(words.parse(word)?)),
            "noecn" => Ok(config.ecn(false)),
            "target" => Ok(config.target(words.time(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "etf" => each(words, EtfConfig::default(), |config, word, words| match word {
            "clockid" if words.next() == Some("CLOCK_TAI") => Ok(config),
            "deadline_mode" => Ok(config.deadline_mode(true)),
            "delta" => {
                let mut config = config;
                config.delta = Duration::from_nanos(words.parse(word)?);
                Ok(config)
            }
            "skip_sock_check" => Ok(config.skip_sock_check(true)),
            _ => unknown(kind, word),
        })?
        .into(),
        "fq" => each(words, FqConfig::new(), |config, word, words| match word {
            "ce_threshold" => Ok(config.ce_threshold(words.time(word)?)),
            "flow_limit" => Ok(config.flow_limit(words.parse(word)?)),
            "horizon" => Ok(config.horizon(words.time(word)?)),
            "horizon_cap" => Ok(config.horizon_drop(false)),
            "horizon_drop" => Ok(config.horizon_drop(true)),
            "initial_quantum" => Ok(config.initial_quantum(words.parse::<Size>(word)?)),
            "limit" => Ok(config.limit(words.parse(word)?)),
            "low_rate_threshold" => Ok(config.low_rate_threshold(words.parse::<Rate>(word)?)),
            "maxrate" => Ok(config.max_rate(words.parse::<Rate>(word)?)),
            "nopacing" => Ok(config.pacing(false)),
            "orphan_mask" => Ok(config.orphan_mask(words.parse(word)?)),
            "pacing" => Ok(config.pacing(true)),
            "quantum" => Ok(config.quantum(words.parse::<Size>(word)?)),
            "refill_delay" => Ok(config.refill_delay(words.time(word)?)),
            "timer_slack" => {
                // Without a unit, nanoseconds.
                let text = words.peek().and_then(|text| text.parse().ok());
                Ok(match text {
                    Some(nanos) => {
                        words.next();
                        config.timer_slack(Duration::from_nanos(nanos))
                    }
                    None => config.timer_slack(words.time(word)?),
                })
            }
            _ => unknown(kind, word),
        })?
        .into(),
        "fq_pie" => each(words, FqPieConfig::new(), |config, word, words| match word {
            "flows" => Ok(config.flows(words.parse(word)?)),
            "limit" => Ok(config.limit(words.parse(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "mq" => Mq.into(),
        "pie" => each(words, PieConfig::new(), |config, word, words| match word {
            "limit" => Ok(config.limit(words.parse(word)?)),
            "target" => Ok(config.target(words.time(word)?)),
            _ => unknown(kind, word),
        })?
        .into(),
        "prio" => prio(words)?.into(),
        "red" => red(words)?.into(),
        _ => return Ok(None),
    }))
}

fn cake(config: CakeConfig, word: &str, words: &mut Words<'_>) -> Result<CakeConfig, Stop> {
    use CakeDiffserv::{BestEffort, Diffserv3, Diffserv4, Diffserv8, Precedence};
    Ok(match word {
        "ack-filter" => config.ack_filter(CakeAckFilter::Filter),
        "ack-filter-aggressive" => config.ack_filter(CakeAckFilter::Aggressive),
        "atm" => config.atm(CakeAtm::Atm),
        "autorate-ingress" => config.autorate(true),
        "bandwidth" => config.bandwidth(words.parse(word)?),
        "conservative" => config.atm(CakeAtm::Atm).overhead(48),
        "besteffort" => config.diffserv(BestEffort),
        "diffserv3" => config.diffserv(Diffserv3),
        "diffserv4" => config.diffserv(Diffserv4),
        "diffserv8" => config.diffserv(Diffserv8),
        "dsthost" => config.flows(CakeFlows::DstHost),
        "dual-dsthost" => config.flows(CakeFlows::DualDstHost),
        "dual-srchost" => config.flows(CakeFlows::DualSrcHost),
        "flowblind" => config.flows(CakeFlows::None),
        "flows" => config.flows(CakeFlows::Flows),
        "fwmark" => config.mark(words.parse(word)?),
        "hosts" => config.flows(CakeFlows::Hosts),
        "ingress" => config.ingress(true),
        "memlimit" => config.memory_limit(words.parse::<Size>(word)?),
        "mpu" => config.mpu(words.parse(word)?),
        "nat" => config.nat(true),
        "no-split-gso" => config.split_gso(false),
        "overhead" => config.overhead(words.parse(word)?),
        "precedence" => config.diffserv(Precedence),
        "ptm" => config.atm(CakeAtm::Ptm),
        "rtt" => config.rtt(words.time(word)?),
        "wash" => config.wash(true),
        _ => return unknown("cake", word),
    })
}

fn prio(words: &mut Words<'_>) -> Result<PrioConfig, Stop> {
    let mut config = PrioConfig::new();
    while let Some(word) = words.next() {
        match word {
            "bands" => config.bands = words.parse(word)?,
            "priomap" => {
                let bands = words.numbers::<u8>(word)?;
                if bands.len() > config.priomap.len() {
                    return Err(Stop::NoValue(format!("{} times priomap", bands.len())));
                }
                for (field, band) in config.priomap.iter_mut().zip(bands) {
                    *field = band;
                }
            }
            _ => return unknown("prio", word),
        }
    }
    Ok(config)
}

fn red(words: &mut Words<'_>) -> Result<RedConfig, Stop> {
    let (mut limit, mut average, mut flags) = (Size(0), RedAverage::new(0), Vec::new());
    while let Some(word) = words.next() {
        match word {
            "adaptive" | "ecn" | "harddrop" | "nodrop" => flags.push(word),
            "avpkt" => average.packet = words.parse::<Size>(word)?.0,
            "bandwidth" => average.bandwidth = words.parse(word)?,
            "burst" => average.burst = Some(words.parse(word)?),
            "limit" => limit = words.parse(word)?,
            "max" => average.max = Some(words.parse::<Size>(word)?.0),
            "min" => average.min = Some(words.parse::<Size>(word)?.0),
            "probability" => average.probability = words.parse(word)?,
            _ => return unknown("red", word),
        }
    }
    let has = |flag| flags.contains(&flag);
    let red = RedConfig::new(limit, &average)?;
    Ok(red.adaptive(has("adaptive")).ecn(has("ecn")).harddrop(has("harddrop")).nodrop(has("nodrop")))
}
