use std::time::Duration;

use nl_core::MacAddr;
use nl_core::check::{Invalid, opt_within, within};
use nl_core::error::{Errno, KernelError, Since};
use nl_core::link::{Flag, LinkVerb, VlanProtocol};
use nl_core::link_kind;

use super::values::FLAG_WORDS;
use super::{BridgeFlagChange, BridgeFlags, BridgeId, BridgeStp, McastQuerier, StpMode};
use crate::state::McastRouter;
use crate::time::{NANOS_PER_TICK, of_ticks};
use crate::wire::{Mask16, Switch, Ticks32, Ticks64, ticks};

link_kind! {
    /// A bridge (`type bridge`).
    ///
    /// ```
    /// use nl_bridge::settings::Bridge;
    ///
    /// let bridge = Bridge::new().vlan_filtering(true).vlan_default_pvid(0_u16).mst_enabled(true);
    /// assert_eq!(bridge.to_string(), "bridge vlan_filtering 1 vlan_default_pvid 0 mst_enabled 1");
    /// ```
    ///
    /// Times are in whole hundredths of a second. `None` leaves an option as it is, and says of a bridge that was read that the
    /// kernel does not have it. Options for which no kernel is named are in Linux 5.0 and later.
    ///
    /// Header: `IFLA_BR_*` in `include/uapi/linux/if_link.h`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct Bridge("bridge") {
        /// How long a port listens, and how long it learns, before it forwards. While the spanning tree is on, 2 to 30 seconds.
        forward_delay: Duration as Ticks32 = IFLA_BR_FORWARD_DELAY(1) "forward_delay";
        /// The time between the hellos of the root, 1 to 10 seconds.
        hello_time: Duration as Ticks32 = IFLA_BR_HELLO_TIME(2) "hello_time";
        /// How long a hello counts, 6 to 40 seconds.
        max_age: Duration as Ticks32 = IFLA_BR_MAX_AGE(3) "max_age";
        /// How long an address is remembered. 0: not at all, so that every frame is flooded.
        ageing_time: Duration as Ticks32 = IFLA_BR_AGEING_TIME(4) "ageing_time";
        /// Whether there is a spanning tree, and who runs it.
        stp_state: BridgeStp = IFLA_BR_STP_STATE(5) "stp_state";
        /// Who is to run it once it is on. It can change while the spanning tree is off. Linux 7.1.
        stp_mode: StpMode = IFLA_BR_STP_MODE(50) "stp_mode";
        /// The priority in the spanning tree; the lowest is the root.
        priority: u16 = IFLA_BR_PRIORITY(6) "priority";
        /// Which frames to 01:80:c2:00:00:0X are forwarded, a bit for each X. Not 0, 1 and 2.
        group_fwd_mask: u16 as Mask16 = IFLA_BR_GROUP_FWD_MASK(9) "group_fwd_mask";
        /// Where the frames of the spanning tree go: 01:80:c2:00:00:0X, where X is 0 or 4 to f.
        group_address: MacAddr = IFLA_BR_GROUP_ADDR(20) "group_address";
        /// Removes the addresses that were learned; only written.
        fdb_flush: Flag = IFLA_BR_FDB_FLUSH(21) "fdb_flush";
        /// How many addresses are learned at most; 0 for no limit. Linux 6.7.
        fdb_max_learned: u32 = IFLA_BR_FDB_MAX_LEARNED(49) "fdb_max_learned";
        /// Whether frames are kept to the VLANs of the ports.
        vlan_filtering: bool as Switch = IFLA_BR_VLAN_FILTERING(7) "vlan_filtering";
        /// The protocol of the tag.
        vlan_protocol: VlanProtocol = IFLA_BR_VLAN_PROTOCOL(8) "vlan_protocol";
        /// The VLAN that a new port gets, untagged, 1 to 4094; 0 for none.
        vlan_default_pvid: u16 = IFLA_BR_VLAN_DEFAULT_PVID(39) "vlan_default_pvid";
        /// Whether packets are counted for each VLAN.
        vlan_stats_enabled: bool as Switch = IFLA_BR_VLAN_STATS_ENABLED(41) "vlan_stats_enabled";
        /// Whether they are counted for each port too. It can change while no port has a VLAN.
        vlan_stats_per_port: bool as Switch = IFLA_BR_VLAN_STATS_PER_PORT(45) "vlan_stats_per_port";
        /// Whether multicast goes only where somebody listens.
        mcast_snooping: bool as Switch = IFLA_BR_MCAST_SNOOPING(23) "mcast_snooping";
        /// Whether the bridge itself is a multicast router: never, as queries show it, or always.
        mcast_router: McastRouter = IFLA_BR_MCAST_ROUTER(22) "mcast_router";
        /// Whether IGMP queries are sent from the bridge's address, not from 0.0.0.0.
        mcast_query_use_ifaddr: bool as Switch = IFLA_BR_MCAST_QUERY_USE_IFADDR(24) "mcast_query_use_ifaddr";
        /// Whether the bridge sends queries.
        mcast_querier: bool as Switch = IFLA_BR_MCAST_QUERIER(25) "mcast_querier";
        /// Ignored by the kernel, and reported as 16.
        mcast_hash_elasticity: u32 = IFLA_BR_MCAST_HASH_ELASTICITY(26) "mcast_hash_elasticity";
        /// How many groups there are at most.
        mcast_hash_max: u32 = IFLA_BR_MCAST_HASH_MAX(27) "mcast_hash_max";
        /// How many queries are sent after a leave.
        mcast_last_member_count: u32 = IFLA_BR_MCAST_LAST_MEMBER_CNT(28) "mcast_last_member_count";
        /// How many queries are sent at the start.
        mcast_startup_query_count: u32 = IFLA_BR_MCAST_STARTUP_QUERY_CNT(29) "mcast_startup_query_count";
        /// The time between queries after a leave.
        mcast_last_member_interval: Duration as Ticks64 =
            IFLA_BR_MCAST_LAST_MEMBER_INTVL(30) "mcast_last_member_interval";
        /// How long a listener counts without reporting itself.
        mcast_membership_interval: Duration as Ticks64 =
            IFLA_BR_MCAST_MEMBERSHIP_INTVL(31) "mcast_membership_interval";
        /// How long another querier counts without a query.
        mcast_querier_interval: Duration as Ticks64 = IFLA_BR_MCAST_QUERIER_INTVL(32) "mcast_querier_interval";
        /// The time between queries, 1 second to 1 day; the kernel would put the limit in place of what is beyond it.
        mcast_query_interval: Duration as Ticks64 = IFLA_BR_MCAST_QUERY_INTVL(33) "mcast_query_interval";
        /// How long listeners have for their answer.
        mcast_query_response_interval: Duration as Ticks64 =
            IFLA_BR_MCAST_QUERY_RESPONSE_INTVL(34) "mcast_query_response_interval";
        /// The time between queries at the start, 1 second to 1 day; the kernel would put the limit in place of what is beyond it.
        mcast_startup_query_interval: Duration as Ticks64 =
            IFLA_BR_MCAST_STARTUP_QUERY_INTVL(35) "mcast_startup_query_interval";
        /// Whether packets of IGMP and MLD are counted.
        mcast_stats_enabled: bool as Switch = IFLA_BR_MCAST_STATS_ENABLED(42) "mcast_stats_enabled";
        /// The version of IGMP, 2 or 3.
        mcast_igmp_version: u8 = IFLA_BR_MCAST_IGMP_VERSION(43) "mcast_igmp_version";
        /// The version of MLD, 1 or 2.
        mcast_mld_version: u8 = IFLA_BR_MCAST_MLD_VERSION(44) "mcast_mld_version";
        /// Whether frames with IPv4 packets pass iptables.
        nf_call_iptables: bool as Switch = IFLA_BR_NF_CALL_IPTABLES(36) "nf_call_iptables";
        /// Whether frames with IPv6 packets pass ip6tables.
        nf_call_ip6tables: bool as Switch = IFLA_BR_NF_CALL_IP6TABLES(37) "nf_call_ip6tables";
        /// Whether ARP frames pass arptables.
        nf_call_arptables: bool as Switch = IFLA_BR_NF_CALL_ARPTABLES(38) "nf_call_arptables";
        /// The options that are one bit each: [`flag`](Self::flag) sets one.
        flags: BridgeFlagChange = IFLA_BR_MULTI_BOOLOPT(46) "";
    }
    read {
        /// The root of the spanning tree.
        root_id: BridgeId = IFLA_BR_ROOT_ID(10) "designated_root";
        /// The bridge itself.
        bridge_id: BridgeId = IFLA_BR_BRIDGE_ID(11) "bridge_id";
        /// The port towards the root, by its number in the bridge.
        root_port: u16 = IFLA_BR_ROOT_PORT(12) "root_port";
        /// The cost of the path to the root.
        root_path_cost: u32 = IFLA_BR_ROOT_PATH_COST(13) "root_path_cost";
        /// Whether the topology changes.
        topology_change: bool as Switch = IFLA_BR_TOPOLOGY_CHANGE(14) "topology_change";
        /// Whether the bridge has noticed that it changed.
        topology_change_detected: bool as Switch = IFLA_BR_TOPOLOGY_CHANGE_DETECTED(15) "topology_change_detected";
        /// When the next hello is sent; 0 if the timer does not run.
        hello_timer: Duration as Ticks64 = IFLA_BR_HELLO_TIMER(16) "hello_timer";
        /// When the next notification of a change is sent; 0 if the timer does not run.
        tcn_timer: Duration as Ticks64 = IFLA_BR_TCN_TIMER(17) "tcn_timer";
        /// When the change is over; 0 if the timer does not run.
        topology_change_timer: Duration as Ticks64 = IFLA_BR_TOPOLOGY_CHANGE_TIMER(18) "topology_change_timer";
        /// When addresses are next looked at for their age.
        gc_timer: Duration as Ticks64 = IFLA_BR_GC_TIMER(19) "gc_timer";
        /// Who sends queries. Linux 5.15.
        mcast_querier_state: McastQuerier = IFLA_BR_MCAST_QUERIER_STATE(47) "mcast_querier";
        /// How many addresses are learned. Linux 6.7.
        fdb_n_learned: u32 = IFLA_BR_FDB_N_LEARNED(48) "fdb_n_learned";
    }
    check = check;
    refused = refused;
    hint = hint;
    ignored = ignored;
    other = other;
}

