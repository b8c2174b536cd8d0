//! Activity tracking. iproute2 may be too old for the words, so netlink-packet-route reads what the kernel keeps, byte by
//! byte, as a second reader.

use futures_util::TryStreamExt;
use netlink_packet_core::{Emitable, NetlinkDeserializable, NetlinkHeader};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::NeighbourAttribute;
use nl_bridge::fdb::{Fdb, FdbFilter, FdbNotify};
use nl_core::MacAddr;
use nl_testkit::{Lab, Node, Result};

use crate::support::{collect, mac, still_bridge, the};

/// NFEA_ACTIVITY_NOTIFY of the entry for an address, as netlink-packet-route finds it in the kernel's listing.
async fn notify(fdb: &Fdb, mac: MacAddr) -> Option<u8> {
    let dump = fdb.connection().dump(FdbFilter::default().list_request(), |message| {
        Ok(Some((message.kind(), message.payload().to_vec())))
    });
    let messages: Vec<(u16, Vec<u8>)> = dump.try_collect().await.unwrap();
    messages.iter().find_map(|(kind, payload)| {
        let mut header = NetlinkHeader::default();
        header.message_type = *kind;
        let RouteNetlinkMessage::NewNeighbour(entry) =
            RouteNetlinkMessage::deserialize(&header, payload).unwrap()
        else {
            return None;
        };
        let address = NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec());
        if !entry.attributes.contains(&address) {
            return None;
        }
        entry.attributes.iter().find_map(|attr| match attr {
            NeighbourAttribute::Other(attr) => {
                let mut bytes = vec![0; attr.buffer_len()];
                attr.emit(&mut bytes);
                let kind = u16::from_ne_bytes([bytes[2], bytes[3]]) & 0x3fff;
                (kind == 14 && bytes[6..8] == 1u16.to_ne_bytes()).then(|| bytes[8])
            }
            _ => None,
        })
    })
}

async fn iproute2_knows_it(node: &Node) -> bool {
    node.command(["bridge", "fdb", "help"]).await.stderr.contains("activity_notify")
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn activity_notification_is_kept_by_the_kernel(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    let entry = |number: u32| fdb.entry(mac(number), "port1").master();
    entry(1).static_().activity_notify().add().await?;
    entry(2).static_().inactive().add().await?;
    entry(3).dynamic().extern_learn().replace().await?;
    entry(4).static_().add().await?;
    for (number, bits) in [(1, Some(1)), (2, Some(3)), (3, None), (4, None)] {
        assert_eq!(notify(&fdb, mac(number)).await, bits, "entry {number}");
        assert_eq!(the(&fdb, mac(number)).await.notify, bits.map(FdbNotify::from_bits_retain));
    }
    if iproute2_knows_it(node).await {
        let shown = node.bridge("-d fdb show br br0").await;
        let line = |number| shown.lines().find(|line| line.contains(&mac(number).to_string())).unwrap();
        assert!(line(1).contains("activity_notify") && !line(1).contains("inactive"), "{shown}");
        assert!(line(2).contains("activity_notify") && line(2).contains("inactive"), "{shown}");
        assert!(!line(4).contains("activity_notify"), "{shown}");
        node.bridge(&format!("fdb add {} dev port1 master static activity_notify inactive", mac(5))).await;
        assert_eq!(the(&fdb, mac(5)).await.notify, Some(FdbNotify::ACTIVITY | FdbNotify::INACTIVE));
    }
    Ok(())
}

/// As the documentation of `FdbEntry::notify` says.
#[nl_testkit::test(needs(link = "veth"))]
async fn an_update_without_it_switches_activity_notification_off(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let entry = || fdb.entry(mac(1), "port1").master().static_();
    entry().activity_notify().add().await?;
    assert_eq!(notify(&fdb, mac(1)).await, Some(1));
    entry().replace().await?;
    assert_eq!(notify(&fdb, mac(1)).await, None);
    // What was read is written back with it.
    entry().inactive().replace().await?;
    let read = the(&fdb, mac(1)).await;
    fdb.entry(mac(1), "port1").master().delete().await?;
    fdb.batch([(nl_bridge::fdb::FdbVerb::Replace, read.clone())]).summarize(1).await?.into_result()?;
    assert_eq!(notify(&fdb, mac(1)).await, Some(3));
    assert_eq!(the(&fdb, mac(1)).await, read);
    Ok(())
}

/// As the documentation of `FdbNotify::INACTIVE` says.
#[nl_testkit::test(needs(link = "veth"))]
async fn an_entry_marked_as_silent_stays_so_when_it_is_updated(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let entry = || fdb.entry(mac(1), "port1").master().static_();
    entry().inactive().add().await?;
    entry().activity_notify().replace().await?;
    assert_eq!(notify(&fdb, mac(1)).await, Some(3));
    entry().replace().await?;
    entry().activity_notify().replace().await?;
    assert_eq!(notify(&fdb, mac(1)).await, Some(1));
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn norefresh_keeps_the_age_of_a_changed_entry(lab: Lab) -> Result {
    use std::time::Duration;
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let entry = || fdb.entry(mac(1), "port1").master().static_();
    let age = async || collect(fdb.entries().mac(mac(1))).await[0].ages.unwrap().updated;
    let old = async || (age().await >= Duration::from_millis(500)).then_some(());
    entry().activity_notify().add().await?;
    nl_testkit::eventually(crate::support::SOON, old, "the entry to be half a second old").await;
    entry().inactive().norefresh().replace().await?;
    assert_eq!(notify(&fdb, mac(1)).await, Some(3));
    assert!(age().await >= Duration::from_millis(500));
    entry().inactive().sticky().replace().await?;
    assert!(age().await < Duration::from_millis(500));
    Ok(())
}
