//! Lists and events of the kernel, as entries of the table.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::error::Names;
use nl_core::link::{Link, LinkEvent, LinkFlags, RTM_DELLINK, RTM_NEWLINK};
use nl_core::message::{FixedHeader, MessageRef};
use nl_core::{Connection, Result};

use super::event::Idle;
use super::machine::{Input, Snapshot};
use super::table::{AddressKind, ConnectionState, Interface, SubflowPhase, SubflowState};
use crate::diag::{self, InetSocket, SockDiag, SubflowFlags, TcpState};
use crate::settings::{PathManagerType, SettingsEntry, Status};

/// Lists everything.
pub(super) async fn list(
    diag: SockDiag,
    route: Connection,
    settings: Option<SettingsEntry>,
) -> Result<Snapshot> {
    let mut interfaces = BTreeMap::new();
    for link in route.links().collect_all().await? {
        let (index, name, up) = (link.index, link.name.to_string(), is_up(&link));
        interfaces.insert(index, Interface { index, name, up, addresses: BTreeMap::new() });
    }
    let addresses = Request::new(RTM_GETADDR, Names::UNKNOWN, |_| "list addresses".into())
        .with_header(&IfAddrMsg::default());
    for address in route.dump(addresses, decode).collect_all().await? {
        if let Input::Address { index, address, kind: Some(kind) } = address
            && let Some(interface) = interfaces.get_mut(&index)
        {
            interface.addresses.insert(address, kind);
        }
    }
    let connections = diag.connections().list().await?;
    // Without `/proc` nobody knows.
    let idle = settings.and_then(|settings| match settings.status() {
        Ok(Status::Absent | Status::Off) => Some(Idle::Disabled),
        Ok(Status::On(PathManagerType::Kernel)) => Some(Idle::KernelPathManager),
        _ => None,
    });
    Ok(Snapshot { connections: connections.iter().filter_map(connection).collect(), interfaces, idle })
}

/// `None` for a connection that events do not report any more, or not yet.
fn connection(found: &diag::MptcpConnection) -> Option<ConnectionState> {
    let socket = found.socket?;
    let InetSocket { state, local, remote, inode, .. } = socket.socket;
    let open = match state {
        TcpState::Established | TcpState::CloseWait | TcpState::SynRecv => true,
        TcpState::FinWait1 | TcpState::FinWait2 | TcpState::Closing | TcpState::LastAck => inode != 0,
        _ => false,
    };
    if !open || found.token.get() == 0 || found.is_fallback() == Some(true) {
        return None;
    }
    let mut connection = ConnectionState::new(found.token, local, remote);
    for subflow in &found.subflows {
        let Some(info) = subflow.mptcp else { continue };
        let phase = match subflow.socket.state {
            TcpState::Established | TcpState::CloseWait => SubflowPhase::Established,
            TcpState::SynSent | TcpState::SynRecv => SubflowPhase::Trying,
            // Shut on this side, but not destroyed.
            TcpState::FinWait1 | TcpState::FinWait2 | TcpState::Closing | TcpState::LastAck
                if subflow.socket.inode != 0 =>
            {
                SubflowPhase::Established
            }
            _ => continue,
        };
        let mut state = SubflowState::new(subflow.socket.local, subflow.socket.remote, phase);
        (state.local_id, state.remote_id) = (info.id_loc, info.id_rem);
        state.backup = info.flags.contains(SubflowFlags::BKUP_LOC);
        state.backup_by_peer = info.flags.contains(SubflowFlags::BKUP_REM);
        state.index = subflow.socket.interface;
        let by_this_side = if info.is_first() { SubflowFlags::MCAP_LOC } else { SubflowFlags::JOIN_LOC };
        state.created_here = info.flags.contains(by_this_side);
        connection.established |= info.flags.contains(SubflowFlags::FULLY_ESTABLISHED);
        if info.is_first() {
            connection.server_side = Some(!state.created_here);
        }
        connection.subflows.push(state);
    }
    Some(connection)
}

/// Decodes a message about a link or an address; `None` for any other.
pub(super) fn decode(message: MessageRef<'_>) -> Result<Option<Input>, DecodeError> {
    match message.kind() {
        RTM_NEWLINK | RTM_DELLINK => Ok(LinkEvent::decode(message)?.map(|event| match event {
            LinkEvent::New(link) => {
                Input::Link { index: link.index, name: link.name.to_string(), up: is_up(&link) }
            }
            event => Input::LinkDeleted { index: event.link().index },
        })),
        RTM_NEWADDR | RTM_DELADDR => address(message),
        _ => Ok(None),
    }
}

fn is_up(link: &Link) -> bool {
    link.flags.contains(LinkFlags::UP | LinkFlags::RUNNING)
}

