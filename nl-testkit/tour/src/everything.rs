//! All that the chapters make happen, reported by one stream of nl-events that listens in every namespace of the tour.
//!
//! The stream has one socket for each protocol, in the tour's own namespace. A namespace of a chapter is heard there from the moment when
//! it has an id, which it gets before the chapter has it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use nl_core::netns::Netns;
use nl_core::nsid::{NsidEvent, Nsids};
use nl_core::{Connection, Protocol};
use nl_events::report::{Report, Reports};
use nl_events::{NetworkEvent, Source};
use nl_testkit::{Lab, Node, Result};
use tokio::sync::oneshot;

use crate::story::Story;

/// All that is reported whatever the kernel has.
const SOURCES: [Source; 17] = [
    // In front of LINK, which would take its events.
    Source::MACSEC,
    Source::LINK,
    Source::PORT,
    Source::IPV4_ADDRESS,
    Source::IPV6_ADDRESS,
    Source::IPV4_ROUTE,
    Source::IPV6_ROUTE,
    Source::NEXTHOP,
    Source::FDB,
    Source::NEIGHBOUR,
    Source::MDB,
    Source::VLAN,
    Source::VNI,
    Source::QDISC,
    Source::CLASS,
    Source::FILTER,
    Source::NAMESPACE,
];

/// The id that the tour's own namespace gets at the end: all that happened before is read by then.
const END: u32 = 1 << 30;

/// For the event of that id, which can be lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// A stream that yields nothing for so long has nothing left.
const QUIET: Duration = Duration::from_millis(200);

/// A stream that listens in all namespaces of the chapters that it [follows](Self::follow).
#[derive(Debug)]
pub struct Everything {
    own: Netns,
    shared: Arc<Shared>,
    counts: mpsc::Receiver<Counts>,
    counting: JoinHandle<()>,
    /// Dropped, it ends the counting.
    stop: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    nsids: Nsids,
    chapters: Mutex<Chapters>,
}

#[derive(Debug, Default)]
struct Chapters {
    titles: Vec<String>,
    /// The chapter of each namespace, in the order of their ids.
    of: Vec<usize>,
}

impl Everything {
    /// Listens in this namespace, and in those that get an id in it.
    ///
    /// # Errors
    /// A socket is refused, or no thread is left.
    pub fn open(own: &Netns) -> Result<Self> {
        let mut builder = Reports::builder().namespace("tour", own).all_namespaces();
        for source in SOURCES {
            builder = builder.source(source);
        }
        // Without Multipath TCP, its chapter is left out too.
        let generic = Connection::builder(Protocol::Generic).netns(own).open()?;
        if let Ok(family) = generic.family(nl_mptcp::FAMILY).wait() {
            builder = builder.source(Source::mptcp(&family)?);
        }
        let reports = builder.open()?;
        let nsids = Nsids::new(Connection::builder(Protocol::Route).netns(own).open()?);
        let (stop, stopped) = oneshot::channel();
        let (tell, counts) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // A thread of its own, so that it reads while a chapter keeps the tour's thread busy.
        let counting = thread::Builder::new().name("events".into()).spawn(move || {
            let _ = tell.send(runtime.block_on(count(reports, stopped)));
        })?;
        let shared = Arc::new(Shared { nsids, chapters: Mutex::default() });
        Ok(Self { own: own.clone(), shared, counts, counting, stop })
    }

    /// Follows the nodes that this lab makes from now on, as those of a chapter.
    pub fn follow(&self, lab: &Lab, title: &str) {
        let chapter = {
            let mut chapters = lock(&self.shared.chapters);
            chapters.titles.push(title.to_owned());
            chapters.titles.len() - 1
        };
        // The lab lives longer than the stream does.
        let shared = Arc::downgrade(&self.shared);
        lab.on_node(move |node| shared.upgrade().map_or(Ok(()), |shared| shared.hear(node, chapter)));
    }

