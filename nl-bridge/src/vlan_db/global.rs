use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use nl_core::Request;
use nl_core::attr::{Attr, AttrWriter, Attrs, DecodeError};
use nl_core::check::{Invalid, check_index, opt_within};
use nl_core::message::MessageRef;

use super::codec::read_range;
use super::names::*;
use crate::header::BrVlanMsg;
use crate::state::McastRouter;
use crate::types::VlanRange;

/// The largest MSTI of the kernel.
const MSTI_MAX: u16 = 4095;
/// `USER_HZ`: intervals are in hundredths of a second.
const NANOS_PER_TICK: u32 = 10_000_000;
/// The kernel silently moves a query interval into these limits.
const QUERY_MIN: Duration = Duration::from_secs(1);
const QUERY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The options of a VLAN of a whole bridge, or of several in a row that are the same.
///
/// ```
/// use nl_bridge::VlanRange;
/// use nl_bridge::vlan_db::VlanDbGlobal;
///
/// let global = VlanDbGlobal::new(3, VlanRange::try_from(10)?).mcast_querier(true).msti(2);
/// assert_eq!(global.to_string(), "vid 10 dev #3 mcast_querier 1 msti 2");
/// let request = global.request();
/// # Ok::<(), nl_core::Error>(())
/// ```
///
/// Kernel: `BRIDGE_VLANDB_GOPTS_*`. An option that is `None` is left as it is by a request. Intervals are in hundredths of a second.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct VlanDbGlobal {
    /// The bridge.
    pub index: u32,
    /// The VLANs.
    pub vlans: VlanRange,
    /// Whether multicast is snooped.
    pub mcast_snooping: Option<bool>,
    /// The version of IGMP, 2 or 3.
    pub mcast_igmp_version: Option<u8>,
    /// The version of MLD, 1 or 2.
    pub mcast_mld_version: Option<u8>,
    /// How many queries are sent after a leave.
    pub mcast_last_member_count: Option<u32>,
    /// How many queries are sent at the start.
    pub mcast_startup_query_count: Option<u32>,
    /// The time between the queries after a leave.
    pub mcast_last_member_interval: Option<Duration>,
    /// How long a group lives without a report.
    pub mcast_membership_interval: Option<Duration>,
    /// How long another querier is waited for.
    pub mcast_querier_interval: Option<Duration>,
    /// The time between queries, from 1 second to a day.
    pub mcast_query_interval: Option<Duration>,
    /// How long a member may take to answer a query.
    pub mcast_query_response_interval: Option<Duration>,
    /// The time between queries at the start, from 1 second to a day.
    pub mcast_startup_query_interval: Option<Duration>,
    /// Whether the bridge sends queries.
    pub mcast_querier: Option<bool>,
    /// The MSTI, 0 to 4095; 0 is the common tree.
    pub msti: Option<u16>,
    /// The ports behind which there are multicast routers; only read. The kernel does not compare them where it merges VLANs in a
    /// row: of several VLANs, they are those of the first.
    pub router_ports: Vec<RouterPort>,
    /// Who queries; only read.
    pub querier_state: Option<QuerierState>,
}

/// A port behind which there is a multicast router.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RouterPort {
    /// The port.
    pub index: u32,
    /// What is set for the port itself. The kernel reports that one, not what is set for the VLAN.
    pub router: Option<McastRouter>,
    /// How long it stays one.
    pub timer: Option<Duration>,
}

/// Who sends the queries of a VLAN (`BRIDGE_QUERIER_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QuerierState {
    /// Of IGMP.
    pub ipv4: Option<Querier>,
    /// Of MLD.
    pub ipv6: Option<Querier>,
}

/// A querier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Querier {
    /// Its address.
    pub address: IpAddr,
    /// The port it is behind; `None` for the bridge itself.
    pub port: Option<u32>,
    /// How long another querier is waited for.
    pub other_timer: Option<Duration>,
}

