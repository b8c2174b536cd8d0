//! The forwarding database, in the words of `bridge fdb`.
//!
//! ```text
//! bridge_fdb [show SELECTION]
//! bridge_fdb { add | replace | append | del } MAC dev DEV [self] [master] [permanent | static | dynamic]
//!     [sticky] [extern_learn] [use] [router] [activity_notify] [inactive] [norefresh]
//!     [vlan VLAN] [dst ADDRESS] [port PORT] [vni VNI] [src_vni VNI] [via DEV] [nhid ID]
//! bridge_fdb get MAC dev DEV [self] [master] [vlan VLAN] [src_vni VNI]
//! bridge_fdb flush SELECTION [own]
//!
//! SELECTION is [br BRIDGE] [dev DEV] [self] [master] [vlan VLAN] [dst ADDRESS] [port PORT] [vni VNI] [src_vni VNI] [nhid ID]
//!     [[no]dynamic] [[no]static] [[no]permanent] [[no]extern_learn] [[no]sticky] [[no]router]
//! ```
//! With `own`, a flush also removes the addresses of the bridge itself.
//!
//! Try it without privilege, in a namespace of your own:
//! `unshare -Urn sh -c 'ip link add br0 type bridge && target/debug/examples/bridge_fdb show br br0'`

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;

use futures_util::TryStreamExt;
use nl_bridge::fdb::{Entries, Entry, Fdb, FdbEntry};
use nl_core::link::with_names;
use nl_core::{Connection, Protocol};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Words = std::iter::Peekable<std::iter::Skip<std::env::Args>>;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result {
    let mut words = std::env::args().skip(1).peekable();
    let fdb = Fdb::new(Connection::open(Protocol::Route)?);
    let verb = words.next().unwrap_or_else(|| "show".into());
    match verb.as_str() {
        "show" => show(&fdb, select(fdb.entries(), words)?).await,
        "flush" => Ok(select(fdb.entries(), words)?.flush().await.map(drop)?),
        _ => change(&fdb, &verb, words).await,
    }
}

async fn show(fdb: &Fdb, entries: Entries) -> Result {
    let names = fdb.connection().link_names().await?;
    let mut list = entries.list().await?;
    while let Some(entry) = list.try_next().await? {
        println!("{}", named(&entry, &names));
    }
    Ok(())
}

async fn change(fdb: &Fdb, verb: &str, mut words: Words) -> Result {
    let mac = words.next().ok_or("a MAC address is missing")?.parse()?;
    if words.next().as_deref() != Some("dev") {
        return Err("`dev DEV` must follow the MAC address".into());
    }
    let entry = describe(fdb.entry(mac, need(&mut words, "dev")?), words)?;
    match verb {
        "add" => entry.add().await.map(drop)?,
        "replace" => entry.replace().await.map(drop)?,
        "append" => entry.append().await.map(drop)?,
        "del" | "delete" => entry.delete().await.map(drop)?,
        "get" => println!("{}", named(&entry.get().await?, &fdb.connection().link_names().await?)),
        _ => return Err(format!("`{verb}` is not show, add, replace, append, del, get or flush").into()),
    }
    Ok(())
}

fn describe(mut entry: Entry, mut words: Words) -> Result<Entry> {
    while let Some(word) = words.next() {
        let mut value = || need(&mut words, &word);
        entry = match word.as_str() {
            "self" => entry.self_(),
            "master" => entry.master(),
            "permanent" | "local" => entry.permanent(),
            "static" => entry.static_(),
            "dynamic" => entry.dynamic(),
            "sticky" => entry.sticky(),
            "extern_learn" => entry.extern_learn(),
            "use" => entry.use_(),
            "router" => entry.router(),
            "activity_notify" => entry.activity_notify(),
            "inactive" => entry.inactive(),
            "norefresh" => entry.norefresh(),
            "vlan" => entry.vlan(value()?.parse()?),
            "dst" => entry.dst(value()?.parse()?),
            "port" => entry.port(value()?.parse()?),
            "vni" => entry.vni(value()?.parse()?),
            "src_vni" => entry.src_vni(value()?.parse()?),
            "via" => entry.via(value()?),
            "nhid" => entry.nexthop(value()?.parse()?),
            _ => return Err(format!("`{word}` is not a word for an entry").into()),
        };
    }
    Ok(entry)
}

fn select(mut entries: Entries, mut words: Words) -> Result<Entries> {
    while let Some(word) = words.next() {
        let mut value = || need(&mut words, &word);
        entries = match word.as_str() {
            "br" => entries.bridge(value()?),
            "dev" | "brport" => entries.dev(value()?),
            "vlan" => entries.vlan(value()?.parse()?),
            "self" => entries.self_(),
            "master" => entries.master(),
            "dst" => entries.dst(value()?.parse()?),
            "port" => entries.port(value()?.parse()?),
            "vni" => entries.vni(value()?.parse()?),
            "src_vni" => entries.src_vni(value()?.parse()?),
            "nhid" => entries.nexthop(value()?.parse()?),
            "dynamic" => entries.dynamic(),
            "nodynamic" => entries.no_dynamic(),
            "static" => entries.static_(),
            "nostatic" => entries.no_static(),
            "permanent" => entries.permanent(),
            "nopermanent" => entries.no_permanent(),
            "router" => entries.router(true),
            "norouter" => entries.router(false),
            "own" => entries.own_addresses(),
            "extern_learn" => entries.extern_learn(true),
            "noextern_learn" => entries.extern_learn(false),
            "sticky" => entries.sticky(true),
            "nosticky" => entries.sticky(false),
            _ => return Err(format!("`{word}` is not a word for a selection").into()),
        };
    }
    Ok(entries)
}

fn need(words: &mut Words, word: &str) -> Result<String> {
    words.next().ok_or_else(|| format!("`{word}` needs a value").into())
}

/// The entry as it prints, with the names of the interfaces for their numbers.
fn named(entry: &FdbEntry, names: &HashMap<u32, String>) -> String {
    with_names(&entry.to_string(), |index| names.get(&index))
}
