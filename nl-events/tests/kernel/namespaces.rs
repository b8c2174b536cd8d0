//! Many namespaces that come, change and go under one stream.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::netns::Netns;
use nl_core::nsid::{NsidEvent, Nsids};
use nl_core::rule::{Rule, RuleEvent, RuleVerb};
use nl_core::{Connection, IpFamily, Protocol};
use nl_events::report::{Report, Reports};
use nl_events::{NetworkEvent, Source};
use nl_testkit::{Lab, Result, scaled, within};

const DEADLINE: Duration = Duration::from_secs(60);
/// The number on a native machine.
const NAMESPACES: u32 = 200;
/// Namespaces that exist at a time.
const AT_ONCE: u32 = 10;
/// So few that the events of those that exist at a time fit the receive buffer of an unprivileged socket.
const RULES: u32 = 20;
const TABLE: u32 = 1000;
/// What the process may hold in the end beside what it held when a quarter of the namespaces had come and gone.
const GROWTH: usize = 16 << 20;

/// What of the process is in memory, in bytes.
fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    4096 * pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap()
}

/// Tasks that the runtime has.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn rule(priority: u32) -> Rule {
    let mut rule = Rule::new(IpFamily::V4);
    (rule.priority, rule.table) = (Some(priority), Some(TABLE));
    rule
}

/// Adds rules inside a namespace, and closes what it opened.
async fn change(netns: &Netns) -> Result {
    let conn = Connection::builder(Protocol::Route).netns(netns).open()?;
    let requests = (1..=RULES).map(|priority| rule(priority).request(RuleVerb::Add));
    assert_eq!(conn.batch(requests).summarize(1).await?.failed, 0);
    Ok(())
}

async fn next(reports: &mut Reports) -> Report {
    within(DEADLINE, reports.next(), "a report").await.expect("the stream ended")
}

/// What vanished is reported only when nobody holds the namespace any more, so a socket that is left would be found here.
#[nl_testkit::test(needs(tool = "ip"), serial, timeout = 300)]
async fn namespaces_that_come_and_go_are_followed_in_order_and_nothing_is_left(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let nsids = Nsids::new(node.open(|| Connection::open(Protocol::Route)).await?);
    let builder = Reports::builder().source(Source::IPV4_RULE).source(Source::NAMESPACE).all_namespaces();
    let mut reports = node.open(move || builder.open()).await?;
    let (before, tasks_before) = (descriptors(), tasks());
    let (all, mut early) = (scaled(NAMESPACES, AT_ONCE), None);
    for first in (0..all).step_by(usize::try_from(AT_ONCE)?) {
        if first >= all / 4 {
            early.get_or_insert_with(resident);
        }
        for id in first..first + AT_ONCE {
            node.ip(&format!("netns add n{id}")).await;
            let netns = Netns::named(&format!("n{id}"))?;
            nsids.assign(&netns, Some(id)).await?;
            change(&netns).await?;
        }
        for id in first..first + AT_ONCE {
            node.ip(&format!("netns del n{id}")).await;
        }
        // The last priority of each, and the namespaces that are gone.
        let (mut last, mut gone) = (BTreeMap::new(), Vec::new());
        while gone.len() < usize::try_from(AT_ONCE)? {
            let Report { place, outcome, .. } = next(&mut reports).await;
            match outcome.unwrap() {
                NetworkEvent::Rule(RuleEvent::New(new)) if new.table == Some(TABLE) => {
                    let id = place.nsid.expect("another namespace");
                    let priority = new.priority.expect("a priority");
                    assert_eq!(priority, last.insert(id, priority).unwrap_or(0) + 1, "{place}");
                }
                NetworkEvent::Namespace(NsidEvent::Deleted(nsid)) => gone.push(nsid.id),
                _ => {}
            }
        }
        gone.sort_unstable();
        assert!(gone.iter().copied().eq(first..first + AT_ONCE), "{gone:?}");
        assert!(last.len() == gone.len() && last.values().all(|priority| *priority == RULES), "{last:?}");
    }
    drop(nsids);
    let end = resident();
    assert!(early.is_none_or(|early| end < early + GROWTH), "{early:?} bytes early, {end} at the end");
    assert!(tasks() <= tasks_before, "{} tasks, {tasks_before} before", tasks());
    assert!(descriptors() <= before, "{} descriptors, {before} before", descriptors());
    Ok(())
}