    /// Reads what happened so far, for so long at most, and counts it.
    ///
    /// # Errors
    /// The stream cannot be ended, because its namespace has an id already.
    pub fn finish(self, deadline: Duration) -> Result<Happened> {
        let Self { own, shared, counts, counting, stop } = self;
        shared.nsids.assign(&own, Some(END)).wait()?;
        let counted = match counts.recv_timeout(deadline.min(PATIENCE)) {
            Ok(counted) => counted,
            // The event that ends it was lost among others. What was not lost is in the sockets.
            Err(_) => {
                drop(stop);
                counts.recv_timeout(deadline)?
            }
        };
        counting.join().map_err(|_| "the thread that counts events panicked")?;
        let chapters = std::mem::take(&mut *lock(&shared.chapters));
        Ok(Happened::new(chapters, counted))
    }
}

impl Shared {
    /// Gives the node's namespace an id in the stream's.
    fn hear(&self, node: &Node, chapter: usize) -> Result {
        let id = {
            let mut chapters = lock(&self.chapters);
            chapters.of.push(chapter);
            u32::try_from(chapters.of.len() - 1)?
        };
        let netns = Netns::fd(node.netns_fd())?;
        self.nsids.assign(&netns, Some(id)).wait()?;
        Ok(())
    }
}

/// What was counted.
#[derive(Debug, Default)]
struct Counts {
    /// The labels of the events of each namespace.
    events: HashMap<u32, BTreeMap<&'static str, u64>>,
    overruns: u64,
    /// The first that could not be read.
    unread: Option<String>,
    /// All that happened before the end was read.
    complete: bool,
}

async fn count(mut reports: Reports, mut stopped: oneshot::Receiver<()>) -> Counts {
    let mut counts = Counts::default();
    while !counts.complete {
        match select(reports.next(), &mut stopped).await {
            Either::Left((Some(report), _)) => counts.add(report),
            Either::Left((None, _)) => return counts,
            Either::Right(_) => break,
        }
    }
    while !counts.complete {
        match tokio::time::timeout(QUIET, reports.next()).await {
            Ok(Some(report)) => counts.add(report),
            Ok(None) => return counts,
            Err(_) => counts.complete = true,
        }
    }
    counts
}

impl Counts {
    fn add(&mut self, report: Report) {
        let nsid = report.place.nsid;
        match report.outcome {
            Ok(NetworkEvent::Namespace(NsidEvent::New(new))) if nsid.is_none() && new.id == END => {
                self.complete = true;
            }
            Ok(event) => {
                // That a namespace has an id is an event of the stream's own namespace.
                let about = match &event {
                    NetworkEvent::Namespace(event) => Some(event.nsid().id),
                    _ => None,
                };
                if let Some(id) = nsid.or(about) {
                    *self.events.entry(id).or_default().entry(event.label()).or_default() += 1;
                }
            }
            Err(error) if error.is_overrun() => self.overruns += 1,
            Err(error) => {
                self.unread.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// What happened in each chapter, as the stream reported it. Prints on one screen.
#[derive(Debug)]
pub struct Happened {
    chapters: Vec<ChapterEvents>,
    overruns: u64,
    unread: Option<String>,
    complete: bool,
}

#[derive(Debug, Default)]
struct ChapterEvents {
    title: String,
    namespaces: usize,
    /// Those of which nothing was heard.
    silent: usize,
    events: BTreeMap<&'static str, u64>,
}

impl Happened {
    fn new(chapters: Chapters, counts: Counts) -> Self {
        let Chapters { titles, of } = chapters;
        let mut told: Vec<_> =
            titles.into_iter().map(|title| ChapterEvents { title, ..ChapterEvents::default() }).collect();
        for (id, chapter) in (0..).zip(of) {
            let Some(told) = told.get_mut(chapter) else { continue };
            told.namespaces += 1;
            match counts.events.get(&id) {
                None => told.silent += 1,
                Some(events) => {
                    events.iter().for_each(|(label, count)| *told.events.entry(*label).or_default() += count);
                }
            }
        }
        let Counts { overruns, unread, complete, .. } = counts;
        Self { chapters: told, overruns, unread, complete }
    }

    /// The number of events with this [label](NetworkEvent::label).
    #[must_use]
    pub fn count(&self, label: &str) -> u64 {
        self.chapters.iter().filter_map(|told| told.events.get(label)).sum()
    }

    /// The number of namespaces that were followed.
    #[must_use]
    pub fn namespaces(&self) -> usize {
        self.chapters.iter().map(|told| told.namespaces).sum()
    }

    /// How often events were lost because they came faster than they were read.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    /// Notes in the story whether the stream reported everything. Where every chapter was left out, there was nothing to report.
    pub fn prove(&self, story: &mut Story) {
        if self.namespaces() == 0 {
            return;
        }
        if let Some(unread) = &self.unread {
            story.step(&format!("An event could not be read: {unread}"));
        }
        // A chapter can find that it must be left out when it has begun.
        let heard = |told: &ChapterEvents| {
            told.silent == 0 && (told.namespaces == 0 || told.events.contains_key("LINK"))
        };
        story.prove(
            "one stream of events reported every namespace of every chapter, and says what it lost",
            self.chapters.iter().all(heard) && self.complete && self.unread.is_none(),
        );
    }
}

/// A line for all, and two for each chapter.
impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.chapters.iter().map(ChapterEvents::total).sum();
        write!(f, "   {} events in {} namespaces", grouped(all), self.namespaces())?;
        match self.overruns {
            0 => f.write_str(", none lost")?,
            1 => f.write_str(", and more: once they came faster than they were read")?,
            times => write!(f, ", and more: {times} times they came faster than they were read")?,
        }
        self.chapters.iter().try_for_each(|told| write!(f, "\n{told}"))
    }
}

impl ChapterEvents {
    fn total(&self) -> u64 {
        self.events.values().sum()
    }
}

/// The most frequent events first.
impl fmt::Display for ChapterEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "   {}", self.title)?;
        let mut events: Vec<_> = self.events.iter().collect();
        events.sort_by_key(|(_, count)| Reverse(**count));
        let events: Vec<_> =
            events.into_iter().map(|(label, count)| format!("{label} {}", grouped(*count))).collect();
        let (total, namespaces) = (grouped(self.total()), self.namespaces);
        let s = if namespaces == 1 { "" } else { "s" };
        write!(f, "     {total} in {namespaces} namespace{s}: {}", events.join("  "))
    }
}

