use std::net::IpAddr;

use nl_core::route::Route;

use super::facts::Facts;
use crate::encap::{Seg6, Seg6Mode};
use crate::sid::{Seg6Local, SidAction};

/// The metric of an IPv6 route that is made without one (`IP6_RT_PRIO_USER`).
const METRIC: u32 = 1024;

/// One path of a route, with what it does.
pub(super) struct Path {
    pub(super) oif: Option<u32>,
    pub(super) gateway: Option<IpAddr>,
    pub(super) seg6: Option<Seg6>,
    pub(super) local: Option<Seg6Local>,
}

/// What is in a packet with segments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    Frame,
    Ipv4,
    Ipv6,
}

impl Payload {
    /// That of a list in a route of this family.
    pub(super) const fn of(seg6: &Seg6, is_ipv4: bool) -> Self {
        match seg6.mode {
            Seg6Mode::L2Encap | Seg6Mode::L2EncapRed => Self::Frame,
            _ if is_ipv4 => Self::Ipv4,
            _ => Self::Ipv6,
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Frame => "Ethernet frames",
            Self::Ipv4 => "IPv4 packets",
            Self::Ipv6 => "IPv6 packets",
        }
    }

    /// Whether an action that decapsulates takes it.
    pub(super) const fn is_taken_by(self, action: &SidAction) -> bool {
        match self {
            Self::Frame => matches!(action, SidAction::EndDx2 { .. }),
            Self::Ipv4 => decapsulates_ipv4(action),
            Self::Ipv6 => {
                matches!(
                    action,
                    SidAction::EndDx6 { .. } | SidAction::EndDt6 { .. } | SidAction::EndDt46 { .. }
                )
            }
        }
    }
}

/// The paths that have segments or are SIDs. What cannot be read is left out.
pub(super) fn paths(route: &Route) -> Vec<Path> {
    let mut paths: Vec<_> = route
        .nexthops
        .iter()
        .map(|hop| Path {
            oif: hop.dev.as_ref().and_then(nl_core::Dev::index),
            gateway: hop.gateway,
            seg6: hop.encap().ok().flatten(),
            local: hop.encap().ok().flatten(),
        })
        .collect();
    if paths.is_empty() {
        let (seg6, local) = (route.encap().ok().flatten(), route.encap().ok().flatten());
        paths.push(Path { oif: route.oif, gateway: route.gateway, seg6, local });
    }
    paths.retain(|path| path.seg6.is_some() || path.local.is_some());
    paths
}

/// Whether an action takes the outer header off.
pub(super) const fn decapsulates(action: &SidAction) -> bool {
    matches!(action, SidAction::EndDx2 { .. } | SidAction::EndDx6 { .. } | SidAction::EndDt6 { .. })
        || decapsulates_ipv4(action)
}

pub(super) const fn decapsulates_ipv4(action: &SidAction) -> bool {
    matches!(action, SidAction::EndDx4 { .. } | SidAction::EndDt4 { .. } | SidAction::EndDt46 { .. })
}

impl Facts {
    /// What a route is made with as far as the first path goes, with names of devices: the words of `ip route`, and how many paths there
    /// are if there are several.
    pub(super) fn words(&self, route: &Route, paths: &[Path]) -> String {
        let mut key = Route::new(route.prefix);
        (key.table, key.nexthop_id) = (route.table, route.nexthop_id);
        key.priority = route.priority.filter(|metric| route.is_ipv4() || *metric != METRIC);
        if let Some(path) = paths.first() {
            (key.oif, key.gateway) = (path.oif, path.gateway);
            key = match (&path.seg6, &path.local) {
                (Some(seg6), _) => key.with_encap(seg6),
                (None, Some(local)) => key.with_encap(local),
                (None, None) => key,
            };
        }
        let named = |word: &str| {
            let index = word.strip_prefix('#').and_then(|digits| digits.parse().ok());
            index.and_then(|index| self.device(index)).map_or(word.to_owned(), |device| device.name.clone())
        };
        let mut words = key.to_string().split(' ').map(named).collect::<Vec<_>>().join(" ");
        if paths.len() > 1 {
            words.push_str(&format!(" (the first of {} paths)", paths.len()));
        }
        words
    }
}
