//! What rtnetlink makes of each fault of a kernel's answers: a list of two links, and a change of one.
//!
//! Each fact is asserted, what rtnetlink does wrong too, so that a newer release that does better is noticed here.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

use std::time::Duration;

use futures_util::{TryStreamExt, future::join_all};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use nl_testkit::fault::{Answer, Conversation, Fault, Peer, PeerSocket};
use rtnetlink::{Handle, LinkUnspec};
use tokio::time::timeout;

#[path = "../examples/rtnetlink_faults.rs"]
mod example;

/// What a program gets to see.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Error(String),
    Hangs,
    /// The names in the list; none for a change.
    Success(Vec<String>),
}

/// Each fault of the answers that `script` gives to the only request of an operation, with the outcome.
async fn each<F>(script: fn(&[u8]) -> Conversation, operation: impl Fn(Handle) -> F) -> Vec<(Fault, Outcome)>
where
    F: Future<Output = Result<Vec<String>, rtnetlink::Error>>,
{
    let run = async |number: usize| {
        let (program, kernel) = Peer::pair().unwrap();
        let (connection, handle, _) = rtnetlink::from_socket(PeerSocket::over(program).unwrap());
        let connection = tokio::spawn(connection);
        let kernel = async {
            let asked = kernel.asked().await.unwrap().unwrap();
            let (fault, answers) = script(asked.only().unwrap()).faults_with(|_| Some(HEADER)).nth(number)?;
            // The kernel stays, unless the fault is that it is gone.
            Some((fault, kernel.play(&answers).await.unwrap()))
        };
        let (played, outcome) = tokio::join!(kernel, timeout(PATIENCE, operation(handle)));
        connection.abort();
        let outcome = match outcome {
            Err(_) => Outcome::Hangs,
            Ok(Err(error)) => Outcome::Error(error.to_string()),
            Ok(Ok(names)) => Outcome::Success(names),
        };
        Some((played?.0, outcome))
    };
    let all = join_all((0..MOST).map(run)).await;
    assert!(all.last().is_some_and(Option::is_none), "more than {MOST} faults");
    all.into_iter().flatten().collect()
}

async fn list(handle: Handle) -> Result<Vec<String>, rtnetlink::Error> {
    let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
    Ok(links.iter().map(name).collect())
}

async fn change(handle: Handle) -> Result<Vec<String>, rtnetlink::Error> {
    let up = LinkUnspec::new_with_index(1).up().build();
    handle.link().set(up).execute().await.map(|()| Vec::new())
}

fn links(request: &[u8]) -> Conversation {
    let link = |(name, index): (&str, u32)| {
        // struct ifinfomsg: family and type, index, flags, change mask
        let header = [[0_u8; 4].as_slice(), &index.to_ne_bytes(), &[0; 8]].concat();
        let name = [name.as_bytes(), &[0]].concat();
        Answer::new(RTM_NEWLINK, &header).attr(IFLA_IFNAME, &name).multi().answers(request)
    };
    let links = NAMES.into_iter().zip(1..).map(link);
    Conversation::of(links.chain([Answer::done(0).answers(request)]))
}

fn acknowledged(request: &[u8]) -> Conversation {
    Conversation::of([Answer::ack(request)])
}

fn refused(request: &[u8]) -> Conversation {
    Conversation::of([Answer::error(EPERM, request)])
}

fn name(link: &LinkMessage) -> String {
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    name.unwrap_or_else(|| format!("#{}", link.header.index))
}

fn success(names: &[&str]) -> Outcome {
    Outcome::Success(names.iter().map(|name| (*name).to_owned()).collect())
}