impl Bridge {
    /// A bridge with the kernel's defaults; as a change, of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With these flags on or off.
    #[must_use]
    pub fn flag(mut self, flags: BridgeFlags, on: bool) -> Self {
        self.flags = Some(self.flags.unwrap_or_default().with(flags, on));
        self
    }

    /// Whether nothing is learned from link-local frames. Linux 5.0.
    #[must_use]
    pub fn no_linklocal_learn(self, on: bool) -> Self {
        self.flag(BridgeFlags::NO_LINKLOCAL_LEARN, on)
    }

    /// Whether multicast is snooped for each VLAN. Needs VLAN filtering. Linux 5.15.
    #[must_use]
    pub fn mcast_vlan_snooping(self, on: bool) -> Self {
        self.flag(BridgeFlags::MCAST_VLAN_SNOOPING, on)
    }

    /// Whether there are multiple spanning trees. It can change while no port has a VLAN. Linux 5.18.
    #[must_use]
    pub fn mst_enabled(self, on: bool) -> Self {
        self.flag(BridgeFlags::MST, on)
    }

    /// Whether a multicast entry that the hardware failed to take makes an event. Linux 6.16.
    #[must_use]
    pub fn mdb_offload_fail_notification(self, on: bool) -> Self {
        self.flag(BridgeFlags::MDB_OFFLOAD_FAIL_NOTIFICATION, on)
    }

