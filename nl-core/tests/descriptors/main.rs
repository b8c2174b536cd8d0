//! A program that has no descriptor left. It is a binary of its own, because the limit is that of the process.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "tests panic with context")]

use std::fs::File;
use std::process::Command;

use futures_util::StreamExt;
use nl_core::error::Errno;
use nl_core::message::IfInfoMsg;
use nl_core::netns::Netns;
use nl_core::{Connection, Protocol, Request, Result};

/// Opens files until none is left to open.
fn exhaust() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// The error says what is missing, and not that something does not exist.
#[track_caller]
fn is_exhausted<T>(outcome: Result<T>) {
    let error = outcome.map(drop).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::new(libc::EMFILE)), "{error}");
    assert!(error.kernel().is_none() && !error.is_not_found(), "{error}");
}

#[test]
fn without_descriptors_calls_that_need_one_fail_and_the_others_are_answered() {
    let limit = [format!("--pid={}", std::process::id()), "--nofile=64:64".to_owned()];
    assert!(Command::new("prlimit").args(limit).status().unwrap().success());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let conn = Connection::open(Protocol::Route).unwrap();
    let mut files = exhaust();
    runtime.block_on(async {
        is_exhausted(Connection::open(Protocol::Route));
        is_exhausted(conn.sibling(Protocol::Generic));
        is_exhausted(conn.links().collect_all().await);
        let change = Request::unnamed(19).with_header(&IfInfoMsg::default());
        is_exhausted(conn.batch([change]).next().await.unwrap());
        is_exhausted(conn.monitor().group(1).open(|_| Ok(Some(()))));
        is_exhausted(Netns::current());
        // The connection has its socket.
        assert_eq!(conn.link("lo").await.unwrap().index, 1);

        // A connection needs one and no other, so it knows its namespace or does not exist.
        files.pop();
        let other = Connection::open(Protocol::Route).unwrap();
        assert_eq!(other.link_index("lo").await.unwrap(), 1);
        is_exhausted(other.links().collect_all().await);
        // A list needs one too, and leaves it to the next.
        files.pop();
        for _ in 0..2 {
            let links = other.links().collect_all().await.unwrap();
            assert!(links.iter().any(|link| link.index == 1), "{links:?}");
            is_exhausted(conn.links().collect_all().await);
        }
        drop(other);
        conn.links().collect_all().await.unwrap();
    });
    #[cfg(feature = "blocking")]
    {
        files.extend(exhaust());
        // To sleep, a thread needs a descriptor by which others wake it.
        let pause = || nl_core::Pending::pause(std::time::Duration::from_millis(1)).wait();
        is_exhausted(pause());
        drop(files);
        pause().unwrap();
    }
}
