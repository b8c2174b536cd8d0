use std::fmt::{self, Write};

use bitflags::bitflags;
use nl_core::Request;
use nl_core::attr::AttrWriter;
use nl_core::check::{Invalid, check_index};
use nl_core::message::{AF_BRIDGE, IfInfoMsg, MessageRef};

use super::VlanMember;
use super::codec::{
    IFLA_AF_SPEC, IFLA_BRIDGE_FLAGS, IFLA_BRIDGE_VLAN_INFO, NAMES, RANGE_BEGIN, RANGE_END, read_members,
};
use crate::VlanRange;

// `include/uapi/linux/rtnetlink.h`
const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;

bitflags! {
    /// Whose VLANs change (`BRIDGE_FLAGS_*` in `include/uapi/linux/if_bridge.h`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VlanTarget: u16 {
        /// Those of the port; also if nothing is said.
        const MASTER = 0x1;
        /// Those of the bridge itself, or that the port's own driver keeps.
        const SELF = 0x2;
    }
}

/// What to do with VLANs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VlanVerb {
    /// Put the device into them; if it is in them, with these flags from now on.
    Add,
    /// Take the device out of them. VLANs that it is not in are no error to the kernel.
    Delete,
}

/// A change of the VLANs of one device.
///
/// ```
/// use nl_bridge::VlanRange;
/// use nl_bridge::vlan::{VlanChange, VlanMember, VlanVerb};
///
/// let mut change = VlanChange::new(5);
/// change.members.push(VlanMember::new(VlanRange::new(4, 6)?));
/// assert_eq!(change.request(VlanVerb::Add).describe(), "add vlan dev #5 vid 4-6");
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VlanChange {
    /// The port or bridge.
    pub index: u32,
    /// Whose VLANs.
    pub target: VlanTarget,
    /// The VLANs, in any order; none twice.
    pub members: Vec<VlanMember>,
}

impl VlanChange {
    /// A change of no VLANs yet.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self { index, target: VlanTarget::empty(), members: Vec::new() }
    }

    /// The request that does this. One that the kernel would refuse, or would take and quietly do something else, is
    /// [refused](Request::invalid_if) when it is sent.
    ///
    /// VLANs in a row with the same flags are one range, whether they were given so or not. Every set of VLANs fits one request.
    #[must_use]
    pub fn request(&self, verb: VlanVerb) -> Request {
        let header = IfInfoMsg { family: AF_BRIDGE, index: self.index, ..IfInfoMsg::default() };
        let kind = match verb {
            VlanVerb::Add => RTM_SETLINK,
            VlanVerb::Delete => RTM_DELLINK,
        };
        let mut request = Request::new(kind, &NAMES, describe).with_header(&header);
        let mut w = request.attrs();
        let mut spec = w.nested_unmarked(IFLA_AF_SPEC);
        if !self.target.is_empty() {
            spec.u16(IFLA_BRIDGE_FLAGS, self.target.bits());
        }
        for member in self.compressed() {
            let (flags, vlans) = (member.flags.bits(), member.vlans);
            match vlans.is_single() {
                true => info(&mut spec, flags, vlans.first().get()),
                false => {
                    info(&mut spec, flags | RANGE_BEGIN, vlans.first().get());
                    info(&mut spec, flags | RANGE_END, vlans.last().get());
                }
            }
        }
        drop(spec);
        request.invalid_if(self.check(verb))
    }

    /// In order, and in ranges as long as they can be. A PVID is never in one.
    fn compressed(&self) -> Vec<VlanMember> {
        let mut sorted = self.members.clone();
        sorted.sort();
        let mut out: Vec<VlanMember> = Vec::with_capacity(sorted.len());
        for member in sorted {
            if let Some(last) = out.last_mut().filter(|last| last.flags == member.flags && !last.is_pvid())
                && last.vlans.last().get() + 1 == member.vlans.first().get()
                && let Ok(vlans) = VlanRange::new(last.vlans.first().get(), member.vlans.last().get())
            {
                last.vlans = vlans;
            } else {
                out.push(member);
            }
        }
        out
    }

    fn check(&self, verb: VlanVerb) -> Result<(), Invalid> {
        check_index(self.index)?;
        Invalid::when(self.members.is_empty(), "no VLAN is given: name one at least")?;
        let mut sorted = self.members.clone();
        sorted.sort();
        for pair in sorted.windows(2) {
            if let [one, other] = pair
                && one.vlans.overlaps(other.vlans)
            {
                return Err(
                    format!("vlans {} and {} overlap: give each VLAN once", one.vlans, other.vlans).into()
                );
            }
        }
        if verb == VlanVerb::Delete {
            return Ok(());
        }
        let mut pvids = self.members.iter().filter(|member| member.is_pvid());
        if let Some(range) = pvids.clone().find(|member| !member.vlans.is_single()) {
            return Err(format!("vlan range {} as pvid; a pvid is one VLAN", range.vlans).into());
        }
        if let (Some(one), Some(other)) = (pvids.next(), pvids.next()) {
            return Err(format!("vlans {} and {} as pvid; a device has one", one.vlans, other.vlans).into());
        }
        Ok(())
    }
}

fn info(w: &mut AttrWriter<'_>, flags: u16, vlan: u16) {
    w.bytes(IFLA_BRIDGE_VLAN_INFO, [flags, vlan].map(u16::to_ne_bytes).as_flattened());
}

/// The word of `bridge vlan` for it, but for `delete`.
impl fmt::Display for VlanVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Delete => "delete",
        })
    }
}

/// The words of `bridge vlan`, with `#5` for interface 5.
impl fmt::Display for VlanChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_words(f, self.index, &self.members, self.target)
    }
}

/// How many ranges an error names.
const NAMED: usize = 8;

fn write_words(f: &mut impl Write, index: u32, members: &[VlanMember], target: VlanTarget) -> fmt::Result {
    write!(f, "dev #{index}")?;
    for member in members.iter().take(NAMED) {
        write!(f, " vid {member}")?;
    }
    if members.len() > NAMED {
        write!(f, " and {} more", members.len() - NAMED)?;
    }
    if target.contains(VlanTarget::SELF) {
        f.write_str(" self")?;
    }
    if target.contains(VlanTarget::MASTER) {
        f.write_str(" master")?;
    }
    Ok(())
}

fn describe(message: MessageRef<'_>) -> String {
    let mut text = if message.kind() == RTM_DELLINK { "delete vlan " } else { "add vlan " }.to_owned();
    if let Ok((header, attrs)) = message.header::<IfInfoMsg>()
        && let Ok(Some(spec)) = attrs.find(IFLA_AF_SPEC)
    {
        let flags = spec.attrs().find(IFLA_BRIDGE_FLAGS).ok().flatten().and_then(|flags| flags.u16().ok());
        let target = VlanTarget::from_bits_retain(flags.unwrap_or(0));
        // Writing to a String cannot fail.
        let _ = write_words(&mut text, header.index, &read_members(spec.attrs()).unwrap_or_default(), target);
    }
    text
}
