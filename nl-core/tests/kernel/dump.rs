use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt};
use nl_core::attr::DecodeError;
use nl_core::dump::{Dump, MAX_RESTARTS};
use nl_core::error::{AttrName, Errno, ErrorKind, Names};
use nl_core::link::Link;
use nl_core::message::{IfInfoMsg, MessageRef};
use nl_core::{Pending, Request};
use nl_testkit::{Lab, Result, within};

use crate::support::{RTM_GETLINK, Raw, SOON, delete_link, link_names, many_links, new_link, ports, route};

/// So many that a listing takes more than ten pieces.
const MANY: u32 = 400;

static LIST: Names = Names::new(16, &[AttrName::new(3, "IFLA_IFNAME")]);

fn describe_list(_: MessageRef<'_>) -> String {
    "list links".into()
}

fn list_links() -> Request {
    Request::new(RTM_GETLINK, &LIST, describe_list).with_header(&IfInfoMsg::default())
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn a_large_table_is_listed_completely(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    many_links(&conn, "d", MANY).await;
    let listed = conn.links().collect_all().await?;
    assert_eq!(sorted(listed.into_iter().map(|link| link.name.into()).collect()), link_names(&node).await);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn a_dropped_dump_is_gone_and_the_next_one_starts_at_once(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    many_links(&route(&node).await, "d", MANY).await;
    for _ in 0..20 {
        let mut links = conn.links();
        assert!(links.try_next().await?.is_some());
        drop(links);
        let whole = within(SOON, conn.links().collect_all(), "the next dump").await?;
        assert_eq!(whole.len(), MANY as usize + 1);
    }
    // The connection's own, and that of the last dump, which is kept for the next one.
    ports(&node, 2).await;
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn sixteen_dumps_at_a_time_are_all_complete(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    many_links(&conn, "d", MANY).await;
    let dumps = (0..16).map(|_| conn.links().collect_all());
    for links in within(SOON, join_all(dumps), "16 dumps").await {
        assert_eq!(links?.len(), MANY as usize + 1);
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn other_tasks_run_while_a_table_is_read(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    many_links(&conn, "d", MANY).await;
    let turns = node
        .run(move || async move {
            let turns = Rc::new(Cell::new(0_u32));
            let other = async {
                loop {
                    turns.set(turns.get() + 1);
                    tokio::task::yield_now().await;
                }
            };
            let dump = async {
                let mut links = conn.links();
                links.try_next().await.unwrap().unwrap();
                let first = turns.get();
                while links.try_next().await.unwrap().is_some() {}
                turns.get() - first
            };
            tokio::select! {
                biased;
                turns = dump => turns,
                () = other => unreachable!("it has no end"),
            }
        })
        .await;
    assert!(turns >= 5, "another task got {turns} turns between the first and the last of {MANY} entries");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn change_while_the_table_is_read_is_reported_behind_the_entries(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    many_links(&conn, "d", MANY).await;
    let mut links = conn.links();
    let first = links.try_next().await?.unwrap();
    conn.ack(new_link("late", "bridge")).await?;
    conn.ack(delete_link("late")).await?;
    let mut entries = vec![first.index];
    let error = loop {
        match links.next().await.unwrap() {
            Ok(link) => entries.push(link.index),
            Err(error) => break error,
        }
    };
    assert!(error.is_interrupted(), "{error:?}");
    assert_eq!(error.to_string(), "list links: the table changed while it was read (NLM_F_DUMP_INTR)");
    assert!(links.next().await.is_none(), "something follows the end");
    entries.dedup();
    assert!(entries.len() >= MANY as usize, "{} entries", entries.len());
    Ok(())
}

async fn collected_under_change(
    node: &nl_testkit::Node,
    attempts: u32,
) -> (nl_core::Result<Vec<String>>, u32) {
    listed_under_change(node, attempts, Dump::collect_all).await
}

/// Lists links with a decoder that changes the table under the dump, once per attempt for the first `attempts`.
async fn listed_under_change<R: Send + 'static>(
    node: &nl_testkit::Node,
    attempts: u32,
    collect: fn(Dump<String>) -> Pending<R>,
) -> (nl_core::Result<R>, u32) {
    let conn = route(node).await;
    node.run(move || async move {
        let raw = Raw::open();
        let started = Arc::new(AtomicU32::new(0));
        let decode = {
            let started = Arc::clone(&started);
            move |message: MessageRef<'_>| {
                let link = Link::decode(message)?;
                // Every attempt begins with the device of the lowest index.
                if link.name == "lo" {
                    let attempt = started.fetch_add(1, Ordering::Relaxed);
                    if attempt < attempts {
                        raw.ack(new_link(&format!("late{attempt}"), "bridge"));
                    }
                }
                Ok(Some(String::from(link.name)))
            }
        };
        let names = within(SOON, collect(conn.dump(list_links(), decode)), "the listing").await;
        (names, started.load(Ordering::Relaxed))
    })
    .await
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan", tool = "ip"))]
async fn a_collected_table_is_read_again_until_it_held_still(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    many_links(&route(&node).await, "d", MANY).await;
    let (names, attempts) = collected_under_change(&node, 3).await;
    assert_eq!(sorted(names?), link_names(&node).await);
    assert_eq!(attempts, 4);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn a_table_that_never_holds_still_is_an_error(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    many_links(&route(&node).await, "d", MANY).await;
    let (names, attempts) = collected_under_change(&node, u32::MAX).await;
    let error = names.unwrap_err();
    assert!(error.is_interrupted(), "{error:?}");
    assert_eq!(attempts, MAX_RESTARTS + 1);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn a_table_that_never_holds_still_is_returned_with_the_error(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    many_links(&conn, "d", MANY).await;
    let (partial, attempts) = listed_under_change(&node, u32::MAX, Dump::collect_partial).await;
    let partial = partial?;
    assert!(partial.error.as_ref().is_some_and(|error| error.is_interrupted()), "{:?}", partial.error);
    assert!(!partial.is_complete());
    assert_eq!(attempts, MAX_RESTARTS + 1);
    let names: BTreeSet<_> = partial.entries.iter().cloned().collect();
    assert!(names.len() >= MANY as usize, "{} entries", names.len());
    assert!(partial.into_result().unwrap_err().is_interrupted());
    let whole = conn.links().collect_partial().await?;
    assert!(whole.is_complete() && whole.entries.len() >= names.len(), "{:?}", whole.error);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn an_interrupted_dump_that_yielded_nothing_is_started_again(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    many_links(&conn, "d", MANY).await;
    let items = node
        .run(move || async move {
            let raw = Raw::open();
            let mut changed = false;
            let decode = move |message: MessageRef<'_>| {
                let link = Link::decode(message)?;
                if !std::mem::replace(&mut changed, true) {
                    raw.ack(new_link("late", "bridge"));
                }
                Ok((link.name == "late").then_some(link.name))
            };
            conn.dump(list_links(), decode).collect::<Vec<_>>().await
        })
        .await;
    assert!(matches!(items.as_slice(), [Ok(name)] if name == "late"), "{items:?}");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn an_entry_that_cannot_be_read_is_an_error_in_its_place(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    many_links(&conn, "d", 10).await;
    let decode = |message: MessageRef<'_>| {
        let link = Link::decode(message)?;
        if link.name == "d3" { Err(DecodeError::Missing(3)) } else { Ok(Some(String::from(link.name))) }
    };
    let items: Vec<_> = conn.dump(list_links(), decode).collect().await;
    assert_eq!(items.len(), 11);
    let bad: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(
        bad,
        ["list links: cannot read the kernel's answer: attribute 3 is missing\n  attribute: IFLA_IFNAME"]
    );
    Ok(())
}

#[nl_testkit::test]
async fn a_dump_the_kernel_does_not_know_is_an_error(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let request = Request::unnamed(0x3ff).with_header(&IfInfoMsg::default());
    let mut dump = conn.dump(request, |_| Ok(Some(())));
    let error = dump.next().await.unwrap().unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP));
    assert!(dump.next().await.is_none());
    Ok(())
}

#[nl_testkit::test]
async fn a_request_too_large_for_the_socket_is_refused_before_the_kernel(lab: Lab) -> Result {
    let conn = route(&lab.node("a").await?).await;
    let mut request = list_links();
    for _ in 0..8 {
        request.attrs().bytes(1000, &[0; 60_000]);
    }
    let error = conn.dump(request, |_| Ok(Some(()))).collect_all().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
    assert!(error.to_string().starts_with("list links: a request of 480"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn an_unread_dump_does_not_hold_up_requests(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    many_links(&route(&node).await, "d", MANY).await;
    let mut slow = conn.links();
    slow.try_next().await?;
    assert_eq!(within(SOON, conn.link("d1"), "a request").await?.name, "d1");
    assert_eq!(slow.try_fold(1, |count, _| async move { Ok(count + 1) }).await?, MANY + 1);
    ports(&node, 2).await;
    Ok(())
}
