//! `tc` commands that the crate runs.

use futures_util::TryStreamExt;
use nl_tc::filter::IPV4;
use nl_tc::{Tc, TcHandle};
use nl_testkit_tdc::{Command, Ran};

use super::kinds;
use super::words::{Stop, Words};

/// Runs a command line as `tc` would.
pub(super) async fn carry_out(tc: &Tc, command: Command) -> Ran {
    let Some(words) = command.tc() else {
        let program = command.line.split_whitespace().next().unwrap_or_default();
        return Ran::NotApplicable(format!("{program} is no command of tc, or a shell's"));
    };
    match line(tc, words).await {
        Ok(()) => Ran::Exit(0, String::new()),
        Err(stop) => stop.ran(),
    }
}

async fn line(tc: &Tc, mut words: Vec<&str>) -> Result<(), Stop> {
    // The output is not checked.
    words.retain(|word| !["-s", "-j"].contains(word));
    let mut words = Words::new(words);
    let (object, verb) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let place = Place::read(object, &mut words)?;
    match (object, verb) {
        ("qdisc", "show" | "ls") => {
            let mut all = tc.qdiscs().dev(place.dev).list().await?;
            while all.try_next().await?.is_some() {}
        }
        ("class", "show" | "ls") => {
            let mut all = tc.classes(place.dev).list().await?;
            while all.try_next().await?.is_some() {}
        }
        ("qdisc", _) => qdisc(tc, verb, &place, words).await?,
        ("class", _) => class(tc, verb, &place, words).await?,
        ("filter", _) => filter(tc, verb, &place, words).await?,
        _ => return Err(Stop::NotOurs(format!("{object} {verb} is not a command nl-tc has"))),
    }
    Ok(())
}

async fn qdisc(tc: &Tc, verb: &str, place: &Place<'_>, words: Words<'_>) -> Result<(), Stop> {
    let parent = place.parent.ok_or_else(|| Stop::NotOurs(format!("{verb} a qdisc nowhere")))?;
    let mut entry = tc.qdisc(place.dev, parent);
    if let Some(handle) = place.handle {
        entry = entry.handle(handle);
    }
    if verb == "del" {
        entry.delete().await?;
        return Ok(());
    }
    let config = kinds::qdisc(place.kind, words)?;
    match verb {
        "add" => entry.add(config).await?,
        "change" => entry.change(config).await?,
        "replace" => entry.replace(config).await?,
        _ => return Err(Stop::NotOurs(format!("{verb} a qdisc"))),
    };
    Ok(())
}

async fn class(tc: &Tc, verb: &str, place: &Place<'_>, words: Words<'_>) -> Result<(), Stop> {
    let class = place.handle.ok_or_else(|| Stop::NotOurs(format!("{verb} a class without a name")))?;
    let mut entry = tc.class(place.dev, class);
    if let Some(parent) = place.parent {
        entry = entry.parent(parent);
    }
    if verb == "del" {
        entry.delete().await?;
        return Ok(());
    }
    let config = kinds::class(place.kind, words)?;
    match verb {
        "add" => entry.add(config).await?,
        "change" => entry.change(config).await?,
        "replace" => entry.replace(config).await?,
        _ => return Err(Stop::NotOurs(format!("{verb} a class"))),
    };
    Ok(())
}

async fn filter(tc: &Tc, verb: &str, place: &Place<'_>, words: Words<'_>) -> Result<(), Stop> {
    let parent = place.parent.ok_or_else(|| Stop::NotOurs(format!("{verb} a filter nowhere")))?;
    let mut entry = tc.filter(place.dev, parent);
    if let Some(priority) = place.priority {
        entry = entry.priority(priority);
    }
    if let Some(protocol) = place.protocol {
        entry = entry.protocol(protocol);
    }
    match verb {
        "add" => entry.add(kinds::filter(place.kind, words)?).await?,
        "del" if place.kind.is_empty() => entry.delete().await?,
        _ => return Err(Stop::NotOurs(format!("{verb} a filter"))),
    };
    Ok(())
}

/// The words before the kind.
#[derive(Debug, Default)]
struct Place<'a> {
    dev: &'a str,
    parent: Option<TcHandle>,
    /// A class's `classid`.
    handle: Option<TcHandle>,
    priority: Option<u16>,
    protocol: Option<u16>,
    kind: &'a str,
}

impl<'a> Place<'a> {
    fn read(object: &str, words: &mut Words<'a>) -> Result<Self, Stop> {
        let mut place = Self::default();
        while let Some(word) = words.next() {
            match (object, word) {
                (_, "dev") => place.dev = words.next().unwrap_or_default(),
                (_, "root") => place.parent = Some(TcHandle::ROOT),
                (_, "parent") => place.parent = Some(words.parse(word)?),
                ("qdisc", "handle") | ("class", "classid") => place.handle = Some(words.parse(word)?),
                ("filter", "prio") => place.priority = Some(words.parse(word)?),
                ("filter", "protocol") => match words.next() {
                    Some("ip") => place.protocol = Some(IPV4),
                    other => return Err(Stop::NotOurs(format!("a protocol not thought of: {other:?}"))),
                },
                ("filter", "ingress") => place.parent = Some(TcHandle::CLSACT_INGRESS),
                ("qdisc", "stab") => return Err(Stop::NotOurs("size tables were not thought of".to_owned())),
                (_, kind) => {
                    // These two have a parent of their own.
                    if ["ingress", "clsact"].contains(&kind) {
                        place.parent = Some(TcHandle::INGRESS);
                    }
                    place.kind = kind;
                    return Ok(place);
                }
            }
        }
        Ok(place)
    }
}
