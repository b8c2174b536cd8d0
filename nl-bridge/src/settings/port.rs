use std::fmt;
use std::time::Duration;

use nl_core::addr::{Dev, Name};
use nl_core::attr::{Attr, AttrWriter, DecodeError};
use nl_core::check::{Invalid, opt_within};
use nl_core::error::{Errno, KernelError, Since};
use nl_core::link::{AttrValue, Flag, LinkVerb};
use nl_core::link_kind;

use super::BridgeId;
use crate::state::{McastRouter, StpState};
use crate::wire::{Mask16, Switch, Ticks64};

/// The port that takes over while another one has no carrier, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupPort(pub Option<Dev>);

macro_rules! from {
    ($($type:ty)+) => {$(
        impl From<$type> for BackupPort {
            fn from(dev: $type) -> Self {
                Self(Some(dev.into()))
            }
        }
    )+};
}
from! { &str Dev Name u32 }

/// An index, 0 for none.
impl AttrValue for BackupPort {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.u32(kind, self.0.as_ref().and_then(Dev::index).unwrap_or(0));
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Ok(Self(Some(attr.u32()?).filter(|index| *index != 0).map(Dev::Index)))
    }

    fn words(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(Dev::Index(index)) => write!(f, " {word} #{index}"),
            Some(dev) => write!(f, " {word} {dev}"),
            None => write!(f, " no{word}"),
        }
    }

    fn dev(&mut self) -> Option<&mut Dev> {
        self.0.as_mut()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for BackupPort {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(Dev::Index(index)) => serializer.serialize_u32(*index),
            Some(dev) => serializer.collect_str(dev),
            None => serializer.serialize_none(),
        }
    }
}

