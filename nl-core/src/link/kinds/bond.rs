use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::addr::{Dev, MacAddr};
use crate::attr::{Attr, AttrWriter, DecodeError};
use crate::check::{Invalid, opt_within};
use crate::link::{AttrValue, LinkVerb};
use crate::{attr_enum, link_kind};

/// The kernel's limit of targets (`BOND_MAX_ARP_TARGETS`).
const TARGETS_MAX: usize = 16;

attr_enum! {
    /// How a bond uses its ports.
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum BondMode: u8 {
        /// Round robin.
        BalanceRr = 0 "balance-rr",
        /// One port at a time.
        ActiveBackup = 1 "active-backup",
        /// By a hash of the packet.
        BalanceXor = 2 "balance-xor",
        /// Every packet on all ports.
        Broadcast = 3 "broadcast",
        /// LACP.
        Ieee8023ad = 4 "802.3ad",
        /// By the transmit load.
        BalanceTlb = 5 "balance-tlb",
        /// By the transmit and receive load.
        BalanceAlb = 6 "balance-alb",
    }
}

/// Hosts that the bond probes by ARP or neighbour discovery to find out whether a port works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BondTargets<T>(pub Vec<T>);

impl<T, const N: usize> From<[T; N]> for BondTargets<T> {
    fn from(targets: [T; N]) -> Self {
        Self(targets.into())
    }
}

impl<T: AttrValue + fmt::Display> AttrValue for BondTargets<T> {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        let mut nest = w.nested_unmarked(kind);
        for (number, target) in (0..).zip(&self.0) {
            target.write(&mut nest, number);
        }
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.attrs().map(|target| T::read(target?)).collect::<Result<_, _>>().map(Self)
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, target) in self.0.iter().enumerate() {
            if i == 0 { write!(f, " {word} {target}")? } else { write!(f, ",{target}")? }
        }
        Ok(())
    }
}

link_kind! {
    /// Several devices used as one (`type bond`).
    ///
    /// Times are in milliseconds. The mode can change only while there are no ports.
    ///
    /// Header: `IFLA_BOND_*` in `include/uapi/linux/if_link.h`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct Bond("bond") {
        /// How the ports are used.
        mode: BondMode = IFLA_BOND_MODE(1) "mode";
        /// The port in use.
        active_slave: Dev = IFLA_BOND_ACTIVE_SLAVE(2) "active_slave";
        /// How often the carrier of the ports is checked; 0 for never.
        miimon: u32 = IFLA_BOND_MIIMON(3) "miimon";
        /// How long a port has to be up before it is used.
        updelay: u32 = IFLA_BOND_UPDELAY(4) "updelay";
        /// How long a port has to be down before it is disabled.
        downdelay: u32 = IFLA_BOND_DOWNDELAY(5) "downdelay";
        /// The interval between notifications of peers after a failover.
        peer_notify_delay: u32 = IFLA_BOND_PEER_NOTIF_DELAY(28) "peer_notify_delay";
        /// Whether the carrier state comes from the driver.
        use_carrier: u8 = IFLA_BOND_USE_CARRIER(6) "use_carrier";
        /// How often the targets are probed; 0 for never.
        arp_interval: u32 = IFLA_BOND_ARP_INTERVAL(7) "arp_interval";
        /// Which ARP replies are validated (`none`, `active`, `backup`, `all`, … as the kernel numbers them).
        arp_validate: u32 = IFLA_BOND_ARP_VALIDATE(9) "arp_validate";
        /// Whether any target (0) or all targets (1) have to answer.
        arp_all_targets: u32 = IFLA_BOND_ARP_ALL_TARGETS(10) "arp_all_targets";
        /// The targets, up to 16.
        arp_ip_target: BondTargets<Ipv4Addr> = IFLA_BOND_ARP_IP_TARGET(8) "arp_ip_target";
        /// IPv6 targets, up to 16. Linux 5.18.
        ns_ip6_target: BondTargets<Ipv6Addr> = IFLA_BOND_NS_IP6_TARGET(31) "ns_ip6_target";
        /// The port that is preferred.
        primary: Dev = IFLA_BOND_PRIMARY(11) "primary";
        /// When the primary port becomes active again: always, if it is better, after a failure (0 to 2).
        primary_reselect: u8 = IFLA_BOND_PRIMARY_RESELECT(12) "primary_reselect";
        /// Which hardware addresses the ports have: all the same, the bond that of the active port, or `follow` (0 to 2).
        fail_over_mac: u8 = IFLA_BOND_FAIL_OVER_MAC(13) "fail_over_mac";
        /// The fields that the transmit hash uses, as the kernel numbers the policies.
        xmit_hash_policy: u8 = IFLA_BOND_XMIT_HASH_POLICY(14) "xmit_hash_policy";
        /// The number of IGMP reports after a failover, 0 to 255.
        resend_igmp: u32 = IFLA_BOND_RESEND_IGMP(15) "resend_igmp";
        /// The number of notifications of peers (ARP, NA) after a failover.
        num_grat_arp: u8 = IFLA_BOND_NUM_PEER_NOTIF(16) "num_grat_arp";
        /// Whether frames that arrive on inactive ports are delivered.
        all_slaves_active: u8 = IFLA_BOND_ALL_SLAVES_ACTIVE(17) "all_slaves_active";
        /// The minimum number of ports that must be up for the bond to have a carrier.
        min_links: u32 = IFLA_BOND_MIN_LINKS(18) "min_links";
        /// Seconds between learning packets.
        lp_interval: u32 = IFLA_BOND_LP_INTERVAL(19) "lp_interval";
        /// The number of packets sent on a port before the next one, 0 to 65535; 0 picks ports at random.
        packets_per_slave: u32 = IFLA_BOND_PACKETS_PER_SLAVE(20) "packets_per_slave";
        /// Whether flows move between ports as the transmit load changes.
        tlb_dynamic_lb: u8 = IFLA_BOND_TLB_DYNAMIC_LB(27) "tlb_dynamic_lb";
        /// 0: LACP packets every 30 seconds, 1: every second.
        lacp_rate: u8 = IFLA_BOND_AD_LACP_RATE(21) "lacp_rate";
        /// Whether LACP packets are sent periodically. Linux 5.15.
        lacp_active: u8 = IFLA_BOND_AD_LACP_ACTIVE(29) "lacp_active";
        /// Whether the LACP states collecting and distributing are coupled. Linux 6.9.
        coupled_control: u8 = IFLA_BOND_COUPLED_CONTROL(32) "coupled_control";
        /// How the active aggregator is selected: stable, bandwidth, count (0 to 2).
        ad_select: u8 = IFLA_BOND_AD_SELECT(22) "ad_select";
        /// The user-defined part of the LACP port key, 0 to 1023.
        ad_user_port_key: u16 = IFLA_BOND_AD_USER_PORT_KEY(25) "ad_user_port_key";
        /// The priority of the system in LACP, from 1.
        ad_actor_sys_prio: u16 = IFLA_BOND_AD_ACTOR_SYS_PRIO(24) "ad_actor_sys_prio";
        /// The address of the system in LACP.
        ad_actor_system: MacAddr = IFLA_BOND_AD_ACTOR_SYSTEM(26) "ad_actor_system";
        /// The number of missed answers after which a target is down, 1 to 255. Linux 5.17.
        missed_max: u8 = IFLA_BOND_MISSED_MAX(30) "arp_missed_max";
    }
    check = check;
}