fn address(message: MessageRef<'_>) -> Result<Option<Input>, DecodeError> {
    let (header, attrs) = message.header::<IfAddrMsg>()?;
    let (mut local, mut address, mut flags) = (None, None, u32::from(header.flags));
    for attr in attrs {
        let attr = attr?;
        match attr.kind() {
            // The peer's address if there is an `IFA_LOCAL`.
            IFA_ADDRESS => address = Some(attr.ip()?),
            IFA_LOCAL => local = Some(attr.ip()?),
            IFA_FLAGS => flags = attr.u32()?,
            _ => {}
        }
    }
    let address: IpAddr = local.or(address).ok_or(DecodeError::Missing(IFA_ADDRESS))?;
    let kind = AddressKind { scope: header.scope, flags };
    let kind = (message.kind() == RTM_NEWADDR).then_some(kind);
    Ok(Some(Input::Address { index: header.index, address, kind }))
}

/// `struct ifaddrmsg`
#[derive(Clone, Copy, Debug, Default)]
struct IfAddrMsg {
    family: u8,
    prefix: u8,
    flags: u8,
    scope: u8,
    index: u32,
}

impl FixedHeader for IfAddrMsg {
    const LEN: usize = 8;
    const NAME: &'static str = "ifaddrmsg";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.family, self.prefix, self.flags, self.scope]);
        out.extend_from_slice(&self.index.to_ne_bytes());
    }

    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let short = DecodeError::Short { what: Self::NAME, needed: Self::LEN, got: payload.len() };
        let (head, rest) = payload.split_first_chunk::<8>().ok_or(short)?;
        let [family, prefix, flags, scope, index @ ..] = *head;
        Ok((Self { family, prefix, flags, scope, index: u32::from_ne_bytes(index) }, rest))
    }
}

// `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/if_addr.h`
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
pub(super) const RTNLGRP_IPV4_IFADDR: u32 = 5;
pub(super) const RTNLGRP_IPV6_IFADDR: u32 = 9;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IFLA_IFNAME: u16 = 3;

    /// A message as the kernel sends it.
    fn read(kind: u16, payload: &[u8]) -> Result<Option<Input>, DecodeError> {
        let mut bytes = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(payload);
        decode(MessageRef::parse(&bytes).unwrap())
    }

    fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
        out.extend_from_slice(&kind.to_ne_bytes());
        out.extend_from_slice(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    /// `ip address add 10.0.0.1 peer 10.0.0.9 dev ppp0` (index 7): the address of this side is the local one.
    #[test]
    fn local_address_and_32_bit_flags_are_decoded() {
        let head = [&[2, 32, 0x80, 0][..], &7_u32.to_ne_bytes()].concat();
        let flags = attr(IFA_FLAGS, &0x240_u32.to_ne_bytes());
        let ends = [attr(IFA_ADDRESS, &[10, 0, 0, 9]), attr(IFA_LOCAL, &[10, 0, 0, 1])].concat();
        let decoded = read(RTM_NEWADDR, &[head.clone(), ends.clone(), flags].concat()).unwrap().unwrap();
        let Input::Address { index: 7, address, kind: Some(kind) } = decoded else { panic!("{decoded:?}") };
        assert_eq!((address, kind.flags), (IpAddr::from([10, 0, 0, 1]), 0x240));
        assert!(!kind.is_usable(), "it is tentative");
        let decoded = read(RTM_DELADDR, &[head, ends].concat()).unwrap().unwrap();
        assert!(matches!(decoded, Input::Address { kind: None, .. }), "{decoded:?}");
    }

    #[test]
    fn bridge_port_event_is_not_a_deleted_interface() {
        let link = |family: u8| {
            [&[family, 0, 1, 0][..], &7_u32.to_ne_bytes(), &0x43_u32.to_ne_bytes(), &[0; 4]].concat()
        };
        assert!(read(RTM_DELLINK, &link(7)).unwrap().is_none());
        let named = [link(0), attr(IFLA_IFNAME, b"eth7\0")].concat();
        assert!(matches!(read(RTM_DELLINK, &named).unwrap(), Some(Input::LinkDeleted { index: 7 })));
        let decoded = read(RTM_NEWLINK, &named).unwrap().unwrap();
        assert!(matches!(decoded, Input::Link { index: 7, up: true, .. }), "{decoded:?}");
    }

    proptest! {
        #[test]
        fn arbitrary_link_and_address_messages_never_panic(kind in 15..30_u16, payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some(input)) = read(kind, &payload) {
                prop_assert!((RTM_NEWLINK..=RTM_DELADDR).contains(&kind), "{input:?} of {kind}");
            }
        }
    }
}
