//! Messages of the netlink-packet crates over our connection.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::{StreamExt, TryStreamExt};
use netlink_packet_core::NetlinkMessage;
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_proto::sys::SocketAddr;
use nl_core::connection::{Connection, Protocol};
use nl_core::interop;
use nl_core::message::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST};
use nl_testkit::{Lab, Result};
use rtnetlink::{LinkBridge, RouteMessageBuilder};

use crate::support::route;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const NETWORK: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 0);

fn address(index: u32) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 24;
    message.header.index = index;
    message.attributes =
        vec![AddressAttribute::Local(IpAddr::V4(ADDRESS)), AddressAttribute::Address(IpAddr::V4(ADDRESS))];
    RouteNetlinkMessage::NewAddress(message)
}

fn blackhole() -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = 24;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::BlackHole;
    message.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet(NETWORK))];
    RouteNetlinkMessage::NewRoute(message)
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn an_address_of_netlink_packet_route_is_added_and_listed(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.add_link("d0", "bridge").await?;
    let conn = route(&node).await;
    let index = node.index_of("d0").await?;
    let answers = interop::request(&conn, NLM_F_CREATE | NLM_F_EXCL, address(index)).await?;
    assert!(answers.is_empty(), "{answers:?}");
    let shown = node.json("ip -j addr show dev d0").await;
    let infos = shown[0]["addr_info"].as_array().unwrap();
    assert!(infos.iter().any(|a| a["local"] == "192.0.2.7" && a["prefixlen"] == 24), "{shown:#}");

    let error = interop::request(&conn, NLM_F_CREATE | NLM_F_EXCL, address(index)).await.unwrap_err();
    assert!(error.is_exists(), "{error}");

    let all: Vec<_> = interop::dump(&conn, RouteNetlinkMessage::GetAddress(AddressMessage::default()))
        .try_collect()
        .await?;
    let listed: Vec<_> = all
        .iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewAddress(message) if message.header.index == index => {
                Some(&message.attributes)
            }
            _ => None,
        })
        .collect();
    assert!(
        listed.iter().any(|attrs| attrs.contains(&AddressAttribute::Local(IpAddr::V4(ADDRESS)))),
        "{listed:?}"
    );
    Ok(())
}

#[nl_testkit::test(needs(tool = "ip"))]
async fn a_route_of_netlink_packet_route_is_added_and_listed(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    interop::request(&conn, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, blackhole()).await?;
    let shown = node.json("ip -j route show").await;
    assert!(
        shown.as_array().unwrap().iter().any(|r| r["type"] == "blackhole" && r["dst"] == "198.51.100.0/24"),
        "{shown:#}"
    );
    let mut list = RouteMessage::default();
    list.header.address_family = AddressFamily::Inet;
    let all: Vec<_> = interop::dump(&conn, RouteNetlinkMessage::GetRoute(list)).try_collect().await?;
    let wanted = RouteAttribute::Destination(RouteAddress::Inet(NETWORK));
    let found = all.iter().any(|message| match message {
        RouteNetlinkMessage::NewRoute(route) => route.attributes.contains(&wanted),
        _ => false,
    });
    assert!(found, "{all:?}");
    Ok(())
}

#[nl_testkit::test]
async fn a_message_of_netlink_packet_generic_is_answered(lab: Lab) -> Result {
    let conn = lab.node("a").await?.open(|| Connection::open(Protocol::Generic)).await?;
    let ask = GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName("nlctrl".into())],
    });
    let answers = interop::request(&conn, 0, ask).await?;
    assert_eq!(answers.len(), 1, "{answers:?}");
    let family = &answers[0].payload.nlas;
    assert!(family.contains(&GenlCtrlAttrs::FamilyId(16)), "{family:?}");
    assert_eq!(conn.family("nlctrl").await?.id, 16);
    Ok(())
}

/// What rtnetlink asks for by default. Its header names the main table.
fn all_routes() -> RouteMessage {
    RouteMessageBuilder::<Ipv4Addr>::new().build()
}

fn destinations(routes: impl IntoIterator<Item = RouteMessage>) -> Vec<String> {
    let mut all: Vec<_> = routes
        .into_iter()
        .map(|route| format!("{:?} table {}", route.attributes.first(), route.header.table))
        .collect();
    all.sort();
    all
}

async fn routes_of(over: impl Into<interop::Over<'_>>) -> Result<Vec<String>> {
    let listed = interop::dump(over, RouteNetlinkMessage::GetRoute(all_routes())).collect_all().await?;
    Ok(destinations(listed.into_iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewRoute(route) => Some(route),
        _ => None,
    })))
}

/// A purge of stale routes that sees one table only would leave the others behind.
#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_list_of_routes_is_the_same_as_on_a_socket_of_rtnetlink_unless_strict(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    for words in [
        "link add d0 type bridge",
        "addr add 192.0.2.1/24 dev d0",
        "link set d0 up",
        "route add 198.51.100.0/24 dev d0",
        "route add 203.0.113.0/24 dev d0 table 100",
    ] {
        node.ip(words).await;
    }
    let theirs = node
        .run(|| async {
            let (connection, handle, _) = rtnetlink::new_connection().unwrap();
            let task = tokio::spawn(connection);
            let routes = handle.route().get(all_routes()).execute().try_collect::<Vec<_>>().await.unwrap();
            task.abort();
            destinations(routes)
        })
        .await;
    let conn = route(&node).await;
    let ours = routes_of(&conn).await?;
    assert_eq!(ours, theirs);
    assert!(ours.iter().any(|route| route.contains("table 100")), "{ours:?}");
    let strict = routes_of(interop::strict(&conn)).await?;
    assert!(
        strict.len() < ours.len() && strict.iter().all(|route| route.ends_with("table 254")),
        "{strict:?}"
    );
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn rtnetlink_works_in_the_namespace_of_our_connection(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let elsewhere = lab.node("b").await?;
    let index = elsewhere
        .run({
            let conn = conn.clone();
            move || async move {
                // The calling thread is in another namespace.
                let (connection, handle, _) = rtnetlink::from_socket(interop::socket(&conn).unwrap());
                let task = tokio::spawn(connection);
                handle.link().add(LinkBridge::new("d0").up().build()).execute().await.unwrap();
                let index = conn.link_index("d0").await.unwrap();
                handle.address().add(index, ADDRESS.into(), 24).execute().await.unwrap();
                task.abort();
                index
            }
        })
        .await;
    assert_eq!(index, node.index_of("d0").await?);
    let shown = node.json("ip -j addr show dev d0").await;
    assert!(shown.to_string().contains("192.0.2.7"), "{shown:#}");
    Ok(())
}

#[nl_testkit::test]
async fn a_connection_of_netlink_proto_carries_any_message(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let conn = route(&node).await;
    let names = node
        .run(move || async move {
            let (connection, handle, _) = interop::connection::<RouteNetlinkMessage>(&conn).unwrap();
            let task = tokio::spawn(connection);
            let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetLink(LinkMessage::default()));
            request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
            let answers = handle.request(request, SocketAddr::new(0, 0)).unwrap().collect::<Vec<_>>().await;
            task.abort();
            answers.len()
        })
        .await;
    assert_eq!(names, 1);
    Ok(())
}
