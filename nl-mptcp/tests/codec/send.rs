//! Public futures and streams can be spawned on a runtime of many threads.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use nl_core::dump::Dump;
use nl_core::monitor::Monitor;
use nl_mptcp::endpoint::Endpoint;
use nl_mptcp::event::MptcpEvent;
use nl_mptcp::settings::SettingsEntry;
use nl_mptcp::{Mptcp, Token};

const fn future<F: Future + Send>(_: &F) {}
const fn shared<T: Send + Sync + 'static>() {}
const fn stream<T: Send + 'static>() {}

/// Never runs: that it compiles is the test.
#[expect(dead_code, reason = "checked by the compiler")]
fn every_future_is_send(mptcp: &Mptcp, address: Ipv4Addr, end: SocketAddr, token: Token) {
    let endpoint = || mptcp.endpoint(address).dev("lo");
    future(&endpoint().add());
    future(&endpoint().change());
    future(&endpoint().delete());
    future(&endpoint().drop_initial());
    future(&endpoint().get());
    future(&mptcp.endpoints().list());
    future(&mptcp.endpoints().flush());
    future(&mptcp.limits().get());
    future(&mptcp.limits().set());
    future(&mptcp.events());
    let connection = mptcp.mptcp_connection(token);
    future(&connection.address(end.ip(), 1).dev("lo").announce());
    future(&connection.withdraw(1));
    future(&connection.get(1));
    future(&connection.list());
    let subflow = || connection.subflow(end, end).dev("lo");
    future(&subflow().create());
    future(&subflow().create_established(Duration::from_secs(1)));
    future(&subflow().change());
    future(&subflow().destroy());
}

const _: () = {
    shared::<Mptcp>();
    shared::<SettingsEntry>();
    stream::<Monitor<MptcpEvent>>();
    stream::<Dump<Endpoint>>();
};
