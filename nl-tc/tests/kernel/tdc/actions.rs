//! Actions, from the words of `tc` to those of the crate.

use nl_tc::action::{Action, Connmark, Ctinfo, Gact, GactRandom, Mirred, MirredTo, Police, Skbedit, Verdict};
use nl_tc::{LinkLayer, Overhead, Rate, Size, TcHandle};

use super::words::{Stop, Words, unknown};

/// The actions of a line, from the first word `action` on.
pub(super) fn all(words: &mut Words<'_>) -> Result<Vec<Action>, Stop> {
    let mut all = Vec::new();
    while words.peek() == Some("action") {
        words.next();
        all.push(action(words)?);
    }
    Ok(all)
}

/// The action after the word `action`, up to the next one.
pub(super) fn action(words: &mut Words<'_>) -> Result<Action, Stop> {
    let kind = words.next().ok_or_else(|| Stop::NoValue("action without a kind".to_owned()))?;
    let action = match kind {
        "connmark" => each(words, Connmark::new(), |config, word, words| match word {
            "zone" => Ok(Some(config.zone(number(words, word)?))),
            _ => Ok(None),
        })?,
        "ctinfo" => each(words, Ctinfo::new(), |config, word, words| {
            Ok(Some(match word {
                "cpmark" => config.mark(number(words, word)?),
                "dscp" => config.dscp(number(words, word)?).dscp_state(number(words, word)?),
                "zone" => config.zone(number(words, word)?),
                _ => return Ok(None),
            }))
        })?,
        "gact" => gact(words, Action::from(Gact::new()))?,
        "mirred" => mirred(words)?,
        "police" => police(words)?,
        "skbedit" => each(words, Skbedit::new(), skbedit)?,
        _ => match control(kind, words)? {
            Some(verdict) => gact(words, Action::from(Gact::new()).verdict(verdict))?,
            None => return unknown("actions", kind),
        },
    };
    common(words, action)
}