macro_rules! global_options {
    ($($target:tt)*) => {
        nl_core::setters! { $($target)*
            /// Multicast is snooped, or is not (`mcast_snooping`).
            mcast_snooping(global, on: bool) { global.mcast_snooping = Some(on); }
            /// With this version of IGMP, 2 or 3 (`mcast_igmp_version`).
            mcast_igmp_version(global, version: u8) { global.mcast_igmp_version = Some(version); }
            /// With this version of MLD, 1 or 2 (`mcast_mld_version`).
            mcast_mld_version(global, version: u8) { global.mcast_mld_version = Some(version); }
            /// The number of queries after a leave (`mcast_last_member_count`).
            mcast_last_member_count(global, count: u32) { global.mcast_last_member_count = Some(count); }
            /// The number of queries at the start (`mcast_startup_query_count`).
            mcast_startup_query_count(global, count: u32) { global.mcast_startup_query_count = Some(count); }
            /// The time between the queries after a leave (`mcast_last_member_interval`).
            mcast_last_member_interval(global, time: std::time::Duration) { global.mcast_last_member_interval = Some(time); }
            /// How long a group lives without a report (`mcast_membership_interval`).
            mcast_membership_interval(global, time: std::time::Duration) { global.mcast_membership_interval = Some(time); }
            /// How long another querier is waited for (`mcast_querier_interval`).
            mcast_querier_interval(global, time: std::time::Duration) { global.mcast_querier_interval = Some(time); }
            /// The time between queries, from 1 second to a day (`mcast_query_interval`).
            mcast_query_interval(global, time: std::time::Duration) { global.mcast_query_interval = Some(time); }
            /// How long a member may take to answer a query (`mcast_query_response_interval`).
            mcast_query_response_interval(global, time: std::time::Duration) { global.mcast_query_response_interval = Some(time); }
            /// The time between queries at the start, from 1 second to a day (`mcast_startup_query_interval`).
            mcast_startup_query_interval(global, time: std::time::Duration) { global.mcast_startup_query_interval = Some(time); }
            /// The bridge sends queries, or does not (`mcast_querier`).
            mcast_querier(global, on: bool) { global.mcast_querier = Some(on); }
            /// In this MSTI, 0 to 4095 (`msti`); 0 is the common tree. A VLAN whose MSTI is new to a port is disabled there until
            /// the MSTI gets a state. Linux 5.18.
            msti(global, msti: u16) { global.msti = Some(msti); }
        }
    };
}
pub(super) use global_options;

global_options!(VlanDbGlobal []);

impl VlanDbGlobal {
    /// VLANs of the bridge `index`, without options.
    #[must_use]
    pub fn new(index: u32, vlans: impl Into<VlanRange>) -> Self {
        Self {
            index,
            vlans: vlans.into(),
            mcast_snooping: None,
            mcast_igmp_version: None,
            mcast_mld_version: None,
            mcast_last_member_count: None,
            mcast_startup_query_count: None,
            mcast_last_member_interval: None,
            mcast_membership_interval: None,
            mcast_querier_interval: None,
            mcast_query_interval: None,
            mcast_query_response_interval: None,
            mcast_startup_query_interval: None,
            mcast_querier: None,
            msti: None,
            router_ports: Vec::new(),
            querier_state: None,
        }
    }

