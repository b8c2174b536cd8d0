//! What watches and streams cost beside a list and a plain socket: `cargo bench -p nl-events --features blocking`.
//!
//! Needs no root. Everything runs on one thread in a network namespace of its own.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where it fails")]

use std::time::{Duration, Instant};

use netlink_sys::{Socket, SocketAddr};
use nl_bridge::fdb::{FdbEntry, FdbFilter, FdbVerb};
use nl_core::{Connection, MacAddr, Protocol};
use nl_events::Source;
use nl_events::fdb::{FdbChange, FdbWatch};
use nl_events::stream::Events;
use nl_testkit::{Lab, sandbox};

const ENTRIES: u32 = 20_000;
const BURST: u32 = 5_000;
const WATCHES: usize = 300;
const RUNS: usize = 30;

fn main() {
    sandbox::enter().unwrap();
    for part in [idle, picture, burst] {
        // A bridge of its own.
        let lab = Lab::new("bench").unwrap();
        lab.block_on(async {
            let bridge = lab.bridge("br0", 1).await.unwrap();
            let port = bridge.node().index_of("port1").await.unwrap();
            bridge.node().open(move || part(port)).await;
        });
    }
}

/// Resident memory of an idle watch of a dozen entries, each with a connection of its own.
fn idle(port: u32) {
    change(port, FdbVerb::Add, 12);
    let open = || {
        let mut watch = FdbWatch::builder(&open()).bridge("br0").open().wait().unwrap();
        sync(&mut watch);
        watch
    };
    let _first = open();
    let before = resident();
    let watches: Vec<_> = (0..WATCHES).map(|_| open()).collect();
    println!("an idle watch of 12 entries: {:.1} KiB", (resident() - before) / 1024.0 / WATCHES as f64);
    drop(watches);
}

/// The first picture of a large table beside its list.
fn picture(port: u32) {
    change(port, FdbVerb::Add, ENTRIES);
    let (mut list, mut watch) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let conn = open();
        list.push(cpu(|| {
            let dump = conn.dump(FdbFilter::default().list_request(), |m| FdbEntry::decode(m).map(Some));
            assert!(dump.into_iter().map(Result::unwrap).count() > ENTRIES as usize);
        }));
        let mut watched = FdbWatch::open(&conn).wait().unwrap();
        watch.push(cpu(|| sync(&mut watched)));
    }
    let (list, watch) = (least(list), least(watch));
    println!(
        "a list of {ENTRIES} entries: {list:?} CPU; a watch until it is synced: {watch:?}, {:.2} x",
        ratio(watch, list)
    );
}

/// Events that are queued, and then read.
fn burst(port: u32) {
    let [mut raw, mut stream, mut watch] = [const { Vec::new() }; 3];
    for run in 0..RUNS {
        let verb = if run % 2 == 0 { FdbVerb::Add } else { FdbVerb::Delete };
        // Each reads the same events.
        let mut socket = Socket::new(0).unwrap();
        socket.bind(&SocketAddr::new(0, 0)).unwrap();
        socket.add_membership(3).unwrap();
        socket.set_rx_buf_sz(64 << 20_i32).ok();
        let mut events = Events::builder().source(Source::FDB).open().unwrap();
        let mut watched = FdbWatch::open(&open()).wait().unwrap();
        sync(&mut watched);
        change(port, verb, BURST);
        let mut turns: [&mut dyn FnMut(); 3] = [
            &mut || {
                let mut buffer = vec![0; 32 * 1024];
                raw.push(wall(|| {
                    for _ in 0..BURST {
                        assert!(socket.recv(&mut &mut buffer[..], 0).unwrap() > 0);
                    }
                }));
            },
            &mut || {
                stream.push(wall(|| {
                    assert_eq!(
                        events.into_iter().take(BURST as usize).map(Result::unwrap).count(),
                        BURST as usize
                    );
                }));
            },
            &mut || {
                watch.push(wall(|| {
                    assert_eq!(
                        watched.into_iter().take(BURST as usize).map(Result::unwrap).count(),
                        BURST as usize
                    );
                }));
            },
        ];
        turns.rotate_left(run % 3);
        turns.into_iter().for_each(|turn| turn());
    }
    let (raw, stream, watch) = (least(raw), least(stream), least(watch));
    println!(
        "{BURST} events: raw {raw:?}; Events {stream:?}, {:.2} x; FdbWatch {watch:?}, {:.2} x",
        ratio(stream, raw),
        ratio(watch, raw)
    );
}

fn open() -> Connection {
    Connection::open(Protocol::Route).unwrap()
}

fn change(port: u32, verb: FdbVerb, count: u32) {
    let requests = (0..count).map(move |number| {
        let [a, b, c, d] = number.to_be_bytes();
        FdbEntry::new(MacAddr::new([2, 0, a, b, c, d]), port).master().static_().request(verb)
    });
    open().batch(requests).summarize(1).wait().unwrap().into_result().unwrap();
}

fn sync(watch: &mut FdbWatch) {
    let synced = watch.into_iter().any(|change| change.unwrap() == FdbChange::Synced);
    assert!(synced, "the watch ended");
}

/// Bytes.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

/// The time that this thread runs, in the kernel too.
fn cpu(f: impl FnOnce()) -> Duration {
    let now = || -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    // The kernel accounts a running thread when it is scheduled.
    std::thread::yield_now();
    let before = now();
    f();
    std::thread::yield_now();
    Duration::from_nanos(now() - before)
}

fn wall(f: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    f();
    begin.elapsed()
}

/// The least: what is above it is due to other programs.
fn least(times: Vec<Duration>) -> Duration {
    times.into_iter().min().unwrap()
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}
