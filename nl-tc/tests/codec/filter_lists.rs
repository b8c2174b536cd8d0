//! Lists of filters from which the kernel leaves one out, with a simulated kernel.

use std::cell::RefCell;

use nl_core::error::Result;
use nl_core::{Connection, Protocol};
use nl_tc::filter::{ALL, Filter, FilterConfig};
use nl_tc::{RTM_GETQDISC, RTM_NEWQDISC, RTM_NEWTFILTER, Tc, TcHandle};
use nl_testkit::fault::{Answer, Conversation, Peer};

const DEV: u32 = 5;
const INGRESS: TcHandle = TcHandle::CLSACT_INGRESS;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_CHAIN: u16 = 11;
const TCA_MATCHALL_CLASSID: u16 = 1;
const CLASS: TcHandle = TcHandle::new(1, 1);

fn number(request: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(request[at..at + 4].try_into().unwrap())
}

/// A message of a list.
fn listed(message: u16, handle: u32, parent: TcHandle, info: u32, kind: &str) -> Answer {
    let words = [DEV, handle, parent.bits(), info].map(u32::to_ne_bytes);
    let header = [[0; 4].as_slice(), words.as_flattened()].concat();
    Answer::new(message, &header).attr(TCA_KIND, &[kind.as_bytes(), &[0]].concat())
}

/// The entry without a handle of a priority, and the filter behind it.
fn matchall(priority: u16, handle: u32) -> Answer {
    let info = u32::from(priority) << 16 | u32::from(ALL.to_be());
    let entry = listed(RTM_NEWTFILTER, handle, INGRESS, info, "matchall").attr(TCA_CHAIN, &[0; 4]);
    if handle == 0 {
        return entry;
    }
    let [a, b] = [8_u16, TCA_MATCHALL_CLASSID].map(u16::to_ne_bytes);
    entry.attr(TCA_OPTIONS, &[&a[..], &b, &CLASS.bits().to_ne_bytes()].concat())
}

/// A kernel with a clsact qdisc, which leaves out the filter of priority 2 in the list of all; in that of its priority there are these.
/// Returns the priorities that were asked for too.
async fn read<T>(verb: impl AsyncFnOnce(Tc) -> Result<T>, alone: &[Answer]) -> (Result<T>, Vec<u32>) {
    let (socket, kernel) = Peer::pair().unwrap();
    let source = move || socket.try_clone();
    let tc = Tc::new(Connection::builder(Protocol::Route).sockets_from(source).open().unwrap());
    let asked = RefCell::new(Vec::new());
    let serve = kernel.serve(|request| {
        let kind = u16::from_ne_bytes([request[4], request[5]]);
        let entries = if kind == RTM_GETQDISC {
            vec![listed(RTM_NEWQDISC, 0xffff_0000, TcHandle::INGRESS, 1, "clsact")]
        } else if number(request, 28) != INGRESS.bits() {
            Vec::new()
        } else {
            let priority = number(request, 32) >> 16;
            asked.borrow_mut().push(priority);
            match priority {
                0 => vec![matchall(1, 0), matchall(1, 1), matchall(2, 0), matchall(3, 0), matchall(3, 9)],
                _ => alone.to_vec(),
            }
        };
        let entries = entries.into_iter().map(|entry| entry.answers(request).multi());
        Conversation::of(entries.chain([Answer::done(0).answers(request)]))
    });
    let (served, outcome) = tokio::join!(serve, verb(tc));
    served.unwrap();
    (outcome, asked.into_inner())
}

fn handles(filters: &[Filter]) -> Vec<(u16, u32)> {
    let added = filters.iter().filter(|filter| filter.is_added());
    added.map(|filter| (filter.priority, filter.handle)).collect()
}

#[tokio::test]
async fn filter_that_the_kernel_leaves_out_is_read_by_its_priority() {
    let all = async |tc: Tc| tc.filters(DEV, INGRESS).read_all().await;
    let (outcome, asked) = read(all, &[matchall(2, 0), matchall(2, 7)]).await;
    let filters = outcome.unwrap();
    assert_eq!(handles(&filters), [(1, 1), (3, 9), (2, 7)]);
    assert!(filters.iter().filter(|filter| filter.is_added()).all(|filter| {
        matches!(&filter.config, FilterConfig::Matchall(matchall) if matchall.classid == CLASS)
    }));
    assert_eq!(asked, [0, 2]);
}

#[tokio::test]
async fn snapshot_has_the_filter_that_the_kernel_leaves_out() {
    let (outcome, _) = read(async |tc: Tc| tc.snapshot(DEV).await, &[matchall(2, 0), matchall(2, 7)]).await;
    assert_eq!(handles(outcome.unwrap().filters()), [(1, 1), (3, 9), (2, 7)]);
}

#[tokio::test]
async fn filter_that_was_deleted_meanwhile_is_not_missed() {
    let (outcome, _) = read(async |tc: Tc| tc.snapshot(DEV).await, &[]).await;
    assert_eq!(handles(outcome.unwrap().filters()), [(1, 1), (3, 9)]);
}

#[tokio::test]
async fn filter_that_the_kernel_leaves_out_again_is_an_error() {
    let (outcome, _) = read(async |tc: Tc| tc.snapshot(DEV).await, &[matchall(2, 0)]).await;
    let error = outcome.unwrap_err();
    assert!(error.is_interrupted(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("read the tree dev #5") && text.contains("priority 2 without its matchall"),
        "{text}"
    );
}