impl Bond {
    /// In this mode.
    #[must_use]
    pub fn new(mode: BondMode) -> Self {
        Self::default().mode(mode)
    }
}

fn check(bond: &Bond, _: LinkVerb) -> Result<(), Invalid> {
    opt_within("resend_igmp", bond.resend_igmp, 0, 255)?;
    opt_within("packets_per_slave", bond.packets_per_slave, 0, 65_535)?;
    opt_within("ad_user_port_key", bond.ad_user_port_key, 0, 1023)?;
    opt_within("ad_actor_sys_prio", bond.ad_actor_sys_prio, 1, u16::MAX)?;
    opt_within("missed_max", bond.missed_max, 1, u8::MAX)?;
    Invalid::when(
        bond.arp_interval.unwrap_or(0) != 0 && bond.miimon.unwrap_or(0) != 0,
        "miimon and arp_interval exclude each other",
    )?;
    let counts =
        [bond.arp_ip_target.as_ref().map(|t| t.0.len()), bond.ns_ip6_target.as_ref().map(|t| t.0.len())];
    match counts.into_iter().flatten().find(|count| *count > TARGETS_MAX) {
        Some(count) => Err(format!("{count} targets; {TARGETS_MAX} are possible").into()),
        None => Ok(()),
    }
}

attr_enum! {
    /// Whether a port of a bond is in use.
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
    pub enum BondPortState: u8 {
        /// In use.
        Active = 0 "ACTIVE",
        /// Waiting to be used.
        Backup = 1 "BACKUP",
    }
}

link_kind! {
    /// What a bond keeps for a port.
    ///
    /// Header: `IFLA_BOND_SLAVE_*` in `include/uapi/linux/if_link.h`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct BondPort("bond") {
        /// The transmit queue of the port; 0 for none.
        queue_id: u16 = IFLA_BOND_SLAVE_QUEUE_ID(5) "queue_id";
        /// How much it is preferred when another port is chosen. Linux 6.0.
        prio: i32 = IFLA_BOND_SLAVE_PRIO(9) "prio";
    }
    read {
        /// Whether it is in use.
        state: BondPortState = IFLA_BOND_SLAVE_STATE(1) "state";
        /// The state of its carrier: 0 up, 1 going down, 2 down, 3 coming up.
        mii_status: u8 = IFLA_BOND_SLAVE_MII_STATUS(2) "mii_status";
        /// How often its carrier was lost.
        link_failure_count: u32 = IFLA_BOND_SLAVE_LINK_FAILURE_COUNT(3) "link_failure_count";
        /// The hardware address that it had before it became a port.
        perm_hwaddr: MacAddr = IFLA_BOND_SLAVE_PERM_HWADDR(4) "perm_hwaddr";
        /// The id of its LACP aggregator.
        ad_aggregator_id: u16 = IFLA_BOND_SLAVE_AD_AGGREGATOR_ID(6) "ad_aggregator_id";
    }
}
