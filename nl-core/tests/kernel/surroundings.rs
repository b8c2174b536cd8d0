//! What surrounds a program: its runtime, its file system, its descriptors.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nl_core::Connection;
use nl_core::connection::Protocol;
use nl_core::netns::Netns;
use nl_testkit::{Lab, Result, within};

use crate::support::{SOON, link_names, many_links, new_link, ports, route};

/// Each of these calls is ready at once, so without the runtime's budget nothing else would run before the last.
#[nl_testkit::test]
async fn ten_thousand_calls_that_are_ready_at_once_let_timers_and_tasks_run(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let (turns, timer) = node
        .run(move || async move {
            let turns = Arc::new(AtomicU32::new(0));
            let timer = Arc::new(AtomicBool::new(false));
            let (counted, fired) = (Arc::clone(&turns), Arc::clone(&timer));
            let other = tokio::spawn(async move {
                loop {
                    counted.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
            let clock = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                fired.store(true, Ordering::Relaxed);
            });
            for _ in 0..10_000 {
                assert_eq!(conn.link("lo").await.unwrap().index, 1);
            }
            let outcome = (turns.load(Ordering::Relaxed), timer.load(Ordering::Relaxed));
            other.abort();
            clock.abort();
            outcome
        })
        .await;
    assert!(turns > 50, "another task had {turns} turns");
    assert!(timer, "a timer of 1 ms did not fire during 10,000 calls");
    Ok(())
}

/// A list and a batch give turns to other tasks, to timers and to sockets after each datagram.
#[nl_testkit::test(needs(link = "bridge", link = "vxlan"))]
async fn a_request_beside_a_list_and_a_batch_waits_for_one_datagram_only(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    many_links(&route(&node).await, "d", 400).await;
    let conn = route(&node).await;
    let calls = node
        .run(move || async move {
            let stop = Arc::new(AtomicBool::new(false));
            let calls = Arc::new(AtomicU32::new(0));
            let (stopped, counted, caller) = (Arc::clone(&stop), Arc::clone(&calls), conn.clone());
            let beside = tokio::spawn(async move {
                while !stopped.load(Ordering::Relaxed) {
                    caller.link("lo").await.unwrap();
                    counted.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
            let listed = conn.links().collect_all().await.unwrap().len();
            let during_list = calls.load(Ordering::Relaxed);
            let requests = (0..4000).map(|_| new_link("lo", "bridge"));
            let refused = conn.batch(requests).summarize(0).await.unwrap().failed;
            let during_batch = calls.load(Ordering::Relaxed) - during_list;
            stop.store(true, Ordering::Relaxed);
            beside.await.unwrap();
            assert_eq!((listed, refused), (401, 4000));
            (during_list, during_batch)
        })
        .await;
    // 401 devices come in more than ten datagrams, 4,000 requests go in more than ten.
    assert!(calls.0 >= 5 && calls.1 >= 5, "{calls:?} calls during the list and the batch");
    Ok(())
}

/// After chroot(2) there is no /proc in which to look for a namespace.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn without_proc_everything_goes_on(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.add_link("d0", "bridge").await?;
    let other = lab.node("b").await?;
    other.add_link("other", "bridge").await?;
    let (conn, elsewhere) = (route(&node).await, Netns::fd(other.netns_fd())?);
    let inside = Netns::fd(node.netns_fd())?;
    let expected = link_names(&node).await;
    let outcome = node
        .open(move || {
            nl_testkit::in_empty_root(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                assert!(Netns::current().is_err(), "there is a /proc");
                // So no thread has to enter the namespace it is in, for which it may lack the right.
                assert_eq!((inside.is_current()?, elsewhere.is_current()?), (true, false));
                runtime.block_on(async {
                    let mut names: Vec<String> =
                        conn.links().collect_all().await?.into_iter().map(|link| link.name.into()).collect();
                    names.sort();
                    conn.batch([new_link("made", "bridge")]).summarize(1).await?.into_result()?;
                    let fresh = Connection::open(Protocol::Route)?;
                    assert_eq!(fresh.links().collect_all().await?.len(), names.len() + 1);
                    let there = Connection::builder(Protocol::Route).netns(&elsewhere).open()?;
                    let index = there.link_index("other").await?;
                    assert!(there.links().collect_all().await?.iter().any(|link| link.index == index));
                    Ok::<_, nl_testkit::Error>(names)
                })
            })
        })
        .await;
    assert_eq!(outcome??, expected);
    Ok(())
}

#[nl_testkit::test]
fn a_pipe_is_refused_as_a_namespace_at_once(_lab: Lab) -> Result {
    // Without a writer, opening it waits for one.
    let (reader, writer) = std::io::pipe()?;
    drop(writer);
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let error = Netns::path(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("open network namespace {path}: not a network namespace"));
    Ok(())
}

/// A connection belongs to the namespace its thread was in; its lists and batches follow it, not the thread.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_connection_opened_without_a_namespace_keeps_that_of_its_thread(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.add_link("d0", "bridge").await?;
    let conn = route(&node).await;
    let elsewhere = lab.node("b").await?;
    let names = elsewhere
        .run(move || async move {
            conn.batch([new_link("d1", "bridge")]).summarize(1).await?.into_result()?;
            let links = conn.links().collect_all().await?;
            let monitor = conn.monitor().group(1).open(|_| Ok(Some(())))?;
            drop(monitor);
            assert_eq!(conn.sibling(Protocol::Generic)?.netns()?, conn.netns()?);
            Ok::<_, nl_core::Error>(links.into_iter().map(|link| link.name.into()).collect::<Vec<String>>())
        })
        .await?;
    assert!(names.contains(&"d0".to_owned()) && names.contains(&"d1".to_owned()), "{names:?}");
    assert_eq!(link_names(&elsewhere).await, ["lo"]);
    Ok(())
}

/// They share a socket until they keep meeting there.
#[cfg(feature = "blocking")]
#[nl_testkit::test]
async fn threads_on_one_connection_get_their_own_answers_and_open_four_sockets_at_most(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let conn = &conn;
            scope.spawn(move || {
                for call in 0..2_000 {
                    match (thread + call) % 2 {
                        0 => assert_eq!(conn.link("lo").wait().unwrap().index, 1),
                        _ => assert!(conn.link(4711).wait().unwrap_err().is_not_found()),
                    }
                }
            });
        }
    });
    let sockets = node.netlink_sockets().await.len();
    assert!((1..=4).contains(&sockets), "{sockets} sockets");
    drop(conn);
    ports(&node, 0).await;
    Ok(())
}

