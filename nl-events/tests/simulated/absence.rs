//! Only the kernel's refusal means that something does not exist.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use nl_core::error::Errno;
use nl_events::fdb::{FdbChange, FdbWatch};
use nl_testkit::fault::{Answer, Conversation, Delivery};
use nl_testkit::within;

use crate::support::{
    DEADLINE, Fdb, Kernel, Lists, RTM_DELNEIGH, RTM_NEWNEIGH, before, follow, kernel, message, plain,
    with_sockets_of_their_own,
};

/// Those that the kernel refuses with where something does not exist, and those of exhausted descriptors and missing rights.
const ERRNOS: [i32; 9] = [
    libc::ENOENT,
    libc::ENODEV,
    libc::ESRCH,
    libc::ENXIO,
    libc::EMFILE,
    libc::EACCES,
    libc::EOPNOTSUPP,
    libc::EPROTONOSUPPORT,
    libc::EAFNOSUPPORT,
];

/// The next item must be an error with this number.
async fn fails(watch: &mut FdbWatch, errno: i32, what: &str) {
    let error = within(DEADLINE, watch.next(), what).await.unwrap().unwrap_err();
    assert_eq!(error.errno(), Some(Errno::new(errno)), "{what}: {error}");
    assert!(error.kernel().is_none(), "{what}: {error}");
}

#[tokio::test]
async fn first_list_without_a_socket_is_an_error_and_not_an_empty_table() {
    for errno in ERRNOS {
        let what = format!("the list's socket is refused with {}", Errno::new(errno));
        let Kernel { conn, mut monitors, refuse, .. } = kernel(plain());
        refuse.store(errno, Ordering::Relaxed);
        let mut watch = FdbWatch::open(&conn).await.unwrap();
        let _monitor = monitors.recv().await.unwrap();
        for _ in 0..3 {
            fails(&mut watch, errno, &what).await;
        }
        refuse.store(0, Ordering::Relaxed);
        let mut table = Fdb::new();
        follow(&mut watch, &mut table, &what).await;
        assert_eq!(table, before(), "{what}");
    }
}

#[tokio::test]
async fn list_after_an_overrun_without_a_socket_deletes_nothing() {
    for errno in ERRNOS {
        let what = format!("the list's socket is refused with {}", Errno::new(errno));
        let Kernel { fdb, conn, mut monitors, refuse, .. } = kernel(with_sockets_of_their_own());
        let mut watch = FdbWatch::open(&conn).await.unwrap();
        let monitor = monitors.recv().await.unwrap();
        let mut table = Fdb::new();
        follow(&mut watch, &mut table, &what).await;
        assert_eq!(table, before(), "{what}");

        refuse.store(errno, Ordering::Relaxed);
        fdb.lock().unwrap().extend((10..200).map(|mac| (mac, 11)));
        monitor.deliver(&Delivery::OVERRUN).await.unwrap();
        for _ in 0..3 {
            fails(&mut watch, errno, &what).await;
        }
        assert_eq!(watch.len(), before().len(), "{what}");

        refuse.store(0, Ordering::Relaxed);
        follow(&mut watch, &mut table, &what).await;
        assert_eq!(table, *fdb.lock().unwrap(), "{what}");
    }
}

#[tokio::test]
async fn question_that_fails_in_the_socket_deletes_nothing() {
    for errno in ERRNOS {
        let what = format!("the answer about an entry fails with {}", Errno::new(errno));
        // Every list skips the first entry.
        let skipping: Lists = Arc::new(|_, list| list.deliveries().iter().skip(1).cloned().collect());
        let Kernel { fdb, conn, mut monitors, broken, .. } = kernel(skipping);
        let mut watch = FdbWatch::open(&conn).await.unwrap();
        let monitor = monitors.recv().await.unwrap();
        let mut table = Fdb::new();
        follow(&mut watch, &mut table, &what).await;
        // What the lists skip is known from an event.
        monitor.answer(&message(RTM_NEWNEIGH, 1, 11)).await.unwrap();
        let added = within(DEADLINE, watch.next(), &what).await.unwrap().unwrap();
        assert!(matches!(added, FdbChange::Added(_)), "{what}: {added:?}");
        table.insert(1, 11);

        broken.lock().unwrap().push(errno);
        monitor.deliver(&Delivery::OVERRUN).await.unwrap();
        fails(&mut watch, errno, &what).await;
        follow(&mut watch, &mut table, &what).await;
        assert_eq!(table, *fdb.lock().unwrap(), "{what}");
    }
}

#[tokio::test]
async fn refused_list_of_all_tables_is_an_error_and_not_an_empty_table() {
    let refusing: Lists = Arc::new(|number, list| match number {
        0 => Conversation::of([Answer::done(libc::ENODEV).seq(1)]),
        _ => list,
    });
    let Kernel { conn, mut monitors, .. } = kernel(refusing);
    let mut watch = FdbWatch::open(&conn).await.unwrap();
    let _monitor = monitors.recv().await.unwrap();
    let error = within(DEADLINE, watch.next(), "the refusal").await.unwrap().unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let mut table = Fdb::new();
    follow(&mut watch, &mut table, "the second list").await;
    assert_eq!(table, before());
}

/// The ports of a bridge share a table, and the kernel resumes a list of one port by counting the entries of all.
#[tokio::test]
async fn list_of_a_port_is_repeated_after_a_deletion_on_another_port() {
    for (kind, least) in [(RTM_NEWNEIGH, 1), (RTM_DELNEIGH, 2)] {
        let Kernel { conn, mut monitors, lists, .. } = kernel(plain());
        let mut watch = FdbWatch::builder(&conn).dev(11).open().await.unwrap();
        let monitor = monitors.recv().await.unwrap();
        monitor.answer(&message(kind, 9, 12)).await.unwrap();
        let mut table = Fdb::new();
        follow(&mut watch, &mut table, "the table of the port").await;
        assert_eq!((table, lists.load(Ordering::SeqCst)), (before(), least));
    }
}
