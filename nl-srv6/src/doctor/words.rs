use std::fmt;

use super::finding::{Fault, Finding};

impl Fault {
    /// The command that mends it, where there is one; words in capitals are to be replaced.
    #[must_use]
    pub fn mend(&self, object: &str) -> Option<String> {
        Some(match self {
            Self::DecapsulatesEarly { left, .. } => {
                let left = usize::from(*left);
                return with_segments(object, |segments| {
                    segments.truncate(segments.len().saturating_sub(left))
                });
            }
            Self::DeviceDown { dev } => format!("ip link set {dev} up"),
            Self::FirstSegmentUnreachable { segment } | Self::SegmentUnreachable { segment, .. } => {
                format!("ip -6 route add {segment} via ROUTER")
            }
            Self::HeadersOff | Self::NotForwarding | Self::NotStrict => format!("sysctl -w {object}=1"),
            Self::HmacRequired { dev, .. } => {
                format!("sysctl -w net.ipv6.conf.{}.seg6_require_hmac=0", dotted(dev))
            }
            Self::LinkLocalRouter { router } => {
                return route_command(object, |words| {
                    let router = router.to_string();
                    *words.iter_mut().find(|word| word.as_str() == router)? = "ROUTER".into();
                    Some(())
                });
            }
            Self::NoKey { key } | Self::NoKeyAt { key, .. } => format!("ip sr hmac set {key} sha256"),
            Self::NoVrf { table } => {
                format!("ip link add NAME type vrf table {table}, and then make the SID again")
            }
            Self::OnLoopback => "make the route again with another device that is up".into(),
            Self::PlainTable { .. } => {
                return route_command(object, |words| {
                    // The first one is that of the action.
                    *words.iter_mut().find(|word| word.as_str() == "table")? = "vrftable".into();
                    Some(())
                });
            }
            Self::RepeatsFirst { .. } => return with_segments(object, |segments| drop(segments.remove(0))),
            Self::ReversePathFilter { dev } => {
                let dev = dotted(dev);
                format!("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{dev}.rp_filter=0")
            }
            Self::Reversed => return with_segments(object, |segments| segments.reverse()),
            Self::SegmentIgnored { dev, .. } => {
                let dev = dotted(dev);
                format!("sysctl -w net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.{dev}.seg6_enabled=1")
            }
            Self::TransitLast { instead, .. } => {
                let instead = (*instead)?;
                return with_segments(object, |segments| segments.push(instead.to_string()));
            }
            Self::UnreachableDefault { segment, .. } => {
                format!("ip -6 rule add to {segment} lookup main pref 999")
            }
            Self::WrongPayload { instead, .. } => {
                let instead = (*instead)?;
                return with_segments(object, |segments| {
                    segments.pop();
                    segments.push(instead.to_string());
                });
            }
            Self::FirstSegmentLoops { .. }
            | Self::Impossible { .. }
            | Self::NeverVisited { .. }
            | Self::NoOutput { .. } => return None,
        })
    }
}

/// The command that makes a route with other words. `None` for what is no route with one path of its own.
fn route_command(object: &str, edit: impl FnOnce(&mut Vec<String>) -> Option<()>) -> Option<String> {
    if object.starts_with("polic") || object.contains('(') || object.contains(" nhid ") {
        return None;
    }
    let mut words: Vec<_> = object.split(' ').map(str::to_owned).collect();
    edit(&mut words)?;
    let family = if words.first()?.contains(':') { "-6 " } else { "" };
    Some(format!("ip {family}route replace {}", words.join(" ")))
}

fn with_segments(object: &str, edit: impl FnOnce(&mut Vec<String>)) -> Option<String> {
    route_command(object, |words| {
        let list = words.iter().position(|word| word == "segs").and_then(|at| words.get_mut(at + 1))?;
        let mut segments: Vec<_> = list.split(',').map(str::to_owned).collect();
        edit(&mut segments);
        *list = segments.join(",");
        Some(())
    })
}

/// The name of an interface as a part of a setting.
fn dotted(dev: &str) -> String {
    dev.replace('.', "/")
}