    /// Whether the bridge's own addresses are entered in VLAN 0 only. Linux 6.18.
    #[must_use]
    pub fn fdb_local_vlan_0(self, on: bool) -> Self {
        self.flag(BridgeFlags::FDB_LOCAL_VLAN_0, on)
    }

    /// Whether all these flags are on; `None` if the kernel does not have them, or they are not set in a change.
    #[must_use]
    pub fn has(&self, flags: BridgeFlags) -> Option<bool> {
        let change = self.flags.filter(|change| change.mask.contains(flags))?;
        Some(change.flags.contains(flags))
    }
}

/// The forbidden bits of the mask of forwarded groups.
const GROUP_FWD_RESTRICTED: u16 = 0x7;
const GROUP_ADDRESS: [u8; 5] = [0x01, 0x80, 0xc2, 0x00, 0x00];
const TICKS_PER_DAY: u64 = 24 * 60 * 60 * 100;

fn check(bridge: &Bridge, _: LinkVerb) -> Result<(), Invalid> {
    let any = u64::from(u32::MAX);
    // The kernel would put a limit in place of it while it turns the spanning tree on.
    let stp = bridge.stp_state.is_some_and(|state| state != BridgeStp::Off);
    let (min, max) = if stp { (200, 3000) } else { (0, any) };
    check_ticks("forward_delay", bridge.forward_delay, min, max)?;
    check_ticks("hello_time", bridge.hello_time, 100, 1000)?;
    check_ticks("max_age", bridge.max_age, 600, 4000)?;
    check_ticks("ageing_time", bridge.ageing_time, 0, any)?;
    for (name, interval) in [
        ("mcast_last_member_interval", bridge.mcast_last_member_interval),
        ("mcast_membership_interval", bridge.mcast_membership_interval),
        ("mcast_querier_interval", bridge.mcast_querier_interval),
        ("mcast_query_response_interval", bridge.mcast_query_response_interval),
    ] {
        check_ticks(name, interval, 0, any)?;
    }
    check_ticks("mcast_query_interval", bridge.mcast_query_interval, 100, TICKS_PER_DAY)?;
    check_ticks("mcast_startup_query_interval", bridge.mcast_startup_query_interval, 100, TICKS_PER_DAY)?;
    opt_within("stp_state", bridge.stp_state.map(u32::from), 0, 1)?;
    opt_within("stp_mode", bridge.stp_mode.map(u32::from), 0, 2)?;
    opt_within("vlan_default_pvid", bridge.vlan_default_pvid, 0, crate::VlanId::MAX.get())?;
    opt_within("mcast_router", bridge.mcast_router.map(u8::from), 0, 2)?;
    opt_within("mcast_igmp_version", bridge.mcast_igmp_version, 2, 3)?;
    opt_within("mcast_mld_version", bridge.mcast_mld_version, 1, 2)?;
    if let Some(mask) = bridge.group_fwd_mask.filter(|mask| mask & GROUP_FWD_RESTRICTED != 0) {
        return Err(
            format!("group_fwd_mask {mask:#x}; frames to the groups 0, 1 and 2 are never forwarded").into()
        );
    }
    if let Some(VlanProtocol::Other(number)) = bridge.vlan_protocol {
        return Err(format!("vlan_protocol {number:#06x}; 802.1Q and 802.1ad are possible").into());
    }
    if let Some(address) = bridge.group_address {
        let [head @ .., last] = address.octets();
        if head != GROUP_ADDRESS || last > 0xf || (1..=3).contains(&last) {
            return Err(format!(
                "group_address {address}; 01:80:c2:00:00:0X is possible, where X is 0 or 4 to f"
            )
            .into());
        }
    }
    Ok(())
}