/// With a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place != 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two chapters; the second one has namespaces 1 and 2.
    fn happened(events: &[(u32, &'static str, u64)], overruns: u64) -> Happened {
        let chapters = Chapters { titles: vec!["One".into(), "Two".into()], of: vec![0, 1, 1] };
        let mut counts = Counts { overruns, complete: true, ..Counts::default() };
        for (id, label, count) in events {
            counts.events.entry(*id).or_default().insert(*label, *count);
        }
        Happened::new(chapters, counts)
    }

    const ALL: [(u32, &str, u64); 5] =
        [(0, "LINK", 3), (0, "FDB", 20_000), (1, "LINK", 4), (1, "NSID", 1), (2, "LINK", 1)];

    fn is_proved(happened: &Happened) -> bool {
        let mut story = Story::default();
        happened.prove(&mut story);
        story.summarize().is_ok()
    }

    #[test]
    fn a_summary_has_the_counts_of_each_chapter() {
        let happened = happened(&ALL, 0);
        assert_eq!(
            (happened.count("LINK"), happened.count("FDB"), happened.namespaces(), happened.overruns()),
            (8, 20_000, 3, 0)
        );
        assert_eq!(
            happened.to_string(),
            "   20,009 events in 3 namespaces, none lost\n   One\n     20,003 in 1 namespace: FDB 20,000  LINK 3\n   \
             Two\n     6 in 2 namespaces: LINK 5  NSID 1"
        );
    }

    #[test]
    fn a_summary_says_what_was_lost() {
        assert!(
            happened(&ALL, 1).to_string().starts_with("   20,009 events in 3 namespaces, and more: once ")
        );
        assert!(happened(&ALL, 2).to_string().contains(", and more: 2 times "));
        assert!(is_proved(&happened(&ALL, 2)));
    }

    #[test]
    fn a_namespace_of_which_nothing_was_heard_is_no_proof() {
        assert!(is_proved(&happened(&ALL, 0)));
        assert!(!is_proved(&happened(&ALL[..4], 0)));
        let unread = Happened { unread: Some("too short".into()), ..happened(&ALL, 0) };
        assert!(!is_proved(&unread));
        assert!(!is_proved(&Happened { complete: false, ..happened(&ALL, 0) }));
    }

    #[test]
    fn digits_are_grouped() {
        let grouped = [0, 999, 1000, 123_456, 1_234_567].map(grouped);
        assert_eq!(grouped, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }
}