/// The fault in words.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DecapsulatesEarly { node, segment, left } => write!(
                f,
                "segment {segment} decapsulates{}, and {left} segments are left, so every packet is dropped",
                at(node)
            ),
            Self::DeviceDown { dev } => write!(f, "device {dev} is down, so the route is not used"),
            Self::FirstSegmentLoops { segment } => {
                write!(
                    f,
                    "the first segment {segment} takes the same route again, so every packet is dropped"
                )
            }
            Self::FirstSegmentUnreachable { segment } => {
                write!(f, "no route leads to the first segment {segment}, so every packet is dropped")
            }
            Self::HeadersOff => f.write_str(
                "packets with segments to addresses of this host are dropped: seg6_enabled must be 1 for all and for the interface",
            ),
            Self::HmacRequired { node, dev } => write!(
                f,
                "an HMAC is required on {dev}{}, and the list has none, so every packet is dropped",
                at(node)
            ),
            Self::Impossible { why } => f.write_str(why),
            Self::LinkLocalRouter { router } => write!(
                f,
                "router {router} is link-local, and there is no output device, so it is looked for where packets come from; \
                 Linux 6.17 takes one (oif)"
            ),
            Self::NeverVisited { segment } => {
                write!(
                    f,
                    "segment {segment} is never visited: the kernel overwrites it with the packet's destination"
                )
            }
            Self::NotForwarding => f.write_str("packets are not forwarded, also not those from SIDs"),
            Self::NotStrict => f.write_str("a SID with the table of a VRF cannot be made again"),
            Self::NoKey { key } => write!(f, "there is no HMAC key {key}, so every packet is dropped"),
            Self::NoKeyAt { node, key } => {
                write!(f, "there is no HMAC key {key}{}, so every packet is dropped there", at(node))
            }
            Self::NoOutput { why } => write!(f, "{why}, so every packet is dropped"),
            Self::NoVrf { table } => write!(f, "no VRF has table {table}, so every packet is dropped"),
            Self::OnLoopback => f.write_str("it is on a loopback device, so every packet is dropped"),
            Self::PlainTable { table, vrf } => write!(
                f,
                "table {table} is that of VRF {vrf}, but packets do not come from the VRF: its sockets and rules do not see them"
            ),
            Self::RepeatsFirst { segment } => write!(
                f,
                "the first segment {segment} is there twice: a reduced mode leaves the first one out by itself, so the node is visited twice"
            ),
            Self::ReversePathFilter { dev } => {
                write!(
                    f,
                    "rp_filter of {dev} is 1, so IPv4 packets whose replies take another way are dropped"
                )
            }
            Self::Reversed => f.write_str("the list is in reverse: the first segment is the last hop, so every packet is dropped"),
            Self::SegmentIgnored { node, segment, dev } => write!(
                f,
                "segment {segment} is an address, and headers are not processed on {dev}{}, so every packet is dropped",
                at(node)
            ),
            Self::SegmentUnreachable { node, segment } => {
                write!(f, "no route leads to segment {segment}{}, so every packet is dropped", at(node))
            }
            Self::TransitLast { node, segment, .. } => write!(
                f,
                "the last segment {segment} does not decapsulate{}, so every packet is dropped",
                at(node)
            ),
            Self::UnreachableDefault { vrf, segment } => write!(
                f,
                "the packet to the first segment {segment} comes from VRF {vrf}, whose default route is unreachable, so it is dropped"
            ),
            Self::WrongPayload { node, segment, payload, .. } => {
                write!(f, "the last segment {segment} takes no {payload}{}, so every packet is dropped", at(node))
            }
        }
    }
}

/// The place, where it has a name.
fn at(node: &str) -> String {
    if node.is_empty() { String::new() } else { format!(" at {node}") }
}

/// Node, object and fault; on a second line the command that mends it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.node.is_empty() {
            write!(f, "{}: ", self.node)?;
        }
        write!(f, "{}: {}", self.object, self.fault)?;
        match (self.mend(), self.mend_on()) {
            (Some(command), on) if on == self.node => write!(f, "\n  mend: {command}"),
            (Some(command), on) => write!(f, "\n  mend, at {on}: {command}"),
            (None, _) => Ok(()),
        }
    }
}
