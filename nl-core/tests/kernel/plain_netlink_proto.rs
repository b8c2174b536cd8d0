//! The failures of netlink-proto that `connection` is built around: each is first shown against the plain library and
//! then shown not to happen with ours. A test that fails in its first half says that netlink-proto was mended.

use std::fmt::Debug;

use futures_util::future::join_all;
use futures_util::{Stream, StreamExt, TryStreamExt, pin_mut};
use netlink_packet_core::{
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_proto::sys::protocols::NETLINK_ROUTE;
use netlink_proto::sys::{AsyncSocket, SocketAddr, TokioSocket};
use netlink_proto::{ConnectionHandle, NetlinkCodec};
use nl_core::Request;
use nl_core::connection::{Connection, Protocol};
use nl_core::message::{NLM_F_ACK, NLM_F_DUMP, RawMessage};
use nl_core::monitor::Monitor;
use nl_testkit::{Lab, Result, within};
use tokio::time::timeout;

use crate::support::{
    NEVER, RTM_GETROUTE, RTM_NEWLINK, RTNLGRP_LINK, SOON, delete_link, link_names, new_link, route,
};

type Plain<T> = netlink_proto::Connection<T, TokioSocket, NetlinkCodec>;

/// netlink-proto as it comes, but for the socket being bound.
fn plain<T>() -> (
    Plain<T>,
    ConnectionHandle<T>,
    impl Stream<Item = (NetlinkMessage<T>, SocketAddr)> + Send + Unpin + use<T>,
)
where
    T: NetlinkSerializable + NetlinkDeserializable + Debug + Send + Unpin + 'static,
{
    let (mut connection, handle, unsolicited) = netlink_proto::new_connection::<T>(NETLINK_ROUTE).unwrap();
    connection.socket_mut().socket_mut().bind(&SocketAddr::new(0, 0)).unwrap();
    (connection, handle, unsolicited)
}

fn raw(mut request: Request) -> NetlinkMessage<RawMessage> {
    let bytes = request.encoded().unwrap()[16..].to_vec();
    let mut header = NetlinkHeader::default();
    header.flags = request.flags();
    let message = RawMessage::new(request.kind(), request.flags(), bytes);
    NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message))
}

fn kernel() -> SocketAddr {
    SocketAddr::new(0, 0)
}

/// The messages of a stream that ends within the time.
async fn collected<T>(stream: impl Stream<Item = NetlinkMessage<T>>) -> Option<Vec<NetlinkMessage<T>>> {
    timeout(NEVER, stream.collect()).await.ok()
}

fn devices(prefix: &str) -> Vec<Request> {
    (0..10).map(|i| new_link(&format!("{prefix}{i}"), "bridge")).collect()
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn queued_requests_do_not_stall(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let done = node
        .run(|| async {
            let (connection, handle, _unsolicited) = plain();
            for request in devices("plain") {
                handle.notify(raw(request), kernel()).unwrap();
            }
            let last = handle.request(raw(delete_link("lo").with_flags(NLM_F_ACK)), kernel()).unwrap();
            let task = tokio::spawn(connection);
            let done = collected(last).await;
            task.abort();
            done.is_some()
        })
        .await;
    assert!(!done, "netlink-proto sent all that was queued");
    assert!(!link_names(&node).await.contains(&"plain9".to_owned()));

    let conn = route(&node).await;
    let outcomes =
        within(SOON, join_all(devices("ours").into_iter().map(|r| conn.ack(r))), "10 outcomes").await;
    assert!(outcomes.iter().all(nl_core::Result::is_ok), "{outcomes:?}");
    within(SOON, conn.link("lo"), "a later request").await?;
    let ours = link_names(&node).await.into_iter().filter(|name| name.starts_with("ours")).count();
    assert_eq!(ours, 10);
    Ok(())
}

#[nl_testkit::test]
async fn more_answers_than_the_receive_buffer_holds_do_not_hang(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let refused = || (0..300).map(|i| delete_link(&format!("none{i}")));
    let done = node
        .run(move || async move {
            let (mut connection, handle, _unsolicited) = plain();
            connection.socket_mut().socket_mut().set_rx_buf_sz(0_i32).unwrap();
            let all = refused().map(|request| raw(request.with_flags(NLM_F_ACK)));
            let stream = handle.request_batch(all, kernel()).unwrap();
            let task = tokio::spawn(connection);
            let done = collected(stream).await;
            task.abort();
            done.is_some()
        })
        .await;
    assert!(!done, "netlink-proto ended the requests whose answers were dropped");

    let conn = node.open(|| Connection::builder(Protocol::Route).receive_buffer(0).open()).await?;
    let outcomes = within(SOON, join_all(refused().map(|r| conn.ack(r))), "300 outcomes").await;
    for (i, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.unwrap_err().to_string(), format!("change link none{i}: No such device (ENODEV)"));
    }
    let outcomes: Vec<_> = within(SOON, conn.batch(refused()).collect(), "a batch of 300").await;
    for (i, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.unwrap_err().to_string(), format!("change link none{i}: No such device (ENODEV)"));
    }
    Ok(())
}

/// An IPv4 route dump with a length in its header, which the kernel does not take when it looks closely.
fn bad_route_dump() -> Request {
    let mut header = [0; 12];
    header[0] = 2;
    header[1] = 24;
    Request::from_payload(RTM_GETROUTE, 0, &header)
}

