//! The words that all kinds share. Commands are separated by a comma as a word of its own.

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;

use futures_util::TryStreamExt;
use nl_core::error::Ack;
use nl_core::{Connection, Protocol};
use nl_tc::class::ClassConfig;
use nl_tc::qdisc::QdiscConfig;
use nl_tc::{Tc, TcHandle};

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The remaining words of a command.
pub(crate) struct Words(std::iter::Peekable<std::vec::IntoIter<String>>);

impl Words {
    /// The next word, if there is one.
    pub(crate) fn word(&mut self) -> Option<String> {
        self.0.next()
    }

    /// The next word, if the condition holds.
    pub(crate) fn word_if(&mut self, condition: impl FnOnce(&String) -> bool) -> Option<String> {
        self.0.next_if(condition)
    }

    /// Takes the next word if it is this one.
    pub(crate) fn skip(&mut self, word: &str) -> bool {
        self.word_if(|next| next == word).is_some()
    }

    /// The value that must follow.
    pub(crate) fn value<T: FromStr<Err: Error + 'static>>(&mut self) -> Result<T> {
        let word = self.word().ok_or("a value is missing")?;
        word.parse().map_err(|error| format!("{word}: {error}").into())
    }
}

/// Runs a command. These functions parse the options of a qdisc and of a class.
pub(crate) fn run(
    kind: &str,
    qdisc: fn(&mut Words) -> Result<QdiscConfig>,
    class: fn(&mut Words) -> Result<ClassConfig>,
) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(commands(kind, qdisc, class)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn commands(
    kind: &str,
    qdisc: fn(&mut Words) -> Result<QdiscConfig>,
    class: fn(&mut Words) -> Result<ClassConfig>,
) -> Result {
    let tc = Tc::new(Connection::open(Protocol::Route)?);
    let words: Vec<_> = std::env::args().skip(1).collect();
    for words in words.split(|word| word == ",") {
        command(&tc, Words(Vec::from(words).into_iter().peekable()), kind, qdisc, class).await?;
    }
    Ok(())
}

async fn command(
    tc: &Tc,
    mut words: Words,
    kind: &str,
    qdisc: fn(&mut Words) -> Result<QdiscConfig>,
    class: fn(&mut Words) -> Result<ClassConfig>,
) -> Result {
    let what = words.word().unwrap_or_default();
    let verb = if what == "show" { what.clone() } else { words.word().unwrap_or_default() };
    if words.word().as_deref() != Some("dev") {
        return Err("{ qdisc | class } { add | change | replace | delete } dev DEV …, or show dev DEV".into());
    }
    let dev: String = words.value()?;
    let (mut handle, mut parent) = (TcHandle::NONE, TcHandle::NONE);
    loop {
        if words.skip("root") {
            parent = TcHandle::ROOT;
        } else if words.skip("parent") {
            parent = words.value()?;
        } else if words.skip("handle") || words.skip("classid") {
            handle = words.value()?;
        } else {
            break;
        }
    }
    // As in a `tc` command.
    words.skip(kind);
    let ack = match (what.as_str(), verb.as_str()) {
        ("qdisc", "delete") => tc.qdisc(dev, parent).handle(handle).delete().await?,
        ("class", "delete") => tc.class(dev, handle).delete().await?,
        ("qdisc", verb) => {
            let (entry, config) = (tc.qdisc(dev, parent).handle(handle), qdisc(&mut words)?);
            match verb {
                "add" => entry.add(config).await?,
                "change" => entry.change(config).await?,
                "replace" => entry.replace(config).await?,
                _ => return Err(format!("what is {verb}?").into()),
            }
        }
        ("class", verb) => {
            let (entry, config) = (tc.class(dev, handle).parent(parent), class(&mut words)?);
            match verb {
                "add" => entry.add(config).await?,
                "change" => entry.change(config).await?,
                "replace" => entry.replace(config).await?,
                _ => return Err(format!("what is {verb}?").into()),
            }
        }
        ("show", _) => return show(tc, &dev, kind).await,
        _ => return Err(format!("what is {what}?").into()),
    };
    warn(&ack);
    Ok(())
}

async fn show(tc: &Tc, dev: &str, kind: &str) -> Result {
    let mut qdiscs = tc.qdiscs().dev(dev).list().await?;
    while let Some(qdisc) = qdiscs.try_next().await? {
        if qdisc.config.kind() == kind {
            println!("{}", named(&qdisc, qdisc.index, dev));
        }
    }
    let mut classes = tc.classes(dev).list().await?;
    while let Some(class) = classes.try_next().await? {
        if class.config.kind() == kind {
            println!("{}", named(&class, class.index, dev));
            println!(
                "    {} bytes, {} packets, {} dropped",
                class.stats.bytes, class.stats.packets, class.stats.drops
            );
            if let Some(app) = class.stats.xstats {
                println!("    {app:?}");
            }
        }
    }
    Ok(())
}

/// With the name of the device instead of its index.
fn named(object: &impl Display, index: u32, dev: &str) -> String {
    object.to_string().replacen(&format!(" dev #{index}"), &format!(" dev {dev}"), 1)
}

/// The warning of the kernel on success.
fn warn(ack: &Ack) {
    if let Some(text) = ack.warning() {
        eprintln!("the kernel remarks: {text}");
    }
}