/// Takes options and common words, in any order.
fn each<C: Into<Action> + Clone>(
    words: &mut Words<'_>,
    mut config: C,
    mut take: impl FnMut(C, &str, &mut Words<'_>) -> Result<Option<C>, Stop>,
) -> Result<Action, Stop> {
    while let Some(word) = words.peek() {
        let mut rest = words.clone();
        rest.next();
        match take(config.clone(), word, &mut rest)? {
            Some(taken) => (config, *words) = (taken, rest),
            None => break,
        }
    }
    Ok(config.into())
}

/// What all kinds have: the verdict, the index, the cookie.
fn common(words: &mut Words<'_>, mut action: Action) -> Result<Action, Stop> {
    while let Some(word) = words.peek() {
        let mut rest = words.clone();
        rest.next();
        action = match word {
            "index" => action.index(number(&mut rest, word)?),
            "cookie" => action.cookie(cookie(&mut rest)?),
            "hw_stats" => action.hw_stats(match rest.next() {
                Some("immediate") => Action::HW_STATS_IMMEDIATE,
                Some("delayed") => Action::HW_STATS_DELAYED,
                Some("disabled") => 0,
                other => return Err(Stop::NoValue(format!("hw_stats {other:?}"))),
            }),
            "no_percpu" => action.no_percpu(true),
            "skip_hw" => action.skip_hw(true),
            "skip_sw" => action.skip_sw(true),
            _ => match control(word, &mut rest)? {
                Some(verdict) => action.verdict(verdict),
                None => break,
            },
        };
        *words = rest;
    }
    match words.peek() {
        None | Some("action") => Ok(action),
        Some(word) => unknown("an action", word),
    }
}

/// The verdict of a word.
fn control(word: &str, words: &mut Words<'_>) -> Result<Option<Verdict>, Stop> {
    Ok(Some(match word {
        "continue" => Verdict::Continue,
        "drop" => Verdict::Drop,
        "goto" if words.peek() == Some("chain") => {
            words.next();
            Verdict::GotoChain(number(words, "chain")?)
        }
        "jump" => Verdict::Jump(number(words, word)?),
        "ok" | "pass" => Verdict::Pass,
        "pipe" => Verdict::Pipe,
        "reclassify" => Verdict::Reclassify,
        "trap" => Verdict::Trap,
        _ => return Ok(None),
    }))
}

fn gact(words: &mut Words<'_>, mut action: Action) -> Result<Action, Stop> {
    if let Some(word) = words.peek().filter(|word| *word != "index") {
        let mut rest = words.clone();
        rest.next();
        if let Some(verdict) = control(word, &mut rest)? {
            action.verdict = verdict;
            *words = rest;
        }
    }
    if words.peek() != Some("random") {
        return Ok(action);
    }
    words.next();
    let by_chance = match words.next() {
        Some("netrand") => true,
        Some("determ") => false,
        other => return Err(Stop::NotOurs(format!("random {other:?}"))),
    };
    let word = words.next().unwrap_or_default();
    let verdict = control(word, words)?.ok_or_else(|| Stop::NoValue(format!("random {word}")))?;
    let random = GactRandom { by_chance, verdict, one_in: number(words, "random")? };
    Ok(Action::from(Gact::new().random(random)).verdict(action.verdict))
}

fn mirred(words: &mut Words<'_>) -> Result<Action, Stop> {
    let (mut mirred, mut index, mut to) = (Mirred::redirect(""), 0, false);
    let mut direction = None;
    while let Some(word) = words.peek() {
        match word {
            "egress" | "ingress" => {
                mirred.ingress = word == "ingress";
                direction = Some(word);
            }
            "mirror" => mirred.mirror = true,
            "redirect" => mirred.mirror = false,
            "dev" | "blockid" | "index" => {
                words.next();
                match word {
                    "dev" => mirred.to = MirredTo::Dev(words.next().unwrap_or_default().into()),
                    "blockid" => mirred.to = MirredTo::Block(number(words, word)?),
                    _ => index = number(words, word)?,
                }
                if word != "index" && std::mem::replace(&mut to, true) {
                    return Err(Stop::NoValue("mirred to two places".to_owned()));
                }
                continue;
            }
            _ => break,
        }
        words.next();
    }
    match to {
        true => Ok(Action::from(mirred).index(index)),
        // One that is there, which a filter shares: the kernel ignores the rest then, but wants it.
        false if direction.is_none() && index != 0 => Ok(Action::from(Mirred::redirect("lo")).index(index)),
        false => Err(Stop::NoValue("mirred without a device".to_owned())),
    }
}

fn police(words: &mut Words<'_>) -> Result<Action, Stop> {
    let (mut rate, mut burst, mut packets) = (Rate::ZERO, Size(0), (None, None));
    let (mut peak, mut mtu, mut average) = (Rate::ZERO, None, None);
    let (mut overhead, mut exceed, mut conform) = (Overhead::default(), Verdict::Reclassify, None);
    while let Some(word) = words.peek() {
        let mut rest = words.clone();
        rest.next();
        match word {
            "avrate" => average = Some(rest.parse(word)?),
            "burst" | "buffer" | "maxburst" => burst = rest.parse(word)?,
            "conform-exceed" => {
                let both = rest.next().unwrap_or_default();
                let (first, second) = both.split_once('/').unwrap_or((both, ""));
                let verdict = |word: &str| match word {
                    "0" => Ok(Verdict::Pass),
                    "1" => Ok(Verdict::Reclassify),
                    "2" => Ok(Verdict::Drop),
                    "3" => Ok(Verdict::Pipe),
                    _ => control(word, &mut Words::new(Vec::new()))?
                        .ok_or_else(|| Stop::NoValue(format!("the verdict {word}"))),
                };
                exceed = verdict(first)?;
                conform = if second.is_empty() { None } else { Some(verdict(second)?) };
            }
            "linklayer" => {
                overhead.link_layer = match rest.next() {
                    Some("ethernet") => LinkLayer::Ethernet,
                    Some("atm" | "adsl") => LinkLayer::Atm,
                    other => return Err(Stop::NoValue(format!("linklayer {other:?}"))),
                };
            }
            "mtu" => mtu = Some(rest.parse::<Size>(word)?),
            "overhead" => overhead.bytes = rest.parse(word)?,
            "mpu" => overhead.mpu = rest.parse(word)?,
            "peakrate" => peak = rest.parse(word)?,
            "pkts_burst" => packets.1 = Some(rest.parse(word)?),
            "pkts_rate" => packets.0 = Some(rest.parse(word)?),
            "rate" => rate = rest.parse(word)?,
            _ => break,
        }
        *words = rest;
    }
    if rate.is_zero() && packets == (None, None) && words.peek() == Some("index") {
        // One that is there, which a filter shares: the kernel ignores the rest then, but wants it.
        return Ok(Action::from(Police::new(Rate::mbit(1), 10_240)));
    }
    let mut police = match packets {
        (Some(packets), Some(burst)) if rate.is_zero() => Police::packets(packets, burst),
        (None, None) => Police::new(rate, burst),
        _ => return Err(Stop::NoValue("a rate and packets".to_owned())),
    };
    police = police.overhead(overhead);
    if !peak.is_zero() {
        police = police.peak_rate(peak);
    }
    if let Some(mtu) = mtu {
        police = police.mtu(mtu);
    }
    if let Some(average) = average {
        police = police.average_rate(average);
    }
    if let Some(conform) = conform {
        police = police.conform(conform);
    }
    Ok(Action::from(police).verdict(exceed))
}

fn skbedit(config: Skbedit, word: &str, words: &mut Words<'_>) -> Result<Option<Skbedit>, Stop> {
    Ok(Some(match word {
        "inheritdsfield" => config.inherit_ds_field(true),
        "mark" => {
            let text = words.next().unwrap_or_default();
            match text.split_once('/') {
                Some((mark, mask)) => config.mark(parsed(mark)?).mask(parsed(mask)?),
                None => config.mark(parsed(text)?),
            }
        }
        "prio" | "priority" => {
            let text = words.next().unwrap_or_default();
            let class = if text.contains(':') { text.to_owned() } else { format!(":{text}") };
            let class = class.parse::<TcHandle>().map_err(|error| Stop::NoValue(error.to_string()))?;
            config.priority(class)
        }
        "ptype" => config.packet_type(match words.next() {
            Some("host") => 0,
            Some("broadcast") => 1,
            Some("multicast") => 2,
            Some("otherhost") => 3,
            other => return Err(Stop::NoValue(format!("ptype {other:?}"))),
        }),
        "queue_mapping" => config.queue(number(words, word)?),
        _ => return Ok(None),
    }))
}

/// A decimal or hexadecimal number.
fn number<T: TryFrom<u64>>(words: &mut Words<'_>, of: &str) -> Result<T, Stop> {
    let text = words.next().ok_or_else(|| Stop::NoValue(format!("{of} without a value")))?;
    parsed(text)
}

pub(super) fn parsed<T: TryFrom<u64>>(text: &str) -> Result<T, Stop> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let number = number.ok().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| Stop::NoValue(format!("the number {text}")))
}

/// Hexadecimal bytes.
fn cookie(words: &mut Words<'_>) -> Result<Vec<u8>, Stop> {
    let text = words.next().unwrap_or_default();
    let bad = || Stop::NoValue(format!("cookie {text}"));
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(bad());
    }
    let byte = |at: usize| {
        let digits = text.get(at..at + 2).unwrap_or_default();
        u8::from_str_radix(digits, 16).map_err(|_| bad())
    };
    (0..text.len()).step_by(2).map(byte).collect()
}
