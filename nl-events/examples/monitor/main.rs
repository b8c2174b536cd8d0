//! Prints what happens, like `ip monitor`, `bridge monitor` and `tc monitor` together, until Ctrl-C.
//!
//! Usage: monitor [-j] [-t] [-a] [-n NAME]... [OBJECT]...
//!
//! Objects: address class family fdb filter link macsec mdb mptcp neigh nexthop nsid port qdisc route rule vlan vni, `tc` for class,
//! filter and qdisc, `all` (which is meant where none is given), and the number of a group for its messages as they are.
//!
//! - `-j`: a line of JSON for each event
//! - `-t`: with the time, in UTC
//! - `-a`: of all namespaces that have an id, too
//! - `-n NAME`: of this namespace of `ip netns`, in place of the current one; several can be given

mod names;
mod time;

use std::io::{self, Write};

use futures_util::StreamExt;
use nl_core::netns::Netns;
use nl_core::{Connection, Error, Protocol};
use nl_events::macsec::MacsecEvent;
use nl_events::report::{Report, Reports};
use nl_events::{NetworkEvent, Source, source};

use names::Names;

#[derive(Default)]
struct Options {
    json: bool,
    times: bool,
    all_namespaces: bool,
    namespaces: Vec<String>,
    objects: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> nl_core::Result<()> {
    let options = parse(std::env::args().skip(1))?;
    let mut reports = open(&options).await?;
    let mut names = Names::open(&options.namespaces).await?;
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let report = tokio::select! {
            report = reports.next() => report,
            _ = &mut stop => return Ok(()),
        };
        let Some(report) = report else { return Err(Error::usage("every socket has failed")) };
        match &report.outcome {
            Ok(NetworkEvent::Link(event)) => {
                names.learn(&report.place, event.link());
                // Devices are followed for their names in any case.
                if !wants(&options.objects, "link") {
                    continue;
                }
            }
            Ok(NetworkEvent::Macsec(MacsecEvent::Deleted(device) | MacsecEvent::New(device))) => {
                names.learn(&report.place, &device.link);
            }
            _ => {}
        }
        let printed =
            if options.json { print_json(&report, options.times) } else { print(&report, &options, &names) };
        if let Err(error) = printed {
            // Whoever read this is gone.
            return if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error.into()) };
        }
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> nl_core::Result<Options> {
    let mut options = Options::default();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-a" => options.all_namespaces = true,
            "-j" => options.json = true,
            "-t" => options.times = true,
            "-n" => {
                let name =
                    arguments.next().ok_or_else(|| Error::usage("-n needs the name of a namespace"))?;
                options.namespaces.push(name);
            }
            _ => options.objects.push(argument),
        }
    }
    Ok(options)
}

async fn open(options: &Options) -> nl_core::Result<Reports> {
    let mut builder = Reports::builder();
    for source in sources(&options.objects).await? {
        builder = builder.source(source);
    }
    // Behind that of MACsec devices, so that they are reported with their options where these are asked for.
    builder = builder.source(Source::LINK);
    for name in &options.namespaces {
        builder = builder.namespace(name, &Netns::named(name)?);
    }
    if options.all_namespaces {
        builder = builder.all_namespaces();
    }
    builder.open()
}

/// Whether an object was asked for.
fn wants(objects: &[String], object: &str) -> bool {
    let meant = |asked: &String| asked == object || asked == "all";
    objects.is_empty() || objects.iter().any(meant)
}

/// The sources of the objects that were asked for; that of devices is always there.
async fn sources(objects: &[String]) -> nl_core::Result<Vec<Source>> {
    let mut found = Vec::new();
    for (object, sources) in source::WORDS {
        // Class, filter and qdisc are what tc is.
        let is_tc =
            matches!(*object, "class" | "filter" | "qdisc") && objects.iter().any(|asked| asked == "tc");
        if *object != "link" && (is_tc || wants(objects, object)) {
            found.extend_from_slice(sources);
        }
    }
    // Listening to MPTCP takes a privilege, so "all" does without it where that is missing.
    if wants(objects, "mptcp") {
        let family = Connection::open(Protocol::Generic)?.family(nl_mptcp::FAMILY).await;
        match family.and_then(|family| Source::mptcp(&family)) {
            Ok(source) if objects.iter().any(|object| object == "mptcp") => found.push(source),
            Ok(source) if nl_events::stream::Events::builder().source(source).open().is_ok() => {
                found.push(source)
            }
            Err(error) if objects.iter().any(|object| object == "mptcp") => return Err(error),
            _ => {}
        }
    }
    let is_known =
        |object: &str| matches!(object, "all" | "mptcp" | "tc") || Source::by_word(object).is_some();
    for object in objects.iter().filter(|object| !is_known(object)) {
        let number = object
            .parse::<u32>()
            .map_err(|_| Error::usage(format!("\"{object}\" is neither an object nor a group")))?;
        found.push(Source::raw(number));
    }
    Ok(found)
}

fn print(report: &Report, options: &Options, names: &Names) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let time = if options.times { format!("[{}] ", time::now()) } else { String::new() };
    let has_places = options.all_namespaces || !options.namespaces.is_empty();
    let place = if has_places { report.place.to_string() } else { String::new() };
    match &report.outcome {
        Ok(event) => {
            for line in event.to_string().lines() {
                let line = names.name(&report.place, line);
                writeln!(out, "{time}{place}[{}] {line}", event.label())?;
            }
            Ok(())
        }
        Err(error) if error.is_overrun() => writeln!(out, "{time}{place}[LOST] events were lost"),
        Err(error) => writeln!(out, "{time}{place}[ERROR] {error}"),
    }
}

fn print_json(report: &Report, times: bool) -> io::Result<()> {
    let mut line = serde_json::to_value(report)?;
    if let Some(fields) = line.as_object_mut()
        && times
    {
        fields.insert("time".into(), time::now().into());
    }
    writeln!(io::stdout().lock(), "{line}")
}
