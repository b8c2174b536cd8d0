//! MAC addresses behind other leaves where each VNI has a VXLAN device of its own, over a simulated kernel.

use std::net::IpAddr;

use nl_bridge::fdb::{FdbEntry, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH};
use nl_bridge::leaf::{Leaf, LeafMac, MacChange, Macs, VniDevice};
use nl_core::message::{MessageRef, NLM_F_DUMP};
use nl_core::{Connection, MacAddr, Protocol};
use nl_testkit::fault::{Answer, Conversation, Played};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const BR0: u32 = 3;
/// The devices with their VNIs; the last one is `external`.
const DEVICES: [(u32, &str, u32); 3] = [(7, "vx10", 10010), (8, "vx20", 10020), (9, "vm0", 0)];
const REACHABLE: u8 = 0x02;
const NOARP: u8 = 0x40;
const SELF: u8 = 0x02;
const EXT_LEARNED: u8 = 0x10;

fn kernel(request: &[u8]) -> Conversation {
    let short = |at: usize| u16::from_ne_bytes([request[at], request[at + 1]]);
    let (kind, is_dump) = (short(4), short(6) & NLM_F_DUMP == NLM_F_DUMP);
    let index = u32::from_ne_bytes([request[20], request[21], request[22], request[23]]);
    if is_dump && kind == RTM_GETNEIGH {
        let rows = rows(index).into_iter().map(|row| row.answers(request).multi());
        return Conversation::of(rows.chain([Answer::done(0).answers(request)]));
    }
    let link = (kind == RTM_GETLINK).then(|| link(request).answers(request));
    Conversation::of(link.into_iter().chain([Answer::ack(request)]))
}

/// The device that a look-up names.
fn link(request: &[u8]) -> Answer {
    let is_it = |name: &str| request.windows(name.len()).any(|bytes| bytes == name.as_bytes());
    let (index, name, vni) = DEVICES.into_iter().find(|(_, name, _)| is_it(name)).unwrap();
    let header = [&[0, 0, 1, 0][..], &index.to_ne_bytes(), &[0; 8]].concat();
    // IFLA_VXLAN_ID, IFLA_VXLAN_COLLECT_METADATA
    let data = [attr(1, &vni.to_ne_bytes()), attr(25, &[u8::from(vni == 0)])].concat();
    let info = [attr(1, b"vxlan\0"), attr(2, &data)].concat();
    let name = [name.as_bytes(), b"\0"].concat();
    Answer::new(RTM_NEWLINK, &header).attr(3, &name).attr(10, &BR0.to_ne_bytes()).attr(18, &info)
}

/// What the tables of a device have.
fn rows(index: u32) -> Vec<Answer> {
    match index {
        7 => vec![
            on_device(7, 1, 2),
            in_bridge(7, 1, None, REACHABLE, EXT_LEARNED),
            // Of the default VLAN, which the kernel writes too.
            in_bridge(7, 1, Some(1), REACHABLE, EXT_LEARNED),
            on_device(7, 2, 2),
            // Somebody else's.
            in_bridge(7, 5, None, NOARP, 0),
        ],
        8 => vec![
            on_device(8, 1, 3),
            in_bridge(8, 1, Some(20), REACHABLE, EXT_LEARNED),
            // Of a VLAN that the device does not carry.
            in_bridge(8, 3, Some(30), REACHABLE, EXT_LEARNED),
        ],
        _ => Vec::new(),
    }
}

/// `struct ndmsg`, NDA_LLADDR, NDA_DST.
fn on_device(index: u32, number: u8, behind: u8) -> Answer {
    let header = [&[7, 0, 0, 0][..], &index.to_ne_bytes(), &[REACHABLE, 0, SELF | EXT_LEARNED, 0]].concat();
    Answer::new(RTM_NEWNEIGH, &header).attr(2, &mac(number).octets()).attr(1, &[192, 0, 2, behind])
}