/// The outcome of a list with a fault. rtnetlink skips an entry that it cannot read. It takes an interrupted list for a whole one, and also
/// a list that the end of the connection cuts off. A fault in the message that ends a list never gives a success.
fn listed(fault: Fault) -> Outcome {
    let without = |delivery: usize| match delivery {
        0 => success(&NAMES[1..]),
        1 => success(&NAMES[..1]),
        _ => Outcome::Hangs,
    };
    match fault {
        Fault::AttrLength { delivery, length, .. } => match (delivery, length) {
            // The zero at the end of a name is not looked for, and one more is part of the name.
            (0, 6) => success(&NAMES),
            (0, 8) => success(&["lo\0", "eth0"]),
            (1, 10) => success(&["lo", "eth0\0"]),
            _ => without(delivery),
        },
        Fault::Cut { delivery, .. }
        | Fault::Lost { delivery }
        | Fault::Overrun { delivery }
        | Fault::WrongSequence { delivery } => without(delivery),
        Fault::Duplicated { delivery: 0 } => success(&["lo", "lo", "eth0"]),
        Fault::Duplicated { delivery: 1 } => success(&["lo", "eth0", "eth0"]),
        Fault::Ended { delivery } => success(&NAMES[..delivery.min(NAMES.len())]),
        Fault::Interrupted { .. } | Fault::Duplicated { .. } => success(&NAMES),
        // What is missing is padding.
        Fault::MessageLength { delivery: 0, length: 39 }
        | Fault::MessageLength { delivery: 1, length: 43 } => success(&NAMES),
        Fault::MessageLength { delivery, .. } => without(delivery),
        Fault::Swapped { delivery: 0 } => success(&["eth0", "lo"]),
        // The end of the list is before its last entry.
        Fault::Swapped { .. } => success(&NAMES[..1]),
        other => panic!("a new kind of fault: {other:?}"),
    }
}

/// A change with a fault in its only answer: a connection that ends before the answer is a success, and an answer that cannot be read is
/// waited for for ever.
fn changed(fault: Fault, answer: &Outcome) -> Outcome {
    match fault {
        Fault::Ended { delivery: 0 } => success(&[]),
        // The end of the refused request is missing in its copy, which nobody reads.
        Fault::Duplicated { .. }
        | Fault::Ended { .. }
        | Fault::Interrupted { .. }
        | Fault::MessageLength { length: 35, .. } => answer.clone(),
        _ => Outcome::Hangs,
    }
}

/// How many outcomes are that of the kernel without a fault, another success, an error, and none in time.
fn counts(found: &[(Fault, Outcome)], honest: &Outcome) -> [usize; 4] {
    let count = |is_so: &dyn Fn(&Outcome) -> bool| found.iter().filter(|(_, outcome)| is_so(outcome)).count();
    [
        count(&|outcome| outcome == honest),
        count(&|outcome| outcome != honest && matches!(outcome, Outcome::Success(_))),
        count(&|outcome| outcome != honest && matches!(outcome, Outcome::Error(_))),
        count(&|outcome| *outcome == Outcome::Hangs),
    ]
}

/// Each outcome is what is expected of it; all that differ are in the message.
fn as_expected(found: &[(Fault, Outcome)], expected: impl Fn(Fault) -> Outcome) {
    let differs = |(fault, outcome): &(Fault, Outcome)| {
        let expected = expected(*fault);
        (*outcome != expected).then(|| format!("{fault:?}: {outcome:?}, not {expected:?}"))
    };
    let differences: Vec<String> = found.iter().filter_map(differs).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn list_with_any_fault_is_a_wrong_list_or_endless_and_never_an_error() {
    let found = each(links, list).await;
    as_expected(&found, listed);
    assert_eq!(counts(&found, &success(&NAMES)), [9, 119, 0, 29]);
}

#[tokio::test]
async fn change_succeeds_without_an_answer_if_the_connection_ends() {
    let found = each(acknowledged, change).await;
    let honest = success(&[]);
    as_expected(&found, |fault| changed(fault, &honest));
    assert!(found.contains(&(Fault::Ended { delivery: 0 }, honest.clone())));
    assert_eq!(counts(&found, &honest), [5, 0, 0, 44]);
}

#[tokio::test]
async fn refusal_with_any_fault_is_a_success_or_no_answer() {
    let found = each(refused, change).await;
    let honest =
        Outcome::Error("Received a netlink error message Operation not permitted (os error 1)".into());
    as_expected(&found, |fault| changed(fault, &honest));
    assert_eq!(counts(&found, &honest), [4, 1, 0, 44]);
}

/// It has its own runtime.
#[test]
fn example_finds_what_its_comment_says() {
    example::main().unwrap();
}

const NAMES: [&str; 2] = ["lo", "eth0"];
/// How long an answer is waited for; what comes at all comes at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than any conversation here has faults.
const MOST: usize = 300;
// include/uapi/linux/{rtnetlink,if_link}.h
const RTM_NEWLINK: u16 = 16;
const IFLA_IFNAME: u16 = 3;
/// The length of ifinfomsg.
const HEADER: usize = 16;
const EPERM: i32 = 1;
