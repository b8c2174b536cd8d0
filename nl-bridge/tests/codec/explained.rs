//! What an error says beyond the kernel's words, over a simulated kernel: the setting to change, and the kernel that is too old.

use nl_bridge::Vni;
use nl_bridge::mdb::Mdb;
use nl_bridge::settings::{Bridge, BridgePort, Ports, StpState};
use nl_bridge::vlan_db::VlanDb;
use nl_bridge::vxlan::Vxlan;
use nl_core::error::Errno;
use nl_core::link::Links;
use nl_core::{Connection, Protocol};
use nl_testkit::fault::{Answer, Conversation, Played};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const INDEX: u32 = 7;

/// A kernel with one device, whose kind is the bytes of IFLA_LINKINFO, and an answer to each change.
fn connection(info: Vec<u8>, answer: impl Fn(&[u8]) -> Answer + Send + Sync + 'static) -> Connection {
    let kernel = Played::new(move |request: &[u8]| {
        let kind = u16::from_ne_bytes([request[4], request[5]]);
        if kind != RTM_GETLINK {
            return Conversation::of([answer(request)]);
        }
        let header = [&[0, 0, 1, 0][..], &INDEX.to_ne_bytes(), &[0; 8]].concat();
        let link = Answer::new(RTM_NEWLINK, &header).attr(3, b"dev0\0").attr(10, &3_u32.to_ne_bytes());
        Conversation::of([link.attr(18, &info).answers(request), Answer::ack(request)])
    });
    Connection::builder(Protocol::Route).sockets_from(move || kernel.socket()).open().unwrap()
}

fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// IFLA_VXLAN_MC_ROUTE with this value.
fn sets_mc_route(request: &[u8], value: u8) -> bool {
    let wanted = attr(34, &[value]);
    request.windows(wanted.len()).any(|bytes| bytes == wanted)
}

fn refused(request: &[u8], errno: Errno, text: &str) -> Answer {
    let answer = Answer::error(errno.get(), request);
    if text.is_empty() { answer } else { answer.text(text) }
}

#[tokio::test]
async fn an_option_that_no_kernel_reports_is_probed_with_a_value_that_is_out_of_range() {
    let change = async |knows: bool| {
        let conn = connection(attr(1, b"vxlan\0"), move |request| {
            let is_probe = sets_mc_route(request, 2);
            assert!(is_probe || sets_mc_route(request, 1));
            match is_probe && knows {
                true => refused(request, Errno::ERANGE, "integer out of range"),
                false => Answer::ack(request),
            }
        });
        Links::new(conn).device("dev0").kind(Vxlan::change().mc_route(true)).change().await
    };
    change(true).await.unwrap();
    let error = change(false).await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert!(
        error.to_string().contains("mc_route is not supported by this kernel (needs Linux 6.17)"),
        "{error}"
    );
    // Without the option nothing is asked.
    let conn = connection(attr(1, b"vxlan\0"), |request| {
        assert!(!sets_mc_route(request, 2));
        Answer::ack(request)
    });
    Links::new(conn).device("dev0").kind(Vxlan::change().ttl(7)).change().await.unwrap();
}

#[tokio::test]
async fn a_new_device_is_deleted_again_if_the_kernel_does_not_know_its_option() {
    let (sent, asked) = std::sync::mpsc::channel();
    let conn = connection(attr(1, b"vxlan\0"), move |request| {
        sent.send(u16::from_ne_bytes([request[4], request[5]])).unwrap();
        Answer::ack(request)
    });
    let vxlan = Vxlan::new(Vni::new(100).unwrap()).mc_route(true);
    let error = Links::new(conn).device("dev0").kind(vxlan).add().await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert_eq!(asked.try_iter().last(), Some(RTM_DELLINK));
}

