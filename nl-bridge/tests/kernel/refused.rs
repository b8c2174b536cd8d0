//! Why the codec refuses what it refuses: the same request made by hand, and what the kernel makes of it.

use nl_core::Request;
use nl_core::error::Errno;
use nl_core::{Connection, MacAddr};
use nl_testkit::{Lab, Result, by_kernel};
use serde_json::json;

use crate::support::*;

const CREATE: u16 = 0x400;
const REPLACE: u16 = 0x100 | CREATE;
const APPEND: u16 = 0x800 | CREATE;

/// Remote 192.0.2.1.
const REMOTE: [u8; 4] = [192, 0, 2, 1];

#[track_caller]
fn is(error: nl_core::Error, errno: Errno, text: &str) {
    assert_eq!(error.errno(), Some(errno), "{error}");
    assert!(error.to_string().contains(text), "{text:?} is not in {error}");
}

async fn no(conn: &Connection, request: Request) -> nl_core::Error {
    conn.ack(request).await.unwrap_err()
}

#[nl_testkit::test(needs(link = "veth"))]
async fn interface_index_0(lab: Lab) -> Result {
    let (_bridge, fdb) = still_bridge(&lab).await?;
    let conn = fdb.connection();
    is(no(conn, raw(RTM_NEWNEIGH, CREATE, 0, NOARP, MASTER, mac(1))).await, Errno::EINVAL, "invalid ifindex");
    is(no(conn, raw(RTM_DELNEIGH, 0, 0, 0, MASTER, mac(1))).await, Errno::EINVAL, "invalid ifindex");
    is(no(conn, raw(RTM_GETNEIGH, 0, 0, 0, MASTER, mac(1))).await, Errno::ENODEV, "No device specified");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn vlan_out_of_range(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let port = bridge.node().index_of("port1").await?;
    for vlan in [0, 4095, u16::MAX] {
        for kind in [RTM_NEWNEIGH, RTM_DELNEIGH] {
            let mut request = raw(kind, 0, port, NOARP, MASTER, mac(1));
            request.attrs().u16(NDA_VLAN, vlan);
            is(no(fdb.connection(), request).await, Errno::EINVAL, "invalid vlan id");
        }
        let mut flush = header(RTM_DELNEIGH, 0x200, port, 0, MASTER);
        flush.attrs().u16(NDA_VLAN, vlan).u16(NDA_NDM_STATE_MASK, PERMANENT);
        let error = no(fdb.connection(), flush).await;
        let (errno, text) =
            by_kernel((Errno::EINVAL, "invalid vlan id"), &[((6, 7), (Errno::ERANGE, "out of range"))]);
        is(error, errno, text);
    }
    Ok(())
}

/// Taken as if it were possible: the device sends the lower 24 bits, or nothing at all.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn vni_over_24_bits(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let mut request = raw(RTM_NEWNEIGH, CREATE, node.index_of("vx0").await?, PERMANENT, SELF, mac(1));
    request.attrs().bytes(NDA_DST, &REMOTE).u32(NDA_VNI, 1 << 24);
    fdb.connection().ack(request).await?;
    assert_eq!(shown_the(&node, mac(1)).await["vni"], 1 << 24);
    let mut request = raw(RTM_NEWNEIGH, CREATE, node.index_of("vm0").await?, PERMANENT, SELF, mac(2));
    request.attrs().bytes(NDA_DST, &REMOTE).u32(NDA_SRC_VNI, u32::MAX);
    fdb.connection().ack(request).await?;
    assert_eq!(shown_the(&node, mac(2)).await["src_vni"], u32::MAX);
    Ok(())
}

/// It is not shown, and what is deleted as it is shown is another remote, to the device's port: the kernel says success and leaves
/// the entry.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn port_0(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let device = node.index_of("vx0").await?;
    let mut request = raw(RTM_NEWNEIGH, CREATE, device, PERMANENT, SELF, mac(1));
    request.attrs().bytes(NDA_DST, &REMOTE).be16(NDA_PORT, 0);
    fdb.connection().ack(request).await?;
    assert_eq!(the(&fdb, mac(1)).await.port, None);
    node.bridge(&format!("fdb del {} dev vx0 dst 192.0.2.1", mac(1))).await;
    assert_eq!(shown_the(&node, mac(1)).await["dst"], "192.0.2.1");
    Ok(())
}

