//! `tc` commands that the crate runs.

use futures_util::TryStreamExt;
use nl_tc::action::Action;
use nl_tc::filter::{ALL, IPV4, IPV6};
use nl_tc::{SizeTable, Tc, TcHandle};
use nl_testkit_tdc::{Command, Ran};

use super::actions::{action, all, parsed};
use super::words::{Stop, Words};
use super::{filters, kinds};

/// Runs a command line as `tc` would.
pub(super) async fn carry_out(tc: &Tc, command: Command) -> Ran {
    let unrolled = unrolled(&command.line);
    let words = match &unrolled {
        Some(line) => Some(line.split_whitespace().skip(1).collect()),
        None => command.tc(),
    };
    let Some(words) = words else {
        let program = command.line.split_whitespace().next().unwrap_or_default();
        return Ran::NotApplicable(format!("{program} is no command of tc, or a shell's"));
    };
    match line(tc, words).await {
        Ok(()) => Ran::Exit(0, String::new()),
        Err(stop) => stop.ran(),
    }
}

/// A shell's loop that collects actions with the indexes from 1 on and gives all of them to one `tc`, as the line of that `tc`.
///
/// Its words are ``for i in `seq 1 32`; do cmd="action pass index $i "; args="$args$cmd"; done && tc actions add $args``, with
/// backslashes in front of some.
fn unrolled(line: &str) -> Option<String> {
    let plain = line.strip_prefix("bash -c ")?.replace('\\', "");
    let (_, rest) = plain.split_once("for i in `seq 1 ")?;
    let (last, rest) = rest.split_once("`; do cmd=\"")?;
    let (each, rest) = rest.split_once("\";")?;
    let (_, end) = rest.split_once("done && ")?;
    let command = end.trim_end_matches('"').strip_suffix(" $args")?;
    let last: u32 = last.parse().ok()?;
    let all: String = (1..=last).map(|i| format!(" {}", each.replace("$i", &i.to_string()))).collect();
    (command.starts_with("tc actions ") && !all.contains('$')).then(|| format!("{command}{all}"))
}

async fn line(tc: &Tc, mut words: Vec<&str>) -> Result<(), Stop> {
    // The output is not checked.
    words.retain(|word| !["-s", "-j"].contains(word));
    let mut words = Words::new(words);
    let (object, verb) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if ["action", "actions"].contains(&object) {
        return actions(tc, verb, words).await;
    }
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
    if let Some(overhead) = place.overhead {
        entry = entry.stab(SizeTable::new().overhead(overhead));
    }
    if ["del", "delete"].contains(&verb) {
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
    if ["del", "delete"].contains(&verb) {
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
    if let Some(chain) = place.chain {
        entry = entry.chain(chain);
    }
    let (handle, mask) = place.filter_handle()?;
    if let Some(handle) = handle {
        entry = entry.handle(handle);
    }
    match verb {
        "add" => entry.add(filters::filter(place.kind, mask, words)?).await?,
        "change" => entry.change(filters::filter(place.kind, mask, words)?).await?,
        "replace" => entry.replace(filters::filter(place.kind, mask, words)?).await?,
        // Priority 0 is none.
        "del" | "delete" if place.priority.unwrap_or_default() == 0 && place.kind.is_empty() => {
            let all = tc.filters(place.dev, parent);
            match place.chain {
                Some(chain) => all.chain(chain).flush().await?,
                None => all.flush().await?,
            }
        }
        // The kernel does not look at the options.
        "del" | "delete" => entry.delete().await?,
        "get" => {
            entry.get().await?;
            return Ok(());
        }
        _ => return Err(Stop::NotOurs(format!("{verb} a filter"))),
    };
    Ok(())
}

async fn actions(tc: &Tc, verb: &str, mut words: Words<'_>) -> Result<(), Stop> {
    if words.next() != Some("action") {
        return Err(Stop::NotOurs(format!("{verb} of what is no action")));
    }
    match verb {
        "add" | "replace" | "change" => {
            // A line of `tc` is one request for all of them, and these are as many requests.
            for action in std::iter::once(action(&mut words)?).chain(all(&mut words)?) {
                let entry = tc.action(action);
                if verb == "add" {
                    entry.add().await?
                } else {
                    entry.replace().await?
                };
            }
            if let Some(word) = words.peek() {
                return Err(Stop::NotOurs(format!("{word} of actions was not thought of")));
            }
        }
        "del" | "delete" | "get" => loop {
            let kind = words.next().unwrap_or_default();
            if words.next() != Some("index") {
                return Err(Stop::NoValue(format!("{verb} action {kind} without an index")));
            }
            let index = parsed(words.next().unwrap_or_default())?;
            let entry = tc.action(Action::at(kind, index));
            match verb {
                "get" => drop(entry.get().await?),
                _ => drop(entry.delete().await?),
            }
            match words.next() {
                None => break,
                Some("action") => {}
                Some(word) => return Err(Stop::NotOurs(format!("{word} of actions was not thought of"))),
            }
        },
        "flush" => drop(tc.actions(words.next().unwrap_or_default()).flush().await?),
        "list" | "ls" | "show" => {
            let mut all = tc.actions(words.next().unwrap_or_default()).list().await?;
            while all.try_next().await?.is_some() {}
        }
        _ => return Err(Stop::NotOurs(format!("{verb} actions"))),
    }
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
    chain: Option<u32>,
    /// That of a size table.
    overhead: Option<i32>,
    /// A filter's, whose form depends on the kind.
    name: Option<&'a str>,
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
                // Which the crate refuses, and the kernel too.
                ("class", "classid") if words.peek() == Some("ffff:ffff") => {
                    place.handle = Some(words.parse(word)?);
                }
                ("class", "classid") => place.handle = Some(filters::class(words, word)?),
                ("qdisc", "handle") => place.handle = Some(words.parse(word)?),
                ("filter", "chain") => place.chain = Some(words.parse(word)?),
                ("filter", "handle") => place.name = words.next(),
                ("filter", "prio" | "pref") => place.priority = Some(words.parse(word)?),
                ("filter", "protocol") => match words.next() {
                    Some("all") => place.protocol = Some(ALL),
                    Some("arp") => place.protocol = Some(0x0806),
                    Some("igmp") => return Err(Stop::NoValue("the protocol igmp".to_owned())),
                    Some("ip" | "ipv4") => place.protocol = Some(IPV4),
                    Some("ipv6") => place.protocol = Some(IPV6),
                    Some("802_3") => place.protocol = Some(1),
                    other => return Err(Stop::NotOurs(format!("a protocol not thought of: {other:?}"))),
                },
                ("filter", "egress") => place.parent = Some(TcHandle::CLSACT_EGRESS),
                ("filter", "ingress") => place.parent = Some(TcHandle::CLSACT_INGRESS),
                ("qdisc", "stab") if words.peek() == Some("overhead") => {
                    words.next();
                    place.overhead = Some(words.parse(word)?);
                }
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

    /// The handle of a filter, and the mask that one of `fw` can have.
    fn filter_handle(&self) -> Result<(Option<u32>, Option<u32>), Stop> {
        let Some(text) = self.name else { return Ok((None, None)) };
        if self.kind == "u32" {
            return Ok((Some(filters::u32_handle_of(text)?), None));
        }
        match text.split_once('/') {
            Some((handle, mask)) => Ok((Some(parsed(handle)?), Some(parsed(mask)?))),
            None => Ok((Some(parsed(text)?), None)),
        }
    }
}