/// Refuses a time that is not in whole hundredths of a second, or outside of these limits in hundredths of a second.
fn check_ticks(name: &str, time: Option<Duration>, min: u64, max: u64) -> Result<(), Invalid> {
    let Some(time) = time else { return Ok(()) };
    if time.subsec_nanos() % NANOS_PER_TICK != 0 {
        return Err(format!("{name} {time:?}; the kernel has hundredths of a second").into());
    }
    match within("", ticks(time), min, max) {
        Ok(()) => Ok(()),
        Err(_) => {
            let (min, max) = (of_ticks(min), of_ticks(max));
            Err(format!("{name} {time:?}; {min:?} to {max:?} are possible").into())
        }
    }
}

/// The first kernel of a flag that 6.1 does not have.
fn first(flag: BridgeFlags) -> Option<Since> {
    match flag {
        BridgeFlags::MDB_OFFLOAD_FAIL_NOTIFICATION => Some(Since::linux(6, 16)),
        BridgeFlags::FDB_LOCAL_VLAN_0 => Some(Since::linux(6, 18)),
        _ => None,
    }
}

/// The first flag in a mask that 6.1 does not have.
fn newest(mask: BridgeFlags) -> Option<(&'static str, Since)> {
    if !(mask - BridgeFlags::all()).is_empty() {
        return Some(("a flag of bridges", Since::option("a later kernel")));
    }
    FLAG_WORDS
        .iter()
        .filter(|(flag, _)| mask.contains(*flag))
        .find_map(|(flag, word)| Some((*word, first(*flag)?)))
}

