//! Several tasks and processes that change the same endpoints: every outcome is a success or says which of them was first, nothing hangs, and
//! what is left is what iproute2 shows.

use std::collections::BTreeSet;

use nl_core::Error;
use nl_core::error::Errno;
use nl_mptcp::Mptcp;
use nl_testkit::race::{Dice, Race};
use nl_testkit::{Lab, Result};

use crate::support::{SOON, open};

const TASKS: usize = 4;
/// Of each task.
const CHANGES: u32 = 60;

fn v4(last: u8) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::new(10, 9, 0, last)
}

/// One change, which another task may have made impossible.
async fn change(mptcp: &Mptcp, dice: &mut Dice) -> nl_core::Result<()> {
    let address = v4(1 + dice.roll(4_u8));
    match dice.roll(8_u8) {
        0 | 1 => mptcp.endpoint(address).subflow().add().await.map(drop),
        2 => mptcp.endpoint(address).signal().add().await.map(drop),
        3 => mptcp.endpoint(address).backup().change().await.map(drop),
        4 => mptcp.endpoint(address).nobackup().change().await.map(drop),
        5 => mptcp.endpoint(address).delete().await.map(drop),
        6 => {
            let found = mptcp.endpoint(address).get().await?;
            assert_eq!(found.address, std::net::IpAddr::from(address));
            Ok(())
        }
        _ => mptcp.limits().subflows(dice.roll(3_u32)).set().await.map(drop),
    }
}

/// What exists, and what is not found; Linux 6.1 says `EINVAL` to the first.
fn is_lost_race(error: &Error) -> bool {
    error.is_not_found() || matches!(error.errno(), Some(Errno::EEXIST | Errno::EINVAL | Errno::EBUSY))
}

#[nl_testkit::test(needs(genl = "mptcp_pm", tool = "ip"), timeout = 60)]
async fn changes_of_the_same_endpoints_by_tasks_and_processes_succeed_or_say_why(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let mut clients = Vec::new();
    for _ in 0..TASKS {
        clients.push(open(&node).await?);
    }
    let racers = Race::new(CHANGES, SOON).tasks(clients, change, is_lost_race);
    // iproute2 among them, whose failures are its own.
    let processes = async {
        for number in 0..8 {
            let address = v4(1 + number % 4);
            for line in [
                format!("ip mptcp endpoint add {address} subflow"),
                format!("ip mptcp endpoint change {address} backup"),
                format!("ip mptcp endpoint delete id {}", number % 4 + 1),
            ] {
                let _ = node.command(line.split_whitespace()).await;
            }
        }
    };
    tokio::join!(racers, processes);

    let mptcp = open(&node).await?;
    let listed = mptcp.endpoints().list().await?.collect_all().await?;
    let listed: BTreeSet<_> =
        listed.iter().map(|endpoint| (endpoint.address.to_string(), u64::from(endpoint.id.get()))).collect();
    let shown = node.json("ip -j mptcp endpoint show").await;
    let shown: BTreeSet<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["address"].as_str().unwrap().to_owned(), entry["id"].as_u64().unwrap()))
        .collect();
    assert_eq!(listed, shown);
    Ok(())
}