#[nl_testkit::test]
async fn a_dump_that_fails_is_no_empty_success(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let items = node
        .run(|| async {
            let (mut connection, handle, _unsolicited) = plain();
            connection.socket_mut().socket_mut().set_netlink_get_strict_chk(true).unwrap();
            let stream = handle.request(raw(bad_route_dump().with_flags(NLM_F_DUMP)), kernel()).unwrap();
            let task = tokio::spawn(connection);
            let items = collected(stream).await;
            task.abort();
            items.map(|items| items.len())
        })
        .await;
    assert_eq!(items, Some(0), "netlink-proto reported the failure");

    let conn = route(&node).await;
    let outcome = conn.dump(bad_route_dump(), |_| Ok(Some(()))).try_collect::<Vec<_>>().await;
    let error = outcome.unwrap_err();
    assert_eq!(error.errno(), Some(nl_core::error::Errno::EINVAL));
    let text = error.kernel().and_then(|kernel| kernel.ext_ack.message.as_deref());
    assert_eq!(text, Some("Invalid values in header for FIB dump request"));
    Ok(())
}

#[nl_testkit::test]
async fn a_connection_that_dies_is_no_success(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let other = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let items = node
        .run(move || async move {
            let runtime = other();
            let (connection, handle, _unsolicited) = {
                let _inside = runtime.enter();
                let plain = plain();
                (runtime.spawn(plain.0), plain.1, plain.2)
            };
            let stream =
                handle.request(raw(new_link("plain", "bridge").with_flags(NLM_F_ACK)), kernel()).unwrap();
            runtime.shutdown_background();
            drop(connection);
            collected(stream).await.map(|items| items.len())
        })
        .await;
    // Just what a success looks like.
    assert_eq!(items, Some(0), "netlink-proto reported the failure");
    assert_eq!(link_names(&node).await, ["lo"]);

    let link = node
        .run(move || async move {
            let runtime = other();
            let conn = {
                let _inside = runtime.enter();
                Connection::open(Protocol::Route).unwrap()
            };
            runtime.shutdown_background();
            // Nothing of the connection was in that runtime.
            conn.ack(new_link("ours", "bridge")).await.unwrap();
            conn.link("ours").await
        })
        .await;
    assert_eq!(link?.name, "ours");
    assert_eq!(link_names(&node).await, ["lo", "ours"]);
    Ok(())
}

/// A request of 480 kB.
fn oversize() -> Request {
    let mut request = new_link("big", "bridge");
    for _ in 0..8 {
        request.attrs().bytes(1000, &[0; 60_000]);
    }
    request
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn an_oversize_request_harms_no_other(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let items = node
        .run(|| async {
            let (connection, handle, _unsolicited) = plain();
            let _big = handle.request(raw(oversize().with_flags(NLM_F_ACK)), kernel()).unwrap();
            let neighbour = new_link("plain", "bridge").with_flags(NLM_F_ACK);
            let stream = handle.request(raw(neighbour), kernel()).unwrap();
            let task = tokio::spawn(connection);
            let items = collected(stream).await;
            task.abort();
            items.map(|items| items.len())
        })
        .await;
    assert_eq!(items, Some(0), "netlink-proto reported the neighbour");
    assert_eq!(link_names(&node).await, ["lo"], "and that is no success");

    let conn = route(&node).await;
    let (big, neighbour) = futures_util::join!(conn.ack(oversize()), conn.ack(new_link("ours", "bridge")));
    let error = big.unwrap_err();
    assert!(error.is_usage(), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("change link big: a request of 480"), "{text}");
    let limit: usize = text.rsplit(' ').next().unwrap().parse()?;
    assert!((100_000..480_000).contains(&limit), "{text}");
    neighbour?;
    assert_eq!(link_names(&node).await, ["lo", "ours"]);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_message_nobody_can_decode_is_still_delivered(lab: Lab) -> Result {
    const RTNLGRP_NEXTHOP: u32 = 32;
    const RTM_NEWNEXTHOP: u16 = 104;
    let node = lab.node("a").await?;
    let listening = node
        .open(|| {
            let (mut connection, handle, mut unsolicited) = plain::<RouteNetlinkMessage>();
            for group in [RTNLGRP_NEXTHOP, RTNLGRP_LINK] {
                connection.socket_mut().socket_mut().add_membership(group).unwrap();
            }
            tokio::spawn(connection);
            tokio::spawn(async move {
                let first = unsolicited.next().await.map(|(message, _)| message.header.message_type);
                drop(handle);
                first
            })
        })
        .await;
    let ours = node
        .open(|| {
            let builder = Monitor::builder(Protocol::Route).group(RTNLGRP_NEXTHOP).group(RTNLGRP_LINK);
            builder.open(|message| Ok(Some(RawMessage::from(message))))
        })
        .await?;
    node.ip("nexthop add id 7 blackhole").await;
    node.ip("link add marker type bridge").await;
    let first = within(SOON, listening, "an event").await?;
    assert_eq!(first, Some(RTM_NEWLINK), "netlink-packet-route delivered the next hop");

    pin_mut!(ours);
    let first = within(SOON, ours.try_next(), "an event").await?.unwrap();
    assert_eq!(first.kind(), RTM_NEWNEXTHOP);
    let second = within(SOON, ours.try_next(), "an event").await?.unwrap();
    assert_eq!(second.kind(), RTM_NEWLINK);

    // And as the answer to a request.
    let mut get = vec![0; 8];
    get.extend([8, 0, 1, 0]);
    get.extend(7_u32.to_ne_bytes());
    let conn = route(&node).await;
    let reply = conn.exchange(Request::from_payload(106, 0, &get)).await?;
    assert_eq!(reply.messages.iter().map(RawMessage::kind).collect::<Vec<_>>(), [RTM_NEWNEXTHOP]);
    Ok(())
}