#[cfg(feature = "blocking")]
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn without_a_runtime_every_kind_of_call_is_answered(lab: Lab) -> Result {
    use nl_core::link::Link;
    use nl_core::monitor::Monitor;

    let node = lab.node("a").await?;
    let names = node
        .open(|| {
            // A plain thread.
            let inside = Netns::current().unwrap();
            std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    assert!(tokio::runtime::Handle::try_current().is_err());
                    let conn = Connection::builder(Protocol::Route).netns(&inside).open()?;
                    let mut monitor =
                        conn.monitor().group(1).open(|message| Link::decode(message).map(Some))?;
                    conn.ack(new_link("d0", "bridge")).wait()?;
                    let event = (&mut monitor).into_iter().next().unwrap()?;
                    assert_eq!(event.name, "d0");
                    assert_eq!(conn.link("d0").wait()?.index, event.index);
                    let done = conn.batch([new_link("d1", "bridge"), new_link("d0", "bridge")]);
                    let outcomes: Vec<_> = done.into_iter().collect();
                    assert!(
                        outcomes[0].is_ok() && outcomes[1].as_ref().is_err_and(nl_core::Error::is_exists)
                    );
                    let generic = conn.sibling(Protocol::Generic)?;
                    assert_eq!(generic.family("nlctrl").wait()?.id, 16);
                    let mut names = Vec::new();
                    for link in conn.links() {
                        names.push(link?.name);
                    }
                    let _: Monitor<Link> = monitor;
                    Ok::<_, nl_core::Error>(names)
                });
                thread.join().unwrap()
            })
        })
        .await?;
    assert_eq!(names.len(), 3, "{names:?}");
    within(SOON, async { assert_eq!(link_names(&node).await, ["d0", "d1", "lo"]) }, "iproute2").await;
    Ok(())
}