link_kind! {
    /// What a bridge keeps for a port (`type bridge_slave`).
    ///
    /// ```
    /// use nl_bridge::settings::BridgePort;
    ///
    /// let port = BridgePort::new().learning(false).neigh_suppress(true);
    /// assert_eq!(port.to_string(), "bridge learning off neigh_suppress on");
    /// ```
    ///
    /// `None` leaves an option as it is, and says of a port that was read that the kernel does not have it. Options for which no
    /// kernel is named are in Linux 5.0 and later.
    ///
    /// Header: `IFLA_BRPORT_*` in `include/uapi/linux/if_link.h`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub struct BridgePort("bridge") {
        /// The state in the spanning tree. It can change while the kernel runs no spanning tree, and the port is up. Without any
        /// spanning tree, [`Blocking`](StpState::Blocking) turns into [`Forwarding`](StpState::Forwarding) at once.
        /// [`Disabled`](StpState::Disabled) is for [`Ports`](super::Ports) only, and lasts until the carrier changes.
        state: StpState = IFLA_BRPORT_STATE(1) "state";
        /// The priority in the spanning tree, 0 to 63.
        priority: u16 = IFLA_BRPORT_PRIORITY(2) "priority";
        /// The cost in the spanning tree, 1 to 65535.
        cost: u32 = IFLA_BRPORT_COST(3) "cost";
        /// Whether the frames of another spanning tree take the port down.
        guard: bool = IFLA_BRPORT_GUARD(5) "guard";
        /// Whether frames go back to the port they came from.
        hairpin: bool = IFLA_BRPORT_MODE(4) "hairpin";
        /// Whether a listener that leaves is forgotten at once.
        fastleave: bool = IFLA_BRPORT_FAST_LEAVE(7) "fastleave";
        /// Whether the port may not be the one towards the root.
        root_block: bool = IFLA_BRPORT_PROTECT(6) "root_block";
        /// Whether addresses are learned from frames.
        learning: bool = IFLA_BRPORT_LEARNING(8) "learning";
        /// Whether a switch chip passes on what it learns. Only for the port's own driver:
        /// [`PortEntry::self_`](super::PortEntry::self_).
        learning_sync: bool = IFLA_BRPORT_LEARNING_SYNC(11) "learning_sync";
        /// Whether unicast to unknown addresses goes out.
        flood: bool = IFLA_BRPORT_UNICAST_FLOOD(9) "flood";
        /// Whether the bridge answers ARP requests for known neighbours.
        proxy_arp: bool = IFLA_BRPORT_PROXYARP(10) "proxy_arp";
        /// The same for wireless access points, by IEEE 802.11.
        proxy_arp_wifi: bool = IFLA_BRPORT_PROXYARP_WIFI(12) "proxy_arp_wifi";
        /// Whether a multicast router is behind the port.
        mcast_router: McastRouter = IFLA_BRPORT_MULTICAST_ROUTER(25) "mcast_router";
        /// Whether multicast to unknown groups goes out.
        mcast_flood: bool = IFLA_BRPORT_MCAST_FLOOD(27) "mcast_flood";
        /// Whether broadcast goes out.
        bcast_flood: bool = IFLA_BRPORT_BCAST_FLOOD(30) "bcast_flood";
        /// Whether multicast goes to each listener as unicast.
        mcast_to_unicast: bool = IFLA_BRPORT_MCAST_TO_UCAST(28) "mcast_to_unicast";
        /// How many groups there are behind the port at most; 0 for no limit. Linux 6.3.
        mcast_max_groups: u32 = IFLA_BRPORT_MCAST_MAX_GROUPS(42) "mcast_max_groups";
        /// How many listeners of a source are tracked at most, from 1; there is no word for it in iproute2. Linux 5.12.
        mcast_eht_hosts_limit: u32 = IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT(37) "mcast_eht_hosts_limit";
        /// Which frames to 01:80:c2:00:00:0X are forwarded, a bit for each X. Not 1, which is pause.
        group_fwd_mask: u16 as Mask16 = IFLA_BRPORT_GROUP_FWD_MASK(31) "group_fwd_mask";
        /// Whether requests for known neighbours are answered and go no further.
        neigh_suppress: bool = IFLA_BRPORT_NEIGH_SUPPRESS(32) "neigh_suppress";
        /// Whether that is set for each VLAN instead. Linux 6.4.
        neigh_vlan_suppress: bool = IFLA_BRPORT_NEIGH_VLAN_SUPPRESS(43) "neigh_vlan_suppress";
        /// Whether gratuitous ones go out all the same. Linux 7.2.
        neigh_forward_grat: bool = IFLA_BRPORT_NEIGH_FORWARD_GRAT(45) "neigh_forward_grat";
        /// Whether VLANs are mapped to VNIs.
        vlan_tunnel: bool = IFLA_BRPORT_VLAN_TUNNEL(29) "vlan_tunnel";
        /// Whether frames go to ports that are not isolated only.
        isolated: bool = IFLA_BRPORT_ISOLATED(33) "isolated";
        /// Whether frames from unknown addresses are dropped (802.1X). Linux 5.18.
        locked: bool = IFLA_BRPORT_LOCKED(39) "locked";
        /// Whether such an address is entered as locked, for a program to let in (MAC authentication bypass). Needs
        /// [`locked`](Self::locked()) and [`learning`](Self::learning()). Linux 6.2.
        mab: bool = IFLA_BRPORT_MAB(40) "mab";
        /// The port that takes over while this one has no carrier; [`no_backup_port`](Self::no_backup_port) removes it.
        backup_port: BackupPort = IFLA_BRPORT_BACKUP_PORT(34) "backup_port";
        /// The FDB nexthop group that frames take through it; 0 for none. Linux 6.6.
        backup_nhid: u32 = IFLA_BRPORT_BACKUP_NHID(44) "backup_nhid";
        /// Removes the addresses that were learned on the port; only written.
        fdb_flush: Flag = IFLA_BRPORT_FLUSH(24) "fdb_flush";
    }
    read {
        /// The root of the spanning tree, as this port has it.
        root_id: BridgeId = IFLA_BRPORT_ROOT_ID(13) "designated_root";
        /// The bridge that is designated on this port's segment.
        bridge_id: BridgeId = IFLA_BRPORT_BRIDGE_ID(14) "designated_bridge";
        /// Its port there.
        designated_port: u16 = IFLA_BRPORT_DESIGNATED_PORT(15) "designated_port";
        /// Its cost to the root.
        designated_cost: u16 = IFLA_BRPORT_DESIGNATED_COST(16) "designated_cost";
        /// The port in the spanning tree: priority and number.
        id: u16 as Mask16 = IFLA_BRPORT_ID(17) "port_id";
        /// Its number in the bridge.
        number: u16 as Mask16 = IFLA_BRPORT_NO(18) "port_no";
        /// Whether a change of the topology is to be acknowledged.
        topology_change_ack: bool as Switch = IFLA_BRPORT_TOPOLOGY_CHANGE_ACK(19) "topology_change_ack";
        /// Whether a message of the spanning tree is to be sent.
        config_pending: bool as Switch = IFLA_BRPORT_CONFIG_PENDING(20) "config_pending";
        /// When the last hello is too old; 0 if the timer does not run.
        message_age_timer: Duration as Ticks64 = IFLA_BRPORT_MESSAGE_AGE_TIMER(21) "message_age_timer";
        /// When the state changes next; 0 if the timer does not run.
        forward_delay_timer: Duration as Ticks64 = IFLA_BRPORT_FORWARD_DELAY_TIMER(22) "forward_delay_timer";
        /// When the next message may be sent; 0 if the timer does not run.
        hold_timer: Duration as Ticks64 = IFLA_BRPORT_HOLD_TIMER(23) "hold_timer";
        /// Whether an MRP ring is open at this port. Linux 5.7.
        mrp_ring_open: bool as Switch = IFLA_BRPORT_MRP_RING_OPEN(35) "mrp_ring_open";
        /// Whether an MRP interconnection is open at this port. Linux 5.9.
        mrp_in_open: bool as Switch = IFLA_BRPORT_MRP_IN_OPEN(36) "mrp_in_open";
        /// How many listeners are tracked. Linux 5.12.
        mcast_eht_hosts_count: u32 = IFLA_BRPORT_MCAST_EHT_HOSTS_CNT(38) "mcast_eht_hosts_cnt";
        /// How many groups there are behind the port. Linux 6.3.
        mcast_n_groups: u32 = IFLA_BRPORT_MCAST_N_GROUPS(41) "mcast_n_groups";
    }
    check = check;
    hint = hint;
    ignored = ignored;
    other = other;
}

