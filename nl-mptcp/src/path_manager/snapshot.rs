//! Lists of the kernel, as entries of the table.

use std::collections::BTreeMap;

use nl_core::Result;

use super::event::Idle;
use super::machine::Snapshot;
use super::table::{ConnectionState, SubflowPhase, SubflowState};
use crate::diag::{self, InetSocket, SockDiag, SubflowFlags, TcpState};
use crate::settings::{PathManagerType, SettingsEntry, Status};

/// Lists the connections. The interfaces are those of the watches when the list is complete.
pub(super) async fn list(diag: SockDiag, settings: Option<SettingsEntry>) -> Result<Snapshot> {
    let connections = diag.connections().list().await?;
    // Without `/proc` nobody knows.
    let idle = settings.and_then(|settings| match settings.status() {
        Ok(Status::Absent | Status::Off) => Some(Idle::Disabled),
        Ok(Status::On(PathManagerType::Kernel)) => Some(Idle::KernelPathManager),
        _ => None,
    });
    let connections = connections.iter().filter_map(connection).collect();
    Ok(Snapshot { connections, interfaces: BTreeMap::new(), idle })
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
        state.set_backup(info.flags.contains(SubflowFlags::BKUP_LOC));
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
