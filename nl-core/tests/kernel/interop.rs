//! Messages of the netlink-packet crates over our connection.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt;
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nl_core::connection::{Connection, Protocol};
use nl_core::interop;
use nl_core::message::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use nl_testkit::{Lab, Result};

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
