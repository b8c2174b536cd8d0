//! Public futures and streams can be spawned on a runtime of many threads.

use std::future::Future;

use futures_util::Stream;
use nl_core::Request;
use nl_core::batch::Batch;
use nl_core::connection::Connection;
use nl_core::dump::Dump;
use nl_core::link::Link;
use nl_core::monitor::Monitor;

const fn future<F: Future + Send>(_: &F) {}
const fn stream<S: Stream + Send + Unpin>() {}
const fn shared<T: Send + Sync + 'static>() {}

/// Never runs: that it compiles is the test.
#[expect(dead_code, reason = "checked by the compiler")]
fn every_future_is_send(conn: &Connection, request: Request) {
    future(&conn.ack(request.clone()));
    future(&conn.get(request.clone(), Link::decode));
    future(&conn.exchange(request.clone()));
    future(&conn.family("nlctrl"));
    future(&conn.link("lo"));
    future(&conn.link_index("lo"));
    future(&conn.link_name(1));
    future(&conn.link_names());
    future(&conn.links().collect_all());
    future(&conn.batch([request]).summarize(1));
}

const _: () = {
    shared::<Connection>();
    shared::<nl_core::Error>();
    shared::<nl_core::netns::Netns>();
    stream::<Dump<Link>>();
    stream::<Monitor<Link>>();
    stream::<Batch<std::vec::IntoIter<Request>>>();
};
