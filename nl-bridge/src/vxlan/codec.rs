use std::net::IpAddr;
use std::time::Duration;

use nl_core::addr::Dev;
use nl_core::attr::AttrWriter;
use nl_core::check::{Invalid, opt_within, within};
use nl_core::error::Since;
use nl_core::link::{Be16, LinkVerb};
use nl_core::link_kind;

use super::values::{FlowLabel, HeaderBits};
use super::{LabelPolicy, VxlanDf, VxlanDst, VxlanPorts};
use crate::Vni;
use crate::wire::{Hex8, Presence, Seconds32, Word};

link_kind! {
    /// A VXLAN device (`type vxlan`).
    ///
    /// ```
    /// use nl_bridge::Vni;
    /// use nl_bridge::vxlan::Vxlan;
    ///
    /// let vxlan = Vxlan::new(Vni::new(100)?).remote("192.0.2.7".parse().unwrap()).port(4789_u16).learning(false);
    /// assert_eq!(vxlan.to_string(), "vxlan id 100 remote 192.0.2.7 dstport 4789 nolearning");
    /// # Ok::<(), nl_core::Error>(())
    /// ```
    ///
    /// `None` leaves an option as it is, or to the kernel's default. Options for which no kernel is named are in Linux 5.0 and later.
    ///
    /// Header: `IFLA_VXLAN_*` in `include/uapi/linux/if_link.h`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct Vxlan("vxlan") {
        /// The VNI. Set when the device is made.
        id: Vni = IFLA_VXLAN_ID(1) "id";
        /// Where frames without an entry go: see [`remote`](Self::remote) and [`group`](Self::group). A change can have another
        /// address of the same family.
        dst: VxlanDst = IFLA_VXLAN_GROUP(2) | IFLA_VXLAN_GROUP6(16) "remote";
        /// The outer source address. A change can have another one of the same family.
        local: IpAddr = IFLA_VXLAN_LOCAL(4) | IFLA_VXLAN_LOCAL6(17) "local";
        /// The device that frames are sent through, which a group needs (`dev`). Can change.
        link: Dev = IFLA_VXLAN_LINK(3) "dev";
        /// The outer TTL; 0 for the kernel's choice, which is 1 to a group. Can change.
        ttl: u8 = IFLA_VXLAN_TTL(5) "ttl";
        /// Whether the TTL is the inner one (`ttl inherit`). Set when the device is made.
        ttl_inherit: bool as Presence = IFLA_VXLAN_TTL_INHERIT(28) "ttl inherit";
        /// The outer TOS; 1 for the inner one (`inherit`). Can change.
        tos: u8 as Hex8 = IFLA_VXLAN_TOS(6) "tos";
        /// Whether the outer IPv4 header forbids fragments. Can change.
        df: VxlanDf = IFLA_VXLAN_DF(29) "df";
        /// The flow label of the outer IPv6 header, 20 bits (`flowlabel`). Can change.
        flow_label: u32 as FlowLabel = IFLA_VXLAN_LABEL(26) "flowlabel";
        /// Where the flow label is from; there is no word for it in iproute2. Linux 6.7. Can change.
        label_policy: LabelPolicy = IFLA_VXLAN_LABEL_POLICY(32) "flowlabel_policy";
        /// The outer UDP destination port (`dstport`); 8472 by default, where RFC 7348 has 4789. Set when the device is made.
        port: u16 as Be16 = IFLA_VXLAN_PORT(15) "dstport";
        /// The outer UDP source ports (`srcport`). Set when the device is made.
        port_range: VxlanPorts = IFLA_VXLAN_PORT_RANGE(10) "srcport";
        /// The bits of the header that senders may have set, although they are reserved: the first byte on top. What of them the
        /// device's own extensions use is not allowed. Linux 6.14. Set when the device is made.
        reserved_bits: u64 as HeaderBits = IFLA_VXLAN_RESERVED_BITS(33) "reserved_bits";
        /// Whether endpoints are learned from frames. Can change.
        learning: bool as Word = IFLA_VXLAN_LEARNING(7) "learning";
        /// Whether ARP requests for known neighbours are answered. Set when the device is made.
        proxy: bool as Word = IFLA_VXLAN_PROXY(11) "proxy";
        /// Whether frames to a router take the short way. Set when the device is made.
        rsc: bool as Word = IFLA_VXLAN_RSC(12) "rsc";
        /// Whether a frame to an unknown address makes an event. Set when the device is made.
        l2miss: bool as Word = IFLA_VXLAN_L2MISS(13) "l2miss";
        /// Whether a packet to an unknown neighbour makes an event. Set when the device is made.
        l3miss: bool as Word = IFLA_VXLAN_L3MISS(14) "l3miss";
        /// How long a learned endpoint counts, in whole seconds. Can change.
        ageing: Duration as Seconds32 = IFLA_VXLAN_AGEING(8) "ageing";
        /// How many entries there are at most (`maxaddress`); 0 for no limit. Set when the device is made.
        limit: u32 = IFLA_VXLAN_LIMIT(9) "maxaddress";
        /// Whether the outer UDP header has a checksum over IPv4. Set when the device is made.
        udp_csum: bool as Word = IFLA_VXLAN_UDP_CSUM(18) "udpcsum";
        /// Whether it has none over IPv6. Set when the device is made.
        udp_zero_csum6_tx: bool as Word = IFLA_VXLAN_UDP_ZERO_CSUM6_TX(19) "udp6zerocsumtx";
        /// Whether frames without one are accepted over IPv6. Set when the device is made.
        udp_zero_csum6_rx: bool as Word = IFLA_VXLAN_UDP_ZERO_CSUM6_RX(20) "udp6zerocsumrx";
        /// Whether the inner checksum is left to the other end. Set when the device is made.
        remcsum_tx: bool as Word = IFLA_VXLAN_REMCSUM_TX(21) "remcsumtx";
        /// Whether it is made for the other end. Set when the device is made.
        remcsum_rx: bool as Word = IFLA_VXLAN_REMCSUM_RX(22) "remcsumrx";
        /// Whether a frame reaches another VXLAN device of the machine without being sent. Linux 6.5. Can change.
        local_bypass: bool as Word = IFLA_VXLAN_LOCALBYPASS(31) "localbypass";
        /// Whether packets to a multicast [`group`](Self::group) go by the multicast routes of the machine, with the group's device
        /// as their input, and not out of that device (`mcroute`). No kernel reports it. Linux 6.17. Can change.
        mc_route: bool as Word = IFLA_VXLAN_MC_ROUTE(34) "mcroute";
        /// Whether VNI and endpoint are of each packet, as routes, filters and bridges set them (`external`). Set when the device
        /// is made.
        collect_metadata: bool as Word = IFLA_VXLAN_COLLECT_METADATA(25) "external";
        /// Whether the header carries a group policy. Set when the device is made, and only on.
        gbp: bool as Presence = IFLA_VXLAN_GBP(23) "gbp";
        /// Whether the header names the inner protocol (Generic Protocol Extension). Set when the device is made, and only on.
        gpe: bool as Presence = IFLA_VXLAN_GPE(27) "gpe";
        /// Whether remote checksums cover all of the packet; there is no word for it in iproute2. Set when the device is made, and only
        /// on.
        remcsum_nopartial: bool as Presence = IFLA_VXLAN_REMCSUM_NOPARTIAL(24) "remcsum_nopartial";
        /// Whether only the VNIs of a list are received. Needs [`collect_metadata`](Self::collect_metadata()). Linux 5.18. Set when
        /// the device is made.
        vnifilter: bool as Word = IFLA_VXLAN_VNIFILTER(30) "vnifilter";
    }
    check = check;
    probe = probe;
    ignored = ignored;
    other = other;
}