/// A deletion with them and without an address removes every remote.
#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn port_vni_and_via_without_dst(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let device = node.index_of("vx0").await?;
    let mut request = raw(RTM_NEWNEIGH, CREATE, device, PERMANENT, SELF, mac(1));
    request.attrs().u32(NDA_VNI, 7);
    is(no(fdb.connection(), request).await, Errno::EINVAL, "");
    for dst in [None, Some([0; 4])] {
        for remote in ["192.0.2.1", "192.0.2.2"] {
            fdb.entry(MacAddr::ZERO, "vx0").dst(remote.parse()?).append().await?;
        }
        let mut request = raw(RTM_DELNEIGH, 0, device, 0, SELF, MacAddr::ZERO);
        match dst {
            Some(dst) => request.attrs().bytes(NDA_DST, &dst),
            None => request.attrs().u32(NDA_VNI, 7),
        };
        fdb.connection().ack(request).await?;
        assert_eq!(of(&fdb, MacAddr::ZERO).await, [], "{dst:?}");
    }
    Ok(())
}

/// Accepted, and silently not stored.
#[nl_testkit::test(needs(link = "vxlan"))]
async fn protocol(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    plain_bridge(&node, "br0").await;
    let mut request = raw(RTM_NEWNEIGH, CREATE, node.index_of("br0").await?, PERMANENT, SELF, mac(1));
    request.attrs().u8(12, 186);
    fdb.connection().ack(request).await?;
    let mut request = raw(RTM_NEWNEIGH, CREATE, node.index_of("vx0").await?, PERMANENT, SELF, mac(2));
    request.attrs().bytes(NDA_DST, &REMOTE).u8(12, 186);
    fdb.connection().ack(request).await?;
    for number in [1, 2] {
        assert_eq!(the(&fdb, mac(number)).await.protocol, None);
    }
    Ok(())
}

