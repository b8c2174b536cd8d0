//! Filters, from the words of `tc` to those of the crate.

use std::net::Ipv4Addr;

use nl_tc::TcHandle;
use nl_tc::action::Action;
use nl_tc::filter::{FilterConfig, Flower, FlowerKey, Fw, Matchall, Offload, U32, U32Key, U32Table};

use super::actions::{action, parsed};
use super::words::{Stop, Words};

/// `tc filter … KIND OPTIONS`. The mask is that of the handle of an `fw` filter.
pub(super) fn filter(kind: &str, mask: Option<u32>, mut words: Words<'_>) -> Result<FilterConfig, Stop> {
    match kind {
        "flower" => return flower(words),
        // Without words, `tc` sends no options, which is the older form of "no filter".
        "fw" if words.peek().is_none() => {
            return Ok(FilterConfig::Other { kind: kind.to_owned(), options: None });
        }
        _ => {}
    }
    if !["fw", "matchall", "u32"].contains(&kind) {
        return Err(Stop::NotOurs(format!("{kind} filters were not thought of")));
    }
    let words = &mut words;
    let (mut classid, mut actions, mut offload) = (TcHandle::NONE, Vec::<Action>::new(), Offload::Both);
    let mut u32 = U32::new(TcHandle::NONE, []);
    while let Some(word) = words.next() {
        match (kind, word) {
            (_, "action") => actions.push(action(words)?),
            (_, "classid" | "flowid") => classid = class(words, word)?,
            ("matchall" | "u32", "skip_hw") => offload = Offload::SkipHw,
            ("matchall" | "u32", "skip_sw") => offload = Offload::SkipSw,
            ("u32", "divisor") => return Ok(U32Table::new(parsed(words.next().unwrap_or_default())?).into()),
            ("u32", "ht") => u32.table = Some(u32_handle(words)?),
            ("u32", "indev") => u32.indev = words.next().map(str::to_owned),
            ("u32", "link") => u32.link = Some(u32_handle(words)?),
            ("u32", "hashkey") => u32.hash_key = Some(hash_key(words)?),
            ("u32", "match") => u32.keys.push(key(words)?),
            _ => return Err(Stop::NotOurs(format!("{word} of a {kind} filter was not thought of"))),
        }
    }
    Ok(match kind {
        "fw" => {
            let mut fw = Fw::new(classid);
            (fw.mask, fw.actions) = (mask, actions);
            fw.into()
        }
        "matchall" => {
            let mut matchall = Matchall::new(classid).offload(offload);
            matchall.actions = actions;
            matchall.into()
        }
        _ => {
            (u32.classid, u32.actions, u32.offload) = (classid, actions, offload);
            u32.into()
        }
    })
}

fn flower(mut words: Words<'_>) -> Result<FilterConfig, Stop> {
    let words = &mut words;
    // As `tc` has it of `protocol ip`, which is that of all these cases.
    let mut flower = Flower::ipv4();
    while let Some(word) = words.next() {
        flower = match word {
            "action" => flower.action(action(words)?),
            "classid" | "flowid" => flower.classid(class(words, word)?),
            "dst_ip" => flower.dst_ip(words.parse(word)?, 32),
            "dst_mac" => flower.key(FlowerKey::EthDst(mac(words)?, [0xff; 6])),
            "ip_proto" => match words.next() {
                Some("tcp") => flower.key(FlowerKey::IpProto(6)),
                other => return Err(Stop::NotOurs(format!("ip_proto {other:?}"))),
            },
            "skip_hw" => flower.offload(Offload::SkipHw),
            "skip_sw" => flower.offload(Offload::SkipSw),
            "src_ip" => flower.src_ip(words.parse(word)?, 32),
            "src_mac" => flower.key(FlowerKey::EthSrc(mac(words)?, [0xff; 6])),
            _ => return Err(Stop::NotOurs(format!("{word} of a flower filter was not thought of"))),
        };
    }
    Ok(flower.into())
}

fn mac(words: &mut Words<'_>) -> Result<[u8; 6], Stop> {
    let text = words.next().unwrap_or_default();
    let bytes: Result<Vec<u8>, _> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    let bytes = bytes.ok().and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
    bytes.ok_or_else(|| Stop::NoValue(format!("the address {text}")))
}