impl Vxlan {
    /// The options that a device takes which is there, by their names here.
    pub const CHANGEABLE: &[&str] = &[
        "dst",
        "local",
        "link",
        "ttl",
        "tos",
        "df",
        "flow_label",
        "label_policy",
        "learning",
        "ageing",
        "local_bypass",
        "mc_route",
    ];

    /// A device with this VNI.
    #[must_use]
    pub fn new(id: Vni) -> Self {
        Self::default().id(id)
    }

    /// A device whose VNI and endpoint are of each packet (`external`), and which does not learn, as iproute2 has it too.
    #[must_use]
    pub fn external() -> Self {
        Self::default().collect_metadata(true).learning(false)
    }

    /// A change of nothing.
    #[must_use]
    pub fn change() -> Self {
        Self::default()
    }

    /// Frames without an entry go to this endpoint.
    #[must_use]
    pub fn remote(mut self, remote: IpAddr) -> Self {
        self.dst.get_or_insert_default().remote = Some(remote);
        self
    }

    /// Frames without an entry go to this multicast group. Needs a [`link`](Self::link()).
    #[must_use]
    pub fn group(mut self, group: IpAddr) -> Self {
        self.dst.get_or_insert_default().group = Some(group);
        self
    }
}

/// The largest flow label: 20 bits.
const LABEL_MAX: u32 = 0xf_ffff;