    fn switches(&self) -> [(u16, &'static str, Option<u8>); 4] {
        let on = |on: Option<bool>| on.map(u8::from);
        [
            (BRIDGE_VLANDB_GOPTS_MCAST_SNOOPING, "mcast_snooping", on(self.mcast_snooping)),
            (BRIDGE_VLANDB_GOPTS_MCAST_QUERIER, "mcast_querier", on(self.mcast_querier)),
            (BRIDGE_VLANDB_GOPTS_MCAST_IGMP_VERSION, "mcast_igmp_version", self.mcast_igmp_version),
            (BRIDGE_VLANDB_GOPTS_MCAST_MLD_VERSION, "mcast_mld_version", self.mcast_mld_version),
        ]
    }

    fn counts(&self) -> [(u16, &'static str, Option<u32>); 2] {
        let (last, startup) = (self.mcast_last_member_count, self.mcast_startup_query_count);
        [
            (BRIDGE_VLANDB_GOPTS_MCAST_LAST_MEMBER_CNT, "mcast_last_member_count", last),
            (BRIDGE_VLANDB_GOPTS_MCAST_STARTUP_QUERY_CNT, "mcast_startup_query_count", startup),
        ]
    }

    fn intervals(&self) -> [(u16, &'static str, Option<Duration>); 6] {
        [
            (
                BRIDGE_VLANDB_GOPTS_MCAST_LAST_MEMBER_INTVL,
                "mcast_last_member_interval",
                self.mcast_last_member_interval,
            ),
            (
                BRIDGE_VLANDB_GOPTS_MCAST_MEMBERSHIP_INTVL,
                "mcast_membership_interval",
                self.mcast_membership_interval,
            ),
            (BRIDGE_VLANDB_GOPTS_MCAST_QUERIER_INTVL, "mcast_querier_interval", self.mcast_querier_interval),
            (BRIDGE_VLANDB_GOPTS_MCAST_QUERY_INTVL, "mcast_query_interval", self.mcast_query_interval),
            (
                BRIDGE_VLANDB_GOPTS_MCAST_QUERY_RESPONSE_INTVL,
                "mcast_query_response_interval",
                self.mcast_query_response_interval,
            ),
            (
                BRIDGE_VLANDB_GOPTS_MCAST_STARTUP_QUERY_INTVL,
                "mcast_startup_query_interval",
                self.mcast_startup_query_interval,
            ),
        ]
    }
}

impl VlanDbGlobal {
    /// Reads the global options of an `RTM_NEWVLAN` message, and pushes them. Entries are skipped.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed; or a VLAN is not one.
    pub fn decode(message: MessageRef<'_>, globals: &mut Vec<Self>) -> Result<(), DecodeError> {
        let (header, attrs) = BrVlanMsg::of(message, &[RTM_NEWVLAN])?;
        for attr in attrs {
            let attr = attr?;
            if attr.kind() == BRIDGE_VLANDB_GLOBAL_OPTIONS {
                globals.push(Self::read(header.index, attr.attrs())?);
            }
        }
        Ok(())
    }

    fn read(index: u32, attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let id = attrs.find(BRIDGE_VLANDB_GOPTS_ID)?;
        let first = id.ok_or(DecodeError::Missing(BRIDGE_VLANDB_GOPTS_ID))?.u16()?;
        let vlans = read_range(attrs, first, BRIDGE_VLANDB_GOPTS_ID, BRIDGE_VLANDB_GOPTS_RANGE)?;
        let mut out = Self::new(index, vlans);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                BRIDGE_VLANDB_GOPTS_MCAST_SNOOPING => out.mcast_snooping = Some(attr.u8()? != 0),
                BRIDGE_VLANDB_GOPTS_MCAST_QUERIER => out.mcast_querier = Some(attr.u8()? != 0),
                BRIDGE_VLANDB_GOPTS_MCAST_IGMP_VERSION => out.mcast_igmp_version = Some(attr.u8()?),
                BRIDGE_VLANDB_GOPTS_MCAST_MLD_VERSION => out.mcast_mld_version = Some(attr.u8()?),
                BRIDGE_VLANDB_GOPTS_MCAST_LAST_MEMBER_CNT => out.mcast_last_member_count = Some(attr.u32()?),
                BRIDGE_VLANDB_GOPTS_MCAST_STARTUP_QUERY_CNT => {
                    out.mcast_startup_query_count = Some(attr.u32()?);
                }
                BRIDGE_VLANDB_GOPTS_MCAST_LAST_MEMBER_INTVL => out.mcast_last_member_interval = time(attr)?,
                BRIDGE_VLANDB_GOPTS_MCAST_MEMBERSHIP_INTVL => out.mcast_membership_interval = time(attr)?,
                BRIDGE_VLANDB_GOPTS_MCAST_QUERIER_INTVL => out.mcast_querier_interval = time(attr)?,
                BRIDGE_VLANDB_GOPTS_MCAST_QUERY_INTVL => out.mcast_query_interval = time(attr)?,
                BRIDGE_VLANDB_GOPTS_MCAST_QUERY_RESPONSE_INTVL => {
                    out.mcast_query_response_interval = time(attr)?;
                }
                BRIDGE_VLANDB_GOPTS_MCAST_STARTUP_QUERY_INTVL => {
                    out.mcast_startup_query_interval = time(attr)?;
                }
                BRIDGE_VLANDB_GOPTS_MCAST_ROUTER_PORTS => RouterPort::read_all(attr, &mut out.router_ports)?,
                BRIDGE_VLANDB_GOPTS_MCAST_QUERIER_STATE => {
                    out.querier_state = Some(QuerierState::read(attr.attrs())?);
                }
                BRIDGE_VLANDB_GOPTS_MSTI => out.msti = Some(attr.u16()?),
                _ => {}
            }
        }
        Ok(out)
    }

    /// The request that sets the options that are given, and nothing else.
    #[must_use]
    pub fn request(&self) -> Request {
        let header = BrVlanMsg::new(self.index);
        let mut request = Request::new(RTM_NEWVLAN, &NAMES, describe).with_header(&header);
        let mut w = request.attrs();
        let mut global = w.nested(BRIDGE_VLANDB_GLOBAL_OPTIONS);
        global.u16(BRIDGE_VLANDB_GOPTS_ID, self.vlans.first().get());
        if !self.vlans.is_single() {
            global.u16(BRIDGE_VLANDB_GOPTS_RANGE, self.vlans.last().get());
        }
        for (kind, _, value) in self.switches() {
            global.opt(kind, value, AttrWriter::u8);
        }
        for (kind, _, value) in self.counts() {
            global.opt(kind, value, AttrWriter::u32);
        }
        for (kind, _, value) in self.intervals() {
            // One that does not fit is refused by the check.
            global.opt(kind, value.map(|time| ticks(time).unwrap_or(u64::MAX)), AttrWriter::u64);
        }
        global.opt(BRIDGE_VLANDB_GOPTS_MSTI, self.msti, AttrWriter::u16);
        drop(global);
        request.invalid_if(self.check())
    }

    fn check(&self) -> Result<(), Invalid> {
        check_index(self.index)?;
        opt_within("mcast_igmp_version", self.mcast_igmp_version, 2, 3)?;
        opt_within("mcast_mld_version", self.mcast_mld_version, 1, 2)?;
        opt_within("msti", self.msti, 0, MSTI_MAX)?;
        let mut given = self.msti.is_some()
            || self.switches().iter().any(|(_, _, value)| value.is_some())
            || self.counts().iter().any(|(_, _, value)| value.is_some());
        for (kind, name, time) in self.intervals() {
            let Some(time) = time else { continue };
            given = true;
            if ticks(time).is_none() {
                return Err(format!(
                    "{name} {time:?}; whole hundredths of a second up to 2⁶⁴−1 are possible"
                )
                .into());
            }
            let limited = matches!(
                kind,
                BRIDGE_VLANDB_GOPTS_MCAST_QUERY_INTVL | BRIDGE_VLANDB_GOPTS_MCAST_STARTUP_QUERY_INTVL
            );
            if limited && !(QUERY_MIN..=QUERY_MAX).contains(&time) {
                return Err(format!("{name} {time:?}; 1s to 86400s are possible").into());
            }
        }
        Invalid::when(!given, "nothing to set: give an option")
    }
}

fn ticks(time: Duration) -> Option<u64> {
    let (whole, part) = (time.as_secs().checked_mul(100)?, time.subsec_nanos());
    if part % NANOS_PER_TICK != 0 {
        return None;
    }
    whole.checked_add(u64::from(part / NANOS_PER_TICK))
}

fn from_ticks(ticks: u64) -> Duration {
    // Below a second by the remainder, which fits.
    let part = u32::try_from(ticks % 100).unwrap_or_default() * NANOS_PER_TICK;
    Duration::new(ticks / 100, part)
}

fn time(attr: Attr<'_>) -> Result<Option<Duration>, DecodeError> {
    attr.u64().map(|ticks| Some(from_ticks(ticks)))
}

impl RouterPort {
    /// `BRIDGE_VLANDB_GOPTS_MCAST_ROUTER_PORTS` holds an `MDBA_ROUTER` as a list of the multicast database does, and that the ports.
    fn read_all(list: Attr<'_>, ports: &mut Vec<Self>) -> Result<(), DecodeError> {
        for router in list.attrs() {
            let router = router?;
            if router.kind() != MDBA_ROUTER {
                continue;
            }
            for port in router.attrs() {
                let port = port?;
                if port.kind() == MDBA_ROUTER_PORT {
                    ports.push(Self::read(port)?);
                }
            }
        }
        Ok(())
    }