/// `struct ndmsg`, NDA_LLADDR, NDA_MASTER, NDA_VLAN.
fn in_bridge(index: u32, number: u8, vlan: Option<u16>, state: u8, flags: u8) -> Answer {
    let header = [&[7, 0, 0, 0][..], &index.to_ne_bytes(), &[state, 0, flags, 0]].concat();
    let row = Answer::new(RTM_NEWNEIGH, &header).attr(2, &mac(number).octets()).attr(9, &BR0.to_ne_bytes());
    match vlan {
        Some(vlan) => row.attr(5, &vlan.to_ne_bytes()),
        None => row,
    }
}

/// A nested attribute, padded.
fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn mac(number: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 0, number])
}

fn leaf(number: u8) -> IpAddr {
    [192, 0, 2, number].into()
}

/// Of this kernel, on these devices.
fn macs_of(kernel: &Played, devices: impl IntoIterator<Item = VniDevice>) -> nl_core::Result<Macs> {
    let sockets = kernel.clone();
    let conn = Connection::builder(Protocol::Route).sockets_from(move || sockets.socket()).open()?;
    Leaf::new(conn).macs_on(devices)
}

fn two() -> [VniDevice; 2] {
    [VniDevice::new("vx10", 10010), VniDevice::new("vx20", 10020).vlan(20)]
}

/// The requests that changed something, in words.
fn changes(kernel: &Played) -> Vec<String> {
    let requests = kernel.exchanges().into_iter().filter_map(|(request, _)| {
        let message = MessageRef::parse(&request).unwrap();
        let verb = match message.kind() {
            RTM_NEWNEIGH => "replace",
            RTM_DELNEIGH => "delete",
            _ => return None,
        };
        Some(format!("{verb} {}", FdbEntry::decode(message).unwrap()))
    });
    requests.collect()
}

#[tokio::test]
async fn addresses_on_a_device_for_each_vni_are_synchronised() {
    let kernel = Played::new(kernel);
    let macs = macs_of(&kernel, two()).unwrap();
    let mut listed = macs.list().await.unwrap();
    listed.sort_unstable();
    let there = [(1, 10010, 2), (1, 10020, 3), (2, 10010, 2)];
    assert_eq!(listed, there.map(|(number, vni, behind)| LeafMac::new(mac(number), vni, leaf(behind))));
    assert_eq!(changes(&kernel), [] as [&str; 0]);

    let wanted = [(1, 10010, 2), (1, 10020, 4), (4, 10020, 3)];
    let wanted = wanted.map(|(number, vni, behind)| LeafMac::new(mac(number), vni, leaf(behind)));
    let summary = macs.sync(wanted).await.unwrap();
    assert_eq!((summary.written, summary.deleted, summary.foreign), (2, 1, 0));
    assert_eq!(
        changes(&kernel),
        [
            "replace 02:00:00:00:00:01 dev #8 dst 192.0.2.4 self extern_learn",
            "replace 02:00:00:00:00:01 dev #8 vlan 20 extern_learn master",
            "replace 02:00:00:00:00:04 dev #8 dst 192.0.2.3 self extern_learn",
            "replace 02:00:00:00:00:04 dev #8 vlan 20 extern_learn master",
            "delete 02:00:00:00:00:02 dev #7 extern_learn master",
            "delete 02:00:00:00:00:02 dev #7 self extern_learn",
        ]
    );
}

#[tokio::test]
async fn entry_of_somebody_else_in_the_bridge_is_left() {
    let kernel = Played::new(kernel);
    let macs = macs_of(&kernel, two()).unwrap();
    let wanted = [(1, 10010, 2), (2, 10010, 2), (5, 10010, 9), (1, 10020, 3)];
    let wanted = wanted.map(|(number, vni, behind)| LeafMac::new(mac(number), vni, leaf(behind)));
    let summary = macs.sync(wanted).await.unwrap();
    assert_eq!((summary.written, summary.deleted, summary.foreign), (2, 0, 1));
    let of_it: Vec<_> = changes(&kernel).into_iter().filter(|line| line.contains("00:05")).collect();
    assert_eq!(of_it, ["replace 02:00:00:00:00:05 dev #7 dst 192.0.2.9 self extern_learn"]);
}