impl BridgePort {
    /// A change of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Without a port that takes over (`nobackup_port`).
    #[must_use]
    pub fn no_backup_port(mut self) -> Self {
        self.backup_port = Some(BackupPort(None));
        self
    }

    /// What a bridge and a driver would both refuse, or take for something else.
    pub(super) fn check_any(&self) -> Result<(), Invalid> {
        opt_within("state", self.state.map(u8::from), 0, 4)?;
        opt_within("priority", self.priority, 0, 63)?;
        opt_within("cost", self.cost, 1, 65_535)?;
        opt_within("mcast_router", self.mcast_router.map(u8::from), 0, 3)?;
        opt_within("mcast_eht_hosts_limit", self.mcast_eht_hosts_limit, 1, u32::MAX)?;
        if let Some(mask) = self.group_fwd_mask.filter(|mask| mask & GROUP_FWD_PAUSE != 0) {
            return Err(
                format!("group_fwd_mask {mask:#x}; frames to group 1 (pause) are never forwarded").into()
            );
        }
        match &self.backup_port {
            Some(BackupPort(Some(Dev::Name(name)))) => {
                Err(format!("{name} is a name; a request takes an index").into())
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing is set.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

const GROUP_FWD_PAUSE: u16 = 0x2;

fn check(port: &BridgePort, _: LinkVerb) -> Result<(), Invalid> {
    Invalid::when(
        port.learning_sync.is_some(),
        "learning_sync is for the port's own driver, and a bridge ignores it: use Ports with self_()",
    )?;
    Invalid::when(
        port.state == Some(StpState::Disabled),
        "a port that is disabled with its device is enabled again by the event that follows: use Ports",
    )?;
    port.check_any()
}

fn hint(set: &BridgePort, refusal: &KernelError) -> Option<&'static str> {
    let text = refusal.ext_ack.message.as_deref().unwrap_or_default();
    if text.contains("must be locked and have learning enabled when MAB is enabled") {
        return Some("mab needs locked and learning: set both on, or mab off");
    }
    let has_state = set.state.is_some();
    match refusal.errno {
        Errno::EBUSY if has_state => Some(
            "the kernel's spanning tree owns the states: set stp_state 0 on the bridge, or leave them to it",
        ),
        Errno::ENETDOWN if has_state => Some("the port needs to be up and to have a carrier for this state"),
        Errno::ENOENT if set.backup_port.is_some() => {
            Some("backup_port takes another port of the same bridge")
        }
        _ => None,
    }
}

fn ignored(set: &BridgePort, now: &BridgePort) -> Option<(&'static str, Since)> {
    macro_rules! lost {
        ($since:expr; $($option:ident)+) => {$(
            if set.$option.is_some() && now.$option.is_none() {
                return Some((stringify!($option), $since));
            }
        )+};
    }
    lost! { Since::option("CONFIG_BRIDGE_IGMP_SNOOPING"); mcast_router mcast_eht_hosts_limit }
    lost! { Since::linux(6, 2); mab }
    lost! { Since::linux(6, 3).with("CONFIG_BRIDGE_IGMP_SNOOPING"); mcast_max_groups }
    lost! { Since::linux(6, 4); neigh_vlan_suppress }
    lost! { Since::linux(7, 2); neigh_forward_grat }
    // Reported only where it is set.
    if set.backup_nhid.is_some_and(|id| id != 0) && now.backup_nhid.is_none() {
        return Some(("backup_nhid", Since::linux(6, 6)));
    }
    None
}