/// Since 6.2, a flag that the kernel does not know is refused. `br_boolopt_multi_toggle` takes them in order.
fn refused(set: &Bridge, refusal: &KernelError) -> Option<(&'static str, Since)> {
    let text = refusal.ext_ack.message.as_deref().unwrap_or_default();
    let number = text.strip_prefix("bridge: Unknown boolean option ")?.parse::<u32>().ok();
    let flag = number.and_then(|number| 1_u32.checked_shl(number)).map_or(0, |flag| flag);
    newest(BridgeFlags::from_bits_retain(flag)).or_else(|| newest(set.flags?.mask))
}

/// By what the kernel says: what to change first.
const HINTS: &[(&str, &str)] = &[
    (
        "MST mode can't be changed while VLANs exist",
        "delete the VLANs of all ports first, and set vlan_default_pvid 0, so that a new port gets none",
    ),
    ("Cannot enable multicast vlan snooping with vlan filtering disabled", "set vlan_filtering 1 first"),
    ("Can't change STP mode while STP is enabled", "set stp_state 0 first"),
];

fn hint(set: &Bridge, refusal: &KernelError) -> Option<&'static str> {
    match refusal.ext_ack.message.as_deref() {
        Some(text) => HINTS.iter().find(|(part, _)| text.contains(part)).map(|(_, hint)| *hint),
        None if refusal.errno == Errno::EBUSY && set.vlan_stats_per_port.is_some() => Some(
            "vlan_stats_per_port changes only while no port has a VLAN: delete the VLANs of all ports first",
        ),
        None => None,
    }
}

fn ignored(set: &Bridge, now: &Bridge) -> Option<(&'static str, Since)> {
    macro_rules! lost {
        ($since:expr; $($option:ident)+) => {$(
            if set.$option.is_some() && now.$option.is_none() {
                return Some((stringify!($option), $since));
            }
        )+};
    }
    lost! { Since::option("CONFIG_BRIDGE_VLAN_FILTERING");
        vlan_filtering vlan_protocol vlan_default_pvid vlan_stats_enabled vlan_stats_per_port
    }
    lost! { Since::option("CONFIG_BRIDGE_IGMP_SNOOPING");
        mcast_snooping mcast_router mcast_query_use_ifaddr mcast_querier mcast_hash_elasticity mcast_hash_max
        mcast_last_member_count mcast_startup_query_count mcast_last_member_interval mcast_membership_interval
        mcast_querier_interval mcast_query_interval mcast_query_response_interval mcast_startup_query_interval
        mcast_stats_enabled mcast_igmp_version mcast_mld_version
    }
    lost! { Since::option("CONFIG_BRIDGE_NETFILTER"); nf_call_iptables nf_call_ip6tables nf_call_arptables }
    lost! { Since::linux(6, 7); fdb_max_learned }
    lost! { Since::linux(7, 1); stp_mode }
    newest(set.flags?.mask - now.flags.unwrap_or_default().mask)
}