/// A class. What `nl-tc` refuses on purpose is not applicable: a number without a colon, and the root.
pub(super) fn class(words: &mut Words<'_>, of: &str) -> Result<TcHandle, Stop> {
    match words.peek() {
        Some(text) if !text.chars().all(|c| c == ':' || c.is_ascii_hexdigit()) => {
            Err(Stop::NoValue(format!("{of} {text}")))
        }
        Some(text) if !text.contains(':') => Err(Stop::NotOurs(format!("{of} {text}, without a colon"))),
        Some(text @ "ffff:ffff") => Err(Stop::NotOurs(format!("{of} {text}, which is no class"))),
        _ => words.parse(of),
    }
}

/// `TABLE:`, `TABLE:BUCKET` or `TABLE:BUCKET:`, hexadecimal.
pub(super) fn u32_handle_of(text: &str) -> Result<u32, Stop> {
    let bad = || Stop::NoValue(format!("the table {text}"));
    let (table, rest) = text.split_once(':').ok_or_else(bad)?;
    let bucket = rest.strip_suffix(':').unwrap_or(rest);
    let table = u16::from_str_radix(table, 16).map_err(|_| bad())?;
    if table > 0xfff {
        return Err(bad());
    }
    let bucket = if bucket.is_empty() { 0 } else { u8::from_str_radix(bucket, 16).map_err(|_| bad())? };
    Ok(U32Table::bucket(table, bucket))
}

fn u32_handle(words: &mut Words<'_>) -> Result<u32, Stop> {
    u32_handle_of(words.next().unwrap_or_default())
}

/// `mask MASK at OFFSET`
fn hash_key(words: &mut Words<'_>) -> Result<(u32, i16), Stop> {
    match [words.next(), words.next(), words.next(), words.next()] {
        [Some("mask"), Some(mask), Some("at"), Some(at)] => {
            let at: u16 = parsed(at)?;
            let at = i16::try_from(at).map_err(|error| Stop::NoValue(error.to_string()))?;
            Ok((parsed(mask)?, at))
        }
        other => Err(Stop::NotOurs(format!("a hashkey not thought of: {other:?}"))),
    }
}

/// The key after `match`.
fn key(words: &mut Words<'_>) -> Result<U32Key, Stop> {
    match [words.next(), words.next(), words.next()] {
        [Some("ip"), Some("protocol"), Some(number)] if words.next() == Some("0xff") => {
            Ok(U32Key::at(8, parsed::<u32>(number)? << 16, 0xff << 16))
        }
        [Some("ip"), Some(side @ ("src" | "dst")), Some(prefix)] => {
            let bad = || Stop::NoValue(format!("{side} {prefix}"));
            let prefix = if prefix == "any" { "0.0.0.0/0" } else { prefix };
            let (address, length) = prefix.split_once('/').unwrap_or((prefix, "32"));
            let address: Ipv4Addr = address.parse().map_err(|_| bad())?;
            let length: u32 = length.parse().ok().filter(|length| *length <= 32).ok_or_else(bad)?;
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            Ok(U32Key::at(if side == "src" { 12 } else { 16 }, address.to_bits() & mask, mask))
        }
        [Some("tcp" | "udp"), Some(side @ ("src" | "dst")), Some(port)] => {
            let mask = words.next().unwrap_or_default();
            let mask =
                u32::from_str_radix(mask, 16).map_err(|_| Stop::NoValue(format!("the mask {mask}")))?;
            let shift = if side == "src" { 16 } else { 0 };
            Ok(U32Key::at_nexthdr(0, parsed::<u32>(port)? << shift, mask << shift))
        }
        [Some("u32"), Some(value), Some(mask)] => {
            let (value, mask) = (parsed(value)?, parsed(mask)?);
            let offset = match words.peek() {
                Some("at") => {
                    words.next();
                    words.parse("at")?
                }
                _ => 0,
            };
            Ok(U32Key::at(offset, value, mask))
        }
        other => Err(Stop::NotOurs(format!("a u32 match not thought of: {other:?}"))),
    }
}
