//! What rtnetlink makes of a kernel that answers badly: a list of two links with each fault in turn. Needs no rights and no kernel of
//! any kind: `cargo run -p nl-testkit --features fault-socket --example rtnetlink_faults`.

use std::{collections::BTreeMap, time::Duration};

use futures_util::TryStreamExt;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use nl_testkit::{
    Error, Result,
    fault::{Answer, Conversation, Fault, Peer, PeerSocket},
};
use tokio::time::timeout;

pub(crate) fn main() -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut invented = Vec::new();
        for number in 0.. {
            let Some((fault, outcome)) = ask(number).await? else { break };
            let (kind, details) = match outcome {
                Outcome::Error(text) => ("an error", text),
                Outcome::Hangs => ("no answer", String::new()),
                Outcome::Other(names) => {
                    let is_known = |name: &String| NAMES.contains(&name.as_str());
                    // A name has no check sum, so a wrong length of its attribute cannot be noticed.
                    if !names.iter().all(is_known) && !matches!(fault, Fault::AttrLength { .. }) {
                        invented.push(fault);
                    }
                    ("another list, as a success", names.join(" "))
                }
                Outcome::Whole => ("the whole list", String::new()),
            };
            println!("{fault:?}: {kind} {details}");
            *counts.entry(kind).or_default() += 1;
        }
        for (kind, count) in &counts {
            println!("{count:5} {kind}");
        }
        // What a test would ask of its program. rtnetlink reports each fault as a success or not at all, so that not even this can be
        // asserted of it: `counts.get("another list, as a success") == None`.
        assert!(invented.is_empty(), "links that the kernel does not have: {invented:?}");
        assert!(counts.values().sum::<usize>() > 100, "each fault at each place: {counts:?}");
        Ok(())
    })
}

/// What a program gets to see.
enum Outcome {
    Error(String),
    Hangs,
    /// These names, which are not all of them.
    Other(Vec<String>),
    Whole,
}

/// Lists the links while a fault happens, the one of this number; `None` if there are not as many.
async fn ask(number: usize) -> Result<Option<(Fault, Outcome)>> {
    let (program, kernel) = Peer::pair()?;
    let (connection, handle, _) = rtnetlink::from_socket(PeerSocket::over(program)?);
    let connection = tokio::spawn(connection);
    let kernel = async move {
        let asked = kernel.asked().await?.ok_or("nothing was asked")?;
        let Some((fault, answers)) = list(asked.only()?).faults_with(|_| Some(HEADER)).nth(number) else {
            return Ok(None);
        };
        // The kernel stays, unless the fault is that it is gone.
        let kernel = kernel.play(&answers).await?;
        Ok::<_, Error>(Some((fault, kernel)))
    };
    let links = timeout(PATIENCE, handle.link().get().execute().try_collect::<Vec<_>>());
    let (played, links) = tokio::join!(kernel, links);
    connection.abort();
    let Some((fault, _)) = played? else { return Ok(None) };
    let outcome = match links {
        Err(_) => Outcome::Hangs,
        Ok(Err(error)) => Outcome::Error(error.to_string()),
        Ok(Ok(links)) => {
            let names: Vec<String> = links.iter().map(name).collect();
            if names == NAMES { Outcome::Whole } else { Outcome::Other(names) }
        }
    };
    Ok(Some((fault, outcome)))
}

/// The links as a kernel lists them.
fn list(request: &[u8]) -> Conversation {
    let link = |(name, index): (&str, u32)| {
        // struct ifinfomsg: family and type, index, flags, change mask
        let header = [[0_u8; 4].as_slice(), &index.to_ne_bytes(), &[0; 8]].concat();
        let name = [name.as_bytes(), &[0]].concat();
        Answer::new(RTM_NEWLINK, &header).attr(IFLA_IFNAME, &name).multi().answers(request)
    };
    let links = NAMES.into_iter().zip(1..).map(link);
    Conversation::of(links.chain([Answer::done(0).answers(request)]))
}

fn name(link: &LinkMessage) -> String {
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    name.unwrap_or_else(|| format!("#{}", link.header.index))
}

const NAMES: [&str; 2] = ["lo", "eth0"];
const PATIENCE: Duration = Duration::from_millis(200);
// include/uapi/linux/{rtnetlink,if_link}.h
const RTM_NEWLINK: u16 = 16;
const IFLA_IFNAME: u16 = 3;
/// The length of ifinfomsg.
const HEADER: usize = 16;