fn check(vxlan: &Vxlan, verb: LinkVerb) -> Result<(), Invalid> {
    check_addresses(vxlan, verb)?;
    opt_within("flowlabel", vxlan.flow_label, 0, LABEL_MAX)?;
    opt_within("df", vxlan.df.map(u8::from), 0, 2)?;
    opt_within("flowlabel policy", vxlan.label_policy.map(u32::from), 0, 1)?;
    check_seconds("ageing", vxlan.ageing)?;
    if let Some(VxlanPorts { low, high }) = vxlan.port_range.filter(|ports| ports.low > ports.high) {
        return Err(format!("srcport {low} {high} is reversed; the first has to be the smallest").into());
    }
    let on = |option: Option<bool>| option == Some(true);
    Invalid::when(
        on(vxlan.ttl_inherit) && vxlan.ttl.is_some(),
        "ttl and ttl_inherit exclude each other: give one",
    )?;
    Invalid::when(
        vxlan.label_policy == Some(LabelPolicy::Inherit) && vxlan.flow_label.is_some_and(|label| label != 0),
        "a flow label and its policy Inherit exclude each other: give one",
    )?;
    Invalid::when(on(vxlan.gbp) && on(vxlan.gpe), "gbp and gpe exclude each other: give one")?;
    match verb {
        LinkVerb::Add => check_new(vxlan),
        _ => check_change(vxlan),
    }
}

fn check_addresses(vxlan: &Vxlan, verb: LinkVerb) -> Result<(), Invalid> {
    let dst = vxlan.dst.unwrap_or_default();
    Invalid::when(
        dst.group.is_some() && dst.remote.is_some(),
        "group and remote exclude each other: the kernel has one attribute for both",
    )?;
    if let Some(group) = dst.group.filter(|group| !group.is_multicast()) {
        return Err(format!("group {group} is not a multicast address; an endpoint is a remote").into());
    }
    if let Some(remote) = dst.remote.filter(IpAddr::is_multicast) {
        return Err(format!("remote {remote} is a multicast address, which is a group").into());
    }
    if let Some(local) = vxlan.local.filter(IpAddr::is_multicast) {
        return Err(format!("local {local} is a multicast address").into());
    }
    if let (Some(dst), Some(local)) = (dst.addr(), vxlan.local)
        && dst.is_ipv6() != local.is_ipv6()
    {
        return Err(format!("local {local} and {dst} are of different families").into());
    }
    Invalid::when(
        verb == LinkVerb::Add && dst.group.is_some() && vxlan.link.is_none(),
        "a group needs the device that frames are sent through: add link()",
    )?;
    match &vxlan.link {
        Some(Dev::Name(name)) => Err(format!("{name} is a name; a request takes an index").into()),
        _ => Ok(()),
    }
}

fn check_new(vxlan: &Vxlan) -> Result<(), Invalid> {
    let external = vxlan.collect_metadata == Some(true);
    Invalid::when(
        vxlan.id.is_none() && !external,
        "a VXLAN device needs a VNI: Vxlan::new(), or Vxlan::external()",
    )?;
    Invalid::when(
        vxlan.vnifilter == Some(true) && !external,
        "vnifilter needs a device whose VNI is of each packet: Vxlan::external()",
    )?;
    Invalid::when(
        vxlan.vnifilter == Some(true) && vxlan.id.is_some(),
        "a device with vnifilter has a list of VNIs in place of one",
    )
}

/// Refuses what is set when the device is made. The kernel refuses it even where it changes nothing.
fn check_change(vxlan: &Vxlan) -> Result<(), Invalid> {
    macro_rules! fixed {
        ($($option:ident)+) => {$(
            Invalid::when(
                vxlan.$option.is_some(),
                concat!(stringify!($option), " is set when the device is made: delete the device and add it again"),
            )?;
        )+};
    }
    fixed! {
        ttl_inherit port port_range reserved_bits proxy rsc l2miss l3miss limit udp_csum udp_zero_csum6_tx
        udp_zero_csum6_rx remcsum_tx remcsum_rx collect_metadata gbp gpe remcsum_nopartial vnifilter
    }
    Ok(())
}

/// Refuses a time that is not in whole seconds that fit in 32 bits.
fn check_seconds(name: &str, time: Option<Duration>) -> Result<(), Invalid> {
    let Some(time) = time else { return Ok(()) };
    if time.subsec_nanos() != 0 {
        return Err(format!("{name} {time:?}; the kernel has seconds").into());
    }
    within(name, time.as_secs(), 0, u32::MAX.into())
}

/// The kernel takes 0 and 1.
const MC_ROUTE_REFUSED: u8 = 2;

fn probe(set: &Vxlan, w: &mut AttrWriter<'_>) -> Option<(&'static str, Since)> {
    set.mc_route?;
    w.u8(IFLA_VXLAN_MC_ROUTE, MC_ROUTE_REFUSED);
    Some(("mc_route", Since::linux(6, 17)))
}

fn ignored(set: &Vxlan, now: &Vxlan) -> Option<(&'static str, Since)> {
    macro_rules! lost {
        ($since:expr; $option:ident) => {
            if set.$option.is_some() && now.$option.is_none() {
                return Some((stringify!($option), $since));
            }
        };
    }
    lost!(Since::linux(6, 5); local_bypass);
    lost!(Since::linux(6, 7); label_policy);
    lost!(Since::linux(6, 14); reserved_bits);
    None
}