    /// `MDBA_ROUTER_PORT`: the index, and attributes behind it.
    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        let Some((index, rest)) = attr.value().split_first_chunk::<4>() else {
            return Err(attr.invalid("shorter than an interface index"));
        };
        let mut port = Self { index: u32::from_ne_bytes(*index), router: None, timer: None };
        let longest = |timer: Option<Duration>, ticks: u32| timer.max(Some(from_ticks(ticks.into())));
        for attr in Attrs::new(rest) {
            let attr = attr?;
            match attr.kind() {
                MDBA_ROUTER_PATTR_TYPE => port.router = Some(attr.u8()?.into()),
                MDBA_ROUTER_PATTR_TIMER | MDBA_ROUTER_PATTR_INET_TIMER | MDBA_ROUTER_PATTR_INET6_TIMER => {
                    port.timer = longest(port.timer, attr.u32()?)
                }
                _ => {}
            }
        }
        Ok(port)
    }
}

impl QuerierState {
    fn read(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let none = |address: IpAddr| Querier { address, port: None, other_timer: None };
        let (mut v4, mut v6) = (none(Ipv4Addr::UNSPECIFIED.into()), none(Ipv6Addr::UNSPECIFIED.into()));
        let (mut has_v4, mut has_v6) = (false, false);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                BRIDGE_QUERIER_IP_ADDRESS => (v4.address, has_v4) = (attr.ip()?, true),
                BRIDGE_QUERIER_IP_PORT => v4.port = Some(attr.u32()?),
                BRIDGE_QUERIER_IP_OTHER_TIMER => v4.other_timer = time(attr)?,
                BRIDGE_QUERIER_IPV6_ADDRESS => (v6.address, has_v6) = (attr.ip()?, true),
                BRIDGE_QUERIER_IPV6_PORT => v6.port = Some(attr.u32()?),
                BRIDGE_QUERIER_IPV6_OTHER_TIMER => v6.other_timer = time(attr)?,
                _ => {}
            }
        }
        Ok(Self { ipv4: has_v4.then_some(v4), ipv6: has_v6.then_some(v6) })
    }
}

/// The words of `bridge vlan global set`, with `#5` for interface 5. The only rendering.
impl fmt::Display for VlanDbGlobal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vid {} dev #{}", self.vlans, self.index)?;
        for (_, word, value) in self.switches() {
            if let Some(value) = value {
                write!(f, " {word} {value}")?;
            }
        }
        for (_, word, value) in self.counts() {
            if let Some(value) = value {
                write!(f, " {word} {value}")?;
            }
        }
        for (_, word, time) in self.intervals() {
            match time.map(|time| ticks(time).ok_or(time)) {
                Some(Ok(ticks)) => write!(f, " {word} {ticks}")?,
                Some(Err(time)) => write!(f, " {word} {time:?}")?,
                None => {}
            }
        }
        self.msti.map_or(Ok(()), |msti| write!(f, " msti {msti}"))
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let mut globals = Vec::new();
    // A description of what can be read; the request is our own.
    let _ = VlanDbGlobal::decode(message, &mut globals);
    match globals.first() {
        Some(global) => format!("set global vlan {global}"),
        None => "set global vlan".into(),
    }
}