/// Without a number the kernel has no filter, and everything goes.
#[nl_testkit::test(needs(link = "vxlan", kernel = "6.7"))]
async fn flushing_by_vni_0_or_nexthop_0(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let device = node.index_of("vx0").await?;
    for attr in [NDA_VNI, NDA_SRC_VNI, NDA_NH_ID, NDA_PORT] {
        fdb.entry(mac(1), "vx0").dst("192.0.2.1".parse()?).add().await?;
        let mut request = header(RTM_DELNEIGH, 0x200, device, 0, SELF);
        match attr {
            NDA_PORT => request.attrs().be16(attr, 0),
            _ => request.attrs().u32(attr, 0),
        };
        fdb.connection().ack(request).await?;
        assert_eq!(of(&fdb, mac(1)).await, [], "attribute {attr}");
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn zero_mac_on_a_bridge(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let port = bridge.node().index_of("port1").await?;
    let zero = |kind, state| raw(kind, CREATE, port, state, MASTER, MacAddr::ZERO);
    is(no(fdb.connection(), zero(RTM_NEWNEIGH, NOARP)).await, Errno::EINVAL, "");
    is(no(fdb.connection(), raw(RTM_DELNEIGH, 0, port, 0, MASTER, MacAddr::ZERO)).await, Errno::ENOENT, "");
    is(no(fdb.connection(), raw(RTM_GETNEIGH, 0, port, 0, MASTER, MacAddr::ZERO)).await, Errno::ENOENT, "");
    Ok(())
}

/// Accepted, and silently not stored.
#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn vxlan_attributes_for_a_bridge(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    let port = node.index_of("port1").await?;
    for attr in [NDA_DST, NDA_PORT, NDA_VNI, NDA_SRC_VNI, NDA_IFINDEX, NDA_NH_ID] {
        let mut request = raw(RTM_NEWNEIGH, REPLACE, port, NOARP, MASTER, mac(1));
        match attr {
            NDA_PORT => request.attrs().be16(attr, 1),
            _ => request.attrs().bytes(attr, &REMOTE),
        };
        fdb.connection().ack(request).await?;
        let plain = json!({
            "mac": mac(1).to_string(), "ifname": "port1", "master": "br0", "state": "static", "flags": [],
        });
        assert_eq!(shown_the(node, mac(1)).await, plain, "attribute {attr}");
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn looking_up_by_a_remote(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let device = node.index_of("vm0").await?;
    node.bridge(&format!("fdb add {} dev vm0 dst 192.0.2.1 src_vni 300 vni 400", mac(1))).await;
    for attr in [NDA_DST, NDA_IFINDEX, NDA_SRC_VNI, NDA_NH_ID] {
        let mut request = raw(RTM_GETNEIGH, 0, device, 0, SELF, mac(1));
        request.attrs().bytes(attr, &REMOTE);
        is(no(fdb.connection(), request).await, Errno::EINVAL, "Unsupported attribute in fdb get request");
    }
    // The VNI is taken for the source VNI.
    let lookup = |vni: u32| {
        let mut request = raw(RTM_GETNEIGH, 0, device, 0, SELF, mac(1));
        request.attrs().u32(NDA_VNI, vni);
        request
    };
    is(no(fdb.connection(), lookup(400)).await, Errno::ENOENT, "Fdb entry not found");
    fdb.connection().ack(lookup(300)).await?;
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan"))]
async fn no_state(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    plain_bridge(&node, "br0").await;
    let bridge = raw(RTM_NEWNEIGH, CREATE, node.index_of("br0").await?, 0, SELF, mac(1));
    is(no(fdb.connection(), bridge).await, Errno::EINVAL, "");
    let mut vxlan = raw(RTM_NEWNEIGH, CREATE, node.index_of("vx0").await?, 0, SELF, mac(1));
    vxlan.attrs().bytes(NDA_DST, &REMOTE);
    is(no(fdb.connection(), vxlan).await, Errno::EINVAL, "");
    // Why a static entry of a VXLAN device is written with two bits.
    let mut vxlan = raw(RTM_NEWNEIGH, CREATE, node.index_of("vx0").await?, NOARP, SELF, mac(1));
    vxlan.attrs().bytes(NDA_DST, &REMOTE);
    is(no(fdb.connection(), vxlan).await, Errno::EINVAL, "");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn sticky_and_permanent(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let port = bridge.node().index_of("port1").await?;
    let request = raw(RTM_NEWNEIGH, CREATE, port, PERMANENT, MASTER | 0x40, mac(1));
    is(no(fdb.connection(), request).await, Errno::EINVAL, "");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"))]
async fn locked(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let port = bridge.node().index_of("port1").await?;
    let mut request = raw(RTM_NEWNEIGH, CREATE, port, NOARP, MASTER, mac(1));
    request.attrs().u32(NDA_FLAGS_EXT, 2);
    let outcome = fdb.connection().ack(request).await;
    if kernel() >= (6, 2) {
        is(outcome.unwrap_err(), Errno::EINVAL, "Cannot add FDB entry with \"locked\" flag set");
    } else {
        // Taken, and not locked.
        outcome?;
        assert!(!the(&fdb, mac(1)).await.is_locked());
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn nexthop_and_remote(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let device = node.index_of("vx0").await?;
    for attr in [NDA_DST, NDA_PORT, NDA_VNI, NDA_IFINDEX] {
        let mut request = raw(RTM_NEWNEIGH, CREATE, device, PERMANENT, SELF, mac(1));
        request.attrs().u32(NDA_NH_ID, 10);
        match attr {
            NDA_PORT => request.attrs().be16(attr, 1),
            NDA_IFINDEX => request.attrs().u32(attr, device),
            _ => request.attrs().bytes(attr, &REMOTE),
        };
        is(no(fdb.connection(), request).await, Errno::EINVAL, "");
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn nexthop_0_and_via_0(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let device = node.index_of("vx0").await?;
    // Taken for no nexthop: an entry that leads nowhere.
    let mut request = raw(RTM_NEWNEIGH, CREATE, device, PERMANENT, SELF, mac(1));
    request.attrs().u32(NDA_NH_ID, 0);
    fdb.connection().ack(request).await?;
    let entry = the(&fdb, mac(1)).await;
    assert_eq!((entry.nexthop, entry.dst), (None, Some("0.0.0.0".parse()?)), "{entry}");
    let mut request = raw(RTM_NEWNEIGH, CREATE, device, PERMANENT, SELF, mac(2));
    request.attrs().bytes(NDA_DST, &REMOTE).u32(NDA_IFINDEX, 0);
    is(no(fdb.connection(), request).await, Errno::EADDRNOTAVAIL, "Device not found");
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn impossible_activity_notification(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let port = bridge.node().index_of("port1").await?;
    for bits in [2, 4, 5, 0xff] {
        let mut request = raw(RTM_NEWNEIGH, CREATE, port, NOARP, MASTER, mac(1));
        request.attrs().nested(NDA_FDB_EXT_ATTRS).u8(1, bits);
        is(no(fdb.connection(), request).await, Errno::EINVAL, "");
    }
    Ok(())
}

/// Accepted, and silently not stored.
#[nl_testkit::test(needs(link = "vxlan"))]
async fn activity_notification_on_a_vxlan_device(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let mut request = raw(RTM_NEWNEIGH, CREATE, node.index_of("vx0").await?, PERMANENT, SELF, mac(1));
    request.attrs().bytes(NDA_DST, &REMOTE).nested(NDA_FDB_EXT_ATTRS).u8(1, 1);
    fdb.connection().ack(request).await?;
    assert_eq!(the(&fdb, mac(1)).await.notify, None);
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan"))]
async fn replacing_where_there_are_many_remotes(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    let device = node.index_of("vx0").await?;
    for mac in [MacAddr::ZERO, GROUP] {
        for text in ["", "Cannot replace non-unicast fdb entries"] {
            let mut request = raw(RTM_NEWNEIGH, REPLACE, device, PERMANENT, SELF, mac);
            request.attrs().bytes(NDA_DST, &REMOTE);
            is(no(fdb.connection(), request).await, Errno::EOPNOTSUPP, text);
            // The second time it is there.
            fdb.entry(mac, "vx0").dst("192.0.2.9".parse()?).append().await?;
        }
    }
    Ok(())
}

#[nl_testkit::test(needs(link = "vxlan", tool = "bridge"))]
async fn appending_where_there_is_one(lab: Lab) -> Result {
    let (node, fdb) = vxlans(&lab).await?;
    node.bridge(&format!("fdb add {} dev vx0 dst 192.0.2.9", mac(1))).await;
    let mut request = raw(RTM_NEWNEIGH, APPEND, node.index_of("vx0").await?, PERMANENT, SELF, mac(1));
    request.attrs().bytes(NDA_DST, &REMOTE);
    // The remote is dropped, and that is a success.
    fdb.connection().ack(request).await?;
    assert_eq!(shown_the(&node, mac(1)).await["dst"], "192.0.2.9");
    // A bridge takes it for a replacement.
    plain_bridge(&node, "br0").await;
    node.ip("link add vx9 type vxlan id 900 dstport 4799").await;
    node.set_master("vx9", "br0").await?;
    node.set_master("vx0", "br0").await?;
    node.bridge(&format!("fdb add {GROUP} dev vx0 master static")).await;
    let request = raw(RTM_NEWNEIGH, APPEND, node.index_of("vx9").await?, NOARP, MASTER, GROUP);
    fdb.connection().ack(request).await?;
    assert_eq!(shown_the(&node, GROUP).await["ifname"], "vx9");
    Ok(())
}
