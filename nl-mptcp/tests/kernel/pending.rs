//! Verbs, lists and events on a thread without a runtime: the same code, the same requests.

use std::net::Ipv4Addr;

use nl_core::{Connection, Protocol};
use nl_mptcp::AddressId;
use nl_mptcp::diag::{SockDiag, States};
use nl_mptcp::event::MptcpEvent;
use nl_testkit::{Lab, Result};

use crate::support::{Net, Pair, open};

#[nl_testkit::test(needs(genl = "mptcp_pm"))]
async fn endpoints_are_added_and_listed_without_a_runtime(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mptcp = open(&node).await?;
    let waiting = mptcp.clone();
    let thread = std::thread::spawn(move || -> nl_core::Result<Vec<Ipv4Addr>> {
        assert!(tokio::runtime::Handle::try_current().is_err());
        for host in 1..=3 {
            waiting.endpoint(Ipv4Addr::new(10, 9, 0, host)).dev("lo").signal().add().wait()?;
        }
        waiting.endpoint(AddressId::new(2)).delete().wait()?;
        let mut listed = Vec::new();
        for endpoint in waiting.endpoints().list().wait()? {
            if let std::net::IpAddr::V4(address) = endpoint?.address {
                listed.push(address);
            }
        }
        waiting.limits().subflows(3).set().wait()?;
        Ok(listed)
    });
    assert_eq!(thread.join().unwrap()?, [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 3)]);
    // The same handle works in the runtime.
    assert_eq!(mptcp.limits().get().await?.subflows, 3);
    assert!(mptcp.endpoint(AddressId::new(2)).get().await.unwrap_err().is_not_found());
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sock_diag = "mptcp", link = "veth"))]
async fn sockets_and_events_are_read_in_for_loops(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:4000").await?;
    let (mptcp, token) = (pair.client.mptcp.clone(), pair.client.token());
    let diag = SockDiag::new(net.client.open(|| Connection::open(Protocol::SockDiag)).await?);
    let mut events = mptcp.events().await?;
    let reading = std::thread::spawn(move || -> nl_core::Result<Vec<_>> {
        let mut tokens = Vec::new();
        for socket in diag.sockets().states(States::ESTABLISHED).list() {
            tokens.extend(socket?.token());
        }
        assert_eq!(diag.connections().list().wait()?.len(), tokens.len());
        Ok(tokens)
    });
    assert_eq!(reading.join().unwrap()?, [token]);
    let reading = std::thread::spawn(move || {
        for event in &mut events {
            if matches!(event, Ok(MptcpEvent::Closed { token: closed }) if closed == token) {
                return true;
            }
        }
        false
    });
    pair.close();
    assert!(tokio::task::spawn_blocking(|| reading.join()).await?.unwrap());
    Ok(())
}
