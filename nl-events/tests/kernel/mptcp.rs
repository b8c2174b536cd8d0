//! Events of Multipath TCP on a real kernel, in one stream with those of a bridge.

use std::time::Duration;

use futures_util::StreamExt;
use nl_core::netns::Netns;
use nl_core::{Connection, Protocol};
use nl_events::mptcp::MptcpEvent;
use nl_events::stream::Events;
use nl_events::{NetworkEvent, Source};
use nl_testkit::{Lab, Result, within};

const SOON: Duration = Duration::from_secs(10);

/// An endpoint with a port causes a listener event, a new FDB entry a bridge event.
#[nl_testkit::test(needs(genl = "mptcp_pm", link = "bridge", tool = "ip", tool = "bridge", kernel = "6.3"))]
async fn one_stream_yields_bridge_and_mptcp_events(lab: Lab) -> Result {
    lab.quiet();
    let bridge = lab.bridge("br0", 1).await?;
    let node = bridge.node();
    node.up("lo").await?;
    let conn = node.open(|| Connection::open(Protocol::Generic)).await?;
    let family = conn.family(nl_mptcp::FAMILY).await?;
    let netns = Netns::fd(node.netns_fd())?;
    let mut events =
        Events::builder().netns(&netns).source(Source::FDB).source(Source::mptcp(&family)?).open()?;

    node.ip("mptcp endpoint add 127.0.0.1 port 4321 signal").await;
    node.bridge("fdb add 02:00:00:00:00:07 dev port1 master static").await;

    let (mut listener, mut entry) = (None, None);
    while listener.is_none() || entry.is_none() {
        match within(SOON, events.next(), "two events").await.unwrap()? {
            NetworkEvent::Mptcp(MptcpEvent::ListenerCreated { local }) => listener = Some(local.to_string()),
            NetworkEvent::Fdb(event) if event.entry().mac.to_string() == "02:00:00:00:00:07" => {
                entry = Some(event.entry().index);
            }
            NetworkEvent::Fdb(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((listener.as_deref(), entry), (Some("127.0.0.1:4321"), Some(node.index_of("port1").await?)));
    Ok(())
}