#[tokio::test]
async fn a_refusal_of_a_bridge_names_what_to_change() {
    let hint = async |bridge: Bridge, errno: Errno, text: &'static str| {
        let conn = connection(attr(1, b"bridge\0"), move |request| refused(request, errno, text));
        let error = Links::new(conn).device("dev0").kind(bridge).change().await.unwrap_err();
        assert_eq!(error.errno(), Some(errno), "{error}");
        error.hint().map(str::to_owned)
    };
    let mst =
        hint(Bridge::new().mst_enabled(true), Errno::EBUSY, "MST mode can't be changed while VLANs exist");
    assert!(mst.await.unwrap().contains("vlan_default_pvid 0"));
    let snooping = "bridge: Cannot enable multicast vlan snooping with vlan filtering disabled";
    let snooping = hint(Bridge::new().mcast_vlan_snooping(true), Errno::EINVAL, snooping).await;
    assert_eq!(snooping.unwrap(), "set vlan_filtering 1 first");
    let counters = hint(Bridge::new().vlan_stats_per_port(true), Errno::EBUSY, "").await;
    assert!(counters.unwrap().contains("while no port has a VLAN"));
    // Of another option the kernel means something else.
    assert_eq!(hint(Bridge::new().priority(1_u16), Errno::EBUSY, "").await, None);
    assert_eq!(hint(Bridge::new().vlan_stats_per_port(true), Errno::EBUSY, "for another reason").await, None);
}

#[tokio::test]
async fn a_refusal_of_a_port_names_what_to_change_in_both_ways_to_ask() {
    let hints = async |port: BridgePort, errno: Errno, text: &'static str| {
        let info = [attr(1, b"veth\0"), attr(4, b"bridge\0")].concat();
        let conn = connection(info, move |request| refused(request, errno, text));
        let with_device =
            Links::new(conn.clone()).device("dev0").port(port.clone()).change().await.unwrap_err();
        let alone = Ports::new(conn).port("dev0").options(port).set().await.unwrap_err();
        assert_eq!(with_device.hint(), alone.hint(), "{with_device}\n{alone}");
        alone.hint().map(str::to_owned)
    };
    let state = || BridgePort::new().state(StpState::Blocking);
    assert!(hints(state(), Errno::EBUSY, "").await.unwrap().contains("set stp_state 0 on the bridge"));
    assert!(hints(state(), Errno::ENETDOWN, "").await.unwrap().contains("needs to be up"));
    assert_eq!(hints(BridgePort::new().learning(true), Errno::EBUSY, "").await, None);
    let mab = "Bridge port must be locked and have learning enabled when MAB is enabled";
    assert!(hints(BridgePort::new().mab(true), Errno::EINVAL, mab).await.unwrap().contains("set both on"));
}

#[tokio::test]
async fn a_refusal_of_a_vlan_or_a_group_names_what_to_change() {
    let info = || attr(1, b"bridge\0");
    let vlan = async |errno: Errno, text: &'static str| {
        let conn = connection(info(), move |request| refused(request, errno, text));
        let error = VlanDb::new(conn).entry("dev0", 10).state(StpState::Blocking).set().await.unwrap_err();
        error.hint().map(str::to_owned)
    };
    let absent = "bridge: Vlan range start doesn't exist, can't process options";
    assert!(vlan(Errno::ENOENT, absent).await.unwrap().contains("add them first"));
    assert_eq!(vlan(Errno::ENOENT, "").await, None);
    let group = async |errno: Errno, text: &'static str| {
        let conn = connection(info(), move |request| refused(request, errno, text));
        let group: std::net::IpAddr = "239.1.1.1".parse().unwrap();
        let error = Mdb::new(conn).entry("dev0", "dev0", group).add().await.unwrap_err();
        error.hint().map(str::to_owned)
    };
    let down = group(Errno::EINVAL, "bridge: Bridge device is not running").await;
    assert_eq!(down.unwrap(), "bring the bridge up");
    assert!(group(Errno::E2BIG, "").await.unwrap().contains("raise mcast_hash_max"));
    assert_eq!(group(Errno::EINVAL, "bridge: something else").await, None);
}