#[tokio::test]
async fn addresses_move_between_leaves_and_segments_on_a_device_of_one_vni() {
    let kernel = Played::new(kernel);
    let macs = macs_of(&kernel, two()).unwrap();
    let to = |behind| MacChange::Replace(LeafMac::new(mac(1), 10010, leaf(behind)));
    macs.change([MacChange::Replace(LeafMac::on_segment(mac(1), 10010, 5001))]).await.unwrap();
    macs.change([to(3)]).await.unwrap();
    macs.change([to(4)]).await.unwrap();
    assert_eq!(
        changes(&kernel),
        [
            "replace 02:00:00:00:00:01 dev #7 nhid 5001 self extern_learn static",
            "replace 02:00:00:00:00:01 dev #7 extern_learn master",
            "replace 02:00:00:00:00:01 dev #7 dst 192.0.2.3 self extern_learn",
            "replace 02:00:00:00:00:01 dev #7 extern_learn master",
            // The kernel ignores the first of these changes.
            "delete 02:00:00:00:00:01 dev #7 self extern_learn",
            "replace 02:00:00:00:00:01 dev #7 dst 192.0.2.3 self extern_learn",
            "replace 02:00:00:00:00:01 dev #7 extern_learn master",
            "replace 02:00:00:00:00:01 dev #7 dst 192.0.2.4 self extern_learn",
            "replace 02:00:00:00:00:01 dev #7 extern_learn master",
        ]
    );
}

#[tokio::test]
async fn device_with_another_vni_is_refused_before_anything_is_changed() {
    for (device, why) in [
        (VniDevice::new("vx10", 10020), "macs on vx10: vx10 has vni 10010, not 10020"),
        (
            VniDevice::new("vm0", 10030),
            "macs on vm0: vm0 is external, so its entries are not all of vni 10030",
        ),
    ] {
        let kernel = Played::new(kernel);
        let vni = device.vni;
        let macs = macs_of(&kernel, [device]).unwrap();
        let error = macs.sync([LeafMac::new(mac(1), vni, leaf(2))]).await.unwrap_err();
        assert_eq!(error.to_string(), why);
        assert_eq!(changes(&kernel), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn devices_that_cannot_be_there_together_are_refused() {
    let kernel = Played::new(kernel);
    let refused = |devices: &[VniDevice]| macs_of(&kernel, devices.to_vec()).unwrap_err().to_string();
    let good = || VniDevice::new("vx10", 10010);
    assert_eq!(refused(&[]), "macs on 0 devices: no VXLAN device is given");
    for (bad, why) in [
        (VniDevice::new("vx10", 10020), "devices[1].name: vx10 is there twice"),
        (VniDevice::new("vx20", 10010), "devices[1].vni: vni 10010 is that of another device too"),
        (VniDevice::new("vx20", 0), "devices[1].vni: vni 0; 1 to 16777215 are possible"),
        (VniDevice::new("vx20", 10020).vlan(4095), "devices[1].vid: vid 4095; 1 to 4094 are possible"),
        (VniDevice::new("", 10020), "devices[1].name: interface name of 0 bytes; 1 to 15 are possible"),
    ] {
        assert_eq!(refused(&[good(), bad]), format!("macs on 2 devices: {why}"));
    }
    let macs = macs_of(&kernel, [good()]).unwrap();
    let change = MacChange::Replace(LeafMac::new(mac(1), 10020, leaf(2)));
    let error = macs.change([change]).await.unwrap_err().to_string();
    assert_eq!(error, "macs on vx10: 02:00:00:00:00:01: vni 10020 has no device");
    assert_eq!(changes(&kernel), [] as [&str; 0]);
}
